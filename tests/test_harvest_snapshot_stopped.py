"""Harvests from a copy of OpenAlex's snapshot that are stopped: no stop loses or changes anything."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvesting import files
from kgraph.errors import KgraphError
from kgraph.workspace import Workspace, create_workspace
from openalexcopies import ids, many, parts_of, put_copy, some, split, take

Record = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A new workspace."""
    return create_workspace(tmp_path / "place", example=False)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that takes a moment to read."""
    folder = tmp_path_factory.mktemp("large")
    return put_copy(folder, split(many(3), 10))


@pytest.fixture(scope="module")
def whole(large: Path) -> tuple[bytes, Record]:
    """What an uninterrupted reading of it brings."""
    at = create_workspace(large.parent / "whole", example=False)
    process = start(at, large)
    assert process.communicate()[1] == ""
    return files(at, "some")


def start(at: Workspace, copy: Path, *more: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts a harvest as a process of its own."""
    command = [
        sys.executable,
        "-m",
        "kgraph",
        "harvest",
        "snapshot",
        str(copy),
        "--where",
        "retracted:no",
        "--name",
        "some",
        *more,
    ]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=at.folder, text=True, **options)


def parts_read(at: Workspace) -> int:
    """How many parts the journal says are read."""
    try:
        with sqlite3.connect(f"file:{at.built}/harvests/some.snapshot?mode=ro", uri=True) as db:
            return int(db.execute("SELECT count(*) FROM part").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for(parts: int, at: Workspace, process: "subprocess.Popen[str]") -> None:
    """Waits until so many parts are read, or the process has ended."""
    while parts_read(at) < parts and process.poll() is None:
        time.sleep(0.002)


def processes(mark: str) -> Iterator[int]:
    """Processes with this mark in their environment."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue


def test_killed_at_any_moment_it_goes_on(place: Workspace, large: Path, whole: tuple[bytes, Record]) -> None:
    chance, mark = random.Random(), uuid4().hex  # noqa: S311 - any moment will do
    environment = {**os.environ, "KGRAPH_TEST_MARK": mark}
    for least in (1, 4):
        process = start(place, large, env=environment)
        wait_for(chance.randint(least, 9), place, process)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 5
    while left := list(processes(mark)):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)
    done = parts_read(place)
    spoilt = {}
    if done:
        with sqlite3.connect(place.built / "harvests/some.snapshot") as db:
            names = [name for (name,) in db.execute("SELECT name FROM part")]
        spoilt = {large / name: ((large / name).read_bytes(), (large / name).stat()) for name in names}
    try:
        for path, (content, about) in spoilt.items():  # a part that is read must not be read again
            path.write_bytes(b"x" * len(content))
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        complaints = start(place, large).communicate()[1]
    finally:
        for path, (content, about) in spoilt.items():
            path.write_bytes(content)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert complaints == ""
    assert files(place, "some") == whole
    assert not list((place.built / "harvests").iterdir())


def test_parts_that_changed_are_read_again(place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", [some(1), some(2), some(3)])
    last = parts_of(works)[2].read_bytes()
    parts_of(works)[2].write_bytes(b"x" * len(last))
    with pytest.raises(KgraphError, match="is damaged"):
        take(place, works)
    put_copy(tmp_path / "copy", [some(1), some(7), some(8)])
    assert take(place, works).ledger.works == 3
    assert ids(place) == ["W1", "W7", "W8"]


def test_ctrl_c_ends_it_quickly_and_says_what_is_kept(place: Workspace, large: Path) -> None:
    process = start(place, large, start_new_session=True)
    wait_for(2, place, process)
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    told, complaints = process.communicate()
    assert time.monotonic() - began < 2
    assert (process.returncode, told) == (130, "")
    first, second = complaints.splitlines()
    assert first.startswith("some: ")
    assert " of 10 parts are read, " in first
    assert second == "Stopped. The same command goes on from there"
    assert not (place.folder / "works").exists()


def test_a_process_that_dies_is_told_of(place: Workspace, large: Path) -> None:
    mark = uuid4().hex
    process = start(place, large, env={**os.environ, "KGRAPH_TEST_MARK": mark})
    wait_for(1, place, process)
    os.kill(max(pid for pid in processes(mark) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()), signal.SIGKILL)
    told, complaints = process.communicate()
    assert (process.returncode, told) == (1, "")
    assert (
        "error: a process that reads parts has ended, perhaps for want of memory. Free memory, or give it fewer cores"
        in complaints
    )
    assert not (place.folder / "works").exists()


def test_a_disk_that_is_full(place: Workspace, tmp_path: Path) -> None:
    copy = put_copy(tmp_path / "copy", [many(1)])
    limits = resource.RLIMIT_FSIZE, (300_000, 300_000)
    process = start(place, copy, preexec_fn=lambda: resource.setrlimit(*limits))
    told, complaints = process.communicate()
    assert (process.returncode, told) == (1, "")
    assert "some.snapshot: cannot be written" in complaints
    assert "Free space, or allow writing there. Then run the same command again: what is read stays read" in complaints
    assert not (place.folder / "works").exists()
    assert take(place, copy, "retracted:no").ledger.works == 200


def test_a_disk_that_is_full_at_the_end(place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(KgraphError, match=r"works/some: cannot be written \(No space left on device\). Free space"):
            take(place, copy)
    assert not (place.folder / "works").exists()
    assert take(place, copy).ledger.works == 2


def test_a_publishing_that_is_broken_off_is_done_again_as_it_was(tmp_path: Path) -> None:
    whole, torn = (create_workspace(tmp_path / which, example=False) for which in ("whole", "torn"))
    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    for at in (whole, torn):
        take(at, copy)
    put_copy(tmp_path / "copy", [some(1, 3)], date="2027-01-28")
    take(whole, copy)
    in_the_way = torn.folder / "works/some" / f".ledger.json.{os.getpid()}"
    in_the_way.mkdir()
    with pytest.raises(KgraphError, match="works/some: cannot be written"):
        take(torn, copy)
    in_the_way.rmdir()
    in_the_way.with_name(".works.jsonl.gz.12345.draft").write_bytes(b"half of it, by a process that was killed")
    take(torn, copy)
    assert files(whole, "some") == files(torn, "some")
