"""The questions that people ask of the evidence, asked of the example; expected rows are facts counted by hand in the paper."""

import re
from typing import Any

import pyoxigraph as ox
import pytest

from kgraph.names import PREFIXES
from kgraph.queries import load_queries, rows, run
from kgraph.snapshot import Snapshot

QUERIES = load_queries("competency")
STUDY = "study/fan-2024"
QUESTIONS: dict[str, dict[str, str]] = {  # parameters with which each question has an answer in the example
    "barriers-by-culture": {"culture": "western-culture"},
    "chains-across-studies": {"concept": "naturally-occurring-peer-support"},
    "chains-between-concepts": {"subject": "stigma", "object": "loneliness"},
    "citations-per-reference": {},
    "claims-about-concept": {"concept": "chaxugeju"},
    "claims-in-scope": {"scope": "chinese-culture"},
    "claims-without-confirmed-citation": {},
    "concept-across-studies": {"concept": "self-disclosure"},
    "concepts-in-several-studies": {},
    "concepts-of-studies-by-method": {"method": "qualitative-analysis"},
    "concepts-only-analysts-see": {},
    "concepts-without-evidence": {"scheme": "scheme/outcome"},
    "constructs-no-study-names": {"culture": "maori-culture"},
    "contradictory-claims": {},
    "corrected-references": {},
    "counterparts-of-construct": {"construct": "chaxugeju"},
    "cultural-constructs-by-voice": {"culture": "chinese-culture"},
    "data-issues": {},
    "displaced-quotations": {},
    "disputed-codings": {},
    "doubtful-placements": {},
    "doubtful-sub-themes": {},
    "evidence-for-claim": {"subject": "stigma", "object": "loneliness"},
    "experiences-of-others": {},
    "findings-without-quotation": {},
    "five-kinds-of-support": {},
    "forms-of-support-by-study": {},
    "hedged-findings": {},
    "how-surely-known": {},
    "labels-to-review": {},
    "limitations": {},
    "links-in-several-studies": {},
    "mappings-of-concept": {"concept": "self-disclosure"},
    "near-duplicate-quotations": {},
    "only-second-order": {},
    "people-by-study": {},
    "printed-against-derived": {},
    "quotations-of-concept": {"concept": "supporting-others"},
    "quotations-of-theme": {"theme": f"{STUDY}/theme/reconstructing-a-social-network"},
    "quoted-participants": {},
    "recommendations": {},
    "restated-assertions": {},
    "silent-participants": {},
    "studies-by-method": {"method": "interpretative-phenomenological-analysis"},
    "studies-silent-on": {"concept": "self-disclosure"},
    "studies-that-differ": {},
    "study-design": {"study": STUDY},
    "theme-levels": {},
    "themes-and-witnesses": {},
    "themes-meeting": {},
    "unsupported-citations": {},
    "voices-by-condition": {"condition": "mood-disorder"},
    "what-helps-or-hinders": {"concept": "self-disclosure"},
    "what-is-not-known": {},
    "what-was-analysed": {},
    "who-names-concepts": {},
}
WITHOUT_ANSWER = {"contradictory-claims", "studies-that-differ"}  # nothing is denied that is asserted elsewhere of the same two
PAGES_DAMAGED = {1, 2, 3, 4, 8, 11, 12, 13, 16, 19, 20, 21, 23, 25, 26, 30, 32, 33, 34, 37, 41, 42}


def name_of(value: Any) -> Any:
    """The last part of an IRI; anything else as it is."""
    return re.split("[/#]", value)[-1] if isinstance(value, str) and value.startswith("http") else value


def answer(snapshot: Snapshot, name: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of a question, IRIs cut to their last part."""
    found = snapshot.ask(name, **(parameters or QUESTIONS[name]))
    return [{column: name_of(value) for column, value in row.items()} for row in found]


def of_seed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows about the first study."""
    return [row for row in rows if row["study"] == "fan-2024"]


def pick(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_every_question_is_asked() -> None:
    assert set(QUESTIONS) == set(QUERIES)


@pytest.mark.parametrize("name", QUERIES)
def test_question_is_put_in_both_languages(name: str) -> None:
    header = QUERIES[name].header
    assert all(header[part] for part in ("title", "title-zh", "question", "question-zh"))
    assert header["expect"] in {"some", "any"}
    assert header["question"].endswith("?")


@pytest.mark.parametrize("name", QUESTIONS)
def test_question_has_an_answer(snapshot: Snapshot, name: str) -> None:
    rows = answer(snapshot, name)
    assert bool(rows) == (name not in WITHOUT_ANSWER)
    assert len(rows) == len({tuple(row.items()) for row in rows}), "a row comes twice"


@pytest.mark.parametrize("name", [name for name in QUERIES if QUERIES[name].parameters])
def test_parameters_are_columns(name: str) -> None:
    """A bound parameter is seen by the whole query only when it is projected."""
    columns = {variable.value for variable in run(ox.Store(), QUERIES[name].text, "https://example.org/").variables}
    assert set(QUERIES[name].parameters) <= columns


def test_nine_of_fourteen_are_quoted(snapshot: Snapshot) -> None:
    rows = dict(pick(answer(snapshot, "quoted-participants"), "participant", "quotations"))
    assert rows == {"P1": 1, "P2": 4, "P3": 2, "P4": 6, "P5": 1, "P11": 3, "P12": 6, "P13": 3, "P14": 5}
    assert sum(rows.values()) == 31


def test_five_are_silent(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "silent-participants")
    assert pick(rows, "participant", "gender", "diagnosis") == [
        ("P6", "male", "Schizophrenia"),
        ("P7", "male", "Epileptic mental disorder"),
        ("P8", "female", "Schizophrenia"),
        ("P9", "male", "Obsessive- compulsive disorder"),
        ("P10", "male", "Schizophrenia"),
    ]


def test_seven_quotations_are_printed_elsewhere(snapshot: Snapshot) -> None:
    distance, helping = "managing-proximity-and-distance", "supporting-others-while-empowering-oneself"
    love, group = "love-as-expanding-consciousness", "advocating-for-the-notion-of-group-identity"
    assert pick(answer(snapshot, "displaced-quotations"), "quotation", "speaker", "printed", "belongs") == [
        ("q15", "P2", distance, helping),
        ("q17", "P4", distance, helping),
        ("q18", "P13", love, distance),
        ("q19", "P14", love, distance),
        ("q21", "P12", "sense-of-meaning-and-sense-of-community", love),
        ("q22", "P13", helping, love),
        ("q27", "P14", group, love),
    ]


def test_doubts_about_placement(snapshot: Snapshot) -> None:
    love, helping = "love-as-expanding-consciousness", "supporting-others-while-empowering-oneself"
    group, exposure = "advocating-for-the-notion-of-group-identity", "selective-self-exposure"
    assert pick(answer(snapshot, "doubtful-placements"), "quotation", "theme", "confidence", "status") == [
        ("q22", love, 0.8, "accepted"),
        ("q22", helping, 0.2, "disputed"),
        ("q27", love, 0.5, "accepted"),
        ("q27", group, 0.35, "disputed"),
        ("q27", helping, 0.15, "disputed"),
        ("q31", group, 0.65, "accepted"),
        ("q31", helping, 0.2, "disputed"),
        ("q31", exposure, 0.15, "disputed"),
    ]


def test_twins_count_as_one_witness(snapshot: Snapshot) -> None:
    assert pick(answer(snapshot, "near-duplicate-quotations"), "quotation", "speaker", "twin", "twinSpeaker") == [
        ("q22", "P13", "q27", "P14")
    ]
    assert pick(of_seed(answer(snapshot, "themes-and-witnesses")), "label", "quotations", "witnesses", "speakers") == [
        ("Reconstructing a social network", 7, 7, 5),
        ("An ordinary interpersonal connection", 2, 2, 2),
        ("Becoming and conducting oneself", 2, 2, 2),
        ("Proceeding the process of adaptation in the company of peers", 3, 3, 3),
        ("Balance and multiple roles within the relationship", 10, 10, 5),
        ("Selective self-exposure", 3, 3, 2),
        ("Managing proximity and distance", 7, 7, 4),
        ("Sense of meaning and sense of community", 14, 13, 6),
        ("Supporting others while empowering oneself", 2, 2, 2),
        ("Love as expanding consciousness", 4, 3, 3),
        ("Advocating for the notion of group identity", 8, 8, 6),
    ]


def test_quotations_of_a_theme_with_its_sub_themes(snapshot: Snapshot) -> None:
    assert [row["quotation"] for row in answer(snapshot, "quotations-of-theme")] == [f"q0{n}" for n in range(1, 8)]
    only = answer(snapshot, "quotations-of-theme", theme=f"{STUDY}/theme/selective-self-exposure")
    assert pick(only, "quotation", "speaker") == [("q08", "P12"), ("q09", "P2"), ("q10", "P2")]


def test_quotations_of_a_concept_and_of_narrower_ones(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "quotations-of-concept")
    assert list(rows[0]) == ["concept", "quotation", "text", "speaker", "theme", "basis", "confidence", "study", "coded"]
    assert {row["concept"] for row in rows} == {"supporting-others"}
    assert ("q20", "accommodating-the-tempo-of-others", "P4") in pick(rows, "quotation", "coded", "speaker")
    assert {("q15", "P2"), ("q17", "P4"), ("q22", "P13"), ("q27", "P14")} <= set(pick(rows, "quotation", "speaker"))
    destiny = answer(snapshot, "quotations-of-concept", concept="predestined-relationship")
    assert pick(destiny, "quotation", "speaker", "basis") == [("q22", "P13", "participant"), ("q27", "P14", "participant")]


def test_references_that_do_not_support_their_claim(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "unsupported-citations")
    assert {15, 16, 29, 24, 39, 40, 41} <= {row["number"] for row in rows}
    assert {row["number"] for row in rows if row["support"] == "no"} == {15, 29}
    assert all(row["reason"] and row["judgedFrom"] for row in rows)
    confirmed = {row["assertion"] for row in answer(snapshot, "claims-without-confirmed-citation") if row["support"] == "yes"}
    assert not confirmed


def test_every_reference_is_cited(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "citations-per-reference")
    assert [row["number"] for row in rows] == list(range(1, 43))
    assert [row["number"] for row in rows if row["uses"] == 0] == []
    assert all(row["uses"] == row["supported"] + row["weakly"] + row["unsupported"] + row["notChecked"] for row in rows)
    known = {row["number"]: row for row in rows}
    assert known[29]["uses"] == known[29]["unsupported"]
    assert known[16]["supported"] == 0


def test_references_printed_wrongly(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "corrected-references")
    damaged = {row["number"] for row in rows if re.match(r"Printed (pages|article number) ", row["correction"])}
    assert damaged == PAGES_DAMAGED
    assert {24, 27} <= {row["number"] for row in rows}, "damaged DOIs"


def test_evidence_for_a_claim(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "evidence-for-claim")
    assert {(row["relation"], row["kind"], row["polarity"]) for row in rows} == {("increases", "CitedClaim", "asserted")}
    assert {("24", "weak"), ("25", "yes")} <= set(pick(rows, "ground", "support"))
    narrower = answer(snapshot, "evidence-for-claim", subject="peer-support", object="loneliness")
    assert {"informal-peer-interaction", "peer-support"} <= {row["cause"] for row in narrower}
    assert {"Finding", "CitedClaim"} <= {row["kind"] for row in narrower}
    assert {row["relation"] for row in narrower} == {"reduces"}


def test_stigma_leads_to_loneliness_by_avoidance(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "chains-between-concepts")
    assert ("avoidance-of-social-situations", "stated whole") in pick(rows, "step", "kind")


def test_what_helps_and_hinders_self_disclosure(snapshot: Snapshot) -> None:
    rows = pick(answer(snapshot, "what-helps-or-hinders"), "effect", "factor", "kind")
    assert ("helps", "confidant", "Finding") in rows
    hindering = {factor for effect, factor, kind in rows if effect == "hinders" and kind == "Finding"}
    assert {"fear-of-disturbing-the-atmosphere", "fear-of-revealing-vulnerability"} <= hindering


def test_claims_about_a_concept(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "claims-about-concept")
    assert {row["kind"] for row in rows} == {"Interpretation", "CitedClaim"}, "chaxugeju is the authors' reading, no finding"
    assert "chaxugeju" in {row["subject"] for row in rows}


def test_claims_of_chinese_culture(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "claims-in-scope")
    assert {row["stated"] for row in rows} == {"chinese-culture"}
    assert {"Background", "Finding", "CitedClaim"} <= {row["kind"] for row in rows}


def test_findings_without_quotation(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "findings-without-quotation")
    bare = [row["statement"] for row in rows if row["evidence"] == "asserted-only"]
    assert any("willing to enter a love relation" in statement for statement in bare), "both quotations show avoidance"
    assert any("14 participants as single" in statement for statement in bare)


def test_five_kinds_of_support_are_our_reading(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "five-kinds-of-support")
    ours = {(row["kind"], row["quotation"]) for row in rows if row["basis"] == "analyst" and row["status"] == "accepted"}
    assert ours >= {
        ("emotional-support", "q07"),
        ("informational-support", "q05"),
        ("informational-support", "q17"),
        ("esteem-support", "q04"),
        ("social-network-support", "q01"),
        ("social-network-support", "q11"),
        ("tangible-support", "q06"),
        ("tangible-support", "q07"),
        ("tangible-support", "q13"),
    }
    assert all(row["coder"] and row["reason"] for row in rows)


def test_who_names_what(snapshot: Snapshot) -> None:
    named = {row["concept"]: row for row in answer(snapshot, "who-names-concepts")}
    assert named["predestined-relationship"]["participants"] == 2
    assert named["chaxugeju"]["participants"] == 0
    assert named["chaxugeju"]["authors"] > 0
    seen = {row["concept"] for row in answer(snapshot, "concepts-only-analysts-see")}
    assert seen >= {"yuanfen", "ren", "guanxi", "mianzi", "filial-piety"}
    assert not seen & {"chaxugeju", "predestined-relationship", "buddhist-compassion"}


def test_love_has_two_sources(snapshot: Snapshot) -> None:
    """The paper derives love from Confucian compassion in one place and from Buddhist compassion in another."""
    rows = answer(snapshot, "cultural-constructs-by-voice")
    voices = {(row["construct"], row["tradition"], row["voice"]) for row in rows}
    assert ("confucian-compassion", "confucianism", "authors") in voices
    assert ("buddhist-compassion", "buddhism", "authors") in voices
    assert ("buddhist-compassion", "q21", "participant") in pick(rows, "construct", "source", "voice")


def test_voices_by_condition(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "voices-by-condition")
    assert {row["participant"] for row in rows} == {"P2", "P12"}
    assert len({row["quotation"] for row in rows}) == 10
    assert {row["diagnosis"] for row in rows} == {"bipolar-disorder"}
    assert answer(snapshot, "voices-by-condition", condition="obsessive-compulsive-disorder") == []


def test_experiences_of_others(snapshot: Snapshot) -> None:
    rows = pick(answer(snapshot, "experiences-of-others"), "quotation", "concept")
    assert {("q06", "help-with-daily-medication"), ("q13", "help-with-personal-hygiene")} <= set(rows)


def test_disputed_codings(snapshot: Snapshot) -> None:
    rows = pick(answer(snapshot, "disputed-codings"), "target", "body", "status")
    assert ("q08", "mianzi", "disputed") in rows
    assert ("q17", "advocating-for-the-notion-of-group-identity", "rejected") in rows


def test_printed_against_derived(snapshot: Snapshot) -> None:
    rows = pick(answer(snapshot, "printed-against-derived"), "variable", "printed", "derived")
    assert ("single participants", "14/14", "12") in rows
    assert ("share of single participants", "100%", "85.7%") in rows
    assert not {"share of men", "mean time in day care"} & {variable for variable, _, _ in rows}, "these agree"


def test_data_issues(snapshot: Snapshot) -> None:
    rows = of_seed(answer(snapshot, "data-issues"))
    major = [row["issue"] for row in rows if row["severity"] == "major"]
    assert major == ["I01", "I06", "I08", "I13", "I16", "I17", "I19", "I30"]
    assert len(rows) == 33
    assert len([row for row in rows if row["kind"] == "check-passed"]) == 5


def test_hedges_and_quantifiers_are_the_papers_own(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "hedged-findings")
    words = {row["quantifier"] for row in rows} | {row["hedge"] for row in rows}
    assert any(word and "significant majority" in word for word in words)
    assert all(row["hedge"] or row["quantifier"] or row["hedged"] for row in rows)


def test_restatements_point_to_another_section(snapshot: Snapshot) -> None:
    rows = answer(snapshot, "restated-assertions")
    assert not {row["assertion"] for row in rows} & {row["restated"] for row in rows}
    assert any(row["section"].startswith("Abstract") and row["restatedSection"] == "1" for row in rows)


def test_recommendations_and_limitations(snapshot: Snapshot) -> None:
    wanted = {row["object"] for row in answer(snapshot, "recommendations")}
    assert {"nursing-home-with-healthcare", "tolerant-workplace", "co-design"} <= wanted
    assert {"transferability", "definition-of-peer-roles"} <= {row["object"] for row in answer(snapshot, "limitations")}


def test_study_design(snapshot: Snapshot) -> None:
    rows = pick(answer(snapshot, "study-design"), "aspect", "value")
    assert {
        ("sample size", 14),
        ("time", "2021-07/2022-02"),
        ("language", "zh"),
        ("method", "interpretative-phenomenological-analysis"),
        ("method", "snowball-sampling"),
        ("culture", "chinese-culture"),
        ("grant", "20BSH162"),
        ("ethics approval", "SJUPN-202126"),
        ("funder", "national-social-science-fund-of-china"),
    } <= set(rows)


def test_contradictions_are_found() -> None:
    """The example has none, so a graph that has two."""
    claims = {"a1": "increases asserted", "a2": "increases denied", "a3": "reduces asserted", "a4": "shapes denied"}
    store = ox.Store()
    for name, claim in claims.items():
        relation, polarity = claim.split()
        turtle = f"""@prefix kg: <{PREFIXES["kg"]}> .
            <{name}> kg:subject <s> ; kg:object <o> ; kg:relation kg:{relation} ;
              kg:polarity "{polarity}" ; kg:statement "{name}"@en ."""
        store.load(turtle.encode(), ox.RdfFormat.TURTLE, base_iri="https://example.org/")
    found = rows(run(store, QUERIES["contradictory-claims"].text, "https://example.org/"))
    assert [(row["oneStatement"], row["otherStatement"]) for row in found] == [("a1", "a2"), ("a1", "a3")]


def test_what_librarians_ask(snapshot: Snapshot) -> None:
    unused = {row["concept"] for row in answer(snapshot, "concepts-without-evidence")}
    assert not unused & {"loneliness", "sense-of-meaning"}
    labels = answer(snapshot, "labels-to-review")
    assert labels == sorted(labels, key=lambda row: (-row["uses"], row["concept"]))
    assert not {"stigma", "chaxugeju"} & {row["concept"] for row in labels}, "their Chinese names are established"
