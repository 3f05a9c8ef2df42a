"""What can be done to a bundle, each in a sentence, and what a verifier has to say of it then."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from tests.web.tampering import Members, flipped, new_signer, other_half, replaced

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = "data/advisories.jsonl.zst"
README = "README.md"


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
"""Files of a folder that are changed, added, or (None) taken away."""
