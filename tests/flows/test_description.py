"""What the manifest counts: exactly what there is, within bounds that no evidence can break."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bundle.counting import LISTED, OTHERS
from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair, load_public_key
from bundle.verify import verify
from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from evidence.times import parse_time
from flows.pipeline import run
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from pathlib import Path


def test_values_of_any_length_and_number_are_exported_and_verified(tmp_path: Path) -> None:
    words = ["E" * 4_000, *(f"word {number}" for number in range(LISTED))]
    affected = [{"package": {"ecosystem": word, "name": "x"}} for word in words]
    document = {"id": "X-1", "schema_version": "1.6.0", "modified": "2024-01-01T00:00:00Z", "affected": affected}
    (tmp_path / "long.json").write_text(json.dumps(document))
    store, moment = Store(str(tmp_path / "evidence")), parse_time("2026-01-01T00:00:00Z")
    assert moment is not None
    ingest(store, [tmp_path / "long.json"], IngestOptions(tenant="default", observed_at=moment, workers=1))
    save_key_pair(tmp_path, "main", generate_key_pair())
    request = ExportRequest(
        profile="json-raw", store=store.root, key=f"file:{tmp_path}/main.key", out=str(tmp_path / "bundle.tar.zst")
    )
    path = run(*prepare(request)).written.path
    counts = verify(path, keys=[load_public_key((tmp_path / "main.pub").read_bytes())], deep=True).manifest.counts
    assert len(counts.by_ecosystem) == LISTED + 1
    assert counts.by_ecosystem[OTHERS] == 1
