"""The rules of the ontology find nothing to add to the works of OpenAlex: their mapping states all that follows.

A build relies on it: rules run over the studies' graphs alone, and works are loaded after that.
"""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pyoxigraph as ox
import pytest
from rdflib.namespace import RDF, RDFS

from kgraph.inference import infer
from kgraph.names import ONTOLOGY
from kgraph.workmapping import map_work
from kgraph.workterms import WORK_CLASSES
from workrecords import Record, known, records, work

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from generator import generate

INFERRED, FOLLOWING = ox.NamedNode("https://example.org/ontology"), ox.NamedNode("https://example.org/works")


@cache
def ontology() -> bytes:
    """The modules of the ontology with what follows from them, as N-Triples."""
    store = ox.Store()
    for path in sorted((ONTOLOGY / "modules").glob("*.ttl")):
        store.load(path=path, format=ox.RdfFormat.TURTLE)
    infer(store, INFERRED)
    return ox.serialize({quad.triple for quad in store}, format=ox.RdfFormat.N_TRIPLES) or b""


def additions(lines: Iterable[str]) -> set[str]:
    """What the rules add to triples of works."""
    store = ox.Store()
    store.load(ontology(), ox.RdfFormat.N_TRIPLES)
    store.load("\n".join(lines).encode(), ox.RdfFormat.N_TRIPLES)
    infer(store, FOLLOWING)
    return {str(quad.triple) for quad in store.quads_for_pattern(None, None, None, FOLLOWING)}


def odd_records() -> list[Record]:
    """Records with links to what nothing else in them describes."""
    ids = ["https://openalex.org/" + name for name in ("A7", "I7", "P7", "F7", "G7", "S7", "T7", "C7", "W7")]
    subject = {"id": "https://openalex.org/keywords/hope"}
    links = {
        "corresponding_author_ids": ids,
        "corresponding_institution_ids": ids,
        "authorships": [{"affiliations": [{"institution_ids": ids}], "institutions": [{"id": ids[1], "lineage": ids}]}, {}],
        "locations": [{"source": {"id": ids[5], "host_organization": host, "host_organization_lineage": ids}} for host in ids],
        "awards": [{"id": ids[4], "funder_id": ids[3]}, {"funder_id": ids[3]}],
        "referenced_works": ids,
        "related_works": ids,
        "versions": [*ids, {"id": ids[-1]}],
        "primary_topic": {"id": ids[6], "subfield": {"id": "https://openalex.org/subfields/7"}},
        "sustainable_development_goals": [{"id": "https://metadata.un.org/sdg/3"}],
        "keywords": [subject, {"keyword": "hope"}],
        "study_designs": [{"id": "https://openalex.org/study-designs/7"}],
        "mesh": [{"descriptor_ui": "D000007", "qualifier_ui": "Q000007"}],
        "counts_by_year": [{}],
        "apc_list": {},
    }
    older = {"grants": [{"funder": ids[3], "award_id": "7"}], "concepts": [{"id": ids[7]}]}
    kinds = [{"type": kind, "type_crossref": kind} for kind in WORK_CLASSES]
    found: list[Record] = [{}, links, older, *kinds]
    return [work(**fields) for fields in found]


@pytest.mark.parametrize("of", ["real", "odd", "synthetic"])
def test_the_rules_add_nothing(of: str) -> None:
    found = {"real": records().values(), "odd": odd_records(), "synthetic": generate(300)}[of]
    assert additions(line for record in found for line in map_work(record, known()).splitlines()) == set()


def test_the_rules_would_find_what_is_left_out() -> None:
    """The test above is not empty: without what things are, the rules add it for most kinds of things."""
    lines = [line for record in records().values() for line in map_work(record, known()).splitlines()]
    found = additions(line for line in lines if f" <{RDF.type}> " not in line)
    classes = {triple.rpartition(" ")[2] for triple in found}
    assert len(classes) > 10
    assert len(found) > 5000


def test_classes_above_are_stated_with_those_below() -> None:
    """For every class that a work may have, also one that no record at hand has."""
    store = ox.Store()
    store.load(ontology(), ox.RdfFormat.N_TRIPLES)
    below = ox.NamedNode(str(RDFS.subClassOf))
    for kind, class_ in WORK_CLASSES.items():
        above = {str(quad.object) for quad in store.quads_for_pattern(ox.NamedNode(str(class_)), below, None)}
        assert above, class_
        assert all(one in map_work(work(type=kind)) for one in above)
