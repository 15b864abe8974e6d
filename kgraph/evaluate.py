"""A question to the graph and its answer, whole and as bytes, or the reason why there is none.

What is asked stands in a `Question`, all of plain values, so that it can be sent to another process (`kgraph.pool`).
"""

import csv
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import islice
from typing import Any
from xml.parsers import expat

import orjson
import pyoxigraph as ox

from kgraph.errors import KgraphError, Problem
from kgraph.names import PREFIXES
from kgraph.queries import plain_cell, syntax_problem
from kgraph.sparqltext import UNION, Dataset, outline
from kgraph.stores import GraphStore, StoreError

LABELS = tuple(PREFIXES[prefix] + name for prefix, name in (
    ("skos", "prefLabel"), ("rdfs", "label"), ("dcterms", "title"), ("foaf", "name"), ("schema", "name"),
))  # fmt: skip
_AT_ONCE = 500  # IRIs whose labels are asked for in one query


@dataclass(frozen=True)
class Form:
    """A format of answers: its `media` type, and how pyoxigraph calls it."""

    media: str
    format: Any


RESULTS = {
    "json": Form("application/sparql-results+json", ox.QueryResultsFormat.JSON),
    "xml": Form("application/sparql-results+xml", ox.QueryResultsFormat.XML),
    "csv": Form("text/csv", ox.QueryResultsFormat.CSV),
    "tsv": Form("text/tab-separated-values", ox.QueryResultsFormat.TSV),
    "sheet": Form("text/csv", None),  # for spreadsheets: with a byte order mark, and no cell that is a formula
}
GRAPHS = {
    "turtle": Form("text/turtle", ox.RdfFormat.TURTLE),
    "ntriples": Form("application/n-triples", ox.RdfFormat.N_TRIPLES),
    "rdfxml": Form("application/rdf+xml", ox.RdfFormat.RDF_XML),
    "jsonld": Form("application/ld+json", ox.RdfFormat.JSON_LD),
    "trig": Form("application/trig", ox.RdfFormat.TRIG),
    "nquads": Form("application/n-quads", ox.RdfFormat.N_QUADS),
}


class Unanswered(KgraphError):
    """A query that has no answer here; `reason` is `malformed`, `refused`, `too-large`, `time`, `memory`, `busy`, `failed`
    (the query asks for what there is not) or `broken` (the store cannot be read)."""

    def __init__(self, reason: str, problems: Problem | Iterable[Problem]) -> None:
        self.reason = reason
        super().__init__(problems)


@dataclass(frozen=True)
class Question:
    """A query with all that its answer depends on.

    `results` and `graphs` name the format for rows and for triples; `rows` and `size` (bytes) are what an answer may have;
    `bound` are variables with the terms that replace them, each written as in N-Triples; `part`: of a SELECT only the first
    so many rows, in `json`, and whether there are more.
    """

    text: str
    base: str
    dataset: Dataset = UNION
    results: str = "json"
    graphs: str = "turtle"
    rows: int = 100_000
    size: int = 64 << 20
    bound: tuple[tuple[str, str], ...] = ()
    part: int | None = None


@dataclass(frozen=True)
class Answer:
    """An answer: its format (of `RESULTS` or `GRAPHS`), its bytes, and whether these are all of it.

    `digest` is a hash of the rows or triples whatever their order, where a part was asked for and it is the whole.
    """

    form: str
    body: bytes
    whole: bool = True
    digest: str = ""


def answer(graph: GraphStore, question: Question) -> Answer:
    """Evaluates a question. Raises `Unanswered`."""
    try:
        found = graph.query(question.text, question.base, _bound(question), question.dataset)
        if isinstance(found, ox.QueryTriples):
            return _triples(graph, question, found)
        if question.part is not None:
            return _part(found, question)
        return _results(found, question)
    except SyntaxError as error:
        raise Unanswered("malformed", syntax_problem(error, question.text).problems) from error
    except StoreError as error:
        problem = Problem("the server that holds the graph does not answer as it should", "Ask again in a while")
        raise Unanswered("busy", problem) from error
    except (ValueError, OSError, RuntimeError) as error:
        problem = Problem(f"the query cannot be answered: {error}", "Check functions and addresses in the query")
        raise Unanswered("failed", problem) from error


def _bound(question: Question) -> dict[ox.Variable, Any]:
    terms = {}
    for name, written in question.bound:
        (quad,) = ox.parse(f"<a:a> <a:a> {written} .".encode(), format=ox.RdfFormat.N_TRIPLES)
        terms[ox.Variable(name)] = quad.object
    return terms


class _Limited(BytesIO):
    """Takes what a serialiser writes, up to a number of bytes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def write(self, piece: Any) -> int:
        if self.tell() + len(piece) > self.size:
            raise _too_large(f"more than {self.size:,} bytes")
        return super().write(piece)


def _too_large(what: str) -> Unanswered:
    return Unanswered(
        "too-large", Problem(f"the answer has {what}, which is the most that is given", "Ask for less, or by LIMIT and OFFSET")
    )


def _results(found: Any, question: Question) -> Answer:
    if question.results == "sheet":
        return Answer("sheet", _sheet(found, question))
    out = _Limited(question.size)
    found.serialize(out, format=RESULTS[question.results].format)
    body = out.getvalue()
    if question.results == "xml":
        _check_xml(body)
    least, count = _ROWS[question.results]
    if isinstance(found, ox.QuerySolutions) and len(body) > question.rows * least and count(body) > question.rows:
        raise _too_large(f"more than {question.rows:,} rows")
    return Answer(question.results, body)


# The fewest bytes of a row, and how many rows an answer has, exactly: XML and TSV escape the mark; a line of CSV ends outside of
# quotation marks.
_ROWS: dict[str, tuple[int, Callable[[bytes], int]]] = {
    "json": (3, lambda body: len(orjson.loads(body)["results"]["bindings"])),
    "xml": (17, lambda body: body.count(b"<result>")),
    "tsv": (1, lambda body: body.count(b"\n") - 1),
    "csv": (1, lambda body: sum(piece.count(b"\n") for piece in body.split(b'"')[::2]) - 1),
}


def _sheet(found: Any, question: Question) -> bytes:
    out = StringIO()
    rows = csv.writer(out)
    rows.writerow(variable.value for variable in found.variables)
    for number, row in enumerate(found):
        if number >= question.rows:
            raise _too_large(f"more than {question.rows:,} rows")
        rows.writerow("" if term is None else plain_cell(term.value) for term in row)
        if out.tell() > question.size:
            raise _too_large(f"more than {question.size:,} bytes")
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _part(found: Any, question: Question) -> Answer:
    """The first rows, as the JSON of SPARQL results; a part that is the whole has a digest."""
    if isinstance(found, ox.QueryBoolean):
        return Answer("json", found.serialize(format=ox.QueryResultsFormat.JSON) or b"", digest=_digest([str(bool(found))]))
    names = [variable.value for variable in found.variables]
    rows: list[list[Any]] = []
    size = 0
    for row in islice(found, question.part):
        rows.append(list(row))
        size += sum(len(term.value) for term in rows[-1] if term is not None)
        if size > question.size:
            raise _too_large(f"more than {question.size:,} bytes")
    whole = next(found, None) is None
    bindings = [{name: _json_term(term) for name, term in zip(names, row, strict=True) if term is not None} for row in rows]
    body = orjson.dumps({"head": {"vars": names}, "results": {"bindings": bindings}})
    digest = _digest("\t".join("" if term is None else str(term) for term in row) for row in rows) if whole else ""
    return Answer("json", body, whole, digest)


def _json_term(term: Any) -> dict[str, Any]:
    """A term in the JSON of SPARQL results (https://www.w3.org/TR/sparql11-results-json/)."""
    if isinstance(term, ox.Literal):
        told: dict[str, Any] = {"type": "literal", "value": term.value}
        if term.language:
            told["xml:lang"] = term.language
        elif term.datatype.value != PREFIXES["xsd"] + "string":
            told["datatype"] = term.datatype.value
        return told
    if isinstance(term, ox.Triple):
        return {"type": "triple", "value": str(term)}
    return {"type": "uri" if isinstance(term, ox.NamedNode) else "bnode", "value": term.value}


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def _triples(graph: GraphStore, question: Question, found: Any) -> Answer:
    triples = list(dict.fromkeys(islice(found, question.rows + 1)))
    if len(triples) > question.rows:
        raise _too_large(f"more than {question.rows:,} triples")
    if outline(question.text).kind == "DESCRIBE":
        triples += _labels(graph, question, triples)
    body = write_graph(triples, question.graphs, question.size)
    digest = _digest(map(str, triples)) if question.part is not None else ""
    return Answer(question.graphs, body, digest=digest)


def write_graph(triples: list[ox.Triple], form: str, size: int = 1 << 30) -> bytes:
    """Triples in a format of `GRAPHS`, with the prefixes that they use. Raises `Unanswered` for more than `size` bytes."""
    iris = {term.value for triple in triples for term in triple if isinstance(term, ox.NamedNode)}
    iris |= {term.datatype.value for triple in triples for term in triple if isinstance(term, ox.Literal)}
    used = {prefix: start for prefix, start in PREFIXES.items() if any(iri.startswith(start) for iri in iris)}
    out = _Limited(size)
    ox.serialize(triples, out, format=GRAPHS[form].format, prefixes=used)
    if form == "rdfxml":
        _check_xml(out.getvalue())
    return out.getvalue()


def _check_xml(body: bytes) -> None:
    """Raises `Unanswered` for what no reader of XML takes: U+0001 in a literal, a property whose IRI ends in a slash."""
    try:
        expat.ParserCreate("UTF-8", " ").Parse(body, True)
    except expat.ExpatError as error:
        problem = Problem(f"XML cannot write this answer ({error})", "Ask for another format, such as json or turtle")
        raise Unanswered("unacceptable", problem) from error


def _labels(graph: GraphStore, question: Question, triples: list[ox.Triple]) -> list[ox.Triple]:
    """The names of what a description leads to, so that it can be read; they count towards the limit of bytes alone."""
    subjects = {triple.subject for triple in triples}
    named = {term for triple in triples for term in (triple.predicate, triple.object) if isinstance(term, ox.NamedNode)}
    things = sorted(named - subjects, key=str)
    found: list[ox.Triple] = []
    for start in range(0, len(things), _AT_ONCE):
        values = " ".join(map(str, things[start : start + _AT_ONCE]))
        properties = ", ".join(f"<{iri}>" for iri in LABELS)
        text = (
            "SELECT DISTINCT ?thing ?property ?label "
            f"{{ VALUES ?thing {{ {values} }} ?thing ?property ?label FILTER(?property IN ({properties})) }}"
        )
        rows = graph.query(text, question.base, None, question.dataset)
        found += [ox.Triple(row["thing"], row["property"], row["label"]) for row in rows]
    return found
