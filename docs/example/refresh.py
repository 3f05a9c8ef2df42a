"""Export the example of docs/format.md again, and write what the page shows of it anew: run it when the format changes.

    python docs/example/refresh.py

The signing key is made for the occasion and forgotten; numbers in the page's sentences are found by their words.
"""

from __future__ import annotations

import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair
from bundle.records import iterate_lines, members_of
from bundle.source import open_bundle
from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from flows.pipeline import run
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "format.md"
ARCHIVE = HERE / "bundle.tar.zst"
EVIDENCE = HERE.parent.parent / "examples" / "evidence" / "osv-crates.tar.zst"
WIDTH = 118
TITLE = "## A whole example\n"
TEXT = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(rf"(?:{TEXT}: )?(?:{TEXT}|[\[{{]+|[^\s\"\[\]{{}},]+|[\]}}]+)[\]}}]*(?:, )?")
BLOCK = re.compile(r"```(json|text|hex)( [^\n]*)?\n(.*?)```", re.DOTALL)
NAMED = re.compile(r"`([\w./-]+)`[^`]*$")
DIGEST = [[8], [32], [32], [32], [4, 4]]
LAYOUT: dict[str, list[list[int]]] = {
    "archive 0": [[4, 1, 4], [3]],
    "archive 12": [[11, 25], [32], [32], [8, 8, 8], [12, 12, 8, 1]],
    "archive -25": [[4, 4, 4, 4, 4, 1, 4]],
    "indexes/advisories.frames": [[8, 8, 8, 8], [32]],
    "indexes/advisories.pages": [*DIGEST, *DIGEST],
    "indexes/advisories.root": [[8, 32]],
    "indexes/search/advisories.root": [[8, 32]],
    "indexes/search/advisories.terms": [[4, 4] * 4] * 3 + [[4, 4]],
}
"""Bytes a group, line by line."""


def main() -> None:
    """Export, then write the page."""
    _export()
    head, title, rest = PAGE.read_text().partition(TITLE)
    example, marker, tail = rest.partition("\n## ")
    PAGE.write_text(head + title + _numbers(_blocks(example)) + marker + tail)


def _export() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        save_key_pair(home, "example", generate_key_pair("ecdsa-p256-sha256"))
        ingest(
            Store(str(home / "evidence")), [EVIDENCE], IngestOptions(tenant="default", observed_at=datetime.now(UTC))
        )
        request = ExportRequest(
            profile=str(HERE / "profile.yaml"),
            store=str(home / "evidence"),
            key=f"file:{home / 'example.key'}",
            out=str(ARCHIVE),
        )
        run(*prepare(request))
        (HERE / "key.pub").write_bytes((home / "example.pub").read_bytes())


def _blocks(text: str) -> str:
    def shown(found: re.Match[str]) -> str:
        kind, where = found[1], (found[2] or "").strip()
        name = NAMED.search(text[: found.start()].rstrip().rpartition("\n\n")[2])
        return f"```{kind}{found[2] or ''}\n{_block(kind, where or (name[1] if name else ''))}\n```"

    return BLOCK.sub(shown, text)


def _block(kind: str, what: str) -> str:
    reader, data = open_bundle(ARCHIVE), ARCHIVE.read_bytes()
    if kind == "hex":
        place = int(what.split()[1]) if what.startswith("archive") else 0
        return _hex(data[place:] if what.startswith("archive") else reader.read(what), LAYOUT[what])
    if kind == "text":
        return reader.read(what).decode().rstrip("\n")
    if what == "line":
        lines = list(iterate_lines(reader, members_of(reader)["data/advisories.jsonl.zst"]))
        return _wrapped(json.loads(lines[1]))
    value = json.loads(reader.read(what))
    return _spread(value) if what == "export.json" else _wrapped(value)


def _hex(data: bytes, layout: Sequence[Sequence[int]]) -> str:
    lines, at = [], 0
    for widths in layout:
        groups = []
        for width in widths:
            groups.append(data[at : at + width].hex())
            at += width
        lines.append(" ".join(groups))
    return "\n".join(lines)


def _wrapped(value: Any, indent: str = "  ") -> str:
    lines = [""]
    for token in TOKEN.findall(json.dumps(value, ensure_ascii=False)):
        if lines[-1].strip() and len((lines[-1] + token).rstrip()) > WIDTH:
            lines.append(indent)
        lines[-1] += token
    return "\n".join(line.rstrip() for line in lines)


def _spread(value: dict[str, Any]) -> str:
    """Return an object with each key on a line of its own, and the members one below the other."""
    rows = []
    for key, each in value.items():
        if key == "members":
            members = ",\n".join("  " + _wrapped(member, "   ") for member in each)
            rows.append(f' "members": [\n{members}\n ]')
        else:
            rows.append(" " + _wrapped({key: each})[1:-1])
    return "{\n" + ",\n".join(rows) + "\n}"


def _numbers(text: str) -> str:
    reader, archive = open_bundle(ARCHIVE), ARCHIVE.read_bytes()
    plain = int.from_bytes(archive[5:9], "little")
    frame = members_of(reader)["data/advisories.jsonl.zst"]
    for pattern, number in (
        (r"is a bundle of ([\d,]+) bytes", len(archive)),
        (r"first frame, ([\d,]+) tar bytes", plain),
        (r"export\.json, ([\d,]+) bytes long", len(reader.read("export.json"))),
        (r"is at 0, of ([\d,]+) bytes", frame.bytes),
        (r"bytes, ([\d,]+) when decompressed", frame.plain_bytes),
        (r"one frame of ([\d,]+) bytes that", plain + 12),
        (r"bytes that holds ([\d,]+):", plain),
    ):
        found = re.search(pattern, text)
        if not found or number is None:
            raise SystemExit(f"docs/format.md has no sentence like {pattern!r} any more")
        text = text[: found.start(1)] + f"{number:,}" + text[found.end(1) :]
    return text


if __name__ == "__main__":
    main()
