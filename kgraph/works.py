"""What is kept of a harvest: the works as received, and a ledger of what was asked and what came.

    works/<harvest>/works.jsonl.gz   one work a line, sorted by id, each once, the newest that came
    works/<harvest>/ledger.json      the question, when, pages, credits, what was missing, what is retracted or gone

Both are replaced only when a reading is whole: a harvest that is killed leaves them as they were.
"""

import gzip
import hashlib
import heapq
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import orjson

from kgraph.errors import KgraphError, fail
from kgraph.openalex import work_id
from kgraph.workspace import HARVEST, Workspace, replace_file
from kgraph.workterms import bare_doi

Record = dict[str, Any]
WORKS, LEDGER = HARVEST


@dataclass
class Ledger:
    """What was asked and what came; the same in JSON as `ledger.json`.

    `began` and `finished` are times (UTC, ISO 8601). `pages` and `credits` are those of the last reading, `new`, `changed` and
    `absent` what it made of the works that were there: `absent` came no more and are kept. `said` is how many works the service
    said there are, `beyond` how many of them lay beyond the ceiling. `missing` lists what was asked for and not found, `unasked`
    works that came under another DOI than any that was asked, `retracted` works that are marked so, `gone` works that the service
    has no more (they are kept). `earlier` are the readings before. `sha256` is that of the lines, unpacked. `snapshot` tells what
    was read where the works come from a copy of OpenAlex's snapshot (see `kgraph.copyharvest`).
    """

    harvest: str
    question: Record
    says: str
    service: str
    began: str
    finished: str = ""
    pages: int = 0
    credits: int = 0
    works: int = 0
    sha256: str = ""
    new: int = 0
    changed: int = 0
    absent: int = 0
    said: int | None = None
    beyond: int = 0
    missing: list[Record] = field(default_factory=list)
    unasked: list[Record] = field(default_factory=list)
    retracted: list[Record] = field(default_factory=list)
    gone: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    earlier: list[Record] = field(default_factory=list)
    snapshot: Record | None = None


def harvest_names(workspace: Workspace) -> list[str]:
    """The harvests of a workspace that are whole."""
    return sorted(path.parent.name for path in (workspace.folder / "works").glob(f"*/{LEDGER}"))


def read_ledger(workspace: Workspace, name: str) -> Ledger | None:
    """The ledger of a harvest, or None where there is none yet. Raises `KgraphError` for a damaged one."""
    path = workspace.folder / "works" / name / LEDGER
    try:
        values = json.loads(path.read_bytes())
        datetime.fromisoformat(values["finished"])
        return Ledger(**{one.name: values[one.name] for one in fields(Ledger) if one.name in values})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise fail(f"cannot be read as a ledger ({error})", "Take it back from your version control", file=path) from error


def read_works(path: Path) -> Iterator[Record]:
    """The works of a file, by id; none, where there is no file. Raises `KgraphError` with the line that is damaged."""
    return (record for _, record in read_lines(path))


def read_lines(path: Path) -> Iterator[tuple[bytes, Record]]:
    """The same, each with the line that it was read from."""
    if not path.exists():
        return
    remedy, number, last = "Take the file back from your version control", 0, ""
    try:
        with gzip.open(path) as stream:
            for number, line in enumerate(stream, 1):
                record = orjson.loads(line)
                identifier = work_id(record["id"]) or ""
                if identifier <= last:
                    raise fail("is not in the order of the ids, or twice there", remedy, file=path, line=number)
                last = identifier
                yield line.rstrip(b"\n"), record
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise fail("is no work in JSON", remedy, file=path, line=number) from error
    except (OSError, EOFError, zlib.error) as error:
        raise fail(f"cannot be read ({error})", remedy, file=path) from error


def read_kept(workspace: Workspace, name: str) -> Iterator[tuple[bytes, Record]]:
    """The works of a harvest, each with its line. At the end these are compared with what the ledger says: raises `KgraphError`
    where they are not those of which it tells, and for damage as `read_lines`."""
    path, ledger, digest = workspace.folder / "works" / name / WORKS, read_ledger(workspace, name), hashlib.sha256()
    for line, record in read_lines(path):
        digest.update(line + b"\n")
        yield line, record
    if ledger is not None and ledger.sha256 not in ("", digest.hexdigest()):
        remedy = "Take the files back from your version control, or harvest again: kgraph harvest"
        raise fail("the works are not those of which the ledger tells", remedy, file=path)


def brief(record: Record) -> Record:
    """What names a work to a person: id, DOI, title."""
    return {"id": work_id(str(record.get("id"))), "doi": bare_doi(record.get("doi")), "title": record.get("title")}


@dataclass
class Merged:
    """Two sets of works made one: the file (empty where it was written elsewhere), the digest of its lines, and how many works
    are new, changed, came no more."""

    content: bytes = b""
    sha256: str = ""
    works: int = 0
    new: int = 0
    changed: int = 0
    absent: int = 0
    retracted: list[Record] = field(default_factory=list)
    newly_retracted: list[Record] = field(default_factory=list)


def merge(old: Iterable[tuple[bytes, Record]], came: Iterable[bytes], into: IO[bytes] | None = None) -> Merged:
    """Merges works that are sorted by id: each once, with the newest `updated_date`, and of equals the one that came now.

    The same lines give the same bytes. With a file to write `into`, no more than a few works are in memory.
    """
    packed, digest, found = BytesIO(), hashlib.sha256(), Merged()
    there = (_Line.of(line, record, False) for line, record in old)
    every = heapq.merge(there, (_Line.of(line, orjson.loads(line), True) for line in came))
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=into or packed, mtime=0) as stream:
        for _, same in groupby(every, key=lambda one: one.id):
            versions = list(same)
            chosen = versions[-1]
            before = [version for version in versions if not version.now]
            found.works += 1
            found.new += not before
            found.absent += len(before) == len(versions)
            if before and _content(before[0].record) == _content(chosen.record):
                chosen = before[0]
            found.changed += bool(before) and chosen is not before[0]
            if chosen.record.get("is_retracted") is True:
                found.retracted.append(brief(chosen.record))
                if before and before[0].record.get("is_retracted") is not True:
                    found.newly_retracted.append(brief(chosen.record))
            stream.write(chosen.line + b"\n")
            digest.update(chosen.line + b"\n")
    found.content, found.sha256 = packed.getvalue(), digest.hexdigest()
    return found


def _content(record: Record) -> Record:
    """A record without what depends on the search that it came from."""
    return {key: value for key, value in record.items() if key != "relevance_score"}


@dataclass(order=True)
class _Line:
    """A work as it lies in a file, in the order of a merge: by id, then by age, then what came now after what was there."""

    id: str
    updated: str
    now: bool
    line: bytes = field(compare=False)
    record: Record = field(compare=False)

    @classmethod
    def of(cls, line: bytes, record: Record, now: bool) -> "_Line":
        """The line of a record."""
        return cls(work_id(record["id"]) or "", str(record.get("updated_date") or ""), now, line, record)


@contextmanager
def drafted(workspace: Workspace, harvest: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """A file for works that is not in its place yet, and where it is: `publish` takes that. It goes when something fails.

    Raises `KgraphError` where it cannot be written.
    """
    folder = workspace.folder / "works" / harvest
    path = folder / f".{WORKS}.{os.getpid()}.draft"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with path.open("wb") as stream:
            yield path, stream
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            folder.rmdir()  # if there is nothing in it
            folder.parent.rmdir()
        if isinstance(error, OSError):
            raise _unwritten(folder, error) from error
        raise


def publish(workspace: Workspace, ledger: Ledger, content: bytes | Path) -> None:
    """Puts works (their bytes, or a draft) and ledger in their place, each whole or not at all.

    Raises `KgraphError` where they cannot be written.
    """
    folder = workspace.folder / "works" / ledger.harvest
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            os.replace(content, folder / WORKS)
            _sweep(folder)
        else:
            _sweep(folder)
            replace_file(folder / WORKS, content)
        replace_file(folder / LEDGER, json.dumps(asdict(ledger), ensure_ascii=False, indent=1).encode() + b"\n")
    except OSError as error:
        raise _unwritten(folder, error) from error


def _sweep(folder: Path) -> None:
    """Removes what a process left that was killed while it wrote."""
    for left in [path for name in (WORKS, LEDGER) for path in folder.glob(f".{name}.*")]:
        left.unlink()


def _unwritten(folder: Path, error: OSError) -> KgraphError:
    remedy = "Free space, or allow writing there; then run the same command again: nothing is asked twice"
    return fail(f"cannot be written ({error.strerror})", remedy, file=folder)
