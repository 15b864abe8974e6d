"""Snapshots that are kept to go back to: found, pinned, published again, removed.

A version is kept in a folder of its name, with a + for each time it was built anew; what counts is the newest whole one.
Pins name versions, in `.kgraph/snapshots/pins.json`. Everything here that changes something holds the builder's lock.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kgraph.builderlock import only_builder
from kgraph.dumps import folder_of
from kgraph.errors import KgraphError, fail
from kgraph.integrity import MANIFEST, Depth, Sums, check_files, read_manifest, sums_of
from kgraph.snapshot import Snapshot
from kgraph.workspace import Workspace, replace_file, sync_folder
from kgraph.workstore import forget_works, newest_works, works_sums

KEPT = 5  # snapshots that builds keep to go back to, beside the pinned ones
PINS = "pins.json"


@dataclass(frozen=True)
class Kept:
    """A kept snapshot: its folder's `name`, its `version`, whether it is `published`, whether and why it is `pinned`, when it was
    `built` (ISO 8601), its `size` in bytes, how many of them would be `freed` without it, what it holds, and its `damage`."""

    name: str
    version: str
    published: bool
    pinned: bool
    note: str
    built: str
    size: int
    freed: int
    counts: dict[str, int]
    damage: str

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Pruned:
    """What a pruning removes: the names of snapshots, and how many bytes of the disk that frees."""

    names: list[str]
    freed: int


def kept_folders(workspace: Workspace) -> list[Path]:
    """The folders of snapshots, the one that was built or published last at the end."""
    found = []
    for path in workspace.snapshots.glob("[!.]*"):
        with suppress(FileNotFoundError):  # a build may remove it meanwhile
            if path.is_dir():
                found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]


def kept_snapshots(workspace: Workspace) -> list[Kept]:
    """The snapshots that are kept, the newest first. Raises `KgraphError` where the pins cannot be read."""
    pins, published = read_pins(workspace), workspace.published_name()
    pinned = _pinned(workspace, pins)
    found = []
    for folder in reversed(kept_folders(workspace)):
        damage = find_fault(folder)
        manifest = {} if damage else read_manifest(folder)
        places = _parts(workspace, folder)
        note = pins.get(_version(folder), "") if folder in pinned else ""
        counts = {**manifest.get("counts", {}), **({"works": manifest["works"]} if "works" in manifest else {})}
        found.append(
            Kept(
                folder.name, _version(folder), folder.name == published, folder in pinned, note, manifest.get("built", ""),
                disk_size(places), freed_by(places), counts, damage,
            )
        )  # fmt: skip
    return found


def find_snapshot(workspace: Workspace, version: str) -> Snapshot:
    """A kept snapshot, open for reading, by its full version or the name of its folder.

    Raises `KgraphError` where there is none, or it is damaged.
    """
    folders = [path for path in kept_folders(workspace) if version in (path.name, _version(path))]
    if not folders:
        raise _unknown(workspace, version)
    folder = next((path for path in folders if path.name == version and "+" in version), None) or _newest_whole(folders)
    snapshot = Snapshot(folder)
    check_files(folder, snapshot.manifest)
    return snapshot


def pin(workspace: Workspace, prefix: str, note: str = "") -> tuple[str, bool]:
    """Pins the version that begins with a prefix; pinned again it gets the new note.

    The version, and whether builds will keep it: they keep nothing else beside what is restricted. Raises `KgraphError`.
    """
    with _holding(workspace):
        version = find_version(workspace, prefix)
        _write_pins(workspace, read_pins(workspace) | {version: note})
        return version, not (workspace.restricted / str(workspace.published_name())).is_dir()


def unpin(workspace: Workspace, prefix: str) -> str:
    """Takes the pin from a version. Raises `KgraphError` where it is not pinned."""
    with _holding(workspace):
        pins = read_pins(workspace)
        version = prefix if prefix in pins else find_version(workspace, prefix)
        if version not in pins:
            raise fail(f"{version} is not pinned", f"Pinned: {', '.join(pins) or 'none'}")
        del pins[version]
        _write_pins(workspace, pins)
        return version


def use_snapshot(workspace: Workspace, prefix: str) -> str:
    """Publishes a kept version again, in one atomic step; its name. Raises `KgraphError` where it is damaged."""
    with _holding(workspace):
        version = find_version(workspace, prefix)
        folders = [path for path in kept_folders(workspace) if _version(path) == version]
        folder = next((path for path in folders if path.name == prefix and "+" in prefix), None) or _newest_whole(folders)
        if fault := fault_of(workspace, folder.name):
            raise fail(fault, "Use another one: kgraph snapshots list", file=folder)
        publish(workspace, folder.name)
        return folder.name


def prune(
    workspace: Workspace, keep: int = KEPT, older_than: float | None = None, dry_run: bool = False, check: bool = False
) -> Pruned:
    """Removes snapshots: damaged ones, and of the others those beyond the newest `keep`; with `older_than` only those that were
    built or published more days ago. Never what is published or pinned.

    With `check` every byte is compared to find damage, else size and time of change. With them go their restricted twins and
    stores of works that no build needs. With `dry_run` nothing is removed. Raises `KgraphError` where another process builds or
    the pins cannot be read.
    """
    with _holding(workspace):
        pinned, published = _pinned(workspace, read_pins(workspace)), workspace.published_name()
        others = [path for path in kept_folders(workspace) if path not in pinned]
        depth = Depth.CONTENT if check else Depth.TOUCHED
        damaged = [path for path in others if find_fault(path, depth) and path.name != published]
        before = None if older_than is None else (datetime.now(UTC) - timedelta(days=older_than)).timestamp()
        old = [
            path
            for path in _beyond([path for path in others if path not in damaged], keep)
            if path.name != published and (before is None or path.stat().st_mtime < before)
        ]
        going = [*damaged, *old]
        staying = [path for path in kept_folders(workspace) if path not in going]
        needed = newest_works(workspace) if any(map(_has_works, staying)) or _has_harvests(workspace) else None
        works = [path for path in workspace.works.glob("[!.]*") if path != needed]
        freed = freed_by([*(part for path in going for part in _parts(workspace, path)), *works])
        if not dry_run:
            if left := remove(workspace, going):
                raise fail("cannot be removed", "Allow writing there", file=left[0])
            forget_works(workspace, needed)
        return Pruned([path.name for path in going], freed)


def publish(workspace: Workspace, name: str) -> None:
    """Names a snapshot as current: who holds the builder's lock may call it. The folder's name survives a power cut before the
    pointer to it does."""
    os.utime(workspace.snapshots / name)
    sync_folder(workspace.snapshots)
    replace_file(workspace.snapshots / "current", name.encode("ascii"))


def tidy(workspace: Workspace) -> list[str]:
    """Removes what a build need not keep, after it published; lines that tell of what people would not expect.

    What is restricted now may stand open in older snapshots: beside a second store none of them is kept, pinned or not.
    """
    published = workspace.published_name()
    alone = (workspace.restricted / str(published)).is_dir()
    lines, pins = [], {}
    try:
        pins = read_pins(workspace)
    except KgraphError as error:
        if not alone:
            return [f"No snapshot is removed: {error}"]
    pinned = _pinned(workspace, pins)
    others = [path for path in kept_folders(workspace) if path.name != published]
    if alone:
        going = others
        if lost := [version for version in pins if version != _version(Path(str(published)))]:
            lines.append(f"Removed though pinned: {', '.join(lost)}. What is restricted now may stand open in older snapshots")
            _write_pins(workspace, {version: note for version, note in pins.items() if version not in lost})
    else:
        going = [path for path in _beyond([p for p in kept_folders(workspace) if p not in pinned], KEPT) if path in others]
        going += [path for path in others if _version(path) == _version(Path(str(published))) and not is_whole(path)]
    twins = [path for path in workspace.restricted.glob("[!.]*") if path.name != "cache"]
    going += [workspace.snapshots / path.name for path in twins if not (workspace.snapshots / path.name).is_dir()]
    lines += [f"Could not be removed: {path}" for path in remove(workspace, dict.fromkeys(going))]
    return lines


def remove(workspace: Workspace, folders: Iterable[Path]) -> list[Path]:
    """Removes snapshots, their restricted twins and dumps. Each goes by one renaming, so that none is ever seen half; those that
    stay all the same."""
    left = []
    for folder in folders:
        for path in _parts(workspace, folder):
            if not path.is_dir():
                continue
            going = path.with_name(f".making-removed-{path.name}-{os.getpid()}")
            try:
                os.replace(path, going)
            except OSError:
                left.append(path)
                continue
            shutil.rmtree(going, ignore_errors=True)
    return left


def _parts(workspace: Workspace, folder: Path) -> list[Path]:
    """A snapshot and what stands elsewhere and goes with it: what is restricted, and its dumps."""
    return [folder, workspace.restricted / folder.name, folder_of(folder)]


def find_version(workspace: Workspace, prefix: str) -> str:
    """The kept version that begins with a prefix. Raises `KgraphError`, with those that are near, for none and for several."""
    versions = list(dict.fromkeys(_version(path) for path in reversed(kept_folders(workspace))))
    wanted = prefix.rstrip("+")
    if wanted in versions:
        return wanted
    found = [version for version in versions if wanted and version.startswith(wanted)]
    if len(found) > 1:
        raise fail(f"{len(found)} versions begin with {prefix!r}", f"Write more of one of them: {', '.join(found)}")
    if not found:
        raise _unknown(workspace, prefix)
    return found[0]


def fault_of(workspace: Workspace, name: str) -> str:
    """The fault of a snapshot, or else of its restricted twin where it has one; or nothing."""
    twin = workspace.restricted / name
    return find_fault(workspace.snapshots / name) or (find_fault(twin) if twin.is_dir() else "")


def newest_whole(workspace: Workspace, version: str) -> Path | None:
    """The newest folder of a version in which `fault_of` finds nothing, or None."""
    folders = [path for path in kept_folders(workspace) if _version(path) == version and not fault_of(workspace, path.name)]
    return max(folders, key=lambda path: len(path.name), default=None)


def is_whole(folder: Path) -> bool:
    """Whether `find_fault` finds nothing."""
    return not find_fault(folder)


def find_fault(folder: Path, depth: Depth = Depth.TOUCHED) -> str:
    """How the files of a snapshot differ from what was written; or nothing."""
    try:
        check_files(folder, read_manifest(folder), depth)
    except KgraphError as error:
        return error.problems[0].found
    return ""


def known_sums(workspace: Workspace) -> list[Sums]:
    """The sums that are put down of kept snapshots, restricted ones, and stores of works."""
    found = [works_sums(path) for path in workspace.works.glob("[!.]*")]
    for one in (workspace.snapshots, workspace.restricted):
        for path in one.glob(f"[!.]*/{MANIFEST}"):
            with suppress(KgraphError):
                found.append(sums_of(read_manifest(path.parent)) or {})
    return found


def read_pins(workspace: Workspace) -> dict[str, str]:
    """The versions that are pinned, each with its note. Raises `KgraphError` where they cannot be read."""
    path = workspace.snapshots / PINS
    try:
        pins = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(pins, dict) or not all(isinstance(note, str) for note in pins.values()):
            raise ValueError("no list of versions with notes")
        return pins
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        remedy = "Delete the file, and pin anew: kgraph snapshots pin"
        raise fail(f"the pins cannot be read ({error})", remedy, file=path) from error


def disk_size(folders: Iterable[Path]) -> int:
    """The bytes on the disk of all files in folders, each file once however many names it has."""
    return sum(size for _, _, size in _files(folders))


def freed_by(folders: Iterable[Path]) -> int:
    """The bytes of the disk that are free when folders are removed: a file whose other names stay frees none."""
    return sum(size for names, links, size in _files(folders) if names >= links)


def bytes_in_words(number: float) -> str:
    """A number of bytes as people read it: `1.4 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _files(folders: Iterable[Path]) -> list[tuple[int, int, int]]:
    """Of each file how many names it has in these folders, how many in all, and its bytes on the disk."""
    names: Counter[tuple[int, int]] = Counter()
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for folder in folders:
        for root, _, files in os.walk(folder):
            for name in files:
                with suppress(FileNotFoundError):
                    status = os.lstat(os.path.join(root, name))
                    key, blocks = (status.st_dev, status.st_ino), getattr(status, "st_blocks", None)
                    names[key] += 1
                    found[key] = status.st_nlink, status.st_size if blocks is None else blocks * 512
    return [(number, *found[key]) for key, number in names.items()]


def _holding(workspace: Workspace) -> AbstractContextManager[None]:
    """The builder's lock. Raises `KgraphError` where nothing is built yet."""
    if not kept_folders(workspace):
        raise fail("nothing is built yet", "Run: kgraph build", file=workspace.folder)
    return only_builder(workspace)


def _write_pins(workspace: Workspace, pins: dict[str, str]) -> None:
    kept = {_version(path) for path in kept_folders(workspace)}
    values = {version: note for version, note in pins.items() if version in kept}
    replace_file(workspace.snapshots / PINS, json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n")


def _pinned(workspace: Workspace, pins: dict[str, str]) -> set[Path]:
    """The folders that pins keep: of each version the newest whole one."""
    by_version: dict[str, list[Path]] = {}
    for path in kept_folders(workspace):
        by_version.setdefault(_version(path), []).append(path)
    return {_newest_whole(by_version[version]) for version in pins if version in by_version}


def _newest_whole(folders: list[Path]) -> Path:
    return max(folders, key=lambda path: (is_whole(path), len(path.name)))


def _beyond(folders: list[Path], number: int) -> list[Path]:
    """All but the last so many."""
    return folders[: max(len(folders) - number, 0)]


def _version(folder: Path) -> str:
    return folder.name.rstrip("+")


def _has_works(folder: Path) -> bool:
    try:
        return "works" in read_manifest(folder)
    except KgraphError:
        return False


def _has_harvests(workspace: Workspace) -> bool:
    return any((workspace.folder / "works").glob("[!.]*/ledger.json"))


def _unknown(workspace: Workspace, version: str) -> KgraphError:
    known = {path.name.rstrip("+") for path in kept_folders(workspace)}
    near = get_close_matches(version, {one[: len(version)]: one for one in known}, n=3, cutoff=0.6)
    there = [one for one in sorted(known) if any(one.startswith(beginning) for beginning in near)]
    remedy = f"Did you mean {' or '.join(there)}?" if there else f"Kept: {', '.join(sorted(known)) or 'none'}"
    return fail(f"no version {version!r} is kept", remedy)
