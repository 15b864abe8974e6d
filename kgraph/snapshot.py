"""A published snapshot, open for reading: the store and what was built beside it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kgraph import queries
from kgraph.errors import KgraphError, fail
from kgraph.integrity import check_files, read_manifest
from kgraph.names import KG, OA, PREFIXES
from kgraph.settings import DEFAULT_BASE
from kgraph.sparqltext import outline
from kgraph.stores import EmbeddedStore, GraphStore
from kgraph.workspace import Workspace

_PARTS = (ox.NamedNode(KG.anchor), ox.NamedNode(OA.hasSelector))


class Snapshot:
    """A built version of the graph, read-only.

    `version` and `manifest` (a dict: what it was built from, when, how large) say what it is; `base` is the IRI under which its
    own things stand.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = read_manifest(folder)
        self.version: str = self.manifest["version"]
        self.base: str = self.manifest.get("base", DEFAULT_BASE)

    @cached_property
    def graph(self) -> GraphStore:
        """Where the graph is read: on the server that the manifest names, or in the store on disk."""
        if "remote" in self.manifest:
            from kgraph.remote import open_remote  # which loads what speaks HTTP

            return open_remote(self.manifest["remote"])
        return EmbeddedStore(self.store)

    @cached_property
    def store(self) -> ox.Store:
        """The store on disk."""
        try:
            return ox.Store.read_only(str(self.folder / "store"))
        except (OSError, RuntimeError) as error:  # the latter where a checksum within the store is wrong
            raise fail(
                f"the store cannot be opened ({error})", "Build it anew: kgraph build --force", file=self.folder
            ) from error

    @cached_property
    def network(self) -> dict[str, Any]:
        """The concept network with its layout, as `kgraph.network` made it."""
        network: dict[str, Any] = json.loads((self.folder / "network.json").read_text(encoding="utf-8"))
        return network

    def ask(self, name: str, **parameters: object) -> list[dict[str, Any]]:
        """The rows of a named query, as dicts of plain values.

        Raises `KgraphError` for an unknown query, or a missing, unknown or malformed parameter.
        """
        query = queries.find_query(name)
        answer = queries.run(self.graph, query.text, self.base, query.bind(parameters, self.base))
        return list(queries.rows(answer))

    def query(self, text: str) -> Any:
        """The answer to any SPARQL query: pyoxigraph's QuerySolutions, QueryBoolean or QueryTriples."""
        return queries.run(self.graph, text, self.base, dataset=outline(text, self.base, PREFIXES).dataset)

    def describe(self, iri: str) -> list[ox.Triple]:
        """What the graph says of a node: its triples, those that lead to it, and its anchors with their selectors."""
        node = ox.NamedNode(iri)
        seen: dict[ox.Triple, None] = {}
        for quad in self.graph.match(object=node):
            seen[quad.triple] = None
        for triple in self._outgoing(node):
            seen[triple] = None
        return list(seen)

    def _outgoing(self, node: ox.NamedNode) -> Iterator[ox.Triple]:
        for quad in self.graph.match(node):
            yield quad.triple
            if quad.predicate in _PARTS and isinstance(quad.object, ox.NamedNode):
                yield from self._outgoing(quad.object)

    def source_text(self, study: str) -> str | None:
        """The source text of a study, or None where it is not at hand or not public."""
        path = self.folder / "texts" / f"{study}.txt"
        return path.read_text(encoding="utf-8") if path.is_file() else None


def open_published(workspace: Workspace) -> Snapshot:
    """The snapshot that a workspace has published. Raises `KgraphError` when there is none, or files of it are missing."""
    while (name := workspace.published_name()) is not None:
        try:
            return open_whole(workspace.snapshots / name)
        except KgraphError:
            if workspace.published_name() == name:  # else another one was published meanwhile
                raise
    raise fail("nothing is built yet", "Run: kgraph build", file=workspace.folder)


def open_whole(folder: Path) -> Snapshot:
    """The snapshot in a folder. Raises `KgraphError` when files of it are missing or have another size than was written."""
    found = Snapshot(folder)
    check_files(folder, found.manifest)
    return found


def open_restricted(workspace: Workspace) -> Snapshot:
    """The second store of the published version, with restricted things; for the command line alone."""
    folder = workspace.restricted / str(workspace.published_name())
    if not folder.is_dir():
        raise fail("there is nothing restricted in the published version", "Leave out --restricted", file=workspace.folder)
    return open_whole(folder)


def list_snapshots(workspace: Workspace) -> dict[str, Any]:
    """The snapshots of a workspace, newest first, with version, age and counts; whether the sources are as published;
    the limits of queries to the endpoint."""
    published = workspace.published_name()
    found = []
    for path in workspace.snapshots.glob("*/manifest.json"):
        if path.parent.name.startswith("."):
            continue
        try:
            manifest = Snapshot(path.parent).manifest
        except KgraphError:
            found.append(
                {
                    "version": path.parent.name,
                    "published": path.parent.name == published,
                    "built": "",
                    "age": "damaged",
                    "counts": {},
                }
            )
            continue
        age = datetime.now(UTC) - datetime.fromisoformat(manifest["built"])
        found.append(
            {
                "version": manifest["version"],
                "published": path.parent.name == published,
                "built": manifest["built"],
                "age": str(timedelta(seconds=int(age.total_seconds()))),
                "counts": manifest["counts"] | ({"works": manifest["works"]} if "works" in manifest else {}),
            }
        )
    current = workspace.published_version() == workspace.version(list(workspace.sources()))
    return {
        "name": workspace.settings.name,
        "current": current,
        "sparql": workspace.settings.sparql.as_settings(),
        "snapshots": sorted(found, key=lambda item: item["built"], reverse=True),
    }
