"""Digests are those that docs/format.md defines, recomputed here the long way."""

from __future__ import annotations

import hashlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from bundle.digests import content_digest, frames_sha256, id_hash, key_hash, observation_id, sha256_hex

KEY = {"tenant": "t", "source": "s", "kind": "advisory", "upstream_id": "CVE-1", "locator": "é"}
FRAMES = st.lists(st.tuples(st.integers(0, 2**63), st.binary(min_size=32, max_size=32)), max_size=5)


def test_the_key_hash_is_that_of_a_json_array() -> None:
    assert key_hash(**KEY) == hashlib.sha256('["t","s","advisory","CVE-1","é"]'.encode()).digest()


def test_the_observation_id_is_that_of_the_key_and_the_content() -> None:
    expected = hashlib.sha256('["t","s","advisory","CVE-1","é","00"]'.encode()).hexdigest()
    assert observation_id(**KEY, sha256="00") == expected


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    moved = {**KEY, "tenant": "ts", "source": ""}
    assert key_hash(**moved) != key_hash(**{**KEY, "tenant": "t", "source": "s"})


def test_the_id_hash_is_the_head_of_the_ids_digest() -> None:
    assert id_hash("é") == hashlib.sha256(b"\xc3\xa9").digest()[:8]


@given(FRAMES)
def test_the_digest_of_frames_is_over_big_endian_sizes_and_digests(frames: list[tuple[int, bytes]]) -> None:
    plain = b"".join(size.to_bytes(8, "big") + digest for size, digest in frames)
    assert frames_sha256(frames) == hashlib.sha256(plain).hexdigest()


def test_the_content_digest_does_not_depend_on_the_order_of_members() -> None:
    members = [("data/b", "2"), ("data/a", "1"), ("data/c", "3")]
    digests = {content_digest(order) for order in itertools.permutations(members)}
    assert digests == {hashlib.sha256(b'[["data/a","1"],["data/b","2"],["data/c","3"]]').hexdigest()}


def test_a_view_has_the_digest_of_its_bytes() -> None:
    assert sha256_hex(memoryview(b"abc")) == hashlib.sha256(b"abc").hexdigest()
