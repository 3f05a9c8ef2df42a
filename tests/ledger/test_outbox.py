"""The outbox: written with the event it tells, sent by one at a time, and kept when it does not arrive."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from ledger import audit, events, outbox, runs, states, webhooks
from ledger.dead_letters import disable
from ledger.errors import PendingPingError, TooManyWebhooksError, UnknownWebhookError
from ledger.outbox import Attempt
from ledger.runs import Limits
from ledger.tables import DELIVERIES, EVENTS
from ledger.times import DAY_SECONDS, SECOND
from ledger.webhooks import Registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database import Ledger
    from ledger.outbox import Message
    from ledger.runs import Submission

REFUSED = Attempt(500, "it answered 500")


@dataclass
class Outbox:
    """A ledger with webhooks; every step is a transaction of its own."""

    ledger: Ledger
    make_submission: Callable[..., Submission]
    noon: int
    made: int = field(default=0)

    def webhook(self, *wanted: str, tenant: str = "acme") -> str:
        self.made += 1
        asked = Registration(
            tenant=tenant, webhook_id=f"wh-{self.made}", target_url="https://hooks.example/", secret=b"sealed",
            events=wanted or ("run.succeeded",), created_by="user:ops",
        )  # fmt: skip
        with self.ledger.writing() as connection:
            webhooks.create(connection, asked, now=self.noon)
        return asked.webhook_id

    def submit(self, **changes: Any) -> str:
        with self.ledger.writing() as connection:
            return runs.submit(
                connection, self.make_submission(**changes), limits=Limits(active_runs=99), now=self.noon
            )

    def succeed(self, run_id: str) -> None:
        with self.ledger.writing() as connection:
            states.succeed(connection, run_id, records=1, content_digest="0" * 64, event={"records": 1}, now=self.noon)

    def claim(self, now: int | None = None) -> Message | None:
        with self.ledger.writing() as connection:
            return outbox.claim(connection, now=now or self.noon)

    def claimed(self, now: int | None = None) -> Message:
        message = self.claim(now)
        assert message is not None
        return message

    def found(self, webhook_id: str) -> dict[str, Any]:
        with self.ledger.reading() as connection:
            return dict(webhooks.find(connection, webhook_id, tenant="acme"))

    def die(self, message: Message, *, disable_for: str | None = None) -> bool:
        with self.ledger.writing() as connection:
            return outbox.give_up(connection, message, REFUSED, disable_for=disable_for, now=self.noon)


@pytest.fixture
def box(ledger: Ledger, make_submission: Callable[..., Submission], noon: int) -> Outbox:
    return Outbox(ledger, make_submission, noon)


def test_an_event_is_written_for_those_who_want_it_with_the_event_itself(box: Outbox) -> None:
    mine, _other, _foreign = box.webhook(), box.webhook("run.failed"), box.webhook(tenant="globex")
    run_id = box.submit()
    assert box.claim() is None
    box.succeed(run_id)
    message = box.claimed()
    assert (message.webhook_id, message.event, message.run_id) == (mine, "run.succeeded", run_id)
    assert message.message_id == f"msg-{run_id}-2"
    assert json.loads(message.data or "") == {"runId": run_id, "records": 1, "timestamp": "2025-10-29T12:12:11Z"}
    assert box.claim() is None


def test_a_transaction_that_is_not_kept_tells_nothing(box: Outbox) -> None:
    box.webhook()
    run_id = box.submit()
    with contextlib.suppress(RuntimeError), box.ledger.writing() as connection:
        states.succeed(connection, run_id, records=1, content_digest="0" * 64, event={}, now=box.noon)
        raise RuntimeError
    assert box.claim() is None


def test_one_sender_at_a_time_talks_to_a_webhook_until_its_lease_ends(box: Outbox) -> None:
    box.webhook("run.accepted")
    box.submit()
    box.submit()
    first = box.claimed()
    assert box.claim() is None
    later = box.noon + outbox.LEASE_SECONDS * SECOND
    second = box.claimed(later)
    assert second.message_id != first.message_id, "what was never tried comes first"
    with box.ledger.writing() as connection:
        assert outbox.succeed(connection, second, Attempt(200), now=later)
    again = box.claimed(later)
    assert (again.message_id, again.attempts, again.claim) == (first.message_id, 0, 2)
    with box.ledger.writing() as connection:
        assert not outbox.retry(connection, first, REFUSED, delay=0, rest=0, now=later), "its turn is over"
        assert outbox.succeed(connection, first, Attempt(200), now=later), "but what arrived, arrived"
        assert not outbox.succeed(connection, again, Attempt(200), now=later), "once"


def test_slow_receivers_of_a_tenant_do_not_keep_senders_from_the_others(box: Outbox) -> None:
    for _ in range(9):
        box.webhook("run.accepted")
    box.submit()
    first, second = box.claimed(), box.claimed()
    assert box.claim() is None, "two senders are what a tenant may have"
    foreign = box.webhook("run.accepted", tenant="globex")
    box.submit(tenant="globex")
    assert box.claimed().webhook_id == foreign
    with box.ledger.writing() as connection:
        assert outbox.retry(connection, first, REFUSED, delay=5 * SECOND, rest=0, now=box.noon)
    third = box.claimed()
    assert third.webhook_id not in (first.webhook_id, second.webhook_id), "one that was not sent to yet"
    assert box.claim() is None
    assert box.claim(box.noon + outbox.LEASE_SECONDS * SECOND), "whoever took the others is gone"


def test_a_webhook_that_wants_rest_gets_nothing_and_others_do(box: Outbox) -> None:
    tired = box.webhook("run.accepted")
    box.submit()
    with box.ledger.writing() as connection:
        message = outbox.claim(connection, now=box.noon)
        assert message is not None
        assert outbox.retry(connection, message, REFUSED, delay=5 * SECOND, rest=60 * SECOND, now=box.noon)
    awake = box.webhook("run.accepted")
    box.submit()
    assert box.claimed().webhook_id == awake
    assert box.claim(box.noon + 59 * SECOND) is None
    assert box.claimed(box.noon + 60 * SECOND).webhook_id in (tired, awake)
    last = box.found(tired)
    assert (last["last_status"], last["last_error"], last["pending"]) == (500, "it answered 500", 2)


def test_dead_letters_lie_in_the_event_log_and_in_no_stream(box: Outbox) -> None:
    webhook_id = box.webhook()
    run_id = box.submit()
    box.succeed(run_id)
    assert box.die(box.claimed())
    with box.ledger.reading() as connection:
        told = events.of_run(connection, run_id)
        letters = connection.execute(select(EVENTS).where(EVENTS.c.kind == "webhook")).mappings().all()
        latest = events.latest(connection, [run_id])[run_id]
    assert [event.type for event in told] == ["run.accepted", "run.succeeded"]
    assert latest.type == "run.succeeded"
    assert [(each["run_id"], each["seq"], each["type"]) for each in letters] == [(run_id, 1, "webhook.dead-letter")]
    assert json.loads(letters[0]["data"]) == {
        "runId": run_id, "webhookId": webhook_id, "messageId": f"msg-{run_id}-2", "event": "run.succeeded",
        "attempts": 1, "lastStatus": 500, "lastError": "it answered 500", "timestamp": "2025-10-29T12:12:11Z",
    }  # fmt: skip
    assert box.claim(box.noon + DAY_SECONDS * SECOND) is None


def test_a_streak_of_dead_letters_disables_and_a_success_breaks_it(box: Outbox) -> None:
    webhook_id = box.webhook("run.accepted")
    for outcome in ("dead", "dead", "delivered", "dead", "dead"):
        box.submit()
        message = box.claimed()
        if outcome == "dead":
            box.die(message)
        else:
            with box.ledger.writing() as connection:
                outbox.succeed(connection, message, Attempt(204), now=box.noon)
    assert box.found(webhook_id)["status"] == "active"
    box.submit()
    waiting = box.submit()
    box.die(box.claimed())
    found = box.found(webhook_id)
    assert (found["status"], found["disabled_reason"], found["pending"], found["dead"]) == (
        "disabled", "dead-letters", 0, 6,
    )  # fmt: skip
    box.submit()
    assert box.found(webhook_id)["pending"] == 0, "a disabled webhook collects nothing"
    with box.ledger.reading() as connection:
        letters, total = webhooks.dead_letters(connection, webhook_id, offset=0, limit=10)
        assert audit.verify(connection, "acme") is None
    assert total == 6
    assert waiting in {each["run_id"] for each in letters}, "what waited can be sent again later"


def test_replayed_letters_are_sent_under_their_old_ids(box: Outbox) -> None:
    webhook_id = box.webhook("run.accepted")
    ids = []
    for _ in range(2):
        box.submit()
        message = box.claimed()
        ids.append(message.message_id)
        box.die(message)
    with box.ledger.writing() as connection:
        assert webhooks.replay(connection, webhook_id, ids[1], now=box.noon) == 1
    assert box.claimed().message_id == ids[1]
    with box.ledger.writing() as connection:
        with pytest.raises(UnknownWebhookError):
            webhooks.replay(connection, webhook_id, ids[1], now=box.noon)
        assert webhooks.replay(connection, webhook_id, None, now=box.noon) == 1
    assert (box.found(webhook_id)["pending"], box.found(webhook_id)["dead"]) == (2, 0)


def test_a_ping_is_sent_once_even_to_a_disabled_webhook_and_leaves_no_letter(box: Outbox) -> None:
    webhook_id = box.webhook()
    with box.ledger.writing() as connection:
        disable(connection, webhook_id, "gone", now=box.noon)
        message_id = webhooks.ping(connection, webhook_id, now=box.noon)
    message = box.claimed()
    assert (message.message_id, message.event, message.data) == (message_id, "webhook.ping", "{}")
    with box.ledger.writing() as connection, pytest.raises(PendingPingError):
        webhooks.ping(connection, webhook_id, now=box.noon)
    assert box.die(message)
    with box.ledger.writing() as connection:
        assert webhooks.ping(connection, webhook_id, now=box.noon) != message_id
    found = box.found(webhook_id)
    assert (found["dead"], found["dead_streak"], found["last_message"]) == (0, 0, message_id)


def test_a_removed_webhook_is_told_nothing_any_more(box: Outbox) -> None:
    webhook_id = box.webhook("run.accepted")
    box.submit()
    message = box.claimed()
    with box.ledger.writing() as connection:
        webhooks.remove(connection, webhook_id)
        assert not outbox.succeed(connection, message, Attempt(200), now=box.noon)
        with pytest.raises(UnknownWebhookError):
            webhooks.find(connection, webhook_id, tenant="acme")
    box.submit()
    assert box.claim() is None


def test_what_was_delivered_is_forgotten_after_a_month_and_dead_letters_are_not(box: Outbox) -> None:
    webhook_id = box.webhook("run.accepted")
    box.submit()
    box.submit()
    with box.ledger.writing() as connection:
        message = outbox.claim(connection, now=box.noon)
        assert message is not None
        outbox.succeed(connection, message, Attempt(200), now=box.noon)
    box.die(box.claimed())
    with box.ledger.writing() as connection:
        assert outbox.forget_old(connection, now=box.noon + outbox.KEPT) == 0
        assert outbox.forget_old(connection, now=box.noon + outbox.KEPT + 1) == 1
        left = connection.execute(select(DELIVERIES.c.state)).scalars().all()
    assert left == ["dead"]
    assert box.found(webhook_id)["dead"] == 1


def test_a_tenant_has_so_many_webhooks_and_no_more(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST", 2)
    box.webhook()
    box.webhook(tenant="globex")
    box.webhook()
    with pytest.raises(TooManyWebhooksError):
        box.webhook()


def test_who_adds_a_webhook_waits_for_who_is_adding_one(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST", 1)
    asked = [
        Registration(
            tenant="acme", webhook_id=f"wh-{number}", target_url="https://hooks.example/", secret=b"sealed",
            events=("run.succeeded",), created_by="user:ops",
        )
        for number in range(2)
    ]  # fmt: skip

    def add() -> None:
        with box.ledger.writing() as connection:
            webhooks.create(connection, asked[1], now=box.noon)

    with ThreadPoolExecutor() as pool:
        with box.ledger.writing() as connection:
            webhooks.create(connection, asked[0], now=box.noon)
            second = pool.submit(add)
            wait([second], timeout=1)
        with pytest.raises(TooManyWebhooksError):
            second.result()
