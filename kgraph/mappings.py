"""Reads tables of mappings to other vocabularies, and carries them into RDF.

A table is SSSOM/TSV (https://mapping-commons.github.io/sssom/): a metadata block in YAML whose lines begin with `#`, a line
of column names, and a line a mapping, separated by tabs. Of the slots of SSSOM 1.0 only those of `Row` and `Header` are read;
any other is refused, so that nothing is dropped unsaid. Everything that is wrong with a table is found at once.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails
from rdflib import Graph, URIRef
from rdflib import Literal as Value
from rdflib.namespace import DCTERMS, OWL, RDF, RDFS, XSD

from kgraph.errors import KgraphError, Problem, fail
from kgraph.identifiers import FORMS, wrong_form
from kgraph.names import CONCEPT, PREFIXES, SSSOM
from kgraph.vocabulary import Vocabulary
from kgraph.yamlfile import YamlFile, parse_yaml, read_text

Predicate = Literal["skos:exactMatch", "skos:closeMatch", "skos:broadMatch", "skos:narrowMatch", "skos:relatedMatch"]
Justification = Literal[
    "semapv:BackgroundKnowledgeBasedMatching",
    "semapv:CompositeMatching",
    "semapv:InstanceBasedMatching",
    "semapv:LexicalMatching",
    "semapv:LexicalSimilarityThresholdMatching",
    "semapv:LogicalReasoning",
    "semapv:ManualMappingCuration",
    "semapv:MappingChaining",
    "semapv:MappingInversion",
    "semapv:MappingReview",
    "semapv:SemanticSimilarityThresholdMatching",
    "semapv:StructuralMatching",
    "semapv:UnspecifiedMatching",
]  # the values that the SSSOM schema allows


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError("no date")
    return date.fromisoformat(text)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"{}|\\^`]+$")]
Day = Annotated[date, BeforeValidator(_day)]


class _Slots(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Header(_Slots):
    """The metadata block: what the table is, under which licence, made by what, and what its prefixes stand for."""

    mapping_set_id: Address
    mapping_set_title: Text
    mapping_set_version: Text | None = None
    license: Address
    curie_map: dict[str, Address]
    object_source: Address | None = None
    object_source_version: Text | None = None
    mapping_tool: Text | None = None
    creator_label: Text | None = None
    comment: Text | None = None


class Row(_Slots):
    """One mapping: a concept of ours, how it matches, and a term of another vocabulary. `line` is where it stands."""

    line: int
    subject_id: Text
    subject_label: Text
    predicate_id: Predicate
    object_id: Text
    object_label: Text
    mapping_justification: Justification
    confidence: float = Field(ge=0, le=1)
    mapping_date: Day
    author_label: Text | None = None
    reviewer_label: Text | None = None
    comment: Text | None = None


@dataclass(frozen=True)
class MappingTable:
    """A table as read: its metadata (None where they cannot be read), its sound rows, and everything that is wrong with it."""

    path: Path
    header: Header | None
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


COLUMNS = {name: info for name, info in Row.model_fields.items() if name != "line"}
REQUIRED = [name for name, info in COLUMNS.items() if info.is_required()]

WRONG = {  # by slot: what a value of the wrong form is, and what to write
    "predicate_id": ("no SKOS mapping property", f"Write one of {', '.join(get_args(Predicate))}"),
    "mapping_justification": ("no mapping justification of semapv", f"Write one of {', '.join(get_args(Justification))}"),
    "confidence": ("no number from 0 to 1", "Write a number such as 0.8"),
    "mapping_date": ("no date", "Write year, month and day, such as 2026-11-25"),
    **dict.fromkeys(("mapping_set_id", "license", "object_source", "curie_map"), ("no address", "Write it from https:// on")),
}


def read_mappings(path: Path, words: Vocabulary) -> MappingTable:
    """A table of mappings of the concepts in `words`, with all its problems.

    Raises `KgraphError` only for a file that cannot be read as text.
    """
    lines = read_text(path).split("\n")
    head = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    header, problems = _header([line[1:] for line in lines[:head]], path)
    rows, more = _rows("\n".join(lines[head:]), head + 1, header.curie_map if header else None, words)
    problems += [replace(problem, file=str(path), check="mappings") for problem in more]
    return MappingTable(path, header, tuple(rows), tuple(problems))


def map_mappings(tables: Iterable[MappingTable]) -> Graph:
    """The triples of sound tables: for each row the SKOS link itself, the label of its target, and a node that says how sure
    the link is, made when, why and by what, in the RDF properties of the SSSOM schema. No blank nodes.
    """
    graph = Graph()
    for table in tables:
        if table.header:
            _map_set(graph, table.header)
            for row in table.rows:
                _map_row(graph, table.header, row)
    return graph


def _header(lines: list[str], path: Path) -> tuple[Header | None, list[Problem]]:
    if not lines:
        found, remedy = "the metadata block is missing", "Begin the file with lines such as: # mapping_set_id: https://..."
        return None, [Problem(found, remedy, str(path), 1, check="mappings")]
    try:
        yaml = parse_yaml("\n".join(lines), path)
    except KgraphError as error:
        return None, [replace(problem, check="mappings") for problem in error.problems]
    problems = []
    header = None
    try:
        header = Header.model_validate(yaml.data)
    except ValidationError as error:
        for details in error.errors():
            where = ".".join(map(str, details["loc"]))
            found, remedy = _said(details, "key", Header.model_fields)
            problems.append(Problem(found, remedy, str(path), yaml.line(tuple(details["loc"])), where, check="mappings"))
    if header:
        problems += _prefixes(header.curie_map, yaml)
    return header, problems


def _prefixes(given: Mapping[str, str], yaml: YamlFile) -> Iterator[Problem]:
    """A prefix that is known here stands for what it is known for, and that of our concepts is there."""
    for prefix in ("concept", "semapv", "skos", *FORMS):
        stands_for, known = given.get(prefix, ""), PREFIXES[prefix]
        found = f"{prefix} stands for {stands_for}" if stands_for else "the prefix concept is missing"
        if stands_for not in (known, "") or (prefix == "concept" and not stands_for):
            line = yaml.line(("curie_map", prefix))
            yield Problem(found, f"Write {prefix}: {known}", str(yaml.path), line, "curie_map", check="mappings")


def _rows(text: str, first: int, prefixes: Mapping[str, str] | None, words: Vocabulary) -> tuple[list[Row], list[Problem]]:
    """The sound rows, and the problems of all. `first` is the line of the file on which `text` begins."""
    rows: list[Row] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    try:
        lines = _cells(text, first)
        line, columns = next(lines, (first, []))
        problems += _columns(columns, line)
        for line, cells in lines:
            if len(cells) != len(columns):
                found = f"{len(cells)} cells stand here and {len(columns)} columns above"
                problems.append(Problem(found, "Write one cell a column, divided by tabs; a cell may be empty", line=line))
                continue
            values = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if name in COLUMNS and cell.strip()}
            row, wrong = _row(values, columns, line)
            wrong += [*_meanings(values, prefixes, words), *_repeated(values, line, seen)]
            problems += [Problem(found, remedy, line=line, field=column) for column, found, remedy in wrong]
            if row and not wrong:
                rows.append(row)
    except KgraphError as error:
        problems += error.problems
    return rows, problems


def _cells(text: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """Each line of a table that is not empty, as cells, and the number of the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    while True:
        line = first + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise fail(
                f"the cells cannot be told apart ({error})", "Double the quotation marks inside a cell", line=line
            ) from error
        if any(cells):
            yield line, cells


def _columns(columns: list[str], line: int) -> Iterator[Problem]:
    if not columns:
        yield Problem("the line of column names is missing", f"Write it: {' '.join(COLUMNS)}, divided by tabs", line=line)
    for name in REQUIRED if columns else []:
        if name not in columns:
            yield Problem("this column is missing", f"Add the column {name}", line=line, field=name)
    for name, number in Counter(columns).items():
        if name not in COLUMNS:
            yield Problem("this column is not known", f"Take it out; known here: {', '.join(COLUMNS)}", line=line, field=name)
        elif number > 1:
            yield Problem("this column stands twice", "Keep one of them", line=line, field=name)


Finding = tuple[str, str, str]  # column, what was found, remedy


def _row(values: Mapping[str, str], columns: list[str], line: int) -> tuple[Row | None, list[Finding]]:
    """The record of a row, or the cells that are empty or have not the form that their column wants."""
    wrong: list[Finding] = []
    try:
        return Row.model_validate({**values, "line": line}), wrong
    except ValidationError as error:
        for details in error.errors():
            column = str(details["loc"][0])
            if details["type"] != "missing":
                wrong.append((column, *_said(details, "column", COLUMNS)))
            elif column in columns:
                wrong.append((column, "nothing stands here", WRONG.get(column, ("", "Write it, or take the row out"))[1]))
    return None, wrong


def _meanings(values: Mapping[str, str], prefixes: Mapping[str, str] | None, words: Vocabulary) -> Iterator[Finding]:
    """Cells that do not say what there is: a concept and its name, a term of a vocabulary, a match that may hold."""
    subject = values.get("subject_id", "")
    slug = subject.removeprefix("concept:")
    if subject and slug == subject:
        yield "subject_id", f"{subject!r} is no concept", "Write concept: and the concept's slug, such as concept:peer-support"
    elif subject and slug not in words:
        yield "subject_id", f"there is no concept {slug!r}", words.suggest(slug) or "See the concepts: kgraph serve"
    elif subject:
        label, name = values.get("subject_label", ""), words.names.get(slug, "")
        if label and label != name:
            yield "subject_label", f"{label!r} is not what {slug} is called", f"Write {name}"
        if words.facets[slug] == "CulturalConstruct" and values.get("predicate_id") == "skos:exactMatch":
            found = f"{slug} is a cultural construct, which nothing outside its culture matches exactly"
            yield "predicate_id", found, "Write skos:closeMatch or skos:relatedMatch, and in the comment what differs"
    if "object_id" in values and prefixes is not None:
        yield from _object(values["object_id"], prefixes)


def _object(given: str, prefixes: Mapping[str, str]) -> Iterator[Finding]:
    prefix, colon, local = given.partition(":")
    known = ", ".join(name for name in prefixes if name not in ("concept", "semapv", "skos"))
    if not colon or prefix not in prefixes:
        found = f"the prefix {prefix!r} is not in the curie_map" if colon else f"{given!r} has no prefix"
        remedy = f"Write one of {known or 'its prefixes'} and a colon before the identifier, or add a prefix there"
        yield "object_id", found, remedy
        return
    if wrong := wrong_form(prefixes[prefix], local):
        yield "object_id", f"{given!r} {wrong[0]}", wrong[1]


def _repeated(values: Mapping[str, str], line: int, seen: dict[tuple[str, str], tuple[str, int]]) -> Iterator[Finding]:
    pair = values.get("subject_id", ""), values.get("object_id", "")
    predicate = values.get("predicate_id", "")
    before, where = seen.setdefault(pair, (predicate, line))
    if where == line or not all(pair):
        return
    if before == predicate:
        yield "object_id", f"the same mapping stands on line {where}", "Keep one of them"
    else:
        yield "predicate_id", f"line {where} maps the same pair by {before}", "Keep the one that holds"


def _said(details: ErrorDetails, what: str, known: Iterable[str]) -> tuple[str, str]:
    """An error of pydantic in words: what was found, and the remedy. `what` is what a slot is here: a key or a column."""
    slot = str(details["loc"][0]) if details["loc"] else ""
    match details["type"]:
        case "missing":
            return f"this {what} is missing", f"Add {details['loc'][-1]}"
        case "extra_forbidden":
            return f"this {what} is not known", f"Take it out; known here: {', '.join(known)}"
        case "string_too_short" | "string_type":
            return "a text is wanted here", f"Write it, or take the {what} out"
        case "model_type" | "dict_type":
            return "keys with values are wanted here", "Write one a line, indented: key: value"
    is_wrong, remedy = WRONG.get(slot, ("not what is wanted here", ""))
    return f"{details['input']!r} is {is_wrong}", remedy


def _map_set(graph: Graph, header: Header) -> None:
    node = URIRef(header.mapping_set_id)
    literals = (
        (DCTERMS.identifier, header.mapping_set_id.rstrip("/").rsplit("/", 1)[-1]),
        (DCTERMS.title, header.mapping_set_title),
        (OWL.versionInfo, header.mapping_set_version),
        (SSSOM.object_source_version, header.object_source_version),
        (SSSOM.mapping_tool, header.mapping_tool),
        (SSSOM.creator_label, header.creator_label),
        (RDFS.comment, header.comment),
    )
    graph.add((node, RDF.type, SSSOM.MappingSet))
    graph.add((node, DCTERMS.license, URIRef(header.license)))
    if header.object_source:
        graph.add((node, SSSOM.object_source, URIRef(header.object_source)))
    _add_literals(graph, node, literals)


def _map_row(graph: Graph, header: Header, row: Row) -> None:
    slug = row.subject_id.removeprefix("concept:")
    prefix, _, local = row.object_id.partition(":")
    concept, target = CONCEPT[slug], URIRef(header.curie_map[prefix] + local)
    predicate = _term(row.predicate_id)
    identifier = f"{slug}-{quote(local, safe='')}"
    node = URIRef(f"{header.mapping_set_id.rstrip('/')}/{identifier}")
    for triple in (
        (concept, predicate, target),
        (target, RDFS.label, Value(row.object_label, lang="en")),
        (URIRef(header.mapping_set_id), SSSOM.mappings, node),
        (node, RDF.type, SSSOM.Mapping),
        (node, RDF.type, OWL.Axiom),  # the class that the SSSOM schema gives a mapping in RDF
        (node, OWL.annotatedSource, concept),
        (node, OWL.annotatedProperty, predicate),
        (node, OWL.annotatedTarget, target),
        (node, SSSOM.mapping_justification, _term(row.mapping_justification)),
        (node, SSSOM.confidence, Value(str(row.confidence), datatype=XSD.double)),
        (node, DCTERMS.created, Value(row.mapping_date)),
    ):
        graph.add(triple)
    literals = (
        (DCTERMS.identifier, identifier),
        (SSSOM.subject_label, row.subject_label),
        (SSSOM.object_label, row.object_label),
        (SSSOM.author_label, row.author_label),
        (SSSOM.reviewer_label, row.reviewer_label),
        (RDFS.comment, row.comment),
    )
    _add_literals(graph, node, literals)


def _add_literals(graph: Graph, node: URIRef, literals: Iterable[tuple[URIRef, Any]]) -> None:
    for property_, value in literals:
        if value is not None:
            graph.add((node, property_, Value(value)))


def _term(name: str) -> URIRef:
    prefix, _, local = name.partition(":")
    return URIRef(PREFIXES[prefix] + local)
