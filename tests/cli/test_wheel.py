"""The program as a receiver installs it: from a wheel, with nothing but the verifier's few packages around it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Program

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)==")
EXPORTERS = ("duckdb", "deltalake", "jinja2", "numpy", "polars", "prefect", "pyarrow", "starlette", "yaml")
OFFLINE = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")

pytestmark = pytest.mark.slow


def tracked(*patterns: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True)
    return set(filter(None, listed.stdout.decode().split("\0")))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the locked hatchling without a network, from what is tracked and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    checkout = folder / "checkout"
    for name in tracked():
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", folder, checkout]
    subprocess.run(pip, check=True, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def receiver(wheel: Path, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The installed program, in an environment of its own that sees the packages of the verifier's lock alone."""
    folder = tmp_path_factory.mktemp("receiver")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in PINNED.findall((ROOT / "requirements" / "verifier.txt").read_text()):
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in {"..", "__pycache__"}}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution.locate_file(top))))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", *OFFLINE, wheel]
    subprocess.run(pip, check=True)
    return type(program)(folder / "home", (str(folder / "venv" / "bin" / "export-center"),))


def installed(receiver: Program, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run the installed program where nothing leads to this checkout."""
    done = receiver.done(*arguments, cwd=receiver.home.parent, PYTHONPATH="", PYTHONSAFEPATH="1")
    assert done.returncode == code, done.stderr
    return done


def test_the_wheel_holds_every_file_of_the_packages_the_profiles_and_the_sample(wheel: Path) -> None:
    packages = ("adapters", "bundle", "cli", "client", "evidence", "flows", "ledger", "server", "web")
    expected = tracked(*packages)
    expected |= {name.replace("profiles/", "flows/builtin_profiles/", 1) for name in tracked("profiles")}
    expected |= {name.replace("examples/evidence/", "cli/sample/", 1) for name in tracked("examples/evidence")}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert {
        "web/templates/bundle.html.j2",
        "web/static/app/page.js",
        "web/static/style/base.css",
        "web/py.typed",
    } <= held
    assert {"flows/builtin_profiles/json-raw.yaml", "cli/sample/SOURCES.md"} <= held


def test_the_receivers_environment_has_nothing_of_an_exporter(receiver: Program) -> None:
    python = Path(receiver.command[0]).with_name("python")
    program = (
        "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)]); "
        "import bundle; print(bundle.__path__[0])"
    )
    done = subprocess.run([python, "-I", "-c", program, *EXPORTERS], capture_output=True, check=True, text=True)
    found, place = done.stdout.splitlines()
    assert found == "[]"
    assert str(receiver.home.parent) in place


def test_a_receiver_verifies_inspects_reads_extracts_and_compares(
    receiver: Program, program: Program, archive: Path, folder: Path, tmp_path: Path
) -> None:
    key = ("--key", program.public_key)
    for wanted in ("json", "yaml", "table"):
        installed(receiver, "bundle", "verify", archive, *key, "--deep", "--format", wanted)
        assert installed(receiver, "bundle", "inspect", archive, "--format", wanted).stdout
        assert installed(receiver, "bundle", "list", folder, "--format", wanted).stdout
    assert b'"RUSTSEC-2021-0001"' in installed(receiver, "bundle", "search", archive, "rustsec-2021-0001").stdout
    assert b'"RUSTSEC-2021-0001"' in installed(receiver, "bundle", "cat", archive, "--id", "RUSTSEC-2021-0001").stdout
    installed(receiver, "bundle", "extract", archive, tmp_path / "out", *key)
    assert (tmp_path / "out" / "index.html").read_bytes() == (folder / "index.html").read_bytes()
    assert b'"changes": []' in installed(receiver, "bundle", "diff", archive, folder).stdout
    assert installed(receiver, "bundle", "browse", folder, "--no-open").stdout.endswith(b"/index.html\n")
    installed(receiver, "bundle", "verify", archive, "--key", folder / "README.md", code=2)


EXPORTING = {
    "export": ["export", "json-raw"],
    "plan": ["plan", "json-raw"],
    "ingest": ["ingest", str(ROOT / "README.md")],
    "stats": ["evidence", "stats"],
    "list": ["profile", "list"],
    "quickstart": ["quickstart"],
    "runs": ["run", "list"],
}


@pytest.mark.parametrize("command", EXPORTING)
def test_commands_of_an_exporter_say_what_to_install(command: str, receiver: Program) -> None:
    said = installed(receiver, *EXPORTING[command], code=1).stderr.decode()
    assert "this command needs the full installation: the package " in said
    assert "Install requirements/full.txt of the checkout, or the program with its extra [all]." in said
    assert "Traceback" not in said


def test_the_rest_works_for_a_receiver_too(receiver: Program) -> None:
    assert installed(receiver, "--version").stdout.startswith(b"export-center ")
    installed(receiver, "keys", "generate")
    installed(receiver, "config", "show")
    doctor = installed(receiver, "doctor", "--format", "table").stdout.decode()
    assert "failed" not in doctor
    assert "needs the full" in doctor


def test_an_exporter_finds_sample_and_profiles_in_the_wheel(wheel: Path, fresh: Program, tmp_path: Path) -> None:
    """With the packages of this environment, and the wheel's files before those of the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    done = fresh.done("quickstart", cwd=tmp_path, PYTHONPATH=str(tmp_path / "unpacked"))
    assert done.returncode == 0, done.stderr
    assert f"ingesting {tmp_path}/unpacked/cli/sample".encode() in done.stderr
