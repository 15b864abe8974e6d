"""Real records of OpenAlex works and what the mapping makes of them: what the tests of the mapping share."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import pyoxigraph as ox
from rdflib import Literal, URIRef

from kgraph.names import PREFIXES
from kgraph.workmapping import map_work, read_work, work_iris
from works_in_rdflib import map_plainly

DATA = Path(__file__).parent / "data" / "openalex"
Record = dict[str, Any]
PROLOGUE = "".join(f"PREFIX {prefix}: <{iri}>\n" for prefix, iri in PREFIXES.items()) + "BASE <https://openalex.org/>\n"


@cache
def records() -> dict[str, Record]:
    """The 200 real records, by their identifier."""
    with gzip.open(DATA / "works.jsonl.gz") as lines:
        return {record["id"].rpartition("/")[2]: record for record in map(read_work, lines)}


@cache
def known() -> dict[str, str]:
    return work_iris(records().values())


def triples(record: Record, iris: dict[str, str] | None = None) -> set[ox.Triple]:
    return {quad.triple for quad in ox.parse(map_work(record, iris).encode(), format=ox.RdfFormat.N_TRIPLES)}


@cache
def told(name: str) -> set[ox.Triple]:
    """The triples of a real record, references resolved."""
    return triples(records()[name], known())


def term(value: Any) -> ox.NamedNode | ox.Literal:
    if isinstance(value, URIRef):
        return ox.NamedNode(str(value))
    assert isinstance(value, Literal)
    if value.language:
        return ox.Literal(str(value), language=value.language)
    return ox.Literal(str(value), datatype=ox.NamedNode(str(value.datatype)) if value.datatype else None)


def plain_triples(record: Record, iris: dict[str, str] | None = None) -> set[ox.Triple]:
    """The triples of the plain mapping with rdflib."""
    made = set()
    for subject, predicate, value in map_plainly(record, iris or {}):
        made.add(ox.Triple(ox.NamedNode(str(subject)), ox.NamedNode(str(predicate)), term(value)))
    return made


def says(turtle: str) -> set[ox.Triple]:
    return {quad.triple for quad in ox.parse((PROLOGUE + turtle).encode(), format=ox.RdfFormat.TURTLE)}


def values(record: Record, *properties: str) -> list[str]:
    """What a record's triples hold at a property, or at one of several, such as soa:score; sorted."""
    names = {PREFIXES[prefix] + name for prefix, _, name in (name.partition(":") for name in properties)}
    return sorted(triple.object.value for triple in triples(record) if triple.predicate.value in names)  # type: ignore[union-attr]


def work(**fields: Any) -> Record:
    return {"id": "https://openalex.org/W1", **fields}
