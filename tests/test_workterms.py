"""Values of OpenAlex records as terms: abstracts, authors and what stands alone, with all that may be wrong with them."""

from collections import Counter
from typing import Any

import pytest

from kgraph.names import KG_IRI, PREFIXES
from kgraph.workmapping import map_work
from workrecords import Record, plain_triples, records, says, triples, values, work

# The abstract


@pytest.mark.parametrize(
    ("index", "abstract"),
    [
        ({"to": [1, 3], "be": [2], "Not": [0], "have": [4]}, "Not to be to have"),
        ({"first": [0], "second": [1], "fourth": [3], "ninth": [8]}, "first second […] fourth […] ninth"),
        ({"late": [2]}, "[…] late"),
        ({"one": [0], "two": [1], "too": [1], "three": [2]}, "one two too three"),
        ({"far": [10**12], "near": [0]}, "near […] far"),
        ({"good": [0], "bad": ["1", None, -1, 2.5, [3]], "worse": "text", "worst": None}, "good"),
        ({"bell\x07": [0], "half\ud800": [1], 'say "\\n"\n': [2], "e\u0301": [3]}, 'bell half\ufffd say "\\n"\n é'),
    ],
)
def test_abstract(index: Any, abstract: str) -> None:
    assert values(work(abstract_inverted_index=index), "dcterms:abstract") == [abstract]


@pytest.mark.parametrize("index", [None, {}, [], "text", {"word": []}, {"\x00": [0]}, {"word": None}])
def test_no_abstract(index: Any) -> None:
    assert values(work(abstract_inverted_index=index), "dcterms:abstract") == []


def test_words_that_openalex_lost_leave_a_mark() -> None:
    (abstract,) = values(records()["W1980000759"], "dcterms:abstract")
    assert "wild […] is to be guaranteed" in abstract


# Authors


def test_unknown_authors_keep_their_name_and_place() -> None:
    nobody = {"id": "https://openalex.org/A9999999999", "display_name": "Li, W."}
    record = work(
        authorships=[
            {"author": {"id": None, "display_name": "Hadjas, Irka", "orcid": None}, "raw_author_name": None},
            None,
            {"author": nobody, "author_position": "middle", "is_corresponding": True},
            {"author": None, "raw_author_name": "Somebody"},
        ],
        corresponding_author_ids=["https://openalex.org/A9999999999", None],
    )
    assert triples(record) == says("""
      <W1> a fabio:Expression ; kg:openAlexId "W1" ; soa:hasAuthorship <W1/authorship/1> , <W1/authorship/3> , <W1/authorship/4> .
      <W1/authorship/1> a soa:Authorship ; soa:position 1 ; kg:authorName "Hadjas, Irka" .
      <W1/authorship/3> a soa:Authorship ; soa:position 3 ; kg:authorName "Li, W." ; kg:authorPosition "middle" ;
        soa:isCorresponding true .
      <W1/authorship/4> a soa:Authorship ; soa:position 4 ; kg:authorName "Somebody" .
    """)


def test_ten_thousand_authors() -> None:
    institution = {
        "id": "https://openalex.org/I7",
        "display_name": "CERN",
        "country_code": "ch",
        "lineage": ["https://openalex.org/I7"],
    }
    authors = [
        {
            "author": {"id": f"https://openalex.org/A{number}", "display_name": f"Author {number}"},
            "institutions": [institution],
            "raw_affiliation_strings": ["CERN, Geneva"],
        }
        for number in range(1, 10_001)
    ]
    made = Counter(line.split(" ")[1] for line in map_work(work(authorships=authors)).splitlines())
    for name in (
        "soa:hasAuthorship",
        "soa:hasAuthor",
        "soa:position",
        "dcterms:creator",
        "soa:hasOrganization",
        "soa:rawAffiliation",
    ):
        prefix, _, local = name.partition(":")
        assert made[f"<{PREFIXES[prefix]}{local}>"] == 10_000
    assert made[f"<{KG_IRI}country>"] == 1  # the institution is described once
    assert made["<http://purl.org/dc/terms/isPartOf>"] == 0  # and is no part of itself


def test_authors_cut_off_are_told() -> None:
    assert values(work(is_authors_truncated=True, authorships=[]), "kg:authorsTruncated") == ["true"]


def test_affiliations_of_all_schemas() -> None:
    record = work(
        authorships=[
            {
                "affiliations": [{"raw_affiliation_string": "A, B", "institution_ids": ["https://openalex.org/I1", None]}, None],
                "raw_affiliation_strings": ["A, B", "C"],
                "raw_affiliation_string": "D",
                "countries": ["de", "DE", "xyz", None, 7],
            }
        ]
    )
    assert values(record, "soa:rawAffiliation") == ["A, B", "C", "D"]
    assert values(record, "soa:hasOrganization") == ["https://openalex.org/I1"]
    assert values(record, "kg:country") == ["DE"]


# Single values


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        (" HTTP://example.org/a b ", "HTTP://example.org/a%20b"),
        ('https://example.org/<"{}|^`\\>', "https://example.org/%3C%22%7B%7D%7C%5E%60%5C%3E"),
        ("https://example.org/50%", "https://example.org/50%25"),
        ("https://example.org/%e4%zz", "https://example.org/%e4%25zz"),
        ("https://example.org/[1]", "https://example.org/%5B1%5D"),
        ("https://example.org/北京", "https://example.org/北京"),
        ("https://example.org/\x00\n", "https://example.org/%00"),
        ("https://example.org/\ud800", None),
        ("http://[1::", None),
        ("http:///path", None),
        ("javascript:alert(1)", None),
        ("JavaScript:alert('http://x.org')", None),
        ("data:text/html,<script>", None),
        ("ftp://example.org/a", None),
        ("www.example.org", None),
        ("", None),
        ({"href": "https://example.org"}, None),
        (7, None),
    ],
)
def test_web_address(address: Any, kept: str | None) -> None:
    assert values(work(open_access={"oa_url": address}), "soa:oaUrl") == ([kept] if kept else [])


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("  A title\n", "A title"),
        ('"Quoted" \\ and\nbroken\r\n\tlines', '"Quoted" \\ and\nbroken\r\n\tlines'),
        ("nul\x00 bell\x07 escape\x1b delete\x7f next\x85", "nul bell escape delete next"),
        ("e\u0301\u2028\ufffe", "é\u2028\ufffd"),
        ("孤独感 \U0001f600", "孤独感 \U0001f600"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        (1984, "1984"),
    ],
)
def test_text(title: Any, kept: str) -> None:
    made = map_work(work(title=title))
    assert values(work(title=title), "dcterms:title") == [kept]
    assert len(made.splitlines()) == len(made.encode().splitlines()) == 3


@pytest.mark.parametrize(
    ("field", "name", "value", "kept"),
    [
        ("publication_date", "prism:publicationDate", "2018-02-13", "2018-02-13"),
        ("publication_date", "prism:publicationDate", "2018-02-30", None),
        ("publication_date", "prism:publicationDate", "13.2.2018", None),
        ("created_date", "dcterms:created", "2025-10-10T00:00:00", "2025-10-10"),
        ("updated_date", "dcterms:modified", "2025-11-06T03:46:38.306700", "2025-11-06T03:46:38.3067"),
        ("updated_date", "dcterms:modified", "2023-05-16T14:50:18.726+00:00", "2023-05-16T14:50:18.726Z"),
        ("updated_date", "dcterms:modified", "2023-05-16", "2023-05-16T00:00:00"),
        ("updated_date", "dcterms:modified", "2023-05-16T25:00:00", None),
        ("publication_year", "fabio:hasPublicationYear", 987, "0987"),
        ("publication_year", "fabio:hasPublicationYear", 20180, None),
        ("publication_year", "fabio:hasPublicationYear", "2018", None),
        ("fwci", "kg:fieldWeightedCitationImpact", 0.0, "0"),
        ("fwci", "kg:fieldWeightedCitationImpact", 1.50, "1.5"),
        ("fwci", "kg:fieldWeightedCitationImpact", 1e-7, "0.0000001"),
        ("fwci", "kg:fieldWeightedCitationImpact", 3, "3"),
        ("fwci", "kg:fieldWeightedCitationImpact", float("nan"), None),
        ("fwci", "kg:fieldWeightedCitationImpact", float("inf"), None),
        ("fwci", "kg:fieldWeightedCitationImpact", True, None),
        ("cited_by_count", "soa:citedByCount", 405, "405"),
        ("cited_by_count", "soa:citedByCount", 405.0, "405"),
        ("cited_by_count", "soa:citedByCount", True, None),
        ("cited_by_count", "soa:citedByCount", 10**30, None),
        ("is_retracted", "soa:isRetracted", "true", None),
        ("is_retracted", "soa:isRetracted", 1, None),
        ("ids", "soa:magId", {"mag": "0042"}, "42"),
        ("ids", "fabio:hasPubMedId", {"pmid": "https://pubmed.ncbi.nlm.nih.gov/29456894/"}, "29456894"),
        ("ids", "fabio:hasPubMedCentralId", {"pmcid": "PMC77"}, "PMC77"),
        ("ids", "fabio:hasPubMedId", {"pmid": "29456894 or so"}, None),
        ("biblio", "prism:volume", {"volume": 12}, "12"),
        ("biblio", "prism:volume", ["12"], None),
        ("versions", "dcterms:hasVersion", ["https://openalex.org/W2", {"id": "https://openalex.org/W2"}], "https://openalex.org/W2"),
        ("study_designs", "kg:hasStudyDesign", [{"id": "https://openalex.org/study-designs/cohort"}], "https://openalex.org/study-designs/cohort"),
        ("keywords", "soa:hasKeyword", [{"id": "https://openalex.org/keywords/cost–benefit"}], "https://openalex.org/keywords/cost–benefit"),
        ("keywords", "soa:hasKeyword", [{"id": "https://openalex.org/keywords/../../x"}], None),
        ("keywords", "soa:hasKeyword", [{"id": "https://openalex.org/keywords/a>b"}], "https://openalex.org/keywords/a%3Eb"),
        ("sustainable_development_goals", "kg:ofSubject", [{"id": "https://metadata.un.org/sdg/3"}], "http://metadata.un.org/sdg/3"),
        ("referenced_works", "cito:cites", ["https://openalex.org/W2", None, "W2> <x:y", "https://openalex.org/A2", 2], "https://openalex.org/W2"),
    ],
)  # fmt: skip
def test_single_value(field: str, name: str, value: Any, kept: str | None) -> None:
    assert values(work(**{field: value}), name) == ([kept] if kept is not None else [])


@pytest.mark.parametrize(
    ("given", "licence"),
    [
        ({"license_id": "https://openalex.org/licenses/cc-by", "license": "cc-by"}, "cc-by"),
        ({"license": "cc-by-nc"}, "cc-by-nc"),
        ({"license_id": None, "license": "publisher-specific, author manuscript"}, "publisher-specific,%20author%20manuscript"),
    ],
)
def test_licence(given: Record, licence: str) -> None:
    assert values(work(locations=[given]), "dcterms:license") == ["https://openalex.org/licenses/" + licence]


@pytest.mark.parametrize("letter", ["ı", "ſ", "İ", "K"])
def test_letters_that_become_others_are_no_identifiers(letter: str) -> None:
    """A dotless i is an I in capitals, a long s an S, and a Kelvin sign a k in small letters."""
    record = work(
        corresponding_institution_ids=[f"https://openalex.org/{letter}7", f"{letter}7"],
        locations=[{"source": {"id": f"{letter}7"}}],
        doi=f"https://do{letter}.org/10.1000/7",
    )
    assert values(record, "kg:correspondingInstitution", "soa:hasSource", "prism:doi") == []
    assert triples(record) == plain_triples(record)


def test_corresponding_authors_are_authors_also_where_the_list_ends_before_them() -> None:
    record = work(
        authorships=[],
        corresponding_author_ids=["https://openalex.org/A7"],
        corresponding_institution_ids=["I7", None, {"id": "I8"}],
    )
    assert triples(record) == says("""
      <W1> a fabio:Expression ; kg:openAlexId "W1" ; kg:correspondingAuthor <A7> ; kg:correspondingInstitution <I7> .
      <A7> a soa:Author , foaf:Person , foaf:Agent .
      <I7> a soa:Institution , foaf:Organization , foaf:Agent .
    """)
    assert triples(record) == plain_triples(record)
