"""The evidence itself: quotations, assertions, references, data issues and passages, each with its words in context."""

from typing import Any

from flask import Blueprint, render_template
from werkzeug.exceptions import NotFound

from kgraph.web.facts import Facts, context_of
from kgraph.web.published import ask
from kgraph.web.studies import study_iri
from kgraph.web.work import recorded

pages = Blueprint("evidence", __name__)

Row = dict[str, Any]


@pages.get("/study/<study>/quotation/<identifier>")
def quotation(study: str, identifier: str) -> str:
    """A quotation: the words, marked in their context, with speaker, theme and codings."""
    iri = study_iri(study, "quotation", identifier)
    about = ask("quotation-about", quotation=iri)
    if not about:
        raise NotFound(f"The study {study} has no quotation “{identifier}”.")
    codings = ask("codings-of", target=iri)
    return render_template(
        "quotation.html",
        iri=iri,
        study=study_iri(study),
        identifier=identifier,
        about=about[0],
        twins=ask("quotation-twins", quotation=iri),
        context=context_of(ask("passages-of", thing=iri)),
        codings=[row for row in codings if not row["doubtful"]],
        placements=[row for row in codings if row["doubtful"]],
        assertions=ask("assertions-resting-on", ground=iri),
        issues=ask("issues-about", thing=iri),
    )


@pages.get("/study/<study>/assertion/<identifier>")
def assertion(study: str, identifier: str) -> str:
    """An assertion: what it links, how carefully, for whom, on what ground, and its sentence in context."""
    iri = study_iri(study, "assertion", identifier)
    facts = Facts(ask("assertion-about", assertion=iri))
    if not facts:
        raise NotFound(f"The study {study} has no assertion “{identifier}”.")
    return render_template(
        "assertion.html",
        iri=iri,
        study=study_iri(study),
        identifier=identifier,
        facts=facts,
        context=context_of(ask("passages-of", thing=iri)),
        grounds=ask("assertion-grounds", assertion=iri),
        citations=ask("assertion-citations", assertion=iri),
        restatements=ask("restatements-of", assertion=iri),
        codings=ask("codings-of", target=iri),
        issues=ask("issues-about", thing=iri),
    )


@pages.get("/study/<study>/reference/<identifier>")
def reference(study: str, identifier: str) -> str:
    """A reference: as printed, as it is right, and where it is used."""
    iri = study_iri(study, "reference", identifier)
    facts = Facts(ask("reference-about", reference=iri))
    if not facts:
        raise NotFound(f"The study {study} has no reference “{identifier}”.")
    return render_template(
        "reference.html",
        iri=iri,
        study=study_iri(study),
        identifier=identifier,
        facts=facts,
        uses=ask("reference-uses", reference=iri),
        recorded=recorded(facts.all("kg:refersTo")),
        issues=ask("issues-about", thing=iri),
        context=context_of(ask("passages-of", thing=iri)),
    )


@pages.get("/study/<study>/issue/<identifier>")
def issue(study: str, identifier: str) -> str:
    """A data issue: printed and derived side by side."""
    iri = study_iri(study, "issue", identifier)
    facts = Facts(ask("issue-about", issue=iri))
    if not facts:
        raise NotFound(f"The study {study} has no data issue “{identifier}”.")
    context = context_of(ask("passages-of", thing=iri))
    return render_template("issue.html", iri=iri, study=study_iri(study), identifier=identifier, facts=facts, context=context)


@pages.get("/study/<study>/passage/<identifier>")
def passage(study: str, identifier: str) -> str:
    """A passage in its context, with what rests on it."""
    iri = study_iri(study, "passage", identifier)
    rows = ask("passage-about", passage=iri)
    if not rows:
        raise NotFound(f"The study {study} has no passage “{identifier}”.")
    note = next((row["note"] for row in rows if row["note"]), None)
    uses = {row["thing"]: row for row in ask("passage-uses", passage=iri)}
    return render_template(
        "passage.html",
        iri=iri,
        study=study_iri(study),
        identifier=identifier,
        context=context_of(rows),
        note=note,
        uses=list(uses.values()),
    )
