"""One builder at a time: whoever changes what is built holds the lock, and removes what killed builders left."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from kgraph.errors import fail
from kgraph.workspace import Workspace

LOCK, PROCESS = "build.lock", "build.process"  # the lock; the number of the process that holds it


@contextmanager
def only_builder(workspace: Workspace) -> Iterator[None]:
    """Makes the folders of what is built and holds the lock.

    Raises `KgraphError` when another process holds it, and for whatever cannot be written meanwhile.
    """
    try:
        for folder in (workspace.cache, workspace.snapshots):
            folder.mkdir(parents=True, exist_ok=True)
        (workspace.restricted / "cache").mkdir(parents=True, exist_ok=True)
        workspace.restricted.chmod(0o700)
        with filelock.FileLock(workspace.built / LOCK, timeout=0):
            with suppress(OSError):  # it only tells people who it is
                (workspace.built / PROCESS).write_text(f"{os.getpid()}\n", encoding="ascii")
            _sweep(workspace)
            try:
                yield
            finally:
                _sweep(workspace)
                with suppress(OSError):
                    (workspace.built / PROCESS).unlink()
    except filelock.Timeout as error:
        raise fail("another build of this workspace is running", "Wait until it has ended", file=workspace.folder) from error
    except (OSError, sqlite3.Error) as error:
        place = getattr(error, "filename", None) or workspace.built
        reason = getattr(error, "strerror", None) or error
        raise fail(f"cannot be written ({reason})", "Free space, or allow writing there", file=place) from error


def is_building(workspace: Workspace) -> bool:
    """Whether a process holds the lock."""
    if not (workspace.built / LOCK).exists():
        return False
    try:
        with filelock.FileLock(workspace.built / LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True


def builder(workspace: Workspace) -> int | None:
    """The process that builds, or that was killed while it built; None where that is not known."""
    try:
        return int((workspace.built / PROCESS).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def leftovers(workspace: Workspace) -> list[Path]:
    """What builds leave that are killed: folders that they were making or removing, files that they were writing."""
    folders = [path for one in (workspace.snapshots, workspace.restricted, workspace.works) for path in one.glob(".making-*")]
    files = [path for name in ("current", "pins.json") for path in workspace.snapshots.glob(f".{name}.*")]
    return [*folders, *files]


def _sweep(workspace: Workspace) -> None:
    for path in leftovers(workspace):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
