"""The tables of the mapping of OpenAlex Work records: which field becomes which property, by which converter.

A row is a path into the record, a property, and what is made of each value found there: a term, by a converter of
`kgraph.workterms`; a `Part`, a node of this record alone; or a `Thing`, something that many records speak of. A path names keys
one after another and goes through lists; `a|b` is the first of the two that gives a term, `.` the object at hand, `#` its
number in the list, from 1.

Works of the schema of 2023 (keywords without identifiers, `grants`, `raw_affiliation_string`) and of 2026 (`awards`, `funders`,
`affiliations`) go by the same tables. A field that no row names says nothing to a reader, or something that another field says;
`tests/test_worktables.py` lists these with the reason. Of `concepts`, which OpenAlex has frozen, see `kgraph.workmapping`.
"""

from dataclasses import dataclass
from typing import Union

from rdflib import URIRef
from rdflib.namespace import DCTERMS, FOAF, RDF, RDFS

from kgraph import workterms as to
from kgraph.names import CITO, DATACITE, FABIO, KG, PRISM, SOA
from kgraph.workterms import Converter

Row = tuple[str, URIRef, Union[Converter, "Part", "Thing"]]
Rows = tuple[Row, ...]


@dataclass(frozen=True)
class Part:
    """A node of this record alone: its IRI is the record's own with `kind` and its number in the list."""

    kind: str
    type: URIRef
    rows: Rows


@dataclass(frozen=True)
class Thing:
    """Something that many records speak of: `iri` makes its IRI of the value at `key` (`.`: of the value itself), or None (then
    there is no such thing)."""

    key: str
    iri: Converter
    types: tuple[URIRef, ...]
    rows: Rows


def labelled(iri: Converter, *types: URIRef, key: str = "id", name: str = "display_name", more: Rows = ()) -> Thing:
    """A subject that OpenAlex names in English."""
    return Thing(key, iri, types, ((name, RDFS.label, to.as_english), *more))


def funder(key: str, name: str, *more: Row) -> Thing:
    """Who gave money."""
    return Thing(key, to.as_funder, (SOA.Funder, FOAF.Organization, FOAF.Agent), ((name, FOAF.name, to.as_text), *more))


def scored(kind: str, subject: Converter, *more: Row) -> Part:
    """How strongly a subject of a kind was found in the work."""
    return Part(kind, KG.SubjectScore, (("id", KG.ofSubject, subject), ("score", SOA.score, to.as_decimal), *more))


AUTHOR_TYPES = (SOA.Author, FOAF.Person, FOAF.Agent)
AUTHOR = Thing(
    "id",
    to.as_author,
    AUTHOR_TYPES,
    (
        ("display_name", FOAF.name, to.as_text),
        ("orcid", DATACITE.hasIdentifier, to.as_orcid),
    ),
)
INSTITUTION_TYPES = (SOA.Institution, FOAF.Organization, FOAF.Agent)
INSTITUTION = Thing(
    "id",
    to.as_institution,
    INSTITUTION_TYPES,
    (
        ("display_name", FOAF.name, to.as_text),
        ("ror", DATACITE.hasIdentifier, to.as_ror),
        ("country_code", KG.country, to.as_country),
        ("type", SOA.rorType, to.as_text),
        ("lineage", DCTERMS.isPartOf, to.as_institution),
    ),
)
AUTHORSHIP = Part(
    "authorship",
    SOA.Authorship,
    (
        ("#", SOA.position, to.as_integer),
        ("author_position", KG.authorPosition, to.as_text),
        ("author", SOA.hasAuthor, AUTHOR),
        ("raw_author_name|author.display_name", KG.authorName, to.as_text),
        ("is_corresponding", SOA.isCorresponding, to.as_boolean),
        ("institutions", SOA.hasOrganization, INSTITUTION),
        ("affiliations.institution_ids", SOA.hasOrganization, to.as_institution),
        ("countries", KG.country, to.as_country),
        ("raw_affiliation_strings", SOA.rawAffiliation, to.as_text),
        ("raw_affiliation_string", SOA.rawAffiliation, to.as_text),
        ("affiliations.raw_affiliation_string", SOA.rawAffiliation, to.as_text),
    ),
)
HOST = Thing(
    "host_organization",
    to.as_host,
    (FOAF.Organization, FOAF.Agent),
    (
        ("host_organization", RDF.type, to.as_host_class),
        ("host_organization_name", FOAF.name, to.as_text),
        ("host_organization_lineage", DCTERMS.isPartOf, to.as_host),
    ),
)
SOURCE = Thing(
    "id",
    to.as_source,
    (SOA.Source,),
    (
        ("display_name", FOAF.name, to.as_text),
        ("type", SOA.sourceType, to.as_text),
        ("issn_l", FABIO.hasIssnL, to.as_text),
        ("issn", PRISM.issn, to.as_text),
        ("is_oa", SOA.isOa, to.as_boolean),
        ("is_in_doaj", SOA.isInDoaj, to.as_boolean),
        ("is_core", KG.isCore, to.as_boolean),
        ("listed_in", KG.listedIn, to.as_text),
        ("publisher", DCTERMS.publisher, to.as_text),
        (".", SOA.hasHostOrganization, HOST),
    ),
)
LOCATION = Part(
    "location",
    SOA.Location,
    (
        ("id", DCTERMS.identifier, to.as_text),
        ("landing_page_url", FABIO.hasURL, to.as_url),
        ("pdf_url", SOA.pdfUrl, to.as_url),
        ("version", SOA.hasVersion, to.as_text),
        ("license_id|license", DCTERMS.license, to.as_licence),
        ("is_oa", SOA.isOa, to.as_boolean),
        ("is_accepted", KG.isAccepted, to.as_boolean),
        ("is_published", KG.isPublished, to.as_boolean),
        ("raw_source_name", KG.rawSourceName, to.as_text),
        ("raw_type", KG.rawType, to.as_text),
        ("source", SOA.hasSource, SOURCE),
    ),
)
CHARGE: Rows = (
    ("value", SOA.hasValue, to.as_integer),
    ("currency", SOA.hasCurrency, to.as_text),
    ("value_usd", SOA.hasValueUSD, to.as_integer),
    ("provenance", SOA.hasProvenance, to.as_text),
)
TOPIC = labelled(
    to.as_topic,
    SOA.Topic,
    more=(
        ("subfield", KG.inSubfield, labelled(to.as_subfield, SOA.Subfield)),
        ("field", KG.inField, labelled(to.as_field, SOA.Field)),
        ("domain", KG.inDomain, labelled(to.as_domain, SOA.Domain)),
    ),
)
CONCEPT = labelled(
    to.as_concept,
    SOA.Concept,
    more=(
        ("wikidata", DATACITE.hasIdentifier, to.as_wikidata),
        ("level", SOA.level, to.as_integer),
    ),
)
MESH_HEADING = Part(
    "mesh",
    KG.MeshHeading,
    (
        (".", KG.meshDescriptor, labelled(to.as_mesh, key="descriptor_ui", name="descriptor_name")),
        (".", KG.meshQualifier, labelled(to.as_mesh, key="qualifier_ui", name="qualifier_name")),
        ("is_major_topic", KG.isMajorTopic, to.as_boolean),
    ),
)
COUNT = Part(
    "counts-by-year",
    SOA.CountsByYear,
    (
        ("year", SOA.year, to.as_integer),
        ("cited_by_count", SOA.citedByCount, to.as_integer),
    ),
)
AWARD = Thing(
    "id",
    to.as_award,
    (KG.Award,),
    (
        ("display_name", DCTERMS.title, to.as_text),
        ("funder_award_id", KG.awardNumber, to.as_text),
        (".", SOA.hasFunder, funder("funder_id", "funder_display_name")),
    ),
)
GRANT = Part(
    "grant",
    KG.Award,
    (
        ("award_id", KG.awardNumber, to.as_text),
        (".", SOA.hasFunder, funder("funder", "funder_display_name")),
    ),
)
WORK_TYPE = FABIO.Expression
WORK: Rows = (
    ("type", RDF.type, to.as_work_class),
    ("type_crossref", RDF.type, to.as_work_class),
    ("type", SOA.workType, to.as_text),
    ("type_crossref", SOA.crossrefType, to.as_text),
    ("id|ids.openalex", KG.openAlexId, to.as_openalex_id),
    ("doi|ids.doi", PRISM.doi, to.as_doi),
    ("ids.pmid", FABIO.hasPubMedId, to.as_pubmed),
    ("ids.pmcid", FABIO.hasPubMedCentralId, to.as_pubmed_central),
    ("ids.mag", SOA.magId, to.as_integer),
    ("title|display_name", DCTERMS.title, to.as_text),
    ("abstract_inverted_index", DCTERMS.abstract, to.as_abstract),
    ("publication_year", FABIO.hasPublicationYear, to.as_year),
    ("publication_date", PRISM.publicationDate, to.as_date),
    ("created_date", DCTERMS.created, to.as_date),
    ("updated_date", DCTERMS.modified, to.as_moment),
    ("language", SOA.metadataLanguage, to.as_text),
    ("indexed_in", SOA.indexedIn, to.as_text),
    ("biblio.volume", PRISM.volume, to.as_text),
    ("biblio.issue", PRISM.issueIdentifier, to.as_text),
    ("biblio.first_page", PRISM.startingPage, to.as_text),
    ("biblio.last_page", PRISM.endingPage, to.as_text),
    ("is_retracted", SOA.isRetracted, to.as_boolean),
    ("is_paratext", SOA.isParatext, to.as_boolean),
    ("is_xpac", KG.isXpac, to.as_boolean),
    ("has_fulltext", KG.hasFulltext, to.as_boolean),
    # who
    ("authorships.author.id", DCTERMS.creator, to.as_author),
    ("authorships", SOA.hasAuthorship, AUTHORSHIP),
    ("is_authors_truncated", KG.authorsTruncated, to.as_boolean),
    ("authors_count", KG.authorsCount, to.as_integer),
    ("corresponding_author_ids", KG.correspondingAuthor, Thing(".", to.as_author, AUTHOR_TYPES, ())),
    ("corresponding_institution_ids", KG.correspondingInstitution, Thing(".", to.as_institution, INSTITUTION_TYPES, ())),
    ("countries_distinct_count", SOA.countriesDistinctCount, to.as_integer),
    ("institutions_distinct_count", SOA.institutionsDistinctCount, to.as_integer),
    # where
    ("open_access.is_oa", SOA.isOa, to.as_boolean),
    ("open_access.oa_status", SOA.oaStatus, to.as_text),
    ("open_access.oa_url", SOA.oaUrl, to.as_url),
    ("open_access.any_repository_has_fulltext", SOA.anyRepositoryHasFulltext, to.as_boolean),
    ("locations", SOA.hasLocation, LOCATION),
    ("primary_location", SOA.hasPrimaryLocation, to.as_location),
    ("best_oa_location", SOA.hasBestOaLocation, to.as_location),
    ("locations_count", SOA.locationsCount, to.as_integer),
    ("apc_list", SOA.apcList, Part("apc-list", SOA.ArticleProcessingCharge, CHARGE)),
    ("apc_paid", SOA.apcPaid, Part("apc-paid", SOA.ArticleProcessingCharge, CHARGE)),
    # about what
    ("primary_topic.id", SOA.hasPrimaryTopic, to.as_topic),
    ("topics", SOA.hasTopic, TOPIC),
    ("topics", KG.hasSubjectScore, scored("topic", to.as_topic)),
    ("keywords", SOA.hasKeyword, labelled(to.as_keyword, SOA.Keyword)),
    ("keywords.keyword", PRISM.keyword, to.as_english),
    ("keywords", KG.hasSubjectScore, scored("keyword", to.as_keyword, ("keyword", PRISM.keyword, to.as_english))),
    ("concepts", SOA.hasConcept, CONCEPT),
    ("concepts", KG.hasSubjectScore, scored("concept", to.as_concept)),
    ("sustainable_development_goals", SOA.hasSustainableDevelopmentGoal, labelled(to.as_goal, KG.DevelopmentGoal)),
    ("sustainable_development_goals", KG.hasSubjectScore, scored("goal", to.as_goal)),
    ("mesh.descriptor_ui", SOA.hasMesh, to.as_mesh),
    ("mesh", KG.hasMeshHeading, MESH_HEADING),
    ("study_designs", KG.hasStudyDesign, labelled(to.as_study_design, KG.StudyDesign)),
    # in company of what
    ("referenced_works", CITO.cites, to.as_work),
    ("referenced_works_count", KG.referencesCount, to.as_integer),
    ("related_works", SOA.hasRelatedWork, to.as_work),
    ("versions", DCTERMS.hasVersion, to.as_work),
    ("versions.id", DCTERMS.hasVersion, to.as_work),
    # how often cited
    ("cited_by_count", SOA.citedByCount, to.as_integer),
    ("counts_by_year", SOA.countsByYear, COUNT),
    ("fwci", KG.fieldWeightedCitationImpact, to.as_decimal),
    ("citation_normalized_percentile.value", KG.citationPercentile, to.as_decimal),
    ("citation_normalized_percentile.is_in_top_1_percent", KG.isInTopPercent, to.as_boolean),
    ("citation_normalized_percentile.is_in_top_10_percent", KG.isInTopTenPercent, to.as_boolean),
    ("cited_by_percentile_year.min", KG.yearPercentileFrom, to.as_integer),
    ("cited_by_percentile_year.max", KG.yearPercentileTo, to.as_integer),
    # paid by whom
    ("funders", SOA.hasFunder, funder("id", "display_name", ("ror", DATACITE.hasIdentifier, to.as_ror))),
    ("awards.funder_id", SOA.hasFunder, to.as_funder),
    ("awards", KG.hasAward, AWARD),
    ("grants", KG.hasAward, GRANT),
)
