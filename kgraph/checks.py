"""What `kgraph check` and the build ask of the graph."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox

from kgraph.answers import shorten
from kgraph.errors import Problem
from kgraph.queries import load_queries, rows, run
from kgraph.vocabulary import concept_places, place_of


def check_store(store: ox.Store, base: str, warnings: bool = False, files: Iterable[Path] = ()) -> list[Problem]:
    """The problems that the named check queries find in a store, one a row: errors alone, or `warnings` and notes too.

    `files` are the Turtle files whose concepts are in it: a problem with one of these says where the concept stands.
    """
    problems = []
    places: dict[str, tuple[Path, int]] | None = None
    for query in load_queries("checks").values():
        if query.header["severity"] != "error" and not warnings:
            continue
        answer = run(store, query.text, base)
        names = [variable.value for variable in answer.variables]
        for solution in answer:
            values = {name: shorten(solution[name], base) if solution[name] else "-" for name in names}
            found, remedy = (query.header[part].format_map(values) for part in ("message", "remedy"))
            problem = Problem(found, remedy, severity=query.header["severity"], check=query.name)
            if problem.severity != "note":
                places = concept_places(files) if places is None else places
                named = [term.value for name in names if isinstance(term := solution[name], ox.NamedNode)]
                if place := place_of(named, places):
                    problem = replace(problem, file=str(place[0]), line=place[1])
            problems.append(problem)
    return problems


def counts(store: ox.Store, base: str) -> dict[str, int]:
    """How many things of each kind a store holds."""
    found = rows(run(store, load_queries("pages")["counts"].text, base))
    return {row["kind"]: row["number"] for row in found}
