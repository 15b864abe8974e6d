"""What programs are told of the collection: the Service Description as the W3C's tests ask for it, and VoID."""

from pathlib import Path

import pyoxigraph as ox
import pytest
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCTERMS, FOAF, OWL, PROV, RDF, VOID

import kgraph
from kgraph.description import (
    CC_BY,
    FORMAT,
    RIGHTS,
    SD,
    Described,
    Origin,
    describe_dataset,
    describe_service,
    graphs_of,
    short_names,
    vocabularies_of,
    works_of,
)
from kgraph.names import PREFIXES
from kgraph.snapshot import Snapshot
from kgraph.web import create_app
from kgraph.workspace import Workspace

ENDPOINT = "https://example.org/sparql"
SD_IRI = PREFIXES["sd"]
FORMATS = str(FORMAT)
# The vocabulary of sparql-service-description: of each property, of what and to what it leads (a class of sd, a format, an IRI)
PROPERTIES = {
    "endpoint": ("Service", "IRI"),
    "feature": ("Service", "Feature"),
    "defaultEntailmentRegime": ("Service", "EntailmentRegime"),
    "entailmentRegime": ("NamedGraph", "EntailmentRegime"),
    "defaultSupportedEntailmentProfile": ("Service", "EntailmentProfile"),
    "supportedEntailmentProfile": ("NamedGraph", "EntailmentProfile"),
    "extensionFunction": ("Service", "Function"),
    "extensionAggregate": ("Service", "Aggregate"),
    "languageExtension": ("Service", "Feature"),
    "supportedLanguage": ("Service", "Language"),
    "propertyFeature": ("Service", "Feature"),
    "defaultDataset": ("Service", "Dataset"),
    "availableGraphs": ("Service", "GraphCollection"),
    "resultFormat": ("Service", "Format"),
    "inputFormat": ("Service", "Format"),
    "defaultGraph": ("Dataset", "Graph"),
    "namedGraph": ("GraphCollection", "NamedGraph"),
    "name": ("NamedGraph", "IRI"),
    "graph": ("NamedGraph", "Graph"),
}
CLASSES = {one for pair in PROPERTIES.values() for one in pair} - {"IRI", "Format"}
ABOVE = {"Dataset": "GraphCollection"}
INSTANCES = {
    "Language": ("SPARQL10Query", "SPARQL11Query", "SPARQL11Update"),
    "Feature": ("DereferencesURIs", "UnionDefaultGraph", "RequiresDataset", "EmptyGraphs", "BasicFederatedQuery"),
}


def graph_of(triples: list[ox.Triple]) -> Graph:
    """Triples in rdflib, by way of their serialisation."""
    return Graph().parse(data=ox.serialize(triples, format=ox.RdfFormat.N_TRIPLES) or b"", format="nt")


def classes_of(graph: Graph, node: object) -> set[str]:
    """The classes of sd that a node has, said or known."""
    said = {str(one).removeprefix(SD_IRI) for one in graph.objects(node, RDF.type)}  # type: ignore[arg-type]
    known = {kind for kind, names in INSTANCES.items() if str(node).removeprefix(SD_IRI) in names}
    known |= {"Format"} if str(node).startswith(FORMATS) else set()
    known |= {"EntailmentRegime"} if str(node).startswith("http://www.w3.org/ns/entailment/") else set()
    return said | known | {ABOVE[kind] for kind in said if kind in ABOVE}


def faults(graph: Graph) -> list[str]:
    """Where a description is not as the vocabulary and the specification have it."""
    found = []
    for subject, predicate, value in graph:
        name = str(predicate).removeprefix(SD_IRI)
        if predicate == RDF.type and str(value).startswith(SD_IRI):
            found += [f"no class: {value}"] if str(value).removeprefix(SD_IRI) not in CLASSES else []
        if not str(predicate).startswith(SD_IRI):
            continue
        if name not in PROPERTIES:
            found.append(f"no property: {predicate}")
            continue
        domain, target = PROPERTIES[name]
        if domain not in classes_of(graph, subject):
            found.append(f"{subject} has {name} and is no {domain}")
        if isinstance(value, Literal) or (target == "IRI" and not isinstance(value, URIRef)):
            found.append(f"{name} leads to {value!r}")
        if target != "IRI" and target not in classes_of(graph, value):
            found.append(f"{name} leads to {value}, which is no {target}")
    for kind, name in (("Service", "endpoint"), ("NamedGraph", "name")):
        for one in graph.subjects(RDF.type, SD[kind]):
            if len(set(graph.objects(one, SD[name]))) != 1:
                found.append(f"{one} has not one {name}")
    return found


@pytest.fixture(scope="module")
def snapshot(tiny_built: Workspace) -> Snapshot:
    return kgraph.open(str(tiny_built.folder))


@pytest.fixture(scope="module")
def described(snapshot: Snapshot) -> Described:
    return Described.of(snapshot)


def test_a_get_of_the_endpoint_returns_rdf_that_conforms(tiny_built: Workspace) -> None:
    """The three cases of the W3C (service-description: returns-rdf, has-endpoint-triple, conforms-to-schema)."""
    client = create_app(tiny_built).test_client()
    for media in ("text/turtle", "application/rdf+xml", "application/n-triples"):
        response = client.get("/sparql", headers={"Accept": media})
        assert (response.status_code, response.mimetype) == (200, media)
        graph = Graph().parse(data=response.data, format=media)
        (service,) = graph.subjects(RDF.type, SD.Service)
        assert (service, SD.endpoint, URIRef("http://localhost/sparql")) in graph
        assert faults(graph) == []


def test_the_description_names_every_graph_with_its_size(snapshot: Snapshot, described: Described) -> None:
    graph = graph_of(describe_service(ENDPOINT, described))
    assert faults(graph) == []
    (dataset,) = graph.objects(URIRef(f"{ENDPOINT}#service"), SD.defaultDataset)
    told = {}
    for named in graph.objects(dataset, SD.namedGraph):
        (name,), (one,) = graph.objects(named, SD.name), graph.objects(named, SD.graph)
        (number,) = graph.objects(one, VOID.triples)
        told[str(name)] = number.toPython()  # type: ignore[attr-defined]
    stored = {one.value: sum(1 for _ in snapshot.graph.match(graph=one)) for one in snapshot.graph.graphs()}
    assert told == stored
    assert (None, SD.feature, SD.UnionDefaultGraph) in graph
    formats = {str(one).removeprefix(FORMATS) for one in graph.objects(None, SD.resultFormat)}
    assert {"SPARQL_Results_JSON", "SPARQL_Results_TSV", "Turtle", "JSON-LD", "N-Quads"} <= formats


def test_the_check_of_the_schema_finds_faults() -> None:
    wrong = Graph().parse(
        data=f"@prefix sd: <{SD_IRI}> . <s> a sd:Service ; sd:url <e> ; sd:feature <f> . <d> sd:namedGraph [ a sd:NamedGraph ] .",
        format="turtle",
    )
    assert len(faults(wrong)) == 5


def test_data_without_a_workspace_is_described_too() -> None:
    described = Described("https://example.org/", "2024-05", "Birds", {"urn:x:one": 3, "https://example.org/graph/two": 4}, 5)
    service = graph_of(describe_service(ENDPOINT, described))
    assert faults(service) == []
    assert set(service.objects(None, SD.name)) == set(map(URIRef, described.graphs))
    graph = graph_of(describe_dataset(described, {}, "https://example.org/.well-known/void"))
    whole = URIRef(described.dataset)
    assert (whole, VOID.triples, Literal(12)) in graph
    assert (URIRef(works_of(described.base)), VOID.triples, Literal(5)) in graph
    assert not list(graph.objects(whole, DCTERMS.license))
    assert not list(graph.triples((None, VOID.sparqlEndpoint, None)))
    assert not list(graph.triples((None, DCTERMS.created, None)))


def test_void_tells_what_there_is_and_where_it_is(snapshot: Snapshot, described: Described) -> None:
    study = f"{snapshot.base}graph/study/tiny-2024"
    files = {described.dataset: ["https://example.org/all.trig"], study: ["https://example.org/study.trig"]}
    document = "https://example.org/.well-known/void"
    graph = graph_of(describe_dataset(described, files, document, ENDPOINT))
    whole = URIRef(described.dataset)
    assert graph.value(URIRef(document), FOAF.primaryTopic) == whole
    assert graph.value(whole, VOID.triples) == Literal(len(snapshot.store))
    assert graph.value(whole, VOID.uriSpace) == Literal(snapshot.base)
    assert graph.value(whole, OWL.versionInfo) == Literal(snapshot.version)
    assert graph.value(whole, VOID.sparqlEndpoint) == URIRef(ENDPOINT)
    assert graph.value(whole, VOID.dataDump) == URIRef("https://example.org/all.trig")
    assert graph.value(whole, DCTERMS.rights) == Literal(RIGHTS, lang="en")
    assert {str(one) for one in graph.objects(whole, VOID.subset)} == set(graphs_of(snapshot)) == set(described.graphs)
    assert graph.value(URIRef(study), VOID.dataDump) == URIRef("https://example.org/study.trig")
    assert {str(one) for one in graph.objects(URIRef(study), DCTERMS.source)} >= {"studies/tiny-2024.yaml"}
    made = graph.value(URIRef(study), PROV.generatedAtTime)
    assert isinstance(made, Literal)
    assert made.toPython().isoformat() == snapshot.manifest["built"]
    assert graph.value(URIRef(study), DCTERMS.license) is None  # it holds words of the paper
    assert str(graph.value(URIRef(f"{snapshot.base}graph/concepts"), DCTERMS.license)) == CC_BY
    for predicate in set(graph.predicates()):
        if str(predicate).startswith(str(VOID)):
            assert str(predicate).removeprefix(str(VOID)) in VOID.__annotations__, predicate


def test_vocabularies_are_those_in_use(tmp_path: Path) -> None:
    store = ox.Store()
    one, type_ = ox.NamedNode("urn:x:1"), ox.NamedNode(PREFIXES["rdf"] + "type")
    store.add(ox.Quad(one, type_, ox.NamedNode(PREFIXES["fabio"] + "Work"), ox.NamedNode("urn:x:g")))
    store.add(ox.Quad(one, ox.NamedNode(PREFIXES["dcterms"] + "subject"), ox.NamedNode(PREFIXES["MESH"] + "D1")))
    assert set(vocabularies_of(store)) == {PREFIXES["rdf"], PREFIXES["fabio"], PREFIXES["dcterms"]}


def test_short_names_are_safe_and_differ() -> None:
    base = "https://example.org/"
    paths = [
        "graph/study/fan-2024",
        "graph/a/b-c",
        "graph/a-b/c",
        "graph/works",
        "graph/..",
        "graph/病耻感",
        "graph/A/B-C",
        "graph/",
    ]
    graphs = [*(base + path for path in paths), "urn:x:" + "y" * 300, "https://other.org/graph/study/fan-2024"]
    names = short_names(graphs, base)
    assert names[base + "graph/study/fan-2024"] == "study-fan-2024"
    assert len({name.lower() for name in names.values()} | {"", "works"}) == len(graphs) + 2
    for name in names.values():
        assert name.isascii()
        assert len(name) < 100
        assert not set(name) & set("/\\: ")
        assert name[0] != "."
    assert short_names(reversed(graphs), base) == names


def test_what_one_licence_holds_for_is_said() -> None:
    origins = {"urn:x:g": Origin(("one.ttl",), "ab12", CC_BY)}
    described = Described("https://example.org/", "1", "Birds", {"urn:x:g": 1}, licence=CC_BY, origins=origins)
    graph = graph_of(describe_dataset(described, {}, "https://example.org/void"))
    assert set(graph.subjects(DCTERMS.license, URIRef(CC_BY))) == {URIRef("urn:x:g"), URIRef(described.dataset)}
