"""The viewer's files: every part in them once, libraries as their README says, and light enough."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from web.assets import SITE, SITE_VENDOR, STYLE, VENDOR, VIEWER, bundle_files, site_files
from web.bundle_page import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.facts import BundleFacts

STATIC = Path(__file__).parents[2] / "web" / "static"
PARTS = [*STYLE, *VIEWER, *SITE]
LIBRARIES = [*VENDOR, *SITE_VENDOR]


def test_every_part_is_in_one_file_once() -> None:
    there = {
        str(path.relative_to(STATIC)) for folder in ("app", "site", "style") for path in (STATIC / folder).rglob("*.*")
    }
    assert sorted(PARTS) == sorted(there)


def test_every_library_is_the_one_its_readme_names() -> None:
    readme = (STATIC / "vendor" / "README.md").read_text()
    stated = {row[0]: row[1] for row in re.findall(r"^\| `?([\w.-]+\.js)`? .*?([0-9a-f]{64})", readme, re.MULTILINE)}
    made = {
        Path(each.script).name: hashlib.sha256((STATIC / each.script).read_bytes()).hexdigest() for each in LIBRARIES
    }
    assert stated == made


def test_every_library_comes_with_its_licence() -> None:
    text = site_files()["viewer/LICENSES.txt"].decode()
    for each in LIBRARIES:
        assert f"{each.name} {each.version}\n" in text
        assert (STATIC / each.licence).read_text() in text


@pytest.mark.parametrize("part", [part for part in PARTS if part.endswith(".js")])
def test_no_script_makes_markup_of_text(part: str) -> None:
    code = (STATIC / part).read_text()
    assert (
        re.findall(r"\.(?:innerHTML|outerHTML)\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function", code)
        == []
    )


@pytest.mark.parametrize("part", [part for part in PARTS if part.endswith(".js")])
def test_every_text_of_a_script_ends_in_its_line(part: str) -> None:
    lines = (STATIC / part).read_text().splitlines()
    code = [line for line in lines if not line.lstrip().startswith(("//", "*", "/*"))]
    assert [line for line in code if line.replace("\\`", "").count("`") % 2] == []


@pytest.mark.counterpart
def test_scripts_without_comments_are_the_same_program(counterpart: Callable[[str], str], tmp_path: Path) -> None:
    for name in ("viewer.js", "site.js"):
        made = site_files()[f"viewer/{name}"]
        (tmp_path / name).write_bytes(made)
        done = subprocess.run([counterpart("node"), "--check", tmp_path / name], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        for part in VIEWER if name == "viewer.js" else SITE:
            code = [line.strip() for line in (STATIC / part).read_text().splitlines()]
            kept = [line for line in code if line and not line.startswith(("//", "/*", "*"))]
            assert [line for line in kept if line.encode() not in made] == []


def test_a_bundle_page_with_all_it_needs_is_light(friendly: BundleFacts) -> None:
    sizes = {path: len(data) for path, data in render(friendly).items()}
    assert sizes["viewer/viewer.js"] < 200_000
    assert sum(sizes.values()) < 500_000


def test_a_site_has_the_files_of_a_bundle_and_its_own() -> None:
    bundle, site = bundle_files(), site_files()
    assert set(site) - set(bundle) == {"viewer/site.js", "viewer/site-vendor.js"}
    assert {path for path in bundle if bundle[path] != site[path]} <= {"viewer/LICENSES.txt"}


@pytest.mark.counterpart
def test_libraries_are_made_again_byte_by_byte(counterpart: Callable[[str], str], tmp_path: Path) -> None:
    vendor = STATIC / "vendor"
    wanted = json.loads((vendor / "package.json").read_text())["devDependencies"]
    there = {name: vendor / "node_modules" / name / "package.json" for name in wanted}
    if any(
        not path.exists() or json.loads(path.read_text())["version"] != wanted[name] for name, path in there.items()
    ):
        pytest.skip("the libraries are not installed; run `npm ci` in web/static/vendor")
    subprocess.run([counterpart("node"), vendor / "build.mjs", tmp_path], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = [*vendor.glob("*.js"), *vendor.glob("*.LICENSE.txt")]
    assert made == {path.name: path.read_bytes() for path in kept}
