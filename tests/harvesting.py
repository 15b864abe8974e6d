"""What the tests of harvests share: made-up works, and looking at what was kept."""

import json
from typing import Any

from kgraph.harvest import Harvested, Harvester
from kgraph.openalex import Access, Client, Patience
from kgraph.question import Question
from kgraph.works import Ledger, read_works
from kgraph.workspace import Workspace

Record = dict[str, Any]


def walks(number: int, **more: Any) -> list[Record]:
    """Small made-up works, W1 to W<number>."""
    return [
        {
            "id": f"https://openalex.org/W{n}",
            "doi": f"https://doi.org/10.1000/{n}",
            "title": f"A walk by the river {n}",
            "display_name": f"A walk by the river {n}",
            "ids": {"openalex": f"https://openalex.org/W{n}"},
            "cited_by_count": 0,
            "referenced_works": [],
            "is_retracted": False,
            "updated_date": "2026-01-01T00:00:00",
            **more,
        }
        for n in range(1, number + 1)
    ]


def net() -> list[Record]:
    """W1 cites W2 and W3, W2 cites W4, W4 cites W1; W5 cites W1; W3 cites the unknown W99."""
    works = {int(work["id"].rsplit("W", 1)[1]): work for work in walks(6)}
    for work, cited in ((1, 2), (1, 3), (2, 4), (4, 1), (5, 1), (3, 99)):
        works[work]["referenced_works"].append(f"https://openalex.org/W{cited}")
        if cited in works:
            works[cited]["cited_by_count"] += 1
    return list(works.values())


def harvester(at: Workspace, address: str) -> Harvester:
    """A harvester of little patience."""
    return Harvester(at, Client(Access(str(address), "free-key", 25), Patience(first_wait=0.01)))


def harvest(at: Workspace, address: str, asked: Question, again: bool = False, name: str = "") -> Ledger:
    """Reads a harvest; its ledger."""
    return harvester(at, address).harvest(asked, name or asked.name, again).ledger


def refresh(at: Workspace, address: str, name: str) -> Harvested:
    """Reads the works of a harvest anew."""
    return harvester(at, address).refresh(name)


def kept(at: Workspace, name: str) -> dict[str, Record]:
    """The works of a harvest by id."""
    return {record["id"].rsplit("/", 1)[1]: record for record in read_works(at.folder / "works" / name / "works.jsonl.gz")}


def files(at: Workspace, name: str) -> tuple[bytes, Record]:
    """The works of a harvest as bytes, and its ledger without the times."""
    folder = at.folder / "works" / name
    assert sorted(path.name for path in folder.iterdir()) == ["ledger.json", "works.jsonl.gz"]
    ledger = json.loads((folder / "ledger.json").read_bytes())
    for readings in (ledger, *ledger["earlier"]):
        for time in ("began", "finished"):
            readings.pop(time)
    return (folder / "works.jsonl.gz").read_bytes(), ledger
