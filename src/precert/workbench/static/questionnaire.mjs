// A FHIR Questionnaire without a page: which questions are shown, whether an answer fits, and the response made of answers.
// Values are plain: true and false, numbers, strings; an unanswered question has none.

const ORIGIN = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/information-origin";
const KEYS = { boolean: "valueBoolean", decimal: "valueDecimal", integer: "valueInteger", date: "valueDate", choice: "valueCoding", "open-choice": "valueString", text: "valueString", string: "valueString", quantity: "valueQuantity" };

const list = (value) => (Array.isArray(value) ? value : []);

/** Every question, however deep, in order. Groups and displays are not questions. */
export function questions(items) {
  return list(items).flatMap((item) => [...(["group", "display"].includes(item.type) ? [] : [item]), ...questions(item.item)]);
}

/** The help text of an item: its children of type display. */
export function help(item) {
  return list(item.item).filter((child) => child.type === "display").map((child) => child.text);
}

/** The unit in which a quantity is asked for. */
export function unit(item) {
  const found = list(item.extension).find((each) => /questionnaire-unit(Option)?$/.test(each.url));
  return found?.valueCoding ?? null;
}

/** The codings to choose from. */
export function options(item) {
  return list(item.answerOption).map((option) => option.valueCoding ?? { code: String(option.valueString ?? option.valueInteger ?? option.valueDate), display: undefined });
}

const canonical = (set) => `${set.url}|${set.version}`;
const chosenFrom = (item, sets) => list(sets).find((set) => canonical(set) === item.answerValueSet || set.url === item.answerValueSet);

/** The canonicals of value sets that are asked from and whose codes are not among ``sets``. */
export function unexpanded(questionnaire, sets) {
  const named = questions(questionnaire.item).filter((item) => item.answerValueSet && !chosenFrom(item, sets)?.expansion);
  return [...new Set(named.map((item) => item.answerValueSet))];
}

/** The questionnaire with the codes of its value sets as options. */
export function withOptions(questionnaire, sets) {
  const walk = (items) =>
    list(items).map((item) => {
      const found = item.answerValueSet ? list(chosenFrom(item, sets)?.expansion?.contains) : [];
      const made = { ...item, ...(found.length ? { answerOption: found.map((coding) => ({ valueCoding: coding })) } : {}) };
      return item.item ? { ...made, item: walk(item.item) } : made;
    });
  return { ...questionnaire, item: walk(questionnaire.item) };
}

function plain(answer) {
  const key = Object.keys(answer).find((name) => name.startsWith("value"));
  const value = answer[key];
  if (key === "valueCoding") return value.code;
  return key === "valueQuantity" ? value.value : value;
}

/** The answers that stand in a response: linkId to {value, answer}. */
export function answered(response) {
  const found = new Map();
  const walk = (items) => {
    for (const item of list(items)) {
      if (list(item.answer).length) found.set(item.linkId, { value: plain(item.answer[0]), answer: item.answer[0] });
      walk(item.item);
    }
  };
  walk(response?.item);
  return found;
}

function holds(condition, values) {
  const value = values.get(condition.question);
  const key = Object.keys(condition).find((name) => name.startsWith("answer"));
  const wanted = plain({ [key.replace("answer", "value")]: condition[key] });
  if (condition.operator === "exists") return (value !== undefined) === wanted;
  if (value === undefined) return false;
  const tests = { "=": value === wanted, "!=": value !== wanted, ">": value > wanted, "<": value < wanted, ">=": value >= wanted, "<=": value <= wanted };
  return tests[condition.operator] ?? false;
}

function enabled(item, values) {
  const conditions = list(item.enableWhen);
  if (conditions.length === 0) return true;
  return item.enableBehavior === "any" ? conditions.some((each) => holds(each, values)) : conditions.every((each) => holds(each, values));
}

/** The linkIds that are shown. The answer of a hidden question counts as not given, so this settles step by step. */
export function shown(items, values) {
  let current = new Set();
  for (let round = 0; round <= questions(items).length; round += 1) {
    const counted = round === 0 ? values : new Map([...values].filter(([linkId]) => current.has(linkId)));
    const next = new Set();
    const walk = (level) => {
      for (const item of list(level)) {
        if (!enabled(item, counted)) continue;
        next.add(item.linkId);
        walk(item.item);
      }
    };
    walk(items);
    if (round > 0 && next.size === current.size && [...next].every((each) => current.has(each))) break;
    current = next;
  }
  return current;
}

/** What is wrong with an answer, or null. ``written`` is what was typed. */
export function fault(item, written) {
  if (written === "" || written === null || written === undefined) return item.required ? "This question needs an answer." : null;
  if (["decimal", "integer", "quantity"].includes(item.type)) {
    const number = Number(written);
    if (!Number.isFinite(number)) return "Write a number, with a point for decimals.";
    if (item.type === "integer" && !Number.isInteger(number)) return "Write a whole number.";
    const limit = (name) => list(item.extension).find((each) => each.url.endsWith(name));
    const bound = (found) => (found ? plain(found) : undefined);
    const low = bound(limit("minQuantity") ?? limit("minValue"));
    const high = bound(limit("maxQuantity") ?? limit("maxValue"));
    if (low !== undefined && number < low) return `At least ${low}.`;
    if (high !== undefined && number > high) return `At most ${high}.`;
  }
  return null;
}

/** What was typed as a value of the item's type. */
export function read(item, written) {
  if (written === "" || written === null || written === undefined) return undefined;
  if (item.type === "boolean") return written === true || written === "true";
  return ["decimal", "integer", "quantity"].includes(item.type) ? Number(written) : written;
}

/** Who answers, as the guide wants it beside whatever is said by hand (dtrx-1): the role, and the NPI if it is known. */
function author(npi) {
  const role = { url: "role", valueCodeableConcept: { coding: [{ system: "http://nucc.org/provider-taxonomy", code: "174400000X" }] } };
  const who = { type: "Practitioner", identifier: { system: "http://hl7.org/fhir/sid/us-npi", value: npi } };
  return { url: "author", extension: [role, ...(npi ? [{ url: "practitioner", valueReference: who }] : [])] };
}

function answer(item, value, before, npi) {
  if (before && before.value === value) return before.answer;
  const source = { url: ORIGIN, extension: [{ url: "source", valueCode: before ? "override" : "manual" }, author(npi)] };
  return { extension: [source], ...wired(item, value) };
}

/** A plain value as the item's type is sent. */
function wired(item, value) {
  let wire = value;
  if (item.type === "choice") wire = options(item).find((coding) => coding.code === value) ?? { code: value };
  if (item.type === "quantity") {
    const coding = unit(item);
    wire = { value, ...(coding ? { unit: coding.display ?? coding.code, system: coding.system, code: coding.code } : {}) };
  }
  return { [KEYS[item.type] ?? "valueString"]: wire };
}

/** A draft with what is known by linkId filled in, as a client does from the chart: marked as taken over, not as said. */
export function prefilled(questionnaire, draft, known) {
  const walk = (items) =>
    list(items).flatMap((item) => {
      const made = { linkId: item.linkId, text: item.text };
      const value = known.get(item.linkId);
      const fits = value !== undefined && value !== null && typeof value !== "object" && fault(item, String(value)) === null;
      if (item.type !== "group" && item.type !== "display" && fits) {
        made.answer = [{ extension: [{ url: ORIGIN, extension: [{ url: "source", valueCode: "auto-client" }] }], ...wired(item, value) }];
      }
      const inner = walk(item.item);
      if (inner.length) made.item = inner;
      return made.answer || made.item ? [made] : [];
    });
  const items = walk(questionnaire.item);
  return items.length ? { ...draft, item: items } : draft;
}

/** The draft completed: the answers of the questions that are shown, in the questionnaire's own order and groups. */
export function completed(questionnaire, draft, values, now, npi) {
  const visible = shown(questionnaire.item, values);
  const before = answered(draft);
  const walk = (items) =>
    list(items).flatMap((item) => {
      if (!visible.has(item.linkId) || item.type === "display") return [];
      const made = { linkId: item.linkId, text: item.text };
      const value = values.get(item.linkId);
      if (item.type !== "group" && value !== undefined) made.answer = [answer(item, value, before.get(item.linkId), npi)];
      const inner = walk(item.item);
      if (inner.length) made.item = inner;
      return made.answer || made.item ? [made] : [];
    });
  const { item: _, ...rest } = draft;
  const items = walk(questionnaire.item);
  return { ...rest, status: "completed", authored: now, ...(items.length ? { item: items } : {}) };
}
