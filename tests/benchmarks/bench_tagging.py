"""Measures the tagger on the labelled texts, and its speed beside the same labels in one regular expression, in one run.

    .venv/bin/python tests/benchmarks/bench_tagging.py [--mistakes]

The peer is Python's `re`: all labels as they are written, the longest first, between word boundaries, without regard to case. Its
matches are scored too, as what one gets without any rule. Times are medians of alternating rounds, in time of the processor; the
ratio is what counts. `--mistakes` lists what is wrong in the development part; those of the held-out part are not shown.
"""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from kgraph.labelforms import is_chinese
from kgraph.names import CONCEPT
from tagging_texts import (
    LANGUAGES,
    PARTS,
    Mention,
    Score,
    differences,
    labels,
    mentions_of,
    negated_score,
    score,
    tagger,
    texts_of,
)

ROUNDS = 5
WORDS, CHARACTERS = 200, 300  # of a text for the speed, in English and in Chinese
Tag = Callable[[str], list[Mention]]


def plain_peer() -> Tag:
    """The labels in one regular expression; the first concept that has a label counts."""
    concepts: dict[str, str] = {}
    for concept, label, _ in labels():
        concepts.setdefault(label.casefold(), concept.removeprefix(CONCEPT))
    longest_first = sorted({label for _, label, _ in labels()}, key=lambda label: (-len(label), label))
    parts = [re.escape(label) if is_chinese(label) else rf"\b{re.escape(label)}\b" for label in longest_first]
    pattern = re.compile("|".join(parts), re.IGNORECASE)

    def tag(text: str) -> list[Mention]:
        found = pattern.finditer(text)
        return [(concepts[m.group().casefold()], *m.span(), False) for m in found if m.group().casefold() in concepts]

    return tag


def sample(language: str) -> list[str]:
    """The labelled texts that are whole abstracts, put together and cut to the length of real ones."""
    texts = [text.text for part in PARTS for text in texts_of(part, language) if text.case == "a whole abstract"]
    if language == "en":
        words = " ".join(texts).split()
        return [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS, WORDS)]
    whole = "".join(texts)
    return [whole[at : at + CHARACTERS] for at in range(0, len(whole) - CHARACTERS, CHARACTERS)]


def seconds(tag: Callable[[str], object], texts: list[str]) -> float:
    """Seconds of the processor for each text."""
    started = time.process_time()
    for text in texts:
        tag(text)
    return (time.process_time() - started) / len(texts)


def numbers(one: Score) -> str:
    return f"{one.precision:.3f} | {one.recall:.3f} | {one.f1:.3f}"


def print_quality(ours: Tag, peer: Tag) -> None:
    """The table of precision, recall and F1."""
    print("| part | language | texts | mentions | tagger | P | R | F1 | concepts P | R | F1 | negation right | negated P | R |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for part in PARTS:
        for language in LANGUAGES:
            texts = texts_of(part, language)
            for name, tag in (("kgraph", ours), ("re", peer)):
                strict, loose, denied = score(texts, tag), score(texts, tag, by_span=False), negated_score(texts, tag)
                print(
                    f"| {part} | {language} | {len(texts)} | {strict.there} | {name} | {numbers(strict)} | {numbers(loose)} |"
                    f" {strict.negation:.3f} | {denied.precision:.3f} | {denied.recall:.3f} |"
                )


def print_speed(peer: Tag) -> None:
    """The table of texts a second."""
    print("| texts | way | ms a text | texts/s | times as fast as re |")
    print("|---|---|---|---|---|")
    for language, what in zip(LANGUAGES, (f"{WORDS} English words", f"{CHARACTERS} Chinese characters"), strict=True):
        texts = sample(language)
        rounds = [(seconds(tagger().tag, 20 * texts), seconds(peer, texts)) for _ in range(ROUNDS)]
        ratio = median(plain / ours for ours, plain in rounds)
        for name, place, times in (("kgraph", 0, f"{ratio:.0f}"), ("re", 1, "1")):
            each = median(one[place] for one in rounds)
            print(f"| {what} | {name} | {each * 1e3:.2f} | {1 / each:,.0f} | {times} |")


def main() -> None:
    """Prints the tables."""
    started = time.process_time()
    ours = tagger()
    print(f"{len(labels()):,} labels; the tagger is made in {time.process_time() - started:.1f} s\n")

    def tag(text: str) -> list[Mention]:
        return mentions_of(ours.tag(text))

    peer = plain_peer()
    print_quality(tag, peer)
    print()
    print_speed(peer)
    if "--mistakes" in sys.argv:
        print("", *differences(texts_of("development"), tag), sep="\n")


if __name__ == "__main__":
    main()
