"""A small world to look at: a service with runs of every outcome, the static site of its bundles, and one extracted."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bundle.extract import extract
from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair, load_public_key
from tests.server.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Running

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
POLICY = {"profileId": "json-policy", "policySnapshotId": "policy-snap-example"}


class World(NamedTuple):
    """What there is to look at.

    Attributes:
        running: The service, and the engine that holds runs back when it is told so.
        site: The folder of a static site of the bundles "everything" and "crates".
        extracted: The folder of the bundle "everything".
        archives: The two bundles, by these names.
        runs: The run ids: "everything", "crates", and one that "failed".
        pem: The key that made them.
    """

    running: Running
    site: Path
    extracted: Path
    archives: dict[str, Path]
    runs: dict[str, str]
    pem: str

    @property
    def url(self) -> str:
        """Where the service is."""
        return self.running.url


@contextmanager
def made(folder: Path, sample_evidence: Path) -> Iterator[World]:
    """Make the world in a folder, and end it."""
    home, state = folder / "home", folder / "state"
    state.mkdir()
    _ingest(home, sample_evidence)
    with serving(home, state) as running:
        runs = {
            "everything": running.submit(**POLICY),
            "crates": running.submit(selectors={"sources": ["osv-crates"]}),
            "failed": running.submit(selectors={"ecosystems": ["Nowhere"]}),
        }
        ended = {name: running.ended(run_id)["status"] for name, run_id in runs.items()}
        assert ended == {"everything": "success", "crates": "success", "failed": "failed"}
        archives = {name: _named(folder, state, name, runs[name]) for name in ("everything", "crates")}
        key = home / "keys" / "default.pub"
        extract(archives["everything"], folder / "extracted", keys=[load_public_key(key.read_bytes())])
        _build(folder / "site", key, archives)
        yield World(running, folder / "site", folder / "extracted", archives, runs, key.read_text())


def _ingest(home: Path, sample_evidence: Path) -> None:
    from evidence.ingest import IngestOptions, ingest
    from evidence.store import Store

    store = Store(str(home / "evidence"))
    options = IngestOptions(tenant="acme", observed_at=datetime.now(UTC))
    ingest(store, sorted(sample_evidence.glob("*.tar.zst")), options)
    snapshot = IngestOptions(tenant="acme", observed_at=datetime.now(UTC), kind="policy-snapshot")
    ingest(store, [EXAMPLES / "policy" / "policy-snapshot.json"], snapshot)
    save_key_pair(home / "keys", "default", generate_key_pair("ecdsa-p256-sha256"))


def _named(folder: Path, state: Path, name: str, run_id: str) -> Path:
    """Give the bundle of a run a name that people would give it."""
    path = folder / f"{name}.tar.zst"
    (made,) = (found for found in (state / "bundles").rglob("*.tar.zst") if run_id in str(found))
    path.hardlink_to(made)
    return path


def _build(site: Path, key: Path, archives: dict[str, Path]) -> None:
    bundles = [word for path in archives.values() for word in ("--bundle", path)]
    command = [sys.executable, "-m", "cli", "site", "build", "--out", site, "--key", key, "--link", *bundles]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
