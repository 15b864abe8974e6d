"""Harvests from a copy of OpenAlex's snapshot: what is taken by which conditions, again, and what is told."""

import gzip
import json
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from harvesting import files, kept, refresh
from harvests import abstract, put_harvest, real_records, record
from kgraph.errors import KgraphError
from kgraph.selection import one_line
from kgraph.works import merge
from kgraph.workspace import Workspace, create_workspace
from openalex_standin import stand_in
from openalexcopies import ALL, damage_bytes, ids, parts_of, put_copy, some, split, take

Record = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A new workspace."""
    return create_workspace(tmp_path / "place", example=False)


@pytest.fixture
def run(run: Run, place: Workspace) -> Run:
    """Runs `kgraph harvest` in the new workspace."""
    return lambda *arguments: run("harvest", *arguments, "-w", place.folder)


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
