"""`kgraph doctor`: what is wrong with a workspace and with what is built of it, and what to do. Nothing is changed.

An error is something that is wrong; a warning is advice. Of files that were put down with a checksum, every byte is read.
"""

import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version as version_of
from pathlib import Path

import pyoxigraph as ox

from kgraph import __version__, reasoner
from kgraph.builderlock import LOCK, builder, is_building, leftovers
from kgraph.check import CheckReport, CheckResult
from kgraph.errors import KgraphError, Problem
from kgraph.integrity import REBUILD, SUMS, Depth, find_damage, read_manifest, sums_of, unpack
from kgraph.keeping import bytes_in_words, disk_size, fault_of, find_fault, kept_folders, read_pins
from kgraph.settings import read_settings
from kgraph.works import harvest_names, read_kept, read_ledger
from kgraph.workspace import LOST, LOST_REMEDY, Workspace, find_workspace
from kgraph.workstore import works_sums

FORCE = "Build it anew: kgraph build --force"
PYTHON, OXIGRAPH = (3, 11), (0, 5, 13)

Findings = tuple[str, list[Problem]]  # what was looked at, what was found
Examiner = Callable[[Workspace], Findings]


def examine(folder: Path) -> CheckReport:
    """Examines the workspace in or above a folder, and the programs that it needs."""
    results = [CheckResult("programs", *_programs())]
    try:
        workspace = find_workspace(folder)
        read_settings(workspace.folder / "kgraph.toml")
    except KgraphError as error:
        return CheckReport([CheckResult("settings", str(folder), error.problems), *results])
    results.insert(0, CheckResult("settings", str(workspace.folder / "kgraph.toml")))
    for name, look in EXAMINERS.items():
        try:
            results.append(CheckResult(name, *look(workspace)))
        except KgraphError as error:
            results.append(CheckResult(name, "", error.problems))
        except OSError as error:
            remedy = "Allow reading there, or look whether the disk is sound"
            found = Problem(f"cannot be read ({error.strerror})", remedy, str(error.filename or workspace.folder))
            results.append(CheckResult(name, "", [found]))
    return CheckReport(results)


def _sources(workspace: Workspace) -> Findings:
    sources = list(workspace.sources())
    problems = [Problem(LOST, LOST_REMEDY, str(folder)) for folder in workspace.lost_harvests()]
    published = workspace.snapshots / str(workspace.published_name())
    if published.is_dir() and workspace.published_version() != workspace.version(sources):
        problems.append(_advice("the sources, or kgraph itself, differ from what is published", "Publish them: kgraph build"))
    return f"{len(sources)} sources", problems


def _published(workspace: Workspace) -> Findings:
    name, folders = workspace.published_name(), kept_folders(workspace)
    pointer = workspace.snapshots / "current"
    if name is None:
        if not folders and not pointer.exists():
            return "", [Problem("nothing is built yet", "Run: kgraph build", str(workspace.folder))]
        return "", [Problem("names no snapshot", "Run: kgraph build", str(pointer))]
    folder = workspace.snapshots / name
    if folder not in folders:
        return name, [Problem(f"names {name}, which is not there", "Run: kgraph build", str(pointer))]
    problems = []
    for one in (folder, workspace.restricted / name):
        if one.is_dir() and not find_fault(one):  # what is damaged is told below
            try:
                store = ox.Store.read_only(str(one / "store"))
                store.query("ASK { ?s ?p ?o }")
            except (OSError, RuntimeError, ValueError) as error:
                problems.append(Problem(f"the store cannot be opened ({error})", FORCE, str(one)))
    return name, problems


def _snapshots(workspace: Workspace) -> Findings:
    problems, files = [], 0
    read_pins(workspace)
    published = workspace.published_name()
    for folder in kept_folders(workspace):
        for one in (folder, workspace.restricted / folder.name):
            if not one.is_dir():
                continue
            try:
                sums = sums_of(read_manifest(one))
                damage = find_damage(one, sums or {}, Depth.CONTENT)
            except KgraphError as error:
                sums, damage = {}, [error.problems[0].found]
            if sums is None:
                problems.append(_advice("was built by an earlier kgraph, without checksums", "Nothing need be done", one))
            files += len(sums or {})
            remedy = _mend(workspace, folder.name, folder.name == published)
            problems += [Problem(found, remedy, str(one)) for found in damage]
    for folder in workspace.works.glob("[!.]*"):
        sums = works_sums(folder)
        files += len(sums)
        damage = find_damage(folder, sums, Depth.CONTENT) if sums else [f"{SUMS} is missing or damaged"]
        problems += [Problem(f"the store of works: {found}", FORCE, str(folder)) for found in damage]
    return f"{files:,} files compared with their checksums", problems


def _mend(workspace: Workspace, name: str, published: bool) -> str:
    """How a damaged snapshot is mended: a build sees that a file is missing or was touched, not that a disk changed it."""
    seen = bool(fault_of(workspace, name))
    if published:
        return REBUILD if seen else FORCE
    prune = "kgraph snapshots prune" + ("" if seen else " --check")
    return f"Remove it, if it is pinned after kgraph snapshots unpin: {prune}"


def _building(workspace: Workspace) -> Findings:
    problems = []
    process = builder(workspace)
    if is_building(workspace):
        runs = process is not None and Path("/proc", str(process)).exists()
        if runs or not Path("/proc/self").exists():
            problems.append(_advice(f"a build is running (process {process or 'unknown'})", "Wait until it has ended"))
        else:
            lock = workspace.built / LOCK
            remedy = f"End what still holds {lock}, perhaps a child of a build that was killed; then kgraph build"
            problems.append(Problem(f"the lock is held, and process {process or 'unknown'} is not running", remedy))
        return "the lock of builds", problems
    if left := leftovers(workspace):
        size = bytes_in_words(disk_size(path for path in left if path.is_dir()))
        problems.append(_advice(f"{len(left)} leftovers of builds that were killed, {size}", "Removed by: kgraph build", left[0]))
    return "the lock of builds, and what killed ones leave", problems


def _cache(workspace: Workspace) -> Findings:
    files = [path for folder in (workspace.cache, workspace.restricted / "cache") for path in folder.glob("[!.]*.mapped")]
    damaged = [path for path in files if unpack(path.read_bytes()) is None]
    return f"{len(files)} files", [Problem("a file of the cache is damaged", FORCE, str(path)) for path in damaged]


def _harvests(workspace: Workspace) -> Findings:
    problems, works, names = [], 0, harvest_names(workspace)
    for name in names:
        try:
            ledger, number = read_ledger(workspace, name), sum(1 for _ in read_kept(workspace, name))
            if ledger is not None and ledger.works != number:
                remedy = "Take the files back from your version control, or harvest again: kgraph harvest"
                found = f"the ledger tells of {ledger.works:,} works, and there are {number:,}"
                problems.append(Problem(found, remedy, str(workspace.folder / "works" / name)))
            works += number
        except KgraphError as error:
            problems += error.problems
    for path in sorted((workspace.built / "harvests").glob("*.sqlite")):
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
                (sound,) = journal.execute("PRAGMA quick_check").fetchone()
                (pages,) = journal.execute("SELECT count(*) FROM page").fetchone()
            if sound != "ok":
                raise sqlite3.DatabaseError(sound)
        except sqlite3.Error as error:
            problems.append(Problem(f"the journal is damaged ({error})", "Delete it, and harvest again", str(path)))
        else:
            remedy = "Run the command that began it again: nothing is asked twice"
            problems.append(_advice(f"the harvest {path.stem} is not finished: {pages:,} pages are kept", remedy, path))
    return f"{len(names)} harvests, {works:,} works", problems


def _permissions(workspace: Workspace) -> Findings:
    problems = []
    folders = [workspace.folder, *(path for path in workspace.folder.iterdir() if path.is_dir()), *_folders(workspace.built)]
    for folder in folders:
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            problems.append(Problem("may not be read and written", f"chmod u+rwx {folder}", str(folder)))
    if workspace.restricted.is_dir() and stat.S_IMODE(workspace.restricted.stat().st_mode) & 0o077:
        found = "others may look into what is restricted"
        problems.append(Problem(found, f"chmod 700 {workspace.restricted}", str(workspace.restricted)))
    return f"{len(folders)} folders", problems


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.is_dir())


def _space(workspace: Workspace) -> Findings:
    free = shutil.disk_usage(workspace.folder).free
    name = str(workspace.published_name())
    needed = disk_size([workspace.snapshots / name, workspace.restricted / name])
    remedy = "Free space; kgraph snapshots prune --dry-run says what it would free"
    looked = f"{bytes_in_words(free)} free; the published snapshot has {bytes_in_words(needed)}"
    if free < needed:
        return looked, [Problem("the disk has no room for another snapshot", remedy, str(workspace.folder))]
    return looked, [_advice("the disk has room for one more snapshot only", remedy)] if free < 2 * needed else []


def _programs() -> Findings:
    problems = []
    oxigraph = version_of("pyoxigraph")
    if tuple(map(int, platform.python_version_tuple()[:2])) < PYTHON:
        problems.append(Problem(f"Python is {platform.python_version()}", "Install Python 3.11 or newer"))
    if tuple(int(part) for part in oxigraph.split(".")[:3] if part.isdigit()) < OXIGRAPH:
        problems.append(Problem(f"pyoxigraph is {oxigraph}", "Install what kgraph needs: pip install --upgrade kgraph"))
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE VIRTUAL TABLE t USING fts5 (value, tokenize = 'trigram')")
    except sqlite3.Error as error:
        remedy = "Use a Python whose SQLite is 3.34 or newer, with FTS5"
        problems.append(Problem(f"SQLite {sqlite3.sqlite_version} cannot index texts ({error})", remedy))
    if reasoner.java() is None:
        problems.append(_advice("there is no Java, which the reasoner needs", "Install Java, or: kgraph check --no-reasoner"))
    versions = f"kgraph {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{versions}, pyoxigraph {oxigraph}", problems


def _advice(found: str, remedy: str, file: Path | str = "") -> Problem:
    return Problem(found, remedy, str(file), severity="warning")


EXAMINERS: dict[str, Examiner] = {
    "sources": _sources,
    "published": _published,
    "files": _snapshots,
    "building": _building,
    "cache": _cache,
    "harvests": _harvests,
    "permissions": _permissions,
    "space": _space,
}
