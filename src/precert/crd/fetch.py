"""Reading from the client's FHIR server with the client's token, in parallel, inside a deadline (docs/crd.md).

No fetch raises: what goes wrong with one is said in its own :class:`Fetched` and costs no other. The token goes to the
server that the call names and to nobody else; it is not kept and not logged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import httpx

from precert.crd.dialect import translated
from precert.crd.envelope import FhirAccess
from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError
from precert.fhir.types import Resource
from precert.security.outbound_http import Refused

TokenUse = Literal["used", "not-used", "rejected"]

FETCH_LIMITS = Limits(bytes=5 * 1024 * 1024, depth=64, entries=1_000)
_DECIDING = 0.5  # seconds between the end of fetching and the client's limit, for rules and the commit
_ONE_FETCH = 2.5  # seconds, bodies included; connecting and each read have their own, shorter limits


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment (of the event loop's clock) at which an answer must be on its way."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(asyncio.get_running_loop().time() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left for fetching."""
        return max(0.0, self.at - asyncio.get_running_loop().time())

    @property
    def over(self) -> bool:
        """Whether even deciding must stop: what is kept for it after the fetching is used up too."""
        return asyncio.get_running_loop().time() > self.at + _DECIDING


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer, or in words why there is none."""

    resource: Resource | None = None
    problem: str | None = None
    status: int | None = None  # of an answer that was an error


@dataclass(slots=True)
class Ehr:
    """The client's FHIR server during one call."""

    http: httpx.AsyncClient
    access: FhirAccess
    token_use: TokenUse = "not-used"  # noqa: S105
    attempts: int = 0
    headers: dict[str, str] = field(init=False, repr=False)
    _statement: Resource | None = field(default=None, repr=False)
    _stated: bool = False
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def __post_init__(self) -> None:
        self.headers = {"Accept": "application/fhir+json"}
        if self.access.token:
            self.headers["Authorization"] = f"Bearer {self.access.token}"

    async def fetch_all(self, queries: Iterable[str], deadline: Deadline, cap: float = 60.0) -> Mapping[str, Fetched]:
        """Each query (``Type/id`` or ``Type?search``, or a URL of a next page) with its answer, all at once."""
        wanted = list(dict.fromkeys(queries))
        seconds = min(deadline.remaining, cap, _ONE_FETCH)
        found = await asyncio.gather(*(self._fetch(query, seconds) for query in wanted))
        return dict(zip(wanted, found, strict=True))

    async def _fetch(self, query: str, seconds: float) -> Fetched:
        if seconds <= 0.01:
            return Fetched(problem="no time was left to ask")
        self.attempts += 1
        try:
            async with asyncio.timeout(seconds):
                found = await self._get(query)
                if found.status == 400 and "?" in query and "://" not in query:  # perhaps its names are others
                    own = translated(query, await self._capabilities() or {})
                    found = found if own == query else await self._get(own)
                return found
        except TimeoutError:
            return Fetched(problem="the FHIR server did not answer in time")
        except FhirError as error:
            return Fetched(problem=f"the FHIR server's answer cannot be read: {error}")
        except Refused as refused:
            return Fetched(problem=f"the FHIR server may not be called: {refused}")
        except UnicodeError:  # neither a host name nor a header can be made of it
            return Fetched(problem="the FHIR server's address or the token holds characters that HTTP does not allow")
        except httpx.TimeoutException:
            return Fetched(problem="the FHIR server did not answer in time")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Fetched(problem=f"the FHIR server cannot be reached ({type(error).__name__})")

    async def _capabilities(self) -> Resource | None:
        """The server's CapabilityStatement, asked for once in a call; ``None`` if it has none to show."""
        async with self._asking:
            if not self._stated:
                self._stated = True  # also if it cannot be had: nobody asks a second time
                with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL, FhirError, UnicodeError):
                    self._statement = (await self._get("metadata")).resource
        return self._statement

    async def _get(self, query: str) -> Fetched:
        url = query if query.startswith(("https://", "http://")) else f"{self.access.server}/{query}"
        async with self.http.stream("GET", url, headers=self.headers) as response:
            if self.access.token:
                if response.status_code in (401, 403):
                    self.token_use = "rejected"  # noqa: S105
                elif self.token_use == "not-used":  # noqa: S105
                    self.token_use = "used"  # noqa: S105
            if response.status_code != 200:
                problem = f"the FHIR server answered {response.status_code}"
                return Fetched(problem=problem, status=response.status_code)
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > FETCH_LIMITS.bytes:
                    return Fetched(problem=f"the FHIR server's answer is larger than {FETCH_LIMITS.bytes} bytes")
        return Fetched(json.load_resource(bytes(body), FETCH_LIMITS))
