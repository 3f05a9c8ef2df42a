"""Pages of a site as values: what they say of rows and profiles, and that a site holds together."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.conftest import manifest_of_payload
from tests.web.conftest import HOSTILE
from web.layout import Layout
from web.line_diff import diff
from web.overview import (
    NEWEST,
    Overview,
    ProfileCard,
    Row,
    data_script,
    freshness,
    newest_first,
    overview_page,
    render,
    rows_script,
)
from web.profile_page import Change, ProfileStory, profile_page
from web.profile_page import render as render_profile
from web.profile_words import words
from web.schedules import longest_pause, schedule_words
from web.site import Site, SiteBundle, pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.manifest import Manifest

DAY = 86_400
HERE = Layout(mode="static", page="overview", title="Test")


def good(name: str, finished: str, **more: object) -> Row:
    row = Row(name=name, status="success", profile="nightly", finished=finished, bundle=True, archive=True, bytes=9)
    return replace(row, **more)  # type: ignore[arg-type] - fields by name


# -- schedules -----------------------------------------------------------------------------------------------------


SCHEDULES = {
    "30 2 * * *": ("every day at 02:30", DAY),
    "0 6,18 * * *": ("every day at 06:00 and 18:00", DAY // 2),
    "5 * * * *": ("every hour, at minute 5", 3600),
    "0 2 * * MON": ("every Monday at 02:00", 7 * DAY),
    "0 2 * * 7": ("every Sunday at 02:00", 7 * DAY),
    "15 3 1 * *": ("on day 1 of every month at 03:15", 31 * DAY),
    "*/5 * * * *": (None, 300),
    "0 8-18/2 * * MON-FRI": (None, 2 * DAY + 14 * 3600),
    "0 0 13 * FRI": (None, 7 * DAY),
    "0 0 29 FEB *": (None, 1461 * DAY),
    "0 0 31 4 *": (None, None),
    "0 0 * *": (None, None),
    "0 25 * * *": (None, None),
    "a b c d e": (None, None),
}


@pytest.mark.parametrize("cron", SCHEDULES)
def test_schedules_are_said_in_words_where_there_are_short_ones_with_the_longest_pause_they_allow(cron: str) -> None:
    said, pause = SCHEDULES[cron]
    assert schedule_words(cron, "UTC") == (f"{said} (UTC)" if said else f"cron {cron} (UTC)")
    assert longest_pause(cron) == pause


# -- rows and freshness --------------------------------------------------------------------------------------------


def test_the_latest_good_bundle_counts_whatever_came_after_it() -> None:
    rows = [
        good("old", "2026-01-01T00:00:00Z"),
        good("new", "2026-01-02T00:00:00Z"),
        Row(name="failed", status="failed", profile="nightly", finished="2026-01-03T00:00:00Z"),
        good("expired", "2026-01-04T00:00:00Z", bundle=False, archive=False),
        good("refused", "2026-01-05T00:00:00Z", status="refused"),
    ]
    (fresh,) = freshness(newest_first(rows), [ProfileCard(profile_id="nightly", cron="0 2 * * *")])
    assert fresh.latest is not None
    assert (fresh.latest.name, fresh.pause) == ("new", DAY)


def test_profiles_in_use_come_first_then_those_without_a_bundle_then_archived_ones() -> None:
    cards = [
        ProfileCard(profile_id="archived", archived=True),
        ProfileCard(profile_id="empty"),
        ProfileCard(profile_id="nightly"),
    ]
    found = freshness([good("a", "2026-01-01T00:00:00Z"), good("b", "2026-01-01T00:00:00Z", profile="unlisted")], cards)
    assert [one.card.profile_id for one in found] == ["nightly", "unlisted", "empty", "archived"]
    assert [one.card.page for one in found] == [True, False, True, True]
    assert [one.card.known for one in found] == [True, False, True, True]


def test_a_profile_is_run_when_asked_only_where_somebody_knows_that() -> None:
    rows = [good("a", "2026-01-01T00:00:00Z", profile="unlisted")]
    unknown = render(Overview(rows=rows), HERE).decode()
    assert "<td>not known</td>" in unknown
    assert "when asked" not in unknown
    assert (
        "<td>when asked</td>"
        in render(Overview(rows=rows, profiles=[ProfileCard(profile_id="unlisted")]), HERE).decode()
    )


def test_without_javascript_the_newest_hundred_rows_are_there_and_the_page_says_how_many_there_are() -> None:
    rows = [good(f"run-{place:03d}", f"2026-01-01T00:00:{place % 60:02d}Z") for place in range(NEWEST + 20)]
    text = render(Overview(rows=rows), HERE).decode()
    assert len(re.findall(r'<th scope="row"><a href="bundles/run-', text)) == NEWEST
    assert "The newest 100 of 120" in text


def test_an_empty_site_says_so_and_how_to_begin() -> None:
    text = render(Overview(rows=[]), HERE).decode()
    assert "There are no runs and no bundles here yet." in text
    assert "export-center site build" in text


def test_the_script_gives_the_same_rows_as_the_json() -> None:
    rows = [good("a", "2026-01-01T00:00:00Z"), good("b</script>\u2028", "2026-01-02T00:00:00Z")]
    text = rows_script(rows).decode()
    assert text.isascii()
    table = json.loads(json.loads(text.removeprefix('ExportCenter.data("runs", JSON.parse(').removesuffix("));\n")))
    assert [row[table["fields"].index("name")] for row in table["rows"]] == ["b</script>\u2028", "a"]


@pytest.mark.counterpart
def test_the_script_gives_a_page_every_name_that_evidence_may_have(in_node: Callable[..., Any]) -> None:
    value = {"__proto__": 5, "constructor": 1, "a\u2028</script>": {"__proto__": {"b": 2}}}
    program = "ExportCenter.data = (name, value) => { globalThis.got = [name, JSON.stringify(value)]; };"
    name, text = in_node(f"{program} (0, eval)(input); return got;", data_script("x", value).decode())
    assert (name, json.loads(text)) == ("x", value)


def test_key_facts_count_good_bundles_only() -> None:
    rows = [
        good("a", "2026-01-01T00:00:00Z"),
        Row(name="r", status="running", profile="nightly", created="2026-01-02T00:00:00Z"),
        Row(name="bad", status="refused", profile="", remark="step 2"),
    ]
    said = {fact.name: fact.value for fact in overview_page(Overview(rows=rows)).key_facts}
    assert said == {"Bundles": "1", "Profiles": "1", "Kept": "9\u202fB", "Latest": "2026-01-01", "At work": "1"}


# -- profiles ------------------------------------------------------------------------------------------------------


FIELDS = {
    "kind": "mirror",
    "variant": "full",
    "include": ["advisories", "policy"],
    "schedule": {"cron": "0 2 * * 1", "timezone": "Europe/Vienna"},
    "distribution": ["http", "oci"],
    "retention": {"mode": "count", "value": 7},
    "layout": "zip",
    "encryption": {"enabled": True, "recipientKeys": ["age1x"], "strict": True},
    "policySnapshotMode": "required",
}


def test_a_profile_is_said_in_words() -> None:
    assert {fact.name: fact.value for fact in words(FIELDS)} == {
        "Makes": "mirror:full",
        "Holds": "advisories, findings and policy decisions",
        "Runs": "every Monday at 02:00 (Europe/Vienna)",
        "Goes to": "download from the service, an OCI registry",
        "Kept": "the newest 7 bundles",
        "Layout": "zip",
        "Encryption": "age, for 1 recipient, indexes and counts too",
        "Policy snapshot": "every run must name one",
    }


def test_a_change_that_removed_the_file_shows_every_line_as_removed() -> None:
    changes = (Change(revision=None, message="Remove it"), Change(revision=1, yaml="a: 1\nb: 2\n"))
    story = ProfileStory(card=ProfileCard(profile_id="gone"), revision=1, changes=changes)
    assert [line.kind for line in profile_page(story).changes[0].lines] == ["removed", "removed"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_a_difference_tells_both_texts_wherever_it_says_anything(before: list[str], after: list[str]) -> None:
    lines = diff("\n".join(before), "\n".join(after))
    for line in lines:
        if line.before is not None:
            assert before[line.before - 1] == line.text
        if line.after is not None:
            assert after[line.after - 1] == line.text
    kinds = [line.kind for line in lines]
    assert len(before) - kinds.count("removed") == len(after) - kinds.count("added")
    assert bool(lines) == (before != after)


# -- a whole site --------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Collects what a page leads to, loads, and could run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.leads += [value for name, value in attrs if name in {"href", "src"} and value and value != "data:,"]
        self.ids += [value for name, value in attrs if name == "id" and value]


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return manifest_of_payload([], 0)


def site_of(manifest: Manifest, text: str = "plain") -> Site:
    rows = [
        good("first", "2026-01-01T00:00:00Z", remark=text, tenant=text, kind=text),
        Row(name="second", status="failed", profile="nightly", created="2026-01-02T00:00:00Z", remark=text),
    ]
    story = ProfileStory(
        card=ProfileCard(profile_id="nightly", name=text, tenant=text, cron="0 2 * * *"),
        revision=2,
        fields={**FIELDS, "description": text, "selectors": {"ids": [text]}},
        yaml=text,
        changes=(Change(revision=2, by=text, message=text, yaml=text), Change(revision=1, yaml="a")),
        rows=rows,
    )
    bundle = SiteBundle(name="first", manifest=manifest, key=("ab" * 32, "ed25519"), bytes=9)
    return Site(rows=rows, bundles=[bundle], profiles=[story], remarks=(text,))


def test_every_link_of_every_page_leads_to_something_in_the_site(manifest: Manifest) -> None:
    made = pages(site_of(manifest))
    there = {*made, "bundles/first/bundle.tar.zst"}
    looked = 0
    for path, data in made.items():
        if not path.endswith(".html"):
            continue
        page = Links(data.decode())
        assert len(page.ids) == len(set(page.ids)), path
        for lead in page.leads:
            url = urlsplit(lead)
            assert not url.scheme, (path, lead)
            target = normpath(join(dirname(path), unquote(url.path))) if url.path else path
            assert target in there, (path, lead)
            looked += 1
    assert looked > 40


def test_the_same_site_gives_the_same_bytes(manifest: Manifest) -> None:
    assert pages(site_of(manifest)) == pages(site_of(manifest))


def test_texts_of_others_stay_texts_on_every_page(manifest: Manifest) -> None:
    plain = {path: data for path, data in pages(site_of(manifest)).items() if path.endswith(".html")}
    for path, data in pages(site_of(manifest, HOSTILE)).items():
        if path.endswith(".html"):
            kinds = [
                tag
                for tag, _ in Links(data.decode("utf-8", "strict")).tags
                if tag in {"script", "img", "iframe", "form"}
            ]
            assert kinds == [
                tag for tag, _ in Links(plain[path].decode()).tags if tag in {"script", "img", "iframe", "form"}
            ]
            assert "\u202e" not in data.decode()


def test_no_page_has_a_style_attribute_or_a_script_inside_and_only_two_makers_of_markup(manifest: Manifest) -> None:
    for path, data in pages(site_of(manifest)).items():
        assert not path.endswith(".html") or b'; trusted-types export-center export-center-data"' in data
        for tag, attributes in Links(data.decode()).tags if path.endswith(".html") else []:
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "script" or "src" in attributes or attributes.get("type") == "application/json"


def test_a_profile_that_only_bundles_tell_of_says_that_its_file_is_not_at_hand() -> None:
    text = render_profile(ProfileStory(card=ProfileCard(profile_id="far"), revision=3), HERE).decode()
    assert "Only bundles tell of this profile here" in text
