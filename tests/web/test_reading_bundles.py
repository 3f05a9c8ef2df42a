"""The viewer's reader finds in bundles what ours finds, and takes nothing that export.json does not stand for."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from bundle.frames import FRAME_ENTRY_BYTES, FrameEntry
from bundle.records import find_records
from bundle.source import open_bundle
from bundle.tar import header
from bundle.ziplayout import local_header
from tests.bundle.conftest import evaluation, make, record
from tests.web.reading import TERMS, advisory, make_searchable, terms_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bundle.keys import Signer

pytestmark = pytest.mark.counterpart

DATA = "data/advisories.jsonl.zst"
FLIPS = 120
"""Random bytes that are changed, each in a copy of a bundle of its own."""


def text_of(line: bytes) -> str:
    return line.decode().removesuffix("\n")


@pytest.mark.parametrize("layout", ["tar.zst", "zip", "dir"])
def test_every_range_of_every_member_is_the_one_we_read(
    read: Callable[..., Any], tmp_path: Path, signer: Signer, layout: str
) -> None:
    noise = random.Random(4).randbytes(700_000)  # more than two frames of the container
    made = make_searchable(
        tmp_path,
        signer,
        [advisory(n) for n in range(30)],
        layout=layout,
        change={"extra/noise": noise, "extra/none": b""},
    )
    ours = open_bundle(made.path)
    ranges = [(name, 0, ours.size(name)) for name in ours.names]
    draw = random.Random(1)
    for _ in range(60):
        start = draw.randrange(len(noise))
        ranges.append(("extra/noise", start, draw.choice([start, start + 1, draw.randrange(start, len(noise))])))
    ranges += [("extra/noise", edge, edge + 9) for edge in (131_072 - 4, 262_144 - 2_000)]
    found = read(
        """
        const bundle = await open(input.path, input.folder);
        const read = [];
        for (const [name, start, end] of input.ranges) read.push(ExportCenter.hash.hex(await bundle.member(name).read(start, end)));
        return { names: [...bundle.members.keys()], layout: bundle.layout, read };
        """,
        {"path": str(made.path), "folder": layout == "dir", "ranges": ranges},
    )
    assert (found["names"], found["layout"]) == (list(ours.names), layout)
    assert found["read"] == [ours.read(name, start, end - start).hex() for name, start, end in ranges]


def test_records_are_found_by_id_in_all_members(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    finding = record(7, kind="finding", policySnapshotId=None)
    made = make(
        tmp_path,
        signer,
        lines=[record(n, source=source) for source in ("a", "b") for n in range(60)],
        tables={"findings": [finding]},
        evaluations=[evaluation(finding="ID-0007", id="another", decision="deny", rule="r")],
    )
    ids = [*(f"ID-{n:04d}" for n in range(60)), "ID-", "ID-0060", "", "another"]
    ours = open_bundle(made.path)
    expected = [[[one.member, text_of(one.line)] for one in find_records(ours, name)] for name in ids]
    found = read(
        """
        const bundle = await open(input.path);
        const found = [];
        for (const id of input.ids) found.push((await ExportCenter.lookup.byId(bundle, id)).map((hit) => [hit.member, hit.text]));
        const [first, ...rest] = await ExportCenter.lookup.byId(bundle, "ID-0007", { limit: 2 });
        const again = await ExportCenter.lookup.at(bundle, first.member, first.frame, first.offset);
        const short = await ExportCenter.lookup.byId(bundle, "ID-0007", { limit: 1 });
        const wrong = await attempt(() => ExportCenter.lookup.at(bundle, first.member, first.frame, first.offset + 1));
        return { found, same: again.text === first.text, rest: rest.length, more: short.more, wrong: wrong.error.code };
        """,
        {"path": str(made.path), "ids": ids},
    )
    assert found == {"found": expected, "same": True, "rest": 1, "more": True, "wrong": "missing"}
    assert len(expected[7]) == 4


def test_a_changed_byte_is_noticed_or_changes_no_record(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    lines = [advisory(n) for n in range(40)]
    made = make_searchable(tmp_path, signer, lines)
    whole, draw = made.path.read_bytes(), random.Random(2)
    expected = {each["envelope"]["id"]: text_of(each["line"]) for each in lines}
    ours = open_bundle(made.path)
    indexes = [whole.index(ours.read(name)) for name in ("indexes/advisories.pages", f"{TERMS}.terms")]
    places = [[draw.randrange(len(whole)), 1 << draw.randrange(8)] for _ in range(FLIPS)]
    places += [[start + draw.randrange(300), 1 << draw.randrange(8)] for start in indexes for _ in range(20)]
    signed = 12 + 512 + ours.size("export.json")
    searched = sum("lodash" in terms_of(each) for each in lines)
    found = read(
        """
        const bytes = new Uint8Array(await (await chosen(input.path)).arrayBuffer());
        const seen = { right: 0, refused: 0, wrong: [] };
        for (const [place, bit] of input.places) {
          const copy = bytes.slice();
          copy[place] ^= bit;
          const { found, error } = await attempt(async () => {
            const bundle = await ExportCenter.container.open(ExportCenter.source.fromBytes(copy));
            const records = await all(ExportCenter.search.search(bundle, "lodash"));
            const searched = records.length;
            for (const id of input.ids) records.push(...(await ExportCenter.lookup.byId(bundle, id)));
            return { records: records.map((hit) => [hit.id, hit.text]), whole: searched === input.searched && records.length === searched + input.ids.length };
          });
          // Only of export.json nobody but verification can tell: it may say that there is less.
          if (error) seen.refused += 1;
          else if (found.records.every(([id, text]) => input.expected[id] === text) && (found.whole || place < input.signed)) seen.right += 1;
          else seen.wrong.push(place);
        }
        return seen;
        """,
        {
            "path": str(made.path),
            "places": places,
            "expected": expected,
            "ids": list(expected),
            "signed": signed,
            "searched": searched,
        },
    )
    assert found["wrong"] == []
    assert found["right"] + found["refused"] == len(places)
    assert found["refused"] > FLIPS / 4


def test_a_changed_byte_between_the_tars_bytes_is_refused(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    noise = random.Random(6).randbytes(600_000)
    made = make(tmp_path, signer, change={"extra/noise": noise})
    frame, frames = 9 + 2 * (3 + 131_072), 2
    places = [number * frame + byte for number in range(frames) for byte in (*range(12), *range(131_084, 131_087))]
    found = read(
        """
        const bytes = new Uint8Array(await (await chosen(input.path)).arrayBuffer());
        const taken = [];
        for (const place of input.places) {
          const copy = bytes.slice();
          copy[place] ^= 1;
          const { error } = await attempt(async () => {
            const bundle = await ExportCenter.container.open(ExportCenter.source.fromBytes(copy));
            for (const member of bundle.members.values()) await member.read();
          });
          if (!error) taken.push(place);
        }
        return taken;
        """,
        {"path": str(made.path), "places": places},
    )
    assert found == []


def test_a_member_that_stands_where_another_should_is_told(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    made = make(tmp_path, signer, change={"extra/one": b"1" * 700, "extra/two": b"2" * 700})
    whole = made.path.read_bytes()
    first, second = (whole.index(header(f"extra/{name}", 700)) for name in ("one", "two"))
    found = read(
        """
        const bytes = Uint8Array.from(Buffer.from(input, "base64"));
        const bundle = await ExportCenter.container.open(ExportCenter.source.fromBytes(bytes));
        const outcome = await attempt(() => bundle.member("extra/one").read(0, 1));
        return outcome.error.message.includes("extra/two") && (await bundle.member("README.md").checked()).length;
        """,
        base64.b64encode(whole[:first] + whole[second : second + 512] + whole[first + 512 :]).decode(),
    )
    assert found == len(b"# A bundle\n")


def test_the_bundle_in_a_folder_is_found_or_it_is_said_why_not(read: Callable[..., Any]) -> None:
    found = read(
        """
        const outcome = async (...paths) => {
          const files = paths.map((path) => Object.assign(new Blob(["{}"]), { name: path.split("/").pop(), webkitRelativePath: path }));
          return attempt(async () => [...ExportCenter.source.fromFolder(files).files.keys()]);
        };
        return [
          await outcome("a/export.json", "a/data/x", "a/data/export.json"), await outcome("a/b/export.json", "a/other"),
          await outcome("a/b/export.json", "a/c/export.json"), await outcome("a/bundle.tar.zst"), await outcome(),
        ].map(({ found, error }) => found ?? error.message);
        """
    )
    assert found[:2] == [["export.json", "data/x", "data/export.json"], ["export.json"]]
    assert "several bundles, as a/b/export.json and a/c/export.json" in found[2]
    assert ["no bundle" in each for each in found[3:]] == [True, True]


def test_whoever_gives_up_takes_nothing_from_others(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    found = read(
        """
        const bundle = await open(input);
        const stopping = new AbortController();
        const first = ExportCenter.lookup.byId(bundle, "ID-0007", { signal: stopping.signal }).catch((error) => error.name);
        const second = ExportCenter.lookup.byId(bundle, "ID-0007");
        stopping.abort();
        return [await first, (await second).length];
        """,
        str(make(tmp_path, signer).path),
    )
    assert found == ["AbortError", 1]


def test_rows_of_one_id_are_found_on_all_pages(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    lines = [record(n) for n in range(580)] + [record(7, source=f"s{n:03d}") for n in range(1_300)]
    made = make(tmp_path, signer, lines=lines)
    found = read(
        """
        const bundle = await open(input);
        const hits = await ExportCenter.lookup.byId(bundle, "ID-0007", { limit: 5000 });
        const counts = [];
        for (const id of ["ID-0000", "ID-0300", "ID-0579"]) counts.push((await ExportCenter.lookup.byId(bundle, id)).length);
        return { sources: hits.map(({ record }) => record.source), pages: (await ExportCenter.lookup.index(bundle, hits[0].member)).pages, counts };
        """,
        str(made.path),
    )
    assert found == {"sources": ["feed", *(f"s{n:03d}" for n in range(1_300))], "pages": 4, "counts": [1, 1, 1]}


def test_a_bundle_that_was_cut_off_is_refused_with_advice(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    tar, zipped = (make(tmp_path, signer, name=name, layout=name).path.read_bytes() for name in ("tar.zst", "zip"))
    cuts = [data[:size] for data in (tar, zipped) for size in (0, 1, 3, 9, 600, len(data) // 2, len(data) - 1)]
    cuts += [b"no bundle at all", b"PK\x03\x04", bytes(1000), tar + b"x"]
    found = read(
        """
        const codes = [];
        for (const text of input) {
          const bytes = Uint8Array.from(Buffer.from(text, "base64"));
          codes.push(await attempt(async () => {
            const bundle = await ExportCenter.container.open(ExportCenter.source.fromBytes(bytes));
            for (const member of bundle.members.values()) await member.checked();
          }));
        }
        return codes.map(({ error }) => error?.code ?? null);
        """,
        [base64.b64encode(each).decode() for each in cuts],
    )
    # The last byte of a zip belongs to its directory, which nobody needs who knows what export.json lists.
    assert [place for place, code in enumerate(found) if code is None] == [13]


def listing(**member: Any) -> bytes:
    members = [{"path": "data/a.jsonl.zst", "mediaType": "x", "bytes": 1, "sha256": "0" * 64, **member}]
    fields: dict[str, Any] = {name: {} for name in ("profile", "selectors", "toolchain", "counts")}
    return json.dumps({"format": "export-center-bundle", "formatVersion": "0.1", "members": members, **fields}).encode()


REFUSED = {
    "bytes that are no JSON": b"{",
    "a text that is no UTF-8": b'"\xff"',
    "null": b"null",
    "another version": listing().replace(b'"0.1"', b'"9.9"'),
    "a size below zero": listing(bytes=-1),
    "a size that is no whole number": listing(bytes=0.5),
    "a size beyond all files": listing(bytes=2**53),
    "a size that is a text": listing(bytes="1"),
    "a name that leaves the folder": listing(path="data/../../etc/passwd"),
    "an absolute name": listing(path="/etc/passwd"),
    "a hidden file": listing(path="data/.profile"),
    "a name of the envelope": listing(path="cosign.pub"),
    "a name that is too long": listing(path="a" * 101),
    "a name that is no text": listing(path={}),
    "a digest that is none": listing(sha256="0" * 63),
    "frames without their plain size": listing(framesSha256="0" * 64, records=1),
    "frames of an impossible number of records": listing(framesSha256="0" * 64, records=1e300, plainBytes=1),
    "a member that is none": listing().replace(b'[{"path"', b'[null,{"path"'),
    "a name that comes twice": listing().replace(b'"members": [', b'"members": [' + listing()[len('{"format": "export-center-bundle", "formatVersion": "0.1", "members": [') :].split(b"]")[0] + b", "),
    "members that are no list": listing().replace(b'"members": [', b'"members": {"a": [').replace(b"}], ", b"}]}, "),
}  # fmt: skip


def test_a_manifest_that_states_the_impossible_is_refused(read: Callable[..., Any]) -> None:
    found = read(
        """
        const parse = (text) => attempt(async () => ExportCenter.manifest.parse(Uint8Array.from(Buffer.from(text, "base64"))).members.length);
        const entries = await Promise.all(Object.entries(input).map(async ([name, text]) => [name, await parse(text)]));
        return Object.fromEntries(entries);
        """,
        {name: base64.b64encode(data).decode() for name, data in {"taken": listing(), **REFUSED}.items()},
    )
    assert found.pop("taken") == {"found": 1}
    assert [name for name, outcome in found.items() if outcome.get("error", {}).get("code") != "format"] == []


def test_headers_are_those_that_our_writers_make(read: Callable[..., Any]) -> None:
    sizes = [0, 1, 511, 2**32 - 2, 2**32 - 1, 2**32, 8**11 - 1, 8**11, 2**53 - 1]
    names = ["a", "data/" + "x" * 95]
    asked = [[name, size, zlib.crc32(name.encode())] for name in names for size in sizes]
    found = read(
        """
        const { tarHeader, zipHeader } = ExportCenter.forms;
        const { hex } = ExportCenter.hash;
        return input.map(([name, size, crc]) => [hex(tarHeader(name, size)), hex(zipHeader(name, size, crc))]);
        """,
        asked,
    )
    assert found == [[header(name, size).hex(), local_header(name, size, crc).hex()] for name, size, crc in asked]


def restated(folder: Path, signer: Signer, name: str, **row: int) -> Any:
    """Make a bundle whose frame table says something else of its first frame, signed like that."""
    made = make(folder, signer, name=f"before-{name}")
    table = open_bundle(made.path).read("indexes/advisories.frames")
    first = FrameEntry.from_bytes(table[:FRAME_ENTRY_BYTES])
    fields = {field: getattr(first, field) for field in FrameEntry.__struct_fields__}
    changed = FrameEntry(**{**fields, **row}).to_bytes() + table[FRAME_ENTRY_BYTES:]
    rows = [
        FrameEntry.from_bytes(changed[at : at + FRAME_ENTRY_BYTES]) for at in range(0, len(changed), FRAME_ENTRY_BYTES)
    ]
    digest = hashlib.sha256(b"".join(each.plain_bytes.to_bytes(8, "big") + each.sha256 for each in rows)).hexdigest()
    facts = {DATA: {"frames_sha256": digest, "plain_bytes": min(sum(each.plain_bytes for each in rows), 2**53 - 1)}}
    return make(folder, signer, name=name, change={"indexes/advisories.frames": changed}, facts=facts)


def test_frames_that_state_the_impossible_are_refused_before_anything_is_allocated(
    read: Callable[..., Any], tmp_path: Path, signer: Signer
) -> None:
    made = {
        "more plain bytes than its header": restated(tmp_path, signer, "a", plain_bytes=1 << 20),
        "more plain bytes than fit": restated(tmp_path, signer, "b", plain_bytes=1 << 40),
        "more than can be counted": restated(tmp_path, signer, "c", plain_bytes=1 << 60),
        "none": restated(tmp_path, signer, "d", plain_bytes=0),
        "another place": restated(tmp_path, signer, "e", offset=1),
        "no bytes": restated(tmp_path, signer, "f", compressed_bytes=0),
        "frames of another digest": make(tmp_path, signer, name="g", facts={DATA: {"frames_sha256": "0" * 64}}),
    }
    found = read(
        """
        const codes = {};
        for (const [name, path] of Object.entries(input)) {
          const before = process.memoryUsage().arrayBuffers;
          const bundle = await open(path);
          codes[name] = (await attempt(() => ExportCenter.frames.plain(bundle, "data/advisories.jsonl.zst", 0))).error.code;
          if (process.memoryUsage().arrayBuffers - before > 64 << 20) throw new Error(`${name} took memory`);
        }
        return codes;
        """,
        {name: str(one.path) for name, one in made.items()},
    )
    assert found == dict.fromkeys(made, "format") | {
        "more plain bytes than fit": "limit",
        "frames of another digest": "digest",
    }


def test_a_busy_server_is_asked_again_when_it_says_so(read: Callable[..., Any], tmp_path: Path, signer: Signer) -> None:
    found = read(
        """
        const bytes = new Uint8Array(await (await chosen(input)).arrayBuffer());
        const served = async (refusals, status, headers) => {
          let asked = 0;
          const fetch = async (url, { headers: { Range } }) => {
            if (asked++ < refusals) return new Response("", { status, headers });
            const [start, end] = Range.slice(6).split("-").map(Number);
            const body = bytes.slice(start, end + 1);
            return new Response(body, { status: 206, headers: { "Content-Range": `bytes ${start}-${start + body.length - 1}/${bytes.length}` } });
          };
          const outcome = await attempt(async () => {
            const bundle = await ExportCenter.container.open(await ExportCenter.source.fromUrl("x", { fetch }));
            return (await ExportCenter.lookup.byId(bundle, "ID-0007")).length;
          });
          return [outcome.found ?? outcome.error.code, Math.min(asked, 5)];
        };
        return [
          await served(0), await served(3, 503, { "Retry-After": "0" }), await served(3, 429, { "Retry-After": "0" }),
          await served(4, 503, { "Retry-After": "0" }), await served(1, 503, { "Retry-After": "60" }), await served(1, 503),
          await served(1, 500, { "Retry-After": "0" }),
        ];
        """,
        str(make(tmp_path, signer).path),
    )
    refused = ["unreadable", 1]
    assert found == [[1, 1], [1, 4], [1, 4], ["unreadable", 4], refused, refused, refused]
