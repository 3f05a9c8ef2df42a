"""What is no bundle is called that; what is a bundle, however badly treated, is altered."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from bundle.beginning import LOOK, check_beginning
from bundle.errors import UnreadableError, VerificationError
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"), io.BytesIO())
    return file.getvalue()


def _zip(compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("advisory.json", "{}" * 1_000)
    return file.getvalue()


NO_BUNDLES = {
    "an empty file": b"",
    "one letter": b"x",
    "a text": b"To whom it may concern: this is a letter, and no bundle at all.\n" * 20,
    "a JSON document that names the manifest": b'{"export.json": 1}',
    "a zip of stored members": _zip(zipfile.ZIP_STORED),
    "a zip of compressed members": _zip(zipfile.ZIP_DEFLATED),
    "a plain tar": _tar(),
    "a compressed tar": zstandard.compress(_tar()),
    "a compressed tar that states its size in four bytes": zstandard.compress(_tar() * 20),
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("what", NO_BUNDLES)
def test_what_is_no_bundle_is_not_called_altered(what: str, make_one: Callable[..., Any]) -> None:
    with pytest.raises(UnreadableError, match="the input is no bundle: it "):
        verify(io.BytesIO(NO_BUNDLES[what]), keys=[make_one(1).key])


@pytest.mark.parametrize("layout", ["tar.zst", "zip"])
def test_a_bundle_that_was_cut_off_anywhere_is_still_one(layout: str, make_one: Callable[..., Any]) -> None:
    made = make_one(1, layout=layout)
    data = made.path.read_bytes()
    for size in (*range(1, 2 * LOOK), len(data) - 1):
        with pytest.raises(VerificationError, match="ends early"):
            verify(io.BytesIO(data[:size]), keys=[made.key])


@pytest.mark.parametrize("layout", ["tar.zst", "zip"])
def test_a_bundle_with_any_of_its_first_bytes_flipped_is_still_one(layout: str, make_one: Callable[..., Any]) -> None:
    made = make_one(1, layout=layout)
    data = made.path.read_bytes()
    for place in range(LOOK):
        changed = bytearray(data)
        changed[place] ^= 0xFF
        with pytest.raises(VerificationError):
            verify(io.BytesIO(changed), keys=[made.key])


def test_the_file_that_is_no_bundle_is_named() -> None:
    with pytest.raises(UnreadableError, match=r"^letter.txt is no bundle: it does not begin like one$"):
        check_beginning(b"Dear Sir or Madam", "letter.txt")
