"""Groups, material and numbers that do not add up: kept and told, never refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kgraph.build import build
from kgraph.check import check_workspace
from kgraph.counts import count_issues
from kgraph.snapshot import open_published
from kgraph.studyfile import load_study
from kgraph.workspace import Workspace

Change = Callable[..., Path]
LISTED = "participants:\n  - id: P1"
GROUP = "groups:\n  - id: walkers\n    label: {en: walkers, zh-Hans: 步行者}\n    secondary: the abstract\n%s"

# what stands in the group, further changes, the issues that follow: id, printed, derived
CASES = {
    "as many as reported": ("    size: 2\n", (), []),
    "more in groups than took part": ("    size: 3\n", (), [("count-groups", "2", "3")]),
    "fewer in groups than took part": ("    size: 1\n", (), [("count-groups", "2", "1")]),
    "a group of unknown size may make up the rest": ("", (), []),
    "women and men make up the group": ("    size: 2\n    female: 1\n    male: 1\n", (), []),
    "women and men do not": ("    size: 2\n    female: 1\n    male: 2\n", (), [("count-walkers-gender", "2", "3")]),
    "women alone may be fewer": ("    size: 2\n    female: 1\n", (), []),
    "women alone may not be more": ("    size: 2\n    female: 5\n", (), [("count-walkers-gender", "2", "5")]),
    "more members than people": (
        "    size: 1\n", ("sampleSize: 2", "sampleSize: 1", "- id: P1\n", "- id: P1\n    memberOf: walkers\n",
                          "- id: P2\n", "- id: P2\n    memberOf: walkers\n"), [("count-walkers-members", "1", "2")]),
    "parts larger than the whole": (
        "    size: 2\n  - id: fast\n    label: {en: fast, zh-Hans: 快}\n"
        "    secondary: the abstract\n    size: 4\n    partOf: walkers\n", (), [("count-walkers-parts", "2", "4")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_numbers_that_do_not_add_up_are_told(change: Change, name: str) -> None:
    group, more, issues = CASES[name]
    loaded = load_study(change(*more, "participants:\n  - id: P1", f"{GROUP % group}{LISTED}"))
    assert loaded.problems == [], "a study is not refused for its numbers"
    assert [(issue.id, issue.printed, issue.derived) for issue in count_issues(loaded.study)] == issues


def test_fewer_participants_listed_than_reported(change: Change) -> None:
    study = load_study(change("sampleSize: 2", "sampleSize: 12")).study
    (issue,) = count_issues(study)
    assert issue.statement.en == "Numbers do not add up: participants 12, people listed 2."
    assert issue.statement.zh_hans == "数目不符：参与者人数为12，所列人数为2。"


def test_nobody_is_counted_where_people_are_restricted(change: Change) -> None:
    path = change("sampleSize: 2", "sampleSize: 12", "gender: male", "gender: male\n    access: restricted")
    assert count_issues(load_study(path).study) == []


def test_an_issue_of_the_file_takes_its_place(change: Change) -> None:
    written = (
        "issues:\n  - id: count-participants\n    passages: [s2]\n    issueKind: internal-inconsistency\n    severity: note\n"
    )
    written += '    statement: {en: "Ten withdrew.", zh-Hans: "十人退出。"}\n    resolution: {en: Kept., zh-Hans: 保留。}\n'
    study = load_study(change("sampleSize: 2", "sampleSize: 12", "issues:\n", written)).study
    assert count_issues(study) == []


@pytest.mark.usefixtures("mapped")
def test_groups_material_and_gaps_are_in_the_graph(change: Change) -> None:
    more = """    size: 3
    groupKind: [individuals-with-mental-illness]
materials:
  - id: walks
    materialKind: semi-structured-in-depth-interview
    label: {en: talks while walking, zh-Hans: 边走边谈}
    itemCount: 3044
    secondary: the abstract
missing:
  - field: report.issn
    missingBecause: not-visible
    statement: {en: The journal is not named., zh-Hans: 未注明期刊。}
"""
    path = change("participants:\n  - id: P1\n", f"{GROUP % more}{LISTED}\n    memberOf: walkers\n")
    workspace = Workspace(path.parent.parent)
    build(workspace)
    snapshot = open_published(workspace)

    def ask(pattern: str) -> list[str]:
        return [row["x"].value for row in snapshot.query(f"SELECT ?x {{ {pattern} }}")]

    group = f"{snapshot.base}study/tiny-2024/group/walkers"
    assert ask("?x a kg:ParticipantGroup ; kg:groupIn <study/tiny-2024> ; kg:groupSize 3") == [group]
    assert ask("<study/tiny-2024/participant/P1> kg:memberOf ?x") == [group]
    assert ask("<study/tiny-2024> kg:hasMaterial/kg:itemCount ?x") == ["3044"]
    assert ask('?x kg:missingIn <study/tiny-2024> ; kg:missingField "report.issn" ; kg:missingBecause "not-visible"')
    assert ask('?x a kg:DataIssue ; kg:printed "2" ; kg:derived "3" ; kg:about <study/tiny-2024/group/walkers>') == []
    assert ask('?x a kg:DataIssue ; kg:printed "2" ; kg:derived "3" ; kg:inSource <study/tiny-2024>')
    report = check_workspace(workspace, with_reasoner=True)
    assert report.ok
    assert "tiny-2024 2 (0 major, 1 minor, 1 note)" in report.issues
    assert ("What is not known of studies", ["study/tiny-2024 report.issn (not-visible)"]) in [gap[:2] for gap in report.gaps]


def test_a_quotation_has_one_speaker_and_no_group(change: Change) -> None:
    path = change("spokenBy: P1", "spokenBy: walkers", "participants:\n  - id: P1", f"{GROUP % ''}{LISTED}")
    (problem,) = load_study(path).problems
    assert problem.found == "'walkers' is a group; a quotation has one speaker"
    assert "memberOf: walkers" in problem.remedy


@pytest.mark.usefixtures("mapped")
def test_themes_may_be_three_levels_deep(change: Change) -> None:
    deep = """  - id: at-the-bridge
    label: {en: "At the bridge", zh-Hans: "在桥边"}
    wording: paraphrased
    levelPrinted: "aspect"
    order: 3
    subThemeOf: being-waited-for
    passages: [s2]
quotations:
"""
    workspace = Workspace(
        change("quotations:\n", deep, "illustrates: being-waited-for", "illustrates: at-the-bridge").parent.parent
    )
    build(workspace)
    themes = open_published(workspace).query(
        "SELECT ?theme { <study/tiny-2024/quotation/q01> kg:evidences ?theme } ORDER BY ?theme"
    )
    assert [row["theme"].value.rsplit("/", 1)[1] for row in themes] == ["at-the-bridge", "being-waited-for", "company"]
    from kgraph.web import create_app

    page = create_app(workspace).test_client().get("/study/tiny-2024").get_data(as_text=True)
    assert page.index("/theme/company") < page.index("/theme/being-waited-for") < page.index("/theme/at-the-bridge")
    assert "our wording" in page
    company = create_app(workspace).test_client().get("/study/tiny-2024/theme/company").get_data(as_text=True)
    assert "/quotation/q01" in company, "a theme shows what stands under it at any depth"


def test_a_study_without_themes_is_kept_and_said(change: Change) -> None:
    path = change("    restsOn: [q01, company]\n", "")
    text = path.read_text(encoding="utf-8")
    start, end = text.index("themes:"), text.index("assertions:")
    path.write_text((text[:start] + text[end:]).replace("about: [P1, q02, r1]", "about: [P1, r1]").replace(
        "evidence: shown", "evidence: asserted-only"), encoding="utf-8")  # fmt: skip
    report = check_workspace(Workspace(path.parent.parent), with_reasoner=False)
    assert report.ok, [str(problem) for problem in report.problems]
    assert ("Studies without themes", ["study/tiny-2024"]) in [gap[:2] for gap in report.gaps]
