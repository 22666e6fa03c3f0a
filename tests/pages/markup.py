"""Is it well formed, and can everybody use it? Checked with the standard library's parser."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
LABELLED = frozenset({"input", "select", "textarea"})


class Markup(HTMLParser):
    """Reads a page; ``faults`` says what is wrong with it."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._controls: list[dict[str, str | None]] = []
        self._labels: set[str] = set()
        self._refers: list[str] = []
        self.language: str | None = None
        self.feed(source)
        self.close()
        self._finish()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if any(name.startswith("on") or name == "style" for name in given):
            self.faults.append(f"<{tag}> has inline script or style")
        if tag not in VOID:
            self._open.append(tag)
        if tag == "html":
            self.language = given.get("lang")
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        if tag == "img" and given.get("alt") is None:
            self.faults.append("an image without alt")
        if tag in ("script", "link", "img"):
            self.loads.append(given.get("src") or given.get("href") or "")
        if tag == "script" and not given.get("src"):
            self.faults.append("an inline script")
        if tag == "style":
            self.faults.append("an inline style sheet")
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("aria-labelledby", "aria-describedby"):
            self._refers += (given.get(name) or "").split()
        if tag == "label" and given.get("for"):
            self._labels.add(str(given["for"]))
        if tag in LABELLED and given.get("type") not in ("hidden", "submit"):
            self._controls.append({**given, "inside": "label" if "label" in self._open else None})

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            self.faults.append(f"</{tag}> closes a void element")
        elif not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes {self._open[-1:] or 'nothing'}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open[-1:] not in (["script"], ["style"]):
            self.text.append(" ".join(data.split()))

    def _finish(self) -> None:
        if self._open:
            self.faults.append(f"never closed: {self._open}")
        if self.language != "en":
            self.faults.append("no language")
        if self.headings[:1] != [1] or self.headings.count(1) != 1:
            self.faults.append(f"one h1 comes first, found {self.headings}")
        for before, after in zip(self.headings, self.headings[1:], strict=False):
            if after > before + 1:
                self.faults.append(f"h{after} follows h{before}")
        for control in self._controls:
            named = control["inside"] or control.get("aria-label") or control.get("id") in self._labels
            if not named:
                self.faults.append(f"no label: {control}")
        for id in {id for id in self.ids if self.ids.count(id) > 1}:
            self.faults.append(f"id {id} twice")
        self.faults += [f"nothing has the id {id}" for id in self._refers if id not in self.ids]
        self.faults += [f"loads {url}" for url in self.loads if not url.startswith("/static/")]
        self.faults += [f"no place for {link}" for link in self.links if link[0] == "#" and link[1:] not in self.ids]

    @property
    def words(self) -> str:
        return " ".join(self.text)
