"""Maps a study file to RDF, by the tables of `kgraph.tables`, and parts what is restricted from what is public.

The mapping is a pure function of the loaded study and the workspace's base IRI.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCTERMS, FOAF, OWL, PROV, RDF, RDFS, SKOS

from kgraph import tables
from kgraph.anchors import Span, plain, sha256
from kgraph.counts import all_issues
from kgraph.names import CITO, CONCEPT, KG, OA, SCHEMA
from kgraph.study import (
    Agent,
    Anchored,
    Assertion,
    Coding,
    Participant,
    ParticipantGroup,
    Quotation,
    Record,
    Reference,
    Theme,
    Work,
)
from kgraph.studyfile import LoadedStudy
from kgraph.studylinks import is_restricted, restricted_passages


@dataclass(frozen=True)
class MappedStudy:
    """The triples of a study: those for everybody, and those of restricted things (for the second store alone)."""

    public: Graph
    restricted: Graph


def map_study(loaded: LoadedStudy, base: str) -> MappedStudy:
    """The triples of a loaded study; its IRIs stand under `base` (which ends in a slash)."""
    mapper = StudyMapper(loaded, base)
    mapper.run()
    return mapper.part()


class StudyMapper:
    """One mapping of one study; `map_study` is its use."""

    def __init__(self, loaded: LoadedStudy, base: str) -> None:
        self.loaded, self.study, self.base = loaded, loaded.study, base
        self.graph = Graph()
        self.node = self.base_iri("study", self.study.id)
        self.has_passes = bool(self.study.passes)
        self.owners: dict[URIRef, set[URIRef]] = {}  # part -> what it belongs to; restricted when all owners are
        self.hidden: set[URIRef] = set()  # restricted, though nothing in the graph says so
        self.secrets = [span for key in restricted_passages(self.study) for span in loaded.spans.get(key, []) if span is not None]

    def base_iri(self, *path: str) -> URIRef:
        return URIRef(self.base + "/".join(path))

    def iri(self, *path: Any) -> URIRef:
        return self.base_iri("study", self.study.id, *map(str, path))

    def add(self, subject: URIRef, *pairs: tuple[URIRef, URIRef | Literal]) -> None:
        for predicate, value in pairs:
            self.graph.add((subject, predicate, value))

    def own(self, part: URIRef, *owners: URIRef) -> URIRef:
        self.owners.setdefault(part, set()).update(owners)
        return part

    def table(self, node: URIRef, record: Record, table: tables.Table) -> None:
        for name, predicate, converter in table:
            value = getattr(record, name)
            for item in value if isinstance(value, list) else [] if value is None else [value]:
                self.add(node, *((predicate, converted) for converted in converter(self, item)))

    def thing(self, kind: str, identifier: Any, type_: URIRef, record: Record, table: tables.Table) -> URIRef:
        """A node of the study with its type, identifier and the triples of its table."""
        node = self.iri(kind, identifier)
        self.add(node, (RDF.type, type_), (DCTERMS.identifier, Literal(str(identifier))))
        self.table(node, record, table)
        if isinstance(record, Anchored):
            self.anchor(node, record)
        return node

    def run(self) -> None:
        study = self.study
        self.add(self.node, (RDF.type, KG.Study), (RDF.type, PROV.Activity), (DCTERMS.identifier, Literal(study.id)))
        self.table(self.node, study, tables.STUDY)
        work = self.work(study.report, self.iri("work"))
        self.add(self.node, (KG.reportedIn, work))
        self.agents(work)
        self.source(work)
        self.design()
        for material in study.materials:
            self.add(self.node, (KG.hasMaterial, self.thing("material", material.id, KG.Material, material, tables.MATERIAL)))
        for group in study.groups:
            self.add(self.thing("group", group.id, KG.ParticipantGroup, group, tables.GROUP), (KG.groupIn, self.node))
        for number, gap in enumerate(study.missing, start=1):
            self.add(self.thing("missing", number, KG.MissingInformation, gap, tables.MISSING), (KG.missingIn, self.node))
        for person in study.participants:
            node = self.thing("participant", person.id, KG.Participant, person, tables.PARTICIPANT)
            self.add(node, (KG.participantIn, self.node), (KG.access, Literal(person.access)))
        for theme in study.themes:
            node = self.thing("theme", theme.id, KG.Theme, theme, tables.THEME)
            self.add(node, (KG.themeOf, self.node))
            self.codings(node, theme.id, theme.codings)
        for order, quotation in enumerate(study.quotations, start=1):
            self.quotation(quotation, order)
        for assertion in study.assertions:
            self.assertion(assertion)
        for reference in study.references:
            self.reference(reference)
        for issue in all_issues(study):
            node = self.thing("issue", issue.id, KG.DataIssue, issue, tables.ISSUE)
            if issue.access == "restricted":
                self.hidden.add(node)
            self.add(node, (KG.inSource, self.node), *((KG.about, self.anything(about)) for about in issue.about))
        for passage in study.passages:
            spans = self.loaded.spans.get(passage.id, [])
            for node in self.fragments(passage.id, passage.exact or [None], spans, passage.sha256):
                if passage.section:
                    self.add(node, (KG.section, Literal(passage.section)))
                if passage.note:
                    self.add(node, (KG.passageNote, Literal(passage.note, lang="en")))

    def agents(self, work: URIRef) -> None:
        for agent in self.study.agents:
            node = self.base_iri("agent", agent.id)
            self.add(node, (RDF.type, tables.AGENT_TYPES[agent.type]), (RDF.type, FOAF.Agent), (FOAF.name, Literal(agent.name)))
            self.add(node, (DCTERMS.identifier, Literal(agent.id)), (RDFS.label, Literal(agent.name, lang="en")))
            self.agent_notes(node, agent)
            if agent.type == "person" and agent.name in self.study.report.authors:
                self.add(work, (DCTERMS.creator, node))
        for item in self.study.passes:
            node = self.iri("pass", item.order)
            self.add(
                node, (RDF.type, KG.CodingPass), (DCTERMS.identifier, Literal(str(item.order))), (KG.order, Literal(item.order))
            )
            self.add(node, (PROV.wasAssociatedWith, self.base_iri("agent", item.creator)), (DCTERMS.date, Literal(item.date)))
            self.add(node, (DCTERMS.description, Literal(item.description, lang="en")))

    def agent_notes(self, node: URIRef, agent: Agent) -> None:
        if agent.name_zh:
            self.add(node, (RDFS.label, Literal(agent.name_zh, lang="zh-Hans")))
        if agent.note:
            self.add(node, (SKOS.note, Literal(agent.note, lang="en")))

    def work(self, work: Work, otherwise: URIRef) -> URIRef:
        node = tables.work_iri(work) or otherwise
        self.add(node, (RDF.type, tables.WORK_TYPES[work.type]))
        self.table(node, work, tables.WORK)
        if work.authors:
            self.add(node, (KG.authorsPrinted, Literal("; ".join(work.authors))))
        return node

    def source(self, work: URIRef) -> None:
        source = self.study.source
        if source is None:
            return
        node = self.iri("source")
        self.add(node, (RDF.type, KG.SourceText), (KG.textOf, work), (KG.sha256, Literal(source.sha256)))
        self.add(node, (DCTERMS.identifier, Literal("source")), (DCTERMS.creator, Literal(source.creator)))
        self.add(node, (KG.access, Literal(source.access)))
        if source.license:
            self.add(node, (DCTERMS.license, URIRef(source.license)))
        if source.note:
            self.add(node, (SKOS.note, Literal(source.note, lang="en")))

    def design(self) -> None:
        study, design = self.study, self.study.design
        self.table(self.node, design, tables.DESIGN)
        self.anchor(self.node, design)
        for place in design.spatial:
            node = self.base_iri("place", place.id)
            self.add(
                node,
                (RDF.type, DCTERMS.Location),
                (DCTERMS.identifier, Literal(place.id)),
                (KG.countryCode, Literal(place.country_code)),
            )
            self.add(node, *((RDFS.label, label) for label in tables.in_both(self, place.label)))
            self.add(self.node, (DCTERMS.spatial, node))
            if place.same_as:
                self.add(node, (OWL.sameAs, URIRef(place.same_as)))
        for funding in design.funding:
            self.add(self.node, (KG.funder, self.base_iri("agent", funding.funder)))
            if funding.grant_number:
                self.add(self.node, (KG.grantNumber, Literal(funding.grant_number)))
        for site in study.sites:
            node = self.thing("site", site.id, KG.Site, site, tables.SITE)
            self.add(self.node, (KG.atSite, node))
            for rule in site.access_rules:
                self.add(node, *((KG.accessRule, text) for text in tables.in_both(self, rule.statement)))
                self.anchor(node, rule)
        for step in study.steps:
            self.add(self.node, (KG.hasStep, self.thing("step", step.order, KG.MethodStep, step, tables.STEP)))
        for question in study.interview_questions:
            node = self.thing("question", question.order, KG.InterviewQuestion, question, tables.QUESTION)
            self.add(self.node, (KG.hasInterviewQuestion, node))
        for criterion in study.criteria:
            node = self.thing("criterion", criterion.id, KG.EligibilityCriterion, criterion, tables.CRITERION)
            self.add(self.node, (KG.hasCriterion, node))
        for statistic in study.statistics:
            node = self.thing("statistic", statistic.id, KG.ReportedStatistic, statistic, tables.STATISTIC)
            self.add(self.node, (KG.hasStatistic, node))

    def quotation(self, quotation: Quotation, order: int) -> None:
        node = self.thing("quotation", quotation.id, KG.Quotation, quotation, tables.QUOTATION)
        spans = self.loaded.spans[quotation.id]
        text = self.loaded.text
        words = [text.exact(span) if text and span else exact for exact, span in zip(quotation.exact, spans, strict=True)]
        self.add(node, (SCHEMA.text, Literal(plain(" ".join(words)), lang=quotation.language)), (KG.order, Literal(order)))
        for anchor in self.fragments(quotation.id, list(quotation.exact), spans):
            self.add(node, (KG.anchor, anchor))
            self.own(anchor, node)
        self.add(node, (KG.anchorStatus, Literal("verified" if text else "hash-only")))
        self.codings(node, quotation.id, quotation.codings)
        self.graph.set((node, KG.access, Literal("restricted" if is_restricted(quotation, self.study) else "public")))

    def assertion(self, assertion: Assertion) -> None:
        node = self.thing("assertion", assertion.id, KG[assertion.kind], assertion, tables.ASSERTION)
        self.add(node, (RDF.type, KG.Assertion), (KG.statedIn, self.node), (KG.access, Literal(assertion.access)))
        self.add(node, *((KG.restsOn, self.anything(basis)) for basis in assertion.rests_on))
        for use in assertion.cites:
            reference = next((r for r in self.study.references if r.number == use.reference), None)
            use_node = self.own(self.iri("citation-use", f"{assertion.id}-r{use.reference}"), node)
            self.add(use_node, (RDF.type, KG.CitationUse), (DCTERMS.identifier, Literal(f"{assertion.id}-r{use.reference}")))
            self.add(use_node, (KG.inAssertion, node), (KG.viaReference, self.iri("reference", use.reference)))
            self.add(use_node, (KG.support, Literal(use.support)), (KG.judgedFrom, Literal(use.judged_from)))
            self.add(use_node, (KG.reason, Literal(use.reason, lang="en")), (DCTERMS.creator, self.creator(use.creator)))
            if reference is not None:
                self.add(node, (CITO.citesAsEvidence, self.work_of(reference)))
        self.codings(node, assertion.id, assertion.codings)

    def reference(self, reference: Reference) -> None:
        node = self.thing("reference", reference.number, KG.Reference, reference, ())
        self.add(node, (KG.referenceOf, self.node), (KG.number, Literal(reference.number)))
        self.add(
            node,
            (KG.refersTo, self.work(reference.work, self.work_of(reference))),
            (KG.printedAs, Literal(plain(reference.printed_as))),
        )
        self.add(node, *((KG.correction, Literal(text, lang="en")) for text in reference.correction))
        if reference.reference_status:
            self.add(node, (KG.referenceStatus, Literal(reference.reference_status, lang="en")))
        key = f"r{reference.number}"
        for anchor in self.fragments(key, [reference.printed_as], self.loaded.spans.get(key, [])):
            self.add(node, (KG.anchor, anchor))
        self.add(node, (KG.anchorStatus, Literal("verified" if self.loaded.text else "hash-only")))

    def work_of(self, reference: Reference) -> URIRef:
        return tables.work_iri(reference.work) or self.iri("reference", reference.number, "work")

    def codings(self, target: URIRef, key: str, codings: list[Coding]) -> None:
        for coding in codings:
            name = f"{key}-{coding.concept or f'in-{coding.theme}'}" + (f"-{coding.creator}" if coding.creator else "")
            node = self.own(self.thing("coding", name, KG.Coding, coding, tables.CODING), target)
            body = CONCEPT[coding.concept] if coding.concept else self.iri("theme", coding.theme)
            self.add(node, (RDF.type, OA.Annotation), (OA.motivatedBy, OA.classifying))
            self.add(node, (OA.hasTarget, target), (OA.hasBody, body), (DCTERMS.creator, self.creator(coding.creator)))

    def creator(self, agent: str | None) -> URIRef:
        return self.base_iri("agent", agent or self.study.coder)

    def anything(self, key: str) -> URIRef:
        """The node of an id that may name a participant, group, theme, quotation, assertion or (r<number>) reference."""
        study = self.study
        if any(reference.number == int(key[1:]) for reference in study.references if key[0] == "r" and key[1:].isdigit()):
            return self.iri("reference", key[1:])
        kinds: tuple[tuple[str, Iterable[Participant | ParticipantGroup | Theme | Quotation]], ...] = (
            ("participant", study.participants),
            ("group", study.groups),
            ("theme", study.themes),
            ("quotation", study.quotations),
        )
        for kind, things in kinds:
            if any(thing.id == key for thing in things):
                return self.iri(kind, key)
        return self.iri("assertion", key)

    def anchor(self, node: URIRef, record: Anchored) -> None:
        """Links a node to the fragments of its passages and says how sure the link is."""
        if record.passages:
            for key in record.passages:
                for number in range(count := len(self.loaded.spans.get(key, []))):
                    self.add(node, (KG.anchor, self.fragment(key, number, count)))
            self.add(node, (KG.anchorStatus, Literal("verified" if self.loaded.text else "hash-only")))
        elif source := record.secondary or self.study.secondary:
            self.add(node, (KG.anchorStatus, Literal("secondary")), (DCTERMS.source, Literal(source)))

    def fragment(self, key: str, number: int, count: int) -> URIRef:
        return self.iri("passage", key if count == 1 else f"{key}-{number + 1}")

    def fragments(self, key: str, exact: list[Any], spans: list[Span | None], hashed: str | None = None) -> list[URIRef]:
        """The anchors of a passage, one a fragment, with their selectors."""
        nodes = []
        text = self.loaded.text
        for number, (words, span) in enumerate(zip(exact, spans, strict=False)):
            node = self.fragment(key, number, len(spans))
            nodes.append(node)
            self.add(node, (RDF.type, KG.Passage), (RDF.type, OA.SpecificResource), (KG.order, Literal(number + 1)))
            self.add(node, (DCTERMS.identifier, Literal(node.rsplit("/", 1)[1])), (OA.hasSource, self.iri("source")))
            at_hand = text.exact(span) if text and span else words
            self.add(node, (KG.sha256, Literal(hashed or sha256(at_hand))))
            if span is not None and any(span.start < secret.end and secret.start < span.end for secret in self.secrets):
                self.hidden.add(node)
            if span is not None:
                position = self.own(URIRef(f"{node}/position"), node)
                self.add(node, (OA.hasSelector, position))
                self.add(position, (RDF.type, OA.TextPositionSelector))
                self.add(position, (OA.start, Literal(span.start)), (OA.end, Literal(span.end)))
            if text and span:
                quote = self.own(URIRef(f"{node}/quote"), node)
                self.add(node, (OA.hasSelector, quote))
                self.add(quote, (RDF.type, OA.TextQuoteSelector), (OA.exact, Literal(at_hand)))
                self.add(quote, (OA.prefix, Literal(text.prefix(span))), (OA.suffix, Literal(text.suffix(span))))
        return nodes

    def part(self) -> MappedStudy:
        """Parts the triples: a restricted thing takes along whatever belongs to nothing else, and every link to it."""
        if self.study.access == "restricted":
            return MappedStudy(Graph(), self.graph)
        withheld = {s for s in self.graph.subjects(KG.access, Literal("restricted")) if isinstance(s, URIRef)} | self.hidden
        source = self.iri("source")
        if source in withheld:  # the words around a passage are the source's, not the passage's
            for predicate in (OA.prefix, OA.suffix):
                for selector in list(self.graph.subjects(predicate)):
                    self.graph.set((selector, predicate, Literal("")))
            withheld.discard(source)
        grown = True
        while grown:
            more = {part for part, owners in self.owners.items() if owners <= withheld} - withheld
            withheld |= more
            grown = bool(more)
        if not withheld:
            return MappedStudy(self.graph, Graph())
        public, restricted = Graph(), Graph()
        for triple in self.graph:
            (restricted if triple[0] in withheld or triple[2] in withheld else public).add(triple)
        return MappedStudy(public, restricted)
