"""The data and queries of the benchmarks of the SPARQL endpoint: synthetic works as N-Triples, the example as N-Quads.

Every query is different from every other: what it asks about is drawn at random (the same for the same seed), and a comment
numbers it, so that no cache of answers by their text wins anything.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from urllib.parse import quote

import pyoxigraph as ox

sys.path.insert(0, str(Path(__file__).parent))

from generator import generate

from kgraph.build import build
from kgraph.snapshot import open_published
from kgraph.workmapping import map_work, openalex_iri, work_iri, work_iris
from kgraph.workspace import Workspace, create_workspace

CITES = "http://purl.org/spar/cito/cites"
TITLE = "http://purl.org/dc/terms/title"
WORK = "http://purl.org/spar/fabio/Expression"
YEAR = "http://purl.org/spar/fabio/hasPublicationYear"
TOPIC = "https://semopenalex.org/ontology/hasTopic"
FEW = 21  # rows of 4 kB
MANY = 1000
NUMBER = 20_000  # queries of a kind that are made; of small ones five times as many, since they are answered sooner


def write_works(number: int, file: Path) -> list[str]:
    """Writes the triples of so many works to a file, unless it is there, each of them once; the IRIs of the works."""
    names = file.with_suffix(".iris")
    if file.is_file() and names.is_file():
        return names.read_text().split()
    known = work_iris(generate(number))
    making = file.with_suffix(".making")
    iris: list[str] = []
    with making.open("w", encoding="utf-8") as output:
        output.writelines(_lines(number, known, iris))
    making.rename(file)
    names.write_text("\n".join(iris))
    return iris


def _lines(number: int, known: dict[str, str], iris: list[str]) -> Iterator[str]:
    """The triples, those of what several works share once; notes the IRIs of the works."""
    shared: set[int] = set()
    for record in generate(number):
        iri, name = work_iri(record), openalex_iri(record)
        iris.append(iri)
        own = f"<{iri}> ", f"<{name}/", f"<{name}> "
        for line in dict.fromkeys(map_work(record, known).splitlines(keepends=True)):
            if not line.startswith(own):
                digest = hash(line)
                if digest in shared:
                    continue
                shared.add(digest)
            yield line


def make_example(folder: Path) -> tuple[Workspace, Path]:
    """The example workspace, built, and all that its snapshot holds as N-Quads for the peers; made unless they are there."""
    file = folder / "example.nq"
    workspace = Workspace(folder / "example")
    if not file.is_file():
        workspace = create_workspace(folder / "example", example=True)
        build(workspace)
        open_published(workspace).store.dump(str(file), ox.RdfFormat.N_QUADS)
    return workspace, file


def subjects(file: Path, least: int) -> list[str]:
    """The IRIs of a file of N-Quads about which there are so many triples at least."""
    counts: dict[str, set[bytes]] = {}
    with file.open("rb") as stream:
        for line in stream:
            subject, _, rest = line.partition(b" ")
            if subject.startswith(b"<"):
                counts.setdefault(subject[1:-1].decode(), set()).add(rest.rpartition(b" <")[0])
    return sorted(subject for subject, triples in counts.items() if len(triples) >= least)


def small(iris: Sequence[str], random: Random) -> str:
    """What is said of one thing: about 4 kB."""
    return f"SELECT ?property ?value WHERE {{ <{random.choice(iris)}> ?property ?value }} LIMIT {FEW}"


def rows(iris: Sequence[str], random: Random) -> str:
    """What is said of forty works: a thousand rows, easily found."""
    works = " ".join(f"<{iri}>" for iri in random.sample(iris, 40))
    return f"SELECT ?work ?property ?value WHERE {{ VALUES ?work {{ {works} }} ?work ?property ?value }} LIMIT {MANY}"


def joined(iris: Sequence[str], random: Random) -> str:
    """Titles and years of the works of some topics: up to a thousand rows by a join."""
    topics = " ".join(f"<https://openalex.org/T{10_001 + number}>" for number in random.sample(range(300), 60))
    found = f"?work <{TOPIC}> ?topic ; <{TITLE}> ?title ; <{YEAR}> ?year"
    return f"SELECT ?work ?title ?year WHERE {{ VALUES ?topic {{ {topics} }} {found} }} LIMIT {MANY}"


KINDS: dict[str, Callable[[Sequence[str], Random], str]] = {"small": small, "1,000 rows": rows, "1,000 rows, join": joined}


def write_queries(kind: str, iris: Sequence[str], file: Path, seed: int = 1) -> list[str]:
    """Writes queries of a kind for the load; the first few of them as they are."""
    random = Random(seed)  # noqa: S311
    first = []
    with file.open("w") as output:
        for place in range(5 * NUMBER if kind == "small" else NUMBER):
            text = f"{KINDS[kind](iris, random)} # {place}"
            output.write(f"query={quote(text)}\n")
            first += [text] if place < 5 else []
    return first
