"""The works of a workspace's harvests, as a store and an index from which snapshots are made.

    .kgraph/works/<key>/store          works in the default graph, harvests and mentions in named graphs
    .kgraph/works/<key>/works.sqlite   what lists and counts need (`kgraph.workindex`)
    .kgraph/works/<key>/state.json     what is in it
    .kgraph/works/<key>/sums.json      its files, with size and SHA-256 (`kgraph.integrity`)

The key is a hash of harvests, labels and mapping: while these stay the same, a build takes what is there. Where harvests have
only grown, the new works are added to a copy (made of hard links); anything else makes it anew. Works lie in the default graph,
which loads twice as fast on half the disk; which harvest holds them stands in the graph of that, `graph/works/<harvest>`.
"""

import gzip
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import pyoxigraph as ox

from kgraph.integrity import SUMS, Depth, Sums, find_damage, known_digests, read_sealed, sums_of, sync_tree, write_sealed
from kgraph.mentions import map_rules
from kgraph.names import CITO, KG
from kgraph.workindex import FILE, IndexWriter, line_digest
from kgraph.workmapping import openalex_iri, read_work, work_iri
from kgraph.works import WORKS, read_kept
from kgraph.workspace import Source, Workspace, replace_file, works_digest
from kgraph.workstream import Label, Stream, map_lines
from kgraph.workterms import OPENALEX

Report = Callable[[str], None]
GROWTH = 0.1  # by how much a store may grow before it is put in order anew
TELL = 10_000  # works after which it is told how far it is
WAITING = 4  # chunks of works that wait to be written into the index, at most
MANY = 0.5  # share of new works from which on all are mapped anew
STORE, INDEX, STATE = "store", FILE, "state.json"
CITES = ox.NamedNode(CITO.cites)


@dataclass(frozen=True)
class Terms:
    """What works are tagged and named with: `labels` of concepts; by slug, all that is `broader` than a concept; `names`: the
    IRIs that studies give to works, by OpenAlex IRI."""

    labels: tuple[Label, ...]
    broader: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass
class State:
    """What a store of works holds. `rules` is a hash of all but the harvests; `members` is how many works each harvest has,
    `mentions` how many triples tell of mentions; `loose` triples came after it was put in order."""

    rules: str
    harvests: dict[str, str]
    works: int = 0
    triples: int = 0
    loose: int = 0
    mentions: int = 0
    members: dict[str, int] = field(default_factory=dict)


def make_works(workspace: Workspace, sources: list[Source], terms: Terms, report: Report, anew: bool = False) -> Path:
    """The folder of the store of works of these sources (of kind `works`); it is made unless it is there (`anew`: in any case).

    Raises `KgraphError` for damaged files; what is there stays as it was.
    """
    state = State(_rules(workspace, terms), {Path(source.graph).name: source.digest for source in sources})
    key = sha256(json.dumps([state.rules, state.harvests], sort_keys=True).encode()).hexdigest()[:32]
    folder = workspace.works / key
    if not anew and folder.is_dir():
        if _is_whole(folder):
            return folder
        report("The store of works is damaged: it is made anew")
    making = workspace.works / f".making-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    started = time.perf_counter()
    maker = _Maker(workspace, making, state, terms, report)
    grown = not anew and maker.grow(_newest(workspace, state.rules))
    if not grown:
        maker.fill()
    took = time.perf_counter() - started
    report(f"{'Added' if grown else 'Mapped'} {maker.added:,} works, {maker.lines:,} triples in {took:.1f} s")
    replace_file(making / STATE, json.dumps(asdict(state), indent=1).encode())
    write_sealed(making / SUMS, {}, known_digests(map(works_sums, workspace.works.glob("[!.]*"))))
    sync_tree(making)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(making, folder)
    return folder


def works_sums(folder: Path) -> Sums:
    """The files of the store of works in a folder, as they were written; none where that is not known."""
    try:
        return sums_of(read_sealed(folder / SUMS)) or {}
    except (OSError, ValueError):
        return {}


def _is_whole(folder: Path) -> bool:
    sums = works_sums(folder)
    return STATE in sums and not find_damage(folder, sums, Depth.TOUCHED)


def read_state(folder: Path) -> State:
    """What the store of works in a folder holds."""
    return State(**json.loads((folder / STATE).read_text(encoding="utf-8")))


def copy_works(folder: Path, target: Path) -> None:
    """Makes a copy of the store of works in a folder, which nobody has open: of hard links, where the file system has them, to
    the files that are never changed. To open it for a backup would write into it."""
    target.mkdir()
    for path in (folder / STORE).iterdir():
        if path.suffix == ".sst":
            _link(path, target / path.name)
        elif path.name != "LOCK" and not path.name.startswith("LOG"):
            shutil.copyfile(path, target / path.name)


def copy_index(folder: Path, target: Path) -> None:
    """Makes a copy of the index of works in a folder, likewise."""
    _link(folder / INDEX, target)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def forget_works(workspace: Workspace, kept: Path | None) -> None:
    """Deletes stores of works but one. Snapshots stay whole: what they share with it are hard links."""
    for folder in workspace.works.glob("*") if workspace.works.is_dir() else ():
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def newest_works(workspace: Workspace) -> Path | None:
    """The store of works that was made last, or None."""
    states = sorted(workspace.works.glob(f"[!.]*/{STATE}"), key=lambda path: path.stat().st_mtime)
    return states[-1].parent if states else None


def _rules(workspace: Workspace, terms: Terms) -> str:
    parts = [works_digest(), workspace.settings.base, terms.labels, dict(terms.broader), dict(terms.names)]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _newest(workspace: Workspace, rules: str) -> Path | None:
    """The store of works that was made last, if it is whole and was made by the same rules."""
    folder = newest_works(workspace)
    return folder if folder and _is_whole(folder) and read_state(folder).rules == rules else None


class _Maker:
    """Makes the store of works of some harvests in a folder: `grow` from another one, or `fill` from nothing."""

    def __init__(self, workspace: Workspace, making: Path, state: State, terms: Terms, report: Report) -> None:
        self.workspace, self.making, self.state, self.terms, self.report = workspace, making, state, terms, report
        self.base = workspace.settings.base
        self.files = {harvest: workspace.folder / "works" / harvest / WORKS for harvest in state.harvests}
        self.added = self.lines = 0
        self.joining: list[str] = []  # quads: works that are there and belong to a further harvest

    def fill(self) -> None:
        """Everything from nothing, in two readings: one for the names of works, one to map them."""
        choice = _choose(self.workspace, self.files)
        with closing(IndexWriter(self.making / INDEX, self.terms.broader)) as index:
            for openalex in choice.harvests:
                index.expect(openalex)
            self._load(_store(self.making), index, choice.lines(), choice.iris | dict(self.terms.names), choice.harvests)

    def grow(self, before: Path | None) -> bool:
        """Adds what is new to a copy of another store of works. False, where more than additions is needed."""
        if before is None or not (old := read_state(before)).harvests.keys() <= self.state.harvests.keys():
            return False
        shutil.copyfile(before / INDEX, self.making / INDEX)
        with closing(IndexWriter(self.making / INDEX, self.terms.broader)) as index:
            news = self._news(index, old)
            if news is not None and not self._doubles(index, news):
                copy_works(before, self.making / STORE)
                for part in ("works", "triples", "loose", "mentions"):
                    setattr(self.state, part, getattr(old, part))
                self._add(index, news)
                return True
        (self.making / INDEX).unlink()
        return False

    def _news(self, index: IndexWriter, old: State) -> "dict[str, _New] | None":
        """The works that are not in an index; None, where some of those that are there have changed or gone, or many came."""
        news: dict[str, _New] = {}
        there = set(index.ids)
        for harvest, digest in self.state.harvests.items():
            if old.harvests.get(harvest) == digest:
                continue
            held, before = 0, index.works_of(harvest)
            for line, record in read_kept(self.workspace, harvest):
                openalex, updated = openalex_iri(record).removeprefix(OPENALEX), str(record.get("updated_date") or "")
                if openalex in there:
                    if index.digest(openalex) != line_digest(line):
                        return None
                    if index.is_in(openalex, harvest):
                        held += 1
                    else:
                        self.joining.append(self._member(index.add_harvest(openalex, harvest), harvest))
                    continue
                new = news.setdefault(openalex, _New(line, updated))
                if updated >= new.updated:
                    new.line, new.updated = line, updated
                new.harvests.append(harvest)
                if len(news) > MANY * len(there):
                    return None
            if held < before:
                return None
        return news

    def _doubles(self, index: IndexWriter, news: "dict[str, _New]") -> bool:
        """Whether a DOI of a new work is that of another one."""
        dois = [iri for new in news.values() if not (iri := work_iri(read_work(new.line))).startswith(OPENALEX)]
        return len(set(dois)) < len(dois) or any(map(index.holds, dois))

    def _add(self, index: IndexWriter, news: "dict[str, _New]") -> None:
        records = [read_work(new.line) for new in news.values()]
        iris = {openalex_iri(record): work_iri(record) for record in records} | dict(self.terms.names)
        for openalex in news:
            index.expect(openalex)
        store = _store(self.making)
        _rename(store, index, {openalex: iris[OPENALEX + openalex] for openalex in news})
        harvests = {openalex: tuple(new.harvests) for openalex, new in news.items()}
        self._load(store, index, (new.line for new in news.values()), index.iris() | iris, harvests)

    def _load(
        self,
        store: ox.Store,
        index: IndexWriter,
        lines: Iterable[bytes],
        iris: Mapping[str, str],
        harvests: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Maps lines and loads what comes of them; puts the store in order where it has grown by much. The index is written by a
        thread beside."""
        with ThreadPoolExecutor(1) as side, closing(Stream(self._quads(index, lines, iris, harvests, side))) as stream:
            try:
                store.bulk_load(stream, ox.RdfFormat.N_QUADS)  # type: ignore[arg-type]
            except Exception as error:
                raise stream.error or error from error
            self.added, self.lines = len(harvests), stream.lines
            self.state.works += self.added
            self.state.triples += self.lines
            self.state.loose += self.lines
            finished = side.submit(index.finish)
            if self.state.loose > GROWTH * self.state.triples:
                store.optimize()
                self.state.loose = 0
            store.flush()
            finished.result()
        self.state.members = {harvest: index.works_of(harvest) for harvest in self.state.harvests}

    def _quads(
        self,
        index: IndexWriter,
        lines: Iterable[bytes],
        iris: Mapping[str, str],
        harvests: Mapping[str, tuple[str, ...]],
        side: ThreadPoolExecutor,
    ) -> Generator[bytes]:
        yield "".join([map_rules(self.base), *self.joining]).encode()
        writing: deque[Future[None]] = deque()
        done, told, mentions = 0, TELL, f" <{self.base}graph/mentions> .\n".encode()
        for quads, entries in map_lines(lines, len(harvests), iris, self.terms.labels, self.base):
            writing.append(side.submit(index.add, entries, harvests))
            if len(writing) > WAITING:
                writing.popleft().result()
            members = (self._member(entry.iri, harvest) for entry in entries for harvest in harvests[entry.openalex])
            self.state.mentions += quads.count(mentions)
            yield quads + "".join(members).encode()
            done += len(entries)
            if done >= told:
                self.report(f"Mapped {done:,} of {len(harvests):,} works")
                told += TELL
        for one in writing:
            one.result()

    def _member(self, work: str, harvest: str) -> str:
        return f"<{work}> <{KG.harvestedIn}> <{self.base}harvest/{harvest}> <{self.base}graph/works/{harvest}> .\n"


@dataclass
class _New:
    """A work that is to be added: its line, the age of that, and the harvests that hold it."""

    line: bytes
    updated: str
    harvests: list[str] = field(default_factory=list)


@dataclass
class _Choice:
    """Which line of which file is taken for each work: a file's flags, line by line. `harvests` of each work, by OpenAlex id;
    `iris`: those of works by OpenAlex IRI, where they are others."""

    files: dict[str, Path]
    flags: dict[str, bytearray]
    harvests: dict[str, tuple[str, ...]]
    iris: dict[str, str]

    def lines(self) -> Iterator[bytes]:
        """The lines that are taken."""
        for harvest, path in self.files.items():
            with gzip.open(path) as stream:
                yield from (line for line, taken in zip(stream, self.flags[harvest], strict=True) if taken)


def _choose(workspace: Workspace, files: dict[str, Path]) -> _Choice:
    """Reads harvests once. Of a work that several hold, the newest `updated_date` is taken, and of equals the last harvest's."""
    choice = _Choice(files, {harvest: bytearray() for harvest in files}, {}, {})
    taken: dict[str, tuple[str, str, int]] = {}
    for harvest in files:
        flags = choice.flags[harvest]
        for _, record in read_kept(workspace, harvest):
            iri = openalex_iri(record)
            openalex, updated = iri.removeprefix(OPENALEX), str(record.get("updated_date") or "")
            before = taken.get(openalex)
            flags.append(before is None or updated >= before[0])
            if flags[-1]:
                if before is not None:
                    choice.flags[before[1]][before[2]] = 0
                taken[openalex] = updated, harvest, len(flags) - 1
                if (own := work_iri(record)) != iri:
                    choice.iris[iri] = own
                else:
                    choice.iris.pop(iri, None)
            choice.harvests[openalex] = (*choice.harvests.get(openalex, ()), harvest)
    _part_doubles(choice.iris)
    return choice


def _part_doubles(iris: dict[str, str]) -> None:
    """Where several records have one DOI, it names the work of the oldest of them; the others keep their OpenAlex IRI."""
    first: dict[str, str] = {}
    for openalex in sorted(iris, key=lambda iri: (len(iri), iri)):
        if first.setdefault(iris[openalex], openalex) != openalex:
            iris[openalex] = openalex


def _rename(store: ox.Store, index: IndexWriter, iris: Mapping[str, str]) -> None:
    """Works that are there and cite new ones do so by the OpenAlex IRI: gives these the IRI that they have now."""
    for openalex, iri in iris.items():
        old, new = ox.NamedNode(OPENALEX + openalex), ox.NamedNode(iri)
        for quad in list(store.quads_for_pattern(None, None, old, ox.DefaultGraph())):
            if quad.predicate == CITES and isinstance(quad.subject, ox.NamedNode):
                index.add_citation(quad.subject.value, openalex)
            if old != new:
                store.remove(quad)
                if quad.subject != new:  # nothing is linked to itself
                    store.add(ox.Quad(quad.subject, quad.predicate, new, quad.graph_name))


def _store(folder: Path) -> ox.Store:
    return ox.Store(str(folder / STORE))
