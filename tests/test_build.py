"""A build publishes whole or not at all, does nothing twice, and leaves what is published answering whatever happens."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from kgraph.build import build
from kgraph.errors import KgraphError
from kgraph.keeping import KEPT
from kgraph.snapshot import list_snapshots, open_published, open_restricted
from kgraph.workspace import Workspace, find_workspace

Change = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]
STUDY = "studies/tiny-2024.yaml"
TURTLE = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix concept: <https://w3id.org/kgraph/concept/> .
@prefix kg: <https://w3id.org/kgraph/ontology#> . @prefix dcterms: <http://purl.org/dc/terms/> .
concept:river-walk a skos:Concept , kg:Mechanism ; skos:prefLabel "river walk"@en , "河畔步行"@zh-Hans ;
  dcterms:identifier "river-walk" ; skos:inScheme <https://w3id.org/kgraph/scheme/mechanism> ;
  skos:topConceptOf <https://w3id.org/kgraph/scheme/mechanism> ; kg:labelStatus "back-translated" ;
  skos:definition "A walk by a river."@en , "沿河步行。"@zh-Hans ; dcterms:source "general knowledge, unchecked" .
"""


@pytest.fixture
def built(tmp_path: Path, tiny_built: Workspace) -> Workspace:
    """The tiny workspace, built and published, to change."""
    shutil.copytree(tiny_built.folder, tmp_path / "built")
    return Workspace(tmp_path / "built")


def edit(workspace: Workspace, old: str, new: str) -> None:
    path = workspace.folder / STUDY
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def answers(workspace: Workspace) -> list[str]:
    """What readers get from what is published."""
    return [row["text"] for row in open_published(workspace).ask("quotations-of-concept", concept="hope")]


def left_behind(workspace: Workspace) -> list[Path]:
    return [*workspace.snapshots.glob(".making-*"), *workspace.restricted.glob(".making-*")]


def kgraph(*arguments: object, file_size: int) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own, with a limit on the size of the files that it may write."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    command = [sys.executable, "-m", "kgraph", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, preexec_fn=limit)


WORDS = ["I walk with her because she waits for me"]


def test_what_a_build_publishes(tiny: Workspace) -> None:
    said: list[str] = []
    done = build(tiny, said.append)
    assert done.built
    assert done.mapped == ["graph/ontology", "graph/concepts", "graph/study/tiny-2024", "graph/mappings"]
    assert said[-1] == f"Published {done.version}"
    assert said[2].startswith("Mapped graph/study/tiny-2024: ")
    folder = tiny.snapshots / done.version
    assert {path.name for path in folder.iterdir()} == {"store", "search.sqlite", "network.json", "texts", "manifest.json"}
    assert (tiny.snapshots / "current").read_text() == done.version
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == done.manifest
    assert manifest["counts"]["quotation"] == 2
    assert {graph["graph"].removeprefix(manifest["base"]) for graph in manifest["graphs"]} == set(done.mapped)
    assert manifest["graphs"][2]["files"] == ["studies/tiny-2024.yaml", "studies/tiny-2024.txt"]
    assert answers(tiny) == WORDS
    (row,) = open_published(tiny).query(
        "SELECT ?file { GRAPH <graph/manifest> { <graph/study/tiny-2024> dcterms:source ?file FILTER(STRENDS(?file, 'yaml')) } }"
    )
    assert row["file"].value == STUDY
    assert left_behind(tiny) == []


def test_a_second_build_does_nothing_and_says_so(built: Workspace, run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.snapshots.rglob("*")}
    said: list[str] = []
    done = build(built, said.append)
    assert (done.built, said) == (False, [])
    assert before == {path: path.stat().st_mtime_ns for path in built.snapshots.rglob("*")}
    assert run("build", "-w", built.folder)[1] == f"Nothing changed: {done.version} is published already\n"


def test_a_changed_study_maps_that_study_alone(built: Workspace) -> None:
    old = open_published(built)
    cached = {path.name for path in built.cache.iterdir()}
    edit(built, "Somebody waits.", "Somebody is waiting.")
    said: list[str] = []
    done = build(built, said.append)
    assert done.mapped == ["graph/study/tiny-2024"]
    assert "Unchanged: 3 of 4 sources" in said
    assert open_published(built).version == done.version != old.version
    assert old.ask("quotations-of-concept", concept="hope"), "who has the old one open keeps it"
    kept = {path.name for path in built.cache.iterdir()}
    assert len(kept) == len(cached), "what is not used any more is forgotten"
    assert len(kept & cached) == 3


def test_sources_that_went_back_are_published_from_what_is_kept(built: Workspace) -> None:
    first = open_published(built).version
    content = (built.folder / STUDY).read_bytes()
    edit(built, "Somebody waits.", "Somebody is waiting.")
    assert build(built).version != first
    (built.folder / STUDY).write_bytes(content)
    said: list[str] = []
    assert build(built, said.append).version == first
    assert said == [f"Published {first} again: it was kept"]
    assert open_published(built).version == first


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("because she waits", "because she waited", "not in the source text"),
        ("spokenBy: P1", "spokenBy: P9", "there is no participant 'P9'"),
        ("  - id: q01", "\t- id: q01", "Indent with spaces"),
        ("object: loneliness", "object: lonelyness", "there is no concept 'lonelyness'"),
    ],
)  # fmt: skip
def test_a_failing_source_leaves_what_is_published(built: Workspace, run: Run, old: str, new: str, found: str) -> None:
    version = open_published(built).version
    edit(built, old, new)
    code, _, complaints = run("build", "-w", built.folder)
    assert code == 1
    assert found in complaints
    assert f"{STUDY}:" in complaints
    assert "Traceback" not in complaints
    assert open_published(built).version == version
    assert answers(built) == WORDS
    assert left_behind(built) == []
    edit(built, new, old)
    assert build(built).version == version, "mended, it is as it was"


def test_a_failing_check_leaves_what_is_published(built: Workspace) -> None:
    version = open_published(built).version
    (built.folder / "ontology").mkdir()
    circle = TURTLE + "concept:river-walk skos:broader concept:hope . concept:hope skos:broader concept:river-walk ."
    (built.folder / "ontology" / "own.ttl").write_text(circle, encoding="utf-8")
    with pytest.raises(KgraphError, match="river-walk"):
        build(built)
    assert open_published(built).version == version
    assert left_behind(built) == []


def test_a_concept_that_is_withdrawn_is_missed_though_the_study_did_not_change(built: Workspace) -> None:
    (built.folder / "ontology").mkdir()
    own = built.folder / "ontology" / "own.ttl"
    own.write_text(TURTLE, encoding="utf-8")
    edit(built, "object: loneliness", "object: river-walk")
    assert build(built).mapped == ["graph/ontology/own", "graph/study/tiny-2024"]
    own.unlink()
    with pytest.raises(KgraphError, match="there is no concept 'river-walk'"):
        build(built)


def test_the_same_inputs_give_the_same_anywhere(tmp_path: Path, built: Workspace) -> None:
    other = Workspace(tmp_path / "somewhere" / "else")
    shutil.copytree(built.folder, other.folder, ignore=shutil.ignore_patterns(".kgraph"))
    done = build(other)
    first = open_published(built)
    assert done.version == first.version
    assert done.manifest["content"] == first.manifest["content"]
    graphs = [
        {quad for quad in snapshot.store if not quad.graph_name.value.endswith("manifest")}
        for snapshot in (first, open_published(other))
    ]
    assert [len(graph) for graph in graphs] == [len(graphs[0])] * 2
    edit(other, "Somebody waits.", "Somebody is waiting.")
    changed = build(other)
    assert (changed.version, changed.manifest["content"]) != (done.version, done.manifest["content"])


def test_force_builds_anew_beside_what_readers_have_open(built: Workspace) -> None:
    old = open_published(built)
    done = build(built, force=True)
    assert done.built
    assert open_published(built).folder != old.folder
    assert open_published(built).version == old.version == done.version
    assert open_published(built).manifest["content"] == old.manifest["content"]
    assert old.ask("quotations-of-concept", concept="hope")
    assert build(built).built is False
    state = list_snapshots(built)
    assert [item["published"] for item in state["snapshots"]].count(True) == 1
    assert state["current"]


def test_going_back_is_naming_another_snapshot(built: Workspace) -> None:
    first = open_published(built).version
    edit(built, "I walk with her because she waits for me", "she waits for me")
    build(built)
    assert answers(built) == ["she waits for me"]
    (built.snapshots / "current").write_text(first + "\n")
    assert answers(built) == WORDS


def test_only_the_last_snapshots_are_kept(built: Workspace) -> None:
    published = open_published(built).version
    for number in range(KEPT + 1):
        for folder in (built.snapshots, built.restricted):
            old = folder / f"{number:016x}"
            old.mkdir()
            os.utime(old, (number, number))
    edit(built, "Somebody waits.", "Somebody is waiting.")
    done = build(built)
    kept = {path.name for path in built.snapshots.iterdir() if path.is_dir()}
    assert len(kept) == KEPT
    assert {done.version, published} < kept
    assert f"{KEPT:016x}" in kept
    assert {path.name for path in built.restricted.iterdir()} - {"cache"} <= kept


def test_what_killed_builds_left_is_removed(built: Workspace) -> None:
    for folder in (built.snapshots, built.restricted):
        (folder / ".making-0123-99999").mkdir()
        (folder / ".making-0123-99999" / "half").write_bytes(b"x")
    build(built)
    assert left_behind(built) == []


def test_a_second_builder_gets_one_clear_message(built: Workspace, run: Run) -> None:
    with filelock.FileLock(built.built / "build.lock"):
        code, _, complaints = run("build", "-w", built.folder)
    assert code == 1
    assert complaints == f"error: {built.folder}: another build of this workspace is running. Wait until it has ended\n"
    assert build(built).built is False


@pytest.mark.parametrize("place", [".kgraph", ".kgraph/snapshots", ".kgraph/cache", ".kgraph/restricted"])
def test_a_folder_that_cannot_be_made_is_named(tiny: Workspace, place: str) -> None:
    blocked = tiny.folder / place
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("a file stands here")
    with pytest.raises(KgraphError, match=r"cannot be written \((Not a directory|File exists)\). Free space, or allow writing"):
        build(tiny)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(built: Workspace) -> None:
    edit(built, "Somebody waits.", "Somebody is waiting.")
    built.snapshots.chmod(0o500)
    try:
        with pytest.raises(KgraphError, match="cannot be written"):
            build(built)
        assert answers(built) == WORDS
    finally:
        built.snapshots.chmod(0o700)


@pytest.mark.parametrize("size", [16_000, 300_000])
def test_a_disk_error_is_named_and_survived(built: Workspace, size: int) -> None:
    version = open_published(built).version
    edit(built, "Somebody waits.", "Somebody is waiting.")
    ran = kgraph("build", "-w", built.folder, file_size=size)
    assert ran.returncode == 1
    assert "cannot be written" in ran.stderr
    assert "File too large" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert open_published(built).version == version
    assert answers(built) == WORDS
    assert left_behind(built) == []
    assert size < 100_000 or build(built).built, "with space again, it works"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\n"])
def test_a_damaged_pointer_reads_as_nothing_built(built: Workspace, content: bytes) -> None:
    (built.snapshots / "current").write_bytes(content)
    with pytest.raises(KgraphError, match=r"nothing is built yet. Run: kgraph build"):
        open_published(built)
    assert build(built).built
    assert answers(built) == WORDS


def test_damaged_snapshots_are_named(built: Workspace) -> None:
    folder = open_published(built).folder
    (folder / "manifest.json").write_text("{")
    with pytest.raises(KgraphError, match=r"the snapshot is damaged \(.+\). Build it anew: kgraph build"):
        open_published(built)
    assert [item["age"] for item in list_snapshots(built)["snapshots"]] == ["damaged"]
    build(built, force=True)
    shutil.rmtree(open_published(built).folder / "store")
    with pytest.raises(KgraphError, match=r"the snapshot is damaged \(store/.+ is missing, and \d+ more\)"):
        answers(built)
    with pytest.raises(KgraphError, match="nothing restricted"):
        open_restricted(built)


def test_a_workspace_is_found_from_below(built: Workspace) -> None:
    assert find_workspace(built.folder / "studies").folder == built.folder
