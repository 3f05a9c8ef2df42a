"""docs/format.md says what the code does: its steps, its fields, and an example that is compared byte by byte."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest

from bundle import content
from bundle import verify as module
from bundle.keys import load_public_key
from bundle.manifest import Manifest
from bundle.records import iterate_lines, members_of
from bundle.source import open_bundle
from bundle.verify import verify
from flows.pipeline import run
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "format.md").read_text()
EXAMPLE = DOCS / "example"
ARCHIVE = EXAMPLE / "bundle.tar.zst"
STEP = re.compile(r"(?m)^(\d+)\. +(.+(?:\n {3,}.+)*)")
BLOCK = re.compile(r"```(\w+)([^\n]*)\n(.*?)```", re.DOTALL)
NAMED = re.compile(r"`([\w./-]+)`[^`]*$")


def section(title: str) -> str:
    found = re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", PAGE)
    assert found
    return found[1]


def steps(text: str) -> dict[int, str]:
    """Return numbered steps without their markup."""
    return {int(number): " ".join(re.sub(r"[`-]", "", step).split()) for number, step in STEP.findall(text)}


def test_the_steps_are_those_of_the_code() -> None:
    documented, written = steps(section("Verification")), steps(module.__doc__ or "")
    assert list(documented) == list(range(1, 13))
    assert documented == written


def test_the_code_carries_the_number_of_every_step() -> None:
    text = "".join(Path(each.__file__).read_text() for each in (module, content))
    comments = re.findall(r"# ((?:\d+\.(?:,| and)? ?)+)", text)
    numbers = {int(number) for comment in comments for number in re.findall(r"\d+", comment)}
    assert numbers == set(range(1, 13))


def fields(kind: Any) -> Iterator[str]:
    """Yield the names of a struct's fields, and of the structs in it."""
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            for field in msgspec.structs.fields(each):
                yield field.encode_name
                yield from fields(field.type)


def test_every_field_of_the_manifest_is_documented() -> None:
    named = set(re.findall(r"`(\w+)`", section(r"export\.json")))
    names = set(fields(Manifest))
    assert len(names) > 45
    assert names <= named | {"path", "format"}, names - named


def test_the_schema_describes_the_selectors_that_exports_state() -> None:
    schema = json.loads(resources.files("bundle").joinpath("schema/export.schema.json").read_text())
    described = schema["properties"]["selectors"]["properties"]
    assert described.keys() == Manifest.from_bytes(open_bundle(ARCHIVE).read("export.json")).selectors.keys()
    assert all(each["description"] for each in described.values())


def test_the_example_is_a_bundle() -> None:
    key = load_public_key((EXAMPLE / "key.pub").read_bytes())
    verified = verify(ARCHIVE, keys=[key], deep=True)
    assert verified.manifest.counts.records == 2
    assert f"{ARCHIVE.stat().st_size:,} bytes" in section("A whole example")


def excerpts() -> dict[str, tuple[str, str, str]]:
    """Return (kind, what it is of, text) of the blocks of the example, by their beginning."""
    text, found = section("A whole example"), {}
    for block in BLOCK.finditer(text):
        name = NAMED.search(text[: block.start()].rstrip().rpartition("\n\n")[2])
        kind, where = block[1], block[2].strip()
        if kind != "sh":
            assert where or name
            found[f"{where or (name and name[1])}"] = (kind, where, block[3])
    return found


EXCERPTS = excerpts()


def test_every_kind_of_member_is_in_the_example() -> None:
    reader = open_bundle(ARCHIVE)
    shown = [name for name in reader.names if name in EXCERPTS]
    assert len(shown) == 10
    assert {"line", "archive 0", "archive 12", "archive -25"} <= EXCERPTS.keys()


@pytest.mark.parametrize("what", EXCERPTS)
def test_the_example_shows_what_is_in_the_bundle(what: str) -> None:
    kind, where, text = EXCERPTS[what]
    reader, data = open_bundle(ARCHIVE), ARCHIVE.read_bytes()
    if where.startswith("archive"):
        place = int(where.split()[1])
        shown = bytes.fromhex("".join(text.split()))
        assert data[place:][: len(shown)] == shown
        assert place >= 0 or len(shown) == -place
    elif where == "line":
        lines = list(iterate_lines(reader, members_of(reader)["data/advisories.jsonl.zst"]))
        assert json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode() + b"\n" == lines[1]
    elif kind == "json":
        assert json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode() == reader.read(what)
    elif kind == "hex":
        assert bytes.fromhex("".join(text.split())) == reader.read(what)
    else:
        assert text.encode() == reader.read(what)


def test_the_same_profile_gives_the_same_content_today(real_bundle: Callable[..., Any], tmp_path: Path) -> None:
    home = real_bundle().path.parent
    request = ExportRequest(
        profile=str(EXAMPLE / "profile.yaml"),
        store=str(home / "evidence"),
        key=f"file:{next(home.glob('*.key'))}",
        out=str(tmp_path / "bundle.tar.zst"),
    )
    exported, example = run(*prepare(request)).manifest, Manifest.from_bytes(open_bundle(ARCHIVE).read("export.json"))
    assert exported.content_digest == example.content_digest
    assert exported.snapshot_digest == example.snapshot_digest
    assert exported.profile == example.profile
