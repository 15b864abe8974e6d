"""Studies: the list, the page of a study, its themes and participants."""

from typing import Any

from flask import Blueprint, render_template
from werkzeug.exceptions import NotFound

from kgraph.names import PREFIXES
from kgraph.web.facts import Facts, context_of
from kgraph.web.links import iri_of
from kgraph.web.published import ask
from kgraph.web.words import kind

pages = Blueprint("studies", __name__)

ANY = PREFIXES["owl"] + "Thing"  # a filter of the named queries that lets everything through
Row = dict[str, Any]


def study_iri(study: str, *path: str) -> str:
    """The IRI of a study by its id, or of a thing of it: `study_iri("fan-2024", "quotation", "q01")`."""
    return iri_of("/".join(("study", study, *path)))


@pages.get("/study")
def studies() -> str:
    """All studies."""
    return render_template("studies.html", studies=ask("studies"))


@pages.get("/study/<study>")
def study(study: str) -> str:
    """How a study was done and what was taken from it."""
    iri = study_iri(study)
    facts = Facts(ask("study-about", study=iri))
    if not facts:
        raise NotFound(f"There is no study “{study}”.")
    parts = merge_parts(ask("study-parts", study=iri))
    themes = ask("theme-list", inStudy=iri)
    sources = ask("study-source", study=iri)
    return render_template(
        "study.html",
        iri=iri,
        study=study,
        facts=facts,
        report=Facts(ask("study-report", study=iri)),
        source=sources[0] if sources else None,
        sites=each(ask("study-sites", study=iri), "site"),
        **people(ask("study-people", study=iri)),
        criteria=parts["hasCriterion"],
        steps=parts["hasStep"],
        questions=parts["hasInterviewQuestion"],
        statistics=ask("study-statistics", study=iri),
        participants=ask("participant-list", inStudy=iri),
        themes=theme_tree(themes),
        quotations=sum(row["quotations"] or 0 for row in themes if row["above"] is None),
        kinds=ask("study-kinds", study=iri),
        supports=ask("citation-support", inStudy=iri),
        references=ask("reference-list", inStudy=iri),
        issues=ask("issue-list", inStudy=iri),
    )


def people(rows: list[Row]) -> dict[str, list[tuple[str, Facts]]]:
    """Groups, material and what is not known of a study, by the names that the page has for them."""
    names = {"groupIn": "groups", "hasMaterial": "materials", "missingIn": "missing"}
    return {name: each([row for row in rows if kind(row["link"]) == link], "thing") for link, name in names.items()}


def merge_parts(rows: list[Row]) -> dict[str, list[Row]]:
    """Criteria, steps and questions, each once, with all its passages as `anchors`."""
    merged: dict[str, Row] = {}
    for row in rows:
        kept = merged.setdefault(row["part"], {**row, "anchors": []})
        if row["anchor"] and row["anchor"] not in kept["anchors"]:
            kept["anchors"].append(row["anchor"])
    parts: dict[str, list[Row]] = {"hasCriterion": [], "hasStep": [], "hasInterviewQuestion": []}
    for row in merged.values():
        parts[kind(row["link"])].append(row)
    return parts


def each(rows: list[Row], key: str) -> list[tuple[str, Facts]]:
    """The things that rows name under `key`, each with what is said of it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return [(thing, Facts(said)) for thing, said in found.items()]


def theme_tree(rows: list[Row], above: str | None = None) -> list[tuple[Row, list[Any]]]:
    """The themes below one (the main ones), in order, each with the tree of those below it."""
    return [(row, theme_tree(rows, row["theme"])) for row in rows if row["above"] == above]


@pages.get("/study/<study>/theme/<slug>")
def theme(study: str, slug: str) -> str:
    """A theme: what it is about, its quotations, codings, and the assertions that rest on it."""
    iri = study_iri(study, "theme", slug)
    facts = Facts(ask("theme-about", theme=iri))
    if not facts:
        raise NotFound(f"The study {study} has no theme “{slug}”.")
    filters = {"inStudy": study_iri(study), "byParticipant": ANY, "aboutConcept": ANY}
    printed = ask("quotation-list", inTheme=ANY, **filters)
    codings = ask("codings-of", target=iri)
    return render_template(
        "theme.html",
        iri=iri,
        study=study_iri(study),
        facts=facts,
        quotations=distinct(ask("quotation-list", inTheme=iri, **filters)),
        elsewhere=distinct([row for row in printed if row["printedUnder"] == iri]),
        codings=[row for row in codings if not row["doubtful"]],
        placements=[row for row in codings if row["doubtful"]],
        assertions=ask("assertions-resting-on", ground=iri),
        issues=ask("issues-about", thing=iri),
        context=context_of(ask("passages-of", thing=iri)),
    )


def distinct(quotations: list[Row]) -> list[Row]:
    """Quotations, each once."""
    return list({row["quotation"]: row for row in reversed(quotations)}.values())[::-1]


@pages.get("/study/<study>/participant/<identifier>")
def participant(study: str, identifier: str) -> str:
    """A participant: what is printed about them, and what they said."""
    iri = study_iri(study, "participant", identifier)
    facts = Facts(ask("participant-about", participant=iri))
    if not facts:
        raise NotFound(f"The study {study} has no participant “{identifier}”.")
    return render_template(
        "participant.html",
        iri=iri,
        study=study_iri(study),
        identifier=identifier,
        facts=facts,
        quotations=distinct(ask("quotation-list", inStudy=study_iri(study), inTheme=ANY, byParticipant=iri, aboutConcept=ANY)),
        issues=ask("issues-about", thing=iri),
        context=context_of(ask("passages-of", thing=iri)),
    )
