"""`kgraph harvest`: works from OpenAlex, asked for once and kept.

Imports that cost time stand in the commands, so that `kgraph --help` stays quick.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgraph.errors import fail

if TYPE_CHECKING:
    from kgraph.gathering import Estimate, Progress
    from kgraph.harvest import Harvested, Harvester
    from kgraph.question import Question

app = typer.Typer(help="Get works from OpenAlex, and keep them.", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
Name = Annotated[str | None, typer.Option("--name", help="The name of the harvest; by default it tells what is asked.")]
Look = Annotated[bool, typer.Option("--estimate", help="Only say how many works it would bring, and at what cost.")]
Again = Annotated[bool, typer.Option("--again", help="Ask anew, even when everything is there.")]
AtMost = Annotated[int | None, typer.Option("--at-most", min=1, help="How many works at most.")]
Since = Annotated[int | None, typer.Option("--from", metavar="YEAR", min=1000, max=9999, help="Only works from this year on.")]
Steps = Annotated[int, typer.Option("--steps", min=1, max=5, help="How many links to follow.")]
Middle = Annotated[
    list[str], typer.Argument(metavar="WORK...", help="DOIs, OpenAlex ids, the id of a study, the name of a harvest.")
]
HERE = Path(".")
MOST_LISTED = 100


@app.command()
def references(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The id of a study: fan-2024.")],
    workspace: Folder = HERE,
    name: Name = None,
    estimate: Look = False,
    again: Again = False,
) -> None:
    """Get the works in the reference list of a study."""
    from kgraph import question

    _run(question.references(study), workspace, name, estimate, again)


@app.command()
def doi(
    works: Annotated[list[str] | None, typer.Argument(metavar="DOI...", help="DOIs or OpenAlex ids.")] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file with one on each line.")] = None,
    workspace: Folder = HERE,
    name: Name = None,
    estimate: Look = False,
    again: Again = False,
) -> None:
    """Get works by DOI or OpenAlex id."""
    from kgraph import question

    if file and not works:
        name = name or "-".join(filter(None, ("doi", question.slug(file.stem)[:50])))
    _run(question.works(works or [], file), workspace, name, estimate, again)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help='Words; AND, OR, NOT and "exact phrases" work.')],
    workspace: Folder = HERE,
    filters: Annotated[list[str] | None, typer.Option("--filter", help="NAME:VALUE as OpenAlex has it: type:article.")] = None,
    since: Since = None,
    at_most: AtMost = None,
    name: Name = None,
    estimate: Look = False,
    again: Again = False,
) -> None:
    """Get the works that match a search."""
    from kgraph import question

    _run(question.search(text, filters or (), since, at_most), workspace, name, estimate, again)


@app.command("cited-by")
def cited_by(
    works: Middle,
    workspace: Folder = HERE,
    steps: Steps = 1,
    at_most: AtMost = None,
    name: Name = None,
    estimate: Look = False,
    again: Again = False,
) -> None:
    """Get the works that are cited by these: what they rest on."""
    from kgraph import question

    _run(question.around("cited-by", works, steps, None, at_most), workspace, name, estimate, again)


@app.command()
def cites(
    works: Middle,
    workspace: Folder = HERE,
    steps: Steps = 1,
    since: Since = None,
    at_most: AtMost = None,
    name: Name = None,
    estimate: Look = False,
    again: Again = False,
) -> None:
    """Get the works that cite these: what came of them."""
    from kgraph import question

    _run(question.around("cites", works, steps, since, at_most), workspace, name, estimate, again)


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A harvest of kgraph.toml: [harvests.NAME].")],
    workspace: Folder = HERE,
    estimate: Look = False,
    again: Again = False,
) -> None:
    """Get a harvest that is written down in kgraph.toml."""
    from kgraph.question import from_settings
    from kgraph.validation import nearest
    from kgraph.workspace import find_workspace

    found = find_workspace(workspace)
    tables = found.settings.harvests
    if name not in tables:
        few = f"There are: {', '.join(tables)}" if tables else f"Write [harvests.{name}] and below it what is asked"
        raise fail(f"there is no harvest {name!r}", nearest(name, tables) or few, file=found.folder / "kgraph.toml")
    _run(from_settings(name, tables[name], found.folder / "kgraph.toml"), workspace, name, estimate, again)


@app.command()
def refresh(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A harvest; by default all of them.")] = None,
    older: Annotated[int, typer.Option("--older-than", metavar="DAYS", min=0, help="Read so many days ago, or more.")] = 30,
    workspace: Folder = HERE,
    estimate: Look = False,
) -> None:
    """Read works anew that were read long ago; say what was retracted, and what OpenAlex has no more."""
    harvester = _harvester(workspace)
    due = harvester.due(older, name)
    if not due:
        print(f"Nothing was read {older} days ago or more")
    for ledger in due:
        if estimate:
            requests = -(-ledger.works // 100)
            print(f"{ledger.harvest}: {ledger.works:,} works, read {ledger.finished[:10]}: {_cost(requests, requests)}")
            continue
        with _shown(harvester, ledger.harvest):
            found = harvester.refresh(ledger.harvest)
        _tell(found, f"{ledger.harvest}: read anew", harvester)


def _run(question: "Question", workspace: Path, name: str | None, estimate: bool, again: bool) -> None:
    harvester = _harvester(workspace)
    name = name or question.name
    title = f"{name}: {question}"
    if estimate:
        with _shown(harvester, name):
            cost = harvester.estimate(question, name, again)
        _tell_estimate(cost, title, harvester.client.left)
        return
    with _shown(harvester, name):
        found = harvester.harvest(question, name, again)
    _tell(found, title, harvester)


def _harvester(workspace: Path) -> "Harvester":
    from kgraph.harvest import Harvester
    from kgraph.openalex import Client, find_access
    from kgraph.workspace import find_workspace

    found = find_workspace(workspace)
    return Harvester(found, Client(find_access(found.settings.openalex, found.folder, os.environ)))


@contextmanager
def _shown(harvester: "Harvester", name: str) -> Iterator[None]:
    """Shows on a terminal how far a reading is, and says what is kept of one that stops."""
    from kgraph.openalexerrors import OpenAlexError

    try:
        with _bar(name) if sys.stderr.isatty() else nullcontext(lambda progress: None) as harvester.watch:
            yield
    except (OpenAlexError, KeyboardInterrupt) as stop:
        if harvester.kept and harvester.kept[0]:
            pages, works = harvester.kept
            print(f"{name}: {pages:,} pages with {works:,} works are kept, and not paid for again", file=sys.stderr)
        if isinstance(stop, OpenAlexError):
            raise
        print("Stopped. The same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def _bar(name: str) -> Iterator[Callable[["Progress"], None]]:
    from rich import progress
    from rich.console import Console

    shown = progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn()
    told = progress.TextColumn("{task.fields[told]}"), progress.TimeRemainingColumn()
    with progress.Progress(*shown, *told, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, told="")

        def watch(now: "Progress") -> None:
            elapsed = bar.tasks[0].elapsed or 0
            rate = f"{now.works / elapsed:,.0f} works/s" if elapsed > 1 else ""
            left = "" if now.left is None else f"{now.left:,} credits left"
            bar.update(task, completed=now.works, total=now.expected, told=", ".join(filter(None, (rate, left))))

        yield watch


def _tell(found: "Harvested", title: str, harvester: "Harvester") -> None:
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
        print(f"note: about {ledger.beyond:,} more lie beyond --at-most {ledger.question.get('at_most'):,}")
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
    left = f"; {harvester.client.left:,} credits left today" if harvester.client.left is not None else ""
    now = f" ({found.requests:,} of them now)" if found.requests < ledger.pages else ""
    print(f"{_cost(ledger.pages, ledger.credits)}{now}{left}. In {place}")


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


def _tell_estimate(cost: "Estimate | None", title: str, left: int | None) -> None:
    if cost is None:
        print(f"{title}: everything is there; nothing would be asked (--again asks anew)")
        return
    works = " ".join(filter(None, (cost.bound, f"{cost.works:,} works")))
    print(f"{title}: {works}; still to come: {_cost(cost.requests, cost.credits)}")
    if cost.paid:
        print(f"This look cost {_credits(cost.paid)}; what it read is kept, and not paid for again")
    if cost.then:
        print(cost.then)
    if left is not None:
        enough = "" if cost.credits <= left else ": it will stop when they are spent, and go on the day after"
        print(f"{left:,} credits are left today{enough}")


def _cost(requests: int, credits: int) -> str:
    return f"{requests:,} request{'s' * (requests != 1)}, {_credits(credits)}"


def _credits(credits: int) -> str:
    return f"{credits:,} credit{'s' * (credits != 1)} (${credits / 10_000:.4f})"
