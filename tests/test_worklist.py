"""Lists and facets of works say what a plain look at all records says."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvests import abstract, real_records, record
from kgraph.errors import KgraphError
from kgraph.workindex import Entry, IndexWriter, index_entry
from kgraph.worklist import ORDERS, RANKED, Found, Wanted, WorkIndex, expression

CHINESE = [
    record(900, title="同伴支持与孤独感", publication_year=2021, abstract_inverted_index=abstract("精神康复 中的 同伴支持")),
    record(901, title="孤独的人", publication_year=2022),
    record(902, title="Peer-Support: a “study” of café culture", publication_year=None, type=None),
]


@pytest.fixture(scope="session")
def entries() -> list[Entry]:
    """Entries of real records and a few more, every third of which names concepts."""
    found = []
    for number, one in enumerate([*real_records(), *CHINESE]):
        concepts = ["hope", "trust"] if number % 3 == 0 else ["hope"] if number % 3 == 1 else []
        found.append(index_entry(one, str(number).encode(), {}, concepts))
    return found


@pytest.fixture(scope="session")
def index(entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> WorkIndex:
    """The index of these; trust is narrower than hope."""
    path = tmp_path_factory.mktemp("index") / "works.sqlite"
    writer = IndexWriter(path, {"trust": ("hope",)})
    for entry in entries:
        writer.expect(entry.openalex)
    writer.add(entries, {entry.openalex: ("all",) for entry in entries})
    writer.finish()
    writer.close()
    return WorkIndex(path)


def ids(found: Found) -> list[str]:
    """The works of a list."""
    return [work.openalex for work in found.works]


def values(entry: Entry, facet: str) -> set[str]:
    """What a work has of a facet."""
    if facet == "concept":
        return {"hope"} if {"hope", "trust"} & values(entry, "named") else set[str]() | (values(entry, "named") - {"hope"})
    return {key for name, key, _ in entry.values if name == facet}


def words(entry: Entry) -> str:
    """Title and abstract, in small letters."""
    return f"{entry.title} {entry.abstract}".lower()


FITS: dict[str, tuple[Wanted, Callable[[Entry], bool]]] = {
    "all": (Wanted(), lambda entry: True),
    "since": (Wanted(since=2015), lambda entry: (entry.year or 0) >= 2015),
    "until": (Wanted(until=2015), lambda entry: 0 < (entry.year or 0) <= 2015),
    "year": (Wanted(since=2018, until=2018), lambda entry: entry.year == 2018),
    "country": (Wanted(values=(("country", "US"),)), lambda entry: "US" in values(entry, "country")),
    "two": (
        Wanted(values=(("country", "US"), ("access", "open"))),
        lambda entry: "US" in values(entry, "country") and entry.open is True,
    ),
    "type": (Wanted(values=(("type", "preprint"),)), lambda entry: entry.type == "preprint"),
    "unknown": (Wanted(values=(("topic", "T1"),)), lambda entry: False),
    "narrower": (Wanted(values=(("concept", "hope"),)), lambda entry: bool(values(entry, "named"))),
    "word": (Wanted(text="citation"), lambda entry: bool(re.search(r"\b(citation|cite)", words(entry)))),
    "chinese": (Wanted(text="同伴支持"), lambda entry: "同伴支持" in words(entry)),
    "two characters": (Wanted(text="孤独"), lambda entry: "孤独" in words(entry)),
    "nothing": (Wanted(text="?!"), lambda entry: False),
}


@pytest.mark.parametrize("name", FITS)
def test_a_list_has_what_fits(index: WorkIndex, entries: list[Entry], name: str) -> None:
    wanted, fits = FITS[name]
    found = index.find(wanted, limit=1000, facets=1000)
    expected = [entry for entry in entries if fits(entry)]
    if name != "word":  # stems reach further than the pattern
        assert sorted(ids(found)) == sorted(entry.openalex for entry in expected)
        assert found.number == len(expected)
        for facet in ("year", "country", "topic", "author", "type"):
            counted = Counter(key for entry in expected for key in values(entry, facet))
            assert {one.key: one.works for one in found.facets.get(facet, [])} == counted
    else:
        assert set(ids(found)) >= {entry.openalex for entry in expected if "citation" in words(entry)}
        assert found.number < len(entries) / 2


@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_a_list_make_the_whole(index: WorkIndex, order: str) -> None:
    wanted = Wanted(text="the") if order == "relevance" else Wanted()
    whole = ids(index.find(wanted, order, limit=1000))
    pages = [one for start in range(0, 220, 50) for one in ids(index.find(wanted, order, offset=start, limit=50))]
    assert pages == whole
    assert len(set(whole)) == len(whole) > 100


def test_lists_are_in_order(index: WorkIndex, entries: list[Entry]) -> None:
    cited = [work.cited or 0 for work in index.find(Wanted(), "cited", limit=1000).works]
    assert cited == sorted(cited, reverse=True)
    years = [work.year for work in index.find(Wanted(), "oldest", limit=1000).works]
    known = [year for year in years if year]
    assert known == sorted(known)
    assert not any(years[len(known) :])
    best = index.find(Wanted(text="altmetrics"), limit=1).works[0]
    assert "altmetric" in best.title.lower()


def test_too_many_to_rank_are_put_in_order_by_citations(index: WorkIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    assert RANKED > 100
    monkeypatch.setattr("kgraph.worklist.RANKED", 2)
    cited = [work.cited or 0 for work in index.find(Wanted(text="the"), limit=1000).works]
    assert cited == sorted(cited, reverse=True)


def test_citations_lead_both_ways(index: WorkIndex, entries: list[Entry]) -> None:
    there = {entry.openalex for entry in entries}
    citing = next(entry for entry in entries if set(entry.references) & there)
    below = set(ids(index.find(Wanted(cited_by=citing.openalex), limit=1000)))
    assert below == set(citing.references) & there - {citing.openalex}
    cited = next(iter(below))
    above = index.find(Wanted(cites=cited), limit=1000)
    assert set(ids(above)) == {entry.openalex for entry in entries if cited in entry.references}
    work = index.work(cited)
    assert work is not None
    assert work.inside == above.number


def test_a_work_is_found_by_id_and_by_iri(index: WorkIndex, entries: list[Entry]) -> None:
    for entry in entries[:3]:
        by_id, by_iri = index.work(entry.openalex), index.work(entry.iri)
        assert by_id is not None
        assert by_id == by_iri
    assert index.work("W1") is None


def test_counts_of_a_concept_are_those_of_its_list(index: WorkIndex) -> None:
    found = index.find(Wanted(values=(("concept", "hope"),)), facets=1000)
    assert {one.key: one.works for one in index.counted("hope", "year", 1000)} == {
        one.key: one.works for one in found.facets["year"]
    }
    assert not index.counted("hope", "named"), "what is narrower is there with it by definition"


def test_values_go_by_key_and_by_name(index: WorkIndex, entries: list[Entry]) -> None:
    key, label = next((key, label) for entry in entries for facet, key, label in entry.values if facet == "author")
    by_key, by_label = index.named("author", key), index.named("author", label.upper())
    assert by_key is not None
    assert by_label is not None
    assert (by_key.key, by_label.label) == (key, label)
    assert index.named("author", "nobody at all") is None
    assert label in {one.label for one in index.commonest("author", 5000)}


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    index = WorkIndex(tmp_path / "works.sqlite")
    assert not index.exists
    assert index.find(Wanted(text="x"), facets=3) == Found(0, [])
    assert index.work("W1") is None
    assert index.counted("hope", "year") == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "works.sqlite"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(KgraphError, match="kgraph build --force"):
        WorkIndex(path).find(Wanted())


@pytest.mark.parametrize(("wanted", "order"), [(Wanted(values=(("colour", "red"),)), ""), (Wanted(), "best")])
def test_what_there_is_not_is_told(index: WorkIndex, wanted: Wanted, order: str) -> None:
    with pytest.raises(KgraphError, match="There are: "):
        index.find(wanted, order)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_asked_for(index: WorkIndex, text: str) -> None:
    found = index.find(Wanted(text=text), limit=3)
    assert found.number >= len(found.works)
    assert "\x00" not in expression(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(FITS)), min_size=1, max_size=4))
def test_conditions_go_together(index: WorkIndex, entries: list[Entry], names: list[str]) -> None:
    names = [name for name in dict.fromkeys(names) if not FITS[name][0].text]
    wanted = [FITS[name][0] for name in names]
    since = max((one.since for one in wanted if one.since), default=None)
    until = min((one.until for one in wanted if one.until), default=None)
    together = Wanted(values=tuple(value for one in wanted for value in one.values), since=since, until=until)
    expected = {entry.openalex for entry in entries if all(FITS[name][1](entry) for name in names)}
    found = set(ids(index.find(together, limit=1000)))
    assert found == expected
