"""A real feed at three moments, each told by --sync: what changed is what git says that changed."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Depot

pytestmark = [pytest.mark.data, pytest.mark.slow]

SET = "delta/osv-bitnami"


@pytest.fixture(scope="module")
def trees(data_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    with (
        (data_pack / SET / "trees.tar.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        archive.extractall(folder, filter="data")
    return folder


def test_a_feed_is_followed_through_its_states(new_depot: Callable[[], Depot], trees: Path, data_pack: Path) -> None:
    truth = json.loads((data_pack / SET / "truth.json").read_text())
    depot, directly = new_depot(), new_depot()

    first = depot.ingest(trees / "delta-old", source="osv-bitnami", sync=True)
    assert first.stored == truth["trees"]["delta-old"]["documents"] == 5_384
    for before, after in (("delta-old", "delta-mid"), ("delta-mid", "delta-new")):
        report = depot.ingest(trees / after, source="osv-bitnami", sync=True)
        stated = truth["diffs"][f"{before}..{after}"]
        assert (report.stored, report.removed) == (stated["added"] + stated["changed"], stated["removed"])
        assert report.unchanged == stated["unchanged"]

    directly.ingest(trees / "delta-new", source="osv-bitnami")
    assert depot.keys() == directly.keys()
    assert depot.lines() == directly.lines()
    assert len(depot.keys()) == truth["trees"]["delta-new"]["documents"] == 7_444
