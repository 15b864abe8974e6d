"""What a collection is, told to programs: a SPARQL 1.1 Service Description and VoID, as triples.

Both are made from a `Described`, a handful of plain values, so that they also tell of data that no workspace stands behind.
They share their nodes: the dataset of the service is the void:Dataset, and a named graph is the void:subset of its own IRI.

Rules: https://www.w3.org/TR/sparql11-service-description/ and https://www.w3.org/TR/void/.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pyoxigraph as ox
from rdflib import Namespace
from rdflib.namespace import DCTERMS, FOAF, OWL, PROV, RDF, VOID, XSD, ClosedNamespace

from kgraph.names import KG, PREFIXES
from kgraph.snapshot import Snapshot

SD = ClosedNamespace(
    "http://www.w3.org/ns/sparql-service-description#",
    [
        "Dataset", "EmptyGraphs", "Graph", "NamedGraph", "SPARQL11Query", "Service", "UnionDefaultGraph", "availableGraphs",
        "defaultDataset", "defaultEntailmentRegime", "defaultGraph", "endpoint", "feature", "graph", "name", "namedGraph",
        "resultFormat", "supportedLanguage",
    ],
)  # fmt: skip
FORMAT = Namespace("http://www.w3.org/ns/formats/")
RESULTS = (
    "SPARQL_Results_JSON", "SPARQL_Results_XML", "SPARQL_Results_CSV", "SPARQL_Results_TSV",
    "Turtle", "N-Triples", "RDF_XML", "JSON-LD", "TriG", "N-Quads",
)  # fmt: skip
DUMPED = ("N-Quads", "TriG", "JSON-LD")
SIMPLE = "http://www.w3.org/ns/entailment/Simple"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
RIGHTS = (
    "Words of papers and of participants are their authors’, under the licence that the graph names beside them; records of"
    f" papers are OpenAlex’s (CC0 1.0), abstracts their authors’; everything else is CC BY 4.0, {CC_BY}"
)
SAMPLE = 100_000  # statements of each graph that are looked at for vocabularies
_USED = f"""SELECT DISTINCT ?term {{
  {{ SELECT ?term {{ ?s ?term ?o }} LIMIT {SAMPLE} }} UNION {{ SELECT ?term {{ ?s a ?term }} LIMIT {SAMPLE} }}
}}"""


@dataclass(frozen=True)
class Origin:
    """Whence a graph: the `files` it was made from, their hash, and the `licence` (an IRI) where one holds for all of it."""

    files: tuple[str, ...] = ()
    digest: str = ""
    licence: str | None = None


@dataclass(frozen=True)
class Described:
    """A collection: what is said of it.

    `graphs` holds of each named graph (by IRI) how many triples it has, `default` how many stand in no named graph. `built` is
    an ISO 8601 time with zone, `vocabularies` are namespaces. `licence` (an IRI) and `rights` (words) hold for the whole.
    """

    base: str
    version: str
    title: str
    graphs: Mapping[str, int]
    default: int = 0
    built: str = ""
    licence: str | None = None
    rights: str = ""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    vocabularies: tuple[str, ...] = ()

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Described":
        """What a snapshot's manifest says of it."""
        base, manifest = snapshot.base, snapshot.manifest
        entries = {one["graph"]: one for one in manifest["graphs"]}
        own = ox.NamedNode(base + "graph/manifest")
        graphs = {iri: one["triples"] for iri, one in entries.items()}
        graphs[base + "graph/inferred"] = manifest["inferred"]
        graphs[own.value] = sum(1 for _ in snapshot.store.quads_for_pattern(None, None, None, own))
        return cls(
            base=base,
            version=snapshot.version,
            title=manifest["name"],
            graphs=graphs,
            default=_default(snapshot, sum(graphs.values())),
            built=manifest["built"],
            rights=RIGHTS,
            origins={
                iri: Origin(tuple(one["files"]), one.get("sha256", ""), _licence(iri.removeprefix(base)))
                for iri, one in entries.items()
            },
            vocabularies=vocabularies_of(snapshot.store),
        )

    @property
    def dataset(self) -> str:
        """The IRI of the whole; its page is the page of the dumps."""
        return dataset_of(self.base)

    @property
    def triples(self) -> int:
        """How many statements there are, each counted in every graph that makes it."""
        return sum(self.graphs.values()) + self.default


def dataset_of(base: str) -> str:
    """The IRI of the collection under a base."""
    return base + "dump"


def works_of(base: str) -> str:
    """The IRI of what stands in no named graph: the works. It names no graph, only this part of the dataset."""
    return dataset_of(base) + "#works"


def graphs_of(snapshot: Snapshot) -> list[str]:
    """The IRIs of the named graphs of a snapshot that its manifest tells of; of what is restricted it tells nothing."""
    listed = [str(one["graph"]) for one in snapshot.manifest["graphs"]]
    return [*listed, snapshot.base + "graph/inferred", snapshot.base + "graph/manifest"]


def short_names(graphs: Iterable[str], base: str) -> dict[str, str]:
    """A short name for each graph, fit for a file name or a fragment and given to no other: `study-fan-2024`.

    Where letters had to be changed, or where two would be called the same, a piece of the IRI's hash follows.
    """
    found: dict[str, str] = {}
    taken = {"", "works"}  # the whole, and what stands in no named graph
    for iri in sorted(graphs):
        path = iri.removeprefix(base).removeprefix("graph/").replace("/", "-")
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", path)[:80].strip(".-")
        if name != path or name.lower() in taken:
            name = f"{name}-{sha256(iri.encode()).hexdigest()[:8]}".lstrip("-")
        taken.add(name.lower())
        found[iri] = name
    return found


def describe_service(endpoint: str, described: Described, formats: Sequence[str] = RESULTS) -> list[ox.Triple]:
    """The Service Description of a SPARQL endpoint (an absolute IRI), with the graphs that it reads.

    The service leaves no graph empty, so sd:EmptyGraphs is not said. Its default graph is the union of all graphs, with what
    stands in none; how many different triples that is nobody has counted.
    """
    service, default = f"{endpoint}#service", f"{endpoint}#default-graph"
    short = short_names(described.graphs, described.base)
    triples = [
        *_about(
            service,
            (RDF.type, SD.Service),
            (SD.endpoint, endpoint),
            (SD.supportedLanguage, SD.SPARQL11Query),
            (SD.feature, SD.UnionDefaultGraph),
            (SD.defaultEntailmentRegime, SIMPLE),
            (SD.defaultDataset, described.dataset),
            (SD.availableGraphs, described.dataset),
            *((SD.resultFormat, FORMAT[name]) for name in formats),
        ),
        *_about(
            described.dataset,
            (RDF.type, SD.Dataset),
            (RDF.type, VOID.Dataset),
            (DCTERMS.title, ox.Literal(described.title)),
            (OWL.versionInfo, ox.Literal(described.version)),
            (VOID.sparqlEndpoint, endpoint),
            (SD.defaultGraph, default),
        ),
        *_about(default, (RDF.type, SD.Graph), (DCTERMS.description, ox.Literal("The union of all graphs", language="en"))),
    ]
    for iri, number in described.graphs.items():
        named = f"{endpoint}#graph-{short[iri]}"
        triples += _about(described.dataset, (SD.namedGraph, named))
        triples += _about(named, (RDF.type, SD.NamedGraph), (SD.name, iri), (SD.graph, iri))
        triples += _about(iri, (RDF.type, SD.Graph), (RDF.type, VOID.Dataset), (VOID.triples, ox.Literal(number)))
    return triples


def describe_dataset(
    described: Described, dumps: Mapping[str, Sequence[str]], document: str, endpoint: str | None = None
) -> list[ox.Triple]:
    """The VoID description of a collection, which stands at the address `document`.

    `dumps` holds the addresses of files: of the whole under its own IRI, of a graph under the graph's, of the works under that of
    `works_of`.
    """
    whole = described.dataset
    short = short_names(described.graphs, described.base)
    parts = {iri: (number, short[iri]) for iri, number in described.graphs.items()}
    if described.default:
        parts[works_of(described.base)] = (described.default, "works")
    made = _time(described.built)
    triples = _about(
        document,
        (RDF.type, VOID.DatasetDescription),
        (FOAF.primaryTopic, whole),
        (DCTERMS.title, ox.Literal(f"Description of {described.title}", language="en")),
    )
    triples += _about(
        whole,
        (RDF.type, VOID.Dataset),
        (DCTERMS.title, ox.Literal(described.title)),
        (OWL.versionInfo, ox.Literal(described.version)),
        (VOID.triples, ox.Literal(described.triples)),
        (VOID.uriSpace, ox.Literal(described.base)),
        *((DCTERMS.created, when) for when in made),
        *((DCTERMS.license, iri) for iri in filter(None, [described.licence])),
        *((DCTERMS.rights, ox.Literal(words, language="en")) for words in filter(None, [described.rights])),
        *((VOID.sparqlEndpoint, iri) for iri in filter(None, [endpoint])),
        *((VOID.vocabulary, iri) for iri in described.vocabularies),
        *((VOID.feature, FORMAT[name]) for name in (DUMPED if dumps else ())),
        *((VOID.dataDump, address) for address in dumps.get(whole, ())),
        *((VOID.subset, iri) for iri in parts),
    )
    for iri, (number, name) in parts.items():
        origin = described.origins.get(iri, Origin())
        triples += _about(
            iri,
            (RDF.type, VOID.Dataset),
            (DCTERMS.title, ox.Literal(name)),
            (VOID.triples, ox.Literal(number)),
            *((PROV.generatedAtTime, when) for when in made),
            *((DCTERMS.source, ox.Literal(file)) for file in origin.files),
            *((KG.sourceHash, ox.Literal(digest)) for digest in filter(None, [origin.digest])),
            *((DCTERMS.license, licence) for licence in filter(None, [origin.licence])),
            *((VOID.dataDump, address) for address in dumps.get(iri, ())),
        )
    return triples


def vocabularies_of(store: ox.Store) -> tuple[str, ...]:
    """Those of the known namespaces from which properties and classes are used, as far as the first statements of each graph
    tell: works and mentions are all alike."""
    terms: set[str] = set()
    for graph in [*store.named_graphs(), ox.DefaultGraph()]:
        answer: Any = store.query(_USED, default_graph=[graph])
        terms.update(row["term"].value for row in answer)
    used = (start for start in set(PREFIXES.values()) if any(term.startswith(start) for term in terms))
    return tuple(sorted(used))


def _default(snapshot: Snapshot, named: int) -> int:
    """How many triples stand in no named graph: none where there are no works; else the manifest tells, or they are counted."""
    if "works" not in snapshot.manifest:
        return 0
    told = snapshot.manifest.get("default")
    return int(told) if told is not None else max(0, len(snapshot.store) - named)


def _licence(path: str) -> str | None:
    """The licence of a whole graph, where one holds for it: what kgraph itself says, and no words of papers."""
    return CC_BY if path in ("graph/ontology", "graph/concepts", "graph/mappings") else None


def _time(built: str) -> list[ox.Literal]:
    return [ox.Literal(built, datatype=ox.NamedNode(str(XSD.dateTime)))] if built else []


def _about(subject: str, *pairs: tuple[Any, ox.Literal | str]) -> list[ox.Triple]:
    """The triples of a subject from properties and values, of which text is an IRI."""
    terms = ((name, value if isinstance(value, ox.Literal) else ox.NamedNode(str(value))) for name, value in pairs)
    return [ox.Triple(ox.NamedNode(subject), ox.NamedNode(str(name)), term) for name, term in terms]
