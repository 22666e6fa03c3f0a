"""Which service is asked for: known by one code that is billed, however it is written; everything else is unknown."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.deciding.service import identify, kept, line_code, normalized, service_keys
from precert.authorization.record.case import LineRequest
from precert.eligibility.crosswalk import Crosswalk, Mapped
from precert.fhir.billing import SYSTEMS_READ, billed, ndc_forms
from precert.fhir.coding import CPT, HCPCS, LOINC, NDC, RXNORM, SNOMED, X12_SERVICE_TYPE, Code, codes, system_url
from precert.fhir.systems import ALIASES, CDT, ICD10PCS, REVENUE
from precert.fhir.unlisted import UNLISTED
from precert.policy.service_index import ServiceIndex

DAY = date(2027, 1, 4)
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
REMICADE = "57894-030-01"
CROSSWALK = Crosswalk(
    {
        Code(NDC, "57894003001"): [Mapped(Code(HCPCS, "J1745"))],
        Code(RXNORM, "1927290"): [Mapped(Code(HCPCS, "Q5104"), date(2018, 4, 1), date(2027, 1, 4))],
        Code(RXNORM, "191831"): [Mapped(Code(HCPCS, "J1745")), Mapped(Code(HCPCS, "Q5103"))],
        Code(SNOMED, "1186740009"): [Mapped(Code(HCPCS, "E0601"))],
    }
)


def item(*sent: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"productOrService": {"coding": [{"system": system, "code": code} for system, code in sent]}, **more}


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


WELL_FORMED = [
    (HCPCS, "E0601", HCPCS, "E0601"),
    (HCPCS, "u0002", HCPCS, "U0002"),
    (CPT, "E0601", HCPCS, "E0601"),
    (HCPCS, "72148", CPT, "72148"),
    (CPT, "0042T", CPT, "0042T"),
    (CPT, "0001U", CPT, "0001U"),
    (CPT, "0001m", CPT, "0001M"),
    (CPT, "1000F", CPT, "1000F"),
    (CPT, "0001A", CPT, "0001A"),
    *((CPT, code, CPT, code) for code in ("00100", "01996", "10004", "69990", "70010", "80047", "90281", "99607")),
    (CDT, "D0100", HCPCS, "D0100"),
    (ICD10PCS, "0dtj4zz", ICD10PCS, "0DTJ4ZZ"),
    ("http://hl7.org/fhir/sid/icd-10-pcs", "XW033E5", ICD10PCS, "XW033E5"),
    (CDT, "D0120", HCPCS, "D0120"),
    (HCPCS, "D0120", HCPCS, "D0120"),
]
VAGUE = [
    (REVENUE, "128", REVENUE, "0128"),
    (REVENUE, "0022", REVENUE, "0022"),
    (X12_SERVICE_TYPE, "3", X12_SERVICE_TYPE, "3"),
    (X12_SERVICE_TYPE, "30", X12_SERVICE_TYPE, "30"),
    (X12_SERVICE_TYPE, "ag", X12_SERVICE_TYPE, "AG"),
    *((HCPCS, code, HCPCS, code) for code in ("A9999", "E1399", "J3490", "J3590", "J9999", "K0108", "L8699", "Q4100")),
    (HCPCS, "e1399:NU", HCPCS, "E1399"),
    (CPT, "E1399", HCPCS, "E1399"),
    (CDT, "D2999", HCPCS, "D2999"),
    *((CPT, code, CPT, code) for code in ("64999", "99199", "99499", "22899", "77299")),
    (HCPCS, "64999", CPT, "64999"),
]

MALFORMED = [
    *(
        (HCPCS, code)
        for code in ("E06O1", "E601", "E06011", "I0601", "O0601", "N0601", "W0601", "F0601", "E 0601", "", "0")
    ),
    *((CPT, code) for code in ("XXXXX", "7214", "721488", "7214X", "0042B", "72148:", "72148:G", "７2148", "ſ9131")),
    *(
        (CPT, code)
        for code in ("00000", "00099", "02000", "09999", "10003", "69991", "70009", "89400", "90280", "99608", "99999")
    ),
    *((CPT, f"0000{letter}") for letter in "AFMTU"),
    *((HCPCS, f"{letter}0601") for letter in "FINOWXYZ"),  # no section of HCPCS level II begins so
    *((CDT, code) for code in ("D0000", "D0099")),
    *((ICD10PCS, code) for code in ("0DTJ4ZI", "0DTJ4ZO", "0DTJ4Z", "0DTJ4ZZZ", "I48.91", "ADTJ4ZZ")),
    *((CDT, code) for code in ("E0601", "D012", "72148")),
    *((NDC, code) for code in ("57894-30-1", "123", "57894003", "57894-030-01-1", "57894_030_01", "1234-123-1")),
    *((REVENUE, code) for code in ("1128", "12", "00128", "ABC")),
    *((X12_SERVICE_TYPE, code) for code in ("0", "100", "AGX", "1A", "_")),
]


@pytest.mark.parametrize(("system", "code", "canonical", "spelled"), WELL_FORMED)
def test_a_well_formed_code_is_known(system: str, code: str, canonical: str, spelled: str) -> None:
    service = identify(item((system, code)), CROSSWALK, DAY)
    assert service.known
    assert service.codes == (Code(canonical, spelled),)


@pytest.mark.parametrize(("system", "code"), MALFORMED)
def test_a_malformed_code_is_unknown_alone_and_beside_a_good_one(system: str, code: str) -> None:
    alone = identify(item((system, code)), CROSSWALK, DAY)
    assert not alone.known
    assert alone.trouble
    if code:
        assert repr(code) in alone.trouble
        assert not identify(item((HCPCS, "E0601"), (system, code)), CROSSWALK, DAY).known


@pytest.mark.parametrize(("system", "code", "canonical", "spelled"), VAGUE)
def test_a_code_of_a_kind_of_service_is_known_only_where_a_policy_names_it(
    system: str, code: str, canonical: str, spelled: str
) -> None:
    sent, expected = item((system, code)), Code(canonical, spelled)
    service = identify(sent, CROSSWALK, DAY)
    assert (service.known, service.codes, service.vague) == (False, (), (expected,))
    assert service.trouble
    assert line_code(sent, CROSSWALK, DAY) == str(expected)
    assert service.named_by(lambda named: named == expected).codes == (expected,)
    assert not service.named_by(lambda named: named.code == "AB").known
    line = LineRequest(sequence=1, code=str(expected), item=sent)
    assert service_keys(line) == {str(expected)}
    assert kept(line).known == (expected not in UNLISTED)  # two unlisted services are never known to be the same
    assert kept(line).codes == (expected,)  # its units count all the same


@pytest.mark.parametrize("code", sorted(UNLISTED))
def test_an_unlisted_code_is_well_formed_and_no_prefix_names_it(code: Code) -> None:
    assert billed(code) == (code, ())
    start = f"{code.system}|{code.code[:3]}*"
    assert not ServiceIndex([("a", [start])], {}).names(code)
    assert ServiceIndex([("a", [start, str(code)])], {}).names(code)


def test_a_service_type_does_not_tell_what_an_unlisted_code_stands_for() -> None:
    for beside in ({"category": concept(X12_SERVICE_TYPE, "AG")}, {"revenue": concept(REVENUE, "0128")}):
        assert not identify(item((HCPCS, "E1399"), **beside)).named_by(lambda code: code.system != HCPCS).known
    assert identify(item((HCPCS, "J3590"), (NDC, "0002-7510-01"))).named_by(lambda code: code.system == NDC).known


MODIFIERS: list[tuple[Any, bool]] = [
    ([], True),
    ([concept(HCPCS, "NU")], True),
    ([concept(HCPCS, "nu"), concept(CPT, "59")], True),
    ([{"coding": [{"system": "urn:local", "code": "new-item"}, {"system": HCPCS, "code": "NU"}]}], True),
    ([concept(ABSENT, "unknown")], True),
    *(([concept(HCPCS, "RR"), concept(HCPCS, code)], False) for code in ("GA", "GX", "GY", "GZ", "gz")),
    *(([concept(HCPCS, code)], False) for code in ("N", "NUX", "N-", "NU RR", "ＮU")),
    ([concept("urn:local", "second device")], False),
    ([{"text": "second device"}], False),
    ([concept(HCPCS, "NU"), {"text": "second device"}], False),
    ([{"coding": [{"system": HCPCS, "code": "NU"}, {"system": HCPCS, "code": "second"}]}], False),
    ([{}], False),
]


@pytest.mark.parametrize(("modifier", "known"), MODIFIERS)
def test_a_modifier_that_expects_a_denial_or_cannot_be_read_is_for_a_person(modifier: Any, known: bool) -> None:
    for code in ("E0601", "97110"):
        sent = item((HCPCS, code), modifier=modifier)
        service = identify(sent, CROSSWALK, DAY)
        assert (service.known, bool(service.trouble)) == (known, not known)
        assert service.codes[0].code == code
        assert kept(LineRequest(sequence=1, code=line_code(sent), item=sent)).known is known
    vague = identify(item((X12_SERVICE_TYPE, "AB"), modifier=modifier))
    assert vague.named_by(lambda code: True).known is known


@pytest.mark.parametrize("code", ["E0601:GZ", "E0601-GY", "E0601GA"])
def test_a_modifier_in_the_code_that_expects_a_denial_is_for_a_person(code: str) -> None:
    assert not identify(item((HCPCS, code))).known


UNKNOWN = [
    [("http://snomed.info/sct", "706172005")],
    [(LOINC, "69409-1")],
    [(RXNORM, "1")],
    [("urn:local", "E0601")],
    [("http://example.org/HCPCS", "E0601")],
    [(NDC, "0002-7510-01")],
    [("http://hl7.org/fhir/sid/icd-10-cm", "G47.33")],
    [("http://hl7.org/fhir/sid/cvx", "208")],
    [(ABSENT, "not-applicable")],
    [],
]


@pytest.mark.parametrize("sent", UNKNOWN)
def test_what_no_system_and_no_crosswalk_knows_is_unknown(sent: list[tuple[str, str]]) -> None:
    service = identify(item(*sent), CROSSWALK, DAY)
    assert not service.known
    assert all(name in service.trouble for name in SYSTEMS_READ.values())
    for system, code in sent:
        if system != ABSENT:
            assert repr(billed(Code(system, code)).code.code if system == NDC else code) in service.trouble  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("system", "alias"), [(system, alias) for system, aliases in ALIASES.items() for alias in (system, *aliases)]
)
@pytest.mark.parametrize("spelled", [str, str.upper, str.lower, lambda u: f"{u}/", lambda u: f" {u} "])
def test_a_system_is_known_by_its_aliases_in_any_spelling(system: str, alias: str, spelled: Any) -> None:
    assert system_url(spelled(alias)) == system
    assert system_url(spelled(alias.replace("http://", "https://"))) == system


SPELLINGS = [
    [(HCPCS, "E0265")],
    [(HCPCS, "e0265")],
    [(HCPCS, " E0265 ")],
    [(CPT, "E0265")],
    [("https://terminology.hl7.org/CodeSystem/HCPCS", "E0265")],
    [("http://terminology.hl7.org/CodeSystem/HCPCS-all-codes/", "E0265")],
    [("urn:oid:2.16.840.1.113883.6.285", "E0265")],
    [("urn:local", "BED"), (HCPCS, "E0265")],
    [(HCPCS, "E0265"), (SNOMED, "91537007")],
    [(HCPCS, "E0265"), (CPT, "e0265")],
    [(HCPCS, "E0265"), (X12_SERVICE_TYPE, "12")],
    [(HCPCS, "E0265"), (NDC, "0002-7510-01")],
    [(ABSENT, "unknown"), (HCPCS, "E0265")],
]


@pytest.mark.parametrize("sent", SPELLINGS)
def test_one_service_in_many_spellings(sent: list[tuple[str, str]]) -> None:
    service = identify(item(*sent), CROSSWALK, DAY)
    view = normalized(item(*sent), service)
    assert (service.known, service.codes, view["code"]) == (True, (Code(HCPCS, "E0265"),), "E0265")
    assert line_code(item(*sent)) == f"{HCPCS}|E0265"


@pytest.mark.parametrize("sent", ["E0265:NU", "E0265-NU", "E0265NU", "e0265 nu", "E0265,NU"])
def test_modifiers_in_the_code_are_modifiers(sent: str) -> None:
    service = identify(item((HCPCS, sent), modifier=[concept(CPT, "kx"), concept(HCPCS, "NU")]))
    assert (service.codes, service.modifiers) == ((Code(HCPCS, "E0265"),), ("KX", "NU"))
    assert normalized({}, service)["modifiers"] == ["KX", "NU"]


@pytest.mark.parametrize(
    "sent",
    [
        [(HCPCS, "E0601"), (HCPCS, "E0470")],
        [(HCPCS, "E0601"), (CPT, "97110")],
        [(CPT, "97110"), (CPT, "72148")],
        [(ICD10PCS, "0DTJ4ZZ"), (ICD10PCS, "0DTJ0ZZ")],
        [(X12_SERVICE_TYPE, "1"), (X12_SERVICE_TYPE, "AG")],
        [(NDC, "0002-7510-01"), (NDC, "0002-7510-17")],
        [(HCPCS, "Q5103"), (NDC, REMICADE)],  # the crosswalk says J1745
        [(HCPCS, "E0470"), (SNOMED, "1186740009")],  # the crosswalk says E0601
        [(RXNORM, "1927290"), (NDC, REMICADE)],
        [(RXNORM, "191831")],  # several products
    ],
)
def test_several_services_are_none_that_is_known(sent: list[tuple[str, str]]) -> None:
    for order in (sent, sent[::-1]):
        service = identify(item(*order), CROSSWALK, DAY)
        assert not service.known
        assert service.trouble.endswith(".")


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ([(NDC, REMICADE)], "J1745"),
        ([(NDC, "57894003001")], "J1745"),
        ([(NDC, "57894-0030-01")], "J1745"),
        ([(NDC, "5789403001")], "J1745"),  # ten digits without hyphens: only one reading is in the table
        ([(HCPCS, "J1745"), (NDC, REMICADE)], "J1745"),
        ([(RXNORM, "191831"), (NDC, REMICADE)], "J1745"),
        ([(RXNORM, "191831"), (HCPCS, "Q5103")], "Q5103"),
        ([(RXNORM, "1927290")], "Q5104"),
        ([("urn:oid:2.16.840.1.113883.6.88", "1927290")], "Q5104"),
        ([(SNOMED, "1186740009"), ("urn:local", "CPAP")], "E0601"),
    ],
)
def test_the_crosswalk_leads_to_the_code_that_is_billed(sent: list[tuple[str, str]], found: str) -> None:
    service = identify(item(*sent), CROSSWALK, DAY)
    assert (service.known, service.codes[0]) == (True, Code(HCPCS, found))


@pytest.mark.parametrize(
    ("day", "known"), [("2018-03-31", False), ("2018-04-01", True), ("2027-01-04", True), ("2027-01-05", False)]
)
def test_a_crosswalk_entry_holds_on_its_days(day: str, known: bool) -> None:
    assert identify(item((RXNORM, "1927290")), CROSSWALK, date.fromisoformat(day)).known is known


OTHER = concept(HCPCS, "K0823")
OWN = concept(HCPCS, "e0601:RR")


@pytest.mark.parametrize(
    ("more", "known"),
    [
        ({"detail": [{"sequence": 1, "productOrService": OWN}]}, True),
        ({"detail": [{"sequence": 1, "productOrService": OTHER}]}, False),
        ({"detail": [{"sequence": 1, "productOrService": concept(SNOMED, "1")}]}, False),
        ({"detail": [{"sequence": 1, "productOrService": concept(ABSENT, "not-applicable")}]}, False),
        ({"detail": [{"sequence": 1}]}, False),
        ({"detail": [{"productOrService": OWN, "subDetail": [{"productOrService": OTHER}]}]}, False),
        ({"detail": [{"productOrService": OWN, "subDetail": [{"productOrService": OWN}]}]}, True),
        ({"programCode": [OTHER]}, False),
        ({"programCode": [concept("http://terminology.hl7.org/CodeSystem/ex-programcode", "as")]}, True),
        ({"revenue": concept(REVENUE, "0290")}, True),
        ({"category": concept(X12_SERVICE_TYPE, "12")}, True),
        (
            {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-productOrServiceCodeEnd",
                        "valueCodeableConcept": OTHER,
                    }
                ]
            },
            False,
        ),
    ],
)
def test_the_parts_of_an_item_ask_for_its_own_service_or_for_a_person(more: dict[str, Any], known: bool) -> None:
    service = identify(item((HCPCS, "E0601"), **more), CROSSWALK, DAY)
    assert service.known is known
    assert bool(service.trouble) is not known


@pytest.mark.parametrize(
    ("sent", "named", "known"),
    [
        (item((ABSENT, "not-applicable"), category=concept(X12_SERVICE_TYPE, "AG")), "AG", True),
        (item((ABSENT, "not-applicable"), category=concept(X12_SERVICE_TYPE, "AG")), "AB", False),
        (item((ABSENT, "not-applicable"), revenue=concept(REVENUE, "128")), "0128", True),
        (item((NDC, "0002-7510-01")), "00002751001", True),
        (item((SNOMED, "1"), category=concept(X12_SERVICE_TYPE, "AG")), "AG", True),
        (item((HCPCS, "E06O1"), category=concept(X12_SERVICE_TYPE, "AG")), "AG", False),
    ],
)
def test_a_weak_code_identifies_only_what_a_policy_names(sent: dict[str, Any], named: str, known: bool) -> None:
    service = identify(sent, CROSSWALK, DAY)
    assert not service.known
    assert service.named_by(lambda code: code.code == named).known is known
    assert not service.named_by(lambda code: False).known


@pytest.mark.parametrize(
    ("written", "forms"),
    [
        ("0002-7510-01", ("00002751001",)),
        ("57894-030-01", ("57894003001",)),
        ("12345-6789-1", ("12345678901",)),
        ("12345-6789-12", ("12345678912",)),
        ("12345678912", ("12345678912",)),
        ("1234567891", ("01234567891", "12345067891", "12345678901")),
        ("1234-567-89", ()),
        ("abc", ()),
    ],
)
def test_an_ndc_in_eleven_digits(written: str, forms: tuple[str, ...]) -> None:
    assert ndc_forms(written) == forms


SYSTEMS = [
    *SYSTEMS_READ,
    *(a for several in ALIASES.values() for a in several),
    RXNORM,
    SNOMED,
    LOINC,
    ABSENT,
    "urn:local",
    "",
]
WRITTEN = st.one_of(
    st.sampled_from(
        ["E0601", "e0601", "E0470", "E0601:RR", "72148", "E06O1", "not-applicable", REMICADE, "191831", "AG", "0128"]
    ),
    st.text(max_size=12),
)


@given(st.lists(st.tuples(st.sampled_from(SYSTEMS), WRITTEN), max_size=4))
def test_known_means_one_code_that_is_billed(sent: list[tuple[str, str]]) -> None:
    """Whatever codings come together: what is known has well-formed codes, and no order of the codings changes it."""
    service = identify(item(*sent), CROSSWALK, DAY)
    assert service.known is (bool(service.codes) and not service.trouble)
    assert service.known or service.trouble
    backwards = identify(item(*sent[::-1]), CROSSWALK, DAY)
    assert (service.known, set(service.codes)) == (backwards.known, set(backwards.codes))
    for code in service.codes:
        assert billed(code) == (code, ())
    readable = {found.code for c in codes(item(*sent)["productOrService"]) if (found := billed(c)) is not None}
    procedures = {code for code in readable if code.system in (HCPCS, CPT)}
    if len(procedures) > 1:
        assert not service.known
