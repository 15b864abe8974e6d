"""Measures kgraph beside a limit or a peer, in one run, and prints the ratios as a Markdown table.

    .venv/bin/python tests/benchmarks/bench.py

Times swing from run to run and machine to machine; the ratios are what counts. Medians of alternating rounds.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pyoxigraph as ox

from kgraph.build import build
from kgraph.mapped import map_sources
from kgraph.snapshot import Snapshot, open_published
from kgraph.web import create_app
from kgraph.workspace import Workspace, create_workspace

ROUNDS = 5
PAGE_ROUNDS = 40
STUDY = "study/fan-2024"
PAGES = (
    "",
    "search?q=stigma",
    "concepts",
    "concepts/mechanism",
    "concepts/a-z?letter=S",
    "concept/self-disclosure",
    "concept/chaxugeju",
    STUDY,
    f"{STUDY}/theme/selective-self-exposure",
    f"{STUDY}/quotation/q08",
    f"{STUDY}/participant/P12",
    f"{STUDY}/assertion/a150",
    f"{STUDY}/reference/25",
    f"{STUDY}/issues",
    "quotations",
    "assertions",
    "map",
)


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compared(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of two pieces of work, taken in turns."""
    pairs = [(timed(first), timed(second)) for _ in range(rounds)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def row(what: str, seconds: float, peer: str, limit: float) -> None:
    """Prints a line of the table."""
    print(f"| {what} | {seconds * 1000:,.1f} ms | {peer} | {limit * 1000:,.1f} ms | {seconds / limit:.2f} |", flush=True)


def bench_build(folder: Path) -> None:
    """Builds: from nothing, with one file changed, with nothing changed; beside loading the same triples into a store."""
    count = 0

    def fresh() -> Workspace:
        nonlocal count
        count += 1
        return create_workspace(folder / f"w{count}", example=True)

    workspace = fresh()
    build(workspace)
    mapped, _ = map_sources(workspace, list(workspace.sources()), lambda line: None)
    triples = {one.source.graph: one.public for one in mapped}

    def load() -> None:
        nonlocal count
        count += 1
        store = ox.Store(str(folder / f"store{count}"))
        for graph, content in triples.items():
            store.bulk_load(content, ox.RdfFormat.N_TRIPLES, to_graph=ox.NamedNode("urn:" + graph))
        store.optimize()
        store.flush()

    def change() -> None:
        path = workspace.folder / "studies" / "fan-2024.yaml"
        path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        build(workspace)

    spaces = [fresh() for _ in range(ROUNDS)]
    whole, limit = compared(lambda: build(spaces.pop()), load, ROUNDS)
    row("build of the example from nothing", whole, "bulk load and optimize of the same triples", limit)
    changed, whole_again = compared(change, lambda: build(fresh()), ROUNDS)
    row("build with the study changed", changed, "build from nothing", whole_again)
    nothing, whole_again = compared(lambda: build(workspace), lambda: build(fresh()), ROUNDS)
    row("build with nothing changed", nothing, "build from nothing", whole_again)


def bench_pages(workspace: Workspace) -> None:
    """Each page beside its named queries alone."""
    client = create_app(workspace).test_client()
    snapshot = open_published(workspace)
    asked: list[tuple[str, dict[str, Any]]] = []
    ask = Snapshot.ask

    def record(self: Snapshot, name: str, **parameters: object) -> list[dict[str, Any]]:
        asked.append((name, parameters))
        return ask(self, name, **parameters)

    ratios = []
    for path in PAGES:
        client.get(f"/{path}")  # labels and templates are read once
        asked.clear()
        Snapshot.ask = record  # type: ignore[method-assign]
        status = client.get(f"/{path}").status_code
        Snapshot.ask = ask  # type: ignore[method-assign]
        if status != 200:
            raise SystemExit(f"/{path} answers {status}")
        questions = list(asked)
        if not questions:
            print(f"| page /{path} | | asks no query | | |")
            continue
        page, queries = compared(
            lambda path=path: client.get(f"/{path}"),  # type: ignore[misc]
            lambda questions=questions: [ask(snapshot, name, **parameters) for name, parameters in questions],  # type: ignore[misc]
            PAGE_ROUNDS,
        )
        ratios.append(page / queries)
        row(f"page /{path}", page, f"its {len(questions)} queries", queries)
    print(f"| **pages, median** | | their queries | | **{median(ratios):.2f}** |")


def bench_commands(workspace: Workspace) -> None:
    """`kgraph --help` beside a Python that does nothing; `kgraph study check` beside one that imports what it needs."""

    def run(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)

    shown, nothing = compared(run("-m", "kgraph", "--help"), run("-c", "pass"), 15)
    row("`kgraph --help`", shown, "`python -c pass`", nothing)
    imports = "import pydantic, pyoxigraph, rdflib, typer, yaml"
    for name in ("strand2020-reconnect", "fan-2024"):
        path = workspace.folder / "studies" / f"{name}.yaml"
        lines = path.read_text(encoding="utf-8").count("\n")
        check = run("-m", "kgraph", "study", "check", str(path))
        checked, imported = compared(check, run("-c", imports), 9)
        row(f"`kgraph study check` of {lines:,} lines", checked, "importing the libraries it needs", imported)


def main() -> None:
    """Runs all of them."""
    print("| what | time | beside | its time | ratio |\n|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        bench_build(Path(folder))
        workspace = create_workspace(Path(folder) / "pages", example=True)
        build(workspace)
        bench_pages(workspace)
        bench_commands(workspace)


if __name__ == "__main__":
    main()
