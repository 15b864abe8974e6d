"""`kgraph harvest`: works from OpenAlex, asked for once and kept, or taken from a copy of its snapshot.

Imports that cost time stand in the commands, so that `kgraph --help` stays quick.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgraph.errors import KgraphError, fail
from kgraph.harvest_telling import copy_bar, price, shown, stopping, tell_estimate, tell_harvest, tell_size

if TYPE_CHECKING:
    from kgraph.copyharvest import CopyQuestion
    from kgraph.harvest import Harvester
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
def snapshot(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A copy of OpenAlex's snapshot (JSON lines) on this machine.")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="KIND:VALUE",
            help="A condition: topic, term, work, cites, cited-by, year, type, language, country, retracted. Within a kind one "
            "is enough (also term:one|another); all kinds that are named have to be met.",
        ),
    ] = None,
    workspace: Folder = HERE,
    at_most: AtMost = None,
    name: Name = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how much there is to read.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Read anew, even when everything is there.")] = False,
    without_manifest: Annotated[bool, typer.Option("--without-manifest", help="Do not ask whether the copy is whole.")] = False,
) -> None:
    """Take the works that meet conditions from a copy of the whole of OpenAlex."""
    from kgraph.copyharvest import CopyQuestion

    asked = CopyQuestion(tuple(where or ()), at_most)
    _run_copy(asked, folder, workspace, name, estimate, again, without_manifest)


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
    if "snapshot" in tables[name]:
        from kgraph import copyharvest

        folder, asked = copyharvest.from_settings(name, tables[name], found.folder / "kgraph.toml")
        _run_copy(asked, folder, workspace, name, estimate, again)
        return
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
            print(f"{ledger.harvest}: {ledger.works:,} works, read {ledger.finished[:10]}: {price(requests, requests)}")
            continue
        with shown(harvester, ledger.harvest):
            found = harvester.refresh(ledger.harvest)
        tell_harvest(found, f"{ledger.harvest}: read anew", harvester)


def _run(question: "Question", workspace: Path, name: str | None, estimate: bool, again: bool) -> None:
    harvester = _harvester(workspace)
    name = name or question.name
    title = f"{name}: {question}"
    if estimate:
        with shown(harvester, name):
            cost = harvester.estimate(question, name, again)
        tell_estimate(cost, title, harvester.client.left)
        return
    with shown(harvester, name):
        found = harvester.harvest(question, name, again)
    tell_harvest(found, title, harvester)


def _run_copy(
    asked: "CopyQuestion",
    folder: Path,
    workspace: Path,
    name: str | None,
    estimate: bool,
    again: bool,
    without_manifest: bool = False,
) -> None:
    from kgraph.copyharvest import CopyHarvester
    from kgraph.openalexcopy import open_copy
    from kgraph.where import read_conditions
    from kgraph.workspace import find_workspace

    harvester = CopyHarvester(find_workspace(workspace))
    conditions = read_conditions(asked.where, harvester.workspace)
    copy = open_copy(folder, without_manifest)
    name = name or asked.name
    title = f"{name}: {asked}"
    if estimate:
        tell_size(harvester.look(asked, copy, name), title)
        return

    def kept() -> str:
        parts, works = harvester.read or (0, 0)
        return f"{name}: {parts:,} of {len(copy.parts):,} parts are read, {works:,} works are kept" if parts else ""

    with stopping(kept, KgraphError), copy_bar(name) as harvester.watch_copy:
        found = harvester.take(asked, conditions, copy, name, again)
    tell_harvest(found, title, harvester)


def _harvester(workspace: Path) -> "Harvester":
    from kgraph.harvest import Harvester
    from kgraph.openalex import Client, find_access
    from kgraph.workspace import find_workspace

    found = find_workspace(workspace)
    return Harvester(found, Client(find_access(found.settings.openalex, found.folder, os.environ)))
