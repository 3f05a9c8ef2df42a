"""Messages are sent until they arrive or are dead letters, on a clock that the test moves."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from ledger import outbox, runs, webhooks
from ledger.database import open_ledger
from ledger.runs import Limits, Submission
from ledger.tables import EVENTS, WEBHOOKS
from ledger.times import SECOND
from ledger.vault import Vault, open_vault
from ledger.webhooks import Registration
from server.delivery import DELAYS, JITTER, Delivery, judge
from server.egress import Egress, networks
from server.sending import Answer, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ledger.database import Ledger

NOON = 1_761_739_931_000_000
SUBMISSION = Submission(
    tenant="acme", profile_id="json-raw", profile_base="json-raw", profile_revision=1, profile_commit=None,
    selectors={}, policy_snapshot_id=None, options={}, priority="standard", created_by="user:ops",
    trace_id="0" * 32, trace_parent="",
)  # fmt: skip


@dataclass
class Post:
    """A deliverer on a ledger, with a clock and a receiver that the test holds."""

    ledger: Ledger
    vault: Vault = field(default_factory=Vault.of_this_process)
    now: int = NOON
    answers: list[Answer] = field(default_factory=list)
    sent: list[tuple[int, Mapping[str, str], bytes]] = field(default_factory=list)

    def send(self, _url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append((self.now, headers, body))
        return self.answers.pop(0) if self.answers else Answer(204)

    def delivery(self, send: Callable[..., Answer] | None = None) -> Delivery:
        return Delivery(self.ledger, self.vault, send or self.send, lambda: self.now, chance=lambda: 0.0)

    def webhook(self, url: str = "https://hooks.example/") -> str:
        webhook_id = webhooks.make_id()
        asked = Registration(
            tenant="acme", webhook_id=webhook_id, target_url=url, events=["run.accepted"], created_by="user:ops",
            secret=self.vault.seal(b"a secret", "acme", webhook_id),
        )  # fmt: skip
        with self.ledger.writing() as connection:
            webhooks.create(connection, asked, now=self.now)
        return webhook_id

    def submit(self) -> str:
        with self.ledger.writing() as connection:
            return runs.submit(connection, SUBMISSION, limits=Limits(active_runs=99), now=self.now)

    def found(self, webhook_id: str) -> Mapping[str, Any]:
        with self.ledger.reading() as connection:
            return webhooks.find(connection, webhook_id, tenant="acme")

    def pass_time(self, seconds: int, *, step: int) -> None:
        """Let time pass, and send what is due after every step."""
        delivery = self.delivery()
        for _ in range(seconds // step + 1):
            while delivery.deliver_once():
                pass
            self.now += step * SECOND


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield Post(ledger)
    ledger.close()


def test_a_message_is_tried_on_schedule_under_one_id_and_then_is_a_dead_letter(post: Post) -> None:
    webhook_id = post.webhook()
    post.submit()
    post.answers = [Answer(404)] * 20
    delivery = post.delivery()
    for delay in DELAYS:
        post.now += delay * SECOND - 1
        if delay:
            assert not delivery.deliver_once()
        post.now += 1
        assert delivery.deliver_once()
    times = [at for at, _, _ in post.sent]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [
        delay * SECOND for delay in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    ]
    assert len({headers["webhook-id"] for _, headers, _ in post.sent}) == 1
    assert len({body for _, _, body in post.sent}) == 1
    assert [int(headers["webhook-timestamp"]) for _, headers, _ in post.sent] == [at // SECOND for at in times]
    assert (post.found(webhook_id)["dead"], post.found(webhook_id)["status"]) == (1, "active")
    post.now += 10 * 86_400 * SECOND
    assert not delivery.deliver_once()


@given(attempts=st.integers(1, len(DELAYS) - 1), chance=st.floats(0, 1), status=st.sampled_from([None, 302, 400, 404]))
def test_delays_grow_by_chance_and_within_bounds(attempts: int, chance: float, status: int | None) -> None:
    delay = judge(Answer(status), attempts, chance=chance).delay
    assert delay is not None
    assert DELAYS[attempts] * SECOND <= delay <= DELAYS[attempts] * (1 + JITTER) * SECOND


VERDICTS = {
    "gone ends it": (Answer(410), 1, (None, 0, "gone")),
    "the last attempt ends it": (Answer(500), 10, (None, 0, None)),
    "a redirect is a failure": (Answer(301), 1, (5, 0, None)),
    "a fault gives rest": (Answer(503), 1, (5, 5, None)),
    "an overloaded receiver gets the rest it asks for": (Answer(429, retry_after=600), 1, (600, 600, None)),
    "Retry-After does not shorten": (Answer(503, retry_after=1), 2, (300, 1, None)),
    "no answer is tried again": (Answer(None, "it cannot be connected to"), 3, (1800, 0, None)),
}


@pytest.mark.parametrize(("answer", "attempts", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_a_failure_leads_to(answer: Answer, attempts: int, verdict: tuple[int | None, int, str | None]) -> None:
    delay, rest, why = verdict
    wanted = (None if delay is None else delay * SECOND, rest * SECOND, why)
    assert tuple(judge(answer, attempts, chance=0)) == wanted


def test_a_receiver_that_wants_rest_gets_nothing_until_it_had_it(post: Post) -> None:
    post.webhook()
    post.submit()
    post.submit()
    post.answers = [Answer(429, retry_after=60)]
    post.pass_time(120, step=1)
    assert [(at - NOON) // SECOND for at, _, _ in post.sent] == [0, 60, 60]


def test_a_crash_between_sending_and_noting_sends_the_same_message_again(post: Post, receiver: Any) -> None:
    webhook_id = post.webhook(receiver.url)
    run_id = post.submit()
    sender = Sender(egress=Egress(allow_http=True, networks=networks(["127.0.0.1"])))

    def crashing(*told: Any) -> Answer:
        assert sender(*told).status == 204
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        post.delivery(crashing).deliver_once()
    next_process = post.delivery(sender)
    post.now += (outbox.LEASE_SECONDS - 1) * SECOND
    assert not next_process.deliver_once(), "the lease is not over"
    post.now += SECOND
    assert next_process.deliver_once()
    first, second = receiver.told
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"msg-{run_id}-1"
    assert first.body == second.body
    assert post.found(webhook_id)["pending"] == 0
    assert not next_process.deliver_once()


SENDING = """
import sys
from ledger.database import open_ledger
from ledger.vault import open_vault
from pathlib import Path
from server.delivery import Delivery
from server.egress import Egress, networks
from server.sending import Sender

url, key, now = sys.argv[1:]
sender = Sender(egress=Egress(allow_http=True, networks=networks(["127.0.0.1"])))
Delivery(open_ledger(url), open_vault(Path(key)), sender, lambda: int(now)).deliver_once()
"""


def test_a_process_that_is_killed_while_it_sends_is_replaced_by_another(
    tmp_path: Path, post: Post, receiver: Any
) -> None:
    post.vault = open_vault(tmp_path / "webhooks.key")
    webhook_id = post.webhook(receiver.url)
    run_id = post.submit()
    started: list[subprocess.Popen[bytes]] = []

    def send() -> int:
        words = [str(post.ledger.engine.url), str(tmp_path / "webhooks.key"), str(post.now)]
        started.append(subprocess.Popen([sys.executable, "-c", SENDING, *words]))
        return started[-1].wait(60)

    def kill() -> None:
        started[-1].kill()

    receiver.before = kill
    assert send() == -signal.SIGKILL
    receiver.before = lambda: None
    assert post.found(webhook_id)["pending"] == 1
    post.now += outbox.LEASE_SECONDS * SECOND
    assert send() == 0
    first, second = receiver.told
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"msg-{run_id}-1"
    assert post.found(webhook_id)["pending"] == 0


def test_several_servers_send_every_message_once(post: Post) -> None:
    for _ in range(3):
        post.webhook()
    for _ in range(10):
        post.submit()
    servers = [post.delivery() for _ in range(3)]
    while any([server.deliver_once() for server in servers]):  # noqa: C419 - each has its turn
        pass
    assert len(post.sent) == 30


def test_threads_send_without_being_asked_and_end_when_told(post: Post) -> None:
    webhook_id = post.webhook()
    for _ in range(20):
        post.submit()
    delivery = post.delivery()
    delivery.start()
    try:
        for _ in range(1000):
            if post.found(webhook_id)["pending"] == 0:
                break
            time.sleep(0.01)
    finally:
        delivery.stop()
    assert len({headers["webhook-id"] for _, headers, _ in post.sent}) == len(post.sent) == 20
    assert not any(thread.is_alive() for thread in delivery._loops.threads)


TAMPERED = {
    "a bit is turned": lambda sealed, _other: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    "another webhook's is put there": lambda _sealed, other: other,
    "nothing is left": lambda _sealed, _other: b"",
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_secret_that_does_not_open_disables_and_nothing_is_sent(post: Post, tamper: Callable[..., bytes]) -> None:
    webhook_id = post.webhook()
    other = post.vault.seal(b"another", "acme", "wh-other")
    with post.ledger.writing() as connection:
        sealed = post.found(webhook_id)["secret"]
        connection.execute(update(WEBHOOKS).values(secret=tamper(sealed, other)))
    post.submit()
    assert post.delivery().deliver_once()
    found = post.found(webhook_id)
    assert (found["status"], found["disabled_reason"], found["dead"]) == ("disabled", "secret", 1)
    assert post.sent == []


def test_an_event_that_is_too_large_is_told_without_its_data(post: Post) -> None:
    post.webhook()
    run_id = post.submit()
    with post.ledger.writing() as connection:
        data = {"runId": run_id, "timestamp": "2025-10-29T12:12:11Z", "error": "x" * 30_000}
        connection.execute(update(EVENTS).values(data=json.dumps(data)))
    post.pass_time(0, step=1)
    ((_, _, body),) = post.sent
    assert json.loads(body) == {
        "type": "run.accepted", "timestamp": "2025-10-29T12:12:11Z", "data": {"runId": run_id, "truncated": True},
    }  # fmt: skip


def test_a_ping_is_tried_once(post: Post) -> None:
    webhook_id = post.webhook()
    with post.ledger.writing() as connection:
        webhooks.ping(connection, webhook_id, now=post.now)
    post.answers = [Answer(500)]
    post.pass_time(400, step=10)
    assert len(post.sent) == 1
    assert (post.found(webhook_id)["dead"], post.found(webhook_id)["last_status"]) == (0, 500)
