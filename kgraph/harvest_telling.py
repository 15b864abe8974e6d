"""What people see of a harvest: a bar while it is read, what is kept when it stops, what came of it.

Imports that cost time stand in the functions, so that `kgraph --help` stays quick.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from kgraph.errors import KgraphError

if TYPE_CHECKING:
    from kgraph.copyharvest import CopyEstimate
    from kgraph.gathering import Estimate
    from kgraph.harvest import Harvested, Harvester

MOST_LISTED = 100
Told = tuple[int, int | None, list[str]]  # how much is done, of how much, and words for it
Tell = Callable[[Any, float], Told]  # of what is watched, and of the seconds so far


@contextmanager
def shown(harvester: "Harvester", name: str) -> Iterator[None]:
    """Shows on a terminal how far a reading is, and says what is kept of one that stops."""
    from kgraph.openalexerrors import OpenAlexError

    def kept() -> str:
        pages, works = harvester.kept or (0, 0)
        return f"{name}: {pages:,} pages with {works:,} works are kept, and not paid for again" if pages else ""

    def tell(now: Any, elapsed: float) -> Told:
        rate = f"{now.works / elapsed:,.0f} works/s" if elapsed > 1 else ""
        return now.works, now.expected, [rate, "" if now.left is None else f"{now.left:,} credits left"]

    with stopping(kept, OpenAlexError), _bar(name, tell) as harvester.watch:
        yield


@contextmanager
def copy_bar(name: str) -> Iterator[Callable[[Any], None]]:
    """Shows on a terminal how much of a copy is read."""
    at_first: list[int] = []  # records that had been read before

    def tell(now: Any, elapsed: float) -> Told:
        at_first.append(now.records)
        rate = f"{(now.records - at_first[0]) / elapsed:,.0f} records/s" if elapsed > 1 else ""
        done = f"{now.parts:,} of {now.of_parts:,} parts", f"{now.records:,} records read", f"{now.kept:,} kept"
        return now.size, now.of_size, [*done, rate]

    with _bar(name, tell, percent=True) as watch:
        yield watch


@contextmanager
def stopping(kept: Callable[[], str], told: type[KgraphError]) -> Iterator[None]:
    """Says what is `kept` of a reading that is stopped by Ctrl-C or by such an error."""
    try:
        yield
    except (told, KeyboardInterrupt) as stop:
        if text := kept():
            print(text, file=sys.stderr)
        if isinstance(stop, KgraphError):
            raise
        print("Stopped. The same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def _bar(name: str, tell: Tell, percent: bool = False) -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal, and nothing elsewhere: what is watched goes through `tell`."""
    if not sys.stderr.isatty():
        yield lambda now: None
        return
    from rich import progress
    from rich.console import Console

    count = progress.TaskProgressColumn() if percent else progress.MofNCompleteColumn()
    told = progress.TextColumn("{task.fields[told]}"), progress.TimeRemainingColumn()
    columns = progress.TextColumn("{task.description}"), progress.BarColumn(), count, *told
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, told="")

        def watch(now: Any) -> None:
            done, whole, words = tell(now, bar.tasks[0].elapsed or 0)
            bar.update(task, completed=done, total=whole, told=", ".join(filter(None, words)))

        yield watch


def tell_harvest(found: "Harvested", title: str, harvester: "Harvester") -> None:
    """What came, what is missing, what it cost."""
    ledger = found.ledger
    counts = [f"{ledger.works:,} work{'s' * (ledger.works != 1)}"]
    counts += [f"{ledger.new:,} new"] if ledger.earlier and not found.already else []
    counts += [f"{ledger.changed:,} changed"] if ledger.changed and not found.already else []
    counts += [f"{ledger.absent:,} that came no more, kept"] if ledger.absent else []
    counts += [f"{len(ledger.missing):,} not found"] if ledger.missing else []
    print(f"{title}: {', '.join(counts)}")
    for note in ledger.notes:
        print(f"note: {note}")
    if ledger.beyond:
        about = "" if ledger.snapshot else "about "
        print(f"note: {about}{ledger.beyond:,} more lie beyond --at-most {ledger.question.get('at_most'):,}")
    _list("Not found", ledger.missing)
    _list("Came under another DOI than any that was asked for, and not taken", ledger.unasked)
    if found.retracted:
        _list("Retracted since they were last read", found.retracted)
    else:
        _list("Retracted", ledger.retracted)
    _list("OpenAlex has them no more, and they are kept as they were", found.gone)
    place = os.path.relpath(harvester.workspace.folder / "works" / ledger.harvest)
    if found.already:
        print(f"Read {ledger.finished[:10]}; nothing was asked now (--again asks anew). In {place}")
        return
    if (read := ledger.snapshot) and not found.requests:
        release = ledger.question.get("release") or "an unknown day"
        print(f"Read {read['parts']:,} parts with {read['read']:,} records, of the release of {release}. In {place}")
        return
    left = f"; {harvester.client.left:,} credits left today" if harvester.client.left is not None else ""
    now = f" ({found.requests:,} of them now)" if found.requests < ledger.pages else ""
    print(f"{price(ledger.pages, ledger.credits)}{now}{left}. In {place}")


def _list(title: str, works: list[dict[str, Any]]) -> None:
    """Works, one a line: number of the reference, DOI or id, title; below it what is near."""
    if not works:
        return
    print(f"{title} ({len(works):,}):")
    for work in works[:MOST_LISTED]:
        number = f"{work['reference']:>4}  " if "reference" in work else "  "
        names = work.get("doi") or work.get("id") or "without a DOI"
        print(f"{number}{names}  {_plain(work.get('title'))}".rstrip())
        if now := work.get("now"):
            print(f"        now {now}; to take it: kgraph harvest doi {now}")
        for near in work.get("near", ()):
            alike = f"near: «{_plain(near['title'])}» ({near['likeness']} % alike)"
            print(f"        {alike}; to take it: kgraph harvest doi {near['id']}")
    if len(works) > MOST_LISTED:
        print(f"  and {len(works) - MOST_LISTED:,} more, in the ledger")


def _plain(text: object) -> str:
    """A text of others in one line, without what a terminal would obey."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text or "")).split())


def tell_estimate(cost: "Estimate | None", title: str, left: int | None) -> None:
    if cost is None:
        print(f"{title}: everything is there; nothing would be asked (--again asks anew)")
        return
    works = " ".join(filter(None, (cost.bound, f"{cost.works:,} works")))
    print(f"{title}: {works}; still to come: {price(cost.requests, cost.credits)}")
    if cost.paid:
        print(f"This look cost {_credits(cost.paid)}; what it read is kept, and not paid for again")
    if cost.then:
        print(cost.then)
    if left is not None:
        enough = "" if cost.credits <= left else ": it will stop when they are spent, and go on the day after"
        print(f"{left:,} credits are left today{enough}")


def tell_size(there: "CopyEstimate", title: str) -> None:
    records = "" if there.records is None else f" with {there.records:,} records"
    read = f"; {there.read:,} of them are read already" if there.read else ""
    print(f"{title}: {there.parts:,} parts{records}, {there.size / 1e9:,.2f} GB packed{read}")


def price(requests: int, credits: int) -> str:
    return f"{requests:,} request{'s' * (requests != 1)}, {_credits(credits)}"


def _credits(credits: int) -> str:
    return f"{credits:,} credit{'s' * (credits != 1)} (${credits / 10_000:.4f})"
