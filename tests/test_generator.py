"""The synthetic works that benchmarks are made with: the same each time, in the form of real ones, and as they say they are."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from generator import generate, write_harvest
from generator_pools import FIRST_YEAR, LAST_YEAR, MEASURED

from kgraph.workmapping import map_work, read_work, work_iris
from kgraph.works import WORKS, read_ledger, read_lines
from kgraph.workspace import create_workspace
from workrecords import records

NUMBER = 3000


@cache
def works() -> list[dict[str, Any]]:
    """Synthetic works."""
    return list(generate(NUMBER))


def share(of: int, among: int = NUMBER) -> float:
    return of / among


def test_the_same_seed_gives_the_same_works() -> None:
    assert list(generate(200, seed=5)) == list(generate(200, seed=5))
    assert list(generate(200, seed=5)) != list(generate(200, seed=6))
    assert list(generate(0)) == []


def test_a_harvest_can_be_read(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "there", example=False)
    folder = write_harvest(generate(100), workspace.folder, "synthetic")
    found = list(read_lines(folder / WORKS))  # raises where the ids are not in order
    assert [record for _, record in found] == list(generate(100))
    ledger = read_ledger(workspace, "synthetic")
    assert ledger is not None
    assert ledger.works == 100
    again = write_harvest(generate(100), workspace.folder, "again")
    assert (again / WORKS).read_bytes() == (folder / WORKS).read_bytes()


def test_the_command_line(tmp_path: Path) -> None:
    script = Path(__file__).parent / "benchmarks" / "generator.py"
    told = subprocess.run([sys.executable, script, "20", tmp_path / WORKS], check=True, capture_output=True, text=True).stdout
    assert told.startswith("20 synthetic works")
    with gzip.open(tmp_path / WORKS) as lines:
        assert [read_work(line) for line in lines] == list(generate(20))
    refused = subprocess.run([sys.executable, script, "20"], check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "name a file" in refused.stderr


def test_works_map_to_as_many_triples_as_lean_works_have() -> None:
    some = works()[:1000]
    known = work_iris(works())
    mapped = [map_work(record, known).splitlines() for record in some]
    assert 120 < len(set().union(*mapped)) / len(some) < 240
    assert 150 < sum(map(len, mapped)) / len(some) < 300


def shapes(value: Any, path: str = "") -> set[tuple[str, str]]:
    """The paths of a record with the type that stands there."""
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    found = {(path, kind)}
    inside = value.items() if isinstance(value, dict) and path != ".abstract_inverted_index" else ()
    for key, inner in [*inside, *(("[]", inner) for inner in (value if isinstance(value, list) else ()))]:
        found |= shapes(inner, f"{path}.{key}")
    return found


def test_what_stands_in_a_work_stands_in_real_ones() -> None:
    """Same paths, same types."""
    real = set().union(*map(shapes, records().values()))
    allowed = {(".content_urls", "NoneType"), (".is_authors_truncated", "bool")}
    assert set().union(*map(shapes, works())) - real - allowed == set()


@pytest.mark.parametrize("key", ["doi", "fwci", "apc_list", "apc_paid", "best_oa_location", "primary_topic"])
def test_shares_of_null_are_those_of_real_works(key: str) -> None:
    assert share(sum(work[key] is None for work in works())) == pytest.approx(MEASURED[key], abs=0.03)
    present = [record for record in records().values() if "awards" in record]
    assert share(sum(record[key] is None for record in present), len(present)) == pytest.approx(MEASURED[key], abs=0.01)


@pytest.mark.parametrize("key", ["has_fulltext", "content_urls", "grants", "relevance_score"])
def test_shares_of_missing_keys_are_those_of_real_works(key: str) -> None:
    assert share(sum(key not in work for work in works())) == pytest.approx(MEASURED[f"{key} missing"], abs=0.03)
    present = [record for record in records().values() if "awards" in record]
    assert share(sum(key not in record for record in present), len(present)) == pytest.approx(
        MEASURED[f"{key} missing"], abs=0.01
    )


def test_languages_and_abstracts() -> None:
    languages = Counter(work["language"] for work in works())
    assert share(languages["en"]) == pytest.approx(0.88, abs=0.03)
    assert share(languages["zh"]) == pytest.approx(0.06, abs=0.02)
    indexes = [work["abstract_inverted_index"] for work in works() if work["abstract_inverted_index"]]
    assert share(len(indexes)) == pytest.approx(0.65, abs=0.03)
    lengths = [sum(map(len, index.values())) for index in indexes]
    assert 250 < max(lengths) < 320
    for index, length in zip(indexes, lengths, strict=True):
        assert sorted(place for places in index.values() for place in places) == list(range(length))
    assert all(
        "\u4e00" <= work["title"][0] <= "\u9fff" for work in works() if work["language"] == "zh" and work["title"][0] > "z"
    )


def test_references_lead_to_earlier_works_of_the_set_and_no_further_than_they_are_cited() -> None:
    names = [work["id"] for work in works()]
    assert names == sorted(set(names))
    inside, cited, given = set(names), Counter[str](), 0
    for work in works():
        earlier = [name for name in work["referenced_works"] if name in inside]
        assert all(name < work["id"] for name in earlier)
        assert len(set(work["referenced_works"])) == len(work["referenced_works"]) == work["referenced_works_count"]
        cited.update(earlier)
        given += len(work["referenced_works"])
    assert share(cited.total(), given) == pytest.approx(0.2, abs=0.03)
    counts = {work["id"]: work["cited_by_count"] for work in works()}
    assert all(counts[name] >= times for name, times in cited.items())
    assert cited.most_common(1)[0][1] > 10 * cited.total() / len(cited)  # some are cited by very many


def test_years_and_authors() -> None:
    years = Counter(work["publication_year"] for work in works())
    assert sorted(years) == list(range(FIRST_YEAR, LAST_YEAR + 1))
    assert years[LAST_YEAR - 1] > 4 * years[FIRST_YEAR + 1]
    authors = [len(work["authorships"]) for work in works()]
    assert 30 < max(authors) <= 100
    cut_off = [work for work in works() if "is_authors_truncated" in work]
    assert all(work["is_authors_truncated"] and len(work["authorships"]) == 100 for work in cut_off)
    everybody = [one["author"]["id"] for work in works() for one in work["authorships"]]
    assert share(everybody.count(None), len(everybody)) == pytest.approx(MEASURED["author"], abs=0.01)
    assert Counter(everybody).most_common(2)[1][1] > 20


def test_works_mention_concepts() -> None:
    """The labels of the ontology stand in the texts, some often, most seldom."""
    texts = "\n".join(json.dumps(list(work["abstract_inverted_index"] or ())) + work["title"] for work in works())
    assert texts.count("peer") > NUMBER / 4
    assert texts.count("同伴") > NUMBER / 100
