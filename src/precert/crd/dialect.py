"""What a client's FHIR server calls the standard search parameters (CRD 2.0.1 @60): read from its CapabilityStatement.

Asked only when a search was refused, so that the many servers with standard names pay nothing.
"""

from __future__ import annotations

from precert.fhir.types import Element, Resource, elements, text


def translated(query: str, statement: Resource) -> str:
    """The search in the server's own names; ``query`` itself if nothing is known about its type.

    A filter that the server does not have is left out, as what comes back is looked through anyway. The patient never
    is: that would be a search for everybody's data.
    """
    kind, _, parameters = query.partition("?")
    known = _parameters(kind, statement)
    if not known:
        return query
    found: list[str] = []
    for parameter in parameters.split("&"):
        name, _, value = parameter.partition("=")
        local = name if name.startswith("_") else _local(kind, name, known)
        if local is None and name == "patient":
            local = name
        if local is not None:
            found.append(f"{local}={value}")
    return f"{kind}?{'&'.join(found)}"


def _parameters(kind: str, statement: Resource) -> list[Element]:
    return [
        parameter
        for rest in elements(statement.get("rest"))
        for resource in elements(rest.get("resource"))
        if resource.get("type") == kind
        for parameter in elements(resource.get("searchParam"))
    ]


def _local(kind: str, name: str, known: list[Element]) -> str | None:
    """The server's name for a parameter: the same, or that of the one with the same published definition."""
    if any(parameter.get("name") == name for parameter in known):
        return name
    published = {f"{kind}-{name}", f"clinical-{name}", f"us-core-{kind.lower()}-{name}"}
    for parameter in known:
        definition = text(parameter.get("definition")) or ""
        if definition.partition("|")[0].rpartition("/")[2] in published:
            return text(parameter.get("name"))
    return None
