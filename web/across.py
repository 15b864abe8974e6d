"""What several studies say of one concept, side by side: made of the rows of `concept-across-studies`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kgraph.names import KG
from kgraph.web.words import kind

Row = dict[str, Any]

DRAWN = ("Finding", "CitedClaim", "Interpretation")  # the kinds of assertions from which links follow
MORE = {str(KG.increases), str(KG.enables)}
LESS = {str(KG.reduces), str(KG.hinders)}


@dataclass
class Voice:
    """What one study says: participants' words (first order), the authors' themes and statements (second order)."""

    study: str
    cultures: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    secondary: bool = False
    quotations: list[Row] = field(default_factory=list)
    themes: list[Row] = field(default_factory=list)
    statements: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.quotations or self.themes or self.statements)


@dataclass
class Link:
    """A link of the concept, or of one below it, with another one, and the assertions behind it, by study.

    `inverse`: the other is the subject. `differs`: other studies say the opposite.
    """

    other: str
    relation: str
    inverse: bool
    denied: bool
    studies: dict[str, list[Row]] = field(default_factory=dict)
    differs: bool = False

    @property
    def effect(self) -> str:
        """Whether the subject makes `more` or `less` of the object; empty for other relations and for what is denied."""
        if self.denied:
            return ""
        return "more" if self.relation in MORE else "less" if self.relation in LESS else ""


@dataclass
class Across:
    """A concept across studies: who speaks of it, who does not, and what they link it with.

    `links` go by what they say: (inverse, effect) as in `Link`, those that most studies state first.
    """

    voices: list[Voice]
    silent: list[Voice]
    links: dict[tuple[bool, str], list[Link]]


def across(rows: list[Row], placed: list[Row]) -> Across:
    """Rows of `concept-across-studies` and `studies-placed`, sorted for the page of a concept."""
    voices: dict[str, Voice] = {}
    for row in placed:
        voice = voices.setdefault(row["study"], Voice(row["study"]))
        _put(voice.cultures, row["culture"])
        _put(voice.countries, row["country"])
        voice.secondary = row["anchorStatus"] == "secondary"
    said: dict[str, Row] = {}
    for row in rows:  # of several codings of one thing, an analyst's gives way
        if row["thing"] not in said or said[row["thing"]]["voice"] == "analyst":
            said[row["thing"]] = row
    for row in said.values():
        voice = voices.setdefault(row["study"], Voice(row["study"]))
        which = kind(row["kind"])
        things = {"Quotation": voice.quotations, "Theme": voice.themes}.get(which, voice.statements)
        things.append(row)
    links: dict[tuple[bool, str], list[Link]] = {}
    for link in _links(rows):
        links.setdefault((link.inverse, link.effect), []).append(link)
    return Across([voice for voice in voices.values() if voice], [voice for voice in voices.values() if not voice], links)


def _put(values: list[str], value: str | None) -> None:
    if value is not None and value not in values:
        values.append(value)


def _links(rows: Iterable[Row]) -> list[Link]:
    """The links that assertions make between the concept (or one below it) and others; those most studies make first."""
    rows = list(rows)
    about = {row["about"] for row in rows}
    found: dict[tuple[str, str, bool, bool], Link] = {}
    for row in {row["thing"]: row for row in rows if kind(row["kind"]) in DRAWN}.values():
        inverse = row["subject"] not in about
        other = row["subject"] if inverse else row["object"]
        if other in about:
            continue
        denied = row["polarity"] == "denied"
        link = found.setdefault((other, row["relation"], inverse, denied), Link(other, row["relation"], inverse, denied))
        link.studies.setdefault(row["study"], []).append(row)
    for link in found.values():
        link.differs = any(_opposite(link, other) for other in found.values())
    return sorted(found.values(), key=lambda link: (not link.differs, -len(link.studies), link.other, link.relation))


def _opposite(one: Link, other: Link) -> bool:
    """Whether two links say the opposite about the same concepts, and not all of it comes from the same studies."""
    if (one.other, one.inverse) != (other.other, other.inverse) or one.studies.keys() == other.studies.keys():
        return False
    if one.denied != other.denied:
        return one.relation == other.relation or {one.relation, other.relation} <= MORE or {one.relation, other.relation} <= LESS
    return {one.effect, other.effect} == {"more", "less"}


def neighbours(rows: list[Row], spoken: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Neighbouring concepts with the studies that speak of them and are not among those in `spoken`; most studies first."""
    known, found = set(spoken), dict[str, list[str]]()
    for row in rows:
        if row["study"] not in known:
            _put(found.setdefault(row["neighbour"], []), row["study"])
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
