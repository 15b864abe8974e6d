"""The concept map: which concepts the studies link, drawn by the server, with the same links as a table.

A page shows the links of a family of relations, a facet or a study; the usual ones were laid out when the snapshot was built. The
page of a concept shows the links around it.
"""

import csv
import io
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, render_template, request

from kgraph import network as concepts
from kgraph.web.drawing import Map, add_undrawn, draw, facets_drawn, language
from kgraph.web.published import snapshot

pages = Blueprint("maps", __name__)

Row = dict[str, Any]
ALL = "all"
FAMILIES = {  # of relations, in the order of the page
    "influence": "What leads to what",
    "meaning": "What explains, shows or makes up what",
    "need": "What is needed or lacking",
    "other": "What otherwise has to do with what",
    ALL: "All links",
}
KEPT_LAYOUTS = 200


@pages.route("/map")
def whole_map() -> str:
    """The map of a family of relations, of a facet, of a study."""
    chosen, edges = _chosen()
    network = snapshot().network
    shown = draw(network, edges, _layout(network, edges, chosen))
    add_undrawn(shown, *(concepts.select(network, **_filter(chosen), edges=name) for name in ("denied", "restated")))
    counts = {family: len(concepts.select(network, family="" if family == ALL else family)) for family in FAMILIES}
    studies = sorted({study for edge in network["edges"] for study in edge["studies"]})
    per_facet = {facet["name"]: len(concepts.select(network, facet=facet["name"])) for facet in network["facets"]}
    return render_template(
        "map.html",
        map=shown,
        chosen=chosen,
        families=FAMILIES,
        counts=counts,
        studies=studies,
        facets=facets_drawn(network),
        per_facet=per_facet,
        data=urlencode({name: value for name, value in chosen.items() if value}),
    )


@pages.route("/map.csv")
def map_table() -> Response:
    """The same links as a table, a row a link."""
    _, edges = _chosen()
    names = snapshot().network["names"]
    table = io.StringIO()
    writer = csv.writer(table)
    columns = (
        "subject",
        "relation",
        "object",
        "statements",
        *concepts.KINDS,
        "hedged",
        "hedges",
        "studies",
        "subject_en",
        "subject_zh",
    )
    writer.writerow([*columns, "object_en", "object_zh"])
    for edge in edges:
        labels = [names[edge[end]][tongue] for end in ("subject", "object") for tongue in ("en", "zh")]
        kinds = [edge["kinds"].get(kind, 0) for kind in concepts.KINDS]
        words = "; ".join(edge["hedges"])
        row = [edge["subject"], edge["relation"], edge["object"], edge["count"], *kinds, edge["hedged"], words]
        writer.writerow([*row, " ".join(edge["studies"]), *labels])
    return Response(table.getvalue(), content_type="text/csv; charset=utf-8")


@pages.route("/map.json")
def map_data() -> Response:
    """The same links as nodes and edges, with the places of the nodes."""
    chosen, edges = _chosen()
    network = snapshot().network
    layout = _layout(network, edges, chosen)
    nodes = [{**node, "x": layout["boxes"][node["slug"]][0], "y": layout["boxes"][node["slug"]][1]}
             for node in network["nodes"] if node["slug"] in layout["boxes"]]  # fmt: skip
    return jsonify(nodes=nodes, edges=edges)


@pages.app_template_global()
def concept_map(slug: str) -> Map:
    """The links around a concept, for its page."""
    network = snapshot().network
    edges = concepts.around(network, slug)
    found = Map(network["names"], language(), centre=slug)
    if edges:
        found = draw(network, edges, concepts.lay_out_around(network, slug, edges), slug)
    return add_undrawn(found, concepts.around(network, slug, "denied"), concepts.around(network, slug, "restated"))


def _chosen() -> tuple[dict[str, str], list[Row]]:
    """What the address asks for, and the edges of it; an unknown value is answered with 404."""
    network = snapshot().network
    studies = {study for edge in network["edges"] for study in edge["studies"]}
    facet, study = request.args.get("facet", ""), request.args.get("study", "")
    family = request.args.get("family") or (ALL if facet else "influence")
    known = {"family": set(FAMILIES), "facet": {"", *(facet["name"] for facet in network["facets"])}, "study": {"", *studies}}
    chosen = {"family": family, "facet": facet, "study": study, "labels": request.args.get("labels", "")}
    known["labels"] = {"", "en", "zh"}
    for name, value in chosen.items():
        if value not in known[name]:
            abort(404, f"The map has no {name} of that name.")
    return chosen, concepts.select(network, **_filter(chosen))


def _filter(chosen: dict[str, str]) -> dict[str, str]:
    family = "" if chosen["family"] == ALL else chosen["family"]
    return {"family": family, "facet": chosen["facet"], "study": chosen["study"]}


def _layout(network: dict[str, Any], edges: list[Row], chosen: dict[str, str]) -> dict[str, Any]:
    """The layout of a selection: as it was built where that is the same, else made now and kept."""
    views = network["views"]
    family = "" if chosen["family"] == ALL else chosen["family"]
    if len(edges) == len(concepts.select(network, family=family)):
        key = family
    else:
        key = f"{family}/{chosen['facet']}/{chosen['study']}"
    layout: dict[str, Any] = views.get(key) or concepts.lay_out_edges(network, edges)
    if key not in views and len(views) < KEPT_LAYOUTS:
        views[key] = layout
    return layout
