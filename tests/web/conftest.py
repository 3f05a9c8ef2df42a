"""Facts of bundles for the pages' tests: a friendly one and a hostile one."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bundle.keyfiles import save_key_pair
from bundle.keys import Signer, generate_key_pair, signer_from_uri
from bundle.manifest import (
    Component,
    Counts,
    Manifest,
    Member,
    Normaliser,
    PolicySnapshotFacts,
    ProfileFacts,
    Toolchain,
)
from web.bundle_page import render
from web.facts import BundleFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.web.world import World

HOSTILE = '"><script src="https://evil.example/x.js"></script>\u202e`<img onerror=alert(1)>\n# {{ 7*7 }} \ud800'


def digest(seed: int) -> str:
    return f"{seed:02x}" * 32


def member(path: str, *, records: int | None, size: int) -> Member:
    framed = path.endswith(".zst")
    return Member(
        path=path,
        media_type="application/zstd" if framed else "application/octet-stream",
        bytes=size,
        sha256=digest(len(path)),
        records=records,
        plain_bytes=size * 9 if framed else None,
        frames_sha256=digest(len(path) + 1) if framed else None,
    )


def indexes(table: str, *, size: int) -> list[Member]:
    return [member(f"indexes/{table}.{suffix}", records=None, size=size) for suffix in ("frames", "pages", "root")]


def friendly_facts() -> BundleFacts:
    ecosystems = {f"ecosystem-{place:02d}": 400 - place for place in range(20)}
    return BundleFacts(
        profile=ProfileFacts(
            id="nightly-advisories",
            revision=7,
            kind="json",
            variant="policy",
            include=["vex", "advisories", "findings", "sboms"],
            sha256=digest(1),
            commit="4f2a9c1b7d8e0f3a5b6c7d8e9f0a1b2c3d4e5f60",
        ),
        selectors={
            "tenants": ["acme"],
            "shared": True,
            "timeWindow": {"from": "2025-01-01T00:00:00Z", "to": None},
            "missingModified": "include",
            "sources": [],
            "ecosystems": ["PyPI", "npm", "Debian:12"],
            "severities": [],
            "ids": [],
            "products": ["pkg:oci/webshop*", "pkg:npm/%40acme/*"],
        },
        as_of="2026-03-31T17:42:05.120Z",
        snapshot_digest=digest(2),
        content_digest=digest(3),
        context_digest=digest(4),
        policy_snapshot=PolicySnapshotFacts(id="policy-2026-03-30", sha256=digest(5)),
        adapters=[Component(name="json:policy", version="1", options={})],
        normalisers=[
            Normaliser(name=name, version="1") for name in ("csaf", "cve5", "cyclonedx", "openvex", "osv", "sarif")
        ],
        toolchain=Toolchain(
            export_center="0.1.0",
            libzstd="1.5.7",
            zstd_parameters="strategy=2,wlog=21",
            frame_minimum=524_288,
            frame_mean=2_097_152,
            frame_maximum=8_388_608,
            viewer="1",
        ),
        counts=Counts(
            records=412_907,
            by_kind={"advisory": 398_212, "finding": 12_310, "sbom": 212, "vex": 2_173},
            by_source={
                "cvelistv5": 291_004,
                "osv.dev/PyPI": 18_120,
                "osv.dev/npm": 61_884,
                "ghsa": 24_711,
                "debian-security-tracker": 2_493,
                "redhat-csaf-vex": 2_100,
                "acme/registry.example.internal/scans": 12_310,
                "acme/sboms": 285,
            },
            by_format={"cve5/5.1": 291_004, "osv/1.6.0": 104_715, "openvex/0.2.0": 73, "sarif/2.1.0": 12_310},
            by_ecosystem={"npm": 71_885, "PyPI": 24_120, "Debian:12": 9_310, "Go": 4_410} | ecosystems,
            by_severity={"HIGH": 90_121, "CRITICAL": 20_433, "MEDIUM": 150_220, "LOW": 30_004, "CVSS_V3": 180_030},
            without_modified=312,
            findings_without_policy=41,
        ),
        members=[
            member("data/advisories.jsonl.zst", records=398_212, size=182_400_313),
            member("data/findings.jsonl.zst", records=12_310, size=3_110_845),
            member("data/policy/evaluations.jsonl.zst", records=12_269, size=401_220),
            member("data/policy/snapshot.json", records=None, size=2_210),
            member("data/sboms.jsonl.zst", records=212, size=48_011_020),
            member("data/vex.jsonl.zst", records=2_173, size=910_118),
            *indexes("advisories", size=44_599_744),
            *indexes("findings", size=1_378_720),
            *indexes("policy/evaluations", size=1_374_128),
            *indexes("sboms", size=23_744),
            *indexes("vex", size=243_376),
        ],
        key_id=digest(6),
        algorithm="ecdsa-p256-sha256",
    )


def hostile_facts() -> BundleFacts:
    """Every text that others can choose, chosen badly."""
    facts = friendly_facts()
    words: dict[str, Any] = {
        "profile": ProfileFacts(
            id=HOSTILE, revision=1, kind=HOSTILE, variant=HOSTILE, include=[HOSTILE], sha256=digest(1), commit=HOSTILE
        ),
        "selectors": {"tenants": [HOSTILE], HOSTILE: {HOSTILE: [HOSTILE]}},
        "as_of": HOSTILE,
        "policy_snapshot": PolicySnapshotFacts(id=HOSTILE, sha256=digest(5)),
        "adapters": [Component(name=HOSTILE, version=HOSTILE, options={"note": "<b>"})],
        "normalisers": [Normaliser(name=HOSTILE, version=HOSTILE)],
        "counts": Counts(
            records=3,
            by_kind={HOSTILE: 3},
            by_source={HOSTILE: 2, "": 1},
            by_format={HOSTILE: 3},
            by_ecosystem={HOSTILE + str(place): 1 for place in range(15)},
            by_severity={HOSTILE: 1},
            without_modified=0,
            findings_without_policy=0,
        ),
        "members": [member(f"data/{HOSTILE}.jsonl.zst", records=3, size=1)],
        "algorithm": HOSTILE,
    }
    return dataclasses.replace(facts, **words)


def manifest_of(facts: BundleFacts) -> Manifest:
    """Return the manifest of a bundle with these facts and its pages."""
    pages = [member(path, records=None, size=len(data)) for path, data in render(facts).items()]
    fields = {name: getattr(facts, name) for name in Manifest.__struct_fields__ if hasattr(facts, name)}
    fields |= {"members": [*pages, *facts.members], "format": "export-center-bundle", "format_version": "0.1"}
    return Manifest(**fields)


@pytest.fixture
def friendly() -> BundleFacts:
    return friendly_facts()


@pytest.fixture
def hostile() -> BundleFacts:
    return hostile_facts()


@pytest.fixture
def changed(friendly: BundleFacts) -> Callable[..., BundleFacts]:
    """Return a function that gives the friendly facts with some fields replaced."""
    return lambda **fields: dataclasses.replace(friendly, **fields)


@pytest.fixture
def in_node(counterpart: Callable[[str], str]) -> Callable[..., Any]:
    """Return a function that runs JavaScript after the viewer's own scripts, without a page.

    ``in_node(program, input)``: the program is the body of an async function that sees ``ExportCenter``, ``input``
    and what ``scripts.js`` gives it; what it returns is returned. ``more`` are scripts that only a site has.
    """
    from web.assets import VENDOR, VIEWER

    static = Path(__file__).parents[2] / "web" / "static"
    parts = (*(library.script for library in VENDOR), *VIEWER)

    def run(program: str, value: Any = None, more: tuple[str, ...] = ()) -> Any:
        scripts = [str(static / part) for part in (*parts, *more)]
        command = [counterpart("node"), str(Path(__file__).with_name("scripts.js")), program, *scripts]
        done = subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A signer, for tests that are not about signatures."""
    folder = tmp_path_factory.mktemp("key")
    save_key_pair(folder, "test", generate_key_pair("ed25519"))
    return signer_from_uri(f"file:{folder / 'test.key'}")


@pytest.fixture
def read(in_node: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs a program with helpers that open bundles (``reading.OPEN``)."""
    from tests.web.reading import OPEN

    return lambda program, value=None: in_node(OPEN + program, value, ("app/compare.js",))


@pytest.fixture(scope="module")
def browser(counterpart: Callable[[str], str]) -> Iterator[Any]:
    """Yield Chromium, one for a module's tests."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=counterpart("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Iterator[World]:
    """A service, a static site and an extracted bundle, all of the same real evidence."""
    from tests.web.world import made

    with made(tmp_path_factory.mktemp("world"), sample_evidence) as found:
        yield found
