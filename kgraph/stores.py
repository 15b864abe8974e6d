"""Where a graph is read: one small interface, and the store of a snapshot on disk. A server elsewhere is in `kgraph.remote`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyoxigraph as ox

from kgraph.errors import KgraphError
from kgraph.names import PREFIXES
from kgraph.sparqltext import UNION, Dataset

Term = ox.NamedNode | ox.Literal
Subject = ox.NamedNode | ox.BlankNode


class StoreError(KgraphError):
    """The server that holds the graph does not answer, or not wholly."""


class GraphStore(Protocol):
    """Named graphs to read. Answers are pyoxigraph's: QuerySolutions, QueryBoolean or QueryTriples."""

    def query(
        self, text: str, base: str, bound: Mapping[ox.Variable, Term] | None = None, dataset: Dataset = UNION
    ) -> Any:  # pyoxigraph names no common type of the three
        """The answer to a query over a dataset, with variables replaced by terms. The prefixes of kgraph are known.

        Raises SyntaxError for a malformed query; ValueError, OSError or RuntimeError where it cannot be answered; `StoreError`
        where a server does not answer.
        """
        ...

    def match(
        self, subject: Subject | None = None, predicate: ox.NamedNode | None = None, object: Any = None, graph: Any = None
    ) -> Iterator[ox.Quad]:
        """The quads with these terms, each graph's; None stands for any."""
        ...

    def graphs(self) -> list[ox.NamedNode]:
        """The named graphs."""
        ...


@dataclass(frozen=True)
class EmbeddedStore:
    """A pyoxigraph store, on disk or in memory."""

    store: ox.Store

    def query(self, text: str, base: str, bound: Mapping[ox.Variable, Term] | None = None, dataset: Dataset = UNION) -> Any:
        """See `GraphStore`."""
        graphs: dict[str, Any] = {"use_default_graph_as_union": True}
        if not dataset.everything:
            graphs = {
                "default_graph": [ox.NamedNode(iri) for iri in dataset.default or ()],
                "named_graphs": [ox.NamedNode(iri) for iri in dataset.named or ()],
            }
        used = {prefix: iri for prefix, iri in PREFIXES.items() if f"{prefix}:" in text}  # each costs the engine time
        return self.store.query(text, base_iri=base, prefixes=used, substitutions=dict(bound) if bound else None, **graphs)

    def match(
        self, subject: Subject | None = None, predicate: ox.NamedNode | None = None, object: Any = None, graph: Any = None
    ) -> Iterator[ox.Quad]:
        """See `GraphStore`."""
        return self.store.quads_for_pattern(subject, predicate, object, graph)

    def graphs(self) -> list[ox.NamedNode]:
        """See `GraphStore`."""
        return [graph for graph in self.store.named_graphs() if isinstance(graph, ox.NamedNode)]
