"""A real server process: started as a user starts it, spoken to, stopped, and refused a second time on the same data."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
from tools.make_examples import examples

from precert.fhir import json
from support.answers import bundle, claim_response, decisions
from support.pas import example, submit
from support.server import serving

pytestmark = pytest.mark.slow
# uvicorn finishes what is under way, closes the store, and then ends by the signal it got, as a shell expects
ENDED = {signal.SIGTERM: (0, -signal.SIGTERM), signal.SIGINT: (0, -signal.SIGINT, 130)}


async def test_start_submit_stop_and_start_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    answers: dict[str, bytes] = {}
    with serving(data) as server:
        async with server.client() as client:
            assert (await client.get("/readyz")).json()["ready"] is True
            for promised in examples():
                response = await submit(client, promised.document())
                if promised.decisions:
                    assert {d.sequence: d.action for d in decisions(bundle(response))} == promised.decisions
                answers[promised.name] = response.content
        assert server.terminate() in ENDED[signal.SIGTERM]
    assert "Traceback" not in server.output
    for name in ("Reyes", "MA-0001", "1951-03-14"):
        assert name not in server.output
    with serving(data) as server:
        async with server.client() as client:
            for name, kept in answers.items():
                read = await client.get(f"/fhir/Bundle/{json.loads(kept)['id']}")
                assert read.content == kept
                assert (await submit(client, example(name))).content == kept
        assert server.terminate() in ENDED[signal.SIGTERM]


async def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as first:
        async with first.client() as client:
            with serving(data) as second:
                assert await asyncio.to_thread(second.wait) == 2
            assert "Traceback" not in second.output
            (line,) = [line for line in second.lines if line.startswith("precert:")]
            assert str(data) in line
            assert "another" in line.lower() or "in use" in line.lower()
            assert (await submit(client, example())).status_code == 200  # the first one does not mind


async def test_a_killed_server_leaves_no_lock_behind(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        async with server.client() as client:
            kept = await submit(client, example())
        server.kill()
    with serving(data) as server:
        async with server.client() as client:
            assert (await submit(client, example())).content == kept.content


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopping_server_answers_what_it_has_begun(how: signal.Signals, tmp_path: Path) -> None:
    body = json.dumps(example())
    with serving(tmp_path / "data") as server:
        url = httpx.URL(server.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"POST /fhir/Claim/$submit HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/fhir+json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body[:2000])
        await writer.drain()
        async with server.client() as client:  # answered after the half request was sent: that one is under way
            assert (await client.get("/healthz")).status_code == 200
        os.kill(server.process.pid, how)
        writer.write(body[2000:])
        await writer.drain()
        answer = await reader.read()
        writer.close()
        assert await asyncio.to_thread(server.wait) in ENDED[how]
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"preAuthRef"' in answer


async def test_concurrent_clients_get_their_own_answers(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:

        async def one(number: int) -> tuple[str, str]:
            body = example("approve" if number % 2 else "pend-information")
            text = json.dumps(body).replace(
                b"MA-000", b"MX-%d-" % number
            )  # clients of as many members, whom no directory knows
            body = json.loads(text)
            body["identifier"]["value"] = f"c-{number}"
            body["entry"][0]["resource"]["identifier"][0]["value"] = f"claim-{number}"
            for entry in body["entry"]:
                if entry["resource"]["resourceType"] == "Patient":
                    entry["resource"] |= {"name": [{"family": f"Number{number}", "given": ["Una"]}]}
                if entry["resource"]["resourceType"] == "Coverage":
                    entry["resource"]["class"] = [{"type": {"coding": [{"code": "plan"}]}, "value": "ma-classic"}]
            async with server.client() as client:
                answer = bundle(await submit(client, body))
            (decided,) = decisions(answer)
            assert decided.action == ("A1" if number % 2 else "A4")
            return claim_response(answer)["identifier"][0]["value"], decided.number or decided.reference or ""

        found = await asyncio.gather(*(one(n) for n in range(60)))
        assert len({number for pair in found for number in pair}) == 120
        assert server.terminate() in ENDED[signal.SIGTERM]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "Open security mode serves this machine only"),
        (["--port", "99999"], "port"),
        (["--eligibility-mode", "guess"], "eligibility_mode"),
        (["--store", "postgres://x"], "the store must be mongita:DIR"),
        (["--config", "nowhere.toml"], "there is no file nowhere.toml"),
        (["--no-such-option"], "No such option"),
    ],
)
async def test_what_cannot_be_started_says_why_and_ends_with_2(options: list[str], says: str, tmp_path: Path) -> None:
    with serving(tmp_path / "data", *options) as server:
        assert await asyncio.to_thread(server.wait) == 2
    assert says in server.output
    assert "Traceback" not in server.output


async def test_a_broken_settings_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("port = \n", "utf-8")
    with serving(tmp_path / "data", "--config", "mine.toml") as server:
        assert await asyncio.to_thread(server.wait) == 2
    assert "the settings file is not TOML" in server.output
    assert "Traceback" not in server.output


async def test_a_broken_eligibility_folder_is_told_in_a_sentence(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--eligibility", str(tmp_path)) as server:
        assert await asyncio.to_thread(server.wait) == 2
    assert "payer.json" in server.output
    assert "Traceback" not in server.output


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as first:
        port = str(httpx.URL(first.url).port)
        with serving(tmp_path / "two", "--port", port) as second:
            assert await asyncio.to_thread(second.wait) != 0
        assert "in use" in second.output
