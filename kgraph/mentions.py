"""Mentions of concepts in titles and abstracts as RDF: web annotations whose selectors lead to the very words.

A program found them and nobody has judged them: each says by which rule. Title and abstract of a record are source texts of their
own, https://openalex.org/W2741809807/title and /abstract, with the hash of what they said when they were read.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from rdflib.namespace import DCTERMS, PROV, RDF, RDFS

from kgraph.names import KG, OA
from kgraph.tagging import RULES, Match
from kgraph.workterms import FALSE, INTEGER, TRUE, clean, literal

LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"
AROUND = 32  # characters of prefix and suffix

Found = Mapping[str, tuple[str, list[Match]]]  # by part (`title`, `abstract`): the text and what was found in it


def map_mentions(record_iri: str, work: str, found: Found, base: str) -> str:
    """The mentions in a record as N-Quads of the graph `graph/mentions`; empty where there are none.

    `record_iri` is the OpenAlex IRI of the record, `work` the IRI of the work, `base` the one of the workspace.
    """
    lines: list[str] = []
    for part, (text, matches) in found.items():
        if not matches:
            continue
        source = f"<{record_iri}/{part}>"
        _tell(lines, source, _TEXT)
        lines.append(f"{source} <{KG.textOf}> <{work}>")
        lines.append(f'{source} <{KG.sha256}> "{sha256(text.encode()).hexdigest()}"')
        for number, match in enumerate(matches, start=1):
            _mention(lines, f"{record_iri}/{part}/mention/{number}", source, work, text, match, base)
    end = f" <{base}graph/mentions> .\n"
    return end.join(lines) + end if lines else ""


def _mention(lines: list[str], iri: str, source: str, work: str, text: str, match: Match, base: str) -> None:
    mention, anchor, quote, position = (f"<{iri}{part}>" for part in ("", "/anchor", "/quote", "/position"))
    start, end = match.start, match.end
    _tell(lines, mention, _MENTION)
    _tell(lines, anchor, _ANCHOR)
    _tell(lines, quote, _QUOTE)
    _tell(lines, position, _POSITION)
    lines += (
        f"{mention} <{KG.mentionOf}> <{work}>",
        f"{mention} <{OA.hasTarget}> {anchor}",
        f"{mention} <{OA.hasBody}> <{match.concept}>",
        f"{mention} <{KG.matchedLabel}> {literal(clean(match.label))}",
        f"{mention} <{KG.negated}> {TRUE if match.negated else FALSE}",
        f"{mention} <{PROV.wasGeneratedBy}> <{base}tagging/{match.rule}>",
        f"{anchor} <{OA.hasSource}> {source}",
        f"{anchor} <{OA.hasSelector}> {quote}",
        f"{anchor} <{OA.hasSelector}> {position}",
        f"{quote} <{OA.exact}> {literal(text[start:end])}",
        f"{quote} <{OA.prefix}> {literal(text[max(0, start - AROUND) : start])}",
        f"{quote} <{OA.suffix}> {literal(text[end : end + AROUND])}",
        f'{position} <{OA.start}> "{start}"{INTEGER}',
        f'{position} <{OA.end}> "{end}"{INTEGER}',
    )


def map_rules(base: str) -> str:
    """The rules by which mentions are made, as N-Quads of the same graph."""
    lines = [f"<{OA.tagging}> {_A} <{OA.Motivation}>"]
    for rule, says in RULES.items():
        node = f"<{base}tagging/{rule}>"
        _tell(lines, node, (f"<{RDF.type}> <{PROV.Activity}>", f'<{DCTERMS.identifier}> "{rule}"', f'<{RDFS.label}> "{rule}"@en'))
        lines += (f"{node} <{DCTERMS.description}> {literal(text, f'@{language}')}" for language, text in says.items())
    end = f" <{base}graph/mentions> .\n"
    return end.join(lines) + end


def _tell(lines: list[str], node: str, pairs: Iterable[str]) -> None:
    lines += (f"{node} {pair}" for pair in pairs)


_A = f"<{RDF.type}>"
_TEXT = (f"{_A} <{KG.SourceText}>", f"<{DCTERMS.license}> <{LICENCE}>", f'<{KG.access}> "public"')
_MENTION = (f"{_A} <{KG.Mention}>", f"{_A} <{OA.Annotation}>", f"<{OA.motivatedBy}> <{OA.tagging}>")
_ANCHOR = (f"{_A} <{OA.SpecificResource}>", f'<{KG.order}> "1"{INTEGER}')
_QUOTE = (f"{_A} <{OA.TextQuoteSelector}>",)
_POSITION = (f"{_A} <{OA.TextPositionSelector}>",)
