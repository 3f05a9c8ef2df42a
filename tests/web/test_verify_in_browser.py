"""The viewer's verifier and ours say the same of every bundle: verified, or refused at the same step and member."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import zstandard

from bundle.envelope import FIRST, LAST
from bundle.errors import UnreadableError, VerificationError
from bundle.keys import load_public_key
from bundle.verify import verify
from tests.web.tampering import (
    Members,
    as_tar,
    as_zip,
    flipped,
    members_of,
    new_signer,
    other_half,
    other_statement,
    replaced,
    sealed,
    signed,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "example"
STATIC = ROOT / "web" / "static"
DATA = "data/advisories.jsonl.zst"
README = "README.md"
FLIPS = 150
"""Random single bits that are turned in each layout."""

ODDITIES = 200
"""Fields of export.json that are given another value."""

pytestmark = pytest.mark.counterpart


class Case(NamedTuple):
    """What both verifiers are given: a path below the cases' folder, and the key they trust."""

    name: str
    pem: bytes


class Verdict(NamedTuple):
    """What a verifier says; step and member only when it refuses."""

    verdict: str
    step: int | None = None
    member: str | None = None


VERIFIED = Verdict("verified")
UNREADABLE = Verdict("unreadable")


def swapped(members: Members) -> Members:
    first, second = (next(at for at, (name, _) in enumerate(members) if name == found) for found in (README, DATA))
    found = list(members)
    found[first], found[second] = found[second], found[first]
    return found


def high_s(members: Members) -> Members:
    line = dict(members)["export.json.sig"]
    return replaced(members, {"export.json.sig": base64.b64encode(other_half(base64.b64decode(line))) + b"\n"})


def high_s_in_dsse(members: Members) -> Members:
    values = json.loads(dict(members)["provenance.dsse.json"])
    signature = other_half(base64.b64decode(values["signatures"][0]["sig"]))
    values["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return replaced(members, {"provenance.dsse.json": json.dumps(values, separators=(",", ":")).encode()})


def padded_integer(members: Members) -> Members:
    """Spell r of the signature with a byte more than it needs."""
    der = base64.b64decode(dict(members)["export.json.sig"])
    size = der[3]
    longer = b"\x02" + bytes([size + 1]) + b"\x00" + der[4 : 4 + size] + der[4 + size :]
    line = base64.b64encode(b"\x30" + bytes([len(longer)]) + longer) + b"\n"
    return replaced(members, {"export.json.sig": line})


def without_line(members: Members) -> Members:
    lines = dict(members)["checksums.txt"].splitlines(keepends=True)
    return replaced(members, {"checksums.txt": b"".join(lines[:-2] + lines[-1:])})


def flip(name: str, at: int = 0) -> Callable[[Members], Members]:
    return lambda members: replaced(members, {name: flipped(dict(members)[name], at)})


def put(name: str, data: bytes) -> Callable[[Members], Members]:
    return lambda members: replaced(members, {name: data})


def dropped(name: str) -> Callable[[Members], Members]:
    return lambda members: [each for each in members if each[0] != name]


def added(name: str, *, before: str) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        at = next(at for at, (known, _) in enumerate(members) if known == before)
        return [*members[:at], (name, b"more"), *members[at:]]

    return change


def renamed(old: str, new: str) -> Callable[[Members], Members]:
    return lambda members: [(new if name == old else name, data) for name, data in members]


MEMBERS: dict[str, tuple[Callable[[Members], Members], Verdict]] = {
    "nothing was done to it": (list, VERIFIED),
    "a bit of a member with records was turned": (flip(DATA, 100), Verdict("failed", 6, DATA)),
    "a bit of the page was turned": (flip("index.html", 100), Verdict("failed", 6, "index.html")),
    "a bit of an index was turned": (
        flip("indexes/advisories.pages", 30),
        Verdict("failed", 6, "indexes/advisories.pages"),
    ),
    "a bit of export.json was turned": (flip("export.json", 50), Verdict("failed", 2, "export.json.sig")),
    "a bit of the signature was turned": (flip("export.json.sig", 20), Verdict("failed", 2, "export.json.sig")),
    "the signature is the other one that verifies": (high_s, Verdict("failed", 2, "export.json.sig")),
    "the signature is spelt with a byte too much": (padded_integer, Verdict("failed", 2, "export.json.sig")),
    "the signature is no base64": (put("export.json.sig", b"no base64\n"), Verdict("failed", 2, "export.json.sig")),
    "the signature ends without a line break": (
        put("export.json.sig", b"AAAA"),
        Verdict("failed", 2, "export.json.sig"),
    ),
    "the signature is longer than any": (put("export.json.sig", b"A" * 2000), Verdict("failed", 1, "export.json.sig")),
    "the provenance says something else": (flip("provenance.json", 40), Verdict("failed", 4, "provenance.json")),
    "the provenance's signature is another's": (
        put("provenance.json.sig", b"AAAA\n"),
        Verdict("failed", 4, "provenance.json.sig"),
    ),
    "the statement's signature is the other one that verifies": (
        high_s_in_dsse,
        Verdict("failed", 4, "provenance.dsse.json"),
    ),
    "the statement is no JSON": (put("provenance.dsse.json", b"{"), Verdict("failed", 4, "provenance.dsse.json")),
    "a sigstore bundle was changed": (
        flip("export.json.sigstore.json", 10),
        Verdict("failed", 4, "export.json.sigstore.json"),
    ),
    "a member is missing": (dropped(DATA), Verdict("failed", 5, DATA)),
    "the signature is missing": (dropped("export.json.sig"), Verdict("failed", 1, "export.json.sig")),
    "checksums.txt is missing": (dropped("checksums.txt"), Verdict("failed", 9, "checksums.txt")),
    "the key is missing": (dropped("cosign.pub"), Verdict("failed", 10, "cosign.pub")),
    "a member was added among the others": (added("data/more.json", before=README), Verdict("failed", 5, README)),
    "a member was added before the checksums": (
        added("more", before="checksums.txt"),
        Verdict("failed", 9, "checksums.txt"),
    ),
    "a member was added at the end": (lambda members: [*members, ("more", b"")], Verdict("failed", 11, "more")),
    "a member comes twice": (lambda members: [*members, members[0]], Verdict("failed", 11, "export.json")),
    "a member was renamed": (renamed(README, "README.txt"), Verdict("failed", 5, README)),
    "two members changed places": (swapped, Verdict("failed", 5, README)),
    "a member is a byte longer": (put(README, b"?"), Verdict("failed", 5, README)),
    "checksums.txt lists another digest": (flip("checksums.txt", 0), Verdict("failed", 9, "checksums.txt")),
    "checksums.txt has a line less": (without_line, Verdict("failed", 9, "checksums.txt")),
    "checksums.txt is empty": (put("checksums.txt", b""), Verdict("failed", 9, "checksums.txt")),
    "cosign.pub is another key": (
        put("cosign.pub", new_signer("ed25519").public.pem),
        Verdict("failed", 10, "cosign.pub"),
    ),
    "there are no members at all": (lambda _: [], Verdict("failed", 1, "export.json")),
}
"""What can be done to the members, in an archive of any form; the key that is trusted signed it before."""

ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], tuple[Verdict, Verdict]]] = {
    "the last byte is missing": (lambda data: data[:-1], (Verdict("failed", 1, "archive"),) * 2),
    "half of it is missing": (lambda data: data[: len(data) // 2], (Verdict("failed", 1, "archive"),) * 2),
    "a byte follows": (lambda data: data + b"\0", (Verdict("failed", 1, "archive"),) * 2),
    "it comes twice": (lambda data: data + data, (Verdict("failed", 1, "archive"),) * 2),
    "the first byte was changed": (lambda data: flipped(data, 0), (Verdict("failed", 1, "archive"),) * 2),
    "the end was changed": (lambda data: flipped(data, len(data) - 1), (Verdict("failed", 1, "archive"),) * 2),
    "a header states another mode or time": (lambda data: flipped(data, 10), (Verdict("failed", 1, "archive"),) * 2),
    "it is empty": (lambda _: b"", (UNREADABLE,) * 2),
    "it is a text": (lambda _: b"Dear Sir or Madam, " * 60, (UNREADABLE,) * 2),
    "it is something else compressed": (lambda data: zstandard.compress(data[:4000]), (UNREADABLE,) * 2),
    "only its first ten bytes are there": (lambda data: data[:10], (Verdict("failed", 1, "archive"),) * 2),
}  # fmt: skip
"""What can be done to the bytes of an archive; what is said of a tar.zst, and of a zip."""


def facts(name: str, /, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of what export.json lists of a member."""

    def change(values: dict[str, Any]) -> None:
        next(each for each in values["members"] if each["path"] == name).update(changes)

    return change


def fields(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.update(changes)


def stated(table: str, /, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values[table].update(changes)


def checksummed(data: bytes) -> bytes:
    plain = zstandard.decompress(data)
    return zstandard.ZstdCompressor(write_checksum=True).compress(plain)


def unsized(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(zstandard.decompress(data))


def reserved_block(data: bytes) -> bytes:
    """Give the first block of a frame the kind that no block has."""
    at = 6 + (data[4] >> 6)
    return data[:at] + bytes([data[at] | 0b110]) + data[at + 1 :]


def unsorted(data: bytes) -> bytes:
    return data[112:224] + data[:112] + data[224:]


TERMS, FOUND = (f"indexes/search/advisories.{suffix}" for suffix in ("terms", "root"))
PAGES, FRAMES, INDEX_ROOT = (f"indexes/advisories.{suffix}" for suffix in ("pages", "frames", "root"))
OWN: dict[str, tuple[Callable[[dict[str, Any]], None], dict[str, Callable[[bytes], bytes]], Verdict]] = {
    "nothing": (lambda _: None, {}, VERIFIED),
    "another version of the format": (fields(formatVersion="9"), {}, Verdict("failed", 3, "export.json")),
    "a field that nobody knows": (fields(more=1), {}, Verdict("failed", 3, "export.json")),
    "a text where a number belongs": (stated("profile", revision="1"), {}, Verdict("failed", 3, "export.json")),
    "an empty word": (stated("profile", id=""), {}, Verdict("failed", 3, "export.json")),
    "a truth where a number belongs": (stated("counts", withoutModified=True), {}, Verdict("failed", 3, "export.json")),
    "a number below zero": (stated("counts", withoutModified=-1), {}, Verdict("failed", 3, "export.json")),
    "a time in another form": (fields(asOf="2026-01-01T00:00:00.10Z"), {}, Verdict("failed", 3, "export.json")),
    "a null that belongs left out": (facts(README, records=None), {}, Verdict("failed", 3, "export.json")),
    "some fields of a framed member only": (facts(README, plainBytes=1), {}, Verdict("failed", 3, "export.json")),
    "another contentDigest": (fields(contentDigest="0" * 64), {}, Verdict("failed", 3, "export.json")),
    "another contextDigest": (fields(contextDigest="0" * 64), {}, Verdict("failed", 3, "export.json")),
    "another number of records": (stated("counts", records=3), {}, Verdict("failed", 3, "export.json")),
    "a name that leaves the folder": (facts(README, path="../README.md"), {}, Verdict("failed", 3, "export.json")),
    "a name of the envelope": (facts(README, path="cosign.pub"), {}, Verdict("failed", 3, "export.json")),
    "a file that is a folder too": (facts(README, path="data"), {}, Verdict("failed", 3, "export.json")),
    "something included twice": (stated("profile", include=["a", "a"]), {}, Verdict("failed", 3, "export.json")),
    "a frame with a checksum": (lambda _: None, {DATA: checksummed}, Verdict("failed", 7, DATA)),
    "a frame that states no size": (lambda _: None, {DATA: unsized}, Verdict("failed", 7, DATA)),
    "a frame that is cut off": (lambda _: None, {DATA: lambda data: data[:-5]}, Verdict("failed", 7, DATA)),
    "bytes behind the frames": (lambda _: None, {DATA: lambda data: data + b"?"}, Verdict("failed", 7, DATA)),
    "a block of no kind": (lambda _: None, {DATA: reserved_block}, Verdict("failed", 7, DATA)),
    "frames compressed in another way": (
        lambda _: None, {DATA: lambda data: zstandard.compress(zstandard.decompress(data), 19)}, Verdict("failed", 7, FRAMES)
    ),
    "another frame table": (lambda _: None, {FRAMES: lambda data: flipped(data, 1)}, Verdict("failed", 7, FRAMES)),
    "index rows out of order": (lambda _: None, {PAGES: unsorted}, Verdict("failed", 8, PAGES)),
    "an index row less": (lambda _: None, {PAGES: lambda data: data[:112]}, Verdict("failed", 8, PAGES)),
    "half an index row": (lambda _: None, {PAGES: lambda data: data[:-1]}, Verdict("failed", 8, PAGES)),
    "another index root": (lambda _: None, {INDEX_ROOT: lambda data: flipped(data, 9)}, Verdict("failed", 8, INDEX_ROOT)),
    "search rows out of order": (
        lambda _: None, {TERMS: lambda data: data[8:16] + data[:8] + data[16:]}, Verdict("failed", 8, TERMS)
    ),
    "a search row twice": (lambda _: None, {TERMS: lambda data: data[:8] + data}, Verdict("failed", 8, TERMS)),
    "half a search row": (lambda _: None, {TERMS: lambda data: data[:-1]}, Verdict("failed", 8, TERMS)),
    "a search row of no frame": (lambda _: None, {TERMS: lambda data: flipped(data, 7)}, Verdict("failed", 8, TERMS)),
    "another search root": (lambda _: None, {FOUND: lambda data: flipped(data, 9)}, Verdict("failed", 8, FOUND)),
    "records without a search index": (
        facts(TERMS, path="indexes/search/other.terms"), {}, Verdict("failed", 8, DATA)
    ),
    "a framed member without an index": (
        facts(FRAMES, path="indexes/other.frames"), {}, Verdict("failed", 7, DATA)
    ),
}  # fmt: skip
"""What the owner of a trusted key may sign wrongly: what export.json says, and what members hold."""


@pytest.fixture(scope="module")
def example() -> Members:
    return members_of(EXAMPLE / "bundle.tar.zst")


@pytest.fixture(scope="module")
def example_pem() -> bytes:
    return (EXAMPLE / "key.pub").read_bytes()


class Compared:
    """Gives bundles to both verifiers, the viewer's all at once."""

    def __init__(self, folder: Path, node: str) -> None:
        self.folder, self._node = folder, node

    def __call__(self, cases: list[Case]) -> dict[str, tuple[Verdict, Verdict]]:
        given = [{"path": str(self.folder / case.name), "pem": case.pem.decode()} for case in cases]
        command = [self._node, str(Path(__file__).parent / "node" / "verify.mjs")]
        text = json.dumps({"scripts": scripts(), "cases": given})
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        theirs = [Verdict(each["verdict"], each["step"], each["member"]) for each in json.loads(done.stdout)]
        return {case.name: (self._ours(case), verdict) for case, verdict in zip(cases, theirs, strict=True)}

    def _ours(self, case: Case) -> Verdict:
        try:
            verify(self.folder / case.name, keys=[load_public_key(case.pem)])
        except VerificationError as error:
            return Verdict("failed", error.step, error.member)
        except UnreadableError:
            return UNREADABLE
        return VERIFIED


def scripts() -> list[str]:
    """Return what verification takes of the viewer's scripts, and the libraries it uses."""
    from web.assets import SITE, VENDOR, VIEWER

    shared = ("app/errors.js", "app/hash.js", "app/source.js", "app/folders.js")
    own = [part for part in SITE if part.startswith(("app/verify", "app/pem", "app/signature"))]
    parts = [*(each.script for each in VENDOR), *(part for part in VIEWER if part in shared), *own]
    return [str(STATIC / part) for part in parts]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, counterpart: Callable[[str], str]) -> Compared:
    return Compared(tmp_path_factory.mktemp("cases"), counterpart("node"))


def differing(found: dict[str, tuple[Verdict, Verdict]], expected: dict[str, Verdict]) -> dict[str, Any]:
    """Return what is not as it should be: by name, what is said by us and by the viewer, and what should be."""
    return {name: (*both, expected[name]) for name, both in found.items() if set(both) != {expected[name]}}


@pytest.mark.parametrize("suffix", [".tar.zst", ".zip"])
def test_whatever_is_done_to_members_is_refused_at_the_same_step(
    compared: Compared, example: Members, example_pem: bytes, suffix: str
) -> None:
    cases, expected = [], {}
    for sentence, (change, verdict) in MEMBERS.items():
        name = f"{sentence}{suffix}"
        write(compared.folder / name, change(example))
        cases.append(Case(name, example_pem))
        expected[name] = UNREADABLE if suffix == ".zip" and "no members" in sentence else verdict
    assert differing(compared(cases), expected) == {}


@pytest.mark.parametrize("position", [0, 1], ids=["tar.zst", "zip"])
def test_whatever_is_done_to_the_bytes_of_an_archive_is_refused_at_the_same_step(
    compared: Compared, example: Members, example_pem: bytes, position: int
) -> None:
    data = (as_tar, as_zip)[position](example)
    cases, expected = [], {}
    for sentence, (change, verdicts) in ARCHIVES.items():
        name = f"{sentence} ({position})"
        (compared.folder / name).write_bytes(change(data))
        cases.append(Case(name, example_pem))
        expected[name] = verdicts[position]
    assert differing(compared(cases), expected) == {}


@pytest.mark.parametrize("pack", [as_tar, as_zip], ids=["tar.zst", "zip"])
def test_bits_turned_anywhere_are_found_at_the_same_step(
    compared: Compared, example: Members, example_pem: bytes, pack: Callable[[Members], bytes]
) -> None:
    data, cases, chance = pack(example), [], random.Random(8)
    for number in range(FLIPS):
        case = Case(f"{pack.__name__}-{number}", example_pem)
        at = chance.randrange(len(data))
        (compared.folder / case.name).write_bytes(data[:at] + bytes([data[at] ^ 1 << number % 8]) + data[at + 1 :])
        cases.append(case)
    found = compared(cases)
    assert {name: both for name, both in found.items() if both[0] != both[1] or both[0] == VERIFIED} == {}


@pytest.mark.parametrize("algorithm", ["ecdsa-p256-sha256", "ed25519"])
def test_bundles_that_were_signed_like_this_are_judged_alike(
    compared: Compared, example: Members, algorithm: str
) -> None:
    signer, cases, expected = new_signer(algorithm), [], {}
    for sentence, (change, contents, verdict) in OWN.items():
        name = f"{algorithm} {sentence}.tar.zst"
        payload = {member: edit(dict(example)[member]) for member, edit in contents.items()}
        write(compared.folder / name, signed(example, signer, change=change, **payload))
        cases.append(Case(name, signer.public.pem))
        expected[name] = verdict
    cases.append(Case(f"{algorithm} another statement.tar.zst", signer.public.pem))
    write(compared.folder / cases[-1].name, other_statement(signed(example, signer), signer))
    expected[cases[-1].name] = Verdict("failed", 4, "provenance.dsse.json")
    assert differing(compared(cases), expected) == {}


ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**53, 1.5, 1e20, "", "x", "\u00fc\u2028", [], {}, [1], {"__proto__": 1}),
    *("0" * 64, "A" * 64, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.1Z\n", 2**53 - 1),
)
"""Values that a field of export.json may have or not."""


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside of another, keys and positions."""
    for step in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*before, step)
        yield from places(value[step], (*before, step))


def with_value(value: Any, way: tuple[Any, ...], new: Any) -> bytes:
    """Return a copy of a value as JSON, sorted and without white space, with another value somewhere inside."""
    found = json.loads(json.dumps(value))
    reduce(lambda inside, step: inside[step], way[:-1], found)[way[-1]] = new
    return json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def test_whatever_stands_in_export_json_is_judged_alike(compared: Compared, example: Members) -> None:
    signer, values = new_signer("ed25519"), json.loads(dict(example)["export.json"])
    payload = [(name, data) for name, data in example if name not in {*FIRST, *LAST}]
    choices = [(way, new) for way in places(values) for new in ODD]
    cases = []
    for number, (way, new) in enumerate(random.Random(5).sample(choices, ODDITIES)):
        name = f"{number} {'.'.join(map(str, way))}.tar.zst".replace("/", "_")
        write(compared.folder / name, sealed(with_value(values, way, new), payload, signer))
        cases.append(Case(name, signer.public.pem))
    found = compared(cases)
    assert {name: both for name, both in found.items() if both[0] != both[1]} == {}
    assert len(set(found.values())) > 1


@pytest.mark.parametrize("algorithm", ["ecdsa-p256-sha256", "ed25519"])
@pytest.mark.parametrize("suffix", [".tar.zst", ".zip", ""], ids=["tar.zst", "zip", "dir"])
def test_good_bundles_verify_in_every_layout_with_the_right_key_only(
    compared: Compared, example: Members, algorithm: str, suffix: str
) -> None:
    signer, other = new_signer(algorithm), new_signer(algorithm)
    name = f"good {algorithm}{suffix}"
    write(compared.folder / name, signed(example, signer))
    assert compared([Case(name, signer.public.pem)]) == {name: (VERIFIED, VERIFIED)}
    refused = Verdict("failed", 2, "export.json.sig")
    assert compared([Case(name, other.public.pem)]) == {name: (refused, refused)}


FOLDERS: dict[str, tuple[dict[str, bytes | None], Verdict]] = {
    "a file too many": ({"more.txt": b""}, Verdict("failed", 1, "archive")),
    "a file too many below": ({"data/more.txt": b""}, Verdict("failed", 1, "archive")),
    "a payload file that is missing": ({README: None}, Verdict("failed", 1, "archive")),
    "an envelope file that is missing": ({"provenance.json": None}, Verdict("failed", 1, "archive")),
    "another README.md": ({README: b"?"}, Verdict("failed", 5, README)),
    "another export.json": ({"export.json": b"{}"}, Verdict("failed", 2, "export.json.sig")),
    "no export.json": ({"export.json": None}, UNREADABLE),
    "other checksums": ({"checksums.txt": b"?"}, Verdict("failed", 9, "checksums.txt")),
}


def test_folders_are_judged_alike(compared: Compared, example: Members, example_pem: bytes) -> None:
    cases, expected = [], {}
    for sentence, (files, verdict) in FOLDERS.items():
        changed = {**dict(example), **files}
        write(compared.folder / sentence, [(name, data) for name, data in changed.items() if data is not None])
        cases.append(Case(sentence, example_pem))
        expected[sentence] = verdict
    assert differing(compared(cases), expected) == {}
