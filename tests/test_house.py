"""The house itself: whose packages these are, what they cost to import, and what the repository may hold."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["adapters", "bundle", "cli", "client", "evidence", "flows", "ledger", "server", "web"]
HEAVY = {
    "deltalake",
    "duckdb",
    "fastapi",
    "httpx",
    "jinja2",
    "numpy",
    "polars",
    "prefect",
    "pyarrow",
    "starlette",
    "yaml",
}
LOCKS = ["verifier", "full", "dev"]
HOSTS = re.compile(r"python[h]osted|pypi\.[o]rg|registry\.[n]pmjs|\"[r]esolved\"\s*:|--(extra-)?[i]ndex-url")
"""Addresses of registries; written so that this line is none."""

HOMES = re.compile(r"(?<![\w./])/(root|home/[a-z]+|Users/[A-Za-z]+)[/]")
PINNED = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)==(\S+)")
COMMAND = re.compile(r"\bmake ([a-z][a-z-]*)")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def after_import(*modules: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after importing these."""
    program = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def test_the_list_of_packages_here_is_the_one_that_is_built() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES
    assert settings["tool"]["mypy"]["packages"] == PACKAGES
    assert settings["tool"]["importlinter"]["root_packages"] == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_our_package_is_ours_and_not_a_namesake_from_an_index(package: str) -> None:
    assert [Path(place) for place in importlib.import_module(package).__path__] == [ROOT / package]


@pytest.mark.parametrize("package", PACKAGES)
def test_our_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_no_module_of_the_flows_shadows_another_when_its_folder_heads_the_path() -> None:
    ours = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__"}
    assert not ours & (sys.stdlib_module_names | set(PACKAGES))


def test_no_package_under_tests_hijacks_ours() -> None:
    assert not tracked("tests/**/__init__.py", "tests/__init__.py")


@pytest.mark.parametrize("module", ["bundle", "bundle.verify", "bundle.build", "cli.main", "cli.bundles"])
def test_the_verifier_does_not_pay_for_the_exporter(module: str) -> None:
    assert not after_import(module) & HEAVY


@pytest.mark.parametrize("module", ["flows.pipeline", "flows.planning", "flows.profiles", "flows.selection"])
def test_only_flow_entry_points_load_prefect(module: str) -> None:
    assert "prefect" not in after_import(module)


def places_named_in(text: str) -> list[str]:
    """Return what a text says of one machine: registries, home folders, and where this checkout lies."""
    found = [match[0] for pattern in (HOSTS, HOMES) for match in pattern.finditer(text)]
    return found + [str(ROOT)] * (len(ROOT.parts) > 2 and f"{ROOT}/" in text)


def test_no_tracked_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    texts = [path for path in tracked() if path.suffix not in {".zst", ".png"}]
    found = {path: places_named_in(path.read_text(errors="replace")) for path in texts}
    assert len(texts) > 100
    assert not {path: places for path, places in found.items() if places}


@pytest.mark.parametrize(
    "text",
    [
        "https://files.python{}hosted.org/packages/a",
        "https://registry.{}npmjs.org/a",
        '  "res{}olved": "a"',
        "--index{}-url https://example.com",
        "see /home/anna{}/notes",
        "'/root{}/key'",
        f"{ROOT}{{}}/bundle",
    ],
)
def test_a_place_on_somebodys_machine_is_found(text: str) -> None:
    assert places_named_in(text.format(""))


def test_ordinary_addresses_and_folders_are_no_such_places() -> None:
    text = "https://example.com/home{}/anna/, /etc/passwd, /var{}/tmp/x and ..{}/root{}/"
    assert not places_named_in(text.replace("{}", ""))


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_in_a_lock_is_pinned_and_has_hashes(name: str) -> None:
    entries = [entry for entry in re.split(r"(?m)^(?=\S)", lock(name)) if entry and not entry.startswith("#")]
    assert len(entries) > 10
    assert not [entry for entry in entries if not PINNED.match(entry) or "--hash=sha256:" not in entry]


def test_the_small_locks_are_parts_of_the_large_ones() -> None:
    verifier, full, dev = (dict(PINNED.findall(lock(name))) for name in LOCKS)
    assert verifier.items() <= full.items() <= dev.items()
    assert {"hatchling", "editables"} <= full.keys()


def test_the_verifiers_lock_holds_nothing_of_the_exporter() -> None:
    assert not {name for name, _ in PINNED.findall(lock("verifier"))} & HEAVY


def test_the_command_line_imports_nothing_that_the_verifiers_lock_lacks() -> None:
    makers = importlib.metadata.packages_distributions()
    # What an interpreter loads by itself, for path files, is nobody's import.
    loaded = after_import("cli.main", "cli.bundles") - after_import("sys")
    imported = {maker for module in loaded for maker in makers.get(module, [])}
    optional = {"typing-extensions"}  # which msgspec takes when it finds it
    named = {re.sub(r"[-_.]+", "-", maker).lower() for maker in imported} - {"export-center"} - optional
    assert "click" in named
    assert named <= {name for name, _ in PINNED.findall(lock("verifier"))}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_commands_that_pages_name_exist_in_the_makefile(page: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    named = set(COMMAND.findall((ROOT / page).read_text()))
    assert named
    assert named <= targets


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked("*.md")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken


def test_the_sample_is_small_and_every_archive_of_it_is_accounted_for(sample_evidence: Path) -> None:
    archives = sorted(sample_evidence.glob("*.tar.zst"))
    listed = re.findall(r"(?m)^([0-9a-f]{64})  (\S+)$", (sample_evidence / "SOURCES.md").read_text())
    assert sum(path.stat().st_size for path in archives) < 5_000_000
    assert [(hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in archives] == listed


def test_workflows_and_profiles_are_yaml_that_parses() -> None:
    for path in tracked("*.yaml", "*.yml"):
        assert list(yaml.safe_load_all(path.read_text())), path
