"""Copies of OpenAlex's snapshot for tests: real gzip files of JSON lines with a manifest, made from records."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isal import igzip

from harvesting import kept
from harvests import real_records, record
from kgraph.copyharvest import CopyHarvester, CopyQuestion
from kgraph.harvest import Harvested
from kgraph.openalexcopy import open_copy
from kgraph.where import read_conditions
from kgraph.workspace import Workspace

Record = dict[str, Any]
LAYOUT = "works"
ALL = "year:1000-"  # takes every record that has a year


def put_copy(folder: Path, parts: Sequence[Sequence[Record | bytes]], layout: str = LAYOUT, date: str = "2026-10-28") -> Path:
    """Puts a copy into a folder, with these records (or lines) in its parts, two parts a day; gives the folder of works."""
    works = folder / layout
    for number, records in enumerate(parts):
        path = works / f"updated_date=2026-10-{number // 2 + 1:02}" / f"part_{number % 2:04}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode() for one in records)
        with igzip.open(path, "wb") as stream:  # type: ignore[no-untyped-call]
            stream.writelines(line + b"\n" for line in lines)
    put_manifest(works, date)
    return works


def put_manifest(works: Path, date: str = "2026-10-28") -> None:
    """Writes a manifest of what is there."""
    files = []
    for path in parts_of(works):
        with gzip.open(path) as stream:
            meta = {"content_length": path.stat().st_size, "record_count": sum(1 for _ in stream)}
        files.append({"url": f"s3://openalex/data/jsonl/works/{path.parent.name}/{path.name}", "meta": meta})
    counts = {key: sum(one["meta"][key] for one in files) for key in ("record_count", "content_length")}  # type: ignore[index]
    text = json.dumps({"date": date, "entity": "works", **counts, "files": files})
    (works / "manifest.json").write_text(text, encoding="utf-8")


def parts_of(works: Path) -> list[Path]:
    """The files of parts."""
    return sorted(works.glob("updated_date=*/*.gz"))


def split(records: Sequence[Record], number: int) -> list[list[Record]]:
    """Records, dealt out to parts."""
    return [list(records[start::number]) for start in range(number)]


def many(times: int) -> list[Record]:
    """The real records so many times, each time with ids of their own."""
    return [
        record | {"id": f"https://openalex.org/W{10**11 + time * 1000 + number}"}
        for time in range(times)
        for number, record in enumerate(real_records())
    ]


def take(at: Workspace, copy: Path, *where: str, name: str = "some", **more: Any) -> Harvested:
    """Takes a harvest, in this process unless `cores` are given."""
    asked = CopyQuestion(where or (ALL,), more.get("at_most"))
    harvester = CopyHarvester(at, cores=more.get("cores", 1))
    opened = open_copy(copy, more.get("without_manifest", False))
    return harvester.take(asked, read_conditions(asked.where, at), opened, name, more.get("again", False))


def ids(at: Workspace, name: str = "some") -> list[str]:
    """The ids of the works of a harvest."""
    return list(kept(at, name))


def some(*numbers: int, **more: Any) -> list[Record]:
    """Small records of these numbers."""
    return [record(number, publication_year=2020, **more) for number in numbers]


def damage_bytes(path: Path) -> None:
    """Changes a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
