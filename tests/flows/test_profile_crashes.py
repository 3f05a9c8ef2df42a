"""The repository of profiles under pressure: several processes at once, people beside them, and power cuts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.profile_store import ProfileStore, Signature

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
OPS = Signature("user:ops", NOW)
WEEKLY: dict[str, Any] = {
    "profileId": "weekly",
    "name": "Weekly",
    "kind": "mirror",
    "variant": "full",
    "include": ["advisories", "vex"],
}

Git = Callable[..., str]


def is_sound(git: Git) -> bool:
    """Whether git finds nothing to complain about, and nothing to commit."""
    git("fsck", "--strict", "--no-dangling")
    return git("status", "--porcelain") == ""


CREATE = """\
import sys
from datetime import UTC, datetime
from pathlib import Path
from flows.errors import ProfileConflictError
from flows.profile_store import ProfileStore, Signature

store, who = ProfileStore(Path(sys.argv[1])), sys.argv[2]
by = Signature(f"user:{who}", datetime(2026, 3, 1, tzinfo=UTC))
fields = {"name": who, "kind": "json", "variant": "raw", "include": ["vex"]}
for number in range(int(sys.argv[3])):
    store.create("acme", {"profileId": f"{who}-{number}", **fields}, by)
    try:
        store.create("acme", {"profileId": f"contested-{number}", **fields}, by)
    except ProfileConflictError:
        continue
    print(number)
"""


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_create_and_each_contested_profile_is_made_once(store: ProfileStore, git: Git) -> None:
    children = [started(CREATE, store.path, f"child{number}", 8) for number in range(4)]
    won = []
    for child in children:
        out, said = child.communicate(timeout=120)
        assert child.returncode == 0, said
        won += out.split()
    assert sorted(won) == [str(number) for number in range(8)]
    own = [each for each in store.listing("acme") if each.tenant]
    assert len(own) == 4 * 8 + 8
    assert git("rev-list", "--count", "HEAD").strip() == str(len(own) + 1)
    assert is_sound(git)


def test_threads_share_a_store(store: ProfileStore, git: Git) -> None:
    def work(number: int) -> str:
        return store.create("acme", {**WEEKLY, "profileId": f"p{number}"}, OPS).reference

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(12)))) == 12
    assert is_sound(git)


def test_people_and_the_service_commit_at_once(store: ProfileStore, git: Git) -> None:
    store.seed(NOW)
    child = started(CREATE, store.path, "child", 12)
    made = 0
    while child.poll() is None or made == 0:
        (store.path / "notes.md").write_text(f"{made}")
        # git's own commands may find the index locked, as they may find it locked by each other.
        locked = subprocess.run(["git", "add", "notes.md"], cwd=store.path, capture_output=True, check=False).returncode
        done = locked or subprocess.run(
            ["git", "-c", "user.name=J", "-c", "user.email=j@x", "commit", "-qm", "Note"],
            cwd=store.path, capture_output=True, check=False,
        ).returncode  # fmt: skip
        made += not done
    said = child.communicate()[1]
    assert (child.returncode, said) == (0, "")
    assert {f"child-{number}" for number in range(12)} <= {each.reference for each in store.listing("acme")}
    git("add", "-A")
    assert git("diff", "--cached", "--name-only").split() in ([], ["notes.md"])
    git("fsck", "--strict", "--no-dangling")


DIE = """\
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from flows import profile_commits
from flows.profile_store import ProfileStore, Signature

left = int(sys.argv[2])

def counted(call):
    def counting(*arguments, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return call(*arguments, **named)
    return counting

for name in ("fsync", "replace", "rename", "link", "unlink", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
store = ProfileStore(Path(sys.argv[1]))
by = Signature("user:ops", datetime(2026, 3, 1, tzinfo=UTC))
if sys.argv[3] == "seed":
    store.seed(by.at)
else:
    store.patch("acme", "weekly", {"include": ["vex"]}, by)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("what", "stride"), [("seed", 5), ("patch", 1)])
def test_a_power_cut_at_any_step_leaves_all_or_nothing(what: str, stride: int, tmp_path: Path, git: Git) -> None:
    """The process is killed before its first, second, third … call of the system that changes something."""
    outcomes: list[int] = []
    code = -9
    while code:
        path = tmp_path / f"{len(outcomes)}" / "profiles"
        with ProfileStore(path) as victim:
            if what == "patch":
                victim.create("acme", WEEKLY, OPS)
        child = started(DIE, path, len(outcomes) * stride, what)
        said, code = child.communicate(timeout=60)[1], child.returncode
        assert code in {0, -9}, said
        with ProfileStore(path) as survivor:
            outcomes.append(_after_the_cut(survivor, git, what))
    assert len(outcomes) > 10
    assert outcomes == sorted(outcomes)
    assert (outcomes[0], outcomes[-1]) == ((1, 2) if what == "patch" else (1, 1))


def _after_the_cut(survivor: ProfileStore, git: Git, what: str) -> int:
    """Check that everything works, and return the revision there is."""
    if what == "seed":
        survivor.seed(NOW)
        revision = 1
    else:
        revision = survivor.get("acme", "weekly").revision
    path = survivor.path
    assert git("status", "--porcelain", cwd=path) == ""
    git("fsck", "--strict", "--no-dangling", cwd=path)
    assert list((path / ".git").rglob("*.lock")) == []
    survivor.create("acme", {**WEEKLY, "profileId": "after"}, OPS)
    git("commit", "-q", "--allow-empty", "-m", "By hand", cwd=path)
    assert git("status", "--porcelain", cwd=path) == ""
    return revision
