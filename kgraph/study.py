"""What a study file says: one pydantic model a thing, named as in the evidence model of `ontology/modules`.

Every key in a file is the camelCase form of a field here; the JSON Schema that editors use is made from these
models (`kgraph schema`). Concepts are named by their slug, everything else by its id within the study.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

FORMS: dict[str, str] = {}  # what each pattern below means, for people


def _form(pattern: str, means: str, **more: Any) -> StringConstraints:
    FORMS[pattern] = means
    return StringConstraints(pattern=pattern, **more)


Slug = Annotated[
    str, _form(r"^[a-z0-9]+(-[a-z0-9]+)*$", "small letters and digits, joined by single hyphens: peer-support", max_length=120)
]
Identifier = Annotated[
    str, _form(r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$", "letters and digits, joined by single hyphens: P1", max_length=80)
]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Doi = Annotated[str, _form(r"^10\.\d{4,9}/\S+$", "the DOI alone, from 10. on: 10.1000/182", to_lower=True)]
Url = Annotated[str, _form(r"^https?://[^\s<>\"{}|\\^`]+$", "an address that starts with http:// or https://, without spaces")]
Language = Annotated[str, _form(r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", "a language tag (BCP 47): en, zh-Hans")]
Hash = Annotated[str, _form(r"^[0-9a-f]{64}$", "64 hexadecimal digits, in small letters")]
QuotationId = Annotated[str, _form(r"^q\d{2,4}$", "q and two to four digits: q01")]
AssertionId = Annotated[str, _form(r"^a\d{3,4}$", "a and three or four digits: a001")]
Confidence = Annotated[float, Field(ge=0, le=1)]
Access = Literal["public", "restricted"]


class Record(BaseModel):
    """A thing of a study file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, alias_generator=to_camel, populate_by_name=True)


class Text(Record):
    """A text of ours in both languages."""

    en: Line
    zh_hans: Line = Field(alias="zh-Hans")


class Anchored(Record):
    """Something that rests on the text: by passages of the source text, or `secondary`, known from elsewhere.

    `secondary` names where it is known from (an abstract, a table); such a thing is never shown as a quotation.
    """

    passages: list[Identifier] = []
    secondary: Line | None = None


class Coding(Record):
    """One judgement that the thing above it is about a concept, or (a doubtful placement) belongs to a theme."""

    concept: Slug | None = None
    theme: Slug | None = None
    basis: Literal["participant", "authors", "analyst"]
    experiencer: Literal["speaker", "other"] | None = None
    confidence: Confidence
    reason: Line
    coding_status: Literal["accepted", "disputed", "rejected"] = "accepted"
    creator: Slug | None = Field(None, description="an agent; the study's coder when left out")
    coded_in: int = Field(1, description="the coding pass, by its order")

    @model_validator(mode="after")
    def _one_body(self) -> "Coding":
        if (self.concept is None) == (self.theme is None):
            raise ValueError("a coding has either a concept or a theme")
        return self


class Agent(Record):
    """A person, organisation or software that did something for the study or for its coding."""

    id: Slug
    type: Literal["person", "organization", "software"]
    name: Line
    name_zh: Line | None = None
    note: Line | None = None


class CodingPass(Record):
    """One reading of the text by a coder."""

    order: int
    creator: Slug
    date: Line
    description: Line


class Work(Record):
    """A publication, as far as it is known."""

    title: Line
    authors: list[Line] = []
    year: int | None = Field(None, ge=1000, le=9999)
    type: Literal["journal-article", "book", "book-chapter", "systematic-review", "report"] = "journal-article"
    publication_name: Line | None = None
    volume: Line | None = None
    issue: Line | None = None
    page_range: Line | None = Field(None, description="page range or article number")
    publisher: Line | None = None
    issn: Line | None = None
    doi: Doi | None = None
    pmid: Line | None = None
    pmcid: Annotated[str, _form(r"^PMC\d+$", "PMC and digits: PMC7260836")] | None = None
    openalex: Annotated[str, _form(r"^W[1-9]\d*$", "W and digits: W2741809807")] | None = Field(
        None, description="identifier in OpenAlex, for a work without a DOI: joins it to its record there"
    )
    license: Url | None = None
    received: Line | None = None
    accepted: Line | None = None
    published: Line | None = None
    editors: list[Line] = []
    reviewers: list[Line] = []
    keywords: list[Line] = []


class SourceText(Record):
    """The text that the passages are found in. `file` stands beside the study file; without it only hashes are kept."""

    file: Line | None = None
    sha256: Hash
    license: Url | None = None
    creator: Line
    note: Line | None = None
    access: Access = "public"


class Passage(Record):
    """A stretch of the source text: exact words (one item for each unbroken fragment, in order).

    Prefix and suffix tell repeated words apart. Where the text is not at hand, `sha256` (of the exact words), `start`
    and `end` (code points, end exclusive) stand instead of `exact`.
    """

    id: Identifier
    section: Line | None = Field(None, description="number or name of the section in which the text at hand shows it")
    exact: list[Line] = []
    prefix: Line | None = None
    suffix: Line | None = None
    sha256: Hash | None = None
    start: int | None = Field(None, ge=0)
    end: int | None = Field(None, ge=0)
    note: Line | None = Field(None, description="why no assertion is coded from it")

    @model_validator(mode="after")
    def _words_or_hash(self) -> "Passage":
        if bool(self.exact) == (self.sha256 is not None):
            raise ValueError("a passage has either exact words or the sha256 of its words")
        if self.sha256 is not None and (self.start is None or self.end is None):
            raise ValueError("a passage known by its hash needs start and end")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("a passage ends after its start")
        return self


class Place(Record):
    """Where a study took place."""

    id: Slug
    label: Text
    country_code: Annotated[str, _form(r"^[A-Z]{2}$", "two capital letters (ISO 3166-1 alpha-2): NO, CN")]
    same_as: Url | None = None


class AccessRule(Anchored):
    """Who may use a site."""

    statement: Text


class Site(Anchored):
    """A place of care where the study was done."""

    id: Slug
    label: Text
    operated_by: list[Slug] = []
    offers: list[Slug] = Field([], description="concepts")
    access_rules: list[AccessRule] = []


class Funding(Record):
    """Who paid, and under which number."""

    funder: Slug
    grant_number: Line | None = None


class Design(Anchored):
    """How, where, when and with whom the study was done. The lists hold concepts."""

    uses_method: list[Slug] = []
    in_setting: list[Slug] = []
    in_culture: list[Slug] = []
    of_population: list[Slug] = []
    of_condition: list[Slug] = []
    spatial: list[Place] = []
    sample_size: int | None = Field(None, ge=0)
    temporal_coverage: Line | None = Field(None, description="ISO 8601, e.g. 2021-07/2022-02")
    language: Language | None = Field(None, description="language of the interviews (BCP 47)")
    ethics_committee: Line | None = None
    ethics_approval: Line | None = None
    funding: list[Funding] = []
    funding_note: Text | None = Field(None, description="what is told of the money where no funder is: that there was none")


class MethodStep(Anchored):
    """A step of data collection or analysis, in order."""

    order: int
    statement: Text


class InterviewQuestion(Anchored):
    """A question of the interview guide, as printed."""

    order: int
    text: Line


class EligibilityCriterion(Anchored):
    """Who could take part, and who could not."""

    id: Slug
    criterion_kind: Literal["inclusion", "exclusion"]
    statement: Text


class ReportedStatistic(Anchored):
    """A number of the paper: as printed, and as it follows from the data that the paper itself prints."""

    id: Slug
    variable: Line
    printed_value: Line | None = None
    derived_value: Line | None = None
    unit: Line | None = None
    note: Line | None = None


class Material(Anchored):
    """What was analysed, in the study's own unit: fourteen interviews, three focus groups, 3,044 comments on 19 videos."""

    id: Slug
    material_kind: Slug = Field(description="a concept of the facet method: semi-structured-in-depth-interview, focus-group")
    label: Text
    item_count: int | None = Field(None, ge=0, description="how many; left out where it is not known")


class ParticipantGroup(Anchored):
    """People of the sample who are known together and not one by one."""

    id: Slug
    label: Text
    group_kind: list[Slug] = Field([], description="concepts of the facets population and role: who they are")
    conditions: list[Slug] = []
    size: int | None = Field(None, ge=0, description="how many people; left out where it is not known")
    female: int | None = Field(None, ge=0, description="how many of them are women or girls")
    male: int | None = Field(None, ge=0, description="how many of them are men or boys")
    age_from: int | None = Field(None, ge=0, le=120)
    age_to: int | None = Field(None, ge=0, le=120)
    part_of: Slug | None = Field(None, description="the group whose members these are too: such a group is not counted again")


class Participant(Anchored):
    """A person of the sample, with what is printed about them; ages are never derived."""

    id: Identifier
    access: Access = "public"
    member_of: Slug | None = Field(None, description="a group")
    gender: Literal["male", "female", "other", "not stated"]
    conditions: list[Slug]
    diagnosis_printed: Line | None = None
    age_printed: Line | None = None
    age_from: int | None = None
    age_to: int | None = None
    marital_status: Line | None = None
    occupation: Line | None = None
    years_in_service: float | None = None
    years_of_illness: float | None = None


class Theme(Anchored):
    """A theme of the study's authors (second order); a sub-theme names the theme above it."""

    id: Slug
    number: Line | None = Field(None, description="section number as printed")
    label: Text
    alt_label: list[Line] = Field([], description="other wordings in the paper")
    wording: Literal["printed", "paraphrased", "unchecked"] = Field(
        "printed", description="whether the English label is the authors' own; unchecked: as notes give it"
    )
    level_printed: Line | None = Field(None, description="the authors' word for what this is: superordinate theme, category")
    order: int
    sub_theme_of: Slug | None = None
    statement: Text | None = Field(None, description="what the authors mean by it; left out where only the name is known")
    codings: list[Coding] = []


class Quotation(Record):
    """A participant's words (first order), verbatim, each fragment as the source has it."""

    id: QuotationId
    spoken_by: Identifier
    illustrates: Slug = Field(description="the most specific theme to which it belongs")
    printed_under: Slug | None = Field(None, description="the theme under which the text at hand shows it, if another")
    exact: list[Line] = Field(min_length=1)
    prefix: Line | None = None
    suffix: Line | None = None
    language: Language = "en"
    translated_from: Language | None = None
    near_duplicate_of: list[QuotationId] = []
    note: Line | None = None
    access: Access = "public"
    codings: list[Coding] = []


class CitationUse(Record):
    """One use of a reference in an assertion, and whether the reference supports it."""

    reference: int
    support: Literal["yes", "weak", "no", "unchecked"]
    judged_from: Literal["title", "abstract", "full-text"]
    reason: Line
    creator: Slug | None = None


class Assertion(Anchored):
    """A statement of the paper, in our wording, as one link between two concepts.

    What rests on passages says its `section` and its `evidence`; of what is `secondary` they may be unknown.
    """

    id: AssertionId
    access: Access = "public"
    kind: Literal["Finding", "CitedClaim", "Interpretation", "Background", "Aim", "Recommendation", "Limitation"]
    subject: Slug
    relation: Literal[
        "influences", "increases", "reduces", "enables", "hinders", "shapes",
        "explains", "manifestsAs", "comprises", "requires", "lacks", "relatesTo",
    ]  # fmt: skip
    object: Slug
    via: Slug | None = None
    polarity: Literal["asserted", "denied"] = "asserted"
    hedge: Line | None = Field(None, description="the paper's own hedging words")
    hedged: bool = Field(False, description="put with caution, where the paper's own words for it were not seen")
    quantifier: Line | None = Field(None, description="the paper's own quantifying words")
    scope: list[Slug] = Field([], description="concepts: for whom, where, when")
    statement: Text
    section: Line | None = None
    printed_under: Slug | None = Field(None, description="the theme under which the text at hand shows it, if another")
    rests_on: list[Identifier] = Field([], description="quotations or themes, named by the authors")
    evidence: Literal["shown", "asserted-only"] | None = None
    restates: AssertionId | None = None
    cites: list[CitationUse] = []
    note: Line | None = None
    coded_in: int = 1
    codings: list[Coding] = []


class Reference(Record):
    """An entry of the reference list: as printed, and the work it means."""

    number: int
    printed_as: Line = Field(description="the whole entry as the source has it")
    work: Work
    correction: list[Line] = []
    reference_status: Line | None = Field(None, description="how the corrections were confirmed")


class DataIssue(Anchored):
    """Something in the paper (or in the text at hand) that does not fit: both values stand side by side."""

    id: Identifier
    access: Access = "public"
    issue_kind: Literal[
        "internal-inconsistency",
        "check-passed",
        "method-question",
        "citation-error",
        "conversion-damage",
        "terminology",
        "uncertain-source",
    ]
    severity: Literal["major", "minor", "note"]
    about: list[Identifier] = Field(
        [], description="ids of participants, groups, quotations, themes, assertions, or r<number> of references"
    )
    printed: Line | None = None
    derived: Line | None = None
    statement: Text
    resolution: Text


class MissingInformation(Record):
    """Something about the study that its users would look for and that is not known: said, and never filled in."""

    field: Line = Field(description="where it would stand in this file: design.sampleSize, report.authors, themes.statement")
    missing_because: Literal["not-visible", "not-reported"] = Field(
        description="not-visible: what was read does not show it; not-reported: the whole report was read and does not say it"
    )
    statement: Text


class Study(Record):
    """A study file."""

    kgraph: Literal["1"] = Field(description="version of this file format")
    id: Slug
    label: Text
    access: Access = "public"
    coder: Slug = Field(description="the agent who coded what names no other creator")
    secondary: Line | None = Field(None, description="where the study is known from, if its text is not at hand")
    report: Work
    source: SourceText | None = None
    agents: list[Agent] = []
    passes: list[CodingPass] = []
    design: Design
    sites: list[Site] = []
    criteria: list[EligibilityCriterion] = []
    steps: list[MethodStep] = []
    interview_questions: list[InterviewQuestion] = []
    statistics: list[ReportedStatistic] = []
    materials: list[Material] = []
    groups: list[ParticipantGroup] = []
    participants: list[Participant] = []
    themes: list[Theme] = []
    quotations: list[Quotation] = []
    assertions: list[Assertion] = []
    references: list[Reference] = []
    issues: list[DataIssue] = []
    passages: list[Passage] = []
    missing: list[MissingInformation] = []


def json_schema() -> dict[str, Any]:
    """The JSON Schema of study files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema(by_alias=True)}
