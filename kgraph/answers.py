"""Answers to queries, written as people and programs want them."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, TextIO

import pyoxigraph as ox

from kgraph.errors import fail
from kgraph.names import CONCEPT, PREFIXES
from kgraph.queries import find_query, run
from kgraph.snapshot import Snapshot
from kgraph.yamlfile import read_text

RESULTS = {
    "csv": ox.QueryResultsFormat.CSV,
    "tsv": ox.QueryResultsFormat.TSV,
    "json": ox.QueryResultsFormat.JSON,
    "xml": ox.QueryResultsFormat.XML,
}


def read_query_file(path: Path) -> str:
    """The text of a query file. Raises `KgraphError` when it cannot be read."""
    return read_text(path)


def ask_named(snapshot: Snapshot, name: str, parameters: dict[str, str]) -> Any:
    """The answer to a named query, as pyoxigraph gives it."""
    query = find_query(name)
    return run(snapshot.store, query.text, snapshot.base, query.bind(parameters, snapshot.base))


def write(answer: Any, form: str, base: str, out: IO[bytes]) -> None:
    """Writes an answer in a format. Raises `KgraphError` when the format does not fit the answer."""
    graph = isinstance(answer, ox.QueryTriples)
    if graph and form not in ("turtle", "table"):
        raise fail(f"a graph cannot be written as {form!r}", "Use --format turtle")
    if graph:
        out.write(serialize(answer, ox.RdfFormat.TURTLE))
    elif form in RESULTS:
        out.write(answer.serialize(format=RESULTS[form]) or b"")
        if form in ("json", "xml"):
            out.write(b"\n")
    elif form != "table":
        remedy = (
            "Only graphs (CONSTRUCT, DESCRIBE) are written as turtle"
            if form == "turtle"
            else f"Use one of: table {' '.join(RESULTS)}"
        )
        raise fail(f"the answer cannot be written as {form!r}", remedy)
    elif isinstance(answer, ox.QueryBoolean):
        out.write(b"yes\n" if answer else b"no\n")
    else:
        header = tuple(variable.value for variable in answer.variables)
        rows = [tuple("" if row[name] is None else shorten(row[name], base) for name in header) for row in answer]
        out.write(table(header, rows).encode())


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

    rows = list(rows)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    grid = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*(cell.replace("[", "\\[") for cell in row))
    with console.capture() as capture:
        console.print(grid, soft_wrap=False)
    lines = "\n".join(line.rstrip() for line in capture.get().splitlines())
    return f"{lines}\n({len(rows):,} {'row' if len(rows) == 1 else 'rows'})\n"


def print_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], out: TextIO) -> None:
    """Prints a table."""
    out.write(table(header, rows))
