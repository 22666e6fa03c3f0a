// Small helpers to build elements. Text always goes in as text, never as markup.

/** An element with attributes and children (strings become text nodes; null and false are left out). */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return made;
}

export function badge(text, tone) {
  return el("span", { class: `badge ${tone}` }, text);
}

/** A description list out of [label, value] pairs; empty values are left out. */
export function pairs(list) {
  const shown = list.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return shown.length === 0 ? null : el("dl", { class: "pairs" }, shown.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))));
}

/** Text in which http(s) addresses are links. */
export function linked(text) {
  return text.split(/(https?:\/\/[^\s;,]+[^\s;,.])/).map((part, at) => (at % 2 ? link(part, part) : part));
}

/** A link, or plain text when the address is not http(s): javascript: and data: never become links. */
export function link(href, text) {
  try {
    const url = new URL(href, window.location.href);
    if (url.protocol === "http:" || url.protocol === "https:") return el("a", { href: url.href, rel: "noreferrer" }, text);
  } catch {
    // not an address: shown as text
  }
  return el("span", {}, `${text} (${href})`);
}
