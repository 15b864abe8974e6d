"""`kgraph doctor`, `kgraph backup`, `kgraph restore`.

Imports that cost time stand in the commands, so that `kgraph --help` stays quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from kgraph.telling import json_errors, tell_json

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
HERE = Path(".")


def doctor(
    workspace: Folder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what is wrong with a workspace and what is built of it, and what to do; repairs nothing."""
    from kgraph.answers import print_table
    from kgraph.doctor import examine

    with json_errors(as_json):
        report = examine(workspace)
    if as_json:
        tell_json(report.as_dict())
    else:
        rows = [(one.name, one.result, one.looked_at) for one in report.results]
        print_table(("about", "result", "what was looked at"), rows, sys.stdout)
        for problem in report.problems:
            print(f"{problem.severity} [{problem.check}] {problem}")
        print("All is well" if report.ok else "Something is wrong: see above")
    if not report.ok:
        raise typer.Exit(1)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="A new file.")],
    workspace: Folder = HERE,
) -> None:
    """Put the sources of a workspace into a file, restricted ones too; nothing that is built, no keys."""
    from kgraph.backup import back_up
    from kgraph.keeping import bytes_in_words
    from kgraph.workspace import find_workspace

    made = back_up(find_workspace(workspace), file)
    print(f"Wrote {file}: {made.files:,} files, {bytes_in_words(made.size)}. Read it again: kgraph restore {file} FOLDER")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="What `kgraph backup` wrote.")],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Make a workspace from a backup, whole or not at all."""
    from kgraph.restoring import restore as restore_files

    made = restore_files(file, folder)
    print(f"Restored {made.files:,} files into {folder}. Next: kgraph build -w {folder}")
