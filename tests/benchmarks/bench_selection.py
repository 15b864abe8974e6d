"""Measures the selection from a snapshot beside a plain loop, in one run: records a second, on one processor and on all.

    .venv/bin/python tests/benchmarks/bench_selection.py [RECORDS]

The records are the 200 real ones of the tests over and over, each time with ids of their own, in four gzip files. The plain loop
is gzip and json of Python in one process. Times swing from run to run and machine to machine; the ratio is what counts.
"""

import gzip
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isal import igzip

from kgraph.copyreading import PartJournal, all_cores, read_parts
from kgraph.openalexcopy import Copy, open_copy
from kgraph.selection import Conditions, fold, select

TESTS = Path(__file__).parents[1]
PARTS = 4
Record = dict[str, Any]


def topics(record: Record) -> bool:
    """Whether a record has the topic of altmetrics."""
    return any(topic["id"].endswith("/T10102") for topic in record.get("topics") or ())


def term(record: Record) -> bool:
    """Whether a record has the phrase in title or abstract."""
    index = record.get("abstract_inverted_index") or {}
    words = sorted((place, word) for word, places in index.items() for place in places)
    texts = record.get("title") or "", " ".join(word for _, word in words)
    return any(re.search(r"\bpeer review\b", fold(text)) for text in texts)


def cites(record: Record) -> bool:
    """Whether a record cites the work that others in the data cite."""
    return "https://openalex.org/W2741809807" in (record.get("referenced_works") or ())


ASKED: dict[str, tuple[Conditions, Callable[[Record], bool]]] = {
    "a topic": (Conditions(topics=frozenset({"T10102"})), topics),
    "a topic that none has": (Conditions(topics=frozenset({"T99999"})), lambda record: False),
    "cites a work": (Conditions(cites=frozenset({b"2741809807"})), cites),
    "a phrase": (Conditions(terms=("peer review",)), term),
    "a phrase, from China, since 2015": (
        Conditions(terms=("peer review",), countries=frozenset({"CN"}), years=((2015, 9999),)),
        lambda record: (
            (record.get("publication_year") or 0) >= 2015
            and any("CN" in authorship.get("countries", ()) for authorship in record.get("authorships") or ())
            and term(record)
        ),
    ),
}


def make_copy(folder: Path, records: int) -> Copy:
    """A copy with so many records."""
    with gzip.open(TESTS / "data" / "openalex" / "works.jsonl.gz") as stream:
        lines = stream.read().splitlines()
    for part in range(PARTS):
        path = folder / f"works/updated_date=2026-10-0{part + 1}" / "part_0000.gz"
        path.parent.mkdir(parents=True)
        with gzip.open(path, "wb", 6) as packed:
            for number in range(records // PARTS):
                line = lines[number % len(lines)]
                own = b"%d" % (10**11 + part * 10**10 + number)
                packed.write(re.sub(rb'W\d+"', b'W%s"' % own, line, count=1) + b"\n")
    return open_copy(folder, without_manifest=True)


def plainly(copy: Copy, is_wanted: Callable[[Record], bool]) -> int:
    """How many works a loop finds that anyone would write."""
    found = 0
    for part in copy.parts:
        with gzip.open(part.path) as stream:
            found += sum(is_wanted(json.loads(line)) for line in stream)
    return found


def alone(copy: Copy, conditions: Conditions, opened: Callable[[Path], Any]) -> int:
    """The same by `select`, in one process, with one way or another to unpack."""
    found = 0
    for part in copy.parts:
        with opened(part.path) as stream:
            found += sum(select(line, conditions) is not None for line in stream)
    return found


def at_once(copy: Copy, conditions: Conditions, folder: Path) -> int:
    """The same on all cores, into a journal."""
    journal = PartJournal(folder / "journal")
    read_parts(journal, copy.parts, conditions, all_cores(), lambda progress: None)
    found = journal.kept()
    journal.remove()
    return found


def main() -> None:
    """Prints the table."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        copy = make_copy(Path(name), records)
        print(f"{records:,} records, {copy.size / 1e6:.0f} MB packed, {all_cores()} cores; records/s (times the plain loop)\n")
        print("| asked | found | plain loop | select, gzip | select, isal | all cores |")
        print("|---|---|---|---|---|---|")
        for what, (conditions, is_wanted) in ASKED.items():
            ways: list[Callable[[], int]] = [
                lambda is_wanted=is_wanted: plainly(copy, is_wanted),  # type: ignore[misc]
                lambda conditions=conditions: alone(copy, conditions, gzip.open),  # type: ignore[misc]
                lambda conditions=conditions: alone(copy, conditions, igzip.open),  # type: ignore[misc]
                lambda conditions=conditions: at_once(copy, conditions, Path(name)),  # type: ignore[misc]
            ]
            found, rates = set(), []
            for way in ways:
                started = time.perf_counter()
                found.add(way())
                rates.append(records / (time.perf_counter() - started))
            assert len(found) == 1, found
            print(f"| {what} | {found.pop():,} | {' | '.join(f'{rate:,.0f} ({rate / rates[0]:.1f})' for rate in rates)} |")


if __name__ == "__main__":
    main()
