"""Things without a page of their own (codings, sites, agents, places and others): what the graph says of them, readably."""

from itertools import groupby
from typing import Any

from flask import Blueprint, redirect, render_template
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from kgraph.web.links import SCHEME, href, iri_of
from kgraph.web.published import ask, label, view

pages = Blueprint("resources", __name__)

Row = dict[str, Any]


@pages.get("/<path:path>")
def resource(path: str) -> str | Response:
    """All statements about a thing, and those that lead to it."""
    iri = iri_of(path)
    if iri.startswith(SCHEME):
        return redirect(href(iri), 301)
    rows = ask("resource-about", thing=iri)
    if not rows:
        raise NotFound()
    leading = by_property(ask("resource-leading-to", thing=iri))
    return render_template(
        "resource.html", iri=iri, said=by_property(rows), leading=leading, trail=trail(path), title=title(iri, path)
    )


def title(iri: str, path: str) -> str:
    """What a thing is called; where it has no name, its kind and id: `coding q22-yuanfen`."""
    return label(iri).en if iri in view().labels else " ".join(path.split("/")[-2:])


def trail(path: str) -> list[tuple[str | None, str]]:
    """Breadcrumbs: of a study's thing the study, of another its kind."""
    parts = path.split("/")
    if parts[0] == "study" and len(parts) > 2:
        return [("/study", "Studies"), (f"/study/{parts[1]}", parts[1]), (None, " ".join(parts[2:]))]
    return [("/", "Home"), (None, " ".join(parts))]


def by_property(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Rows by property."""
    return [(property_, list(members)) for property_, members in groupby(rows, key=lambda row: str(row["property"]))]
