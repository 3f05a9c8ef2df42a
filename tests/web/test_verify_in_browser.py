"""The viewer's verifier and ours say the same of every bundle: verified, or refused at the same step and member."""

from __future__ import annotations

import json
import random
import subprocess
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bundle.envelope import FIRST, LAST
from bundle.errors import UnreadableError, VerificationError
from bundle.keys import load_public_key
from bundle.verify import verify
from tests.web.alterations import ARCHIVES, FOLDERS, MEMBERS, UNREADABLE, VERIFIED, Verdict
from tests.web.misstatements import OWN
from tests.web.tampering import (
    Members,
    as_tar,
    as_zip,
    members_of,
    new_signer,
    other_statement,
    sealed,
    signed,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "example"
STATIC = ROOT / "web" / "static"
FLIPS = 150
"""Random single bits that are turned in each layout."""

ODDITIES = 200
"""Fields of export.json that are given another value."""

pytestmark = pytest.mark.counterpart


class Case(NamedTuple):
    """What both verifiers are given: a path below the cases' folder, and the key they trust."""

    name: str
    pem: bytes


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

    shared = ("app/errors.js", "app/hash.js", "app/source.js", "app/folders.js", "app/zstd.js")
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


def test_folders_are_judged_alike(compared: Compared, example: Members, example_pem: bytes) -> None:
    cases, expected = [], {}
    for sentence, (files, verdict) in FOLDERS.items():
        changed = {**dict(example), **files}
        write(compared.folder / sentence, [(name, data) for name, data in changed.items() if data is not None])
        cases.append(Case(sentence, example_pem))
        expected[sentence] = verdict
    assert differing(compared(cases), expected) == {}
