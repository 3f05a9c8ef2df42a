"""Everything written is on disk when a bundle is finished, and a disk that fails on the way is heard of."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from bundle import durable
from bundle.durable import DurableWriter

if TYPE_CHECKING:
    from pathlib import Path


def test_the_disk_is_asked_to_take_what_was_written_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "FLUSH_BYTES", 1000)
    asked: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: asked.append(os.fstat(descriptor).st_size))
    with (tmp_path / "file").open("wb", buffering=0) as raw, DurableWriter(raw) as file:
        for _ in range(5):
            file.write(b"x" * 600)
        assert len(asked) <= 2
        file.finish()
    assert asked
    assert asked[0] >= 1200
    assert (tmp_path / "file").read_bytes() == b"x" * 3000


def test_a_disk_that_fails_while_a_bundle_is_written_is_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable, "FLUSH_BYTES", 10)
    monkeypatch.setattr(os, "fdatasync", fail)
    with (tmp_path / "file").open("wb") as raw, DurableWriter(raw) as file:
        file.write(b"x" * 20)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            file.finish()
