"""Which records of works are taken: a pure function of a line of JSON and of conditions that are made ready before.

Both can be sent to another process or machine. Most lines of a snapshot match nothing: `select` looks for the bytes that a line
must have first (`may_match`), and reads the JSON only of those that have them. Conditions are of kinds: within a kind one of
them is enough, and each kind that is asked for has to be met.

The bytes stand as OpenAlex and all writers of JSON write them: letters and digits of ASCII are not escaped.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import Any
from unicodedata import normalize

import orjson

from kgraph.errors import KgraphError
from kgraph.workmapping import read_work
from kgraph.workterms import abstract_words, bare_doi

Record = dict[str, Any]

_ID = re.compile(r"(?:https://openalex\.org/)?((?:[A-Z]|(?:sub)?fields/|domains/)[1-9][0-9]*)")
_UNSPACED = (
    "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"  # scripts whose words stand without spaces
)
_LETTER = rf"[^\W_{_UNSPACED}]"
_DROPPED = re.compile("[\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]")  # marks, and what has no width
_PLAIN = (  # characters of words of which `fold` changes no more than the case, and of others such as make no words
    "\x00-\x7f\xa0-\xa7\xa9\xab\xac\xae-\xb1\xb4-\xb8\xbb\xbf\xd7\xf7\u0391-\u03a1\u03b1-\u03c9\u0410-\u0418\u041a-\u0438\u043a-\u044f"
    "\u2000-\u200a\u2010-\u2029\u2030-\u205f\u2190-\u22ff\u3000-\u3029\u3030-\u3035\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe"
    "\u3400-\u9fff\uac00-\ud7a3\uff01-\uff0f\uff1a-\uff20\uff3b-\uff3f\uff5b-\uff65"
)
_FOLDED = re.compile(f"[^{_PLAIN}]")
_ALIKE = str.maketrans(dict.fromkeys("_‐‑‒–—−-", " ") | dict.fromkeys("‘’ʼ", "'") | dict.fromkeys("“”", '"'))

_WORKS = re.compile(rb'W([0-9]+)"')
_TOPICS = re.compile(rb'T([0-9]+)"')
_FIELDS = re.compile(rb'(?:fields|domains)/([0-9]+)"')
_YEARS = re.compile(rb'"publication_year"\s*:\s*([0-9]+)')
_RETRACTED = re.compile(rb'"is_retracted"\s*:\s*true')
_TITLES = re.compile(rb'"title"\s*:\s*"((?:[^"\\]|\\.)*+)"')
_ABSTRACTS = re.compile(rb'"abstract_inverted_index"\s*:\s*\{')
_ESCAPES = re.compile(rb"\\.")
_DOIS = re.compile(rb'10\.[0-9]{4,9}/[^"]*')


class NoRecord(ValueError):
    """A line that is no record of a work; says why."""


@dataclass(frozen=True)
class Conditions:
    """What is asked of a work; a kind that is empty asks nothing.

    `topics`: T10123, subfields/1804, fields/18, domains/2. `terms`: words and phrases, folded (`fold`). `works` and `dois`:
    the works themselves, one kind. `cites`: works of which one is cited; `cited`: works themselves again, by which they were
    found. Works stand as numbers, the digits of their ids. `years`: first and last, of publication. `languages`: zh is zh-tw
    too. `countries`: of the authors, two capitals. `retracted`: whether that is wanted, or None.
    """

    topics: frozenset[str] = frozenset()
    terms: tuple[str, ...] = ()
    works: frozenset[bytes] | None = None
    dois: frozenset[str] = frozenset()
    cites: frozenset[bytes] | None = None
    cited: frozenset[bytes] | None = None
    years: tuple[tuple[int, int], ...] = ()
    types: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    retracted: bool | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}  # what is cached is made anew where it is needed

    @property
    def digest(self) -> str:
        """A hash that is the same for the same conditions."""
        plain = [sorted(map(str, value)) if isinstance(value, frozenset) else value for value in self.__getstate__().values()]
        return sha256(repr(plain).encode()).hexdigest()

    @cached_property
    def probes(self) -> tuple[Callable[[bytes], bool], ...]:
        """What looks for bytes in a line, for each kind that is asked for; those that are quickly done come first."""
        made: list[tuple[object, Callable[[bytes], bool]]] = [
            (self.topics, self._may_have_topic),
            (self.cites is not None, lambda line: not (self.cites or frozenset()).isdisjoint(_WORKS.findall(line))),
            (self.cited is not None, lambda line: not (self.cited or frozenset()).isdisjoint(_WORKS.findall(line))),
            (self.countries, _any_of([f'"{one}"' for one in self.countries])),
            (self.types, _any_of([f'"{one}"' for one in self.types])),
            (self.languages, _any_of([f'"{one}{end}' for one in self.languages for end in '"-'])),
            (self.retracted, lambda line: _RETRACTED.search(line) is not None),
            (self.years, lambda line: any(self._is_year(int(one)) for one in _YEARS.findall(line))),
            (self.works is not None, self._may_be_work),
            (self.terms, self._may_have_term),
        ]
        return tuple(probe for asked, probe in made if asked)

    @cached_property
    def tests(self) -> tuple[Callable[[Record], bool], ...]:
        """What looks at a record, for each kind that is asked for."""
        made: list[tuple[object, Callable[[Record], bool]]] = [
            (self.retracted is not None, lambda record: (record.get("is_retracted") is True) == self.retracted),
            (self.types, lambda record: _text(record.get("type")) in self.types),
            (self.languages, lambda record: not self.languages.isdisjoint(_languages(record))),
            (self.years, lambda record: self._is_year(record.get("publication_year"))),
            (self.topics, lambda record: not self.topics.isdisjoint(_topics(record))),
            (self.countries, lambda record: not self.countries.isdisjoint(_countries(record))),
            (self.cites is not None, lambda record: not (self.cites or frozenset()).isdisjoint(cited_works(record))),
            (self.cited is not None, lambda record: number_of(record.get("id")) in (self.cited or ())),
            (self.works is not None, self._is_work),
            (self.terms, self._has_term),
        ]
        return tuple(test for asked, test in made if asked)

    # ---- by kind

    @cached_property
    def _topic_numbers(self) -> frozenset[bytes]:
        return frozenset(one[1:].encode() for one in self.topics if one[0] == "T")

    @cached_property
    def _field_numbers(self) -> frozenset[bytes]:
        return frozenset(one.rpartition("/")[2].encode() for one in self.topics if "/" in one)

    def _may_have_topic(self, line: bytes) -> bool:
        in_topics = bool(self._topic_numbers) and not self._topic_numbers.isdisjoint(_TOPICS.findall(line))
        return in_topics or (bool(self._field_numbers) and not self._field_numbers.isdisjoint(_FIELDS.findall(line)))

    def _is_year(self, year: object) -> bool:
        return type(year) is int and any(first <= year <= last for first, last in self.years)

    @cached_property
    def _doi_bytes(self) -> frozenset[bytes]:
        return frozenset(doi.encode() for doi in self.dois)

    def _may_be_work(self, line: bytes) -> bool:
        if self.works and not self.works.isdisjoint(_WORKS.findall(line)):
            return True
        found = _DOIS.findall(line.lower()) if self.dois else ()
        return any(one.rstrip() in self._doi_bytes or b"\\" in one or not one.isascii() for one in found)

    def _is_work(self, record: Record) -> bool:
        return number_of(record.get("id")) in (self.works or ()) or not self.dois.isdisjoint(own_dois(record))

    @cached_property
    def _term(self) -> re.Pattern[str]:
        """All terms: each a whole word or phrase, where its script has spaces between words."""
        edged = []
        for term in self.terms:
            begin = rf"(?<!{_LETTER})" if re.match(_LETTER, term) else ""
            end = rf"(?!{_LETTER})" if re.match(_LETTER, term[-1]) else ""
            edged.append(begin + re.escape(term) + end)
        return re.compile("|".join(edged))

    @cached_property
    def _term_words(self) -> tuple[tuple[bytes, ...], ...]:
        """The words of each term, the longest first: a text that has the term has all of them."""
        words = (sorted(re.findall(r"[^\W_]+", term), key=len, reverse=True) for term in self.terms)
        return tuple(tuple(word.encode() for word in some) for some in words)

    def _may_have_term(self, line: bytes) -> bool:
        own = _own_texts(line)
        return own is None or b"\\u" in own or self._may_be_in(own)

    def _may_be_in(self, text: bytes) -> bool:
        """Whether a text, in UTF-8, has all words of a term, or letters that may be those of a word when they are folded."""
        if text.isascii():
            lower = text.lower()
        else:
            read = text.decode(errors="replace")
            if _FOLDED.search(read):
                return True
            lower = text.lower() if all(map(str.isascii, self.terms)) else read.casefold().encode()
        return any(all(word in lower for word in words) for words in self._term_words)

    def _has_term(self, record: Record) -> bool:
        for text in (_text(record.get("title")), abstract_words(record.get("abstract_inverted_index")) or ""):
            if self._may_be_in(text.encode(errors="replace")):
                folded = fold(text)
                if any(term in folded for term in self.terms) and self._term.search(folded):
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Selected:
    """A work that is taken: its id (W123), its `updated_date` as text, its line without the line end, as received."""

    id: str
    updated: str
    line: bytes


def may_match(line: bytes, conditions: Conditions) -> bool:
    """Whether a line has the bytes that a work needs which meets the conditions; True says nothing yet."""
    return all(probe(line) for probe in conditions.probes)


def matches(record: Record, conditions: Conditions) -> bool:
    """Whether a record meets the conditions. No value of JSON makes it fail."""
    return all(test(record) for test in conditions.tests)


def select(line: bytes, conditions: Conditions) -> Selected | None:
    """The work of a line, or None where it does not meet the conditions. Raises `NoRecord` for what is seen to be no record.

    A line is read only if it may match; of others nothing is known but that they begin and end as an object does. A lone
    surrogate, which JSON for everyone cannot have, becomes U+FFFD.
    """
    line = line.strip()
    if not (line.startswith(b"{") and line.endswith(b"}")):
        raise NoRecord("is no JSON object")
    if not may_match(line, conditions):
        return None
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        line, record = _mended(line)
    if not matches(record, conditions):
        return None
    if (number := number_of(record.get("id"))) is None:
        raise NoRecord("has no id of a work")
    return Selected(f"W{number.decode()}", str(record.get("updated_date") or ""), line)


def one_line(record: Record) -> bytes:
    """A record as one line of JSON, which every reader of JSON takes: a lone surrogate becomes U+FFFD."""
    try:
        return orjson.dumps(record)
    except TypeError:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def fold(text: str) -> str:
    """A text without the differences that do not count: case, accents, width, kinds of dashes and quotes, white space."""
    text = text.lower() if text.isascii() else normalize("NFC", _DROPPED.sub("", normalize("NFKD", text)).casefold())
    return " ".join(text.translate(_ALIKE).split())


def number_of(value: object) -> bytes | None:
    """The digits of the id of a work, from the id or its IRI as OpenAlex writes it; or None."""
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    return found[1][1:].encode() if found and found[1][0] == "W" else None


def cited_works(record: Record) -> list[bytes]:
    """The works that a record cites, as `number_of` has them."""
    return [number for value in _list(record.get("referenced_works")) if (number := number_of(value))]


def own_dois(record: Record) -> set[str]:
    """The DOIs that a record has for its own."""
    ids = record.get("ids")
    texts = record.get("doi"), ids.get("doi") if isinstance(ids, dict) else None
    return {doi for text in texts if (doi := bare_doi(text))}


def topic_of(value: object) -> str | None:
    """A topic, subfield, field or domain as `Conditions` has it, from that or its IRI; or None."""
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found and (found[1][0] == "T" or "/" in found[1]) else None


def _own_texts(line: bytes) -> bytes | None:
    """The bytes in which title and words of the abstract stand; None where they cannot be told from the rest."""
    found = _TITLES.findall(line)
    for begin in _ABSTRACTS.finditer(line):
        abstract = line[begin.end() : line.find(b"]}", begin.end())]
        if _ESCAPES.sub(b"", abstract).count(b'"') % 2:  # it has ended inside a word
            return None
        found.append(abstract)
    return b" ".join(found)


def _topics(record: Record) -> Iterable[str]:
    for topic in [*_list(record.get("topics")), record.get("primary_topic")]:
        if isinstance(topic, dict):
            levels = topic, topic.get("subfield"), topic.get("field"), topic.get("domain")
            yield from (name for level in levels if isinstance(level, dict) and (name := topic_of(level.get("id"))))


def _countries(record: Record) -> Iterable[str]:
    for authorship in _list(record.get("authorships")):
        if isinstance(authorship, dict):
            yield from (one for one in _list(authorship.get("countries")) if isinstance(one, str))
            places = (place for place in _list(authorship.get("institutions")) if isinstance(place, dict))
            yield from (_text(place.get("country_code")) for place in places)


def _languages(record: Record) -> tuple[str, str]:
    language = _text(record.get("language"))
    return language, language.partition("-")[0]


def _any_of(texts: Iterable[str]) -> Callable[[bytes], bool]:
    wanted = [text.encode() for text in texts]
    return lambda line: any(one in line for one in wanted)


def _mended(line: bytes) -> tuple[bytes, Record]:
    """A line that orjson refuses as everyone can read it, and its record. Raises `NoRecord` where it is no JSON at all."""
    try:
        line = one_line(read_work(line))
        return line, orjson.loads(line)
    except (KgraphError, ValueError, RecursionError) as error:
        raise NoRecord("is no JSON") from error


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
