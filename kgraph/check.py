"""`kgraph check`: everything that can be said about the sources without publishing anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pyoxigraph as ox

from kgraph import checks, reasoner
from kgraph.errors import KgraphError, Problem
from kgraph.inference import infer
from kgraph.mapped import Mapped, map_source, vocabulary
from kgraph.queries import load_queries, run
from kgraph.studyfile import LoadedStudy, load_study
from kgraph.workspace import Workspace


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
        errors = sum(problem.severity == "error" for problem in self.problems)
        warnings = len(self.problems) - errors
        parts = [f"{errors} wrong"] * bool(errors) + [f"{warnings} to look at"] * bool(warnings)
        return ", ".join(parts) or "ok"


@dataclass
class CheckReport:
    """All checks. `ok` when no check found an error; `issues` counts the inconsistencies that the papers themselves have."""

    results: list[CheckResult]
    issues: str = ""

    @property
    def problems(self) -> list[Problem]:
        return [replace(p, check=p.check or result.name) for result in self.results for p in result.problems]

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
    slugs = vocabulary(workspace)
    studies, unread = _load(workspace, slugs)
    report = CheckReport(list(_study_results(studies, unread, len(slugs))))
    mapped, broken = _map(workspace, slugs)
    report.results.append(CheckResult("turtle", f"{len(workspace.ontology_files())} files with concepts", broken))
    report.issues = _issues(studies)
    if not report.ok:
        reason = "mend the above first"
        report.results += [CheckResult(name, "", skipped=reason) for name in ("shapes", "graph", "questions", "reasoner")]
        return report
    report.results.append(_shapes(mapped, base))
    store = _store(workspace, mapped)
    report.results.append(
        CheckResult(
            "graph",
            f"{len(load_queries('checks'))} check queries",
            checks.check_store(store, base, warnings=True),
        )
    )
    report.results.append(_questions(store, base))
    report.results.append(_reason(mapped, with_reasoner))
    return report


def _load(workspace: Workspace, slugs: frozenset[str]) -> tuple[list[LoadedStudy], list[Problem]]:
    studies, problems = [], []
    for path in workspace.study_files():
        try:
            studies.append(load_study(path, slugs))
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


def _map(workspace: Workspace, slugs: frozenset[str]) -> tuple[list[Mapped], list[Problem]]:
    """Every source as triples, leaving out study files that do not load: those are reported already."""
    mapped, problems = [], []
    for source in workspace.sources():
        try:
            mapped.append(map_source(workspace, source, slugs))
        except KgraphError as error:
            if source.kind != "study":
                problems.extend(error.problems)
    return mapped, problems


def _issues(studies: list[LoadedStudy]) -> str:
    kinds = [(loaded.study.id, issue.severity) for loaded in studies for issue in loaded.study.issues]
    parts = []
    for study in sorted({study for study, _ in kinds}):
        severities = [severity for other, severity in kinds if other == study]
        parts.append(f"{study} {len(severities)} ({', '.join(f'{severities.count(s)} {s}' for s in ('major', 'minor', 'note'))})")
    return "; ".join(parts)


def _shapes(mapped: list[Mapped], base: str) -> CheckResult:
    from kgraph.shapes import check_shapes

    problems = check_shapes((one.public + one.restricted for one in mapped), base)
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
        Problem(
            f"no answer to: {query.header['question']}", f"See: kgraph query {query.name}", severity="warning", check="questions"
        )
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
        clash = reasoner.clashes(one.public + one.restricted for one in mapped)
    except RuntimeError as error:
        return CheckResult("reasoner", looked, skipped=str(error))
    remedy = "Correct the statement that clashes"
    return CheckResult("reasoner", looked, [Problem(clash, remedy, check="reasoner")] if clash else [])
