"""The concepts there are, by slug: what a study file may name, and what somebody may have meant who named another."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from kgraph.errors import fail
from kgraph.names import CONCEPT, KG_IRI, ONTOLOGY, PREFIXES
from kgraph.yamlfile import CONTROL, read_text

_SKOS, _TYPE = PREFIXES["skos"], PREFIXES["rdf"] + "type"
_SUBJECT = re.compile(r"<([^>]+)>\s|(concept|counterpart):([\w.-]+)\s")
NESTING = 30  # of brackets in Turtle
_BRACKET = re.compile(  # or what holds none that count: texts, IRIs, comments
    r'"""(?:[^"\\]|\\.|"(?!""))*+"""|"(?:[^"\\\n]|\\.)*+"|<[^<>\s]*+>|#[^\n]*+|[\[\]()]', re.DOTALL
)
_LABELS = {_SKOS + "prefLabel", _SKOS + "altLabel"}


@dataclass(frozen=True)
class Vocabulary:
    """Concepts by slug: the facet class of each (`Method`; empty where none is said), its English name, all its labels."""

    facets: Mapping[str, str]
    names: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]]

    def __contains__(self, slug: object) -> bool:
        return slug in self.facets

    def __len__(self) -> int:
        return len(self.facets)

    def near(self, word: str, most: int = 3) -> list[str]:
        """The concepts whose slug or label is most like `word`, the nearest first; empty where nothing is like it."""
        from rapidfuzz import fuzz, process

        choices = [(slug, name) for slug in self.facets for name in (slug.replace("-", " "), *self.labels[slug])]
        found = process.extract(
            word.replace("-", " ").replace("_", " ").casefold(),
            [name.casefold() for _, name in choices],
            scorer=fuzz.token_sort_ratio,
            score_cutoff=70,
            limit=10 * most,
        )
        return list(dict.fromkeys(choices[index][0] for _, _, index in found))[:most]

    def suggest(self, word: str) -> str:
        """A remedy that offers the concepts most like `word`; empty where nothing is like it."""
        near = self.near(word)
        return f"Did you mean {' or '.join(near)}?" if near else ""


def make_vocabulary(quads: Iterable[ox.Quad]) -> Vocabulary:
    """The concepts that triples define."""
    facets: dict[str, str] = {}
    names: dict[str, str] = {}
    labels: dict[str, list[str]] = {}
    for quad in quads:
        predicate, value = quad.predicate.value, quad.object
        if predicate != _TYPE and predicate not in _LABELS:
            continue
        subject = getattr(quad.subject, "value", "")
        slug = subject.removeprefix(CONCEPT)
        if isinstance(value, ox.Literal):
            labels.setdefault(slug, []).append(value.value)
            if predicate == _SKOS + "prefLabel" and value.language == "en":
                names[slug] = value.value
        elif isinstance(value, ox.NamedNode):
            if value.value == _SKOS + "Concept":
                facets.setdefault(slug, "")
            elif value.value.startswith(KG_IRI) and subject.startswith(CONCEPT):
                facets[slug] = value.value.removeprefix(KG_IRI)
    return Vocabulary(facets, names, {slug: tuple(labels.get(slug, ())) for slug in facets})


def all_broader(quads: Iterable[ox.Quad]) -> dict[str, tuple[str, ...]]:
    """By the slug of a concept: the slugs of all that stand above it, sorted. Circles, which a check reports, do no harm."""
    above: dict[str, set[str]] = {}
    for quad in quads:
        if quad.predicate.value == _SKOS + "broader" and isinstance(quad.object, ox.NamedNode):
            slug = getattr(quad.subject, "value", "").removeprefix(CONCEPT)
            above.setdefault(slug, set()).add(quad.object.value.removeprefix(CONCEPT))
    found = {}
    for slug, next_ones in above.items():
        seen: set[str] = set()
        todo = set(next_ones)
        while todo:
            one = todo.pop()
            seen.add(one)
            todo |= above.get(one, set()) - seen
        found[slug] = tuple(sorted(seen - {slug}))
    return found


def parse_turtle(path: Path) -> list[ox.Quad]:
    """The triples of a Turtle file; relative IRIs are concepts. Raises `KgraphError` with the line of what is wrong."""
    text = read_text(path)
    if (line := _too_deep(text)) is not None:
        raise fail(f"brackets stand more than {NESTING} deep", "Write it flatter: nothing here needs that", file=path, line=line)
    try:
        quads = list(ox.parse(text.encode(), format=ox.RdfFormat.TURTLE, base_iri=CONCEPT))
    except SyntaxError as error:
        raise fail(str(error.msg), "Correct the Turtle", file=path, line=error.lineno) from error
    for quad in quads:
        if isinstance(quad.object, ox.Literal) and (found := CONTROL.search(quad.object.value)):
            shown = f"a text of {quad.subject} holds the control character U+{ord(found[0]):04X}"
            raise fail(shown, "Take it out: nobody sees it, and it turns what they read about", file=path)
    return quads


def _too_deep(text: str) -> int | None:
    """The line on which brackets stand deeper than anybody means; naming nodes without names takes too long there."""
    if text.count("[") + text.count("(") <= NESTING:
        return None
    depth = 0
    for match in _BRACKET.finditer(text):
        depth += (match[0] in ("[", "(")) - (match[0] in ("]", ")"))
        if depth > NESTING:
            return text.count("\n", 0, match.start()) + 1
    return None


def concept_places(paths: Iterable[Path]) -> dict[str, tuple[Path, int]]:
    """Where concepts and counterparts are described in Turtle files: file and line on which a block begins, by IRI.

    Found by the text, which is what a person will look for: a subject at the beginning of a line. Where two files speak of
    one thing, the later one is given: files of a workspace come after the packaged ones, and are those that its owner can mend.
    """
    places: dict[str, tuple[Path, int]] = {}
    for path in paths:
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if found := _SUBJECT.match(line):
                iri, prefix, slug = found.groups()
                iri = iri or PREFIXES[prefix] + slug
                if iri not in places or places[iri][0] != path:
                    places[iri] = (path, number)
    return places


def place_of(iris: Iterable[str], places: Mapping[str, tuple[Path, int]]) -> tuple[Path, int] | None:
    """Which of several things that a problem names to send a person to: one of a workspace's own file, else the first."""
    known = [places[iri] for iri in iris if iri in places]
    return next((place for place in known if ONTOLOGY not in place[0].parents), known[0] if known else None)
