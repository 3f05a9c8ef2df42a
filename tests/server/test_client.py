"""The client against the real service: every method, and restarts of the service in the middle of what it does."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from client import ApiError, Client, Retries, UnreachableError
from ledger.runs import Limits
from server.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PATIENT = Retries(attempts=200, first=0.02, longest=1)


@pytest.fixture
def client(running: Any) -> Iterator[Client]:
    with Client(running.url, tenant="acme") as made:
        yield made


def test_a_run_from_its_submission_to_its_bundle(client: Client, tmp_path: Path) -> None:
    submitted = client.submit("json-raw")
    told = list(client.watch(submitted.run_id))
    run = client.run(submitted.run_id)
    assert (submitted.status, run.status, run.is_over, run.error) == ("pending", "success", True, None)
    assert [event.id for event in told] == list(range(1, len(told) + 1))
    assert (told[0].type, told[-1].type, told[-1].data["records"]) == (
        "run.accepted",
        "run.succeeded",
        run.counts.records,
    )
    assert client.events(run.run_id) == told
    assert [event.id for event in client.watch(run.run_id, after=told[-3].id)] == [told[-2].id, told[-1].id]
    assert list(client.watch(run.run_id, after=told[-1].id)) == []
    (target,) = client.distributions(run.run_id)
    assert [target] == run.distributions
    fetched = client.download(run.run_id, tmp_path)
    assert fetched.path == tmp_path / f"export-{run.run_id}.tar.zst"
    assert hashlib.sha256(fetched.path.read_bytes()).hexdigest() == fetched.sha256 == target.sha256
    assert fetched.fetched == fetched.size == target.size_bytes == fetched.path.stat().st_size
    assert client.download(run.run_id, tmp_path).fetched == 0
    for document in (client.manifest, client.provenance):
        assert document(run.run_id).startswith(b"{")
        assert not document(run.run_id, signature=True).startswith(b"{")


def test_runs_are_listed_by_what_is_asked_for(client: Client, running: Any) -> None:
    running.prefect.held.clear()
    first, second = (client.submit("json-raw", options={"priority": priority}).run_id for priority in ("low", "high"))
    found = client.list_runs(status="active", page_size=1)
    assert ([run.run_id for run in found.items], found.total) == ([second], 2)
    assert [run.run_id for run in client.runs(profile_id="json-raw")] == [second, first]
    assert list(client.runs(status="success")) == []
    trace = client.run(first).trace_id
    assert [run.run_id for run in client.runs(trace_id=trace)] == [first]
    running.prefect.held.set()
    assert client.ended(first).status == "success"


def test_a_canceled_run_says_by_whom_and_why_and_is_done_again(client: Client, running: Any) -> None:
    running.prefect.is_down = True
    run_id = client.submit("json-raw").run_id
    assert client.cancel(run_id, reason="wrong window").cancel_requested_at
    canceled = client.ended(run_id)
    assert (canceled.status, canceled.canceled_by, canceled.cancel_reason) == ("canceled", "user:ops", "wrong window")
    assert list(client.watch(run_id))[-1].data["canceledBy"] == "user:ops"
    with pytest.raises(ApiError) as caught:
        client.cancel(run_id)
    assert (caught.value.status, caught.value.code) == (409, "ERR_EXPORT_007")
    running.prefect.is_down = False
    again = client.retry(run_id)
    assert again.run_id != run_id
    assert client.ended(again.run_id).status == "success"


def test_a_run_that_matched_nothing_says_so(client: Client, tmp_path: Path) -> None:
    run = client.ended(client.submit("json-raw", selectors={"ecosystems": ["none"]}).run_id)
    assert (run.status, run.error_code) == ("failed", "empty")
    assert run.error
    assert run.error.code == "ERR_EXPORT_EMPTY"
    with pytest.raises(ApiError, match="matched no records"):
        client.download(run.run_id, tmp_path)


def test_what_the_service_refuses_is_told_in_its_words(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.submit("json-raw", selectors={"nope": []})
    error = caught.value
    assert (error.status, error.code, error.details[0]["field"]) == (400, "ERR_EXPORT_001", "selectors.nope")
    assert len(error.trace_id) == 32
    with pytest.raises(ApiError, match="there is no run run-x"):
        client.run("run-x")


def test_one_key_makes_one_run_however_many_send_it_at_once(client: Client) -> None:
    key = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: client.submit("json-raw", idempotency_key=key), range(8)))
    assert len({each.run_id for each in made}) == 1
    assert len(list(client.runs())) == 1


def test_who_is_over_the_cap_waits_for_a_place(start: Callable[..., Any]) -> None:
    told: list[str] = []
    with start(limits=Limits(active_runs=1)) as running:
        running.prefect.held.clear()

        def wait(_: float) -> None:
            running.prefect.held.set()
            running.ended(first)

        patient = Retries(sleep=wait, told=lambda why, _: told.append(why))
        with Client(running.url, tenant="acme", retries=patient) as client:
            first = client.submit("json-raw").run_id
            second = client.submit("json-raw").run_id
            assert client.ended(second).status == "success"
    assert len(told) == 1
    assert "active" in told[0]


def test_webhooks_are_made_listed_sent_to_again_and_removed(client: Client, running: Any, receiver: Any) -> None:
    receiver.script = [(410, {})]
    made = client.create_webhook(receiver.url, description="ops")
    given = client.create_webhook(receiver.url, events=["run.failed"], secret="mine", description=None)
    assert (made.events, given.events, given.secret) == (["run.succeeded"], ["run.failed"], None)
    assert made.secret
    assert [each.webhook_id for each in client.webhooks()] == [given.webhook_id, made.webhook_id]
    run_id = client.submit("json-raw").run_id
    assert client.ended(run_id).status == "success"
    receiver.wait(1)
    until = time.monotonic() + 20
    while next(each for each in client.webhooks() if each.webhook_id == made.webhook_id).status == "active":
        assert time.monotonic() < until
    with pytest.raises(ApiError, match="is disabled"):
        client.replay(made.webhook_id)
    (letter,) = client.dead_letters(made.webhook_id)
    assert (letter.event, letter.run_id, letter.attempts) == ("run.succeeded", run_id, 1)
    assert running.http.post(f"/webhooks/{made.webhook_id}:enable").status_code == 200
    assert client.replay(made.webhook_id, message_id=letter.message_id).replayed == 1
    receiver.wait(2)
    client.delete_webhook(made.webhook_id)
    assert [each.webhook_id for each in client.webhooks()] == [given.webhook_id]


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, retries=Retries(attempts=2, first=0.01)) as client:
        for call in (client.run, lambda name: list(client.watch(name)), lambda name: client.download(name, tmp_path)):
            with pytest.raises(UnreachableError, match=f"^{url} cannot be reached: "):
                call("run-1")


def test_a_run_is_followed_through_a_restart_without_a_gap(start: Callable[..., Any]) -> None:
    port, told, first = free_port(), [], threading.Event()

    def follow(run_id: str) -> None:
        for event in client.watch(run_id):
            told.append(event)
            first.set()

    with Client(f"http://127.0.0.1:{port}", tenant="acme", retries=PATIENT) as client:
        with start(port=port) as before:
            before.prefect.is_down = True
            run_id = client.submit("json-raw").run_id
            follower = threading.Thread(target=follow, args=(run_id,))
            follower.start()
            assert first.wait(20)
        assert [event.type for event in told] == ["run.accepted"]
        with start(port=port) as after:
            assert after.ended(run_id)["status"] == "success"
            follower.join(30)
            assert told == client.events(run_id)
    assert told[-1].type == "run.succeeded"


def test_the_example_of_the_page_runs(
    running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    example = re.findall(r"(?ms)^```python\n(.*?)^```", page)[0]
    assert "http://127.0.0.1:8321" in example
    monkeypatch.chdir(tmp_path)
    exec(example.replace("http://127.0.0.1:8321", running.url), {})
    told = capsys.readouterr().out.splitlines()
    assert (told[0], told[-2].split()[1]) == ("1 run.accepted", "run.succeeded")
    assert (tmp_path / told[-1]).is_file()
