"""The concept network: which concepts the studies link, drawn from their assertions and never from inferred triples.

An edge is a subject, a relation and an object that at least one asserted finding, cited claim or interpretation links. It counts
those that restate no other. What is denied, and what is only stated in restating something else, is kept apart and not drawn;
there every kind of assertion counts.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyoxigraph as ox

from kgraph.layout import BOX_WIDTH, SPACE, lay_out
from kgraph.names import KG_IRI
from kgraph.queries import load_queries, rows, run
from kgraph.workspace import replace_file

if TYPE_CHECKING:
    import networkx as nx

Row = dict[str, Any]
KINDS = ("Finding", "CitedClaim", "Interpretation")  # of assertions that are drawn
OTHER_KINDS = ("Background", "Recommendation", "Limitation", "Aim")
FAMILIES = {  # of relations; those under kg:influences are "influence", unknown ones "other"
    "explains": "meaning",
    "manifestsAs": "meaning",
    "comprises": "meaning",
    "requires": "need",
    "lacks": "need",
    "relatesTo": "other",
}
LINE, PADDING, PORT = 15.0, 14.0, 7.0  # heights in a box, in pixels
LABEL_UNITS, MAJOR_UNITS = 18.0, 16.0  # room for a line of a label (in bold), in widths of an average letter
MAJOR = 6  # a concept with so many edges has its label in bold
NAME_GAP, NAME_PORT = 140.0, 17.0  # between boxes and between edges, where edges bear the names of relations
_NARROW = set("fijlrtI.,:;'()[] -")
_WIDE = set("mwMWABCDEFGHKNOPQRSTUVXYZ@%&")


def build_network(store: ox.Store, base: str, path: Path) -> None:
    """Writes the network of a store, with the layout of its usual views, as JSON to `path`."""
    network = read_network(store, base)
    families = sorted({relation["family"] for relation in network["relations"]})
    views = {"": lay_out_edges(network, network["edges"])}
    for family in families:
        edges = select(network, family=family)
        if edges:
            views[family] = lay_out_edges(network, edges)
    network["views"] = views
    replace_file(path, json.dumps(network, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())


def read_network(store: ox.Store, base: str) -> dict[str, Any]:
    """The network of a store as plain values, without layouts: facets, relations, nodes, edges, denied, restated."""

    def ask(name: str) -> list[Row]:
        return list(rows(run(store, load_queries("pages")[name].text, base)))

    facets = [{"name": _kebab(row["facet"]), **_labels(row)} for row in ask("map-facets")]
    relations = [_relation(_local(row["relation"]), row) for row in ask("map-relations")]
    statements = ask("map-assertions")
    for row in statements:
        row["relation"] = _local(row["relation"])
    asserted = [row for row in statements if row["polarity"] == "asserted" and row["kind"] in KINDS]
    drawn = _edges(row for row in asserted if row["restates"] is None)
    undrawn = {_key(row) for row in asserted} - {_key(edge) for edge in drawn}
    names: dict[str, Row] = {}
    for row in ask("map-concepts"):
        names.setdefault(row["slug"], {"facet": _kebab(row["facet"]), **_labels(row, row["slug"])})
    degree = Counter(end for edge in drawn for end in (edge["subject"], edge["object"]))
    for slug in degree.keys() - names.keys():  # a concept of no facet is a fault that the checks report; it is drawn all the same
        names[slug] = {"facet": "", "en": slug, "zh": slug}
    return {
        "facets": facets,
        "relations": relations,
        "nodes": [{"slug": slug, **names[slug], "degree": degree[slug]} for slug in sorted(degree)],
        "edges": drawn,
        "denied": _edges(row for row in statements if row["polarity"] == "denied"),
        "restated": _edges(row for row in statements if _key(row) in undrawn),
        "names": names,
    }


def _edges(statements: Iterable[Row]) -> list[Row]:
    """Statements grouped by subject, relation and object: how many, of which kinds, all hedged or not, of which studies."""
    edges = []
    for (subject, relation, target), group in groupby(sorted(statements, key=_order), key=_key):
        members = {row["assertion"]: row for row in reversed(list(group))}  # one of two classes counts once
        kinds = Counter(row["kind"] for row in members.values())
        edges.append(
            {
                "subject": subject,
                "relation": relation,
                "object": target,
                "count": len(members),
                "kinds": {kind: kinds[kind] for kind in KINDS + OTHER_KINDS if kinds[kind]},
                "hedged": sum(1 for row in members.values() if row["hedge"] or row["hedged"]),
                "hedges": sorted({row["hedge"] for row in members.values() if row["hedge"]}),
                "studies": sorted({row["study"] for row in members.values()}),
                "assertions": sorted(members),
            }
        )
    return edges


def select(network: dict[str, Any], family: str = "", facet: str = "", study: str = "", edges: str = "edges") -> list[Row]:
    """The edges of a family of relations, that touch a concept of a facet, that a study states (empty: whatever).

    `edges` may name the `denied` or `restated` ones instead.
    """
    relations = {relation["name"] for relation in network["relations"] if not family or relation["family"] == family}
    slugs = {slug for slug, names in network["names"].items() if not facet or names["facet"] == facet}
    return [
        edge
        for edge in network[edges]
        if (not family or edge["relation"] in relations)
        and (edge["subject"] in slugs or edge["object"] in slugs)
        and (not study or study in edge["studies"])
    ]


def around(network: dict[str, Any], slug: str, edges: str = "edges") -> list[Row]:
    """The edges (or the `denied` or `restated` ones) that touch a concept."""
    return [edge for edge in network[edges] if slug in (edge["subject"], edge["object"])]


def lay_out_edges(network: dict[str, Any], edges: list[Row]) -> dict[str, Any]:
    """The layout of some edges and their concepts.

    `width` and `height`; `boxes` by slug, each [x, y, width, height]; `routes` in the order of the edges, each a list of [x, y];
    `bands`, the heights between which the drawing may be cut.
    """
    out = Counter(edge["subject"] for edge in edges)
    into = Counter(edge["object"] for edge in edges)
    heights = {
        node["slug"]: box_height(node, max(out[node["slug"]], into[node["slug"]]))
        for node in network["nodes"]
        if out[node["slug"]] or into[node["slug"]]
    }
    layout = lay_out(heights, [(edge["subject"], edge["object"]) for edge in edges])
    return {
        "width": layout.width,
        "height": layout.height,
        "boxes": {slug: list(place) for slug, place in sorted(layout.places.items())},
        "routes": [[list(point) for point in route] for route in layout.routes],
        "bands": [list(band) for band in layout.bands],
    }


def lay_out_around(network: dict[str, Any], slug: str, edges: list[Row]) -> dict[str, Any]:
    """The layout of a concept between what leads to it (left) and what it leads to (right); form as `lay_out_edges`.

    A neighbour with edges both ways stands where more of them go. The gaps are wide enough for the names of relations.
    """
    nodes = {node["slug"]: node for node in network["nodes"]}
    leading: dict[str, list[int]] = {}
    for number, edge in enumerate(edges):
        leading.setdefault(edge["object"] if edge["subject"] == slug else edge["subject"], []).append(number)
    leading.pop(slug, None)
    sides: tuple[list[str], list[str]] = ([], [])
    for other in sorted(leading, key=lambda other: (edges[leading[other][0]]["relation"], nodes[other]["en"])):
        out = sum(1 if edges[number]["subject"] == slug else -1 for number in leading[other])
        sides[out >= 0].append(other)
    heights = {
        other: max(box_height(nodes[other], both=True), len(numbers) * NAME_PORT + 6.0) for other, numbers in leading.items()
    }
    totals = [sum(heights[other] + SPACE for other in side) - SPACE if side else 0.0 for side in sides]
    middle = max(
        box_height(nodes[slug], both=True), 0.4 * max(sum(len(leading[other]) for other in side) for side in sides) * NAME_PORT
    )
    height = max(*totals, middle)
    step = BOX_WIDTH + NAME_GAP
    centre = step if sides[0] else 0.0
    boxes = {slug: [centre, (height - middle) / 2, BOX_WIDTH, middle]}
    routes: list[list[list[float]]] = [[] for _ in edges]
    for side, total, x in zip(sides, totals, (0.0, centre + step), strict=True):
        y = (height - total) / 2
        numbers = [number for other in side for number in leading[other]]
        ends = iter(_ports(len(numbers), height / 2, middle))
        for other in side:
            boxes[other] = [x, y, BOX_WIDTH, heights[other]]
            for number, port in zip(
                leading[other], _ports(len(leading[other]), y + heights[other] / 2, heights[other]), strict=True
            ):
                there = [x if x > centre else x + BOX_WIDTH, port]
                here = [centre + BOX_WIDTH if x > centre else centre, next(ends)]
                routes[number] = [here, there] if edges[number]["subject"] == slug else [there, here]
            y += heights[other] + SPACE
    width = centre + BOX_WIDTH + (step if sides[1] else 0.0)
    return {"width": width, "height": height, "boxes": boxes, "routes": routes, "bands": [[0.0, height]]}


def _ports(count: int, middle: float, height: float) -> list[float]:
    """Heights at which so many edges meet a side of a box."""
    room = min(height - 10.0, NAME_PORT * (count - 1))
    return [middle + room * (at / (count - 1) - 0.5) if count > 1 else middle for at in range(count)]


def box_height(node: Row, ports: int = 0, both: bool = False) -> float:
    """The height of a concept's box: room for its label in either language (or `both`), and for so many edges on a side."""
    sizes = len(label_lines(node, "en")), len(label_lines(node, "zh"))
    lines = sum(sizes) if both else max(sizes)
    return max(lines * LINE + PADDING, ports * PORT + PADDING)


def label_lines(node: Row, language: str) -> list[str]:
    """The label of a concept (`en` or `zh`) in lines that fit its box."""
    return wrap(node[language], MAJOR_UNITS if node["degree"] >= MAJOR else LABEL_UNITS)


def wrap(label: str, units: float) -> list[str]:
    """A label in lines of at most `units` average letters; Chinese breaks anywhere, other scripts at spaces and hyphens."""
    lines: list[str] = []
    line, width = "", 0.0
    for piece in re.findall(r"[\u2e80-\uffef]|[^\s\u2e80-\uffef-]+-?\s*|[\s-]", label):
        size = text_units(piece.rstrip())
        if line and width + size > units:
            lines.append(line.rstrip())
            line, width = "", 0.0
        line, width = line + piece, width + text_units(piece)
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def text_units(text: str) -> float:
    """The width of a text in widths of an average letter, near enough to keep labels in their boxes."""
    return sum(1.85 if c >= "\u2e80" else 0.55 if c in _NARROW else 1.3 if c in _WIDE else 1.0 for c in text)


def to_networkx(network: dict[str, Any]) -> "nx.MultiDiGraph[str]":
    """The network for analysis: a node a concept (facet, en, zh), an edge a relation, keyed by its name (count, kinds, ...)."""
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node in network["nodes"]:
        graph.add_node(node["slug"], **{name: node[name] for name in ("facet", "en", "zh")})
    for edge in network["edges"]:
        details = {name: edge[name] for name in ("count", "kinds", "hedged", "studies")}
        graph.add_edge(edge["subject"], edge["object"], key=edge["relation"], **details)
    return graph


def _relation(name: str, row: Row) -> Row:
    family = "influence" if row["influence"] else FAMILIES.get(name, "other")
    return {"name": name, **_labels(row, name), "family": family}


def _key(row: Row) -> tuple[str, str, str]:
    return row["subject"], row["relation"], row["object"]


def _order(row: Row) -> tuple[str, str, str, str, int]:
    return *_key(row), row["assertion"], (KINDS + OTHER_KINDS).index(row["kind"])


def _labels(row: Row, otherwise: str = "") -> dict[str, str]:
    return {"en": row["en"] or otherwise, "zh": row["zh"] or row["en"] or otherwise}


def _local(iri: str) -> str:
    return iri.removeprefix(KG_IRI)


def _kebab(iri: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", _local(iri)).lower()
