"""Whether a label is meant, and whether it is negated: what the words around a place in a text say.

The words are data: `ontology/tagging/{ambiguous,contexts,not-meant,negation}.tsv`.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from kgraph.errors import fail
from kgraph.labelforms import fold, forms, is_chinese
from kgraph.names import ONTOLOGY
from kgraph.tagtables import Row, read_rows

FOLDER = ONTOLOGY / "tagging"
REACH_WORDS, REACH_CHARACTERS = 6, 10  # of a negation in English and in Chinese
LONGEST_SENTENCE = 400  # characters before or after a label: what is farther is not looked at

_SENTENCE_END = re.compile(r"[.!?。](?=\s|$|[\u3400-\u9fff])|[。;]")
_LIST = re.compile(r"(?:, [\w' ]{1,30}){1,4},? (?:or|nor|and/or) [\w']* ?")
_CHAIN = {
    "en": re.compile(r",? and |(?:, [\w' ]{1,30}){0,3},? (?:or|nor|and/or) (?:\w+ )?"),
    "zh": re.compile(r"、|和|与|及|或|以及|或者|,?也(?:没有|无|未)"),
}
_PUNCTUATION = r"[,.;:!?()。、]"


class Ambiguous:
    """When a label that is an everyday word as well is a mention."""

    __slots__ = ("_after", "_before", "_sentence", "_text", "never")

    def __init__(self, row: Row) -> None:
        self.never = row["sentence"] == "never"
        words = {column: _expand(row, column) for column in ("sentence", "text", "not-after", "not-before")}
        self._sentence = _any(words["sentence"])
        self._text = _any(words["text"])
        self._after = _any(words["not-after"], end=r" ?$")
        self._before = _any(words["not-before"], begin="^ ?")

    def objection(self, text: str, start: int, end: int, holds: Callable[[re.Pattern[str]], bool]) -> str:
        """Why the label at a place of a folded text is no mention: a key of `tagging.REASONS`, or nothing.

        `holds` says whether a pattern is anywhere in the text, or in what goes with it.
        """
        if self.never:
            return "never"
        if self._after and self._after.search(text, max(0, start - 40), start):
            return "other-sense"
        if self._before and self._before.search(text[end : end + 40]):
            return "other-sense"
        if not self._sentence and not self._text:
            return ""
        if self._text and holds(self._text):
            return ""
        if self._sentence:
            before, after = sentence_around(text, start, end)
            if self._sentence.search(text, before, start) or self._sentence.search(text, end, after):
                return ""
        return "no-context"


def sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the sentence around a place begins and ends."""
    before = max(0, start - LONGEST_SENTENCE)
    for found in _SENTENCE_END.finditer(text, before, start):
        before = found.end()
    after = _SENTENCE_END.search(text, end, end + LONGEST_SENTENCE)
    return before, after.start() if after else min(len(text), end + LONGEST_SENTENCE)


def _expand(row: Row, column: str) -> list[str]:
    """The words of a cell, with those of the groups that it names."""
    found: list[str] = []
    for word in row[column].split() if row[column] != "never" else ():
        if not word.startswith("@"):
            found.append(word)
        elif word[1:] in _groups():
            found += _groups()[word[1:]]
        else:
            few = ", ".join(f"@{name}" for name in _groups())
            raise fail(f"there is no group {word}", f"There are: {few}", file=row.file, line=row.line, field=column)
    return found


@cache
def _groups() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for row in read_rows(FOLDER / "contexts.tsv", ("name", "language", "words")):
        groups.setdefault(row["name"], []).extend(row["words"].split())
    return groups


def _any(words: Iterable[str], begin: str = "", end: str = "") -> re.Pattern[str] | None:
    """One pattern for some words as a table writes them."""
    found = [_pattern(word) for word in words]
    return re.compile(f"{begin}(?:{'|'.join(found)}){end}") if found else None


def _pattern(word: str) -> str:
    plain = re.escape(fold(word.removesuffix("*").replace("_", " ")))
    if is_chinese(word):
        return plain
    return rf"\b{plain}\w*" if word.endswith("*") else rf"\b{plain}\b"


@cache
def ambiguous() -> dict[tuple[str, str], Ambiguous]:
    """The rows of ambiguous.tsv by language (en, zh, zh-latn) and folded form: the row of the form, or of a label that has it."""
    columns = ("language", "label", "sentence", "text", "not-after", "not-before", "why")
    rows = [(row["language"], row["label"], Ambiguous(row)) for row in read_rows(FOLDER / "ambiguous.tsv", columns)]
    found = {(language, fold(label)): row for language, label, row in rows}
    for language, label, row in rows:
        for form in forms(label, language):
            found.setdefault((language, form), row)
    return found


@cache
def not_meant() -> list[str]:
    """Phrases in which no label is meant, folded."""
    return [fold(row["phrase"]) for row in read_rows(FOLDER / "not-meant.tsv", ("language", "phrase"))]


class Cue:
    """Words that negate, or seem to: in which language and which ways."""

    __slots__ = ("kinds", "language")

    def __init__(self, language: str) -> None:
        self.language = language
        self.kinds: set[str] = set()


class Negation:
    """Finds what is negated in a text, from the cues and the mentions that stand there."""

    KINDS = ("before", "bound", "adjacent", "after", "never", "end", "verb", "topic", "later", "away", "filler")

    def __init__(self, rows: Iterable[Row]) -> None:
        self.cues: dict[str, Cue] = {}
        words: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            kind = row.choose("kind", self.KINDS)
            language = row.choose("language", ("en", "zh"))
            words.setdefault((language, kind), []).append(row["words"].replace(" ", "_"))
            if kind in ("before", "bound", "adjacent", "after", "never"):
                self.cues.setdefault(fold(row["words"]), Cue(language)).kinds.add(kind)
        self._stops = {
            (language, bound): re.compile("|".join([_PUNCTUATION, *map(_pattern, self._stopping(words, language, bound))]))
            for language in ("en", "zh")
            for bound in (False, True)
        }
        self._later = re.compile(f"[^,.;:!?。]{{0,16}}(?:{'|'.join(words['zh', 'later'])})")
        self._away = re.compile("|".join(f" {_pattern(word)}" for word in words["en", "away"]))
        fillers = {language: "|".join(_pattern(word) for word in words[language, "filler"]) for language in ("en", "zh")}
        self._fillers = {language: re.compile(f"(?: ?(?:{pattern}))* ?") for language, pattern in fillers.items()}

    @staticmethod
    def _stopping(words: dict[tuple[str, str], list[str]], language: str, bound: bool) -> list[str]:
        kinds = ("end", "topic", "verb") if bound else ("end", "topic")
        return [word for kind in kinds for word in words.get((language, kind), ())]

    def negated(self, text: str, cues: Sequence[tuple[int, int, Cue]], mentions: Sequence[tuple[int, int]]) -> dict[int, int]:
        """Which mentions are negated, and by which cue: from the number of the mention to that of the cue.

        Cues and mentions are stretches of the folded text, in order, and no cue overlaps another or a mention.
        """
        found: dict[int, int] = {}
        for number, (start, end, cue) in enumerate(cues):
            if "never" in cue.kinds:
                continue
            ahead = "after" not in cue.kinds or not self._away.match(text, end)
            reached = self._reached(text, end, cue, mentions) if ahead else []
            if not reached and "after" in cue.kinds:
                reached = self._before(text, start, cue, mentions)
            found.update((mention, number) for mention in reached)
        return found

    def _reached(self, text: str, end: int, cue: Cue, mentions: Sequence[tuple[int, int]]) -> list[int]:
        """The mentions that a cue before them negates: the first in reach, and those that are joined to it by or, nor, and."""
        if not cue.kinds & {"before", "bound", "adjacent"}:
            return []
        found: list[int] = []
        last = end
        for number in range(bisect_left(mentions, (end, 0)), len(mentions)):
            start, stop = mentions[number]
            if not (self._joined(text, last, start, stop, cue) if found else self._in_reach(text, end, start, cue)):
                break
            found.append(number)
            last = stop
        return found

    def _in_reach(self, text: str, at: int, start: int, cue: Cue) -> bool:
        if "adjacent" in cue.kinds:
            return not text[at:start].strip()
        if cue.language == "en" and len(text[at:start].split()) > REACH_WORDS:
            return False
        if cue.language == "zh" and (start - at > REACH_CHARACTERS or self._later.match(text, start)):
            return False
        stops, place = self._stops[cue.language, "bound" in cue.kinds], at
        while stop := stops.search(text, place, start):
            listed = _LIST.match(text, stop.start()) if stop.group() == "," else None
            if listed is None:
                return False
            place = listed.end()
        return True

    @staticmethod
    def _joined(text: str, last: int, start: int, stop: int, cue: Cue) -> bool:
        between = text[last : min(start, last + 120)]
        if between.strip() != ",":
            return _CHAIN[cue.language].fullmatch(between) is not None
        return re.match(r"(?:, [\w' ]{1,30})*,? (?:or|nor) ", text[stop : stop + 120]) is not None

    def _before(self, text: str, start: int, cue: Cue, mentions: Sequence[tuple[int, int]]) -> list[int]:
        """The mention directly before a cue, if only filler stands between."""
        number = bisect_right(mentions, (start, 0)) - 1
        near = number >= 0 and start - mentions[number][1] <= 80
        return [number] if near and self._fillers[cue.language].fullmatch(text[mentions[number][1] : start]) else []


@cache
def negation() -> Negation:
    """The rules of negation.tsv."""
    return Negation(read_rows(FOLDER / "negation.tsv", ("language", "kind", "words")))
