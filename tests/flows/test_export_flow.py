"""The pipeline under a real Prefect server makes the same bytes as the plain run."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from bundle.keys import generate_key_pair, load_public_key, save_key_pair
from bundle.verify import verify
from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from evidence.times import parse_time
from flows.pipeline import run
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def request_of_sample(tmp_path: Path, sample_evidence: Path) -> ExportRequest:
    """A request over a store that holds one real feed."""
    store, moment = str(tmp_path / "evidence"), parse_time("2026-01-01T00:00:00Z")
    assert moment is not None
    ingest(Store(store), [sample_evidence / "osv-crates.tar.zst"], IngestOptions(tenant="default", observed_at=moment))
    save_key_pair(tmp_path, "flow", generate_key_pair())
    return ExportRequest(
        profile="json-raw", store=store, key=f"file:{tmp_path / 'flow.key'}", out=str(tmp_path / "plain.tar.zst")
    )


@pytest.mark.slow
def test_prefect_and_the_plain_runner_make_the_same_bundle(request_of_sample: ExportRequest, tmp_path: Path) -> None:
    plan, parts = prepare(request_of_sample)
    plain = run(plan, parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import msgspec
        from prefect.testing.utilities import prefect_test_harness

        from flows.export import export

        wanted = msgspec.structs.replace(request_of_sample, out=str(tmp_path / "flow.tar.zst"))
        with prefect_test_harness(server_startup_timeout=300):
            summary = export(msgspec.to_builtins(wanted))
    assert summary["sha256"] == plain.written.sha256
    key = load_public_key((tmp_path / "flow.pub").read_bytes())
    assert verify(tmp_path / "flow.tar.zst", keys=[key], deep=True).manifest == plain.manifest
    assert not list(tmp_path.glob(".export-*"))
