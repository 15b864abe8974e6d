"""Each check query finds the fault it is for, and no other; the example has none of them."""

from collections import Counter
from functools import cache

import pyoxigraph as ox
import pytest

from kgraph.checks import check_store
from kgraph.inference import infer
from kgraph.names import ONTOLOGY, PREFIXES
from kgraph.queries import load_queries, run
from kgraph.snapshot import Snapshot

BASE = "https://example.org/"
PROLOGUE = "".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in PREFIXES.items())


def concept(slug: str, *, facet: str = "kg:Mechanism", scheme: str = "mechanism", leave_out: str = "", more: str = "") -> str:
    """A concept as it should be, without the property named in `leave_out`, and with `more` about it."""
    parts = {
        "type": f"a skos:Concept, {facet}" if facet else "a skos:Concept",
        "en": f'skos:prefLabel "{slug}"@en',
        "zh": f'skos:prefLabel "名{slug}"@zh-Hans',
        "status": 'kg:labelStatus "established"',
        "definition-en": f'skos:definition "Whatever people in a study call {slug} among themselves."@en',
        "definition-zh": f'skos:definition "{slug}的含义。"@zh-Hans',
        "source": 'dcterms:source "general knowledge, unchecked"',
        "scheme": f"skos:inScheme <scheme/{scheme}>",
        "top": f"skos:topConceptOf <scheme/{scheme}>",
        "related": "skos:related concept:one" if slug != "one" else "",
    }
    kept = [text for name, text in parts.items() if text and name != leave_out]
    return f"concept:{slug} {' ; '.join([*kept, more] if more else kept)} .\n"


def study(name: str) -> str:
    """A study with two speakers, a theme and its sub-theme, two quotations, a finding, a cited claim and its reference."""
    return f"""
    <{name}> a kg:Study ; kg:sampleSize 2 ; kg:reportedIn <{name}/work> ; kg:usesMethod concept:talk ; kg:inSetting concept:hall ;
      kg:ofPopulation concept:walkers .
    <{name}/work> a fabio:JournalArticle ; dcterms:title "The report of {name}"@en ; prism:doi "10.1000/{name}" .
    <{name}/P1> a kg:Participant ; kg:participantIn <{name}> .
    <{name}/P2> a kg:Participant ; kg:participantIn <{name}> .
    <{name}/above> a kg:Theme ; kg:themeOf <{name}> .
    <{name}/theme> a kg:Theme ; kg:themeOf <{name}> ; kg:subThemeOf <{name}/above> .
    <{name}/q1> a kg:Quotation ; kg:spokenBy <{name}/P1> ; kg:illustrates <{name}/theme> ; schema:text "First of {name}."@en ;
      kg:anchor <{name}/passage> ; kg:anchorStatus "verified" .
    <{name}/q2> a kg:Quotation ; kg:spokenBy <{name}/P2> ; kg:illustrates <{name}/theme> ; schema:text "Second of {name}."@en .
    <{name}/passage> a kg:Passage ; oa:hasSelector <{name}/quote>, <{name}/position> .
    <{name}/quote> oa:exact "First of {name}." .
    <{name}/position> oa:start 0 ; oa:end 9 .
    <{name}/coding> a kg:Coding ; oa:hasTarget <{name}/q1> ; oa:hasBody concept:one ; kg:codingStatus "accepted" ;
      dcterms:creator <coder> .
    <{name}/finding> a kg:Finding ; kg:statedIn <{name}> ; kg:subject concept:one ; kg:relation kg:increases ;
      kg:object concept:other ; kg:polarity "asserted" ; kg:evidence "shown" ; kg:restsOn <{name}/q1> .
    <{name}/claim> a kg:CitedClaim ; kg:statedIn <{name}> ; kg:subject concept:one ; kg:relation kg:reduces ;
      kg:object concept:other ; kg:polarity "asserted" ; cito:citesAsEvidence <{name}/cited> .
    <{name}/use> a kg:CitationUse ; kg:inAssertion <{name}/claim> ; kg:viaReference <{name}/reference> ; kg:support "yes" ;
      dcterms:creator <coder> .
    <{name}/reference> a kg:Reference ; kg:referenceOf <{name}> ; kg:number 1 ; kg:refersTo <{name}/cited> .
    <{name}/cited> a fabio:Book ; dcterms:title "Cited by {name}"@en ; prism:doi "10.1000/cited-by-{name}" .
    """


SOUND = (
    """
    <scheme/mechanism> a skos:ConceptScheme ; kg:facetClass kg:Mechanism .
    <scheme/construct> a skos:ConceptScheme ; kg:facetClass kg:CulturalConstruct .
    <scheme/culture> a skos:ConceptScheme ; kg:facetClass kg:Culture .
    <scheme/method> a skos:ConceptScheme ; kg:facetClass kg:Method .
    <scheme/setting> a skos:ConceptScheme ; kg:facetClass kg:Setting .
    <scheme/population> a skos:ConceptScheme ; kg:facetClass kg:Population .
    <coder> a foaf:Person ; foaf:name "A Coder" .
    """
    + concept("one")
    + concept("other")
    + concept("below", leave_out="top", more="skos:broader concept:one").replace(
        "skos:related concept:one", "skos:related concept:other"
    )
    + concept("western", facet="kg:Culture", scheme="culture")
    + concept("talk", facet="kg:Method", scheme="method")
    + concept("hall", facet="kg:Setting", scheme="setting")
    + concept("walkers", facet="kg:Population", scheme="population")
    + concept("friendship-in-letters", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:western")
    + concept("chivalry", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:western")
    + study("s1")
    + study("s2")
)

BUSHIDO = concept("japanese", facet="kg:Culture", scheme="culture") + concept(
    "bushido", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:japanese"
)
FAULTS = {
    "unknown-concept": "<s1/finding> kg:scope concept:nowhere .",
    "concept-label-missing": concept("new", leave_out="zh"),
    "concept-two-labels": concept("new", more='skos:prefLabel "newer"@en'),
    "label-of-two-concepts": concept("new", leave_out="en", more='skos:prefLabel "other"@en'),
    "alternative-label-of-another-concept": concept("new", more='skos:altLabel "Other"@en'),
    "alternative-label-of-two-concepts": concept("new", more='skos:altLabel "Fresh"@en')
    + concept("newer", more='skos:altLabel "fresh"@zh-Hans'),
    "note-in-one-language": concept("new", more='skos:scopeNote "Not the old one."@en'),
    "standing-alone": concept("new").replace("skos:related concept:one", "skos:historyNote 'alone'"),
    "construct-without-culture": concept("new", facet="kg:CulturalConstruct", scheme="construct"),
    "construct-without-pinyin": concept("chinese-culture", facet="kg:Culture", scheme="culture")
    + concept("new", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:chinese-culture"),
    "broader-cycle": concept("new", more="skos:broader concept:newer") + concept("newer", more="skos:broader concept:new"),
    "concept-without-scheme": concept("new", leave_out="scheme"),
    "concept-without-facet": concept("new", facet=""),
    "concept-of-two-facets": "<s1> kg:usesMethod concept:one .",
    "concept-in-another-facets-scheme": concept("new", scheme="culture"),
    "orphan-concept": concept("new", leave_out="top"),
    "related-within-hierarchy": "concept:below skos:related concept:one .",
    "broader-in-another-facet": "concept:below skos:broader concept:western .",
    "definition-missing": concept("new", leave_out="definition-zh"),
    "definition-repeats-label": concept("new", leave_out="definition-en", more='skos:definition "New."@en'),
    "definition-without-source": concept("new", leave_out="source"),
    "label-status-missing": concept("new", leave_out="status"),
    "deprecated-concept-in-use": concept("new", more="owl:deprecated true") + "<s1/finding> kg:scope concept:new .",
    "mapping-of-a-withdrawn-concept": concept(
        "new", leave_out="related", more="owl:deprecated true ; skos:closeMatch <https://vocabulary.example/1>"
    ),
    "mapping-of-two-tables": "<mapping/one-1> a sssom:Mapping ; sssom:confidence 0.5 , 0.8 .",
    "one-exact-match-of-two-concepts": """concept:one skos:exactMatch <https://vocabulary.example/1> .
      concept:other skos:exactMatch <https://vocabulary.example/1> .""",
    "counterpart-within-one-culture": "<like> a kg:Counterpart ; kg:between concept:chivalry, concept:friendship-in-letters ; "
    "dcterms:source 'ours' ; skos:note 'Both.'@en, '皆然。'@zh-Hans .",
    "identifier-differs": "concept:one dcterms:identifier 'two' .",
    "iri-of-no-use": "concept:one skos:closeMatch <javascript:alert(1)> .",
    "counterpart-incomplete": "<like> a kg:Counterpart ; kg:between concept:chivalry, concept:bushido ; dcterms:source 'ours' ; "
    "skos:note 'Both.'@en ." + BUSHIDO,
    "counterpart-compared-twice": "".join(
        f"<{name}> a kg:Counterpart ; kg:between concept:chivalry, concept:bushido ; dcterms:source 'ours' ; "
        "skos:note 'Both.'@en, '皆然。'@zh-Hans . "
        for name in ("like", "alike")
    )
    + BUSHIDO,
    "exact-match-of-constructs": "concept:chivalry skos:exactMatch concept:friendship-in-letters .",
    "quotation-counted-twice": """<s1/q3> a kg:Quotation ; kg:spokenBy <s1/P2> ; kg:illustrates <s1/theme> ;
      schema:text "First of s1."@en .""",
    "near-duplicate-of-another-study": "<s1/q1> kg:nearDuplicateOf <s2/q1> .",
    "study-not-placed": """<s3> a kg:Study ; kg:reportedIn <s3/work> ; kg:usesMethod concept:talk ;
      kg:ofPopulation concept:walkers .
      <s3/theme> a kg:Theme ; kg:themeOf <s3> . <s3/said> a kg:Background ; kg:statedIn <s3> ; kg:restsOn <s3/theme> .""",
    "participant-of-another-study": "<s1/q3> a kg:Quotation ; kg:spokenBy <s1/P1> ; kg:illustrates <s2/theme> .",
    "sub-theme-of-another-study": """<s1/new> a kg:Theme ; kg:themeOf <s1> ; kg:subThemeOf <s2/above> .
      <s1/finding> kg:restsOn <s1/new> .""",
    "printed-where-it-belongs": "<s1/q1> kg:printedUnder <s1/theme> .",
    "ground-in-another-study": "<s1/finding> kg:restsOn <s2/theme> .",
    "restatement-of-a-restatement": """<s1/again> a kg:Finding ; kg:statedIn <s1> ; kg:restates <s1/finding> .
      <s1/once-more> a kg:Finding ; kg:statedIn <s1> ; kg:restates <s1/again> .""",
    "restatement-in-another-study": "<s1/finding> kg:restates <s2/finding> .",
    "restatement-of-other-polarity": '<s1/again> kg:statedIn <s1> ; kg:polarity "denied" ; kg:restates <s1/finding> .',
    "finding-without-ground": """<s1/new> a kg:Finding ; kg:statedIn <s1> ; kg:evidence "shown" .
      <s1/use2> a kg:CitationUse ; kg:inAssertion <s1/new> ; kg:viaReference <s1/reference> ; dcterms:creator <coder> .""",
    "cited-claim-without-citation": "<s1/new> a kg:CitedClaim ; kg:statedIn <s1> .",
    "citation-without-use": "<s1/finding> cito:citesAsEvidence <s1/cited> .",
    "citation-use-without-reference": "<s1/use2> a kg:CitationUse ; kg:inAssertion <s1/claim> ; dcterms:creator <coder> .",
    "reference-of-another-study": """<s1/use2> a kg:CitationUse ; kg:inAssertion <s1/claim> ; kg:viaReference <s2/reference> ;
      dcterms:creator <coder> .""",
    "reference-never-cited": "<s1/reference2> a kg:Reference ; kg:referenceOf <s1> ; kg:number 2 ; kg:refersTo <s1/cited> .",
    "theme-without-evidence": "<s1/new> a kg:Theme ; kg:themeOf <s1> .",
    "verified-without-selectors": '<s1/finding> kg:anchor <s1/empty> ; kg:anchorStatus "verified" . <s1/empty> a kg:Passage .',
    "anchor-without-status": "<s1/finding> kg:anchor <s1/passage> .",
    "secondary-quotation": '<s1/q2> kg:anchorStatus "secondary" .',
    "expresses-without-coding": "<s1/q2> kg:expresses concept:one .",
    "coding-without-coder": "<s1/coding2> a kg:Coding ; oa:hasTarget <s1/q2> ; dcterms:creator <nobody> .",
    "relation-without-assertion": "concept:other kg:increases concept:one .",
    "agent-two-names": '<coder> foaf:name "A. Coder" .',
    "work-two-titles": '<s1/cited> dcterms:title "Cited by one"@en .',
    "two-works-one-doi": '<s1/twin> a fabio:Book ; prism:doi "10.1000/s1" .',
    "restricted-in-public-store": '<s1/q2> kg:access "restricted" .',
    "undeclared-term": "<s1/q1> kg:spokenby <s1/P1> .",
}
GAPS = {  # nothing is wrong, something is not there yet
    "definition-unchecked": concept("new"),
    "label-back-translated": concept("new", leave_out="status", more='kg:labelStatus "back-translated"'),
    "concept-never-used": concept("new"),
    "concept-without-mapping": concept("new"),
    "construct-without-counterpart": concept(
        "new", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:western"
    ),
    "construct-without-tradition": concept(
        "new", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:western"
    ),
    "theme-without-concept": "<s1/new> a kg:Theme ; kg:themeOf <s1> . <s1/finding> kg:restsOn <s1/new> .",
    "study-without-themes": """<s3> a kg:Study ; kg:reportedIn <s3/work> ; kg:usesMethod concept:talk ;
      kg:inSetting concept:hall ; kg:ofPopulation concept:walkers .""",
    "study-secondary": '<s1> kg:anchorStatus "secondary" .',
    "information-missing": """<s1/missing> a kg:MissingInformation ; kg:missingIn <s1> ; kg:missingField "report.authors" ;
      kg:missingBecause "not-visible" .""",
    "citation-unchecked": """<s1/use2> a kg:CitationUse ; kg:inAssertion <s1/claim> ; kg:viaReference <s1/reference> ;
      kg:support "unchecked" ; dcterms:creator <coder> .""",
}
SLIPS_OF_THE_BUILD = {  # what only a build that leaves out a rule can do: added after the rules have run
    "near-duplicate-one-sided": "<s1/q1> kg:nearDuplicateOf <s1/q2> .",
    "evidences-missing": "<s1/q3> a kg:Quotation ; kg:spokenBy <s1/P1> ; kg:illustrates <s1/theme> ; kg:evidences <s1/theme> .",
}


@cache
def model() -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted((ONTOLOGY / "modules").glob("*.ttl")))


def load(store: ox.Store, turtle: str, graph: str = "graph/study") -> None:
    store.load((PROLOGUE + turtle).encode(), ox.RdfFormat.TURTLE, base_iri=BASE, to_graph=ox.NamedNode(BASE + graph))


def graph_with(fault: str = "", after: str = "") -> ox.Store:
    """The model and the sound data with a fault, what follows from them, and what is added `after` that."""
    store = ox.Store()
    store.load(model(), ox.RdfFormat.TURTLE, to_graph=ox.NamedNode(BASE + "graph/ontology"))
    load(store, SOUND + fault)
    infer(store, ox.NamedNode(BASE + "graph/inferred"))
    load(store, after)
    return store


def found(store: ox.Store) -> set[str]:
    return {problem.check for problem in check_store(store, BASE, warnings=True) if problem.severity != "note"}


def gaps(store: ox.Store) -> Counter[str]:
    return Counter(problem.check for problem in check_store(store, BASE, warnings=True) if problem.severity == "note")


def test_sound_data_pass() -> None:
    assert found(graph_with()) == set()


def test_the_example_passes(snapshot: Snapshot) -> None:
    assert [str(problem) for problem in check_store(snapshot.store, snapshot.base)] == []


def test_the_example_gives_no_warning(snapshot: Snapshot) -> None:
    told = check_store(snapshot.store, snapshot.base, warnings=True)
    assert [str(problem) for problem in told if problem.severity != "note"] == []


def test_warnings_stop_nothing_unless_asked_for() -> None:
    store = graph_with(FAULTS["reference-never-cited"])
    assert check_store(store, BASE) == []
    assert {problem.severity for problem in check_store(store, BASE, warnings=True)} == {"warning", "note"}


def test_every_check_has_its_fault() -> None:
    assert {*FAULTS, *GAPS, *SLIPS_OF_THE_BUILD} == set(load_queries("checks"))


@pytest.mark.parametrize("name", FAULTS)
def test_check_finds_its_fault_alone(name: str) -> None:
    assert found(graph_with(FAULTS[name])) == {name}


@pytest.mark.parametrize("name", GAPS)
def test_gap_is_named_and_is_no_fault(name: str) -> None:
    store = graph_with(GAPS[name])
    assert found(store) == set()
    assert gaps(store)[name] == gaps(graph_with())[name] + 1
    assert load_queries("checks")[name].header["severity"] == "note"


@pytest.mark.parametrize("name", SLIPS_OF_THE_BUILD)
def test_check_finds_a_slip_of_the_build_alone(name: str) -> None:
    assert found(graph_with(after=SLIPS_OF_THE_BUILD[name])) == {name}


@pytest.mark.parametrize("name", load_queries("checks"))
def test_header_speaks_both_languages(name: str) -> None:
    header = load_queries("checks")[name].header
    for part in ("title", "message", "remedy"):
        assert header[part]
        assert header[f"{part}-zh"]
    assert header["severity"] in {"error", "warning", "note"}


@pytest.mark.parametrize("name", load_queries("checks"))
def test_both_messages_fit_the_columns(name: str) -> None:
    query = load_queries("checks")[name]
    values = {variable.value: "x" for variable in run(ox.Store(), query.text, BASE).variables}
    for part in ("message", "message-zh", "remedy", "remedy-zh"):
        assert "{" not in query.header[part].format_map(values)


def test_counterparts_of_a_culture_and_one_above_it_are_of_one_culture() -> None:
    english = concept("english", facet="kg:Culture", scheme="culture", leave_out="top", more="skos:broader concept:western")
    reserve = concept("reserve", facet="kg:CulturalConstruct", scheme="construct", more="kg:inCulture concept:english")
    like = """<like> a kg:Counterpart ; kg:between concept:reserve, concept:chivalry ; dcterms:source "ours" ;
      skos:note "Both."@en, "皆然。"@zh-Hans ."""
    told = check_store(graph_with(english + reserve + like), BASE)
    assert [problem.found for problem in told] == [
        "like compares concept:chivalry and concept:reserve, which are both of concept:western"
    ]


def test_message_names_the_culprit_shortly() -> None:
    (problem,) = check_store(graph_with(FAULTS["unknown-concept"]), BASE)
    assert problem.found == "s1/finding uses concept:nowhere (kg:scope), which no concept file defines"
    assert problem.remedy == "Correct the slug, or define the concept in a file of the ontology folder"
    assert (problem.severity, problem.check) == ("error", "unknown-concept")


def test_rows_without_a_value_are_told_plainly() -> None:
    told = check_store(graph_with(FAULTS["deprecated-concept-in-use"]), BASE, warnings=True)
    problem = next(problem for problem in told if problem.check == "deprecated-concept-in-use")
    assert problem.severity == "warning"
    assert problem.remedy == "Use a concept that is in force; the one to take its place: -"
