// Answers as people read them: PAS decisions, CDS cards and coverage information, OperationOutcomes.

import { badge, el, link, linked, pairs } from "./dom.mjs";
import { render } from "./markdown.mjs";

const PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/";
const COVERAGE = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";
const ACTIONS = {
  A1: ["approved", "good"], A2: ["approved in part", "part"], A3: ["not approved", "bad"], A4: ["pended", "wait"],
  A6: ["approved with changes", "part"], C: ["cancelled", "gone"], CT: ["contact the payer", "wait"], NA: ["no authorization needed", "good"],
};
const TONES = {
  covered: "good", "no-auth": "good", satisfied: "good", "not-covered": "bad", conditional: "wait", "auth-needed": "wait",
};
const NAMES = {
  coverage: "Coverage", covered: "Covered", "pa-needed": "Prior authorization", "doc-needed": "Documentation needed from",
  "doc-purpose": "Documentation for", "info-needed": "Information needed", billingCode: "Billing code", reason: "Reason", detail: "Detail",
  dependency: "Depends on", questionnaire: "Form", date: "Asserted", "coverage-assertion-id": "Assertion id", "satisfied-pa-id": "Authorization",
  contact: "Contact", "expiry-date": "Valid until",
};
const SYSTEMS = [["hcpcs", "HCPCS"], ["ama-assn.org", "CPT"], ["icd-10", "ICD-10"], ["loinc", "LOINC"], ["rxnorm", "RxNorm"], ["sid/ndc", "NDC"], ["snomed", "SNOMED CT"]];

const list = (value) => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);

function extension(element, name) {
  return list(element?.extension).find((each) => each.url === name || each.url === PAS + name);
}

function valueOf(each) {
  const key = Object.keys(each ?? {}).find((name) => name.startsWith("value"));
  return key ? each[key] : undefined;
}

function code(coding) {
  const system = SYSTEMS.find(([part]) => (coding.system ?? "").toLowerCase().includes(part));
  return `${system ? `${system[1]} ` : ""}${coding.code ?? ""}`;
}

/** Any FHIR value on one line. */
export function say(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return value === true ? "yes" : value === false ? "no" : String(value);
  if (Array.isArray(value)) return value.map(say).filter(Boolean).join("; ");
  if (value.coding) return value.text ?? value.coding.map((each) => each.display ?? code(each)).filter((text, at, all) => all.indexOf(text) === at).join(", ");
  if (value.code !== undefined) return value.display ?? code(value);
  if (value.value !== undefined && typeof value.value !== "object") return `${value.value} ${value.unit ?? ""}`.trim();
  if (value.start || value.end) return `${value.start ?? "…"} to ${value.end ?? "…"}`;
  if (value.reference) return value.display ?? value.reference;
  if (value.text) return value.text;
  return Object.values(value).map(say).filter(Boolean).join(", ");
}

// --- OperationOutcome -------------------------------------------------------------------------------------------

export function outcome(body, status) {
  return [
    el("p", { class: "headline" }, badge(status >= 400 ? `refused: HTTP ${status}` : "note", status >= 400 ? "bad" : "wait")),
    ...list(body.issue).map((issue) =>
      el(
        "div",
        { class: `outcome-issue ${issue.severity}` },
        el("p", {}, el("strong", {}, `${issue.severity}: `), issue.details?.text ?? issue.diagnostics ?? issue.code),
        list(issue.expression).length ? el("p", { class: "hint" }, "at ", el("code", {}, list(issue.expression).join(", "))) : null,
      ),
    ),
  ];
}

// --- PAS --------------------------------------------------------------------------------------------------------

/** All resources in a Bundle or in Parameters, however nested. */
export function resources(body) {
  if (!body || typeof body !== "object") return [];
  const inside = [...list(body.entry), ...list(body.parameter)].map((each) => each.resource).filter(Boolean);
  return [body, ...inside.flatMap(resources)];
}

export function claimResponses(body) {
  return resources(body).filter((each) => each.resourceType === "ClaimResponse");
}

function asked(request) {
  const claim = resources(request).find((each) => each.resourceType === "Claim");
  return new Map(list(claim?.item).map((item) => [item.sequence, say(item.productOrService)]));
}

function line(item, response, services) {
  const review = extension(list(item.adjudication)[0], "extension-reviewAction");
  const action = say(valueOf(extension(review, "extension-reviewActionCode")));
  const notes = list(item.noteNumber).map((number) => list(response.processNote).find((note) => note.number === number)?.text);
  const [word, tone] = ACTIONS[action] ?? [action || "no decision", "wait"];
  return el(
    "section",
    { class: "answer-line" },
    el("h4", {}, `Line ${item.itemSequence} `, services.get(item.itemSequence) ?? "", " ", badge(word, tone), " ", action ? el("code", {}, action) : null),
    pairs([
      ["Authorization number", say(valueOf(extension(review, "number")))],
      ["Valid", say(valueOf(extension(item, "extension-itemPreAuthPeriod")))],
      ["Reference number", say(valueOf(extension(item, "extension-administrationReferenceNumber")))],
      ["Reason code", say(valueOf(extension(review, "reasonCode")))],
    ]),
    notes.some(Boolean) ? el("ul", {}, notes.filter(Boolean).map((note) => el("li", {}, linked(note)))) : null,
  );
}

/** Where a person can decide what the rules handed over. */
function caseLink(response) {
  const number = list(response.identifier).find((each) => each.system === "urn:precert:case")?.value;
  if (!number) return null;
  const path = encodeURIComponent(number);
  return el(
    "p",
    { class: "actions" },
    list(response.communicationRequest).length ? el("a", { class: "button", href: `/form/${path}` }, "Answer the questions") : null,
    el("a", { href: `/workbench/cases/${path}` }, "Open the case in the workbench"),
  );
}

export function decisions(body, request) {
  const services = asked(request);
  const shown = claimResponses(body).map((response) =>
    el(
      "div",
      {},
      el("p", { class: "headline" }, response.disposition ?? `Outcome: ${response.outcome}`),
      pairs([["Authorization", response.preAuthRef ?? ""], ["Outcome", response.outcome], ["Case", list(response.identifier)[0]?.value ?? ""]]),
      list(response.error).map((error) => el("div", { class: "outcome-issue" }, el("p", {}, el("strong", {}, "rejected: "), say(error.code)))),
      list(response.item).map((item) => line(item, response, services)),
      caseLink(response),
      list(response.error).length ? list(response.processNote).map((note) => el("p", {}, note.text)) : null,
    ),
  );
  return shown.length ? shown : [el("p", {}, "Nothing on file matches.")];
}

// --- CRD --------------------------------------------------------------------------------------------------------

function card(each) {
  return el(
    "article",
    { class: `ehr-card ${each.indicator}` },
    el("h4", {}, each.summary),
    each.detail ? el("div", {}, render(each.detail, el, link)) : null,
    list(each.suggestions).length
      ? el("div", { class: "choices" }, list(each.suggestions).map((one) => el("span", { class: "suggestion", title: list(one.actions).map((action) => action.description).join("; ") }, one.label)))
      : null,
    list(each.links).length ? el("p", {}, list(each.links).flatMap((one, at) => [at ? " · " : "", link(one.url, one.label), one.type === "smart" ? " (SMART app)" : ""])) : null,
    el("p", { class: "source" }, each.source?.label ?? "", each.source?.topic?.display ? ` · ${each.source.topic.display}` : "", ` · ${each.indicator}`),
  );
}

function said(part) {
  if (part.extension) {
    return part.extension.filter((inner) => inner.url !== "category").map((inner) => say(valueOf(inner))).filter(Boolean).join(": ");
  }
  return say(valueOf(part));
}

function coverage(resource, info) {
  const parts = list(info.extension);
  const value = (name) => said(parts.find((part) => part.url === name) ?? {});
  const rows = new Map();
  for (const part of parts) {
    const name = NAMES[part.url] ?? part.url;
    rows.set(name, [...(rows.get(name) ?? []), said(part)]);
  }
  const service = say(resource.code ?? resource.codeCodeableConcept ?? resource.medicationCodeableConcept ?? list(resource.serviceType)[0]) || value("billingCode");
  const form = value("questionnaire") ? `/form/order?assertion=${encodeURIComponent(value("coverage-assertion-id"))}&order=${encodeURIComponent(`${resource.resourceType}/${resource.id}`)}` : null;
  return el(
    "section",
    { class: "answer-line" },
    el("h4", {}, `${resource.resourceType} ${service} `, ["covered", "pa-needed"].map(value).filter(Boolean).flatMap((text) => [badge(text, TONES[text] ?? "wait"), " "])),
    el(
      "table",
      {},
      el("tbody", {}, [...rows].map(([name, values]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, values.map((value) => el("div", {}, linked(value))))))),
    ),
    form ? el("p", { class: "actions" }, el("a", { class: "button", href: form }, "Fill in the form and submit")) : null,
  );
}

function annotated(body) {
  return list(body.systemActions).flatMap((action) =>
    list(action.resource?.extension).filter((each) => each.url === COVERAGE).map((info) => [action.resource, info]),
  );
}

/** The ids under which the assertions of a hook's answer are explained. */
export function assertions(body) {
  const ids = annotated(body).map(([, info]) => valueOf(list(info.extension).find((part) => part.url === "coverage-assertion-id")));
  return [...new Set(ids.filter(Boolean))];
}

export function hook(body) {
  const infos = annotated(body);
  const cards = list(body.cards);
  return [
    el("p", { class: "headline" }, `${cards.length} card${cards.length === 1 ? "" : "s"}, ${infos.length} coverage statement${infos.length === 1 ? "" : "s"}`),
    cards.map(card),
    infos.map(([resource, info]) => coverage(resource, info)),
  ].flat();
}
