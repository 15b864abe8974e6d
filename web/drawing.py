"""A concept map as it is drawn: where boxes, lines and labels stand, and where they lead. What they look like is `map.css`."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import request

from kgraph import network as concepts
from kgraph.web.published import snapshot

Row = dict[str, Any]
CODES = {  # of facets, in English and in Chinese: what a box shows besides its colour
    "peer-support-form": ("Fo", "形"),
    "support-kind": ("Su", "支"),
    "mechanism": ("Me", "机"),
    "outcome": ("Ou", "结"),
    "barrier": ("Ba", "障"),
    "relationship-role": ("Rr", "关"),
    "cultural-construct": ("Cc", "构"),
    "theory": ("Th", "理"),
    "setting": ("Se", "场"),
    "population": ("Po", "人"),
    "condition": ("Co", "病"),
    "culture": ("Cu", "文"),
    "tradition": ("Tr", "传"),
    "method": ("Mt", "法"),
    "role": ("Ro", "职"),
}
ENDS = {  # of relations: how an edge is drawn
    "increases": "more",
    "enables": "more",
    "reduces": "less",
    "hinders": "less",
    "influences": "some",
    "shapes": "some",
    "explains": "some",
    "requires": "some",
    "comprises": "whole",
    "manifestsAs": "shown",
    "lacks": "lack",
    "relatesTo": "loose",
}
BULGE = 46.0  # of an edge within a column, in pixels
MARGIN = 12.0
SHEET, PAGE = 620.0, 1250.0  # pixels: parts share a sheet up to the one; up to the other it is shrunk to fit a page


@dataclass
class Link:
    """An edge as it is shown: where it leads, how it ends, the name of its relation, its path, and where the name stands."""

    edge: Row
    href: str
    end: str
    name: str
    path: str = ""
    name_x: float = 0.0
    name_y: float = 0.0
    on_left: bool = False


@dataclass
class Box:
    """A concept as it is drawn: its place, its label in lines (text, y), also in the other language, the code of its facet."""

    node: Row
    x: float
    y: float
    width: float
    height: float
    lines: list[tuple[str, float]]
    second: list[tuple[str, float]]
    code: str
    major: bool = False


@dataclass
class Sheet:
    """A piece of a drawing that holds whole connected parts, so that paper can be cut between two of them."""

    top: float
    height: float
    boxes: list[Box] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    @property
    def tall(self) -> bool:
        """Whether it is too high for one page."""
        return self.height > PAGE


@dataclass
class Map:
    """What a map shows: its links, drawn on sheets `width` pixels wide; what is denied, or only restated, is not drawn.

    `centre` is the concept around which it is, or empty; `names` has the labels of all concepts.
    """

    names: dict[str, Row]
    language: str = "en"
    width: float = 0.0
    sheets: list[Sheet] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    denied: list[Link] = field(default_factory=list)
    restated: list[Link] = field(default_factory=list)
    centre: str = ""

    @property
    def concepts(self) -> int:
        """How many concepts the links join."""
        return len({slug for link in self.links for slug in (link.edge["subject"], link.edge["object"])})

    @property
    def statements(self) -> int:
        """How many assertions the links rest on."""
        return len({iri for link in self.links for iri in link.edge["assertions"]})

    @property
    def studies(self) -> list[str]:
        """The ids of the studies that state the links."""
        return sorted({study for link in self.links for study in link.edge["studies"]})

    @property
    def ends(self) -> list[str]:
        """The ways of drawing that occur, in the order of the legend."""
        found = {link.end for link in self.links}
        return [end for end in dict.fromkeys(ENDS.values()) if end in found]

    def relations(self, end: str) -> list[Row]:
        """The relations that occur and are drawn in that way."""
        used = {link.edge["relation"] for link in self.links if link.end == end}
        return [relation for relation in snapshot().network["relations"] if relation["name"] in used]


def language() -> str:
    """The language of the labels in the drawing: `en` or `zh`."""
    return "zh" if request.args.get("labels") == "zh" else "en"


def draw(network: dict[str, Any], edges: list[Row], layout: dict[str, Any], centre: str = "") -> Map:
    """The drawing of some edges by their layout; around a concept (`centre`), boxes bear their labels in both languages."""
    found = Map(network["names"], language(), layout["width"] + 2 * MARGIN, _sheets(layout["bands"]), centre=centre)
    places = layout["boxes"]
    lefts = {place[0] for place in places.values()}
    for edge, route in zip(edges, layout["routes"], strict=True):
        link = _link(edge, drawn="yes")
        found.links.append(link)
        if not route:
            continue
        link.path = _path([(x + MARGIN, y + MARGIN) for x, y in route])
        x, y = route[-1 if edge["subject"] == centre else 0]  # a name stands at the neighbour's end
        link.name_y = y + MARGIN - 4.0
        link.on_left = x < layout["width"] / 2 and len(lefts) > 1
        link.name_x = x + MARGIN + (8.0 if link.on_left else -12.0)
        _sheet(found.sheets, places[edge["subject"]]).links.append(link)
    for node in sorted((node for node in network["nodes"] if node["slug"] in places), key=lambda node: places[node["slug"]]):
        place = places[node["slug"]]
        _sheet(found.sheets, place).boxes.append(_box(node, place, both=bool(centre)))
    return found


def _sheets(bands: list[list[float]]) -> list[Sheet]:
    """Sheets for the bands of a layout; low ones share a sheet."""
    sheets: list[Sheet] = []
    for top, bottom in bands:
        if sheets and bottom - sheets[-1].top <= SHEET:
            sheets[-1].height = bottom - sheets[-1].top + 2 * MARGIN
        else:
            sheets.append(Sheet(top, bottom - top + 2 * MARGIN))
    return sheets


def _sheet(sheets: list[Sheet], place: list[float]) -> Sheet:
    """The sheet on which a box stands."""
    return next(sheet for sheet in reversed(sheets) if sheet.top <= place[1] or sheet is sheets[0])


def add_undrawn(found: Map, denied: list[Row], restated: list[Row]) -> Map:
    """Adds what is denied and what is only restated, and gives the map back."""
    found.denied = [_link(edge, polarity="denied") for edge in denied]
    found.restated = [_link(edge) for edge in restated]
    return found


def _box(node: Row, place: list[float], both: bool) -> Box:
    x, y, width, height = place
    tongue = language()
    lines = concepts.label_lines(node, tongue)
    second = concepts.label_lines(node, "en" if tongue == "zh" else "zh") if both else []
    top = y + MARGIN + (height - concepts.LINE * (len(lines) + len(second) - 1)) / 2 + 4.0
    placed = [(line, round(top + at * concepts.LINE, 1)) for at, line in enumerate([*lines, *second])]
    code = CODES.get(node["facet"], ("?", "?"))[tongue == "zh"]
    major = node["degree"] >= concepts.MAJOR and not both
    return Box(node, x + MARGIN, y + MARGIN, width, height, placed[: len(lines)], placed[len(lines) :], code, major)


def _link(edge: Row, **only: str) -> Link:
    """An edge with its name and the address of the list of the statements behind it (`only` narrows the list)."""
    query = {name: edge[name] for name in ("subject", "relation", "object")} | only
    name = next((r[language()] for r in snapshot().network["relations"] if r["name"] == edge["relation"]), edge["relation"])
    return Link(edge, f"{request.script_root}/assertions?{urlencode(query)}", ENDS.get(edge["relation"], "some"), name)


def _path(points: list[tuple[float, float]]) -> str:
    """SVG path data through the points of a route: curves over the gaps between columns, straight lines through columns."""
    x, y = points[0]
    data = [f"M{x:g},{y:g}"]
    for at, (to_x, to_y) in enumerate(points[1:]):
        if to_x == x:
            data.append(f"C{x + BULGE:g},{y:g} {x + BULGE:g},{to_y:g} {to_x:g},{to_y:g}")
        elif at % 2:
            data.append(f"L{to_x:g},{to_y:g}")
        else:
            middle = (x + to_x) / 2
            data.append(f"C{middle:g},{y:g} {middle:g},{to_y:g} {to_x:g},{to_y:g}")
        x, y = to_x, to_y
    return "".join(data)


def facets_drawn(network: dict[str, Any]) -> list[Row]:
    """The facets that have concepts on the map, in a fixed order, with their codes."""
    used = {node["facet"] for node in network["nodes"]}
    by_name = {facet["name"]: facet for facet in network["facets"] if facet["name"] in used}
    order = [*(name for name in CODES if name in by_name), *sorted(by_name.keys() - CODES.keys())]
    return [{**by_name[name], "code": CODES.get(name, ("?", "?"))[language() == "zh"]} for name in order]
