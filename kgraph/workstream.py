"""Works as a stream: lines of harvests in, N-Quads and entries of the index out, mapped on all cores.

What comes is the same, in the same order, whatever the number of cores. Memory does not grow with the number of works, but for
the IRIs by which they are known.
"""

import io
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import islice

from kgraph.errors import fail
from kgraph.mentions import Found, map_mentions
from kgraph.names import CONCEPT
from kgraph.tagging import Tagger
from kgraph.workindex import Entry, index_entry, text_of
from kgraph.workmapping import map_work, openalex_iri, read_work
from kgraph.workterms import OPENALEX

Label = tuple[str, str, str]  # concept IRI, label, language
Mapped = tuple[bytes, list[Entry]]  # N-Quads, and the entries of the index
CHUNK = 200  # works that a worker is given at a time
FEW = 1000  # works that are not worth a second process
MOST_TOLD = 300_000  # lines on shared things that a worker remembers


class _Worker:
    """Maps lines of works; made once a process."""

    def __init__(self, known: Mapping[str, str], labels: tuple[Label, ...], base: str) -> None:
        self.known, self.base = known, base
        self.tagger = _tagger(labels)
        self.told: set[str] = set()

    def map(self, lines: list[bytes]) -> Mapped:
        """N-Quads and entries of the index."""
        texts: list[str] = []
        entries = []
        for line in lines:
            record = read_work(line)
            iri = openalex_iri(record)
            texts.append(self._new(map_work(record, self.known), iri))
            title, abstract = text_of(record)
            found: Found = {"title": (title, self.tagger.tag(title, abstract)), "abstract": (abstract, self.tagger.tag(abstract))}
            slugs = {match.concept.removeprefix(CONCEPT): None for _, matches in found.values() for match in matches}
            entry = index_entry(record, line.rstrip(b"\n"), self.known, slugs)
            texts.append(map_mentions(iri, entry.iri, found, self.base))
            entries.append(entry)
        return "".join(texts).encode(), entries

    def _new(self, text: str, iri: str) -> str:
        """Leaves out what was told of shared things (authors, topics, sources) already."""
        if len(self.told) > MOST_TOLD:
            self.told.clear()
        kept = []
        for line in text.splitlines(keepends=True):
            if line.startswith(_SHARED) and not line.startswith(iri, 1):
                if line in self.told:
                    continue
                self.told.add(line)
            kept.append(line)
        return "".join(kept)


@lru_cache(maxsize=1)
def _tagger(labels: tuple[Label, ...]) -> Tagger:
    """Takes longer to make than a few works take to map."""
    return Tagger(labels)


_SHARED = f"<{OPENALEX}"
_workers: list[_Worker] = []  # in a process of its own: the one that maps there


def _begin(known: Mapping[str, str], labels: tuple[Label, ...], base: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began this one
    _workers.append(_Worker(known, labels, base))


def _map(lines: list[bytes]) -> Mapped:
    return _workers[0].map(lines)


def map_lines(
    lines: Iterable[bytes], number: int, known: Mapping[str, str], labels: tuple[Label, ...], base: str
) -> Iterator[Mapped]:
    """Lines of works (`number` of them) mapped in order: in this process where they are few, else on all cores.

    `known`: as for `map_work`; `labels`: those of concepts, by which titles and abstracts are tagged. Raises `KgraphError`.
    """
    rest = iter(lines)
    chunks = iter(lambda: list(islice(rest, CHUNK)), [])
    if number <= FEW:
        yield from map(_Worker(known, labels, base).map, chunks)
        return
    cores = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(cores, context, _begin, (dict(known), labels, base)) as pool:
            waiting: deque[Future[Mapped]] = deque()
            for chunk in chunks:
                waiting.append(pool.submit(_map, chunk))
                if len(waiting) > 2 * cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool as error:
        remedy = "Free memory and build again: what is published stays as it is"
        raise fail("a process that maps works has ended, perhaps for want of memory", remedy) from error


class Stream(io.RawIOBase):
    """Pieces of bytes as a file to read from; `lines` is how many came, `error` what went wrong while they were made."""

    def __init__(self, pieces: Generator[bytes]) -> None:
        self._pieces, self._piece, self._at = pieces, b"", 0
        self.lines = 0
        self.error: BaseException | None = None

    def close(self) -> None:
        """Ends the making of pieces too."""
        self._pieces.close()
        super().close()

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Some of the bytes, at most `size`; none at the end."""
        try:
            while self._at >= len(self._piece):
                self._piece, self._at = next(self._pieces), 0
                self.lines += self._piece.count(b"\n")
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        start, self._at = self._at, len(self._piece) if size < 0 else self._at + size
        return self._piece[start : self._at]
