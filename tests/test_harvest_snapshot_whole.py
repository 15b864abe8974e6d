"""Copies of OpenAlex's snapshot that are not whole, or no copies at all: each is told, and nothing is taken for the whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvests import real_records
from kgraph import openalexcopy
from kgraph.errors import KgraphError
from kgraph.workspace import Workspace, create_workspace
from openalexcopies import ALL, damage_bytes, ids, parts_of, put_copy, put_manifest, some, split, take

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
