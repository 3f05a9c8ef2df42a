"""The client: one method for each thing that the service does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from client.calls import BASE, Call, Calls, decoded, path_of
from client.downloads import Download
from client.errors import CredentialError, UnexpectedError
from client.models import (
    DeadLetter,
    Distribution,
    Event,
    Page,
    Replayed,
    Run,
    RunSummary,
    Submission,
    Webhook,
)
from client.retries import Retries
from client.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from types import TracebackType

    from client.downloads import Downloaded

Item = TypeVar("Item")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PAGE_SIZE = 200
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0


class Client:
    """Calls one service. Its methods raise ``ClientError``; every change is made once, however often it is sent.

    A context manager; outside of one, call ``close``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        tenant: str | None = None,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take the address of a service; nothing is sent yet.

        Args:
            base_url: What is before ``/api/export``, as in "https://export.example".
            auth: ``Bearer`` or ``DPoP``; None sends no token.
            tenant: Whose runs; None is the one tenant of the token.
            retries: How patient to be.
            transport: What sends requests instead of a network.

        Raises:
            CredentialError: A token would go where others can read it.
        """
        parts = urlsplit(base_url)
        is_here = parts.hostname in LOOPBACK
        if auth is not None and parts.scheme != "https" and not is_here:
            raise CredentialError(
                f"{base_url} is no https: tokens would go where others can read them", advice="Use https://."
            )
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}{BASE}/",
            auth=auth,
            headers={"Accept": "application/json", **({"X-Stella-Tenant": tenant} if tenant is not None else {})},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            transport=transport,
            # No proxy leads to this machine itself.
            trust_env=not is_here,
        )
        self._calls = Calls(self._http, retries or Retries())

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def submit(
        self,
        profile_id: str,
        *,
        selectors: Mapping[str, Any] | None = None,
        policy_snapshot_id: str | None = None,
        options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Submission:
        """Submit a run.

        Args:
            profile_id: As in "json-raw" or "weekly@2".
            selectors: What to take, on top of what the profile says.
            policy_snapshot_id: For profiles of policies.
            options: ``allowEmpty``, ``priority``, ``base`` and ``asOf``.
            idempotency_key: A UUID; the same one, also from another process, never makes a second run.
        """
        body = {"profileId": profile_id, "selectors": dict(selectors or {}), "options": dict(options or {})}
        if policy_snapshot_id is not None:
            body["policySnapshotId"] = policy_snapshot_id
        return decoded(Submission, self._calls.mutation(Call("POST", "/runs", body=body), key=idempotency_key))

    def run(self, run_id: str, *, wait: int | None = None) -> Run:
        """Return a run; ``wait`` is how many seconds, at most 60, the answer may wait for its end."""
        read = None if wait is None else READ_SECONDS + wait
        return self._calls.value(Run, Call("GET", path_of("runs", run_id), {"wait": wait}, read_seconds=read))

    def ended(self, run_id: str) -> Run:
        """Return a run once it is over, however long that takes, and through restarts of the service."""
        for _ in self.watch(run_id):
            pass
        return self.run(run_id)

    def list_runs(
        self,
        *,
        status: str | None = None,
        profile_id: str | None = None,
        trace_id: str | None = None,
        page: int = 1,
        page_size: int = 20,
    ) -> Page[RunSummary]:
        """Return a page of runs, newest first; ``status`` may be "active" too."""
        query = {"status": status, "profileId": profile_id, "traceId": trace_id}
        return self._page(RunSummary, "/runs", {**query, "page": page, "pageSize": page_size})

    def runs(
        self,
        *,
        status: str | None = None,
        profile_id: str | None = None,
        trace_id: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[RunSummary]:
        """Yield all runs, newest first, each once; those that begin meanwhile are left out."""
        seen: set[str] = set()
        for run in self._each(
            lambda page: self.list_runs(
                status=status, profile_id=profile_id, trace_id=trace_id, page=page, page_size=page_size
            )
        ):
            if run.run_id not in seen:
                seen.add(run.run_id)
                yield run

    def cancel(self, run_id: str, *, reason: str | None = None) -> Submission:
        """Ask a run to end; it has ended when its status says so."""
        body = {} if reason is None else {"reason": reason}
        return decoded(Submission, self._calls.mutation(Call("POST", path_of("runs", run_id, ":cancel"), body=body)))

    def retry(self, run_id: str, *, idempotency_key: str | None = None) -> Submission:
        """Do a run that failed or was canceled once more; return the new one."""
        call = Call("POST", path_of("runs", run_id, ":retry"))
        return decoded(Submission, self._calls.mutation(call, key=idempotency_key))

    def watch(self, run_id: str, *, after: int = 0) -> Generator[Event]:
        """Yield the events of a run as they happen, each once and in order, until it is over.

        Connections that end before are taken up again. ``after`` is the id of the last event that is known already.
        """
        return Watch(self._calls, run_id, after=after).events()

    def events(self, run_id: str) -> list[Event]:
        """Return the events that there are."""
        answer = self._calls.answer(Call("GET", path_of("runs", run_id, "/events"), {"format": "audit"}))
        try:
            return [msgspec.json.decode(line, type=Event) for line in answer.content.splitlines()]
        except msgspec.MsgspecError as error:
            raise UnexpectedError(f"the events of {run_id} are none: {error}") from error

    def download(
        self, run_id: str, place: Path | str, *, progress: Callable[[int, int], None] = lambda _done, _whole: None
    ) -> Downloaded:
        """Fetch a run's bundle into a file, or into a folder that is there.

        What was interrupted is gone on with by the next call. The file has its name only once it is whole and its
        digest is what the service states; one that is there already, and right, is left alone.

        Args:
            run_id: The run.
            place: Where to; a file that is there is replaced.
            progress: Told how many bytes are there, and how many there will be.
        """
        return Download(self._calls, run_id, progress=progress).into(Path(place))

    def manifest(self, run_id: str, *, signature: bool = False) -> bytes:
        """Return the signed bytes of a bundle's ``export.json``, or its signature."""
        return self._document(run_id, "manifest", signature=signature)

    def provenance(self, run_id: str, *, signature: bool = False) -> bytes:
        """Return the signed bytes of a bundle's ``provenance.json``, or its signature."""
        return self._document(run_id, "provenance", signature=signature)

    def distributions(self, run_id: str) -> list[Distribution]:
        """Return every target of a run, whatever became of it."""
        return self._page(Distribution, path_of("runs", run_id, "/distributions"), {}).items

    def webhooks(self) -> Iterator[Webhook]:
        """Yield all webhooks, newest first."""
        return self._each(lambda page: self._page(Webhook, "/webhooks", {"page": page, "pageSize": PAGE_SIZE}))

    def create_webhook(
        self,
        target_url: str,
        *,
        events: list[str] | None = None,
        secret: str | None = None,
        description: str | None = None,
    ) -> Webhook:
        """Register a webhook; without ``secret`` the service makes one, and only this answer has it."""
        given = {"events": events, "secret": secret, "description": description}
        body = {"targetUrl": target_url, **{name: value for name, value in given.items() if value is not None}}
        return decoded(Webhook, self._calls.mutation(Call("POST", "/webhooks", body=body)))

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook, and what waits for it."""
        self._calls.mutation(Call("DELETE", path_of("webhooks", webhook_id)))

    def dead_letters(self, webhook_id: str) -> Iterator[DeadLetter]:
        """Yield the messages that a webhook did not take, newest first."""
        path = path_of("webhooks", webhook_id, "/dead-letters")
        return self._each(lambda page: self._page(DeadLetter, path, {"page": page, "pageSize": PAGE_SIZE}))

    def replay(self, webhook_id: str, *, message_id: str | None = None) -> Replayed:
        """Send one dead letter again, or all of them."""
        body = {} if message_id is None else {"messageId": message_id}
        call = Call("POST", path_of("webhooks", webhook_id, ":replay"), body=body)
        return decoded(Replayed, self._calls.mutation(call))

    def _document(self, run_id: str, name: str, *, signature: bool) -> bytes:
        query = {"signature": "true" if signature else None}
        return self._calls.answer(Call("GET", path_of("runs", run_id, f"/{name}"), query)).content

    def _page(self, kind: type[Item], path: str, query: Mapping[str, Any]) -> Page[Item]:
        answer = self._calls.answer(Call("GET", path, query))
        found = decoded(_Items, answer).items
        try:
            items = [msgspec.convert(each, kind) for each in found]
        except msgspec.ValidationError as error:
            raise UnexpectedError(f"an item of {path} is none: {error}") from error
        total = answer.headers.get("X-Total-Count", "")
        return Page(items=items, total=int(total) if total.isdecimal() else len(items))

    def _each(self, page_at: Callable[[int], Page[Item]]) -> Iterator[Item]:
        number, had = 1, 0
        while (page := page_at(number)).items:
            yield from page.items
            number, had = number + 1, had + len(page.items)
            if had >= page.total:
                return


class _Items(msgspec.Struct):
    items: list[Any]
