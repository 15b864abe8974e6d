"""A workspace: the folder that holds the sources. The graph is a build product and never edited.

kgraph.toml, study.schema.json (for editors), ontology/*.ttl and *.sssom.tsv, studies/*.yaml and their source texts,
.kgraph/ (built).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal

from kgraph.errors import fail
from kgraph.settings import Settings, read_settings
from kgraph.study import json_schema

PACKAGE = Path(str(files("kgraph")))
ONTOLOGY = Path(str(files("kgraph.ontology")))
EXAMPLE = PACKAGE / "example"
MAPPING_MODULES = (
    "anchors", "counts", "identifiers", "mapped", "mapping", "mappings", "names", "study", "studyfile", "studylinks",
    "tables", "validation", "vocabulary", "yamlfile",
)  # fmt: skip
BUILD_MODULES = ("build", "checks", "inference", "integrity", "layout", "network", "queries", "search")

WORKS_MODULES = (
    "abbreviations", "labelforms", "mentions", "names", "tables", "tagcontext", "tagging", "tagtables", "workcolumns",
    "workindex", "workmapping", "workstore", "workstream", "worktables", "workterms",
)  # fmt: skip
LOST = "there are works and no ledger that tells of them"
LOST_REMEDY = "Take the ledger back from your version control, run the harvest again, or delete the folder"
HARVEST = ("works.jsonl.gz", "ledger.json")  # the files of a harvest

Kind = Literal["ontology", "concepts", "extension", "study", "mappings", "harvest", "works"]


@dataclass(frozen=True)
class Source:
    """Files that become one named graph: `graph` is its path under the base IRI, `digest` the hash of their content.

    Of the kind `works` are the records of a harvest; they become no graph of their own (see `kgraph.workstore`).
    """

    kind: Kind
    graph: str
    paths: tuple[Path, ...]
    digest: str


class Workspace:
    """The sources of a workspace and where its build products stand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.built = folder / ".kgraph"
        self.cache = self.built / "cache"
        self.snapshots = self.built / "snapshots"
        self.restricted = self.built / "restricted"
        self.works = self.built / "works"

    @cached_property
    def settings(self) -> Settings:
        return read_settings(self.folder / "kgraph.toml")

    def study_files(self) -> list[Path]:
        """The study files. Raises `KgraphError` when two would be one study."""
        files = [path for path in (self.folder / "studies").glob("[!.]*") if path.suffix in (".yaml", ".yml")]
        by_study = {path.stem: path for path in files}
        for path in files:
            if (other := by_study[path.stem]) != path:
                raise fail(f"{path.name} is the same study", "Keep one of the two files", file=other)
        return sorted(files)

    def ontology_files(self) -> list[Path]:
        """Turtle files with concepts: the packaged ones and the workspace's own."""
        return [*sorted((ONTOLOGY / "concepts").glob("*.ttl")), *sorted((self.folder / "ontology").glob("*.ttl"))]

    def mapping_files(self) -> list[Path]:
        """Tables of mappings to other vocabularies: the packaged ones and the workspace's own."""
        return [*sorted((ONTOLOGY / "mappings").glob("*.sssom.tsv")), *sorted((self.folder / "ontology").glob("*.sssom.tsv"))]

    def sources(self) -> Iterator[Source]:
        """Every source, with the hash of its content. A study's source text belongs to the study."""
        yield _source("ontology", "graph/ontology", *sorted((ONTOLOGY / "modules").glob("*.ttl")))
        yield _source("concepts", "graph/concepts", *sorted((ONTOLOGY / "concepts").glob("*.ttl")))
        for path in sorted((self.folder / "ontology").glob("*.ttl")):
            yield _source("extension", f"graph/ontology/{path.stem}", path)
        for path in self.study_files():
            text = path.with_suffix(".txt")
            yield _source("study", f"graph/study/{path.stem}", path, *([text] if text.exists() else []))
        yield _source("mappings", "graph/mappings", *sorted((ONTOLOGY / "mappings").glob("*.sssom.tsv")))
        for path in sorted((self.folder / "ontology").glob("*.sssom.tsv")):
            yield _source("mappings", f"graph/mappings/{path.name.removesuffix('.sssom.tsv')}", path)

        for ledger in sorted((self.folder / "works").glob(f"[!.]*/{HARVEST[1]}")):
            name, works = ledger.parent.name, ledger.with_name(HARVEST[0])
            if not works.is_file():
                remedy = "Take the file back from your version control, or delete the folder and harvest again"
                raise fail("the works of a harvest are missing", remedy, file=works)
            yield _source("harvest", f"graph/works/{name}", ledger)
            yield _source("works", f"works/{name}", works)

    def lost_harvests(self) -> list[Path]:
        """Folders with works and no ledger: nothing tells what was asked, and they are left out."""
        found = (path.parent for path in (self.folder / "works").glob(f"[!.]*/{HARVEST[0]}"))
        return sorted(folder for folder in found if not (folder / HARVEST[1]).is_file())

    def version(self, sources: list[Source]) -> str:
        """The version that a build of these sources has: the same inputs give the same version."""
        parts = {source.graph: source.digest for source in sources}
        rules = sorted(
            [*(ONTOLOGY / "rules").glob("*.rq"), *(ONTOLOGY / "queries").glob("*/*.rq"), *(ONTOLOGY / "shapes").glob("*.ttl")]
        )
        made_by = [mapping_digest(), works_digest(), _modules_digest(BUILD_MODULES)]
        inputs: list[object] = [self.settings.base, self.settings.name, parts, _digest(rules), *made_by]
        if self.settings.store is not None:  # a snapshot says on which server its graph stands
            inputs.append(self.settings.store.query)
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]

    def published_version(self) -> str | None:
        """The version that readers see, or None."""
        name = self.published_name()
        return name and name.rstrip("+")

    def published_name(self) -> str | None:
        """The folder of the snapshot that readers see: its version, with a + for each time it was built anew. Or None."""
        try:
            return (self.snapshots / "current").read_text(encoding="ascii").strip() or None
        except (OSError, UnicodeDecodeError):
            return None


def mapping_digest() -> str:
    """The mapping's version: a hash of the modules that make triples from a study file."""
    return _modules_digest(MAPPING_MODULES)


def works_digest() -> str:
    """The version of the mapping of works: a hash of the modules and data that make triples and entries from records."""
    modules = [PACKAGE / f"{module}.py" for module in WORKS_MODULES]
    return _digest([*modules, *sorted((ONTOLOGY / "tagging").glob("*"))])


def find_workspace(folder: str | Path = ".") -> Workspace:
    """The workspace in `folder` or the nearest folder above it. Raises `KgraphError` when there is none."""
    start = Path(folder)
    if not start.is_dir():
        raise fail("there is no such folder", f"Make a workspace: kgraph init {folder} --example", file=folder)
    for candidate in [start.absolute(), *start.absolute().parents]:
        if (candidate / "kgraph.toml").is_file():
            return Workspace(candidate)
    raise fail("no kgraph.toml here or above", "Go to a workspace (-w DIR), or make one: kgraph init DIR --example", file=folder)


def create_workspace(folder: Path, example: bool) -> Workspace:
    """Makes a workspace in an empty or new folder: the example study, or nothing but the settings."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise fail("the folder is not empty", "Choose another folder", file=folder)
        if example:
            shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            for part in ("studies", "ontology"):
                (folder / part).mkdir(parents=True)
            name = json.dumps(folder.absolute().name, ensure_ascii=False)
            (folder / "kgraph.toml").write_text(f'name = {name}\nlanguages = ["en", "zh-Hans"]\n', encoding="utf-8")
        (folder / ".gitignore").write_text(".kgraph/\n", encoding="utf-8")
        (folder / "study.schema.json").write_text(json.dumps(json_schema(), ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        raise fail(f"cannot be written ({error.strerror})", "Choose a folder that you may write to", file=folder) from error
    return Workspace(folder)


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sees to it that the names in a folder survive a power cut."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _source(kind: Kind, graph: str, *paths: Path) -> Source:
    return Source(kind, graph, paths, _digest(paths))


def _digest(paths: tuple[Path, ...] | list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as stream:
                digest.update(f"{path.name}\0{os.fstat(stream.fileno()).st_size}\0".encode())
                while piece := stream.read(1 << 20):
                    digest.update(piece)
        except OSError as error:
            raise fail(f"cannot be read ({error.strerror})", "Check the path and its permissions", file=path) from error
    return digest.hexdigest()


def _modules_digest(modules: tuple[str, ...]) -> str:
    return _digest([PACKAGE / f"{module}.py" for module in modules])
