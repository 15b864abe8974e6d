"""Harvests against the stand-in, over real HTTP: what is kept, what is told, and that nothing is lost or asked for twice."""

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixed_answer import answering
from harvesting import Record, files, harvest, kept, net, walks
from harvests import ledger_of
from kgraph import question
from kgraph.errors import KgraphError
from kgraph.openalexerrors import RepeatedCursor
from kgraph.selection import one_line
from kgraph.works import merge
from kgraph.workspace import Workspace, create_workspace
from openalex_standin import Fault, made_up_works, real_works, stand_in

Run = Callable[..., tuple[int, str, str]]
FIRST, SECOND = "W3046863325", "W3045921891"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A new workspace."""
    return create_workspace(tmp_path / "place", example=False)


@pytest.fixture
def example(tmp_path: Path) -> Workspace:
    """The example workspace, not built."""
    return create_workspace(tmp_path / "example", example=True)


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch, place: Workspace) -> Run:
    """Runs `kgraph harvest` in the new workspace (or one that is given) with an address."""

    def call(address: str, *arguments: str | Path, at: Workspace = place, key: str = "free-key") -> tuple[int, str, str]:
        monkeypatch.setenv("OPENALEX_ADDRESS", address)
        monkeypatch.setenv("OPENALEX_API_KEY", key)
        return run("harvest", *arguments, "-w", at.folder)

    return call


# ---- references and DOIs


def test_the_references_of_the_example_are_not_found_there(run: Run, example: Workspace) -> None:
    with stand_in() as address:
        code, told, _ = run(address, "references", "fan-2024", at=example)
        assert (code, address.credits) == (0, 1)
        assert sum(asked.path == "/works" for asked in address.requests) == 1
    lines = told.splitlines()
    assert lines[:2] == ["references-fan-2024: the references of fan-2024: 0 works, 42 not found", "Not found (42):"]
    assert lines[2] == "   1  10.2975/27.2003.87.94  Crisis and connection"
    assert lines[19] == "  18  without a DOI  Interpretative phenomenological analysis"
    assert lines[44] == "43 requests, 1 credit ($0.0001); 9,999 credits left today. In " + os.path.relpath(
        example.folder / "works" / "references-fan-2024"
    )
    assert kept(example, "references-fan-2024") == {}


def test_references_are_joined_by_doi_and_near_titles_are_offered(run: Run, example: Workspace) -> None:
    known = "Interpretative phenomenological analysis"
    near = walks(1)[0] | {"title": known + ".", "display_name": known + "."}
    with stand_in(works=[*made_up_works(), near]) as address:
        _, told, _ = run(address, "references", "fan-2024", at=example)
    found = kept(example, "references-fan-2024")
    assert {record["doi"] for record in found.values()} == {work["doi"] for work in made_up_works()}
    assert f": {len(found)} works, {42 - len(found)} not found" in told
    assert "        near: «Interpretative phenomenological analysis.» (100 % alike); to take it: kgraph harvest doi W1" in told
    ledger = files(example, "references-fan-2024")[1]
    (entry,) = [one for one in ledger["missing"] if "near" in one]
    assert entry == {
        "reference": 18,
        "doi": None,
        "title": known,
        "near": [{"id": "W1", "doi": "10.1000/1", "title": known + ".", "likeness": 100}],
    }


def test_a_service_without_titles_does_not_stop_the_references(run: Run, example: Workspace) -> None:
    with stand_in(misbehave=Fault("html", 404, after=1)) as address:
        code, told, _ = run(address, "references", "fan-2024", at=example)
        assert len(address.requests) == 2
    assert code == 0
    assert "note: Near matches by title could not be looked up: OpenAlex has no such work" in told


def test_a_study_that_is_not_there(run: Run, example: Workspace) -> None:
    with stand_in() as address:
        code, _, complaints = run(address, "references", "fan-2042", at=example)
    assert (code, complaints) == (1, "error: there is no study 'fan-2042'. Did you mean fan-2024?\n")


def test_dois_and_ids_in_as_few_requests_as_can_be(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(250)) as address:
        dois = [f"https://doi.org/10.1000/{n}" for n in range(1, 202)]
        code, told, _ = run(address, "doi", *dois, "W210", "W999", "10.1000/999", "--name", "walks")
        assert code == 0
        assert [asked.credits for asked in address.requests] == [1, 1, 1, 1]
    assert told.splitlines()[:4] == ["walks: 204 works: 202 works, 2 not found", "Not found (2):", "  10.1000/999", "  W999"]
    assert len(kept(place, "walks")) == 202


def test_a_list_of_works_grows_under_its_name(run: Run, place: Workspace) -> None:
    with stand_in() as address:
        run(address, "doi", "W3046863325", "--name", "two", at=place)
        code, told, _ = run(address, "doi", "10.7717/peerj.4375", "--name", "two", at=place)
    assert code == 0
    assert ": 2 works, 1 new\n" in told
    assert ledger_of(place, "two")["question"]["about"] == ["W3046863325", "10.7717/peerj.4375"]
    assert ledger_of(place, "two")["absent"] == 0


def test_a_command_that_fails_does_not_take_the_name(run: Run, place: Workspace) -> None:
    with stand_in() as address:
        assert run(address, "cites", "nothere", "--name", "mine", at=place)[0] == 1
        assert run(address, "doi", "W3046863325", "--name", "mine", at=place)[0] == 0


def test_an_address_that_is_not_the_service_is_doubted(run: Run, place: Workspace) -> None:
    with stand_in() as address:
        code, told, _ = run(f"{address}/elsewhere", "doi", "10.7717/peerj.4375", at=place)
    assert code == 0
    assert "look whether" in told


def test_the_name_of_a_study_is_no_name_of_a_harvest(run: Run, example: Workspace) -> None:
    with stand_in() as address:
        code, _, said = run(address, "doi", "W3046863325", "--name", "fan-2024", at=example)
    assert code == 1
    assert "'fan-2024' is the id of a study" in said


def test_a_single_doi_costs_nothing(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(3)) as address:
        _, told, _ = run(address, "doi", "10.1000/3")
        assert address.credits == 0
        assert run(address, "doi", "10.1000/4")[1].splitlines()[0] == "doi-10.1000-4: 10.1000/4: 0 works, 1 not found"
    assert "doi-10.1000-3: 10.1000/3: 1 work\n1 request, 0 credits ($0.0000)" in told
    assert list(kept(place, "doi-10.1000-3")) == ["W3"]


def test_a_file_of_dois(run: Run, place: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "My list.txt"
    path.write_text("# walks\n10.1000/1\n\nhttps://doi.org/10.1000/2  # the second\nW3\n10.1000/1\n", encoding="utf-8")
    with stand_in(works=walks(3)) as address:
        assert run(address, "doi", "-f", path)[0] == 0
        path.write_text("10.1000/1\n10.1000/x#y\nx\n", encoding="utf-8")
        assert run(address, "doi", "-f", path)[2] == (
            f"error: {path}:3: 'x' is no DOI and no OpenAlex id. Write 10.1000/182 or W2741809807\n"
        )
        assert "cannot be read (No such file or directory)" in run(address, "doi", "-f", tmp_path / "none")[2]
        assert run(address, "doi")[2].startswith("error: no work is named. Give DOIs or OpenAlex ids")
    assert list(kept(place, "doi-my-list")) == ["W1", "W2", "W3"]


def test_a_work_that_comes_under_another_doi_is_told_and_not_taken(place: Workspace) -> None:
    answer = {"meta": {"count": 2, "next_cursor": None}, "results": walks(2)}
    with answering(200, json.dumps(answer).encode()) as address:
        ledger = harvest(place, address, question.works(["10.1000/1", "10.1000/5"]))
    assert (ledger.works, ledger.missing) == (1, [{"doi": "10.1000/5"}])
    assert ledger.unasked == [{"id": "W2", "doi": "10.1000/2", "title": "A walk by the river 2"}]


def test_two_records_of_one_doi_are_both_kept(place: Workspace) -> None:
    works = walks(2)
    works[1]["doi"] = works[0]["doi"]
    with stand_in(works=works) as address:
        assert harvest(place, address, question.works(["10.1000/1", "10.1000/5"])).works == 2


# ---- searches


def test_a_search_reads_all_pages(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(250)) as address:
        code, told, _ = run(address, "search", "  walk   river ", "--filter", "is_retracted:false")
        assert code == 0
        assert [asked.credits for asked in address.requests] == [10, 10, 10]
        name = question.search("walk river", ["is_retracted:false"]).name
        assert run(address, "search", "walk river", "--filter", "is_retracted:false")[1].splitlines()[1].startswith("Read 20")
        assert len(address.requests) == 3
    assert told.startswith(f"{name}: works that match «walk river», with is_retracted:false: 250 works\n3 requests, 30 credits")
    ledger = files(place, name)[1]
    assert (ledger["said"], ledger["works"], ledger["pages"], ledger["credits"], ledger["beyond"]) == (250, 250, 3, 30, 0)


def test_older_servers_end_with_an_empty_page_that_is_not_needed(place: Workspace) -> None:
    with stand_in(works=walks(250), older_paging=True) as address:
        assert harvest(place, address, question.search("walk")).works == 250
        assert len(address.requests) == 3


def test_from_a_year(run: Run) -> None:
    with stand_in() as address:
        assert run(address, "search", "biodiversity", "--from", "2005", "--name", "x")[0] == 0
        assert {asked.query["filter"] for asked in address.requests} == {"from_publication_date:2005-01-01"}


def test_a_ceiling_is_kept_and_told(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(350)) as address:
        _, told, _ = run(address, "search", "walk", "--at-most", "150")
        assert len(address.requests) == 2
    assert "search-walk: works that match «walk»: 150 works\nnote: about 200 more lie beyond --at-most 150\n" in told
    assert len(kept(place, "search-walk")) == 150


def test_nobody_reads_more_than_they_meant(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(10_100)) as address:
        code, _, complaints = run(address, "search", "walk")
        assert (code, len(address.requests)) == (1, 1)
        assert "this reaches 10,100 works, at about one credit for 100 (ten in a search). Narrow the question" in complaints
        assert run(address, "search", "walk", "--at-most", "200")[0] == 0
        assert len(address.requests) == 2  # the first page was paid for already


def test_a_search_that_is_none(run: Run) -> None:
    with stand_in() as address:
        assert run(address, "search", " ")[2] == "error: the search is empty. Give the words to look for\n"
        assert run(address, "search", "x", "--filter", "type")[2].startswith("error: 'type' is no filter. Write NAME:VALUE")
        assert "OpenAlex knows no field 'typ'" in run(address, "search", "x", "--filter", "typ:article")[2]
        assert run(address, "search", "x", "--name", "../x")[2].startswith("error: '../x' is no name of a harvest")


def test_a_count_that_is_not_reached_is_told(run: Run) -> None:
    with stand_in(works=walks(150)) as address:
        address.server.works.records.append(walks(1)[0])  # twice there: 151 are said to be
        assert "note: OpenAlex said that there are 151 works, and 150 came" in run(address, "search", "walk")[1]


def test_cursors_that_repeat_stop_it_and_it_goes_on_later(place: Workspace) -> None:
    asked = question.search("walk")
    with stand_in(works=walks(450), misbehave="repeated_cursor") as address:
        with pytest.raises(RepeatedCursor, match="which would go on for ever"):
            harvest(place, address, asked)
        assert len(address.requests) == 2
        address.behave()
        assert harvest(place, address, asked).works == 450
        assert len(address.requests) == 6


@pytest.mark.parametrize("oddity", ["null_authors", "no_abstract", "no_authorships"])
def test_odd_records_are_kept_as_they_come(place: Workspace, oddity: str) -> None:
    with stand_in(misbehave=oddity) as address:
        assert harvest(place, address, question.search("biodiversity")).works > 30
        found = kept(place, "search-biodiversity")
        one = max(found)
        harvest(place, address, question.works([one]), name="alone")
    alone = kept(place, "alone")[one]
    assert {key: value for key, value in found[one].items() if key != "relevance_score"} == alone


# ---- citations


@pytest.mark.parametrize(
    ("steps", "cited", "citing"),
    [(1, {"W1", "W2", "W3"}, {"W1", "W4", "W5"}), (2, {"W1", "W2", "W3", "W4"}, {"W1", "W2", "W4", "W5"})],
)
def test_steps_along_citations(place: Workspace, steps: int, cited: set[str], citing: set[str]) -> None:
    with stand_in(works=net()) as address:
        for kind, expected in (("cited-by", cited), ("cites", citing)):
            asked = question.around(kind, ["10.1000/1"], steps)  # type: ignore[arg-type]
            ledger = harvest(place, address, asked)
            assert set(kept(place, asked.name)) == expected
            assert [one["id"] for one in ledger.missing] == (["W99"] if kind == "cited-by" and steps == 2 else [])


def test_around_a_study_and_around_a_harvest(example: Workspace) -> None:
    works = [
        *net(),
        walks(7)[6] | {"doi": "https://doi.org/10.3389/fpsyt.2024.1349778", "referenced_works": ["https://openalex.org/W1"]},
    ]
    with stand_in(works=works) as address:
        harvest(example, address, question.around("cited-by", ["fan-2024"]))
        assert set(kept(example, "cited-by-fan-2024")) == {"W7", "W1"}
        harvest(example, address, question.around("cites", ["cited-by-fan-2024"]))
        assert set(kept(example, "cites-cited-by-fan-2024")) == {"W4", "W5", "W7"}
        with pytest.raises(KgraphError, match=r"no study and no harvest 'fan-2025'. Did you mean fan-2024"):
            harvest(example, address, question.around("cites", ["fan-2025"]))


def test_a_ceiling_of_a_net(place: Workspace) -> None:
    with stand_in(works=net()) as address:
        ledger = harvest(place, address, question.around("cited-by", ["W1"], 2, None, 2))
        assert (ledger.works, ledger.beyond) == (2, 1 + 1)
        ledger = harvest(place, address, question.around("cites", ["W1"], 1, None, 2))
        assert (ledger.works, ledger.beyond) == (2, 0)


def test_more_steps_go_on_under_the_same_name(place: Workspace) -> None:
    with stand_in(works=net()) as address:
        harvest(place, address, question.around("cites", ["W1"]))
        ledger = harvest(place, address, question.around("cites", ["W1"], 2))
    assert (ledger.works, ledger.new, len(ledger.earlier)) == (4, 1, 1)


def test_the_connected_set(place: Workspace) -> None:
    works = real_works()[:45]
    ids = {work["id"].rsplit("/", 1)[1]: work for work in works}
    with stand_in(works=works) as address:
        harvest(place, address, question.around("cited-by", [FIRST, SECOND]))
    cited = {one.rsplit("/", 1)[1] for one in ids[FIRST]["referenced_works"] + ids[SECOND]["referenced_works"]}
    assert set(kept(place, question.around("cited-by", [FIRST, SECOND]).name)) == (cited & ids.keys()) | {FIRST, SECOND}


# ---- what is told before


@pytest.mark.parametrize(
    ("arguments", "told", "credits"),
    [
        (("doi", "10.1000/1", "10.1000/2"), "at most 2 works; still to come: 1 request, 1 credit ($0.0001)", 0),
        (("doi", "10.1000/1"), "at most 1 works; still to come: 1 request, 0 credits ($0.0000)", 0),
        (("search", "walk"), "about 250 works; still to come: 2 requests, 20 credits ($0.0020)\nThis look cost 10 credits", 10),
        (("search", "walk", "--at-most", "90"), "about 90 works; still to come: 0 requests, 0 credits", 10),
        (("cites", "W1", "W2"), "at most 2 works; still to come: 1 request, 1 credit ($0.0001)\nThis look cost 1 credit", 1),
        (
            ("cited-by", "W1", "--steps", "2"),
            "at most 1 works; still to come: 0 requests, 0 credits ($0.0000)\nWhat step 2 brings",
            0,
        ),
    ],
)
def test_estimates(run: Run, place: Workspace, arguments: tuple[str, ...], told: str, credits: int) -> None:
    with stand_in(works=walks(250)) as address:
        code, output, _ = run(address, *arguments, "--estimate")
        assert (code, address.credits) == (0, credits)
        assert told in output
        assert not (place.folder / "works").exists()
        before = len(address.requests)
        _, output, _ = run(address, *arguments)
        pages = json.loads(next((place.folder / "works").glob("*/ledger.json")).read_bytes())["pages"]
        assert len(address.requests) == pages  # what the estimate asked for was not asked for again
        assert before <= pages
        assert "everything is there; nothing would be asked" in run(address, *arguments, "--estimate")[1]


# ---- asked once, merged, refreshed


def test_the_same_works_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        at = create_workspace(tmp_path / name, example=False)
        with stand_in(works=walks(150) if name == "one" else walks(150)[::-1]) as address:
            harvest(at, address, question.works([f"10.1000/{n}" for n in range(1, 151)]))
        written.append((next((at.folder / "works").glob("*/works.jsonl.gz"))).read_bytes())
        time.sleep(0.01)
    assert written[0] == written[1]


def test_asking_again_merges(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(3)) as address:
        run(address, "search", "walk")
    later = walks(5)
    later[0] |= {"title": "A changed walk", "updated_date": "2026-06-01T00:00:00"}
    later[1] |= {"title": "An older walk", "updated_date": "2025-01-01T00:00:00"}
    with stand_in(works=[later[0], later[1], later[4]]) as address:
        _, told, _ = run(address, "search", "walk", "--again")
    assert "search-walk: works that match «walk»: 4 works, 1 new, 1 changed, 1 that came no more, kept\n" in told
    found = kept(place, "search-walk")
    assert [(one, found[one]["title"]) for one in found] == [
        ("W1", "A changed walk"),
        ("W2", "A walk by the river 2"),
        ("W3", "A walk by the river 3"),
        ("W5", "A walk by the river 5"),
    ]
    (before,) = files(place, "search-walk")[1]["earlier"]
    assert (before["works"], before["question"]) == (3, {"kind": "search", "about": ["walk"], "steps": 1})


def test_a_name_stands_for_one_question(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(3)) as address:
        run(address, "search", "walk", "--name", "x")
        code, _, complaints = run(address, "search", "river", "--name", "x")
        assert (code, len(address.requests)) == (1, 1)
        assert complaints.startswith(
            "error: the harvest 'x' asks for something else: works that match «walk». Give this one another name"
        )
        assert run(address, "search", "river", "--name", "x", "--again")[0] == 0


def test_refreshing_tells_what_was_retracted_and_what_is_gone(run: Run, place: Workspace) -> None:
    with stand_in(works=walks(4)) as address:
        run(address, "search", "walk")
        assert run(address, "refresh")[1] == "Nothing was read 30 days ago or more\n"
    later = walks(4)
    later[0] |= {"is_retracted": True, "updated_date": "2026-06-01"}
    with stand_in(works=[*later[:2], later[3] | {"id": "https://openalex.org/W40"}]) as address:
        assert run(address, "refresh", "--older-than", "0", "--estimate")[1].startswith("search-walk: 4 works, read 20")
        assert address.requests == []
        _, told, _ = run(address, "refresh", "--older-than", "0")
        assert address.credits == 1
    assert told.splitlines()[:7] == [
        "search-walk: read anew: 4 works, 0 new, 1 changed, 2 that came no more, kept",
        "Retracted since they were last read (1):",
        "  10.1000/1  A walk by the river 1",
        "OpenAlex has them no more, and they are kept as they were (2):",
        "  10.1000/3  A walk by the river 3",
        "  10.1000/4  A walk by the river 4",
        "        now W40; to take it: kgraph harvest doi W40",
    ]
    ledger = files(place, "search-walk")[1]
    assert [one["id"] for one in ledger["gone"]] == ["W3", "W4"]
    assert set(kept(place, "search-walk")) == {"W1", "W2", "W3", "W4"}
    with stand_in(works=later[:2]) as address:
        assert "no more" not in run(address, "refresh", "search-walk", "--older-than", "0")[1].replace("came no more", "")
        assert "there is no harvest 'x'" in run(address, "refresh", "x")[2]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(1, 3), st.text(max_size=3))))
def test_merging_keeps_each_once_and_the_newest(rows: list[tuple[bool, int, int, str]]) -> None:
    sides: tuple[dict[int, Record], dict[int, Record]] = ({}, {})
    for now, number, age, title in rows:
        sides[now][number] = {"id": f"https://openalex.org/W{number}", "updated_date": f"2026-01-0{age}", "title": title}
    old, came = ([(one_line(side[n]), side[n]) for n in sorted(side)] for side in sides)
    merged = merge(old, [line for line, _ in came])
    expected = {
        n: max((side[n] for side in sides[::-1] if n in side), key=lambda record: record["updated_date"])
        for n in sorted(sides[0] | sides[1])
    }
    assert [json.loads(line) for line in gzip.decompress(merged.content).splitlines()] == list(expected.values())
    assert merge(old, [line for line, _ in came]).content == merged.content


def test_a_line_is_json_for_everyone() -> None:
    assert one_line({"a": "\ud800x", "b": 10**30}) == '{"a":"\ufffdx","b":1000000000000000000000000000000}'.encode()


# ---- kgraph.toml


def test_harvests_of_the_settings(run: Run, place: Workspace) -> None:
    (place.folder / "kgraph.toml").write_text(
        '[harvests.walks]\nsearch = "walk"\nfilter = "is_retracted:false"\nat-most = 2\n'
        '[harvests.net]\ncites = ["W1", "10.1000/2"]\n',
        encoding="utf-8",
    )
    with stand_in(works=net()) as address:
        assert run(address, "run", "walks")[0] == run(address, "run", "net")[0] == 0
        assert "there is no harvest 'walk'. Did you mean walks" in run(address, "run", "walk", at=Workspace(place.folder))[2]
    assert len(kept(place, "walks")) == 2
    assert set(kept(place, "net")) == {"W1", "W2", "W4", "W5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", ":2: harvests.h: asks for nothing. Give one of references, doi, search, cited-by, cites"),
        ('search = "x"\ncites = "W1"', ":2: harvests.h: asks for search and cites."),
        ('search = "x"\nfilters = "a:b"', ":4: harvests.h.filters: this key is not known here. Did you mean filter"),
        ('search = "x"\nat-most = "5"', ":4: harvests.h.at-most: is no number. Write at-most = 2000"),
        ("search = 5", ':3: harvests.h.search: is not what belongs here. Write search = "peer support"'),
        ('references = ["a", "b"]', ":3: harvests.h.references: is not what belongs here. Write references ="),
        ('doi = ["x"]', ":3: harvests.h.doi: 'x' is no DOI and no OpenAlex id"),
        ('cites = "W1"\nsteps = 9', ":3: harvests.h.cites: 9 steps cannot be gone. Give 1 to 5"),
        ('search = "x"\nfilter = ["type"]', ":3: harvests.h.search: 'type' is no filter"),
    ],
)
def test_settings_that_ask_wrongly(run: Run, place: Workspace, text: str, message: str) -> None:
    (place.folder / "kgraph.toml").write_text(f'name = "x"\n[harvests.h]\n{text}\n', encoding="utf-8")
    code, _, complaints = run("http://127.0.0.1:9", "run", "h")
    assert code == 1
    assert f"kgraph.toml{message}" in complaints
