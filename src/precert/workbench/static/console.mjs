// The start page's console: choose an example, send it, read the answer and why it was given.

import { assertions, claimResponses, decisions, hook, outcome } from "./answers.mjs";
import { el } from "./dom.mjs";

const byId = (id) => document.getElementById(id);
const form = byId("console");
const example = byId("example");
const operation = byId("operation");
const body = byId("body");
const status = byId("status");

/** The fetch of the example that was chosen last. What is sent waits for it. */
let loading = Promise.resolve();

/** An example was chosen: until its text is here, the field is empty, so that no other text can be sent in its place. */
function choose() {
  const option = example.selectedOptions[0];
  byId("explanation-line").textContent = option.dataset.explanation ?? "";
  body.value = "";
  delete body.dataset.example;
  status.textContent = "";
  if ([...operation.options].some((each) => each.value === option.dataset.operation)) operation.value = option.dataset.operation;
  follow();
  if (option.value) {
    body.readOnly = true; // what is typed now would be overwritten
    loading = load(option);
    return;
  }
  loading = Promise.resolve();
  body.readOnly = false;
  byId("body-box").open = true;
  body.focus();
}

/** Fetch a shipped example into the text field. */
async function load(option) {
  let text = "";
  let trouble = "";
  try {
    const answer = await fetch(`/examples/${option.value}`);
    if (answer.ok) text = await answer.text();
    else trouble = `HTTP ${answer.status}`;
  } catch (error) {
    trouble = error.message;
  }
  if (option !== example.selectedOptions[0]) return; // another was chosen meanwhile, and that one counts
  body.readOnly = false;
  if (trouble) {
    status.textContent = `The example could not be fetched: ${trouble}. Choose it again.`;
    return;
  }
  body.value = text;
  body.dataset.example = option.value;
}

/** Wait until the example that is chosen stands in the field, also when another one is chosen while waiting. */
async function loaded() {
  for (let awaited = null; awaited !== loading; ) {
    awaited = loading;
    await awaited;
  }
}

/** A hook has no FHIR base; what it speaks follows from the request. */
function follow() {
  byId("base").hidden = operation.selectedOptions[0]?.dataset.based !== "yes";
}

/** The request with fresh identifiers, so that it is not recognised as one that was sent before. The text is changed in
 * place rather than parsed and written again, because JSON.stringify would turn 22.0 into 22. */
function renewed(text) {
  const parsed = JSON.parse(text);
  const stamp = Date.now().toString(36);
  const claim = (parsed.entry ?? []).find((each) => each.resource?.resourceType === "Claim")?.resource;
  const values = [parsed.identifier, ...(claim?.identifier ?? [])].map((each) => each?.value).filter((value) => typeof value === "string");
  let made = text;
  for (const value of new Set(values)) {
    const kept = value.replace(/~[0-9a-z]+$/, "");
    const written = JSON.stringify(value).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    made = made.replace(new RegExp(`("value"\\s*:\\s*)${written}`, "g"), (_, key) => `${key}${JSON.stringify(`${kept}~${stamp}`)}`);
  }
  if (typeof parsed.hookInstance === "string") made = made.replaceAll(JSON.stringify(parsed.hookInstance), JSON.stringify(crypto.randomUUID()));
  return made;
}

function headers(accept) {
  const token = byId("token")?.value;
  return { Accept: accept, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
}

async function send(event) {
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  try {
    await loaded();
    if (body.value === "" && example.value) return; // it could not be fetched: the status says so
    await deliver();
  } finally {
    button.disabled = false;
  }
}

/** Send what stands in the field now. What is chosen or typed while the answer is awaited belongs to the next request. */
async function deliver() {
  const chosen = operation.selectedOptions[0];
  const based = chosen.dataset.based === "yes";
  const fresh = byId("fresh").checked && (chosen.value === "submit" || !based);
  let request;
  try {
    if (fresh) body.value = renewed(body.value);
    request = JSON.parse(body.value);
  } catch (error) {
    byId("body-box").open = true;
    status.textContent = `The request is not JSON: ${error.message}`;
    body.focus();
    return;
  }
  const url = `${based ? form.elements.base.value : ""}${chosen.dataset.path}`;
  const type = based ? "application/fhir+json" : "application/json";
  const sent = { text: body.value, request, based, operation: chosen.value };
  status.textContent = "Sending …";
  const started = performance.now();
  try {
    const response = await fetch(url, { method: "POST", headers: { ...headers(type), "Content-Type": type }, body: sent.text });
    const text = await response.text();
    status.textContent = `HTTP ${response.status} in ${Math.round(performance.now() - started)} ms`;
    await show(text, response.status, sent);
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
  }
}

async function show(text, code, sent) {
  const { based } = sent;
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = null;
  }
  byId("result").hidden = false;
  byId("raw").textContent = answer === null ? text : JSON.stringify(answer, null, 2);
  byId("answer").replaceChildren(...read(answer, code, sent));
  if (answer !== null && code < 400 && !based) for (const id of assertions(answer)) keep(id, sent.text);
  const ids = answer === null || code >= 400 ? [] : based ? claimResponses(answer).map((each) => each.id).filter(Boolean) : assertions(answer);
  await explain(ids);
  byId("answer-title").focus({ preventScroll: false });
}

/** The call behind an assertion, for the form page: the order is the EHR's, so the server does not have it. */
function keep(id, text) {
  try {
    window.sessionStorage.setItem(`precert-hook-${id}`, text);
  } catch {
    // no room left in this tab: the form page says what to do
  }
}

function read(answer, code, { request, based, operation: sentTo }) {
  if (answer === null) return [el("p", {}, "The answer is not JSON.")];
  if (answer.resourceType === "OperationOutcome") return outcome(answer, code);
  if (!based) return hook(answer);
  if (claimResponses(answer).length || ["submit", "inquire"].includes(sentTo)) return decisions(answer, request);
  return [el("p", {}, `Answered with a ${answer.resourceType}. It is below, raw.`)];
}

/** The server's own explanation pages, taken apart: their markup is escaped there, so there is one renderer and not two. */
async function explain(ids) {
  const why = byId("why");
  why.replaceChildren();
  for (const id of ids.slice(0, 5)) {
    const path = `/explain/${encodeURIComponent(id)}`;
    const response = await fetch(path, { headers: headers("text/html") });
    if (!response.ok) continue;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const article = page.getElementById("explanation");
    if (article === null) continue;
    why.append(...condensed(document.importNode(article, true)), el("p", {}, el("a", { href: path }, "The explanation on its own page")));
  }
  if (!why.hasChildNodes()) why.append(el("p", { class: "hint" }, "Nothing was decided, so there is nothing to explain."));
}

/** One box per line of an explanation; only the first of several is open. Headings go below those of the console. */
function condensed(article) {
  for (const each of article.querySelectorAll("[id]")) each.removeAttribute("id");
  for (const each of article.querySelectorAll("h3")) each.replaceWith(el("h5", {}, ...each.childNodes));
  const sections = [...article.querySelectorAll("section.card:not(.record)")];
  return sections.map((section, at) => {
    const heading = section.querySelector("h2");
    const verdict = section.querySelector(".verdict .badge");
    heading.remove();
    const summary = el("summary", {}, heading.textContent, " ", verdict?.cloneNode(true));
    return el("details", { class: "why-line", open: at === 0 }, summary, ...section.childNodes);
  });
}

if (form !== null) {
  example.addEventListener("change", choose);
  operation.addEventListener("change", follow);
  form.addEventListener("submit", send);
  if (!example.value && example.options.length > 1) example.selectedIndex = 1;
  choose();
}
