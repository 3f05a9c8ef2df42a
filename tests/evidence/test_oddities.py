"""Oddities of real documents: each is stored as it is, or quarantined with its bytes and a reason."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Depot

CRATE = ("osv-crates", "crates/RUSTSEC-2021-0001.json")
TRAILING = "testdata/csaf-documents/trailing-garbage-data/avendor-advisory-0004.json"
LARGE = "pkg/vulnsrc/alma/testdata/happy/vuln-list/alma/8/2021/ALSA-2021-3076.json"


@pytest.fixture(scope="module")
def sample(new_depot: Callable[[], Depot], sample_evidence: Path) -> Depot:
    """A depot with the whole sample."""
    depot = new_depot()
    depot.ingest(*sorted(sample_evidence.glob("*.tar.zst")))
    return depot


@pytest.fixture(scope="module")
def real(sample_evidence: Path) -> Callable[[str, str], bytes]:
    """Read a document from the sample's archives with other code than ours."""

    def read(source: str, path: str) -> bytes:
        with (
            (sample_evidence / f"{source}.tar.zst").open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            for member in archive:
                content = archive.extractfile(member)
                if content is not None and member.name.removeprefix("./") == path:
                    return content.read()
        raise AssertionError(f"{path} is not in {source}")

    return read


def test_every_file_of_the_sample_is_accounted_for(sample: Depot, sample_evidence: Path) -> None:
    files = 0
    for path in sample_evidence.glob("*.tar.zst"):
        with (
            path.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            files += sum(member.isfile() for member in archive)

    assert len(sample.records()) + len(sample.rows("quarantine")) == files > 3_000


def test_documents_that_share_an_id_are_all_there(sample: Depot) -> None:
    hub = [row for row in sample.rows("vex") if row["source"] == "openvex-aqua-vexhub"]
    counts = Counter(row["upstream_id"] for row in hub)
    shared = [name for name, count in counts.items() if count > 1]

    assert (len(hub), len({row["key_hash"] for row in hub})) == (59, 59)
    assert (len(shared), sum(counts[name] for name in shared)) == (4, 55)
    assert len({row["sha256"] for row in hub if row["upstream_id"] == max(counts, key=counts.__getitem__)}) == 36


def test_dates_of_the_year_1_are_kept_as_stated(sample: Depot) -> None:
    rows = [row for row in sample.rows("advisories") if row["modified"] is not None and row["modified"].year == 1]

    assert {row["upstream_id"] for row in rows} == {"GO-2024-2683", "GO-2024-2687", "GO-2025-3487"}
    assert all(b'"modified":"0001-01-01T00:00:00Z","observationId"' in row["line"] for row in rows)


QUARANTINED = {
    ("vex-fixtures-gocsaf", TRAILING): "not JSON: Extra data: line 171",
    ("osv-fixtures-appthreat", "test/data/gha_prob.json"): "not JSON: Invalid \\escape",
    ("feed-friendsofphp", "typo3/cms/2015-12-15-1.yaml"): "a FriendsOfPHP advisory",
    ("trivy-db-fixtures", LARGE): 'a JSON object with the keys "_id", "bs_repo_id", ',
}


@pytest.mark.parametrize("place", QUARANTINED, ids=str)
def test_a_real_document_is_quarantined_with_its_bytes(
    sample: Depot, real: Callable[[str, str], bytes], place: tuple[str, str]
) -> None:
    found = [row for row in sample.rows("quarantine") if (row["source"], row["locator"]) == place]

    assert len(found) == 1
    assert found[0]["reason"].startswith(QUARANTINED[place])
    assert found[0]["raw"] == real(*place)


def _key_twice(document: bytes) -> bytes:
    return document.replace(b'"id"', b'"id": "RUSTSEC-2021-9999", "id"', 1)


def _with(text: str) -> Callable[[bytes], bytes]:
    """Return a function that puts a field at the end of a JSON object."""
    return lambda document: document.rstrip().removesuffix(b"}").rstrip() + b", " + text.encode() + b"}"


STORED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda document: document,
    "a byte order mark": lambda document: b"\xef\xbb\xbf" + document,
    "line ends of another system": lambda document: document.replace(b"\n", b"\r\n"),
    "no line end": bytes.rstrip,
    "white space around it": lambda document: b"\n\t " + document + b"\n\n\r\n ",
    "an integer beyond 2^53": _with('"oddity": {"bs_repo_id": 8040020210810210707}'),
    "a number of 5,000 digits": _with(f'"oddity": {{"n": {"7" * 5000}}}'),
    "numbers as nobody prints them": _with('"oddity": [1e-05, 0.00005, 9.0, 7.50, 1E3, -0, -0.0, 1e400]'),
    "an escaped pair of surrogates": _with('"oddity": "\\ud83d\\ude00 \\u0000 \\/"'),
    "text that is not composed": _with('"oddity": "e\u0301 \u200b\u202e \u0435"'),
    "separators of lines in a text": _with('"oddity": "\u2028\u2029\x7f\u0085"'),
}
"""What is done to a real advisory, which is stored all the same."""


@pytest.mark.parametrize("case", STORED)
def test_a_document_with_this_is_stored_lexeme_for_lexeme(
    depot: Depot, real: Callable[[str, str], bytes], case: str
) -> None:
    document = STORED[case](real(*CRATE))

    depot.put({"a.json": document})

    [row] = depot.records()
    content = row["line"][len(b'{"content":') : row["line"].rindex(b',"ecosystems":')]
    assert row["raw"] == document
    assert row["upstream_id"] == "RUSTSEC-2021-0001"
    assert _tokens(content) == _tokens(document.removeprefix(b"\xef\xbb\xbf"))
    assert row["line"].count(b"\n") == 1
    assert content.translate(None, b" \t\r\n") == document.removeprefix(b"\xef\xbb\xbf").translate(None, b" \t\r\n")


def _tokens(document: bytes) -> Any:
    return json.loads(document, parse_int=str, parse_float=str, object_pairs_hook=lambda pairs: pairs)


REFUSED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a key twice": (_key_twice, 'the key "id" occurs twice in one object'),
    "UTF-16": (lambda document: document.decode().encode("utf-16"), "encoded as UTF-16"),
    "UTF-16 without a mark": (lambda document: document.decode().encode("utf-16-le"), "encoded as UTF-16"),
    "UTF-32": (lambda document: document.decode().encode("utf-32"), "encoded as UTF-32"),
    "another encoding": (_with('"x": "caf\u00e9"'), "not UTF-8"),
    "trailing garbage": (lambda document: document + b"<!-- -->", "not JSON: Extra data"),
    "half of a pair of surrogates": (_with('"x": "\\ud800"'), "half of a surrogate pair"),
    "numbers that are none": (_with('"x": NaN'), "NaN is no JSON number"),
    "its end missing": (lambda document: document[: len(document) // 2], "not JSON: "),
    "nothing": (lambda _: b"", "the document is empty"),
    "only white space": (lambda _: b" \n", "only white space"),
    "nesting without end": (_with(f'"x": {"[" * 5000}{"]" * 5000}'), "nested deeper than 200 levels"),
    "a derived field": (_with('"effective_severity": "low"'), "the Aggregation-Only Contract"),
    "a pointer to it": (
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "a Git LFS pointer",
    ),
}  # fmt: skip
"""What is done to a real advisory, and why it is quarantined then."""


@pytest.mark.parametrize("case", REFUSED)
def test_a_document_with_this_is_quarantined_with_its_bytes(
    depot: Depot, real: Callable[[str, str], bytes], case: str
) -> None:
    change, reason = REFUSED[case]
    document = change(real(*CRATE))
    if case == "another encoding":
        document = document.replace("\u00e9".encode(), b"\xe9")

    report = depot.put({"a.json": document})

    assert (report.stored, report.quarantined) == (0, 1)
    [row] = depot.rows("quarantine")
    assert reason in row["reason"]
    assert row["raw"] == document
