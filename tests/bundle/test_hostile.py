"""Bytes that somebody means ill with end in one of our errors: never in one of Python's, and never in a loop."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundle import seekable, tar, ziplayout
from bundle.canonical import canonical_json, parse_canonical
from bundle.diff import diff
from bundle.dsse import decode, encode, read_envelope, verify_envelope
from bundle.envelope import check_envelope, parse_checksums
from bundle.errors import BundleError, FormatError, UnreadableError, VerificationError
from bundle.extract import extract
from bundle.frames import parse_entries
from bundle.index import check_page, lookup, parse_page, split_page
from bundle.keys import generate_key_pair, load_public_key
from bundle.lines import EVALUATIONS, id_of
from bundle.manifest import Manifest
from bundle.names import check_payload_names
from bundle.provenance import check_provenance
from bundle.records import find_records, iterate_lines, manifest_of
from bundle.source import open_archive, open_bundle
from bundle.verify import verify
from bundle.zframes import read_frame, read_frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOME = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEY = load_public_key(generate_key_pair()[1])
MANIFEST = "export.json"


@dataclass
class Held:
    """An archive in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Change, cut, repeat or remove some parts."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 600)))
        middle = draw(
            st.sampled_from([b"", bytes(end - start), b"\xff" * (end - start), data[start:end] * 2])
            | st.binary(max_size=12)
        )
        data = data[:start] + middle + data[end:]
    return data


PARSERS: dict[str, Callable[[bytes], object]] = {
    "canonical JSON": parse_canonical,
    "manifest": Manifest.from_bytes,
    "checksums": parse_checksums,
    "frame table": parse_entries,
    "index page": parse_page,
    "rows of a page": split_page,
    "order of a page": lambda data: check_page(data, b""),
    "index root": lambda data: list(lookup(data, bytes(8), lambda _, size: data[:size])),
    "tar header": tar.parse,
    "beginning of a zip header": ziplayout.rest_of_header,
    "zip header": ziplayout.parse,
    "record": lambda data: id_of("data/vex.jsonl.zst", data),
    "evaluation": lambda data: id_of(EVALUATIONS, data),
    "frame": lambda data: read_frame(data, limit=1000),
    "frames": lambda data: list(read_frames(iter([data]), limit=1000, workers=1, keep=False)),
    "DSSE envelope": read_envelope,
    "signed DSSE envelope": lambda data: verify_envelope(data, KEY),
    "base64": lambda data: decode(data.decode("latin-1")),
    "public key": load_public_key,
    "names": lambda data: check_payload_names([data.decode("latin-1")]),
    "envelope": lambda data: check_envelope({MANIFEST: data, "export.json.sig": data}, KEY),
    "provenance": lambda data: check_provenance(data, data, key_id="0" * 64),
    "archive": lambda data: open_archive(Held(data)),
}
SEEDS = [
    b"",
    b"\0" * 512,
    b"[" * 5000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"1" * 5000,
    b'"\\ud800"',
    b'{"id":"\xff\xfe"}',
    b'{"id":"\\ud800"}',
    b'{"content":' + b"[" * 50_000 + b"]" * 50_000 + b',"id":"x"}',
    b"\xff\xfe{\0}\0",
    canonical_json({"payload": "AA==", "payloadType": "", "signatures": [[]]}),
    zstandard.ZstdCompressor().compress(b"text\n" * 90),
    tar.header("name", 5),
    ziplayout.local_header("name", 5, 7),
    ziplayout.local_header("name", 2**40, 7),
    ziplayout.MAGIC + b"\xff" * 60,
    generate_key_pair("ed25519")[1],
    seekable.frame(b"x" * 600) + seekable.seek_table(600),
]


@pytest.mark.parametrize("what", PARSERS)
@MANY
@given(data=st.one_of(st.binary(max_size=300), st.sampled_from(SEEDS).flatmap(damaged), st.sampled_from(SEEDS)))
def test_a_parser_returns_or_raises_one_of_our_errors(what: str, data: bytes) -> None:
    with contextlib.suppress(BundleError):
        PARSERS[what](data)


@pytest.mark.parametrize("what", PARSERS)
def test_a_parser_takes_known_bad_input_without_another_error(what: str) -> None:
    for data in SEEDS:
        with contextlib.suppress(BundleError):
            PARSERS[what](data)


def _read_all(reader: Any, other: Any) -> None:
    """Use a bundle in every way that does not verify it first."""
    for name in reader.names:
        with contextlib.suppress(BundleError):
            sum(map(len, reader.stream(name)))
    for look in (
        lambda: list(find_records(reader, "ID-0001")),
        lambda: diff(reader, other),
        lambda: diff(other, reader),
        lambda: [list(iterate_lines(reader, member)) for member in manifest_of(reader).members if member.records],
    ):
        with contextlib.suppress(BundleError):
            look()


@pytest.mark.parametrize("form", ["tar.zst", "zip"])
@MANY
@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused(make_one: Callable[..., Any], cache: Any, form: str, data: Any) -> None:
    made = cache(form, lambda: make_one(4, layout=form))
    whole = open_bundle(made.path)
    with contextlib.suppress(BundleError):
        _read_all(open_archive(Held(data.draw(damaged(made.path.read_bytes())))), whole)


@pytest.fixture
def cache() -> Callable[[str, Callable[[], Any]], Any]:
    """Return a function that makes something once a test, however many examples it has."""
    known: dict[str, Any] = {}

    def get(name: str, make: Callable[[], Any]) -> Any:
        if name not in known:
            known[name] = make()
        return known[name]

    return get


@MANY
@given(data=st.data())
def test_a_damaged_folder_is_read_or_refused(make_one: Callable[..., Any], cache: Any, data: Any) -> None:
    made = cache("dir", lambda: make_one(4, layout="dir", name="folder"))
    whole = cache("whole", lambda: make_one(4))
    path = made.path / data.draw(st.sampled_from(open_bundle(whole.path).names))
    before = path.read_bytes()
    changed = data.draw(damaged(before))
    path.write_bytes(changed)
    try:
        with contextlib.suppress(BundleError):
            _read_all(open_bundle(made.path), open_bundle(whole.path))
        if changed != before:
            with pytest.raises(VerificationError):
                verify(made.path, keys=[made.key])
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("form", ["tar.zst", "zip"])
@SOME
@given(data=st.data())
def test_a_damaged_archive_is_not_extracted_and_leaves_nothing(
    make_one: Callable[..., Any], cache: Any, tmp_path: Path, form: str, data: Any
) -> None:
    made = cache(form, lambda: make_one(4, layout=form))
    whole = made.path.read_bytes()
    changed = data.draw(damaged(whole))
    if changed != whole:
        before = sorted(tmp_path.iterdir())
        with pytest.raises((VerificationError, UnreadableError)):  # the latter when its beginning is gone
            extract(io.BytesIO(changed), tmp_path / "out", keys=[made.key])
        assert sorted(tmp_path.iterdir()) == before


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.text(max_size=4)
    | st.sampled_from(["0" * 64, "a/b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["path", "bytes"]), inner, max_size=2),
    max_leaves=3,
)


@st.composite
def other_manifest(draw: st.DrawFn, value: Any) -> Any:
    """Exchange, add or remove some values anywhere in export.json."""
    value = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        place = value
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(VALUES)
            elif isinstance(place, dict):
                del place[key]
            break
    return value


@MANY
@given(data=st.data())
def test_a_manifest_that_lies_is_read_or_refused(
    make_one: Callable[..., Any], cache: Any, one_signer: Any, data: Any
) -> None:
    """Also a signed one: sizes, names and digests are what its author liked them to be."""
    made = cache("dir", lambda: make_one(4, layout="dir", name="folder"))
    whole = cache("whole", lambda: make_one(4))
    text = cache("text", (made.path / MANIFEST).read_bytes)
    changed = canonical_json(data.draw(other_manifest(json.loads(text))))
    (made.path / MANIFEST).write_bytes(changed)
    (made.path / f"{MANIFEST}.sig").write_text(encode(one_signer.sign(changed)) + "\n")
    with contextlib.suppress(BundleError):
        _read_all(open_bundle(made.path), open_bundle(whole.path))
    if changed != text:
        with pytest.raises(VerificationError) as caught:
            verify(made.path, keys=[made.key])
        assert caught.value.step in {3, 4}
    archive = open_bundle(whole.path)
    members = [(name, changed if name == MANIFEST else archive.read(name)) for name in archive.names]
    plain = b"".join(tar.header(name, len(text)) + text + tar.padding(len(text)) for name, text in members) + tar.END
    packed = seekable.frame(plain) + seekable.seek_table(len(plain))
    with contextlib.suppress(BundleError):
        _read_all(open_archive(Held(packed)), archive)


def _refusal(made: Any, *, deep: bool) -> VerificationError | None:
    try:
        verify(made.path, keys=[made.key], deep=deep)
    except VerificationError as error:
        return error
    return None


PARTS = [
    "data/advisories.jsonl.zst",
    *(f"indexes/advisories.{part}" for part in ("frames", "pages", "root")),
    *(f"indexes/search/advisories.{part}" for part in ("root", "terms")),
]


@SOME
@given(data=st.data())
def test_a_payload_that_was_signed_wrongly_is_verified_or_refused(
    make_one: Callable[..., Any], cache: Any, tmp_path: Path, data: Any
) -> None:
    right = cache("right", lambda: make_one(4, name="right"))
    reader = open_bundle(right.path)
    part = data.draw(st.sampled_from(PARTS))
    number = len(list(tmp_path.iterdir()))
    made = make_one(4, name=f"{number}.tar.zst", change={part: data.draw(damaged(reader.read(part)))})
    for deep in (False, True):
        error = _refusal(made, deep=deep)
        assert error is None or (error.step in {6, 7, 8, 12} and "/advisories" in error.member), str(error)
    _read_all(open_bundle(made.path), reader)


def test_sizes_beyond_the_file_are_refused_before_anything_is_read(make_one: Callable[..., Any]) -> None:
    made = make_one(4)
    reader = open_bundle(made.path)
    value = json.loads(reader.read(MANIFEST))
    for member in value["members"]:
        member["bytes"] = 2**53 - 1
    text = canonical_json(value)
    plain = tar.header(MANIFEST, len(text)) + text + tar.padding(len(text))
    for name in reader.names[1:]:
        data = reader.read(name)
        plain += tar.header(name, len(data)) + data + tar.padding(len(data))
    plain += tar.END
    with pytest.raises(FormatError, match="beyond the end"):
        open_archive(Held(seekable.frame(plain) + seekable.seek_table(len(plain))))


def test_unsorted_index_pages_are_refused_instead_of_compared(make_one: Callable[..., Any]) -> None:
    right = make_one(20, name="right")
    pages = open_bundle(right.path).read("indexes/advisories.pages")
    rows = split_page(pages)
    turned = b"".join(reversed(rows))
    root = turned[:8] + hashlib.sha256(turned).digest()
    made = make_one(20, change={"indexes/advisories.pages": turned, "indexes/advisories.root": root})
    with pytest.raises(FormatError, match="not sorted"):
        diff(open_bundle(made.path), open_bundle(right.path))
