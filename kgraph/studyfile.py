"""Loads a study file: its records, the place of every passage in the source text, and everything that is wrong with it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kgraph.anchors import AnchoredText, AnchorError, Span, normal_form, sha256
from kgraph.errors import KgraphError, Problem, fail
from kgraph.study import Passage, Study
from kgraph.studylinks import faults, names_concept, restricted_passages
from kgraph.validation import field_name, patched, schema_problem
from kgraph.vocabulary import Vocabulary
from kgraph.yamlfile import Location, YamlFile, read_text, read_yaml


@dataclass
class LoadedStudy:
    """A study file that was read.

    `spans` gives for the id of each passage (also of quotations, and `r<number>` of references) where its fragments
    stand in `text`; a fragment is None where the text is not at hand. `problems` is empty when all is well.
    """

    study: Study
    yaml: YamlFile
    text: AnchoredText | None = None
    spans: dict[str, list[Span | None]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load_study(path: Path, vocabulary: Vocabulary | None = None) -> LoadedStudy:
    """Reads and checks one study file. `vocabulary` holds all concepts (None: they are not checked).

    Raises `KgraphError`, with every problem that was found, when the file cannot be read as a study at all; otherwise what
    is wrong stands in `problems`. Errors of form do not hide what else is wrong: the rest of the file is checked too.
    """
    yaml = read_yaml(path)
    if not isinstance(yaml.data, dict):
        raise fail("a study file is a mapping of keys to values", "Start from: kgraph study new ID", file=path, line=1)
    try:
        loaded = LoadedStudy(Study.model_validate(yaml.data), yaml)
    except ValidationError as error:
        problems = [_schema_problem(details, yaml, vocabulary) for details in error.errors()]
        mended = patched(yaml.data, error)
        if mended is not None:
            rest = LoadedStudy(mended.study, yaml)
            _check(rest, vocabulary)
            problems += [problem for problem in rest.problems if not mended.touches(problem)]
        raise KgraphError(sorted(problems, key=lambda problem: problem.line or 0)) from error
    _check(loaded, vocabulary)
    return loaded


def _schema_problem(details: ErrorDetails, yaml: YamlFile, vocabulary: Vocabulary | None) -> Problem:
    """An error of form; where a concept is meant by its name and not by its slug, with the slugs that come near."""
    problem = schema_problem(details, yaml)
    if vocabulary is not None and details["type"] == "string_pattern_mismatch" and names_concept(details["loc"]):
        return replace(problem, remedy=vocabulary.suggest(str(details["input"])) or problem.remedy)
    return problem


def _check(loaded: LoadedStudy, vocabulary: Vocabulary | None) -> None:
    checker = _Checker(loaded)
    checker.run()
    for fault in faults(loaded.study, vocabulary):
        checker.problem(*fault)
    loaded.problems.sort(key=lambda problem: problem.line or 0)


class _Checker:
    """Compares what a study file quotes with its source text, letter by letter."""

    def __init__(self, loaded: LoadedStudy) -> None:
        self.loaded, self.study, self.yaml = loaded, loaded.study, loaded.yaml

    def run(self) -> None:
        if self.study.id != self.yaml.path.stem:
            self.problem(
                "schema",
                ("id",),
                f"the study {self.study.id!r} stands in {self.yaml.path.name}",
                f"Name the file {self.study.id}.yaml",
            )
        self.read_source()
        self.place_passages()
        self.check_questions()

    def problem(self, check: str, location: Location, found: str, remedy: str = "") -> None:
        file, line = str(self.yaml.path), self.yaml.line(location)
        self.loaded.problems.append(Problem(found, remedy, file, line, field_name(location), check=check))

    def read_source(self) -> None:
        source = self.study.source
        if source is None or source.file is None:
            return
        path = self.yaml.path.with_suffix(".txt")
        if source.file != path.name:
            self.problem(
                "source", ("source", "file"), f"{source.file!r} is not named like the study file", f"Name it {path.name}"
            )
            return
        try:
            text = read_text(path)
        except KgraphError as error:
            self.loaded.problems.extend(error.problems)
            return
        if sha256(text) != source.sha256:
            remedy = f"If the change is meant, write sha256: {sha256(text)}"
            self.problem("source", ("source", "sha256"), f"{source.file} is not the text that was coded", remedy)
        self.loaded.text = AnchoredText(text)
        secret = restricted_passages(self.study)
        for name in ("quotations", "passages"):
            for index, item in enumerate(getattr(self.study, name)):
                if source.access == "public" and self.study.access == "public" and item.id in secret:
                    found = f"{item.id} is restricted, but the source text that holds its words is public"
                    self.problem("source", (name, index), found, "Write access: restricted under source too")

    def place_passages(self) -> None:
        for index, passage in enumerate(self.study.passages):
            self.place(("passages", index), passage.id, passage.exact, passage)
        for index, quotation in enumerate(self.study.quotations):
            self.place(("quotations", index), quotation.id, quotation.exact, quotation)
        for index, reference in enumerate(self.study.references):
            self.place(("references", index, "printedAs"), f"r{reference.number}", [reference.printed_as], None)

    def place(self, location: Location, key: str, fragments: list[str], anchor: Any) -> None:
        text = self.loaded.text
        prefix, suffix = getattr(anchor, "prefix", None), getattr(anchor, "suffix", None)
        spans: list[Span | None] = []
        near = getattr(anchor, "start", None)
        for number, exact in enumerate(fragments):
            if text is None:
                spans.append(None)
                continue
            first, last = number == 0, number == len(fragments) - 1
            try:
                span = text.find(exact, prefix if first else None, suffix if last else None, near)
            except AnchorError as error:
                exactly: tuple[Location, ...] = ((*location, "exact", number), (*location, "exact"))
                where = next((place for place in exactly if place in self.yaml.lines), location)
                self.problem("anchors", where, error.found, error.remedy)
                span = None
            spans.append(span)
            near = span.end if span else near
        if isinstance(anchor, Passage) and anchor.sha256:
            spans.append(self.check_hash(location, anchor))
        self.loaded.spans[key] = spans

    def check_hash(self, location: Location, passage: Passage) -> Span | None:
        span = Span(passage.start or 0, passage.end or 0)
        text = self.loaded.text
        if text is not None and sha256(text.exact(span)) != passage.sha256:
            self.problem("anchors", location, "the words at this place have another hash", "Anchor the passage anew")
        return span

    def check_questions(self) -> None:
        if self.loaded.text is None:
            return
        for index, question in enumerate(self.study.interview_questions):
            exact = [e for p in self.study.passages if p.id in question.passages for e in p.exact]
            if exact and normal_form(question.text)[0] not in normal_form(" ".join(exact))[0]:
                self.problem("anchors", ("interviewQuestions", index, "text"), "differs from its passage", "Copy the passage")
