"""What `kgraph check` and the build ask of the sources and of the graph."""

from collections.abc import Iterable

import pyoxigraph as ox

from kgraph.errors import Problem
from kgraph.names import ONTOLOGY
from kgraph.queries import load_queries, rows, run


def check_store(store: ox.Store, base: str) -> list[Problem]:
    """The problems that the named check queries find in a store; empty when all is well."""
    problems = []
    for query in load_queries("checks").values():
        for row in rows(run(store, query.text, base)):
            place = " ".join(str(value) for value in row.values() if value is not None)
            problems.append(
                Problem(f"{query.header.get('title', query.name)}: {place}", query.header.get("remedy", ""), check=query.name)
            )
    return problems


def counts(store: ox.Store, base: str) -> dict[str, int]:
    """How many things of each kind a store holds."""
    found = rows(run(store, load_queries("pages")["counts"].text, base))
    return {row["kind"]: row["number"] for row in found}


def check_shapes(sources: Iterable[bytes]) -> list[Problem]:
    """What SHACL finds in the sources' own triples (N-Triples of each source, the evidence model among them)."""
    import pyshacl
    from rdflib import RDF, Graph
    from rdflib.namespace import SH

    data, shapes = Graph(), Graph()
    for content in sources:
        data.parse(data=content, format="nt")
    for path in sorted((ONTOLOGY / "shapes").glob("*.ttl")):
        shapes.parse(path)
    _, results, _ = pyshacl.validate(data, shacl_graph=shapes, inference="none", inplace=True)
    problems = []
    for result in results.subjects(RDF.type, SH.ValidationResult):
        messages = [m for m in results.objects(result, SH.resultMessage) if getattr(m, "language", None) in ("en", None)]
        node, path, value = (results.value(result, name) for name in (SH.focusNode, SH.resultPath, SH.value))
        place = " ".join(str(part) for part in (node, path) if part is not None)
        found = f"{place}: found {value!s}" if value is not None else place
        severity = "error" if results.value(result, SH.resultSeverity) == SH.Violation else "warning"
        problems.append(Problem(found, str(messages[0]) if messages else "", severity=severity, check="shapes"))
    return sorted(problems, key=str)
