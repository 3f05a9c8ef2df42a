"""What readers of records in the viewer leave out is said: large frames, unreadable documents, wrong addresses."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from bundle.canonical import canonical_json
from bundle.terms import parse_query
from tests.bundle.conftest import make, record
from tests.web.reading import advisory, make_searchable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bundle.keys import Signer

pytestmark = pytest.mark.counterpart


def test_documents_may_hold_more_parts_than_fit_on_a_stack(in_node: Callable[..., Any]) -> None:
    found = in_node(
        """
        const components = Array.from({ length: 200_000 }, (_, place) => ({ name: `n${place}` }));
        const content = { components: [{ name: "top", components }] };
        const { packages } = ExportCenter.facts.of({ id: "x", format: "cyclonedx/1.5", content });
        return [packages.length, packages[0], packages.at(-1)];
        """
    )
    assert found == [200_001, "top", "n199999"]


def test_a_document_that_cannot_be_read_down_keeps_nobody_from_the_others_and_is_told(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    made = make_searchable(tmp_path, signer, [advisory(n, title="Lodash again", package="lodash") for n in range(6)])
    found = read(
        """
        const { facts, found, reading, related, search } = ExportCenter;
        const { osv } = facts.readers;
        facts.readers.osv = (content) => {
          if (content.id === "ID-0002") throw new RangeError("Maximum call stack size exceeded");
          return osv(content);
        };
        const bundle = await open(input);
        let told;
        const options = { progress: (news) => (told = news) };
        const of = async (hits) => [(await all(hits)).map(({ id }) => id), told.unread, reading.skipped(told)];
        const searched = await of(search.search(bundle, "lodash", options));
        const scanned = await of(search.scan(bundle, { text: "odash", ...options }));
        const [hit] = await ExportCenter.lookup.byId(bundle, "ID-0002");
        const [other] = await ExportCenter.lookup.byId(bundle, "ID-0001");
        const groups = [];
        const around = await related.gather(bundle, other, { looking: () => undefined, found: (one, { rows }) => groups.push(...rows) });
        return { searched, scanned, title: found.row(hit).title, around, groups: groups.map(({ id }) => id).sort() };
        """,
        str(made.path),
    )
    rest = [f"ID-{n:04d}" for n in (0, 1, 3, 4, 5)]
    said = "1 document could not be read down here; use export-center bundle cat"
    assert found["searched"] == found["scanned"] == [rest, 1, said]
    assert found["title"] == "(this document cannot be read down here)"
    assert found["groups"] == [each for each in rest if each != "ID-0001"]
    assert found["around"]["unread"].startswith(" Not all was read: ")


def test_related_records_say_what_was_not_looked_for_and_not_read(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    shown = advisory(1)
    shown["envelope"]["content"]["aliases"] = ["two words", "CVE-2024-00002", *(f"ALIAS-{n}" for n in range(40))]
    again = advisory(3)
    again["envelope"]["content"]["aliases"] = ["ALIAS-3"]
    again["envelope"]["observationId"] = None
    lines = [relined(shown), advisory(2, title="Vast " + "x" * (130 << 20), package="tokio"), relined(again)]
    made = make_searchable(tmp_path, signer, lines)
    found = read(
        """
        const bundle = await open(input);
        const [hit] = await ExportCenter.lookup.byId(bundle, "ID-0001");
        const groups = [];
        const found = (one, { rows }) => groups.push([one.term, rows.map(({ id }) => id)]);
        return { groups, said: await ExportCenter.related.gather(bundle, hit, { looking: () => undefined, found }) };
        """,
        str(made.path),
    )
    assert found["groups"] == [["ALIAS-3", ["ID-0003"]]]
    # One of 44 has white space, and 24 are looked for; the vast record is the one with the alias that was.
    assert (found["said"]["count"], found["said"]["left"]) == (1, 20)
    assert found["said"]["unread"].startswith(" Not all was read: 1 frame of 136.3")


def relined(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "line": canonical_json(line["envelope"]) + b"\n"}


def test_addresses_of_frames_that_are_none_say_nothing_of_the_bundle(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    made = make(tmp_path, signer)
    found = read(
        """
        const bundle = await open(input.path);
        const said = {};
        for (const [path, frame] of input.places) {
          const hits = ExportCenter.reading.frameHits(bundle, path, frame, { progress: () => undefined });
          said[`${path}:${frame}`] = await all(hits).then((all) => all.length > 0, (error) => [error.code, error.advice === ExportCenter.ALTERED]);
        }
        return said;
        """,
        {
            "path": str(made.path),
            "places": [["data/advisories.jsonl.zst", n] for n in (0, 99_999)] + [["README.md", 0]],
        },
    )
    assert found == {
        "data/advisories.jsonl.zst:0": True,
        "data/advisories.jsonl.zst:99999": ["missing", False],
        "README.md:0": ["missing", False],
    }


def test_an_address_makes_a_page_read_no_more_than_200_records_of_an_id(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    made = make(tmp_path, signer, lines=[record(1, source=f"feed-{n}") for n in range(230)])
    found = read(
        """
        const bundle = await open(input);
        const wanted = (o) => ExportCenter.Opening.prototype.withId.call({ bundle }, "ID-0001", o, undefined);
        const every = await ExportCenter.lookup.byId(bundle, "ID-0001", { limit: Infinity });
        const [none, near] = [await wanted("zzz"), await wanted(every[150].record.observationId)];
        return { none: [none.length, none.more], near: near.some(({ offset, frame }) => offset === every[150].offset && frame === every[150].frame) };
        """,
        str(made.path),
    )
    assert found == {"none": [200, True], "near": True}


def test_queries_are_parted_where_the_command_line_parts_them(in_node: Callable[..., Any]) -> None:
    spaces = [c for c in map(chr, range(0x10000)) if c.isspace() or unicodedata.category(c) in {"Cc", "Cf", "Zs", "Zl"}]
    queries = [f"left{space}right" for space in spaces]
    found = in_node(
        "return input.map((query) => ExportCenter.terms.parseQuery(query).map(({ identifier }) => identifier))", queries
    )
    assert found == [[each.identifier for each in parse_query(query)] for query in queries]
    assert {len(each) for each in found} == {1, 2}
