"""Whole graphs as files for others to load: of each public named graph, of the works, and of everything.

A dump holds what the public store of a snapshot holds, and never anything of the second store. It stands beside the snapshot, in
`snapshots/.dumps/<snapshot>/`, so that the snapshot's own files stay as they were summed; it is written once, under another name
until it is whole. What is written goes from store to disk statement by statement, so memory does not grow with the graph.

    python -m kgraph.dumps SNAPSHOT FORM [GRAPH]     makes one, for a server that does not want to do it itself
"""

import gzip
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import filelock
import pyoxigraph as ox

from kgraph.description import Described, dataset_of, graphs_of, short_names, works_of
from kgraph.errors import KgraphError, fail
from kgraph.names import PREFIXES
from kgraph.snapshot import Snapshot


@dataclass(frozen=True)
class Form:
    """A format of files: its `name` for people, media type, and the serialisation, compressed or not."""

    name: str
    media: str
    rdf_format: ox.RdfFormat
    compressed: bool = False


FORMS = {  # by how names of files end
    "nq.gz": Form("N-Quads, compressed", "application/gzip", ox.RdfFormat.N_QUADS, compressed=True),
    "trig": Form("TriG", "application/trig", ox.RdfFormat.TRIG),
    "jsonld": Form("JSON-LD", "application/ld+json", ox.RdfFormat.JSON_LD),
}


RESTRICTED = "restricted"  # the folder of second stores
BUSY = 3  # the exit code that says so


@dataclass(frozen=True)
class Dump:
    """A file that can be had: its name, the IRI of its `graph` (of the dataset for everything, of the works for these), a `short`
    name, how many `triples` it has, and its format (of `FORMS`)."""

    file: str
    graph: str
    short: str
    triples: int
    form: str


def list_dumps(described: Described) -> list[Dump]:
    """All files that can be had of a collection: first of everything, then of the works, then of each graph by its short name."""
    base = described.base
    short = short_names(described.graphs, base)
    parts = [(described.dataset, "", described.triples)]
    if described.default:
        parts.append((works_of(base), "works", described.default))
    parts += sorted(((iri, short[iri], number) for iri, number in described.graphs.items()), key=lambda part: part[1])
    return [
        Dump(file_name(described.version, name, form), iri, name, number, form) for iri, name, number in parts for form in FORMS
    ]


def file_name(version: str, short: str, form: str) -> str:
    """The name of a file: `kgraph-<version>-study-fan-2024.nq.gz`, without the middle for everything."""
    told = re.sub(r"[^A-Za-z0-9._-]+", "-", version)
    return "-".join(filter(None, ["kgraph", told, short])) + f".{form}"


def folder_of(snapshot_folder: Path) -> Path:
    """Where the dumps of a snapshot stand. Whoever removes the snapshot removes this folder too."""
    return snapshot_folder.parent / ".dumps" / snapshot_folder.name


def make_dump(snapshot: Snapshot, graph: str | None, form: str) -> Path:
    """The dump of a graph (of everything for None, of the works for `works_of`), made where it is not there yet.

    One process makes a file at a time, others wait for it. Raises `KgraphError` for an unknown graph or format, and where the
    file cannot be written.
    """
    target = folder_of(snapshot.folder) / _file(snapshot, graph, form)
    if target.is_file():
        return target
    try:
        _forget_others(target.parent.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(target.with_name(f".{target.name}.lock")):
            if not target.is_file():
                _write(snapshot, graph, form, target)
    except OSError as error:
        raise _unwritten(error, target) from error
    return target


def write_dump(snapshot: Snapshot, graph: str | None, form: str, folder: Path) -> Path:
    """Writes the dump of a graph into a folder of somebody's own, over one of the same name. Raises `KgraphError`."""
    target = folder / _file(snapshot, graph, form)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(snapshot, graph, form, target)
    except OSError as error:
        raise _unwritten(error, target) from error
    return target


def command(snapshot: Snapshot, dump: Dump) -> list[str]:
    """The command that makes a dump in a process of its own."""
    return [sys.executable, "-m", "kgraph.dumps", str(snapshot.folder.absolute()), dump.form, dump.graph]


def _file(snapshot: Snapshot, graph: str | None, form: str) -> str:
    """The name of a file. Raises `KgraphError` where there is no such graph or format, and for a second store."""
    if snapshot.folder.parent.name == RESTRICTED:
        raise fail("this is the second store, with restricted things", "Dumps are made of the public one", file=snapshot.folder)
    if form not in FORMS:
        raise fail(f"there is no format {form!r}", f"Use one of: {' '.join(FORMS)}")
    short = short_names(graphs_of(snapshot), snapshot.base)
    whole = {dataset_of(snapshot.base): "", works_of(snapshot.base): "works"}
    name = "" if graph is None else (whole | short).get(graph)
    if name is None:
        raise fail(f"there is no graph {graph}", "See which there are: kgraph dump --list")
    return file_name(snapshot.version, name, form)


def _write(snapshot: Snapshot, graph: str | None, form: str, target: Path) -> None:
    """Writes a dump under another name, and renames it when it is whole and on the disk."""
    kind = FORMS[form]
    temporary = target.with_name(f".making-{target.name}")
    try:
        with temporary.open("wb") as stream:
            with _packed(stream, kind.compressed) as out:
                quads = _quads(snapshot, graph)
                ox.serialize(quads, out, format=kind.rdf_format, prefixes=PREFIXES)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _packed(stream: IO[bytes], compressed: bool) -> Iterator[IO[bytes]]:
    if not compressed:
        yield stream
        return
    with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:  # with neither name nor time in it
        yield cast(IO[bytes], packed)


def _quads(snapshot: Snapshot, graph: str | None) -> Iterator[ox.Quad]:
    base = snapshot.base
    if graph is None or graph == dataset_of(base):
        return snapshot.store.quads_for_pattern(None, None, None, None)
    name = ox.DefaultGraph() if graph == works_of(base) else ox.NamedNode(graph)
    return snapshot.store.quads_for_pattern(None, None, None, name)


def _forget_others(folder: Path) -> None:
    """Removes the dumps of snapshots that are gone: something in them may be restricted now."""
    for path in folder.glob("*"):
        if path.is_dir() and not (folder.parent / path.name).is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _unwritten(error: OSError, target: Path) -> KgraphError:
    reason = error.strerror or error
    return fail(f"the dump cannot be written ({reason})", "Free space, or allow writing there", file=error.filename or target)


def main(arguments: list[str]) -> int:
    """Makes one dump, at a low priority: 0 when it is there, `BUSY` when another process makes one of this workspace's."""
    snapshot, form, graph = Snapshot(Path(arguments[0])), arguments[1], (arguments[2] if len(arguments) > 2 else None)
    if hasattr(os, "nice"):
        os.nice(10)
    folder = folder_of(snapshot.folder).parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / "maker.lock", timeout=0):
            make_dump(snapshot, graph, form)
    except filelock.Timeout:
        return BUSY
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (KgraphError, OSError) as error:
        sys.exit(f"error: {error}")
