"""The page of a work: what its record says, what a program found in it, what rests on it here; and the page of a harvest."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from flask import Blueprint, redirect, render_template
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from kgraph.web.facts import Facts
from kgraph.web.links import find_work, href, iri_of, local_id, nothing_here
from kgraph.web.published import ask, view
from kgraph.web.words import kind
from kgraph.worklist import Found, Wanted, WorkRow
from kgraph.workterms import OPENALEX

pages = Blueprint("work", __name__)

SHOWN = 20  # citations on the page of a work
Row = dict[str, Any]


@dataclass
class Author:
    """An author as the record prints the name; `key` is the OpenAlex id, empty where there is none."""

    name: str
    key: str = ""


@dataclass
class Copy:
    """A copy of a work: where it stands, its licence, whether it is the published version."""

    url: str = ""
    licence: str = ""
    version: str = ""


@dataclass
class Parts:
    """What belongs to a work, by kind; harvests as (IRI, what was asked, when)."""

    authors: list[Author] = field(default_factory=list)
    institutions: list[str] = field(default_factory=list)
    topics: list[tuple[str, str]] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    best: Copy | None = None
    harvests: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Piece:
    """Some words of a text; with a mention the concept that a program found in them."""

    words: str
    mention: Row | None = None


def parts_of(rows: Iterable[Row]) -> Parts:
    """Rows of `work-parts`, sorted for a page."""
    said: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        said.setdefault((kind(local_id(row["link"])), row["part"]), []).append(row)
    parts = Parts()
    authors: list[tuple[int, Author]] = []
    for (link, part), its_rows in said.items():
        facts = Facts(its_rows)
        if link == "hasAuthorship":
            key = facts.one("soa:hasAuthor") or ""
            name = facts.one("kg:authorName") or key.removeprefix(OPENALEX)
            authors.append((facts.one("soa:position") or 0, Author(name, key.removeprefix(OPENALEX))))
        elif link == "hasOrganization":
            parts.institutions.append(facts.one("foaf:name"))
        elif link == "hasTopic":
            parts.topics.append((part.removeprefix(OPENALEX), facts.one("rdfs:label") or local_id(part)))
        elif link == "hasKeyword":
            parts.keywords.append(facts.one("rdfs:label") or local_id(part))
        elif link == "hasBestOaLocation":
            url = facts.one("fabio:hasURL") or facts.one("soa:pdfUrl") or ""
            parts.best = Copy(url, local_id(facts.one("dcterms:license") or ""), facts.one("soa:hasVersion") or "")
        elif link == "harvestedIn":
            parts.harvests.append((part, facts.one("dcterms:description") or "", facts.one("prov:endedAtTime") or ""))
    parts.authors = [author for _, author in sorted(authors, key=lambda one: one[0])]
    parts.institutions = sorted(set(parts.institutions))
    parts.keywords.sort()
    return parts


def pieces_of(text: str, mentions: Iterable[Row]) -> list[Piece]:
    """A text in pieces, by the mentions in it (with `start`, `end` in code points and the `sha256` of the text they are of).

    Mentions of another text than this one are left out, and so is one that overlaps an earlier one.
    """
    digest = sha256(text.encode()).hexdigest()
    pieces: list[Piece] = []
    at = 0
    for mention in sorted(mentions, key=lambda row: row["start"]):
        start, end = mention["start"], mention["end"]
        if mention["sha256"] != digest or not at <= start < end <= len(text):
            continue
        pieces += [Piece(text[at:start]), Piece(text[start:end], mention)]
        at = end
    pieces.append(Piece(text[at:]))
    return [piece for piece in pieces if piece.words]


def find_here(name: str) -> WorkRow:
    """The harvested work of that name. Not found, it says what could be done."""
    work = find_work(name)
    if work is None and not view().works.exists:
        raise NotFound(nothing_here())
    if work is None:
        raise NotFound(
            f"No harvest holds a work “{name}”. A page of a work is named by its DOI or by its OpenAlex id, such as W123."
        )
    return work


@pages.get("/work/<path:name>")
def work(name: str) -> str | Response:
    """A work by its OpenAlex id; a DOI leads there."""
    found = find_here(name)
    if name != found.openalex:
        return redirect(href(found.iri), 302)
    facts = Facts(ask("work-about", work=found.iri))
    mentions = ask("work-mentions", work=found.iri)
    for row in mentions:
        row["part"] = local_id(row["source"])
    text = facts.one("dcterms:abstract") or ""
    return render_template(
        "work.html",
        iri=found.iri,
        work=found,
        facts=facts,
        parts_of_work=parts_of(ask("work-parts", work=found.iri)),
        values=view().works.values(found.openalex),
        abstract=pieces_of(text, [row for row in mentions if row["part"] == "abstract"]) if text else [],
        abstract_text=text,
        title=pieces_of(found.title, [row for row in mentions if row["part"] == "title"]),
        mentions=mentions,
        studies=ask("work-studies", work=found.iri),
        uses=ask("work-uses", work=found.iri),
        **citations(found),
    )


def citations(found: WorkRow) -> dict[str, Found]:
    """The works of the graph that a work cites, and those that cite it: the first of each and how many there are."""
    index = view().works
    return {
        "cited": index.find(Wanted(cited_by=found.openalex), limit=SHOWN),
        "citing": index.find(Wanted(cites=found.openalex), limit=SHOWN),
    }


@dataclass
class Recorded:
    """What the record of a work adds to what a study says of it."""

    work: WorkRow
    facts: Facts
    parts: Parts


def recorded(works: Iterable[str]) -> Recorded | None:
    """What a harvested record says of the first of some works that has one."""
    found = next(filter(None, map(view().work, works)), None)
    if found is None:
        return None
    return Recorded(found, Facts(ask("work-about", work=found.iri)), parts_of(ask("work-parts", work=found.iri)))


@pages.get("/harvest/<name>")
def harvest(name: str) -> str:
    """A harvest: what was asked, when, how many works came, and what was not found."""
    iri = iri_of(f"harvest/{name}")
    facts = Facts(ask("harvest-about", harvest=iri))
    if not facts:
        raise NotFound(f"There is no harvest “{name}”." if view().works.exists else nothing_here())
    question = facts.one("kg:question") or "{}"
    return render_template("harvest.html", iri=iri, name=name, facts=facts, question=asked_for(question))


def asked_for(question: str) -> list[tuple[str, list[str]]]:
    """The parts of a question, each with its values as text."""
    try:
        parts = json.loads(question)
    except ValueError:
        return [("question", [question])]
    if not isinstance(parts, dict):
        return [("question", [question])]
    return [
        (str(name), [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in values])
        for name, value in parts.items()
        if (values := value if isinstance(value, list) else [value])
    ]
