"""Questions across the example's seven studies; expected rows are facts of the studies, read in what is known of them."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from kgraph.build import build
from kgraph.snapshot import Snapshot
from kgraph.web import create_app
from kgraph.web.across import across
from kgraph.workspace import Workspace

FAN, NEW_ZEALAND, NORWAY = "fan-2024", "nz2022-band-together", "strand2020-reconnect"
ENGLAND, YOUTUBE, SINGAPORE = "gillard2013-peer-worker-roles", "naslund2014-youtube", "ng-barlas2023-singapore-ipa"
SWEDEN = "schon2010-identification"
ABSTRACTS = {NEW_ZEALAND, NORWAY, ENGLAND, YOUTUBE, SINGAPORE, SWEDEN}
FIRST, SECOND = "first", "second"


def short(value: Any) -> Any:
    return re.split("[/#]", value)[-1] if isinstance(value, str) and value.startswith("http") else value


def ask(snapshot: Snapshot, name: str, *columns: str, **parameters: str) -> list[tuple[Any, ...]]:
    """The rows of a question in some columns, IRIs cut to their last part, each row once, in order."""
    return list(dict.fromkeys(tuple(short(row[c]) for c in columns) for row in snapshot.ask(name, **parameters)))


SAYS = {  # concept: who says it in which order of construct, from which culture
    "self-disclosure": {
        (FAN, "chinese-culture", FIRST), (FAN, "chinese-culture", SECOND),
        (NORWAY, "norwegian-culture", SECOND), (YOUTUBE, None, SECOND),
    },
    "social-isolation": {
        (FAN, "chinese-culture", FIRST), (FAN, "chinese-culture", SECOND),
        (YOUTUBE, None, SECOND), (SWEDEN, "swedish-culture", SECOND),
    },
    "reciprocity": {(FAN, "chinese-culture", FIRST), (FAN, "chinese-culture", SECOND), (YOUTUBE, None, SECOND)},
    "stigma": {
        (FAN, "chinese-culture", FIRST), (FAN, "chinese-culture", SECOND), (SINGAPORE, "singaporean-culture", SECOND),
        (NEW_ZEALAND, "new-zealand-culture", SECOND),
    },
    "hope": {(FAN, "chinese-culture", SECOND), (YOUTUBE, None, SECOND)},
}  # fmt: skip


@pytest.mark.parametrize("concept", SAYS)
def test_who_says_it_from_which_culture_in_which_order(snapshot: Snapshot, concept: str) -> None:
    assert set(ask(snapshot, "concept-across-studies", "study", "culture", "order", concept=concept)) == SAYS[concept]


def test_only_the_study_that_was_read_gives_words(snapshot: Snapshot) -> None:
    for concept in SAYS:
        rows = ask(snapshot, "concept-across-studies", "study", "order", "anchorStatus", concept=concept)
        assert all((status == "verified") == (study == FAN) for study, _, status in rows)
        assert all(study == FAN for study, order, _ in rows if order == FIRST)


def test_themes_meet_in_concepts(snapshot: Snapshot) -> None:
    rows = set(ask(snapshot, "themes-meeting", "concept", "oneLabel", "otherLabel"))
    assert {
        ("self-disclosure", "Balance and multiple roles within the relationship", "Towards self-disclosure and openness"),
        ("social-connectedness", "Fulfilling a need to connect", "Connection"),
        ("social-connectedness", "Connection", "Enabling connectedness"),
        ("supporting-others", "Supporting others while empowering oneself", "Desire to improve the unit experience for others"),
        ("in-between-position", "Impact on identity", "Balancing on a bridge"),
    } <= rows


def test_links_that_two_studies_state(snapshot: Snapshot) -> None:
    columns = ("subject", "relation", "object", "study", "kind", "anchorStatus")
    assert {
        ("peer-support", "reduces", "social-isolation", FAN, "CitedClaim", "verified"),
        ("peer-support", "reduces", "social-isolation", SWEDEN, "Finding", "secondary"),
    } <= set(ask(snapshot, "links-in-several-studies", *columns))


def test_a_chain_that_no_study_states_alone(snapshot: Snapshot) -> None:
    rows = ask(
        snapshot, "chains-across-studies", "firstRelation", "middle", "secondRelation", "last", "firstStudy", "secondStudy",
        concept="naturally-occurring-peer-support",
    )  # fmt: skip
    assert ("reduces", "stigma", "increases", "avoidance-of-social-situations", NEW_ZEALAND, FAN) in rows
    assert all(first != second for *_, first, second in rows)


def test_silence_is_told_with_what_it_means(snapshot: Snapshot) -> None:
    assert ask(snapshot, "studies-silent-on", "study", "anchorStatus", concept="self-disclosure") == [
        (ENGLAND, "secondary"), (SINGAPORE, "secondary"), (NEW_ZEALAND, "secondary"), (SWEDEN, "secondary"),
    ]  # fmt: skip


def test_no_study_contradicts_another(snapshot: Snapshot) -> None:
    assert ask(snapshot, "studies-that-differ", "subject", "object") == []


def test_studies_of_one_method(snapshot: Snapshot) -> None:
    method = "interpretative-phenomenological-analysis"
    rows = set(ask(snapshot, "studies-by-method", "study", "country", "sampleSize", method=method))
    assert rows == {(FAN, "CN", 14), (SINGAPORE, "SG", 6)}
    rows = set(ask(snapshot, "studies-by-method", "study", "sampleSize", method="grounded-theory"))
    assert rows == {(ENGLAND, 41), (SWEDEN, None)}, "27 interviews are no 27 people"
    assert ask(snapshot, "studies-by-method", "study", method="online-ethnography") == [(YOUTUBE,)]


def test_what_studies_of_qualitative_analysis_have_in_common(snapshot: Snapshot) -> None:
    rows = ask(snapshot, "concepts-of-studies-by-method", "concept", "studies", method="qualitative-analysis")
    assert rows[0] == ("social-connectedness", 3)


def test_each_study_has_its_own_unit(snapshot: Snapshot) -> None:
    assert {(study, number) for study, number in ask(snapshot, "what-was-analysed", "study", "number") if number} == {
        (FAN, 14), (NORWAY, 3), (NORWAY, 10), (YOUTUBE, 3044), (YOUTUBE, 19), (SWEDEN, 27),
    }  # fmt: skip


def test_people_are_known_one_by_one_or_together(snapshot: Snapshot) -> None:
    rows = set(ask(snapshot, "people-by-study", "study", "sampleSize", "listed", "groupSize"))
    assert {(FAN, 14, 14, None), (NORWAY, 14, None, 14), (ENGLAND, 41, None, 41), (SINGAPORE, 6, None, 6)} <= rows
    assert {study for study, size, _, _ in rows if size is None} == {NEW_ZEALAND, YOUTUBE, SWEDEN}


def test_what_is_not_known_is_said(snapshot: Snapshot) -> None:
    rows = set(ask(snapshot, "what-is-not-known", "study", "field", "because"))
    assert {
        (NEW_ZEALAND, "report.authors", "not-visible"),
        (NEW_ZEALAND, "design.sampleSize", "not-visible"),
        (YOUTUBE, "design.inCulture", "not-visible"),
        (SWEDEN, "design.sampleSize", "not-visible"),
    } <= rows
    assert {(study, "quotations", "not-visible") for study in ABSTRACTS} <= rows


def test_how_surely_each_study_is_known(snapshot: Snapshot) -> None:
    rows = ask(snapshot, "how-surely-known", "study", "anchorStatus", "assertions", "themes", "quotations")
    assert rows[0] == (FAN, "verified", 321, 11, 31)
    assert {(study, status) for study, status, *_ in rows[1:]} == {(study, "secondary") for study in ABSTRACTS}
    assert {study: themes for study, _, _, themes, _ in rows} == {
        FAN: 11, NEW_ZEALAND: 3, NORWAY: 6, ENGLAND: 5, YOUTUBE: 4, SINGAPORE: 4, SWEDEN: 4,
    }  # fmt: skip
    assert all(quotations == 0 for *_, quotations in rows[1:])


def test_concepts_of_which_no_participant_is_heard(snapshot: Snapshot) -> None:
    rows = dict(ask(snapshot, "only-second-order", "concept", "studies"))
    assert rows["social-connectedness"] == 3
    assert rows["hope"] == 2
    assert "self-disclosure" not in rows


def test_concepts_that_several_studies_speak_of(snapshot: Snapshot) -> None:
    rows = {
        concept: counts for concept, *counts in ask(snapshot, "concepts-in-several-studies", "concept", "studies", "cultures")
    }
    assert rows["stigma"] == [3, 3]
    assert rows["social-isolation"] == [3, 2], "the culture of those who comment on videos is not known"
    assert all(studies > 1 for studies, _ in rows.values())


def test_forms_of_support_differ_by_study(snapshot: Snapshot) -> None:
    rows = set(ask(snapshot, "forms-of-support-by-study", "study", "form"))
    assert {study for study, form in rows if form == "naturally-occurring-peer-support"} == {FAN, NEW_ZEALAND, YOUTUBE}
    assert {(NORWAY, "blended-peer-support"), (NORWAY, "moderated-peer-support")} <= rows


def test_barriers_differ_by_culture(snapshot: Snapshot) -> None:
    def barriers(culture: str) -> set[tuple[Any, ...]]:
        return set(ask(snapshot, "barriers-by-culture", "barrier", "study", culture=culture))

    assert {("role-ambiguity", ENGLAND), ("team-hierarchy", ENGLAND)} <= barriers("english-culture") < barriers("western-culture")
    assert {study for _, study in barriers("chinese-culture")} == {FAN}


def test_a_construct_and_what_it_resembles(snapshot: Snapshot) -> None:
    rows = ask(snapshot, "counterparts-of-construct", "other", "culture", construct="chaxugeju")
    assert {("whanaungatanga", "maori-culture"), ("amae", "japanese-culture"), ("ubuntu", "southern-african-culture")} <= set(
        rows
    )
    assert all(row["note"] and row["source"] for row in snapshot.ask("counterparts-of-construct", construct="chaxugeju"))
    assert ("whanaungatanga",) in ask(snapshot, "constructs-no-study-names", "construct", culture="maori-culture")
    assert ("chaxugeju",) not in ask(snapshot, "constructs-no-study-names", "construct", culture="chinese-culture")


def test_levels_and_wording_of_themes_are_the_authors(snapshot: Snapshot) -> None:
    rows = set(ask(snapshot, "theme-levels", "study", "level", "wording"))
    assert {(SINGAPORE, "superordinate theme", "unchecked"), (SWEDEN, "category", "unchecked")} <= rows
    wordings = [wording for study, _, wording in ask(snapshot, "theme-levels", "study", "theme", "wording") if study == ENGLAND]
    assert sorted(wordings) == ["paraphrased"] * 4 + ["printed"], "only the first heading was seen in its own words"


def test_doubtful_places_of_sub_themes_are_codings(snapshot: Snapshot) -> None:
    rows = ask(snapshot, "doubtful-sub-themes", "study", "subTheme", "theme", "basis", "confidence")
    assert rows == [
        (NORWAY, "dilemmas-of-anonymity-and-confidentiality", "balancing-anonymity-and-openness", "analyst", 0.75),
        (NORWAY, "networks-in-the-local-community", "enabling-connectedness", "analyst", 0.75),
        (NORWAY, "new-friendships", "enabling-connectedness", "analyst", 0.75),
        (NORWAY, "towards-self-disclosure-and-openness", "balancing-anonymity-and-openness", "analyst", 0.75),
    ]


def test_mappings_of_a_concept(snapshot: Snapshot) -> None:
    rows = ask(snapshot, "mappings-of-concept", "relation", "target", "label", concept="self-disclosure")
    assert rows == [("closeMatch", "D012650", "Self Disclosure")]


def row(study: str, thing: str, relation: str, subject: str, object_: str, polarity: str = "asserted") -> dict[str, Any]:
    model = "https://w3id.org/kgraph/ontology#"
    return {
        "about": "x", "study": study, "kind": f"{model}Finding", "thing": thing, "subject": subject, "object": object_,
        "relation": model + relation, "polarity": polarity, "voice": "authors",
    }  # fmt: skip


def placed(*studies: str) -> list[dict[str, Any]]:
    return [{"study": study, "culture": None, "country": None, "anchorStatus": "verified"} for study in studies]


def test_a_theme_that_its_authors_name_is_not_an_analysts_reading() -> None:
    theme = row("s1", "t1", "increases", "x", "y") | {"kind": "https://w3id.org/kgraph/ontology#Theme"}
    rows = [theme | {"voice": "authors"}, theme | {"voice": "analyst"}]
    for given in (rows, rows[::-1]):
        (voice,) = across(given, placed("s1")).voices
        assert [row["voice"] for row in voice.themes] == ["authors"]


def test_links_go_by_what_they_say() -> None:
    rows = [
        row("s1", "a1", "increases", "x", "y"),
        row("s2", "a2", "increases", "x", "y"),
        row("s1", "a3", "hinders", "z", "x"),
        row("s1", "a4", "explains", "x", "w"),
        row("s1", "a5", "increases", "x", "v", "denied"),
    ]
    found = across(rows, placed("s1", "s2", "s3"))
    told = {key: [(link.other, sorted(link.studies)) for link in links] for key, links in found.links.items()}
    assert told == {
        (False, "more"): [("y", ["s1", "s2"])],
        (True, "less"): [("z", ["s1"])],
        (False, ""): [("v", ["s1"]), ("w", ["s1"])],
    }
    assert [voice.study for voice in found.silent] == ["s3"]


def differing(*rows: dict[str, Any]) -> list[bool]:
    return [link.differs for links in across(list(rows), placed("s1", "s2")).links.values() for link in links]


@pytest.mark.parametrize(("second", "polarity"), [("reduces", "asserted"), ("hinders", "asserted"), ("increases", "denied")])
def test_studies_that_differ_are_marked(second: str, polarity: str) -> None:
    first = row("s1", "a1", "increases", "x", "y")
    assert differing(first, row("s2", "a2", second, "x", "y", polarity)) == [True, True]
    assert differing(first, row("s1", "a2", second, "x", "y", polarity)) == [False, False], "a study may say both"
    assert differing(first, row("s2", "a2", second, "y", "x", polarity)) == [False, False], "the other way round is another link"
    assert differing(first, row("s2", "a2", "enables", "x", "y")) == [False, False]


def test_the_page_of_a_concept_sets_studies_side_by_side(client: FlaskClient) -> None:
    page = client.get("/concept/self-disclosure").get_data(as_text=True)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "3 of 7 studies speak of it or of a narrower concept" in text
    assert "What 2 of them say is known from a secondary source only" in text
    assert f'href="/study/{NORWAY}/theme/towards-self-disclosure-and-openness"' in page
    assert "does not mean that it found nothing" in text


def test_the_page_of_a_construct_says_what_differs_elsewhere(client: FlaskClient) -> None:
    page = client.get("/concept/chaxugeju").get_data(as_text=True)
    assert "Compared with constructs of other cultures" in page
    assert 'href="/concept/whanaungatanga"' in page
    assert f'href="/study/{ENGLAND}"' in page, "blurred boundaries, related to it, are spoken of in England"


def test_secondary_is_counted_apart_and_never_quoted(client: FlaskClient) -> None:
    page = client.get(f"/study/{YOUTUBE}").get_data(as_text=True)
    assert "Known from notes on the abstract" in page
    assert "What is not known" in page
    assert "<blockquote" not in page
    page = client.get("/concept/hope").get_data(as_text=True)
    assert "known from a secondary source)" in page
    statement = client.get(f"/study/{YOUTUBE}/assertion/a004").get_data(as_text=True)
    assert "told in our words" in statement
    assert "<mark" not in statement


def test_comparisons_have_their_page_under_any_base(tiny: Workspace) -> None:
    settings = tiny.folder / "kgraph.toml"
    base = "https://example.org/other/"
    text = re.sub(r"^base = .*\n", "", settings.read_text(encoding="utf-8"), flags=re.MULTILINE)
    settings.write_text(f'base = "{base}"\n{text}', encoding="utf-8")
    workspace = Workspace(tiny.folder)
    build(workspace)
    other = create_app(workspace).test_client()
    page = other.get("/concept/chaxugeju").get_data(as_text=True)
    assert 'href="/counterpart/chaxugeju-and-whanaungatanga"' in page
    assert other.get("/counterpart/chaxugeju-and-whanaungatanga").status_code == 200
