"""What can be known of a SPARQL query without evaluating it: its tokens, its kind, the graphs that it names, what is refused.

The engine parses a query, not this module; but it parses where a stranger's query can do no harm, and tells nothing of what
it found. So what must be known before is read off the tokens (SPARQL 1.1 Query Language, section 19.8), and where engines are
laxer than the grammar (`trueSERVICE<...>`), what is refused is looked for more widely.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urljoin

from kgraph.errors import KgraphError, Problem, fail

_TOKEN = re.compile(  # takes time in proportion to the text, whatever the text: it is matched in the server's own process
    r"""(?P<space>\s+|\#[^\r\n]*)
    |(?P<string>\"{3}(?:\"{0,2}(?:[^"\\]|\\.))*+\"{3}|'{3}(?:'{0,2}(?:[^'\\]|\\.))*+'{3}
        |"(?:[^"\\\r\n]|\\.)*+"?|'(?:[^'\\\r\n]|\\.)*+'?)
    |(?P<iri><(?:[^\x00-\x20<>"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*>)
    |(?P<variable>[?$]\w+)
    |(?P<language>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
    |(?P<blank>_:[\w](?:[\w.·-]*[\w·-])?)
    |(?P<name>(?:[^\W\d_](?:[\w.·-]{0,99}[\w·-])?)?:(?:[\w:·-]|%[0-9A-Fa-f]{2}|\\[-_~.!$&'()*+,;=/?\#@%]|\.++(?=[\w:%\\·-]))*+)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
KINDS = ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
UPDATES = ("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_OPEN, _CLOSE = "([{", ")]}"
_OPERANDS = ("variable", "string", "language", "blank", "name", "number", "iri")
_ELSEWHERE = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]*://")  # after a comparison, no expression begins so


class Refused(KgraphError):
    """A query that this service does not answer, however well-formed: an update, SERVICE, a graph that is not there."""


class Token(NamedTuple):
    """A piece of a query: its `kind` (a group of the pattern above), its `text`, and where it starts in the query."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class Dataset:
    """The RDF dataset of a query (SPARQL 1.1 Protocol, section 2.1.4): graphs whose union is the default graph, and named graphs.

    Both None: the default graph is the union of all graphs, and all are named.
    """

    default: tuple[str, ...] | None = None
    named: tuple[str, ...] | None = None

    @property
    def everything(self) -> bool:
        return self.default is None and self.named is None


UNION = Dataset()


@dataclass(frozen=True)
class Outline:
    """What the tokens of a query tell: its `kind` (one of `KINDS`, or empty where none is seen), the `dataset` that it names, and
    where the `clauses` stand (from, to) in which it names it."""

    kind: str
    dataset: Dataset
    clauses: tuple[tuple[int, int], ...] = ()


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a query, without white space and comments."""
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0], match.start())


def outline(text: str, base: str = "", prefixes: Mapping[str, str] | None = None, nesting: int = 1_000_000) -> Outline:
    """Reads a query's kind and dataset off its tokens.

    `base` and `prefixes` are those that hold before the query's own. Raises `Refused` for updates and for SERVICE, and
    `KgraphError` with the line where brackets stand deeper than `nesting`, or where an engine could see other tokens.
    """
    known, kind, depth = dict(prefixes or {}), "", 0
    upper = text.upper()
    plain = "SERVICE" not in upper and "FROM" not in upper and sum(map(text.count, _OPEN)) <= nesting
    found = list(_until_kind(text) if plain else tokens(text))
    _check_reading(text, found)
    if _ESCAPE.search(text):  # which some engines resolve before anything else, as section 19.2 has it
        resolved = _unescape(text)
        others = list(tokens(resolved))
        _check_reading(resolved, others)
        for token in others:
            _check_service(token, text, 0)
    default: list[str] = []
    named: list[str] = []
    clauses: list[tuple[int, int]] = []
    for at, token in enumerate(found):
        if token.kind == "sign":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
            if depth > nesting:
                raise fail(f"brackets stand more than {nesting} deep", "Write it flatter", line=line_of(text, token.start))
            continue
        if token.kind not in ("word", "name"):
            continue
        _check_service(token, text, token.start)
        word, after = token.text.upper(), found[at + 1 : at + 4]
        if token.kind == "name":
            word, colon, local = token.text.partition(":")
            if word in known or not colon:
                continue
            word, after = word.upper(), [Token("name", f":{local}", token.start), *after]
        if depth == 0 and word == "PREFIX" and len(after) > 1 and after[1].kind == "iri":
            known[after[0].text.removesuffix(":")] = _join(base, _iri(after[1].text))
        elif depth == 0 and word == "BASE" and after and after[0].kind == "iri":
            base = _join(base, _iri(after[0].text))
        elif not kind and word in UPDATES:
            raise Refused(
                _problem("this is an update, and the graph is read-only", "Change the sources and build", text, token.start)
            )
        elif not kind and word in KINDS:
            kind = word
        elif kind and depth == 0 and word == "FROM" and after:
            is_named = after[0].kind == "word" and after[0].text.upper() == "NAMED"
            graph = _resolve(after[is_named] if len(after) > is_named else None, base, known)
            if graph is not None:
                clauses.append((token.start, after[is_named].start + len(after[is_named].text)))
                (named if is_named else default).append(graph)
    return Outline(kind, Dataset(tuple(default), tuple(named)) if clauses else UNION, tuple(clauses))


def _check_service(token: Token, text: str, start: int) -> None:
    """Raises `Refused` for SERVICE, also as (the end of) a prefix: `service:x` may be SERVICE and `:x`, whatever is declared."""
    if token.kind in ("word", "name") and "SERVICE" in token.text.partition(":")[0].upper():
        raise Refused(_problem("SERVICE is not answered here: a query reads this graph alone", "Leave it out", text, start))


def _check_reading(text: str, found: list[Token]) -> None:
    """Raises `KgraphError` for `?a<?b#>` and the like in expressions: an IRI, or a comparison and then a comment or a string.

    What is one of them to the engine and the other here could hide anything from the checks.
    """
    around: list[str] = []
    for at, token in enumerate(found):
        if token.kind == "sign":
            if token.text in _OPEN:
                around.append(token.text)
            elif token.text in _CLOSE and around:
                around.pop()
        elif token.kind == "iri" and at and ("#" in token.text or "'" in token.text) and not _ELSEWHERE.match(token.text):
            before = found[at - 1]
            operand = before.kind in _OPERANDS or before.text in (*_CLOSE, ">") or before.text[-4:].upper() in ("TRUE", "ALSE")
            quoted = before.text == "<" and before.start + 1 == token.start  # << of a quoted triple
            if quoted or (operand and around[-1:] == ["("]):
                remedy = "Write a space after <, or the address with its scheme and //"
                raise fail("it is not clear whether < begins an address or compares", remedy, line=line_of(text, token.start))


def _until_kind(text: str) -> Iterator[Token]:
    """The tokens of a query up to the word that says what it is: all that matters where nothing else can."""
    for token in tokens(text):
        yield token
        if token.kind == "word" and token.text.upper() in (*KINDS, *UPDATES):
            return


def line_of(text: str, start: int) -> int:
    """The line (1-based) of a position in a text."""
    return text.count("\n", 0, start) + 1


def _problem(found: str, remedy: str, text: str, start: int) -> list[Problem]:
    return fail(found, remedy, line=line_of(text, start)).problems


def _resolve(token: Token | None, base: str, prefixes: Mapping[str, str]) -> str | None:
    if token is not None and token.kind == "iri":
        return _join(base, _iri(token.text))
    if token is not None and token.kind == "name":
        prefix, _, local = token.text.partition(":")
        if prefix in prefixes:
            return prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)
    return None


def _join(base: str, iri: str) -> str:
    try:
        return urljoin(base, iri)
    except ValueError as error:  # http://[
        raise fail(f"<{iri}> is no IRI ({error})", "Correct the address") from error


def _iri(text: str) -> str:
    return _unescape(text[1:-1])


def _unescape(text: str) -> str:
    """The text with `\\uXXXX` and `\\UXXXXXXXX` as characters. Raises `KgraphError` for those that are none."""

    def character(match: re.Match[str]) -> str:
        number = int(match[1] or match[2], 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise fail(f"{match[0]} is no character", "Write the character itself", line=line_of(text, match.start()))
        return chr(number)

    return _ESCAPE.sub(character, text)


def substitute(text: str, bound: Mapping[str, str]) -> str:
    """The query with variables replaced by terms, each written as in N-Triples; for servers that take no bindings.

    Where a variable is projected or grouped by, it becomes `(term AS ?variable)`, so that the answer still has it; in a
    sub-select under a new name, since the query around it may not give a name twice. Terms come from an RDF library's own
    writer, never from what somebody typed. Raises ValueError where the query itself gives the variable its values.
    """
    if not bound:
        return text
    out: list[str] = []
    last = 0
    found = list(tokens(text))
    places = _places(found)
    grouped = {(place.select, token.text[1:]) for token, place in zip(found, places, strict=True) if place.clause == "GROUP"}
    for at, (token, place) in enumerate(zip(found, places, strict=True)):
        name = token.text[1:]
        if token.kind != "variable" or name not in bound:
            continue
        if place.clause == "VALUES" or (at and found[at - 1].text.upper() == "AS"):
            raise ValueError(f"the query itself gives {token.text} its values")
        written, own = bound[name], token.text if place.select <= place.outermost else _unused(text, f"{name}_{place.select}")
        if place.clause == "GROUP" or (place.clause == "SELECT" and (place.select, name) not in grouped):
            written = f"({written} AS {own})"
        elif place.clause in ("SELECT", "ORDER"):
            written = own
        out += [text[last : token.start], written]
        last = token.start + len(token.text)
    return "".join(out) + text[last:]


_CLAUSES = frozenset(["SELECT", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "VALUES", "CONSTRUCT", "ASK", "DESCRIBE"])


class _Place(NamedTuple):
    """Where a token stands: in which clause (none within brackets), of which SELECT (0: none); which SELECT is outermost."""

    clause: str
    select: int
    outermost: int


def _places(found: list[Token]) -> list[_Place]:
    places = []
    clauses, selects = [""], [0]  # of each open bracket: the clause and the SELECT in which its content stands
    number = outermost = 0
    for token in found:
        word = token.text.upper()
        if token.kind == "word" and word in _CLAUSES:
            clauses[-1] = word
            if word == "SELECT":
                number += 1
                selects[-1] = number
                outermost = number if len(selects) == 1 else outermost
        elif token.kind == "sign" and token.text in _OPEN:
            clauses.append("VALUES" if clauses[-1] == "VALUES" and token.text == "(" else "")
            selects.append(selects[-1])
        elif token.kind == "sign" and token.text in _CLOSE and len(clauses) > 1:
            clauses.pop()
            selects.pop()
            if token.text == "}" and clauses[-1] in ("SELECT", "VALUES"):
                clauses[-1] = "WHERE"
        places.append(_Place(clauses[-1], selects[-1], outermost))
    return places


def _unused(text: str, name: str) -> str:
    while re.search(rf"[?$]{name}\b", text):
        name += "_"
    return f"?{name}"


def rename_iris(text: str, base: str, prefixes: Mapping[str, str], rename: Callable[[str], str]) -> str:
    """The query with every IRI, written in full or with a prefix, as `rename` has it. Those that it leaves stay as written."""
    known, out, last = dict(prefixes), [], 0
    found = list(tokens(text))
    for at, token in enumerate(found):
        before = found[at - 1].text.upper() if at else ""
        if token.kind == "iri" and before == "BASE":
            base = _join(base, _iri(token.text))
        elif token.kind == "iri" and at > 1 and found[at - 2].text.upper() == "PREFIX":
            known[found[at - 1].text.removesuffix(":")] = _join(base, _iri(token.text))
        elif before != "PREFIX" and (iri := _resolve(token, base, known)) is not None and (new := rename(iri)) != iri:
            out += [text[last : token.start], f"<{new}>"]
            last = token.start + len(token.text)
    return "".join(out) + text[last:]
