"""Harvests from a copy of OpenAlex's snapshot: the works that meet conditions, read on all cores, resumed by part.

What comes of it is a harvest like any other. Its question holds the conditions, and the date and the hash of the manifest of the
release that was read, not where the copy lies. The service is asked nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from kgraph.copyreading import PartJournal, Watch, all_cores, read_parts
from kgraph.errors import KgraphError, fail
from kgraph.harvest import Harvested, Harvester
from kgraph.openalex import Access, Client, work_id
from kgraph.openalexcopy import Copy, deleted_numbers
from kgraph.question import slug
from kgraph.selection import Conditions, own_dois
from kgraph.settings import line_of
from kgraph.works import Ledger, Merged, Record, brief, drafted, merge, publish, read_lines, read_works
from kgraph.workspace import Workspace

REACH = "at_most", "release", "manifest"  # of a question: what is not what it asks
KEYS = "snapshot", "where", "at-most"  # of a table in kgraph.toml
EARLIER = (
    "question",
    "service",
    "began",
    "finished",
    "pages",
    "credits",
    "works",
    "new",
    "changed",
)  # what is told of a reading before
DELETED_AT_ONCE = 1 << 20  # ids that are looked up together
LONGEST_ID = 19  # W and the digits of the largest number that is compared
MOST_TOLD = 20  # lines that are no records, of which the ledger tells


@dataclass(frozen=True)
class CopyQuestion:
    """What is asked of a copy: conditions as they were written, and how many works are wanted at most."""

    where: tuple[str, ...]
    at_most: int | None = None

    def core(self) -> Record:
        """The question without how far it reaches."""
        return {"kind": "snapshot", "where": sorted(set(self.where))}

    def of(self, copy: Copy) -> Record:
        """The question as the ledger has it."""
        reach = {"at_most": self.at_most, "release": copy.released, "manifest": copy.manifest}
        return self.core() | {key: value for key, value in reach.items() if value}

    def __str__(self) -> str:
        return f"works of the snapshot with {' and '.join(self.core()['where'])}"

    @property
    def name(self) -> str:
        """The name of the harvest when none is given."""
        where = self.core()["where"]
        first = slug(where[0])
        whole = len(where) == 1 and where[0].isascii() and len(first) <= 50
        digest = sha256(repr(where).encode()).hexdigest()[:8]
        return "-".join(["snapshot", first[:50].strip("-."), *([] if whole else [digest])])


@dataclass(frozen=True)
class CopyEstimate:
    """What there is to read: parts, records (None: not said), bytes; and how many parts of that are read already."""

    parts: int
    records: int | None
    size: int
    read: int


def from_settings(name: str, table: dict[str, Any], file: Path) -> tuple[Path, CopyQuestion]:
    """The folder and the question of `[harvests.NAME]` with `snapshot`. Raises `KgraphError` with line and key."""
    toml = file.read_text(encoding="utf-8-sig")

    def wrong(key: str, found: str, remedy: str) -> KgraphError:
        place = f"harvests.{name}.{key}"
        return fail(found, remedy, file=file, line=line_of(toml, place), field=place)

    where, at_most = table.get("where"), table.get("at-most")
    where = [where] if isinstance(where, str) else where
    if other := sorted(table.keys() - set(KEYS)):
        raise wrong(other[0], "this key is not known here", f"Known beside snapshot: {', '.join(KEYS[1:])}")
    if not isinstance(table["snapshot"], str):
        raise wrong("snapshot", "is no folder", 'Write snapshot = "~/openalex"')
    if not isinstance(where, list) or not where or not all(isinstance(one, str) for one in where):
        raise wrong("where", "is not what belongs here", 'Write where = ["term:peer support", "country:CN"]')
    if at_most is not None and (type(at_most) is not int or at_most < 1):
        raise wrong("at-most", "is no number from 1 on", "Write at-most = 2000")
    return file.parent / Path(table["snapshot"]).expanduser(), CopyQuestion(tuple(where), at_most)


class CopyHarvester(Harvester):
    """Reads harvests of a workspace from a copy, one at a time.

    `read` says how many parts a reading that was stopped has read, and how many works are kept of them.
    """

    def __init__(self, workspace: Workspace, watch_copy: Watch = lambda progress: None, cores: int | None = None) -> None:
        super().__init__(workspace, Client(Access()))  # which is not asked
        self.watch_copy, self.cores = watch_copy, cores or all_cores()
        self.read: tuple[int, int] | None = None

    def take(self, asked: CopyQuestion, conditions: Conditions, copy: Copy, name: str, again: bool = False) -> Harvested:
        """Takes a harvest from a copy, or the rest of one that was stopped; the conditions are those of the question, ready.

        One that is whole and of this release is left alone, unless `again`. What comes is merged with what was there. Raises
        `KgraphError`; the parts that were read until then are not read again.
        """
        with self._alone(name) as before:
            if before and not again:
                self._check_core(name, before, asked)
                if before.question == asked.of(copy) and self._works_path(name).exists() and not self._parts_path(name).exists():
                    return Harvested(before, already=True)
            journal = self._opened(name, {"question": asked.core(), "conditions": conditions.digest}, again)
            with closing(journal):
                self._begin(journal)
                try:
                    read_parts(journal, copy.parts, conditions, self.cores, self.watch_copy)
                except BaseException:
                    self.read = journal.read()[0], journal.kept()
                    raise
                return self._merged(name, asked, conditions, copy, journal, before)

    def look(self, asked: CopyQuestion, copy: Copy, name: str) -> CopyEstimate:
        """What there is to read; nothing is."""
        with self._alone(name):
            read = 0
            if self._parts_path(name).exists():
                with closing(PartJournal(self._parts_path(name))) as journal:
                    read = journal.read()[0]
            return CopyEstimate(len(copy.parts), copy.records, copy.size, read)

    # ---- what it is made of

    def _parts_path(self, name: str) -> Path:
        return self.workspace.built / "harvests" / f"{name}.snapshot"

    def _check_core(self, name: str, before: Ledger, asked: CopyQuestion) -> None:
        """Raises `KgraphError` when the name of the harvest stands for another question."""
        if {key: value for key, value in before.question.items() if key not in REACH} != asked.core():
            remedy = f"Give this one another name: --name NAME; or --again puts its works to those of {name}"
            raise fail(f"the harvest {name!r} asks for something else: {before.says}", remedy)

    def _opened(self, name: str, core: Record, fresh: bool) -> PartJournal:
        """The journal. One of other conditions is given up if `fresh`, and else an error."""
        path = self._parts_path(name)
        journal = PartJournal(path)
        if fresh and journal.fact("core") not in (None, core):
            journal.remove()
            journal = PartJournal(path)
        if journal.fact("core") not in (None, core):
            journal.close()
            remedy = "Finish it with the command that began it, or begin anew: --again; or give this one another name: --name"
            raise fail(f"a reading of {name!r} for something else (or around works that have changed) is not finished", remedy)
        journal.note("core", core)
        return journal

    def _merged(
        self, name: str, asked: CopyQuestion, conditions: Conditions, copy: Copy, journal: PartJournal, before: Ledger | None
    ) -> Harvested:
        """Puts what came to what was there, and works and ledger in their place."""
        path = self._works_path(name)
        held = (work_id(record["id"]) or "" for record in read_works(path))
        deleted = _deleted(copy, chain(held, journal.ids()))
        came = _Came(journal, deleted, asked.at_most, conditions.dois)
        with drafted(self.workspace, name) as (draft, stream):
            merged = merge(read_lines(path), came, stream)
        ledger = self._ledger(name, asked, copy, journal, merged, before)
        ledger.said, ledger.beyond = came.works, came.beyond
        ledger.snapshot = {**(ledger.snapshot or {}), "deleted": came.deleted}
        if came.deleted:
            ledger.notes.append(f"{len(came.deleted):,} works that match are deleted at OpenAlex, and were not taken")
        if before:
            gone = [one for one in map(brief, read_works(path)) if one["id"] in deleted] if deleted else []
            ledger.gone = [*(one for one in before.gone if one["id"] not in deleted and not journal.has(one["id"])), *gone]
        if conditions == Conditions(works=conditions.works, dois=conditions.dois):  # nothing else can be why they are not there
            ids = sorted(f"W{number.decode()}" for number in conditions.works or ())
            ledger.missing = [{"id": one} for one in ids if one in deleted or not journal.has(one)]
            ledger.missing += [{"doi": one} for one in sorted(conditions.dois - came.dois)]
        known = {one["id"] for one in before.gone} if before else set()
        return self._put(journal, ledger, merged, draft, [one for one in ledger.gone if one["id"] not in known])

    def _ledger(
        self, name: str, asked: CopyQuestion, copy: Copy, journal: PartJournal, merged: Merged, before: Ledger | None
    ) -> Ledger:
        """The ledger, as far as it is the same for all conditions."""
        parts, size, records = journal.read()
        odd, first = journal.odd()
        service = f"OpenAlex snapshot of {copy.released}"
        written = Ledger(
            name,
            asked.of(copy),
            str(asked),
            service,
            journal.fact("began"),
            datetime.now(UTC).isoformat(timespec="seconds"),
            parts,
        )
        written.works, written.sha256, written.retracted = merged.works, merged.sha256, merged.retracted
        written.new, written.changed, written.absent = merged.new, merged.changed, merged.absent
        written.snapshot = {"parts": parts, "bytes": size, "read": records}
        if odd:
            written.notes.append(f"{odd:,} lines are no records of works and were left out: {'; '.join(first[:MOST_TOLD])}")
        if not copy.manifest:
            written.notes.append("The copy was read without its manifest: whether it was whole is not known")
        if before:
            written.earlier = [*before.earlier, {key: getattr(before, key) for key in EARLIER}]
        return written

    def _put(self, journal: PartJournal, ledger: Ledger, merged: Merged, draft: Path, gone: list[Record]) -> Harvested:
        """Puts works and ledger in their place. A publishing that was broken off is done again with the ledger that it had."""
        told = journal.fact("told")
        if told is None or any(told["ledger"][key] != getattr(ledger, key) for key in ("question", "sha256")):
            told = {"ledger": asdict(ledger), "retracted": merged.newly_retracted, "gone": gone}
            journal.note("told", told)
        ledger = Ledger(**told["ledger"])
        publish(self.workspace, ledger, draft)
        journal.remove()
        return Harvested(ledger, retracted=told["retracted"], gone=told["gone"])


class _Came:
    """The lines of the works that came, but for deleted ones, as far as there is room.

    When all were taken: how many `works` there were, how many `beyond` the ceiling, which were `deleted`, which of the `dois`
    that are looked for were among them.
    """

    def __init__(self, journal: PartJournal, deleted: set[str], at_most: int | None, wanted: frozenset[str]) -> None:
        self._journal, self._deleted, self._at_most, self._wanted = journal, deleted, at_most, wanted
        self.works = self.beyond = 0
        self.deleted: list[str] = []
        self.dois: set[str] = set()

    def __iter__(self) -> Iterator[bytes]:
        for identifier, line in self._journal.newest():
            if identifier in self._deleted:
                self.deleted.append(identifier)
                continue
            self.works += 1
            if self._wanted:
                self.dois |= own_dois(orjson.loads(line)) & self._wanted
            if self._at_most is not None and self.works > self._at_most:
                self.beyond += 1
            else:
                yield line


def _deleted(copy: Copy, ids: Iterable[str]) -> set[str]:
    """Those of some works that OpenAlex has deleted. Its list is longer than any harvest: it is read as a stream."""
    if copy.deleted is None:
        return set()
    numbers = np.unique(np.fromiter((int(one[1:]) for one in ids if len(one) <= LONGEST_ID), np.int64))
    found: set[str] = set()
    rest = deleted_numbers(copy.deleted)
    while len(some := np.fromiter(islice(rest, DELETED_AT_ONCE), np.int64)):
        found.update(f"W{number}" for number in numbers[np.isin(numbers, some)].tolist())
    return found
