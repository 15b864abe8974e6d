"""Harvests from a copy of OpenAlex's snapshot: what is taken, what is told, and that no stop loses or changes anything."""

import gzip
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvesting import files, kept, refresh
from harvests import abstract, put_harvest, real_records, record
from kgraph import cli, openalexcopy
from kgraph.copyharvest import CopyHarvester, CopyQuestion
from kgraph.errors import KgraphError
from kgraph.harvest import Harvested
from kgraph.openalexcopy import open_copy
from kgraph.where import read_conditions
from kgraph.works import merge, one_line
from kgraph.workspace import Workspace, create_workspace
from openalex_standin import stand_in
from openalexcopies import many, parts_of, put_copy, put_manifest, split

Record = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]
ALL = "year:1000-"  # takes every record that has a year


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A new workspace."""
    return create_workspace(tmp_path / "place", example=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Workspace) -> Run:
    """Runs `kgraph harvest` in the new workspace: exit code, output, complaints."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["kgraph", "harvest", *map(str, arguments), "-w", str(place.folder)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def take(at: Workspace, copy: Path, *where: str, name: str = "some", **more: Any) -> Harvested:
    """Takes a harvest, in this process unless `cores` are given."""
    asked = CopyQuestion(where or (ALL,), more.get("at_most"))
    harvester = CopyHarvester(at, cores=more.get("cores", 1))
    opened = open_copy(copy, more.get("without_manifest", False))
    return harvester.take(asked, read_conditions(asked.where, at), opened, name, more.get("again", False))


def ids(at: Workspace, name: str = "some") -> list[str]:
    """The ids of the works of a harvest."""
    return list(kept(at, name))


def some(*numbers: int, **more: Any) -> list[Record]:
    """Small records of these numbers."""
    return [record(number, publication_year=2020, **more) for number in numbers]


# ---- what comes


def test_it_is_a_harvest_like_any_other(run: Run, place: Workspace, tmp_path: Path) -> None:
    put_copy(tmp_path / "copy", [list(real_records())])
    where = ("--where", "topic:T10102|T10346", "--where", "year:2018-2020", "--where", "type:article")
    code, told, _ = run("snapshot", tmp_path / "copy", *where, "--name", "altmetrics")
    assert code == 0
    expected = [
        one["id"].rpartition("/")[2]
        for one in real_records()
        if {"T10102", "T10346"} & {topic["id"].rpartition("/")[2] for topic in one.get("topics") or ()}
        and 2018 <= one["publication_year"] <= 2020
        and one["type"] == "article"
    ]
    assert ids(place, "altmetrics") == sorted(expected)
    assert len(expected) > 3
    says = "works of the snapshot with topic:T10102|T10346 and type:article and year:2018-2020"
    assert told.startswith(f"altmetrics: {says}: {len(expected)} works\n")
    assert told.endswith(
        "Read 1 parts with 200 records, of the release of 2026-10-28. In " + os.path.relpath(place.folder / "works/altmetrics\n")
    )
    ledger = files(place, "altmetrics")[1]
    manifest = ledger["question"].pop("manifest")
    assert len(manifest) == 64
    assert ledger["question"] == {"kind": "snapshot", "where": sorted(where[1::2]), "release": "2026-10-28"}
    assert (ledger["service"], ledger["pages"], ledger["credits"], ledger["said"]) == (
        "OpenAlex snapshot of 2026-10-28",
        1,
        0,
        len(expected),
    )
    assert ledger["snapshot"] == {
        "parts": 1, "bytes": parts_of(tmp_path / "copy/works")[0].stat().st_size, "read": 200, "deleted": [],
    }  # fmt: skip
    assert str(tmp_path) not in json.dumps(ledger)
    by_id = {one["id"]: one for one in real_records()}
    assert all(one == by_id[one["id"]] for one in kept(place, "altmetrics").values())
    assert "nothing was asked now" in run("snapshot", tmp_path / "copy", *where, "--name", "altmetrics")[1]


@pytest.mark.parametrize("layout", ["", "works", "jsonl/works", "data/works", "data/jsonl/works"])
def test_the_folder_may_be_that_of_the_works_or_one_above(place: Workspace, tmp_path: Path, layout: str) -> None:
    works = put_copy(tmp_path / "copy", split(some(*range(9)), 3), layout)
    (tmp_path / "copy/data/jsonl").mkdir(parents=True, exist_ok=True)
    (tmp_path / "copy/data/jsonl/manifest.json").write_text("{}")  # of all entities
    assert take(place, tmp_path / "copy").ledger.works == 8  # W0 is no id
    assert take(place, works, again=True).ledger.works == 8


def test_all_cores_bring_what_one_brings(tmp_path: Path) -> None:
    copy = put_copy(tmp_path / "copy", split(real_records(), 5))
    alone, together = (create_workspace(tmp_path / name, example=False) for name in ("alone", "together"))
    take(alone, copy, "term:open access", "retracted:no")
    take(together, copy, "term:open access", "retracted:no", cores=2)
    assert files(alone, "some") == files(together, "some")
    assert len(ids(alone)) > 5


def test_a_work_in_several_parts_is_taken_once_the_newest(place: Workspace, tmp_path: Path) -> None:
    older, newer = some(1, title="older"), some(1, title="newer", updated_date="2026-02-01")
    other, same = some(2, title="first"), some(2, title="last part")
    put_copy(tmp_path / "copy", [[*newer, *other], older, [*same, *some(3)]])
    take(place, tmp_path / "copy")
    assert [one["title"] for one in kept(place, "some").values()] == ["newer", "last part", "Work 3"]


def test_a_ceiling_is_kept_and_told(run: Run, place: Workspace, tmp_path: Path) -> None:
    put_copy(tmp_path / "copy", [some(30, 11, 20, 10)])
    told = run("snapshot", tmp_path / "copy", "--where", ALL, "--at-most", "2")[1]
    assert "note: 2 more lie beyond --at-most 2" in told
    (name,) = [path.name for path in (place.folder / "works").iterdir()]
    assert ids(place, name) == ["W10", "W11"]
    assert "4 works, 2 new\n" in run("snapshot", tmp_path / "copy", "--where", ALL, "--at-most", "9")[1]


@pytest.mark.parametrize("name", ["deleted_ids.csv", "deleted_ids.csv.gz"])
def test_deleted_works_are_left_out_and_told(place: Workspace, tmp_path: Path, name: str) -> None:
    works = put_copy(tmp_path / "copy", [some(1, 2, 3, 4)])
    take(place, works, "work:W1|W2|W9")
    text = b"work_id,deleted_date\nhttps://openalex.org/W2,2026-10-01\nW3,2026-10-02\n99,2026-10-02\n"
    (works / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    ledger = take(place, works, name="all").ledger
    assert ids(place, "all") == ["W1", "W4"]
    assert ledger.snapshot is not None
    assert ledger.snapshot["deleted"] == ["W2", "W3"]
    assert ledger.notes == ["2 works that match are deleted at OpenAlex, and were not taken"]
    ledger = take(place, works, "work:W1|W2|W9", again=True).ledger
    assert ids(place) == ["W1", "W2"]  # what was there is kept
    assert ([one["id"] for one in ledger.gone], ledger.absent) == (["W2"], 1)
    assert ledger.missing == [{"id": "W2"}, {"id": "W9"}]
    (works / "deleted_ids.csv").write_bytes(b"work_id,deleted_date\nx\n")
    (works / "deleted_ids.csv.gz").unlink(missing_ok=True)
    with pytest.raises(KgraphError, match=r"deleted_ids.csv:2: begins with no id of a work. Download it again: aws s3 cp s3"):
        take(place, works, again=True)


# ---- conditions


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["topic:T10123"], "1"),
        (["topic:https://openalex.org/T10123|fields/33"], "1 2"),
        (["topic:subfields/3203"], "2"),
        (["topic:domains/2"], "1 2"),
        (["term:peer support"], "1 3"),
        (["term:Pëer-Support|同伴支持"], "1 3 4"),
        (["term:peer"], "1 3"),
        (["term:pee"], ""),
        (["term:同伴"], "4"),
        (["work:W3|https://doi.org/10.1000/ONE"], "1 3"),
        (["work:W3", "work:W2"], "2 3"),
        (["cites:W2"], "1 3"),
        (["cites:W2", "year:2019"], "3"),
        (["year:2019|2021-"], "2 3"),
        (["year:-2020"], "1 3"),
        (["type:review|book"], "2 4"),
        (["language:zh"], "4"),
        (["language:zh-tw|en"], "1 4"),
        (["country:cn"], "1 2"),
        (["retracted:yes"], "3"),
        (["retracted:no"], "1 2 4"),
        (["retracted:no", "country:CN", "topic:T10123|T2"], "1 2"),
    ],
)
def test_every_condition(place: Workspace, tmp_path: Path, where: list[str], expected: str) -> None:
    def topic(number: int, subfield: int, field: int) -> Record:
        levels = {"subfield": f"subfields/{subfield}", "field": f"fields/{field}", "domain": "domains/2"}
        return {"id": f"https://openalex.org/T{number}"} | {
            key: {"id": f"https://openalex.org/{one}"} for key, one in levels.items()
        }

    two = ["https://openalex.org/W2"]
    records = [
        record(
            1, doi="https://doi.org/10.1000/one", title="Peer\u00a0support: a trial", publication_year=2020, type="article",
            language="en", is_retracted=False, topics=[topic(10123, 3202, 32)],
            referenced_works=two, authorships=[{"countries": ["CN"]}],
        ),
        record(
            2, title="peers, supported", publication_year=2022, type="review", primary_topic=topic(2, 3203, 33),
            authorships=[{"institutions": [{"country_code": "CN"}]}], related_works=two,
        ),
        record(
            3, abstract_inverted_index=abstract("On peer\u2011support."), publication_year=2019, referenced_works=two,
            is_retracted=True,
        ),
        record(4, title="精神障碍者的同伴支持工作", publication_year=None, type="book", language="zh-tw"),
    ]  # fmt: skip
    take(place, put_copy(tmp_path / "copy", [records]), *where)
    assert " ".join(one[1:] for one in ids(place)) == expected


def test_sets_by_name(run: Run, place: Workspace, tmp_path: Path) -> None:
    doi = "10.3389/fpsyt.2024.1349778"
    (place.folder / "studies").rmdir()
    create_workspace(tmp_path / "example", example=True)
    (tmp_path / "example" / "studies").rename(place.folder / "studies")
    links = {key: [f"https://openalex.org/W{key + 1}"] for key in range(1, 8)}
    records = [record(n, publication_year=2020, referenced_works=links.get(n, [])) for n in range(1, 10)]
    copy = put_copy(tmp_path / "copy", [records])
    with pytest.raises(KgraphError, match=f"the OpenAlex id of {doi} is not known in this workspace. Get it first"):
        take(place, copy, "cites:@fan-2024")
    put_harvest(place, "held", [records[3] | {"doi": f"https://doi.org/{doi}"}, records[5]])
    (tmp_path / "list.txt").write_text(f"W1\nhttps://doi.org/{doi} # the study\n")
    expected = {
        "cites:@held": ["W3", "W5"],
        "cites:@fan-2024": ["W3"],
        f"cites:{doi}|W2": ["W1", "W3"],
        f"cites:@{tmp_path}/list.txt": ["W3"],
        "cited-by:@held": ["W5", "W7"],
        "cited-by:@fan-2024|W6": ["W5", "W7"],
        "work:@held": ["W4", "W6"],
        f"work:@{tmp_path}/list.txt": ["W1"],
    }
    for number, (where, found) in enumerate(expected.items()):
        ledger = take(place, copy, where, name=f"h{number}").ledger
        assert ids(place, f"h{number}") == found, where
    assert ledger.missing == [{"doi": doi}]
    for where, message in {
        "cited-by:W8|W9": "what W8 and 1 more cites is not known in this workspace. Get it first: kgraph harvest doi W8",
        "cites:@hold": "there is no harvest and no study 'hold'. Did you mean held",
        "cites:@list.txt": "A file is written with a slash: @./list.txt",
        "cites:held": "'held' is no OpenAlex id, no DOI and no @NAME. Write cites:W2741809807 or cites:@HARVEST",
    }.items():
        with pytest.raises(KgraphError, match=message):
            take(place, copy, where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ([], "--where: no condition is set. Say which works: --where 'term:peer support|同伴支持'"),
        (["topics:T1"], "--where: 'topics:T1' is no condition. Did you mean topic?"),
        (["x"], "--where: 'x' is no condition. Known: topic:T10123|subfields/3203"),
        (["term:"], "--where: 'term:' is no condition. Write term:peer support"),
        (["topic:10123"], "--where topic: '10123' is not what belongs here. Write topic:T10123"),
        (["year:2020-2010"], "--where year: '2020-2010' is not what belongs here. Write year:2015 or year:2010-2020"),
        (["year:-"], "--where year: '-' is not"),
        (["year:20152016"], "--where year: '20152016' is not"),
        (["country:China"], "--where country: 'CHINA' is not"),
        (["type:Article"], "--where type: 'Article' is not"),
        (["retracted:maybe"], "--where retracted: 'maybe' is not what belongs here. Write retracted:no"),
        (["work:x"], "--where work: 'x' is no OpenAlex id, no DOI and no @NAME"),
    ],
)
def test_bad_conditions_are_told_before_anything_is_read(run: Run, where: list[str], message: str) -> None:
    code, _, complaints = run("snapshot", "no-such-folder", *(part for one in where for part in ("--where", one)))
    assert (code, complaints[: len(message) + 7]) == (1, f"error: {message}")


# ---- whether the copy is whole


def damage_bytes(path: Path) -> None:
    """Changes a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.unlink(), "this part is missing. Download that part again: aws s3 cp s3://openalex/data/jsonl/works/"),
        (lambda path: path.rename(path.with_name("part_0009.gz")), "part_0009.gz: this part is not in the manifest. Delete it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), " bytes, and the manifest says "),
        (damage_bytes, "is damaged after line "),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "is damaged after line 0 "),
    ],
)
def test_parts_that_are_not_as_they_were_published(
    place: Workspace, tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    works = put_copy(tmp_path / "copy", split(real_records()[:40], 4))
    harm(parts_of(works)[1])
    with pytest.raises(KgraphError) as raised:
        take(place, works)
    assert message in str(raised.value)
    assert "updated_date=2026-10-01/part_000" in str(raised.value)
    assert not (place.folder / "works").exists()


def test_all_damaged_parts_are_told_at_once_and_the_others_are_read(place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", split(some(*range(1, 41)), 4))
    one, two = (parts_of(works)[number] for number in (0, 2))
    whole = {path: path.read_bytes() for path in (one, two)}
    for path, content in whole.items():
        path.write_bytes(content[:-9])
    with pytest.raises(KgraphError, match="is damaged after line "):
        take(place, works, without_manifest=True)
    with pytest.raises(KgraphError) as raised:
        take(place, works, without_manifest=True)
    assert [problem.file for problem in raised.value.problems] == [str(one), str(two)]
    for path, content in whole.items():
        path.write_bytes(content)
    assert take(place, works).ledger.works == 40


def test_other_counts_than_the_manifest_says(place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", split(some(*range(1, 41)), 4))
    text = (works / "manifest.json").read_text()
    (works / "manifest.json").write_text(text.replace('"record_count": 10}', '"record_count": 11}', 1))
    with pytest.raises(KgraphError, match=r"part_0000.gz: has 10 records, and the manifest says 11. Download that part again"):
        take(place, works)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": [{}]}', '{"files": [{"url": 5}]}', '{"files": 5}', "null"])
def test_a_manifest_that_is_none(place: Workspace, tmp_path: Path, content: str) -> None:
    works = put_copy(tmp_path / "copy", [some(1)])
    (works / "manifest.json").write_text(content)
    with pytest.raises(KgraphError, match=r"manifest.json: cannot be read as a manifest .* Download it again: aws s3 cp"):
        take(place, works)


def test_without_a_manifest(run: Run, place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", [some(1), some(2), some(3)])
    (works / "manifest.json").unlink()
    code, _, complaints = run("snapshot", works, "--where", ALL)
    assert (code, "works: has no manifest, which says whether the copy is whole" in complaints) == (1, True)
    ledger = take(place, works, without_manifest=True).ledger
    assert (ledger.works, ledger.question["release"]) == (3, "2026-10-02")
    assert ledger.notes == ["The copy was read without its manifest: whether it was whole is not known"]


def test_the_manifest_of_earlier_releases(place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", [some(1), some(2), some(3)])
    values = json.loads((works / "manifest.json").read_text())
    (works / "manifest.json").unlink()
    (works / "manifest").write_text(json.dumps({"entries": values["files"]}))
    assert take(place, works).ledger.question["release"] == "2026-10-02"


def test_folders_that_are_no_copy(run: Run, tmp_path: Path) -> None:
    def complaint(folder: Path) -> str:
        code, _, complaints = run("snapshot", folder, "--where", ALL)
        assert code == 1
        return complaints

    assert "there is no such folder" in complaint(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no works of a snapshot of OpenAlex. It should hold works/updated_date=" in complaint(tmp_path / "empty")
    (tmp_path / "empty" / "manifest.json").write_text('{"files": []}')
    assert "has no parts" in complaint(tmp_path / "empty")
    (tmp_path / "parquet/works/updated_date=2026-10-01").mkdir(parents=True)
    (tmp_path / "parquet/works/updated_date=2026-10-01/part_0000.parquet").touch()
    (tmp_path / "parquet/works/manifest.json").write_text('{"files": []}')
    assert "is a Parquet file. Only JSON lines can be read" in complaint(tmp_path / "parquet")
    (tmp_path / "parquet/works/updated_date=2026-10-01").rename(tmp_path / "parquet/works/x")
    (tmp_path / "parquet/works/manifest.json").unlink()
    assert "holds Parquet files. Only JSON lines can be read" in complaint(tmp_path / "parquet")


def test_a_part_that_may_not_be_read(place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = put_copy(tmp_path / "copy", [some(1)])

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(openalexcopy, "_opened", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(KgraphError, match=r"part_0000.gz: cannot be read \(Permission denied\). Allow reading it"):
        take(place, works)


def test_lines_that_are_no_records_are_left_out_and_told(place: Workspace, tmp_path: Path) -> None:
    odd = [b"no JSON", b"{}", b'{"publication_year": 2020}', b'{"publication_year": 2020, ]}', b"", b'"x"']
    surrogate = rb'{"id": "https://openalex.org/W2", "publication_year": 2020, "title": "\ud83d"}'
    works = put_copy(tmp_path / "copy", [[*some(1), *odd, surrogate], [b""], some(3)])
    ledger = take(place, works).ledger
    assert ids(place) == ["W1", "W2", "W3"]
    first = "updated_date=2026-10-01/part_0000.gz"
    assert ledger.notes == [
        f"6 lines are no records of works and were left out: {first}:2 is no JSON object; {first}:4 has no id of a work; "
        f"{first}:5 is no JSON; {first}:6 is no JSON object; {first}:7 is no JSON object; "
        "updated_date=2026-10-01/part_0001.gz:1 is no JSON object"
    ]


def test_an_empty_part_and_a_line_without_end(place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = put_copy(tmp_path / "copy", [some(1), []])
    parts_of(works)[1].write_bytes(b"")
    put_manifest(works)
    assert take(place, works).ledger.works == 1
    monkeypatch.setattr(openalexcopy, "LONGEST", 20)
    with pytest.raises(KgraphError, match=r"part_0000.gz:1: is longer than 20 bytes. Download that part again"):
        take(place, works, again=True)


# ---- again, anew, otherwise


def test_a_new_release_is_read_under_the_same_name(place: Workspace, tmp_path: Path) -> None:
    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    assert take(place, copy).ledger.new == 2
    assert take(place, copy).already
    put_copy(tmp_path / "copy", [some(1, title="new", updated_date="2026-02-02"), some(3)], date="2027-01-28")
    ledger = take(place, copy).ledger
    assert (ledger.works, ledger.new, ledger.changed, ledger.absent) == (3, 1, 1, 1)
    assert (ledger.question["release"], ledger.earlier[0]["question"]["release"]) == ("2027-01-28", "2026-10-28")


def test_a_name_stands_for_one_question(run: Run, place: Workspace, tmp_path: Path) -> None:
    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    take(place, copy)
    with pytest.raises(KgraphError, match="'some' asks for something else: works of the snapshot with year:1000-"):
        take(place, copy, "work:W1")
    with stand_in(works=[]) as address:
        os.environ["OPENALEX_ADDRESS"] = str(address)
        try:
            assert "asks for something else: works of the snapshot" in run("doi", "W1", "--name", "some")[2]
        finally:
            del os.environ["OPENALEX_ADDRESS"]
    put_harvest(place, "other", some(1))
    with pytest.raises(KgraphError, match="asks for something else: works named for a test"):
        take(place, copy, name="other")


def test_what_is_not_finished_is_not_mixed_with_something_else(place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", [some(1), some(2)])
    whole = parts_of(works)[0].read_bytes()
    damage_bytes(parts_of(works)[0])
    with pytest.raises(KgraphError, match="is damaged"):
        take(place, works)
    parts_of(works)[0].write_bytes(whole)
    with pytest.raises(
        KgraphError, match=r"a reading of 'some' for something else .* is not finished. Finish it with the command"
    ):
        take(place, works, "work:W2")
    assert take(place, works, "work:W2", again=True).ledger.works == 1


def test_a_harvest_of_the_settings_and_estimates(run: Run, place: Workspace, tmp_path: Path) -> None:
    put_copy(tmp_path / "copy", [some(1), some(2)])
    toml = place.folder / "kgraph.toml"
    toml.write_text('[harvests.mine]\nsnapshot = "../copy"\nwhere = ["year:2020", "work:W2"]\nat-most = 5\n')
    says = "mine: works of the snapshot with work:W2 and year:2020"
    assert run("run", "mine", "--estimate")[1] == f"{says}: 2 parts with 2 records, 0.00 GB packed\n"
    assert not (place.folder / "works").exists()
    assert run("run", "mine")[1].startswith(f"{says}: 1 work\n")
    for wrong, message in {
        'snapshot = "x"': "kgraph.toml:1: harvests.mine.where: is not what belongs here. Write where = [",
        'snapshot = 5\nwhere = "year:2020"': "kgraph.toml:2: harvests.mine.snapshot: is no folder",
        'snapshot = "x"\nwhere = "year:2020"\nsteps = 2': "kgraph.toml:4: harvests.mine.steps: this key is not known here",
        'snapshot = "x"\nwhere = "year:2020"\nat-most = 0': "kgraph.toml:4: harvests.mine.at-most: is no number from 1 on",
    }.items():
        toml.write_text(f"[harvests.mine]\n{wrong}\n")
        assert message in run("run", "mine")[2]


def test_refreshing_asks_the_service_by_id(place: Workspace, tmp_path: Path) -> None:
    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    before = take(place, copy).ledger
    later = [one | {"is_retracted": True, "updated_date": "2026-12-01"} for one in some(1)]
    with stand_in(works=later) as address:
        found = refresh(place, address, "some")
    assert ([one["id"] for one in found.retracted], [one["id"] for one in found.gone]) == (["W1"], ["W2"])
    assert found.ledger.question == before.question
    assert take(place, copy).already


def test_merging_into_a_file_gives_the_same_bytes() -> None:
    old, came = some(1, 2), some(2, 3, title="new", updated_date="2026-02-02")
    lines = [(one_line(one), one) for one in old], [one_line(one) for one in came]
    into = BytesIO()
    assert merge(*lines, into).content == b""
    assert into.getvalue() == merge(*lines).content


# ---- stops


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that takes a moment to read."""
    folder = tmp_path_factory.mktemp("large")
    return put_copy(folder, split(many(3), 10))


@pytest.fixture(scope="module")
def whole(large: Path) -> tuple[bytes, Record]:
    """What an uninterrupted reading of it brings."""
    at = create_workspace(large.parent / "whole", example=False)
    process = start(at, large)
    assert process.communicate()[1] == ""
    return files(at, "some")


def start(at: Workspace, copy: Path, *more: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts a harvest as a process of its own."""
    command = [
        sys.executable,
        "-m",
        "kgraph",
        "harvest",
        "snapshot",
        str(copy),
        "--where",
        "retracted:no",
        "--name",
        "some",
        *more,
    ]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=at.folder, text=True, **options)


def parts_read(at: Workspace) -> int:
    """How many parts the journal says are read."""
    try:
        with sqlite3.connect(f"file:{at.built}/harvests/some.snapshot?mode=ro", uri=True) as db:
            return int(db.execute("SELECT count(*) FROM part").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for(parts: int, at: Workspace, process: "subprocess.Popen[str]") -> None:
    """Waits until so many parts are read, or the process has ended."""
    while parts_read(at) < parts and process.poll() is None:
        time.sleep(0.002)


def processes(mark: str) -> Iterator[int]:
    """Processes with this mark in their environment."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                yield int(path.parent.name)
        except OSError:
            continue


def test_killed_at_any_moment_it_goes_on(place: Workspace, large: Path, whole: tuple[bytes, Record]) -> None:
    chance, mark = random.Random(), uuid4().hex  # noqa: S311 - any moment will do
    environment = {**os.environ, "KGRAPH_TEST_MARK": mark}
    for least in (1, 4):
        process = start(place, large, env=environment)
        wait_for(chance.randint(least, 9), place, process)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 5
    while left := list(processes(mark)):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)
    done = parts_read(place)
    spoilt = {}
    if done:
        with sqlite3.connect(place.built / "harvests/some.snapshot") as db:
            names = [name for (name,) in db.execute("SELECT name FROM part")]
        spoilt = {large / name: ((large / name).read_bytes(), (large / name).stat()) for name in names}
    try:
        for path, (content, about) in spoilt.items():  # a part that is read must not be read again
            path.write_bytes(b"x" * len(content))
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        complaints = start(place, large).communicate()[1]
    finally:
        for path, (content, about) in spoilt.items():
            path.write_bytes(content)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert complaints == ""
    assert files(place, "some") == whole
    assert not list((place.built / "harvests").iterdir())


def test_parts_that_changed_are_read_again(place: Workspace, tmp_path: Path) -> None:
    works = put_copy(tmp_path / "copy", [some(1), some(2), some(3)])
    last = parts_of(works)[2].read_bytes()
    parts_of(works)[2].write_bytes(b"x" * len(last))
    with pytest.raises(KgraphError, match="is damaged"):
        take(place, works)
    put_copy(tmp_path / "copy", [some(1), some(7), some(8)])
    assert take(place, works).ledger.works == 3
    assert ids(place) == ["W1", "W7", "W8"]


def test_ctrl_c_ends_it_quickly_and_says_what_is_kept(place: Workspace, large: Path) -> None:
    process = start(place, large, start_new_session=True)
    wait_for(2, place, process)
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    told, complaints = process.communicate()
    assert time.monotonic() - began < 2
    assert (process.returncode, told) == (130, "")
    first, second = complaints.splitlines()
    assert first.startswith("some: ")
    assert " of 10 parts are read, " in first
    assert second == "Stopped. The same command goes on from there"
    assert not (place.folder / "works").exists()


def test_a_process_that_dies_is_told_of(place: Workspace, large: Path) -> None:
    mark = uuid4().hex
    process = start(place, large, env={**os.environ, "KGRAPH_TEST_MARK": mark})
    wait_for(1, place, process)
    os.kill(max(pid for pid in processes(mark) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()), signal.SIGKILL)
    told, complaints = process.communicate()
    assert (process.returncode, told) == (1, "")
    assert (
        "error: a process that reads parts has ended, perhaps for want of memory. Free memory, or give it fewer cores"
        in complaints
    )
    assert not (place.folder / "works").exists()


def test_a_disk_that_is_full(place: Workspace, tmp_path: Path) -> None:
    copy = put_copy(tmp_path / "copy", [many(1)])
    limits = resource.RLIMIT_FSIZE, (300_000, 300_000)
    process = start(place, copy, preexec_fn=lambda: resource.setrlimit(*limits))
    told, complaints = process.communicate()
    assert (process.returncode, told) == (1, "")
    assert "some.snapshot: cannot be written" in complaints
    assert "Free space, or allow writing there. Then run the same command again: what is read stays read" in complaints
    assert not (place.folder / "works").exists()
    assert take(place, copy, "retracted:no").ledger.works == 200


def test_a_disk_that_is_full_at_the_end(place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(KgraphError, match=r"works/some: cannot be written \(No space left on device\). Free space"):
            take(place, copy)
    assert not (place.folder / "works").exists()
    assert take(place, copy).ledger.works == 2


def test_a_publishing_that_is_broken_off_is_done_again_as_it_was(tmp_path: Path) -> None:
    whole, torn = (create_workspace(tmp_path / which, example=False) for which in ("whole", "torn"))
    copy = put_copy(tmp_path / "copy", [some(1, 2)])
    for at in (whole, torn):
        take(at, copy)
    put_copy(tmp_path / "copy", [some(1, 3)], date="2027-01-28")
    take(whole, copy)
    in_the_way = torn.folder / "works/some" / f".ledger.json.{os.getpid()}"
    in_the_way.mkdir()
    with pytest.raises(KgraphError, match="works/some: cannot be written"):
        take(torn, copy)
    in_the_way.rmdir()
    in_the_way.with_name(".works.jsonl.gz.12345.draft").write_bytes(b"half of it, by a process that was killed")
    take(torn, copy)
    assert files(whole, "some") == files(torn, "some")
