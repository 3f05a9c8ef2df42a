"""The client's tokens and proofs against the service's own checks of them."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, OKPKey

from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair
from client import (
    ApiError,
    Bearer,
    Client,
    ClientCredentials,
    ClientError,
    CredentialError,
    DPoP,
    Registration,
    Retries,
    UnexpectedError,
    UnreachableError,
)
from client.bearer import bound_to
from client.proof_keys import ProofKey, proof_key, read_proof_key
from server.auth.credentials import Request
from server.auth.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from joserfc.jwk import Key

RUN = {
    "runId": "run-1", "status": "pending", "profileId": "json-raw", "profileRevision": 1, "createdAt": "t",
    "createdBy": "user:ops",
}  # fmt: skip
KEYS: dict[str, Callable[[], Key]] = {
    "P-256": lambda: ECKey.generate_key("P-256"),
    "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
}


class Gate:
    """A service that checks who asks, as the real one does, and answers everything else alike."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.fails = 0
        self.proofs: list[str] = []
        self.statuses: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.proofs.append(request.headers.get("DPoP", ""))
        answer = self._answer(request)
        self.statuses.append(answer.status_code)
        return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            asked = Request(request.method, request.url.raw_path.partition(b"?")[0], request.headers.raw)
            self.world.service.authenticate(asked, now=self.world.now)
        except AuthError as error:
            body = {"code": "ERR_EXPORT_UNAUTHORIZED", "message": error.description, "details": []}
            return httpx.Response(error.status, json=body, headers=error.headers)
        if self.fails:
            self.fails -= 1
            return httpx.Response(503)
        nonce = self.world.service.nonce(self.world.now)
        return httpx.Response(200, json=RUN, headers={"DPoP-Nonce": nonce} if nonce else {})


@pytest.fixture
def gate(world: Any) -> Gate:
    return Gate(world)


def held(key: Key, form: str = "JWK") -> ProofKey:
    return proof_key(
        json.dumps(key.as_dict(private=True)).encode() if form == "JWK" else key.as_bytes("PEM", private=True)
    )


def client(gate: Gate, token: Any, key: ProofKey | None = None) -> Client:
    auth = DPoP(token, key or held(gate.world.holder), clock=lambda: gate.world.now)
    quick = Retries(sleep=lambda _: None)
    return Client("https://gateway.example", auth=auth, transport=httpx.MockTransport(gate), retries=quick)


@pytest.mark.parametrize("form", ["JWK", "PEM"])
@pytest.mark.parametrize("kind", KEYS)
def test_the_service_takes_the_proofs_of_a_key(kind: str, form: str, gate: Gate) -> None:
    key = KEYS[kind]()
    token = gate.world.token(cnf={"jkt": key.thumbprint()})
    assert held(key, form).thumbprint == key.thumbprint()
    with client(gate, token, held(key, form)) as caller:
        assert caller.run("run-1").status == "pending"
        assert caller.run("a b:c@1").status == "pending"
        assert caller.submit("json-raw").status == "pending"
        assert caller.cancel("run-1").status == "pending"
    assert gate.statuses == [200] * 4


def test_every_attempt_has_a_proof_of_its_own(gate: Gate) -> None:
    gate.fails = 2
    with client(gate, gate.world.token()) as caller:
        assert caller.submit("json-raw").status == "pending"
    assert gate.statuses == [503, 503, 200]
    assert len(set(gate.proofs)) == 3


@pytest.fixture
def strict(world: Any) -> Any:
    world.settings = dataclasses.replace(world.settings, nonces_required=True, nonce_secret=b"n" * 32)
    return world


def test_a_nonce_is_taken_from_the_refusal_and_kept_until_it_is_stale(strict: Any, gate: Gate) -> None:
    token = strict.token(exp=int(strict.now) + 900)
    with client(gate, token) as caller:
        for _ in range(2):
            caller.run("run-1")
        assert gate.statuses == [401, 200, 200]
        strict.now += 300
        caller.run("run-1")
    assert gate.statuses[3:] == [401, 200]


def test_a_refusal_that_no_nonce_mends_is_told_after_one_attempt(gate: Gate) -> None:
    with client(gate, gate.world.token(exp=int(gate.world.now) - 100)) as caller, pytest.raises(ApiError) as caught:
        caller.run("run-1")
    assert (caught.value.status, caught.value.code, gate.statuses) == (401, "ERR_EXPORT_UNAUTHORIZED", [401])


def test_a_bound_token_does_not_get_in_alone(gate: Gate) -> None:
    transport = httpx.MockTransport(gate)
    caller = Client("https://gateway.example", auth=Bearer(gate.world.token()), transport=transport)
    with pytest.raises(ApiError, match="proof"):
        caller.run("run-1")


def test_a_token_of_another_key_is_not_sent(gate: Gate) -> None:
    caller = client(gate, gate.world.token(), held(gate.world.stranger))
    with pytest.raises(CredentialError, match="bound to another key than the proof key"):
        caller.run("run-1")
    assert gate.statuses == []


def test_a_token_is_asked_for_anew_at_every_request(gate: Gate) -> None:
    tokens = [gate.world.token(), f"{gate.world.token()}\n"]
    with client(gate, lambda: tokens.pop(0)) as caller:
        caller.run("run-1")
        caller.run("run-1")
    assert gate.statuses == [200, 200]


@pytest.mark.parametrize("token", ["", "\n", "a b", "a\r\nX-Evil: 1", "tökén"])
@pytest.mark.parametrize("kind", [Bearer, lambda token: DPoP(token, held(ECKey.generate_key("P-256")))])
def test_what_is_no_token_is_not_sent_and_not_shown(token: str, kind: Any) -> None:
    def never(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    caller = Client("https://a.example", auth=kind(token), transport=httpx.MockTransport(never))
    with pytest.raises(CredentialError) as caught:
        caller.run("run-1")
    assert not token.strip() or token not in str(caught.value)


def test_a_token_is_not_sent_where_others_read_along() -> None:
    with pytest.raises(CredentialError, match="no https"):
        Client("http://export.example", auth=Bearer("token"))
    for here in ("http://127.0.0.1:8321", "http://localhost:8321", "http://[::1]:8321", "https://export.example"):
        Client(here, auth=Bearer("token")).close()
    Client("http://export.example").close()


def test_a_key_of_ours_proves(tmp_path: Path, gate: Gate) -> None:
    save_key_pair(tmp_path, "api", generate_key_pair("ecdsa-p256-sha256"))
    key = read_proof_key(tmp_path / "api.key")
    with client(gate, gate.world.token(cnf={"jkt": key.thumbprint}), key) as caller:
        caller.run("run-1")
    assert gate.statuses == [200]


P384 = generate_private_key(SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
NO_KEYS = {
    "nothing": b"",
    "no key": b"hello",
    "a public JWK": json.dumps(ECKey.generate_key("P-256").as_dict(private=False)).encode(),
    "a JWK of another kind": b'{"kty":"oct","k":"aaaa","d":"aaaa","crv":"x"}',
    "a JWK whose numbers are none": b'{"kty":"EC","crv":"P-256","d":7}',
    "a public key": ECKey.generate_key("P-256").as_bytes("PEM", private=False),
    "another curve": P384,
}


@pytest.mark.parametrize("case", NO_KEYS)
def test_what_cannot_prove_is_refused(case: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(NO_KEYS[case])
    with pytest.raises(CredentialError, match=str(tmp_path / "key")) as caught:
        read_proof_key(tmp_path / "key")
    assert "P-256 or Ed25519" in caught.value.advice


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match=r"the proof key .*/key cannot be read: No such file"):
        read_proof_key(tmp_path / "key")


@pytest.mark.parametrize("payload", [b"{}", b"[]", b'{"cnf":1}', b'{"cnf":{"jkt":1}}', b"\xff", b"7"])
def test_a_token_that_says_nothing_of_a_key_is_bound_to_none_that_is_known(payload: bytes) -> None:
    assert bound_to(f"a.{base64.urlsafe_b64encode(payload).decode()}.b") is None
    assert bound_to("opaque") is None


class Authority:
    """An authorization server that answers as its script says, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked, self.now = list(answers), list[httpx.Request](), 1000.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def source(self) -> ClientCredentials:
        who = Registration(client_id="a:b", secret="s&c", scope="export:read", resource="https://export.example")
        key = held(ECKey.generate_key("P-256"))
        clock, transport = (lambda: self.now), httpx.MockTransport(self)
        return ClientCredentials("https://authority.example/token", who, key, clock=clock, transport=transport)


def granted(token: str, *, seconds: float = 300, kind: str = "DPoP") -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "token_type": kind, "expires_in": seconds})


def test_a_token_is_asked_for_once_and_anew_before_it_ends() -> None:
    authority = Authority(granted("one"), granted("two"))
    with authority.source() as source:
        assert [source() for _ in range(3)] == ["one"] * 3
        authority.now += 269
        assert source() == "one"
        authority.now += 1
        assert source() == "two"
    asked = authority.asked[0]
    assert dict(parse_qsl(asked.content.decode())) == {
        "grant_type": "client_credentials", "scope": "export:read", "resource": "https://export.example",
    }  # fmt: skip
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"a%3Ab:s%26c"


def test_a_nonce_of_the_authority_is_taken_up() -> None:
    wanted = httpx.Response(400, json={"error": "use_dpop_nonce"}, headers={"DPoP-Nonce": "n1"})
    authority = Authority(wanted, granted("one"))
    assert authority.source()() == "one"
    proofs = [
        json.loads(base64.urlsafe_b64decode(f"{each.headers['dpop'].split('.')[1]}==")) for each in authority.asked
    ]
    assert [proof.get("nonce") for proof in proofs] == [None, "n1"]
    assert {"htm": "POST", "htu": "https://authority.example/token"}.items() <= proofs[1].items()
    assert "ath" not in proofs[1]


NO_TOKENS: dict[str, tuple[httpx.Response | Exception, type[ClientError], str]] = {
    "it refuses": (
        httpx.Response(401, json={"error": "invalid_client", "error_description": "who?"}), CredentialError,
        "gives no access token: invalid_client: who\\?$"),
    "it does not bind": (granted("one", kind="Bearer"), CredentialError, "not bound to the proof key"),
    "it is none": (httpx.Response(200, text="<html>"), UnexpectedError, "answered 200, and not with a token"),
    "it has a fault": (httpx.Response(500, text="<html>"), UnexpectedError, "answered 500, and not with a token"),
    "it is not there": (httpx.ConnectError("refused"), UnreachableError, "cannot be reached: refused"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_TOKENS)
def test_an_authority_that_gives_no_token_is_told_of(case: str) -> None:
    answer, kind, text = NO_TOKENS[case]
    with pytest.raises(kind, match=text) as caught:
        Authority(answer).source()()
    assert "s&c" not in str(caught.value)


def test_a_secret_is_not_sent_where_others_read_along() -> None:
    who = Registration(client_id="a", secret="between-us", scope="export:read")
    with pytest.raises(CredentialError, match="is no https"):
        ClientCredentials("http://authority.example/token", who, held(ECKey.generate_key("P-256")))
    assert "between-us" not in repr(who)
