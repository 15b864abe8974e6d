"""Checks the sources' own triples against the SHACL shapes of `ontology/shapes`."""

from collections.abc import Iterable
from pathlib import Path

import pyoxigraph as ox
import pyshacl
from rdflib import RDF, BNode, Graph, URIRef
from rdflib.collection import Collection
from rdflib.namespace import SH
from rdflib.term import Node

from kgraph.answers import shorten
from kgraph.errors import Problem
from kgraph.names import ONTOLOGY
from kgraph.vocabulary import concept_places, place_of

_TARGETS = (SH.targetClass, SH.targetSubjectsOf)


def check_shapes(sources: Iterable[bytes], base: str, files: Iterable[Path] = ()) -> list[Problem]:
    """What SHACL finds in N-Triples: those of each source, the evidence model among them for its subclasses.

    `base` is the IRI under which the workspace's own things stand; messages leave it out. `files` are the Turtle files with
    concepts: a problem with one of these says where the concept stands.
    """
    data = Graph()
    for content in sources:
        data.parse(data=content, format="nt")
    _, results, _ = pyshacl.validate(data, shacl_graph=load_shapes(), inference="none", inplace=True, allow_warnings=True)
    problems: dict[Problem, None] = {}
    found_results = list(results.subjects(RDF.type, SH.ValidationResult))
    places = concept_places(files) if found_results else {}
    for result in found_results:
        messages = [m for m in results.objects(result, SH.resultMessage) if getattr(m, "language", None) in ("en", None)]
        node, path, value = (results.value(result, name) for name in (SH.focusNode, SH.resultPath, SH.value))
        place = " ".join(_short(part, base) for part in (node, path) if part is not None)
        found = f"{place}: found {_short(value, base)}" if value is not None else place
        severity = "error" if results.value(result, SH.resultSeverity) == SH.Violation else "warning"
        file, line = place_of([str(node)], places) or ("", None)
        remedy = str(messages[0]) if messages else ""
        problems[Problem(found, remedy, str(file), line, severity=severity, check="shapes")] = None
    return sorted(problems, key=str)


def _short(term: Node, base: str) -> str:
    return shorten(ox.NamedNode(str(term)), base) if isinstance(term, URIRef) else str(term)


def load_shapes() -> Graph:
    """The packaged shapes, flattened: each property shape has the targets of its node shape.

    pySHACL then checks it once for all nodes instead of once a node, in half the time with the same results.
    """
    shapes = Graph()
    for path in sorted((ONTOLOGY / "shapes").glob("*.ttl")):
        shapes.parse(path)
    for node in set(shapes.subjects(SH.property)):
        targets = [(name, target) for name in _TARGETS for target in shapes.objects(node, name)]
        if not targets:
            continue
        allowed = []
        for part in list(shapes.objects(node, SH.property)):
            for name, target in targets:
                shapes.add((part, name, target))
            on = shapes.value(part, SH.path)
            if isinstance(on, URIRef):
                allowed.append(on)
            shapes.remove((node, SH.property, part))
        if (node, SH.closed, None) in shapes:
            ignored = shapes.value(node, SH.ignoredProperties)
            head = BNode()
            Collection(shapes, head, [*(Collection(shapes, ignored) if ignored is not None else ()), *allowed])
            shapes.set((node, SH.ignoredProperties, head))
    return shapes
