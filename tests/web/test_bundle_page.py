"""The pages as bytes: order, determinism, escaping, and no way to the network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest

from bundle.canonical import canonical_json
from bundle.manifest import Member
from web.bundle_page import render
from web.checking import SIGNED_LIST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from web.facts import BundleFacts

VIEWER = ["viewer/style.css", "viewer/viewer.js", "viewer/vendor.js", "viewer/LICENSES.txt"]


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text between."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_pages_come_in_the_order_of_the_payload(friendly: BundleFacts) -> None:
    assert list(render(friendly)) == ["README.md", "index.html", *VIEWER]


def test_the_page_states_the_digests_of_the_other_pages(friendly: BundleFacts) -> None:
    pages = render(friendly)
    shown = pages["index.html"].decode().replace("<wbr>", "")
    stated = {path: hashlib.sha256(data).hexdigest() in shown for path, data in pages.items()}
    assert stated == {"README.md": True, "index.html": False, **dict.fromkeys(VIEWER, True)}


def test_same_facts_give_same_bytes_whatever_the_order_of_tables(friendly: BundleFacts) -> None:
    def turned(table: dict[str, int]) -> dict[str, int]:
        return dict(reversed(table.items()))

    counts = friendly.counts
    other = msgspec.structs.replace(
        counts,
        by_source=turned(counts.by_source),
        by_ecosystem=turned(counts.by_ecosystem),
        by_severity=turned(counts.by_severity),
    )
    selectors = dict(reversed(friendly.selectors.items()))
    assert render(dataclasses.replace(friendly, counts=other, selectors=selectors)) == render(friendly)


def test_hostile_names_add_no_element(hostile: BundleFacts) -> None:
    tags = Tags(render(hostile)["index.html"])
    assert [attributes for tag, attributes in tags.tags if tag == "script"] == [
        {"src": "viewer/vendor.js", "defer": None},
        {"src": "viewer/viewer.js", "defer": None},
        {"type": "application/json", "id": "page"},
    ]
    assert [tag for tag, _ in tags.tags if tag in {"img", "b", "iframe", "object"}] == []
    assert "<img onerror=alert(1)>" in tags.text
    assert "{{ 7*7 }}" in tags.text


def test_hostile_names_cannot_turn_text_around(hostile: BundleFacts) -> None:
    for data in render(hostile).values():
        assert "\u202e" not in data.decode()


def test_hostile_names_stay_inside_code_in_the_readme(hostile: BundleFacts) -> None:
    readme = render(hostile)["README.md"].decode()
    prose = [line for line in readme.splitlines() if not line.startswith("    ")]
    outside = "\n".join(re.sub("`[^`]*`", "", line) for line in prose)
    assert "onerror" in readme
    assert "onerror" not in outside


def test_commands_in_the_readme_quote_paths_for_the_shell(changed: Callable[..., BundleFacts]) -> None:
    path = "data/$(touch owned).jsonl.zst"
    readme = render(changed(members=[Member(path=path, media_type="application/zstd", bytes=1, sha256="0" * 64)]))
    assert f"    zstd -dc '{path}' | head -n 1" in readme["README.md"].decode()


def test_nothing_but_the_own_assets_is_ever_loaded(friendly: BundleFacts) -> None:
    pages = render(friendly)
    named = [
        attributes[name]
        for _, attributes in Tags(pages["index.html"]).tags
        for name in ("src", "href", "action", "srcset", "data")
        if name in attributes
    ]
    assert {one for one in named if one is not None and not one.startswith("#")} == {
        "viewer/style.css",
        "viewer/vendor.js",
        "viewer/viewer.js",
        "data:,",
    }
    assert b"url(" not in pages["viewer/style.css"]
    assert b"@import" not in pages["viewer/style.css"]
    addresses = re.findall(rb"https?://[a-z0-9.-]+", pages["viewer/viewer.js"] + pages["viewer/style.css"])
    # The namespace of SVG is a name, not an address.
    assert set(addresses) <= {b"http://www.w3.org"}


def test_the_page_keeps_its_own_content_security_policy(friendly: BundleFacts) -> None:
    tags = Tags(render(friendly)["index.html"]).tags
    assert [tag for tag, attributes in tags if "style" in attributes or tag == "style"] == []
    assert [name for _, attributes in tags for name in attributes if name.startswith("on")] == []
    (policy,) = [attributes["content"] for _, attributes in tags if "http-equiv" in attributes]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert policy.endswith("; require-trusted-types-for 'script'; trusted-types 'none'")


def test_ids_are_unique_and_every_anchor_leads_somewhere(friendly: BundleFacts) -> None:
    tags = Tags(render(friendly)["index.html"]).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    aimed = {str(attributes["href"])[1:] for _, attributes in tags if str(attributes.get("href", "")).startswith("#")}
    aimed |= {str(attributes["data-copy"]) for _, attributes in tags if "data-copy" in attributes}
    assert len(ids) == len(set(ids))
    assert aimed <= set(ids)


def test_the_pages_are_light(friendly: BundleFacts) -> None:
    assert sum(map(len, render(friendly).values())) < 500_000


@pytest.mark.parametrize("flip", [False, True], ids=["as signed", "one byte flipped"])
@pytest.mark.counterpart
def test_the_stock_command_checks_members_against_the_signed_list(
    counterpart: Callable[[str], str], tmp_path: Path, flip: bool
) -> None:
    counterpart("sha256sum")
    members = []
    for path in ("README.md", "data/advisories.jsonl.zst"):
        data = path.encode() * 9
        target = tmp_path / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
        members.append({"path": path, "sha256": hashlib.sha256(data).hexdigest(), "framesSha256": "0" * 64, "bytes": 1})
    manifest = {"members": members, "profile": {"sha256": "1" * 64}, "selectors": {"ids": ['"path":"x"']}}
    (tmp_path / "export.json").write_bytes(canonical_json(manifest))
    assert json.loads((tmp_path / "export.json").read_bytes()) == manifest
    if flip:
        (tmp_path / "README.md").write_bytes(b"other")
    done = subprocess.run(["sh", "-c", SIGNED_LIST], cwd=tmp_path, capture_output=True, text=True, check=False)
    answers = {"README.md: FAILED" if flip else "README.md: OK", "data/advisories.jsonl.zst: OK"}
    assert set(done.stdout.splitlines()) == answers
    assert (done.returncode == 0) is not flip
