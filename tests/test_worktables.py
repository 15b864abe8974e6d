"""The tables of the mapping of works: every field is read or known why not, every term is declared and used."""

import re
from collections.abc import Iterable
from typing import Any

import pyoxigraph as ox
from rdflib import URIRef

from kgraph import workterms
from kgraph.names import KG_IRI, ONTOLOGY, PREFIXES
from kgraph.worktables import WORK, WORK_TYPE, Part, Rows, Thing
from workrecords import records


def paths(rows: Rows, before: str = "") -> Iterable[str]:
    """Every path of the record that the rows read, with the objects on the way."""
    for path, _, make in rows:
        for one in path.split("|"):
            here = before if one in (".", "#") else f"{before}.{one}".strip(".")
            yield from (here.rsplit(".", depth)[0] for depth in range(here.count(".") + 1))
            if isinstance(make, Thing):
                yield f"{here}.{make.key}"
            if isinstance(make, Part | Thing):
                yield from paths(make.rows, here)


LEFT_OUT = {  # fields that the graph does not hold, and why
    "relevance_score": "of a search, not of a work",
    "cited_by_api_url": "an address of the service",
    "ngrams_url": "an address of the service",
    "has_content": "what it points to needs an account",
    "content_urls": "needs an account",
    "fulltext_origin": "says nothing to a reader",
    "doi_registration_agency": "said by indexed_in",
    "updated": "said by updated_date",
    "summary_stats": "said by cited_by_count and counts_by_year",
    "concepts_count": "frozen as concepts are",
    "institutions": "of the work: always empty; those of its authors are told",
    "institution_assertions": "always empty",
    "datasets": "always empty",
    "abstract_inverted_index_v3": "always null",
    "apc_payment": "always null",
    "locations.doi": "said by landing_page_url",
    "source.publisher_id": "said by host_organization",
    "source.host_organization_lineage_names": "shorter than the lineage, so that nobody knows whose names they are",
    "source.raw_type": "said by type",
    "source.is_indexed_in_scopus": "gone from the schema; listed_in says where a source is listed",
}


def fields(value: Any, path: str = "") -> Iterable[str]:
    """The paths of a record."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and path != "abstract_inverted_index":
            for key, inner in item.items():
                yield f"{path}.{key}".strip(".")
                yield from fields(inner, f"{path}.{key}".strip("."))


def test_the_table_reads_every_field_or_it_is_known_why_not() -> None:
    seen = {field.replace("primary_topic.", "topics.") for record in records().values() for field in fields(record)}
    seen = {re.sub("^(primary_location|best_oa_location)[.]", "locations.", field) for field in seen}
    unread = seen - set(paths(WORK))
    left_out = {out: {path for path in unread if f".{path}.".find(f".{out}.") >= 0} for out in LEFT_OUT}
    assert unread - set().union(*left_out.values()) == set()
    assert [out for out, why in left_out.items() if not why] == []


def terms(rows: Rows) -> Iterable[URIRef]:
    for _, predicate, make in rows:
        yield predicate
        if isinstance(make, Part):
            yield make.type
        if isinstance(make, Thing):
            yield from make.types
        if isinstance(make, Part | Thing):
            yield from terms(make.rows)


def test_every_term_of_the_table_is_declared() -> None:
    declared = {
        quad.subject.value
        for path in (ONTOLOGY / "modules").glob("*.ttl")
        for quad in ox.parse(path=path, format=ox.RdfFormat.TURTLE)
        if isinstance(quad.subject, ox.NamedNode)
    }
    used = {str(iri) for iri in {*terms(WORK), WORK_TYPE, *workterms.WORK_CLASSES.values()}}
    rdf = {iri for iri in used if iri.startswith((PREFIXES["rdf"], PREFIXES["rdfs"]))}
    assert used - rdf - declared == set()


def test_every_term_of_the_module_is_used() -> None:
    graph = list(ox.parse(path=ONTOLOGY / "modules" / "works.ttl", format=ox.RdfFormat.TURTLE))
    defined = {quad.subject.value for quad in graph if isinstance(quad.subject, ox.NamedNode)}
    assert all(iri.startswith(KG_IRI) for iri in defined)
    assert defined - {str(iri) for iri in terms(WORK)} == set()
