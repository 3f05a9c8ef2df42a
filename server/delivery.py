"""Telling webhooks: messages of the outbox are sent, again when that fails, until they arrive or are dead letters."""

from __future__ import annotations

import json
import logging
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from ledger import outbox
from ledger.dead_letters import PING
from ledger.errors import VaultError
from ledger.outbox import Attempt, Message
from ledger.times import SECOND, format_time
from server.loops import Loops
from server.metrics.process import Meters
from server.sending import signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.database import Ledger
    from ledger.vault import Vault
    from server.sending import Answer

    Send = Callable[[str, Mapping[str, str], bytes], Answer]

LOG = logging.getLogger("export_center.webhooks")

HOUR = 3600
DELAYS = (0, 5, 300, HOUR // 2, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds to wait before each attempt; the first is made at once."""

JITTER = 0.2
"""Delays grow by up to so much of them, by chance: what failed together does not come back together."""

REST_SECONDS = 5
"""A receiver that is overloaded gets nothing for so long, when it does not say for how long itself."""

LARGEST_BODY = 20_000
SENDERS = 4
POLL_SECONDS = 0.2
STOP_SECONDS = 3.0
FORGET_SECONDS = HOUR
GONE = 410
OVERLOADED = 429
FAULT = 500


class Verdict(NamedTuple):
    """What a failure leads to.

    ``delay`` is when to try again, None when never; ``rest`` how long the webhook is left alone, both in microseconds.
    """

    delay: int | None
    rest: int = 0
    disable_for: str | None = None


def judge(answer: Answer, attempts: int, *, chance: float) -> Verdict:
    """Return what a failed attempt leads to.

    Args:
        answer: How it failed.
        attempts: How many were made, this one included.
        chance: From 0 to 1.
    """
    if answer.status == GONE:
        return Verdict(None, disable_for="gone")
    if attempts >= len(DELAYS):
        return Verdict(None)
    rest = answer.retry_after or 0
    if answer.status is not None and (answer.status == OVERLOADED or answer.status >= FAULT):
        rest = answer.retry_after or REST_SECONDS
    delay = DELAYS[attempts] * (1 + JITTER * chance)
    return Verdict(round(max(delay, rest) * SECOND), rest * SECOND)


def body_of(message: Message) -> bytes:
    """Return what is sent: the same bytes in every attempt.

    Raises:
        ValueError: The event that it tells is not kept any more.
    """
    if message.data is None:
        raise ValueError("the event is not kept any more")
    data = {"webhookId": message.webhook_id} if message.event == PING else json.loads(message.data)
    told = {"type": message.event, "timestamp": data.get("timestamp", format_time(message.created_at)), "data": data}
    body = _dumps(told)
    if len(body) > LARGEST_BODY:
        body = _dumps({**told, "data": {"runId": message.run_id, "truncated": True}})
    return body


def _dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Delivery:
    """Sends messages in threads of this process; safe to run in several servers at once."""

    def __init__(
        self, ledger: Ledger, vault: Vault, send: Send, clock: Callable[[], int], *,
        chance: Callable[[], float] = random.random, meters: Meters | None = None,
    ) -> None:  # fmt: skip
        """Do nothing yet."""
        self._meters = meters or Meters()
        self._ledger, self._vault, self._send, self._clock, self._chance = ledger, vault, send, clock, chance
        self._loops = Loops(LOG, told=self._meters.round)
        for number in range(SENDERS):
            self._loops.add(f"webhooks-{number}", self.deliver_once, every=POLL_SECONDS)
        self._loops.add("webhooks-forget", self.forget_old, every=FORGET_SECONDS)

    def start(self) -> None:
        """Begin."""
        self._loops.start()

    def stop(self) -> None:
        """End; what is being sent has STOP_SECONDS, and is sent again by the next start when that is too little."""
        self._loops.stop(STOP_SECONDS)

    def deliver_once(self) -> bool:
        """Send the message that waits longest; return whether there was one."""
        now = self._clock()
        with self._ledger.reading() as connection:
            if not outbox.is_due(connection, now=now):
                return False
        with self._ledger.writing() as connection:
            message = outbox.claim(connection, now=now)
        if message is None:
            return False
        self._deliver(message)
        return True

    def forget_old(self) -> int:
        """Remove what was delivered long ago; return how many messages."""
        with self._ledger.writing() as connection:
            count = outbox.forget_old(connection, now=self._clock())
        self._meters.removed("messages", count)
        return count

    def _deliver(self, message: Message) -> None:
        try:
            secret = self._vault.open(message.secret, message.tenant, message.webhook_id).decode()
            body = body_of(message)
        except (VaultError, ValueError) as error:
            LOG.exception("message %s cannot be sent", message.message_id)
            why = "secret" if isinstance(error, VaultError) else None
            self._give_up(message, Attempt(None, "it cannot be made any more"), why)
            return
        headers = signed_headers(secret, message.message_id, body, at=self._clock() // SECOND)
        began = time.perf_counter()
        answer = self._send(message.target_url, headers, body)
        self._meters.sent(time.perf_counter() - began)
        self._note(message, answer)

    def _note(self, message: Message, answer: Answer) -> None:
        status = answer.status
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
            with self._ledger.writing() as connection:
                outbox.succeed(connection, message, Attempt(status), now=self._clock())
            self._meters.attempted("delivered")
            return
        attempt = Attempt(status, answer.error or f"it answered {status}")
        verdict = judge(answer, message.attempts + 1, chance=self._chance())
        LOG.warning("message %s to webhook %s: %s", message.message_id, message.webhook_id, attempt.error)
        if verdict.delay is None or message.event == PING:
            self._give_up(message, attempt, verdict.disable_for)
            return
        with self._ledger.writing() as connection:
            outbox.retry(connection, message, attempt, delay=verdict.delay, rest=verdict.rest, now=self._clock())
        self._meters.attempted("retried")

    def _give_up(self, message: Message, attempt: Attempt, disable_for: str | None) -> None:
        with self._ledger.writing() as connection:
            outbox.give_up(connection, message, attempt, disable_for=disable_for, now=self._clock())
        self._meters.attempted("given-up")
