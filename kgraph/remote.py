"""The graph on a SPARQL 1.1 server: queries to it, and its answers as pyoxigraph would give them.

A named graph stands on the server under a name of its own for each content (`kgraph.upload`); here the names are put into
queries and taken out of answers, so that nobody else sees them. Every request names the graphs of its dataset: what else the
server holds is not seen. Raises `StoreError` for whatever is not a whole answer.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson
import pyoxigraph as ox

from kgraph.errors import fail
from kgraph.names import PREFIXES
from kgraph.sparqltext import UNION, Dataset, Outline, outline, rename_iris, substitute, tokens
from kgraph.stores import StoreError, Subject, Term
from kgraph.storeservice import Malformed, Reply, Service, find_credentials

BLANK = "urn:kgraph:blank:"  # how the IRIs begin by which blank nodes go on the server
NOWHERE = "urn:kgraph:no-graph"  # a graph that is nowhere, for datasets without any: none would mean the server's own
ROWS = "application/sparql-results+json"
GRAPHS = {
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "text/turtle": ox.RdfFormat.TURTLE,
    "text/plain": ox.RdfFormat.N_TRIPLES,
}
_GRAPH = "application/n-triples, text/turtle;q=0.5"
_PREPARED = 500  # queries of which it is remembered how they are sent
_MOST_ROWS = "X-SPARQL-MaxRows"
_VIRTUOSO_ASK = "__ASK_RETVAL"  # a yes or no as Virtuoso may write it
_KINDS = frozenset(["uri", "literal", "typed-literal", "bnode"])
_BOOLEAN = PREFIXES["xsd"] + "boolean"


@dataclass(frozen=True, eq=False)
class RemoteStore:
    """The graphs of a version on a server (a `GraphStore`).

    `address` of its query service; `physical` names of the named graphs, by the names that they have in kgraph; `default`: those
    of the graphs that belong to the union and have no name in kgraph.
    """

    address: str
    service: Service
    physical: Mapping[str, str]
    default: tuple[str, ...] = ()
    _sent: dict[tuple[str, str], tuple[Outline, str]] = field(default_factory=dict, repr=False)

    def query(self, text: str, base: str, bound: Mapping[ox.Variable, Term] | None = None, dataset: Dataset = UNION) -> Any:
        """See `GraphStore`."""
        seen, sent = self._prepare(text, base)
        terms = {variable.value: str(self._there(term)) for variable, term in (bound or {}).items()}
        named = list(self.physical.values())
        default = [*named, *self.default]
        if not dataset.everything:
            default, named = self._known(dataset.default or ()), self._known(dataset.named or ())
        accept = _GRAPH if seen.kind in ("CONSTRUCT", "DESCRIBE") else ROWS
        try:
            reply = self._ask(substitute(sent, terms), default, named, accept)
        except Malformed as error:
            raise SyntaxError(error.told) from error
        return self._graph(reply) if accept == _GRAPH else self._rows(reply)

    def match(
        self, subject: Subject | None = None, predicate: ox.NamedNode | None = None, object: Any = None, graph: Any = None
    ) -> Iterator[ox.Quad]:
        """See `GraphStore`. Asks for all of them at once."""
        graphs = [*self.physical.values(), *self.default]
        if isinstance(graph, ox.NamedNode):
            graphs = self._known([graph.value])
        elif graph is not None:
            graphs = list(self.default)
        given = [None if term is None else self._there(term) for term in (subject, predicate, object)]
        parts = [f"?{name}" if term is None else str(term) for name, term in zip("spo", given, strict=True)]
        query = f"SELECT * {{ GRAPH ?g {{ {' '.join(parts)} }} }}"
        rows = self._rows(self._ask(query, (), graphs, ROWS))
        names = {variable.value for variable in rows.variables}

        def quads() -> Iterator[ox.Quad]:
            for row in rows:
                s, p, o = (
                    row[name] if name in names else term for name, term in zip("spo", (subject, predicate, object), strict=True)
                )
                where = ox.DefaultGraph() if row["g"].value in self.default else row["g"]
                yield ox.Quad(s, p, o, where)

        return quads()

    def within(self, seconds: float, size: int) -> "RemoteStore":
        """The same, for queries whose answers may take at most so many seconds and bytes."""
        service = Service(self.service.credentials, min(seconds, self.service.timeout), min(size, self.service.largest))
        return replace(self, service=service, _sent={})

    def graphs(self) -> list[ox.NamedNode]:
        """See `GraphStore`."""
        return [ox.NamedNode(name) for name in self.physical]

    @cached_property
    def _logical(self) -> dict[str, str]:
        return {physical: logical for logical, physical in self.physical.items()}

    @cached_property
    def _names(self) -> re.Pattern[str]:
        """The names of graphs as they stand on the server, to be found in answers."""
        start = os.path.commonprefix(list(self.physical))  # noqa: RUF071 (of names, not of paths)
        return re.compile(re.escape(start) + r'[^\s<>"#]*#[0-9a-f]{16}')

    def _known(self, names: Iterable[str]) -> list[str]:
        return [self.physical[name] for name in names if name in self.physical]

    def _there(self, term: Any) -> Any:
        if isinstance(term, ox.BlankNode):
            return ox.NamedNode(BLANK + term.value)
        if isinstance(term, ox.NamedNode):
            return ox.NamedNode(self.physical.get(term.value, term.value))
        return term

    def _prepare(self, text: str, base: str) -> tuple[Outline, str]:
        """What is known of a query, and how it is sent: its lines as they are, with prefixes and the names on the server."""
        found = self._sent.get((text, base))
        if found is None:
            seen = outline(text, base, PREFIXES)
            bare = text
            for start, end in seen.clauses:
                bare = bare[:start] + re.sub(r"[^\n]", " ", bare[start:end]) + bare[end:]
            names = rename_iris(bare, base, PREFIXES, lambda iri: self.physical.get(iri, iri))
            found = seen, f"BASE <{base}> {_prefixes(names)}{names}"
            if len(self._sent) >= _PREPARED:
                self._sent.clear()
            self._sent[text, base] = found
        return found

    def _ask(self, query: str, default: Sequence[str], named: Sequence[str], accept: str) -> Reply:
        """Sends a query over a dataset."""
        form = [("query", query)]
        form += [("default-graph-uri", name) for name in default or (NOWHERE,)]
        form += [("named-graph-uri", name) for name in named or (NOWHERE,)]
        return self.service.send("POST", self.address, data=form, headers={"Accept": accept}, again=True)

    def _rows(self, reply: Reply) -> Any:
        """The rows, or the yes or no, of an answer in JSON (https://www.w3.org/TR/sparql11-results-json/)."""
        if reply.media not in (ROWS, "application/json"):
            raise _no_answer(f"it is {reply.media or 'of no media type'}, not {ROWS}")
        try:
            found = orjson.loads(reply.body)
            if not isinstance(found.get("boolean"), bool):
                rows = found["results"]["bindings"]
                most = reply.headers.get(_MOST_ROWS, "")
                if most.isdecimal() and len(rows) >= int(most) > 0:
                    raise _no_answer(f"it has the {int(most):,} rows that are the most the server gives, and may go on")
                if found["head"].get("vars") == [_VIRTUOSO_ASK]:
                    found = {"head": {}, "boolean": bool(rows) and rows[0][_VIRTUOSO_ASK]["value"] == "1"}
                for row in rows:
                    for term in row.values():
                        self._mend(term)
            return ox.parse_query_results(orjson.dumps(found), format=ox.QueryResultsFormat.JSON)
        except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
            raise _no_answer("it is cut off, or not of the form that the standard asks for") from error

    def _mend(self, term: dict[str, Any]) -> None:
        """Gives a term of an answer the form that pyoxigraph would give it."""
        value, kind = term["value"], term["type"]
        if not isinstance(value, str) or kind not in _KINDS:
            raise TypeError(kind)
        if "#" in value:
            term["value"] = self._names.sub(lambda name: self._logical.get(name[0], name[0]), value)
        elif kind == "uri" and value.startswith(BLANK):
            term["type"], term["value"] = "bnode", value.removeprefix(BLANK)
        if kind == "typed-literal":  # of an older draft
            term["type"] = "literal"
        if term.get("datatype") == _BOOLEAN and value in ("0", "1"):
            term["value"] = "true" if value == "1" else "false"

    def _graph(self, reply: Reply) -> ox.QueryTriples:
        form = GRAPHS.get(reply.media)
        if form is None:
            raise _no_answer(f"it is {reply.media or 'of no media type'}, neither N-Triples nor Turtle")
        if "Content-Length" not in reply.headers and "chunked" not in reply.headers.get("Transfer-Encoding", "").lower():
            raise _no_answer("nothing tells where it ends")
        store = ox.Store()
        try:
            store.bulk_extend(self._here(quad.triple) for quad in ox.parse(reply.body, format=form))
        except (SyntaxError, ValueError) as error:
            raise _no_answer("it is cut off, or not well-formed") from error
        found: ox.QueryTriples = store.query("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }")  # type: ignore[assignment]
        return found

    def _here(self, triple: Any) -> ox.Quad:
        return ox.Quad(*(self._renamed(term) for term in triple))

    def _renamed(self, term: Any) -> Any:
        if isinstance(term, ox.NamedNode) and term.value.startswith(BLANK):
            return ox.BlankNode(term.value.removeprefix(BLANK))
        if isinstance(term, ox.NamedNode) and "#" in term.value:
            return ox.NamedNode(self._logical.get(term.value, term.value))
        return term


def open_remote(told: Mapping[str, Any]) -> RemoteStore:
    """The store that the manifest of a snapshot tells of (its `remote`). Raises `StoreError` for credentials that do not fit."""
    address = str(told["query"])
    service = Service(find_credentials(address), float(told.get("timeout", 30)))
    return RemoteStore(address, service, told["graphs"], tuple(told["default"]))


def _prefixes(text: str) -> str:
    """PREFIX declarations for those of kgraph's prefixes that a query uses and does not declare."""
    used: set[str] = set()
    declared: set[str] = set()
    before = ""
    for token in tokens(text):
        if token.kind == "name":
            (declared if before == "PREFIX" else used).add(token.text.partition(":")[0])
        before = token.text.upper()
    return "".join(f"PREFIX {name}: <{PREFIXES[name]}> " for name in sorted(used - declared) if name in PREFIXES)


def _no_answer(why: str) -> StoreError:
    return StoreError(fail(f"the answer of the SPARQL server cannot be used: {why}", "See docs/stores.md").problems)
