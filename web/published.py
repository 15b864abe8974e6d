"""The snapshot that a request reads, and the named queries it asks."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple

from flask import Flask, current_app, g
from werkzeug.exceptions import ServiceUnavailable

from kgraph.description import Described
from kgraph.errors import KgraphError
from kgraph.keeping import find_snapshot
from kgraph.protocol import Target
from kgraph.remote import RemoteStore
from kgraph.settings import SparqlLimits
from kgraph.snapshot import Snapshot, open_published
from kgraph.workindex import FILE
from kgraph.worklist import WorkIndex, WorkRow
from kgraph.workspace import Workspace

WORKS = ("https://doi.org/", "https://openalex.org/W")  # how IRIs of works begin
KEPT_VERSIONS = 8  # older ones that are kept open
KEPT_WORKS = 20_000  # that a view remembers
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Label(NamedTuple):
    """What a thing is called in English and in Chinese; empty where the graph does not say."""

    en: str
    zh: str


class View:
    """An open snapshot with the labels that nearly every page needs, read once."""

    def __init__(self, snapshot: Snapshot, limits: SparqlLimits) -> None:
        self.snapshot = snapshot
        self.limits = limits
        self.works = WorkIndex(snapshot.folder / FILE)
        self._found: dict[str, WorkRow | None] = {}

    def work(self, iri: str) -> WorkRow | None:
        """The harvested work of an IRI, or None. Pages full of links ask for the same ones again and again."""
        if not (self.works.exists and iri.startswith(WORKS)):
            return None
        if iri not in self._found:
            if len(self._found) >= KEPT_WORKS:
                self._found.clear()
            self._found[iri] = self.works.work(iri)
        return self._found.get(iri)

    @cached_property
    def target(self) -> Target:
        """This version, for queries of strangers."""
        return target_of(self.snapshot, self.limits)

    @cached_property
    def described(self) -> Described:
        """What is to be told of this version."""
        return Described.of(self.snapshot)

    @cached_property
    def retracted(self) -> Mapping[str, str]:
        """The references and studies whose work, or report, is retracted, each with the IRI of that work."""
        return {row["thing"]: row["work"] for row in self.snapshot.ask("retracted-works")}

    @cached_property
    def first_study(self) -> str:
        """The id of a study, to show in what people may type."""
        rows = self.snapshot.ask("studies-placed")
        return rows[0]["study"].rsplit("/", 1)[-1] if rows else "STUDY"

    @cached_property
    def labels(self) -> Mapping[str, Label]:
        """The labels of concepts, schemes, themes, studies, agents, places, sites and of the ontology's terms, by IRI."""
        found: dict[str, Label] = {}
        for row in self.snapshot.ask("labels"):
            en, zh = found.get(row["thing"], ("", ""))
            if str(row["language"]).startswith("zh"):
                zh = zh or row["label"]
            else:
                en = en or row["label"]
            found[row["thing"]] = Label(en, zh)
        return found

    @cached_property
    def secondary(self) -> frozenset[str]:
        """The ids of the studies that are known from a secondary source only."""
        rows = self.snapshot.ask("studies-placed")
        return frozenset(row["study"].rsplit("/", 1)[-1] for row in rows if row["anchorStatus"] == "secondary")

    @cached_property
    def inverse_labels(self) -> Mapping[str, Label]:
        """What a relation is called when read from its object, by IRI."""
        found: dict[str, Label] = {}
        for row in self.snapshot.ask("inverse-labels"):
            found[row["relation"]] = Label(row["label"] or "", row["labelZh"] or "")
        return found


class Published:
    """Keeps one snapshot open, and opens another when the workspace has published one."""

    def __init__(self, workspace: Workspace, limits: SparqlLimits | None = None) -> None:
        self.workspace = workspace
        self.limits = limits or workspace.settings.sparql
        self._pointer = str(workspace.snapshots / "current")
        self._lock = Lock()
        self._seen: tuple[int, int] | None = None
        self._view: View | None = None
        self._kept: dict[str, Target] = {}

    def view(self) -> View:
        """The published snapshot. Costs one `stat` when nothing has changed."""
        try:
            status = os.stat(self._pointer)
        except OSError:
            raise ServiceUnavailable("Nothing is built in this workspace yet. Run: kgraph build") from None
        seen = (status.st_ino, status.st_mtime_ns)
        with self._lock:
            if self._view is None or seen != self._seen:
                try:
                    self._view = View(open_published(self.workspace), self.limits)
                except KgraphError as error:
                    raise ServiceUnavailable(
                        str(error.problems[0].found).capitalize() + ". " + error.problems[0].remedy
                    ) from error
                self._seen = seen
            return self._view

    def current(self) -> Target:
        """The published version, for queries of strangers."""
        return self.view().target

    def kept(self, version: str) -> Target:
        """An older version that is kept. Raises `KgraphError` when it is not."""
        if version not in self._kept:
            found = target_of(find_snapshot(self.workspace, version), self.limits)
            if len(self._kept) >= KEPT_VERSIONS:
                self._kept.clear()
            self._kept[version] = found
        target = self._kept[version]
        if target.store is not None and not target.store.is_dir():
            del self._kept[version]
            find_snapshot(self.workspace, version)
        return target

    def described(self, version: str) -> Described:
        """What is to be told of a version. Raises `KgraphError` when it is not kept."""
        shown = self.view()
        return shown.described if version == shown.snapshot.version else Described.of(find_snapshot(self.workspace, version))


def target_of(snapshot: Snapshot, limits: SparqlLimits) -> Target:
    """A snapshot as something that queries of strangers may ask."""
    graphs = frozenset(graph.value for graph in snapshot.graph.graphs())
    if isinstance(snapshot.graph, RemoteStore):
        graph = snapshot.graph.within(limits.seconds, limits.size_mib << 20)
        return Target(snapshot.version, snapshot.base, graphs, graph=graph)
    return Target(snapshot.version, snapshot.base, graphs, snapshot.folder / "store")


def view() -> View:
    """The view of this request: the same from its beginning to its end, whatever is published meanwhile."""
    if "view" not in g:
        published: Published = current_app.extensions["kgraph"]
        g.view = published.view()
    found: View = g.view
    return found


def snapshot() -> Snapshot:
    """The snapshot of this request."""
    return view().snapshot


def ask(query: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of a named query on this request's snapshot; the page names the query below its text."""
    g.setdefault("asked", {})[query] = None
    return snapshot().ask(query, **parameters)


def asked() -> list[str]:
    """The names of the queries that this request has asked, in order."""
    return list(g.get("asked", {}))


def label(iri: str) -> Label:
    """The labels of a thing; words made of the last part of its IRI where it has none."""
    found = view().labels.get(iri)
    if found is not None and found.en:
        return found
    if (work := view().work(iri)) and work.title:
        return Label(work.title, "")
    last = iri.rsplit("#", 1)[-1].rstrip("/").rsplit("/", 1)[-1]
    if not iri.startswith(snapshot().base):
        last = _HUMP.sub(" ", last).lower()  # terms of other vocabularies: hasTarget, publicationName
    return Label(last, found.zh if found else "")


def install(app: Flask) -> None:
    """Gives templates the snapshot, its labels and the names of the queries asked."""
    app.context_processor(lambda: {"snapshot": snapshot, "asked": asked, "label": label, "view": view})
