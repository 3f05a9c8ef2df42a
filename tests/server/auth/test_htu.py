"""URLs in proofs: laws of normalisation, and the examples of RFC 3986 that they come from."""

from __future__ import annotations

import string
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.auth.htu import UrlError, external_url, normalise

UNRESERVED = string.ascii_letters + string.digits + "-._~"
RESERVED = "!$&'()*+,;=:@/"

segments = st.text(alphabet=UNRESERVED + "!$&'()*+,;=:@", min_size=1, max_size=8)
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts))
hosts = st.sampled_from(["gateway.example", "127.0.0.1", "[::1]", "a-b.example"])
origins = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), hosts, st.sampled_from(["", ":8080", ":1"]))
urls = st.builds("{}{}".format, origins, paths)

SAME = {
    "case of scheme and host": ("HTTPS://Gateway.EXAMPLE/runs", "https://gateway.example/runs"),
    "the port of https": ("https://gateway.example:443/runs", "https://gateway.example/runs"),
    "the port of http": ("http://gateway.example:80/runs", "http://gateway.example/runs"),
    "no port after a colon": ("https://gateway.example:/runs", "https://gateway.example/runs"),
    "zeros before a port": ("https://gateway.example:08443/runs", "https://gateway.example:8443/runs"),
    "an empty path": ("https://gateway.example", "https://gateway.example/"),
    "a query": ("https://gateway.example/runs?status=active", "https://gateway.example/runs"),
    "a query after no path": ("https://gateway.example?status=active", "https://gateway.example/"),
    "a fragment": ("https://gateway.example/runs#top", "https://gateway.example/runs"),
    "a letter that is escaped": ("https://gateway.example/%72uns", "https://gateway.example/runs"),
    "case of an escape": ("https://gateway.example/a%2fb", "https://gateway.example/a%2Fb"),
    "segments of dots": ("https://gateway.example/a/./b/../c", "https://gateway.example/a/c"),
    "escaped segments of dots": ("https://gateway.example/a/%2e%2E/c", "https://gateway.example/c"),
    "dots at the end": ("https://gateway.example/a/b/..", "https://gateway.example/a/"),
    "more dots than folders": ("https://gateway.example/../../a", "https://gateway.example/a"),
    "what no URL may hold": ("https://gateway.example/a|b", "https://gateway.example/a%7Cb"),
}
DIFFERENT = {
    "an escaped colon": ("https://gateway.example/r%3Acancel", "https://gateway.example/r:cancel"),
    "an escaped slash": ("https://gateway.example/a%2Fb", "https://gateway.example/a/b"),
    "an escaped percent sign": ("https://gateway.example/%2572", "https://gateway.example/%72"),
    "a slash at the end": ("https://gateway.example/runs/", "https://gateway.example/runs"),
    "a slash twice": ("https://gateway.example//runs", "https://gateway.example/runs"),
    "case of the path": ("https://gateway.example/Runs", "https://gateway.example/runs"),
    "a dot after the host": ("https://gateway.example./runs", "https://gateway.example/runs"),
    "the port of the other scheme": ("http://gateway.example:443/runs", "http://gateway.example/runs"),
}
NO_URLS = [
    "",
    "/runs",
    "//gateway.example/runs",
    "ftp://gateway.example/runs",
    "https:///runs",
    "https://user@gateway.example/runs",
    "https://user:word@gateway.example/runs",
    "https://gateway.example:port/runs",
    "https://gateway.example:123456/runs",
    "https://gateway.example\\@evil.example/runs",
    "https://gateway.example/ru ns",
    "https://gateway.example/runs\n",
    "https://gateway.example/r\u00fcns",
    "https://gateway.example/%7",
    "https://gateway.example/%zz",
    "https://gat%65way.example/runs",
    " https://gateway.example/runs",
]


@pytest.mark.parametrize("what", SAME)
def test_urls_are_the_same_whatever_is_said_of(what: str) -> None:
    written, plain = SAME[what]
    assert normalise(written) == normalise(plain) == plain


@pytest.mark.parametrize("what", DIFFERENT)
def test_urls_differ_by(what: str) -> None:
    first, second = DIFFERENT[what]
    assert normalise(first) != normalise(second)


@pytest.mark.parametrize("text", NO_URLS)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(UrlError):
        normalise(text)


@given(st.one_of(urls, st.text(max_size=40).map("https://gateway.example/{}".format)))
def test_normalising_twice_is_normalising_once(url: str) -> None:
    try:
        once = normalise(url)
    except UrlError:
        return
    assert normalise(once) == once


@given(urls, st.data())
def test_escaping_an_unreserved_character_changes_nothing(url: str, data: st.DataObject) -> None:
    start = len(url) - len(urlsplit(url).path)
    places = [place for place in range(start, len(url)) if url[place] in UNRESERVED]
    assume(places)
    place = data.draw(st.sampled_from(places))
    shape = data.draw(st.sampled_from(["%{:02x}", "%{:02X}"]))
    assert normalise(url[:place] + shape.format(ord(url[place])) + url[place + 1 :]) == normalise(url)


@given(origins, segments, st.sampled_from(RESERVED), segments)
def test_escaping_a_reserved_character_makes_another_url(origin: str, before: str, reserved: str, after: str) -> None:
    # Dots beside a slash are segments of their own, which go away.
    plain = f"{origin}/x{before}{reserved}x{after}"
    assert normalise(plain) != normalise(f"{origin}/x{before}%{ord(reserved):02X}x{after}")


@given(urls, st.text(alphabet=string.printable.strip(), max_size=10))
def test_query_and_fragment_are_never_part_of_it(url: str, more: str) -> None:
    assert normalise(f"{url}?{more}") == normalise(f"{url}#{more}") == normalise(url)


@given(st.text(max_size=12))
def test_a_path_asked_for_raw_is_the_one_its_client_escaped(text: str) -> None:
    raw = text.replace("%", "").replace("?", "").encode("utf-8", "ignore")
    escaped = quote(raw, safe="/" + RESERVED)
    assert external_url("https://gateway.example", b"/" + raw) == normalise(f"https://gateway.example/{escaped}")


def test_the_base_url_may_have_a_path_and_the_request_a_query() -> None:
    assert external_url("https://gateway.example/stella", b"/api/export/runs?a=/..") == (
        "https://gateway.example/stella/api/export/runs"
    )
