"""A copy of OpenAlex's snapshot on this machine: where its works are, whether it is whole, its lines.

As published at s3://openalex/data/jsonl: `works/updated_date=2026-10-01/part_0000.gz`, gzip of JSON lines, and a manifest that is
written last: `manifest.json` (date, files), or `manifest` of earlier releases (entries). Nothing here changes the copy.
"""

import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from isal import igzip, isal_zlib

from kgraph.errors import KgraphError, Problem, fail

MANIFESTS = "manifest.json", "manifest"
DELETED = "deleted_ids.csv.gz", "deleted_ids.csv"
PLACES = "", "works", "jsonl/works", "data/works", "data/jsonl/works"  # of the works, below the folder that is named
SOURCE = "s3://openalex/data/jsonl/works"
LONGEST = 1 << 27  # bytes of a line: no record is near it, and a line without end would fill the memory
MOST_TOLD = 20  # parts that a message names
DATE = re.compile(r"updated_date=([0-9]{4}-[0-9]{2}-[0-9]{2})")
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, isal_zlib.error)  # type: ignore[assignment]


@dataclass(frozen=True)
class Part:
    """A file of works: its name below the folder of works, where it is, its size in bytes, when it was changed (ns), and what the
    manifest says: how many records it has, its etag (None, "": not said)."""

    name: str
    path: Path
    size: int
    changed: int
    records: int | None = None
    etag: str = ""

    @property
    def state(self) -> str:
        """What is another when the file is."""
        return f"{self.size} {self.changed} {self.records} {self.etag}"


@dataclass(frozen=True)
class Copy:
    """A copy: its folder of works, its parts by name, the date of its release and the hash of its manifest ("": without one), the
    list of deleted ids where there is one."""

    folder: Path
    parts: tuple[Part, ...]
    released: str = ""
    manifest: str = ""
    deleted: Path | None = None

    @property
    def size(self) -> int:
        """Bytes of all parts, packed."""
        return sum(part.size for part in self.parts)

    @property
    def records(self) -> int | None:
        """How many records the manifest says there are."""
        counts = [part.records for part in self.parts if part.records is not None]
        return sum(counts) if len(counts) == len(self.parts) else None


def open_copy(folder: Path, without_manifest: bool = False) -> Copy:
    """The copy in a folder: that of the works, or one above it. Reads its manifest, and looks at the files.

    Raises `KgraphError` where there is none, and with every part that is missing, not listed, or not of the size that is listed.
    """
    works = _find(folder)
    found = {name: (path, path.stat()) for name, path in _parts(works)}
    path = next((works / name for name in MANIFESTS if (works / name).is_file()), None)
    if path is None and not without_manifest:
        get = f"aws s3 cp {SOURCE}/manifest.json {works}/ --no-sign-request"
        remedy = f"Download it ({get}), or take the files for whole: --without-manifest"
        raise fail("has no manifest, which says whether the copy is whole", remedy, file=works)
    if not found:
        raise fail("has no parts (updated_date=.../part_0000.gz)", f"Download them: aws s3 sync {SOURCE} {works}", file=works)
    deleted = next((works / name for name in DELETED if (works / name).is_file()), None)
    if path is None or without_manifest:
        parts = [Part(name, path, about.st_size, about.st_mtime_ns) for name, (path, about) in found.items()]
        return Copy(works, tuple(parts), max(_date(part.name) for part in parts), "", deleted)
    listed, released, digest = _read_manifest(path)
    _check(works, found, listed)
    parts = [
        Part(
            name, file, about.st_size, about.st_mtime_ns, _count(listed[name], "record_count"), str(listed[name].get("etag", ""))
        )
        for name, (file, about) in found.items()
    ]
    return Copy(works, tuple(parts), released or max(_date(part.name) for part in parts), digest, deleted)


def part_lines(part: Part) -> Iterator[bytes]:
    """The lines of a part. Raises `KgraphError` with a remedy: for a file that is damaged or cannot be read, for a line without
    end, and at the end for another number of lines than the manifest says."""
    number = 0
    try:
        with _opened(part.path) as stream:
            for number, line in enumerate(iter(partial(stream.readline, LONGEST), b""), 1):
                if len(line) == LONGEST:
                    raise fail(f"is longer than {LONGEST:,} bytes", download(part), file=part.path, line=number)
                yield line
    except PermissionError as error:
        raise fail("cannot be read (Permission denied)", "Allow reading it (chmod u+r)", file=part.path) from error
    except DAMAGE as error:
        raise fail(f"is damaged after line {number:,} ({error})", download(part), file=part.path) from error
    if part.records is not None and number != part.records:
        raise fail(f"has {number:,} records, and the manifest says {part.records:,}", download(part), file=part.path)


def deleted_numbers(path: Path) -> Iterator[int]:
    """The numbers of the works that OpenAlex has deleted, from its list (work_id, deleted_date). Raises `KgraphError`."""
    number = 0
    row = re.compile(rb'"?(?:https://openalex\.org/)?W?([0-9]{1,18})"?\s*(?:,|$)')
    remedy = f"Download it again: aws s3 cp {SOURCE}/{path.name} {path} --no-sign-request"
    try:
        with _opened(path) as stream:
            for number, line in enumerate(stream, 1):
                if found := row.match(line):
                    yield int(found[1])
                elif line.strip() and number > 1:  # the first line names the columns
                    raise fail("begins with no id of a work", remedy, file=path, line=number)
    except DAMAGE as error:
        raise fail(f"cannot be read after line {number:,} ({error})", remedy, file=path) from error


def download(part: Part) -> str:
    """The remedy for a part that is not as it was published."""
    return f"Download that part again: aws s3 cp {SOURCE}/{part.name} {part.path} --no-sign-request"


def _opened(path: Path) -> IO[bytes]:
    """A file as it was before it was packed, if it was."""
    if path.suffix != ".gz":
        return path.open("rb")
    stream: IO[bytes] = igzip.open(path)  # type: ignore[no-untyped-call]
    return stream


def _find(folder: Path) -> Path:
    """The folder of works. Raises `KgraphError` where there is none."""
    if not folder.is_dir():
        raise fail("there is no such folder", f"Name the folder of the copy: aws s3 sync {SOURCE} FOLDER/works", file=folder)
    for place in PLACES:
        works = folder / place
        if any((works / name).is_file() for name in MANIFESTS) and (place or not (folder / "works").is_dir()):
            return works
        if works.is_dir() and any(works.glob("updated_date=*")):
            return works
    if any(folder.rglob("*.parquet")):
        raise fail("holds Parquet files", f"Only JSON lines can be read: aws s3 sync {SOURCE} FOLDER/works", file=folder)
    remedy = f"It should hold works/updated_date=.../part_0000.gz: aws s3 sync {SOURCE} {folder}/works --no-sign-request"
    raise fail("holds no works of a snapshot of OpenAlex", remedy, file=folder)


def _parts(works: Path) -> Iterator[tuple[str, Path]]:
    """The files of parts, by name, in order. Raises `KgraphError` where a folder cannot be looked into, and for Parquet."""
    try:
        for folder in sorted(works.glob("updated_date=*")):
            for name in sorted(os.listdir(folder)):
                path = folder / name
                if name.endswith(".parquet"):
                    raise fail("is a Parquet file", f"Only JSON lines can be read: aws s3 sync {SOURCE} FOLDER/works", file=path)
                if name.endswith(".gz") and stat.S_ISREG(path.stat().st_mode):
                    yield f"{folder.name}/{name}", path
    except OSError as error:
        raise fail(f"cannot be looked into ({error.strerror})", "Check the path and its permissions", file=works) from error


def _read_manifest(path: Path) -> tuple[dict[str, dict[str, Any]], str, str]:
    """What the manifest says of each part by name, the date of the release, the hash of the manifest. Raises `KgraphError`."""
    try:
        content = path.read_bytes()
        values = json.loads(content)
        entries = values["files"] if "files" in values else values["entries"]
        listed = {_name(entry["url"]): dict(entry.get("meta", entry)) for entry in entries}
        released = values.get("date")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        remedy = f"Download it again: aws s3 cp {SOURCE}/manifest.json {path} --no-sign-request"
        raise fail(f"cannot be read as a manifest ({what})", remedy, file=path) from error
    return listed, released if isinstance(released, str) else "", hashlib.sha256(content).hexdigest()


def _check(works: Path, found: dict[str, tuple[Path, os.stat_result]], listed: dict[str, dict[str, Any]]) -> None:
    """Raises `KgraphError` with every part that is not as the manifest says."""
    problems = []
    for name in sorted(listed.keys() | found.keys()):
        path = works / name
        part = Part(name, path, 0, 0)
        if name not in found:
            problems.append(Problem("this part is missing", download(part), str(path)))
        elif name not in listed:
            remedy = "Delete it: its works have moved to other parts (aws s3 sync --delete does so)"
            problems.append(Problem("this part is not in the manifest", remedy, str(path)))
        elif (size := _count(listed[name], "content_length")) is not None and size != found[name][1].st_size:
            what = f"has {found[name][1].st_size:,} bytes, and the manifest says {size:,}"
            problems.append(Problem(what, download(part), str(path)))
    if problems:
        more = len(problems) - MOST_TOLD
        told = Problem(f"and {more:,} more parts", f"aws s3 sync {SOURCE} {works} --delete --no-sign-request", str(works))
        raise KgraphError([*problems[:MOST_TOLD], *([told] if more > 0 else [])])


def _count(values: dict[str, Any], key: str) -> int | None:
    value = values.get(key)
    return value if type(value) is int else None


def _name(url: str) -> str:
    """The name of a part, from its address."""
    return "/".join(PurePosixPath(url).parts[-2:])


def _date(name: str) -> str:
    found = DATE.search(name)
    return found[1] if found else ""
