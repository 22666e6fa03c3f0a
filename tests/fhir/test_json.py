"""JSON comes back as it came, and each guard refuses what no FHIR document needs, in its own words."""

from __future__ import annotations

import json as standard
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError
from support.strategies import JSON_VALUES, TEXT


def refusal(body: bytes, limits: Limits | None = None) -> tuple[int, str, str | None, str]:
    """What the body is refused with: (status, issue code, rule, text)."""
    with pytest.raises(FhirError) as caught:
        json.load_resource(body, limits or Limits())
    (issue,) = caught.value.issues
    assert issue.severity == "fatal"
    return caught.value.status, issue.code, issue.rule, issue.text


DECIMAL_LITERALS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20}", fullmatch=True)


@given(DECIMAL_LITERALS)
def test_a_decimal_keeps_every_digit(literal: str) -> None:
    body = f'{{"resourceType":"Observation","value":{literal}}}'.encode()
    sent = json.dumps(json.load_resource(body, Limits()))
    if "E" in str(Decimal(literal)):  # below 0.000001 the spelling may change (0E-7), the digits may not
        assert json.loads(sent)["value"].as_tuple() == Decimal(literal).as_tuple()
    else:
        assert sent == body


@pytest.mark.parametrize("literal", ["1.10", "100.00", "0.010", "12345678901234567890.123456789", "-0.0", "0"])
def test_known_decimals_survive(literal: str) -> None:
    body = f'{{"value":{literal}}}'.encode()
    assert json.dumps(json.loads(body)) == body


@pytest.mark.parametrize(
    ("literal", "value"), [("1e2", Decimal(100)), ("1.0E-7", Decimal("1.0E-7")), ("5E0", Decimal(5))]
)
def test_exponents_keep_their_value(literal: str, value: Decimal) -> None:
    assert json.loads(json.dumps(json.loads(f'{{"value":{literal}}}'.encode())))["value"] == value


@given(st.dictionaries(TEXT, JSON_VALUES, max_size=6))
def test_any_document_survives_with_its_order_and_unknown_elements(members: dict[str, Any]) -> None:
    document = {**members, "resourceType": "Basic"}
    once = json.dumps(document)
    again = json.load_resource(once, Limits())
    assert json.dumps(again) == once
    assert list(again) == list(document)


@given(st.dictionaries(TEXT, JSON_VALUES, max_size=6))
def test_pretty_is_the_same_document(members: dict[str, Any]) -> None:
    assert json.loads(json.dumps(members, pretty=True)) == json.loads(json.dumps(members))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    refused: FhirError | None = None
    try:
        assert "resourceType" in json.load_resource(body, Limits())
    except FhirError as error:
        refused = error
    assert refused is None or (refused.status == 400 and len(refused.issues) == 1)


@given(JSON_VALUES)
def test_what_the_standard_parser_reads_is_read_alike(value: Any) -> None:
    body = json.dumps({"resourceType": "Basic", "value": value})
    assert json.loads(body) == standard.loads(body, parse_float=Decimal)


PIECES = (
    *"{}[],: \n\t\r\x0c\ufeff",
    *[
        r'"a"',
        r'"b"',
        r'":"',
        r'"\":"',
        r'"\u0022:"',
        r'"\u003a"',
        r'"\u0061"',
        r'"\ud800"',
        r'"\ud83d\ude00"',
        r'"\n:"',
        r'"\/"',
        r'"é"',
    ],
    *["1", "-0", "1.10", "1e5", "1e999", "01", "1.", "null", "true", "NaN"],
    *('" :"', '"\t"', '{"a":1,"a":2}', '{"a" : 1}', '{"a":":"}', '{":":{"":" :"}}', '"a":1,', '"a" :1,'),
)
SOUP = st.lists(st.sampled_from(PIECES), max_size=12)


@settings(max_examples=500)
@given(SOUP)
@example(['{"a":1,"a":2,"b":"\\u003a"}'])
@example(['{"a" :1,"a" :2,"b":"x"}'])
@example(['{"a":1,"a":2,"b":"\\u0022:"}'])
def test_the_quick_parser_reads_what_the_careful_one_reads(parts: list[str]) -> None:
    """And leaves to it what it refuses."""
    body = "".join(parts).encode()
    sure, value = json._quickly(body, body.translate(None, json._WHITE).count(b'":'))
    if sure:
        assert repr(json._carefully(body)) == repr(value)


def test_without_limits_too_deep_is_refused_and_no_crash() -> None:
    with pytest.raises(FhirError):
        json.loads(b"[" * 200_000 + b"]" * 200_000)


def test_a_usual_body_is_read_quickly() -> None:
    body = standard.dumps({"a": [{"b": "x:y", "c": ":"}, {"b": 1.5}]}).encode()
    assert json._quickly(body, 4 + 1)[0], "five keys end so, and one string looks like one"


def test_a_byte_order_mark_is_no_content() -> None:
    assert json.loads(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_empty(body: bytes) -> None:
    assert refusal(body) == (400, "required", "json-empty", "The body is empty. Send a FHIR resource as JSON.")


def test_syntax_names_the_place() -> None:
    status, code, rule, text = refusal(b'{"resourceType":\n "Bundle",}')
    assert (status, code, rule) == (400, "structure", "json-syntax")
    assert "line 2" in text


def test_two_documents_are_not_one() -> None:
    assert refusal(b'{"resourceType":"A"}{"resourceType":"B"}')[:3] == (400, "structure", "json-syntax")


@pytest.mark.parametrize(
    "body",
    [b'{"resourceType":"Bundle","id":"a","id":"b"}', b'{"resourceType":"Bundle","entry":[{"x":{"a":1,"a":1}}]}'],
)
def test_duplicate_keys(body: bytes) -> None:
    status, code, rule, text = refusal(body)
    assert (status, code, rule) == (400, "structure", "json-duplicate-key")
    assert "twice" in text


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_non_finite_numbers(constant: str) -> None:
    status, code, rule, text = refusal(f'{{"resourceType":"A","value":{constant}}}'.encode())
    assert (status, code, rule) == (400, "value", "json-non-finite")
    assert text.startswith(constant)
    assert "data-absent-reason" in text


@pytest.mark.parametrize(
    "number", ["1e401", "-1e-401", "1e99999999999999999999", "1.5e999999999", "9" * 400, "1" + "0" * 5000]
)
def test_numbers_out_of_range(number: str) -> None:
    assert refusal(f'{{"resourceType":"A","value":{number}}}'.encode())[:3] == (400, "value", "json-number-range")


def test_a_long_run_of_digits_in_a_string_is_no_number() -> None:
    body = f'{{"resourceType":"A","data":"{"7" * 5000}"}}'.encode()
    assert json.dumps(json.load_resource(body, Limits())) == body


@pytest.mark.parametrize("body", [b'{"resourceType":"A","x":"\xff"}', b"\xff\xfe{\x00}\x00"])
def test_not_utf8(body: bytes) -> None:
    status, code, rule, text = refusal(body)
    assert (status, code, rule) == (400, "structure", "json-encoding")
    assert "UTF-8" in text


@pytest.mark.parametrize("body", [rb'{"resourceType":"A","x":"\ud800"}', rb'{"resourceType":"A","\udfff":1}'])
def test_half_a_character(body: bytes) -> None:
    status, code, rule, text = refusal(body)
    assert (status, code, rule) == (400, "structure", "json-encoding")
    assert "surrogate" in text


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert json.loads(rb'{"x":"\ud83d\ude00"}') == {"x": "\U0001f600"}


def nested(levels: int) -> bytes:
    return b'{"resourceType":"A","x":' + b"[" * levels + b"]" * levels + b"}"


def test_depth_at_the_limit_and_past_it() -> None:
    limits = Limits(depth=10)
    json.load_resource(nested(9), limits)
    status, code, rule, text = refusal(nested(10), limits)
    assert (status, code, rule) == (400, "structure", "json-depth")
    assert "10 levels" in text


def test_depth_far_beyond_any_stack() -> None:
    assert refusal(b'{"resourceType":"A","x":' + b'{"a":' * 200_000)[2] == "json-depth"


def test_brackets_in_strings_are_not_depth() -> None:
    body = standard.dumps({"resourceType": "A", "x": '[[[["' * 50, "y": "\\" * 7}).encode()
    assert json.load_resource(body, Limits(depth=2))["y"] == "\\" * 7


def deepest(value: Any) -> int:
    """How deep objects and arrays nest, by looking at the parsed value."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict | list) + max(map(deepest, inside), default=0)


AWKWARD = st.text(alphabet='"\\[]{}a:,\n', max_size=8)
NESTED = st.recursive(
    AWKWARD | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(AWKWARD, inner, max_size=3),
    max_leaves=12,
)


@given(NESTED, st.sampled_from([None, 2]))
def test_depth_is_counted_exactly_whatever_is_in_strings(value: Any, indent: int | None) -> None:
    body = standard.dumps({"x": value}, indent=indent).encode()
    depth = deepest({"x": value})
    json.check_depth(body, Limits(depth=depth))
    with pytest.raises(FhirError):
        json.check_depth(body, Limits(depth=depth - 1))


def test_a_string_that_never_ends_hides_no_depth() -> None:
    for start in (b'"', b'["a', b'{"a":"'):
        with pytest.raises(FhirError) as caught:
            json.loads(b"[" * 30 + start + b"[" * 35, Limits())
        assert caught.value.issues[0].rule == "json-depth"


def test_size_at_the_limit_and_past_it() -> None:
    body = b'{"resourceType":"A"}'
    json.load_resource(body, Limits(bytes=len(body)))
    status, code, rule, text = refusal(body, Limits(bytes=len(body) - 1))
    assert (status, code, rule) == (413, "too-long", "body-size")
    assert "$submit-attachment" in text


def test_entry_count_at_the_limit_and_past_it() -> None:
    body = standard.dumps({"resourceType": "Bundle", "entry": [{}] * 3}).encode()
    json.load_resource(body, Limits(entries=3))
    status, code, rule, text = refusal(body, Limits(entries=2))
    assert (status, code, rule) == (413, "too-long", "entry-count")
    assert "3 entries" in text


@pytest.mark.parametrize("body", [b"[]", b'"Bundle"', b"1", b"null", b"true", b"{}", b'{"resourceType":7}'])
def test_json_that_is_no_resource(body: bytes) -> None:
    assert refusal(body)[:3] == (400, "structure", "not-a-resource")
