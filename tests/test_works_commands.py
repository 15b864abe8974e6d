"""`kgraph works`: lists, filters, formats, and what it says to what there is not; and the commands of the page on works."""

import csv
import io
import json
import shlex
from collections.abc import Callable

import pytest

import kgraph
from kgraph.workindex import FILE
from kgraph.worklist import Wanted, WorkIndex
from kgraph.workspace import Workspace
from papers import CHINESE, FORMULA, RETRACTED
from test_docs import BLOCK, ROOT, expected, steps

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(run: Run, harvested: Workspace, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `kgraph` in the example with harvests."""
    monkeypatch.chdir(harvested.folder)
    return run


def test_the_commands_of_the_page(run: Run) -> None:
    ran = 0
    for block in BLOCK.finditer((ROOT / "docs" / "works.md").read_text(encoding="utf-8")):
        for command, printed in steps(block["content"].replace("\n    ?", " ?")):
            code, out, said = run(*shlex.split(command)[1:])
            assert code == 0, said
            assert expected(printed).fullmatch(" ".join(out.split())), f"{command}\n{out}"
            ran += 1
    assert ran == 4


def test_ids_are_those_of_the_list(run: Run, harvested: Workspace) -> None:
    index = WorkIndex(kgraph.open(str(harvested.folder)).folder / FILE)
    code, out, _ = run("works", "--format", "ids", "--limit", "0", "--harvest", "fan-2024-references")
    found = index.find(Wanted(values=(("harvest", "fan-2024-references"),)), limit=1000)
    assert code == 0
    assert out.split() == [work.openalex for work in found.works]


@pytest.mark.parametrize(
    ("asked", "works"),
    [
        (["同伴支持"], {CHINESE}),
        (["--retracted", "--year", "-2010"], {RETRACTED}),
        (["--language", "zh"], {CHINESE}),
        (["--author", "made-up lin"], {CHINESE}),
        (["--country", "cn", "--year", "2020"], {CHINESE}),
        (["--harvest", "fan-2024-references", "--order", "oldest", "--limit", "1"], {"W8800000005"}),
    ],
)
def test_a_filter_leaves_what_fits(run: Run, asked: list[str], works: set[str]) -> None:
    code, out, said = run("works", "--format", "ids", *asked)
    assert (code, said) == (0, "")
    assert set(out.split()) == works


def test_csv_and_json_say_the_same(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("works", "--format", "csv", "--limit", "0")[1])))
    records = json.loads(run("works", "--format", "json", "--limit", "0")[1])
    assert [row["openalex"] for row in rows] == [record["openalex"] for record in records]
    formula = next(row for row in rows if row["openalex"] == FORMULA)
    assert formula["title"] == "'=HYPERLINK(1)"
    assert next(record for record in records if record["openalex"] == FORMULA)["title"] == "=HYPERLINK(1)"


def test_facets_are_counted(run: Run) -> None:
    counted = json.loads(run("works", "--facet", "retracted", "--format", "json")[1])
    assert counted == [{"retracted": "yes", "key": "yes", "works": 2}]


@pytest.mark.parametrize(
    ("asked", "found", "remedy"),
    [
        (["--author", "Made-up Lim"], "no work has the author 'Made-up Lim'", "Did you mean Made-up Lin"),
        (["--concept", "hoppe"], "there is no concept 'hoppe'", "Did you mean hope"),
        (["--year", "15"], "'15' is no year", "2015-2020"),
        (["--year", "2020-2015"], "ends before it begins", "2015-2020"),
        (["--cites", "10.1000/nobody"], "the graph has no work '10.1000/nobody'", "harvested"),
        (["--order", "best"], "there is no order 'best'", "newest"),
        (["--facet", "colour"], "there is no facet 'colour'", "year"),
        (["--format", "xml"], "there is no format 'xml'", "csv"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(run: Run, asked: list[str], found: str, remedy: str) -> None:
    code, out, said = run("works", *asked)
    assert (code, out) == (1, "")
    assert found in said
    assert remedy in said


def test_a_concept_without_works_has_none(run: Run) -> None:
    assert run("works", "--concept", "guanxi", "--retracted", "--format", "ids") == (0, "", "")


def test_without_works_it_says_how_to_get_them(run: Run, tiny_built: Workspace) -> None:
    code, _, said = run("works", "-w", str(tiny_built.folder))
    assert code == 1
    assert "kgraph harvest references" in said
