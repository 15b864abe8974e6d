"""Lays out a directed graph in columns, causes to the left and effects to the right, for reading and for paper.

The layered method (Sugiyama, Tagawa & Toda 1981): connected parts are laid out by themselves and packed; in each, boxes get a
column, long edges get way points, the order in the columns is swept until few edges cross, and the heights are those that keep
edges short without boxes overlapping (least squares by pooling adjacent violators). Nothing is random: the same input gives the
same drawing.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

COLUMNS = 6  # at most, so that a drawing fits a page
BOX_WIDTH, GAP, SPACE, PART_SPACE = 168.0, 56.0, 10.0, 26.0
WAY_HEIGHT = 4.0  # of a way point
SWEEPS, RELAXATIONS = 24, 40


_Edge = tuple[int, str, str]  # number, source, target


class Point(NamedTuple):
    """A point, in pixels from the top left corner."""

    x: float
    y: float


class Place(NamedTuple):
    """Where a box stands: its left upper corner, width and height, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Layout:
    """A drawing: its size, the place of each box, and the points through which each edge goes (in the order of the edges).

    `bands` are the heights (from, to) between which whole parts stand, so that a drawing can be cut between them.
    """

    width: float = 0.0
    height: float = 0.0
    places: dict[str, Place] = field(default_factory=dict)
    routes: list[list[Point]] = field(default_factory=list)
    bands: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class _Spot:
    """A box or a way point in a column; `links` are its neighbours in other columns with how strongly they pull."""

    key: str
    column: int
    height: float
    y: float = 0.0
    links: list[tuple["_Spot", float]] = field(default_factory=list)


def lay_out(heights: dict[str, float], edges: Sequence[tuple[str, str]], columns: int = COLUMNS, gap: float = GAP) -> Layout:
    """Places boxes (of `heights`, by key) and routes `edges` (source, target), in at most `columns` columns `gap` pixels apart.

    An edge from a box to itself is not routed (no points). Boxes never overlap.
    """
    whole = Layout(routes=[[] for _ in edges])
    numbered = [(number, source, target) for number, (source, target) in enumerate(edges)]
    components = _components(heights, edges)
    parts = [_Part(keys, heights, [edge for edge in numbered if edge[1] in keys], columns, gap) for keys in components]
    step = BOX_WIDTH + gap
    limit = max([columns * step - gap, *(part.width for part in parts)])
    x = y = row = 0.0
    for part in parts:
        if x and x + part.width > limit:
            whole.bands.append((round(y, 1), round(y + row, 1)))
            x, y, row = 0.0, y + row + PART_SPACE, 0.0
        for key, place in part.places().items():
            whole.places[key] = Place(round(place.x + x, 1), round(place.y + y, 1), place.width, place.height)
        for number, points in part.routes().items():
            whole.routes[number] = [Point(round(p.x + x, 1), round(p.y + y, 1)) for p in points]
        x, row = x + part.width + gap, max(row, part.height)
        whole.width, whole.height = max(whole.width, x - gap), round(y + row, 1)
    if parts:
        whole.bands.append((round(y, 1), whole.height))
    return whole


def _components(keys: dict[str, float], edges: Sequence[tuple[str, str]]) -> list[set[str]]:
    """The connected parts, the largest first."""
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(sorted(keys))
    graph.add_edges_from(edges)
    return sorted(nx.connected_components(graph), key=lambda part: (-len(part), min(part)))


class _Part:
    """The drawing of one connected part."""

    def __init__(
        self, keys: set[str], heights: dict[str, float], edges: list[tuple[int, str, str]], columns: int, gap: float
    ) -> None:
        self.step, self.gap = BOX_WIDTH + gap, gap
        self.edges = [edge for edge in edges if edge[1] != edge[2]]
        column = choose_columns(sorted(keys), [edge[1:] for edge in self.edges], columns)
        self.boxes = {key: _Spot(key, column[key], heights[key]) for key in sorted(keys)}
        self.ways: dict[int, list[_Spot]] = {}
        spots = list(self.boxes.values())
        for number, source, target in self.edges:
            left, right = sorted((self.boxes[source], self.boxes[target]), key=lambda spot: spot.column)
            way = [_Spot(f"{number}/{at}", at, WAY_HEIGHT) for at in range(left.column + 1, right.column)]
            self.ways[number] = way
            spots.extend(way)
            for one, other in pairwise([left, *way, right]):
                pull = 1.0 + 3.0 * sum(spot in way for spot in (one, other)) if way else 1.0
                one.links.append((other, pull))
                other.links.append((one, pull))
        count = 1 + max(spot.column for spot in spots)
        self.width = count * self.step - gap
        self.columns: list[list[_Spot]] = [[] for _ in range(count)]
        for spot in _walk(spots):
            self.columns[spot.column].append(spot)
        self._order()
        self._set_heights()
        self.height = max(spot.y + spot.height / 2 for spot in spots)

    def _order(self) -> None:
        best, fewest = [list(column) for column in self.columns], self._crossings()
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            numbers = range(1, len(self.columns)) if forward else range(len(self.columns) - 2, -1, -1)
            for number in numbers:
                beside = {spot.key: at for at, spot in enumerate(self.columns[number + (-1 if forward else 1)])}
                at_now = {spot.key: at for at, spot in enumerate(self.columns[number])}
                self.columns[number].sort(key=lambda spot: (_mean_place(spot, beside, at_now[spot.key]), at_now[spot.key]))
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(column) for column in self.columns], crossings
        self.columns = best

    def _crossings(self) -> int:
        """How many pairs of edges cross between neighbouring columns."""
        total = 0
        for left, right in pairwise(self.columns):
            at = {spot.key: number for number, spot in enumerate(right)}
            seen: list[int] = []
            for spot in left:
                ends = sorted(at[other.key] for other, _ in spot.links if other.key in at)
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def _set_heights(self) -> None:
        for column in self.columns:
            _spread(column, [0.0] * len(column), [1.0] * len(column))
        for turn in range(RELAXATIONS):
            for column in self.columns if turn % 2 == 0 else reversed(self.columns):
                weights = [sum(pull for _, pull in spot.links) or 0.1 for spot in column]
                wanted = [
                    sum(other.y * pull for other, pull in spot.links) / weight if spot.links else spot.y
                    for spot, weight in zip(column, weights, strict=True)
                ]
                _spread(column, wanted, weights)
        top = min(spot.y - spot.height / 2 for column in self.columns for spot in column)
        for column in self.columns:
            for spot in column:
                spot.y -= top

    def places(self) -> dict[str, Place]:
        return {
            key: Place(spot.column * self.step, spot.y - spot.height / 2, BOX_WIDTH, spot.height)
            for key, spot in self.boxes.items()
        }

    def routes(self) -> dict[int, list[Point]]:
        """The points of each edge, from source to target, with the ends at a box spread over its side."""
        ends: dict[tuple[str, str], list[tuple[float, int, bool]]] = defaultdict(
            list
        )  # (box, side) -> (towards, edge, at source)
        for number, source, target in self.edges:
            one, other = self.boxes[source], self.boxes[target]
            way = self.ways[number] if one.column <= other.column else self.ways[number][::-1]
            ends[source, "left" if one.column > other.column else "right"].append((way[0].y if way else other.y, number, True))
            ends[target, "left" if one.column < other.column else "right"].append((way[-1].y if way else one.y, number, False))
        port: dict[tuple[int, bool], Point] = {}
        for (key, side), found in ends.items():
            spot = self.boxes[key]
            x = spot.column * self.step + (BOX_WIDTH if side == "right" else 0.0)
            room = min(spot.height - 10.0, 9.0 * (len(found) - 1))
            for at, (_, number, at_source) in enumerate(sorted(found)):
                share = at / (len(found) - 1) - 0.5 if len(found) > 1 else 0.0
                port[number, at_source] = Point(x, spot.y + share * room)
        routes = {}
        for number, source, target in self.edges:
            forward = self.boxes[source].column <= self.boxes[target].column
            points = [port[number, True]]
            for spot in self.ways[number] if forward else self.ways[number][::-1]:
                left, right = Point(spot.column * self.step, spot.y), Point(spot.column * self.step + BOX_WIDTH, spot.y)
                points.extend((left, right) if forward else (right, left))
            routes[number] = [*points, port[number, False]]
        return routes


def choose_columns(keys: Sequence[str], edges: Sequence[tuple[str, str]], columns: int = COLUMNS) -> dict[str, int]:
    """A column for each box: as many edges as possible go one column to the right, few go back or stay in a column.

    Where the graph has no cycle and is shallow enough, every edge goes to the right.
    """
    after: dict[str, set[str]] = defaultdict(set)
    before: dict[str, set[str]] = defaultdict(set)
    for source, target in edges:
        after[source].add(target)
        before[target].add(source)
    column = _longest_paths(keys, after, before)
    if column is None or max(column.values(), default=0) >= columns:
        column = _levels(keys, after, before, columns)
    improved = True
    for _ in range(2 * len(keys)):
        if not improved:
            break
        improved = False
        for key in keys:
            costs = [
                sum(_cost(column[other] - at) for other in after[key]) + sum(_cost(at - column[other]) for other in before[key])
                for at in range(columns)
            ]
            cheapest = min(range(columns), key=lambda at: (costs[at], abs(at - column[key])))
            if costs[cheapest] < costs[column[key]]:
                column[key] = cheapest
                improved = True
    least = min(column.values(), default=0)
    return {key: at - least for key, at in column.items()}


def _cost(span: int) -> int:
    """What it costs that an edge spans so many columns: back and beside are worse than far."""
    return span - 1 if span > 0 else 6 if span == 0 else 6 - 2 * span


def _longest_paths(keys: Sequence[str], after: dict[str, set[str]], before: dict[str, set[str]]) -> dict[str, int] | None:
    """The length of the longest path to each box, or None where there is a cycle."""
    waiting = {key: len(before[key]) for key in keys}
    ready = [key for key in keys if not waiting[key]]
    length = dict.fromkeys(ready, 0)
    for key in ready:
        for other in sorted(after[key]):
            length[other] = max(length.get(other, 0), length[key] + 1)
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return length if len(ready) == len(keys) else None


def _levels(keys: Sequence[str], after: dict[str, set[str]], before: dict[str, set[str]], columns: int) -> dict[str, int]:
    """Trophic levels (MacKay, Johnson & Sansom 2020), cycles or not, shared out over the columns."""
    import numpy as np

    at = {key: number for number, key in enumerate(keys)}
    matrix = np.zeros((len(keys), len(keys)))
    surplus = np.zeros(len(keys))
    for key in keys:
        row = at[key]
        matrix[row, row] = len(after[key]) + len(before[key])
        surplus[row] = len(before[key]) - len(after[key])
        for other in [*after[key], *before[key]]:
            matrix[row, at[other]] -= 1.0
    level = np.linalg.lstsq(matrix, surplus, rcond=None)[0]
    level = np.round(level - level.min(), 6)
    scale = min(1.0, (columns - 1) / level.max()) if level.max() > 0 else 1.0
    return {key: int(np.floor(level[at[key]] * scale + 0.5)) for key in keys}


def _walk(spots: list[_Spot]) -> list[_Spot]:
    """The spots in the order of a depth-first walk, which starts where most edges meet: neighbours come near each other."""
    seen: dict[str, _Spot] = {}
    for start in sorted(spots, key=lambda spot: (-len(spot.links), spot.key)):
        stack = [start]
        while stack:
            spot = stack.pop()
            if spot.key not in seen:
                seen[spot.key] = spot
                stack.extend(other for other, _ in sorted(spot.links, key=lambda link: link[0].key, reverse=True))
    return list(seen.values())


def _mean_place(spot: _Spot, beside: dict[str, int], otherwise: int) -> float:
    found = [beside[other.key] for other, _ in spot.links if other.key in beside]
    return sum(found) / len(found) if found else float(otherwise)


def _spread(column: list[_Spot], wanted: list[float], weights: list[float]) -> None:
    """Sets the heights nearest to the wanted ones (weighted least squares) at which the spots keep their order and distance."""
    offset, offsets = 0.0, []
    for at, spot in enumerate(column):
        if at:
            offset += (column[at - 1].height + spot.height) / 2 + SPACE
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, size
    for want, weight, shift in zip(wanted, weights, offsets, strict=True):
        mean, total, size = want - shift, weight, 1
        while blocks and blocks[-1][0] > mean:
            one, other, more = blocks.pop()
            mean, total, size = (mean * total + one * other) / (total + other), total + other, size + more
        blocks.append((mean, total, size))
    means = [mean for mean, _, size in blocks for _ in range(size)]
    for spot, mean, shift in zip(column, means, offsets, strict=True):
        spot.y = mean + shift
