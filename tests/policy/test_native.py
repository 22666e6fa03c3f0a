"""The native closures and fhirpathpy say the same, for generated expressions and values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from precert.policy.closures import FOCUS, ExpressionError
from precert.policy.expression import Expression, variables

NAMES = ("a", "b", "c")
numbers = st.one_of(st.integers(-3, 3), st.decimals("-3", "3", places=1))
scalars = st.one_of(st.booleans(), numbers, st.sampled_from(["x", "y", "E1", ""]))
values = st.one_of(st.none(), scalars, st.lists(scalars, min_size=2, max_size=3).map(tuple))
environments = st.fixed_dictionaries(dict.fromkeys(NAMES, values))

literals = st.one_of(
    st.sampled_from(["true", "false", "'x'", "'E1'", "0", "1", "2.5", "3"]),
)
atoms = st.one_of(st.sampled_from([f"%{name}" for name in NAMES]), literals, st.just("{}"))
lists = st.lists(literals, min_size=1, max_size=3, unique=True).map(lambda xs: f"({' | '.join(xs)})")


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(
            inner, st.sampled_from(["and", "or", "xor", "implies", "=", "!=", "<", "<=", ">", ">=", "+", "-"]), inner
        ).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(["and", "or", "xor", "implies"]), inner).map(" ".join),
        inner.map(lambda x: f"({x}).not()"),
        inner.map(lambda x: f"({x}).first()"),
        st.tuples(inner, lists).map(lambda t: f"({t[0]}) in {t[1]}"),
        st.tuples(inner, literals).map(lambda t: f"({t[0]}) contains {t[1]}"),
        inner.map(lambda x: f"-({x})"),
    )


expressions = st.recursive(atoms, _larger, max_leaves=6)


def outcome(run: Any) -> Any:
    try:
        return run()
    except ExpressionError:
        return "error"


@settings(max_examples=1500, deadline=None)
@given(expressions, environments)
def test_native_and_interpreted_agree(text: str, env: dict[str, Any]) -> None:
    expression = Expression(text)
    assume(expression.native)  # "a contains b = c" needs parentheses that this generator leaves out
    ours, theirs = outcome(lambda: expression.value(env)), outcome(lambda: expression.interpreted(env))
    assert ours == theirs, (text, env)
    assert type(ours) is type(theirs) or isinstance(ours, (int, Decimal)), (text, env)


resources = st.recursive(
    st.one_of(st.booleans(), st.integers(-2, 2), st.sampled_from(["final", "23", "x", "2026-01-01"])),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2),
        st.dictionaries(
            st.sampled_from(["code", "coding", "status", "valueString", "_status", "value"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
).filter(lambda r: isinstance(r, dict))


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(
        [
            "status",
            "code.coding.code",
            "code.coding.code.first()",
            "status = 'final'",
            "status = 'final' or status = 'x'",
            "code.coding.code contains '23'",
            "value",
            "code.status.not()",
        ]
    ),
    resources,
)
def test_paths_agree(text: str, resource: dict[str, Any]) -> None:
    expression = Expression(text, facts_only=False)
    assert expression.native
    env = {FOCUS: resource}
    ours, theirs = outcome(lambda: expression.value(env)), outcome(lambda: expression.interpreted(env))
    assert ours == theirs


@pytest.mark.parametrize(
    "text",
    ["%a.exists()", "%a & 'x'", "%a ~ %b", "%a > 5 'mg'", "%a * 2", "%a[0]", "%a < @2026-01-01", "status", "%asof > 'x'", "iif(%a, 1, 2)"],
)  # fmt: skip
def test_everything_else_is_interpreted(text: str) -> None:
    assert not Expression(text).native


def test_precedence_is_fhirpaths() -> None:
    env = {"a": True, "b": False, "c": False}
    for text in ("%a or %b and %c", "%a and %b or %a", "%b implies %c or %a", "%a = %b != %c", "1 + 1 = 2 and 3 > 2"):
        if text.count("=") > 1 and "and" not in text:
            continue  # chained comparisons are not covered
        assert Expression(text).value(env) == Expression(text).interpreted(env), text


def test_variables_are_read_from_the_text_but_not_from_quotes() -> None:
    assert variables("%a and '%b' = %c or %a or %`d`") == ("a", "c", "d")


def test_a_result_that_is_no_boolean_is_an_error_and_not_a_truth() -> None:
    with pytest.raises(ExpressionError, match="not true or false"):
        Expression("%a").truth({"a": 5})


def test_an_unknown_value_is_never_false() -> None:
    env = dict.fromkeys(NAMES)
    for text in ("%a", "%a > 1", "%a and %b", "%a or %b", "%a.not()", "%a in ('x')", "%a implies %b", "%a + %b <= 3"):
        assert Expression(text).truth(env) is None
