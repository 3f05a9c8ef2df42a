"""A bundle of more than a gigabyte: one record takes little of the file, and verification little memory."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import zstandard

from adapters import ADAPTERS
from adapters.adapter import BATCH_COLUMNS, Request
from bundle.build import PayloadFile, write_bundle
from bundle.digests import id_hash, key_hash, observation_id
from bundle.envelope import sign_envelope
from bundle.forms import LocalFile
from bundle.frames import FrameParameters
from bundle.index import ROOT_ENTRY_BYTES
from bundle.records import find_records, frame_table, members_of
from bundle.source import open_archive
from evidence.schema import RECORDS
from web.assets import VENDOR, VIEWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bundle.keys import PublicKey, Signer

pytestmark = pytest.mark.slow

GIGABYTE = 10**9
MOST = 2_000_000
"""What one record may take of the file, in bytes."""

RECORD_COUNT = 224_000
IN_A_BATCH = 1_000
REAL, NOISE = 16_000, 3_400
"""Characters of a record that are real text, and that do not compress: together they shrink like real evidence."""

HUGE = 100 << 20
"""Characters of one more record, as large as the largest SBOMs."""

SCHEMA = pa.schema([RECORDS.field(name) for name in BATCH_COLUMNS])
LOOK = """
import sys
from pathlib import Path
from bundle.keys import load_public_key
from bundle.verify import verify
verified = verify(Path(sys.argv[1]), keys=[load_public_key(Path(sys.argv[2]).read_bytes())])
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(verified.manifest.counts.records, int(peak.split()[1]) * 1024)
"""
STATIC = Path(__file__).parents[2] / "web" / "static"
IN_THE_VIEWER = """
const found = [];
for (const id of input.ids) {
  const source = ExportCenter.source.fromFile(await chosen(input.path));
  const hits = await ExportCenter.lookup.byId(await ExportCenter.container.open(source), id);
  found.push([hits.map((hit) => hit.id), source.bytesRead]);
}
return found;
"""


@dataclass(frozen=True)
class Large:
    """The bundle, and what its records are called."""

    path: Path
    key: PublicKey
    ids: list[str]


def texts(evidence: Path) -> str:
    """Return the characters of real advisories that need no escape in JSON."""
    with (
        (evidence / "osv-crates.tar.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as plain,
        tarfile.open(fileobj=plain, mode="r|") as members,
    ):
        found = [content.read().decode() for member in members if (content := members.extractfile(member))]
    return "".join(found).encode("ascii", "ignore").decode().translate(dict.fromkeys(b'\n\r\t"\\'))


class Records:
    """Makes records of text that is real and noise that is not, in the order of export."""

    def __init__(self, text: str) -> None:
        source = random.Random(11)
        self._text = text
        self._noise = base64.b64encode(source.randbytes(8 << 20)).decode()
        self._random = source
        self.ids = [f"CVE-{number:09d}" for number in range(RECORD_COUNT)]
        self.ids[RECORD_COUNT // 2] += "-HUGE"

    def batches(self) -> Iterator[pa.RecordBatch]:
        for start in range(0, RECORD_COUNT, IN_A_BATCH):
            rows = [self._row(name) for name in self.ids[start : start + IN_A_BATCH]]
            yield pa.RecordBatch.from_pylist(rows, SCHEMA)

    def _row(self, name: str) -> dict[str, Any]:
        start, at = self._random.randrange(len(self._text) - REAL), self._random.randrange(len(self._noise) - NOISE)
        words, noise = self._text[start : start + REAL], self._noise[at : at + NOISE]
        if name.endswith("HUGE"):
            words, noise = words * (HUGE // 2 // REAL), self._noise * (HUGE // 2 // len(self._noise))
        content = f'{{"id":"{name}","details":"{words}","digests":"{noise}"}}'
        identity = {"tenant": "default", "source": "feed", "kind": "advisory", "upstream_id": name, "locator": name}
        raw = hashlib.sha256(name.encode())
        rest = {
            "ecosystems": [], "format": "osv", "id": name, "kind": "advisory", "locator": name, "modified": None,
            "observationId": observation_id(**identity, sha256=raw.hexdigest()), "purls": [],
            "sha256": raw.hexdigest(), "source": "feed", "subject": None, "tenant": "default",
        }  # fmt: skip
        line = f'{{"content":{content},{json.dumps(rest, separators=(",", ":"))[1:]}\n'.encode()
        return {
            **identity, "sha256": raw.hexdigest(), "key_hash": key_hash(**identity), "id_hash": id_hash(name),
            "raw_sha256": raw.digest(), "line_sha256": hashlib.sha256(line).digest(), "modified": None,
            "ecosystems": [], "severity_stated": [], "format": "osv", "normaliser": "osv/1", "line": line,
        }  # fmt: skip


@pytest.fixture(scope="module")
def large(
    tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path, one_signer: Signer, describe: Callable[..., Any]
) -> Iterator[Large]:
    """Write it with the exporter's own adapter and writers, at their defaults; give the space back afterwards."""
    folder = tmp_path_factory.mktemp("large")
    staging = folder / "staging"
    staging.mkdir()
    records = Records(texts(sample_evidence))
    request = Request(
        tables={"advisories": records.batches}, policy=None, options={}, staging=staging, frames=FrameParameters(),
        workers=2, progress=lambda _table, _records, _size: None,
    )  # fmt: skip
    adapted = ADAPTERS["json:raw"].adapt(request)
    files = [PayloadFile(staged.member, staged.path) for staged in (*adapted.data, *adapted.indexes)]
    envelope = sign_envelope(describe(files, RECORD_COUNT), one_signer)
    out = folder / "large.tar.zst"
    write_bundle(out, layout="tar.zst", envelope=envelope, payload=files)
    shutil.rmtree(staging)
    (folder / "key.pub").write_bytes(one_signer.public.pem)
    yield Large(out, one_signer.public, records.ids)
    shutil.rmtree(folder)


@pytest.mark.counterpart
def test_a_gigabyte_takes_little(large: Large, counterpart: Callable[[str], str]) -> None:
    """One test, so that no second process makes the bundle again."""
    _one_record_takes_little(large)
    _one_record_takes_little_in_the_viewer(large, counterpart("node"))
    _an_id_that_is_not_there_takes_less(large)
    _verification_takes_little_memory(large)


def _one_record_takes_little(large: Large) -> None:
    file = LocalFile(large.path)
    assert file.size >= GIGABYTE
    reader = open_archive(file)
    member = members_of(reader)["data/advisories.jsonl.zst"]
    assert 4 < member.plain_bytes / member.bytes < 8, "real evidence shrinks like this"
    source = random.Random(5)
    chosen = [large.ids[0], large.ids[-1], *source.sample([name for name in large.ids if "HUGE" not in name], 60)]
    for name in [*chosen, *_costliest(file, large)]:
        before = file.bytes_read
        # As the command does: nothing is known of the bundle before.
        (found,) = find_records(open_archive(file), name)
        assert json.loads(found.line)["id"] == name
        assert file.bytes_read - before < MOST, name


def _one_record_takes_little_in_the_viewer(large: Large, node: str) -> None:
    parts = [STATIC / part for part in (*(library.script for library in VENDOR), *VIEWER)]
    program = [node, STATIC.parents[1] / "tests" / "web" / "scripts.js", IN_THE_VIEWER, *parts]
    ids = [large.ids[0], large.ids[-1], *_costliest(LocalFile(large.path), large)]
    value = json.dumps({"path": str(large.path), "ids": ids})
    done = subprocess.run(program, input=value, check=True, capture_output=True, text=True)
    for name, (found, moved) in zip(ids, json.loads(done.stdout), strict=True):
        assert found == [name]
        assert moved < MOST, name


def _costliest(file: LocalFile, large: Large) -> list[str]:
    """Return the last records of the largest frames, for which most has to be read."""
    reader = open_archive(file)
    listed = members_of(reader)
    rows = frame_table(reader, listed["data/advisories.jsonl.zst"], listed)
    ends = [*(row.first_record for row in rows[1:]), len(large.ids)]
    alone = [end - row.first_record == 1 for row, end in zip(rows, ends, strict=True)]
    frames = [(row.compressed_bytes, end) for row, end, one in zip(rows, ends, alone, strict=True) if not one]
    assert sum(alone) == 1, "the huge record has a frame of its own"
    return [large.ids[end - 1] for _, end in sorted(frames)[-5:]]


def _an_id_that_is_not_there_takes_less(large: Large) -> None:
    file = LocalFile(large.path)
    assert not list(find_records(open_archive(file), "CVE-0"))
    assert ROOT_ENTRY_BYTES < file.bytes_read < 200_000


def _verification_takes_little_memory(large: Large) -> None:
    program = [sys.executable, "-c", LOOK, large.path, large.path.parent / "key.pub"]
    done = subprocess.run(program, check=True, capture_output=True, text=True, env=os.environ)
    records, peak = map(int, done.stdout.split())
    assert records == RECORD_COUNT
    assert peak < 200 << 20
