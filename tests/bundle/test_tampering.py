"""Whatever is done to a bundle after it was signed is refused, and the refusal names the step and the member."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundle import seekable, ziplayout
from bundle import verify as module
from bundle.envelope import FIRST, checksums
from bundle.errors import UnreadableError, VerificationError
from bundle.keys import ECDSA, generate_key_pair, load_public_key
from bundle.source import open_bundle
from bundle.verify import verify
from tests.web.tampering import as_tar, as_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bundle.keys import PublicKey
    from bundle.manifest import Manifest

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Members = list[tuple[str, bytes]]
SIGNATURES = {"export.json": "export.json.sig"}
"""Members whose change shows in another: what is signed is not parsed before its signature has been checked."""


PACKERS: Mapping[str, Callable[[Members], bytes]] = {"tar.zst": as_tar, "zip": as_zip}


class Sealed(NamedTuple):
    """A bundle to tamper with: its members, its bytes, and the key that it is signed with."""

    form: str
    members: Members
    data: bytes
    key: PublicKey

    def refusal(self, data: bytes) -> VerificationError:
        """Return the error that some bytes are refused with."""
        with pytest.raises(VerificationError) as caught:
            verify(io.BytesIO(data), keys=[self.key])
        return caught.value


@pytest.fixture(params=["tar.zst", "zip"])
def sealed(request: pytest.FixtureRequest, make_one: Callable[..., Any]) -> Sealed:
    made = make_one(2, layout=request.param)
    reader = open_bundle(made.path)
    members = [(name, reader.read(name)) for name in reader.names]
    return Sealed(request.param, members, made.path.read_bytes(), made.key)


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the signatures over the same bytes once: thousands of flips lie elsewhere."""
    known: dict[tuple[bytes, ...], tuple[Manifest, PublicKey]] = {}
    check = module._check_signed

    def check_once(files: dict[str, bytes], state: Any) -> tuple[Manifest, PublicKey]:
        key = tuple(files.values())
        if key not in known:
            known[key] = check(files, state)
        return known[key]

    others: set[tuple[bytes, ...]] = set()
    check_others = module._check_others

    def check_others_once(files: dict[str, bytes], key: PublicKey) -> None:
        if tuple(files.values()) not in others:
            check_others(files, key)
            others.add(tuple(files.values()))

    monkeypatch.setattr(module, "_check_signed", check_once)
    monkeypatch.setattr(module, "_check_others", check_others_once)


def test_packing_the_members_again_gives_the_same_archive(sealed: Sealed) -> None:
    assert PACKERS[sealed.form](sealed.members) == sealed.data


def _places(sealed: Sealed) -> Iterator[tuple[int, str]]:
    """Yield every byte's place, and the member whose content it is, or "archive"."""
    spans, end = {}, 0
    for name, content in sealed.members:
        begin = sealed.data.index(name.encode(), end)
        # A small bundle is one frame of one block: members lie in it as they are.
        begin = sealed.data.index(content, begin) if content else begin
        end = begin + len(content)
        spans.update(dict.fromkeys(range(begin, end), name))
    return ((place, spans.get(place, "archive")) for place in range(len(sealed.data)))


@pytest.mark.slow
@pytest.mark.usefixtures("remembered")
def test_no_byte_at_all_can_be_flipped(sealed: Sealed) -> None:
    data, names = bytearray(sealed.data), {name for name, _ in sealed.members}
    last = {"checksums.txt": (9, "checksums.txt"), "cosign.pub": (10, "cosign.pub")}
    # A zip's CRC-32 is checked as soon as a member has been read, before what it says, save for digests of the payload.
    crc = {(1, "archive")} if sealed.form == "zip" else set()
    for place, member in _places(sealed):
        data[place] ^= 1 << place % 8
        error = sealed.refusal(bytes(data))
        data[place] ^= 1 << place % 8
        found = (error.step, error.member)
        if member == "archive":
            assert error.member in {*names, "archive"}, place
        elif member in FIRST:
            assert (error.step in {1, 2, 4} and error.member in FIRST) or found in crc, (place, found)
        else:
            assert found in {last.get(member, (6, member)), *crc}, (place, found)
    assert verify(io.BytesIO(bytes(data)), keys=[sealed.key])


def test_no_bit_of_a_byte_that_says_how_to_read_the_rest_can_be_flipped(sealed: Sealed) -> None:
    ends = [*range(40), *range(len(sealed.data) - 60, len(sealed.data))]
    for place in ends:
        for bit in range(8):
            data = bytearray(sealed.data)
            data[place] ^= 1 << bit
            assert sealed.refusal(bytes(data)).step


@pytest.mark.usefixtures("remembered")
def test_no_truncation_goes_unnoticed(sealed: Sealed) -> None:
    for size in {*range(1, len(sealed.data), 97), len(sealed.data) - 1}:
        assert sealed.refusal(sealed.data[:size]).step == 1


def test_no_byte_can_be_added(sealed: Sealed) -> None:
    source = random.Random(3)
    for place in [0, len(sealed.data), *source.sample(range(len(sealed.data)), 40)]:
        for extra in (b"\0", sealed.data[place : place + 1] or b"P"):
            assert sealed.refusal(sealed.data[:place] + extra + sealed.data[place:]).step
    assert "follow the end" in str(sealed.refusal(sealed.data + sealed.data))


def _dropped(members: Members, at: int) -> tuple[Members, set[str]]:
    """Drop a member: it is named, by the step that asks for it."""
    return members[:at] + members[at + 1 :], {members[at][0]}


def _doubled(members: Members, at: int) -> tuple[Members, set[str]]:
    """Put a member in twice: the one that the second stands in place of is named, or the second itself at the end."""
    after = members[at + 1][0] if at + 1 < len(members) else members[at][0]
    return [*members[: at + 1], *members[at:]], {after}


def _added(members: Members, at: int) -> tuple[Members, set[str]]:
    after = members[at + 1][0] if at + 1 < len(members) else "data/extra.json"
    return [*members[: at + 1], ("data/extra.json", b"{}"), *members[at + 1 :]], {after}


def _swapped(members: Members, at: int) -> tuple[Members, set[str]]:
    other = (at + 1) % len(members)
    changed = list(members)
    changed[at], changed[other] = changed[other], changed[at]
    return changed, {members[min(at, other)][0]}


def _renamed(members: Members, at: int) -> tuple[Members, set[str]]:
    name, data = members[at]
    return [*members[:at], (f"x{name}", data), *members[at + 1 :]], {name}


def _changed(members: Members, at: int) -> tuple[Members, set[str]]:
    name, data = members[at]
    changed = data[:-1] + bytes([data[-1] ^ 1]) if data else b"x"
    return [*members[:at], (name, changed), *members[at + 1 :]], {SIGNATURES.get(name, name)}


def _lengthened(members: Members, at: int) -> tuple[Members, set[str]]:
    name, data = members[at]
    return [*members[:at], (name, data + b"\n"), *members[at + 1 :]], {SIGNATURES.get(name, name)}


def _exchanged(members: Members, at: int) -> tuple[Members, set[str]]:
    """Let two members of the bundle exchange their contents."""
    other = (at + 1) % len(members)
    changed = list(members)
    changed[at], changed[other] = (members[at][0], members[other][1]), (members[other][0], members[at][1])
    named = {members[at][0], members[other][0]}
    return changed, named | {SIGNATURES.get(name, name) for name in named}


EDITS = [_dropped, _doubled, _added, _swapped, _renamed, _changed, _lengthened, _exchanged]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__.strip("_"))
def test_whatever_is_done_to_a_member_is_refused_and_named(
    sealed: Sealed, edit: Callable[[Members, int], tuple[Members, set[str]]]
) -> None:
    """Also when the archive is written again, whole and well-formed, around it."""
    for at in range(len(sealed.members)):
        members, named = edit(sealed.members, at)
        error = sealed.refusal(PACKERS[sealed.form](members))
        assert error.member in named, (at, str(error))
        assert 1 <= error.step <= 11
        assert error.advice


def _twin(signature: bytes) -> bytes:
    """Return the other ECDSA signature that the same key verifies: anybody can make it."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


def _with_twins(members: Members, name: str) -> Members:
    """Exchange one signature for its twin in every member that states it, and correct the checksums."""
    files = dict(members)
    if name == "export.json.sig":
        old = base64.b64decode(files[name])
    else:
        old = base64.b64decode(json.loads(files["provenance.dsse.json"])["signatures"][0]["sig"])
    spelt = [base64.b64encode(each) for each in (old, _twin(old))]
    files = {each: data.replace(*spelt) if each in FIRST else data for each, data in files.items()}
    listed = {each: hashlib.sha256(data).hexdigest() for each, data in files.items() if each != "checksums.txt"}
    return list({**files, "checksums.txt": checksums(listed)}.items())


@pytest.mark.parametrize("signer", [ECDSA], indirect=True)
@pytest.mark.parametrize(("name", "refused"), [("export.json.sig", 2), ("provenance.dsse.json", 4)])
def test_a_signature_cannot_be_exchanged_for_its_twin(make_bundle: Callable[..., Any], name: str, refused: int) -> None:
    made = make_bundle(2)
    reader = open_bundle(made.path)
    members = [(each, reader.read(each)) for each in reader.names]
    changed = _with_twins(members, name)
    assert [each for each, _ in changed] == [each for each, _ in members]
    assert changed != members
    error = Sealed("tar.zst", members, b"", made.key).refusal(as_tar(changed))
    assert (error.step, error.member) == (refused, name)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_list_of_members_is_refused(data: st.DataObject, sealed: Sealed) -> None:
    members = data.draw(
        st.permutations(sealed.members).flatmap(lambda all_: st.lists(st.sampled_from(all_), min_size=1))
        | st.permutations(sealed.members)
    )
    if members != sealed.members:
        assert sealed.refusal(PACKERS[sealed.form](members)).member


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parts_of_a_bundle_put_together_in_another_way_are_refused(data: st.DataObject, sealed: Sealed) -> None:
    places = st.integers(0, len(sealed.data))
    pieces = data.draw(st.lists(st.tuples(places, places), min_size=1, max_size=4))
    changed = b"".join(sealed.data[min(pair) : max(pair)] for pair in pieces)
    if changed != sealed.data:
        with pytest.raises((VerificationError, UnreadableError)):  # the latter of a middle: it may be anything
            verify(io.BytesIO(changed), keys=[sealed.key])


@settings(max_examples=200)
@given(data=st.binary(max_size=3000), head=st.sampled_from([b"", ziplayout.MAGIC, seekable.MAGIC]))
def test_garbage_is_refused_or_no_bundle(data: bytes, head: bytes) -> None:
    with pytest.raises((VerificationError, UnreadableError)):
        verify(io.BytesIO(head + data), keys=[KEY])


KEY = load_public_key(generate_key_pair()[1])
