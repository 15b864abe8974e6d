"""What follows from the sources follows by a rule, stands apart, and can be explained down to what is stated."""

import random
from collections.abc import Iterable

import pyoxigraph as ox
import pytest

from kgraph.inference import Explanation, Triple, explain, infer, load_rules
from kgraph.names import PREFIXES
from kgraph.queries import prologue
from kgraph.snapshot import Snapshot, open_published
from kgraph.workspace import Workspace

INFERRED = ox.NamedNode("https://example.org/graph/inferred")
SOURCE = ox.NamedNode("https://example.org/graph/source")
PREFIX_LINES = (
    "".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in PREFIXES.items()) + "@prefix : <https://example.org/> .\n"
)


def triples(turtle: str) -> set[ox.Triple]:
    return {quad.triple for quad in ox.parse((PREFIX_LINES + turtle).encode(), format=ox.RdfFormat.TURTLE)}


def add(store: ox.Store, found: Iterable[ox.Triple], graph: ox.NamedNode) -> None:
    store.extend(ox.Quad(t.subject, t.predicate, t.object, graph) for t in found)


def store_of(turtle: str) -> ox.Store:
    store = ox.Store()
    add(store, triples(turtle), SOURCE)
    return store


def inferred(store: ox.Store, graph: ox.NamedNode = INFERRED) -> set[ox.Triple]:
    return {quad.triple for quad in store.quads_for_pattern(None, None, None, graph)}


def assertion(class_: str, polarity: str = "asserted") -> str:
    return f':a a kg:{class_} ; kg:polarity "{polarity}" ; kg:subject :s ; kg:relation :r ; kg:object :o .'


CODING = ":c a kg:Coding ; kg:codingStatus {status!r} ; oa:hasTarget :q ; oa:hasBody :b . :b a {type} ."
# rule: what is stated, all that follows
RULES: dict[str, tuple[str, str]] = {
    "subclass": (":A rdfs:subClassOf :B . :B rdfs:subClassOf owl:Thing . :x a :A .", ":x a :B ."),
    "subproperty": (":p rdfs:subPropertyOf :q . :q rdfs:subPropertyOf :r . :x :p :y .", ":x :q :y . :x :r :y ."),
    "inverse": (":p owl:inverseOf :q . :x :p :y .", ":y :q :x ."),
    "inverse-of": (":p owl:inverseOf :q . :x :q :y .", ":y :p :x ."),
    "symmetric": (":p a owl:SymmetricProperty . :x :p :y .", ":y :p :x ."),
    "transitive": (":p a owl:TransitiveProperty . :a :p :b . :b :p :c . :c :p :d .", ":a :p :c . :a :p :d . :b :p :d ."),
    "domain": (':p rdfs:domain :A . :x :p "text" .', ":x a :A ."),
    "range": (":p a owl:ObjectProperty ; rdfs:range :A . :x :p :y .", ":y a :A ."),
    "chain-evidences": (":q kg:illustrates :t . :t kg:withinTheme :above .", ":q kg:evidences :above ."),
    "expresses": (CODING.format(status="accepted", type="skos:Concept"), ":q kg:expresses :b ."),
    "direct-finding": (assertion("Finding"), ":s :r :o ."),
    "direct-cited-claim": (assertion("CitedClaim"), ":s :r :o ."),
    "direct-interpretation": (assertion("Interpretation"), ":s :r :o ."),
}


def test_every_rule_is_tested_and_says_what_it_does() -> None:
    assert {rule.name for rule in load_rules()} == set(RULES)
    for rule in load_rules():
        assert rule.says["en"].endswith(".")
        assert rule.says["zh-Hans"].endswith("。")
        assert rule.body


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    stated, follows = RULES[name]
    store = store_of(stated)
    assert infer(store, INFERRED) == len(triples(follows))
    assert inferred(store) == triples(follows)
    for triple in triples(follows):
        why = explain(store, (triple.subject, triple.predicate, triple.object), INFERRED)  # type: ignore[arg-type]
        assert why is not None
        assert why.rule is not None
        assert why.rule.name == name
        assert leaves(why) <= triples(stated)


@pytest.mark.parametrize(
    "stated",
    [
        ":p rdfs:subPropertyOf :p . :x :p :y .",
        ":p owl:inverseOf :q . :x :p 'text' .",
        ":p a owl:SymmetricProperty . :x :p 'text' .",
        ":p a owl:TransitiveProperty . :a :p :b . :b :p :a .",  # nothing comes back to itself
        ":p rdfs:domain [ owl:unionOf (:A :B) ] . :x :p :y .",
        ":p a owl:DatatypeProperty ; rdfs:range xsd:string . :x :p 'text' .",
        CODING.format(status="disputed", type="skos:Concept"),
        CODING.format(status="rejected", type="skos:Concept"),
        CODING.format(status="accepted", type="kg:Theme"),
        *(assertion(class_, "denied") for class_ in ("Finding", "CitedClaim", "Interpretation")),
        *(assertion(class_) for class_ in ("Aim", "Recommendation", "Limitation", "Background", "Assertion")),
    ],
)
def test_nothing_follows(stated: str) -> None:
    store = store_of(stated)
    assert infer(store, INFERRED) == 0
    assert inferred(store) == set()


def test_rules_feed_each_other() -> None:
    store = store_of("""
        kg:subThemeOf rdfs:subPropertyOf kg:withinTheme . kg:withinTheme a owl:TransitiveProperty .
        :low kg:subThemeOf :middle . :middle kg:subThemeOf :high . :q kg:illustrates :low .
    """)
    infer(store, INFERRED)
    evidences = ox.NamedNode(PREFIXES["kg"] + "evidences")
    reached = {triple.object for triple in inferred(store) if triple.predicate == evidences}
    assert reached == {ox.NamedNode("https://example.org/middle"), ox.NamedNode("https://example.org/high")}
    assert infer(store, INFERRED) == 0, "it is a fixpoint"


def test_what_is_stated_is_not_inferred_again() -> None:
    store = store_of(":A rdfs:subClassOf :B . :x a :A , :B .")
    assert infer(store, INFERRED) == 0
    why = explain(store, tuple(next(iter(triples(":x a :B .")))), INFERRED)
    assert why is not None
    assert (why.rule, why.graphs) == (None, [SOURCE.value])


def test_circles_end() -> None:
    store = store_of(
        ":p owl:inverseOf :q . :p rdfs:subPropertyOf :r . :r owl:inverseOf :s . :s rdfs:subPropertyOf :q . :x :p :y ."
    )
    infer(store, INFERRED)
    for triple in inferred(store):
        why = explain(store, (triple.subject, triple.predicate, triple.object), INFERRED)  # type: ignore[arg-type]
        assert why is not None
    (absent,) = triples(":y :p :y .")
    assert explain(store, (absent.subject, absent.predicate, absent.object), INFERRED) is None  # type: ignore[arg-type]


def leaves(why: Explanation) -> set[ox.Triple]:
    if why.rule is None:
        assert why.graphs
        return {ox.Triple(*why.triple)}
    assert why.premises
    return {leaf for premise in why.premises for leaf in leaves(premise)}


def graph_of(snapshot: Snapshot) -> ox.NamedNode:
    return ox.NamedNode(snapshot.base + "graph/inferred")


def sources(snapshot: Snapshot) -> ox.Store:
    store = ox.Store()
    apart = {graph_of(snapshot), ox.NamedNode(snapshot.base + "graph/manifest")}
    store.extend(quad for quad in snapshot.store if quad.graph_name not in apart)
    return store


def naive(store: ox.Store) -> set[ox.Triple]:
    """Every rule over everything, until nothing is new."""
    graph = ox.NamedNode("https://example.org/naive")
    known = {quad.triple for quad in store}
    found: set[ox.Triple] = set()
    while True:
        new = set()
        for rule in load_rules():
            answer = store.query(rule.construct, use_default_graph_as_union=True)
            assert isinstance(answer, ox.QueryTriples)
            new |= set(answer) - known
        if not new:
            return found
        add(store, new, graph)
        known |= new
        found |= new


def test_the_fixpoint_is_that_of_a_naive_run(tiny_built: Workspace) -> None:
    opened = open_published(tiny_built)
    assert inferred(opened.store, graph_of(opened)) == naive(sources(opened))


def test_inferred_triples_are_in_no_source_graph(snapshot: Snapshot) -> None:
    found = inferred(snapshot.store, graph_of(snapshot))
    assert len(found) > 1000
    for triple in found:
        graphs = [
            quad.graph_name for quad in snapshot.store.quads_for_pattern(triple.subject, triple.predicate, triple.object, None)
        ]
        assert graphs == [graph_of(snapshot)]


def sample(found: Iterable[ox.Triple], number: int) -> list[Triple]:
    ordered = sorted(found, key=str)
    picked = random.Random(7).sample(ordered, min(number, len(ordered)))  # noqa: S311
    return [(triple.subject, triple.predicate, triple.object) for triple in picked]  # type: ignore[misc]


def test_every_inferred_triple_can_be_explained(snapshot: Snapshot) -> None:
    graph = graph_of(snapshot)
    found = inferred(snapshot.store, graph)
    for triple in sample(found, 300):
        why = explain(snapshot.store, triple, graph)
        assert why is not None, triple
        assert why.rule is not None
        assert not leaves(why) & found


def test_a_triple_that_does_not_hold_has_no_explanation(snapshot: Snapshot) -> None:
    graph = graph_of(snapshot)
    held = {quad.triple for quad in snapshot.store}
    for subject, predicate, object_ in sample(inferred(snapshot.store, graph), 50):
        turned = ox.NamedNode(f"{object_.value}-not") if isinstance(object_, ox.NamedNode) else ox.Literal("not")
        assert ox.Triple(subject, predicate, turned) not in held
        assert explain(snapshot.store, (subject, predicate, turned), graph) is None


def test_direct_triples_come_from_asserted_findings_claims_and_interpretations_alone(snapshot: Snapshot) -> None:
    allowed = """
        SELECT DISTINCT ?s ?r ?o { VALUES ?class { kg:Finding kg:CitedClaim kg:Interpretation }
          ?a a ?class ; kg:polarity "asserted" ; kg:subject ?s ; kg:relation ?r ; kg:object ?o }
    """
    expected = {(row["s"], row["r"], row["o"]) for row in snapshot.query(allowed)}
    relations = {relation for _, relation, _ in expected}
    other = """
        SELECT DISTINCT ?s ?r ?o { ?a kg:subject ?s ; kg:relation ?r ; kg:object ?o }
    """
    every = {(row["s"], row["r"], row["o"]) for row in snapshot.query(other)}
    assert len(every - expected) > 5, "the example has denied statements, aims and recommendations"
    held = {triple for triple in every if any(True for _ in snapshot.store.quads_for_pattern(*triple, None))}
    influences = ox.NamedNode(PREFIXES["kg"] + "influences")
    symmetric = ox.NamedNode(PREFIXES["kg"] + "relatesTo")
    implied = {(o, r, s) for s, r, o in expected if r == symmetric} | {(s, influences, o) for s, _, o in expected}
    assert expected <= held
    assert held <= expected | implied
    assert relations


def test_the_example_explains_a_direct_link_by_its_assertions(snapshot: Snapshot) -> None:
    (row, *_) = snapshot.query(
        'SELECT ?s ?o { ?a a kg:Finding ; kg:polarity "asserted" ; kg:subject ?s ; kg:relation kg:reduces ; kg:object ?o }'
    )
    why = explain(snapshot.store, (row["s"], ox.NamedNode(PREFIXES["kg"] + "reduces"), row["o"]), graph_of(snapshot))
    assert why is not None
    assert why.rule is not None
    assert why.rule.name.startswith("direct-")
    assert {premise.triple[1].value.removeprefix(PREFIXES["kg"]) for premise in why.premises} >= {
        "polarity",
        "subject",
        "relation",
        "object",
    }


def test_prologue_of_queries_names_base_and_prefixes() -> None:
    assert prologue("https://example.org/").startswith("BASE <https://example.org/>\nPREFIX kg:")
