"""The README says what is so: its question has the answer that it prints, its Python runs, its commands and numbers exist."""

import contextlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import kgraph
from kgraph import cli
from kgraph.snapshot import Snapshot
from kgraph.workspace import Workspace

ROOT = Path(kgraph.__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_question_has_the_printed_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    shown = "\n".join(line[4:] for line in re.findall(r"^    .*$", README, re.MULTILINE))
    command, answer = re.search(r"\$ (\.venv/bin/kgraph query .*?ORDER BY \?reference')\n(.*?rows\))", shown, re.DOTALL).groups()  # type: ignore[union-attr]
    arguments = shlex.split(command)
    monkeypatch.setattr("sys.argv", [*arguments[:2], "-w", str(workspace.folder), *arguments[4:]])
    with contextlib.suppress(SystemExit):
        cli.main()
    assert capsysbinary.readouterr().out.decode().splitlines() == answer.splitlines()


def test_the_python_runs(workspace: Workspace) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]  # type: ignore[index]
    names: dict[str, Any] = {}
    exec(code.replace('"example"', repr(str(workspace.folder))), names)  # noqa: S102 - the README's own lines
    assert [row["speaker"].rsplit("/", 1)[1] for row in names["rows"]] == ["P4"]
    assert {"speaker", "text"} <= names["rows"][0].keys()


def test_commands_are_those_of_the_command_line() -> None:
    named = set(re.findall(r"^\| `kgraph (\w+)", README, re.MULTILINE))
    assert named == set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]


def test_the_numbers_are_those_of_the_example(snapshot: Snapshot) -> None:
    (seed,) = (row for row in snapshot.ask("how-surely-known") if row["anchorStatus"] == "verified")
    text = " ".join(README.split())
    for number, what in (
        (snapshot.manifest["counts"]["concept"], "concepts"),
        (snapshot.manifest["counts"]["participant"], "participants"),
        (seed["quotations"], "quotations"),
        (seed["assertions"], "assertions"),
        (len(snapshot.ask("reference-list", inStudy=seed["study"])), "references"),
        (sum(row["study"] == seed["study"] for row in snapshot.ask("data-issues")), "notes on what in the paper"),
    ):
        assert f"{number} {what}" in text
    assert f"3 themes with {seed['themes'] - 3} sub-themes" in text
    assert len(snapshot.ask("studies")) == 7
    assert "holds seven studies" in text


def test_what_the_documents_point_to_exists() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "docs/first-study.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for path in re.findall(r"`((?:kgraph|web|ontology|tests)/[\w./-]*[\w/])`", text):
            assert (ROOT / path).exists(), f"{document} names {path}"
