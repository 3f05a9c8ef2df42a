"""Every document of the data pack: the format that its manifest states, or an explained difference."""

from __future__ import annotations

import csv
import io
import tarfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import zstandard

from evidence.line import Identity, Rejected, Row, derive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORED_AS = {
    "osv": "osv",
    "yaml:osv": "osv+yaml",
    "cve5": "cve5",
    "csaf:csaf_vex": "csaf-vex",
    "csaf:csaf_security_advisory": "csaf",
    "openvex": "openvex",
    "cyclonedx": "cyclonedx",
    "cyclonedx-vex": "cyclonedx-vex",
    "cyclonedx-vdr": "cyclonedx-vdr",
    "spdx2": "spdx2",
    "spdx3": "spdx3",
    "sarif": "sarif",
    "bin/sarif": "sarif",
}
"""The manifest's name of a format, and ours."""

NEVER_STORED = {
    *("?", "xml", "in-toto", "json-array", "json-scalar", "yaml:other", "yaml:array"),
    *("bin/db", "bin/gz", "bin/jd"),
}
"""The manifest's names of what is no evidence or cannot be read."""

DIFFERENCES = {
    # The manifest does not look into golden files, and looks for tag-value in whatever is named .spdx.
    ("bin/golden", "trivy-json"): 83,
    ("bin/golden", "cyclonedx"): 3,
    ("bin/golden", "cyclonedx-vdr"): 3,
    ("bin/golden", "spdx2"): 2,
    ("bin/golden", "sarif"): 1,
    ("bin/golden", "rejected"): 29,
    ("spdx", "spdx2"): 3,
    ("spdx", "rejected"): 24,
    # It knows no Trivy reports, and did not look into the wheels.
    ("json-other", "trivy-json"): 12,
    ("json-other", "rejected"): 1351,
    ("", "cyclonedx"): 14,
    ("", "rejected"): 15,
    # "bomFormat" is "AnotherFormat" or misspelled: test documents of what is invalid.
    ("cyclonedx", "rejected"): 7,
    # It has the JSON-LD context of SPDX 3.
    ("spdx2", "spdx3"): 1,
}
"""(The manifest's format, ours) and in how many documents: where the two differ."""


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        for member in tar:
            if (content := tar.extractfile(member)) is not None:
                yield member.name.removeprefix("./"), content.read()


@pytest.fixture(scope="module")
def answers(data_pack: Path) -> list[tuple[str, str, Row | Rejected]]:
    """(The manifest's format, its document id, what derive says) of every document, without the bytes."""
    text = zstandard.ZstdDecompressor().stream_reader((data_pack / "manifest.tsv.zst").read_bytes()).read().decode()
    stated = {
        (row["archive"], row["path"]): (row["format"], row["document_id"])
        for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    }
    found = []
    for archive in sorted({archive for archive, _ in stated}):
        for path, document in _members(data_pack / archive):
            if (archive, path) in stated:
                answer = derive(document, Identity("default", "pack", path))
                light = answer if isinstance(answer, Rejected) else answer._replace(raw=b"", line=b"", affected=[])
                found.append((*stated[archive, path], light))
    assert len(found) == len(stated)
    return found


@pytest.mark.data
@pytest.mark.slow
def test_every_document_has_the_format_that_the_manifest_states(answers: list[tuple[str, str, Row | Rejected]]) -> None:
    found = Counter(
        (stated, "rejected" if isinstance(answer, Rejected) else answer.format.partition("/")[0])
        for stated, _, answer in answers
    )

    differences = {
        (stated, ours): count
        for (stated, ours), count in found.items()
        if ours != ("rejected" if stated in NEVER_STORED else STORED_AS.get(stated))
    }
    assert differences == DIFFERENCES


@pytest.mark.data
@pytest.mark.slow
def test_every_id_is_the_one_that_the_manifest_states(answers: list[tuple[str, str, Row | Rejected]]) -> None:
    others = [
        (stated, answer.upstream_id)
        for _, stated, answer in answers
        if isinstance(answer, Row) and stated and answer.upstream_id != stated
    ]

    assert others == []


@pytest.mark.data
@pytest.mark.slow
def test_every_rejection_has_a_sentence(answers: list[tuple[str, str, Row | Rejected]]) -> None:
    rejected = Counter(answer.category for _, _, answer in answers if isinstance(answer, Rejected))

    assert set(rejected) == {"unreadable", "unrecognised"}
    assert all(len(answer.reason) > 15 for _, _, answer in answers if isinstance(answer, Rejected))
