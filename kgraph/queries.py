"""Named queries: SPARQL files with a header that says what they ask and which parameters they take.

    # title: Quotations of a concept
    # title-zh: 某概念的引语
    # question: Who speaks of a concept, and in whose words?
    # question-zh: ...
    # param concept: concept

Parameters are bound as RDF terms and never formatted into the text; each must be projected by the query. Their kinds:
`concept` (a slug), `iri` (absolute, or a path under the base IRI), `string`, `integer`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pyoxigraph as ox

from kgraph.errors import KgraphError, fail
from kgraph.names import CONCEPT, ONTOLOGY, PREFIXES
from kgraph.sparqltext import UNION, Dataset
from kgraph.stores import EmbeddedStore, GraphStore, Term

_HEADER = re.compile(r"#\s*([a-z][a-z-]*)(?:\s+(\w+))?\s*:\s*(.*)")
_IRI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+", re.IGNORECASE)
_PATH = re.compile(r"[^\s<>\"{}|\\^`:]+(/[^\s<>\"{}|\\^`]*)*")


@dataclass(frozen=True)
class NamedQuery:
    """A query file: its `name` and `kind` (the folder it stands in), text, header fields and parameters with their kinds."""

    name: str
    kind: str
    text: str
    header: Mapping[str, str]
    parameters: Mapping[str, str]

    def bind(self, values: Mapping[str, object], base: str) -> dict[ox.Variable, Term]:
        """The RDF terms of parameter values. Raises `KgraphError` for a missing, unknown or malformed one."""
        for name in values.keys() - self.parameters.keys():
            known = ", ".join(self.parameters) or "none"
            raise fail(f"the query {self.name} has no parameter {name!r}", f"Its parameters: {known}")
        for name in self.parameters.keys() - values.keys():
            raise fail(f"the query {self.name} needs the parameter {name!r}", f"Add --param {name}=VALUE")
        return {ox.Variable(name): to_term(values[name], kind, base) for name, kind in self.parameters.items()}


def to_term(value: object, kind: str, base: str) -> Term:
    """The RDF term for a parameter value of a kind. Raises `KgraphError` when the value has not the right form."""
    if isinstance(value, ox.NamedNode | ox.Literal):
        return value
    text = str(value)
    if kind == "string":
        return ox.Literal(text)
    if kind == "integer":
        if not re.fullmatch(r"[+-]?\d{1,18}", text):
            raise fail(f"{text!r} is no whole number", "Give digits")
        return ox.Literal(int(text))
    if kind == "concept" and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        return ox.NamedNode(CONCEPT[text])
    return ox.NamedNode(to_iri(text, base))


def to_literal(text: str) -> ox.Literal:
    """A literal from how Turtle writes it: `"words"`, `"Wörter"@de`, `14`, `"2024"^^xsd:gYear`. Raises `KgraphError`."""
    turtle = "".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in PREFIXES.items()) + f"<a:a> <a:a> {text} ."
    try:
        found = [quad.object for quad in ox.parse(turtle.encode(), format=ox.RdfFormat.TURTLE)]
    except SyntaxError:
        found = []
    if len(found) != 1 or not isinstance(found[0], ox.Literal):
        raise fail(f"{text} is no literal", 'Write it as in Turtle: "words", "Wörter"@de, 14, "2024"^^xsd:gYear')
    return found[0]


def to_iri(text: str, base: str) -> str:
    """An IRI from an absolute IRI, a prefixed name (`concept:hope`) or a path under the base IRI (`study/fan-2024`)."""
    text = text.removeprefix("<").removesuffix(">")
    prefix, colon, rest = text.partition(":")
    if colon and prefix in PREFIXES and not rest.startswith("//"):
        text = PREFIXES[prefix] + rest
    if _IRI.fullmatch(text):
        return text
    if _PATH.fullmatch(text):
        return urljoin(base, text)
    raise fail(f"{text!r} is no IRI", "Write an IRI, a prefixed name such as concept:hope, or a path such as study/fan-2024")


@cache
def load_queries(kind: str) -> Mapping[str, NamedQuery]:
    """The packaged queries of a kind (`competency`, `pages`, `checks`), by name."""
    return {path.stem: read_query(path) for path in sorted((ONTOLOGY / "queries" / kind).glob("*.rq"))}


def find_query(name: str) -> NamedQuery:
    """The packaged query of that name. Raises `KgraphError` with near names."""
    known: dict[str, NamedQuery] = {}
    for kind in ("pages", "checks", "competency"):
        known.update(load_queries(kind))
    if name in known:
        return known[name]
    import difflib

    close = difflib.get_close_matches(name, known, n=3)
    remedy = f"Did you mean {' or '.join(close)}?" if close else "List them: kgraph query --list"
    raise fail(f"there is no query named {name!r}", remedy)


def read_query(path: Path) -> NamedQuery:
    """Reads one query file."""
    text = path.read_text(encoding="utf-8")
    header: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for line in text.splitlines():
        match = _HEADER.match(line)
        if match is None:
            break
        key, name, value = match.groups()
        if key == "param" and name:
            parameters[name] = value.split(" ")[0]
        else:
            header[key] = value
    return NamedQuery(path.stem, path.parent.name, text, header, parameters)


def prologue(base: str) -> str:
    """BASE and PREFIX lines for queries that people type."""
    return f"BASE <{base}>\n" + "".join(f"PREFIX {prefix}: <{iri}>\n" for prefix, iri in PREFIXES.items())


def run(
    store: ox.Store | GraphStore,
    text: str,
    base: str,
    bound: Mapping[ox.Variable, Term] | None = None,
    dataset: Dataset = UNION,
) -> Any:
    """Evaluates a query over a dataset, by default the union of all graphs. Raises `KgraphError` for malformed queries."""
    graph = EmbeddedStore(store) if isinstance(store, ox.Store) else store
    try:
        return graph.query(text, base, bound, dataset)
    except SyntaxError as error:
        raise syntax_problem(error, text) from error
    except (ValueError, OSError, RuntimeError) as error:
        raise fail(f"the query cannot be answered: {error}", "Check functions and addresses in the query") from error


def syntax_problem(error: SyntaxError, text: str) -> KgraphError:
    """What is wrong with a query, with the line where the engine tells it."""
    found = " ".join(str(error.msg or error).split())
    place = re.search(r"at (\d+):(\d+)", found)
    line = error.lineno or (int(place[1]) if place else None)
    excerpt = f" near «{text.splitlines()[line - 1].strip()}»" if line and line <= len(text.splitlines()) else ""
    found = found if len(found) <= 200 else found[:199] + "…"
    return fail(
        f"the query is not well-formed: {found}{excerpt}", "Correct the SPARQL; prefixes of kgraph are known already", line=line
    )


def rows(solutions: ox.QuerySolutions) -> Iterator[dict[str, Any]]:
    """The rows of a SELECT as plain values: IRIs and literals as text, numbers and booleans as themselves."""
    names = [variable.value for variable in solutions.variables]
    for solution in solutions:
        yield {name: to_value(solution[name]) for name in names}


_NUMERIC = {PREFIXES["xsd"] + name: kind for name, kind in (("integer", int), ("decimal", float), ("double", float))}


def to_value(term: Any) -> Any:
    """A term as a plain value: None when unbound."""
    if term is None:
        return None
    if isinstance(term, ox.Literal):
        datatype = term.datatype.value
        if datatype in _NUMERIC:
            return _NUMERIC[datatype](term.value)
        if datatype == PREFIXES["xsd"] + "boolean":
            return term.value == "true"
    return term.value


def plain_cell(value: Any) -> Any:
    """A value of a table for people, which no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r＝＋－＠") else value
