"""A study file becomes the graph that the evidence model promises; what is restricted never reaches the public side."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyoxigraph as ox
import pytest
from rdflib import BNode, Graph, Literal, URIRef, namespace
from rdflib.namespace import DCTERMS, FOAF, OWL, PROV, RDF, RDFS, SKOS

from kgraph.answers import ask_named
from kgraph.build import build
from kgraph.mapped import Mapped, map_source, vocabulary
from kgraph.mapping import map_study
from kgraph.names import CITO, CONCEPT, FABIO, KG, OA, PRISM, SCHEMA
from kgraph.queries import load_queries, run
from kgraph.snapshot import Snapshot, open_published, open_restricted
from kgraph.studyfile import load_study
from kgraph.tables import doi_iri
from kgraph.workspace import Workspace

Change = Callable[..., Path]
BASE = "https://w3id.org/kgraph/"
STUDY = BASE + "study/fan-2024"

KINDS: dict[str, Callable[[object], bool]] = {
    "iri": lambda o: isinstance(o, URIRef),
    "concept": lambda o: isinstance(o, URIRef) and o.startswith(str(CONCEPT)),
    "relation": lambda o: isinstance(o, URIRef) and o in KG,
    "work": lambda o: isinstance(o, URIRef) and (o.startswith("https://doi.org/10.") or o.endswith("/work")),
    "string": lambda o: isinstance(o, Literal) and o.language is None and o.datatype in (None, namespace.XSD.string),
    "lang": lambda o: isinstance(o, Literal) and o.language in ("en", "zh-Hans"),
    "integer": lambda o: isinstance(o, Literal) and o.datatype == namespace.XSD.integer,
    "number": lambda o: isinstance(o, Literal) and o.datatype in (namespace.XSD.integer, namespace.XSD.decimal),
    "decimal": lambda o: isinstance(o, Literal) and o.datatype == namespace.XSD.decimal and "e" not in str(o),
    "year": lambda o: isinstance(o, Literal) and o.datatype == namespace.XSD.gYear,
    "access": lambda o: str(o) in ("public", "restricted"),
    "status": lambda o: str(o) in ("verified", "hash-only", "secondary"),
    "polarity": lambda o: str(o) in ("asserted", "denied"),
    "evidence": lambda o: str(o) in ("shown", "asserted-only"),
    "support": lambda o: str(o) in ("yes", "weak", "no", "unchecked"),
    "judged": lambda o: str(o) in ("title", "abstract", "full-text"),
    "basis": lambda o: str(o) in ("participant", "authors", "analyst"),
    "experiencer": lambda o: str(o) in ("speaker", "other"),
    "coding status": lambda o: str(o) in ("accepted", "disputed", "rejected"),
    "severity": lambda o: str(o) in ("major", "minor", "note"),
    "criterion": lambda o: str(o) in ("inclusion", "exclusion"),
    "sha256": lambda o: re.fullmatch("[0-9a-f]{64}", str(o)) is not None,
    "country": lambda o: re.fullmatch("[A-Z]{2}", str(o)) is not None,
}
MANY = 10_000
# ruff: noqa: E501
# class, property, kind of its values, fewest and most values on each member of the class
CONTRACT: list[tuple[URIRef, URIRef, str, int, int]] = [
    (KG.Study, KG.reportedIn, "work", 1, MANY), (KG.Study, KG.usesMethod, "concept", 1, MANY), (KG.Study, KG.inSetting, "concept", 1, MANY),
    (KG.Study, KG.inCulture, "concept", 1, MANY), (KG.Study, KG.ofPopulation, "concept", 1, MANY), (KG.Study, KG.ofCondition, "concept", 1, MANY),
    (KG.Study, DCTERMS.spatial, "iri", 1, MANY), (KG.Study, KG.atSite, "iri", 1, MANY), (KG.Study, KG.sampleSize, "integer", 1, 1),
    (KG.Study, SCHEMA.temporalCoverage, "string", 1, 1), (KG.Study, DCTERMS.language, "string", 1, 1), (KG.Study, KG.funder, "iri", 1, MANY),
    (KG.Study, KG.grantNumber, "string", 1, 1), (KG.Study, KG.ethicsCommittee, "string", 1, 1), (KG.Study, KG.ethicsApproval, "string", 1, 1),
    (KG.Study, KG.hasStep, "iri", 1, MANY), (KG.Study, KG.hasInterviewQuestion, "iri", 7, 7), (KG.Study, KG.hasCriterion, "iri", 1, MANY),
    (KG.Study, KG.hasStatistic, "iri", 1, MANY), (KG.Study, KG.access, "access", 1, 1), (KG.Study, RDFS.label, "lang", 2, 2),
    (DCTERMS.Location, RDFS.label, "lang", 2, 2), (DCTERMS.Location, KG.countryCode, "country", 1, 1), (DCTERMS.Location, OWL.sameAs, "iri", 0, 1),
    (KG.Site, RDFS.label, "lang", 2, 2), (KG.Site, KG.operatedBy, "iri", 0, MANY), (KG.Site, KG.offers, "concept", 0, MANY),
    (KG.Site, KG.accessRule, "lang", 0, MANY), (KG.MethodStep, KG.order, "integer", 1, 1), (KG.MethodStep, KG.statement, "lang", 2, 2),
    (KG.InterviewQuestion, KG.order, "integer", 1, 1), (KG.InterviewQuestion, SCHEMA.text, "lang", 1, 1),
    (KG.EligibilityCriterion, KG.criterionKind, "criterion", 1, 1), (KG.EligibilityCriterion, KG.statement, "lang", 2, 2),
    (KG.ReportedStatistic, KG.variable, "string", 1, 1), (KG.ReportedStatistic, KG.printedValue, "string", 0, 1),
    (KG.ReportedStatistic, KG.derivedValue, "string", 0, 1), (KG.ReportedStatistic, KG.unit, "string", 0, 1),
    (KG.SourceText, KG.textOf, "work", 1, 1), (KG.SourceText, KG.sha256, "sha256", 1, 1), (KG.SourceText, DCTERMS.license, "iri", 1, 1),
    (KG.SourceText, DCTERMS.creator, "string", 1, MANY), (KG.SourceText, KG.access, "access", 1, 1),
    (KG.Passage, OA.hasSource, "iri", 1, 1), (KG.Passage, KG.order, "integer", 1, 1), (KG.Passage, OA.hasSelector, "iri", 2, 2),
    (KG.Passage, KG.sha256, "sha256", 1, 1), (OA.TextQuoteSelector, OA.exact, "string", 1, 1), (OA.TextQuoteSelector, OA.prefix, "string", 1, 1),
    (OA.TextQuoteSelector, OA.suffix, "string", 1, 1), (OA.TextPositionSelector, OA.start, "integer", 1, 1),
    (OA.TextPositionSelector, OA.end, "integer", 1, 1),
    (KG.Participant, KG.participantIn, "iri", 1, 1), (KG.Participant, KG.gender, "string", 1, 1), (KG.Participant, KG.hasCondition, "concept", 1, MANY),
    (KG.Participant, KG.ageFrom, "integer", 1, 1), (KG.Participant, KG.ageTo, "integer", 1, 1), (KG.Participant, KG.maritalStatus, "string", 1, 1),
    (KG.Participant, KG.occupation, "string", 1, 1), (KG.Participant, KG.yearsInService, "number", 1, 1),
    (KG.Participant, KG.yearsOfIllness, "number", 1, 1), (KG.Participant, KG.access, "access", 1, 1),
    (KG.Theme, KG.themeOf, "iri", 1, 1), (KG.Theme, KG.subThemeOf, "iri", 0, 1), (KG.Theme, SKOS.prefLabel, "lang", 2, 2),
    (KG.Theme, KG.order, "integer", 1, 1), (KG.Theme, SKOS.altLabel, "lang", 0, MANY), (KG.Theme, KG.anchorStatus, "status", 1, 1),
    (KG.Quotation, KG.spokenBy, "iri", 1, 1), (KG.Quotation, KG.illustrates, "iri", 1, 1), (KG.Quotation, KG.printedUnder, "iri", 0, 1),
    (KG.Quotation, SCHEMA.text, "lang", 1, 1), (KG.Quotation, KG.translatedFrom, "string", 1, 1), (KG.Quotation, KG.nearDuplicateOf, "iri", 0, MANY),
    (KG.Quotation, KG.order, "integer", 1, 1), (KG.Quotation, KG.anchor, "iri", 1, MANY), (KG.Quotation, KG.anchorStatus, "status", 1, 1),
    (KG.Quotation, KG.access, "access", 1, 1),
    (KG.Reference, KG.referenceOf, "iri", 1, 1), (KG.Reference, KG.number, "integer", 1, 1), (KG.Reference, KG.refersTo, "work", 1, 1),
    (KG.Reference, KG.printedAs, "string", 1, 1), (KG.Reference, KG.correction, "lang", 0, MANY),
    (KG.CitationUse, KG.inAssertion, "iri", 1, 1), (KG.CitationUse, KG.viaReference, "iri", 1, 1), (KG.CitationUse, KG.support, "support", 1, 1),
    (KG.CitationUse, KG.judgedFrom, "judged", 1, 1), (KG.CitationUse, DCTERMS.creator, "iri", 1, 1), (KG.CitationUse, KG.reason, "lang", 1, 1),
    (KG.Coding, OA.hasTarget, "iri", 1, 1), (KG.Coding, OA.hasBody, "iri", 1, 1), (KG.Coding, OA.motivatedBy, "iri", 1, 1),
    (KG.Coding, DCTERMS.creator, "iri", 1, 1), (KG.Coding, KG.basis, "basis", 1, 1), (KG.Coding, KG.experiencer, "experiencer", 0, 1),
    (KG.Coding, KG.confidence, "decimal", 1, 1), (KG.Coding, KG.reason, "lang", 1, 1), (KG.Coding, KG.codingStatus, "coding status", 1, 1),
    (KG.DataIssue, KG.inSource, "iri", 1, 1), (KG.DataIssue, KG.about, "iri", 0, MANY), (KG.DataIssue, KG.issueKind, "string", 1, 1),
    (KG.DataIssue, KG.printed, "string", 0, 1), (KG.DataIssue, KG.derived, "string", 0, 1), (KG.DataIssue, KG.severity, "severity", 1, 1),
    (KG.DataIssue, KG.statement, "lang", 2, 2), (KG.DataIssue, KG.resolution, "lang", 2, 2), (KG.DataIssue, KG.anchorStatus, "status", 1, 1),
]  # fmt: skip
ASSERTIONS = ("Finding", "CitedClaim", "Interpretation", "Background", "Aim", "Recommendation", "Limitation")
ON_ASSERTIONS: list[tuple[URIRef, str, int, int]] = [
    (KG.statedIn, "iri", 1, 1), (KG.subject, "concept", 1, 1), (KG.object, "concept", 1, 1), (KG.relation, "relation", 1, 1),
    (KG.via, "concept", 0, 1), (KG.polarity, "polarity", 1, 1), (KG.hedge, "lang", 0, 1), (KG.quantifier, "lang", 0, 1),
    (KG.scope, "concept", 0, MANY), (KG.statement, "lang", 2, 2), (KG.section, "string", 1, 1), (KG.printedUnder, "iri", 0, 1),
    (KG.restsOn, "iri", 0, MANY), (KG.evidence, "evidence", 1, 1), (KG.restates, "iri", 0, 1), (CITO.citesAsEvidence, "work", 0, MANY),
    (KG.anchor, "iri", 1, MANY), (KG.anchorStatus, "status", 1, 1),
]  # fmt: skip
PATHS = {
    KG.Participant: "participant/P[0-9]+", KG.Theme: "theme/[a-z0-9-]+", KG.Quotation: "quotation/q[0-9]{2}", KG.Reference: "reference/[0-9]+",
    KG.CitationUse: "citation-use/a[0-9]{3}-r[0-9]+", KG.Coding: "coding/[A-Za-z0-9-]+", KG.DataIssue: "issue/[A-Z0-9]+",
    KG.Passage: "passage/[A-Za-z0-9-]+", KG.MethodStep: "step/[0-9]+", KG.InterviewQuestion: "question/[0-9]+", KG.Site: "site/[a-z-]+",
    KG.EligibilityCriterion: "criterion/[a-z0-9-]+", KG.ReportedStatistic: "statistic/[a-z0-9-]+", KG.SourceText: "source",
    **{KG[kind]: "assertion/a[0-9]{3}" for kind in ASSERTIONS},
}  # fmt: skip


@pytest.fixture(scope="module")
def graph(workspace: Workspace) -> Graph:
    """The example study's own triples."""
    mapped = map_study(load_study(workspace.study_files()[0], vocabulary(workspace)), BASE)
    assert len(mapped.restricted) == 0
    return mapped.public


@pytest.fixture(scope="module")
def text(workspace: Workspace) -> str:
    return workspace.study_files()[0].with_suffix(".txt").read_text(encoding="utf-8")


def name_of(term: URIRef) -> str:
    return re.split("[#/]", str(term))[-1]


@pytest.mark.parametrize("row", CONTRACT, ids=lambda row: f"{name_of(row[0])}-{name_of(row[1])}")
def test_contract(graph: Graph, row: tuple[URIRef, URIRef, str, int, int]) -> None:
    class_, property_, kind, fewest, most = row
    members = set(graph.subjects(RDF.type, class_))
    assert members
    used = 0
    for member in members:
        values = list(graph.objects(member, property_))
        assert fewest <= len(values) <= most, f"{member} has {len(values)}"
        assert all(KINDS[kind](value) for value in values), f"{member}: {values}"
        used += len(values)
    assert used, "no member of the class has it"


@pytest.mark.parametrize("row", ON_ASSERTIONS, ids=lambda row: name_of(row[0]))
def test_contract_of_assertions(graph: Graph, row: tuple[URIRef, str, int, int]) -> None:
    property_, kind, fewest, most = row
    used = 0
    for class_ in ASSERTIONS:
        members = set(graph.subjects(RDF.type, KG[class_]))
        assert members, class_
        for member in members:
            values = list(graph.objects(member, property_))
            assert fewest <= len(values) <= most, f"{member} has {len(values)}"
            assert all(KINDS[kind](value) for value in values), f"{member}: {values}"
            used += len(values)
    assert used or property_ == KG.printedUnder, "the example has no displaced assertion"


def test_every_term_is_declared(graph: Graph) -> None:
    for term in {*graph.predicates(), *graph.objects(None, RDF.type)}:
        if str(term).startswith(str(KG)):
            assert URIRef(str(term)) in KG


def test_no_blank_nodes(graph: Graph) -> None:
    assert not [triple for triple in graph if any(isinstance(term, BNode) for term in triple)]


@pytest.mark.parametrize("class_", PATHS, ids=name_of)
def test_iris_and_identifiers(graph: Graph, class_: URIRef) -> None:
    members = set(graph.subjects(RDF.type, class_))
    assert members
    for member in members:
        path = str(member).removeprefix(STUDY + "/")
        assert re.fullmatch(PATHS[class_], path), member
        assert list(graph.objects(member, DCTERMS.identifier)) == [Literal(path.rsplit("/", 1)[-1])]


def test_the_study_its_agents_and_places(graph: Graph) -> None:
    assert set(graph.subjects(RDF.type, KG.Study)) == {URIRef(STUDY)}
    assert graph.value(URIRef(STUDY), KG.reportedIn) == URIRef("https://doi.org/10.3389/fpsyt.2024.1349778")
    agents = set(graph.subjects(RDF.type, FOAF.Agent))
    assert all(str(agent).startswith(BASE + "agent/") for agent in agents)
    kinds = {kind for agent in agents for kind in graph.objects(agent, RDF.type)}
    assert kinds == {FOAF.Agent, FOAF.Person, FOAF.Organization, PROV.SoftwareAgent}
    coders = {coder for coding in graph.subjects(RDF.type, KG.Coding) for coder in graph.objects(coding, DCTERMS.creator)}
    assert coders <= agents
    assert all(str(place).startswith(BASE + "place/") for place in graph.subjects(RDF.type, DCTERMS.Location))


def test_works_are_named_by_doi_or_by_their_reference(graph: Graph) -> None:
    for reference, work in graph.subject_objects(KG.refersTo):
        doi = graph.value(work, PRISM.doi)
        assert str(work) == (str(doi_iri(str(doi))) if doi else f"{reference}/work")
        assert doi is None or str(doi) == str(doi).lower()
        assert graph.value(work, DCTERMS.title)
        assert all(KINDS["year"](year) for year in graph.objects(work, FABIO.hasPublicationYear))


def test_every_anchor_agrees_with_the_source_text(graph: Graph, text: str) -> None:
    passages = set(graph.subjects(RDF.type, KG.Passage))
    for passage in passages:
        quote, position = URIRef(f"{passage}/quote"), URIRef(f"{passage}/position")
        assert set(graph.objects(passage, OA.hasSelector)) == {quote, position}
        start, end = (int(str(graph.value(position, term))) for term in (OA.start, OA.end))
        exact, prefix, suffix = (str(graph.value(quote, term)) for term in (OA.exact, OA.prefix, OA.suffix))
        assert (exact, prefix, suffix) == (text[start:end], text[max(0, start - 40) : start], text[end : end + 40])
        assert exact == exact.strip() != ""
        assert str(graph.value(passage, KG.sha256)) == sha256(exact.encode()).hexdigest()
        assert graph.value(passage, OA.hasSource) == URIRef(STUDY + "/source")
    assert {passage for _, passage in graph.subject_objects(KG.anchor)} <= passages
    assert sum(1 for _ in passages) > 250


def test_fragments_are_in_order(graph: Graph) -> None:
    fragments: dict[str, list[int]] = {}
    for passage in graph.subjects(RDF.type, KG.Passage):
        order = int(str(graph.value(passage, KG.order)))
        if order == 1 and not str(passage).endswith("-1"):
            fragments[str(passage)] = [1]
        else:
            key, _, number = str(passage).rpartition("-")
            assert int(number) == order
            fragments.setdefault(key, []).append(order)
    assert all(sorted(orders) == list(range(1, len(orders) + 1)) for orders in fragments.values())
    assert any(len(orders) > 1 for orders in fragments.values()), "the example has broken passages"


def test_all_is_verified_and_shown_as_it_is_read(graph: Graph) -> None:
    assert set(graph.objects(None, KG.anchorStatus)) == {Literal("verified")}
    for quotation in graph.subjects(RDF.type, KG.Quotation):
        words = str(graph.value(quotation, SCHEMA.text))
        assert words == " ".join(words.split())
        assert not re.search(r"[*\\]", words)


def lines(workspace: Workspace) -> Mapped:
    source = next(source for source in workspace.sources() if source.kind == "study")
    return map_source(workspace, source, vocabulary(workspace))


def test_status_of_what_is_not_at_hand(tiny: Workspace, change: Change) -> None:
    change("  file: tiny-2024.txt\n", "", "  passages: [s1]\n  usesMethod", "  secondary: the abstract\n  usesMethod",
           "    passages: [s2]\n    variable", "    secondary: the abstract\n    variable")  # fmt: skip
    mapped = lines(tiny).public.decode()
    assert '/statistic/participants> <https://w3id.org/kgraph/ontology#anchorStatus> "secondary"' in mapped
    assert '/statistic/participants> <http://purl.org/dc/terms/source> "the abstract"' in mapped
    assert '/quotation/q01> <https://w3id.org/kgraph/ontology#anchorStatus> "hash-only"' in mapped
    assert "oa#exact" not in mapped
    assert "oa#start" not in mapped


def test_a_passage_known_by_its_hash_keeps_hash_and_place(tiny: Workspace, change: Change) -> None:
    digest = sha256(b"words").hexdigest()
    change(
        "  file: tiny-2024.txt\n",
        "",
        'exact: ["Walking is good."]\n    suffix: "They walk"',
        f"sha256: {digest}\n    start: 3\n    end: 9",
    )
    mapped = lines(tiny).public.decode()
    assert f'/passage/s5> <https://w3id.org/kgraph/ontology#sha256> "{digest}"' in mapped
    assert '/passage/s5/position> <http://www.w3.org/ns/oa#end> "9"^^<http://www.w3.org/2001/XMLSchema#integer>' in mapped


@pytest.mark.parametrize(
    ("doi", "iri"),
    [
        ("10.3389/fpsyt.2024.1349778", "https://doi.org/10.3389/fpsyt.2024.1349778"),
        ("10.1002/(sici)1097(199823)43:4<444::aid>3.0.co;2-1", "https://doi.org/10.1002/(sici)1097(199823)43:4%3C444::aid%3E3.0.co;2-1"),
        ("10.1234/a{b}|c^d`e\\f\"g#h%?i", "https://doi.org/10.1234/a%7Bb%7D%7Cc%5Ed%60e%5Cf%22g%23h%25%3Fi"),
    ],
)  # fmt: skip
def test_any_doi_becomes_a_valid_iri(doi: str, iri: str) -> None:
    assert str(doi_iri(doi)) == iri
    assert ox.NamedNode(iri)


def test_odd_values_map_to_valid_rdf(tiny: Workspace, change: Change) -> None:
    change("10.1234/walk.2024", "10.1002/(SICI)1097<444::AID>3.0", "confidence: 0.9", "confidence: 0.0000001",
           'hedge: "may"', "hedge: '\"may\" \\ <b>\u2028 他'")  # fmt: skip
    mapped = lines(tiny).public
    store = ox.Store()
    store.bulk_load(mapped, ox.RdfFormat.N_TRIPLES)
    assert len(store) == mapped.count(b"\n")
    assert b'confidence> "0.0000001"^^<http://www.w3.org/2001/XMLSchema#decimal>' in mapped


def test_mapping_twice_gives_the_same_bytes(tiny: Workspace) -> None:
    assert lines(tiny) == lines(tiny)


def test_two_coders_of_one_thing_stay_apart(tiny: Workspace, change: Change) -> None:
    change("    codings:\n      - concept: hope\n        basis: participant",
           "    codings:\n      - {concept: hope, basis: authors, confidence: 1, reason: x, creator: second-coder}\n"
           "      - concept: hope\n        basis: participant")  # fmt: skip
    mapped = lines(tiny).public.decode()
    assert "/coding/q01-hope>" in mapped
    assert "/coding/q01-hope-second-coder>" in mapped


# restricted things


SECRET = "Do not tell anybody that the kittiwake told me"  # noqa: S105
QUOTATION = f"""  - id: q99
    spokenBy: P2
    illustrates: company
    exact: ["{SECRET}"]
    access: restricted
    codings:
      - concept: companionship
        basis: analyst
        confidence: 0.3
        reason: "A kittiwake for company."
assertions:
"""


def plant(workspace: Workspace) -> None:
    """Puts a restricted quotation into a study and its (now restricted) source text; an assertion rests on it."""
    path = workspace.study_files()[0]
    text = path.with_suffix(".txt").read_text(encoding="utf-8") + f"\nThe second one added: “{SECRET}”. Nobody laughed.\n"
    path.with_suffix(".txt").write_text(text, encoding="utf-8")
    content = path.read_text(encoding="utf-8")
    content = re.sub(
        'sha256: "[0-9a-f]{64}"', f"sha256: {sha256(text.encode()).hexdigest()}\n  access: restricted", content, count=1
    )
    content = content.replace("assertions:\n", QUOTATION, 1).replace("restsOn: [q01,", "restsOn: [q01, q99,", 1)
    content = content.replace("passages: [s3]", "passages: [s3, s9]").replace("about: [P1,", "about: [P1, q99,")
    content += f'  - id: s9\n    exact: ["The second one added: “{SECRET}”."]\n'
    path.write_text(content, encoding="utf-8")


def public_bytes(workspace: Workspace) -> bytes:
    """Everything that the public side holds: its files, its graph, and the answers of all named queries."""
    files = [path for folder in (workspace.snapshots, workspace.cache) for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sst" for path in files)
    parts = [str(path).encode() + path.read_bytes() for path in files]
    opened = open_published(workspace)
    parts += [str(quad).encode() for quad in opened.store]
    for kind in ("competency", "pages", "checks"):
        for query in load_queries(kind).values():
            if not query.parameters:
                parts += [str(row).encode() for row in run(opened.store, query.text, opened.base)]
    return b"\n".join(parts)


def pages(workspace: Workspace, wanted: str) -> bytes:
    """Every page of the public site about this study's things, what a search finds, and the pages of a restricted thing."""
    from kgraph.web import create_app

    opened = open_published(workspace)
    client = create_app(workspace).test_client()
    things = {quad.subject.value.removeprefix(opened.base) for quad in opened.store if quad.subject.value.startswith(opened.base)}
    paths = [
        "",
        "search?q=anybody",
        "issues",
        "quotations",
        "map",
        *sorted(path for path in things if not path.endswith(("/quote", "/position"))),
    ]
    shown = []
    for path in paths:
        response = client.get("/" + path)
        assert response.status_code < 500, path
        shown.append(response.data)
    for suffix in ("", ".ttl", ".jsonld"):
        response = client.get(f"/{wanted}{suffix}")
        assert response.status_code == 404, wanted
        shown.append(response.data.replace(wanted.rsplit("/", 1)[-1].encode(), b""))  # what was asked for may be named
    return b"\n".join(shown)


def test_a_restricted_quotation_stays_in_the_second_store(tiny: Workspace) -> None:
    plant(tiny)
    study = tiny.study_files()[0]
    restricted = study.read_text(encoding="utf-8")
    study.write_text(restricted.replace("access: restricted", "access: public"), encoding="utf-8")
    build(tiny)
    assert SECRET.encode() in public_bytes(tiny)  # what was public once is not kept in an older snapshot either
    study.write_text(restricted, encoding="utf-8")
    build(tiny)
    public = public_bytes(tiny) + pages(tiny, "study/tiny-2024/quotation/q99")
    for secret in (SECRET, "kittiwake", "Nobody laughed", "q99", "A kittiwake for company"):
        assert secret.encode() not in public, secret
    second = open_restricted(tiny)
    (row,) = list(second.query("SELECT ?text { <study/tiny-2024/quotation/q99> schema:text ?text }"))
    assert row["text"].value == SECRET
    assert list(ask_named(second, "quotations-of-concept", {"concept": "companionship"}))
    assert not list(ask_named(open_published(tiny), "quotations-of-concept", {"concept": "companionship"}))
    assert (tiny.restricted.stat().st_mode & 0o777) == 0o700


def test_a_restricted_person_takes_words_and_table_row_along(tiny: Workspace, change: Change) -> None:
    change(
        "gender: male",
        "gender: male\n    access: restricted",
        '  creator: "Brook B"\n',
        '  creator: "Brook B"\n  access: restricted\n',
    )
    build(tiny)
    public = public_bytes(tiny) + pages(tiny, "study/tiny-2024/participant/P2")
    for secret in ("Nobody waits for me", "51-55", "participant/P2", "quotation/q02"):
        assert secret.encode() not in public, secret
    (row,) = list(
        open_restricted(tiny).query("SELECT ?text { ?q kg:spokenBy <study/tiny-2024/participant/P2> ; schema:text ?text }")
    )
    assert row["text"].value == "Nobody waits for me at home"


def test_a_restricted_issue_and_assertion_stay_back(tiny: Workspace, change: Change) -> None:
    change("issueKind: terminology", "access: restricted\n    issueKind: terminology", "kind: CitedClaim", "access: restricted\n    kind: CitedClaim",
           '  creator: "Brook B"\n', '  creator: "Brook B"\n  access: restricted\n')  # fmt: skip
    mapped = lines(tiny)
    for secret in ("Two people are few", "issue/I1", "assertion/a002", "Company helps", "citation-use/", "that company helps"):
        assert secret.encode() not in mapped.public, secret
        assert secret.encode() in mapped.restricted, secret
    assert mapped.text is None


def test_a_restricted_study_leaves_no_trace(tiny: Workspace, change: Change) -> None:
    change("coder: coder", "access: restricted\ncoder: coder")
    build(tiny)
    public = public_bytes(tiny) + pages(tiny, "study/tiny-2024")
    for secret in ("tiny-2024", "Walking together", "A walking group", "A Coder", "waits for me"):
        assert secret.encode() not in public, secret
    second = open_restricted(tiny)
    assert isinstance(second, Snapshot)
    assert bool(second.query("ASK { <study/tiny-2024> a kg:Study }"))
