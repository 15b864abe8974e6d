"""The SPARQL 1.1 Protocol for queries (https://www.w3.org/TR/sparql11-protocol/), as a function from a request to a response.

An answer is whole, or it is an error that says why; an update is refused. What the protocol leaves open: `format=` names a
format of the answer and goes before `Accept`; `version=` names the version of the graph that is asked.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from kgraph.errors import KgraphError, Problem
from kgraph.evaluate import GRAPHS, RESULTS, Answer, Question, Unanswered
from kgraph.names import PREFIXES
from kgraph.settings import SparqlLimits
from kgraph.sparqltext import Dataset, Refused, outline
from kgraph.stores import GraphStore

METHODS = "GET, HEAD, POST, OPTIONS"
FIELDS = 100  # that a form may have
HTML = "text/html"
FORM, QUERY, UPDATE = "application/x-www-form-urlencoded", "application/sparql-query", "application/sparql-update"
STATUS = {  # of a query that has no answer
    "malformed": 400, "no-graph": 400, "refused": 403, "unacceptable": 406, "gone": 410, "too-long": 413, "too-large": 422,
    "memory": 422, "failed": 400, "broken": 500, "busy": 503, "time": 504,
}  # fmt: skip
CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Kgraph-Version, Kgraph-Note, Retry-After"),
]
_OTHER_NAMES = {  # of formats, by what people ask for
    "json": ("application/json",),
    "xml": ("application/xml", "text/xml"),
    "rdfxml": ("application/xml", "text/xml"),
    "jsonld": ("application/json",),
    "turtle": ("application/x-turtle",),
    "ntriples": ("text/plain",),
}
_SHORT = {"ttl": "turtle", "nt": "ntriples", "rdf": "rdfxml", "nq": "nquads", "srj": "json", "srx": "xml"}


@dataclass(frozen=True)
class Target:
    """A version of a graph that can be asked: `graphs` are the names of its graphs; it is read in a folder or by a `graph`."""

    version: str
    base: str
    graphs: frozenset[str]
    store: Path | None = None
    graph: GraphStore | None = None


@dataclass(frozen=True)
class Request:
    """What a client sent; `body` only of a POST."""

    method: str
    query_string: str = ""
    address: str = ""  # of the endpoint, as the client knows it
    content_type: str = ""
    accept: str = ""
    if_none_match: str = ""
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


@dataclass(frozen=True)
class Operation:
    """A query operation: the `query` (empty where none is given), the `dataset` that the protocol names, `format`, `version`."""

    query: str = ""
    dataset: Dataset = field(default_factory=Dataset)
    format: str = ""
    version: str = ""


Ask = Callable[[Target, Question], Answer]
Versions = Callable[[str], Target]  # the version of that name, the current one for none; raises `Unanswered`
Describe = Callable[[Target, str, str], bytes]  # a target, the address of the endpoint, a format of `GRAPHS`


class Protocol:
    """Answers requests: `versions` finds what is asked, `ask` evaluates, `describe` tells of the service."""

    def __init__(self, versions: Versions, ask: Ask, describe: Describe, limits: SparqlLimits) -> None:
        self.versions = versions
        self.ask = ask
        self.describe = describe
        self.limits = limits

    def respond(self, request: Request) -> Response:
        """The response to a request; whatever is wrong with it becomes a status and a sentence."""
        if request.method == "OPTIONS":
            return Response(204, [*CORS, *_preflight()])
        try:
            operation = read(request, self.limits)
            if not operation.query:
                return self._description(request, operation)
            return self._answer(request, operation)
        except Unanswered as error:
            return _error(STATUS[error.reason], error, error.reason)
        except Refused as error:
            return _error(STATUS["refused"], error, "refused")

    def _answer(self, request: Request, operation: Operation) -> Response:
        target = self.versions(operation.version)
        question, note = to_question(operation, target, request.accept, self.limits)
        tag = etag(target, question)
        headers = [("ETag", tag), ("Kgraph-Version", target.version), ("Vary", "Accept"), ("Cache-Control", "no-cache"), *CORS]
        if note:
            headers.append(("Kgraph-Note", note))
        if request.if_none_match and (tag in request.if_none_match or request.if_none_match.strip() == "*"):
            return Response(304, headers)
        found = self.ask(target, question)
        return Response(200, [("Content-Type", content_type(found.form, request.accept)), *headers], found.body)

    def _description(self, request: Request, operation: Operation) -> Response:
        if request.method == "POST":
            raise _malformed("there is no query", "Send it as query=..., or as a body of the type application/sparql-query")
        target = self.versions(operation.version)
        form = _choose("graph", request.accept, operation.format)
        headers = [("Content-Type", GRAPHS[form].media), ("Kgraph-Version", target.version), ("Vary", "Accept"), *CORS]
        return Response(200, headers, self.describe(target, request.address, form))


def read(request: Request, limits: SparqlLimits) -> Operation:
    """The operation that a request asks for. Raises `Unanswered`, or `Refused` for updates."""
    pairs = _pairs(request.query_string)
    query: list[str] = []
    if request.method == "POST":
        media, options = parse_options_header(request.content_type)
        charset = options.get("charset", "utf-8").strip("\"'").lower()
        if media in (FORM, QUERY) and charset not in ("utf-8", "utf8", "us-ascii"):
            raise _Wrong(415, f"the character encoding {charset} is not read", "Send UTF-8")
        if media == FORM:
            pairs += _pairs(_text(request.body))
        elif media == QUERY:
            query.append(_text(request.body))
        elif media == UPDATE:
            raise _update()
        else:
            named = f"{media} is" if media else "without a content type a body is"
            raise _Wrong(415, f"{named} not read", f"Send {FORM} or {QUERY}")
    elif request.method not in ("GET", "HEAD"):
        raise _Wrong(405, f"{request.method} is no method of a query", f"Use one of: {METHODS}")
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    if "update" in given:
        raise _update()
    query += given.get("query", [])
    if len(query) > 1:
        raise _malformed(f"there are {len(query)} queries", "Send one at a time")
    for name in ("version", "format"):
        if len(given.get(name, [])) > 1:
            raise _malformed(f"{name}= stands there more than once", "Name one")
    if query and len(query[0].encode()) > limits.query_bytes:
        raise Unanswered("too-long", Problem(f"the query has more than {limits.query_bytes:,} bytes", "Make it shorter"))
    default, named_graphs = given.get("default-graph-uri"), given.get("named-graph-uri")
    dataset = Dataset()
    if default or named_graphs:
        dataset = Dataset(tuple(default or ()), tuple(named_graphs or ()))
    return Operation(query[0] if query else "", dataset, *(given.get(name, [""])[0] for name in ("format", "version")))


def to_question(operation: Operation, target: Target, accept: str, limits: SparqlLimits) -> tuple[Question, str]:
    """A question to a target, and a note where a graph that the protocol names is not there (it is empty then).

    A graph that the query itself names must be there: raises `Unanswered`, or `Refused` for what is not answered at all.
    """
    try:
        seen = outline(operation.query, target.base, PREFIXES, limits.nesting)
    except Refused:
        raise
    except KgraphError as error:
        raise Unanswered("malformed", error.problems) from error
    dataset, note = seen.dataset, ""
    if operation.dataset.everything:
        for iri in sorted({*(dataset.default or ()), *(dataset.named or ())} - target.graphs):
            remedy = "See which there are: SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }"
            raise Unanswered("no-graph", Problem(f"there is no graph <{iri}>, and none is fetched from elsewhere", remedy))
    else:
        dataset = operation.dataset
        missing = sorted({*(dataset.default or ()), *(dataset.named or ())} - target.graphs)
        note = f"{len(missing)} of the graphs named are not here and count as empty" if missing else ""
    graph, rows = _choose("graph", accept, operation.format, seen.kind), _choose("rows", accept, operation.format, seen.kind)
    return (
        Question(operation.query, target.base, dataset, rows, graph, limits.rows, limits.size_mib << 20),
        note,
    )


def etag(target: Target, question: Question) -> str:
    """A strong entity tag: of the same version, the same question has the same answer."""
    parts = target.version, question.results, question.graphs, question.text, str(question.bound), str(question.dataset)
    return f'"{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=12).hexdigest()}"'


def content_type(form: str, accept: str = "") -> str:
    """The media type of a format; the plain one for clients that know no other."""
    media = (RESULTS.get(form) or GRAPHS[form]).media
    plain = _OTHER_NAMES.get(form, ("",))[0]
    if plain and form in ("json", "xml") and plain in accept and media not in accept:
        media = plain
    return f"{media}; charset=utf-8" if media.startswith("text/") else media


@lru_cache(maxsize=256)
def _choose(what: str, accept: str, named: str, kind: str = "") -> str:
    """The format for rows (or yes and no) or for a graph: the one named, else what the client likes best, else the usual one.

    Raises `Unanswered` when the answer to a query of this kind has no such format.
    """
    matters = {"SELECT": "rows", "ASK": "rows", "CONSTRUCT": "graph", "DESCRIBE": "graph"}.get(kind, what) == what
    forms = list(GRAPHS if what == "graph" else ("json", "xml") if kind == "ASK" else RESULTS)
    if not matters:
        return forms[0]
    if named:
        form = _SHORT.get(named.lower(), named.lower())
        if form in forms:
            return form
        raise Unanswered(
            "unacceptable", Problem(f"there is no format {named!r} for this answer", f"Use one of: {' '.join(forms)}")
        )
    if not accept:
        return forms[0]
    by_media: dict[str, str] = {}
    for form in forms:
        if form != "sheet":
            by_media.setdefault((RESULTS.get(form) or GRAPHS[form]).media, form)
    for form in forms:
        for media in _OTHER_NAMES.get(form, ()):
            by_media.setdefault(media, form)
    best = parse_accept_header(accept, MIMEAccept).best_match(list(by_media))
    if best is None:
        raise Unanswered(
            "unacceptable", Problem("none of the formats accepted is one of this answer", f"It has: {', '.join(by_media)}")
        )
    return by_media[best]


@lru_cache(maxsize=256)
def prefers_page(accept: str) -> bool:
    """Whether a client would rather have the page than data."""
    offered = [HTML, *(form.media for form in (*RESULTS.values(), *GRAPHS.values())), "application/json", "application/xml"]
    accepted = parse_accept_header(accept, MIMEAccept)
    return bool(accepted) and accepted.accept_html and accepted.best_match(offered) == HTML


class _Wrong(Unanswered):
    """A request that HTTP itself has a status for."""

    def __init__(self, status: int, found: str, remedy: str) -> None:
        self.status = status
        super().__init__("malformed", Problem(found, remedy))


def _malformed(found: str, remedy: str) -> Unanswered:
    return Unanswered("malformed", Problem(found, remedy))


def _update() -> Refused:
    return Refused(Problem("this is an update, and the graph is read-only", "Change the sources and build"))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except ValueError as error:
        raise _malformed(f"the parameters cannot be read ({error})", "Send them percent-encoded, as UTF-8") from error


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("the body is not UTF-8", "Send UTF-8") from error


def _preflight() -> list[tuple[str, str]]:
    return [
        ("Allow", METHODS),
        ("Access-Control-Allow-Methods", METHODS),
        ("Access-Control-Allow-Headers", "Accept, Content-Type, If-None-Match"),
        ("Access-Control-Max-Age", "86400"),
    ]


def phrase(status: int) -> str:
    """What HTTP calls a status."""
    return HTTPStatus(status).phrase


def refusal(status: int, found: str) -> Response:
    """A response that says in a sentence what is wrong."""
    return _error(status, KgraphError(Problem(found)))


def _error(status: int, error: KgraphError, reason: str = "") -> Response:
    status = getattr(error, "status", status)
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"), *CORS]
    if status == 405:
        headers.append(("Allow", METHODS))
    if reason == "busy":
        headers.append(("Retry-After", "5"))
    return Response(status, headers, f"{status} {phrase(status)}\n{error}\n".encode())
