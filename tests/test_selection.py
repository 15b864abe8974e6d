"""Which records are taken: against a filter that reads every record and is too plain to be wrong."""

import json
import pickle
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvests import abstract, real_records, record
from kgraph.selection import _FOLDED, _PLAIN, Conditions, NoRecord, fold, may_match, select

Record = dict[str, Any]


def words(text: str) -> str:
    """A text in small letters without accents and soft hyphens, its words between single spaces; words and signs stand apart."""
    kept = (c for c in unicodedata.normalize("NFKD", text) if not "\u0300" <= c <= "\u036f" and c != "\u00ad")
    plain = "".join(kept).casefold()
    plain = unicodedata.normalize("NFC", plain)
    return "".join(f" {c} " if "\u3400" <= c <= "\u9fff" else " " if c in "-_\u2013\u2014" else c for c in plain)


def has_term(text: str, term: str) -> bool:
    """Whether a text has a term, word for word; Chinese characters with nothing between."""
    if all("\u3400" <= c <= "\u9fff" for c in term):
        return term in text
    tokens, wanted = (re.findall(r"[^\W_]+|[^\w\s]", words(one)) for one in (text, term))
    return any(tokens[at : at + len(wanted)] == wanted for at in range(len(tokens)))


def is_wanted(one: Record, asked: Conditions) -> bool:
    """What `select` should say, the slow way."""
    index = one.get("abstract_inverted_index") or {}
    texts = [one.get("title") or "", " ".join(word for _, word in sorted((at, word) for word in index for at in index[word]))]
    cited = [work.rpartition("W")[2].encode() for work in one.get("referenced_works") or ()]
    own = one["id"].rpartition("W")[2].encode()
    levels = [
        level["id"].removeprefix("https://openalex.org/")
        for topic in one.get("topics") or ()
        for level in (topic, topic["subfield"], topic["field"], topic["domain"])
    ]
    countries = [country for authorship in one.get("authorships") or () for country in authorship.get("countries") or ()]
    countries += [
        place.get("country_code") for authorship in one.get("authorships") or () for place in authorship.get("institutions") or ()
    ]
    year = one.get("publication_year")
    doi = (one.get("doi") or "").removeprefix("https://doi.org/").lower()
    return all(
        [
            not asked.topics or bool(asked.topics & set(levels)),
            not asked.terms or any(has_term(text, term) for text in texts for term in asked.terms),
            asked.works is None or own in asked.works or doi in asked.dois,
            asked.cites is None or bool(asked.cites & set(cited)),
            asked.cited is None or own in asked.cited,
            not asked.years or (year is not None and any(first <= year <= last for first, last in asked.years)),
            not asked.types or one.get("type") in asked.types,
            not asked.languages or (one.get("language") or "").split("-")[0] in asked.languages,
            not asked.countries or bool(asked.countries & set(countries)),
            asked.retracted is None or (one.get("is_retracted") is True) == asked.retracted,
        ]
    )


TEXT = st.lists(
    st.sampled_from(
        [
            *(
                "peer",
                "Peer",
                "PEER",
                "peérs",
                "support",
                "Support.",
                "peer-support",
                "supports",
                "ｐｅｅｒ",
                "sup\u00adport",
                "\u212aeep",
            ),
            *(
                "同伴支持",
                "同伴",
                "支持者",
                "(peer)",
                "“peer",
                "l'aide",
                'a "quoted"',
                "]}",
                "\\",
                "é",
                "naïve",
                "ﬁne",
                "x\ny",
                "…",
                "“”",
            ),
        ]
    ),
    max_size=5,
).map(" ".join)
ID = st.sampled_from(["1", "12", "3"])
TOPIC = ID.map(
    lambda n: {
        "id": f"https://openalex.org/T{n}",
        "subfield": {"id": f"https://openalex.org/subfields/{n}1"},
        "field": {"id": f"https://openalex.org/fields/{n}"},
        "domain": {"id": "https://openalex.org/domains/3"},
    }
)
COUNTRY = st.sampled_from(["CN", "DE", "US"])
RECORD = st.fixed_dictionaries(
    {"id": ID.map(lambda n: f"https://openalex.org/W{n}")},
    optional={
        "doi": st.sampled_from([None, "https://doi.org/10.1000/A1", "https://doi.org/10.1000/é", 'https://doi.org/10.1000/a"b']),
        "title": st.none() | TEXT,
        "display_name": TEXT,
        "abstract_inverted_index": st.none() | TEXT.map(abstract),
        "publication_year": st.none() | st.integers(1990, 1993),
        "type": st.sampled_from([None, "article", "review"]),
        "language": st.sampled_from([None, "en", "zh", "zh-tw"]),
        "is_retracted": st.sampled_from([None, True, False]),
        "topics": st.none() | st.lists(TOPIC, max_size=2),
        "referenced_works": st.none() | st.lists(ID.map(lambda n: f"https://openalex.org/W{n}"), max_size=3),
        "authorships": st.lists(
            st.fixed_dictionaries({"countries": st.lists(COUNTRY, max_size=1), "institutions": st.just([])})
            | COUNTRY.map(lambda code: {"institutions": [{"country_code": code}]}),
            max_size=2,
        ),
    },
)
NUMBERS = st.none() | st.frozensets(ID.map(str.encode), max_size=2)
TERMS = ["peer", "peer support", "peers", "support", "同伴", "同伴支持", "keep", "l'aide", "naive", "fine", "e", "a", "支持 peer"]
CONDITIONS = st.builds(
    Conditions,
    topics=st.frozensets(st.sampled_from(["T1", "T12", "subfields/11", "fields/3", "domains/3", "domains/1"]), max_size=2),
    terms=st.lists(st.sampled_from(TERMS), max_size=2, unique=True).map(tuple),
    works=NUMBERS,
    cites=NUMBERS,
    cited=NUMBERS,
    years=st.lists(st.sampled_from([(1990, 1990), (1991, 9999), (0, 1992)]), max_size=2).map(tuple),
    types=st.frozensets(st.sampled_from(["article", "review"]), max_size=1),
    languages=st.frozensets(st.sampled_from(["en", "zh"]), max_size=1),
    countries=st.frozensets(COUNTRY, max_size=1),
    retracted=st.none() | st.booleans(),
)
SOME = st.frozensets(ID.map(str.encode), min_size=1, max_size=2)
DOIS = st.frozensets(st.sampled_from(["10.1000/a1", "10.1000/é", '10.1000/a"b']), max_size=2)
ASKED = st.one_of(
    st.builds(Conditions, terms=st.lists(st.sampled_from(TERMS), min_size=1, max_size=2).map(tuple)),
    st.builds(Conditions, works=SOME, dois=DOIS),
    st.builds(Conditions, cites=SOME, retracted=st.none() | st.booleans()),
    CONDITIONS,
)


@settings(max_examples=400, deadline=None)
@given(one=RECORD, asked=ASKED, escaped=st.booleans(), compact=st.booleans())
def test_what_is_selected_is_what_a_plain_filter_finds(one: Record, asked: Conditions, escaped: bool, compact: bool) -> None:
    line = json.dumps(one, ensure_ascii=escaped, separators=(",", ":") if compact else None).encode()
    assert (select(line, pickle.loads(pickle.dumps(asked))) is not None) == is_wanted(one, asked)  # noqa: S301


@pytest.mark.parametrize("term", ["review", "peer review", "open access", "large-scale", "citation", "long term", "the"])
def test_terms_in_real_records(term: str) -> None:
    asked = Conditions(terms=(fold(term),))
    found = [one["id"] for one in real_records() if select(json.dumps(one).encode(), asked)]
    assert found == [one["id"] for one in real_records() if is_wanted(one, asked)]
    assert found


def test_most_real_records_are_not_read() -> None:
    lines = [json.dumps(one, ensure_ascii=False).encode() for one in real_records()]
    assert sum(may_match(line, Conditions(terms=("peer support",))) for line in lines) < 30
    assert not any(may_match(line, Conditions(topics=frozenset({"T99999", "subfields/99"}))) for line in lines)


def test_characters_that_are_folded_are_known() -> None:
    """Of every other character, folding changes no more than the case, or it stands in no word."""
    plain = re.compile(f"[{_PLAIN}]")

    def in_words(text: str) -> str:
        return re.sub(r"[\W_]+", " ", text)

    for code in range(0x110000):
        character = chr(code)
        if plain.match(character):
            assert not _FOLDED.match(character)
            assert not unicodedata.combining(character)
            assert in_words(fold(f"a{character}b")) == in_words(f"a{character}b".casefold()), hex(code)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "is no JSON object"),
        (b"null", "is no JSON object"),
        (b'{"id": "https://openalex.org/W1"', "is no JSON object"),
        (b'{"type": "article", }', "is no JSON"),
        (b'{"type": "article", "title": "\xff"}', "is no JSON"),
        (b'{"type": "article", "n": ' + b"[" * 5000 + b"]" * 5000 + b"}", "is no JSON"),
        (b'{"type": "article"}', "has no id of a work"),
        (b'{"type": "article", "id": "https://openalex.org/A1"}', "has no id of a work"),
        (b'{"type": "article", "id": "https://openalex.org/W0"}', "has no id of a work"),
        (b'{"type": "article", "id": 1}', "has no id of a work"),
    ],
)
def test_lines_that_are_no_records(line: bytes, message: str) -> None:
    with pytest.raises(NoRecord, match=message):
        select(line, Conditions(types=frozenset({"article"})))


def test_a_lone_surrogate_is_replaced_and_all_else_stays_as_it_is() -> None:
    asked = Conditions(types=frozenset({"article"}))
    line = rb'{"id": "https://openalex.org/W1", "type": "article", "title": "a\ud800b"}'
    found = select(line, asked)
    assert found is not None
    assert json.loads(found.line)["title"] == "a\ufffdb"
    line = b'{ "type":"article","id" :"https://openalex.org/W1",  "x": 1e300 , "updated_date": "2026"}'
    found = select(line + b" \r\n", asked)
    assert found is not None
    assert (found.id, found.updated, found.line) == ("W1", "2026", line)


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [[]], [{}], [None], {"a": None}, [{"id": 5, "subfield": []}]])
def test_values_of_another_type_match_nothing_and_do_no_harm(value: Any) -> None:
    numbers = frozenset({b"9"})
    every = [
        Conditions(topics=frozenset({"T9"})),
        Conditions(terms=("nine",)),
        Conditions(works=numbers, dois=frozenset({"10.1000/9"})),
        Conditions(cites=numbers),
        Conditions(cited=numbers),
        Conditions(years=((1, 9999),)),
        Conditions(types=frozenset({"article"})),
        Conditions(languages=frozenset({"en"})),
        Conditions(countries=frozenset({"CN"})),
        Conditions(retracted=True),
    ]
    keys = (
        "topics primary_topic title abstract_inverted_index doi ids referenced_works publication_year type language authorships"
    )
    one = record(1, **dict.fromkeys([*keys.split(), "is_retracted"], value))
    if value == 5:
        every.remove(Conditions(years=((1, 9999),)))
    from kgraph.selection import matches

    assert not any(matches(one, asked) for asked in every)
