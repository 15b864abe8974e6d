"""Conditions as people write them, `--where KIND:VALUE`, made ready: sets of works by name become the ids that they hold.

Values of one `--where` stand between bars; one of them is enough, as is one of several `--where` of the same kind. Every kind
that is named has to be met.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from kgraph.errors import fail
from kgraph.openalex import work_id
from kgraph.question import works as read_names
from kgraph.selection import Conditions, Record, cited_works, fold, number_of, topic_of
from kgraph.studyfile import load_study
from kgraph.validation import nearest
from kgraph.works import WORKS, harvest_names, read_works
from kgraph.workspace import Workspace
from kgraph.workterms import bare_doi

EXAMPLES = {
    "topic": "topic:T10123|subfields/3203|fields/32|domains/2",
    "term": "term:peer support|同伴支持",
    "work": "work:W2741809807|10.1000/182 or work:@HARVEST or work:@./list.txt",
    "cites": "cites:W2741809807 or cites:@HARVEST",
    "cited-by": "cited-by:@HARVEST",
    "year": "year:2015 or year:2010-2020 or year:2015-",
    "type": "type:article|review",
    "language": "language:en|zh",
    "country": "country:CN|HK",
    "retracted": "retracted:no",
}


def read_conditions(where: Sequence[str], workspace: Workspace) -> Conditions:
    """The conditions that texts such as `year:2015-` set. Raises `KgraphError` that says what is known."""
    asked: dict[str, list[str]] = {}
    for text in where:
        kind, colon, value = text.partition(":")
        values = [one.strip() for one in value.split("|") if one.strip()]
        if not colon or not values or kind not in EXAMPLES:
            known = nearest(kind, EXAMPLES) if kind not in EXAMPLES else f"Write {EXAMPLES[kind]}"
            raise fail(f"{text!r} is no condition", known or f"Known: {'; '.join(EXAMPLES.values())}", field="--where")
        asked.setdefault(kind, []).extend(values)
    if not asked:
        raise fail("no condition is set", f"Say which works: --where {EXAMPLES['term']!r}", field="--where")
    held = _Held(workspace)
    ready: dict[str, Any] = {}
    for kind, values in asked.items():
        ready |= READERS[kind](kind, values, held)
    return Conditions(**ready)


class _Held:
    """The works that the workspace holds: what the names of sets, and DOIs, are looked up in."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.harvests = harvest_names(workspace)

    def names(self, text: str, field: str) -> Iterator[str]:
        """The ids and DOIs that a value names: itself, those of a harvest or study (@NAME), those in a file (@./PATH)."""
        if not text.startswith("@"):
            if (found := work_id(text) or bare_doi(text)) is None:
                remedy = f"Write {EXAMPLES[field]}"
                raise fail(f"{text!r} is no OpenAlex id, no DOI and no @NAME", remedy, field=f"--where {field}")
            yield found
        elif "/" in text:
            yield from read_names([], Path(text[1:])).about
        elif text[1:] in self.harvests:
            path = self.workspace.folder / "works" / text[1:] / WORKS
            yield from (identifier for record in read_works(path) if (identifier := work_id(record["id"])))
        else:
            yield self._of_study(text[1:], field)

    def _of_study(self, name: str, field: str) -> str:
        """What names a study's own work: its DOI."""
        studies = {path.stem: path for path in self.workspace.study_files()}
        if name not in studies:
            known = sorted([*studies, *self.harvests])
            few = f"There are: {', '.join(known) or 'none'}. A file is written with a slash: @./{name}"
            raise fail(f"there is no harvest and no study {name!r}", nearest(name, known) or few, field=f"--where {field}")
        doi = bare_doi(load_study(studies[name]).study.report.doi)
        if doi is None:
            raise fail(f"the study {name!r} gives no DOI of its own", "Name an OpenAlex id", field=f"--where {field}")
        return doi

    @cached_property
    def by_doi(self) -> dict[str, bytes]:
        """The numbers of all works that are held, by their DOI."""
        return {doi: number for record in self._all() if (doi := bare_doi(record.get("doi"))) and (number := _number(record))}

    def numbers(self, names: set[str], field: str) -> frozenset[bytes]:
        """The numbers of works; of DOIs those that are known here. Raises `KgraphError` for a DOI that is not."""
        dois = {name for name in names if not work_id(name)}
        if unknown := sorted(dois - self.by_doi.keys() if dois else ()):
            few = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
            remedy = f"Get it first (kgraph harvest doi {unknown[0]}), or write the id"
            raise fail(f"the OpenAlex id of {few} is not known in this workspace", remedy, field=f"--where {field}")
        return frozenset(self.by_doi[name] if name in dois else name[1:].encode() for name in names)

    def cited(self, numbers: frozenset[bytes], field: str) -> frozenset[bytes]:
        """What works cite. Raises `KgraphError` for works that are not held: nothing is known of what they cite."""
        found: set[bytes] = set()
        lacking = set(numbers)
        for record in self._all():
            if (number := _number(record)) in numbers and number:
                lacking.discard(number)
                found.update(cited_works(record))
        if lacking:
            first = f"W{min(lacking).decode()}"
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            remedy = f"Get it first: kgraph harvest doi {first}"
            raise fail(f"what {first}{more} cites is not known in this workspace", remedy, field=f"--where {field}")
        return frozenset(found)

    def _all(self) -> Iterator[Record]:
        for name in self.harvests:
            yield from read_works(self.workspace.folder / "works" / name / WORKS)


def _number(record: Record) -> bytes | None:
    return number_of(work_id(str(record.get("id"))))


def _checked(kind: str, values: Sequence[str], form: Callable[[str], Any]) -> list[Any]:
    """Values in the form they are needed in. Raises `KgraphError` for one that has none."""
    found = []
    for value in values:
        if (made := form(value)) is None:
            raise fail(f"{value!r} is not what belongs here", f"Write {EXAMPLES[kind]}", field=f"--where {kind}")
        found.append(made)
    return found


def _word(pattern: str) -> Callable[[str], str | None]:
    return lambda value: value if re.fullmatch(pattern, value) else None


def _years(value: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([0-9]{4})?(-)?([0-9]{4})?", value)
    if not found or not (found[1] or found[3]) or (found[3] and not found[2]):
        return None
    first, last = int(found[1] or 0), int(found[3] or (9999 if found[2] else found[1]))
    return (first, last) if first <= last else None


def _topic(value: str) -> str | None:
    return topic_of(value) or topic_of(value.upper())


def _work(kind: str, values: list[str], held: _Held) -> dict[str, Any]:
    names = {name for value in values for name in held.names(value, kind)}
    ids = {name for name in names if work_id(name)}
    return {"works": frozenset(name[1:].encode() for name in ids), "dois": frozenset(names - ids)}


def _cites(kind: str, values: list[str], held: _Held) -> dict[str, Any]:
    return {"cites": held.numbers({name for value in values for name in held.names(value, kind)}, kind)}


def _cited_by(kind: str, values: list[str], held: _Held) -> dict[str, Any]:
    return {"cited": held.cited(held.numbers({name for value in values for name in held.names(value, kind)}, kind), kind)}


def _terms(kind: str, values: list[str], held: _Held) -> dict[str, Any]:
    return {"terms": tuple(sorted(set(_checked(kind, values, lambda value: fold(value) or None))))}


def _retracted(kind: str, values: list[str], held: _Held) -> dict[str, Any]:
    found = set(_checked(kind, values, _word("yes|no")))
    return {"retracted": found == {"yes"} if len(found) == 1 else None}


READERS: dict[str, Callable[[str, list[str], _Held], dict[str, Any]]] = {
    "topic": lambda kind, values, _: {"topics": frozenset(_checked(kind, values, _topic))},
    "term": _terms,
    "work": _work,
    "cites": _cites,
    "cited-by": _cited_by,
    "year": lambda kind, values, _: {"years": tuple(sorted(set(_checked(kind, values, _years))))},
    "type": lambda kind, values, _: {"types": frozenset(_checked(kind, values, _word("[a-z][a-z-]*")))},
    "language": lambda kind, values, _: {"languages": frozenset(_checked(kind, values, _word("[a-z]{2,3}(-[a-z]+)?")))},
    "country": lambda kind, values, _: {
        "countries": frozenset(_checked(kind, [value.upper() for value in values], _word("[A-Z]{2}")))
    },
    "retracted": _retracted,
}
