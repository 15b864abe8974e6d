"""Passages in their context: the paragraphs of the source text around them, with the words marked.

Nothing of the text is changed but the marks of its conversion (emphasis, headings, escapes), which are left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kgraph.anchors import Span

LONGEST = 700  # characters of a paragraph that are shown on either side of a passage
_PARAGRAPH = re.compile(r"\S.*?(?=\n[ \t]*\n|\Z)", re.DOTALL)
_MARKS = re.compile(r"[*\\]|</?(?:sup|sub|b|i)>|^#+[ \t]+", re.MULTILINE)
_LINK = re.compile(r"\[([^\]\n]+)\]\([^)\n]+\)")


@dataclass(frozen=True)
class Piece:
    """Some words, `marked` or not."""

    words: str
    marked: bool = False


@dataclass
class Paragraph:
    """A paragraph in pieces; `rows` when it is a table or a list, whose lines matter; `heading` when it is one."""

    pieces: list[Piece] = field(default_factory=list)
    rows: bool = False
    heading: bool = False


Excerpt = list[Paragraph]


def excerpts(text: str, spans: Iterable[Span]) -> list[Excerpt]:
    """The stretches of a text that hold the spans, each with a paragraph before and after; spans that are near share one."""
    ordered = sorted(set(spans), key=lambda span: (span.start, span.end))
    paragraphs = [Span(match.start(), match.end()) for match in _PARAGRAPH.finditer(text)]
    groups: list[tuple[int, int]] = []
    for span in ordered:
        held = [
            number for number, paragraph in enumerate(paragraphs) if paragraph.start < span.end and span.start < paragraph.end
        ]
        if not held:
            continue
        first, last = max(0, held[0] - 1), min(len(paragraphs) - 1, held[-1] + 1)
        if groups and first <= groups[-1][1] + 1:
            groups[-1] = (groups[-1][0], max(last, groups[-1][1]))
        else:
            groups.append((first, last))
    return [[_paragraph(text, paragraphs[number], ordered) for number in range(first, last + 1)] for first, last in groups]


def _paragraph(text: str, paragraph: Span, spans: Sequence[Span]) -> Paragraph:
    inside = [Span(max(s.start, paragraph.start), min(s.end, paragraph.end)) for s in spans]
    inside = [span for span in inside if span.start < span.end]
    words = text[paragraph.start : paragraph.end]
    made = Paragraph(rows="\t" in words or "\n- " in words, heading=words.startswith("#"))
    start, end = paragraph.start, paragraph.end
    if inside:
        start, end = max(start, inside[0].start - LONGEST), min(end, max(span.end for span in inside) + LONGEST)
    elif not made.rows and end - start > LONGEST:
        following = any(span.start >= paragraph.end for span in spans)
        start, end = (end - LONGEST, end) if following else (start, start + LONGEST)
    start, end = _whole_words(text, start, end, paragraph)
    position = start
    for span in inside:
        made.pieces += _pieces(text, position, span.start, marked=False)
        made.pieces += _pieces(text, max(position, span.start), span.end, marked=True)
        position = max(position, span.end)
    made.pieces += _pieces(text, position, end, marked=False)
    if start > paragraph.start:
        made.pieces.insert(0, Piece("… "))
    if end < paragraph.end:
        made.pieces.append(Piece(" …"))
    return made


def _whole_words(text: str, start: int, end: int, paragraph: Span) -> tuple[int, int]:
    while start > paragraph.start and not text[start - 1].isspace():
        start -= 1
    while end < paragraph.end and not text[end].isspace():
        end += 1
    return start, end


def _pieces(text: str, start: int, end: int, *, marked: bool) -> list[Piece]:
    words = _LINK.sub(r"\1", _MARKS.sub("", text[start:end])) if start < end else ""
    return [Piece(words, marked)] if words.strip() or (words and not marked) else []
