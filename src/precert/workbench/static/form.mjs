// The form page: fetches a questionnaire as a DTR client does ($questionnaire-package), shows it, and sends the answers:
// those of a pended line with $submit-attachment, those of an order with the order itself, as a PAS request. There is no EHR
// behind it; it plays the provider's side.

import { el, linked } from "./dom.mjs";
import { answered, completed, fault, help, options, prefilled, questions, read, shown, unexpanded, unit, withOptions } from "./questionnaire.mjs";

const form = document.getElementById("questionnaire");
const status = document.getElementById("status");
const FHIR = "application/fhir+json";

const post = (path, parameter) => call(path, JSON.stringify({ resourceType: "Parameters", parameter }), FHIR);

async function call(path, content, type) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": type, Accept: type }, body: content });
  const body = await response.json();
  if (!response.ok) throw new Error((body.issue ?? []).map((issue) => issue.details?.text ?? issue.code).join(" "));
  return body;
}

/** The first package that holds a form of its own (not an adaptive one); of an order, that of the policy which asks. Beside
 * it those with what a reviewer asks in their own words. */
function unpack(parameters) {
  const wanted = form.dataset.policy;
  const found = [];
  for (const { resource } of parameters.parameter ?? []) {
    const inside = (resource?.entry ?? []).map((entry) => entry.resource);
    const questionnaire = inside.find((each) => each.resourceType === "Questionnaire" && each.item && (!wanted || each.url.endsWith(`/${encodeURIComponent(wanted)}`)));
    const draft = inside.find((each) => each.resourceType === "QuestionnaireResponse");
    const sets = inside.filter((each) => each.resourceType === "ValueSet");
    if (!questionnaire) continue;
    const part = { sets, questionnaire, draft: draft ?? { resourceType: "QuestionnaireResponse", questionnaire: `${questionnaire.url}|${questionnaire.version}` } };
    if (worded(part) || !found.some((each) => !worded(each))) found.push(part);
  }
  if (!found.length) throw new Error("There is no form for this request.");
  return found;
}

/** Is this a reviewer's own question? */
function worded(part) {
  return part.questionnaire.url.includes("/reviewer-question-");
}

/** The questionnaire with all answers to choose from; large value sets are fetched, as an EHR would. */
async function chooseable(questionnaire, sets) {
  const fetched = unexpanded(questionnaire, sets).map(async (url) => {
    const expanded = await post("/fhir/ValueSet/$expand", [{ name: "url", valueUri: url }]);
    return { ...expanded, url: url.split("|")[0], version: url.split("|")[1] ?? expanded.version };
  });
  return withOptions(questionnaire, [...(await Promise.all(fetched)), ...sets]);
}

function control(item, id, value) {
  const common = { id, name: item.linkId, "aria-describedby": `${id}-help ${id}-error`, "aria-required": item.required ? "true" : null };
  const known = value === undefined ? null : String(value);
  if (item.type === "choice") {
    return el("select", common, el("option", { value: "" }, "Choose …"), options(item).map((coding) => el("option", { value: coding.code, selected: coding.code === known }, coding.display ?? coding.code)));
  }
  if (item.type === "text") return Object.assign(el("textarea", { ...common, rows: 3 }), { value: known ?? "" });
  const numeric = ["decimal", "integer", "quantity"].includes(item.type);
  return el("input", { ...common, type: item.type === "date" ? "date" : "text", inputmode: numeric ? (item.type === "integer" ? "numeric" : "decimal") : null, autocomplete: "off", value: known });
}

function question(item, before) {
  const id = `q-${item.linkId}`;
  const value = before?.value;
  const required = item.required ? " (required)" : "";
  const hints = [...help(item), ...(before ? [form.dataset.order ? "Filled in from the chart; change it if it is wrong." : "Filled in from the request; change it if it is wrong."] : [])];
  const below = [el("span", { id: `${id}-help`, class: "hint" }, hints.flatMap((text, at) => [at ? el("br") : null, ...linked(text)])), el("span", { id: `${id}-error`, class: "error" })];
  if (item.type === "boolean") {
    const choice = (word, given) => el("label", {}, el("input", { type: "radio", name: item.linkId, value: String(given), checked: value === given }), ` ${word}`);
    return el("fieldset", { class: "question", "data-link": item.linkId, "aria-describedby": `${id}-help ${id}-error` }, el("legend", {}, item.text, el("span", { class: "hint" }, required)), el("div", { class: "choices" }, choice("Yes", true), choice("No", false)), below);
  }
  const suffix = unit(item);
  return el("p", { class: "question field", "data-link": item.linkId }, el("label", { for: id }, item.text, el("span", { class: "hint" }, required)), el("span", { class: "with-unit" }, control(item, id, value), suffix ? el("span", {}, suffix.display ?? suffix.code) : null), below);
}

function section(item, before) {
  if (item.type === "group") return el("section", { "data-link": item.linkId }, el("h2", {}, item.text), (item.item ?? []).flatMap((child) => section(child, before)));
  return item.type === "display" ? el("p", { class: "hint" }, item.text) : question(item, before.get(item.linkId));
}

function written(item) {
  const field = form.elements.namedItem(item.linkId);
  return field ? field.value : "";
}

function values(questionnaire) {
  const found = questions(questionnaire.item).map((item) => [item.linkId, read(item, written(item))]);
  return new Map(found.filter(([, value]) => value !== undefined && !Number.isNaN(value)));
}

/** Only the questions that can still matter are shown. */
function follow(questionnaire) {
  const visible = shown(questionnaire.item, values(questionnaire));
  for (const box of form.querySelectorAll(".question")) box.hidden = !visible.has(box.dataset.link);
  for (const box of form.querySelectorAll("section[data-link]")) box.hidden = box.querySelector(".question:not([hidden])") === null;
  const asked = questions(questionnaire.item).filter((item) => visible.has(item.linkId));
  const open = asked.filter((item) => written(item) === "").length;
  document.getElementById("progress").textContent = `${asked.length - open} of ${asked.length} questions answered.`;
  return asked;
}

/** The first answer that does not fit gets the focus; every one says what is wrong. */
function check(asked) {
  let first = null;
  for (const each of form.querySelectorAll(".error")) each.textContent = "";
  for (const item of asked) {
    const wrong = fault(item, written(item));
    if (wrong === null) continue;
    document.getElementById(`q-${item.linkId}-error`).textContent = wrong;
    first ??= form.querySelector(`[name="${CSS.escape(item.linkId)}"]`);
  }
  first?.focus();
  return first === null;
}

function draftKey() {
  return `precert-form-${form.dataset.context}`;
}

function restore(questionnaire) {
  const kept = JSON.parse(window.localStorage.getItem(draftKey()) ?? "{}");
  for (const item of questions(questionnaire.item)) {
    const field = form.elements.namedItem(item.linkId);
    if (field && kept[item.linkId] !== undefined) field.value = kept[item.linkId];
  }
}

/** The hook call that the order came with, as the console kept it in this tab. */
function keptCall() {
  const kept = window.sessionStorage.getItem(`precert-hook-${form.dataset.context}`);
  if (kept === null) throw new Error("this tab does not know the order any more; send the hook again from the start page.");
  return kept;
}

/** The order as the request that an EHR would make of it, with the answers as supporting information. */
async function submit(response) {
  const bundle = await call(`/api/crd/request?order=${encodeURIComponent(form.dataset.order)}`, keptCall(), "application/json");
  const claim = bundle.entry[0].resource;
  const fullUrl = `urn:uuid:${crypto.randomUUID()}`;
  const category = { coding: [{ system: "http://hl7.org/fhir/us/davinci-pas/CodeSystem/PASTempCodes", code: "additionalInformation" }] };
  const sequence = Math.max(0, ...(claim.supportingInfo ?? []).map((each) => each.sequence)) + 1;
  claim.supportingInfo = [...(claim.supportingInfo ?? []), { sequence, category, valueReference: { reference: fullUrl } }];
  // the draft was opened by context alone and names nobody: the answers are about the patient of the request
  bundle.entry.push({ fullUrl, resource: { ...response, subject: { reference: claim.patient.reference } } });
  const answer = await call("/fhir/Claim/$submit", JSON.stringify(bundle), FHIR);
  return answer.entry.find((entry) => entry.resource.resourceType === "ClaimResponse").resource.id;
}

/** The responses that say something; the first one if none does. */
function answeredOnly(responses) {
  const said = responses.filter((each) => each.item);
  return said.length ? said : responses.slice(0, 1);
}

async function send(parts) {
  const now = new Date().toISOString();
  const author = form.dataset.npi === "unknown" ? undefined : form.dataset.npi;
  const responses = parts.map((part) => completed(part.questionnaire, part.draft, values(part.questionnaire), now, author));
  if (form.dataset.order) {
    const decided = await submit(responses[0]);
    window.localStorage.removeItem(draftKey());
    window.location.assign(`/explain/${encodeURIComponent(decided)}`);
    return;
  }
  const { context, line, member, memberSystem, npi, caseNumber } = form.dataset;
  const identifier = (name, system, value) => ({ name, valueIdentifier: { ...(system ? { system } : {}), value } });
  await post("/fhir/$submit-attachment", [
    identifier("TrackingId", "urn:precert:attachment-control", context),
    { name: "AttachTo", valueCode: "preauthorization" },
    identifier("MemberId", memberSystem, member),
    identifier("ProviderId", "http://hl7.org/fhir/sid/us-npi", npi),
    ...answeredOnly(responses).map((response) => ({ name: "Attachment", part: [{ name: "LineItem", valueString: line }, { name: "Content", resource: response }] })),
  ]);
  window.localStorage.removeItem(draftKey());
  window.location.assign(`/explain/${encodeURIComponent(caseNumber)}`);
}

/** What the chart says about an order, as the hook's explanation has it: the order's own facts, by name. */
async function chart() {
  const response = await fetch(`/explain/${encodeURIComponent(form.dataset.context)}`, { headers: { Accept: "application/json" } });
  const lines = response.ok ? ((await response.json()).lines ?? []) : [];
  const facts = lines.find((line) => line.order === form.dataset.order)?.facts ?? [];
  return new Map(facts.filter((fact) => ["structured", "payer", "attested"].includes(fact.provenance)).map((fact) => [fact.name, fact.value]));
}

async function start() {
  const packages = unpack(await post("/fhir/Questionnaire/$questionnaire-package", [{ name: "context", valueString: form.dataset.context }]));
  const parts = [];
  for (const { questionnaire: sent, draft: empty, sets } of packages) {
    const questionnaire = await chooseable(sent, sets);
    parts.push({ questionnaire, draft: form.dataset.order ? prefilled(questionnaire, empty, await chart()) : empty });
  }
  const before = new Map(parts.flatMap((part) => [...answered(part.draft)]));
  const questionnaire = { item: parts.flatMap((part) => part.questionnaire.item) }; // all of them, for showing and checking
  document.getElementById("items").replaceChildren(...questionnaire.item.map((item) => section(item, before)));
  restore(questionnaire);
  follow(questionnaire);
  document.getElementById("buttons").hidden = false;
  status.textContent = "";
  form.addEventListener("input", (event) => {
    follow(questionnaire);
    const wrong = event.target.closest(".question")?.querySelector(".error");
    if (wrong) wrong.textContent = "";
  });
  document.getElementById("save").addEventListener("click", () => {
    const kept = Object.fromEntries(questions(questionnaire.item).map((item) => [item.linkId, written(item)]).filter(([, value]) => value !== ""));
    window.localStorage.setItem(draftKey(), JSON.stringify(kept));
    status.textContent = "The draft is saved in this browser.";
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!check(follow(questionnaire))) return;
    status.textContent = "Sending …";
    await send(parts).catch((error) => {
      status.textContent = `Not accepted: ${error.message}`;
    });
  });
}

if (form !== null) {
  start().catch((error) => {
    status.textContent = `The form could not be fetched: ${error.message}`;
  });
}
