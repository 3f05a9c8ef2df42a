"""Bundles read in a real browser: over HTTP ranges, from a dropped archive and from a folder, moving little of them."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from bundle.envelope import FIRST
from bundle.frames import FrameParameters
from tests.bundle import conftest as builder
from tests.web.ranges import TOKEN, Site, serving
from tests.web.reading import advisory, make_searchable
from web.assets import bundle_files
from web.layout import content_security_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bundle.keys import Signer

pytestmark = pytest.mark.counterpart

MOST = 2_000_000
"""What one record may move, in bytes."""

RECORDS = 9_000
NOISE = 2_000
"""Bytes of a record that do not compress."""

HELPERS = """
const say = (what) => what().then((found) => ({ found }), (error) => {
  if (!(error instanceof ExportCenter.BundleError)) throw error;
  return { code: error.code, message: error.message, advice: error.advice };
});
const one = async (source, id) => {
  const bundle = await ExportCenter.container.open(source);
  const [hit, ...others] = await ExportCenter.lookup.byId(bundle, id);
  return { text: hit.text, others: others.length, moved: source.bytesRead, layout: bundle.layout };
};
"""


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Records that make some dozens of frames of the size that exports have."""
    draw = random.Random(5)
    return [advisory(n, title=f"Title {n} {draw.randbytes(NOISE).hex()[:NOISE]} lodash") for n in range(RECORDS)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], signer: Signer) -> Iterator[Site]:
    """A served folder with a page, a large bundle, and a small one in every layout."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "SMALL_FRAMES", FrameParameters())
        make_searchable(folder, signer, records, name="large.tar.zst")
    for layout in ("tar.zst", "zip", "dir"):
        make_searchable(folder, signer, [advisory(n) for n in range(50)], name=f"small.{layout}", layout=layout)
    for path, data in bundle_files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    page = json.dumps({"mode": "static", "page": "test", "root": "", "api": None, "bundle": None, "auth": None})
    scripts = "".join(f'<script src="viewer/{name}.js"></script>' for name in ("vendor", "viewer"))
    (folder / "page.html").write_text(
        f'<!doctype html><title>Test</title><link rel="icon" href="data:,">'
        f'<meta http-equiv="Content-Security-Policy" content="{content_security_policy()}">'
        f'<script type="application/json" id="page">{page}</script>{scripts}'
        '<input type="file" id="file"><input type="file" id="folder" webkitdirectory>'
    )
    with serving(folder) as served:
        yield served


class Page:
    """A page that says nothing in its console, and runs programs with the helpers."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(address)

    def run(self, program: str, value: Any = None) -> Any:
        found = self.page.evaluate(f"async (input) => {{ {HELPERS} {program} }}", value)
        assert self.errors == []
        return found


@pytest.fixture(scope="module")
def served(browser: Any, site: Site) -> Iterator[Page]:
    context = browser.new_context()
    yield Page(context.new_page(), f"{site.url}/page.html")
    context.close()


@pytest.fixture(scope="module")
def opened(browser: Any, site: Site) -> Iterator[Page]:
    context = browser.new_context()
    yield Page(context.new_page(), (site.folder / "page.html").as_uri())
    context.close()


def test_a_record_of_a_large_bundle_moves_little_of_it_over_http(
    served: Page, site: Site, records: list[dict[str, Any]]
) -> None:
    wanted = records[RECORDS // 2]["envelope"]["id"]
    found = served.run("return one(await ExportCenter.source.fromUrl('large.tar.zst'), input);", wanted)
    size = (site.folder / "large.tar.zst").stat().st_size
    assert found["text"].encode() + b"\n" == records[RECORDS // 2]["line"]
    assert (found["others"], found["layout"]) == (0, "tar.zst")
    assert found["moved"] == site.sent["/large.tar.zst"]
    assert found["moved"] < MOST < size / 3


def test_a_record_of_a_large_bundle_moves_little_of_it_from_a_file(
    opened: Page, site: Site, records: list[dict[str, Any]]
) -> None:
    opened.page.set_input_files("#file", site.folder / "large.tar.zst")
    wanted = records[77]["envelope"]["id"]
    found = opened.run(
        "return one(ExportCenter.source.of({ file: document.getElementById('file').files[0] }), input);", wanted
    )
    assert found["text"].encode() + b"\n" == records[77]["line"]
    assert found["moved"] < MOST


def test_a_search_of_a_large_bundle_reads_only_frames_that_can_answer(served: Page) -> None:
    found = served.run(
        """
        const source = await ExportCenter.source.fromUrl("large.tar.zst");
        const bundle = await ExportCenter.container.open(source);
        const ids = [];
        let said;
        for await (const hit of ExportCenter.search.search(bundle, "title 4321", { progress: (now) => (said = now) })) ids.push(hit.id);
        return { ids, frames: said.frames, all: ExportCenter.search.cost(bundle).frames, moved: source.bytesRead };
        """
    )
    assert found["ids"] == ["ID-4321"]
    assert found["frames"] < found["all"] / 4
    assert found["moved"] < 2 * MOST


def test_folders_are_read_where_they_are_chosen_and_where_they_are_served(
    opened: Page, served: Page, site: Site
) -> None:
    program = """
        const bundle = await ExportCenter.container.open(source);
        const hits = [];
        for await (const hit of ExportCenter.search.search(bundle, "lodash")) hits.push(hit.id);
        return { hits, layout: bundle.layout, names: [...bundle.members.keys()].length, files: bundle.verifiable.files.size };
    """
    opened.page.set_input_files("#folder", site.folder / "small.dir")
    chosen = opened.run(
        f"const source = ExportCenter.source.of({{ folder: document.getElementById('folder').files }}); {program}"
    )
    beside = served.run(f"const source = ExportCenter.source.fromSiblings('small.dir/index.html'); {program}")
    assert chosen == beside
    assert (len(chosen["hits"]), chosen["layout"]) == (18, "dir")
    assert chosen["names"] == chosen["files"]
    assert chosen["names"] > len(FIRST)


def test_a_zip_is_read_over_http(served: Page) -> None:
    found = served.run("return one(await ExportCenter.source.fromUrl('small.zip'), 'ID-0007');")
    assert (found["layout"], json.loads(found["text"])["id"]) == ("zip", "ID-0007")


MANNERS = {
    "~changed": "changed on the server",
    "~elsewhere": "another range",
    "~coded": "does not answer range requests",
    "~more": "more than was asked",
    "~less": "ends early",
}


def test_servers_with_bad_manners_are_told_from_bundles(served: Page) -> None:
    for manner, words in MANNERS.items():
        found = served.run(
            "return say(async () => one(await ExportCenter.source.fromUrl(input), 'ID-0007'));",
            f"{manner}/large.tar.zst",
        )
        assert found["code"] == "unreadable"
        assert words in found["message"]
        assert found["advice"]


def test_a_server_without_ranges_gives_small_bundles_only(served: Page, site: Site) -> None:
    program = "return say(async () => one(await ExportCenter.source.fromUrl(input), 'ID-0007'));"
    assert json.loads(served.run(program, "~whole/small.tar.zst")["found"]["text"])["id"] == "ID-0007"
    large = site.folder / "vast.tar.zst"
    with large.open("wb") as file:
        file.truncate(33 << 20)
    refused = served.run(program, "~whole/vast.tar.zst")
    assert refused["code"] == "unreadable"
    assert "range requests" in refused["message"]
    assert "drop it on the page" in refused["advice"]


def test_requests_are_signed_by_whoever_asks(served: Page) -> None:
    program = """
        const fetch = (url, { headers, ...rest }) => window.fetch(url, { ...rest, headers: { ...headers, ...input.headers } });
        return say(async () => one(await ExportCenter.source.fromUrl(input.url, { fetch }), "ID-0007"));
    """
    address = "~token/small.tar.zst"
    assert served.run(program, {"url": address, "headers": {"Authorization": TOKEN}})["found"]["others"] == 0
    refused = served.run(program, {"url": address, "headers": {}})
    assert (refused["code"], "401" in refused["message"], "Sign in" in refused["advice"]) == ("unreadable", True, True)
    gone = served.run(program, {"url": "nowhere.tar.zst", "headers": {}})
    assert (gone["code"], "404" in gone["message"]) == ("unreadable", True)
    away = served.run(program, {"url": "http://127.0.0.1:1/x", "headers": {}})
    assert (away["code"], bool(away["advice"])) == ("unreadable", True)


def test_reading_stops_when_it_is_told(served: Page, site: Site) -> None:
    found = served.run(
        """
        const source = await ExportCenter.source.fromUrl("large.tar.zst");
        const bundle = await ExportCenter.container.open(source);
        const stopping = new AbortController();
        const progress = ({ looked }) => looked === 1 && stopping.abort();
        let name = null;
        try {
          for await (const hit of ExportCenter.search.scan(bundle, { text: "nowhere", progress, signal: stopping.signal }));
        } catch (error) {
          name = error.name;
        }
        const before = source.bytesRead;
        await new Promise((resolve) => setTimeout(resolve, 0));
        return { name, more: source.bytesRead - before, moved: source.bytesRead };
        """
    )
    assert found["name"] == "AbortError"
    assert found["more"] == 0
    assert found["moved"] < (site.folder / "large.tar.zst").stat().st_size / 2
