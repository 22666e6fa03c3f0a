"""Plays the reviewer in an unattended run of a conformance suite, through ``/api`` like anybody else.

It polls the worklist and gives each open line the determination that a script holds for it. Nothing in the server knows
about it. ``python -m tools.review_driver SCRIPT [--url URL] [--once] [--token TOKEN]``; see ``examples/inferno``.

The script is JSON: ``{"rules": [{"name", "match": {member?, requester?, service?, line?, state?}, "when"?,
"determination": {…}}]}``. ``determination`` is the body of ``POST /api/cases/{case}/lines/{line}/determination``. A rule
decides each line once. ``"when": "subscribed"`` waits until a subscription is active, so that the decision is notified.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]
BASES = ("/fhir", "/fhir/v2.0")


@dataclass(frozen=True)
class Rule:
    """What to do about lines of one kind."""

    name: str
    match: Json
    determination: Json
    when: str | None = None

    def fits(self, case: Json, line: str) -> bool:
        """Whether the open ``line`` of a row of the worklist is of this kind."""
        known = {
            "member": case["member"]["number"],
            "requester": case["requester"]["npi"],
            "service": case["services"][line].rpartition("|")[2],
            "line": int(line),
            "state": case["states"][line],
        }
        return all(known[name] == wanted for name, wanted in self.match.items())


class ScriptError(ValueError):
    """The script cannot be used; the message says why."""


def read_rules(text: str) -> list[Rule]:
    """The rules of a script. Raises ScriptError."""
    try:
        rules = [Rule(r["name"], r["match"], r["determination"], r.get("when")) for r in json.loads(text)["rules"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ScriptError(
            f"the script is not of the form {{'rules': [{{name, match, determination}}]}}: {error!r}"
        ) from error
    known = {"member", "requester", "service", "line", "state"}
    for rule in rules:
        if unknown := set(rule.match) - known:
            raise ScriptError(f"rule {rule.name!r} matches {sorted(unknown)}; it can match {sorted(known)}")
        if rule.when not in (None, "subscribed"):
            raise ScriptError(f"rule {rule.name!r}: when can only be 'subscribed', not {rule.when!r}")
    return rules


@dataclass
class Driver:
    """One reviewer with a script. ``client`` speaks to the server; its base URL is the server's root."""

    client: httpx.AsyncClient
    rules: list[Rule]
    done: set[tuple[str, str, str]] = field(default_factory=set)

    async def step(self) -> list[str]:
        """Look at the worklist once, oldest case first; returns what was decided, in words."""
        decided = []
        cases = await self._open_cases()
        for case in reversed(cases):
            for line in sorted(case["states"], key=int):
                rule = self._rule(case, line)
                if rule is None or (rule.when == "subscribed" and not await self._subscribed()):
                    continue
                decided.append(await self._decide(case, line, rule))
        return decided

    async def _open_cases(self) -> list[Json]:
        found: list[Json] = []
        page: str | None = None
        while True:
            params = {"limit": "200"} | ({"page": page} if page else {})
            answer = (await self.client.get("/api/cases", params=params)).raise_for_status().json()
            found += answer["cases"]
            page = answer["next"]
            if not page:
                return found

    def _rule(self, case: Json, line: str) -> Rule | None:
        for rule in self.rules:
            if (case["id"], line, rule.name) not in self.done and rule.fits(case, line):
                return rule
        return None

    async def _subscribed(self) -> bool:
        """Whether anybody has an active subscription on either base."""
        for base in BASES:
            answer = await self.client.get(f"{base}/Subscription", params={"status": "active"})
            if answer.raise_for_status().json().get("entry"):
                return True
        return False

    async def _decide(self, case: Json, line: str, rule: Rule) -> str:
        url = f"/api/cases/{case['id']}/lines/{line}/determination"
        answer = await self.client.post(url, json=rule.determination)
        if answer.is_success:
            self.done.add((case["id"], line, rule.name))
        elif answer.status_code not in (409, 412):  # somebody else was faster: look again
            raise ScriptError(f"rule {rule.name!r} was refused with {answer.status_code}: {answer.text}")
        said = rule.determination["outcome"] if answer.is_success else "left alone"
        return f"{case['case']} line {line}: {said} ({rule.name})"


async def run(url: str, rules: list[Rule], *, every: float, once: bool, token: str | None) -> None:
    """Poll until interrupted (or once). A server that is not there yet is waited for."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=15) as client:
        driver = Driver(client, rules)
        while True:
            try:
                for line in await driver.step():
                    print(line, flush=True)
            except httpx.TransportError as error:
                if once:
                    raise
                print(f"{url}: {error}; trying again", file=sys.stderr, flush=True)
            if once:
                return
            await asyncio.sleep(every)


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 when it was stopped or done, 1 when the server refused a determination, 2 for a bad script."""
    parser = argparse.ArgumentParser(prog="review_driver", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between looks at the worklist")
    parser.add_argument("--once", action="store_true", help="look once and stop")
    parser.add_argument("--token", help="bearer token, where the server asks for one")
    given = parser.parse_args(arguments)
    try:
        rules = read_rules(given.script.read_text("utf-8"))
    except (OSError, ScriptError) as error:
        print(f"{given.script}: {error}", file=sys.stderr)
        return 2
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run(given.url, rules, every=given.every, once=given.once, token=given.token))
    except (ScriptError, httpx.HTTPError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
