"""An issuer, a holder of its tokens and the service's side, in one process and at one moment; and node for real ones."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import itertools
import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from server.auth.authenticator import Authenticator
from server.auth.credentials import Request
from server.auth.errors import AuthError
from server.auth.jwks import JwksCache
from server.auth.replays import MemoryReplays
from server.auth.settings import AuthSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from joserfc.jwk import Key

    from server.auth.tokens import AccessToken

NODE = Path(__file__).resolve().parent.parent / "node"
MISSING = object()
"""As the value of a claim or header: leave it out."""

AUDIENCE = "https://api.example/export"
BASE_URL = "https://gateway.example"
COUNTER = itertools.count()


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def sign(header: Mapping[str, Any], claims: object, key: Key | None) -> str:
    """Sign whatever it is, however wrong; without a key the signature is empty."""
    parts = [base64url(json.dumps(each).encode()) for each in (header, claims)]
    signed = ".".join(parts)
    made = b"" if key is None else JWSRegistry.algorithms[_signing(header, key)].sign(signed.encode(), key)
    return f"{signed}.{base64url(made)}"


def _signing(header: Mapping[str, Any], key: Key) -> str:
    named = header.get("alg")
    fitting = {"EC": ["ES256"], "OKP": ["Ed25519"], "RSA": ["PS256", "RS256"], "oct": ["HS256"]}[key.key_type]
    return named if named in fitting else fitting[0]


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not MISSING}


@dataclass
class World:
    """Everybody in a call; methods make good values unless told otherwise.

    ``now`` is the moment at which everything happens: when the world was made, because counterparts have clocks of
    their own, and what was good when tests were collected may have expired since.
    """

    issuer: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "of-the-issuer"}))
    holder: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    stranger: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    settings: AuthSettings = field(
        default_factory=lambda: AuthSettings(
            issuer="https://issuer.example",
            audience=AUDIENCE,
            jwks_uri="https://issuer.example/jwks",
            public_base_url=BASE_URL,
        )
    )
    now: float = field(default_factory=lambda: float(int(time.time())))

    missing = MISSING
    sign = staticmethod(sign)

    @functools.cached_property
    def service(self) -> Authenticator:
        keys = JwksCache(self.jwks)
        return Authenticator(self.settings, find_key=keys.find, replays=MemoryReplays())

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.issuer.as_dict(private=False, use="sig", alg="ES256")]}

    def token(self, *, key: Any = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return an access token; ``key`` signs instead of the issuer's."""
        head = {"alg": "ES256", "typ": "at+jwt", "kid": "of-the-issuer", **(header or {})}
        says = {
            "iss": self.settings.issuer,
            "aud": AUDIENCE,
            "sub": "ops",
            "client_id": "console",
            "jti": f"token-{next(COUNTER)}",
            "iat": int(self.now),
            "exp": int(self.now) + 300,
            "scope": "export:read export:run",
            "cnf": {"jkt": self.holder.thumbprint()},
            "stella:tenant": "acme",
            **claims,
        }
        return sign(present(head), present(says), None if key is MISSING else key or self.issuer)

    def proof(self, token: str, *, key: Any = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a proof for GET of the runs; ``key`` signs, and is carried, instead of the holder's."""
        signer = self.holder if key is None else key
        carried = {} if signer is MISSING else {"jwk": signer.as_dict(private=signer.key_type == "oct")}
        head = {"alg": "ES256", "typ": "dpop+jwt", **carried, **(header or {})}
        says = {
            "jti": f"proof-{next(COUNTER)}",
            "htm": "GET",
            "htu": f"{BASE_URL}/api/export/runs",
            "iat": int(self.now),
            "ath": base64url(hashlib.sha256(token.encode()).digest()),
            **claims,
        }
        return sign(present(head), present(says), None if signer is MISSING else signer)

    def request(
        self,
        token: str,
        proof: str,
        *,
        scheme: str = "DPoP",
        method: str = "GET",
        path: str = "/api/export/runs",
        more: tuple[tuple[str, str], ...] = (),
    ) -> Request:
        fields = [("Host", "internal:8080"), ("Authorization", f"{scheme} {token}"), ("DPoP", proof), *more]
        return Request(method, path.encode(), [(name.encode(), value.encode()) for name, value in fields])

    def good(self, *, scheme: str = "DPoP", **proof: Any) -> Request:
        token = self.token()
        return self.request(token, self.proof(token, **proof), scheme=scheme)

    def accepted(self, request: Request) -> AccessToken:
        return self.service.authenticate(request, now=self.now)

    def refused(self, request: Request, *, later: float = 0) -> AuthError:
        with pytest.raises(AuthError) as caught:
            self.service.authenticate(request, now=self.now + later)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def node(counterpart: Callable[[str], str]) -> Callable[..., list[str]]:
    """Return a function from a script's name and arguments to a command."""
    program = counterpart("node")
    if not (NODE / "node_modules" / "oauth4webapi").is_dir():
        pytest.skip("oauth4webapi is not installed: run `npm ci` in tests/server/node")
    return lambda script, *arguments: [program, str(NODE / script), *map(str, arguments)]


@dataclass
class Peer:
    """A program that answers one line of JSON with one line of JSON."""

    process: subprocess.Popen[str]

    def line(self) -> Any:
        assert self.process.stdout
        text = self.process.stdout.readline()
        assert text, f"the program ended with {self.process.wait(10)}"
        return json.loads(text)

    def ask(self, do: str, **what: Any) -> Any:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        answer = self.line()
        assert "broke" not in answer, answer
        return answer


@pytest.fixture
def start() -> Iterator[Callable[[list[str]], Peer]]:
    """Return a function that starts a program; all of them end with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(command: list[str]) -> Peer:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return Peer(process)

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def published() -> Iterator[Callable[..., str]]:
    """Return a function that serves a value as JSON on this machine; returns its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def publish(value: object, *, status: int = 200) -> str:
        body = json.dumps(value).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/jwks"

    yield publish
    for server in servers:
        server.shutdown()
        server.server_close()
