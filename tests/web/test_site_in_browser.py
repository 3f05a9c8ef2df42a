"""A static site in a real browser: opened from files, and from a plain web server."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bundle.diff import diff
from bundle.source import open_bundle
from tests.bundle.conftest import make, record
from tests.web.ranges import serving
from web.overview import ProfileCard, Row
from web.profile_page import ProfileStory
from web.site import Site, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bundle.keys import Signer

pytestmark = pytest.mark.counterpart

MANY = 20_000
NEWEST = datetime(2026, 3, 1, tzinfo=UTC)


class Places(NamedTuple):
    """Where the sites lie: one of two real bundles, and one of many rows; and the bundles themselves."""

    two: Path
    many: Path
    first: Path
    second: Path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Places:
    folder = tmp_path_factory.mktemp("sites")
    old = [record(number) for number in range(60)]
    new = [record(number, text="changed" if number % 10 == 3 else "text") for number in range(5, 64)]
    first = make(folder, signer, lines=old, name="monday.tar.zst").path
    second = make(folder, signer, lines=new, name="tuesday.zip", layout="zip").path
    (folder / "key.pub").write_bytes(signer.public.pem)
    command = [sys.executable, "-m", "cli", "site", "build", "--out", folder / "two", "--key", folder / "key.pub"]
    done = subprocess.run([*command, "--bundle", first, "--bundle", second], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    for path, data in pages(many_rows()).items():
        (folder / "many" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "many" / path).write_bytes(data)
    return Places(folder / "two", folder / "many", first, second)


def many_rows() -> Site:
    """A row every hour, newest first: every fourth failed, and two profiles take turns."""
    rows = [
        Row(
            name=f"run-{place:05d}",
            status="failed" if place % 4 == 1 else "success",
            profile=("hourly", "weekly")[place % 2],
            tenant=("acme", "other")[place % 3 == 0],
            finished=(NEWEST - timedelta(hours=place)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            records=MANY - place,
            bytes=(MANY - place) * 1000,
            layout="tar.zst",
            bundle=place % 4 != 1,
            archive=True,
            remark="=1+1" if place % 4 == 1 else "",
        )
        for place in range(MANY)
    ]
    cards = [
        ProfileCard(profile_id="hourly", cron="0 * * * *"),
        ProfileCard(profile_id="weekly"),
        ProfileCard(profile_id="never"),
    ]
    stories = [
        ProfileStory(card=card, revision=1, rows=own)
        for card, own in zip(cards, (rows[::2], rows[1::2], ()), strict=True)
    ]
    return Site(rows=[replace(row, run=False) for row in rows], profiles=stories)


@pytest.fixture(scope="module")
def base(places: Places) -> Iterator[str]:
    """Where a web server has the folder of both sites."""
    with serving(places.two.parent) as site:
        yield site.url


@contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """Open an address; at its end, nothing was complained about, and nothing was asked of elsewhere."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    yield page
    context.close()
    origin = url.split("/")[2]
    assert said == []
    assert [each for each in asked if each.split("/")[2] != origin and not each.startswith(("data:", "blob:"))] == []


@pytest.fixture(params=["from a file", "from a web server"])
def site(request: pytest.FixtureRequest, places: Places, base: str) -> Callable[[str], str]:
    """Return a function from a path below both sites to its address."""
    root = places.two.parent.as_uri() if request.param == "from a file" else base
    return lambda path: f"{root}/{path}"


def kept(page: Any, button: str, table: str = "runs") -> tuple[str, str]:
    """Press a button that saves a file; return its name and text."""
    with page.expect_download() as saved:
        page.locator(f"#{table}").get_by_role("button", name=button).click()
    return saved.value.suggested_filename, Path(saved.value.path()).read_text()


def names(page: Any, table: str = "runs") -> list[str]:
    return page.locator(f"#{table} tbody tr .primary").all_text_contents()


# -- overview ------------------------------------------------------------------------------------------------------


def test_twenty_thousand_rows_are_there_a_screenful_at_a_time_and_export_whole(
    browser: Any, site: Callable[[str], str]
) -> None:
    with opened(browser, site("many/index.html")) as page:
        page.wait_for_selector("#runs output")
        assert page.text_content("#runs output") == "20\u202f000 entries"
        assert page.get_attribute("#runs-grid", "aria-rowcount") == str(MANY + 1)
        assert names(page)[:2] == ["run-00000", "run-00001"]
        assert page.locator("#runs tbody tr").count() < 100
        page.focus("#runs-grid")
        page.keyboard.press("End")
        page.locator("#runs tbody tr", has_text="run-19999").wait_for()
        name, text = kept(page, "CSV")
        lines = text.splitlines()
        assert (name, len(lines)) == ("runs-all-20000.csv", MANY + 1)
        assert "'=1+1" in lines[2]


def test_words_values_and_days_narrow_the_table_and_the_address_and_exports_say_so(browser: Any, base: str) -> None:
    with opened(browser, f"{base}/many/index.html") as page:
        page.wait_for_selector("#runs output")
        page.get_by_label("Profile", exact=True).select_option("weekly")
        page.get_by_label("Status", exact=True).select_option("failed")
        page.fill("#runs-from", "2026-02-27")
        page.fill("#runs-to", "2026-02-28")
        wanted = [row.name for row in many_rows().rows if row.profile == "weekly" and row.status == "failed"]
        days = [row.name for row in many_rows().rows if row.finished[:10] in {"2026-02-27", "2026-02-28"}]
        both = sorted(set(wanted) & set(days))
        assert names(page) == both
        name, text = kept(page, "JSON")
        assert name == f"runs-filtered-{len(both)}-of-20000.json"
        said = json.loads(text)
        assert [row["name"] for row in said["rows"]] == both
        assert "from 2026-02-27 to 2026-02-28" in said["filter"]
        assert said["rows"][0]["finished"] >= "2026-02-27"
        address = page.url
    with opened(browser, address) as again:
        again.wait_for_selector("#runs output")
        assert names(again) == both
        assert again.input_value("#runs-to") == "2026-02-28"
        again.fill("#runs-words", "no such words")
        assert again.is_visible("text=Nothing matches")


def test_sizes_and_counts_over_time_are_drawn_and_told(browser: Any, places: Places) -> None:
    with opened(browser, (places.many / "index.html").as_uri()) as page:
        page.wait_for_selector("#series canvas")
        assert page.locator("#series canvas").count() == 2
        labels = [page.get_attribute(f"#series figure:nth-child({place}) .plot", "aria-label") for place in (1, 2)]
        assert "20\u202f000 in the latest of 10\u202f000" in labels[0]
        assert labels[1].startswith("Size over time: 20.0\u202fMB in the latest")
        page.select_option("#series-profile", "weekly")
        page.locator(
            '#series .plot[aria-label*="Records over time: 19\u202f997 in the latest of 5\u202f000"]'
        ).first.wait_for()
        page.click("#series summary")
        assert page.text_content("#series .windowed output") == "5\u202f000 bundles"
        drawn = page.evaluate(
            "() => { const c = document.querySelector('#series canvas');"
            " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((byte) => byte); }"
        )
        assert drawn


AGES = {
    "a bundle of a minute ago is fresh": ({"since": "2026-03-01T11:59:00Z", "pause": 3600}, ("1\u202fmin", False)),
    "an hourly one two hours late is not": (
        {"since": "2026-03-01T08:59:00Z", "pause": 3600},
        ("3\u202fh 1\u202fmin", True),
    ),
    "without a schedule nothing is late": (
        {"since": "2025-01-01T00:00:00Z", "pause": None},
        ("424\u202fd 12\u202fh", False),
    ),
    "an unknown time is worth a warning": ({"since": "", "pause": 3600}, ("unknown", True)),
    "an archived profile is never late": (
        {"since": "2025-01-01T00:00:00Z", "pause": 60, "archived": True},
        ("424\u202fd 12\u202fh", False),
    ),
    "a time ahead of the clock is worth one too": ({"since": "2026-03-02T12:00:00Z", "pause": 60}, ("ahead", True)),
}


def test_ages_are_judged_by_the_schedule(browser: Any, places: Places) -> None:
    with opened(browser, (places.many / "index.html").as_uri()) as page:
        for sentence, (facts, expected) in AGES.items():
            now = "Date.parse('2026-03-01T12:00:00Z')"
            said = page.evaluate(f"(facts) => ExportCenter.freshness.judge(facts, {now})", facts)
            assert (said["text"], said["late"]) == expected, sentence
        assert "older than its schedule suggests" in page.locator(".fresh tr", has_text="hourly").text_content()
        name, text = kept(page, "CSV: freshness", "freshness")
        assert name == "freshness-all-3.csv"
        assert text.splitlines() == [
            "profile,runs,bundle,asOf,finished",
            'hourly,"every hour, at minute 0 (UTC)",run-00000,,2026-03-01T00:00:00Z',
            "weekly,when asked,run-00003,,2026-02-28T21:00:00Z",
            "never,when asked,no good bundle here,,",
        ]


def test_without_javascript_the_newest_rows_stand_in_the_page_and_nothing_pretends_to_work(
    browser: Any, places: Places
) -> None:
    with opened(browser, (places.many / "index.html").as_uri(), java_script_enabled=False) as page:
        assert page.locator(".runs tbody tr:visible").count() == 100
        assert page.locator("button:visible, input:visible, select:visible").count() == 0
        assert page.is_hidden("#over-time")


def test_rows_that_cannot_be_loaded_leave_the_newest_and_say_so(browser: Any, places: Places, tmp_path: Path) -> None:
    for path in places.many.rglob("*"):
        if path.is_file() and "data" not in path.parts[-2:]:
            target = tmp_path / path.relative_to(places.many)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_selector("#runs-place [role=alert]")
    assert "Shown are the newest only" in page.text_content("#runs-place [role=alert]")
    assert page.locator(".runs tbody tr:visible").count() == 100
    context.close()


# -- profile -------------------------------------------------------------------------------------------------------


def test_all_runs_of_a_profile_are_on_its_page_to_be_narrowed_and_kept(
    browser: Any, site: Callable[[str], str]
) -> None:
    with opened(browser, site("many/profiles/weekly/index.html"), timezone_id="Asia/Tokyo", locale="en-GB") as page:
        page.wait_for_selector("#profile-runs output")
        assert page.text_content("#profile-runs output") == "10\u202f000 entries"
        assert names(page, "profile-runs")[:2] == ["run-00001", "run-00003"]
        assert page.get_by_label("Profile", exact=True).count() == 0
        assert page.get_attribute(".latest time", "title") == "01/03/2026, 06:00:00 local time"
        page.get_by_label("Status", exact=True).select_option("success")
        page.fill("#profile-runs-from", "2026-02-28")
        wanted = [f"run-{place:05d}" for place in range(3, 25, 4)]
        assert names(page, "profile-runs") == wanted
        name, text = kept(page, "JSON", "profile-runs")
        assert name == f"profile-runs-filtered-{len(wanted)}-of-10000.json"
        assert [row["name"] for row in json.loads(text)["rows"]] == wanted
        assert page.url.endswith("#profile-runs.from=2026-02-28&profile-runs.status=success")


# -- compare -------------------------------------------------------------------------------------------------------


def changes_of(places: Places) -> dict[str, int]:
    """What the program says of the two bundles, by kind of change."""
    found = diff(open_bundle(places.first), open_bundle(places.second)).changes
    return {kind: sum(one.change == kind for one in found) for kind in ("added", "changed", "removed")}


def test_two_bundles_of_a_site_are_compared_by_what_they_say_of_themselves(
    browser: Any, site: Callable[[str], str]
) -> None:
    with opened(browser, site("two/compare.html?a=monday&b=tuesday")) as page:
        page.wait_for_selector("#answer")
        assert page.text_content(".answer") == "They carry different evidence."
        assert page.locator("#answer tbody tr", has_text="contentDigest").locator("text=different").count() == 1
        row = page.locator("#counts tbody tr", has_text="records").first
        assert row.locator("td").all_text_contents() == ["All", "60", "59", "\N{MINUS SIGN}1"]
        page.get_by_role("button", name="Swap A and B").click()
        assert page.locator("#counts tbody tr").first.locator("td").all_text_contents() == ["All", "59", "60", "+1"]
        assert page.url.endswith("?a=tuesday&b=monday")


def test_from_a_web_server_records_are_compared_at_once_and_changed_ones_show_what_changed(
    browser: Any, places: Places, base: str
) -> None:
    with opened(browser, f"{base}/two/compare.html?a=monday&b=tuesday") as page:
        page.locator("#changes tbody tr", has_text="ID-0013").wait_for()
        said, counts = page.text_content("#difference [role=status]"), changes_of(places)
        assert counts == {"added": 4, "changed": 5, "removed": 5}
        assert said.startswith("4 added, 5 changed, 5 removed, 50 the same.")
        page.get_by_label("Change", exact=True).select_option("changed")
        assert sorted(names(page, "changes")) == [f"ID-{number:04d}" for number in range(13, 60, 10)]
        page.locator("#changes tbody tr", has_text="ID-0013").click()
        page.wait_for_selector("#difference .opened h3")
        fields = (
            page.locator("#difference table.sides tbody tr", has_text="content.summary")
            .locator("td")
            .all_text_contents()
        )
        assert fields == ["text" * 6, "changed" * 6]
        assert "#change=" in page.url
        page.reload()
        page.locator("#difference .opened h3", has_text="ID-0013").wait_for()
        page.get_by_role("button", name="Close", exact=True).click()
        page.wait_for_selector("#difference .opened h3", state="detached")
        assert "#change=" not in page.url


def test_from_files_the_page_says_what_it_cannot_read_and_takes_the_archives(browser: Any, places: Places) -> None:
    with opened(browser, (places.two / "compare.html").as_uri() + "?a=monday&b=tuesday") as page:
        page.wait_for_selector("#difference")
        assert "drop A and B above" in page.text_content("#difference [role=status]")
        for side, path in (("A, before", places.first), ("B, after", places.second)):
            page.get_by_label(side).locator("input[type=file]").first.set_input_files(path)
        page.locator("#changes tbody tr", has_text="ID-0013").wait_for()
        assert page.text_content("#difference [role=status]").startswith("4 added, 5 changed, 5 removed")
        assert page.url.endswith("?a=monday&b=tuesday")


def test_what_is_no_bundle_or_not_known_is_said_beside_the_side_it_was_given_to(browser: Any, places: Places) -> None:
    with opened(browser, (places.two / "compare.html").as_uri() + "?a=nobody") as page:
        page.wait_for_selector("#compare .said.bad")
        assert "no bundle called nobody" in page.get_by_label("A, before").locator(".said").text_content()
        page.get_by_label("B, after").locator("input[type=file]").first.set_input_files(__file__)
        page.wait_for_selector("[aria-label='B, after'] .said.bad")
        assert page.is_visible("text=the latest two of")
