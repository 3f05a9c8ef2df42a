"""``run`` and ``webhook`` against a real service: what people see, and the exit code of every end."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import signal
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from joserfc.jwk import ECKey

from bundle.keys import load_public_key
from bundle.verify import verify
from cli import exits
from ledger.tables import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Program


def submitted(caller: Program, *options: str) -> str:
    return str(caller.json("run", "submit", "json-raw", *options)["runId"])


def status(caller: Program, run_id: str) -> str:
    return str(caller.json("run", "status", run_id)["status"])


@pytest.fixture
def held(service: Any, caller: Program) -> Iterator[None]:
    """While a test lasts, runs do not begin."""
    service.prefect.held.clear()
    yield
    service.prefect.held.set()
    while caller.json("run", "list", "--status", "active"):
        pass


def test_a_run_is_watched_to_its_end_fetched_and_verified(caller: Program, program: Program, tmp_path: Path) -> None:
    done = caller.done("run", "submit", "json-raw", "--source", "osv-crates", "--watch", "--format", "table")
    assert done.returncode == 0, done.stderr
    run_id = done.stderr.decode().removeprefix("submitted ").strip()
    lines = done.stdout.decode().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  accepted      profile json-raw", lines[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d  progress      adapter json", lines[2])
    assert re.fullmatch(r"\d\d:\d\d:\d\d  succeeded     [\d,]+ records, [\d,]+ bytes", lines[-1])
    events = [json.loads(line) for line in caller.done("run", "watch", run_id).stdout.splitlines()]
    assert len(events) == len(lines)
    assert [event["id"] for event in events] == list(range(1, len(lines) + 1))
    after = caller.done("run", "watch", run_id, "--after", events[-2]["id"]).stdout.splitlines()
    assert [json.loads(line) for line in after] == events[-1:]
    fetched = caller.json("run", "download", run_id, "--out", f"{tmp_path}/new/")
    path = tmp_path / "new" / f"export-{run_id}.tar.zst"
    assert (fetched["bundle"], fetched["bytes"], fetched["fetched"]) == (str(path), *[path.stat().st_size] * 2)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == fetched["sha256"] == events[-1]["data"]["sha256"]
    verify(path, keys=[load_public_key(program.public_key.read_bytes())], deep=True)
    assert caller.json("run", "download", run_id, "--out", path)["fetched"] == 0
    for name in ("manifest", "provenance"):
        assert json.loads(caller.done("run", name, run_id).stdout)
        assert re.fullmatch(rb"[A-Za-z0-9+/=]+\n?", caller.done("run", name, run_id, "--signature").stdout)


@pytest.mark.usefixtures("held")
def test_runs_are_listed_for_people_and_by_what_is_asked_for(caller: Program) -> None:
    first, second = submitted(caller, "--priority", "low"), submitted(caller)
    rows = caller.done("run", "list", "--status", "active", "--format", "table").stdout.decode().splitlines()
    assert rows[0].split() == ["run", "status", "profile", "created", "seconds", "records"]
    assert [row.split()[:3] for row in rows[1:]] == [[name, "pending", "json-raw"] for name in (second, first)]
    assert [run["runId"] for run in caller.json("run", "list", "--limit", "1")] == [second]
    trace = caller.json("run", "status", first)["submissionTraceId"]
    assert [run["runId"] for run in caller.json("run", "list", "--trace-id", trace, "--profile", "json-raw")] == [first]


def test_a_canceled_run_is_told_with_who_and_why(caller: Program, service: Any) -> None:
    service.prefect.is_down = True
    run_id = submitted(caller)
    caller.json("run", "cancel", run_id, "--reason", "wrong window")
    service.prefect.is_down = False
    said = caller.error("run", "watch", run_id, code=exits.CANCELED)
    assert said == f"error: {run_id} was canceled by user:ops: wrong window\n"
    assert "canceled" in caller.error("run", "cancel", run_id, code=exits.CANCELED)
    again = caller.json("run", "retry", run_id)["runId"]
    assert caller.done("run", "watch", again).returncode == 0


def test_a_run_that_matched_nothing_ends_with_8_however_one_looks(caller: Program) -> None:
    done = caller.done("run", "submit", "json-raw", "--id", "none", "--wait")
    run = json.loads(done.stdout)
    assert (done.returncode, run["errorCode"], run["error"]["code"]) == (exits.EMPTY, "empty", "ERR_EXPORT_EMPTY")
    assert f"error: {run['runId']} failed: no record matches" in done.stderr.decode()
    assert "matched no records" in caller.error("run", "download", run["runId"], code=exits.EMPTY)
    shown = caller.done("run", "status", run["runId"], "--format", "table")
    assert shown.returncode == 0
    assert "ERR_EXPORT_EMPTY: no record matches" in shown.stdout.decode()


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_watching_leaves_the_run_alone(number: int, caller: Program) -> None:
    process = subprocess.Popen(
        [*caller.command, "run", "submit", "json-raw", "--watch"],
        env=caller.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert json.loads(process.stdout.readline())["event"] == "run.accepted"
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    run_id = said.split()[1]
    assert process.returncode == exits.CANCELED
    assert said.splitlines()[1] == (
        f"{run_id} goes on; `export-center run watch {run_id}` follows it, `run cancel {run_id}` ends it"
    )
    assert status(caller, run_id) not in TERMINAL


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "an unknown profile": (["run", "submit", "nope"], 2, "no profile 'nope'"),
    "a time that is none": (["run", "submit", "json-raw", "--from", "yesterday"], 2, "selectors.timeWindow.from"),
    "two fields that are wrong": (
        ["run", "submit", "json-raw", "--as-of", "x" * 80, "--policy-snapshot", ""], 2, "options.asOf: "),
    "a key that is no UUID": (["run", "submit", "json-raw", "--idempotency-key", "x"], 2, "'x' is no UUID"),
    "a base that is not there": (["run", "submit", "mirror-delta", "--base", "x"], 2, ""),
    "both ways of waiting": (["run", "submit", "json-raw", "--wait", "--watch"], 2, "--wait or --watch, not both"),
    "an unknown run": (["run", "status", "run-9"], 1, "there is no run run-9"),
    "an unknown run to watch": (["run", "watch", "run-9"], 1, "there is no run run-9"),
    "a run whose name is a path": (["run", "status", "../profiles"], 1, "there is nothing at"),
    "an unknown webhook": (["webhook", "delete", "wh-9"], 1, "wh-9"),
    "a webhook to nowhere": (["webhook", "create", "gopher://x"], 2, "targetUrl"),
    "a secret that is not there": (["webhook", "create", "https://a.example", "--secret-file", "no"], 4, "no: No such"),
    "a file that is no bundle": (["run", "download", "run-9", "--out", "{tmp}/text"], 2, "exists, and is no bundle"),
    "a server that is none": (["run", "list", "--server", "ftp://x"], 2, "expected the address of a service"),
    "a service that is not there": (
        ["run", "list", "--server", "http://127.0.0.1:9"], 1, "http://127.0.0.1:9 cannot be reached: Connection refused"),
    "no network": (["run", "list", "--offline"], 5, "the service at http://127.0.0.1:"),
    "a token that is not there": (["run", "list", "--token-file", "no"], 2, "the access token no cannot be read"),
    "a token that is none": (["run", "list", "--token-file", "{tmp}/text"], 2, "the access token is none"),
    "a token that is binary": (["run", "list", "--token-file", "{tmp}/binary"], 2, "binary holds no access token"),
    "a proof key without a token": (["run", "list", "--dpop-key", "{tmp}/text"], 2, "is of no use without a token"),
    "a proof key that is none": (
        ["run", "list", "--token-file", "{tmp}/token", "--dpop-key", "{tmp}/text"], 2, "no private key that can be read"),
    "a token where others read along": (
        ["run", "list", "--token-file", "{tmp}/token", "--server", "http://export.example"], 2, "is no https"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_has_its_code(case: str, caller: Program, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("some text\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "token").write_text("opaque\n")
    arguments, code, text = REFUSED[case]
    said = caller.error(*(each.format(tmp=tmp_path) for each in arguments), code=code, cwd=tmp_path)
    assert text in said
    assert (tmp_path / "text").read_text() == "some text\n"


@pytest.mark.usefixtures("held")
def test_over_the_cap_ends_with_6_when_no_place_comes_free(caller: Program) -> None:
    for _ in range(4):
        submitted(caller)
    said = caller.error("run", "submit", "json-raw", code=exits.QUOTA)
    assert "active" in said.splitlines()[-1]


class Asked:
    """A server that notes what it was asked, and knows no runs."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.posted: list[str] = []
        self.status = 200
        asked = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.answer(b'{"items":[]}')

            def do_POST(self) -> None:
                asked.posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.answer(b'{"access_token":"granted","token_type":"DPoP","expires_in":300}')

            def answer(self, body: bytes) -> None:
                self.send_response(asked.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_who_asks_is_said_by_flags_before_variables_before_the_file(
    fresh: Program, asked: Asked, tmp_path: Path
) -> None:
    (tmp_path / "flag").write_text("of-the-flag\n")
    (tmp_path / "setting").write_text("of-the-setting")
    (tmp_path / "export-center.toml").write_text(f'server = "{asked.url}"\ntoken_file = "setting"\n')
    for options, environment in (
        ((), {}),
        ((), {"EXPORT_CENTER_TOKEN": "of-the-variable", "EXPORT_CENTER_TENANT": "acme"}),
        (("--token-file", "flag", "--tenant", "other"), {"EXPORT_CENTER_TOKEN": "of-the-variable"}),
    ):
        assert fresh.json("run", "list", *options, cwd=tmp_path, **environment) == []
    assert [each["authorization"] for each in asked.headers] == [
        "Bearer of-the-setting", "Bearer of-the-variable", "Bearer of-the-flag",
    ]  # fmt: skip
    assert [each.get("x-stella-tenant") for each in asked.headers] == [None, "acme", "other"]


def test_a_bound_token_goes_with_a_proof_and_not_without(fresh: Program, asked: Asked, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    (tmp_path / "key").write_text(json.dumps(key.as_dict(private=True)))
    claims = json.dumps({"cnf": {"jkt": key.thumbprint()}}).encode()
    token = f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.sig"
    options = {"EXPORT_CENTER_TOKEN": token, "EXPORT_CENTER_SERVER": asked.url}
    said = fresh.error("run", "list", code=exits.USAGE, **options)
    assert said.startswith("error: the access token is bound to a key\n")
    assert token not in said
    assert asked.headers == []
    assert fresh.json("run", "list", "--dpop-key", tmp_path / "key", **options) == []
    assert asked.headers[0]["authorization"] == f"DPoP {token}"
    assert len(asked.headers[0]["dpop"].split(".")) == 3


def test_a_command_gets_its_token_itself_when_it_is_told_where(fresh: Program, asked: Asked) -> None:
    options = {"EXPORT_CENTER_TOKEN_URL": f"{asked.url}/token", "EXPORT_CENTER_SERVER": asked.url}
    assert "without EXPORT_CENTER_CLIENT_ID" in fresh.error("run", "list", code=exits.USAGE, **options)
    options |= {"EXPORT_CENTER_CLIENT_ID": "ci", "EXPORT_CENTER_CLIENT_SECRET": "s", "EXPORT_CENTER_RESOURCE": "urn:x"}
    assert fresh.json("run", "list", **options) == []
    assert parse_qs(asked.posted[0])["scope"] == ["export:read export:run export:download export:profile:manage"]
    assert parse_qs(asked.posted[0])["resource"] == ["urn:x"]
    assert asked.headers[0]["authorization"] == "DPoP granted"
    assert len(asked.headers[0]["dpop"].split(".")) == 3
    fresh.json("run", "list", EXPORT_CENTER_TOKEN="mine", **options)
    assert asked.headers[1]["authorization"] == "Bearer mine"


def test_who_is_not_let_in_is_told_how_to_show_a_token(fresh: Program, asked: Asked) -> None:
    asked.status = 401
    said = fresh.error("run", "list", code=exits.FAILED, EXPORT_CENTER_SERVER=asked.url)
    assert said.splitlines()[1] == (
        "Set EXPORT_CENTER_TOKEN or --token-file, or EXPORT_CENTER_TOKEN_URL with a client's id and secret."
    )


class Stalling:
    """A server of one bundle that sends half of it to whoever comes first, and then nothing more."""

    def __init__(self) -> None:
        self.content = random.Random(1).randbytes(1 << 20)
        self.ranges: list[str | None] = []
        self.halfway, self.over = Event(), Event()
        stalling = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.send_facts(0)

            def do_GET(self) -> None:
                stalling.ranges.append(self.headers["Range"])
                start = int(self.headers.get("Range", "bytes=0-")[6:-1])
                self.send_response(206 if start else 200)
                self.send_facts(start)
                if start:
                    self.wfile.write(stalling.content[start:])
                    return
                self.wfile.write(stalling.content[: 1 << 19])
                stalling.halfway.set()
                stalling.over.wait(60)

            def send_facts(self, start: int) -> None:
                size, content = len(stalling.content), stalling.content
                self.send_header("X-Export-Digest", f"sha256:{hashlib.sha256(content).hexdigest()}")
                self.send_header("X-Export-Size", str(size))
                self.send_header("Content-Length", str(size - start))
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def stalling() -> Iterator[Stalling]:
    made = Stalling()
    yield made
    made.over.set()
    made.server.shutdown()
    made.server.server_close()


def test_a_download_that_was_stopped_goes_on_with_the_same_command(
    fresh: Program, stalling: Stalling, tmp_path: Path
) -> None:
    command = ["run", "download", "run-1", "--out", "x.tar.zst", "--server", stalling.url]
    process = subprocess.Popen(
        [*fresh.command, *command], env=fresh.environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert stalling.halfway.wait(60)
    (part,) = until(lambda: [each for each in tmp_path.glob("*.part") if each.stat().st_size == 1 << 19])
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (exits.CANCELED, "interrupted; the same command goes on where it was\n")
    assert list(tmp_path.iterdir()) == [part]
    found = fresh.json(*command, cwd=tmp_path)
    assert (found["bytes"], found["fetched"]) == (1 << 20, 1 << 19)
    assert (tmp_path / "x.tar.zst").read_bytes() == stalling.content
    assert stalling.ranges == [None, f"bytes={1 << 19}-"]


def until(look: Callable[[], list[Any]]) -> list[Any]:
    """Look until there is something."""
    end = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_webhooks_tell_and_what_did_not_arrive_is_sent_again(
    caller: Program, service: Any, taker: Any, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("between us\n")
    hook = caller.json("webhook", "create", taker.url, "--secret-file", tmp_path / "secret", "--event", "run.failed")
    assert (hook["events"], hook["secret"]) == (["run.failed"], None)
    before, taker.script = len(taker.told), [(410, {})]
    caller.done("run", "submit", "json-raw", "--id", "none", "--wait")
    taker.wait(before + 1)
    letters = until(lambda: caller.json("webhook", "dead-letters", hook["webhookId"]))
    assert "is disabled" in caller.error("webhook", "replay", hook["webhookId"], code=exits.FAILED)
    service.http.post(f"/webhooks/{hook['webhookId']}:enable", headers={"X-Stella-Tenant": "default"})
    replayed = caller.json("webhook", "replay", hook["webhookId"], "--message", letters[0]["messageId"])
    assert replayed == {"webhookId": hook["webhookId"], "replayed": 1}
    taker.wait(before + 2)
    done = caller.done("webhook", "delete", hook["webhookId"])
    assert (done.returncode, done.stderr.decode()) == (0, f"removed {hook['webhookId']}\n")
    assert hook["webhookId"] not in {each["webhookId"] for each in caller.json("webhook", "list")}
