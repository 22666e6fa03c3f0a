"""The outer shape of a CDS Hooks call: hook, instance, context, prefetch, FHIR access, extensions (CDS Hooks 2.0, docs/crd.md)."""

from __future__ import annotations

from dataclasses import dataclass, field

from precert.crd import urls
from precert.crd.faults import NAMES, malformed, unacceptable
from precert.crd.hooks import Hook
from precert.crd.options import Configuration, configuration
from precert.fhir.outcome import quoted
from precert.fhir.types import Element, JsonValue, text
from precert.fhir.versions import CURRENT, VersionName


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """Where the client's data are. ``token`` is used for this call and kept nowhere; it is not shown in a repr."""

    server: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call, taken apart as far as all hooks are alike."""

    hook: Hook
    instance: str
    version: VersionName
    context: Element
    prefetch: Element
    access: FhirAccess | None
    configuration: Configuration
    version_asked: bool = False  # the client said which version it speaks

    @property
    def authorizes(self) -> bool:
        """Whether this call may bring an authorization: an order is being placed, the answer is wanted, and it is no
        what-if question (docs/crd.md)."""
        return self.hook.primary and self.configuration.coverage_info and not self.configuration.what_if


def requested_version(body: object, default: VersionName) -> tuple[VersionName, bool]:
    """The version to answer in: what the client asks for, else ``default``. Raises FhirError(422) for an unknown one."""
    extension = body.get("extension") if isinstance(body, dict) else None
    asked = extension.get(urls.REQUESTED_VERSION) if isinstance(extension, dict) else None
    if asked is None:
        return default, False
    for version in NAMES:
        if isinstance(asked, str) and (asked == version or asked.startswith(f"{version}.")):
            return version, True
    wrong = (
        f"CRD version {asked[:40]!r} is not supported."
        if isinstance(asked, str)
        else f'The CRD version is text: "{CURRENT.name}".'
    )
    raise unacceptable(
        "crd-version",
        f"{wrong} Ask for one of {', '.join(NAMES)}, or leave it out.",
        f"extension.{urls.REQUESTED_VERSION}",
        "not-supported",
    )


def read_call(body: JsonValue, hook: Hook, default: VersionName) -> HookCall:
    """Check what every hook must carry. Raises FhirError, see faults: malformed, unacceptable."""
    version, asked = requested_version(body, default)
    if not isinstance(body, dict):
        raise malformed(version, "hook-shape", "The body must be one JSON object: a CDS Hooks request.", "$this")
    named = body.get("hook")
    if named != hook.name:
        text_ = (
            f"The body's hook is {quoted(named, 60)}, this service answers {hook.name!r}. Call the service of the hook."
        )
        raise malformed(version, "hook-mismatch", text_, "hook", "required" if named is None else "value")
    instance = text(body.get("hookInstance"))
    if instance is None:
        raise malformed(
            version, "hook-instance", "hookInstance is missing. Send a new UUID per call.", "hookInstance", "required"
        )
    context = body.get("context")
    if not isinstance(context, dict):
        raise malformed(version, "hook-context", "context is missing or not an object.", "context", "required")
    prefetch = body.get("prefetch")
    if prefetch is not None and not isinstance(prefetch, dict):
        raise malformed(version, "hook-prefetch", "prefetch must be an object of key and resource.", "prefetch")
    settings = _configuration(body)
    return HookCall(hook, instance, version, context, prefetch or {}, _access(body), settings, version_asked=asked)


def what_if(body: JsonValue) -> bool:
    """Whether a call, however malformed, says that it is a mere question (docs/crd.md)."""
    return isinstance(body, dict) and _configuration(body).what_if


def _configuration(body: Element) -> Configuration:
    extension = body.get("extension")
    return configuration(extension.get(urls.CONFIGURATION) if isinstance(extension, dict) else None)


def _access(body: Element) -> FhirAccess | None:
    server = text(body.get("fhirServer"))
    if server is None:
        return None
    authorization = body.get("fhirAuthorization")
    token = text(authorization.get("access_token")) if isinstance(authorization, dict) else None
    return FhirAccess(server.strip().rstrip("/"), token)
