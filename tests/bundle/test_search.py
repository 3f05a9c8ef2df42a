"""The search index of a bundle: which frames it names, and what is found with it."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.errors import FormatError
from bundle.finding import search_records
from bundle.forms import LocalFile
from bundle.lines import EVALUATIONS, id_of
from bundle.records import iterate_lines, members_of
from bundle.search import PAGE_ROWS, build, check_page, frames_of_query, frames_with
from bundle.source import open_archive, open_bundle
from bundle.terms import Wanted, parse_query, term_hash
from evidence.terms import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORD = st.sampled_from(["xz", "backdoor", "openssl", "cve-2024-3094", "cve", "2024", "3094"])
RECORDS = st.lists(st.tuples(st.frozensets(WORD, max_size=4), st.integers(0, 5)), max_size=20)


def reading(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, size: data[offset : offset + size]


def id_terms(line: bytes) -> frozenset[str]:
    """Return the terms of the records that are made up here: their ids."""
    return frozenset((id_of("data/advisories.jsonl.zst", line).lower(),))


def test_the_frames_of_a_term_are_found_on_however_many_pages_they_lie() -> None:
    pairs = [(term_hash(f"few-{number}"), number) for number in range(2 * PAGE_ROWS)]
    pairs += [(term_hash("many"), number) for number in range(3 * PAGE_ROWS)]
    terms, root = build(pairs)
    assert len(root) == 5 * 40
    assert frames_with(root, "many", reading(terms)) == frozenset(range(3 * PAGE_ROWS))
    assert all(
        frames_with(root, f"few-{number}", reading(terms)) == {number} for number in range(0, 2 * PAGE_ROWS, 997)
    )
    assert not frames_with(root, "none", reading(terms))
    assert not frames_with(b"", "many", reading(b""))


@given(records=RECORDS, query=st.lists(WORD, min_size=1, max_size=3))
def test_no_frame_is_left_out_that_holds_what_is_sought(records: list[Any], query: list[str]) -> None:
    terms, root = build((term_hash(term), frame) for has, frame in records for term in has)
    wanted = parse_query(" ".join(query))
    named = frames_of_query(wanted, lambda term: frames_with(root, term, reading(terms)))
    assert named >= {frame for has, frame in records if all(each.is_in(has) for each in wanted)}
    for frame in named:
        together = {term for has, number in records if number == frame for term in has}
        assert all(each.is_in(together) for each in wanted)


def test_nothing_is_asked_of_the_index_that_cannot_change_the_answer() -> None:
    asked: list[str] = []

    def nothing(term: str) -> frozenset[int]:
        asked.append(term)
        return frozenset()

    assert frames_of_query([Wanted("xz", ("xz",)), Wanted("never", ("never",))], nothing) == frozenset()
    assert asked == ["xz"]
    assert frames_of_query([], nothing) == frozenset()


@given(pairs=st.sets(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 9)), min_size=1, max_size=30))
def test_a_page_is_right_in_one_form_only(pairs: set[tuple[int, int]]) -> None:
    terms, _ = build(pairs)
    frames = 1 + max(frame for _, frame in pairs)
    assert check_page(terms, b"", frames) == terms[-8:]
    rows = [terms[start : start + 8] for start in range(0, len(terms), 8)]
    wrong = {
        "a row twice": (rows[0] + terms, b"", frames),
        "a frame that is not there": (terms, b"", frames - 1),
        "a row that is not after the last page": (terms, rows[0], frames),
        "half a row": (terms[:-4], b"", frames),
        **({"another order": (b"".join(reversed(rows)), b"", frames)} if len(rows) > 1 else {}),
    }
    for case in wrong.values():
        with pytest.raises(FormatError):
            check_page(*case)


def test_records_are_found_by_what_they_have(make_one: Callable[..., Any], layout: str) -> None:
    reader = open_bundle(make_one(40, layout=layout).path)
    assert [one.member for one in search_records(reader, "id-0007", id_terms)] == ["data/advisories.jsonl.zst"]
    assert not list(search_records(reader, "id-9999", id_terms))
    assert not list(search_records(reader, "ID-0007 ID-0008", id_terms))
    assert not list(search_records(reader, "", id_terms))


@pytest.mark.parametrize("form", ["tar.zst", "zip"])
def test_a_search_in_a_large_bundle_takes_few_bytes(
    make_one: Callable[..., Any], make_record: Callable[..., Any], form: str
) -> None:
    noise = random.Random(9).randbytes(4 << 20)
    file = LocalFile(make_one(lines=[make_record(n) for n in range(3000)], layout=form, change={"extra": noise}).path)
    assert list(search_records(open_archive(file), "ID-1234", id_terms))
    assert file.bytes_read < 300_000 < file.size / 10


CHANGED = {
    "indexes/search/advisories.root": "not the one that export.json lists",
    "indexes/search/advisories.terms": "not the one that the index root names",
    "indexes/advisories.frames": "not the one that export.json lists",
    "data/advisories.jsonl.zst": "not the one that the frame table lists|cannot be decompressed",
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_members_are_refused_when_searched(make_one: Callable[..., Any], name: str) -> None:
    folder = make_one(40, layout="dir").path
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reader = open_bundle(folder)
    with pytest.raises(FormatError, match=CHANGED[name]):
        _ = [list(search_records(reader, f"ID-{number:04d}", id_terms)) for number in range(40)]


def test_an_index_that_points_nowhere_is_refused(make_one: Callable[..., Any]) -> None:
    terms, root = build([(term_hash("id-0001"), 4_000_000_000)])
    made = make_one(5, change={"indexes/search/advisories.terms": terms, "indexes/search/advisories.root": root})
    with pytest.raises(FormatError, match="frame 4000000000, which does not exist"):
        list(search_records(open_bundle(made.path), "ID-0001", id_terms))


def test_a_bundle_without_a_search_index_says_so(make_one: Callable[..., Any]) -> None:
    made = make_one(5, change={"indexes/search/advisories.terms": None})
    with pytest.raises(FormatError, match="has no search index"):
        list(search_records(open_bundle(made.path), "ID-0001", id_terms))


def scanned(reader: Any) -> Iterator[tuple[bytes, frozenset[str]]]:
    """Yield every record with its terms, in the order of members and lines."""
    for member in members_of(reader).values():
        if member.frames_sha256 is not None and member.path != EVALUATIONS:
            yield from ((line, described(line).terms) for line in iterate_lines(reader, member))


def test_a_search_finds_in_real_evidence_what_a_full_scan_finds(real_bundle: Callable[..., Any]) -> None:
    reader = open_bundle(real_bundle("json-policy").path)
    everything = list(scanned(reader))
    known = sorted(
        {term for _, terms in everything for term in terms}, key=lambda term: hashlib.sha256(term.encode()).digest()
    )
    pairs = [f"{left} {right}" for left, right in zip(known[:10], known[10:20], strict=True)]
    queries = [
        *known[:60],
        *map(str.upper, known[60:70]),
        *pairs,
        "buffer overflow",
        "OVERFLOW heap",
        "pkg:cargo/time",
        "no-such-word",
    ]
    found = {
        query: [one.line for one in search_records(reader, query, lambda line: described(line).terms)]
        for query in queries
    }
    for query, lines in found.items():
        wanted = parse_query(query)
        assert lines == [line for line, terms in everything if all(each.is_in(terms) for each in wanted)], query
    assert sum(map(bool, found.values())) > 50
    assert len(found["buffer overflow"]) > 1
    assert not found["no-such-word"]
