"""Harvests of works from OpenAlex: asked for once, kept whole, resumed where they stopped, refreshed.

A harvest has a name and a question. While it is read, its pages lie in a journal; when it is whole, its works and its ledger
are put in their place under `works/` and the journal goes. The same question again asks nothing, unless told to.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock

from kgraph.errors import KgraphError, fail
from kgraph.gathering import Estimate, Gathering, Progress, Watch
from kgraph.journal import Journal, Pages
from kgraph.openalex import API, Client, work_id
from kgraph.question import NAME, Question
from kgraph.works import WORKS, Ledger, Merged, Record, brief, harvest_names, merge, publish, read_ledger, read_lines, read_works
from kgraph.workspace import Workspace


@dataclass
class Harvested:
    """What became of a harvest: its ledger, how many requests were sent now, and whether it was there already.

    `retracted` are works that are retracted and were not so before, `gone` those that a refreshing did not find any more.
    """

    ledger: Ledger
    requests: int = 0
    already: bool = False
    retracted: list[Record] = field(default_factory=list)
    gone: list[Record] = field(default_factory=list)


class Harvester:
    """Reads harvests of a workspace, one at a time. `kept` says how many pages and works a reading that was stopped has kept."""

    def __init__(self, workspace: Workspace, client: Client, watch: Watch = lambda progress: None) -> None:
        self.workspace, self.client, self.watch = workspace, client, watch
        self.kept: tuple[int, int] | None = None
        self._sent = 0

    def harvest(self, question: Question, name: str, again: bool = False) -> Harvested:
        """Reads a harvest, or the rest of one that was stopped.

        One that is whole is left alone, unless `again`; then what comes is merged with what was there. Raises `KgraphError`: of
        the service (`OpenAlexError`), of the question, of the disk. Whatever was paid for until then is kept.
        """
        with self._alone(name) as before:
            self._check(question, name, before, again)
            question = _grown(question, before)
            if before and self._is_whole(before, question, again):
                return Harvested(before, already=True)
            with self._reading(name, question.core(), again) as journal:
                self._begin(journal)
                gathering = Gathering(self.workspace, question, self.client, journal, self.watch)
                gathering.run()
                came = gathering.came
                merged = merge(read_lines(self._works_path(name)), journal.lines(lambda one: one in came))
                ledger = self._draft(name, question.as_dict(), str(question), journal, gathering.pages, merged, before)
                ledger.said, ledger.beyond = gathering.said, gathering.beyond
                ledger.missing, ledger.unasked = gathering.missing, gathering.unasked
                address = self.client.access.address
                if gathering.missing and not gathering.pages.lists and not gathering.came and address != API:
                    ledger.notes.append(f"Nothing at all was found: look whether {address} is the address of OpenAlex")
                ledger.gone = [one for one in before.gone if one["id"] not in came] if before else []
                return self._finish(journal, ledger, merged)

    def estimate(self, question: Question, name: str, again: bool = False) -> Estimate | None:
        """What a harvest will cost, or None where it is whole and nothing will be asked. What is read for it is kept."""
        with self._alone(name) as before:
            self._check(question, name, before, again)
            question = _grown(question, before)
            if before and self._is_whole(before, question, again):
                return None
            with self._reading(name, question.core(), again) as journal:
                found = Gathering(self.workspace, question, self.client, journal, self.watch).estimate()
                if journal.size() == (0, 0):
                    journal.remove()
                return found

    def due(self, days: int, name: str | None = None) -> list[Ledger]:
        """The harvests (or the one that is named) that were last read more than so many days ago."""
        names = [name] if name else harvest_names(self.workspace)
        found = []
        for one in names:
            ledger = read_ledger(self.workspace, one)
            if ledger is None:
                raise fail(f"there is no harvest {one!r}", f"There are: {', '.join(harvest_names(self.workspace)) or 'none'}")
            if datetime.fromisoformat(ledger.finished) <= datetime.now(UTC) - timedelta(days=days):
                found.append(ledger)
        return found

    def refresh(self, name: str) -> Harvested:
        """Reads the works of a harvest anew, by id. What the service has no more is kept, and told; so is what was retracted."""
        with self._alone(name) as before:
            if before is None:
                raise fail(f"there is no harvest {name!r}", "Read it first: kgraph harvest --help")
            old = {work_id(record["id"]) or "": brief(record) for record in read_works(self._works_path(name))}
            with self._reading(name, {"kind": "refresh", "of": before.finished}, fresh=False) as journal:
                self._begin(journal)
                came: set[str] = set()
                pages = Pages(self.client, journal, lambda: self.watch(Progress(len(came), len(old), self.client.left)))
                for page in pages.of_values("openalex", list(old)):
                    came.update(one for one in page.ids if one in old)
                gone = list(_gone([brief for one, brief in old.items() if one not in came], pages, came))
                merged = merge(read_lines(self._works_path(name)), journal.lines(lambda one: one in came))
                ledger = self._draft(name, before.question, before.says, journal, pages, merged, before)
                ledger.said, ledger.beyond, ledger.snapshot = before.said, before.beyond, before.snapshot
                ledger.missing, ledger.unasked, ledger.gone = before.missing, before.unasked, gone
                known = {one["id"] for one in before.gone}
                return self._finish(journal, ledger, merged, [one for one in gone if one["id"] not in known])

    # ---- what all have in common

    def _works_path(self, name: str) -> Path:
        return self.workspace.folder / "works" / name / WORKS

    def _journal_path(self, name: str) -> Path:
        return self.workspace.built / "harvests" / f"{name}.sqlite"

    def _check(self, question: Question, name: str, before: Ledger | None, again: bool) -> None:
        """Raises `KgraphError` when the name of the harvest stands for another question."""
        if before and not again and _core(before.question) != question.core():
            remedy = f"Give this one another name: --name NAME; or --again puts its works to those of {name}"
            raise fail(f"the harvest {name!r} asks for something else: {before.says}", remedy)

    def _is_whole(self, before: Ledger, question: Question, again: bool) -> bool:
        """Whether everything that is asked is there, and no other reading of it has begun."""
        if again or before.question != question.as_dict() or not self._works_path(before.harvest).exists():
            return False
        path = self._journal_path(before.harvest)
        if not path.exists():
            return True
        with closing(Journal(path)) as journal:
            return journal.fact("began") is None

    def _begin(self, journal: Journal) -> None:
        if journal.fact("began") is None:
            journal.note("began", _now())

    @contextmanager
    def _alone(self, name: str) -> Iterator[Ledger | None]:
        """The ledger of a harvest, while no other process harvests in the workspace. Raises `KgraphError` if one does."""
        if not NAME.fullmatch(name):
            raise fail(f"{name!r} is no name of a harvest", "Use small letters, digits, hyphens, dots: --name peer-support-china")
        place = self.workspace.built
        lock = filelock.FileLock(place / "harvest.lock", timeout=0)
        try:
            place.mkdir(exist_ok=True)
            lock.acquire()
        except filelock.Timeout as error:
            remedy = "Wait until it has ended, then run the same command"
            raise fail("another harvest of this workspace is under way", remedy, file=self.workspace.folder) from error
        except OSError as error:
            raise fail(f"cannot be written ({error.strerror})", "Free space, or allow writing there", file=place) from error
        try:
            ledger = read_ledger(self.workspace, name)
            if ledger is None and name in {path.stem for path in self.workspace.study_files()}:
                raise fail(f"{name!r} is the id of a study", f"Choose another name: --name {name}-works")
            self._sweep(name, ledger)
            yield ledger
        finally:
            lock.release()

    def _sweep(self, name: str, ledger: Ledger | None) -> None:
        """Removes the journal of a reading that was killed after its works and ledger had been put in their place."""
        path = self._journal_path(name)
        if ledger and path.exists():
            with closing(Journal(path)) as journal:
                told = journal.fact("told")
                if told and told["ledger"] == asdict(ledger):
                    journal.remove()

    @contextmanager
    def _reading(self, name: str, core: Record, fresh: bool) -> Iterator[Journal]:
        """The journal of a reading. One of another question is given up if `fresh`, and else an error."""
        path = self._journal_path(name)
        journal = Journal(path)
        self._sent = self.client.requests
        try:
            if fresh and journal.fact("core") not in (None, core):
                journal.remove()
                journal = Journal(path)
            if journal.fact("core") is None:
                journal.note("core", core)
            if journal.fact("core") != core:
                remedy = "Finish it with the command that began it, or give this one another name (--name); or delete the file"
                raise fail(f"a reading of {name!r} for something else is not finished", remedy, file=path)
            yield journal
        except BaseException:
            with suppress(KgraphError):
                self.kept = journal.size()
                if self.kept == (0, 0):
                    journal.remove()  # so that the name is not taken
            raise
        finally:
            journal.close()

    def _draft(
        self, name: str, question: Record, says: str, journal: Journal, pages: Pages, merged: Merged, before: Ledger | None
    ) -> Ledger:
        """The ledger of what was read, as far as it is the same for all."""
        written = Ledger(name, question, says, self.client.access.address, journal.fact("began"), _now())
        written.pages, written.credits = pages.number, pages.credits
        written.works, written.sha256, written.notes = merged.works, merged.sha256, pages.notes
        written.new, written.changed, written.absent = merged.new, merged.changed, merged.absent
        written.retracted = merged.retracted
        if before:
            told = ("question", "service", "began", "finished", "pages", "credits", "works", "new", "changed")
            written.earlier = [*before.earlier, {key: getattr(before, key) for key in told}]
        return written

    def _finish(self, journal: Journal, ledger: Ledger, merged: Merged, gone: list[Record] | None = None) -> Harvested:
        """Puts works and ledger in their place. A publishing that was broken off is done again with the ledger that it had."""
        told = journal.fact("told")
        if told is None or any(told["ledger"][part] != getattr(ledger, part) for part in ("question", "sha256")):
            told = {"ledger": asdict(ledger), "retracted": merged.newly_retracted, "gone": gone or []}
            journal.note("told", told)
        ledger = Ledger(**told["ledger"])
        publish(self.workspace, ledger, merged.content)
        journal.remove()
        return Harvested(ledger, self.client.requests - self._sent, False, told["retracted"], told["gone"])


def _gone(lacking: Sequence[Record], pages: Pages, came: set[str]) -> Iterator[Record]:
    """Those of the works that a list left out that are gone indeed, each with the id that its DOI has now; the others came."""
    for work in lacking:
        now = pages.of_one(work["id"]).ids or (pages.of_one(work["doi"]).ids if work["doi"] else [])
        if work["id"] in now:
            came.add(work["id"])
        else:
            yield work | ({"now": now[0]} if now else {})


def _grown(question: Question, before: Ledger | None) -> Question:
    """A question; where it is a list of works, with those that were asked for under this name before: such a list grows."""
    if before is None or question.kind != "works" or _core(before.question) != question.core():
        return question
    return replace(question, about=tuple(dict.fromkeys([*before.question["about"], *question.about])))


def _core(question: Record) -> Record:
    """The core of a question that a ledger holds."""
    values: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in question.items()}
    try:
        return Question(**values).core()
    except TypeError:
        return question  # of a version that asked otherwise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
