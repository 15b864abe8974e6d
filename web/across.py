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
    """A link of the concept with another one, and the assertions behind it, by study. `inverse`: the other is the subject."""

    other: str
    relation: str
    inverse: bool
    denied: bool
    studies: dict[str, list[Row]] = field(default_factory=dict)


@dataclass
class Across:
    """A concept across studies: who speaks of it, who does not, and what they link it with.

    `shared` are links with a concept that at least two studies name, `single` the others; `contrary` holds the other concepts
    that one study says make more of it (or that it makes more of) and another study says make less.
    """

    voices: list[Voice]
    silent: list[Voice]
    shared: list[Link]
    single: list[Link]
    contrary: list[str]


def across(rows: list[Row], placed: list[Row]) -> Across:
    """Rows of `concept-across-studies` and `studies-placed`, sorted for the page of a concept."""
    voices: dict[str, Voice] = {}
    for row in placed:
        voice = voices.setdefault(row["study"], Voice(row["study"]))
        _put(voice.cultures, row["culture"])
        _put(voice.countries, row["country"])
        voice.secondary = row["anchorStatus"] == "secondary"
    for row in {row["thing"]: row for row in rows}.values():
        voice = voices.setdefault(row["study"], Voice(row["study"]))
        which = kind(row["kind"])
        things = {"Quotation": voice.quotations, "Theme": voice.themes}.get(which, voice.statements)
        things.append(row)
    links = _links(rows)
    named: dict[str, set[str]] = {}
    for link in links:
        named.setdefault(link.other, set()).update(link.studies)
    shared = [link for link in links if len(named[link.other]) > 1]
    return Across(
        voices=[voice for voice in voices.values() if voice],
        silent=[voice for voice in voices.values() if not voice],
        shared=shared,
        single=[link for link in links if len(named[link.other]) == 1],
        contrary=_contrary(shared),
    )


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
    return sorted(found.values(), key=lambda link: (-len(link.studies), link.other, link.relation))


def _contrary(links: list[Link]) -> list[str]:
    """The other concepts about whose effect studies differ."""
    differ = []
    for other in dict.fromkeys(link.other for link in links):
        for inverse in (False, True):
            effects: dict[bool, set[str]] = {True: set(), False: set()}
            for link in links:
                if link.other == other and link.inverse == inverse and link.relation in MORE | LESS:
                    effects[(link.relation in MORE) != link.denied].update(link.studies)
            if effects[True] and effects[False] and effects[True] | effects[False] != effects[True] & effects[False]:
                differ.append(other)
    return list(dict.fromkeys(differ))


def neighbours(rows: list[Row], spoken: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Neighbouring concepts with the studies that speak of them and are not among those in `spoken`; most studies first."""
    known, found = set(spoken), dict[str, list[str]]()
    for row in rows:
        if row["study"] not in known:
            _put(found.setdefault(row["neighbour"], []), row["study"])
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
