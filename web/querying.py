"""Questions that people put to the graph: the query page, and the named queries, each with its answer and how to cite it."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Flask, current_app, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from kgraph import protocol
from kgraph.errors import KgraphError, fail
from kgraph.evaluate import GRAPHS, RESULTS, Question, Unanswered
from kgraph.names import PREFIXES
from kgraph.protocol import Operation, Target
from kgraph.queries import NamedQuery, load_queries
from kgraph.sparqltext import Refused, tokens
from kgraph.web.links import href
from kgraph.web.published import view
from kgraph.web.sparql import Service, Told
from kgraph.web.words import html_language, short

pages = Blueprint("querying", __name__)

FOLDERS = ("pages", "competency", "checks")
DOWNLOADS = {
    "json": "JSON", "xml": "XML", "csv": "CSV", "tsv": "TSV", "sheet": "CSV for spreadsheets", "turtle": "Turtle",
    "ntriples": "N-Triples", "rdfxml": "RDF/XML", "jsonld": "JSON-LD", "trig": "TriG", "nquads": "N-Quads",
}  # fmt: skip
GRAPH_SHOWN = 100_000  # characters of a graph that the page shows
FIRST = """SELECT ?concept ?label {
  ?concept a kg:Mechanism ; skos:prefLabel ?label .
  FILTER(LANGMATCHES(LANG(?label), "en"))
} ORDER BY ?label"""


@dataclass(frozen=True)
class Shown:
    """What a page shows: rows of terms, or the text of a graph, or yes and no; or why there is no answer (`problem`)."""

    told: Told | None = None
    problem: str = ""
    status: int = 200
    names: tuple[str, ...] = ()
    rows: tuple[tuple[dict[str, Any] | None, ...], ...] = ()
    boolean: bool | None = None
    text: str = ""
    note: str = ""
    forms: tuple[str, ...] = ()


def install(app: Flask) -> None:
    """Gives templates what they show of answers."""
    app.jinja_env.globals.update(iri_link=iri_link, graph_shown=GRAPH_SHOWN, html_language=html_language)


def iri_link(iri: str) -> Markup:
    """A link to what an IRI names, by its label where the graph knows one; plain text for what nobody should follow."""
    if "kgraph" in current_app.extensions:
        found = view().labels.get(iri)
        text, where = (found.en if found and found.en else short(iri)), href(iri)
        if where != "#":
            return Markup('<a href="{}" title="{}">{}</a>').format(where, iri, text)
    elif iri.startswith(("http://", "https://")):
        return Markup('<a href="{}">{}</a>').format(iri, short(iri))
    return Markup('<span class="iri">{}</span>').format(short(iri))


def service() -> Service:
    """The service of this application."""
    found: Service = current_app.extensions["sparql"]
    return found


@pages.route("/sparql", methods=["GET", "POST"])
def sparql() -> tuple[str, int]:
    """A form for any query, and the answer to what was sent with it."""
    sent = protocol.Request(
        request.method,
        request.query_string.decode("ascii", "replace"),
        content_type=request.headers.get("Content-Type", ""),
        body=request.get_data(cache=True) if request.method == "POST" else b"",
    )
    shown, operation = Shown(), Operation()
    try:
        operation = protocol.read(sent, service().limits)
        if operation.query.strip():
            shown = answer(lambda target: protocol.to_question(operation, target, "", service().limits), operation.version)
    except (Unanswered, Refused) as error:
        shown = failure(error)
    text = operation.query or example(request.args.get("example", ""))
    cited = [("query", operation.query), *((name, iri) for name, iri in _graphs(operation))]
    page = render_template(
        "sparql.html",
        shown=shown,
        text=text,
        links=Links("/sparql", cited, shown),
        examples=examples(),
        limits=service().limits,
        forms=[*RESULTS, *GRAPHS],
    )
    return page, shown.status


@pages.get("/query")
def queries() -> str:
    """All named queries."""
    return render_template("queries.html", folders=[(folder, load_queries(folder).values()) for folder in FOLDERS])


@pages.get("/query/<name>")
def query(name: str) -> tuple[str, int]:
    """The text of a named query, what it asks, a form for its parameters, and its answer when they are given."""
    found = next((load_queries(folder)[name] for folder in FOLDERS if name in load_queries(folder)), None)
    if found is None:
        raise NotFound(f"There is no query named “{name}”.")
    given = {parameter: request.args.get(parameter, "").strip() for parameter in found.parameters}
    asked = "run" in request.args or any(given.values())
    shown = answer(lambda target: _named(found, given, target), request.args.get("version", "")) if asked else Shown()
    cited = list(given.items()) or [("run", "1")]
    page = render_template(
        "query.html", query=found, given=given, shown=shown, links=Links(f"/query/{name}", cited, shown), asked_for=asked
    )
    return page, shown.status


def _named(query: NamedQuery, given: dict[str, str], target: Target) -> tuple[Question, str]:
    try:
        bound = query.bind(given, target.base)
    except ValueError as error:  # what pyoxigraph takes for no IRI
        raise fail(str(error), "Write an IRI, or a path such as study/fan-2024") from error
    limits = service().limits
    terms = tuple((variable.value, str(term)) for variable, term in bound.items())
    return Question(query.text, target.base, rows=limits.rows, size=limits.size_mib << 20, bound=terms), ""


def answer(ask: Any, version: str) -> Shown:
    """Asks the version named, or the current one with a note that it is another; `ask` makes the question to a target."""
    note = ""
    try:
        try:
            target = service().target(version)
        except Unanswered as error:
            if error.reason != "gone":
                raise
            target = service().target()
            note = f"Version {version} is not kept any more. This is the answer of version {target.version}, and may differ."
        question, missing = ask(target)
        told = service().tell(target, question)
    except (Unanswered, Refused, KgraphError) as error:
        return failure(error)
    return replace(_shown(told), note=" ".join(filter(None, [note, _compared(told, version), missing])))


def _compared(told: Told, version: str) -> str:
    """Whether the answer is the one that was cited, where its hash was cited with it."""
    cited = request.args.get("answer", "")
    if not cited:
        return "" if version in ("", told.target.version) else "Whether it differs cannot be told."
    if not told.answer.digest:
        return "Whether it is the answer that was cited cannot be told, since it is shown in part."
    if told.answer.digest == cited:
        return f"The answer is the one that was cited, row for row ({cited})."
    return f"The answer differs now from the one that was cited ({cited}; now {told.answer.digest})."


def _shown(told: Told) -> Shown:
    if told.answer.form in GRAPHS:
        return Shown(told, text=told.answer.body.decode(), forms=tuple(GRAPHS))
    found = orjson.loads(told.answer.body)
    if "boolean" in found:
        return Shown(told, boolean=found["boolean"], forms=("json", "xml"))
    names = tuple(found["head"]["vars"])
    rows = tuple(tuple(row.get(name) for name in names) for row in found["results"]["bindings"])
    return Shown(told, names=names, rows=rows, forms=tuple(RESULTS))


def failure(error: KgraphError) -> Shown:
    """What a page shows of a query that has no answer."""
    reason = error.reason if isinstance(error, Unanswered) else "refused" if isinstance(error, Refused) else "malformed"
    status = getattr(error, "status", protocol.STATUS[reason])
    return Shown(problem=str(error), status=status)


@dataclass(frozen=True)
class Links:
    """Addresses of an answer: to cite it, and to have it in other formats."""

    path: str
    cited: list[tuple[str, str]]
    shown: Shown

    @property
    def permalink(self) -> str:
        """Names query, version and a hash of the answer, so that it can be told later whether it still is the same."""
        if self.shown.told is None:
            return ""
        more = [("version", self.shown.told.target.version)]
        if self.shown.told.answer.digest:
            more.append(("answer", self.shown.told.answer.digest))
        return f"{request.script_root}{self.path}?{urlencode([*self.cited, *more])}"

    @property
    def downloads(self) -> list[tuple[str, str]]:
        """Each format's name and address; only the query page has them, since a named query goes there with its terms."""
        if self.path != "/sparql" or self.shown.told is None:
            return []
        version = self.shown.told.target.version
        return [
            (DOWNLOADS[form], f"{request.script_root}/sparql?{urlencode([*self.cited, ('version', version), ('format', form)])}")
            for form in self.shown.forms
        ]


def _graphs(operation: Operation) -> list[tuple[str, str]]:
    named = ("default-graph-uri", operation.dataset.default), ("named-graph-uri", operation.dataset.named)
    return [(name, iri) for name, iris in named for iri in iris or ()]


def examples() -> list[NamedQuery]:
    """The competency questions, where there is a workspace to put them to."""
    if "kgraph" not in current_app.extensions:
        return []
    return list(load_queries("competency").values())


def example(name: str) -> str:
    """The text to begin with: a competency query's without its header, or a small one; with the prefixes that it uses."""
    if "kgraph" not in current_app.extensions:
        return "SELECT * { ?s ?p ?o } LIMIT 100"
    found = load_queries("competency").get(name)
    return with_prefixes("\n".join(line for line in found.text.splitlines() if not line.startswith("#")) if found else FIRST)


def with_prefixes(text: str) -> str:
    """A query with PREFIX lines for those of kgraph's prefixes that it uses and does not declare, so that it runs anywhere."""
    names = [token.text.partition(":")[0] for token in tokens(text) if token.kind == "name"]
    declared = {named.text.partition(":")[0] for before, named in pairwise(tokens(text)) if before.text.upper() == "PREFIX"}
    missing = [prefix for prefix in PREFIXES if prefix in names and prefix not in declared]
    return "".join(f"PREFIX {prefix}: <{PREFIXES[prefix]}>\n" for prefix in missing) + text
