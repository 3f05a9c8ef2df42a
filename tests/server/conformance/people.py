"""An issuer of access tokens, and clients that hold them: every request with a fresh proof, and every answer on record."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from server.routing import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

AUDIENCE = "https://export.example/api/export"
LIFE_SECONDS = 3600
ALL = tuple(Scope)


class Issuer:
    """Signs access tokens, and publishes the key that they are checked with."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "of-the-walk"})
        body = json.dumps({"keys": [self._key.as_dict(private=False, use="sig", alg="ES256")]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, holder: ECKey, *, scopes: Iterable[str], tenants: list[str], subject: str = "ops") -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "client_id": "console",
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + LIFE_SECONDS,
            "scope": " ".join(scopes),
            "cnf": {"jkt": holder.thumbprint()},
            "stella:tenant": tenants[0] if len(tenants) == 1 else tenants,
        }
        return jwt.encode({"typ": "at+jwt", "alg": "ES256", "kid": "of-the-walk"}, claims, self._key)


class Proof(httpx.Auth):
    """Sends a token with a fresh proof; ``Bearer`` is the contract's form."""

    def __init__(self, holder: ECKey, token: str, *, scheme: str = "Bearer") -> None:
        self._holder, self._token, self._scheme = holder, token, scheme

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        digest = hashlib.sha256(self._token.encode()).digest()
        claims = {
            "htm": request.method,
            "htu": str(request.url).partition("?")[0],
            "iat": int(time.time()),
            "jti": str(uuid.uuid4()),
            "ath": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        }
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._holder.as_dict(private=False)}
        request.headers["Authorization"] = f"{self._scheme} {self._token}"
        request.headers["DPoP"] = jwt.encode(header, claims, self._holder)
        yield request


class Seen(NamedTuple):
    """One answer of the service; ``content`` is None where it was a stream."""

    method: str
    path: str
    answer: httpx.Response


class People:
    """Makes clients of one service."""

    def __init__(self, issuer: Issuer, base_url: str) -> None:
        self._issuer, self._base_url = issuer, base_url
        self._clients: list[httpx.Client] = []
        self.holder = ECKey.generate_key("P-256")
        self.seen: list[Seen] = []

    def proof(
        self, *, scopes: Iterable[str] = ALL, tenants: Iterable[str] = ("acme",), scheme: str = "Bearer"
    ) -> Proof:
        token = self._issuer.token(self.holder, scopes=scopes, tenants=list(tenants))
        return Proof(self.holder, token, scheme=scheme)

    def client(self, auth: httpx.Auth | None = None, **headers: str) -> httpx.Client:
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [self._record]}
        made = httpx.Client(base_url=self._base_url, auth=auth, headers=headers, timeout=90, event_hooks=hooks)
        self._clients.append(made)
        return made

    def close(self) -> None:
        for each in self._clients:
            each.close()

    def _record(self, answer: httpx.Response) -> None:
        self.seen.append(Seen(answer.request.method, answer.request.url.path, answer))
