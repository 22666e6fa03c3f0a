// The determination form of the case page: sends the decision with If-Match and shows a refusal at the field it is about.

/** The body of the request: empty fields are left out, numbers stay numbers. */
function decision(form) {
  const data = new FormData(form);
  const made = {};
  for (const name of ["outcome", "by", "role", "npi", "license", "specialty", "rationale", "note"]) {
    const value = String(data.get(name) ?? "").trim();
    if (value && !form.querySelector(`[name="${name}"]`).closest("[hidden]")) made[name] = value;
  }
  const reasons = [...form.querySelectorAll('[name="reasons"]:checked')].filter((each) => !each.closest("[hidden]")).map((each) => each.value);
  if (reasons.length) made.reasons = reasons;
  const authorized = {};
  for (const name of ["units", "period"]) {
    const input = form.querySelector(`[name="authorized.${name}"]`);
    const value = input.closest("[hidden]") ? "" : input.value.trim();
    if (value) authorized[name] = name === "units" && Number.isFinite(Number(value)) ? Number(value) : value;
  }
  if (Object.keys(authorized).length) made.authorized = authorized;
  return made;
}

/** A referral says why and what is asked of the physician, under names of its own. */
const REFERRAL = { by: "by", role: "role", npi: "npi", rationale: "reason", note: "question" };

function referral(made) {
  const named = Object.entries(REFERRAL).filter(([field]) => made[field]);
  return Object.fromEntries(named.map(([field, name]) => [name, made[field]]));
}

/** Only the fields that the chosen outcome uses, only the outcomes that the role may choose. The server checks all of it. */
function follow(form) {
  const nurse = form.elements.role.value === "nurse";
  for (const radio of form.elements.outcome) {
    const referable = nurse && !("withPhysician" in form.dataset);
    radio.disabled = radio.value === "refer" ? !referable : nurse && (radio.value === "deny" || radio.value === "modify");
    if (radio.disabled) radio.checked = false;
    radio.closest("label").classList.toggle("off", radio.disabled);
  }
  form.querySelector("[data-role-hint]").hidden = !nurse;
  const outcome = form.elements.outcome.value;
  if (["deny", "modify"].includes(outcome) && !form.dataset.proposed) {
    // What the rules found unmet is proposed; the physician confirms or strikes it.
    for (const box of form.querySelectorAll("[data-unmet]")) box.checked = true;
    form.dataset.proposed = "yes";
  }
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = !outcome || !part.dataset.for.split(" ").includes(outcome);
}

function clear(form) {
  for (const each of form.querySelectorAll(".error")) each.textContent = "";
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  form.querySelector(".form-error").hidden = true;
}

/** Put each issue at the field that it names; what names none stands above the form. */
function refuse(form, status, issues) {
  const prefix = `d${form.dataset.line}-`;
  let first = null;
  const general = [];
  for (const issue of issues) {
    const said = (issue.expression ?? [])[0];
    const field = { reason: "rationale", question: "note" }[said] ?? said;
    const text = issue.details?.text ?? issue.diagnostics ?? issue.code;
    const place = field && document.getElementById(`${prefix}${field}-error`);
    const input = field && form.querySelector(`[name="${field}"]:not(:disabled)`);
    if (place && !place.closest("[hidden]")) {
      place.textContent = text;
      input?.setAttribute("aria-invalid", "true");
      first ??= input ?? place;
    } else general.push(text);
  }
  const box = form.querySelector(".form-error");
  if (general.length || first === null) {
    box.replaceChildren(...general.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    if (status === 412 || status === 409) {
      const again = Object.assign(document.createElement("a"), { href: window.location.pathname, textContent: "Read the case again" });
      box.append(again);
    }
    box.hidden = false;
    first ??= box;
  }
  first.focus();
}

async function send(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const { case: number, line, version } = form.dataset;
  const says = form.querySelector(".sending");
  clear(form);
  const made = decision(form);
  const refers = made.outcome === "refer";
  const lacking = [["by", "Say who decides."], ["outcome", "Choose a decision."]].filter(([name]) => form.elements[name] && !made[name]);
  if (lacking.length) {
    refuse(form, 0, lacking.map(([name, text]) => ({ expression: [name], details: { text } })));
    return;
  }
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  says.textContent = "Sending …";
  try {
    const response = await fetch(`/api/cases/${encodeURIComponent(number)}/lines/${line}/${refers ? "referral" : "determination"}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "If-Match": `W/"${version}"` },
      body: JSON.stringify(refers ? referral(made) : made),
    });
    if (response.ok) {
      window.location.assign(`${window.location.pathname}?decided=${line}`);
      return;
    }
    const answer = await response.json().catch(() => ({}));
    refuse(form, response.status, answer.issue ?? [{ details: { text: `The server answered ${response.status}.` } }]);
  } catch (error) {
    refuse(form, 0, [{ details: { text: `No answer: ${error.message}` } }]);
  }
  button.disabled = false;
  says.textContent = "";
}

/** Somebody has looked at evidence that changed after a yes: nothing is decided, it leaves the worklist. */
async function reviewed(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const { case: number, line, version } = form.dataset;
  const box = form.querySelector(".form-error");
  let said;
  try {
    const response = await fetch(`/api/cases/${encodeURIComponent(number)}/lines/${line}/evidence-review`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "If-Match": `W/"${version}"` },
      body: JSON.stringify(Object.fromEntries([...new FormData(form)].filter(([, value]) => String(value).trim()))),
    });
    if (response.ok) {
      window.location.reload();
      return;
    }
    const answer = await response.json().catch(() => ({}));
    said = (answer.issue ?? []).map((issue) => issue.details?.text ?? issue.code).join(" ") || `The server answered ${response.status}.`;
  } catch (error) {
    said = `No answer: ${error.message}`;
  }
  box.textContent = said;
  box.hidden = false;
  box.focus();
}

/** Evidence links lead into closed boxes: open what is around the target. */
function reveal() {
  const target = window.location.hash && document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  if (!target) return;
  for (let box = target.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
  target.scrollIntoView({ block: "center" });
}

for (const form of document.querySelectorAll("form.determination")) {
  form.addEventListener("change", () => follow(form));
  form.addEventListener("submit", send);
  follow(form);
}
for (const form of document.querySelectorAll("form.evidence-review")) form.addEventListener("submit", reviewed);
window.addEventListener("hashchange", reveal);
reveal();
document.getElementById("decided")?.focus();
