"""`kgraph dump`: the graph as files, for others to load.

Imports that cost time stand in the function, so that `kgraph --help` stays quick.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgraph.errors import fail

if TYPE_CHECKING:
    from kgraph.dumps import Dump

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
DEFAULT = "nq.gz"


def dump(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")] = Path("."),
    workspace: Folder = Path("."),
    graph: Annotated[
        list[str] | None, typer.Option(help="A graph: study-fan-2024, its path or IRI; works; all. Several times for several.")
    ] = None,
    format_: Annotated[list[str] | None, typer.Option("--format", help="nq.gz (the default), trig, jsonld.")] = None,
    names: Annotated[bool, typer.Option("--list", help="List the graphs instead.")] = False,
) -> None:
    """Write the published graph into files: everything, or some of its graphs. What is restricted is never written."""
    from kgraph.answers import print_table
    from kgraph.description import Described
    from kgraph.dumps import list_dumps, write_dump
    from kgraph.keeping import bytes_in_words
    from kgraph.snapshot import open_published
    from kgraph.workspace import find_workspace

    opened = open_published(find_workspace(workspace))
    dumps = list_dumps(Described.of(opened))
    if names:
        rows = {one.short or "all": (one.short or "all", f"{one.triples:,}", one.graph) for one in dumps}
        print_table(("graph", "triples", "IRI"), list(rows.values()), sys.stdout)
        return
    for chosen in [_find(dumps, one, form, opened.base) for one in graph or ["all"] for form in format_ or [DEFAULT]]:
        path = write_dump(opened, chosen.graph, chosen.form, folder)
        print(f"{path}: {chosen.triples:,} triples, {bytes_in_words(path.stat().st_size)}")


def _find(dumps: "list[Dump]", graph: str, form: str, base: str) -> "Dump":
    """The dump of a graph that somebody names. Raises `KgraphError` with near names."""
    from kgraph.dumps import FORMS
    from kgraph.validation import nearest

    if form not in FORMS:
        raise fail(f"there is no format {form!r}", f"Use one of: {' '.join(FORMS)}")
    for one in dumps:
        called = (one.short or "all", one.graph, one.graph.removeprefix(base), one.graph.removeprefix(f"{base}graph/"))
        if one.form == form and graph in called:
            return one
    near = nearest(graph, dict.fromkeys(one.short or "all" for one in dumps))
    raise fail(f"there is no graph {graph!r}", near or "See which there are: kgraph dump --list")
