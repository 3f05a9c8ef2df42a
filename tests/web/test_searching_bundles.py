"""The viewer searches and compares bundles as the command line does, and says what it left out."""

from __future__ import annotations

import json
import random
import zlib
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from bundle.diff import diff
from bundle.source import open_bundle
from bundle.terms import parse_query
from tests.bundle.conftest import make, real_bundle, record
from tests.web.reading import TERMS, advisory, make_searchable, terms_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bundle.keys import Signer

__all__ = ["real_bundle"]
pytestmark = pytest.mark.counterpart

DATA = "data/advisories.jsonl.zst"


def test_bundles_are_compared_as_on_the_command_line(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    draw, bundles = random.Random(3), []
    for number, size in enumerate([700, 640, 30, 1, 0]):
        numbers = sorted(draw.sample(range(720 if size > 500 else 60), size))
        lines = [record(n, source="feed", text=draw.choice(["text", "text", "other"])) for n in numbers]
        tables = {"vex": [record(n, kind="vex") for n in range(draw.randrange(4))]} if number % 2 else {}
        bundles.append(make(tmp_path, signer, name=f"{number}.tar.zst", lines=lines, tables=tables))
    # One record twice, as from two observations: rows that share their key.
    twice = [record(1, text="one"), record(1, text="two"), record(2)]
    bundles.append(
        make(
            tmp_path, signer, name="twice.tar.zst", lines=sorted(twice, key=lambda each: (each["key"], each["sha256"]))
        )
    )
    # One line twice, which no exporter writes: it is one record all the same.
    bundles.append(make(tmp_path, signer, name="again.tar.zst", lines=[record(n // 2) for n in range(8)]))
    bundles.append(make(tmp_path, signer, name="once.tar.zst", lines=[record(n) for n in range(4)]))
    pairs = [
        *combinations(bundles[:-2], 2),
        (bundles[-1], bundles[-2]),
        (bundles[-2], bundles[-1]),
        (bundles[1], bundles[0]),
        (bundles[-3], bundles[2]),
        (bundles[2], bundles[2]),
    ]
    found = read(
        """
        const results = [];
        for (const [left, right] of input) {
          const [a, b] = [await open(left), await open(right)];
          let said;
          const changes = await all(ExportCenter.container.compare(a, b, { progress: (now) => (said = now) }));
          const named = await all(ExportCenter.container.resolve(a, b, changes));
          const [few] = [await all(ExportCenter.container.compare(a, b, { limit: 3, progress: (now) => (said = now) }))];
          if (said.whole !== changes.length <= 3 || few.length !== Math.min(3, changes.length)) throw new Error("limit");
          results.push({
            changes: named.map(({ member, change, id, kind, source, locator }) => [member, change, id, kind, source, locator].join(" ")).sort(),
            counts: Object.fromEntries(said.counts), read: said.read === said.rows,
          });
        }
        return results;
        """,
        [[str(a.path), str(b.path)] for a, b in pairs],
    )
    seen = set()
    for (a, b), result in zip(pairs, found, strict=True):
        ours = diff(open_bundle(a.path), open_bundle(b.path))
        assert result["read"]
        counts = {
            path: {name: n for name, n in each.items() if n and name != "same"}
            for path, each in result["counts"].items()
        }
        assert counts == {path: dict(each) for path, each in ours.counts.items()}
        members = {"advisory": DATA, "vex": "data/vex.jsonl.zst"}
        expected = [f"{members[e.kind]} {e.change} {e.id} {e.kind} {e.source} {e.locator}" for e in ours.changes]
        assert result["changes"] == sorted(expected)
        kept = result["counts"][DATA]
        assert kept["same"] + kept["added"] + kept["changed"] == b.manifest.members[1].records
        seen |= {name for name, n in kept.items() if n}
    assert seen == {"added", "changed", "removed", "same"}


QUERIES = {
    "an id": "id-0003", "an alias": "CVE-2024-00007", "a package": "LODASH", "a scoped package": "@angular/core",
    "a purl": "pkg:npm/lodash", "a purl with its version": "pkg:npm/lodash@1.2.0", "words": "prototype pollution",
    "words of another alphabet": "größe überall", "an umlaut": "Größe geprüft", "words across fields": "express lodash",
    "nothing": "", "what is nowhere": "nowhere", "the beginning of an id": "ID-00", "one that is in all": "in of",
    "a hyphen": "cross-site", "half a word": "lodas", "the words of an id": "cve 2024 00007",
}  # fmt: skip


def test_a_search_finds_exactly_the_records_with_all_terms(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    lines = [advisory(n) for n in range(200)]
    made = make_searchable(tmp_path, signer, lines)
    terms = [(each["envelope"]["id"], terms_of(each)) for each in lines]

    def expected(query: str) -> list[str]:
        wanted = parse_query(query)
        return [name for name, known in terms if wanted and all(part.is_in(known) for part in wanted)]

    found = read(
        """
        const bundle = await open(input.path);
        const results = {};
        for (const [name, query] of Object.entries(input.queries)) {
          let said;
          const hits = await all(ExportCenter.search.search(bundle, query, { progress: (now) => (said = now) }));
          results[name] = { ids: hits.map((hit) => hit.id), frames: said.frames, hits: said.hits, looked: said.looked };
        }
        return { results, all: ExportCenter.search.cost(bundle).frames };
        """,
        {"path": str(made.path), "queries": QUERIES},
    )
    assert {name: each["ids"] for name, each in found["results"].items()} == {
        name: expected(query) for name, query in QUERIES.items()
    }
    assert all(
        each["frames"] == each["looked"] and each["hits"] == len(each["ids"]) for each in found["results"].values()
    )
    assert found["results"]["an id"]["frames"] == 1 < found["all"]
    assert sum(bool(each["ids"]) for each in found["results"].values()) > 8


def test_terms_that_share_a_hash_do_not_find_each_other(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    made = make_searchable(tmp_path, signer, [advisory(1, title="plumless"), advisory(2, title="other")])
    found = read(
        """
        const bundle = await open(input);
        const frames = [];
        const ids = [];
        for (const word of ["buckeroo", "plumless"]) {
          const hits = ExportCenter.search.search(bundle, word, { progress: ({ looked }) => frames.push(looked) });
          ids.push((await all(hits)).map((hit) => hit.id));
        }
        return { ids, frames };
        """,
        str(made.path),
    )
    assert found == {"ids": [[], ["ID-0001"]], "frames": [0, 1, 0, 1]}


def test_letters_that_are_escaped_are_letters(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    plain = advisory(1, title="Prototype", package="lodash")
    escaped = {**plain, "line": plain["line"].replace(b"lodash", b"\\u006codas\\u0068")}
    made = make_searchable(tmp_path, signer, [escaped])
    found = read(
        """
        const bundle = await open(input);
        const searched = await all(ExportCenter.search.search(bundle, "lodash"));
        const scanned = await all(ExportCenter.search.scan(bundle, { text: "odash" }));
        return [...searched, ...scanned].map((hit) => hit.text.includes("lodash"));
        """,
        str(made.path),
    )
    assert found == [False, False]


def test_a_scan_finds_beginnings_and_stops_when_it_is_told(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    lines = [advisory(n) for n in range(120)]
    made = make_searchable(tmp_path, signer, lines, tables={"vex": [record(3, kind="vex")]})
    found = read(
        """
        const bundle = await open(input);
        const scan = async (text, options) => (await all(ExportCenter.search.scan(bundle, { text, ...options }))).map(({ id }) => id);
        const stopping = new AbortController();
        let looked = 0;
        const stopped = await scan("ID", {
          signal: stopping.signal,
          progress: (now) => { looked = now.looked; if (looked === 2) stopping.abort(); },
        }).catch((error) => error.name);
        const first = await ExportCenter.search.scan(bundle, { text: "ID" })[Symbol.asyncIterator]().next();
        return {
          begins: await scan("id-000"), within: await scan("ODAS pollu"), member: await scan("0003", { member: "data/vex.jsonl.zst" }),
          nothing: await scan("  "), nowhere: await scan("nowhere"), umlaut: await scan("größe"),
          stopped, looked, first: first.value.id,
        };
        """,
        str(made.path),
    )
    titled = {each["envelope"]["id"]: each["envelope"]["content"] for each in lines}
    assert found["begins"] == [*(f"ID-{n:04d}" for n in range(10)), "ID-0003"]
    both = [name for name, each in titled.items() if "pollution" in each["summary"] and "lodash" in json.dumps(each)]
    assert found["within"] == both
    assert found["umlaut"] == [name for name, each in titled.items() if "Größe" in each["summary"]]
    assert (found["member"], found["nothing"], found["nowhere"]) == (["ID-0003"], [], [])
    assert (found["stopped"], found["looked"], found["first"]) == ("AbortError", 2, "ID-0000")


def test_a_frame_that_no_page_can_hold_is_told_as_skipped(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    lines = [advisory(1), advisory(2, title="Vast lodash " + "x" * (130 << 20)), advisory(3)]
    made = make_searchable(tmp_path, signer, lines)
    found = read(
        """
        const bundle = await open(input);
        let said;
        const progress = (now) => (said = now);
        const hits = (await all(ExportCenter.search.scan(bundle, { text: "ID", progress }))).map((hit) => hit.id);
        const one = await attempt(() => ExportCenter.lookup.byId(bundle, "ID-0002"));
        return { hits, skipped: said.skipped.map(({ frame, bytes }) => [frame, bytes > 130 << 20]), one: one.error.code };
        """,
        str(made.path),
    )
    assert found == {"hits": ["ID-0001", "ID-0003"], "skipped": [[1, True]], "one": "limit"}


def test_bundles_without_a_search_index_say_so(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    gone = {f"{TERMS}.terms": None, f"{TERMS}.root": None}
    made = make(tmp_path, signer, lines=[advisory(1)], change=gone, tables={"vex": [record(3, kind="vex")]})
    found = read(
        """
        const bundle = await open(input);
        const searched = await attempt(() => all(ExportCenter.search.search(bundle, "lodash")));
        const scanned = await all(ExportCenter.search.scan(bundle, { text: "lodash" }));
        const vex = ExportCenter.search.available(bundle, "data/vex.jsonl.zst");
        return { vex, available: ExportCenter.search.available(bundle), code: searched.error.code, scanned: scanned.length };
        """,
        str(made.path),
    )
    assert found == {"vex": True, "available": False, "code": "missing", "scanned": 1}


def test_real_records_are_found_by_everything_that_a_reader_of_them_would_type(
    read: Callable[..., Any], real_bundle: Callable[..., Any]
) -> None:
    made = real_bundle("json-raw", "tar.zst", "ed25519")
    found = read(
        """
        const bundle = await open(input);
        const seen = { records: 0, terms: 0, missed: [] };
        for (const { path, records } of bundle.framed) {
          const every = Math.ceil(records / 5);
          const chosen = [];
          for await (const hit of ExportCenter.search.scan(bundle, { text: "-", member: path })) chosen.push(hit);
          for (const one of chosen.filter((_, place) => place % every === 0)) {
            seen.records += 1;
            for (const term of [...ExportCenter.terms.of(one.record)].filter((term) => !/\\s/.test(term)).slice(0, 7)) {
              let there = false;
              for await (const hit of ExportCenter.search.search(bundle, term, { member: path })) {
                there ||= hit.frame === one.frame && hit.offset === one.offset;
                if (there) break;
              }
              seen.terms += 1;
              if (!there) seen.missed.push([path, one.id, term]);
            }
          }
        }
        return seen;
        """,
        str(made.path),
    )
    assert found["missed"] == []
    assert found["records"] > 10
    assert found["terms"] > 60
