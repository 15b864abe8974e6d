"""What rows of a named query say of one thing, sorted for a page."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kgraph.anchors import Span, plain
from kgraph.web.highlight import Excerpt, excerpts
from kgraph.web.links import local_id, study_of
from kgraph.web.published import ask, snapshot
from kgraph.web.words import short


class Facts:
    """The values of a thing's properties, by prefixed name: `facts.one("kg:hedge")`, `facts.all("skos:broader")`.

    Made of rows with `property`, `value` and, where values have one, `language`.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._values: dict[str, list[tuple[Any, str]]] = {}
        for row in rows:
            self._values.setdefault(short(row["property"]), []).append((row["value"], row.get("language") or ""))

    def __bool__(self) -> bool:
        return bool(self._values)

    def all(self, name: str, language: str | None = None) -> list[Any]:
        """All values of a property; with `language` (`en`, `zh`), those in it. Pinyin is neither."""
        found = self._values.get(name, ())
        if language is None:
            return [value for value, _ in found]
        return [value for value, tag in found if tag.startswith(language) and "latn" not in tag]

    def one(self, name: str, language: str | None = None) -> Any:
        """The first value of a property, or None."""
        return next(iter(self.all(name, language)), None)

    def tagged(self, name: str) -> list[tuple[Any, str]]:
        """All values of a property with their language tags."""
        return self._values.get(name, [])


@dataclass
class Passage:
    """A passage of a source text: where it stands and, where the text is at hand, its words."""

    iri: str
    study: str
    section: str | None
    words: str | None
    sha256: str | None
    span: Span | None

    @property
    def id(self) -> str:
        return local_id(self.iri)


@dataclass
class Context:
    """The passages that a thing rests on and, where the text is at hand, the paragraphs around them, words marked.

    `source` says whose text it is (a row of the query `study-source`), None where no source text is known.
    """

    passages: list[Passage] = field(default_factory=list)
    excerpts: list[Excerpt] = field(default_factory=list)
    source: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.passages)


def context_of(rows: Iterable[dict[str, Any]], most: int = 12) -> Context:
    """The context of the passages in rows of `passages-of` or `passage-about`; excerpts of at most `most` passages."""
    merged: dict[str, dict[str, Any]] = {}
    for row in rows:
        kept = merged.setdefault(row["passage"], {})
        kept.update({name: value for name, value in row.items() if value is not None})
    passages = [_passage(row) for row in merged.values()]
    passages.sort(key=lambda passage: (passage.study, passage.span.start if passage.span else 0))
    if not passages:
        return Context()
    study = passages[0].study
    text = snapshot().source_text(study) if study else None
    spans = [passage.span for passage in passages if passage.span and passage.study == study]
    found = excerpts(text, spans[:most]) if text else []
    sources = ask("study-source", study=f"study/{study}") if study else []
    return Context(passages, found, sources[0] if sources else None)


def _passage(row: dict[str, Any]) -> Passage:
    span = Span(row["start"], row["end"]) if "start" in row and "end" in row else None
    words = plain(row["exact"]) if row.get("exact") else None
    return Passage(row["passage"], study_of(row["passage"]) or "", row.get("section"), words, row.get("sha256"), span)


def sources_of(iris: Iterable[str]) -> list[dict[str, Any]]:
    """The source texts of the studies that things belong to (rows of `study-source`): whose words they are."""
    studies = dict.fromkeys(study for study in map(study_of, iris) if study)
    return [row for study in studies for row in ask("study-source", study=f"study/{study}")]
