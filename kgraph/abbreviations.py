"""Abbreviations that a text defines: "peer support workers (PSWs)", "PSWs (peer support workers)", 同伴支持工作者（PSW）.

That the letters of an abbreviation stand in order in its long form, the first at its beginning, is the idea of Schwartz and
Hearst 2003 (A simple algorithm for identifying abbreviation definitions in biomedical text).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kgraph.labelforms import is_chinese

_SHORT = r"[A-Z][A-Za-z0-9]*(?:[-/&][A-Za-z0-9]+)*"
_BRACKETS = re.compile(r"[(（]([^()（）]{2,90})[)）]")
_LAST = re.compile(rf"(?:^|[,，;；:：]\s*|\b(?:hereafter|or|abbreviated|abbreviation)\s+|简称)[\"“']?({_SHORT})[\"”']?$")
_BEFORE = re.compile(rf"(?<![A-Za-z0-9])({_SHORT})\s?$")
_WORD = re.compile(r"[^\W_]+")
_NEAR = 25  # characters between a label and the bracket, as in "interpretative phenomenological analysis approach (IPA)"


@dataclass(frozen=True)
class Definition:
    """An abbreviation (without a plural s); the number of the label that it stands for (None: no label); its places."""

    short: str
    label: int | None
    places: list[tuple[int, int]]


def find_definitions(text: str, labels: Sequence[tuple[int, int]]) -> Iterator[Definition]:
    """The abbreviations that a text defines, each with the places where it stands from its definition on.

    `labels` are the stretches of the text in which labels stand, in the order of their ends; they may overlap. Where an
    abbreviation is defined twice, the first definition counts.
    """
    known: set[str] = set()
    ends = [end for _, end in labels]
    for bracket in _BRACKETS.finditer(text):
        if (found := _definition(text, bracket, labels, ends, known)) is not None:
            known.add(found.short)
            yield found


def _definition(
    text: str, bracket: re.Match[str], labels: Sequence[tuple[int, int]], ends: Sequence[int], known: set[str]
) -> Definition | None:
    """What a bracket defines, if it defines an abbreviation that is not `known`."""
    inner, start = bracket.group(1).strip(), bracket.start()
    if (last := _LAST.search(inner)) and (short := _abbreviation(last.group(1))) and short not in known:
        end = len(text[max(0, start - 120) : start].rstrip()) + max(0, start - 120)
        label = _long_form(text, short, end, labels, ends)
        if label is not None or _other_words(text[max(0, end - 120) : end], short):
            return Definition(short, label, _places(text, short, start))
        return None
    begin = max(0, start - 20)
    if (before := _BEFORE.search(text[begin:start])) and (short := _abbreviation(before.group(1))) and short not in known:
        first, stop = bracket.span(1)
        same = range(bisect_left(ends, stop), bisect_right(ends, stop))
        inside = [number for number in same if labels[number][0] == first and _stands_for(short, text[first:stop])]
        if inside or _stands_for(short, inner):
            return Definition(short, inside[0] if inside else None, _places(text, short, begin + before.start()))
    return None


def _abbreviation(word: str) -> str:
    """A word without its plural s, if it is an abbreviation: two capitals at least."""
    short = word[:-1] if word.endswith("s") else word
    return short if 2 <= len(short) <= 10 and sum(map(str.isupper, short)) >= 2 else ""


def _long_form(text: str, short: str, end: int, labels: Sequence[tuple[int, int]], ends: Sequence[int]) -> int | None:
    """The longest label that ends at the bracket, or else near it, and for which the abbreviation can stand."""
    near = []
    for number in range(bisect_left(ends, end - _NEAR), bisect_right(ends, end)):
        start, stop = labels[number]
        words = text[start:stop]
        if (stop == end or not is_chinese(words)) and _stands_for(short, words):
            near.append((stop != end, start - stop, number))
    return min(near)[2] if near else None


def _stands_for(short: str, long: str) -> bool:
    if is_chinese(long):  # its letters come from an English name that the text need not give
        return not any(map(str.isdigit, short))
    letters, words = [c for c in short.lower() if c.isalnum()], long.lower()
    if len(long) <= len(short) or not words.startswith(letters[0]):
        return False
    at = 0
    for letter in letters:
        at = words.find(letter, at) + 1
        if not at:
            return False
    return True


def _other_words(before: str, short: str) -> bool:
    """Whether some words at the end of a text can be the long form of an abbreviation."""
    words = list(_WORD.finditer(before))[-(len(short) + 3) :]
    return any(_stands_for(short, before[word.start() :]) for word in words[:-1])


def _places(text: str, short: str, start: int) -> list[tuple[int, int]]:
    pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(short)}s?(?![A-Za-z0-9])")
    return [found.span() for found in pattern.finditer(text, start)]
