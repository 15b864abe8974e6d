"""`kgraph study`: a skeleton that says what it still needs, a check that says everything at once, a reading."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kgraph.workspace import Workspace

Change = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


def test_a_skeleton_names_what_it_lacks(run: Run, tiny: Workspace) -> None:
    assert run("study", "new", "brook-2025", "-w", tiny.folder)[0] == 0
    path = tiny.folder / "studies" / "brook-2025.yaml"
    code, _, complaints = run("study", "check", path)
    assert code == 1
    lines = path.read_text(encoding="utf-8").splitlines()
    named = [line.split(": ")[2] for line in complaints.splitlines()]
    assert named == ["label.en", "label.zh-Hans", "report.title", "agents.1.name"]
    for line in complaints.splitlines():
        number, field = line.split(": ")[1].rsplit(":", 1)[1], line.split(": ")[2].rsplit(".", 1)[1]
        assert lines[int(number) - 1].strip().startswith(f"{field}:")


def test_a_skeleton_that_is_filled_in_is_sound(run: Run, tiny: Workspace) -> None:
    run("study", "new", "brook-2025", "-w", tiny.folder)
    path = tiny.folder / "studies" / "brook-2025.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    filled = [f"{line} words" if line.strip() in ("en:", "zh-Hans:", "title:", "name:") else line for line in lines]
    path.write_text("\n".join(filled), encoding="utf-8")
    assert run("study", "check", "brook-2025", "-w", tiny.folder)[:2] == (
        0,
        "brook-2025.yaml is sound: 0 themes, 0 quotations, 0 assertions. Next: kgraph build\n",
    )


def test_everything_in_the_skeleton_is_right_once_uncommented(run: Run, tiny: Workspace) -> None:
    """What the comments offer is what the format takes: uncommented, the file has no fault of form."""
    article = tiny.folder / "article.txt"
    article.write_text("A sentence of the text. the words as they stand in the text\n", encoding="utf-8")
    run("study", "new", "brook-2025", "-w", tiny.folder, "--text", article)
    path = tiny.folder / "studies" / "brook-2025.yaml"
    body = path.read_text(encoding="utf-8").split('kgraph: "1"')[1]
    lines = []
    for line in ('kgraph: "1"' + body).splitlines():
        bare = line.lstrip()
        indent = len(line) - len(bare)
        lines.append(" " * indent + bare.removeprefix("# ") if bare.startswith("# ") and "hedge:" not in bare else line)
    text = "\n".join(lines)
    for key in ("en:", "zh-Hans:", "title:", "name:", "creator:"):
        text = text.replace(f"  {key}\n", f"  {key} words\n").replace(f"  {key}   ", f"  {key} words #")
    path.write_text(text, encoding="utf-8")
    code, printed, complaints = run("study", "check", path)
    assert (code, complaints) == (0, "")
    assert "is sound: 2 themes, 1 quotation, 1 assertion" in printed


def test_a_text_is_kept_as_it_is_compared(run: Run, tiny: Workspace) -> None:
    article = tiny.folder / "article.txt"
    article.write_bytes(b"\xef\xbb\xbfA cafe\xcc\x81.\r\nA line.\r\n")
    assert run("study", "new", "brook-2025", "-w", tiny.folder, "--text", article)[0] == 0
    assert (tiny.folder / "studies" / "brook-2025.txt").read_text(encoding="utf-8") == "A café.\nA line.\n"
    assert "sha256" not in run("study", "check", "brook-2025", "-w", tiny.folder)[2], "the skeleton holds the text's hash"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("Brook 2025",), "'Brook 2025' is no id. Write small letters"),
        (("tiny-2024",), "the study is there already"),
        (("brook-2025", "--text", "nowhere.txt"), "cannot be read"),
        (("brook-2025", "--coder", "A Coder"), "'A Coder' is no id"),
    ],
)
def test_what_cannot_be_begun_leaves_nothing(run: Run, tiny: Workspace, arguments: tuple[str, ...], complaint: str) -> None:
    before = sorted(path.name for path in (tiny.folder / "studies").iterdir())
    code, _, complaints = run("study", "new", *arguments, "-w", tiny.folder)
    assert code == 1
    assert complaint in complaints
    assert sorted(path.name for path in (tiny.folder / "studies").iterdir()) == before


def test_check_tells_programs_too(run: Run, tiny: Workspace, change: Change) -> None:
    path = change("subject: friendship", "subject: freindship")
    code, printed, _ = run("study", "check", path, "--json")
    told = json.loads(printed)
    assert (code, told["ok"]) == (1, False)
    (problem,) = told["problems"]
    assert problem["remedy"].startswith("Did you mean friendship")
    path = change("freindship", "friendship")
    assert json.loads(run("study", "check", path, "--json")[1]) == {"ok": True, "problems": [], "dataIssues": []}


def test_a_concept_of_the_wrong_facet_is_refused(run: Run, change: Change) -> None:
    path = change("usesMethod: [data-saturation]", "usesMethod: [hope]")
    complaints = run("study", "check", path)[2]
    assert "design.usesMethod.1: 'hope' is a concept of the facet Outcome. Name one of the facet Method" in complaints


def test_near_concepts_are_found_by_their_labels_in_both_languages(run: Run, change: Change) -> None:
    path = change("object: loneliness", "object: lonely-feelings", "subject: friendship", "subject: friendships")
    complaints = run("study", "check", path)[2]
    assert "there is no concept 'friendships'. Did you mean friendship" in complaints
    code, printed, _ = run("study", "concepts", "孤独感", "-w", path.parent.parent)
    assert code == 0
    assert "loneliness" in printed
    assert run("study", "concepts", "zzzzzz", "-w", path.parent.parent)[0] == 1


def test_show_reads_like_a_page(run: Run, tiny: Workspace) -> None:
    code, printed, _ = run("study", "show", "tiny-2024", "-w", tiny.folder)
    assert code == 0
    text = " ".join(printed.split())
    assert "A walking group 步行小组 Brook B. 2024. Walking together. https://doi.org/10.1234/walk.2024" in text
    assert "compared with it, letter by letter" in text
    assert "“I walk with her because she waits for me” P1 (q01) [hope]" in text
    assert "a001 Walking lifts the mood. friendship increases hope; in the paper’s words “may”; resting on q01, company" in text
    assert printed.index("Company") < printed.index("Being waited for") < printed.index("Findings (1)")


def test_show_never_quotes_what_was_not_seen(run: Run, change: Change) -> None:
    path = change(
        "coder: coder\nreport", 'coder: coder\nsecondary: "the abstract"\nreport', "  file: tiny-2024.txt\n", "",
        "    restsOn: [q01, company]\n    evidence: shown", "    restsOn: [company]\n    evidence: shown",
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    start, end = text.index("quotations:"), text.index("assertions:")
    text = text[:start] + text[end:]
    start, end = text.index("source:"), text.index("agents:")
    path.write_text((text[:start] + text[end:]).replace("about: [P1, q02, r1]", "about: [P1, r1]"), encoding="utf-8")
    code, printed, complaints = run("study", "show", path)
    assert (code, complaints) == (0, "")
    assert "Known from: the abstract. No sentence of the paper was at hand." in " ".join(printed.split())
    assert "“I walk" not in printed


def test_a_study_that_is_not_there_is_named_with_near_ones(run: Run, tiny: Workspace) -> None:
    code, _, complaints = run("study", "show", "tiny-2025", "-w", tiny.folder)
    assert code == 1
    assert "there is no study 'tiny-2025'. Did you mean tiny-2024?" in complaints
    assert "there is no such file" in run("study", "check", tiny.folder / "no.yaml")[2]
