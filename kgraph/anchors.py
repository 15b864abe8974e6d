"""Finds the exact words of a passage in a source text, and says where they stand.

Matching is exact on a normal form that forgets only what printing and conversion change (white space, quotation marks,
dashes, emphasis marks, soft hyphens, hyphens at line ends); every match is mapped back to positions in the text. Near
matches never count: they only feed the "did you mean" of an error. Positions are code points, the end exclusive, as in
the Web Annotation Data Model (oa:TextPositionSelector).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

CONTEXT = 40  # code points of prefix and suffix that are kept with a selector

_TRANSLATE = {ord(c): "'" for c in "‘’‚‛′"} | {ord(c): '"' for c in "“”„‟″"} | {ord(c): "-" for c in "‐‑‒–—―−"}
_DROPPED = frozenset("*\\\u00ad\u200b\ufeff")
_LINE_END_HYPHEN = re.compile(r"[-‐\u00ad][ \t]*\n[ \t]*(?=[a-z])")


class AnchorError(ValueError):
    """The words cannot be placed. `remedy` says what to do; `suggestion` holds the nearest passage, if any is near."""

    def __init__(self, found: str, remedy: str, suggestion: str = "") -> None:
        super().__init__(found)
        self.found, self.remedy, self.suggestion = found, remedy, suggestion


@dataclass(frozen=True)
class Span:
    """A stretch of a text: code points from `start` up to but not including `end`."""

    start: int
    end: int


def normal_form(text: str) -> tuple[str, list[int]]:
    """The form of a text that is used for matching, and for each of its characters the position in `text`."""
    joined = {i for match in _LINE_END_HYPHEN.finditer(text) for i in range(*match.span())}
    characters: list[str] = []
    positions: list[int] = []
    for position, character in enumerate(text):
        if position in joined or character in _DROPPED:
            continue
        if character.isspace():
            if characters and characters[-1] == " ":
                continue
            character = " "
        characters.append(character.translate(_TRANSLATE))
        positions.append(position)
    return "".join(characters), positions


def sha256(text: str) -> str:
    """The hexadecimal SHA-256 of a text in UTF-8 and Unicode NFC."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


class AnchoredText:
    """A source text (already NFC with LF line ends) in which passages are found."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _normal(self) -> tuple[str, list[int]]:
        return normal_form(self.text)

    def find(self, exact: str, prefix: str | None = None, suffix: str | None = None, near: int | None = None) -> Span:
        """Where `exact` stands. Prefix and suffix first, then the position nearest to `near`, decide between repetitions.

        Raises `AnchorError` when the words do not occur, or occur more than once and nothing decides.
        """
        normal, positions = self._normal
        words = normal_form(exact)[0].strip()
        if not words:
            raise AnchorError("no words to look for", "Copy the words from the source text")
        starts = list(_occurrences(words, normal))
        if not starts:
            suggestion = self._nearest(words)
            remedy = f"Did you mean: «{suggestion}»" if suggestion else "Copy the words from the source text"
            raise AnchorError(f"these words are not in the source text: «{_shorten(exact)}»", remedy, suggestion)
        chosen = starts
        if prefix:
            before = normal_form(prefix)[0].strip()
            chosen = [start for start in chosen if normal[:start].rstrip().endswith(before)]
        if suffix:
            after = normal_form(suffix)[0].strip()
            chosen = [start for start in chosen if normal[start + len(words) :].lstrip().startswith(after)]
        if len(chosen) > 1 and near is not None:
            distances = sorted((abs(positions[start] - near), start) for start in chosen)
            if distances[0][0] < distances[1][0]:
                chosen = [distances[0][1]]
        if len(chosen) != 1:
            how_often = f"{len(starts)} times" if chosen else "only with other words around it"
            raise AnchorError(
                f"these words occur {how_often} in the source text: «{_shorten(exact)}»",
                "Give the words just before (prefix) or after (suffix) them, or more of the sentence",
            )
        first, last = chosen[0], chosen[0] + len(words) - 1
        return Span(positions[first], positions[last] + 1)

    def _nearest(self, words: str) -> str:
        from rapidfuzz import fuzz

        normal, positions = self._normal
        best = fuzz.partial_ratio_alignment(words, normal, score_cutoff=75)
        if best is None or best.dest_end <= best.dest_start:
            return ""
        start, last = best.dest_start, best.dest_end - 1
        while start > 0 and normal[start].isalnum() and normal[start - 1].isalnum():  # whole words
            start -= 1
        while last + 1 < len(normal) and normal[last].isalnum() and normal[last + 1].isalnum():
            last += 1
        return _shorten(self.text[positions[start] : positions[last] + 1])

    def exact(self, span: Span) -> str:
        """The words at a span, as they stand in the text."""
        return self.text[span.start : span.end]

    def prefix(self, span: Span) -> str:
        """Up to `CONTEXT` code points before a span."""
        return self.text[max(0, span.start - CONTEXT) : span.start]

    def suffix(self, span: Span) -> str:
        """Up to `CONTEXT` code points after a span."""
        return self.text[span.end : span.end + CONTEXT]


def _occurrences(words: str, text: str) -> Iterator[int]:
    start = text.find(words)
    while start >= 0:
        yield start
        start = text.find(words, start + 1)


def plain(words: str) -> str:
    """Words of a source text for reading: emphasis marks and escapes dropped, white space runs to one space."""
    return " ".join(_LINE_END_HYPHEN.sub("", words).replace("*", "").replace("\\", "").split())


def _shorten(text: str, limit: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
