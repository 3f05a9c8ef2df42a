"""Evidence that all tenants share: written only when the command line says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from cli.ingests import ingest
from evidence.stats import show
from evidence.store import Store

if TYPE_CHECKING:
    import pytest


def test_the_shared_tenant_is_written_only_by_an_explicit_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "A-1.json"
    document.write_text('{"id": "A-1", "modified": "2024-01-01T00:00:00Z", "affected": []}')
    monkeypatch.setenv("EXPORT_CENTER_HOME", str(tmp_path))
    monkeypatch.setenv("EXPORT_CENTER_TENANT", "_shared")

    refused = CliRunner().invoke(ingest, [str(document)])
    nothing = show(Store(str(tmp_path / "evidence")), "A-1", tenants=["_shared"])
    done = CliRunner().invoke(ingest, [str(document), "--tenant", "_shared"], catch_exceptions=False)

    assert "only written when the command says so" in str(refused.exception)
    assert nothing == []
    assert done.exit_code == 0
    assert [record["tenant"] for record in show(Store(str(tmp_path / "evidence")), "A-1", tenants=["_shared"])] == [
        "_shared"
    ]
