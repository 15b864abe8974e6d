"""RDF files served as they are, without a workspace: read into a store that is thrown away when serving ends.

They are read in a process of its own: a file that ends the parser ends that process, and the error names the file. XML goes
through expat first, which refuses entities that grow beyond measure (pyoxigraph fills the memory with them).
"""

import contextlib
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pyoxigraph as ox

from kgraph.errors import fail

BASE = "http://localhost/"
SUFFIXES = {
    "ttl": ox.RdfFormat.TURTLE, "nt": ox.RdfFormat.N_TRIPLES, "nq": ox.RdfFormat.N_QUADS, "trig": ox.RdfFormat.TRIG,
    "rdf": ox.RdfFormat.RDF_XML, "owl": ox.RdfFormat.RDF_XML, "xml": ox.RdfFormat.RDF_XML, "jsonld": ox.RdfFormat.JSON_LD,
    "n3": ox.RdfFormat.N3,
}  # fmt: skip
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*?)=(.+)")
_FILE = "data.json"
DEEPEST = 1000  # elements of XML within each other: pyoxigraph takes minutes for many more
MEMORY = 4 << 30  # bytes of address space that reading a file takes at most, beside `TIMES` its size
TIMES = 8


@dataclass(frozen=True)
class DataFile:
    """A file, and the graph into which it is read; None for the default graph, or for those that the file names."""

    path: Path
    graph: str | None = None


@dataclass(frozen=True)
class DataFolder:
    """What files became: `version`, a hash of them; the `base` IRI; how many triples named graphs and the default graph have."""

    version: str
    base: str
    graphs: dict[str, int]
    default: int

    @property
    def triples(self) -> int:
        """How many there are, each counted in every graph."""
        return self.default + sum(self.graphs.values())


def parse_argument(text: str) -> DataFile:
    """A file as it is named on the command line: `FILE`, or `IRI=FILE` to read it into a graph of that name."""
    match = None if Path(text).exists() else _NAMED.fullmatch(text)
    return DataFile(Path(match[2]), match[1]) if match else DataFile(Path(text))


def load(files: list[DataFile], folder: Path, base: str = BASE) -> DataFolder:
    """Reads files into a store in `folder`. Raises `KgraphError` with file and line where one cannot be read."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    for one in files:
        if one.path.suffix.lstrip(".").lower() not in SUFFIXES:
            raise fail("is of no known kind", f"Known by their ending: {', '.join(SUFFIXES)}", file=one.path)
        try:
            with one.path.open("rb") as stream:
                digest.update(f"{one.path.name} {one.graph} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
        except OSError as error:
            raise fail(f"cannot be read ({error.strerror})", "Check the path and its permissions", file=one.path) from error
    for one in files:
        command = [sys.executable, "-m", "kgraph.datafiles", str(folder), base, str(one.path.absolute()), one.graph or ""]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode == 3:
            raise fail(ran.stdout.strip(), "Correct the file", file=one.path)
        if ran.returncode:
            raise fail("ends the parser: it nests too deeply, or is too large", "Write it as N-Triples", file=one.path)
    store = ox.Store(str(folder / "store"))
    store.optimize()
    store.flush()
    counted: Any = store.query("SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g")
    graphs = {row["g"].value: int(row["n"].value) for row in counted}
    made = DataFolder(digest.hexdigest()[:16], base, graphs, len(store) - sum(graphs.values()))
    (folder / _FILE).write_text(json.dumps(asdict(made)), encoding="utf-8")
    return made


def open_folder(folder: Path) -> DataFolder:
    """What `load` made in a folder."""
    return DataFolder(**json.loads((folder / _FILE).read_text(encoding="utf-8")))


def _read_into(folder: str, base: str, file: str, graph: str) -> int:
    path = Path(file)
    _confine(path)
    form = SUFFIXES[path.suffix.lstrip(".").lower()]
    store = ox.Store(str(Path(folder) / "store"))
    try:
        if form == ox.RdfFormat.RDF_XML:
            _check_xml(path)
        store.bulk_load(path=path, format=form, base_iri=base, to_graph=ox.NamedNode(graph) if graph else None)
        store.flush()
    except (SyntaxError, ValueError, OSError, expat.ExpatError) as error:
        print(f"cannot be read: {' '.join(str(error).split())[:300]}")
        return 3
    return 0


def _confine(path: Path) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        size = MEMORY + TIMES * path.stat().st_size
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _check_xml(path: Path) -> None:
    """Raises ValueError for XML that nests too deeply, and ExpatError for what is none or has entities that grow too much."""
    parser, depth = expat.ParserCreate(), 0

    def start(name: str, attributes: list[str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"line {parser.CurrentLineNumber}: elements stand more than {DEEPEST:,} deep")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.ordered_attributes = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    with path.open("rb") as stream:
        parser.ParseFile(stream)


if __name__ == "__main__":
    sys.exit(_read_into(*sys.argv[1:]))
