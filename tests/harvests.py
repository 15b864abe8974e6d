"""Harvests for tests, put into a workspace as `kgraph harvest` would leave them."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from kgraph.openalex import work_id
from kgraph.works import Ledger, publish
from kgraph.workspace import Workspace

DATA = Path(__file__).parent / "data" / "openalex"


@cache
def real_records() -> tuple[dict[str, Any], ...]:
    """The 200 real records; the first 45 cite each other."""
    with gzip.open(DATA / "works.jsonl.gz") as stream:
        return tuple(orjson.loads(line) for line in stream)


def made_up_records() -> list[dict[str, Any]]:
    """Made-up records of three works that the example study cites."""
    return [orjson.loads(line) for line in (DATA / "made-up.jsonl").read_bytes().splitlines()]


def put_harvest(workspace: Workspace, name: str, records: Iterable[dict[str, Any]], **more: Any) -> None:
    """Puts a harvest of records into a workspace; `more` are fields of its ledger."""
    lines = [orjson.dumps(record) + b"\n" for record in sorted(records, key=lambda one: work_id(one["id"]) or "")]
    when = "2026-11-01T08:00:00+00:00"
    ledger = Ledger(name, {"doi": ["10.1000/182"]}, "works named for a test", "http://127.0.0.1", when, when, works=len(lines))
    ledger.sha256 = sha256(b"".join(lines)).hexdigest()
    publish(workspace, Ledger(**asdict(ledger) | more), gzip.compress(b"".join(lines), mtime=0))


def record(number: int, **fields: Any) -> dict[str, Any]:
    """A record of few fields."""
    return {"id": f"https://openalex.org/W{number}", "title": f"Work {number}", "updated_date": "2026-01-01T00:00:00Z"} | fields


def abstract(text: str) -> dict[str, list[int]]:
    """A text as an inverted index."""
    index: dict[str, list[int]] = {}
    for place, word in enumerate(text.split(" ")):
        index.setdefault(word, []).append(place)
    return index


def ledger_of(workspace: Workspace, name: str) -> dict[str, Any]:
    """The ledger of a harvest as it stands in the file."""
    found: dict[str, Any] = json.loads((workspace.folder / "works" / name / "ledger.json").read_text(encoding="utf-8"))
    return found
