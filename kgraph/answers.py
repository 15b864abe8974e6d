"""Answers to queries, written as people and programs want them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, TextIO

import pyoxigraph as ox

from kgraph.errors import fail
from kgraph.names import CONCEPT, PREFIXES
from kgraph.queries import find_query, run, to_term
from kgraph.snapshot import Snapshot
from kgraph.validation import nearest
from kgraph.yamlfile import read_text

Writer = Callable[[Any, str], bytes]  # an answer and the base IRI to bytes


def read_query_file(path: Path) -> str:
    """The text of a query file. Raises `KgraphError` when it cannot be read."""
    return read_text(path)


def ask_named(snapshot: Snapshot, name: str, parameters: dict[str, str]) -> Any:
    """The answer to a named query, as pyoxigraph gives it."""
    query = find_query(name)
    for parameter, kind in query.parameters.items():
        if kind == "concept" and parameter in parameters:
            check_concept(snapshot, parameters[parameter])
    return run(snapshot.graph, query.text, snapshot.base, query.bind(parameters, snapshot.base))


def check_concept(snapshot: Snapshot, given: str) -> None:
    """Raises `KgraphError` with near slugs when the graph has no such concept: no rows would not tell."""
    concept = ox.NamedNode(PREFIXES["rdf"] + "type"), ox.NamedNode(PREFIXES["skos"] + "Concept")
    subjects = (quad.subject for quad in snapshot.graph.match(None, *concept))
    known = {subject.value for subject in subjects if isinstance(subject, ox.NamedNode)}
    if str(to_term(given, "concept", snapshot.base).value) not in known:
        remedy = (
            nearest(given, (iri.rsplit("/", 1)[1] for iri in known)) or "See the concepts: kgraph serve, or kgraph query --list"
        )
        raise fail(f"there is no concept {given!r}", remedy)


def write(answer: Any, form: str, base: str, out: IO[bytes]) -> None:
    """Writes an answer in one of the formats of `WRITERS`. Raises `KgraphError` when the format does not fit the answer."""
    if form not in WRITERS:
        raise fail(f"there is no format {form!r}", f"Use one of: {' '.join(WRITERS)}")
    try:
        written = WRITERS[form](answer, base)
    except (OSError, RuntimeError, ValueError) as error:  # an answer is worked out while it is read
        raise fail(f"the query cannot be answered: {error}", "Check functions and addresses in the query") from error
    out.write(written)


def _table(answer: Any, base: str) -> bytes:
    if isinstance(answer, ox.QueryTriples):
        return _turtle(answer, base)
    if isinstance(answer, ox.QueryBoolean):
        return b"yes\n" if answer else b"no\n"
    header = tuple(variable.value for variable in answer.variables)
    rows = [tuple("" if row[name] is None else shorten(row[name], base) for name in header) for row in answer]
    return table(header, rows).encode()


def _turtle(answer: Any, base: str) -> bytes:
    if not isinstance(answer, ox.QueryTriples):
        raise fail(
            "the answer is no graph", "Only CONSTRUCT and DESCRIBE are written as turtle; use table, csv, tsv, json or xml"
        )
    return serialize(answer, ox.RdfFormat.TURTLE)


def _results(form: ox.QueryResultsFormat) -> Writer:
    def write_results(answer: Any, base: str) -> bytes:
        if isinstance(answer, ox.QueryTriples):
            raise fail(f"a graph cannot be written as {form.file_extension}", "Use --format turtle")
        if isinstance(answer, ox.QueryBoolean) and form in (ox.QueryResultsFormat.CSV, ox.QueryResultsFormat.TSV):
            raise fail(f"a yes or no cannot be written as {form.file_extension}", "Use table, json or xml")
        text: bytes = answer.serialize(format=form) or b""
        return text if text.endswith(b"\n") else text + b"\n"

    return write_results


WRITERS: dict[str, Writer] = {
    "table": _table,
    "csv": _results(ox.QueryResultsFormat.CSV),
    "tsv": _results(ox.QueryResultsFormat.TSV),
    "json": _results(ox.QueryResultsFormat.JSON),
    "xml": _results(ox.QueryResultsFormat.XML),
    "turtle": _turtle,
}


def serialize(triples: Iterable[ox.Triple], form: ox.RdfFormat) -> bytes:
    """Triples in an RDF format, sorted, with the prefixes that occur in them."""
    ordered = sorted(triples, key=str)
    text = "\n".join(map(str, ordered))
    used = {prefix: iri for prefix, iri in PREFIXES.items() if f"<{iri}" in text}
    return ox.serialize(ordered, format=form, prefixes=used) or b""


def shorten(term: Any, base: str) -> str:
    """A term for people: a literal's text, a prefixed name, or the path of an IRI under the base."""
    if isinstance(term, ox.Literal):
        return term.value
    iri = str(term.value)
    for prefix, namespace in PREFIXES.items():
        if iri.startswith(namespace) and "/" not in iri[len(namespace) :]:
            return f"{prefix}:{iri[len(namespace) :]}"
    return iri.removeprefix(base) if iri.startswith(base) and not iri.startswith(str(CONCEPT)) else iri


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as a plain table that fits the terminal; whole when it does not go to one."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    grid = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*map(Text, row))  # as it stands: no markup, no emoji names
    with console.capture() as capture:
        console.print(grid, soft_wrap=False)
    lines = "\n".join(line.rstrip() for line in capture.get().splitlines())
    return f"{lines}\n({len(rows):,} {'row' if len(rows) == 1 else 'rows'})\n"


def print_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], out: TextIO) -> None:
    """Prints a table."""
    out.write(table(header, rows))
