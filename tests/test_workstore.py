"""Works of harvests in the graph: what a build makes of them, what it makes anew, and that growing is the same as making anew."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import cache
from hashlib import sha256
from typing import Any

import pyoxigraph as ox
import pytest

import kgraph
from harvests import abstract, ledger_of, made_up_records, put_harvest, real_records, record
from kgraph import workstream
from kgraph.build import build
from kgraph.check import check_workspace
from kgraph.errors import KgraphError
from kgraph.inference import infer
from kgraph.names import ONTOLOGY
from kgraph.snapshot import Snapshot
from kgraph.tagging import read_labels
from kgraph.vocabulary import all_broader, parse_turtle
from kgraph.workindex import FILE
from kgraph.workspace import Workspace
from kgraph.workstore import Terms, make_works

pytestmark = pytest.mark.usefixtures("mapped")
PEER = "Peer support reduces loneliness. There was no stigma. 同伴支持 matters."


@cache
def terms() -> Terms:
    """The packaged concepts."""
    found = [quad for path in sorted((ONTOLOGY / "concepts").glob("*.ttl")) for quad in parse_turtle(path)]
    return Terms(tuple(sorted(read_labels(found))), all_broader(found))


def works(workspace: Workspace) -> tuple[Snapshot, str]:
    """The store of works of a workspace alone, as a snapshot to ask; and what was reported of its making."""
    reports: list[str] = []
    workspace.works.mkdir(parents=True, exist_ok=True)
    folder = make_works(workspace, [one for one in workspace.sources() if one.kind == "works"], terms(), reports.append)
    manifest = {"version": "of works", "base": workspace.settings.base}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Snapshot(folder), " ".join(reports)


def built(workspace: Workspace) -> Snapshot:
    """The snapshot of a workspace, built."""
    build(workspace)
    return kgraph.open(str(workspace.folder))


def quads(snapshot: Snapshot) -> set[str]:
    """What a store says, but for when it was built and for nodes without a name."""
    return {str(quad) for quad in snapshot.store if "manifest" not in str(quad.graph_name) and "_:" not in str(quad)}


def rows(snapshot: Snapshot) -> dict[str, list[Any]]:
    """What an index says, by names in place of numbers."""
    index = sqlite3.connect(snapshot.folder / FILE)
    works = dict(index.execute("SELECT id, openalex FROM work"))
    values = {number: (facet, key) for number, facet, key in index.execute("SELECT id, facet, key FROM value")}
    return {
        "has": sorted((works[work], values[value]) for work, _, value in index.execute("SELECT * FROM has")),
        "cites": sorted((works[citing], works[cited]) for citing, cited in index.execute("SELECT * FROM cites")),
        "tally": sorted((values[a], facet, n, values[b]) for a, facet, n, b in index.execute("SELECT * FROM tally")),
        "works": sorted(index.execute("SELECT openalex, iri, digest, title, authors, year, cited, inside FROM work")),
        "counts": sorted(index.execute("SELECT facet, key, works FROM value")),
    }


def ask(snapshot: Snapshot, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, as text, sorted."""
    answer = snapshot.query(query)
    return sorted(tuple(value and value.value for value in solution) for solution in answer)


def test_a_harvest_becomes_works_of_the_graph(tiny: Workspace) -> None:
    put_harvest(
        tiny, "few", [record(1, doi="https://doi.org/10.1000/A"), record(2, referenced_works=["https://openalex.org/W1"])]
    )
    snapshot = built(tiny)
    assert ask(snapshot, "SELECT ?b { ?a cito:cites ?b . ?a dcterms:title 'Work 2' }") == [("https://doi.org/10.1000/a",)]
    assert ask(snapshot, "SELECT ?w { GRAPH <graph/works/few> { ?w kg:harvestedIn <harvest/few> } }") == [
        ("https://doi.org/10.1000/a",),
        ("https://openalex.org/W2",),
    ]
    assert ask(snapshot, "SELECT ?n { <harvest/few> a kg:Harvest, prov:Activity ; kg:worksCount ?n }") == [("2",)]
    assert snapshot.manifest["works"] == 2


def test_without_a_harvest_there_is_no_index(tiny_built: Workspace) -> None:
    snapshot = kgraph.open(str(tiny_built.folder))
    assert not (snapshot.folder / FILE).exists()
    assert "works" not in snapshot.manifest


def test_a_record_joins_the_reference_that_gives_its_doi(harvested: Workspace) -> None:
    snapshot = kgraph.open(str(harvested.folder))
    found = ask(snapshot, "SELECT ?n { ?r kg:refersTo ?w ; kg:number ?n . ?w kg:harvestedIn <harvest/fan-2024-references> }")
    assert found == [("16",), ("17",), ("2",)]


def test_a_record_joins_the_reference_that_gives_its_openalex_id(tiny: Workspace, change: Any) -> None:
    """Also where the record has a DOI that the study does not know: one work has one IRI."""
    change('      title: "Company on foot"\n', '      title: "Company on foot"\n      openalex: W7\n')
    put_harvest(
        tiny, "few", [record(7, doi="https://doi.org/10.1000/a"), record(8, referenced_works=["https://openalex.org/W7"])]
    )
    snapshot = built(tiny)
    joined = "SELECT ?t { ?reference kg:refersTo ?w . ?w kg:harvestedIn ?h . ?w prism:doi ?t }"
    assert ask(snapshot, joined) == [("10.1000/a",)]
    assert ask(snapshot, "SELECT ?w { ?a cito:cites ?w }") == [("https://openalex.org/W7",)]


@pytest.mark.parametrize("split", [1, 20, 75])
def test_growing_says_the_same_as_making_anew(tiny: Workspace, split: int) -> None:
    """New works are cited by old ones, have DOIs, and some of the old ones are in the new harvest too."""
    records = [one | {"abstract_inverted_index": abstract(PEER)} for one in real_records()[:85]]
    order = sorted(records, key=lambda one: str(one["id"]), reverse=True)
    put_harvest(tiny, "a", order[split:])
    works(tiny)
    put_harvest(tiny, "b", order[: split + 5])
    grown, reports = works(tiny)
    assert reports.startswith("Mapped 85" if split == 75 else f"Added {split} ")
    said, told = quads(grown), rows(grown)
    del grown
    shutil.rmtree(tiny.works)
    anew, _ = works(tiny)
    assert said == quads(anew)
    assert told == rows(anew)


def test_a_harvest_that_grows_adds_to_what_is_there(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:60])
    works(tiny)
    put_harvest(tiny, "a", real_records()[:80])
    assert works(tiny)[1].startswith("Added 20 works")


@pytest.mark.parametrize("kept", [slice(0, 39), slice(1, 40)])
def test_what_a_harvest_lost_is_gone(tiny: Workspace, kept: slice) -> None:
    put_harvest(tiny, "a", real_records()[:40])
    works(tiny)
    put_harvest(tiny, "a", real_records()[:40][kept])
    assert len(ask(works(tiny)[0], "SELECT ?w { ?w kg:harvestedIn ?h }")) == 39


def test_a_record_that_changed_says_only_what_it_says_now(tiny: Workspace) -> None:
    put_harvest(tiny, "a", [record(1, cited_by_count=3), record(2)])
    works(tiny)
    put_harvest(tiny, "a", [record(1, cited_by_count=4), record(2)])
    assert ask(works(tiny)[0], "SELECT ?n { ?w soa:citedByCount ?n }") == [("4",)]


def test_of_two_harvests_the_newest_record_counts(tiny: Workspace) -> None:
    put_harvest(tiny, "a", [record(1, title="New", updated_date="2026-02-01T00:00:00Z")])
    put_harvest(tiny, "b", [record(1, title="Old")])
    snapshot, _ = works(tiny)
    assert ask(snapshot, "SELECT ?t { ?w kg:openAlexId 'W1' ; dcterms:title ?t }") == [("New",)]
    assert len(ask(snapshot, "SELECT ?h { ?w kg:harvestedIn ?h }")) == 2


def test_works_are_not_mapped_again_for_a_changed_study(tiny: Workspace, change: Any) -> None:
    put_harvest(tiny, "a", real_records()[:20])
    before = quads(built(tiny))
    path = tiny.folder / "studies" / "tiny-2024.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    reports: list[str] = []
    assert build(tiny, reports.append).built
    assert not any("works," in line for line in reports)
    assert quads(kgraph.open(str(tiny.folder))) == before


def test_a_new_label_is_found_in_works_that_are_there(tiny: Workspace) -> None:
    put_harvest(tiny, "a", [record(1, title="Of frobnication among peers")])
    assert not ask(built(tiny), "SELECT ?m { ?m kg:matchedLabel 'frobnication' }")
    (tiny.folder / "ontology").mkdir(exist_ok=True)
    (tiny.folder / "ontology" / "own.ttl").write_text(
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix concept: <https://w3id.org/kgraph/concept/> .\n"
        "@prefix kg: <https://w3id.org/kgraph/ontology#> . @prefix dcterms: <http://purl.org/dc/terms/> .\n"
        'concept:frobnication a skos:Concept , kg:Mechanism ; dcterms:identifier "frobnication" ;\n'
        ' skos:prefLabel "frobnication"@en , "弗罗布"@zh-Hans ; kg:labelStatus "established" ; dcterms:source "a test" ;\n'
        ' skos:definition "Made up for a test."@en , "为测试而编造。"@zh-Hans ;\n'
        " skos:inScheme <https://w3id.org/kgraph/scheme/mechanism> ;\n"
        " skos:topConceptOf <https://w3id.org/kgraph/scheme/mechanism> .\n",
        encoding="utf-8",
    )
    assert ask(built(tiny), "SELECT ?b { ?m kg:matchedLabel 'frobnication' ; oa:hasBody ?b }") == [
        ("https://w3id.org/kgraph/concept/frobnication",)
    ]


def test_the_manifest_tells_what_each_graph_came_from(tiny: Workspace) -> None:
    put_harvest(tiny, "a", [one | {"abstract_inverted_index": abstract(PEER)} for one in real_records()[:20]])
    put_harvest(tiny, "b", real_records()[18:25])
    built(tiny)
    put_harvest(tiny, "c", [record(1, title="Peer support")])
    snapshot = built(tiny)
    told = {one["graph"].removeprefix(snapshot.base): one for one in snapshot.manifest["graphs"]}
    assert told["graph/works/b"]["files"] == ["works/b/ledger.json", "works/b/works.jsonl.gz"]
    for name in ("works/a", "works/b", "works/c", "mentions"):
        graph = ox.NamedNode(f"{snapshot.base}graph/{name}")
        said = told[f"graph/{name}"]["triples"]
        assert said == sum(1 for _ in snapshot.store.quads_for_pattern(None, None, None, graph)), name


def test_a_damaged_harvest_leaves_what_is_published(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:20])
    before = build(tiny).version
    path = tiny.folder / "works" / "a" / "works.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(KgraphError) as caught:
        build(tiny)
    assert str(path) in str(caught.value)
    assert tiny.published_version() == before
    assert not list(tiny.works.glob(".making-*"))
    assert not list(tiny.snapshots.glob(".making-*"))


def test_a_missing_file_of_a_harvest_is_named(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:2])
    (tiny.folder / "works" / "a" / "works.jsonl.gz").unlink()
    with pytest.raises(KgraphError, match=r"works\.jsonl\.gz: the works of a harvest are missing"):
        build(tiny)


def test_killed_at_any_moment_a_build_can_be_done_again(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:50])
    started = time.perf_counter()
    first = build(tiny)
    took = time.perf_counter() - started
    put_harvest(tiny, "b", real_records()[50:100])
    command = [sys.executable, "-m", "kgraph", "build", "-w", str(tiny.folder)]
    for part in (0.4, 0.8, 1.2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(took * part)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if tiny.published_version() != first.version:
            break
        assert kgraph.open(str(tiny.folder)).manifest["works"] == 50
    assert built(tiny).manifest["works"] == 100
    assert not list(tiny.works.glob(".making-*"))


def test_several_processes_map_as_one_does(tiny: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    put_harvest(tiny, "a", [one | {"abstract_inverted_index": abstract(PEER)} for one in real_records()[:100]])
    alone, _ = works(tiny)
    said, told = quads(alone), rows(alone)
    del alone
    shutil.rmtree(tiny.works)
    monkeypatch.setattr(workstream, "FEW", 10)
    monkeypatch.setattr(workstream, "CHUNK", 15)
    together, _ = works(tiny)
    assert said == quads(together)
    assert told == rows(together)


def test_mentions_lead_to_the_words(tiny: Workspace) -> None:
    put_harvest(
        tiny, "a", [record(1, title="Peer support and hope", abstract_inverted_index=abstract(PEER + " <i>x</i> 𝒳 peers"))]
    )
    snapshot, _ = works(tiny)
    found = ask(
        snapshot,
        "SELECT ?body ?exact ?start ?end ?sha ?negated ?prefix ?source {"
        " GRAPH <graph/mentions> { ?m a kg:Mention ; oa:hasBody ?body ;"
        " kg:negated ?negated ; kg:mentionOf ?work ; prov:wasGeneratedBy ?rule ; oa:hasTarget ?anchor ."
        " ?rule dcterms:description ?d . FILTER(LANG(?d) = 'en')"
        " ?anchor oa:hasSource ?source ; oa:hasSelector ?q, ?p . ?source kg:sha256 ?sha ; kg:textOf ?work ."
        " ?q oa:exact ?exact ; oa:prefix ?prefix . ?p oa:start ?start ; oa:end ?end } }",
    )
    texts = {
        sha256(text.encode()).hexdigest(): text
        for (text,) in ask(snapshot, "SELECT ?t { ?w kg:openAlexId 'W1' ; dcterms:title|dcterms:abstract ?t }")
    }
    assert len(texts) == 2
    assert {body.rsplit("/", 1)[1] for body, *_ in found} >= {"peer-support", "loneliness", "stigma"}
    for _, exact, start, end, sha, _, prefix, _ in found:
        assert texts[sha][int(start) : int(end)] == exact
        assert texts[sha][: int(start)].endswith(prefix)
    assert {body.rsplit("/", 1)[1] for body, *more in found if more[4] == "true"} == {"stigma"}


def test_no_rule_adds_anything_to_mentions_and_harvests(tiny: Workspace) -> None:
    """The build runs the rules before the works come: what these would add has to be said by the mapping."""
    put_harvest(tiny, "a", [record(1, abstract_inverted_index=abstract(PEER))])
    snapshot = built(tiny)
    store = ox.Store()
    for path in sorted((ONTOLOGY / "modules").glob("*.ttl")):
        store.bulk_load(path=str(path), format=ox.RdfFormat.TURTLE)
    infer(store, ox.NamedNode("a:first"))
    names = "mentions", "works/a"
    graphs: list[ox.NamedNode | ox.DefaultGraph] = [
        ox.DefaultGraph(),
        *(ox.NamedNode(f"{snapshot.base}graph/{name}") for name in names),
    ]
    for graph in graphs:
        store.extend(snapshot.store.quads_for_pattern(None, None, None, graph))
    infer(store, ox.NamedNode("a:second"))
    added = set(store.quads_for_pattern(None, None, None, ox.NamedNode("a:second")))
    told = {str(quad.triple) for quad in added if not str(quad.subject).startswith("_:")}
    assert not told


def test_counts_of_the_index_are_those_of_the_graph(tiny: Workspace) -> None:
    records = [one | {"abstract_inverted_index": abstract(PEER)} for one in real_records()[:30]]
    put_harvest(tiny, "a", [*records, *real_records()[30:]])
    snapshot, _ = works(tiny)
    index = sqlite3.connect(snapshot.folder / FILE)

    def values(facet: int) -> dict[str, int]:
        return dict(index.execute("SELECT key, works FROM value WHERE facet = ?", (facet,)))

    years = ask(
        snapshot, "SELECT ?y (COUNT(DISTINCT ?w) AS ?n) { ?w kg:harvestedIn ?h ; fabio:hasPublicationYear ?y } GROUP BY ?y"
    )
    assert values(0) == {year: int(number) for year, number in years}
    named = ask(snapshot, "SELECT ?c (COUNT(DISTINCT ?w) AS ?n) { ?m kg:mentionOf ?w ; oa:hasBody ?c } GROUP BY ?c")
    assert values(11) == {concept.rsplit("/", 1)[1]: int(number) for concept, number in named}
    cited = ask(
        snapshot, "SELECT (COUNT(*) AS ?n) { ?a cito:cites ?b . ?a kg:harvestedIn ?h . ?b kg:harvestedIn ?i FILTER(?a != ?b) }"
    )
    assert int(cited[0][0]) == index.execute("SELECT count(*) FROM cites").fetchone()[0] > 40
    pairs = ask(
        snapshot,
        "SELECT ?y (COUNT(DISTINCT ?w) AS ?n) { ?m kg:mentionOf ?w ; oa:hasBody concept:loneliness ."
        " ?w fabio:hasPublicationYear ?y } GROUP BY ?y",
    )
    tally = index.execute(
        "SELECT value.key, tally.works FROM tally JOIN value ON value.id = tally.value WHERE tally.facet = 0"
        " AND concept = (SELECT id FROM value WHERE facet = 5 AND key = 'loneliness')"
    )
    assert dict(tally) == {year: int(number) for year, number in pairs}


def test_the_second_store_has_the_works_too(tiny: Workspace, change: Any) -> None:
    change("- id: q01\n", "- id: q01\n    access: restricted\n", "source:\n", "source:\n  access: restricted\n")
    put_harvest(tiny, "made-up", made_up_records())
    build(tiny)
    from kgraph.snapshot import open_restricted

    assert len(ask(open_restricted(tiny), "SELECT ?w { ?w kg:harvestedIn ?h }")) == 3


def test_a_harvest_that_tells_of_a_restricted_study_is_left_out(tiny: Workspace, change: Any) -> None:
    change("coder: coder\n", "coder: coder\naccess: restricted\n")
    put_harvest(tiny, "references-tiny-2024", real_records()[:2], question={"references": "tiny-2024"})
    put_harvest(tiny, "other", real_records()[2:5])
    reports: list[str] = []
    build(tiny, reports.append)
    assert "Left out: the harvest references-tiny-2024, which tells of a restricted study" in reports
    snapshot = kgraph.open(str(tiny.folder))
    assert len(ask(snapshot, "SELECT ?w { ?w kg:harvestedIn ?h }")) == 3
    assert not [quad for quad in snapshot.store if "tiny-2024" in str(quad)]


def test_a_damaged_store_of_works_is_made_anew_when_asked(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:3])
    before = quads(built(tiny))
    (folder,) = tiny.works.iterdir()
    shutil.rmtree(folder / "store")
    build(tiny, force=True)
    assert quads(kgraph.open(str(tiny.folder))) == before


def test_old_stores_of_works_are_deleted(tiny: Workspace) -> None:
    for number in (3, 5, 4):
        put_harvest(tiny, "a", real_records()[:number])
        build(tiny)
        assert len(list(tiny.works.iterdir())) == 1
    shutil.rmtree(tiny.folder / "works")
    build(tiny)
    assert not list(tiny.works.iterdir())


def test_the_graph_of_a_harvest_is_of_its_own(tiny: Workspace) -> None:
    """Works lie in the default graph: nothing of them is in the graphs of studies."""
    put_harvest(tiny, "a", real_records()[:10])
    snapshot = built(tiny)
    graphs = ask(snapshot, "SELECT DISTINCT ?g { GRAPH ?g { ?w soa:citedByCount ?n } }")
    assert graphs == []


def test_what_studies_say_is_said_once_and_unchanged(tiny: Workspace, change: Any) -> None:
    """A record with the title, year and DOI of a reference, one of them different, changes no answer about the study."""
    asked = (
        "SELECT ?r ?t ?y ?d { ?r kg:referenceOf ?s ; kg:refersTo ?w . ?w dcterms:title ?t ;"
        " fabio:hasPublicationYear ?y ; prism:doi ?d }"
    )
    first, *others = made_up_records()
    work = f'title: "{first["title"]}"\n      doi: "{first["doi"].removeprefix("https://doi.org/")}"'
    change('title: "Company on foot"', work, "      year: 2001", f"      year: {first['publication_year']}")
    before = ask(built(tiny), asked)
    assert [row[1:3] for row in before] == [(first["title"], str(first["publication_year"]))]
    put_harvest(tiny, "made-up", [first | {"publication_year": 1999}, *others])
    snapshot = built(tiny)
    assert ask(snapshot, asked) == before
    said = "SELECT ?y { ?record foaf:primaryTopic ?work ; fabio:hasPublicationYear ?y . ?r kg:refersTo ?work ; kg:number 1 }"
    assert ask(snapshot, said) == [("1999",)]
    assert ask(snapshot, "SELECT ?n { ?r kg:refersTo ?w ; kg:number 1 . ?w soa:citedByCount ?n }")


def test_two_records_of_one_doi_are_two_works(tiny: Workspace) -> None:
    doi = "https://doi.org/10.1000/one"
    put_harvest(tiny, "a", [record(7, doi=doi), record(10, doi=doi), record(3, referenced_works=["https://openalex.org/W10"])])
    snapshot, _ = works(tiny)
    assert ask(snapshot, "SELECT ?w ?id { ?w kg:openAlexId ?id ; prism:doi '10.1000/one' }") == [
        (doi, "W7"),
        ("https://openalex.org/W10", "W10"),
    ]
    assert ask(snapshot, "SELECT ?w { ?a cito:cites ?w }") == [("https://openalex.org/W10",)]
    del snapshot
    put_harvest(tiny, "b", [record(5, doi=doi)])
    assert ask(works(tiny)[0], "SELECT ?id { <https://doi.org/10.1000/one> kg:openAlexId ?id }") == [("W5",)]


def test_works_that_the_ledger_does_not_tell_of_are_not_published(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:7])
    before = build(tiny).version
    ledger = ledger_of(tiny, "a")
    put_harvest(tiny, "a", real_records()[:3])
    (tiny.folder / "works" / "a" / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
    with pytest.raises(KgraphError, match="not those of which the ledger tells"):
        build(tiny)
    assert tiny.published_version() == before


def test_a_harvest_without_its_ledger_is_told(tiny: Workspace) -> None:
    put_harvest(tiny, "a", real_records()[:3])
    (tiny.folder / "works" / "a" / "ledger.json").unlink()
    reports: list[str] = []
    build(tiny, reports.append)
    assert any(line.startswith("Left out: ") and line.count("works/a") for line in reports)
    assert [p.file for p in check_workspace(tiny, False).problems if p.check == "works"] == [str(tiny.folder / "works" / "a")]
