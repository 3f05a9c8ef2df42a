"""Nonces, scopes, tenants, settings, and what the service answers."""

from __future__ import annotations

import base64
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.access import authorize
from server.auth.challenge import challenge
from server.auth.credentials import Request
from server.auth.errors import AuthError
from server.auth.gate import Gate
from server.auth.nonces import Nonces
from server.auth.remembered import RememberedTokens
from server.auth.replays import MemoryReplays
from server.auth.tokens import AccessToken
from server.problems import Problem

SECRET = b"s" * 32
TOKEN = AccessToken("ops", "console", frozenset({"export:read"}), ("acme",), "A" * 43, 2_000_000_000.0)
MICROSECONDS = 1_000_000


def about(*tenants: str) -> Request:
    return Request("GET", b"/", [(b"X-Stella-Tenant", tenant.encode()) for tenant in tenants])


def of(*tenants: str) -> AccessToken:
    return dataclasses.replace(TOKEN, tenants=tenants)


@pytest.fixture
def strict(world: Any) -> Any:
    """A world where nonces are mandatory."""
    world.settings = dataclasses.replace(world.settings, nonces_required=True, nonce_secret=SECRET)
    return world


def test_a_nonce_is_good_for_its_minute_and_the_next() -> None:
    nonces = Nonces(SECRET)
    given_out = nonces.current(600)
    assert [nonces.accepts(given_out, now) for now in (599, 600, 659, 719, 720)] == [False, True, True, True, False]


def test_servers_with_one_secret_give_out_one_nonce_and_others_another() -> None:
    assert Nonces(SECRET).current(600) == Nonces(SECRET).current(601)
    assert not Nonces(b"t" * 32).accepts(Nonces(SECRET).current(600), 600)


@pytest.mark.parametrize("nonce", [None, 7, True, "", "unknown", "é", ["x"]])
def test_a_proof_without_our_nonce_gets_one(strict: Any, nonce: object) -> None:
    error = strict.refused(strict.good(nonce=nonce))
    assert (error.status, error.error) == (401, "use_dpop_nonce")
    assert error.headers["Cache-Control"] == "no-store"
    strict.accepted(strict.good(nonce=error.headers["DPoP-Nonce"]))


def test_a_stale_nonce_gets_a_new_one(strict: Any) -> None:
    old = Nonces(SECRET).current(strict.now - 120)
    error = strict.refused(strict.good(nonce=old))
    assert error.nonce not in {"", old}


def test_a_nonce_does_not_make_an_old_proof_young(strict: Any) -> None:
    nonce = strict.service.nonce(strict.now)
    assert strict.refused(strict.good(nonce=nonce, iat=strict.now - 120)).error == "invalid_dpop_proof"


def test_answers_carry_a_nonce_only_when_proofs_must(world: Any, strict: Any) -> None:
    now = int(world.now) * MICROSECONDS
    assert Gate(strict.service).headers(now) == {"DPoP-Nonce": Nonces(SECRET).current(world.now)}
    fresh = type(world)()
    assert Gate(fresh.service).headers(now) == {}


def test_the_contracts_form_can_be_switched_off(world: Any) -> None:
    world.settings = dataclasses.replace(world.settings, accept_bearer=False)
    assert world.refused(world.good(scheme="Bearer")).error == "invalid_token"
    world.accepted(world.good(scheme="DPoP"))


def test_a_token_may_be_for_several_audiences(world: Any) -> None:
    token = world.token(aud=["https://other.example", world.settings.audience])
    world.accepted(world.request(token, world.proof(token)))


@pytest.mark.parametrize(
    ("claim", "tenants"),
    [("acme", ("acme",)), (["acme", "beta", "acme"], ("acme", "beta")), ([], ())],
    ids=["a text", "a list", "an empty list"],
)
def test_the_claim_of_tenants_is(world: Any, claim: object, tenants: tuple[str, ...]) -> None:
    token = world.token(**{"stella:tenant": claim})
    assert world.accepted(world.request(token, world.proof(token))).tenants == tenants


def test_the_claim_of_tenants_may_have_another_name(world: Any) -> None:
    world.settings = dataclasses.replace(world.settings, tenant_claim="org")
    token = world.token(org="beta")
    assert world.accepted(world.request(token, world.proof(token))).tenants == ("beta",)


@pytest.mark.parametrize(
    ("tenants", "named", "chosen"),
    [(("acme",), (), "acme"), (("acme",), ("acme",), "acme"), (("acme", "beta"), ("beta",), "beta")],
    ids=["the only one", "the only one by name", "one of several by name"],
)
def test_a_request_is_about(tenants: tuple[str, ...], named: tuple[str, ...], chosen: str) -> None:
    caller = authorize(of(*tenants), about(*named), scope="export:read")
    assert (caller.tenant, caller.tenants, caller.subject, caller.client) == (chosen, tenants, "user:ops", "console")


@pytest.mark.parametrize(
    ("tenants", "named", "status"),
    [
        (("acme", "beta"), (), 400),
        (("acme", "beta"), ("acme", "beta"), 400),
        (("acme",), ("beta",), 403),
        (("acme",), ("ACME",), 403),
        (("acme", "beta"), ("acme, beta",), 403),
        (("acme",), ("",), 403),
        ((), (), 403),
        ((), ("acme",), 403),
    ],
    ids=["unclear", "given twice", "foreign", "of another case", "a list", "empty", "none", "none, but named"],
)
def test_a_tenant_is_refused_that_is(tenants: tuple[str, ...], named: tuple[str, ...], status: int) -> None:
    with pytest.raises(AuthError) as caught:
        authorize(of(*tenants), about(*named), scope="")
    assert caught.value.status == status
    assert caught.value.challenge == ""


@pytest.mark.parametrize("scope", ["export:run", "export", "export:read export:run", "EXPORT:READ"])
def test_a_token_without_the_scope_is_refused(scope: str) -> None:
    with pytest.raises(AuthError) as caught:
        authorize(TOKEN, about(), scope=scope)
    assert (caught.value.status, caught.value.error) == (403, "insufficient_scope")
    assert f'scope="{scope}"' in caught.value.challenge


def test_a_lacking_scope_is_told_before_the_tenant() -> None:
    with pytest.raises(AuthError, match="export:run"):
        authorize(of("acme", "beta"), about(), scope="export:run")


def test_the_gate_returns_callers_and_raises_problems(world: Any) -> None:
    gate = Gate(world.service)
    good, now = world.good(), int(world.now) * MICROSECONDS
    caller = gate("GET", "/api/export/runs", good.headers, "export:read", now)
    assert (caller.subject, caller.tenant) == ("user:ops", "acme")
    with pytest.raises(Problem) as replayed:
        gate("GET", "/api/export/runs", good.headers, "export:read", now)
    assert (replayed.value.status, replayed.value.code) == (401, "ERR_EXPORT_UNAUTHORIZED")
    assert replayed.value.headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    with pytest.raises(Problem) as forbidden:
        gate("GET", "/api/export/runs", world.good().headers, "export:download", now)
    assert (forbidden.value.status, forbidden.value.code) == (403, "ERR_EXPORT_FORBIDDEN")


def test_an_unclear_tenant_is_a_validation_failure_that_names_its_header(world: Any) -> None:
    token = world.token(**{"stella:tenant": ["acme", "beta"]})
    request = world.request(token, world.proof(token))
    with pytest.raises(Problem) as caught:
        Gate(world.service)("GET", "/api/export/runs", request.headers, "", int(world.now) * MICROSECONDS)
    assert (caught.value.status, caught.value.code) == (400, "ERR_EXPORT_001")
    assert [detail["field"] for detail in caught.value.details] == ["X-Stella-Tenant"]


def test_paths_reach_the_gate_as_text(world: Any) -> None:
    token, now = world.token(), int(world.now) * MICROSECONDS
    escaped = "https://gateway.example/api/export/profiles/%E2%82%AC"
    for path in ("/api/export/profiles/%e2%82%ac", "/api/export/profiles/\u20ac", "/api/export/profiles/\xe2\x82\xac"):
        request = world.request(token, world.proof(token, htu=escaped), path="/")
        assert Gate(world.service)("GET", path, request.headers, "", now).tenant == "acme"


def test_an_issuer_that_cannot_be_reached_is_said_to_be(world: Any) -> None:
    world.jwks = dict
    good = world.good()
    with pytest.raises(Problem) as caught:
        Gate(world.service)("GET", "/api/export/runs", good.headers, "", int(world.now) * MICROSECONDS)
    assert (caught.value.status, caught.value.code) == (503, "ERR_EXPORT_UNAVAILABLE")
    assert caught.value.headers["Retry-After"] == "10"


def test_a_token_is_verified_once_and_every_proof_each_time(world: Any) -> None:
    token = world.token()
    world.accepted(world.request(token, world.proof(token)))
    world.issuer = world.stranger
    world.accepted(world.request(token, world.proof(token)))
    error = world.refused(world.request(token, world.proof(token, key=world.stranger)))
    assert "another key" in error.description


def test_a_remembered_token_ends_when_it_expires(world: Any) -> None:
    token = world.token(exp=world.now + 10)
    world.accepted(world.request(token, world.proof(token)))
    error = world.refused(world.request(token, world.proof(token)), later=20)
    assert "expired" in error.description


def test_tokens_are_remembered_for_five_minutes_and_the_last_ones_alone() -> None:
    tokens = RememberedTokens(2)
    for name in ("a", "b", "c"):
        tokens.keep(name, TOKEN, now=1000)
        tokens.find("a", now=1000)
    assert [name for name in ("a", "b", "c") if tokens.find(name, now=1299)] == ["a", "c"]
    assert not tokens.find("a", now=1300)


def test_of_many_threads_with_one_proof_one_is_the_first() -> None:
    replays = MemoryReplays()
    with ThreadPoolExecutor(16) as pool:
        firsts = list(pool.map(lambda _: replays.first_time(b"same", 1), range(400)))
    assert sum(firsts) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"tenant_claim": ""},
        {"skew": 6},
        {"skew": -1},
        {"window": 0},
        {"nonces_required": True},
        {"nonces_required": True, "nonce_secret": b"short"},
        {"jwks_uri": "http://issuer.example/jwks"},
        {"jwks_uri": "https:///jwks"},
        {"public_base_url": "gateway.example"},
        {"public_base_url": "https://gateway.example/?a=b"},
        {"public_base_url": "https://user@gateway.example"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(world: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|needs|no absolute"):
        dataclasses.replace(world.settings, **wrong)


def test_settings_do_not_show_their_secret(strict: Any) -> None:
    assert "ssss" not in repr(strict.settings)


def test_a_slash_after_the_base_url_makes_no_difference(world: Any) -> None:
    world.settings = dataclasses.replace(world.settings, public_base_url="https://gateway.example/")
    world.accepted(world.good())


@given(st.text(), st.text())
def test_a_challenge_is_a_header_whatever_it_says(error: str, description: str) -> None:
    made = challenge(error, description)
    assert made.isascii()
    assert made.isprintable()
    assert made.count('"') == 2 * made.count("=") or "=" in error + description


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.sampled_from(["alg", "typ", "kid", "jwk", "crit", "b64", "jku"])
JWKS = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d"]),
    st.sampled_from(["EC", "OKP", "RSA", "P-256", "Ed25519", "", "AQAB", "A" * 43, "é"]) | JSON,
)
CLAIMS = st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "aud", "cnf", "scope", "stella:tenant"])


@given(
    head=st.dictionaries(HEADERS, JSON | JWKS | st.sampled_from(["ES256", "PS256", "EdDSA", "at+jwt"]), max_size=3),
    claims=st.dictionaries(CLAIMS, JSON, max_size=3),
    of_token=st.booleans(),
)
def test_whatever_is_in_token_and_proof_the_request_is_answered(
    head: dict[str, Any], claims: dict[str, Any], *, of_token: bool
) -> None:
    world = WORLD[0]
    token = world.token(header=head, **claims) if of_token else world.token()
    proof = world.proof(token) if of_token else world.proof(token, header=head, **claims)
    answered(world, world.request(token, proof))


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=20))
def test_whatever_bytes_are_in_the_headers_the_request_is_answered(first: bytes, second: bytes, path: bytes) -> None:
    answered(WORLD[0], Request("GET", path, [(b"authorization", b"DPoP " + first), (b"dpop", second)]))


@pytest.mark.parametrize("part", ["[" * 4000, '"\\ud800"', "NaN", '{"jti":"\\ud800"}', "1" * 5000, "{}"])
def test_oddities_of_json_are_refused(world: Any, part: str) -> None:
    made = base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
    token = world.token()
    head, claims, signature = world.proof(token).split(".")
    for proof in (f"{made}.{claims}.{signature}", f"{head}.{made}.{signature}"):
        assert world.refused(world.request(token, proof)).error == "invalid_dpop_proof"


WORLD: list[Any] = []
"""One for all examples of a law: making keys takes time."""


@pytest.fixture(autouse=True)
def _one_world(world: Any) -> None:
    WORLD[:] = WORLD[:1] or [world]


def answered(world: Any, request: Request) -> None:
    """Nothing but `AuthError` comes out."""
    refused = None
    try:
        world.service.authenticate(request, now=world.now)
    except AuthError as error:
        refused = error.status
    assert refused in {None, 400, 401}
