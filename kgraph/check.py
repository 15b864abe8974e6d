"""`kgraph check`: everything that can be said about the sources without publishing anything."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kgraph import checks, reasoner, tables
from kgraph.counts import all_issues
from kgraph.errors import KgraphError, Problem
from kgraph.inference import infer
from kgraph.mapped import Mapped, map_source, vocabulary
from kgraph.mappings import read_mappings
from kgraph.queries import load_queries, run
from kgraph.studyfile import LoadedStudy, load_study
from kgraph.vocabulary import Vocabulary
from kgraph.workmapping import openalex_iri, work_iri
from kgraph.works import harvest_names, read_kept
from kgraph.workspace import LOST, LOST_REMEDY, Workspace


@dataclass
class CheckResult:
    """One check: its name, what it looked at, what it found; `skipped` says why it could not run."""

    name: str
    looked_at: str
    problems: list[Problem] = field(default_factory=list)
    skipped: str = ""

    @property
    def result(self) -> str:
        if self.skipped:
            return f"skipped: {self.skipped}"
        counted = Counter(problem.severity for problem in self.problems)
        words = {"error": "wrong", "warning": "to look at", "note": "gaps"}
        found = [f"{counted[severity]} {word}" for severity, word in words.items() if counted[severity]]
        return ", ".join(found if counted.keys() - {"note"} else ["ok", *found])


@dataclass
class CheckReport:
    """All checks. `ok` when no check found an error; `issues` counts the inconsistencies that the papers themselves have."""

    results: list[CheckResult]
    issues: str = ""

    @property
    def problems(self) -> list[Problem]:
        return [replace(p, check=p.check or result.name) for result in self.results for p in result.problems]

    @property
    def gaps(self) -> list[tuple[str, list[str], str]]:
        """What is not there yet, a list of things for each check: what they lack, their names, the remedy."""
        queries = load_queries("checks")
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            if problem.severity == "note":
                found.setdefault(problem.check, []).append(problem)
        titles = {name: query.header["title"] for name, query in queries.items()} | {"questions": "Questions without an answer"}
        listed = [(titles[name], [p.found for p in those], those[0].remedy) for name, those in found.items()]
        return sorted(listed, key=lambda gap: not gap[1][0].startswith("study/"))  # the studies first: there is most to do

    @property
    def ok(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for `--json`."""
        results = [{"name": r.name, "result": r.result, "lookedAt": r.looked_at} for r in self.results]
        return {"ok": self.ok, "checks": results, "problems": [p.as_dict() for p in self.problems], "dataIssues": self.issues}


def check_workspace(workspace: Workspace, with_reasoner: bool = True) -> CheckReport:
    """Checks the sources of a workspace, all of them, and reports everything that was found."""
    base = workspace.settings.base
    words = vocabulary(workspace)
    studies, unread = _load(workspace, words)
    report = CheckReport(list(_study_results(studies, unread, len(words))))
    mapped, broken = _map(workspace, words)
    report.results.append(CheckResult("turtle", f"{len(workspace.ontology_files())} files with concepts", broken))
    report.results.append(_mappings(workspace, words))
    report.results.append(_works(workspace, studies))
    report.issues = _issues(studies)
    if not report.ok:
        reason = "mend the above first"
        report.results += [CheckResult(name, "", skipped=reason) for name in ("shapes", "graph", "questions", "reasoner")]
        return report
    report.results.append(_shapes(mapped, base, workspace.ontology_files()))
    store = _store(workspace, mapped)
    report.results.append(
        CheckResult(
            "graph",
            f"{len(load_queries('checks'))} check queries",
            checks.check_store(store, base, warnings=True, files=workspace.ontology_files()),
        )
    )
    report.results.append(_questions(store, base))
    report.results.append(_reason(mapped, with_reasoner))
    return report


def _load(workspace: Workspace, words: Vocabulary) -> tuple[list[LoadedStudy], list[Problem]]:
    studies, problems = [], []
    for path in workspace.study_files():
        try:
            studies.append(load_study(path, words))
        except KgraphError as error:
            problems.extend(error.problems)
    return studies, problems


def _study_results(studies: list[LoadedStudy], unread: list[Problem], concepts: int) -> Iterator[CheckResult]:
    """The checks of the study files themselves, by subject."""
    found = [problem for loaded in studies for problem in loaded.problems]

    def of(*names: str) -> list[Problem]:
        return [problem for problem in found if problem.check in names]

    def count(number: Callable[[LoadedStudy], int]) -> str:
        return f"{sum(map(number, studies)):,}"

    yield CheckResult("schema", f"{len(studies) + len({p.file for p in unread})} study files", unread + of("schema", ""))
    yield CheckResult(
        "links",
        f"{count(lambda s: len(s.study.assertions))} assertions, {count(lambda s: len(s.study.references))} references",
        of("links"),
    )
    yield CheckResult("concepts", f"{concepts:,} concepts", of("concepts"))
    quotations, passages = count(lambda s: len(s.study.quotations)), count(lambda s: len(s.study.passages))
    yield CheckResult("anchors", f"{quotations} quotations, {passages} passages, letter by letter", of("anchors", "source"))


def _map(workspace: Workspace, words: Vocabulary) -> tuple[list[Mapped], list[Problem]]:
    """Every source as triples, leaving out study files and mappings that do not load: they are reported on their own."""
    mapped, problems = [], []
    for source in workspace.sources():
        if source.kind == "works":  # they have a check of their own
            continue
        try:
            mapped.append(map_source(workspace, source, words))
        except KgraphError as error:
            if source.kind not in ("study", "mappings"):
                problems.extend(error.problems)
    return mapped, problems


def _mappings(workspace: Workspace, words: Vocabulary) -> CheckResult:
    """The tables of mappings to other vocabularies."""
    tables, problems = [], []
    for path in workspace.mapping_files():
        try:
            tables.append(read_mappings(path, words))
        except KgraphError as error:
            problems.extend(error.problems)
    problems += [problem for table in tables for problem in table.problems]
    looked = f"{sum(len(table.rows) for table in tables)} mappings in {len(tables)} tables"
    return CheckResult("mappings", looked, problems)


def _works(workspace: Workspace, studies: list[LoadedStudy]) -> CheckResult:
    """The records of every harvest, line by line: whether they are what the ledger says, and which are cited and retracted."""
    number, problems, names = 0, [], harvest_names(workspace)
    cited = _cited(studies)
    for name in names:
        try:
            for _, record in read_kept(workspace, name):
                number += 1
                if record.get("is_retracted") is True:
                    problems += [
                        Problem(f"{place} is retracted, says OpenAlex", "Look at what rests on it", file, severity="warning")
                        for place, file in cited.get(work_iri(record), []) + cited.get(openalex_iri(record), [])
                    ]
        except KgraphError as error:
            problems.extend(error.problems)
    problems += [Problem(LOST, LOST_REMEDY, str(folder)) for folder in workspace.lost_harvests()]
    return CheckResult("works", f"{number:,} records in {len(names)} harvests, line by line", list(dict.fromkeys(problems)))


def _cited(studies: list[LoadedStudy]) -> dict[str, list[tuple[str, str]]]:
    """By the IRI of a work: what of a study means it, and the file that says so."""
    found: dict[str, list[tuple[str, str]]] = {}
    for loaded in studies:
        study = loaded.study
        works = [("report", study.report), *((f"reference {one.number}", one.work) for one in study.references)]
        for place, work in works:
            if iri := tables.work_iri(work):
                found.setdefault(str(iri), []).append((place, str(loaded.yaml.path)))
    return found


def _issues(studies: list[LoadedStudy]) -> str:
    kinds = [(loaded.study.id, issue.severity) for loaded in studies for issue in all_issues(loaded.study)]
    parts = []
    for study in sorted({study for study, _ in kinds}):
        severities = [severity for other, severity in kinds if other == study]
        parts.append(f"{study} {len(severities)} ({', '.join(f'{severities.count(s)} {s}' for s in ('major', 'minor', 'note'))})")
    return "; ".join(parts)


def _shapes(mapped: list[Mapped], base: str, files: list[Path]) -> CheckResult:
    from kgraph.shapes import check_shapes

    problems = check_shapes((one.public + one.restricted for one in mapped), base, files)
    return CheckResult("shapes", "SHACL on the sources' own triples", problems)


def _store(workspace: Workspace, mapped: list[Mapped]) -> ox.Store:
    """The public graph, in memory, with what follows from it."""
    store = ox.Store()
    base = workspace.settings.base
    for one in mapped:
        store.bulk_load(one.public, ox.RdfFormat.N_TRIPLES, to_graph=ox.NamedNode(base + one.source.graph))
    infer(store, ox.NamedNode(base + "graph/inferred"))
    return store


def _questions(store: ox.Store, base: str) -> CheckResult:
    """Asks the competency questions that take no parameters; those marked `expect: some` must have an answer."""
    asked = [query for query in load_queries("competency").values() if not query.parameters]
    empty = [query for query in asked if not any(True for _ in run(store, query.text, base))]
    problems = [
        Problem(query.name, "Nothing is wrong: the studies do not speak of it yet", severity="note", check="questions")
        for query in empty
        if query.header["expect"] == "some"
    ]
    answered = f"{len(asked) - len(empty)} of {len(asked)} competency questions have an answer"
    return CheckResult("questions", answered, problems)


def _reason(mapped: list[Mapped], wanted: bool) -> CheckResult:
    looked = "OWL consistency (HermiT; Pellet explains)"
    if not wanted:
        return CheckResult("reasoner", looked, skipped="not asked for")
    if reasoner.java() is None:
        return CheckResult("reasoner", looked, skipped="Java is not installed")
    try:
        asked = [one for one in mapped if one.source.kind != "mappings"]  # annotations: nothing to reason about
        clash = reasoner.clashes(one.public + one.restricted for one in asked)
    except RuntimeError as error:
        return CheckResult("reasoner", looked, skipped=str(error))
    remedy = "Correct the statement that clashes"
    return CheckResult("reasoner", looked, [Problem(clash, remedy, check="reasoner")] if clash else [])
