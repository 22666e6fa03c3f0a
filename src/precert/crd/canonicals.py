"""The URLs that CRD answers point to. One function each, so that the rooms that serve them can use the same."""

from __future__ import annotations

from urllib.parse import quote

from precert.fhir.versions import CURRENT


def questionnaire_canonical(root: str, policy: str, version: str) -> str:
    """The canonical of the Questionnaire that asks for a policy's open facts, served by the DTR room."""
    return f"{root}{CURRENT.prefix}/Questionnaire/{quote(policy)}|{version}"


def policy_page(root: str, policy: str) -> str:
    """The public page of a coverage policy."""
    return f"{root}/policies/{quote(policy)}"
