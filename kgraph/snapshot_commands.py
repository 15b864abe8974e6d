"""`kgraph snapshots`: which are kept, which stay, which is shown.

Imports that cost time stand in the commands, so that `kgraph --help` stays quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from kgraph.telling import json_errors, tell_json

app = typer.Typer(help="Keep snapshots, go back to one, remove old ones.", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path, typer.Option("-w", "--workspace", help="The workspace; by default the one around the current folder.")]
Version = Annotated[str, typer.Argument(help="A version, or as much of its beginning as is needed.")]
HERE = Path(".")


@app.command("list")
def list_(
    workspace: Folder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List the snapshots that are kept, the newest first."""
    from kgraph.answers import print_table
    from kgraph.keeping import bytes_in_words, kept_snapshots
    from kgraph.workspace import find_workspace

    with json_errors(as_json):
        found = kept_snapshots(find_workspace(workspace))
    if as_json:
        tell_json({"ok": True, "snapshots": [one.as_dict() for one in found]})
        return
    if not found:
        print("Nothing is built yet. Next: kgraph build")
        return
    rows = [
        (
            " ".join(word for word, so in (("published", one.published), ("pinned", one.pinned)) if so),
            one.name,
            one.built[:16].replace("T", " "),
            bytes_in_words(one.size),
            bytes_in_words(one.freed),
            f"damaged: {one.damage}" if one.damage else one.note,
        )
        for one in found
    ]
    print_table(("", "version", "built (UTC)", "size", "its own", "note"), rows, sys.stdout)


@app.command()
def pin(
    version: Version,
    workspace: Folder = HERE,
    note: Annotated[str, typer.Option("--note", help="Why it is to stay.")] = "",
) -> None:
    """Keep a version for good."""
    from kgraph.keeping import pin as pin_version
    from kgraph.workspace import find_workspace

    pinned, stays = pin_version(find_workspace(workspace), version, note)
    print(f"Pinned {pinned}")
    if not stays:
        print("Something is restricted here: the next build that publishes another version removes this one all the same")


@app.command()
def unpin(version: Version, workspace: Folder = HERE) -> None:
    """Let go of a version that was pinned."""
    from kgraph.keeping import unpin as unpin_version
    from kgraph.workspace import find_workspace

    print(f"No longer pinned: {unpin_version(find_workspace(workspace), version)}")


@app.command()
def use(version: Version, workspace: Folder = HERE) -> None:
    """Publish a kept version again; the next build publishes what the sources say."""
    from kgraph.keeping import use_snapshot
    from kgraph.workspace import find_workspace

    print(f"Published {use_snapshot(find_workspace(workspace), version)}")


@app.command()
def prune(
    workspace: Folder = HERE,
    keep: Annotated[int | None, typer.Option("--keep", min=0, help="How many of the newest stay, beside pinned ones; 5.")] = None,
    older_than: Annotated[float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Only older ones.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare every byte to find damage.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove old snapshots and damaged ones, never what is published or pinned."""
    from kgraph import keeping
    from kgraph.workspace import find_workspace

    number = keep if keep is not None else keeping.KEPT if older_than is None else 0
    done = keeping.prune(find_workspace(workspace), number, older_than, dry_run, check)
    for name in done.names:
        print(f"{'Would remove' if dry_run else 'Removed'} {name}")
    if done.names or done.freed:
        print(f"{'Would free' if dry_run else 'Freed'} {keeping.bytes_in_words(done.freed)}")
    else:
        print("Nothing to remove")
