"""The forms in which a label may stand in a text: folded, inflected, spelt otherwise.

Texts and labels are folded alike, so that case, accents, dashes and white space make no difference, and a place in the
folded text can be led back to the place in the text. Which words are irregular, and which spellings go together, is
data: `ontology/tagging/forms.tsv`.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice, product

from kgraph.names import ONTOLOGY
from kgraph.tagtables import Row, read_rows

MOST = 400  # forms of one label: a label of many words with two spellings each must not fill the memory

_DASHES, _BREAKS = "_‐‑‒–−-", "—―"
_QUOTES = {"‘": "'", "’": "'", "ʼ": "'", "“": '"', "”": '"', "「": '"', "」": '"'}
_DROPPED = "\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufeff"  # combining marks, soft hyphen, characters without width
_HAS_DROPPED = re.compile(f"[{_DROPPED}ﬀ-ﬄ]")
_INLINE = r"</?(?:jats:)?(?:i|b|em|strong|u|sub|sup|span|italic|bold|sc|a)(?:\s[^<>]*)?/?>"
_ENTITY = "&(?:nbsp|ensp|emsp|thinsp|#160|#xa0);"
_IRREGULAR = re.compile(
    rf"(?P<space>(?:[\s{_DASHES}](?=[<&\s{_DASHES}])|{_INLINE}|{_ENTITY})(?:[\s{_DASHES}]|{_INLINE}|{_ENTITY})*)"
    rf"|(?P<block></?[A-Za-z][^<>]*>)|(?P<amp>&amp;)|(?P<ligature>[ﬀ-ﬄ])|(?P<dropped>[{_DROPPED}]+)",
    re.IGNORECASE,
)
_ASIDE = re.compile(rf"\s[{_DASHES}]+\s|--")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN_MEETS_HAN = re.compile(r"(?<=[a-z0-9])(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])(?=[a-z0-9])")
_ONE_SYLLABLE = re.compile(r"[^aeiou]+[aeiou][^aeiouwxy]")
_PREPOSITION = re.compile(r" (?:about|against|among|as|at|between|by|for|from|in|of|on|through|to|towards|with|without) ")


class _Fold(dict[int, str]):
    """What a character becomes: always one character, so that `str.translate` keeps places."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _DASHES or character.isspace():
            folded = " "
        elif character in _BREAKS:
            folded = ";"
        else:
            decomposed = unicodedata.normalize("NFKD", _QUOTES.get(character, character).lower())
            folded = "".join(c for c in decomposed if not unicodedata.combining(c))
            folded = folded if len(folded) == 1 else character
        self[code] = folded
        return folded


_FOLD = _Fold()


class Folded:
    """A text made ready for matching.

    `text` is folded; `plain` is the same, character by character, in the case and accents of the original; `place` leads
    back to code points of the original.
    """

    __slots__ = ("_original", "_shifts", "_starts", "plain", "text")

    def __init__(self, original: str) -> None:
        self._original = original
        self._starts: list[int] = []
        self._shifts: list[int] = []
        self.plain = original
        self.text = original.translate(_FOLD)
        if "  " in self.text or "<" in original or "&" in original or (not original.isascii() and _HAS_DROPPED.search(original)):
            self.plain = "".join(self._pieces())
            self.text = self.plain.translate(_FOLD)

    def _pieces(self) -> Iterator[str]:
        """The original without tags, double spaces and marks; notes from where on places are shifted, and by how much."""
        at = length = 0
        for found in _IRREGULAR.finditer(self._original):
            new = _replacement(found)
            if len(new) == found.end() - found.start():
                continue
            kept = self._original[at : found.start()]
            yield kept
            yield new
            at, length = found.end(), length + len(kept) + len(new)
            self._starts.append(length)
            self._shifts.append(at - length)
        yield self._original[at:]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The code points of the original at which a stretch of the folded text begins and ends (exclusive)."""
        if not self._starts:
            return start, end
        first, last = self._one(start), self._one(end - 1) + 1
        while last < len(self._original) and unicodedata.combining(self._original[last]):
            last += 1
        return first, last

    def _one(self, at: int) -> int:
        index = bisect_right(self._starts, at) - 1
        return at + self._shifts[index] if index >= 0 else at


def _replacement(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "space":
            return ";" if _ASIDE.search(found.group()) else " "
        case "block":
            return ";"
        case "amp":
            return "&"
        case "ligature":
            return unicodedata.normalize("NFKC", found.group())
        case _:
            return ""


def fold(label: str) -> str:
    """A label, folded as texts are."""
    return Folded(unicodedata.normalize("NFC", label)).text.strip()


def is_chinese(text: str) -> bool:
    """Whether a text holds a Chinese character."""
    return _HAN.search(text) is not None


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a single Chinese character is a word of its own: no others stand around it, but for those that join words."""
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return all(character in _table().beside or not is_chinese(character) for character in around)


def is_acronym(label: str) -> bool:
    """Whether a label is written in capitals, so that it counts only where it is written so: CHIME, QoL, RE-AIM."""
    capitals = sum(c.isupper() for c in label)
    return " " not in label and capitals >= 2 and 2 * capitals > sum(c.isalpha() for c in label) and not is_chinese(label)


def forms(label: str, language: str) -> dict[str, str]:
    """The folded forms in which a label may stand, each with the rule that makes it: label, spelling or inflection."""
    base = fold(label)
    found = {base: "label"} if base else {}
    if is_chinese(base):
        found.setdefault(_LATIN_MEETS_HAN.sub(" ", base), "spelling")
    elif language.lower().split("-")[0] in ("en", "") and base:
        for form in _spellings(base):
            found.setdefault(form, "spelling")
        inflected = _inflections(base) if not is_acronym(label) else {base + "s"}
        for form in sorted(inflected):
            for spelling in _spellings(form):
                found.setdefault(spelling, "inflection")
                if len(found) >= MOST:
                    return found
    return found


def _spellings(form: str) -> list[str]:
    """A form, and as it is spelt on the other side of the Atlantic, with a prefix apart or joined, with &."""
    words = form.split(" ")
    found = [" ".join(chosen) for chosen in islice(product(*map(_word_spellings, words)), MOST)]
    for at, word in enumerate(words[:-1]):  # over-dependence: the hyphen is a space by now
        if word in _table().prefixes:
            found.append(" ".join([*words[:at], word + words[at + 1], *words[at + 2 :]]))
    if " and " in form:
        found.append(form.replace(" and ", " & "))
    return list(dict.fromkeys(found))


@cache
def _word_spellings(word: str) -> tuple[str, ...]:
    found = {word}
    for one, other in _table().spellings:
        found |= {one.sub(other, known) for known in found}
    if prefix := next((p for p in _table().prefixes if word.startswith(p) and len(word) >= len(p) + 4), ""):
        found |= {f"{prefix} {known[len(prefix) :]}" for known in found}
    return tuple(sorted(found))


def _inflections(form: str) -> set[str]:
    """Other numbers of the head, other forms of a verb in -ing at the beginning, other persons for one's and oneself."""
    head = _PREPOSITION.search(form)
    ends = {len(form)} | ({head.start()} if head else set())
    found = {form[: m.start()] + other + form[end:] for end in ends for m, other in _numbers(form, end)}
    first, _, rest = form.partition(" ")
    found |= {f"{verb} {rest}".strip() for verb in _verb_forms(first)}
    for known in [form, *found]:
        for one, persons in _table().persons.items():
            if re.search(rf"\b{one}(?!\w)", known):
                found |= {re.sub(rf"\b{one}(?!\w)", person, known) for person in persons}
    return found - {form}


def _numbers(form: str, end: int) -> Iterator[tuple[re.Match[str], str]]:
    """The word that ends at `end`, as plural and as singular."""
    if (found := re.search(r"[a-z]+$", form[:end])) and found.group() not in _table().invariable:
        for other in _plurals(found.group()) | _singulars(found.group()):
            yield found, other


def _plurals(word: str) -> set[str]:
    if word in _table().plurals:
        return _table().plurals[word]
    if word.endswith("sis"):
        return {word[:-2] + "es"}
    if re.search(r"(?:[sxz]|[cs]h)$", word):
        return {word + "es"} if not word.endswith("s") or word.endswith("ss") else set()
    return {re.sub(r"(?<=[^aeiou])y$", "ie", word) + "s"}


def _singulars(word: str) -> set[str]:
    known = {one for one, many in _table().plurals.items() if word in many}
    if known or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return known
    if word.endswith("ies"):
        return {word[:-3] + "y"}
    return {word[:-1], word[:-2]} if re.search(r"(?:[sxz]|[cs]h)es$", word) else {word[:-1]}


def _verb_forms(word: str) -> set[str]:
    """What a word in -ing may be in other tenses; guesses that are no words are harmless, as no text has them."""
    if not word.endswith("ing") or len(word) < 5:
        return set()
    stem = word[:-3]
    bases = {stem + "e"} if _ONE_SYLLABLE.fullmatch(stem) else {stem, stem + "e"}  # coping: cope, as a cop would be copping
    if len(stem) > 2 and stem[-1] == stem[-2]:
        bases.add(stem[:-1])
    irregular = _table().verbs
    found = set(bases)
    for base in bases:
        found |= irregular.get(base, {re.sub(r"(?<=[^aeiou])y$", "i", base) + ("d" if base.endswith("e") else "ed")})
        found |= _plurals(base)
    return found


class _Table:
    """`forms.tsv`, read."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.plurals: dict[str, set[str]] = {}
        self.verbs: dict[str, set[str]] = {}
        self.persons: dict[str, list[str]] = {}
        self.invariable: set[str] = set()
        self.prefixes: list[str] = []
        self.beside: set[str] = set()
        self.spellings: list[tuple[re.Pattern[str], str]] = []
        for row in rows:
            one, others = row["one"], row["others"].split()
            match row.choose("kind", ("noun", "verb", "person", "invariable", "prefix", "beside", "spelling")):
                case "noun":
                    self.plurals[one] = set(others)
                case "verb":
                    self.verbs[one] = set(others)
                case "person":
                    self.persons[one] = others
                case "invariable":
                    self.invariable.add(one)
                case "prefix":
                    self.prefixes.append(one)
                case "beside":
                    self.beside.add(one)
                case "spelling":
                    self.spellings.append((row.pattern("one"), row["others"]))


@cache
def _table() -> _Table:
    return _Table(read_rows(ONTOLOGY / "tagging" / "forms.tsv", ("kind", "one", "others")))
