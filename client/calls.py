"""Requests and answers: retried where that may help and does no harm, and turned into values or errors."""

from __future__ import annotations

import re
import ssl
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from client.errors import ApiError, UnexpectedError, UnreachableError
from client.retries import retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from client.retries import Retries

Value = TypeVar("Value")
BASE = "/api/export"
TOO_MANY, UNAVAILABLE = 429, 503
GATEWAY = frozenset({502, 504})
CONFLICT = 409
FIRST_ERROR = 400
EXCERPT = 200
_NUMBER = re.compile(r"^\[Errno -?[0-9]+\] ")


class Problem(msgspec.Struct):
    """The error model."""

    code: str
    message: str
    details: list[dict[str, Any]] = []
    trace_id: str = msgspec.field(name="traceId", default="")


class Call(NamedTuple):
    """One request before it is made.

    Attributes:
        method: Of HTTP.
        path: Below ``/api/export``.
        query: Parameters; None leaves one out.
        body: What is sent as JSON; None sends nothing.
        headers: More headers.
        read_seconds: How long the service may be silent; None is the client's usual time.
    """

    method: str
    path: str
    query: Mapping[str, Any] = {}
    body: Any = None
    headers: Mapping[str, str] = {}
    read_seconds: float | None = None


def path_of(collection: str, name: str, rest: str = "") -> str:
    """Return the path of one thing; its name is written so that it stays one part of the path."""
    return f"/{collection}/{quote(name, safe='@')}{rest}"


class Calls:
    """Makes requests of one service."""

    def __init__(self, http: httpx.Client, retries: Retries) -> None:
        """Take what sends requests, and how patient to be."""
        self._http = http
        self.retries = retries

    def value(self, kind: type[Value], call: Call) -> Value:
        """Return an answer's body as a value.

        Raises:
            ClientError: As ``answer``; or the body is no such value.
        """
        return decoded(kind, self.answer(call))

    def mutation(self, call: Call, *, key: str | None = None) -> httpx.Response:
        """Return the answer of a call that changes something, once however often it is made.

        Args:
            call: The call.
            key: Its Idempotency-Key, a UUID; None makes one.
        """
        return self.answer(call._replace(headers={**call.headers, "Idempotency-Key": key or str(uuid.uuid4())}))

    def answer(self, call: Call) -> httpx.Response:
        """Return a whole answer; what fails in passing is tried again.

        Raises:
            ApiError: The service refused, or failed.
            UnreachableError: It could not be reached.
            UnexpectedError: What answered is not the service.
        """
        failures = 0
        while True:
            try:
                response = self._http.send(self._request(call))
                _check(response)
            except httpx.TransportError as error:
                failures += 1
                self._wait(failures, self.unreachable(error), final=is_final(error))
            except ApiError as error:
                failures += 1
                self._wait(failures, error, final=not is_passing(error), asked=error.retry_after)
            else:
                return response

    @contextmanager
    def opened(self, call: Call) -> Iterator[httpx.Response]:
        """Yield an answer whose body is still to be read; nothing is tried again.

        Raises:
            ApiError: The service refused, or failed.
            httpx.TransportError: The connection failed, now or while the body was read.
        """
        response = self._http.send(self._request(call), stream=True)
        try:
            if response.status_code >= FIRST_ERROR:
                response.read()
            _check(response)
            yield response
        finally:
            response.close()

    def unreachable(self, error: httpx.TransportError) -> UnreachableError:
        """Return what a failed connection means to a caller."""
        where = str(self._http.base_url).removesuffix(f"{BASE}/")
        told = _NUMBER.sub("", str(error)) or type(error).__name__
        why = "it did not answer in time" if isinstance(error, httpx.TimeoutException) else told
        made = UnreachableError(
            f"{where} cannot be reached: {why}", advice="Is this the address, and does the service run there?"
        )
        made.__cause__ = error
        return made

    def _request(self, call: Call) -> httpx.Request:
        extensions = {}
        if call.read_seconds is not None:
            extensions["timeout"] = {**self._http.timeout.as_dict(), "read": call.read_seconds}
        return self._http.build_request(
            call.method,
            call.path,
            params={name: value for name, value in call.query.items() if value is not None},
            json=call.body,
            headers=dict(call.headers),
            extensions=extensions,
        )

    def _wait(
        self, failures: int, error: ApiError | UnreachableError, *, final: bool, asked: float | None = None
    ) -> None:
        """Wait before the next attempt.

        Raises:
            ApiError, UnreachableError: There is to be none.
        """
        pause = None if final or failures >= self.retries.attempts else self.retries.pause(failures, asked=asked)
        if pause is None:
            raise error
        self.retries.wait(pause, error.message)


def is_passing(error: ApiError) -> bool:
    """Whether an error may be gone at the next attempt, which then does no harm."""
    from_between = error.status in GATEWAY and not error.code
    # Another request with the same key is under way: its answer will be ours.
    awaited = error.status == CONFLICT and error.retry_after is not None
    return error.status in {TOO_MANY, UNAVAILABLE} or from_between or awaited


def is_final(error: httpx.TransportError) -> bool:
    """Whether a connection will fail the next time too."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None or isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError)


def decoded(kind: type[Value], response: httpx.Response) -> Value:
    """Return the body of an answer as a value.

    Raises:
        UnexpectedError: It is none.
    """
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        raise UnexpectedError(
            f"{response.request.method} {response.request.url.copy_with(query=None)} was answered with "
            f"something else than expected: {error}",
            advice="Is this the address of an Export Center, and is its version near to this one?",
        ) from error


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    if response.status_code < FIRST_ERROR:
        raise UnexpectedError(
            f"{response.request.url.copy_with(query=None)} answered with a redirection, {response.status_code}",
            advice="Name the address that it leads to; tokens are not carried elsewhere.",
        )
    wanted = retry_after(response.headers.get("Retry-After"))
    status = response.status_code
    try:
        told = msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        trace = response.headers.get("X-Trace-Id", "")
        raise ApiError(status, "", _excerpt(response), trace_id=trace, retry_after=wanted) from None
    raise ApiError(status, told.code, told.message, details=told.details, trace_id=told.trace_id, retry_after=wanted)


def _excerpt(response: httpx.Response) -> str:
    """Return what is known of an error that is not in the service's words."""
    text = " ".join(response.text.split())[:EXCERPT] if "text/plain" in response.headers.get("Content-Type", "") else ""
    return f"HTTP {response.status_code} {response.reason_phrase}{': ' if text else ''}{text}"
