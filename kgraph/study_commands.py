"""`kgraph study`: begin a study file, check it while it is being written, read it.

Imports that cost time stand in the commands, so that `kgraph --help` stays quick.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgraph.errors import KgraphError, fail

if TYPE_CHECKING:
    from kgraph.vocabulary import Vocabulary

app = typer.Typer(help="Begin, check and read study files.", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="A study file, or the id of a study of the workspace.")]
HERE = Path(".")


@app.command()
def new(
    study: Annotated[str, typer.Argument(metavar="ID", help="Small letters, digits, hyphens; for ever: fan-2024.")],
    workspace: Folder = HERE,
    text: Annotated[Path | None, typer.Option("--text", help="The article as plain text, where its licence allows.")] = None,
    coder: Annotated[str, typer.Option("--coder", help="The id of whoever codes.")] = "coder",
) -> None:
    """Write a commented skeleton of a study file."""
    from kgraph.skeleton import begin_study
    from kgraph.workspace import find_workspace

    path = begin_study(find_workspace(workspace).folder / "studies", study, coder, text)
    path = Path(os.path.relpath(path))
    print(f"Wrote {path}. Fill in what is empty, then: kgraph study check {path}")


@app.command()
def check(
    file: File,
    workspace: Folder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say everything that is wrong with a study file."""
    from kgraph.counts import count_issues
    from kgraph.studyfile import load_study

    path = _find(file, workspace)
    issues: list[str] = []
    try:
        loaded = load_study(path, _vocabulary(path))
        problems = loaded.problems
        issues = [issue.statement.en for issue in count_issues(loaded.study)]
    except KgraphError as error:
        problems = error.problems
    if as_json:
        told = {"ok": not problems, "problems": [problem.as_dict() for problem in problems], "dataIssues": issues}
        print(json.dumps(told, ensure_ascii=False, indent=1))
    elif problems:
        raise KgraphError(problems)
    else:
        for issue in issues:
            print(f"data issue, kept with the study: {issue}")
        study = loaded.study
        counts = (("theme", study.themes), ("quotation", study.quotations), ("assertion", study.assertions))
        parts = ", ".join(f"{len(things)} {name}{'s' * (len(things) != 1)}" for name, things in counts)
        print(f"{path.name} is sound: {parts}. Next: kgraph build")
    if problems:
        raise typer.Exit(1)


@app.command()
def show(file: File, workspace: Folder = HERE) -> None:
    """Print a study as a person would read it."""
    from kgraph.reading import read_out
    from kgraph.studyfile import load_study

    path = _find(file, workspace)
    vocabulary = _vocabulary(path)
    for line in read_out(load_study(path, vocabulary), vocabulary, min(shutil.get_terminal_size().columns, 110)):
        print(line)


@app.command()
def concepts(
    word: Annotated[str, typer.Argument(help="What you look for, in English or Chinese: stigma, 'being listened to', 污名.")],
    workspace: Folder = HERE,
) -> None:
    """List the concepts whose name is like a word, with the slugs that a study file uses."""
    from kgraph.answers import print_table

    vocabulary = _vocabulary(workspace / "any")
    wanted = word.casefold()
    named = [s for s, labels in vocabulary.labels.items() if wanted in s or any(wanted in label.casefold() for label in labels)]
    rows = [
        (slug, vocabulary.facets[slug], vocabulary.names.get(slug, ""))
        for slug in dict.fromkeys([*vocabulary.near(word, 10), *named])
    ]
    if not rows:
        raise fail(f"no concept is named like {word!r}", "Try a broader word, or see the pages under /concepts: kgraph serve")
    print_table(("slug", "facet", "name"), rows, sys.stdout)


def _find(file: str, workspace: Path) -> Path:
    """The study file that is meant: a path, or the id of a study of the workspace."""
    path = Path(file)
    if path.suffix in (".yaml", ".yml") or path.exists():
        if not path.is_file():
            raise fail("there is no such file", "Name a study file, or the id of a study of the workspace", file=path)
        return path
    from kgraph.validation import nearest
    from kgraph.workspace import find_workspace

    files = {path.stem: path for path in find_workspace(workspace).study_files()}
    if file not in files:
        few = f"There are: {', '.join(files)}" if files else "Begin one: kgraph study new ID"
        raise fail(f"there is no study {file!r}", nearest(file, files) or few)
    return files[file]


def _vocabulary(path: Path) -> "Vocabulary":
    """The concepts of the workspace that a file lies in; of the packaged ontology alone, where it lies in none."""
    from kgraph.mapped import vocabulary
    from kgraph.workspace import Workspace, find_workspace

    try:
        return vocabulary(find_workspace(path.absolute().parent))
    except KgraphError:
        return vocabulary(Workspace(path.absolute().parent))
