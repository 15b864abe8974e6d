"""What the site shows and how it came about: the manifest and the terms of the evidence model."""

from itertools import groupby

from flask import Blueprint, render_template

from kgraph.names import KG_IRI
from kgraph.web.published import ask

pages = Blueprint("about", __name__)


@pages.get("/about")
def about() -> str:
    """Built from what, by what, when; under which licences."""
    studies = ask("studies")
    sources = {row["study"]: ask("study-source", study=row["study"]) for row in studies}
    return render_template("about.html", sources=sources, harvests=ask("harvest-list"))


@pages.get("/ontology")
def ontology() -> str:
    """The classes and properties of the evidence model, with what they mean."""
    rows = ask("ontology-terms")
    groups = [(type_.rsplit("#", 1)[-1], list(members)) for type_, members in groupby(rows, key=lambda row: str(row["type"]))]
    return render_template("ontology.html", groups=groups, start=KG_IRI)
