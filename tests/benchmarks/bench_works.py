"""Measures the mapping of OpenAlex works to N-Triples beside a plain mapping with rdflib by the same table, in one run.

    .venv/bin/python tests/benchmarks/bench_works.py

From a line of JSON to the bytes of the triples, for the 200 real records of the tests. Times swing from run to run and machine to
machine; the ratio is what counts. Medians of alternating rounds, in time of the processor.
"""

import gzip
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from kgraph.workmapping import map_work, read_work, work_iris
from works_in_rdflib import map_plainly

TESTS = Path(__file__).parents[1]
ROUNDS = 5


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor that some work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Prints the table."""
    with gzip.open(TESTS / "data" / "openalex" / "works.jsonl.gz") as stream:
        lines = stream.read().splitlines()
    known = work_iris(map(read_work, lines))
    triples = sum(map_work(read_work(line), known).count("\n") for line in lines)

    def write() -> None:
        for line in lines:
            map_work(read_work(line), known).encode()

    def build() -> None:
        for line in lines:
            map_plainly(read_work(line), known).serialize(format="nt", encoding="utf-8")

    def read() -> None:
        for line in lines:
            read_work(line)

    rounds = [(timed(write), timed(build), timed(read)) for _ in range(ROUNDS)]
    ours, plain, reading = (median(one[place] for one in rounds) for place in range(3))
    ratio = median(one[1] / one[0] for one in rounds)
    print(f"{len(lines)} records, {triples / len(lines):.0f} triples each\n")
    print("| way | records/s | µs a triple | times as fast as rdflib |")
    print("|---|---|---|---|")
    for name, seconds, times in (("kgraph, text", ours, f"{ratio:.1f}"), ("rdflib", plain, "1")):
        print(f"| {name} | {len(lines) / seconds:,.0f} | {seconds / triples * 1e6:.1f} | {times} |")
    print(f"| reading the JSON alone | {len(lines) / reading:,.0f} | | |")


if __name__ == "__main__":
    main()
