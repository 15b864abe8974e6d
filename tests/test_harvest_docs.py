"""The commands of the page on harvests, run as they stand against the stand-in."""

import re
import subprocess
import sys
from pathlib import Path

import kgraph
from harvests import real_records
from kgraph.workspace import create_workspace
from openalex_standin import made_up_works, real_works, stand_in
from openalexcopies import put_copy, split
from test_docs import BLOCK, expected, steps

PAGE = Path(kgraph.__file__).parent.parent / "docs" / "harvest.md"


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    folder = create_workspace(tmp_path / "example", example=True).folder
    put_copy(tmp_path / "openalex", split(real_records(), 4))
    ran = 0
    with stand_in(works=[*real_works(), *made_up_works()]) as address:
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = {"PATH": path, "OPENALEX_ADDRESS": str(address), "OPENALEX_API_KEY": "free-key"}
        for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
            for command, printed in steps(block["content"]) if block["kind"] == "console" else []:
                done = subprocess.run(
                    ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
                )
                told = " ".join((done.stdout + done.stderr).split())
                assert expected(printed).fullmatch(told), f"{command}\n{done.stdout}{done.stderr}"
                ran += 1
    assert ran == 11


def test_the_settings_of_the_page(tmp_path: Path) -> None:
    from kgraph.question import from_settings
    from kgraph.settings import read_settings

    (example,) = re.findall(r"((?:^    .*\n)*^    \[harvests\.(?:.|\n(?=    ))*)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    (tmp_path / "kgraph.toml").write_text(re.sub("^    ", "", example, flags=re.MULTILINE), encoding="utf-8")
    ((name, table),) = read_settings(tmp_path / "kgraph.toml").harvests.items()
    asked = from_settings(name, table, tmp_path / "kgraph.toml")
    assert str(asked) == 'works that match «"peer support" AND China», from 2010, with type:article|review'
