"""Sending one message to one webhook: signed, to an address that was looked at, without following anything."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING

import httpx

from ledger.times import DAY_SECONDS
from server.egress import UNREACHABLE, Egress, TargetError, host_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    Resolve = Callable[[str, int], Awaitable[list[str]]]

SECONDS = 15.0
"""All of it together may take so long: resolving, connecting, sending, reading."""

MOST_BYTES = 64 * 1024
"""No more of an answer is read; what it says matters to nobody, its status does."""

RESOLVERS = ThreadPoolExecutor(8, "resolver")

PREFIX = "whsec_"
AGENT = "export-center-webhooks"


@dataclass(frozen=True)
class Answer:
    """What came of it.

    Attributes:
        status: Of the answer; None when there was none.
        error: What was wrong when there was none.
        retry_after: Seconds that the receiver wants to be left alone, at most a day.
    """

    status: int | None
    error: str | None = None
    retry_after: int | None = None


def signed_headers(secret: str, message_id: str, body: bytes, *, at: int) -> dict[str, str]:
    """Return the headers that prove whose message it is.

    Args:
        secret: As its owner knows it.
        message_id: The same in every attempt.
        body: The very bytes that are sent.
        at: When this attempt is made, in seconds since the epoch.
    """
    content = f"{message_id}.{at}.".encode() + body
    standard = base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()
    return {
        "X-Stella-Signature": f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{standard}",
    }


def _key(secret: str) -> bytes:
    """Return the key of Standard Webhooks: what follows whsec_ in base64; any other secret is taken as it is."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    text = secret.removeprefix(PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or secret.encode()
    except ValueError:
        return secret.encode()


async def resolve(host: str, port: int) -> list[str]:
    """Return a name's addresses, in the order to try them."""
    # In bytes, so that nobody encodes it once more. In threads of our own: the loop would wait for its own at its end,
    # however long a name server takes.
    look_up = partial(socket.getaddrinfo, host.encode("ascii"), port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(RESOLVERS, look_up)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends messages.

    Attributes:
        egress: Where to.
        tls: Whom to trust.
        resolve: Finds the addresses of a name.
        seconds: How long it may take.
    """

    egress: Egress
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)
    resolve: Resolve = resolve
    seconds: float = SECONDS

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a message, and return what came of it; nothing is raised for what others do."""
        return asyncio.run(self._in_time(url, headers, body))

    async def _in_time(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self.seconds):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Answer(None, f"no answer within {self.seconds:g} s")
        except TargetError as error:
            return Answer(None, str(error))
        except OSError:
            return Answer(None, UNREACHABLE)
        except httpx.HTTPError as error:
            return Answer(None, _told(error))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        target = self.egress.check_url(url)
        host = host_of(target)
        port = target.port or {"https": 443, "http": 80}[target.scheme]
        addresses = self.egress.pick(await self.resolve(host, port))
        sent = {
            **headers,
            "Host": target.netloc.decode("ascii"),
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": AGENT,
            "Accept-Encoding": "identity",
        }
        transport = httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False)
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=self.seconds) as client:
            for address in addresses:
                request = client.build_request(
                    # The address is where it goes; the name stays what the receiver and its certificate are asked for.
                    "POST", target.copy_with(host=address), content=body, headers=sent,
                    extensions={"sni_hostname": host},
                )  # fmt: skip
                try:
                    return await _exchange(client, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if address == addresses[-1]:
                        raise
        raise TargetError(UNREACHABLE)


async def _exchange(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    response = await client.send(request, stream=True, follow_redirects=False)
    read = 0
    # The status has come; that the rest breaks off changes nothing.
    with contextlib.suppress(httpx.HTTPError):
        async for piece in response.aiter_raw():
            read += len(piece)
            if read > MOST_BYTES:
                break
    await response.aclose()
    return Answer(response.status_code, retry_after=retry_after(response.headers))


def retry_after(headers: httpx.Headers) -> int | None:
    """Return the seconds that Retry-After asks for, at most a day; None when it says nothing that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:9]), DAY_SECONDS)
    try:
        wanted = parsedate_to_datetime(text).timestamp()
        date = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    return min(max(int(wanted - date), 0), DAY_SECONDS)


def _told(error: httpx.HTTPError) -> str:
    kinds = {
        httpx.ConnectTimeout: "it cannot be connected to",
        httpx.ConnectError: "it cannot be connected to",
        httpx.TimeoutException: "it does not answer in time",
        httpx.ProtocolError: "it does not speak HTTP",
    }
    return next((text for kind, text in kinds.items() if isinstance(error, kind)), "the connection broke off")
