"""Faults that must be survived, and where each promise is proved (without a file: here).

1. An acknowledged save survives kill -9 and a power cut: `test_what_was_saved_survives_kill`,
   `test_what_is_published_is_on_the_disk_before_it_is_named`.
2. A work or a study lands whole or not at all: `test_killed_at_each_step`, `test_killed_at_random`;
   in test_workstore `test_killed_at_any_moment_a_build_can_be_done_again`.
3. Doing it twice changes nothing: in test_build `test_a_second_build_does_nothing_and_says_so`,
   `test_the_same_inputs_give_the_same_anywhere`.
4. A harvest resumes: in test_harvest_resumed `test_killed_at_any_moment_it_goes_on`, which counts requests and compares files.
5. A second writer gets one clear message and the first is unharmed: `test_two_builders`;
   in test_build `test_a_second_builder_gets_one_clear_message`;
   in test_harvest_resumed `test_a_second_harvester_gets_one_clear_message`;
   in test_keeping `test_nothing_is_changed_while_a_build_runs`.
6. Disk full: `test_a_full_disk`, on a disk that is full indeed; in test_build `test_a_disk_error_is_named_and_survived`;
   in test_harvest_resumed `test_a_disk_that_is_full`.
7. Backup and restore give the same, a damaged backup is refused: test_backup.
8. Everything built can be built again, to an equal export: `test_built_again_from_sources_alone`. Damage is found and mended:
   `test_a_damaged_snapshot_is_built_anew`, `test_a_damaged_cache_is_made_anew`, `test_damage_in_works_is_not_copied`.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import killing
from harvests import put_harvest, real_records
from kgraph import integrity
from kgraph.build import build
from kgraph.builderlock import leftovers
from kgraph.errors import KgraphError
from kgraph.integrity import Depth, check_files
from kgraph.snapshot import open_published
from kgraph.workspace import Workspace, replace_file

STUDY = "studies/tiny-2024.yaml"
WORDS = "I walk with her because she waits for me"


@pytest.fixture
def built(tmp_path: Path, tiny_built: Workspace) -> Workspace:
    """The tiny workspace, built and published, to change."""
    shutil.copytree(tiny_built.folder, tmp_path / "built")
    return Workspace(tmp_path / "built")


def edit(workspace: Workspace, old: str = "Somebody waits.", new: str = "Somebody is waiting.") -> None:
    path = workspace.folder / STUDY
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def assert_whole(workspace: Workspace) -> str:
    """What is published answers, and every byte of it is as it was written; its version."""
    snapshot = open_published(workspace)
    check_files(snapshot.folder, snapshot.manifest, Depth.CONTENT)
    assert [row["text"] for row in snapshot.ask("quotations-of-concept", concept="hope")] == [WORDS]
    return snapshot.version


def quads(workspace: Workspace) -> set[str]:
    """What is published, but for when it was built and for nodes without a name."""
    found = map(str, open_published(workspace).store)
    return {quad for quad in found if "graph/manifest>" not in quad and "_:" not in quad}


def test_what_was_saved_survives_kill(tmp_path: Path) -> None:
    path, moments = tmp_path / "saved", random.Random()  # noqa: S311
    for _ in range(15):
        replace_file(path, b"0\n")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            number = 0
            while True:
                number += 1
                replace_file(path, b"%d\n" % number * 100_000)
                os.write(writing, b".")
        os.close(writing)
        time.sleep(moments.uniform(0.005, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged = 0
        while told := os.read(reading, 1 << 16):
            acknowledged += len(told)
        os.close(reading)
        lines = path.read_bytes().splitlines()
        assert len(set(lines)) == 1, "a file is whole"
        assert len(lines) in (1, 100_000)
        assert int(lines[0]) in (acknowledged, acknowledged + 1), "what was acknowledged is there"


def test_a_save_that_fails_leaves_the_old_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "saved"
    replace_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("saved", b"old")]


def test_killed_at_each_step(built: Workspace) -> None:
    first = assert_whole(built)
    edit(built)
    second = built.version(list(built.sources()))
    for step in (".mapped", "manifest.json", second, "current"):
        process = killing.start(built.folder, step)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert assert_whole(built) == first
    process = killing.start(built.folder, "current", after=True)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert assert_whole(built) == second
    assert not build(built).built
    assert leftovers(built) == []


def test_killed_at_random(built: Workspace) -> None:
    moments = random.Random()  # noqa: S311
    texts = ["Somebody waits.", "Somebody is waiting."]
    versions = {built.version(list(built.sources()))}
    for number in range(7):
        edit(built, texts[number % 2], texts[(number + 1) % 2])
        versions.add(built.version(list(built.sources())))
        process = killing.start(built.folder, force=True)
        process.join(moments.uniform(0.05, 0.8))
        process.kill()
        process.join()
        assert assert_whole(built) in versions
    build(built)
    assert assert_whole(built) == built.version(list(built.sources()))
    assert leftovers(built) == []


def test_two_builders(built: Workspace) -> None:
    """The second is told, the first ends as if it had been alone."""
    edit(built)
    first = killing.start(built.folder, force=True)
    told: list[str] = []
    while first.is_alive() and not told:
        if list(built.snapshots.glob(".making-*")):
            try:
                build(built, force=True)
            except KgraphError as error:
                told.append(str(error))
        time.sleep(0.002)
    first.join()
    assert first.exitcode == 0
    assert told == [f"{built.folder}: another build of this workspace is running. Wait until it has ended"]
    assert assert_whole(built) == built.version(list(built.sources()))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(shutil.which("mount") is None or os.name != "posix", reason="needs mount")
def test_a_full_disk(small_disk: Path, tiny_built: Workspace) -> None:
    at = Workspace(shutil.copytree(tiny_built.folder, small_disk / "built"))
    first, pointer = assert_whole(at), (at.snapshots / "current").read_bytes()
    edit(at)
    ballast = small_disk / "ballast"
    for free in (0, 3_000_000):
        ballast.unlink(missing_ok=True)
        with suppress(OSError), ballast.open("wb", buffering=0) as stream:
            stream.write(b"x" * (shutil.disk_usage(small_disk).free - free))
        with pytest.raises(KgraphError, match=r"cannot be written \(.*(No space left|full).*\)\. Free space"):
            build(at)
        assert assert_whole(at) == first
        assert (at.snapshots / "current").read_bytes() == pointer
        assert leftovers(at) == []
    ballast.unlink()
    assert build(at).version == assert_whole(at) != first


def test_what_is_published_is_on_the_disk_before_it_is_named(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file and folder of a snapshot, its renaming, the folder of snapshots, the pointer, that folder again."""
    done: list[tuple[str, object]] = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(("fsync", os.fstat(descriptor).st_ino))

    def spy_replace(old: Any, new: Any) -> None:
        replace(old, new)
        done.append(("replace", Path(new)))

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    edit(built)
    name = build(built).version
    folder, pointer, above = built.snapshots / name, built.snapshots / "current", ("fsync", built.snapshots.stat().st_ino)
    renamed, named = done.index(("replace", folder)), done.index(("replace", pointer))
    before = {inode for what, inode in done[:renamed] if what == "fsync"}
    assert {path.stat().st_ino for path in [folder, *folder.rglob("*")]} <= before
    assert above in done[renamed:named]
    assert above in done[named:]
    assert ("fsync", pointer.stat().st_ino) in done[renamed:named]


def test_built_again_from_sources_alone(built: Workspace) -> None:
    first, before = open_published(built), quads(built)
    shutil.rmtree(built.built)
    again = build(built)
    assert (again.version, again.manifest["content"]) == (first.version, first.manifest["content"])
    assert quads(built) == before


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if how == "short" else content[:50] + bytes([content[50] ^ 1]) + content[51:])


@pytest.mark.parametrize(
    ("file", "how", "found"),
    [
        ("store/*.sst", "missing", r"store/.*\.sst is missing"),
        ("search.sqlite", "short", r"search.sqlite has .* bytes and had"),
        ("manifest.json", "changed", "it is not as it was written"),
    ],
)
def test_a_damaged_snapshot_is_not_shown(built: Workspace, file: str, how: str, found: str) -> None:
    damage(sorted(open_published(built).folder.glob(file))[0], how)
    with pytest.raises(KgraphError, match=rf"the snapshot is damaged \({found}.*\). Build it anew: kgraph build$"):
        open_published(built)


@pytest.mark.parametrize(("file", "how"), [("store/*.sst", "changed"), ("texts/*", "missing")])
def test_a_damaged_snapshot_is_built_anew(built: Workspace, file: str, how: str) -> None:
    folder, before = open_published(built).folder, quads(built)
    damage(sorted(folder.glob(file))[0], how)
    said: list[str] = []
    assert build(built, said.append).built
    assert said[0].startswith("Of what is published, the snapshot is damaged (")
    assert said[0].endswith("): it is built anew")
    assert_whole(built)
    assert quads(built) == before
    assert not folder.exists(), "what is damaged does not stay"
    assert not build(built).built


@pytest.mark.parametrize(("folder", "how"), [("cache", "changed"), ("restricted/cache", "short")])
def test_a_damaged_cache_is_made_anew(built: Workspace, folder: str, how: str) -> None:
    before = quads(built)
    for path in (built.built / folder).iterdir():
        damage(path, how)
    said: list[str] = []
    done = build(built, said.append, force=True)
    assert "What was kept of graph/study/tiny-2024 is damaged: it is mapped anew" in said
    assert done.mapped == ["graph/ontology", "graph/concepts", "graph/study/tiny-2024", "graph/mappings"]
    assert quads(built) == before


def test_damage_in_works_is_not_copied(tiny: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots share files with the store of works, of which nothing is read again; damage in one is damage in both."""
    put_harvest(tiny, "a", real_records()[:20])
    build(tiny)
    read: list[Path] = []
    digest = integrity.file_digest

    def spy(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(integrity, "file_digest", spy)
    old = {path.stat().st_ino for path in tiny.works.rglob("*.sst")}
    put_harvest(tiny, "a", real_records()[:21])
    said: list[str] = []
    build(tiny, said.append)
    assert any(line.startswith("Added 1 works") for line in said)
    folder = open_published(tiny).folder
    shared = [path for path in folder.rglob("*.sst") if path.stat().st_ino in old]
    assert shared
    assert read
    assert not {path.name for path in shared} & {path.name for path in read if path.is_relative_to(tiny.works)}
    assert "works.sqlite" not in {path.name for path in read if path.is_relative_to(tiny.snapshots)}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert [manifest["files"][f"store/{path.name}"]["sha256"] for path in shared] == [digest(path) for path in shared]

    before = quads(tiny)
    damage(shared[0], "changed")
    said.clear()
    assert build(tiny, said.append).built
    assert "The store of works is damaged: it is made anew" in said
    assert_whole(tiny)
    assert quads(tiny) == before
