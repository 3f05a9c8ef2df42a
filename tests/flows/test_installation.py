"""Whoever starts the service and whoever does a run find the same installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.installation import LEDGER, environment, installation, ledger_url
from flows.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_processes_in_other_folders_find_what_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = {"home": "here", "key": "file:keys/team.key", "workers": 3, "memory_limit": "300MB", "tenant": "acme"}
    made = environment(load_settings(flags, environ={}), {"PATH": "/bin"})
    monkeypatch.chdir("/")
    found = installation(made, clock=lambda: 0)
    assert (found.store, found.bundles) == (str(tmp_path / "here" / "evidence"), tmp_path / "here" / "bundles")
    assert (found.key, found.workers, found.memory_limit) == (f"file:{tmp_path}/keys/team.key", 3, "300MB")
    assert found.profiles == tmp_path / "here" / "profiles"
    assert ledger_url(made) == f"sqlite:///{tmp_path}/here/ledger.db"
    assert made["PATH"] == "/bin"


def test_a_ledger_or_key_that_is_no_file_stays_as_it_is() -> None:
    flags = {"home": "/somewhere", "key": "kms:team"}
    made = environment(load_settings(flags, environ={}), {LEDGER: "postgresql://ops@db/ledger"})
    assert (ledger_url(made), made["EXPORT_CENTER_KEY"]) == ("postgresql://ops@db/ledger", "kms:team")
