"""Whole graphs as files, the page that lists them, and what programs are told of the collection (VoID)."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, g, redirect, render_template, request, send_file
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import InternalServerError, NotAcceptable, NotFound
from werkzeug.wrappers import Response as Answer

from kgraph.description import Described, describe_dataset
from kgraph.dumps import BUSY, FORMS, Dump, command, folder_of, list_dumps, make_dump
from kgraph.errors import KgraphError
from kgraph.keeping import bytes_in_words, find_snapshot
from kgraph.snapshot import Snapshot
from kgraph.web.negotiation import FORMATS, HTML, serialise, wants_text
from kgraph.web.published import Published, label, view

pages = Blueprint("dumps", __name__)

TOLD = {**FORMATS, "nt": ("application/n-triples", ox.RdfFormat.N_TRIPLES)}  # by suffix
SMALL = 50_000  # triples that are written while the request waits, in a second or so
PATIENCE = 5.0  # seconds that a request waits for a larger one
RETRY = 20  # seconds after which to ask again
VERSION = re.compile(r"kgraph-([0-9a-f]{16})[-.]")
SAYS = {  # of graphs, by how their paths begin
    "graph/ontology": "the model: which kinds of things and links there are",
    "graph/concepts": "concepts, with their names and definitions",
    "graph/mappings": "links from concepts to other vocabularies",
    "graph/works/": "a search in OpenAlex: what was asked, and which papers were found",
    "graph/mentions": "concepts that a program found in titles and abstracts",
    "graph/inferred": "what follows from the other graphs by rules",
    "graph/manifest": "which graph was made from which files, and when",
}


class File(NamedTuple):
    """A file as the page shows it: its name, format (of `FORMS`), and size in words, empty where it is not made yet."""

    name: str
    form: str
    size: str


class Part(NamedTuple):
    """A graph as the page shows it."""

    short: str
    iri: str
    says: str
    triples: int
    files: list[File]


class Makers:
    """Processes that make large dumps. One runs at a time, and one request waits for it; the others are told to come back."""

    def __init__(self) -> None:
        self.small, self.patience = SMALL, PATIENCE
        self._lock, self._waiting = Lock(), Lock()
        self._running: tuple[Path, subprocess.Popen[bytes]] | None = None

    def get(self, snapshot: Snapshot, dump: Dump) -> Path | None:
        """The file, whole; None while it, or another one, is being made. Raises `InternalServerError` where that fails."""
        path = folder_of(snapshot.folder) / dump.file
        if path.is_file():
            return path
        if dump.triples <= self.small:
            return make_dump(snapshot, dump.graph, dump.form)
        with self._lock:
            if self._running and self._running[0] != path and self._running[1].poll() is not None:
                self._running = None  # nobody came back for it
            if self._running is None:
                process = subprocess.Popen(command(snapshot, dump), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                self._running = path, process
            (made, process) = self._running
        if made == path and self._waiting.acquire(blocking=False):
            try:
                process.wait(self.patience)
            except subprocess.TimeoutExpired:
                pass
            finally:
                self._waiting.release()
        code = process.poll()
        if code is not None:
            with self._lock:
                if self._running is not None and self._running[1] is process:
                    self._running = None
        if made == path and code not in (None, 0, BUSY):
            current_app.logger.error("the dump %s could not be made: exit code %s", path, code)
            raise InternalServerError
        return path if path.is_file() else None


@pages.record_once
def _install(state: BlueprintSetupState) -> None:
    state.app.extensions["dumps"] = Makers()


@pages.get("/dump")
def dump_page() -> str | Response:
    """The files that can be had, how to read and how to cite them; to programs, the description of the collection."""
    media = _preferred(HTML, *(media for media, _ in TOLD.values()))
    if media == HTML:
        here = view()
        return render_template("dump.html", iri=here.described.dataset, described=here.described, parts=_parts(), forms=FORMS)
    return _description(next(suffix for suffix, (one, _) in TOLD.items() if one == media))


@pages.get("/dump.<suffix>")
def description(suffix: str) -> Response:
    """The description of the collection in one format."""
    g.data = suffix
    if suffix not in TOLD:
        raise NotFound(f"The description is there as {', '.join(f'/dump.{one}' for one in TOLD)}.")
    return _description(suffix)


@pages.get("/.well-known/void")
def well_known() -> Answer:
    """The description, in Turtle unless something else is asked for; people are sent to the page."""
    media = _preferred(*(media for media, _ in TOLD.values()), HTML)
    if media == HTML:
        return redirect(f"{request.script_root}/dump", 303)
    return _description(next(suffix for suffix, (one, _) in TOLD.items() if one == media))


@pages.get("/dump/<file>")
def dump_file(file: str) -> Answer | tuple[str, int, dict[str, str]]:
    """A file, whole; or 503 and when to ask again, while it is being made. Of older versions that are kept, too."""
    snapshot, dump = _find(file)
    makers: Makers = current_app.extensions["dumps"]
    path = makers.get(snapshot, dump)
    if path is None:
        headers = {"Retry-After": str(RETRY)}
        if wants_text():
            return f"503 {file} is being made. Ask again in {RETRY} seconds.\n", 503, {"Content-Type": "text/plain", **headers}
        return render_template("dump_waiting.html", file=file, seconds=RETRY), 503, headers
    return send_file(path.absolute(), FORMS[dump.form].media, as_attachment=True, download_name=file, conditional=True)


def _find(file: str) -> tuple[Snapshot, Dump]:
    """The snapshot and the dump of a file name. Raises `NotFound`."""
    here, match = view(), VERSION.match(file)
    snapshot, described = here.snapshot, here.described
    if match and match[1] != snapshot.version:
        published: Published = current_app.extensions["kgraph"]
        try:
            snapshot = find_snapshot(published.workspace, match[1])
            described = Described.of(snapshot)
        except KgraphError:
            raise NotFound(f"The version {match[1]} is not kept here. The published one is {here.snapshot.version}.") from None
    for dump in list_dumps(described):
        if dump.file == file:
            return snapshot, dump
    raise NotFound("There is no such file. All that can be had are listed under /dump.")


def _preferred(*media: str) -> str:
    """The media type that the client would rather have: the first of equals. Raises `NotAcceptable`."""
    found = request.accept_mimetypes.best_match(media) if request.accept_mimetypes else media[0]
    if found is None:
        raise NotAcceptable(f"Here are {', '.join(media)}.")
    return found


def _description(suffix: str) -> Response:
    here = view()
    root = request.url_root
    files: dict[str, list[str]] = {}
    for dump in list_dumps(here.described):
        files.setdefault(dump.graph, []).append(f"{root}dump/{dump.file}")
    triples = describe_dataset(here.described, files, f"{root}.well-known/void", f"{root}sparql")
    media, rdf_format = TOLD[suffix]
    answer = Response(serialise(triples, rdf_format), mimetype=media)
    answer.headers["Content-Location"] = f"{request.script_root}/dump.{suffix}"
    return answer


def _parts() -> list[Part]:
    here = view()
    folder = folder_of(here.snapshot.folder)
    parts: dict[str, Part] = {}
    for dump in list_dumps(here.described):
        says = _says(dump, here.snapshot.base)
        part = parts.setdefault(dump.graph, Part(dump.short, dump.graph, says, dump.triples, []))
        part.files.append(File(dump.file, dump.form, _size(folder / dump.file)))
    return list(parts.values())


def _size(path: Path) -> str:
    try:
        return bytes_in_words(path.stat().st_size)
    except OSError:
        return ""


def _says(dump: Dump, base: str, says: Mapping[str, str] = SAYS) -> str:
    """What a graph holds, for people."""
    if not dump.short:
        return "everything, each statement with the graph it stands in"
    if dump.short == "works":
        return "records of papers from OpenAlex"
    path = dump.graph.removeprefix(base)
    if path.startswith("graph/study/"):
        return label(base + path.removeprefix("graph/")).en
    return next((words for start, words in says.items() if path.startswith(start)), "")
