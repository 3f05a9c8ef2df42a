"""A real authorization server and real clients, over sockets: their tokens and proofs are accepted, misuse is not."""

from __future__ import annotations

import dataclasses
import http.client
import itertools
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from joserfc.jwk import ECKey

from client import ClientCredentials, DPoP, Registration
from client.proof_keys import proof_key
from ledger.database import open_ledger
from ledger.proofs import SharedReplays
from server.auth.authenticator import Authenticator
from server.auth.fetching import fetcher
from server.auth.gate import Gate
from server.auth.jwks import JwksCache
from server.auth.settings import AuthSettings
from server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.database import Ledger

pytestmark = pytest.mark.counterpart
PAGE = Path(__file__).resolve().parents[3] / "docs" / "auth.md"
AUDIENCE = "urn:export-center"
READ = "export:read export:run"
RUNS = "/api/export/runs"


class Service:
    """The smallest service: says who calls, and asks for the scope export:run of whoever posts.

    Its gates take turns, as servers behind a gateway do.
    """

    def __init__(self) -> None:
        self.gates: Iterator[Gate] = itertools.cycle([])
        self._server = uvicorn.Server(
            uvicorn.Config(self._app, host="127.0.0.1", port=0, log_level="error", interface="asgi3", lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)
        self.address = self._server.servers[0].sockets[0].getsockname()
        self.base = "http://{}:{}".format(*self.address)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)

    async def _app(self, scope: Any, _: Any, send: Any) -> None:
        status, body, headers = self._answer(scope)
        fields = {"Content-Type": "application/json", **headers}
        encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def _answer(self, scope: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
        gate = next(self.gates)
        needed = "export:run" if scope["method"] == "POST" else "export:read"
        now = time.time_ns() // 1000
        try:
            caller = gate(scope["method"], scope["raw_path"].decode("latin-1"), scope["headers"], needed, now)
        except Problem as problem:
            return problem.status, problem.body(trace_id="", timestamp=""), problem.headers | gate.headers(now)
        said = dataclasses.asdict(caller) | {"scopes": sorted(caller.scopes)}
        return 200, said, gate.headers(now)


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    yield started
    started.stop()


@dataclasses.dataclass
class Setting:
    """The service, the issuer it trusts, and a client that has logged in nowhere yet."""

    service: Service
    issuer: dict[str, str]
    client: Any
    settings: AuthSettings
    ledger: Ledger

    def login(self, who: str, scope: str = READ, **more: Any) -> Any:
        issuer = self.issuer["issuer"]
        return self.client.ask("login", issuer=issuer, id=who, scope=scope, audience=AUDIENCE, **more)

    def call(self, path: str = RUNS, *, method: str = "GET", how: str = "call", **more: Any) -> Any:
        return self.client.ask(how, method=method, url=self.service.base + path, **more)

    def raw(self, *fields: tuple[str, str], path: str = RUNS) -> int:
        """Send a request with header fields as they are, and return the status."""
        connection = http.client.HTTPConnection(*self.service.address, timeout=30)
        connection.putrequest("GET", path)
        for name, value in fields:
            connection.putheader(name, value)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def gate(settings: AuthSettings, ledger: Ledger) -> Gate:
    """Return what one server has of its own, over what all share."""
    keys = JwksCache(fetcher(settings.jwks_uri))
    return Gate(Authenticator(settings, find_key=keys.find, replays=SharedReplays(ledger)))


@pytest.fixture
def setting(node: Any, start: Any, service: Service, ledger: Ledger) -> Callable[..., Setting]:
    def make(*, nonces: bool = False, **changes: Any) -> Setting:
        issuer = start(node("issuer.mjs", AUDIENCE, "nonces" if nonces else "no-nonces")).line()
        values = {
            "audience": AUDIENCE,
            "public_base_url": service.base,
            "nonces_required": nonces,
            "nonce_secret": b"n" * 32 if nonces else b"",
        }
        settings = AuthSettings(**{**values, **issuer, **changes})
        service.gates = itertools.cycle([gate(settings, ledger) for _ in range(2)])
        return Setting(service, issuer, start(node("client.mjs")), settings, ledger)

    return make


@pytest.mark.parametrize("nonces", [False, True], ids=["without nonces", "with mandatory nonces"])
def test_real_clients_get_in_with_tokens_of_a_real_issuer(setting: Any, nonces: bool) -> None:
    at = setting(nonces=nonces)
    assert at.login("one")["kind"] == "dpop"
    canonical = at.call(headers={"x-stella-tenant": "acme"})
    assert canonical["status"] == 200, canonical
    assert json.loads(canonical["body"]) == {
        "subject": "user:one",
        "client": "one",
        "tenants": ["acme"],
        "tenant": "acme",
        "scopes": ["export:read", "export:run"],
    }
    assert ("dpop-nonce" in canonical["headers"]) == nonces
    first = at.call(how="bearer")
    assert first["status"] == (401 if nonces else 200)
    assert at.call(how="bearer")["status"] == 200
    assert at.call("/api/export/runs/run-1:cancel?force=yes", method="POST")["status"] == 200
    assert at.call(RUNS + "/%72un-1", how="bearer")["status"] == 200


@pytest.mark.parametrize("nonces", [False, True], ids=["without nonces", "with mandatory nonces"])
def test_our_client_gets_in_with_tokens_that_it_asks_a_real_issuer_for(setting: Any, nonces: bool) -> None:
    at = setting(nonces=nonces)
    key = proof_key(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)).encode())
    who = Registration(client_id="one", secret="the-secret-of-a-test", scope=READ, resource=AUDIENCE)
    source = ClientCredentials(f"{at.issuer['issuer']}/token", who, key)
    with source, httpx.Client(auth=DPoP(source, key), base_url=at.service.base) as caller:
        for _ in range(2):
            answer = caller.get(RUNS, params={"status": "active"}, headers={"X-Stella-Tenant": "acme"})
            assert answer.status_code == 200, answer.text
            assert (answer.json()["client"], answer.json()["tenant"]) == ("one", "acme")


def test_real_proofs_are_accepted_in_every_algorithm_that_clients_have(setting: Any) -> None:
    at = setting()
    for algorithm in ("ES256", "Ed25519", "PS256"):
        at.login("one", algorithm=algorithm)
        assert at.call()["status"] == 200
        assert at.call(how="bearer")["status"] == 200


def test_real_tokens_and_proofs_do_not_help_others(setting: Any) -> None:
    at = setting()
    token = at.login("one")["token"]
    bare = at.call(how="bearer", proven=False)
    assert bare["status"] == 401
    assert 'error="invalid_token"' in bare["headers"]["www-authenticate"]
    proof = at.call(how="bearer")["proof"]
    assert at.raw(("Authorization", f"Bearer {token}"), ("DPoP", proof)) == 401, "used before"
    proof = at.call(RUNS + "/other", how="bearer", htu=at.service.base + RUNS)["proof"]
    one = (("Authorization", f"DPoP {token}"), ("DPoP", proof))
    assert at.raw(*one, ("dpop", proof)) == 401, "two proofs"
    assert at.raw(*one, ("authorization", f"DPoP {token}")) == 400, "two tokens"
    assert at.raw(*one, path=RUNS + "/%72uns") == 401, "another path"
    assert at.raw(*one) == 200, "refused proofs are not used up"
    assert at.raw(("Authorization", "Basic b25lOm9uZQ==")) == 400
    assert at.raw() == 401
    at.login("one")
    stolen = at.call(how="bearer", htu=at.service.base + "/elsewhere")["proof"]
    assert at.raw(("Authorization", f"DPoP {token}"), ("DPoP", stolen)) == 401, "another key"


def test_a_real_token_without_a_key_is_refused(setting: Any) -> None:
    at = setting()
    assert at.login("unbound")["kind"] == "bearer"
    assert at.call(how="bearer")["status"] == 401
    assert at.call()["status"] == 401


def test_real_scopes_and_tenants_decide(setting: Any) -> None:
    at = setting()
    at.login("several", "export:read")
    lacking = at.call(method="POST")
    assert lacking["status"] == 403
    assert lacking["challenge"]["parameters"]["scope"] == "export:run"
    assert json.loads(at.call()["body"])["code"] == "ERR_EXPORT_001"
    assert json.loads(at.call(headers={"x-stella-tenant": "beta"})["body"])["tenant"] == "beta"
    assert at.call(headers={"x-stella-tenant": "gamma"})["status"] == 403


def test_real_clients_understand_the_challenge(setting: Any) -> None:
    at = setting(audience="urn:something-else")
    at.login("one")
    challenge = at.call()["challenge"]
    assert challenge["scheme"] == "dpop"
    assert challenge["parameters"]["error"] == "invalid_token"
    assert challenge["parameters"]["error_description"] == "access token: it is for another audience"
    assert challenge["parameters"]["algs"] == "ES256 EdDSA Ed25519 PS256"


def test_the_form_with_bearer_can_be_switched_off(setting: Any) -> None:
    at = setting(accept_bearer=False)
    at.login("one")
    assert at.call(how="bearer")["status"] == 401
    assert at.call()["status"] == 200


def block(language: str, beginning: str) -> str:
    """Return an example of the page."""
    found = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE.read_text())
    return next(each for each in found if each.startswith(beginning))


@pytest.mark.parametrize("nonces", [False, True], ids=["without nonces", "with mandatory nonces"])
def test_the_example_of_the_page_gets_in(
    setting: Any, counterpart: Callable[[str], str], tmp_path: Path, nonces: bool
) -> None:
    counterpart("curl")
    at = setting()
    if nonces:
        settings = dataclasses.replace(at.settings, nonces_required=True, nonce_secret=b"n" * 32)
        at.service.gates = itertools.cycle([gate(settings, at.ledger)])
    (tmp_path / "proof.py").write_text(block("python", '"""Print a proof'))
    script = "set -e\n" + block("sh", "TOKEN=") + (block("sh", "NONCE=") if nonces else "")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "AUTHORITY": at.issuer["issuer"],
        "AUDIENCE": AUDIENCE,
        "CLIENT": "one:the-secret-of-a-test",
        "EXPORT": at.service.base,
    }
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[-1]["subject"] == "user:one", done
    assert ("code" in answers[0]) == nonces
    assert (tmp_path / "proof-key.json").stat().st_mode & 0o077 == 0
