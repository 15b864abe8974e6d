"""`kgraph tag`: which concepts a title or an abstract mentions, and why.

Imports that cost time stand in the functions, so that `kgraph --help` stays quick.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgraph.errors import KgraphError, fail

if TYPE_CHECKING:
    from kgraph.tagging import Finding

Labels = list[tuple[str, str, str]]


@dataclass(frozen=True)
class _Concepts:
    """The labels that are looked for, and how many concepts they come from: packaged ones, and a workspace's own."""

    labels: Labels
    packaged: int
    own: int
    workspace: str

    def told(self) -> str:
        """Where the concepts come from, in a sentence."""
        if not self.workspace:
            return f"Looked for {self.packaged:,} concepts of the packaged ontology; there is no workspace here."
        own = f"{self.own:,} of its own" if self.own else "none of its own"
        return f"Looked for {self.packaged:,} concepts of the packaged ontology; the workspace {self.workspace} has {own}."


def tag(
    text: Annotated[str | None, typer.Argument(help="A title or an abstract, in quotation marks.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file with the text (UTF-8); - for standard input.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why, and what was considered and dropped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "-w", "--workspace", help="Whose own concepts count too; by default the one here or above, if there is any."
        ),
    ] = None,
) -> None:
    """Find the concepts that a title or an abstract mentions."""
    try:
        words = _read(text, file)
        concepts = _concepts(workspace)
        from kgraph.tagging import Tagger

        findings = Tagger(concepts.labels).explain(words)
    except KgraphError as error:
        if not as_json:
            raise
        told = {"ok": False, "problems": [problem.as_dict() for problem in error.problems]}
        print(json.dumps(told, ensure_ascii=False, indent=1))
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps(_as_json(findings, concepts, explain), ensure_ascii=False, indent=1))
        return
    mentions = [finding for finding in findings if not finding.reason]
    if explain:
        _print_explained(findings)
    elif mentions:
        _print_mentions(mentions)
    if not mentions:
        print("No concept is mentioned." + ("" if explain else " What was considered: --explain"))
    print(concepts.told())


def _read(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise fail("give one text", "kgraph tag 'A title or an abstract', or kgraph tag -f FILE")
    if text is None and file is not None:
        try:
            text = (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode("utf-8-sig")
        except OSError as error:
            raise fail(f"cannot be read ({error.strerror})", "Name a text file", file=file) from error
        except UnicodeDecodeError as error:
            raise fail(f"byte {error.start} is not UTF-8", "Save the text as UTF-8", file=file) from error
    if not text or not text.strip():
        raise fail("there is no text", "Give a title or an abstract", file=file or "")
    return text


def _concepts(folder: Path | None) -> _Concepts:
    """The concepts to look for. Raises `KgraphError` when a workspace is named that is none, or a file of it is wrong."""
    from kgraph.names import ONTOLOGY
    from kgraph.tagging import read_labels
    from kgraph.vocabulary import parse_turtle
    from kgraph.workspace import find_workspace

    try:
        workspace = find_workspace(folder or Path("."))
    except KgraphError:
        if folder is not None:
            raise
        workspace = None
    packaged = sorted((ONTOLOGY / "concepts").glob("*.ttl"))
    files = packaged if workspace is None else workspace.ontology_files()
    quads = {path: parse_turtle(path) for path in files}
    shipped = {concept for concept, _, _ in read_labels(quad for path in packaged for quad in quads[path])}
    labels = list(read_labels(quad for path in files for quad in quads[path]))
    own = {concept for concept, _, _ in labels} - shipped
    return _Concepts(labels, len(shipped), len(own), workspace.settings.name if workspace else "")


def _short(iri: str) -> str:
    from kgraph.names import CONCEPT

    return iri.removeprefix(CONCEPT)


def _print_mentions(mentions: Sequence["Finding"]) -> None:
    from kgraph.answers import print_table

    rows = [
        (
            " ".join(finding.words.split()),
            "not " * finding.match.negated + _short(finding.match.concept),
            finding.match.rule,
            f"{finding.match.start}-{finding.match.end}",
        )
        for finding in mentions
    ]
    print_table(("words", "concept", "rule", "place"), rows, sys.stdout)


def _print_explained(findings: Sequence["Finding"]) -> None:
    """The mentions with what made them, then what was dropped, the same words once."""
    from kgraph.tagging import REASONS, RULES

    for finding in findings:
        if not finding.reason:
            match = finding.match
            print(f"{match.start}-{match.end}  {' '.join(finding.words.split())}  ->  {_short(match.concept)}")
            print(
                f"    {match.rule}, of the label {match.label!r} ({match.language or 'no language'}). {RULES[match.rule]['en']}"
            )
            if match.negated:
                print(f"    negated by {finding.other!r}")
    dropped = {(f.match.start, f.match.end, f.match.concept, f.reason): f for f in findings if f.reason}
    if dropped:
        print("Considered and dropped:")
    for finding in dropped.values():
        match = finding.match
        beside = f" ({' '.join(finding.other.split())!r})" if finding.other else ""
        print(f"{match.start}-{match.end}  {' '.join(finding.words.split())}  x  {_short(match.concept)}")
        print(f"    {finding.reason}{beside}. {REASONS[finding.reason]['en']}")


def _as_json(findings: Sequence["Finding"], concepts: _Concepts, explain: bool) -> dict[str, Any]:
    def told(finding: "Finding") -> dict[str, Any]:
        from dataclasses import asdict

        return {**asdict(finding.match), "words": finding.words}

    answer: dict[str, Any] = {
        "ok": True,
        "concepts": {"packaged": concepts.packaged, "workspace": concepts.workspace or None, "own": concepts.own},
        "mentions": [
            told(finding) | ({"negatedBy": finding.other} if finding.other else {}) for finding in findings if not finding.reason
        ],
    }
    if explain:
        answer["dropped"] = [
            told(finding) | {"reason": finding.reason, "because": finding.other} for finding in findings if finding.reason
        ]
    return answer
