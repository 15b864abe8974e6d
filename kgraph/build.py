"""Builds a snapshot from the sources of a workspace and publishes it in one atomic step.

Each source becomes one named graph; what did not change comes from the cache. The snapshot is made in a folder of its own,
checked, renamed, and only then named as current: a build that fails or is killed leaves the published one as it was.
"""

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kgraph import __version__, checks, network, search
from kgraph.builderlock import only_builder
from kgraph.errors import KgraphError
from kgraph.inference import infer
from kgraph.integrity import MANIFEST, Known, known_digests, sync_tree, write_sealed
from kgraph.keeping import fault_of, known_sums, newest_whole, publish, tidy
from kgraph.mapped import Mapped, Report, forget_unused, map_sources
from kgraph.mentions import map_rules
from kgraph.names import KG, PREFIXES
from kgraph.queries import rows, run
from kgraph.tagging import read_labels
from kgraph.upload import is_there, tidy_server, write_graphs
from kgraph.vocabulary import all_broader, parse_turtle
from kgraph.workspace import LOST, LOST_REMEDY, Source, Workspace, mapping_digest, sync_folder
from kgraph.workstore import INDEX, Terms, copy_index, copy_works, forget_works, make_works, read_state
from kgraph.workterms import OPENALEX


@dataclass
class Built:
    """What a build did: the `version` that is published now, whether anything was `built`, which graphs were `mapped` anew."""

    version: str
    built: bool
    mapped: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)


def build(workspace: Workspace, report: Report = lambda line: None, force: bool = False) -> Built:
    """Builds and publishes a snapshot unless this version is published already (`force` builds it anyway).

    `report` is told of each step, in a line. Raises `KgraphError` when sources or checks fail, when another build is running or
    when the folder cannot be written.
    """
    with only_builder(workspace):
        sources = list(workspace.sources())
        version = workspace.version(sources)
        if not force and workspace.published_version() == version:
            if not (fault := fault_of(workspace, str(workspace.published_name()))):
                _tidy(workspace, report)
                return Built(version, built=False)
            report(f"Of what is published, {fault}: it is built anew")
        kept = None if force else newest_whole(workspace, version)
        if kept and is_there(workspace, kept):  # the sources went back to what they were
            publish(workspace, kept.name)
            report(f"Published {version} again: it was kept")
            _tidy(workspace, report)
            return Built(version, True)
        mapped, problems = map_sources(workspace, [source for source in sources if source.kind != "works"], report)
        if problems:
            raise KgraphError(problems)
        for folder in workspace.lost_harvests():
            report(f"Left out: {folder}: {LOST}. {LOST_REMEDY}")
        mapped, harvests = _open_harvests(mapped, [source for source in sources if source.kind == "works"], report)
        manifest = _make_snapshot(workspace, version, mapped, harvests, report, force)
        forget_unused(workspace, sources)
        report(f"Published {version}")
        return Built(version, True, [one.source.graph for one in mapped if one.anew], manifest)


def _open_harvests(mapped: list[Mapped], harvests: list[Source], report: Report) -> tuple[list[Mapped], list[Source]]:
    """Leaves out harvests that tell of a study of which nothing is public: their names and questions would give it away."""
    secret = [Path(one.source.graph).name.encode() for one in mapped if one.restricted and not one.public]
    telling = [one for one in mapped if one.source.kind == "harvest" and any(name in one.public for name in secret)]
    hidden = {Path(one.source.graph).name for one in telling}
    for name in sorted(hidden):
        report(f"Left out: the harvest {name}, which tells of a restricted study")
    kept = [source for source in harvests if Path(source.graph).name not in hidden]
    return [one for one in mapped if one not in telling], kept


def _tidy(workspace: Workspace, report: Report) -> None:
    for line in tidy(workspace):
        report(line)
    tidy_server(workspace, report)


def _make_snapshot(
    workspace: Workspace, version: str, mapped: list[Mapped], harvests: list[Source], report: Report, anew: bool
) -> dict[str, Any]:
    """Rules, checks and the indexes of texts look at the sources' own graphs alone; works, which no rule adds anything to, come
    after, so that what these cost does not grow with the works."""
    making = workspace.snapshots / f".making-{version}-{os.getpid()}"
    making.mkdir()
    base = workspace.settings.base
    store = ox.Store()
    _load(store, base, [(one.source.graph, one.public) for one in mapped], report)
    manifest = _manifest(workspace, version, mapped, store)
    report("Checking")
    if problems := checks.check_store(store, base, files=workspace.ontology_files()):
        raise KgraphError(problems)
    works = make_works(workspace, harvests, _terms(workspace, store), report, anew) if harvests else None
    if works:
        _tell_of_works(manifest, works, harvests)
        copy_index(works, making / INDEX)
    _load_manifest(store, base, manifest)
    _write_store(store, making, works)
    report("Indexing texts and laying out the concept network")
    search.build_index(store, making / "search.sqlite")
    network.build_network(store, base, making / "network.json")
    (making / "texts").mkdir()
    for one in mapped:
        if one.text is not None:
            (making / "texts" / f"{Path(one.source.graph).name}.txt").write_text(one.text, encoding="utf-8")
    if workspace.settings.store is not None:
        manifest["remote"] = write_graphs(workspace, making / "store", making / "sending", report)
    known = known_digests(known_sums(workspace))
    write_sealed(making / MANIFEST, manifest, known)
    name = version
    while (workspace.snapshots / name).exists():  # built anew: readers keep the old one until the new one is named as current
        name += "+"
    local = {key: value for key, value in manifest.items() if key != "remote"}  # what is restricted stands nowhere else
    _make_restricted(workspace, name, mapped, works, local, known, report)
    sync_tree(making)
    os.replace(making, workspace.snapshots / name)
    publish(workspace, name)
    _tidy(workspace, report)
    forget_works(workspace, works)
    return manifest


def _terms(workspace: Workspace, store: ox.Store) -> Terms:
    """What works are tagged with and named by: the concepts of all ontology files, and the IRIs that studies give to works."""
    quads = [quad for path in workspace.ontology_files() for quad in parse_turtle(path)]
    query = f"SELECT ?work ?id WHERE {{ ?work <{KG.openAlexId}> ?id }} ORDER BY DESC(?work)"
    names = {OPENALEX + row["id"]: row["work"] for row in rows(run(store, query, workspace.settings.base))}
    return Terms(tuple(sorted(read_labels(quads))), all_broader(quads), names)


def _load(store: ox.Store, base: str, graphs: list[tuple[str, bytes]], report: Report) -> None:
    started = time.perf_counter()
    for graph, content in graphs:
        store.bulk_load(content, ox.RdfFormat.N_TRIPLES, to_graph=ox.NamedNode(base + graph))
    report(f"Loaded {len(graphs)} graphs in {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    number = infer(store, ox.NamedNode(base + "graph/inferred"))
    report(f"Inferred {number:,} triples in {time.perf_counter() - started:.1f} s")


def _make_restricted(
    workspace: Workspace,
    name: str,
    mapped: list[Mapped],
    works: Path | None,
    manifest: dict[str, Any],
    known: Known,
    report: Report,
) -> None:
    """The second store: everything, with what is restricted. Only made when something is."""
    target = workspace.restricted / name
    shutil.rmtree(target, ignore_errors=True)
    if not any(one.restricted for one in mapped):
        return
    report("Building the second store, with what is restricted")
    making = workspace.restricted / f".making-{name}-{os.getpid()}"
    making.mkdir(mode=0o700)
    store = ox.Store()
    _load(store, workspace.settings.base, [(one.source.graph, one.public + one.restricted) for one in mapped], report)
    _write_store(store, making, works)
    write_sealed(making / MANIFEST, dict(manifest), known)
    sync_tree(making)
    os.replace(making, target)
    sync_folder(workspace.restricted)


def _write_store(own: ox.Store, making: Path, works: Path | None) -> None:
    """The store of a snapshot: a copy of the store of works (of hard links), where there is one, and the sources' own quads."""
    if works is not None:
        copy_works(works, making / "store")
    store = ox.Store(str(making / "store"))
    if works is not None:
        _give_way(store, own)
    store.bulk_load(own.dump(format=ox.RdfFormat.N_QUADS), ox.RdfFormat.N_QUADS)
    if works is None:
        store.optimize()
    store.flush()


def _give_way(store: ox.Store, own: ox.Store) -> None:
    """What a study says of a work stands alone: what the record says by the same property, perhaps differently, is said of the
    record instead, https://openalex.org/W2741809807, whose primary topic the work is. So no answer about studies changes, and
    nothing comes twice."""
    type_, primary_topic = ox.NamedNode(PREFIXES["rdf"] + "type"), ox.NamedNode(PREFIXES["foaf"] + "primaryTopic")
    works = {
        quad.object for link in (KG.refersTo, KG.reportedIn) for quad in own.quads_for_pattern(None, ox.NamedNode(link), None)
    }
    for work in works:
        if not isinstance(work, ox.NamedNode):
            continue
        ids = [quad.object for quad in store.quads_for_pattern(work, ox.NamedNode(KG.openAlexId), None, ox.DefaultGraph())]
        iris = (OPENALEX + one.value for one in ids if isinstance(one, ox.Literal))
        records = [ox.NamedNode(iri) for iri in iris if iri != work.value]
        told = {quad.triple for quad in own.quads_for_pattern(work, None, None, None)}
        properties = {triple.predicate for triple in told} - {type_}
        for quad in list(store.quads_for_pattern(work, None, None, ox.DefaultGraph())):
            if quad.predicate in properties or quad.triple in told:
                store.remove(quad)
                if quad.triple not in told:
                    for record in records:
                        store.extend([ox.Quad(record, quad.predicate, quad.object), ox.Quad(record, primary_topic, work)])


def _manifest(workspace: Workspace, version: str, mapped: list[Mapped], store: ox.Store) -> dict[str, Any]:
    """What the snapshot was built from, by what, when; and a hash of what it says, which the same inputs repeat."""
    base = workspace.settings.base
    graphs = []
    for one in mapped:
        if one.restricted and not one.public:
            continue  # a restricted study: not even its name is public
        files = [
            os.path.relpath(p, workspace.folder) if p.is_relative_to(workspace.folder) else f"kgraph/{p.name}"
            for p in one.source.paths
        ]
        graphs.append(
            {"graph": base + one.source.graph, "files": files, "sha256": one.source.digest, "triples": one.public.count(b"\n")}
        )
    inferred = list(store.quads_for_pattern(None, None, None, ox.NamedNode(base + "graph/inferred")))
    return {
        "version": version,
        "name": workspace.settings.name,
        "base": base,
        "built": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "kgraph": __version__,
        "mapping": mapping_digest(),
        "graphs": graphs,
        "inferred": len(inferred),
        "counts": checks.counts(store, base),
        "content": _content_hash(mapped, inferred),
    }


def _tell_of_works(manifest: dict[str, Any], works: Path, harvests: list[Source]) -> None:
    """Adds to a manifest what works came from which files, and the graph of mentions."""
    state = read_state(works)
    base = manifest["base"]
    for source in harvests:
        name = Path(source.graph).name
        (entry,) = (one for one in manifest["graphs"] if one["graph"] == f"{base}graph/works/{name}")
        entry["files"] += [f"works/{name}/{path.name}" for path in source.paths]
        entry["sha256"] = sha256(f"{entry['sha256']} {source.digest}".encode()).hexdigest()
        entry["triples"] += state.members[name]
    rules = map_rules(base).count("\n")
    manifest["graphs"].append({"graph": f"{base}graph/mentions", "files": [], "triples": state.mentions + rules})
    manifest["works"] = state.works
    manifest["content"] = sha256(f"{manifest['content']} {works.name}".encode()).hexdigest()


def _content_hash(mapped: list[Mapped], inferred: Iterable[ox.Quad]) -> str:
    """SHA-256 of what the graphs say, without when and where they were built: the same inputs give the same."""
    digest = sha256()
    for one in sorted(mapped, key=lambda one: one.source.graph):
        digest.update(f"{one.source.graph} {sha256(one.public).hexdigest()}\n".encode())
    for line in sorted(str(quad.triple) for quad in inferred):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _load_manifest(store: ox.Store, base: str, manifest: dict[str, Any]) -> None:
    graph = ox.NamedNode(base + "graph/manifest")
    prov, void, kg = PREFIXES["prov"], PREFIXES["void"], KG

    def node(iri: str) -> ox.NamedNode:
        return ox.NamedNode(iri)

    when = ox.Literal(manifest["built"], datatype=node(PREFIXES["xsd"] + "dateTime"))
    inferred = {"graph": base + "graph/inferred", "files": [], "triples": manifest["inferred"]}
    for item in [*manifest["graphs"], inferred]:
        subject = node(item["graph"])
        pairs: list[tuple[ox.NamedNode, ox.NamedNode | ox.Literal]] = [
            (node(PREFIXES["rdf"] + "type"), node(prov + "Entity")),
            (node(prov + "generatedAtTime"), when),
            (node(void + "triples"), ox.Literal(item["triples"])),
            (node(kg.mappedBy), ox.Literal(f"kgraph {manifest['kgraph']}, mapping {manifest['mapping'][:16]}")),
            *((node(PREFIXES["dcterms"] + "source"), ox.Literal(file)) for file in item["files"]),
        ]
        if "sha256" in item:
            pairs.append((node(kg.sourceHash), ox.Literal(item["sha256"])))
        store.extend(ox.Quad(subject, predicate, value, graph) for predicate, value in pairs)
