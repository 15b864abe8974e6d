"""Snapshots that are kept: listed, found, pinned, published again, removed; and what a build keeps."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from harvests import put_harvest, real_records
from kgraph import keeping
from kgraph.build import build
from kgraph.builderlock import LOCK
from kgraph.errors import KgraphError
from kgraph.keeping import KEPT, find_snapshot, freed_by, kept_snapshots, prune
from kgraph.snapshot import open_published
from kgraph.workspace import Workspace

Run = Callable[..., tuple[int, str, str]]
STUDY = "studies/tiny-2024.yaml"
OTHER = (
    "0aaa000000000000",
    "0aab000000000000",
    "0bbb000000000000",
)  # versions that are copies of the first, older from left to right


@pytest.fixture
def kept(tmp_path: Path, tiny_built: Workspace) -> Workspace:
    """The tiny workspace, built, with three older snapshots."""
    at = Workspace(shutil.copytree(tiny_built.folder, tmp_path / "kept"))
    folder = open_published(at).folder
    for days, name in enumerate(OTHER):
        shutil.copytree(folder, at.snapshots / name)
        old = folder.stat().st_mtime - (40 - days) * 86_400
        os.utime(at.snapshots / name, (old, old))
    return at


def names(workspace: Workspace) -> set[str]:
    """The snapshots that are there."""
    return {path.name for path in workspace.snapshots.iterdir() if path.is_dir()}


def test_the_list(run: Run, kept: Workspace) -> None:
    assert run("snapshots", "pin", "0bb", "-w", kept.folder, "--note", "cited in a paper") == (0, f"Pinned {OTHER[2]}\n", "")
    code, told, _ = run("snapshots", "list", "-w", kept.folder)
    assert code == 0
    lines = told.splitlines()
    assert lines[1].split()[:2] == ["published", kept.published_name()]
    assert lines[2].split()[:2] == ["pinned", OTHER[2]]
    assert lines[2].endswith("cited in a paper")
    found = json.loads(run("snapshots", "list", "--json", "-w", kept.folder)[1])["snapshots"]
    assert [one["name"] for one in found] == [kept.published_name(), *reversed(OTHER)]
    assert [one["pinned"] for one in found] == [False, True, False, False]
    assert found[1]["note"] == "cited in a paper"
    assert found[0]["counts"]["quotation"] == 2
    assert run("snapshots", "unpin", "0bb", "-w", kept.folder) == (0, f"No longer pinned: {OTHER[2]}\n", "")
    assert not any(one.pinned for one in kept_snapshots(kept))
    code, _, error = run("snapshots", "unpin", "0bb", "-w", kept.folder)
    assert (code, error) == (1, f"error: {OTHER[2]} is not pinned. Pinned: none\n")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0aa", f"2 versions begin with '0aa'. Write more of one of them: {OTHER[1]}, {OTHER[0]}"),
        ("0aac", f"no version '0aac' is kept. Did you mean {OTHER[0]} or {OTHER[1]}?"),
        ("zzz", "no version 'zzz' is kept. Kept: 0aaa"),
        ("", "no version '' is kept"),
        ("../snapshots/0aaa000000000000", "no version '../snapshots"),
    ],
)
def test_versions_that_are_none_or_several(run: Run, kept: Workspace, given: str, message: str) -> None:
    code, told, error = run("snapshots", "pin", "-w", kept.folder, "--", given)
    assert (code, told) == (1, "")
    assert message in error


def test_nothing_is_built(run: Run, tiny: Workspace) -> None:
    assert run("snapshots", "list", "-w", tiny.folder) == (0, "Nothing is built yet. Next: kgraph build\n", "")
    assert "nothing is built yet. Run: kgraph build" in run("snapshots", "use", "0aaa", "-w", tiny.folder)[2]
    assert not tiny.built.exists()


def test_a_kept_one_is_found_and_used(run: Run, kept: Workspace) -> None:
    version = open_published(kept).version
    assert run("snapshots", "use", "0bb", "-w", kept.folder) == (0, f"Published {OTHER[2]}\n", "")
    assert kept.published_name() == OTHER[2]
    assert find_snapshot(kept, version).folder.name == version
    assert build(kept).version == version == kept.published_name(), "a build publishes what the sources say"
    shutil.copytree(kept.snapshots / version, kept.snapshots / f"{version}+")
    assert find_snapshot(kept, version).folder.name == f"{version}+", "the newest that was built"
    (kept.snapshots / f"{version}+" / "search.sqlite").unlink()
    assert find_snapshot(kept, version).folder.name == version, "the newest that is whole"
    with pytest.raises(KgraphError, match=r"damaged \(search.sqlite is missing\)"):
        find_snapshot(kept, f"{version}+")
    with pytest.raises(KgraphError, match="no version '0aa' is kept"):
        find_snapshot(kept, "0aa")  # not by a beginning: what is cited is the whole version
    code, _, error = run("snapshots", "use", f"{version}+", "-w", kept.folder)
    assert code == 1
    assert "search.sqlite is missing). Use another one: kgraph snapshots list" in error
    assert kept.published_name() == version


def test_pruning(run: Run, kept: Workspace) -> None:
    published = str(kept.published_name())
    (kept.restricted / OTHER[0]).mkdir()
    run("snapshots", "pin", OTHER[1], "-w", kept.folder)
    size = freed_by([kept.snapshots / OTHER[0], kept.snapshots / OTHER[2]])
    told = run("snapshots", "prune", "--keep", "0", "--dry-run", "-w", kept.folder)[1]
    assert told == f"Would remove {OTHER[0]}\nWould remove {OTHER[2]}\nWould free {keeping.bytes_in_words(size)}\n"
    assert names(kept) == {published, *OTHER}
    assert run("snapshots", "prune", "-w", kept.folder)[1] == "Nothing to remove\n"
    assert run("snapshots", "prune", "--older-than", "39.5", "-w", kept.folder)[1].splitlines()[0] == f"Removed {OTHER[0]}"
    assert names(kept) == {published, *OTHER[1:]}
    assert not (kept.restricted / OTHER[0]).exists()
    assert prune(kept, keep=0).names == [OTHER[2]]
    assert names(kept) == {published, OTHER[1]}, "neither what is published nor what is pinned goes"
    run("snapshots", "use", OTHER[1], "-w", kept.folder)
    run("snapshots", "unpin", OTHER[1], "-w", kept.folder)
    assert prune(kept, keep=0).names == [published]
    assert names(kept) == {OTHER[1]}


def test_damaged_ones_are_pruned(kept: Workspace) -> None:
    (kept.snapshots / OTHER[2] / "network.json").write_text("{}")
    assert [one.damage for one in kept_snapshots(kept)][1].startswith("the snapshot is damaged (network.json has 2 bytes")
    assert prune(kept).names == [OTHER[2]]


def test_links_are_counted_once_and_free_nothing_while_others_stay(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (one / "shared").write_bytes(b"x" * 1_000_000)
    os.link(one / "shared", two / "shared")
    (one / "own").write_bytes(b"y" * 100_000)
    assert 100_000 <= freed_by([one]) < 200_000
    assert freed_by([two]) == 0
    assert 1_100_000 <= freed_by([one, two]) < 1_300_000


def test_works_that_nobody_needs_are_pruned(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:2])
    build(tiny)
    (newest,) = tiny.works.iterdir()
    (tiny.works / "old").mkdir()
    (tiny.works / "old" / "file").write_bytes(b"x" * 10_000)
    assert prune(tiny, dry_run=True).freed >= 10_000
    prune(tiny)
    assert list(tiny.works.iterdir()) == [newest]


def test_builds_keep_pins(kept: Workspace, run: Run) -> None:
    for number in range(KEPT):
        name = f"1{number:015x}"
        shutil.copytree(kept.snapshots / OTHER[0], kept.snapshots / name)
        os.utime(kept.snapshots / name)
    run("snapshots", "pin", OTHER[0], "-w", kept.folder)
    published = str(kept.published_name())
    path = kept.folder / STUDY
    path.write_text(path.read_text(encoding="utf-8").replace("Somebody waits.", "Somebody is waiting."), encoding="utf-8")
    done = build(kept)
    assert names(kept) == {OTHER[0], done.version, *(f"1{number:015x}" for number in range(1, KEPT))}
    assert published not in names(kept)
    (kept.snapshots / keeping.PINS).write_text("{")
    said: list[str] = []
    build(kept, said.append, force=True)
    assert "No snapshot is removed: " in " ".join(said)
    assert len(names(kept)) == KEPT + 2


def test_beside_what_is_restricted_no_pin_holds(kept: Workspace, run: Run) -> None:
    run("snapshots", "pin", OTHER[0], "-w", kept.folder)
    path = kept.folder / STUDY
    public = path.read_text(encoding="utf-8")
    path.write_text(public.replace("coder: coder\n", "coder: coder\naccess: restricted\n", 1), encoding="utf-8")
    said: list[str] = []
    first = build(kept, said.append)
    assert names(kept) == {first.version}
    assert f"Removed though pinned: {OTHER[0]}. What is restricted now may stand open in older snapshots" in said
    assert keeping.read_pins(kept) == {}
    assert "Something is restricted here" in run("snapshots", "pin", first.version, "-w", kept.folder)[1]
    restricted = path.read_text(encoding="utf-8")
    path.write_text(public, encoding="utf-8")
    assert len(names(kept) | {build(kept).version}) == 2
    path.write_text(restricted, encoding="utf-8")
    assert build(kept).version == first.version
    assert names(kept) == {first.version}, "also where it was published again, not built"


@pytest.mark.parametrize("command", [("pin", "0bb"), ("unpin", "0bb"), ("use", "0bb"), ("prune", "--keep", "0")])
def test_nothing_is_changed_while_a_build_runs(run: Run, kept: Workspace, command: tuple[str, ...]) -> None:
    before = sorted(kept.snapshots.iterdir()), kept.published_name()
    with filelock.FileLock(kept.built / LOCK):
        code, told, error = run("snapshots", *command, "-w", kept.folder)
    assert (code, told) == (1, "")
    assert error == f"error: {kept.folder}: another build of this workspace is running. Wait until it has ended\n"
    assert (sorted(kept.snapshots.iterdir()), kept.published_name()) == before


def test_pins_that_cannot_be_read(run: Run, kept: Workspace) -> None:
    (kept.snapshots / keeping.PINS).write_text('["0bb"]')
    for command in (("list",), ("pin", "0bb"), ("prune",)):
        code, _, error = run("snapshots", *command, "-w", kept.folder)
        assert code == 1
        assert "the pins cannot be read (no list of versions with notes). Delete the file, and pin anew" in error
