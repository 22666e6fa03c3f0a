"""A subset of FHIRPath as plain closures: what nearly all published invariants are made of.

The full engine takes 0.05 to 0.15 ms per expression and element, these closures about a hundredth of that. An
expression outside the subset raises :class:`Unsupported` when compiled; the caller then takes the full engine. Tests
hold both against each other.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from precert.fhir.validation.fastfunctions import FUNCTIONS, Fn, Unsupported, single
from precert.fhir.validation.fastoperators import binary

__all__ = ["Frame", "Unsupported", "compile_fast"]


class Frame(Protocol):
    """The document around the element under test."""

    resource: dict[str, Any]
    root: dict[str, Any]

    @property
    def contained(self) -> dict[str, dict[str, Any]]: ...

    def resolve(self, reference: Any) -> dict[str, Any] | None: ...

    def member_of(self, value: Any, url: str) -> bool | None: ...


_TOKEN = re.compile(
    r"\s*(?:('(?:[^'\\]|\\.)*')|(\d+(?:\.\d+)?)|(!=|>=|<=|[=<>|.(),{}&+\-*/~])|(%?`[^`]+`|[%$]?[A-Za-z_]\w*))"
)
_LEVELS: dict[str, int] = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "!=": 5,
    ">": 6,
    "<": 6,
    ">=": 6,
    "<=": 6,
    "|": 7,
    "is": 8,
    "+": 9,
}
# Without a model a choice is told by its name: these are the choice elements that invariants speak of.
_CHOICES = frozenset(
    [
        "value",
        "answer",
        "effective",
        "performed",
        "abatement",
        "onset",
        "fixed",
        "pattern",
        "minValue",
        "maxValue",
        "defaultValue",
        "timing",
        "serviced",
        "deceased",
        "medication",
        "occurrence",
    ]
)
_DATATYPES = frozenset(
    [
        "Boolean",
        "String",
        "Integer",
        "Decimal",
        "Date",
        "DateTime",
        "Time",
        "Quantity",
        "CodeableConcept",
        "Coding",
        "Reference",
        "Range",
        "Period",
        "Ratio",
        "Identifier",
        "Attachment",
        "ParameterDefinition",
        "ElementDefinition",
        "Element",
        "Extension",
    ]
)


def compile_fast(expression: str) -> Fn:
    """Compile ``expression``. Raises Unsupported if it needs more than the subset."""
    parser = _Parser(_tokens(expression))
    compiled = parser.expression(0)
    if parser.peek() is not None:
        raise Unsupported(expression)
    return compiled


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            raise Unsupported(expression)
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        word = self.peek()
        if word is None:
            raise Unsupported("unexpected end")
        self._at += 1
        return word

    def _expect(self, word: str) -> None:
        if self._next() != word:
            raise Unsupported(f"no {word}")

    def expression(self, level: int) -> Fn:
        left = self._postfix(self._term())
        while True:
            operator = self.peek()
            binding = _LEVELS.get(operator or "", 0)
            if operator is None or binding == 0 or binding <= level:
                return left
            self._next()
            left = _is(left, self._next()) if operator == "is" else binary(operator, left, self.expression(binding))

    def _term(self) -> Fn:
        word = self._next()
        if word == "(":
            inner = self.expression(0)
            self._expect(")")
            return inner
        if word == "{":
            self._expect("}")
            return lambda focus, this, frame: []
        if word.startswith("'"):
            return _constant(re.sub(r"\\(.)", r"\1", word[1:-1]) if "\\" in word else word[1:-1])
        if word[0].isdigit():
            return _constant(float(word) if "." in word else int(word))
        if word in ("true", "false"):
            return _constant(word == "true")
        if word in _VARIABLES:
            return _VARIABLES[word]
        if word[0] in "%$" or not (word[0].isalpha() or word[0] in "_`"):
            raise Unsupported(word)
        return self._member(word)

    def _postfix(self, left: Fn) -> Fn:
        while self.peek() == ".":
            self._next()
            left = _then(left, self._member(self._next()))
        return left

    def _member(self, name: str) -> Fn:
        if self.peek() != "(":
            return self._typed_choice(name) or _child(name.strip("`"))
        self._next()
        if name in ("is", "ofType"):
            named = self._next()
            self._expect(")")
            if name == "is":
                return _is(_THIS_FOCUS, named)
            raise Unsupported("ofType")
        arguments: list[Fn] = []
        while self.peek() != ")":
            arguments.append(self.expression(0))
            if self.peek() == ",":
                self._next()
        self._next()
        try:
            make = FUNCTIONS[name]
        except KeyError:
            raise Unsupported(name) from None
        return make(*arguments)

    def _typed_choice(self, name: str) -> Fn | None:
        """``value.ofType(Coding)`` is the member valueCoding."""
        if name not in _CHOICES or self._tokens[self._at : self._at + 3] != [".", "ofType", "("]:
            return None
        kind = self._tokens[self._at + 3]
        self._at += 5
        return _child(name + kind[0].upper() + kind[1:])


def _constant(value: Any) -> Fn:
    listed = [value]
    return lambda focus, this, frame: listed


_THIS_FOCUS: Fn = lambda focus, this, frame: focus  # noqa: E731 - a closure among closures
_VARIABLES: dict[str, Fn] = {
    "$this": lambda focus, this, frame: this,
    "%resource": lambda focus, this, frame: [frame.resource],
    "%rootResource": lambda focus, this, frame: [frame.root],
    "%ucum": _constant("http://unitsofmeasure.org"),
    # Only the rules of an extension's context have these (see contexts.ContextFrame).
    "%extension": lambda focus, this, frame: [frame.extension],
    "%types": lambda focus, this, frame: list(frame.types),
}


def _then(left: Fn, right: Fn) -> Fn:
    return lambda focus, this, frame: right(left(focus, this, frame), this, frame)


def _child(name: str) -> Fn:
    chosen = name in _CHOICES
    capital = name[:1].isupper()

    def child(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        found: list[Any] = []
        for item in focus:
            if not isinstance(item, dict):
                continue
            value = item.get(name)
            if value is None:
                if capital and item.get("resourceType") == name:
                    found.append(item)
                elif chosen:
                    found.extend(v for k, v in item.items() if k.startswith(name) and k[len(name) :][:1].isupper())
                if value is None and "_" + name in item:
                    found.append(item["_" + name])  # a primitive without value still exists
            elif isinstance(value, list):
                found.extend(v for v in value if v is not None)
            else:
                found.append(value)
        return found

    return child


def _is(left: Fn, name: str) -> Fn:
    if not name[:1].isupper() or name in _DATATYPES:
        raise Unsupported(f"is {name}")

    def test(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        value = single(left(focus, this, frame))
        if value is None:
            return []
        return [isinstance(value, dict) and value.get("resourceType") == name]

    return test
