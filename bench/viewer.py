"""Measure the viewer in Chromium on a large bundle: first paint, answers to the reader, memory, bytes moved, weight.

    python bench/viewer.py --records 1000000 --folder /var/tmp/bench

The bundle is one of enlarged real evidence, made once by bench/export.py in the same folder; ``site build`` makes the
site around it. Every round is a browser context of its own, with nothing cached. Figures of a busy machine say little:
the load average stands beside them.

* paint: navigation to first contentful paint of the bundle's page, over HTTP and from a file.
* answer: the longest of the events of one action, from the input to the next frame, as Event Timing has it: to open
  the search and type, and in a table of many runs to filter, sort and scroll. Its work is the processor time that one
  letter, click or key took on the page's thread, which others on the machine hardly change.
* memory: what the processes of pages hold by themselves, one tab and a spare one, at their peak: while a search
  reads twenty frames, while a record opens, and while the whole bundle is verified from a file.
* moved: bytes of the archive that a server sent to open one record by its address.
* weight: the bundle's page, its style and scripts, without data.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn
from playwright.sync_api import sync_playwright
from starlette.applications import Starlette
from starlette.staticfiles import StaticFiles

from server.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
PATIENCE = 300
"""Seconds that one thing may take."""

KEYS = 100
"""Milliseconds between the keys of somebody who types fast: 120 words a minute."""

READING = 2_000
"""Milliseconds that a reader looks at a page before anything is typed."""

NAME = "bundle"
PAGE = f"bundles/{NAME}/index.html"
RECORD = "BENCH-{:010d}"
SHIPPED = ("style.css", "viewer.js", "vendor.js")
BARS = {"paint": 1_500.0, "answer": 100.0, "memory": 300.0, "moved": 2_000.0, "weight": 500.0}
"""What a line's figure must stay under, by the first word of its name: milliseconds, megabytes, kilobytes."""

SHOWN = {
    "search": r'#records-here [role=status]:text-matches("^(?!Reading).* read\\.$| in [2-9]\\d of ")',
    "record": "#records-here h3",
}
"""What is there when a search is over or has read twenty frames, or a record is open."""

UNITS = {"paint": "ms", "answer": "ms", "memory": "MB", "moved": "kB", "weight": "kB"}
WATCH = """globalThis.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, entry.duration);
}).observe({ type: "event", durationThreshold: 16, buffered: true });"""
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
PAINTED = """new Promise((done) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) done(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""


class Places(NamedTuple):
    """Where things lie.

    Attributes:
        folder: What a web server serves: ``one``, a site of the bundle, and ``many``, one of many runs.
        url: Where it serves that.
        key: The public key of the bundle.
        records: How many it has.
    """

    folder: Path
    url: str
    key: Path
    records: int

    @property
    def archive(self) -> Path:
        """The bundle's file."""
        return self.folder / "one" / "bundles" / NAME / "bundle.tar.zst"


def main() -> None:
    """Parse the command line, make what is measured, measure it in turn, and print medians beside their bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--runs", type=int, default=20_000, help="Rows of the table that is filtered and sorted.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="Path of the browser.")
    options = parser.parse_args()
    folder = options.folder / f"viewer-{options.records}"
    _make(options.records, options.folder, folder)
    _make_many(folder / "many", options.runs)
    with ExitStack() as stack:
        url = stack.enter_context(_served(folder))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        places = Places(folder, url, folder / "bench.pub", options.records)
        _report(places, _measured(browser, places, options), options.rounds)
        browser.close()


def _measured(browser: Any, places: Places, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the figures of every line, one a round."""
    figures: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for part in options.parts:
            for name, figure in PARTS[part](browser, places):
                figures.setdefault(f"{part}, {name}", []).append(figure)
    return figures


def _report(places: Places, figures: dict[str, list[float]], rounds: int) -> None:
    size = places.archive.stat().st_size / 1e6
    load = os.getloadavg()[0]
    print(f"{places.records:,} records in a bundle of {size:,.0f} MB, medians of {rounds}; load average {load:.1f}")
    for name, values in figures.items():
        word = name.partition(",")[0]
        median, bar = statistics.median(values), BARS[word]
        verdict = "holds" if median < bar else "DOES NOT HOLD"
        print(f"{name:<44}{median:>10,.1f}{max(values):>10,.1f} {UNITS[word]}   under {bar:,.0f}: {verdict}")


# -- what is measured --------------------------------------------------------------------------------------------------


def _make(records: int, folder: Path, place: Path) -> None:
    """Let bench/export.py make a bundle once, and ``site build`` a site of it, every time."""
    if not (place / f"{NAME}.tar.zst").exists():
        print(f"making a bundle of {records:,} records in {folder}", file=sys.stderr)
        command = ["--records", str(records), "--folder", folder, "--rounds", "1", "--sides", "export"]
        subprocess.run([sys.executable, HERE / "export.py", *command], check=True, stdout=subprocess.DEVNULL)
        place.mkdir(exist_ok=True)
        shutil.copy(folder / "keys" / "bench.pub", place / "bench.pub")
        (folder / "out.tar.zst").rename(place / f"{NAME}.tar.zst")
    shutil.rmtree(place / "one", ignore_errors=True)
    build = ("site", "build", "--link", "--out", place / "one", "--key", place / "bench.pub")
    program = (sys.executable, "-c", "from cli.main import main; main()")
    command = [*program, *build, "--bundle", place / f"{NAME}.tar.zst"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _make_many(folder: Path, count: int) -> None:
    """Write a site of many runs: one every hour, some of them failed, of two profiles."""
    from web.overview import Row
    from web.site import Site, pages

    newest = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        Row(
            name=f"run-{place:05d}",
            status="failed" if place % 4 == 1 else "success",
            profile=("hourly", "weekly")[place % 2],
            tenant="acme",
            finished=(newest - timedelta(hours=place)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            records=count - place,
            bytes=(count - place) * 1000,
            run=False,
        )
        for place in range(count)
    ]
    for path, data in pages(Site(rows=rows)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server does, ranges included; yield its address."""
    app = Starlette()
    app.mount("/", StaticFiles(directory=folder, follow_symlink=True))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@contextmanager
def _tab(browser: Any) -> Iterator[Any]:
    """Open a page with nothing cached."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


# -- how it is measured ------------------------------------------------------------------------------------------------


def paint(browser: Any, places: Places) -> Iterator[tuple[str, float]]:
    """Yield how soon the bundle's page has something on it."""
    for name, root in {"HTTP": f"{places.url}/one", "file": (places.folder / "one").as_uri()}.items():
        with _tab(browser) as page:
            page.goto(f"{root}/{PAGE}")
            yield name, page.evaluate(PAINTED)


def answer(browser: Any, places: Places) -> Iterator[tuple[str, float]]:
    """Yield how long a reader waits for an answer to what was typed, clicked and scrolled."""
    with _tab(browser) as page:
        page.goto(f"{places.url}/one/{PAGE}")
        page.locator("#records").scroll_into_view_if_needed()
        page.locator("#search").wait_for()
        yield from _answered(
            page, "search: open and type", lambda: page.type("#search", "overflow", delay=KEYS), acts=8
        )
        yield from _answered(page, "search: begin", lambda: page.press("#search", "Enter"))
    with _tab(browser) as page:
        page.goto(f"{places.url}/many/index.html")
        page.locator("#runs-words").wait_for()
        page.wait_for_timeout(READING)
        yield from _answered(
            page, "many runs: filter", lambda: page.type("#runs-words", "weekly 01", delay=KEYS), acts=9
        )
        yield from _answered(
            page, "many runs: sort", page.locator("#runs-grid").get_by_role("button", name="Size").click
        )
        page.fill("#runs-words", "")
        page.focus("#runs-grid")
        down = lambda: [page.keyboard.press("PageDown", delay=KEYS) for _ in range(20)]  # noqa: E731 - one line of many alike
        yield from _answered(page, "many runs: scroll", down, acts=20)


def _answered(page: Any, name: str, act: Any, *, acts: int = 1) -> Iterator[tuple[str, float]]:
    """Yield the longest event of some acts, and the work of an act on the page's thread; both in milliseconds.

    Events under 16 milliseconds are too short for a browser to tell of.
    """
    page.evaluate(TWO_FRAMES)
    page.evaluate(WATCH)
    page.evaluate("globalThis.longest = 0")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _worked(session)
    act()
    page.evaluate(TWO_FRAMES)
    yield name, float(page.evaluate("globalThis.longest"))
    yield f"{name}, its work", (_worked(session) - before) / acts
    session.detach()


def _worked(session: Any) -> float:
    """Return the milliseconds of processor time that tasks of the page took so far."""
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"]) * 1000


def memory(browser: Any, places: Places) -> Iterator[tuple[str, float]]:
    """Yield the peaks of what the tab's process holds."""
    for name, state in {"search": "q=overflow", "record": f"record={RECORD.format(places.records // 2)}"}.items():
        with _tab(browser) as page:
            page.goto(f"{places.url}/one/{PAGE}")
            with _peak(browser) as peak:
                page.evaluate("(state) => { location.hash = state; }", state)
                page.locator(SHOWN[name]).first.wait_for()
                yield name, peak()
    with _tab(browser) as page:
        page.goto(f"{places.url}/one/verify.html")
        page.set_input_files("#verify-choose input:not([webkitdirectory])", places.archive)
        page.fill("#trusted-pem", places.key.read_text())
        with _peak(browser) as peak:
            page.click("#verify-actions .main:enabled")
            page.locator("#verify-verdict").wait_for()
            yield "verification", peak()
        said = page.inner_text("#verify-verdict")
        if not said.startswith("Verified"):
            raise SystemExit(f"the bundle was not verified: {said}")


@contextmanager
def _peak(browser: Any) -> Iterator[Any]:
    """Watch the processes of pages, of which one has a tab; yield what returns the most they held, in megabytes."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    numbers = [each["id"] for each in told["processInfo"] if each["type"] == "renderer"]
    held, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            held.append(sum(map(_private, numbers)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(held)
    finally:
        over.set()
        thread.join()


def _private(number: int) -> float:
    """Return what a process shares with no other, in megabytes; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


def moved(browser: Any, places: Places) -> Iterator[tuple[str, float]]:
    """Yield how much of the archive a server sends to open one record."""
    sizes: list[int] = []
    with _tab(browser) as page:
        page.on(
            "response",
            lambda got: sizes.append(int(got.headers["content-length"])) if got.url.endswith(".tar.zst") else None,
        )
        page.goto(f"{places.url}/one/{PAGE}#record={RECORD.format(places.records // 3)}")
        page.locator("#records-here h3").first.wait_for()
        yield "one record", sum(sizes) / 1e3


def weight(_browser: Any, places: Places) -> Iterator[tuple[str, float]]:
    """Yield what the bundle's page weighs."""
    site = places.folder / "one"
    files = [site / PAGE, *(site / "viewer" / name for name in SHIPPED)]
    yield "page, style and scripts", sum(file.stat().st_size for file in files) / 1e3


PARTS = {"paint": paint, "answer": answer, "memory": memory, "moved": moved, "weight": weight}

if __name__ == "__main__":
    main()
