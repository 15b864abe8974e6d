"""What `kgraph check` and the build ask of the graph."""

import pyoxigraph as ox

from kgraph.answers import shorten
from kgraph.errors import Problem
from kgraph.queries import load_queries, rows, run


def check_store(store: ox.Store, base: str, warnings: bool = False) -> list[Problem]:
    """The problems that the named check queries find in a store, one a row: errors alone, or `warnings` and notes too."""
    problems = []
    for query in load_queries("checks").values():
        if query.header["severity"] != "error" and not warnings:
            continue
        answer = run(store, query.text, base)
        names = [variable.value for variable in answer.variables]
        for solution in answer:
            values = {name: shorten(solution[name], base) if solution[name] else "-" for name in names}
            found, remedy = (query.header[part].format_map(values) for part in ("message", "remedy"))
            problems.append(Problem(found, remedy, severity=query.header["severity"], check=query.name))
    return problems


def counts(store: ox.Store, base: str) -> dict[str, int]:
    """How many things of each kind a store holds."""
    found = rows(run(store, load_queries("pages")["counts"].text, base))
    return {row["kind"]: row["number"] for row in found}
