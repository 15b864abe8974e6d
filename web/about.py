"""What the site shows and how it came about: the manifest, the named queries and the terms of the evidence model."""

from itertools import groupby

from flask import Blueprint, render_template
from werkzeug.exceptions import NotFound

from kgraph.names import KG_IRI
from kgraph.queries import load_queries
from kgraph.web.published import ask

pages = Blueprint("about", __name__)

FOLDERS = ("pages", "competency", "checks")


@pages.get("/about")
def about() -> str:
    """Built from what, by what, when; under which licences."""
    studies = ask("studies")
    sources = {row["study"]: ask("study-source", study=row["study"]) for row in studies}
    return render_template("about.html", sources=sources, harvests=ask("harvest-list"))


@pages.get("/query")
def queries() -> str:
    """All named queries."""
    return render_template("queries.html", folders=[(folder, load_queries(folder).values()) for folder in FOLDERS])


@pages.get("/query/<name>")
def query(name: str) -> str:
    """The text of a named query, and what it asks."""
    for folder in FOLDERS:
        if name in load_queries(folder):
            return render_template("query.html", query=load_queries(folder)[name])
    raise NotFound(f"There is no query named “{name}”.")


@pages.get("/ontology")
def ontology() -> str:
    """The classes and properties of the evidence model, with what they mean."""
    rows = ask("ontology-terms")
    groups = [(type_.rsplit("#", 1)[-1], list(members)) for type_, members in groupby(rows, key=lambda row: str(row["type"]))]
    return render_template("ontology.html", groups=groups, start=KG_IRI)
