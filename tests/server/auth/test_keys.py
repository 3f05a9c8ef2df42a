"""The issuer's keys: when they are fetched, by whom, and how long they are used."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from server.auth.fetching import fetcher
from server.auth.jwks import JwksCache, KeysUnavailableError, keys_of

START = 1_000_000.0


class Issuer:
    """Publishes keys, counts how often it is asked, and may be down."""

    def __init__(self, *kids: str) -> None:
        self.kids = list(kids)
        self.asked = 0
        self.down = False
        self.key = ECKey.generate_key("P-256")

    def fetch(self) -> dict[str, Any]:
        self.asked += 1
        if self.down:
            raise OSError("no route to it")
        return {"keys": [self.key.as_dict(private=False, kid=kid) for kid in self.kids]}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer("one")


@pytest.fixture
def cache(issuer: Issuer) -> JwksCache:
    return JwksCache(issuer.fetch)


def test_keys_are_fetched_once_while_they_are_fresh(cache: JwksCache, issuer: Issuer) -> None:
    assert all(cache.find("one", now=START + passed) for passed in (0, 1, 100, 299))
    assert issuer.asked == 1


def test_keys_are_fetched_again_when_they_are_not(cache: JwksCache, issuer: Issuer) -> None:
    cache.find("one", now=START)
    issuer.kids = ["two"]
    assert cache.find("one", now=START + 300) is None
    assert issuer.asked == 2


def test_a_new_key_is_found_at_once(cache: JwksCache, issuer: Issuer) -> None:
    cache.find("one", now=START)
    issuer.kids.append("two")
    assert cache.find("two", now=START + 11)


def test_unknown_keys_are_asked_for_every_ten_seconds_at_most(cache: JwksCache, issuer: Issuer) -> None:
    found = [cache.find(f"unknown-{place}", now=START + place / 10) for place in range(300)]
    assert found == [None] * 300
    assert issuer.asked == 3


def test_the_last_good_keys_are_used_for_an_hour(cache: JwksCache, issuer: Issuer) -> None:
    cache.find("one", now=START)
    issuer.down = True
    assert cache.find("one", now=START + 3599)
    with pytest.raises(KeysUnavailableError):
        cache.find("one", now=START + 3600)


def test_an_issuer_that_is_down_is_not_asked_by_every_request(cache: JwksCache, issuer: Issuer) -> None:
    cache.find("one", now=START)
    issuer.down = True
    assert all(cache.find("one", now=START + 300 + place / 10) for place in range(100))
    assert issuer.asked == 2


def test_an_issuer_that_comes_back_is_heard(cache: JwksCache, issuer: Issuer) -> None:
    issuer.down = True
    for passed in (0, 5):
        with pytest.raises(KeysUnavailableError):
            cache.find("one", now=START + passed)
    assert issuer.asked == 1
    issuer.down = False
    assert cache.find("one", now=START + 10)


def test_a_document_without_keys_does_not_replace_the_good_ones(cache: JwksCache, issuer: Issuer) -> None:
    cache.find("one", now=START)
    issuer.kids = []
    assert cache.find("one", now=START + 400)


def test_a_clock_that_is_set_back_does_not_make_keys_young(cache: JwksCache, issuer: Issuer) -> None:
    cache.find("one", now=START)
    cache.find("one", now=START - 30)
    assert issuer.asked == 1
    cache.find("one", now=START - 86400)
    assert issuer.asked == 2


def test_many_threads_at_once_make_one_fetch(issuer: Issuer) -> None:
    all_there = threading.Barrier(9)

    def fetch() -> object:
        all_there.wait(30)
        return issuer.fetch()

    cache = JwksCache(fetch)

    def find(place: int) -> object:
        if place:
            all_there.wait(30)
        return cache.find("one", now=START + place / 1000)

    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(find, range(9)))
    assert all(found)
    assert issuer.asked == 1


def test_nobody_waits_for_a_fetch_who_has_a_key_that_may_be_used(issuer: Issuer) -> None:
    fetching, answered = threading.Event(), threading.Event()

    def fetch() -> object:
        if issuer.asked:
            fetching.set()
            assert answered.wait(30)
        return issuer.fetch()

    cache = JwksCache(fetch)
    cache.find("one", now=START)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.find, "one", now=START + 301)
        assert fetching.wait(30)
        assert cache.find("one", now=START + 301)
        assert not slow.done()
        answered.set()
        assert slow.result(30)
    assert issuer.asked == 2


def test_keys_that_cannot_be_used_are_passed_over() -> None:
    good = [
        ECKey.generate_key("P-384").as_dict(private=False, kid="ec"),
        OKPKey.generate_key("Ed25519").as_dict(private=False, kid="ed", use="sig"),
        RSAKey.generate_key(2048).as_dict(private=False, kid="rsa", alg="PS256"),
    ]
    bad: list[object] = [
        None,
        {},
        {"kty": "AKP", "kid": "new", "pub": "x"},
        {"kty": ["EC"], "kid": "odd"},
        {"kty": "oct", "kid": "secret", "k": "c2Vj"},
        {"kty": "EC", "kid": "off the curve", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {"kty": "EC", "kid": "no curve", "crv": "P-1", "x": "AQ", "y": "AQ"},
        {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
        ECKey.generate_key("P-256").as_dict(private=True, kid="private"),
        ECKey.generate_key("P-256").as_dict(private=False, kid="for encryption", use="enc"),
        {name: value for name, value in good[0].items() if name != "kid"},
    ]
    assert keys_of({"keys": [*bad, *good]}).keys() == {"ec", "ed", "rsa"}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [{"kty": "AKP", "kid": "x"}]}])
def test_what_is_no_set_of_keys_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="JWK set"):
        keys_of(document)


def test_keys_are_fetched_over_http(issuer: Issuer, published: Any) -> None:
    cache = JwksCache(fetcher(published(issuer.fetch())))
    assert cache.find("one", now=START)


def test_an_address_that_answers_an_error_gives_no_keys(issuer: Issuer, published: Any) -> None:
    with pytest.raises(ValueError, match="answers 404"):
        fetcher(published(issuer.fetch(), status=404))()


def test_a_document_of_keys_has_bounds(published: Any) -> None:
    with pytest.raises(ValueError, match="larger than"):
        fetcher(published({"keys": ["x" * 300_000]}))()


@pytest.mark.parametrize("uri", ["http://issuer.example/jwks", "file:///etc/passwd", "issuer.example", ""])
def test_keys_come_from_https_or_from_this_machine(uri: str) -> None:
    with pytest.raises(ValueError, match="must be https"):
        fetcher(uri)
