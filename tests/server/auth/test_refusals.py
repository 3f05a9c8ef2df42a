"""Everything that must be refused, in both forms of the credentials, and by somebody else's validator too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import OctKey, OKPKey, RSAKey

from server.auth.credentials import Request

if TYPE_CHECKING:
    from collections.abc import Callable

NO_CREDENTIALS = (401, "")
REQUEST = (400, "invalid_request")
TOKEN = (401, "invalid_token")
PROOF = (401, "invalid_dpop_proof")

WORLD = Any
"""The fixture's class; conftest is no module to import from."""

SYMMETRIC = OctKey.import_key({"kty": "oct", "k": "c2Vj" * 8})
ELSEWHERE = "https://gateway.example/api/export"


def with_token(**changes: Any) -> Callable[[WORLD], Request]:
    """A good request but for its token."""

    def make(world: WORLD) -> Request:
        token = world.token(**{name: value(world) if callable(value) else value for name, value in changes.items()})
        return world.request(token, world.proof(token))

    return make


def with_proof(**changes: Any) -> Callable[[WORLD], Request]:
    """A good request but for its proof."""

    def make(world: WORLD) -> Request:
        token = world.token()
        made = {name: value(world) if callable(value) else value for name, value in changes.items()}
        return world.request(token, world.proof(token, **made))

    return make


def without(name: str) -> Callable[[WORLD], Request]:
    """A good request but for a header that is missing."""

    def make(world: WORLD) -> Request:
        good = world.good()
        return Request(good.method, good.raw_path, [each for each in good.headers if each[0] != name.encode()])

    return make


def with_more(name: str, value: Callable[[WORLD], str]) -> Callable[[WORLD], Request]:
    """A good request but for one header more."""

    def make(world: WORLD) -> Request:
        good = world.good()
        return Request(good.method, good.raw_path, [*good.headers, (name.encode(), value(world).encode())])

    return make


def at(path: str, **proof: str) -> Callable[[WORLD], Request]:
    """A good request but for where it goes."""

    def make(world: WORLD) -> Request:
        token = world.token()
        return world.request(token, world.proof(token, **proof), path=path)

    return make


def short_key() -> RSAKey:
    made = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return RSAKey(made, made)


def missing(world: WORLD) -> object:
    return world.missing


def tampered(world: WORLD) -> Request:
    header, _, signature = world.token().split(".")
    claims = world.token(scope="export:read export:profile:manage").split(".")[1]
    token = f"{header}.{claims}.{signature}"
    return world.request(token, world.proof(token))


def padded(world: WORLD) -> Request:
    token = world.token()
    return world.request(token, world.proof(token) + "==")


def two_in_one(world: WORLD) -> Request:
    token = world.token()
    return world.request(token, f"{world.proof(token)}, {world.proof(token)}")


def other_method(world: WORLD) -> Request:
    token = world.token()
    return world.request(token, world.proof(token), method="POST")


def swapped_key(world: WORLD) -> Request:
    token = world.token()
    carried = world.holder.as_dict(private=False)
    return world.request(token, world.proof(token, key=world.stranger, header={"jwk": carried}))


def ath_of_another(world: WORLD) -> Request:
    return world.request(world.token(), world.proof(world.token()))


def private(world: WORLD) -> dict[str, Any]:
    return {"jwk": world.holder.as_dict(private=True)}


def embedded(world: WORLD) -> dict[str, Any]:
    return {"jwk": world.stranger.as_dict(private=False), "kid": world.stranger.thumbprint()}


CASES: dict[str, tuple[Callable[[WORLD], Request], tuple[int, str]]] = {
    # Credentials.
    "there is no Authorization": (without("Authorization"), NO_CREDENTIALS),
    "there are two Authorizations": (with_more("authorization", lambda world: f"DPoP {world.token()}"), REQUEST),
    "there is no proof": (without("DPoP"), TOKEN),
    "there are two proofs": (with_more("dpop", lambda world: world.proof(world.token())), PROOF),
    "two proofs are in one header": (two_in_one, PROOF),
    # The token.
    "the token is bound to no key": (with_token(cnf=missing), TOKEN),
    "the token is bound by a certificate instead": (with_token(cnf={"x5t#S256": "A" * 43}), TOKEN),
    "the token's claims were altered": (tampered, TOKEN),
    "the token is signed by somebody else": (with_token(key=lambda world: world.stranger), TOKEN),
    "the token brings the key it is signed with": (
        with_token(key=lambda world: world.stranger, header=embedded),
        TOKEN,
    ),
    "the token points to a key elsewhere": (
        with_token(key=lambda world: world.stranger, header={"kid": "x", "jku": "https://evil.example/jwks"}),
        TOKEN,
    ),
    "the token names no key": (with_token(header=lambda world: {"kid": world.missing}), TOKEN),
    "the token is not signed": (with_token(key=missing, header={"alg": "none"}), TOKEN),
    "the token is signed with the issuer's public key as a secret": (
        with_token(key=lambda _: SYMMETRIC, header={"alg": "HS256"}),
        TOKEN,
    ),
    "the token is an ID token": (with_token(header={"typ": "JWT"}), TOKEN),
    "the token has no type": (with_token(header=lambda world: {"typ": world.missing}), TOKEN),
    "the token asks for an extension": (with_token(header={"crit": ["b64"], "b64": True}), TOKEN),
    "the token is of another issuer": (with_token(iss="https://issuer.example/"), TOKEN),
    "the token is for another audience": (with_token(aud=["https://api.example", "https://other.example"]), TOKEN),
    "the token has expired": (with_token(exp=lambda world: world.now - 60), TOKEN),
    "the token is not good yet": (with_token(nbf=lambda world: world.now + 120), TOKEN),
    "the token was issued in the future": (with_token(iat=lambda world: world.now + 120), TOKEN),
    "the token's end is no number": (with_token(exp="tomorrow"), TOKEN),
    "the token's end is a boolean": (with_token(exp=True), TOKEN),
    "the token's scope is a list": (with_token(scope=["export:read"]), TOKEN),
    "the token's tenant is a path": (with_token(**{"stella:tenant": "../acme"}), TOKEN),
    **{
        f"the token lacks {claim}": (with_token(**{claim: missing}), TOKEN)
        for claim in ("iss", "aud", "exp", "iat", "sub", "client_id", "jti")
    },
    "the token is bound to what is no thumbprint": (with_token(cnf={"jkt": "A" * 42}), TOKEN),
    "the token is bound to a list": (with_token(cnf=[]), TOKEN),
    # Whose it is.
    "the token was stolen and the proof made with another key": (with_proof(key=lambda world: world.stranger), TOKEN),
    "the proof is for another token": (ath_of_another, PROOF),
    # The proof.
    "the proof's key is not the one it is signed with": (swapped_key, PROOF),
    "the proof carries a private key": (with_proof(header=private), PROOF),
    "the proof carries no key": (with_proof(header=lambda world: {"jwk": world.missing}), PROOF),
    "the proof carries a short RSA key": (
        with_proof(key=lambda _: short_key(), header={"alg": "PS256"}),
        PROOF,
    ),
    "the proof is not signed": (
        with_proof(key=missing, header=lambda world: {"alg": "none", "jwk": world.holder.as_dict(private=False)}),
        PROOF,
    ),
    "the proof is signed with a shared secret": (with_proof(key=lambda _: SYMMETRIC, header={"alg": "HS256"}), PROOF),
    "the proof's algorithm is not accepted": (
        with_proof(key=lambda _: RSAKey.generate_key(2048), header={"alg": "RS256"}),
        PROOF,
    ),
    "the proof is an access token by type": (with_proof(header={"typ": "at+jwt"}), PROOF),
    "the proof has no type": (with_proof(header=lambda world: {"typ": world.missing}), PROOF),
    "the proof asks for an extension": (with_proof(header={"crit": ["x"], "x": 1}), PROOF),
    "the proof has something after it": (padded, PROOF),
    **{
        f"the proof lacks {claim}": (with_proof(**{claim: missing}), PROOF)
        for claim in ("jti", "htm", "htu", "iat", "ath")
    },
    "the proof's jti is over-long": (with_proof(jti="x" * 257), PROOF),
    "the proof's jti is a number": (with_proof(jti=7), PROOF),
    "the proof's jti is empty": (with_proof(jti=""), PROOF),
    "the proof's iat is a boolean": (with_proof(iat=True), PROOF),
    "the proof's iat is a text": (with_proof(iat="1"), PROOF),
    "the proof is two minutes old": (with_proof(iat=lambda world: world.now - 120), PROOF),
    "the proof is two minutes ahead": (with_proof(iat=lambda world: world.now + 120), PROOF),
    "the proof is very long": (with_proof(padding="x" * 8192), PROOF),
    "the proof is for another method": (other_method, PROOF),
    "the proof's method is in lower case": (with_proof(htm="get"), PROOF),
    "the proof is for another path": (with_proof(htu=f"{ELSEWHERE}/profiles"), PROOF),
    "the proof is for another host": (with_proof(htu="https://internal:8080/api/export/runs"), PROOF),
    "the proof is for http": (with_proof(htu="http://gateway.example/api/export/runs"), PROOF),
    "the proof is for another port": (with_proof(htu="https://gateway.example:8443/api/export/runs"), PROOF),
    "the proof is for a path alone": (with_proof(htu="/api/export/runs"), PROOF),
    "the proof is for a path with a slash more": (with_proof(htu=f"{ELSEWHERE}/runs/"), PROOF),
    "the proof's colon is escaped and the request's is not": (
        at("/api/export/runs/run-1:cancel", htu=f"{ELSEWHERE}/runs/run-1%3Acancel"),
        PROOF,
    ),
    "the request's colon is escaped and the proof's is not": (
        at("/api/export/runs/run-1%3Acancel", htu=f"{ELSEWHERE}/runs/run-1:cancel"),
        PROOF,
    ),
    "the request's target is no path": (at("https://gateway.example/api/export/runs"), REQUEST),
}

BEARER_ONLY = {"there is no proof"}
"""Which code it is depends on the form."""

LENIENT = {
    "the proof is two minutes old": "five minutes are fine with it",
    "the proof is two minutes ahead": "five minutes are fine with it",
    "the token was issued in the future": "it looks at nbf and exp alone",
    "the proof is very long": "it sets no bounds",
    "the proof's jti is over-long": "it sets no bounds",
    "the proof's jti is empty": "it remembers none",
    "the proof has something after it": "its decoder takes padding",
    "the token names no key": "the only key of a set needs no name",
    "the token's scope is a list": "scopes are left to others",
    "the token's tenant is a path": "tenants are ours",
    "the request's target is no path": "it is given whole URLs",
}
"""What the other validator lets in, and why."""


def in_form(request: Request, scheme: str) -> Request:
    """Return the same request with its credentials in another form."""
    name = scheme.encode()
    fields = [(key, name + value[4:] if value.startswith(b"DPoP ") else value) for key, value in request.headers]
    return Request(request.method, request.raw_path, fields)


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer", "dpop", "BEARER"])
def test_a_good_request_is_accepted(world: WORLD, scheme: str) -> None:
    token = world.accepted(world.good(scheme=scheme))
    assert (token.subject, token.client, token.tenants) == ("ops", "console", ("acme",))
    assert token.scopes == {"export:read", "export:run"}
    assert token.jkt == world.holder.thumbprint()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
        (RSAKey.generate_key(4096), "PS256"),
    ],
    ids=["EdDSA", "Ed25519", "PS256"],
)
def test_proofs_are_accepted_in_every_algorithm_that_challenges_name(world: WORLD, key: Any, algorithm: str) -> None:
    world.holder = key
    world.accepted(world.good(header={"alg": algorithm}))
    assert algorithm in world.refused(Request("GET", b"/", [])).challenge


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer"])
@pytest.mark.parametrize("sentence", CASES)
def test_a_request_is_refused_when(world: WORLD, sentence: str, scheme: str) -> None:
    make, (status, code) = CASES[sentence]
    if sentence in BEARER_ONLY and scheme == "DPoP":
        code = "invalid_dpop_proof"
    error = world.refused(in_form(make(world), scheme))
    assert (error.status, error.error) == (status, code), error.description
    assert error.challenge.startswith("DPoP ")
    assert (f'error="{code}"' in error.challenge) == bool(code)
    assert 'algs="ES256 EdDSA Ed25519 PS256"' in error.challenge


@pytest.mark.parametrize(
    "value", ["Basic b3BzOm9wcw==", "DPoP", "Bearer ", "Bearer a b", "DPoP a,b", "", "Token x", "DPoP é"]
)
def test_an_authorization_of_another_form_is_refused(world: WORLD, value: str) -> None:
    error = world.refused(Request("GET", b"/api/export/runs", [(b"authorization", value.encode())]))
    assert (error.status, error.error) == REQUEST


def test_a_proof_is_good_once(world: WORLD) -> None:
    request = world.good()
    world.accepted(request)
    error = world.refused(request)
    assert (error.status, error.error) == PROOF
    assert "used before" in error.description


def test_a_proof_that_was_used_as_dpop_is_not_good_as_bearer(world: WORLD) -> None:
    request = world.good()
    world.accepted(request)
    assert "used before" in world.refused(in_form(request, "Bearer")).description


def test_one_jti_may_be_used_by_another_key_and_for_another_url(world: WORLD) -> None:
    world.accepted(world.good(jti="same"))
    token = world.token()
    other = "/api/export/profiles"
    world.accepted(
        world.request(token, world.proof(token, jti="same", htu=f"https://gateway.example{other}"), path=other)
    )
    world.holder = world.stranger
    world.accepted(world.good(jti="same"))


@pytest.mark.parametrize(
    "bad", [{"iat": 1}, {"htm": "POST"}, {"ath": "x"}], ids=["too old", "another method", "another token"]
)
def test_a_proof_that_is_refused_is_not_used_up(world: WORLD, bad: dict[str, Any]) -> None:
    world.refused(world.good(jti="same", **bad))
    world.accepted(world.good(jti="same"))


def test_clocks_may_differ_by_five_seconds(world: WORLD) -> None:
    world.accepted(world.good(iat=world.now - 65))
    world.accepted(world.good(iat=world.now + 5))
    assert world.refused(world.good(iat=world.now - 66)).error == "invalid_dpop_proof"
    assert world.refused(world.good(iat=world.now + 6)).error == "invalid_dpop_proof"


def test_true_is_no_time(world: WORLD) -> None:
    assert "iat is missing or no number" in world.refused(world.good(iat=True)).description
    token = world.token(exp=True)
    assert "exp is missing or no number" in world.refused(world.request(token, world.proof(token))).description


def test_a_thumbprint_is_one_before_it_is_compared(world: WORLD) -> None:
    token = world.token(cnf={"jkt": "A" * 42})
    assert "not bound to a key" in world.refused(world.request(token, world.proof(token))).description


def test_a_key_that_is_for_another_algorithm_is_not_used(world: WORLD) -> None:
    key = RSAKey.generate_key(2048, {"kid": "of-the-issuer"})
    world.issuer = key
    token = world.token(header={"alg": "RS256"})
    good = key.as_dict(private=False)
    world.jwks = lambda: {"keys": [{**good, "alg": "PS256"}]}
    assert "none of the issuer's" in world.refused(world.request(token, world.proof(token))).description
    world = type(world)(holder=world.holder, issuer=key)
    world.jwks = lambda: {"keys": [good]}
    world.accepted(world.request(token, world.proof(token)))


def test_what_a_client_sends_is_not_repeated_to_it(world: WORLD) -> None:
    error = world.refused(world.good(htu="https://evil.example/<script>"))
    assert "evil" not in error.challenge + error.description


@pytest.mark.counterpart
def test_another_validator_refuses_the_same(world: WORLD, node: Any, start: Any, published: Any) -> None:
    oracle = start(node("oracle.mjs"))
    server = {"issuer": world.settings.issuer, "jwks_uri": published(world.jwks())}

    def verdict(request: Request) -> str:
        fields = [[name.decode(), value.decode()] for name, value in request.headers]
        path = request.raw_path.decode()
        url = path if path.startswith("https:") else f"https://gateway.example{path}"
        return str(
            oracle.ask(
                "validate",
                server=server,
                audience=world.settings.audience,
                method=request.method,
                url=url,
                headers=fields,
            )["verdict"]
        )

    assert verdict(world.good()) == "accepted"
    accepted = {sentence for sentence, (make, _) in CASES.items() if verdict(make(world)) == "accepted"}
    assert accepted == LENIENT.keys()
