"""Loads a study file: its records, the place of every passage in the source text, and everything that is wrong with it."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kgraph.anchors import AnchoredText, AnchorError, Span, normal_form, sha256
from kgraph.errors import KgraphError, Problem, fail
from kgraph.study import Anchored, Assertion, Coding, DataIssue, Participant, Passage, Quotation, Study
from kgraph.validation import nearest, schema_problem
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


def load_study(path: Path, vocabulary: Collection[str] | None = None) -> LoadedStudy:
    """Reads and checks one study file. `vocabulary` holds the slugs of all concepts (None: they are not checked).

    Raises `KgraphError`, with every problem that was found, when the file cannot be read as a study at all; otherwise what
    is wrong stands in `problems`.
    """
    yaml = read_yaml(path)
    if not isinstance(yaml.data, dict):
        raise fail("a study file is a mapping of keys to values", "Start from: kgraph init DIR --example", file=path, line=1)
    try:
        study = Study.model_validate(yaml.data)
    except ValidationError as error:
        raise KgraphError([schema_problem(details, yaml) for details in error.errors()]) from error
    loaded = LoadedStudy(study, yaml)
    _Checker(loaded, vocabulary).run()
    loaded.problems.sort(key=lambda problem: problem.line or 0)
    return loaded


def anchored_things(study: Study) -> Iterator[tuple[Location, Anchored]]:
    """Everything in a study that rests on passages or on a secondary source, with its location in the file."""
    yield ("design",), study.design
    for name in (
        "sites",
        "criteria",
        "steps",
        "interviewQuestions",
        "statistics",
        "participants",
        "themes",
        "assertions",
        "issues",
    ):
        for index, item in enumerate(getattr(study, _attribute(name))):
            yield (name, index), item
    for index, site in enumerate(study.sites):
        for number, rule in enumerate(site.access_rules):
            yield ("sites", index, "accessRules", number), rule


def codings(study: Study) -> Iterator[tuple[Location, str, Coding]]:
    """All codings of a study: location in the file, id of what is coded, coding."""
    for name in ("themes", "quotations", "assertions"):
        for index, target in enumerate(getattr(study, name)):
            for number, coding in enumerate(target.codings):
                yield (name, index, "codings", number), target.id, coding


def is_restricted(quotation: Quotation, study: Study) -> bool:
    """Whether a quotation, or the person who speaks, is restricted."""
    people = {person.id for person in study.participants if person.access == "restricted"}
    return quotation.access == "restricted" or quotation.spoken_by in people


def restricted_passages(study: Study) -> set[str]:
    """The passages (and quotations) whose words are restricted, because a restricted thing rests on them."""
    things: list[Participant | Assertion | DataIssue] = [*study.participants, *study.assertions, *study.issues]
    named = {key for thing in things if thing.access == "restricted" for key in thing.passages}
    return named | {quotation.id for quotation in study.quotations if is_restricted(quotation, study)}


def _fragments(key: str, exact: list[str]) -> list[str]:
    """The names of the fragments of a passage, as the mapping gives them."""
    return [key] if len(exact) <= 1 else [key, *(f"{key}-{number + 1}" for number in range(len(exact)))]


def _attribute(key: str) -> str:
    return {"interviewQuestions": "interview_questions"}.get(key, key)


class _Checker:
    """The checks of one study file that a schema cannot make: links within it, concepts, letters."""

    def __init__(self, loaded: LoadedStudy, vocabulary: Collection[str] | None) -> None:
        self.loaded, self.study, self.yaml = loaded, loaded.study, loaded.yaml
        self.vocabulary = vocabulary

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
        self.check_unique()
        self.check_links()
        self.check_concepts()
        self.check_anchored()
        self.check_hierarchy("themes", "sub_theme_of", "subThemeOf")
        self.check_hierarchy("assertions", "restates", "restates")

    def problem(self, check: str, location: Location, found: str, remedy: str = "") -> None:
        name = ".".join(str(part + 1 if isinstance(part, int) else part) for part in location)
        self.loaded.problems.append(Problem(found, remedy, str(self.yaml.path), self.yaml.line(location), name, check=check))

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
                where = (*location, "exact", number) if (*location, "exact", number) in self.yaml.lines else location
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

    def check_unique(self) -> None:
        for name in (
            "agents",
            "sites",
            "criteria",
            "statistics",
            "participants",
            "themes",
            "quotations",
            "assertions",
            "issues",
            "passages",
        ):
            self._unique(name, [item.id for item in getattr(self.study, name)], "id")
        self._unique("references", [reference.number for reference in self.study.references], "number")
        for name in ("passes", "steps", "interviewQuestions"):
            self._unique(name, [item.order for item in getattr(self.study, _attribute(name))], "order")
        self._unique_across()
        for index, assertion in enumerate(self.study.assertions):
            cited = Counter(use.reference for use in assertion.cites)
            for number, use in enumerate(assertion.cites):
                if cited[use.reference] > 1:
                    found = f"{assertion.id} cites reference {use.reference} {cited[use.reference]} times"
                    self.problem("links", ("assertions", index, "cites", number, "reference"), found, "Keep one use")
        seen: set[tuple[str, str, str]] = set()
        for location, target, coding in codings(self.study):
            key = (target, coding.concept or f"a placement in {coding.theme}", coding.creator or self.study.coder)
            if key in seen:
                self.problem("links", location, f"{target} is coded twice as {key[1]} by {key[2]}", "Keep one coding")
            seen.add(key)

    def _unique(self, name: str, values: list[Any], key: str) -> None:
        for value, count in Counter(values).items():
            if count > 1:
                second = [index for index, other in enumerate(values) if other == value][1]
                self.problem("links", (name, second, key), f"{value!r} stands {count} times", "Give each its own")

    def _unique_across(self) -> None:
        """Ids that are named without their kind, and the names of fragments, may not be taken twice."""
        study = self.study
        references = {f"r{reference.number}": "a reference" for reference in study.references}
        taken = dict(references)
        for name in ("participants", "themes", "quotations", "assertions"):
            for index, item in enumerate(getattr(study, name)):
                if taken.setdefault(item.id, name) != name:
                    self.problem("links", (name, index, "id"), f"{item.id!r} names {taken[item.id]} too", "Choose another id")
        fragments = references | {name: "a quotation" for q in study.quotations for name in _fragments(q.id, q.exact)}
        for index, passage in enumerate(study.passages):
            for name in _fragments(passage.id, passage.exact):
                if (other := fragments.setdefault(name, passage.id)) != passage.id:
                    found = f"{name!r} names {other if other.startswith('a ') else f'a fragment of {other}'} too"
                    self.problem("links", ("passages", index, "id"), found, "Choose another id")

    def check_links(self) -> None:
        study = self.study
        agents = {agent.id for agent in study.agents}
        participants = {participant.id for participant in study.participants}
        themes = {theme.id for theme in study.themes}
        quotations = {quotation.id for quotation in study.quotations}
        assertions = {assertion.id for assertion in study.assertions}
        numbers = {reference.number for reference in study.references}
        references = {f"r{number}" for number in numbers}
        passes = {item.order for item in study.passes}
        passages = {passage.id for passage in study.passages} | quotations | references

        def link(location: Location, value: Any, known: set[Any], what: str) -> None:
            if value is not None and value not in known:
                names = sorted(map(str, known))
                few = f"There are: {', '.join(names)}" if 0 < len(names) <= 20 else "Add it, or name another"
                self.problem("links", location, f"there is no {what} {value!r}", nearest(str(value), names) or few)

        link(("coder",), study.coder, agents, "agent")
        for index, item in enumerate(study.passes):
            link(("passes", index, "creator"), item.creator, agents, "agent")
        for index, funding in enumerate(study.design.funding):
            link(("design", "funding", index, "funder"), funding.funder, agents, "agent")
        for index, site in enumerate(study.sites):
            for number, agent in enumerate(site.operated_by):
                link(("sites", index, "operatedBy", number), agent, agents, "agent")
        for location, thing in anchored_things(study):
            for number, passage in enumerate(thing.passages):
                link((*location, "passages", number), passage, passages, "passage")
        for index, theme in enumerate(study.themes):
            link(("themes", index, "subThemeOf"), theme.sub_theme_of, themes, "theme")
        for index, quotation in enumerate(study.quotations):
            link(("quotations", index, "spokenBy"), quotation.spoken_by, participants, "participant")
            link(("quotations", index, "illustrates"), quotation.illustrates, themes, "theme")
            link(("quotations", index, "printedUnder"), quotation.printed_under, themes, "theme")
            for number, other in enumerate(quotation.near_duplicate_of):
                link(("quotations", index, "nearDuplicateOf", number), other, quotations - {quotation.id}, "other quotation")
        for index, assertion in enumerate(study.assertions):
            link(("assertions", index, "restates"), assertion.restates, assertions, "assertion")
            link(("assertions", index, "printedUnder"), assertion.printed_under, themes, "theme")
            if passes:
                link(("assertions", index, "codedIn"), assertion.coded_in, passes, "coding pass")
            for number, basis in enumerate(assertion.rests_on):
                link(("assertions", index, "restsOn", number), basis, quotations | themes, "quotation or theme")
            for number, use in enumerate(assertion.cites):
                link(("assertions", index, "cites", number, "reference"), use.reference, numbers, "reference")
                link(("assertions", index, "cites", number, "creator"), use.creator, agents, "agent")
        for index, issue in enumerate(study.issues):
            for number, about in enumerate(issue.about):
                known = participants | themes | quotations | assertions | references
                link(("issues", index, "about", number), about, known, "participant, quotation, theme, assertion or reference")
        for location, _, coding in codings(study):
            link((*location, "theme"), coding.theme, themes, "theme")
            link((*location, "creator"), coding.creator, agents, "agent")
            if passes:
                link((*location, "codedIn"), coding.coded_in, passes, "coding pass")

    def check_concepts(self) -> None:
        if self.vocabulary is None:
            return
        for location, slug in self.concepts():
            if slug not in self.vocabulary:
                remedy = nearest(slug, self.vocabulary) or "Add the concept under ontology/ or use another"
                self.problem("concepts", location, f"there is no concept {slug!r}", remedy)

    def concepts(self) -> Iterator[tuple[Location, str]]:
        """Every use of a concept in the file."""
        study = self.study
        for key in ("uses_method", "in_setting", "in_culture", "of_population", "of_condition"):
            alias = type(study.design).model_fields[key].alias or key
            for number, slug in enumerate(getattr(study.design, key)):
                yield ("design", alias, number), slug
        for index, site in enumerate(study.sites):
            for number, slug in enumerate(site.offers):
                yield ("sites", index, "offers", number), slug
        for index, participant in enumerate(study.participants):
            for number, slug in enumerate(participant.conditions):
                yield ("participants", index, "conditions", number), slug
        for index, assertion in enumerate(study.assertions):
            yield from self._concepts_of(("assertions", index), assertion)
        for location, _, coding in codings(study):
            if coding.concept:
                yield (*location, "concept"), coding.concept

    @staticmethod
    def _concepts_of(location: Location, assertion: Assertion) -> Iterator[tuple[Location, str]]:
        yield (*location, "subject"), assertion.subject
        yield (*location, "object"), assertion.object
        if assertion.via:
            yield (*location, "via"), assertion.via
        for number, slug in enumerate(assertion.scope):
            yield (*location, "scope", number), slug

    def check_anchored(self) -> None:
        must = ("assertions", "themes", "statistics", "criteria", "steps")
        for location, thing in anchored_things(self.study):
            if location[0] in must and not thing.passages and not (thing.secondary or self.study.secondary):
                self.problem("anchors", location, "nothing says where this is known from", "Add passages, or secondary")
        text = self.loaded.text
        for index, question in enumerate(self.study.interview_questions):
            exact = [e for p in self.study.passages if p.id in question.passages for e in p.exact]
            if text and exact and normal_form(question.text)[0] not in normal_form(" ".join(exact))[0]:
                self.problem("anchors", ("interviewQuestions", index, "text"), "differs from its passage", "Copy the passage")
        for index, person in enumerate(self.study.participants):
            if person.age_from is not None and person.age_to is not None and person.age_from > person.age_to:
                self.problem("schema", ("participants", index, "ageFrom"), f"{person.age_from} is above ageTo", "Swap them")

    def check_hierarchy(self, name: str, attribute: str, key: str) -> None:
        above = {item.id: getattr(item, attribute) for item in getattr(self.study, name)}
        for index, item in enumerate(getattr(self.study, name)):
            seen, current = {item.id}, above.get(item.id)
            while current is not None and current not in seen:
                seen.add(current)
                current = above.get(current)
            if current == item.id:
                self.problem("links", (name, index, key), f"{item.id} comes back to itself by {key}", "Break the circle")
