"""Writes the graph of a snapshot to the SPARQL server that `kgraph.toml` names, and removes there what no snapshot needs.

Each named graph stands there under a name of its own for its content: its IRI, #, and 16 hexadecimal digits of the SHA-256 of
its sorted N-Triples; what lies in the default graph (the bulk of the works) under `graph/works` likewise. So nothing that is
being read is ever written: the snapshot says in its manifest which graphs are its own, and is published when all are there. Which
graphs kgraph wrote is put down in a graph of the server, `graph/uploads`, for each workspace: nothing else is ever removed.
"""

import heapq
import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kgraph.errors import KgraphError, fail
from kgraph.integrity import read_manifest
from kgraph.names import PREFIXES
from kgraph.remote import BLANK, RemoteStore
from kgraph.settings import StoreSettings
from kgraph.stores import StoreError
from kgraph.storeservice import Service, find_credentials
from kgraph.workspace import Workspace, replace_file

WORKS, MANIFEST, UPLOADS = "graph/works", "graph/manifest", "graph/uploads"  # under the base IRI
CHUNK = 4 << 20  # bytes that are sent at once by the Graph Store Protocol
BATCH = 1_000  # triples of an update: Virtuoso takes few more
SECONDS = 3600.0  # that a server may take over a chunk, counting, or dropping a graph: Oxigraph drops some 5,000 triples a second
SORTED = 500_000  # lines that are sorted in memory at once
HELD_BY = PREFIXES["dcterms"] + "isRequiredBy"
TRIPLES = "application/n-triples"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A graph to be sent: its name here (None: the default graph), its name on the server, its sorted N-Triples, their number."""

    logical: str | None
    physical: str
    file: Path
    triples: int


def write_graphs(workspace: Workspace, store: Path, scratch: Path, report: Report) -> dict[str, Any]:
    """Writes the graphs of the store in a folder to the server of the workspace, those that it has not yet; what a manifest says
    of it.

    `scratch` is a folder to be made and removed. Raises `KgraphError` for what cannot be sent, `StoreError` for the server;
    what is published stays as it is in any case.
    """
    settings, base = _settings(workspace), workspace.settings.base
    started = time.perf_counter()
    scratch.mkdir()
    graphs = prepare(ox.Store.read_only(str(store)), base, scratch)
    server = Server(settings, base)
    names = [one.physical for one in graphs]
    owner = _owner(workspace)
    held = server.uploads()
    known = {*held, *(name for told in kept_remotes(workspace) for name in _names(told))} & set(names)
    there = server.count(known)
    server.hold((name for name in names if owner not in held.get(name, ())), owner)
    sent = [one for one in graphs if there.get(one.physical) != one.triples]
    for one in sent:
        server.write(one)
        _verify(one, server.count([one.physical]).get(one.physical, 0))
        report(f"Sent {one.physical}: {one.triples:,} triples")
    shutil.rmtree(scratch)
    took, triples = time.perf_counter() - started, sum(one.triples for one in sent)
    report(f"Sent {len(sent)} of {len(graphs)} graphs, {triples:,} triples, to {settings.query} in {took:.1f} s")
    return {
        "query": settings.query,
        "timeout": settings.timeout,
        "graphs": {one.logical: one.physical for one in graphs if one.logical is not None},
        "default": [one.physical for one in graphs if one.logical is None],
        "triples": {one.physical: one.triples for one in graphs},
    }


def is_there(workspace: Workspace, folder: Path) -> bool:
    """Whether the graphs of a snapshot stand whole on the server that the workspace names; true where it names none."""
    settings, told = workspace.settings.store, read_manifest(folder).get("remote")
    if settings is None or told is None:
        return settings is None and told is None
    expected: dict[str, int] = told["triples"]
    return told["query"] == settings.query and Server(settings, workspace.settings.base).count(expected) == expected


def tidy_server(workspace: Workspace, report: Report) -> None:
    """Removes from the server the graphs that this workspace wrote and no kept snapshot names.

    What cannot be removed is reported, and stays for the next time.
    """
    settings = workspace.settings.store
    if settings is None:
        return
    kept = {name for told in kept_remotes(workspace) for name in _names(told)}
    try:
        server, owner = Server(settings, workspace.settings.base), _owner(workspace)
        held = server.uploads()
        going = sorted(name for name, owners in held.items() if owner in owners and name not in kept)
        for name in going:
            if held[name] == {owner}:
                server.drop(name)
            server.release(name, owner)
    except KgraphError as error:
        report(f"Graphs that nobody needs stay on the SPARQL server until the next build: {error}")
        return
    if going:
        report(f"Removed {len(going)} graphs that nobody needs from {settings.query}")


def kept_remotes(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """What the manifests of kept snapshots say of the server that the workspace names."""
    settings = workspace.settings.store
    for path in workspace.snapshots.glob("[!.]*/manifest.json"):
        try:
            told = json.loads(path.read_bytes()).get("remote")
        except (OSError, ValueError, AttributeError):
            continue
        if settings is not None and told and told["query"] == settings.query:
            yield told


class Server:
    """A SPARQL server that graphs below a base IRI are written to. Every method raises `StoreError`."""

    def __init__(self, settings: StoreSettings, base: str) -> None:
        self.settings, self.base = settings, base
        self.registry = base + UPLOADS
        self.service = Service(find_credentials(settings.query), settings.timeout)
        for address in (settings.update, settings.graph_store or settings.update):
            find_credentials(address)
        self._own = re.compile(re.escape(base) + "graph/[^#\\s<>]+#[0-9a-f]{16}")

    def count(self, names: Iterable[str]) -> dict[str, int]:
        """How many triples each of these graphs has; those without any are left out."""
        wanted = dict.fromkeys(names)
        if not wanted:
            return {}
        query = "SELECT ?g (COUNT(*) AS ?n) WHERE { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g"
        rows = self._ask(query, list(wanted))
        return {row["g"].value: int(row["n"].value) for row in rows}

    def uploads(self) -> dict[str, set[str]]:
        """The graphs that kgraph wrote below this base, each with the workspaces that need it."""
        found: dict[str, set[str]] = {}
        rows = self._ask(
            f"SELECT ?graph ?owner WHERE {{ GRAPH <{self.registry}> {{ ?graph <{HELD_BY}> ?owner }} }}", [self.registry]
        )
        for row in rows:
            if self._own.fullmatch(row["graph"].value):
                found.setdefault(row["graph"].value, set()).add(row["owner"].value)
        return found

    def hold(self, names: Iterable[str], owner: str) -> None:
        """Puts down that a workspace needs these graphs."""
        lines = iter([f"<{name}> <{HELD_BY}> <{owner}> .\n" for name in names])
        while batch := "".join(islice(lines, BATCH)):
            self.update(f"INSERT DATA {{ GRAPH <{self.registry}> {{\n{batch}}} }}")

    def release(self, name: str, owner: str) -> None:
        """Puts down that a workspace needs a graph no more."""
        self.update(f"DELETE DATA {{ GRAPH <{self.registry}> {{ <{name}> <{HELD_BY}> <{owner}> }} }}")

    def drop(self, name: str) -> None:
        """Removes a graph of kgraph's."""
        if not self._own.fullmatch(name):
            raise StoreError(fail(f"{name} is no graph that kgraph wrote").problems)
        self.update(f"DROP SILENT GRAPH <{name}>")

    def write(self, graph: Prepared) -> None:
        """Writes a graph, in place of what stands under its name."""
        address = self.settings.graph_store
        if address is None:
            self.update(f"DROP SILENT GRAPH <{graph.physical}>")
            for lines in _batches(graph.file):
                self.update(f"INSERT DATA {{ GRAPH <{graph.physical}> {{\n{lines.decode()}}} }}")
            return
        method, where = "PUT", {"graph": graph.physical}
        for chunk in _chunks(graph.file):
            headers = {"Content-Type": TRIPLES}
            self.service.send(method, address, data=chunk, params=where, headers=headers, timeout=SECONDS)
            method = "POST"

    def update(self, text: str) -> None:
        """Runs a SPARQL Update."""
        headers = {"Content-Type": "application/sparql-update"}
        self.service.send("POST", self.settings.update, data=text.encode(), headers=headers, timeout=SECONDS)

    def _ask(self, query: str, names: list[str]) -> Any:
        service = Service(self.service.credentials, SECONDS)
        store = RemoteStore(self.settings.query, service, {name: name for name in names})
        return store.query(query, self.base)


def prepare(store: ox.Store, base: str, scratch: Path) -> list[Prepared]:
    """The graphs of a store as files of sorted N-Triples. Raises `KgraphError` where a graph other than the manifest's speaks of
    a graph. Blank nodes, which no protocol hands on by their name, get IRIs."""
    names = [graph.value for graph in store.named_graphs() if isinstance(graph, ox.NamedNode)]
    found = [_prepare(store, name, base, scratch, names, {}) for name in [*sorted(set(names) - {base + MANIFEST}), None]]
    there = {one.logical: one.physical for one in found if one is not None and one.logical is not None}
    if base + MANIFEST in names:
        found.append(_prepare(store, base + MANIFEST, base, scratch, names, there))
    return [one for one in found if one is not None]


def _prepare(
    store: ox.Store, name: str | None, base: str, scratch: Path, names: list[str], rename: dict[str, str]
) -> Prepared | None:
    dumped = scratch / "dumped"
    store.dump(dumped, ox.RdfFormat.N_TRIPLES, from_graph=ox.DefaultGraph() if name is None else ox.NamedNode(name))
    speaks, named = f"<{base}graph/".encode(), set(names)

    def checked(lines: Iterable[bytes]) -> Iterator[bytes]:
        blank: list[bytes] = []
        for line in lines:
            if b" _:" in line or line.startswith(b"_:"):
                blank.append(line)
                if len(blank) > SORTED:
                    raise fail(f"{name or 'the graph of the works'} has too many blank nodes", "Give its nodes IRIs")
            else:
                yield _check(line, name, named, rename) if speaks in line else line
        for line in _without_blanks(blank, name):
            yield _check(line, name, named, rename)

    target, digest, triples = scratch / f"{len(list(scratch.iterdir()))}.nt", sha256(), 0
    with dumped.open("rb") as source, target.open("wb") as out:
        lines = _sort(checked(source), scratch)
        while batch := list(islice(lines, BATCH)):
            piece = b"".join(batch)
            digest.update(piece)
            out.write(piece)
            triples += len(batch)
    dumped.unlink()
    physical = f"{base + WORKS if name is None else name}#{digest.hexdigest()[:16]}"
    return Prepared(name, physical, target, triples) if triples else None


def _check(line: bytes, graph: str | None, names: set[str], rename: dict[str, str]) -> bytes:
    """A line with the names that graphs have on the server."""
    (quad,) = ox.parse(line, format=ox.RdfFormat.N_TRIPLES)
    terms: list[Any] = []
    for term in quad.triple:
        if isinstance(term, ox.NamedNode) and term.value in names and not rename:
            found = f"{graph or 'a work'} speaks of the graph {term.value}, which has another name on a SPARQL server"
            raise fail(found, "Only graph/manifest may: leave the triple out")
        terms.append(ox.NamedNode(rename.get(term.value, term.value)) if isinstance(term, ox.NamedNode) else term)
    return f"{ox.Triple(*terms)} .\n".encode()


def _without_blanks(lines: list[bytes], graph: str | None) -> Iterator[bytes]:
    """Lines with IRIs for blank nodes, the same for the same graph whatever its blank nodes are called (RDFC-1.0)."""
    dataset = ox.Dataset(ox.parse(b"".join(lines), format=ox.RdfFormat.N_TRIPLES))
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    start = f"{BLANK}{sha256(str(graph).encode()).hexdigest()[:8]}-"
    for quad in dataset:
        terms = [ox.NamedNode(start + term.value) if isinstance(term, ox.BlankNode) else term for term in quad.triple]
        yield f"{ox.Triple(*terms)} .\n".encode()


def _sort(lines: Iterator[bytes], scratch: Path) -> Iterator[bytes]:
    """Lines in order, however many: sorted in parts, which are merged."""
    first = sorted(islice(lines, SORTED))
    if len(first) < SORTED:
        yield from first
        return
    parts: list[Path] = []
    while first:
        parts.append(scratch / f"part-{len(parts)}")
        with parts[-1].open("wb") as out:
            out.writelines(first)
        first = sorted(islice(lines, SORTED))
    with ExitStack() as opened:
        yield from heapq.merge(*(opened.enter_context(part.open("rb")) for part in parts))
    for part in parts:
        part.unlink()


def _chunks(file: Path) -> Iterator[bytes]:
    """A file in pieces of whole lines."""
    with file.open("rb") as source:
        while piece := source.read(CHUNK):
            yield piece + source.readline()


def _batches(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := b"".join(islice(source, BATCH)):
            yield piece


def _verify(graph: Prepared, there: int) -> None:
    if there != graph.triples:
        found = f"{graph.triples:,} triples were sent as {graph.physical}, and the SPARQL server has {there:,}"
        remedy = "It drops or changes some, such as literals of a form that it does not know: see docs/stores.md"
        raise StoreError(fail(found, remedy).problems)


def _settings(workspace: Workspace) -> StoreSettings:
    if workspace.settings.store is None:
        raise fail("no SPARQL server is named", "Write [store] into kgraph.toml", file=workspace.folder)
    return workspace.settings.store


def _names(told: Mapping[str, Any]) -> list[str]:
    return [*told["graphs"].values(), *told["default"]]


def _owner(workspace: Workspace) -> str:
    """By what name this workspace puts down which graphs it needs: another one for a copy of it."""
    path = workspace.built / "store-id"
    if not path.exists():
        replace_file(path, str(uuid.uuid4()).encode("ascii"))
    return uuid.uuid5(uuid.UUID(path.read_text(encoding="ascii")), str(workspace.folder.resolve())).urn
