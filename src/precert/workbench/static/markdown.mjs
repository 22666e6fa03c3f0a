// The part of Markdown that cards use: paragraphs, lists, bold, italic, code, links. It is parsed to plain data and built
// with text nodes, so that no markup in a card can become markup in the page.

const ESCAPED = /\\([\\`*_{}[\]<>()#+\-.!|~])/;
const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'" };
const INLINE = [
  ["escape", ESCAPED],
  ["entity", /&(?:lt|gt|amp|quot|#39);/],
  ["code", /`([^`]+)`/],
  ["link", /\[((?:\\.|[^\]\\])*)\]\(([^()\s]+)\)/],
  ["strong", /\*\*(?!\s)((?:\\.|[^*\\])+)(?<!\s)\*\*/],
  ["em", /(?<![\w*])\*(?![\s*])((?:\\.|[^*\\])+)(?<!\s)\*(?!\w)|(?<!\w)_(?!\s)((?:\\.|[^_\\])+)(?<!\s)_(?!\w)/], // not 2 * 3 * 4, not a_b_c
];

/** Inline text as a list of {type, text | children, href}. */
export function inline(text) {
  const found = [];
  let rest = text;
  while (rest) {
    let first = null;
    for (const [type, pattern] of INLINE) {
      const match = pattern.exec(rest);
      if (match && (first === null || match.index < first.match.index)) first = { type, match };
    }
    if (first === null) break;
    const { type, match } = first;
    if (match.index > 0) found.push({ type: "text", text: rest.slice(0, match.index) });
    if (type === "escape") found.push({ type: "text", text: match[1] });
    else if (type === "entity") found.push({ type: "text", text: ENTITIES[match[0]] });
    else if (type === "code") found.push({ type, text: match[1] });
    else if (type === "link") found.push({ type, children: inline(match[1]), href: match[2] });
    else found.push({ type, children: inline(match[1] ?? match[2]) });
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) found.push({ type: "text", text: rest });
  return found;
}

/** Blocks: {type: "p" | "ul" | "ol", items: [[inline]]}. A heading is a paragraph in bold. */
export function blocks(text) {
  const found = [];
  for (const line of String(text).split(/\r?\n/)) {
    const item = /^\s*(?:([-*+])|\d+[.)])\s+(.*)$/.exec(line);
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    const last = found.at(-1);
    if (!line.trim()) found.push(null);
    else if (heading) found.push({ type: "p", items: [[{ type: "strong", children: inline(heading[1]) }]] }, null);
    else if (item) {
      const type = item[1] ? "ul" : "ol";
      if (last?.type === type) last.items.push(inline(item[2]));
      else found.push({ type, items: [inline(item[2])] });
    } else if (last?.type === "p") last.items.push(inline(line));
    else found.push({ type: "p", items: [inline(line)] });
  }
  return found.filter((block) => block !== null);
}

/** Nodes for the page. ``make`` builds an element, ``link`` a safe link (see dom.mjs). */
export function render(text, make, link) {
  const spans = (list) =>
    list.map((part) => {
      if (part.type === "text") return part.text;
      if (part.type === "code") return make("code", {}, part.text);
      if (part.type === "link") return link(part.href, plain(part.children));
      return make(part.type, {}, spans(part.children));
    });
  return blocks(text).map((block) =>
    block.type === "p"
      ? make("p", {}, block.items.flatMap((line, index) => (index ? [make("br"), ...spans(line)] : spans(line))))
      : make(block.type, {}, block.items.map((item) => make("li", {}, spans(item)))),
  );
}

function plain(parts) {
  return parts.map((part) => part.text ?? plain(part.children)).join("");
}
