"""Searches labels and texts in an SQLite index that is built beside the store.

English and pinyin are found by word stems, whatever their accents (FTS5, porter over unicode61); Chinese by any three characters
in a row (FTS5, trigram), shorter ones by looking through. Labels rank above texts, an exact label first. What people type is
taken as words: no operator, quote or wild card has a meaning, so that no input is malformed.
"""

import re
import sqlite3
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kgraph.errors import fail
from kgraph.queries import load_queries, rows, run
from kgraph.settings import DEFAULT_BASE

KINDS = ("concept", "theme", "study", "quotation", "assertion", "reference", "participant")
MAX_LETTERS, MAX_WORDS = 400, 24  # of a question; what goes beyond is not read
SNIPPET = 160  # characters
RANKS = {"label": 300.0, "alias": 250.0, "identifier": 200.0, "title": 90.0, "text": 50.0}
EXACT, STARTS, COVERED, PARTLY = 600.0, 100.0, 60.0, 0.4
_START, _END = "\x02", "\x03"
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NO_LETTER = re.compile(r"[\W_]+")  # nor a digit; marks that combine are none either
SPELLINGS = (  # British to American, and back
    ((r"(?<=\w{3})is(e[drs]?|ing|ation|ational)$", r"iz\1"), (r"(?<=\w{3})iz(e[drs]?|ing|ation|ational)$", r"is\1")),
    ((r"(?<=\w{2})our(s|ed|al|able|ing)?$", r"or\1"), (r"(?<=\w{2})or(s|ed|al|able|ing)?$", r"our\1")),
    ((r"^programmes?$", "program"), (r"^programs?$", "programme")),
    ((r"^centres?$", "center"), (r"^centers?$", "centre")),
)
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE item (id INTEGER PRIMARY KEY, iri TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, en TEXT NOT NULL, zh TEXT NOT NULL);
CREATE TABLE text (id INTEGER PRIMARY KEY, item INTEGER NOT NULL, role TEXT NOT NULL, language TEXT NOT NULL, value TEXT NOT NULL,
  folded TEXT NOT NULL);
CREATE INDEX text_folded ON text (folded) WHERE role IN ('label', 'alias', 'identifier');
CREATE INDEX text_item ON text (item);
CREATE VIRTUAL TABLE words USING fts5 (value, content = 'text', content_rowid = 'id',
  tokenize = 'porter unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE characters USING fts5 (value, content = 'text', content_rowid = 'id', tokenize = 'trigram');
"""

Parts = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Hit:
    """A thing that was found.

    `labels` by language (`en`, `zh-Hans`); `snippet` is a text of the thing in parts, each with whether it matched, in
    `snippet_language`; `matched` says whether a `label` or a `text` matched; a higher `score` is better.
    """

    iri: str
    kind: str
    labels: dict[str, str]
    snippet: Parts
    snippet_language: str
    matched: str
    score: float


@dataclass(frozen=True)
class _Match:
    """A text that matched: its row, with the score and the marked snippet."""

    item: int
    role: str
    language: str
    score: float
    snippet: Parts


def build_index(store: ox.Store, path: Path) -> None:
    """Writes the index of a store's labels and texts to a new file at `path`. The same store gives the same content."""
    things: dict[str, tuple[str, list[tuple[str, str, str]]]] = {}
    for row in rows(run(store, load_queries("pages")["search-texts"].text, DEFAULT_BASE)):
        kind, texts = things.setdefault(row["thing"], (row["kind"], []))
        texts.append((row["role"], row["language"], _CONTROL.sub(" ", str(row["value"]))))
    with closing(sqlite3.connect(path)) as index:
        index.executescript(_SCHEMA)
        for number, (iri, (kind, texts)) in enumerate(sorted(things.items()), start=1):
            index.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?)", (number, iri, kind, *_names(kind, texts)))
            for role, language, value in sorted(set(texts)):
                if role != "speaker":
                    _insert(index, number, role, language.lower(), value)
        index.execute("INSERT INTO words (words) VALUES ('optimize')")
        index.execute("INSERT INTO characters (characters) VALUES ('optimize')")
        index.commit()


def _insert(index: sqlite3.Connection, item: int, role: str, language: str, value: str) -> None:
    cursor = index.execute(
        "INSERT INTO text (item, role, language, value, folded) VALUES (?, ?, ?, ?, ?)",
        (item, role, language, value, fold(value)),
    )
    if _CHINESE.search(value):
        index.execute("INSERT INTO characters (rowid, value) VALUES (?, ?)", (cursor.lastrowid, value))
    if not language.startswith("zh") or language.startswith("zh-latn"):
        index.execute("INSERT INTO words (rowid, value) VALUES (?, ?)", (cursor.lastrowid, value))


def _names(kind: str, texts: list[tuple[str, str, str]]) -> tuple[str, str]:
    """What a thing is called in English and in Chinese."""
    names = [_first(texts, "label", language) or _first(texts, "title", language) for language in ("en", "zh")]
    identifier = _first(texts, "identifier", "")
    if kind == "quotation":
        speaker = _first(texts, "speaker", "")
        names = [f"Quotation {identifier}, {speaker}", f"引语 {identifier}，{speaker}"]
    elif kind == "participant":
        names = [f"Participant {identifier}", f"参与者 {identifier}"]
    elif kind == "assertion":
        names = [_first(texts, "text", "en"), _first(texts, "text", "zh")]
    first = names[0] or names[1] or identifier
    return first, names[1] or first


def _first(texts: list[tuple[str, str, str]], role: str, language: str) -> str:
    return next((value for r, tag, value in sorted(texts) if r == role and tag.lower().startswith(language)), "")


def fold(text: str) -> str:
    """A text without case, accents, spaces and punctuation: `Chāxù géjú` and `cha xu ge ju` are one."""
    return _NO_LETTER.sub("", unicodedata.normalize("NFKD", text).casefold())


def search(path: Path, text: str, limit: int = 20, kinds: Collection[str] = (), offset: int = 0) -> list[Hit]:
    """The things whose labels or texts match what somebody typed, the best first.

    At most `limit` of them, after the first `offset`; only of `kinds`, if any are given. Where nothing holds every word,
    things that hold some of them are found. Any text is safe; one without a letter finds nothing. Raises `KgraphError` only
    when the index cannot be read.
    """
    question = _clean(text)
    words = re.findall(r"[^\W_]+", _CHINESE.sub(" ", question))[:MAX_WORDS]
    runs = list(dict.fromkeys(_CHINESE.findall(question)))[:MAX_WORDS]
    if not words and not runs:
        return []
    with _reading(path) as index:
        terms = [_word_matches(index, words)] if words else []
        terms += [_run_matches(index, run) for run in runs]
        together = set.intersection(*({match.item for match in term} for term in terms)) or {
            m.item for term in terms for m in term
        }
        found: dict[int, list[_Match]] = defaultdict(list)
        for match in [*_exact_matches(index, question), *(match for term in terms for match in term if match.item in together)]:
            found[match.item].append(match)
        scored = sorted(((-_score(matches), item) for item, matches in found.items()))
        hits = [_hit(index, item, found[item]) for _, item in scored[: None if kinds else 3 * (limit + offset) + 20]]
    if kinds:
        hits = [hit for hit in hits if hit.kind in kinds]
    hits.sort(key=lambda hit: (-round(hit.score, 3), KINDS.index(hit.kind), len(hit.labels["en"]), hit.iri))
    return hits[offset : offset + max(limit, 0)]


def suggest(path: Path, text: str, limit: int = 5) -> list[Hit]:
    """Things whose labels, aliases or identifiers are spelt nearly like `text` (also a slug), the nearest first."""
    from rapidfuzz import fuzz, process

    wanted = fold(_clean(text)[:100])
    if not wanted:
        return []
    with _reading(path) as index:
        labels = index.execute("SELECT folded, item FROM text WHERE role IN ('label', 'alias') ORDER BY id").fetchall()
        near = process.extract(wanted, [folded for folded, _ in labels], scorer=fuzz.ratio, score_cutoff=60, limit=4 * limit)
        best: dict[int, float] = {}
        for _, score, at in near:
            item = labels[at][1]
            best[item] = max(best.get(item, 0.0), score)
        hits = [_hit(index, item, [_Match(item, "label", "", score, ())]) for item, score in best.items()]
    return sorted(hits, key=lambda hit: (-hit.score, KINDS.index(hit.kind), hit.iri))[: max(limit, 0)]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as index:
            yield index
    except sqlite3.DatabaseError as error:
        raise fail(f"the search index cannot be read ({error})", "Build it anew: kgraph build --force", file=path) from error


def _clean(text: str) -> str:
    """What is read of a question: no control characters or broken surrogates, composed, and not endlessly long."""
    whole = text[:MAX_LETTERS].encode("utf-8", "ignore").decode("utf-8")
    return unicodedata.normalize("NFKC", _CONTROL.sub(" ", whole)).strip()


def _exact_matches(index: sqlite3.Connection, question: str) -> list[_Match]:
    """Labels, aliases and identifiers that are what was typed."""
    found = index.execute(
        "SELECT item, role, language, value FROM text WHERE folded = ? AND role IN ('label', 'alias', 'identifier')",
        (fold(question),),
    )
    return [_Match(item, role, language, RANKS[role] + EXACT, ((value, True),)) for item, role, language, value in found]


def _word_matches(index: sqlite3.Connection, words: list[str]) -> list[_Match]:
    """Texts with all the words (the last may be only begun); where there are none, texts with some of them."""
    terms = ["(" + " OR ".join(f'"{spelling}"' for spelling in spellings(word)) + ")" for word in words]
    terms[-1] = f'({terms[-1]} OR "{words[-1]}" *)'
    found = _match_words(index, " AND ".join(terms), words)
    if found or len(words) == 1:
        return found
    every = _match_words(index, " OR ".join(terms), words)
    return [_Match(m.item, m.role, m.language, m.score * PARTLY, m.snippet) for m in every]


def spellings(word: str) -> list[str]:
    """A word as it was typed, and as it is spelt on the other side of the Atlantic."""
    word = word.casefold()
    found = {word}
    for one, other in SPELLINGS:
        found.update((re.sub(one[0], one[1], word), re.sub(other[0], other[1], word)))
    return sorted(found)


def _match_words(index: sqlite3.Connection, expression: str, words: list[str]) -> list[_Match]:
    found = index.execute(
        "SELECT text.item, text.role, text.language, text.folded, -bm25(words), snippet(words, 0, ?, ?, '…', 28)"
        " FROM words JOIN text ON text.id = words.rowid WHERE words MATCH ?",
        (_START, _END, expression),
    )
    return [
        _Match(item, role, language, _rank(role, folded, words, weight), _marked(snippet))
        for item, role, language, folded, weight, snippet in found
    ]


def _run_matches(index: sqlite3.Connection, run_: str) -> list[_Match]:
    """Texts with a run of Chinese characters; where there are none, texts with some pairs of its characters."""
    if len(run_) >= 3:
        found = index.execute(
            "SELECT text.item, text.role, text.language, text.value FROM characters JOIN text ON text.id = characters.rowid"
            " WHERE characters MATCH ?",
            (f'"{run_}"',),
        ).fetchall()
    else:
        found = index.execute("SELECT item, role, language, value FROM text WHERE value LIKE ?", (f"%{run_}%",)).fetchall()
    matches = [
        _Match(item, role, language, _rank(role, fold(value), [run_], 10.0 * len(run_) / len(value)), _cut(value, [run_]))
        for item, role, language, value in found
    ]
    return matches or _pair_matches(index, run_)


def _pair_matches(index: sqlite3.Connection, run_: str) -> list[_Match]:
    pairs = list(dict.fromkeys(a + b for a, b in pairwise(run_)))[:MAX_WORDS]
    if len(pairs) < 2:
        return []
    counted = " + ".join(["(instr(value, ?) > 0)"] * len(pairs))
    found = index.execute(
        f"SELECT item, role, language, value, {counted} AS held FROM text WHERE language LIKE 'zh%' AND held >= 2",  # noqa: S608
        pairs,
    )
    return [
        _Match(item, role, language, PARTLY * RANKS[role] * held / len(pairs), _cut(value, pairs))
        for item, role, language, value, held in found
    ]


def _rank(role: str, folded: str, terms: list[str], weight: float) -> float:
    """The score of a text that holds some terms: by its role; labels also by how much of them the terms are."""
    if role not in ("label", "alias"):
        return RANKS[role] + min(max(weight, 0.0), 20.0)
    starts = STARTS if folded.startswith(fold("".join(terms))) else 0.0
    covered = sum(len(term) for term in map(fold, terms) if term in folded) / max(len(folded), 1)
    return RANKS[role] + starts + COVERED * min(covered, 1.0) + min(max(weight, 0.0), 20.0)


def _score(matches: list[_Match]) -> float:
    """The best match counts in full, the others a little."""
    scores = sorted((match.score for match in matches), reverse=True)
    return scores[0] + min(sum(scores[1:]) / 100, 10.0)


def _hit(index: sqlite3.Connection, item: int, matches: list[_Match]) -> Hit:
    iri, kind, en, zh = index.execute("SELECT iri, kind, en, zh FROM item WHERE id = ?", (item,)).fetchone()
    best = max(matches, key=_merit)
    shown = [match for match in matches if match.role == "text"] or [m for m in matches if kind != "concept" or m.role == "alias"]
    snippet, language = (max(shown, key=_merit).snippet, max(shown, key=_merit).language) if shown else ((), "")
    if not snippet:
        row = index.execute(
            "SELECT value, language FROM text WHERE item = ? AND role = 'text' ORDER BY id LIMIT 1", (item,)
        ).fetchone()
        snippet, language = (_cut(row[0], []), row[1]) if row else ((), "")
    matched = "label" if best.role in ("label", "alias", "identifier") else "text"
    return Hit(iri, kind, {"en": en, "zh-Hans": zh}, snippet, language, matched, _score(matches))


def _merit(match: _Match) -> tuple[float, str, Parts]:
    return match.score, match.language, match.snippet


def _marked(snippet: str) -> Parts:
    """A snippet of FTS5 in parts."""
    parts: list[tuple[str, bool]] = []
    for number, piece in enumerate(re.split(f"[{_START}{_END}]", snippet)):
        if piece:
            parts.append((piece, number % 2 == 1))
    return tuple(parts)


def _cut(value: str, terms: list[str]) -> Parts:
    """A piece of a text around the first of some terms, in parts, with the terms marked."""
    pattern = re.compile("|".join(map(re.escape, terms)), re.IGNORECASE) if terms else None
    first: Any = pattern.search(value) if pattern else None
    start = max(0, first.start() - SNIPPET // 3) if first else 0
    piece = ("…" if start else "") + value[start : start + SNIPPET] + ("…" if start + SNIPPET < len(value) else "")
    if pattern is None:
        return ((piece, False),)
    parts: list[tuple[str, bool]] = []
    at = 0
    for match in pattern.finditer(piece):
        parts.extend(((piece[at : match.start()], False), (match.group(), True)))
        at = match.end()
    parts.append((piece[at:], False))
    return tuple(part for part in parts if part[0])
