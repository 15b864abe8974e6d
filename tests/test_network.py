"""The concept network and its map: drawn from assertions, counted once, laid out the same each time, and read with a keyboard."""

import csv
import io
import json
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from kgraph import network as concepts
from kgraph.layout import COLUMNS, Place, choose_columns, lay_out
from kgraph.network import KINDS, build_network, label_lines, text_units, to_networkx, wrap
from kgraph.snapshot import Snapshot

Row = dict[str, Any]
VIEWS = (
    *("", "?family=all", "?family=meaning", "?family=need", "?family=other", "?facet=outcome"),
    *("?facet=barrier&family=influence", "?study=fan-2024", "?labels=zh"),
)
THING = "http://www.w3.org/2002/07/owl#Thing"
ANY = dict.fromkeys(("inStudy", "withSubject", "withRelation", "withObject", "aboutConcept"), THING) | {"withPolarity": ""}
DRAWN = """
SELECT ?subject ?relation ?object (COUNT(DISTINCT ?a) AS ?number) WHERE {
  VALUES ?kind { kg:Finding kg:CitedClaim kg:Interpretation }
  ?a a ?kind ; kg:polarity "asserted" ; kg:relation ?relation .
  ?a kg:subject/dcterms:identifier ?subject ; kg:object/dcterms:identifier ?object .
  FILTER NOT EXISTS { ?a kg:restates ?other }
} GROUP BY ?subject ?relation ?object
"""


def key(edge: Row) -> tuple[str, str, str]:
    return edge["subject"], edge["relation"], edge["object"]


def test_edges_are_what_the_assertions_say(snapshot: Snapshot) -> None:
    counted = {
        (row["subject"].value, row["relation"].value.rsplit("#", 1)[1], row["object"].value): int(row["number"].value)
        for row in snapshot.query(DRAWN)
    }
    assert counted == {key(edge): edge["count"] for edge in snapshot.network["edges"]}
    assert len(counted) > 150


def test_an_edge_adds_up(snapshot: Snapshot) -> None:
    slugs = {node["slug"] for node in snapshot.network["nodes"]}
    relations = {relation["name"] for relation in snapshot.network["relations"]}
    for edge in snapshot.network["edges"]:
        assert edge["count"] == sum(edge["kinds"].values()) == len(edge["assertions"]) >= 1
        assert set(edge["kinds"]) <= set(KINDS)
        assert 0 <= edge["hedged"] <= edge["count"]
        assert len(edge["hedges"]) <= edge["hedged"], "caution may be known without its words"
        assert edge["studies"]
        assert {edge["subject"], edge["object"]} <= slugs
        assert edge["relation"] in relations
    assert all(node["en"] and node["zh"] and node["facet"] for node in snapshot.network["nodes"])


def test_denied_and_restated_links_are_not_drawn(snapshot: Snapshot) -> None:
    drawn = {key(edge) for edge in snapshot.network["edges"]}
    assert snapshot.network["denied"]
    assert not drawn & {key(edge) for edge in snapshot.network["restated"]}
    denied = {iri for edge in snapshot.network["denied"] for iri in edge["assertions"]}
    assert not denied & {iri for edge in snapshot.network["edges"] for iri in edge["assertions"]}


def test_the_same_store_gives_the_same_bytes(snapshot: Snapshot, tmp_path: Path) -> None:
    build_network(snapshot.store, snapshot.base, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (snapshot.folder / "network.json").read_bytes()


def test_for_analysis(snapshot: Snapshot) -> None:
    graph = to_networkx(snapshot.network)
    assert graph.number_of_nodes() == len(snapshot.network["nodes"])
    assert graph.number_of_edges() == len(snapshot.network["edges"])
    assert graph.nodes["loneliness"]["zh"]
    assert all(details["count"] for _, _, details in graph.edges(data=True))


def overlap(one: Place | list[float], other: Place | list[float]) -> bool:
    (x, y, width, height), (x2, y2, width2, height2) = one, other
    return x < x2 + width2 and x2 < x + width and y < y2 + height2 and y2 < y + height


def test_no_view_has_boxes_that_overlap(snapshot: Snapshot) -> None:
    network = json.loads((snapshot.folder / "network.json").read_text(encoding="utf-8"))
    around = [concepts.lay_out_around(network, node["slug"], concepts.around(network, node["slug"])) for node in network["nodes"]]
    for layout in [*network["views"].values(), *around]:
        places = layout["boxes"].values()
        assert not any(overlap(one, other) for one, other in combinations(places, 2))
        for x, y, width, height in places:
            assert x >= 0
            assert y >= 0
            assert x + width <= layout["width"] + 0.1
            assert y + height <= layout["height"] + 0.1
            assert any(top <= y + 0.1 and y + height <= bottom + 0.2 for top, bottom in layout["bands"])


def test_routes_join_the_boxes_of_their_edges(snapshot: Snapshot) -> None:
    network = snapshot.network
    for family in ("", "influence"):
        layout = network["views"][family]
        for edge, route in zip(concepts.select(network, family=family), layout["routes"], strict=True):
            for slug, (x, y) in ((edge["subject"], route[0]), (edge["object"], route[-1])):
                left, top, width, height = layout["boxes"][slug]
                assert min(abs(x - left), abs(x - left - width)) < 0.2
                assert top <= y <= top + height


@settings(max_examples=60, deadline=None)
@given(edges=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=50))
def test_any_graph_can_be_laid_out(edges: list[tuple[int, int]]) -> None:
    pairs = [(f"n{one}", f"n{other}") for one, other in edges]
    heights = {end: 20.0 + len(end) * 7 for pair in pairs for end in pair} | {"alone": 30.0}
    layout = lay_out(heights, pairs)
    assert layout.places.keys() == heights.keys()
    assert not any(overlap(one, other) for one, other in combinations(layout.places.values(), 2))
    assert [len(route) > 1 for route in layout.routes] == [one != other for one, other in pairs]
    assert layout == lay_out(heights, pairs)
    columns = choose_columns(sorted(heights), [pair for pair in pairs if pair[0] != pair[1]])
    assert set(columns.values()) <= set(range(COLUMNS))


def test_causes_stand_left_of_effects() -> None:
    chain = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]
    assert choose_columns(["a", "b", "c", "d"], chain) == {"a": 0, "b": 1, "c": 2, "d": 1}
    assert lay_out({}, []).places == {}


@given(label=st.text(max_size=80))
def test_wrapping_loses_no_letter(label: str) -> None:
    lines = wrap(label, 18.0)
    assert "".join("".join(lines).split()) == "".join(label.split())
    assert lines


def test_labels_fit_their_boxes(snapshot: Snapshot) -> None:
    for node in snapshot.network["nodes"]:
        for language in ("en", "zh"):
            for line in label_lines(node, language):
                assert text_units(line) <= concepts.LABEL_UNITS or " " not in line


# The pages


class Links(HTMLParser):
    """The links of a page, within drawings and tables, and all attributes that its elements have."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.drawn: list[str] = []
        self.tabled: list[str] = []
        self.ids: list[str] = []
        self.names: set[str] = set()
        self.tags: set[str] = set()
        self._within: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.names |= values.keys()
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag in ("svg", "table"):
            self._within.append(tag)
        if tag == "a" and self._within and "/assertions?" in str(values.get("href")):
            (self.drawn if self._within[-1] == "svg" else self.tabled).append(str(values["href"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("svg", "table"):
            self._within.pop()


def page(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("view", VIEWS)
def test_drawing_and_table_have_the_same_links(client: FlaskClient, view: str) -> None:
    found = Links(page(client, f"/map{view}"))
    assert found.drawn
    assert set(found.drawn) == set(found.tabled)
    assert len(found.drawn) == len(set(found.drawn))
    assert len(found.ids) == len(set(found.ids))
    assert "style" not in found.names
    assert not {"script", "style"} & found.tags


def test_every_count_is_that_of_the_list_it_opens(client: FlaskClient, snapshot: Snapshot) -> None:
    listed = {row["assertion"] for row in snapshot.ask("assertion-list", **ANY, drawn="yes")}
    assert listed == {iri for edge in snapshot.network["edges"] for iri in edge["assertions"]}
    for part, more in (("edges", "&drawn=yes"), ("denied", "&polarity=denied"), ("restated", "")):
        for edge in snapshot.network[part][:: 8 if part == "edges" else 1]:
            query = urlencode({name: edge[name] for name in ("subject", "relation", "object")})
            html = page(client, f"/assertions?{query}{more}")
            assert html.count('<li class="statement">') == edge["count"], (part, key(edge))
            assert all(f"/assertion/{iri.rsplit('/', 1)[1]}" in html for iri in edge["assertions"])


def test_the_links_of_a_page_are_the_edges_of_the_network(client: FlaskClient, snapshot: Snapshot) -> None:
    found = Links(page(client, "/map?family=all"))
    linked = set()
    for address in found.drawn:
        query = parse_qs(urlsplit(address).query)
        assert query["drawn"] == ["yes"]
        linked.add((query["subject"][0], query["relation"][0], query["object"][0]))
    assert linked == {key(edge) for edge in snapshot.network["edges"]}


def test_labels_in_chinese(client: FlaskClient) -> None:
    assert ">孤独感<" in page(client, "/map?labels=zh")
    assert ">loneliness<" in page(client, "/map")


def test_around_a_concept(client: FlaskClient, snapshot: Snapshot) -> None:
    found = Links(page(client, "/concept/loneliness"))
    edges = concepts.around(snapshot.network, "loneliness")
    assert len(found.drawn) == len(edges)
    assert set(found.drawn) <= set(found.tabled)
    denied = snapshot.network["denied"][0]
    assert "polarity=denied" in page(client, f"/concept/{denied['subject']}")


@pytest.mark.parametrize("query", ["family=xyz", "facet=%22%3E%3Cscript%3E", "study=none", "labels=fr", "facet=outcome%00"])
def test_unknown_parts_are_not_found(client: FlaskClient, query: str) -> None:
    for path in ("/map", "/map.csv", "/map.json"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 404
        assert b"<script" not in answer.data


@pytest.mark.parametrize("query", ["", "?family=all", "?facet=outcome"])
def test_data_of_the_map(client: FlaskClient, query: str) -> None:
    table = list(csv.DictReader(io.StringIO(page(client, f"/map.csv{query}"))))
    data = json.loads(page(client, f"/map.json{query}"))
    assert [(row["subject"], row["relation"], row["object"]) for row in table] == [key(edge) for edge in data["edges"]]
    assert {node["slug"] for node in data["nodes"]} == {edge[end] for edge in data["edges"] for end in ("subject", "object")}
    assert all(int(row["statements"]) >= 1 for row in table)


def test_an_empty_part_says_so(client: FlaskClient, snapshot: Snapshot) -> None:
    pairs = [(family, facet["name"]) for family in ("need", "other") for facet in snapshot.network["facets"]]
    empty = next(pair for pair in pairs if not concepts.select(snapshot.network, family=pair[0], facet=pair[1]))
    assert "No statement makes such a link" in page(client, f"/map?family={empty[0]}&facet={empty[1]}")
