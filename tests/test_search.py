"""The search: what is found, in which order, and that nothing people type breaks it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgraph.errors import KgraphError
from kgraph.search import KINDS, Hit, build_index, fold, search, suggest
from kgraph.snapshot import Snapshot

HOSTILE = [
    *(
        "",
        " ",
        "*",
        '"',
        "'",
        '""',
        "' OR 1=1 --",
        "NEAR(",
        "NEAR(stigma, 3)",
        "stigma AND",
        "OR",
        "NOT stigma",
        "-stigma",
        "^stigma",
    ),
    *("label:stigma", "value : x", "{value} : x", "stigma*", "(stigma", "a" * 10_000, "stigma " * 2_000, "孤独" * 5_000, "\x00"),
    *(
        "stig\x00ma",
        "\ud800",
        "🙂",
        "👩‍⚕️ stigma",
        "%",
        "_",
        "%孤%",
        "\\",
        "\x02stigma\x03",
        "\u202estigma",
        "İ",
        "ﬁ",
        "𞤀",
        "𠀀",
        "ß",
        "٣",
    ),
    *("é́́́", "; DROP TABLE item", "<script>", "\n\r\t", "孤\x00独"),
]


@pytest.fixture(scope="session")
def index(snapshot: Snapshot) -> Path:
    return snapshot.folder / "search.sqlite"


def names(hits: list[Hit]) -> list[str]:
    return [hit.labels["en"] for hit in hits]


def text_of(hit: Hit) -> str:
    return "".join(part for part, _ in hit.snippet)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("loneliness", "loneliness"),
        ("LONELINESS", "loneliness"),
        ("peer support", "peer support"),
        ("peer-support", "peer support"),
        ("同伴支持", "peer support"),
        ("孤独感", "loneliness"),
        ("孤独", "loneliness"),
        ("chaxugeju", "differential mode of association"),
        ("cha xu ge ju", "differential mode of association"),
        ("chāxù géjú", "differential mode of association"),
        ("差序格局", "differential mode of association"),
        ("internalised stigma", "internalized stigma"),
        ("q01", "Quotation q01, P4"),
        ("P4", "Participant P4"),
    ],
)
def test_the_exact_label_comes_first(index: Path, typed: str, first: str) -> None:
    hit = search(index, typed)[0]
    assert hit.labels["en"] == first
    assert hit.matched == "label"


def test_labels_rank_above_texts(index: Path) -> None:
    matched = [hit.matched for hit in search(index, "stigma", limit=100)]
    assert {"label", "text"} <= set(matched)
    scores = [hit.score for hit in search(index, "stigma", limit=100)]
    assert scores == sorted(scores, reverse=True)
    concepts = [hit.matched for hit in search(index, "stigma", limit=100, kinds=["concept"])]
    assert concepts == sorted(concepts)


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("compassion", "concept"),
        ("managing proximity", "theme"),
        ("Corrigan", "reference"),
        ("schizophrenia", "participant"),
        ("naturally occurring peer support", "study"),
        ("friend", "quotation"),
        ("污名", "assertion"),
        ("stigma", "assertion"),
        ("友", "concept"),
    ],
)
def test_every_kind_is_found(index: Path, typed: str, kind: str) -> None:
    hits = search(index, typed, limit=500)
    assert kind in {hit.kind for hit in hits}
    only = search(index, typed, limit=500, kinds=[kind])
    assert [hit.iri for hit in only] == [hit.iri for hit in hits if hit.kind == kind]


def test_both_languages_and_marked_snippets(index: Path) -> None:
    for typed, marked in (("compassion", "compassion"), ("孤独", "孤独"), ("孤", "孤")):
        hits = search(index, typed, limit=100)
        assert all(hit.labels["en"] and hit.labels["zh-Hans"] for hit in hits)
        assert any(is_match and part.lower() == marked for hit in hits for part, is_match in hit.snippet)
    hit = next(hit for hit in search(index, "孤独", limit=50) if hit.kind == "assertion")
    assert hit.snippet_language == "zh-hans"


def test_where_no_text_holds_every_word_some_will_do(index: Path) -> None:
    assert search(index, "loneliness xyzzy")[0].labels["en"] == "loneliness"
    assert search(index, "同伴支持能减少孤独感吗")
    assert not search(index, "xyzzy plugh")


def test_both_spellings_of_english(index: Path) -> None:
    for one, other in (("internalised", "internalized"), ("behaviour", "behavior"), ("programme", "program")):
        assert {hit.iri for hit in search(index, one, limit=500)} & {hit.iri for hit in search(index, other, limit=500)}


def test_limit_and_offset(index: Path) -> None:
    whole = search(index, "peer", limit=40)
    assert len(whole) == 40
    assert search(index, "peer", limit=10) == whole[:10]
    assert search(index, "peer", limit=10, offset=10) == whole[10:20]
    assert search(index, "peer", limit=0) == []


@pytest.mark.parametrize("typed", HOSTILE, ids=lambda typed: ascii(typed[:20]))
def test_no_input_is_malformed(index: Path, typed: str) -> None:
    for hit in [*search(index, typed), *suggest(index, typed)]:
        assert hit.kind in KINDS
        assert "\x02" not in text_of(hit)


@settings(max_examples=150, deadline=None)
@given(typed=st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_any_text_is_safe(index: Path, typed: str) -> None:
    search(index, typed, limit=5)
    suggest(index, typed)


@settings(max_examples=100, deadline=None)
@given(typed=st.text(alphabet="\"*()^:+-{}AND ORNEAR stigma同伴孤'%_\\", max_size=40))
def test_any_operators_are_words(index: Path, typed: str) -> None:
    search(index, typed, limit=5)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lonelyness", "loneliness"), ("reciprocty", "reciprocity"), ("peer-supprt", "peer support"), ("孤独感受", "loneliness")],
)
def test_suggestions(index: Path, typed: str, meant: str) -> None:
    assert names(suggest(index, typed))[0] == meant
    assert len(suggest(index, typed, limit=2)) <= 2


def test_every_label_finds_its_concept(snapshot: Snapshot, index: Path) -> None:
    for row in snapshot.ask("map-concepts"):
        for label in (row["en"], row["zh"]):
            assert row["concept"] in {hit.iri for hit in search(index, label, limit=8)}, label


def content(path: Path) -> Iterator[tuple[object, ...]]:
    with sqlite3.connect(path) as index:
        yield from index.execute("SELECT * FROM item ORDER BY id")
        yield from index.execute("SELECT * FROM text ORDER BY id")


def test_the_same_store_gives_the_same_content(snapshot: Snapshot, index: Path, tmp_path: Path) -> None:
    build_index(snapshot.store, tmp_path / "again.sqlite")
    assert list(content(tmp_path / "again.sqlite")) == list(content(index))
    assert search(tmp_path / "again.sqlite", "stigma", limit=100) == search(index, "stigma", limit=100)


def test_searching_writes_nothing(index: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in index.parent.iterdir())
    search(index, "stigma")
    assert sorted((path.name, path.stat().st_mtime_ns) for path in index.parent.iterdir()) == before


def test_a_missing_or_broken_index_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "broken #1?.sqlite").write_bytes(b"no database at all, but long enough to be read as one" * 50)
    for name in ("missing.sqlite", "broken #1?.sqlite"):
        with pytest.raises(KgraphError, match="kgraph build"):
            search(tmp_path / name, "stigma")
    assert not (tmp_path / "missing.sqlite").exists()


def test_fold() -> None:
    assert fold("Chāxù géjú") == fold("cha-xu-ge-ju") == "chaxugeju"
    assert fold("同伴 支持") == "同伴支持"
