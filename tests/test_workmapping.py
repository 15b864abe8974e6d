"""Works of OpenAlex as RDF: real records come out as one would write them by hand, and nothing in a record breaks it."""

import copy
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyoxigraph as ox
import pytest
from rdflib import URIRef

from kgraph import workterms
from kgraph.errors import KgraphError
from kgraph.names import KG_IRI, ONTOLOGY, PREFIXES
from kgraph.workmapping import map_work, openalex_iri, read_work, work_iri, work_iris
from kgraph.worktables import WORK, WORK_TYPE, Part, Rows, Thing
from workrecords import Record, known, plain_triples, records, says, told, triples, values, work

# Real records


def test_all_real_records_map_as_with_rdflib() -> None:
    assert len(records()) == 200
    for name, record in records().items():
        assert told(name) == plain_triples(record, known()), name


def test_a_record_is_not_changed_and_gives_the_same_text_again() -> None:
    for record in records().values():
        before = copy.deepcopy(record)
        first = map_work(record, known())
        assert record == before
        assert map_work(record, known()) == first


def test_each_line_is_one_triple_and_stands_there_once() -> None:
    for name, record in records().items():
        lines = map_work(record, known()).encode().splitlines()
        assert len(set(lines)) == len(lines) == len(told(name))


def test_a_store_gives_back_what_it_was_given() -> None:
    store = ox.Store()
    for record in records().values():
        store.load(map_work(record, known()).encode(), ox.RdfFormat.N_TRIPLES)
    assert {quad.triple for quad in store} == set().union(*map(told, records()))


def test_no_blank_nodes_and_no_part_of_two_works() -> None:
    parts: dict[str, str] = {}
    for name in records():
        for triple in told(name):
            assert not isinstance(triple.subject, ox.BlankNode)
            assert not isinstance(triple.object, ox.BlankNode)
            if triple.subject.value.count("/") == 5 and triple.subject.value.startswith("https://openalex.org/W"):  # type: ignore[union-attr]
                assert parts.setdefault(triple.subject.value, name) == name  # type: ignore[union-attr]
    assert len(parts) > 4000


def test_a_work_of_the_present_schema() -> None:
    """The state of OA (W2741809807), checked by hand against its record."""
    expected = says("""
      <https://doi.org/10.7717/peerj.4375> a fabio:Expression , fabio:BookChapter ;
        kg:openAlexId "W2741809807" ;
        prism:doi "10.7717/peerj.4375" ;
        fabio:hasPubMedId "29456894" ;
        soa:magId 2741809807 ;
        dcterms:title "The state of OA: a large-scale analysis of the prevalence and impact of Open Access articles" ;
        fabio:hasPublicationYear "2018"^^xsd:gYear ;
        prism:publicationDate "2018-02-13"^^xsd:date ;
        soa:workType "book-chapter" ;
        soa:isRetracted false ;
        soa:oaStatus "gold" ;
        soa:hasPrimaryLocation <W2741809807/location/1> ;
        soa:hasAuthorship <W2741809807/authorship/1> ;
        dcterms:creator <A5048491430> .
      <W2741809807/authorship/1> a soa:Authorship ;
        soa:position 1 ;
        kg:authorPosition "first" ;
        kg:authorName "Heather Piwowar" ;
        soa:hasAuthor <A5048491430> .
      <A5048491430> a soa:Author , foaf:Person , foaf:Agent ;
        foaf:name "Heather Piwowar" ;
        datacite:hasIdentifier <https://orcid.org/0000-0003-1613-5981> .
      <W2741809807/location/1> a soa:Location ;
        dcterms:identifier "doi:10.7717/peerj.4375" ;
        fabio:hasURL "https://doi.org/10.7717/peerj.4375"^^xsd:anyURI ;
        dcterms:license <licenses/cc-by> ;
        soa:hasVersion "publishedVersion" ;
        soa:hasSource <S1983995261> .
      <S1983995261> a soa:Source ;
        foaf:name "PeerJ" ;
        prism:issn "2167-8359" ;
        soa:isInDoaj true .
    """)
    assert expected - triples(records()["W2741809807"]) == set()


def test_a_work_of_the_older_schema() -> None:
    """Types of Crossref, grants instead of awards and funders (W2277923667)."""
    expected = says("""
      <https://doi.org/10.1063/1.4938384> a fabio:Expression , fabio:Article , fabio:JournalArticle ;
        soa:crossrefType "journal-article" ;
        dcterms:created "2016-06-24"^^xsd:date ;
        soa:hasFunder <F4320337345> ;
        kg:hasAward <W2277923667/grant/1> ;
        soa:hasPrimaryTopic <T10204> ;
        kg:hasSubjectScore <W2277923667/topic/1> .
      <W2277923667/grant/1> a kg:Award ;
        kg:awardNumber "N00014-12-1-0542" ;
        soa:hasFunder <F4320337345> .
      <F4320337345> a soa:Funder , foaf:Organization , foaf:Agent ;
        foaf:name "Office of Naval Research" .
      <W2277923667/topic/1> a kg:SubjectScore ;
        kg:ofSubject <T10204> ;
        soa:score 0.9986 .
      <T10204> a soa:Topic ;
        rdfs:label "Microstructure and mechanical properties"@en ;
        kg:inSubfield <subfields/2505> ;
        kg:inField <fields/25> ;
        kg:inDomain <domains/3> .
      <fields/25> a soa:Field ; rdfs:label "Materials Science"@en .
    """)
    assert expected - triples(records()["W2277923667"]) == set()
    assert values(records()["W2109415576"], "fabio:hasPubMedCentralId") == ["PMC4234579"]


def test_mesh_headings_keep_their_qualifiers() -> None:
    expected = says("""
      <https://doi.org/10.1038/493159a> soa:hasMesh MESH:D057218 ;
        kg:hasMeshHeading <W1572136682/mesh/3> .
      <W1572136682/mesh/3> a kg:MeshHeading ;
        kg:meshDescriptor MESH:D057218 ;
        kg:meshQualifier MESH:Q000706 ;
        kg:isMajorTopic false .
      MESH:D057218 rdfs:label "Blogging"@en .
      MESH:Q000706 rdfs:label "statistics & numerical data"@en .
    """)
    assert expected - triples(records()["W1572136682"]) == set()


def test_works_of_2023_keep_concepts_and_keywords_without_identifiers() -> None:
    record = next(record for record in records().values() if record["concepts"] and not record.get("topics"))
    assert values(record, "soa:hasConcept") == sorted(concept["id"] for concept in record["concepts"])
    assert len(values(record, "soa:score")) >= len(record["concepts"])
    keyworded = next(record for record in records().values() if any("keyword" in word for word in record.get("keywords", [])))
    said = [word["keyword"] for word in keyworded["keywords"]]
    assert set(values(keyworded, "prism:keyword")) == set(said)


def test_references_lead_to_the_iris_that_works_are_known_by() -> None:
    record = records()["W3046863325"]
    resolved = {triple.object.value for triple in triples(record, known()) if triple.predicate.value.endswith("cites")}  # type: ignore[union-attr]
    assert resolved == {known().get(cited, cited) for cited in record["referenced_works"]}
    assert "https://doi.org/10.7717/peerj.4375" in resolved
    assert set(values(record, "cito:cites")) == set(record["referenced_works"])  # nothing is known: OpenAlex's own


# Names of works


@pytest.mark.parametrize(
    ("doi", "iri"),
    [
        ("https://doi.org/10.7717/PeerJ.4375", "https://doi.org/10.7717/peerj.4375"),
        ("http://dx.doi.org/10.1000/182", "https://doi.org/10.1000/182"),
        ("10.1000/182", "https://doi.org/10.1000/182"),
        ("https://doi.org/10.1002/1-2<3::aid>3.0.co;2-x", "https://doi.org/10.1002/1-2%3C3::aid%3E3.0.co;2-x"),
        ("https://doi.org/10.1000/a b", "https://openalex.org/W1"),
        ("https://doi.org/10.1000/\ud800", "https://openalex.org/W1"),
        ("javascript:alert(1)", "https://openalex.org/W1"),
        (None, "https://openalex.org/W1"),
        (7, "https://openalex.org/W1"),
    ],
)
def test_iri_of_a_work(doi: Any, iri: str) -> None:
    assert work_iri(work(doi=doi)) == iri
    assert work_iri(work(ids={"doi": doi})) == iri
    store = ox.Store()
    store.load(map_work(work(doi=doi)).encode(), ox.RdfFormat.N_TRIPLES)
    assert any(store.quads_for_pattern(ox.NamedNode(iri), None, None))


def test_the_iri_that_is_known_goes_before_that_of_the_doi() -> None:
    record = work(doi="https://doi.org/10.1000/182", referenced_works=["https://openalex.org/W1", "https://openalex.org/W2"])
    own = {"https://openalex.org/W1": "https://example.org/work"}
    assert {triple.subject.value for triple in triples(record, own)} == {"https://example.org/work"}  # type: ignore[union-attr]
    assert work_iris([record]) == {"https://openalex.org/W1": "https://doi.org/10.1000/182"}
    assert values(record, "cito:cites") == ["https://openalex.org/W2"]  # a work that cites itself is a slip


def test_ids_may_stand_elsewhere_or_be_short() -> None:
    assert openalex_iri({"ids": {"openalex": "https://openalex.org/W7"}}) == "https://openalex.org/W7"
    assert openalex_iri({"id": "w7"}) == "https://openalex.org/W7"


@pytest.mark.parametrize("record", [{}, {"id": None}, {"id": "https://openalex.org/A7"}, {"id": 'W1"'}, {"ids": []}])
def test_a_record_without_identifier_is_refused(record: Record) -> None:
    for function in (map_work, work_iri, openalex_iri):
        with pytest.raises(KgraphError, match="no OpenAlex identifier"):
            function(record)


# Reading


def test_lone_surrogates_can_be_read() -> None:
    record = read_work(b'{"id": "https://openalex.org/W1", "title": "half \\ud83d of a sign"}')
    assert values(record, "dcterms:title") == ["half \ufffd of a sign"]


@pytest.mark.parametrize("line", [b"<html>", b"", b"[1]", b'"W1"', b"null", b"[" * 100_000, b'{"id": "W1"', b"\xff"])
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(KgraphError, match="this is no"):
        read_work(line)


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


# Locations, faults of SemOpenAlex that are not repeated


def test_locations_of_two_works_are_never_one() -> None:
    """There, location 11 of W1 and location 1 of W11 have one IRI."""
    one = work(locations=[{"id": f"doi:{number}"} for number in range(11)])
    other = {"id": "https://openalex.org/W11", "locations": [{"id": "doi:x"}]}
    assert not set(values(one, "soa:hasLocation")) & set(values(other, "soa:hasLocation"))


def test_primary_and_best_open_locations_are_locations() -> None:
    listed = {"id": "doi:1", "is_published": None, "version": "publishedVersion"}
    elsewhere = {"id": "pmh:2", "pdf_url": "https://example.org/a.pdf"}
    record = work(locations=[listed], primary_location={**listed, "is_published": True}, best_oa_location=elsewhere)
    expected = says("""
      <W1> soa:hasPrimaryLocation <W1/location/1> ; soa:hasBestOaLocation <W1/location/2> ;
        soa:hasLocation <W1/location/1> , <W1/location/2> .
      <W1/location/1> kg:isPublished true .
      <W1/location/2> soa:pdfUrl "https://example.org/a.pdf"^^xsd:anyURI .
    """)
    assert expected - triples(record) == set()
    assert len(values(record, "soa:hasLocation")) == 2


def test_one_property_for_a_doi_and_scores_for_all_subjects() -> None:
    properties = {triple.predicate.value for name in records() for triple in told(name)}
    assert PREFIXES["prism"] + "doi" in properties
    assert not {iri for iri in properties if iri.startswith(PREFIXES["datacite"])} - {PREFIXES["datacite"] + "hasIdentifier"}
    record = records()["W2741809807"]
    subjects = record["topics"] + record["keywords"] + record["sustainable_development_goals"]
    assert len(values(record, "kg:hasSubjectScore")) == len(subjects)


def test_grants_stop_nothing() -> None:
    """There, a record without `grants` lost all that follows; here, grants and awards are never told twice."""
    one, other = "https://openalex.org/F1", "https://openalex.org/F2"
    award = {"id": "https://openalex.org/G1", "funder_award_id": "7", "funder_id": one}
    grants = [{"funder": one, "award_id": "7"}, {"funder": other, "award_id": None}, None]
    for more in ({}, {"grants": None}, {"grants": grants}, {"grants": grants, "awards": [award]}):
        assert values(work(is_retracted=True, language="en", **more), "soa:isRetracted", "soa:metadataLanguage") == ["en", "true"]
    assert values(work(grants=grants), "kg:hasAward") == ["https://openalex.org/W1/grant/1"]
    both = work(grants=grants, awards=[award])
    assert values(both, "kg:hasAward") == ["https://openalex.org/G1"]
    assert set(values(both, "soa:hasFunder")) == {one, other}


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


# The table


def paths(rows: Rows, before: str = "") -> Iterable[str]:
    """Every path of the record that the rows read, with the objects on the way."""
    for path, _, make in rows:
        for one in path.split("|"):
            here = before if one in (".", "#") else f"{before}.{one}".strip(".")
            yield from (here.rsplit(".", depth)[0] for depth in range(here.count(".") + 1))
            if isinstance(make, Thing):
                yield f"{here}.{make.key}"
            if isinstance(make, Part | Thing):
                yield from paths(make.rows, here)


LEFT_OUT = {  # fields that the graph does not hold, and why
    "relevance_score": "of a search, not of a work",
    "cited_by_api_url": "an address of the service",
    "ngrams_url": "an address of the service",
    "has_content": "what it points to needs an account",
    "content_urls": "needs an account",
    "fulltext_origin": "says nothing to a reader",
    "doi_registration_agency": "said by indexed_in",
    "updated": "said by updated_date",
    "summary_stats": "said by cited_by_count and counts_by_year",
    "concepts_count": "frozen as concepts are",
    "institutions": "of the work: always empty; those of its authors are told",
    "institution_assertions": "always empty",
    "datasets": "always empty",
    "abstract_inverted_index_v3": "always null",
    "apc_payment": "always null",
    "locations.doi": "said by landing_page_url",
    "source.publisher_id": "said by host_organization",
    "source.host_organization_lineage_names": "shorter than the lineage, so that nobody knows whose names they are",
    "source.raw_type": "said by type",
    "source.is_indexed_in_scopus": "gone from the schema; listed_in says where a source is listed",
}


def fields(value: Any, path: str = "") -> Iterable[str]:
    """The paths of a record."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and path != "abstract_inverted_index":
            for key, inner in item.items():
                yield f"{path}.{key}".strip(".")
                yield from fields(inner, f"{path}.{key}".strip("."))


def test_the_table_reads_every_field_or_it_is_known_why_not() -> None:
    seen = {field.replace("primary_topic.", "topics.") for record in records().values() for field in fields(record)}
    seen = {re.sub("^(primary_location|best_oa_location)[.]", "locations.", field) for field in seen}
    unread = seen - set(paths(WORK))
    left_out = {out: {path for path in unread if f".{path}.".find(f".{out}.") >= 0} for out in LEFT_OUT}
    assert unread - set().union(*left_out.values()) == set()
    assert [out for out, why in left_out.items() if not why] == []


def terms(rows: Rows) -> Iterable[URIRef]:
    for _, predicate, make in rows:
        yield predicate
        if isinstance(make, Part):
            yield make.type
        if isinstance(make, Thing):
            yield from make.types
        if isinstance(make, Part | Thing):
            yield from terms(make.rows)


def test_every_term_of_the_table_is_declared() -> None:
    declared = {
        quad.subject.value
        for path in (ONTOLOGY / "modules").glob("*.ttl")
        for quad in ox.parse(path=path, format=ox.RdfFormat.TURTLE)
        if isinstance(quad.subject, ox.NamedNode)
    }
    used = {str(iri) for iri in {*terms(WORK), WORK_TYPE, *workterms.WORK_CLASSES.values()}}
    rdf = {iri for iri in used if iri.startswith((PREFIXES["rdf"], PREFIXES["rdfs"]))}
    assert used - rdf - declared == set()


def test_every_term_of_the_module_is_used() -> None:
    graph = list(ox.parse(path=ONTOLOGY / "modules" / "works.ttl", format=ox.RdfFormat.TURTLE))
    defined = {quad.subject.value for quad in graph if isinstance(quad.subject, ox.NamedNode)}
    assert all(iri.startswith(KG_IRI) for iri in defined)
    assert defined - {str(iri) for iri in terms(WORK)} == set()
