"""`kgraph doctor` finds what is wrong, names what mends it, and that mends it; it changes nothing itself."""

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import filelock
import pyoxigraph as ox
import pytest

from harvests import put_harvest, real_records
from kgraph import doctor, reasoner
from kgraph.builderlock import LOCK, PROCESS
from kgraph.doctor import examine
from kgraph.errors import Problem
from kgraph.journal import Journal
from kgraph.workspace import Workspace

Run = Callable[..., tuple[int, str, str]]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def built(tmp_path: Path, tiny_built: Workspace) -> Workspace:
    """The tiny workspace, built and published, to damage."""
    return Workspace(shutil.copytree(tiny_built.folder, tmp_path / "built"))


def found(workspace: Workspace) -> list[Problem]:
    """What is found, but for what this machine lacks."""
    return [problem for problem in examine(workspace.folder).problems if problem.check != "programs"]


def flip(path: Path) -> None:
    """Changes a bit as a failing disk would: nothing tells of it but the content."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_all_is_well(run: Run, built: Workspace) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*") if path.name != LOCK}
    code, told, error = run("doctor", "-w", built.folder)
    assert (code, error) == (0, "")
    assert told.endswith("All is well\n")
    assert "pyoxigraph 0.5" in told
    assert before == {path: path.stat().st_mtime_ns for path in built.folder.rglob("*") if path.name != LOCK}
    told = run("doctor", "--json", "-w", built.folder)[1]
    assert json.loads(told)["ok"] is True


def sst(at: Workspace) -> Path:
    return next(at.snapshots.glob("*/store/*.sst"))


def older(at: Workspace) -> Path:
    """A further snapshot, which is not published."""
    return Path(shutil.copytree(at.snapshots / str(at.published_name()), at.snapshots / "0123"))


BUILD, FORCE, PRUNE = "kgraph build", "kgraph build --force", "kgraph snapshots prune"
WRONG: dict[str, tuple[Callable[[Workspace], object], str, str, str]] = {
    "nothing built": (lambda at: shutil.rmtree(at.built), "published", "nothing is built yet", BUILD),
    "pointer": (lambda at: (at.snapshots / "current").write_text("0123"), "published", "names 0123, which is not there", BUILD),
    "pointer empty": (lambda at: (at.snapshots / "current").write_text(""), "published", "names no snapshot", BUILD),
    "missing": (lambda at: sst(at).unlink(), "files", ".sst is missing", BUILD),
    "manifest": (lambda at: next(at.snapshots.glob("*/manifest.json")).unlink(), "files", "damaged ([Errno 2]", BUILD),
    "size": (lambda at: sst(at).write_bytes(b""), "files", ".sst has 0 bytes and had", BUILD),
    "bit": (lambda at: flip(sst(at)), "files", ".sst has another content than was written", FORCE),
    "older": (lambda at: (older(at) / "search.sqlite").unlink(), "files", "search.sqlite is missing", PRUNE),
    "older bit": (lambda at: flip(older(at) / "search.sqlite"), "files", "search.sqlite has another", f"{PRUNE} --check"),
    "cache": (lambda at: flip(next(at.cache.iterdir())), "cache", "a file of the cache is damaged", FORCE),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found_and_mended(run: Run, built: Workspace, what: str) -> None:
    damage, check, message, command = WRONG[what]
    damage(built)
    first = found(built)
    (problem,) = (one for one in first if message in one.found)
    assert (problem.check, problem.severity) == (check, "error")
    assert problem.remedy.endswith(f": {command}")
    assert run("doctor", "-w", built.folder)[0] == 1
    if what in ("pointer", "bit", "cache", "older bit"):  # that others are mended, test_faults shows
        assert run(*shlex.split(command)[1:], "-w", built.folder)[0] == 0
        for problem in found(built):  # what was damaged and is not published any more
            assert run(*shlex.split(problem.remedy.rpartition(": ")[2])[1:], "-w", built.folder)[0] == 0
        assert found(built) == []


def test_a_store_that_does_not_open(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def read_only(path: str) -> None:
            raise OSError("Corruption: no such column family")

    monkeypatch.setattr(ox, "Store", Broken)
    (problem,) = found(built)
    assert problem.found == "the store cannot be opened (Corruption: no such column family)"
    assert problem.remedy == "Build it anew: kgraph build --force"


def test_settings_and_folders_that_are_none(run: Run, built: Workspace, tmp_path: Path) -> None:
    (built.folder / "kgraph.toml").write_text("nmae = 1\n")
    code, told, _ = run("doctor", "-w", built.folder)
    assert code == 1
    assert "kgraph.toml:1: nmae: this key is not known" in told
    code, told, _ = run("doctor", "--json", "-w", tmp_path)
    assert code == 1
    assert json.loads(told)["problems"][0]["found"] == "no kgraph.toml here or above"


def test_advice_is_nothing_wrong(run: Run, built: Workspace) -> None:
    (built.snapshots / ".making-0123-99999").mkdir()
    (built.folder / "studies" / "tiny-2024.txt").open("a").write("\n")
    advice = {problem.check: problem for problem in found(built)}
    assert set(advice) == {"sources", "building"}
    assert {problem.severity for problem in advice.values()} == {"warning"}
    assert advice["sources"].remedy == "Publish them: kgraph build"
    assert advice["building"].found.startswith("1 leftovers of builds that were killed")
    assert run("doctor", "-w", built.folder)[0] == 0


def test_a_builder_and_a_lock_without_one(built: Workspace) -> None:
    with filelock.FileLock(built.built / LOCK):
        (built.built / PROCESS).write_text(str(os.getpid()))
        (problem,) = found(built)
        assert (problem.severity, problem.found) == ("warning", f"a build is running (process {os.getpid()})")
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        (built.built / PROCESS).write_text(str(ended.pid))
        (problem,) = found(built)
        assert (problem.severity, problem.found) == ("error", f"the lock is held, and process {ended.pid} is not running")
        assert str(built.built / LOCK) in problem.remedy
    (built.built / PROCESS).unlink()
    assert found(built) == []


def test_harvests(built: Workspace) -> None:
    put_harvest(built, "few", real_records()[:3])
    put_harvest(built, "lost", real_records()[:2])
    put_harvest(built, "other", real_records()[:2], works=5)
    put_harvest(built, "changed", real_records()[:2], sha256="0" * 64)
    (built.folder / "works" / "lost" / "ledger.json").unlink()
    journal = Journal(built.built / "harvests" / "under-way.sqlite")
    journal.note("began", "now")
    journal.close()
    (built.built / "harvests" / "torn.sqlite").write_bytes(b"no database" * 100)
    told = [str(problem) for problem in found(built)]
    assert any("there are works and no ledger that tells of them" in line for line in told)
    assert any("the ledger tells of 5 works, and there are 2" in line for line in told)
    assert any("the works are not those of which the ledger tells" in line for line in told)
    assert any("the harvest under-way is not finished: 0 pages are kept. Run the command" in line for line in told)
    assert any("torn.sqlite: the journal is damaged" in line for line in told)
    assert not any("few" in line for line in told)
    (built.folder / "works" / "few" / "works.jsonl.gz").unlink()
    assert "the works of a harvest are missing" in " ".join(problem.found for problem in found(built))


def test_works_of_which_a_bit_changed(built: Workspace, run: Run) -> None:
    put_harvest(built, "few", real_records()[:3])
    run("build", "-w", built.folder)
    flip(next(built.works.glob("*/works.sqlite")))  # the snapshot has the same file
    told = [str(problem) for problem in found(built)]
    assert len(told) == 2
    assert all("works.sqlite has another content than was written. Build it anew: kgraph build --force" in line for line in told)
    assert run("build", "--force", "-w", built.folder)[0] == 0
    assert not [problem for problem in found(built) if str(built.published_name()) in problem.file]


def test_permissions_and_space(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    built.restricted.chmod(0o755)
    (problem,) = found(built)
    assert str(problem).endswith(f"others may look into what is restricted. chmod 700 {built.restricted}")
    built.restricted.chmod(0o700)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != built.snapshots and access(path, mode))
    (problem,) = found(built)
    assert problem.remedy == f"chmod u+rwx {built.snapshots}"
    monkeypatch.undo()
    for free, severity in ((1_000_000, "error"), (8_000_000, "warning"), (80_000_000, None)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(0, 0, free))
        assert [problem.severity for problem in found(built)] == ([severity] if severity else [])


def test_programs(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasoner, "java", lambda: None)
    monkeypatch.setattr(doctor, "version_of", lambda name: "0.4.9")
    monkeypatch.setattr(platform, "python_version_tuple", lambda: ("3", "10", "1"))
    problems = [problem for problem in examine(built.folder).problems if problem.check == "programs"]
    assert [problem.severity for problem in problems] == ["error", "error", "warning"]
    assert problems[1].found == "pyoxigraph is 0.4.9"
    assert problems[2].remedy == "Install Java, or: kgraph check --no-reasoner"
