"""The tables of the mapping: for each kind of record, which field becomes which property, by which converter."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote

from rdflib import Literal, URIRef
from rdflib.namespace import DCTERMS, FOAF, PROV, RDFS, SKOS, XSD

from kgraph.names import BIBO, CONCEPT, FABIO, KG, PRISM, SCHEMA
from kgraph.study import Text, Work


class Names(Protocol):
    """What a converter needs to name a thing: IRIs under the base, IRIs of the study, whether it names coding passes."""

    has_passes: bool

    def base_iri(self, *path: str) -> URIRef: ...

    def iri(self, *path: Any) -> URIRef: ...


Converter = Callable[[Names, Any], list[URIRef | Literal]]
Table = tuple[tuple[str, URIRef, Converter], ...]


def as_is(_: Names, value: Any) -> list[URIRef | Literal]:
    """The value as a literal."""
    return [Literal(value)]


def in_english(_: Names, value: str) -> list[URIRef | Literal]:
    """A text tagged as English."""
    return [Literal(value, lang="en")]


def in_both(_: Names, value: Text) -> list[URIRef | Literal]:
    """A text in both languages."""
    return [Literal(value.en, lang="en"), Literal(value.zh_hans, lang="zh-Hans")]


def as_decimal(_: Names, value: float) -> list[URIRef | Literal]:
    """A decimal, never a float."""
    return [Literal(f"{Decimal(str(value)):f}", datatype=XSD.decimal)]


def as_number(mapper: Names, value: float) -> list[URIRef | Literal]:
    """A whole number where it is one, else a decimal."""
    return [Literal(int(value))] if value == int(value) else as_decimal(mapper, value)


def as_flag(_: Names, value: bool) -> list[URIRef | Literal]:
    """True, where it holds; nothing where it does not."""
    return [Literal(True)] if value else []


def as_concept(_: Names, value: str) -> list[URIRef | Literal]:
    """A concept by its slug."""
    return [CONCEPT[value]]


def as_iri(_: Names, value: str) -> list[URIRef | Literal]:
    """An IRI as it stands."""
    return [URIRef(value)]


def as_agent(mapper: Names, value: str) -> list[URIRef | Literal]:
    """An agent by its id."""
    return [mapper.base_iri("agent", value)]


def as_term(_: Names, value: str) -> list[URIRef | Literal]:
    """A term of the evidence model by its name."""
    return [KG[value]]


def as_pass(mapper: Names, value: int) -> list[URIRef | Literal]:
    """A coding pass by its order, where the study names passes."""
    return [mapper.iri("pass", value)] if mapper.has_passes else []


def within_study(kind: str) -> Converter:
    """A converter for ids of a kind of thing within the study."""
    return lambda mapper, value: [mapper.iri(kind, value)]


STUDY: Table = (
    ("label", RDFS.label, in_both),
    ("access", KG.access, as_is),
)
DESIGN: Table = (
    ("uses_method", KG.usesMethod, as_concept),
    ("in_setting", KG.inSetting, as_concept),
    ("in_culture", KG.inCulture, as_concept),
    ("of_population", KG.ofPopulation, as_concept),
    ("of_condition", KG.ofCondition, as_concept),
    ("sample_size", KG.sampleSize, as_is),
    ("temporal_coverage", SCHEMA.temporalCoverage, as_is),
    ("language", DCTERMS.language, as_is),
    ("ethics_committee", KG.ethicsCommittee, as_is),
    ("ethics_approval", KG.ethicsApproval, as_is),
    ("funding_note", KG.fundingNote, in_both),
)
WORK: Table = (
    ("title", DCTERMS.title, in_english),
    ("year", FABIO.hasPublicationYear, lambda _, year: [Literal(str(year), datatype=XSD.gYear)]),
    ("publication_name", PRISM.publicationName, as_is),
    ("volume", PRISM.volume, as_is),
    ("issue", PRISM.issueIdentifier, as_is),
    ("page_range", PRISM.pageRange, as_is),
    ("publisher", DCTERMS.publisher, as_is),
    ("issn", PRISM.issn, as_is),
    ("doi", PRISM.doi, as_is),
    ("pmid", FABIO.hasPubMedId, as_is),
    ("pmcid", FABIO.hasPubMedCentralId, as_is),
    ("openalex", KG.openAlexId, as_is),
    ("license", DCTERMS.license, as_iri),
    ("received", DCTERMS.dateSubmitted, as_is),
    ("accepted", DCTERMS.dateAccepted, as_is),
    ("published", DCTERMS.issued, as_is),
    ("editors", BIBO.editor, as_is),
    ("reviewers", BIBO.reviewer, as_is),
    ("keywords", PRISM.keyword, in_english),
)
WORK_TYPES = {
    "journal-article": FABIO.JournalArticle,
    "book": FABIO.Book,
    "book-chapter": FABIO.BookChapter,
    "systematic-review": FABIO.ReviewArticle,
    "report": FABIO.ReportDocument,
}
PARTICIPANT: Table = (
    ("gender", KG.gender, as_is),
    ("conditions", KG.hasCondition, as_concept),
    ("diagnosis_printed", KG.diagnosisPrinted, as_is),
    ("age_printed", KG.agePrinted, as_is),
    ("age_from", KG.ageFrom, as_is),
    ("age_to", KG.ageTo, as_is),
    ("marital_status", KG.maritalStatus, as_is),
    ("occupation", KG.occupation, as_is),
    ("years_in_service", KG.yearsInService, as_number),
    ("years_of_illness", KG.yearsOfIllness, as_number),
    ("member_of", KG.memberOf, within_study("group")),
)
MATERIAL: Table = (
    ("material_kind", KG.materialKind, as_concept),
    ("label", RDFS.label, in_both),
    ("item_count", KG.itemCount, as_is),
)
GROUP: Table = (
    ("label", RDFS.label, in_both),
    ("group_kind", KG.groupKind, as_concept),
    ("conditions", KG.hasCondition, as_concept),
    ("size", KG.groupSize, as_is),
    ("female", KG.femaleCount, as_is),
    ("male", KG.maleCount, as_is),
    ("age_from", KG.ageFrom, as_is),
    ("age_to", KG.ageTo, as_is),
    ("part_of", KG.partOfGroup, within_study("group")),
)
MISSING: Table = (
    ("field", KG.missingField, as_is),
    ("missing_because", KG.missingBecause, as_is),
    ("statement", KG.statement, in_both),
)
THEME: Table = (
    ("number", SKOS.notation, as_is),
    ("label", SKOS.prefLabel, in_both),
    ("alt_label", SKOS.altLabel, in_english),
    ("wording", KG.wording, as_is),
    ("level_printed", KG.levelPrinted, as_is),
    ("order", KG.order, as_is),
    ("sub_theme_of", KG.subThemeOf, within_study("theme")),
    ("statement", KG.statement, in_both),
)
QUOTATION: Table = (
    ("spoken_by", KG.spokenBy, within_study("participant")),
    ("illustrates", KG.illustrates, within_study("theme")),
    ("printed_under", KG.printedUnder, within_study("theme")),
    ("near_duplicate_of", KG.nearDuplicateOf, within_study("quotation")),
    ("language", DCTERMS.language, as_is),
    ("translated_from", KG.translatedFrom, as_is),
    ("note", SKOS.note, in_english),
)
ASSERTION: Table = (
    ("subject", KG.subject, as_concept),
    ("relation", KG.relation, as_term),
    ("object", KG.object, as_concept),
    ("via", KG.via, as_concept),
    ("polarity", KG.polarity, as_is),
    ("hedge", KG.hedge, in_english),
    ("hedged", KG.hedged, as_flag),
    ("quantifier", KG.quantifier, in_english),
    ("scope", KG.scope, as_concept),
    ("statement", KG.statement, in_both),
    ("section", KG.section, as_is),
    ("printed_under", KG.printedUnder, within_study("theme")),
    ("evidence", KG.evidence, as_is),
    ("restates", KG.restates, within_study("assertion")),
    ("note", SKOS.note, in_english),
    ("coded_in", KG.codedIn, as_pass),
)
CODING: Table = (
    ("basis", KG.basis, as_is),
    ("experiencer", KG.experiencer, as_is),
    ("confidence", KG.confidence, as_decimal),
    ("reason", KG.reason, in_english),
    ("coding_status", KG.codingStatus, as_is),
    ("coded_in", KG.codedIn, as_pass),
)
STATISTIC: Table = (
    ("variable", KG.variable, as_is),
    ("printed_value", KG.printedValue, as_is),
    ("derived_value", KG.derivedValue, as_is),
    ("unit", KG.unit, as_is),
    ("note", SKOS.note, in_english),
)
ISSUE: Table = (
    ("issue_kind", KG.issueKind, as_is),
    ("severity", KG.severity, as_is),
    ("printed", KG.printed, as_is),
    ("derived", KG.derived, as_is),
    ("statement", KG.statement, in_both),
    ("resolution", KG.resolution, in_both),
)
SITE: Table = (
    ("label", RDFS.label, in_both),
    ("operated_by", KG.operatedBy, as_agent),
    ("offers", KG.offers, as_concept),
)
STEP: Table = (
    ("order", KG.order, as_is),
    ("statement", KG.statement, in_both),
)
QUESTION: Table = (
    ("order", KG.order, as_is),
    ("text", SCHEMA.text, in_english),
)
CRITERION: Table = (
    ("criterion_kind", KG.criterionKind, as_is),
    ("statement", KG.statement, in_both),
)
AGENT_TYPES = {"person": FOAF.Person, "organization": FOAF.Organization, "software": PROV.SoftwareAgent}


def doi_iri(doi: str) -> URIRef:
    """The IRI of a DOI; what an IRI cannot hold (older DOIs have < and >) is percent-encoded."""
    return URIRef("https://doi.org/" + quote(doi, safe="/:;()@!$&'*+,=-._~"))


def work_iri(work: Work) -> URIRef | None:
    """The IRI of a work: by its DOI, else by its identifier in OpenAlex; None where neither is known."""
    if work.doi:
        return doi_iri(work.doi)
    return URIRef(f"https://openalex.org/{work.openalex}") if work.openalex else None
