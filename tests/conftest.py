"""Fixtures that every package's tests share, and the summary of what a run did not prove."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """The folder of the whole data pack; tests that need it are skipped without."""
    folder = os.environ.get("EXPORT_CENTER_DATA", "")
    if not folder:
        pytest.skip("EXPORT_CENTER_DATA does not name the data pack")
    return Path(folder)


@pytest.fixture(scope="session")
def counterpart() -> Callable[[str], str]:
    """Return a function from a program's name to its path; it skips the test when the program is missing."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"{program} is not installed")
        return path

    return find
