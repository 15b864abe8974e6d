"""Measures the build of a workspace with synthetic works beside its limit and beside rdflib, and prints a Markdown table.

    .venv/bin/python tests/benchmarks/bench_build_works.py                       10,000 works
    .venv/bin/python tests/benchmarks/bench_build_works.py 1000 100000           other numbers
    .venv/bin/python tests/benchmarks/bench_build_works.py --ways limit,kgraph   some of the ways only

The ways, each in a process of its own:
- limit: one process reads each line (orjson), makes the very same triples of it, writes them to a file as N-Quads, loads that in
  bulk into a new store on disk and puts it in order: all that has to be done, with nothing that makes it worth while (no index,
  no counts, no checks). Once with all in a named graph, and once with works in the default graph as the build has them.
- rdflib: what one would write with rdflib: one graph in memory, written out as N-Triples. Only for few works.
- kgraph: `kgraph build` in a new workspace that holds the works as a harvest; with nothing changed; and with 1,000 works added.

Times swing from run to run and machine to machine; the ratios are what counts. Memory is that of the largest process, and the
most that all processes of a run held together (sampled; pages that they share are counted once for each).
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyoxigraph as ox
from rdflib import Graph

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from generator import generate, write_harvest

from kgraph.mentions import map_mentions
from kgraph.names import ONTOLOGY
from kgraph.settings import DEFAULT_BASE
from kgraph.tagging import Tagger, read_labels
from kgraph.vocabulary import parse_turtle
from kgraph.workindex import text_of
from kgraph.workmapping import map_work, openalex_iri, read_work, work_iris
from kgraph.works import LEDGER, WORKS
from kgraph.workspace import create_workspace
from works_in_rdflib import map_plainly

GRAPH = "https://example.org/graph/works"
HARVEST = "synthetic"
MORE = 1000  # works that are added
FEW = 10_000  # works that rdflib is given at most
PAUSE = 0.1  # seconds between two looks at the memory of processes
MEGABYTE = 2**20
Phases = dict[str, float]


@contextmanager
def timed(phases: Phases, name: str) -> Iterator[None]:
    """Notes the seconds that a phase takes."""
    started = time.perf_counter()
    yield
    phases[name] = phases.get(name, 0) + time.perf_counter() - started


def labels() -> list[tuple[str, str, str]]:
    """The labels of the packaged concepts."""
    return sorted(read_labels(quad for path in (ONTOLOGY / "concepts").glob("*.ttl") for quad in parse_turtle(path)))


def lines_of(works: Path) -> Iterator[bytes]:
    """The lines of a harvest."""
    with gzip.open(works) as stream:
        yield from stream


def limit(works: Path, folder: Path, graph: str | None) -> Phases:
    """Map, load, put in order; the seconds of each, and the triples."""
    phases: Phases = {}
    text, triples = folder / "works.nq", 0
    with timed(phases, "names"):
        known = work_iris(map(read_work, lines_of(works)))
        tagger = Tagger(labels())
    with timed(phases, "map"), text.open("w", encoding="utf-8") as file:
        for line in lines_of(works):
            record = read_work(line)
            mapped = map_work(record, known)
            if graph:
                mapped = mapped.replace(" .\n", f" <{graph}> .\n")
            title, abstract = text_of(record)
            found = {"title": (title, tagger.tag(title, abstract)), "abstract": (abstract, tagger.tag(abstract))}
            iri = openalex_iri(record)
            mapped += map_mentions(iri, known.get(iri, iri), found, DEFAULT_BASE)
            triples += mapped.count("\n")
            file.write(mapped)
    store = ox.Store(str(folder / "store"))
    with timed(phases, "load"):
        store.bulk_load(path=text, format=ox.RdfFormat.N_QUADS)
    with timed(phases, "optimize"):
        store.optimize()
        store.flush()
    return {**phases, "triples": triples}


def with_rdflib(works: Path, folder: Path) -> Phases:
    """One graph of all works in memory, written out; the seconds of each, and the triples as `map_work` counts them."""
    phases: Phases = {}
    graph, triples = Graph(), 0
    with timed(phases, "names"):
        known = work_iris(map(read_work, lines_of(works)))
    with timed(phases, "map"):
        for line in lines_of(works):
            one = map_plainly(read_work(line), known)
            triples += len(one)
            graph += one
    with timed(phases, "write"):
        graph.serialize(folder / "works.nt", format="nt", encoding="utf-8")
    return {**phases, "triples": triples}


INSIDE: dict[str, Callable[[Path, Path], Phases]] = {  # what a process of its own does
    "limit, all in named graphs": lambda works, folder: limit(works, folder, GRAPH),
    "limit, works in the default graph": lambda works, folder: limit(works, folder, None),
    "rdflib, in memory": with_rdflib,
}


@dataclass
class Run:
    """What a process and those that it started have used: seconds; bytes of the largest and of all together."""

    seconds: float = 0
    largest: int = 0
    together: int | None = None
    output: str = ""
    phases: Phases = field(default_factory=dict)


def session_memory(session: int) -> int | None:
    """Bytes that all processes of a session hold in memory; None where the system does not say."""
    if not Path("/proc/self/stat").exists():
        return None
    total = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            after = (path / "stat").read_text().rpartition(")")[2].split()  # a name may hold anything, also parentheses
            if int(after[3]) == session:
                total += int((path / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            continue  # it has just ended
    return total


def run(command: list[str]) -> Run:
    """Runs a command to its end, and measures it. Raises `RuntimeError` with what it said where it fails."""
    found, done = Run(), threading.Event()
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", start_new_session=True
    ) as process:

        def watch() -> None:
            while not done.wait(PAUSE):
                if (held := session_memory(process.pid)) is not None:
                    found.together = max(found.together or 0, held)

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert process.stdout is not None
        found.output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        done.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    found.seconds = time.perf_counter() - started
    found.largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{found.output}")
    return found


def run_inside(way: str, harvest: Path, folder: Path) -> Run:
    """Runs one of the ways of `INSIDE` in a process of its own."""
    folder.mkdir()
    found = run([sys.executable, __file__, "--inside", way, str(harvest / WORKS), str(folder)])
    found.phases = json.loads(found.output.splitlines()[-1])
    return found


def run_build(harvest: Path, folder: Path) -> Iterator[tuple[str, Run]]:
    """Builds a new workspace with a harvest, and then once more with nothing changed."""
    workspace = create_workspace(folder, example=False).folder
    target = workspace / "works" / HARVEST
    target.mkdir(parents=True)
    for name in (WORKS, LEDGER):
        shutil.copyfile(harvest / name, target / name)
    command = [sys.executable, "-m", "kgraph", "build", "-w", str(workspace)]
    yield "`kgraph build`", run(command)
    yield "`kgraph build`, nothing changed", run(command)
    with gzip.open(target / WORKS) as stream:
        there = {read_work(line)["id"] for line in stream}
    more = (work for work in generate(2 * MORE, seed=2) if work["id"] not in there)
    write_harvest(islice(more, MORE), workspace, "more")
    yield f"`kgraph build`, {MORE:,} works added", run(command)


def size(folder: Path) -> int:
    """Bytes of the stores in a folder; what is there twice by hard links counts once."""
    found = {(stat.st_dev, stat.st_ino): stat.st_size for path in folder.rglob("*") if path.is_file() for stat in [path.stat()]}
    return sum(found.values())


def row(way: str, number: int, found: Run, triples: float, folder: Path, base: float) -> None:
    """Prints a line of the table."""
    together = f"{found.together / MEGABYTE:,.0f}" if found.together else ""
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found.phases.items() if name != "triples")
    rate = f"{triples / found.seconds:,.0f}" if triples else ""
    cells = (way, f"{number:,}", f"{found.seconds:,.1f}", f"{number / found.seconds:,.0f}", rate)
    more = (
        f"{found.seconds / base:.2f}",
        f"{found.largest / MEGABYTE:,.0f}",
        together,
        f"{size(folder) / MEGABYTE:,.0f}",
        phases,
    )
    print(f"| {' | '.join((*cells, *more))} |", flush=True)


def bench(number: int, ways: list[str], folder: Path) -> None:
    """Prints the lines of the table for so many works."""
    harvest = write_harvest(generate(number), folder / "from", HARVEST)
    triples = base = 0.0
    for place, way in enumerate(INSIDE):
        if way.split(",")[0] not in ways or (way.startswith("rdflib") and number > FEW):
            continue
        there = folder / f"run{place}"
        found = run_inside(way, harvest, there)
        triples, base = found.phases["triples"], base or found.seconds
        row(way, number, found, triples, there, base)
        shutil.rmtree(there)
    if "kgraph" in ways:
        there = folder / "workspace"
        for way, found in run_build(harvest, there):
            base = base or found.seconds
            row(way, number, found, triples, there, base)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures the build of a workspace with synthetic works.")
    parser.add_argument("numbers", type=int, nargs="*", default=[10_000], help="how many works")
    parser.add_argument("--ways", default="limit,rdflib,kgraph")
    parser.add_argument("--inside", nargs=3, metavar=("WAY", "WORKS", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        way, works, folder = asked.inside
        print(json.dumps(INSIDE[way](Path(works), Path(folder))))
        return
    print("Synthetic works (`tests/benchmarks/generator.py`). Memory and disk in MiB.\n")
    print(
        "| way | works | seconds | works/s | triples/s | times the first | largest process | all processes | disk | seconds of |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for number in asked.numbers:
        with TemporaryDirectory(prefix="kgraph-bench-") as folder:
            bench(number, asked.ways.split(","), Path(folder))


if __name__ == "__main__":
    main()
