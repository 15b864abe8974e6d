"""A mistake in a study file is found, and the message says where it is and how to mend it."""
# ruff: noqa: E501 - tables

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kgraph.errors import KgraphError, Problem
from kgraph.mapped import vocabulary
from kgraph.studyfile import LoadedStudy, load_study
from kgraph.vocabulary import Vocabulary
from kgraph.workspace import Workspace

Change = Callable[..., Path]
TINY = Path(__file__).parent / "data" / "tiny"
CODINGS = "    translatedFrom: nb\n    codings:\n"
CODED = "      - {concept: hope, basis: authors, confidence: 1, reason: Said twice., creator: %s}\n"


@cache
def concepts() -> Vocabulary:
    return vocabulary(Workspace(TINY))


def load(path: Path) -> LoadedStudy:
    return load_study(path, concepts())


def problems_of(path: Path) -> list[Problem]:
    """What is wrong with a study file, whether it could be read as a study or not."""
    try:
        return load(path).problems
    except KgraphError as error:
        return error.problems


def line_of(path: Path, text: str) -> int:
    content = path.read_text(encoding="utf-8")
    return content[: content.index(text)].count("\n") + 1


def test_the_studies_are_sound(workspace: Workspace, tiny: Workspace) -> None:
    for path in [*workspace.study_files(), *tiny.study_files()]:
        assert load(path).problems == []


def test_countries_and_texts_stay_what_they_are(tiny: Workspace) -> None:
    study = load(tiny.study_files()[0]).study
    assert study.design.spatial[0].country_code == "NO"
    assert study.participants[0].age_printed == "41-45"


@pytest.mark.parametrize("text", ["no", "1.10", "12:30:45", "007", "true", "2024-01-02", "1e3"])
def test_words_that_look_like_values_stay_words(change: Change, text: str) -> None:
    assert load(change('hedge: "may"', f"hedge: {text}")).study.assertions[0].hedge == text


# what is changed, the text on the line that is named, field, part of the message, part of the remedy, check
WRONG: dict[str, tuple[tuple[str, ...], str, str, str, str, str]] = {
    "missing participant": (
        ("spokenBy: P2", "spokenBy: P7"), "spokenBy: P7",
        "quotations.2.spokenBy", "there is no participant 'P7'", "There are: P1, P2", "links"),
    "unknown concept": (
        ("concept: hope", "concept: hopee"), "concept: hopee",
        "themes.2.codings.1.concept", "there is no concept 'hopee'", "Did you mean hope", "concepts"),
    "unknown concept as subject": (
        ("subject: friendship", "subject: friendshop"), "friendshop",
        "assertions.1.subject", "'friendshop'", "Did you mean friendship", "concepts"),
    "wrong letter": (
        ("Nobody waits for me at home", "Nobody waits for me at hone"), "at hone",
        "quotations.2.exact.1", "not in the source text: «Nobody waits for me at hone»",
        "Did you mean: «Nobody waits for me\nat home»".replace("\n", " "), "anchors"),
    "words that occur twice": (
        ('    suffix: "They walk"\n', ""), "Walking is good.",
        "passages.5.exact.1", "occur 2 times", "Give the words just before (prefix)", "anchors"),
    "wrong words around": (
        ('suffix: "They walk"', 'suffix: "They run"'), "Walking is good.",
        "passages.5.exact.1", "only with other words around", "prefix", "anchors"),
    "printed reference": (
        ("printedAs: \"Rivers A.", "printedAs: \"River A."), "printedAs",
        "references.1.printedAs", "not in the source text", "Did you mean: «Rivers A.", "anchors"),
    "duplicate key": (
        ("    spokenBy: P2\n", "    spokenBy: P2\n    spokenBy: P1\n"), "spokenBy: P1\n    illustrates: being-waited-for\n    exact: [\"Nob",
        "spokenBy", "stands twice, first on line", "Keep one", ""),
    "country in words": (
        ("countryCode: NO", "countryCode: Norway"), "countryCode",
        "design.spatial.1.countryCode", "'Norway' has not the right form", "two capital letters", "schema"),
    "country in small letters": (
        ("countryCode: NO", "countryCode: no"), "countryCode",
        "design.spatial.1.countryCode", "'no' has not the right form", "NO", "schema"),
    "wrong hash": (
        ('sha256: "', 'sha256: "' + 64 * "0" + '" # '), "sha256",
        "source.sha256", "is not the text that was coded", "If the change is meant, write sha256: ", "source"),
    "text of another name": (
        ("file: tiny-2024.txt", "file: ../../secret.txt"), "secret.txt",
        "source.file", "not named like the study file", "Name it tiny-2024.txt", "source"),
    "circle of themes": (
        ("subThemeOf: company", "subThemeOf: being-waited-for"), "subThemeOf",
        "themes.2.subThemeOf", "comes back to itself", "Break the circle", "links"),
    "circle of restatements": (
        ('hedge: "may"', "restates: a001"), "restates",
        "assertions.1.restates", "comes back to itself", "Break the circle", "links"),
    "coded twice": (
        (CODINGS, CODINGS + CODED % "coder"), "concept: hope\n        basis: participant",
        "quotations.1.codings.2", "q01 is coded twice as hope by coder", "Keep one", "links"),
    "confidence above one": (
        ("confidence: 0.9", "confidence: 1.5"), "confidence: 1.5",
        "quotations.1.codings.1.confidence", "'1.5' is too large", "up to 1", "schema"),
    "confidence below nought": (
        ("confidence: 0.9", "confidence: -1"), "confidence: -1",
        "quotations.1.codings.1.confidence", "'-1' is too small", "from 0", "schema"),
    "confidence in words": (
        ("confidence: 0.9", "confidence: high"), "confidence: high",
        "quotations.1.codings.1.confidence", "'high' is no number", "0.5", "schema"),
    "not a number": (
        ("yearsInService: 2.5", "yearsInService: nan"), "yearsInService",
        "participants.1.yearsInService", "'nan' is no number", "0.5", "schema"),
    "no whole number": (
        ("sampleSize: 2", "sampleSize: two"), "sampleSize",
        "design.sampleSize", "'two' is no whole number", "digits", "schema"),
    "unknown key": (
        ("hedge:", "hedges:"), "hedges",
        "assertions.1.hedges", "this key is not known", "Did you mean hedge", "schema"),
    "unknown key, nothing near": (
        ("    section: \"1\"\n", "    section: \"1\"\n    xyz: 1\n"), "xyz",
        "assertions.1.xyz", "this key is not known", "Known here: passages", "schema"),
    "unknown value": (
        ("kind: Finding", "kind: finding"), "kind: finding",
        "assertions.1.kind", "'finding' is not one of the values", "'Finding', 'CitedClaim'", "schema"),
    "missing key": (
        ("    relation: increases\n", ""), "id: a001",
        "assertions.1.relation", "this key is missing", "Add relation", "schema"),
    "text for a list": (
        ("passages: [s3]", "passages: s3"), "passages: s3",
        "assertions.1.passages", "a list is wanted", "[one, another]", "schema"),
    "nothing for a list": (
        ("passages: [s3]", "passages:"), "passages:\n",
        "assertions.1.passages", "a list is wanted", "[one, another]", "schema"),
    "mapping for a text": (
        ('hedge: "may"', "hedge: {a: b}"), "hedge",
        "assertions.1.hedge", "a text is wanted", "quotation marks", "schema"),
    "text for a mapping": (
        ('label: {en: "Company", zh-Hans: "陪伴"}', "label: Company"), "label: Company",
        "themes.1.label", "keys with values", "key: value", "schema"),
    "label in one language": (
        ('label: {en: "Company", zh-Hans: "陪伴"}', 'label: {en: "Company"}'), 'label: {en: "Company"}',
        "themes.1.label.zh-Hans", "this key is missing", "Add zh-Hans", "schema"),
    "no words": (
        ('exact: ["Nobody waits for me at home"]', "exact: []"), "exact: []",
        "quotations.2.exact", "nothing stands here", "Write it", "schema"),
    "language tag": (
        ("translatedFrom: nb", "translatedFrom: Bokmål!"), "Bokmål",
        "quotations.1.translatedFrom", "has not the right form", "BCP 47", "schema"),
    "address": (
        ("https://creativecommons.org/licenses/by/4.0/", "javascript:alert(1)"), "javascript",
        "source.license", "has not the right form", "http:// or https://", "schema"),
    "address that breaks RDF": (
        ("https://creativecommons.org/licenses/by/4.0/", "https://x.org/<b>"), "x.org",
        "source.license", "has not the right form", "http:// or https://", "schema"),
    "slug": (
        ("id: being-waited-for", "id: Being_Waited"), "Being_Waited",
        "themes.2.id", "'Being_Waited' has not the right form", "small letters", "schema"),
    "path for an id": (
        ("id: tiny-2024", "id: ../x"), "../x",
        "id", "'../x' has not the right form", "small letters", "schema"),
    "id and file name": (
        ("id: tiny-2024", "id: tiny-2025"), "tiny-2025",
        "id", "the study 'tiny-2025' stands in tiny-2024.yaml", "Name the file tiny-2025.yaml", "schema"),
    "concept and theme": (
        ("- concept: hope\n        basis: authors", "- concept: hope\n        theme: company\n        basis: authors"), "- concept: hope",
        "themes.2.codings.1", "either a concept or a theme", "", "schema"),
    "version of the format": (
        ('kgraph: "1"', 'kgraph: "2"'), 'kgraph: "2"',
        "kgraph", "'2' is not one of the values", "Write one of '1'", "schema"),
    "same id twice": (
        ("id: q02", "id: q01"), "id: q01\n    spokenBy: P2",
        "quotations.2.id", "'q01' stands 2 times", "its own", "links"),
    "same reference twice": (
        ("issues:\n", '  - {number: 1, printedAs: "Rivers A.", work: {title: x}}\nissues:\n'), "{number: 1",
        "references.2.number", "1 stands 2 times", "its own", "links"),
    "an id of two kinds": (
        ("id: P2\n", "id: company\n", "spokenBy: P2", "spokenBy: company"), "id: company\n    label",
        "themes.1.id", "'company' names participants too", "another id", "links"),
    "a passage named like a quotation": (
        ("- id: s5", "- id: q01"), "- id: q01\n    exact: [\"Walking",
        "passages.5.id", "'q01' names a quotation too", "another id", "links"),
    "a passage named like a fragment": (
        ('exact: ["Walking is good."]\n    suffix: "They walk"', 'exact: ["Walking together", "Background"]\n  - id: s5-2\n    exact: ["lift"]'), "s5-2",
        "passages.6.id", "'s5-2' names a fragment of s5 too", "another id", "links"),
    "cited twice": (
        ("      - reference: 1\n", "      - {reference: 1, support: weak, judgedFrom: title, reason: x}\n      - reference: 1\n"), "{reference: 1",
        "assertions.2.cites.1.reference", "a002 cites reference 1 2 times", "Keep one", "links"),
    "unknown reference": (
        ("- reference: 1", "- reference: 9"), "- reference: 9",
        "assertions.2.cites.1.reference", "there is no reference 9", "There are: 1", "links"),
    "unknown theme": (
        ("illustrates: being-waited-for", "illustrates: being-waited"), "illustrates: being-waited\n",
        "quotations.1.illustrates", "there is no theme 'being-waited'", "Did you mean being-waited-for?", "links"),
    "unknown passage": (
        ("passages: [s3]", "passages: [s33]"), "passages: [s33]",
        "assertions.1.passages.1", "there is no passage 's33'", "Did you mean s3?", "links"),
    "unknown agent": (
        ("coder: coder", "coder: codr"), "coder: codr",
        "coder", "there is no agent 'codr'", "Did you mean coder?", "links"),
    "unknown basis": (
        ("restsOn: [q01, company]", "restsOn: [q01, s1]"), "restsOn",
        "assertions.1.restsOn.2", "there is no quotation or theme 's1'", "There are: being-waited-for", "links"),
    "twin that is not there": (
        ("translatedFrom: nb", "nearDuplicateOf: [q03]"), "nearDuplicateOf",
        "quotations.1.nearDuplicateOf.1", "there is no other quotation 'q03'", "Did you mean q02?", "links"),
    "its own twin": (
        ("translatedFrom: nb", "nearDuplicateOf: [q01]"), "nearDuplicateOf",
        "quotations.1.nearDuplicateOf.1", "there is no other quotation 'q01'", "q02", "links"),
    "unknown coding pass": (
        ('hedge: "may"', "codedIn: 3"), "codedIn: 3",
        "assertions.1.codedIn", "there is no coding pass 3", "There are: 1", "links"),
    "nothing to rest on": (
        ("    passages: [s3]\n", ""), "id: a001",
        "assertions.1.passages", "nothing says where this is known from", "Add passages, or secondary", "anchors"),
    "ages the wrong way round": (
        ("ageFrom: 41", "ageFrom: 51"), "ageFrom",
        "participants.1.ageFrom", "51 is above ageTo", "Swap", "schema"),
    "access that means nothing": (
        ("    order: 1\n", "    order: 1\n    access: restricted\n"), "access",
        "themes.1.access", "this key is not known", "Known here", "schema"),
    "restricted words in a public text": (
        ("    translatedFrom: nb\n", "    access: restricted\n"), "id: q01",
        "quotations.1", "q01 is restricted, but the source text that holds its words is public", "under source too", "source"),
    "missing where nothing is": (
        ("passages:\n  - id: s1\n", 'missing:\n  - field: design.sampelSize\n    missingBecause: not-visible\n    statement: {en: Unknown., zh-Hans: 未知。}\npassages:\n  - id: s1\n'),
        "- field: design", "missing.1.field", "a study file has no 'design.sampelSize'", "Did you mean sampleSize", "schema"),
    "missing what is there": (
        ("passages:\n  - id: s1\n", 'missing:\n  - field: design.sampleSize\n    missingBecause: not-visible\n    statement: {en: Unknown., zh-Hans: 未知。}\npassages:\n  - id: s1\n'),
        "- field: design", "missing.1.field", "design.sampleSize is 2, so it is known", "Take one of them out", "schema"),
    "a link with itself": (
        ("object: loneliness", "object: friendship"), "object: friendship",
        "assertions.2.object", "a002 links friendship with itself", "Name another concept", "links"),
    "a concept by its Chinese name": (
        ("object: loneliness", "object: 孤独感"), "object: 孤独感",
        "assertions.2.object", "has not the right form", "Did you mean loneliness", "schema"),
    "missing below a value": (
        ("passages:\n  - id: s1\n", 'missing:\n  - field: report.year.month\n    missingBecause: not-visible\n    statement: {en: Unknown., zh-Hans: 未知。}\npassages:\n  - id: s1\n'),
        "- field: report", "missing.1.field", "a study file has no 'report.year.month'", "Nothing stands below it", "schema"),
    "passage by its hash": (
        ('exact: ["Walking is good."]\n    suffix: "They walk"', f"sha256: {64 * '0'}\n    start: 3\n    end: 9"), "- id: s5",
        "passages.5", "another hash", "Anchor the passage anew", "anchors"),
    "passage that ends before it starts": (
        ('exact: ["Walking is good."]\n    suffix: "They walk"', f"sha256: {64 * '0'}\n    start: 9\n    end: 3"), "- id: s5",
        "passages.5", "ends after its start", "", "schema"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(change: Change, name: str) -> None:
    changes, on_line, field, found, remedy, check = WRONG[name]
    path = change(*changes)
    problem = problems_of(path)[0]
    assert problem.file == str(path)
    assert problem.line == line_of(path, on_line), f"{problem}"
    assert (problem.field, problem.check) == (field, check)
    assert found in problem.found
    assert remedy in problem.remedy
    assert str(problem).startswith(f"{path}:{problem.line}: {field}: ")


def test_a_restricted_person_needs_a_restricted_text(change: Change) -> None:
    found = problems_of(change("gender: male", "gender: male\n    access: restricted"))
    assert [problem.field for problem in found] == ["quotations.2", "passages.7"]


def test_every_mistake_is_reported_at_once(change: Change) -> None:
    path = change("spokenBy: P2", "spokenBy: P7", "concept: hope", "concept: hopee", "me at home", "me at hope")
    found = problems_of(path)
    assert [problem.check for problem in found] == ["concepts", "links", "anchors"], "in the order of the file"
    path = change("kind: Finding", "kind: finding", "confidence: 0.9", "confidence: 9")
    assert [problem.field for problem in problems_of(path)] == [
        "themes.2.codings.1.concept",
        "quotations.1.codings.1.confidence",
        "quotations.2.spokenBy",
        "quotations.2.exact.1",
        "assertions.1.kind",
    ], "errors of form do not hide the others"


def test_what_is_wrong_with_a_thing_is_not_told_again_of_those_that_name_it(change: Change) -> None:
    path = change('    exact: ["Two people spoke with us."]', "    exact: []")
    (problem,) = problems_of(path)
    assert problem.field.startswith("passages.2"), "others rest on this passage, and still do"
    path = change("    exact: []", '    exact: ["Two people spoke with us."]', "- id: company\n", "- id: Company!\n")
    told = problems_of(path)
    assert "themes.1.id" in [problem.field for problem in told]
    assert not any("stand-in" in str(problem) for problem in told)


@pytest.mark.parametrize("content", ["hello\n", "- a\n- b\n", "---\n"])
def test_a_file_that_is_no_study(tiny: Workspace, content: str) -> None:
    path = tiny.study_files()[0]
    path.write_text(content, encoding="utf-8")
    (problem,) = problems_of(path)
    assert problem.found == "a study file is a mapping of keys to values"
    assert "kgraph study new" in problem.remedy


def test_a_missing_source_text_is_named(tiny: Workspace) -> None:
    path = tiny.study_files()[0]
    path.with_suffix(".txt").unlink()
    found = problems_of(path)
    assert found[0].file.endswith("tiny-2024.txt")
    assert "cannot be read" in found[0].found


def test_twins_both_ways_and_other_coders_are_fine(change: Change) -> None:
    path = change("translatedFrom: nb", "nearDuplicateOf: [q02]", "    codings:\n      - concept: hope\n        basis: participant",
                  "    codings:\n" + CODED % "second-coder" + "      - concept: hope\n        basis: participant")  # fmt: skip
    assert problems_of(path) == []


def test_words_as_printed_elsewhere_are_found(change: Change) -> None:
    path = change("I walk with her because she waits for me", "I *walk*  with her because she\u00a0waits for me",
                  "it is wellknown that", "it is well-\\nknown that")  # fmt: skip
    loaded = load(path)
    assert loaded.problems == []
    assert loaded.text is not None
    (span,) = loaded.spans["q01"]
    assert span is not None
    assert loaded.text.exact(span) == "I walk with her because she waits for me"


def test_a_text_that_is_not_at_hand_leaves_hashes(change: Change) -> None:
    loaded = load(change("  file: tiny-2024.txt\n", ""))
    assert loaded.problems == []
    assert loaded.text is None
    assert set(loaded.spans["q01"]) == {None}


def test_two_files_of_one_study_are_refused(tiny: Workspace) -> None:
    path = tiny.study_files()[0]
    path.with_suffix(".yml").write_bytes(path.read_bytes())
    with pytest.raises(KgraphError, match=r"is the same study\. Keep one of the two files"):
        tiny.study_files()


def test_hidden_files_are_no_studies(tiny: Workspace) -> None:
    (tiny.folder / "studies" / "._tiny-2024.yaml").write_bytes(b"\x00")
    (tiny.folder / "studies" / "notes.yaml.bak").write_bytes(b"\x00")
    assert [path.name for path in tiny.study_files()] == ["tiny-2024.yaml"]
