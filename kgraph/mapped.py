"""Every source of a workspace as triples: from the cache where it has not changed, mapped anew where it has."""

import json
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyoxigraph as ox
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCTERMS, PROV, RDF, RDFS, XSD

from kgraph.errors import KgraphError, Problem, fail
from kgraph.integrity import pack, unpack
from kgraph.mapping import map_study
from kgraph.mappings import map_mappings, read_mappings
from kgraph.names import CONCEPT, KG
from kgraph.studyfile import load_study
from kgraph.vocabulary import Vocabulary, make_vocabulary, parse_turtle
from kgraph.works import read_ledger
from kgraph.workspace import Source, Workspace, mapping_digest, replace_file

_CONCEPT = re.compile(b"<" + re.escape(str(CONCEPT)).encode() + b"([^>]*)>")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Mapped:
    """The triples of a source as N-Triples, what of them is restricted, and its source text where that is public."""

    source: Source
    public: bytes
    restricted: bytes = b""
    text: str | None = None
    anew: bool = True


def map_sources(workspace: Workspace, sources: list[Source], report: Report) -> tuple[list[Mapped], list[Problem]]:
    """Each source as triples, and what is wrong with those that could not be mapped. Only sound sources are cached."""
    mapped: list[Mapped] = []
    problems: list[Problem] = []
    words: Vocabulary | None = None
    for source in sources:
        found = _from_cache(workspace, source, report)
        if words is None and source.kind in ("study", "mappings"):
            words = vocabulary(workspace)
        if found is None or (words is not None and _is_outdated(found, words)):
            started = time.perf_counter()
            try:
                found = map_source(workspace, source, words)
            except KgraphError as error:
                problems.extend(error.problems)
                continue
            _to_cache(workspace, found)
            triples = found.public.count(b"\n")
            report(f"Mapped {source.graph}: {triples:,} triples in {time.perf_counter() - started:.1f} s")
        mapped.append(found)
    if reused := sum(not one.anew for one in mapped):
        report(f"Unchanged: {reused} of {len(sources)} sources")
    return mapped, problems


def forget_unused(workspace: Workspace, sources: list[Source]) -> None:
    """Empties the cache of everything that these sources do not use."""
    used = {path for source in sources for path in _places(workspace, source)}
    for folder in (workspace.cache, workspace.restricted / "cache"):
        for path in folder.iterdir():
            if path not in used:
                path.unlink()


def map_source(workspace: Workspace, source: Source, words: Vocabulary | None) -> Mapped:
    """The triples of one source. Raises `KgraphError` when anything is wrong with it.

    `words`: the concepts there are, for a source that names concepts (a study, mappings).
    """
    if source.kind == "study":
        return _map_study(source, workspace.settings.base, words)
    if source.kind == "mappings":
        return _map_mappings(source, words)
    if source.kind == "harvest":
        return _map_harvest(source, workspace)
    return Mapped(source, _canonical(quad for path in source.paths for quad in parse_turtle(path)))


def _is_outdated(one: Mapped, words: Vocabulary) -> bool:
    """Whether what is kept of a source names concepts that there are no more, or calls them what they are not called any more."""
    if one.source.kind == "mappings":
        return any(read_mappings(path, words).problems for path in one.source.paths)
    return one.source.kind == "study" and not _concepts(one) <= words.facets.keys()


def _concepts(one: Mapped) -> set[str]:
    """The slugs of the concepts that a source uses."""
    return {slug.decode() for slug in re.findall(_CONCEPT, one.public + one.restricted)}


def vocabulary(workspace: Workspace) -> Vocabulary:
    """All concepts that the packaged ontology and the workspace's own files define, as far as the files can be read."""
    quads: list[ox.Quad] = []
    for path in workspace.ontology_files():
        with suppress(KgraphError):  # what cannot be read is reported where the file itself is mapped
            quads += parse_turtle(path)
    return make_vocabulary(quads)


def _places(workspace: Workspace, source: Source) -> tuple[Path, Path]:
    key = sha256(f"{source.digest}{mapping_digest()}{workspace.settings.base}".encode()).hexdigest()
    return workspace.cache / f"{key}.mapped", workspace.restricted / "cache" / f"{key}.mapped"


def _from_cache(workspace: Workspace, source: Source, report: Report) -> Mapped | None:
    places = _places(workspace, source)
    if not all(place.is_file() for place in places):
        return None
    public, restricted = (unpack(place.read_bytes()) for place in places)
    if public is None or restricted is None:
        report(f"What was kept of {source.graph} is damaged: it is mapped anew")
        return None
    size, _, content = public.partition(b"\n")
    triples, text = content[: int(size)], content[int(size) :]
    return Mapped(source, triples, restricted, text[1:].decode() if text else None, anew=False)


def _to_cache(workspace: Workspace, one: Mapped) -> None:
    """Keeps a source: the length of its public triples in bytes, these, and after a line of its own its text, if there is one."""
    public, restricted = _places(workspace, one.source)
    text = b"" if one.text is None else b"\n" + one.text.encode()
    replace_file(restricted, pack(one.restricted))
    replace_file(public, pack(b"%d\n%b%b" % (len(one.public), one.public, text)))


def _map_study(source: Source, base: str, words: Vocabulary | None) -> Mapped:
    loaded = load_study(source.paths[0], words)
    if loaded.problems:
        raise KgraphError(loaded.problems)
    parts = map_study(loaded, base)
    record = loaded.study.source
    public = record is not None and record.access == "public" and loaded.study.access == "public"
    text = loaded.text.text if public and loaded.text else None
    return Mapped(source, _lines(parts.public), _lines(parts.restricted), text)


def _map_mappings(source: Source, words: Vocabulary | None) -> Mapped:
    tables = [read_mappings(path, words or make_vocabulary([])) for path in source.paths]
    if problems := [problem for table in tables for problem in table.problems]:
        raise KgraphError(problems)
    return Mapped(source, _lines(map_mappings(tables)))


def _map_harvest(source: Source, workspace: Workspace) -> Mapped:
    """What is known of a harvest: the question, when, of whom, how much came and what did not."""
    name = source.paths[0].parent.name
    ledger = read_ledger(workspace, name)
    if ledger is None:
        raise fail("there is no such file", "Take it back from your version control", file=source.paths[0])
    graph, node = Graph(), URIRef(f"{workspace.settings.base}harvest/{name}")
    pairs = [
        (RDF.type, KG.Harvest),
        (RDF.type, PROV.Activity),
        (DCTERMS.identifier, Literal(name)),
        (RDFS.label, Literal(name)),
        (DCTERMS.description, Literal(ledger.says, lang="en")),
        (KG.question, Literal(json.dumps(ledger.question, ensure_ascii=False, sort_keys=True))),
        (DCTERMS.source, Literal(ledger.service)),
        (PROV.startedAtTime, Literal(ledger.began, datatype=XSD.dateTime)),
        (PROV.endedAtTime, Literal(ledger.finished, datatype=XSD.dateTime)),
        (KG.worksCount, Literal(ledger.works)),
        *((KG.notFound, Literal(str(one.get("doi") or one.get("id") or one.get("title")))) for one in ledger.missing),
    ]
    for predicate, value in pairs:
        graph.add((node, predicate, value))
    return Mapped(source, _lines(graph))


def _lines(graph: Any) -> bytes:
    """A graph as sorted N-Triples."""
    return b"".join(sorted(graph.serialize(format="nt", encoding="utf-8").splitlines(keepends=True)))


def _canonical(quads: Iterable[ox.Quad]) -> bytes:
    """Triples as sorted N-Triples whose blank nodes have canonical names (RDFC-1.0): the same input gives the same bytes."""
    dataset = ox.Dataset(quads)
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return b"".join(sorted(f"{quad.triple} .\n".encode() for quad in dataset))
