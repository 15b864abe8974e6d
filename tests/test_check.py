"""`kgraph check` passes what is sound, and names the culprit in what is broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harvests import made_up_records, put_harvest, record
from kgraph import check, reasoner
from kgraph.check import CheckReport, check_workspace
from kgraph.cli import app
from kgraph.workspace import Workspace

Change = Callable[..., Path]
CHECKS = ["schema", "links", "concepts", "anchors", "turtle", "mappings", "works", "shapes", "graph", "questions", "reasoner"]
LATER = CHECKS[7:]
HERMIT = pytest.mark.skipif(shutil.which("java") is None, reason="the reasoner needs Java")


def result_of(report: CheckReport) -> dict[str, str]:
    return {result.name: result.result for result in report.results}


@HERMIT
def test_the_example_is_clean(workspace: Workspace) -> None:
    ran = CliRunner().invoke(app, ["check", "--json", "-w", str(workspace.folder)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert [(item["name"], item["result"].split(",")[0]) for item in told["checks"]] == [(name, "ok") for name in CHECKS]
    assert told["ok"]
    assert {problem["severity"] for problem in told["problems"]} == {"note"}, "gaps are named, and nothing is wrong"
    assert told["dataIssues"].startswith("fan-2024 "), "the paper's own inconsistencies are no fault of the data"
    assert "31 quotations" in told["checks"][3]["lookedAt"]


BROKEN = {
    "schema": (
        "kind: Finding",
        "kind: finding",
        "studies/tiny-2024.yaml",
        "assertions.1.kind",
        "'finding' is not one of the values",
    ),
    "links": ("spokenBy: P2", "spokenBy: P7", "studies/tiny-2024.yaml", "quotations.2.spokenBy", "there is no participant 'P7'"),
    "concepts": ("concept: hope", "concept: hopee", "studies/tiny-2024.yaml", "themes.2.codings.1.concept", "no concept 'hopee'"),
    "anchors": ("me at home", "me at hone", "studies/tiny-2024.yaml", "quotations.2.exact.1", "not in the source text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_in_a_study_file_fails_its_check(tiny: Workspace, change: Change, name: str) -> None:
    old, new, file, field, found = BROKEN[name]
    change(old, new)
    report = check_workspace(tiny)
    assert not report.ok
    wanted = {other: "1 wrong" if other == name else "ok" for other in CHECKS[:7]}
    assert result_of(report) == wanted | dict.fromkeys(LATER, "skipped: mend the above first")
    (problem,) = report.problems
    assert (problem.check, problem.field) == (name, field)
    assert problem.file == str(tiny.folder / file)
    assert problem.line
    assert found in problem.found
    assert problem.remedy


def test_a_changed_source_text_fails(tiny: Workspace) -> None:
    text = tiny.folder / "studies" / "tiny-2024.txt"
    text.write_text(text.read_text(encoding="utf-8") + "One more line.\n", encoding="utf-8")
    report = check_workspace(tiny)
    assert result_of(report)["anchors"] == "1 wrong"
    assert report.problems[0].field == "source.sha256"


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        (b"@prefix a: <b:> .\na:x a:y ;;; .\n oops", 2, "Parser error"),
        (b"<a:x> <a:y> caf\xe9 .\n", 1, "is not UTF-8"),
        (b"<a:x> <a:y> <a:\x07z> .\n", 1, "control character U+0007"),
        (b"<a:x> <a:y> <http://a b> .\n", 1, "Parser error"),
        (b"<a:x> <a:y> .\n", 1, "Parser error"),
    ],
)
def test_broken_turtle_fails(tiny: Workspace, content: bytes, line: int, found: str) -> None:
    (tiny.folder / "ontology").mkdir()
    path = tiny.folder / "ontology" / "own.ttl"
    path.write_bytes(content)
    report = check_workspace(tiny)
    assert result_of(report)["turtle"] == "1 wrong"
    (problem,) = report.problems
    assert (problem.check, problem.file, problem.line) == ("turtle", str(path), line)
    assert found in problem.found
    assert problem.remedy


FAULTS = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix concept: <https://w3id.org/kgraph/concept/> .
@prefix kg: <https://w3id.org/kgraph/ontology#> . @prefix dcterms: <http://purl.org/dc/terms/> .
concept:river-walk a skos:Concept , kg:Mechanism ; skos:prefLabel "river walk"@en ; skos:broader concept:lake-walk ;
  dcterms:identifier "river-walk" ; skos:inScheme <https://w3id.org/kgraph/scheme/mechanism> ; kg:labelStatus "back-translated" ;
  skos:definition "A walk by a river."@en , "沿河步行。"@zh-Hans ; dcterms:source "general knowledge, unchecked" .
concept:lake-walk a skos:Concept , kg:Mechanism ; skos:prefLabel "lake walk"@en , "湖畔步行"@zh-Hans ;
  skos:broader concept:river-walk ; dcterms:identifier "lake-walk" ;
  skos:inScheme <https://w3id.org/kgraph/scheme/mechanism> ; kg:labelStatus "back-translated" ;
  skos:definition "A walk by a lake."@en , "沿湖步行。"@zh-Hans ; dcterms:source "general knowledge, unchecked" .
<https://example.org/kg/study/tiny-2024/quotation/q01> kg:spokenBy <https://example.org/kg/study/tiny-2024/participant/P2> .
"""


@HERMIT
def test_shapes_graph_and_reasoner_name_the_culprit(tiny: Workspace) -> None:
    """A concept without a Chinese label, a circle of broader concepts, a quotation with two speakers."""
    (tiny.folder / "ontology").mkdir()
    (tiny.folder / "ontology" / "own.ttl").write_text(FAULTS, encoding="utf-8")
    report = check_workspace(tiny)
    assert not report.ok
    found = {name: [str(p) for p in report.problems if p.check == name] for name in {p.check for p in report.problems}}
    assert any("concept:river-walk skos:prefLabel" in text and "zh-Hans" in text for text in found["shapes"])
    assert any("study/tiny-2024/quotation/q01 kg:spokenBy" in text and "exactly one speaker" in text for text in found["shapes"])
    assert any("concept:lake-walk stands above itself" in text for text in found["broader-cycle"])
    (clash,) = found["reasoner"]
    assert "q01 spokenBy P2" in clash
    assert "q01 spokenBy P1" in clash
    results = result_of(report)
    assert all("wrong" in results[name] for name in ("shapes", "graph", "reasoner"))
    assert results["anchors"] == "ok"


def test_without_java_the_reasoner_is_skipped_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert reasoner.java() is None
    assert check._reason([], wanted=True).result == "skipped: Java is not installed"
    assert check._reason([], wanted=False).result == "skipped: not asked for"


def test_people_and_programs_are_told_the_same(tiny: Workspace, change: Change) -> None:
    path = change("spokenBy: P2", "spokenBy: P7", "concept: hope", "concept: hopee")
    for_people = CliRunner().invoke(app, ["check", "-w", str(tiny.folder)])
    for_programs = CliRunner().invoke(app, ["check", "--json", "-w", str(tiny.folder)])
    assert for_people.exit_code == for_programs.exit_code == 1
    told = json.loads(for_programs.stdout)
    assert told["ok"] is False
    assert {item["name"]: item["result"] for item in told["checks"]}["links"] == "1 wrong"
    for problem in told["problems"]:
        assert set(problem) == {"found", "remedy", "file", "line", "field", "severity", "check"}
        where = f"{problem['file']}:{problem['line']}: {problem['field']}: {problem['found']}. {problem['remedy']}"
        assert f"error [{problem['check']}] {where}\n" in for_people.stdout
    assert (
        f"error [links] {path}:92: quotations.2.spokenBy: there is no participant 'P7'. There are: P1, P2\n" in for_people.stdout
    )
    assert for_people.stdout.endswith("Something is wrong: see above\n")


def test_a_file_that_cannot_be_read_at_all_is_an_answer_too(tiny: Workspace) -> None:
    tiny.study_files()[0].write_bytes(b"\xff")
    ran = CliRunner().invoke(app, ["check", "--json", "-w", str(tiny.folder)])
    assert ran.exit_code == 1
    (problem,) = json.loads(ran.stdout)["problems"]
    assert (problem["check"], problem["line"]) == ("schema", 1)
    (tiny.folder / "kgraph.toml").write_text('nam = "x"\n')
    ran = CliRunner().invoke(app, ["check", "--json", "-w", str(tiny.folder)])
    assert ran.exit_code == 1
    (problem,) = json.loads(ran.stdout)["problems"]
    assert (problem["field"], problem["line"]) == ("nam", 1)


def test_a_retracted_work_that_a_study_rests_on_is_told(tiny: Workspace) -> None:
    retracted = record(1, doi="https://doi.org/10.1234/walk.2024", is_retracted=True)
    put_harvest(tiny, "few", [retracted, record(2, is_retracted=True)])
    report = check_workspace(tiny, with_reasoner=False)
    found = [problem for problem in report.problems if problem.check == "works"]
    assert [(p.severity, p.found, Path(p.file).name) for p in found] == [
        ("warning", "report is retracted, says OpenAlex", "tiny-2024.yaml")
    ]
    assert result_of(report)["works"] == "1 to look at"


def test_works_that_the_ledger_does_not_tell_of_are_wrong(tiny: Workspace) -> None:
    put_harvest(tiny, "few", made_up_records(), sha256="0" * 64)
    report = check_workspace(tiny, with_reasoner=False)
    assert [Path(p.file).name for p in report.problems if p.check == "works"] == ["works.jsonl.gz"]
    assert not report.ok
