"""The steps of the documentation, run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import kgraph

ROOT = Path(kgraph.__file__).parent.parent
BLOCK = re.compile(r"(?:Save this as `(?P<file>[^`]+)`:\n\n)?```(?P<kind>\w+)\n(?P<content>.*?)```\n", re.DOTALL)


def expected(lines: list[str]) -> re.Pattern[str]:
    """What a command should print: `...` stands for anything, runs of white space for one another."""
    text = re.escape(" ".join(" ".join(lines).split())).replace(r"\.\.\.", ".*").replace(r"\ ", r"\s*")
    return re.compile(text, re.DOTALL)


def steps(console: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines it should print."""
    found: list[tuple[str, list[str]]] = []
    for line in console.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def test_first_study(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "first-study.md").read_text(encoding="utf-8")
    folder, ran = tmp_path, 0
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    for block in BLOCK.finditer(page):
        if block["file"]:
            (folder / block["file"]).write_text(block["content"], encoding="utf-8")
        for command, printed in steps(block["content"]) if block["kind"] == "console" else []:
            if command.startswith("cd "):
                folder = folder / command[3:]
                continue
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=folder,
                env={"PATH": path, "COLUMNS": "120"},
                capture_output=True,
                text=True,
                check=False,
            )
            told = " ".join((done.stdout + done.stderr).split())
            assert expected(printed).fullmatch(told), f"{command}\n{done.stdout}{done.stderr}"
            ran += 1
    assert ran == 11
