"""Measures what pages of works cost beside a large number of works: precomputed views, lists, and whole pages; prints Markdown.

    .venv/bin/python tests/benchmarks/bench_work_views.py               10,000 synthetic works, made and built for it
    .venv/bin/python tests/benchmarks/bench_work_views.py 100000
    .venv/bin/python tests/benchmarks/bench_work_views.py -w DIR        a workspace that is built already

Each line is the median and the largest of several calls, warm, in one process. Aims at 100,000 works: a precomputed view costs
less than 10 ms, a page less than 50 ms of server time.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generator import generate, write_harvest

from kgraph.build import build
from kgraph.snapshot import open_published
from kgraph.workindex import FILE
from kgraph.worklist import Wanted, WorkIndex
from kgraph.workspace import Workspace, create_workspace

ROUNDS = 5
CONCEPTS = 5  # concepts and works that are looked at, the commonest and others
FACETS = 8


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds that some work takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def line(name: str, works: Iterable[Callable[[], Any]]) -> None:
    """Prints a line of the table: all of some works, several times, after once to warm up."""
    times = []
    for work in works:
        work()
        times += [timed(work) for _ in range(ROUNDS)]
    print(f"| {name} | {median(times):,.1f} | {max(times):,.1f} |", flush=True)


def measure(workspace: Workspace) -> None:
    """Prints the table."""
    from kgraph.web import create_app

    index = WorkIndex(open_published(workspace).folder / FILE)
    concepts = [one.key for one in index.commonest("concept", 400)]
    concepts = [*concepts[:CONCEPTS], *concepts[:: max(1, len(concepts) // CONCEPTS)]]
    found = index.find(Wanted(), limit=1000)
    works = [work.openalex for work in [*found.works[:CONCEPTS], *found.works[:: len(found.works) // CONCEPTS]]]
    author, topic = index.commonest("author", 1)[0].key, index.commonest("topic", 1)[0].key
    client = create_app(workspace).test_client()

    def page(path: str) -> Callable[[], Any]:
        def get() -> None:
            answer = client.get(path)
            assert answer.status_code == 200, f"{path} answers {answer.status_code}"
            assert answer.data

        return get

    print(f"{found.number:,} synthetic works, {workspace.folder.name}\n")
    print("| what | median, ms | largest, ms |\n|---|---|---|")
    for facet in ("year", "named", "author", "source", "topic", "country"):
        line(f"counted by {facet}, of a concept", [partial(index.counted, c, facet) for c in concepts])
    line("a work of the index", [partial(index.work, w) for w in works])
    line("list of all with facets", [partial(index.find, Wanted(), facets=FACETS)])
    line(
        "list of a concept with facets",
        [partial(index.find, Wanted(values=(("concept", c),)), facets=FACETS) for c in concepts],
    )
    line("list of an author with facets", [partial(index.find, Wanted(values=(("author", author),)), facets=FACETS)])
    line("list of a topic with facets", [partial(index.find, Wanted(values=(("topic", topic),)), facets=FACETS)])
    for text in ("peer support", "loneliness", "同伴支持"):
        line(f"list of «{text}» with facets", [partial(index.find, Wanted(text=text), facets=FACETS)])
    line("page of a work", [page(f"/work/{work}") for work in works])
    line("page of a concept", [page(f"/concept/{concept}") for concept in concepts])
    line("page /works", [page("/works")])
    line("page /works of a concept", [page(f"/works?concept={concept}") for concept in concepts])
    line("page /works of an author", [page(f"/works?author={author}")])
    line("page /works of words", [page("/works?q=peer+support")])
    for path in ("/", "/about", "/concepts", "/study/fan-2024", "/study/fan-2024/references", "/search?q=loneliness"):
        line(f"page {path}", [page(path)])


def main() -> None:
    """Makes the works, if need be, and measures."""
    parser = argparse.ArgumentParser(description="Measures views and pages of works.")
    parser.add_argument("number", type=int, nargs="?", default=10_000)
    parser.add_argument("-w", dest="workspace", type=Path)
    asked = parser.parse_args()
    if asked.workspace:
        measure(Workspace(asked.workspace))
        return
    with TemporaryDirectory(prefix="kgraph-bench-") as folder:
        workspace = create_workspace(Path(folder) / "example", example=True)
        write_harvest(generate(asked.number), workspace.folder, "synthetic")
        build(workspace)
        measure(workspace)


if __name__ == "__main__":
    main()
