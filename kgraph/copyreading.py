"""Reads the parts of a copy of OpenAlex's snapshot on all cores, and keeps the works that meet conditions in a journal.

The journal is a SQLite database to which each process writes for itself. A part counts as read when its last works and the note
that it is read land there together: after a kill, what is half read is read again, and nothing else. Processes end with the one
that started them.
"""

import ctypes
import json
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import compress, decompress

from kgraph.errors import KgraphError, Problem, fail
from kgraph.journal import Journal
from kgraph.openalexcopy import Part, part_lines
from kgraph.selection import Conditions, NoRecord, select

PARTS = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, state TEXT, size INTEGER, records INTEGER, odd INTEGER, first TEXT);
    CREATE TABLE IF NOT EXISTS kept (id TEXT, updated TEXT, part TEXT, line BLOB, PRIMARY KEY (id, updated, part));
"""
BATCH = 1 << 20  # bytes of works that a process gathers before it writes them down
OFTEN = 1000  # after so many lines a process looks whether it is to stop
PATIENCE = 600  # seconds that a process waits for its turn to write
MOST_ODD = 5  # lines that are no records, of which a part tells
AGAIN = "Then run the same command again: what is read stays read"


@dataclass(frozen=True)
class Progress:
    """How far a reading is: parts and bytes read, of how many; records read, and works kept, in all parts that are read."""

    parts: int
    of_parts: int
    size: int
    of_size: int
    records: int
    kept: int


Watch = Callable[[Progress], None]


class PartJournal(Journal):
    """What was read of a copy, and the works that were kept. Raises `KgraphError` where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._told():
            self._db.executescript(PARTS)

    def begin(self, parts: Sequence[Part]) -> list[Part]:
        """Forgets what is half read, or is another file by now; gives the parts that are to be read."""
        states = {part.name: part.state for part in parts}
        with self._told():
            read = dict(self._db.execute("SELECT name, state FROM part"))
            stale = [(name,) for name, state in read.items() if states.get(name) != state]
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM part WHERE name = ?", stale)
            self._db.execute("DELETE FROM kept WHERE part NOT IN (SELECT name FROM part)")
            self._db.execute("INSERT OR REPLACE INTO fact VALUES ('run', ?)", (uuid4().hex,))
            self._db.execute("COMMIT")
        return [part for part in parts if read.get(part.name) != part.state]

    @property
    def run(self) -> str:
        """What names this reading: a process of an earlier one that is still there must not write any more."""
        return str(self._row("SELECT value FROM fact WHERE name = 'run'")[0])

    def read(self) -> tuple[int, int, int]:
        """How many parts are read, of how many bytes, with how many records."""
        parts, size, records = self._row("SELECT count(*), coalesce(sum(size), 0), coalesce(sum(records), 0) FROM part")
        return parts, size, records

    def kept(self) -> int:
        """How many works are kept, those of parts that are half read with them; one that stands in two parts counts twice."""
        return int(self._row("SELECT count(*) FROM kept")[0])

    def odd(self) -> tuple[int, list[str]]:
        """How many lines are no records of works, and the first of them, as PART:LINE and what is wrong."""
        with self._told():
            rows = self._db.execute("SELECT odd, first FROM part WHERE odd > 0 ORDER BY name").fetchall()
        return sum(count for count, _ in rows), [text for _, first in rows for text in json.loads(first)]

    def ids(self) -> Iterator[str]:
        """The ids of all works that are kept."""
        with self._told():
            for (identifier,) in self._db.execute("SELECT DISTINCT id FROM kept"):
                yield identifier

    def has(self, identifier: str) -> bool:
        """Whether a work is kept."""
        return self._row("SELECT 1 FROM kept WHERE id = ?", identifier) is not None

    def newest(self) -> Iterator[tuple[str, bytes]]:
        """Id and line of every work, sorted by id; of a work in several parts the newest, of equals that of the last part."""
        with self._told():
            rows = self._db.execute("SELECT id, line FROM kept ORDER BY id, updated, part")
            for identifier, versions in groupby(rows, itemgetter(0)):
                *_, (_, line) = versions
                yield identifier, decompress(line)

    def remove(self) -> None:
        """Closes and deletes the file, and those that SQLite puts beside it."""
        super().remove()
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Read:
    """What became of a part: how many records, how many works were kept; what is wrong with it, or with the journal."""

    part: Part
    records: int = 0
    kept: int = 0
    problems: tuple[Problem, ...] = ()
    is_over: bool = False  # the journal cannot be written: other parts would fail too


class _Stopped(Exception):
    pass


def read_parts(journal: PartJournal, parts: Sequence[Part], conditions: Conditions, cores: int, watch: Watch) -> None:
    """Reads parts into the journal, but for those that it holds.

    Raises `KgraphError`: with all parts that are damaged, after the others were read; at once where the journal cannot be written
    or a process ends that should not.
    """
    todo = journal.begin(parts)
    number, size, records = journal.read()
    kept, problems, of_size = journal.kept(), list[Problem](), sum(part.size for part in parts)
    watch(Progress(number, len(parts), size, of_size, records, kept))
    for read in _read_all(journal, todo, conditions, cores):
        problems += read.problems
        if read.is_over:
            break
        number, size, records, kept = number + 1, size + read.part.size, records + read.records, kept + read.kept
        watch(Progress(number, len(parts), size, of_size, records, kept))
    if problems:
        raise KgraphError(sorted(problems, key=lambda one: (one.file, one.line or 0)))


def all_cores() -> int:
    """How many processors this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _read_all(journal: PartJournal, parts: Sequence[Part], conditions: Conditions, cores: int) -> Iterator[_Read]:
    """Reads each part, in this process where there is one core or one part, else in several."""
    cores, run = min(cores, len(parts)), journal.run
    if cores <= 1:
        for part in parts:
            yield _read(part, _Task(conditions, journal.path, run, lambda: False))
        return
    context = multiprocessing.get_context("spawn")  # a process that is forked would hold the lock of the workspace
    stop: Any = context.RawValue(ctypes.c_bool, False)
    pool = ProcessPoolExecutor(cores, context, _prepare, (conditions, journal.path, run, stop))
    try:
        with _deaf():
            waiting = [pool.submit(_read_in_process, part) for part in parts]
        for done in as_completed(waiting):
            yield done.result()
    except BrokenProcessPool as error:
        remedy = f"Free memory, or give it fewer cores (taskset -c 0 kgraph ...). {AGAIN}"
        raise fail("a process that reads parts has ended, perhaps for want of memory", remedy) from error
    finally:
        stop.value = True
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started in here hear no Ctrl-C: the one that started them stops them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# ---- in a process that reads

_Row = tuple[str, str, str, bytes]  # id, updated, part, line


@dataclass(frozen=True)
class _Task:
    """What is the same for all parts."""

    conditions: Conditions
    journal: Path
    run: str
    is_stopped: Callable[[], bool]


_tasks: list[_Task] = []  # in a process of its own: the one that it has


def _prepare(conditions: Conditions, journal: Path, run: str, stop: Any) -> None:
    _tasks.append(_Task(conditions, journal, run, lambda: bool(stop.value)))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read_in_process(part: Part) -> _Read:
    return _read(part, _tasks[0])


def _read(part: Part, task: _Task) -> _Read:
    """Reads a part, and keeps in the journal what meets the conditions."""
    try:
        with closing(sqlite3.connect(task.journal, PATIENCE, isolation_level=None)) as db:
            return _keep(part, task, db)
    except KgraphError as error:
        return _Read(part, problems=tuple(error.problems))
    except MemoryError:
        return _Read(part, problems=(Problem("there is not memory enough to read it", f"Free memory. {AGAIN}", str(part.path)),))
    except (sqlite3.Error, _Stopped) as error:
        remedy = f"Free space, or allow writing there. {AGAIN}"
        return _Read(part, problems=(Problem(f"cannot be written ({error})", remedy, str(task.journal)),), is_over=True)


def _keep(part: Part, task: _Task, db: sqlite3.Connection) -> _Read:
    rows: list[_Row] = []
    number = size = kept = odd = 0
    first: list[str] = []
    for number, line in enumerate(part_lines(part), 1):
        if number % OFTEN == 0 and task.is_stopped():
            raise _Stopped("it was stopped")
        try:
            found = select(line, task.conditions)
        except NoRecord as error:
            odd += 1
            first += [f"{part.name}:{number} {error}"] if len(first) < MOST_ODD else []
            continue
        if found is None:
            continue
        rows.append((found.id, found.updated, part.name, compress(found.line, 1)))
        kept, size = kept + 1, size + len(rows[-1][3])
        if size > BATCH:
            _write(db, task.run, rows)
            rows, size = [], 0
    _write(db, task.run, rows, (part.name, part.state, part.size, number, odd, json.dumps(first)))
    return _Read(part, number, kept)


def _write(db: sqlite3.Connection, run: str, rows: list[_Row], done: tuple[Any, ...] | None = None) -> None:
    """Writes works down, and with the last of a part that it is read."""
    db.execute("BEGIN IMMEDIATE")
    if db.execute("SELECT value FROM fact WHERE name = 'run'").fetchone() != (run,):
        raise _Stopped("another reading has begun")
    db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)
    if done:
        db.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)", done)
    db.execute("COMMIT")
