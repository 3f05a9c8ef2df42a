"""Live events over a real server and a real ledger: the bytes, three clients that others wrote, cuts and restarts."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ledger import events, runs, states
from ledger.database import Ledger, open_ledger
from ledger.runs import Limits, Submission
from server.problems import Problem
from server.streams import HEARTBEAT_SECONDS, RETRY_MS, EventStream, last_event_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
NODE = HERE.parent / "sse_node"
NOON = 1_761_739_931_000_000
PATIENCE = 60


def wait_for(holds: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Desk:
    """A run in a ledger, and a server of its events."""

    folder: Path
    ledger: Ledger
    run_id: str
    port: int = field(default_factory=free_port)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.run_id}/events"

    def start(self, *, cuts: int = 0) -> None:
        command = [sys.executable, HERE / "sse_server.py", str(self.port), str(self.ledger.engine.url), str(cuts)]
        with (self.folder / "connections").open("ab") as out, (self.folder / "log").open("ab") as log:
            self.servers.append(subprocess.Popen(command, stdout=out, stderr=log, cwd=HERE.parent.parent.parent))
        wait_for(lambda: is_open(self.port))

    def stop(self) -> int:
        self.servers[-1].send_signal(signal.SIGTERM)
        return self.servers[-1].wait(PATIENCE)

    def tell(self, count: int, *, text: str = "") -> None:
        for _ in range(count):
            with self.ledger.writing() as connection:
                states.tell(connection, self.run_id, events.PROGRESS, {"phase": "adapter", "text": text}, now=NOON)

    def end(self) -> None:
        with self.ledger.writing() as connection:
            states.succeed(connection, self.run_id, records=1, content_digest="", event={}, now=NOON)

    def log(self) -> list[dict[str, Any]]:
        with self.ledger.reading() as connection:
            found = events.of_run(connection, self.run_id)
        return [{"id": str(each.seq), "event": each.type, "data": json.loads(each.data)} for each in found]

    def resumed(self, client: str) -> list[int]:
        """Return the events after which a client went on, a connection each."""
        told = [line.split() for line in (self.folder / "connections").read_text().splitlines()]
        return [int(after) for name, after in told if name == client]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    asked = Submission(
        tenant="acme", profile_id="json-raw", profile_base="json-raw", profile_revision=1, profile_commit=None, selectors={},
        policy_snapshot_id=None, options={}, priority="standard", created_by="user:ops", trace_id="0" * 32, trace_parent="",
    )  # fmt: skip
    with ledger.writing() as connection:
        run_id = runs.submit(connection, asked, limits=Limits(), now=NOON)
    desk = Desk(tmp_path, ledger, run_id)
    yield desk
    for server in desk.servers:
        server.kill()
        server.wait()
    ledger.close()


def test_the_bytes_are_those_of_the_contract(desk: Desk) -> None:
    desk.tell(1, text="two\nlines, \u2028 and ümlauts")
    desk.end()
    desk.start()
    answer = httpx.get(desk.url)
    with desk.ledger.reading() as connection:
        told = [
            f"id: {each.seq}\nevent: {each.type}\ndata: {each.data}\n\n"
            for each in events.of_run(connection, desk.run_id)
        ]
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert len(told) == 3
    assert answer.content.decode() == "".join(told).replace("\n\n", "\nretry: 50\n\n", 1)


def test_a_quiet_stream_is_kept_alive_by_comments(desk: Desk) -> None:
    desk.start()
    received = b""
    with httpx.stream("GET", desk.url, params={"lastEventId": "1"}) as answer:
        for piece in answer.iter_raw():
            received += piece
            if received.count(b"ping") == 3:
                break
    assert received == 3 * b": ping\n\n"


def test_comments_come_every_fifteen_seconds_and_clients_come_back_after_two() -> None:
    stream = EventStream(lambda _ending: None)  # type: ignore[arg-type,return-value]
    assert (stream.ping_interval, HEARTBEAT_SECONDS, RETRY_MS) == (15, 15, 2000)


def test_head_opens_no_stream(desk: Desk) -> None:
    desk.start()
    answer = httpx.head(desk.url)
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_form_for_the_record_is_finite_and_says_the_same(desk: Desk) -> None:
    desk.tell(450)
    desk.start()
    answer = httpx.get(desk.url, params={"format": "audit"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text.endswith("}\n")
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {**each, "id": int(each["id"])} for each in desk.log()
    ]
    rest = httpx.get(desk.url, params={"format": "audit", "lastEventId": "449"}).text
    assert [json.loads(line)["id"] for line in rest.splitlines()] == [450, 451]


CLIENTS = {
    "eventsource": ["node", str(NODE / "listen_eventsource.mjs")],
    "fetch-event-source": ["node", str(NODE / "listen_fetch.mjs")],
    "httpx-sse": [sys.executable, str(HERE / "listen_httpx.py")],
}


@pytest.fixture
def listen(desk: Desk, counterpart: Callable[[str], str]) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a client and returns another, which returns what it has printed."""
    processes = []
    if not (NODE / "node_modules" / "eventsource").is_dir():
        pytest.skip("eventsource is not installed: run `npm ci` in tests/server/sse_node")

    def start(client: str, *arguments: str) -> Callable[..., list[Any]]:
        program, *rest = CLIENTS[client]
        out = desk.folder / f"{client}.out"
        with out.open("wb") as file, out.with_suffix(".err").open("wb") as errors:
            command = [counterpart(program), *rest, f"{desk.url}?client={client}", *arguments]
            processes.append(process := subprocess.Popen(command, stdout=file, stderr=errors))

        def printed(*, ended: bool = False) -> list[Any]:
            assert not ended or process.wait(PATIENCE) == 0
            return [json.loads(line) for line in out.read_text().splitlines()]

        return printed

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.counterpart
def test_three_clients_get_every_event_once_and_in_order_through_five_cuts_and_a_restart(
    desk: Desk, listen: Callable[..., Any]
) -> None:
    desk.start(cuts=5)
    clients = {client: listen(client) for client in CLIENTS}
    desk.tell(20)
    wait_for(lambda: all(len(printed()) == 21 for printed in clients.values()))
    assert desk.stop() == 0
    desk.tell(10)
    desk.start()
    desk.tell(10)
    desk.end()
    for client, printed in clients.items():
        assert printed(ended=True) == desk.log(), client
        # While the server is away, a client may knock more than once.
        assert desk.resumed(client)[:6] == [0, 4, 8, 12, 16, 20], client
        assert set(desk.resumed(client)[6:]) == {21}, client
    assert len(desk.log()) == 42


@pytest.mark.counterpart
def test_who_has_seen_the_last_event_is_told_to_stay_away(desk: Desk, listen: Callable[..., Any]) -> None:
    desk.end()
    desk.start()
    assert listen("eventsource", "2")(ended=True) == [{"closed": 204}]


def test_a_shutdown_ends_streams_cleanly_and_soon(desk: Desk) -> None:
    desk.start()
    with httpx.stream("GET", desk.url) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "id: 1"
        desk.servers[-1].send_signal(signal.SIGTERM)
        # An end that was not announced would be an error of the protocol.
        assert [line for line in lines if line.startswith("id")] == []
    assert desk.servers[-1].wait(PATIENCE) == 0
    assert (desk.folder / "log").read_text() == ""


@pytest.mark.parametrize(
    ("header", "parameter", "expected"),
    [(None, None, 0), ("", None, 0), ("7", None, 7), (None, "7", 7), ("8", "7", 8), ("", "7", 7), ("0", None, 0)],
)
def test_the_header_counts_before_the_parameter(header: str | None, parameter: str | None, expected: int) -> None:
    headers = {} if header is None else {"last-event-id": header}
    assert last_event_id(headers, {} if parameter is None else {"lastEventId": parameter}) == expected


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "+1", "٣", "9" * 5000, " 1"])
@pytest.mark.parametrize("place", ["header", "parameter", "parameter beside a good header"])
def test_what_is_no_events_id_is_refused(text: str, place: str) -> None:
    header = {"header": {"last-event-id": text}, "parameter": {}}.get(place, {"last-event-id": "7"})
    with pytest.raises(Problem, match="is no event's id") as refused:
        last_event_id(header, {} if place == "header" else {"lastEventId": text})
    assert (refused.value.status, refused.value.code) == (400, "ERR_EXPORT_001")
    assert len(refused.value.message) < 100
