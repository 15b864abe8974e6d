"""The labelled titles and abstracts of tests/data/tagging: reading them, and measuring a tagger against them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from kgraph.names import CONCEPT, ONTOLOGY
from kgraph.tagging import Match, Tagger, read_labels
from kgraph.vocabulary import parse_turtle

DATA = Path(__file__).parent / "data" / "tagging" / "texts.yaml"
PARTS = ("development", "held-out")
LANGUAGES = ("en", "zh-Hans")
_MARK = re.compile(r"\{([^{}=]+)=(!?)([^{}=]+)\}")

Mention = tuple[str, int, int, bool]
"""Concept (its slug), start, end, negated."""


@dataclass(frozen=True)
class LabelledText:
    """A text and the mentions that a person marked in it."""

    id: str
    language: str
    part: str
    case: str
    text: str
    mentions: tuple[Mention, ...]


@dataclass(frozen=True)
class Score:
    """How well mentions were found: counts of right ones, of all found, of all there are; of the right ones, negation right."""

    right: int
    found: int
    there: int
    negation_right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.there if self.there else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def negation(self) -> float:
        return self.negation_right / self.right if self.right else 1.0


@cache
def labels() -> tuple[tuple[str, str, str], ...]:
    """The labels of the packaged ontology."""
    quads = [quad for path in sorted((ONTOLOGY / "concepts").glob("*.ttl")) for quad in parse_turtle(path)]
    return tuple(read_labels(quads))


@cache
def tagger() -> Tagger:
    """A tagger of the packaged ontology."""
    return Tagger(labels())


@cache
def labelled_texts() -> tuple[LabelledText, ...]:
    """All labelled texts."""
    return tuple(_read(entry) for entry in yaml.safe_load(DATA.read_text(encoding="utf-8")))


def texts_of(part: str, language: str = "") -> list[LabelledText]:
    return [text for text in labelled_texts() if text.part == part and language in ("", text.language)]


def _read(entry: dict[str, str]) -> LabelledText:
    marked, text, at = entry["text"], "", 0
    mentions: list[Mention] = []
    for mark in _MARK.finditer(marked):
        text += marked[at : mark.start()]
        mentions.append((mark.group(3), len(text), len(text) + len(mark.group(1)), bool(mark.group(2))))
        text, at = text + mark.group(1), mark.end()
    text += marked[at:]
    return LabelledText(entry["id"], entry["language"], entry["part"], entry["case"], text, tuple(mentions))


def mentions_of(matches: Iterable[Match]) -> list[Mention]:
    return [(match.concept.removeprefix(CONCEPT), match.start, match.end, match.negated) for match in matches]


def score(texts: Sequence[LabelledText], tag: Callable[[str], list[Mention]], by_span: bool = True) -> Score:
    """How well `tag` finds the mentions: concept and exact words, or (`by_span` false) which concepts a text has."""
    right = found = there = negation_right = 0
    for text in texts:
        expected, given = text.mentions, tag(text.text)
        if by_span:
            want = {mention[:3]: mention[3] for mention in expected}
            got = {mention[:3]: mention[3] for mention in given}
        else:  # a concept counts as negated where all its mentions are
            want = {(concept, 0, 0): all(m[3] for m in expected if m[0] == concept) for concept, *_ in expected}
            got = {(concept, 0, 0): all(m[3] for m in given if m[0] == concept) for concept, *_ in given}
        both = want.keys() & got.keys()
        right, found, there = right + len(both), found + len(got), there + len(want)
        negation_right += sum(want[key] == got[key] for key in both)
    return Score(right, found, there, negation_right)


def negated_score(texts: Sequence[LabelledText], tag: Callable[[str], list[Mention]]) -> Score:
    """How well the negated mentions are found as such: those that are both found and rightly called negated."""
    want = {(text.id, *mention) for text in texts for mention in text.mentions if mention[3]}
    got = {(text.id, *mention) for text in texts for mention in tag(text.text) if mention[3]}
    both = len(want & got)
    return Score(both, len(got), len(want), both)


def differences(texts: Sequence[LabelledText], tag: Callable[[str], list[Mention]]) -> list[str]:
    """What a tagger got wrong, a line for each, for reading."""
    lines = []
    for text in texts:
        expected, given = Counter(text.mentions), Counter(tag(text.text))
        for sign, mentions in (("missing", expected - given), ("extra", given - expected)):
            lines += [
                f"{text.id} {sign}: {text.text[start:end]!r} {concept}{' negated' * negated}"
                for concept, start, end, negated in sorted(mentions, key=lambda mention: mention[1])
            ]
    return lines
