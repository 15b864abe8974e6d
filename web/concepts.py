"""Concepts: the facets, each facet as a tree, the index from A to Z, and the page of a concept."""

from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from flask import Blueprint, render_template, request
from werkzeug.exceptions import NotFound

from kgraph.web.across import across, neighbours
from kgraph.web.facts import Facts
from kgraph.web.links import iri_of
from kgraph.web.papers import in_papers
from kgraph.web.published import ask, label
from kgraph.web.words import KINDS, PARTS, kind

pages = Blueprint("concepts", __name__)

Row = dict[str, Any]


@dataclass
class Branch:
    """A concept in its facet's tree, with the numbers of quotations and assertions that name it."""

    concept: str
    quotations: int = 0
    assertions: int = 0
    below: list["Branch"] = field(default_factory=list)


@pages.get("/concepts")
def facets() -> str:
    """The facets."""
    return render_template("facets.html", facets=ask("facets"))


@pages.get("/concepts/a-z")
def index() -> str:
    """Concepts whose name, or another wording of it, begins with a letter."""
    letter = request.args.get("letter", "A").upper()
    if letter not in ascii_uppercase or len(letter) != 1:
        raise NotFound("The index has the letters A to Z.")
    return render_template("index.html", entries=ask("concepts-by-letter", letter=letter), letter=letter, letters=ascii_uppercase)


@pages.get("/concepts/<facet>")
def facet(facet: str) -> str:
    """The concepts of a facet as a tree."""
    scheme = iri_of(f"concepts/{facet}")
    rows = ask("facet-concepts", scheme=scheme)
    if not rows:
        raise NotFound("There is no such facet.")
    about = next((row for row in ask("facets") if row["scheme"] == scheme), None)
    return render_template(
        "facet.html", scheme=scheme, tree=grow(rows), number=len({row["concept"] for row in rows}), about=about
    )


def grow(rows: list[Row]) -> list[Branch]:
    """Concepts below their broader ones. A concept with two broader ones stands below both; cycles are cut."""
    below: dict[str | None, dict[str, Row]] = {}
    for row in rows:
        below.setdefault(row["broader"], {})[row["concept"]] = row

    def branches(above: str | None, seen: frozenset[str]) -> list[Branch]:
        found = sorted(below.get(above, {}).items(), key=lambda item: label(item[0]).en.casefold())
        return [
            Branch(concept, row["quotations"] or 0, row["assertions"] or 0, branches(concept, seen | {concept}))
            for concept, row in found
            if concept not in seen
        ]

    return branches(None, frozenset())


@pages.get("/concept/<slug>")
def concept(slug: str) -> str:
    """A concept: its names, definition and place; who speaks of it, what is stated about it, on which references."""
    iri = iri_of(f"concept/{slug}")
    facts = Facts(ask("concept-about", concept=iri))
    if not facts:
        raise NotFound(f"There is no concept “{slug}”.")
    codings = ask("concept-codings", concept=iri)
    assertions = ask("concept-assertions", concept=iri)
    placed = ask("studies-placed")
    found = across(ask("concept-across-studies", concept=iri), placed)
    return render_template(
        "concept.html",
        iri=iri,
        slug=slug,
        facts=facts,
        quotations=of_type(codings, "Quotation"),
        themes=of_type(codings, "Theme"),
        coded=of_type(codings, "Assertion"),
        bases=count_bases(codings),
        groups=by_part(assertions),
        stated=len(stated := {row["assertion"] for row in assertions}),
        stated_secondary=len({r["assertion"] for r in assertions if r["anchorStatus"] == "secondary"} & stated),
        citations=by_reference(ask("concept-citations", concept=iri)),
        uses=ask("concept-uses", concept=iri),
        across=found,
        studies=len({row["study"] for row in placed}),
        beside=neighbours(ask("concept-neighbours", concept=iri), (voice.study for voice in found.voices)),
        mappings=ask("mappings-of-concept", concept=iri),
        counterparts=counterparts(ask("concept-counterparts", concept=iri)),
        papers=in_papers(slug),
    )


def counterparts(rows: list[Row]) -> list[Row]:
    """Comparisons, each once, with all cultures and sources it names."""
    found: dict[str, Row] = {}
    for row in rows:
        kept = found.setdefault(row["counterpart"], {**row, "cultures": {}, "sources": {}})
        for several, one in (("cultures", "culture"), ("sources", "source")):
            if row[one]:
                kept[several][row[one]] = None
    return list(found.values())


@pages.get("/counterpart/<slug>")
def counterpart(slug: str) -> str:
    """A comparison of two constructs: what they share, what differs, on what source."""
    iri = iri_of(f"counterpart/{slug}")
    rows = ask("counterpart-about", counterpart=iri)
    if not rows:
        raise NotFound(f"There is no comparison “{slug}”.")
    constructs: dict[str, Row] = {}
    for row in rows:
        kept = constructs.setdefault(row["construct"], {**row, "cultures": []})
        if row["culture"] and row["culture"] not in kept["cultures"]:
            kept["cultures"].append(row["culture"])
    return render_template("counterpart.html", iri=iri, about=rows[0], constructs=list(constructs.values()))


def of_type(codings: list[Row], type_: str) -> list[Row]:
    """The codings whose target is of a type: accepted first, those of participants and authors before an analyst's."""
    order = ("participant", "authors", "analyst")
    chosen = [row for row in codings if kind(row["type"]) == type_ and row["status"] != "rejected"]
    return sorted(chosen, key=lambda row: (row["status"] != "accepted", order.index(row["basis"]), row["target"]))


def count_bases(codings: list[Row]) -> dict[str, int]:
    """In how many things each basis (participant, authors, analyst) names a concept, accepted codings alone."""
    named: dict[str, set[str]] = {}
    for row in codings:
        if row["status"] == "accepted":
            named.setdefault(row["basis"], set()).add(row["target"])
    return {basis: len(named[basis]) for basis in ("participant", "authors", "analyst") if basis in named}


def by_part(assertions: list[Row]) -> list[tuple[str, list[tuple[str, list[Row]]]]]:
    """Assertions by the part that the concept plays in them, and within a part by kind, in the order of `PARTS` and `KINDS`."""
    groups = []
    for part in PARTS:
        rows = [row for row in assertions if kind(row["part"]) == part]
        kinds = [(name, [row for row in rows if kind(row["kind"]) == name]) for name in KINDS]
        if rows:
            groups.append((part, [(name, members) for name, members in kinds if members]))
    return groups


def by_reference(citations: list[Row]) -> list[tuple[Row, list[Row]]]:
    """Citations by reference: the reference (its first row) with the uses."""
    found: dict[str, list[Row]] = {}
    for row in citations:
        found.setdefault(row["reference"], []).append(row)
    return [(rows[0], rows) for rows in found.values()]
