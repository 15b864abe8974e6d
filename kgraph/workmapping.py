"""Maps an OpenAlex Work record to RDF, as N-Triples, by the tables of `kgraph.worktables`.

The mapping is a pure function of one record and of the IRIs that works are known by; it works the same on one machine and on
a cluster. It writes text, which takes a fraction of the time that a graph of objects does. There are no blank nodes: what belongs
to one record alone (authorships, locations, scores) stands under the record's OpenAlex IRI, whatever IRI the work itself
has: https://openalex.org/W2741809807/authorship/1.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from rdflib.namespace import RDF

from kgraph.errors import fail
from kgraph.worktables import WORK, WORK_TYPE, Part, Rows, Thing
from kgraph.workterms import OPENALEX, Converter, Names, bare_doi, doi_address, openalex_id

Record = Mapping[str, Any]


def read_work(line: bytes | str) -> dict[str, Any]:
    """A record, from a line of JSON. Raises `KgraphError` for what is no JSON object.

    Lone surrogates, which orjson refuses, are let through: the mapping replaces them.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise fail(f"this is no JSON ({error})", "Harvest the record again") from error
    if not isinstance(record, dict):
        raise fail("this is no record of a work, which is a JSON object", "Harvest the record again")
    return record


def openalex_iri(record: Record) -> str:
    """The IRI of a work in OpenAlex. Raises `KgraphError` where the record has no identifier: nothing can be said of it then."""
    ids = record.get("ids")
    local = openalex_id(record.get("id")) or (openalex_id(ids.get("openalex")) if isinstance(ids, dict) else None)
    if local is None:
        raise fail("the record has no OpenAlex identifier of a work", "Harvest it with its id", field="id")
    return OPENALEX + local


def work_iri(record: Record) -> str:
    """The IRI of a work: by its DOI where it has one, else the one in OpenAlex. Raises `KgraphError` as `openalex_iri` does."""
    iri = openalex_iri(record)
    ids = record.get("ids")
    doi = bare_doi(record.get("doi")) or (bare_doi(ids.get("doi")) if isinstance(ids, dict) else None)
    return doi_address(doi) if doi else iri


def work_iris(records: Iterable[Record]) -> dict[str, str]:
    """The IRIs of works that have another than their OpenAlex one, by that one: what `map_work` takes as `known`."""
    return {openalex: iri for record in records if (iri := work_iri(record)) != (openalex := openalex_iri(record))}


def map_work(record: Record, known: Mapping[str, str] | None = None) -> str:
    """The triples of a record, as N-Triples: one a line, each once, always in the same order.

    `known` gives the IRIs of works by their OpenAlex IRI (see `work_iris`): those of cited and related works, which otherwise
    keep their OpenAlex IRI, and that of this work where it is to have another than `work_iri` gives. Its values are taken as
    they are. Raises `KgraphError` as `openalex_iri` does, and for nothing else in a record.
    """
    known = known or {}
    base = openalex_iri(record)
    writer = _Writer(base, known.get(base) or work_iri(record), known)
    node = f"<{writer.own}>"
    writer.lines.append(f"{node}{TYPE}<{WORK_TYPE}>")
    writer.write(node, _WORK, _prepared(record))
    return " .\n".join(dict.fromkeys(writer.lines)) + " .\n"


def _prepared(record: Record) -> dict[str, Any]:
    """A record without what it says twice: its primary and its best open location as numbers in `locations`, its primary topic
    among `topics`, who gave its grants among `funders`, `grants` only where they have a number and there are no awards, and
    `concepts` only where there are no topics."""
    work = dict(record)
    locations = _list(work.get("locations"))
    work["locations"] = locations
    for key in ("primary_location", "best_oa_location"):
        work[key] = _place(work.get(key), locations)
    work["topics"] = topics = _list(work.get("topics"))
    primary = work.get("primary_topic")
    if isinstance(primary, dict) and not any(
        isinstance(topic, dict) and topic.get("id") == primary.get("id") for topic in topics
    ):
        topics.append(primary)
    if topics:
        work["concepts"] = None
    grants = [grant if isinstance(grant, dict) else {} for grant in _list(work.get("grants"))]
    givers = [{"id": grant.get("funder"), "display_name": grant.get("funder_display_name")} for grant in grants]
    work["funders"] = _list(work.get("funders")) + givers
    work["grants"] = None if _list(work.get("awards")) else [grant if grant.get("award_id") else None for grant in grants]
    return work


def _list(value: Any) -> list[Any]:
    """A list, copied; of another value an empty one."""
    return list(value) if isinstance(value, list) else []


def _place(location: Any, locations: list[Any]) -> int | None:
    """The number of a location among all, from 1. The copy that stands there takes over what is known here; a location that
    does not stand there is added."""
    if not isinstance(location, dict):
        return None
    name = location.get("id")
    for number, other in enumerate(locations):
        if _is_same(other, location):
            return number + 1
        if isinstance(other, dict) and name is not None and other.get("id") == name:
            locations[number] = {**other, **{key: value for key, value in location.items() if value is not None}}
            return number + 1
    locations.append(location)
    return len(locations)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal. What is nested as deep as no record is, which cannot be compared, is not."""
    try:
        return bool(one == other)
    except RecursionError:
        return False


### From tables to text

TYPE = f" <{RDF.type}> "
Find = Callable[[Names, dict[str, Any], int], Any]  # in an object that has a number: what a path leads to, one value or a list


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows made ready: the key where the path is no more than that, else how to find the values; the property; what to make."""

    values: tuple[tuple[str, Find | None, str, Converter], ...]
    nodes: tuple[tuple[str, Find | None, str, "_Node"], ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """A `Part` (it has a `kind`) or a `Thing` (it has an `iri`), made ready."""

    kind: str
    key: str
    iri: Converter | None
    types: tuple[str, ...]
    rows: _Rows


@dataclass(slots=True)
class _Writer:
    """The lines of one record as they come; its `Names`."""

    base: str
    own: str
    known: Mapping[str, str]
    lines: list[str] = field(default_factory=list)

    def write(self, node: str, rows: _Rows, about: dict[str, Any], number: int = 0) -> None:
        """The lines that `rows` make of an object whose node is `node` and which has a number in its list. Nothing is linked to
        itself: a list of ancestors begins with the institution, and a work that cites itself is a slip."""
        add, get = self.lines.append, about.get
        for key, find, link, convert in rows.values:
            value = get(key) if find is None else find(self, about, number)
            if value is None:
                continue
            if type(value) is not list:
                term = convert(self, value)
                if term is not None and term != node:
                    add(f"{node}{link}{term}")
                continue
            for item in value:
                term = convert(self, item)
                if term is not None and term != node:
                    add(f"{node}{link}{term}")
        for key, find, link, inner in rows.nodes:
            value = get(key) if find is None else find(self, about, number)
            if value is None:
                continue
            for place, item in enumerate(value if type(value) is list else (value,), start=1):
                if inner.key == ".":
                    item = {".": item}
                elif not isinstance(item, dict):
                    continue
                inside = inner.iri(self, item.get(inner.key)) if inner.iri else f"<{self.base}/{inner.kind}/{place}>"
                if inside is not None:
                    add(f"{node}{link}{inside}")
                    for type_ in inner.types:
                        add(f"{inside}{type_}")
                    self.write(inside, inner.rows, item, place)


def _ready(rows: Rows) -> _Rows:
    values = [(path, _find(path, make), f" <{link}> ", make) for path, link, make in rows if not isinstance(make, Part | Thing)]
    nodes = [(path, _find(path), f" <{link}> ", _node(make)) for path, link, make in rows if isinstance(make, Part | Thing)]
    return _Rows(tuple(values), tuple(nodes))


def _node(make: Part | Thing) -> _Node:
    if isinstance(make, Part):
        return _Node(make.kind, "", None, (f"{TYPE}<{make.type}>",), _ready(make.rows))
    return _Node("", make.key, make.iri, tuple(f"{TYPE}<{type_}>" for type_ in make.types), _ready(make.rows))


def _find(path: str, convert: Converter | None = None) -> Find | None:
    """How to find what a path leads to; None where it is a key and nothing more."""
    if path == ".":
        return lambda names, about, number: about
    if path == "#":
        return lambda names, about, number: number
    if convert is not None and "|" in path:
        return _first([_walk(one.split(".")) for one in path.split("|")], convert)
    return _walk(path.split(".")) if "." in path else None


def _walk(keys: list[str]) -> Find:
    first, rest = keys[0], keys[1:]

    def find(_: Names, about: dict[str, Any], __: int) -> Any:
        found = about.get(first)
        for key in rest:
            if type(found) is dict:
                found = found.get(key)
            elif isinstance(found, list):
                found = [item.get(key) for item in found if isinstance(item, dict)]
                if list in map(type, found):
                    found = [value for values in found for value in (values if isinstance(values, list) else [values])]
            else:
                return None
        return found

    return find


def _first(finds: list[Find], convert: Converter) -> Find:
    """The value that the first path leads to which leads to a term."""

    def find(names: Names, about: dict[str, Any], number: int) -> Any:
        for one in finds:
            value = one(names, about, number)
            if any(convert(names, item) is not None for item in (value if isinstance(value, list) else (value,))):
                return value
        return None

    return find


_WORK = _ready(WORK)
