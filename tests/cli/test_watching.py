"""Reading a bundle for long shows on a terminal how far it is, and nothing anywhere else."""

from __future__ import annotations

import io
import sys

import pytest

from cli import watching
from cli.watching import watched


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> str:
    """Return what appears while three pieces are read."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", patience)
    with watched("verifying") as watch:
        for name in ("export.json", "data/vex.jsonl.zst", "data/vex.jsonl.zst"):
            watch(name, bytes(2_000_000))
    return stream.getvalue()


def test_a_terminal_is_told_what_is_read_and_how_much_was(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "verifying" in (seen := shown(Terminal(), monkeypatch, patience=0))
    assert "6 MB, data/vex.jsonl.zst" in seen


def test_what_is_done_soon_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(Terminal(), monkeypatch, patience=3600) == ""


def test_a_pipe_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(io.StringIO(), monkeypatch, patience=0) == ""
