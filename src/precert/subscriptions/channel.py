"""Reading ``Subscription.channel``: what this server can deliver to, and in which words it declines the rest."""

from __future__ import annotations

import re
from typing import Any

from precert.fhir.extension import extensions, value
from precert.fhir.outcome import Issue
from precert.fhir.types import Element, elements, text
from precert.fhir.versions import STU_2_0, STU_2_2, VersionName
from precert.security.outbound import TargetRefused, read_target
from precert.subscriptions.record import Channel, Content
from precert.subscriptions.urls import CHANNEL_TYPE, HEARTBEAT_PERIOD, MAX_COUNT, PAYLOAD_CONTENT, TIMEOUT
from precert.web.http import media_type

CONTENTS: dict[VersionName, tuple[Content, ...]] = {
    STU_2_2.name: ("full-resource",),
    STU_2_0.name: ("id-only", "full-resource"),
}
"""PAS 2.2.1 spec-62; PAS 2.0.1 statement 145 (full-resource is its "by agreement")."""

_LONGEST_ENDPOINT = 2048
_PAYLOADS = ("application/fhir+json", "application/json")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")  # RFC 9110 §5.5, ASCII only
_CONTENT_TYPE = re.compile(r"[\x20-\x7e]{1,200}")
# Hop-by-hop (RFC 9110 §7.6.1), and those that our HTTP client must set itself or two requests could be read as one.
_OURS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_MOST_HEADERS = 32
_MOST_HEADER_BYTES = 16 * 1024
_BIGGEST = 2**31 - 1
_AT = "Subscription.channel"


def refused(rule: str, path: str, why: str, *, code: str = "not-supported") -> Issue:
    """One reason why a subscription cannot be taken."""
    return Issue("error", code, why, path, rule)


def read_channel(
    channel: object, version: VersionName, *, allow_private: bool, shortest_heartbeat: int, issues: list[Issue]
) -> Channel | None:
    """The channel, or ``None`` with what is wrong appended to ``issues``."""
    if not isinstance(channel, dict):
        issues.append(
            refused(
                "channel", _AT, "The channel is missing. Send one with type, endpoint and payload.", code="required"
            )
        )
        return None
    found = len(issues)
    _check_type(channel, issues)
    endpoint = _endpoint(channel, allow_private, issues)
    payload, content = _payload(channel, version, issues)
    headers = _headers(channel, payload, issues)
    heartbeat = _number(channel, HEARTBEAT_PERIOD, "valueUnsignedInt", 0, issues)
    if heartbeat and heartbeat < shortest_heartbeat:
        why = f"A heartbeat every {heartbeat} s is too often. Ask for {shortest_heartbeat} s or more, or leave it out."
        issues.append(refused("heartbeat", f"{_AT}.extension('{HEARTBEAT_PERIOD}').value", why))
    timeout = _number(channel, TIMEOUT, "valueUnsignedInt", 0, issues)
    _number(channel, MAX_COUNT, "valuePositiveInt", 1, issues)  # every notification has one event: any maxCount is kept
    if len(issues) > found or content is None:
        return None
    return Channel(
        endpoint=endpoint,
        payload=payload,
        content=content,
        headers=headers,
        timeout=timeout or None,
        heartbeat=heartbeat or None,
    )


def _check_type(channel: Element, issues: list[Issue]) -> None:
    if channel.get("type") != "rest-hook":
        why = "The only channel type is rest-hook (PAS 2.2.1 spec-56). Set channel.type to rest-hook."
        issues.append(refused("channel-type", f"{_AT}.type", why))
    for custom in extensions(channel.get("_type"), CHANNEL_TYPE):
        coding = value(custom)
        if not isinstance(coding, dict) or coding.get("code") != "rest-hook":
            why = "Custom channel types are not supported. Leave the extension out; channel.type is rest-hook."
            issues.append(refused("channel-type", f"{_AT}.type.extension('{CHANNEL_TYPE}')", why))


def _endpoint(channel: Element, allow_private: bool, issues: list[Issue]) -> str:
    endpoint = text(channel.get("endpoint"))
    if endpoint is None:
        why = "The endpoint is missing. Send the https URL that shall receive the notifications."
        issues.append(refused("endpoint", f"{_AT}.endpoint", why, code="required"))
        return ""
    try:
        read_target(endpoint, allow_private, _LONGEST_ENDPOINT)
    except TargetRefused as error:
        issues.append(refused_endpoint(error))
    return endpoint


def refused_endpoint(error: Exception) -> Issue:
    """The endpoint cannot be used, and why."""
    why = f"Notifications cannot be sent to this endpoint: {error}. Give a public https URL."
    return refused("endpoint", f"{_AT}.endpoint", why, code="value")


def _payload(channel: Element, version: VersionName, issues: list[Issue]) -> tuple[str, Content | None]:
    payload = text(channel.get("payload")) or ""
    if media_type(payload) not in _PAYLOADS or not _CONTENT_TYPE.fullmatch(payload):
        why = "Notifications are FHIR JSON. Set channel.payload to application/fhir+json."
        issues.append(refused("payload", f"{_AT}.payload", why))
    path = f"{_AT}.payload.extension('{PAYLOAD_CONTENT}').value"
    offered = CONTENTS[version]
    asked = [value(found) for found in extensions(channel.get("_payload"), PAYLOAD_CONTENT)]
    if len(asked) != 1:
        why = f"Say once how much a notification shall hold: extension {PAYLOAD_CONTENT} with valueCode {offered[0]}."
        issues.append(refused("payload-content", path, why, code="required"))
        return payload, None
    for content in offered:
        if asked[0] == content:
            return payload, content
    why = f"This base (PAS {version}) offers the content level {' or '.join(offered)}. Set valueCode to {offered[0]}."
    issues.append(refused("payload-content", path, why))
    return payload, None


def _headers(channel: Element, payload: str, issues: list[Issue]) -> tuple[tuple[str, str], ...]:
    written = channel.get("header", [])
    if not isinstance(written, list):
        why = "channel.header is a list of strings, each 'Name: value'."
        issues.append(refused("header", f"{_AT}.header", why, code="structure"))
        return ()
    headers: list[tuple[str, str]] = []
    for index, line in enumerate(written):
        name, colon, content = line.partition(":") if isinstance(line, str) else ("", "", "")
        name, content = name.strip(), content.strip()
        wrong = _wrong_header(name, colon, content, payload)
        if wrong is not None:  # never the value in the answer or the log: it is a credential
            issues.append(refused("header", f"{_AT}.header[{index}]", wrong, code="value"))
        elif name.lower() != "content-type":
            headers.append((name, content))
    if len(headers) > _MOST_HEADERS or sum(len(n) + len(v) for n, v in headers) > _MOST_HEADER_BYTES:
        why = f"More than {_MOST_HEADERS} headers or {_MOST_HEADER_BYTES} bytes of them. Send what the endpoint needs."
        issues.append(refused("header", f"{_AT}.header", why, code="too-long"))
    return tuple(headers)


def _wrong_header(name: str, colon: str, content: str, payload: str) -> str | None:
    if not colon or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(content):
        return "This is not an HTTP header. Write 'Name: value' in printable ASCII, without line breaks."
    if name.lower() in _OURS:
        return f"The header {name} is set by this server for each request. Leave it out."
    if name.lower() == "content-type" and media_type(content) != media_type(payload):
        return "Content-Type is channel.payload. Leave this header out."
    return None


def _number(channel: Element, url: str, typed: str, least: int, issues: list[Issue]) -> int | None:
    found = list(extensions(channel, url))
    if not found:
        return None
    number: Any = found[0].get(typed)
    valid = isinstance(number, int) and not isinstance(number, bool) and least <= number <= _BIGGEST
    if len(found) > 1 or not valid:
        why = f"The extension {url} takes one {typed}, a whole number from {least}."
        issues.append(refused("extension-value", f"{_AT}.extension('{url}')", why, code="value"))
        return None
    return int(number)


def filter_extensions(criteria: object, url: str) -> list[Element]:
    """The filter extensions of ``_criteria``, in order."""
    return [e for e in elements(criteria.get("extension")) if e.get("url") == url] if isinstance(criteria, dict) else []
