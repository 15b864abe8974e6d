"""What a schema cannot see in a study file: whether its parts fit together, name concepts that exist, and say where from.

All of it is about the records alone; the letters of the source text are compared in `kgraph.studyfile`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kgraph.study import Anchored, Assertion, Coding, DataIssue, Participant, Quotation, Study
from kgraph.validation import STAND_IN, nearest, unknown_key
from kgraph.vocabulary import Vocabulary
from kgraph.yamlfile import Location

KEYED = ("agents", "sites", "criteria", "statistics", "materials", "groups", "participants", "themes", "quotations", "assertions")
ANCHORED = ("sites", "criteria", "steps", "interviewQuestions", "statistics", "materials", "groups", "participants", "themes")
GROUNDED = ("assertions", "themes", "statistics", "criteria", "steps")  # these must say where they are known from
FACETS = {  # fields of the design, and the facet that their concepts have
    "usesMethod": "Method",
    "inSetting": "Setting",
    "inCulture": "Culture",
    "ofPopulation": "Population",
    "ofCondition": "Condition",
}


class Fault(NamedTuple):
    """Something that is wrong: the check that found it, where in the file, what, and the remedy."""

    check: str
    location: Location
    found: str
    remedy: str


def faults(study: Study, vocabulary: Vocabulary | None) -> Iterator[Fault]:
    """Everything that is wrong with how a study hangs together. Without a `vocabulary`, concepts are not looked at."""
    yield from _unique(study)
    yield from _links(study)
    if vocabulary is not None:
        yield from _concepts(study, vocabulary)
    yield from _grounds(study)
    yield from _hierarchy(study, "themes", "sub_theme_of", "subThemeOf")
    yield from _hierarchy(study, "assertions", "restates", "restates")
    yield from _hierarchy(study, "groups", "part_of", "partOf")


def _attribute(key: str) -> str:
    return {"interviewQuestions": "interview_questions"}.get(key, key)


def anchored_things(study: Study) -> Iterator[tuple[Location, Anchored]]:
    """Everything in a study that rests on passages or on a secondary source, with its location in the file."""
    yield ("design",), study.design
    for name in (*ANCHORED, "assertions", "issues"):
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


def _unique(study: Study) -> Iterator[Fault]:
    def twice(name: str, values: list[Any], key: str) -> Iterator[Fault]:
        for value, count in Counter(values).items():
            if count > 1:
                second = [index for index, other in enumerate(values) if other == value][1]
                yield Fault("links", (name, second, key), f"{value!r} stands {count} times", "Give each its own")

    for name in (*KEYED, "issues", "passages"):
        yield from twice(name, [item.id for item in getattr(study, name)], "id")
    yield from twice("references", [reference.number for reference in study.references], "number")
    for name in ("passes", "steps", "interviewQuestions"):
        yield from twice(name, [item.order for item in getattr(study, _attribute(name))], "order")
    yield from _unique_across(study)
    for index, assertion in enumerate(study.assertions):
        cited = Counter(use.reference for use in assertion.cites)
        for number, use in enumerate(assertion.cites):
            if cited[use.reference] > 1:
                found = f"{assertion.id} cites reference {use.reference} {cited[use.reference]} times"
                yield Fault("links", ("assertions", index, "cites", number, "reference"), found, "Keep one use")
    seen: set[tuple[str, str, str]] = set()
    for location, target, coding in codings(study):
        key = (target, coding.concept or f"a placement in {coding.theme}", coding.creator or study.coder)
        if key in seen:
            yield Fault("links", location, f"{target} is coded twice as {key[1]} by {key[2]}", "Keep one coding")
        seen.add(key)


def _unique_across(study: Study) -> Iterator[Fault]:
    """Ids that are named without their kind, and the names of fragments, may not be taken twice."""
    references = {f"r{reference.number}": "a reference" for reference in study.references}
    taken = dict(references)
    for name in ("participants", "groups", "themes", "quotations", "assertions"):
        for index, item in enumerate(getattr(study, name)):
            if taken.setdefault(item.id, name) != name:
                yield Fault("links", (name, index, "id"), f"{item.id!r} names {taken[item.id]} too", "Choose another id")
    fragments = references | {name: "a quotation" for q in study.quotations for name in _fragments(q.id, q.exact)}
    for index, passage in enumerate(study.passages):
        for name in _fragments(passage.id, passage.exact):
            if (other := fragments.setdefault(name, passage.id)) != passage.id:
                found = f"{name!r} names {other if other.startswith('a ') else f'a fragment of {other}'} too"
                yield Fault("links", ("passages", index, "id"), found, "Choose another id")


def _named(study: Study) -> Iterator[tuple[Location, str | int | None, str]]:
    """Every place that names another part of the study: location, the name, what kind of thing it should be."""
    yield ("coder",), study.coder, "agent"
    for index, item in enumerate(study.passes):
        yield ("passes", index, "creator"), item.creator, "agent"
    for index, funding in enumerate(study.design.funding):
        yield ("design", "funding", index, "funder"), funding.funder, "agent"
    for index, site in enumerate(study.sites):
        for number, agent in enumerate(site.operated_by):
            yield ("sites", index, "operatedBy", number), agent, "agent"
    for location, thing in anchored_things(study):
        for number, passage in enumerate(thing.passages):
            yield (*location, "passages", number), passage, "passage"
    for index, group in enumerate(study.groups):
        yield ("groups", index, "partOf"), group.part_of, "group"
    for index, person in enumerate(study.participants):
        yield ("participants", index, "memberOf"), person.member_of, "group"
    for index, theme in enumerate(study.themes):
        yield ("themes", index, "subThemeOf"), theme.sub_theme_of, "theme"
    for index, quotation in enumerate(study.quotations):
        yield ("quotations", index, "spokenBy"), quotation.spoken_by, "participant"
        yield ("quotations", index, "illustrates"), quotation.illustrates, "theme"
        yield ("quotations", index, "printedUnder"), quotation.printed_under, "theme"
        for number, other in enumerate(quotation.near_duplicate_of):
            yield ("quotations", index, "nearDuplicateOf", number), other, "other quotation"
    for index, assertion in enumerate(study.assertions):
        yield ("assertions", index, "restates"), assertion.restates, "assertion"
        yield ("assertions", index, "printedUnder"), assertion.printed_under, "theme"
        yield ("assertions", index, "codedIn"), assertion.coded_in, "coding pass"
        for number, basis in enumerate(assertion.rests_on):
            yield ("assertions", index, "restsOn", number), basis, "quotation or theme"
        for number, use in enumerate(assertion.cites):
            yield ("assertions", index, "cites", number, "reference"), use.reference, "reference"
            yield ("assertions", index, "cites", number, "creator"), use.creator, "agent"
    for index, issue in enumerate(study.issues):
        for number, about in enumerate(issue.about):
            yield ("issues", index, "about", number), about, "participant, group, quotation, theme, assertion or reference"
    for location, _, coding in codings(study):
        yield (*location, "theme"), coding.theme, "theme"
        yield (*location, "creator"), coding.creator, "agent"
        yield (*location, "codedIn"), coding.coded_in, "coding pass"


def _links(study: Study) -> Iterator[Fault]:
    def ids(things: Iterable[Any]) -> set[Any]:
        return {thing.id for thing in things}

    participants, groups, themes = ids(study.participants), ids(study.groups), ids(study.themes)
    quotations, assertions = ids(study.quotations), ids(study.assertions)
    numbers = {reference.number for reference in study.references}
    references = {f"r{number}" for number in numbers}
    known: dict[str, set[Any]] = {
        "agent": ids(study.agents),
        "passage": ids(study.passages) | quotations | references,
        "participant": participants,
        "group": groups,
        "theme": themes,
        "other quotation": quotations,
        "assertion": assertions,
        "quotation or theme": quotations | themes,
        "reference": numbers,
        "coding pass": {item.order for item in study.passes},
    }
    known["participant, group, quotation, theme, assertion or reference"] = (
        participants | groups | quotations | themes | assertions | references
    )
    for location, name, kind in _named(study):
        there_are = known[kind]
        if kind == "other quotation":
            there_are = quotations - {study.quotations[int(location[1])].id}
        if name is None or name in there_are or (kind == "coding pass" and not study.passes):
            continue
        if kind == "participant" and name in groups:
            remedy = f"Add the person who speaks under participants, with what is known of them and memberOf: {name}"
            yield Fault("links", location, f"{name!r} is a group; a quotation has one speaker", remedy)
            continue
        names = sorted(str(one) for one in there_are if one != STAND_IN)
        few = f"There are: {', '.join(names)}" if 0 < len(names) <= 20 else "Add it, or name another"
        yield Fault("links", location, f"there is no {kind} {name!r}", nearest(str(name), names) or few)


def concepts(study: Study) -> Iterator[tuple[Location, str, tuple[str, ...]]]:
    """Every use of a concept in the file: location, slug, and the facets that fit there (none: any)."""
    for alias, facet in FACETS.items():
        name = next(key for key, info in type(study.design).model_fields.items() if info.alias == alias)
        for number, slug in enumerate(getattr(study.design, name)):
            yield ("design", alias, number), slug, (facet,)
    for index, site in enumerate(study.sites):
        for number, slug in enumerate(site.offers):
            yield ("sites", index, "offers", number), slug, ()
    for index, material in enumerate(study.materials):
        yield ("materials", index, "materialKind"), material.material_kind, ("Method",)
    for index, group in enumerate(study.groups):
        for number, slug in enumerate(group.group_kind):
            yield ("groups", index, "groupKind", number), slug, ("Population", "Role", "RelationshipRole")
    for people in ("groups", "participants"):
        for index, person in enumerate(getattr(study, people)):
            for number, slug in enumerate(person.conditions):
                yield (people, index, "conditions", number), slug, ("Condition",)
    for index, assertion in enumerate(study.assertions):
        location: Location = ("assertions", index)
        yield (*location, "subject"), assertion.subject, ()
        yield (*location, "object"), assertion.object, ()
        if assertion.via:
            yield (*location, "via"), assertion.via, ()
        for number, slug in enumerate(assertion.scope):
            yield (*location, "scope", number), slug, ()
    for location, _, coding in codings(study):
        if coding.concept:
            yield (*location, "concept"), coding.concept, ()


def names_concept(location: Location) -> bool:
    """Whether a place of a study file names a concept."""
    keys = {"subject", "object", "via", "scope", "concept", "conditions", "offers", "materialKind", "groupKind", *FACETS}
    return any(part in keys for part in location)


def _concepts(study: Study, vocabulary: Vocabulary) -> Iterator[Fault]:
    for location, slug, facets in concepts(study):
        if slug not in vocabulary:
            remedy = vocabulary.suggest(slug) or "Add the concept under ontology/ or use another"
            yield Fault("concepts", location, f"there is no concept {slug!r}", remedy)
        elif facets and vocabulary.facets[slug] not in facets:
            found = f"{slug!r} is a concept of the facet {vocabulary.facets[slug]}"
            yield Fault("concepts", location, found, f"Name one of the facet {' or '.join(facets)}")


def _grounds(study: Study) -> Iterator[Fault]:
    for index, gap in enumerate(study.missing):
        if (remedy := unknown_key(gap.field)) is not None:
            yield Fault("schema", ("missing", index, "field"), f"a study file has no {gap.field!r}", remedy)
        elif (there := _value(study, gap.field)) is not None:
            yield Fault(
                "schema", ("missing", index, "field"), f"{gap.field} is {there!r}, so it is known", "Take one of them out"
            )
    for location, thing in anchored_things(study):
        if location[0] in GROUNDED and not thing.passages and not (thing.secondary or study.secondary):
            yield Fault("anchors", (*location, "passages"), "nothing says where this is known from", "Add passages, or secondary")
    for index, assertion in enumerate(study.assertions):
        if assertion.subject == assertion.object and assertion.via is None:
            found = f"{assertion.id} links {assertion.subject} with itself"
            yield Fault("links", ("assertions", index, "object"), found, "Name another concept, or say by way of what (via)")
        for key in ("section", "evidence"):
            if assertion.passages and getattr(assertion, key) is None:
                found = "this key is missing: an assertion that rests on passages has it"
                yield Fault("schema", ("assertions", index, key), found, f"Add {key}")
    for people in ("groups", "participants"):
        for index, person in enumerate(getattr(study, people)):
            if person.age_from is not None and person.age_to is not None and person.age_from > person.age_to:
                yield Fault("schema", (people, index, "ageFrom"), f"{person.age_from} is above ageTo", "Swap them")


def _value(study: Study, path: str) -> str | int | None:
    """The plain value that a study has at a path of keys (`design.sampleSize`), if it has one."""
    value: Any = study.model_dump(by_alias=True)
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str | int) else None


def _hierarchy(study: Study, name: str, attribute: str, key: str) -> Iterator[Fault]:
    above = {item.id: getattr(item, attribute) for item in getattr(study, name)}
    for index, item in enumerate(getattr(study, name)):
        seen, current = {item.id}, above.get(item.id)
        while current is not None and current not in seen:
            seen.add(current)
            current = above.get(current)
        if current == item.id:
            yield Fault("links", (name, index, key), f"{item.id} comes back to itself by {key}", "Break the circle")
