"""Works of OpenAlex as RDF: real records come out as one would write them by hand; what works are called."""

import copy
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from kgraph.errors import KgraphError
from kgraph.names import PREFIXES
from kgraph.openalex import work_id
from kgraph.workmapping import map_work, openalex_iri, read_work, work_iri, work_iris
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


def test_a_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """As builds load it: in bulk, from text, into a graph; nothing is left out, changed or made one with something else."""
    store, graph = ox.Store(str(tmp_path)), ox.NamedNode("https://example.org/graph")
    text = "".join(map_work(record, known()) for record in records().values())
    store.bulk_load(text.encode(), ox.RdfFormat.N_TRIPLES, to_graph=graph)
    dumped = store.dump(format=ox.RdfFormat.N_TRIPLES, from_graph=graph)
    assert dumped is not None
    assert {quad.triple for quad in ox.parse(dumped, format=ox.RdfFormat.N_TRIPLES)} == set().union(*map(told, records()))
    assert len(dumped.splitlines()) == len(set(text.splitlines()))


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
        ("doi:\u00a010.1000/182", "https://doi.org/10.1000/182"),
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


def test_ids_may_stand_elsewhere() -> None:
    assert openalex_iri({"ids": {"openalex": "https://openalex.org/W7"}}) == "https://openalex.org/W7"


@pytest.mark.parametrize(
    "name",
    [
        "https://openalex.org/W7",
        "http://openalex.org/w7",
        "https://openalex.org/works/W7",
        "https://api.openalex.org/works/W7",
        "HTTPS://OpenAlex.org/W7",
        " W7 ",
        "w7",
    ],
)
def test_ids_in_other_forms(name: str) -> None:
    """What a harvest takes for the id of a work is one for the mapping, too."""
    assert work_id(name) == "W7"
    assert openalex_iri({"id": name}) == "https://openalex.org/W7"
    assert values(work(referenced_works=[name]), "cito:cites") == ["https://openalex.org/W7"]
    assert triples({"id": name}) == plain_triples({"id": name})


@pytest.mark.parametrize("record", [{}, {"id": None}, {"id": "https://openalex.org/A7"}, {"id": 'W1"'}, {"ids": []}])
def test_a_record_without_identifier_is_refused(record: Record) -> None:
    for function in (map_work, work_iri, openalex_iri):
        with pytest.raises(KgraphError, match="no OpenAlex identifier"):
            function(record)


# Reading


def test_what_is_nested_deeply_does_no_harm() -> None:
    """A thousand levels can be read but not compared."""
    location = b'{"pdf_url": "https://example.org/", "a": ' + b'{"a": ' * 1010 + b"1" + b"}" * 1011
    record = read_work(b'{"id": "W1", "language": "en", "locations": [%s], "primary_location": %s}' % (location, location))
    assert values(record, "soa:metadataLanguage") == ["en"]
    assert "https://openalex.org/W1/location/1" in values(record, "soa:hasLocation")


def test_of_two_values_of_a_key_the_last_counts_and_numbers_that_are_none_are_left_out() -> None:
    record = read_work(b'{"id": "W1", "fwci": NaN, "cited_by_count": Infinity, "locations_count": 1e400, "id": "W2"}')
    assert triples(record) == says('<W2> a fabio:Expression ; kg:openAlexId "W2" .')
    huge = read_work(b'{"id": "W1", "cited_by_count": ' + b"9" * 400 + b"}")
    assert values(huge, "soa:citedByCount") == []


def test_lone_surrogates_can_be_read() -> None:
    record = read_work(b'{"id": "https://openalex.org/W1", "title": "half \\ud83d of a sign"}')
    assert values(record, "dcterms:title") == ["half \ufffd of a sign"]


@pytest.mark.parametrize("line", [b"<html>", b"", b"[1]", b'"W1"', b"null", b"[" * 100_000, b'{"id": "W1"', b"\xff"])
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(KgraphError, match="this is no"):
        read_work(line)


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
