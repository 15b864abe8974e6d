"""Finds concepts in titles and abstracts: the labels of the ontology, in the forms in which people write them.

`Tagger(read_labels(parse_turtle(path)))` takes labels once and then any number of texts. What it finds depends on text and labels
alone (and on the tables in `ontology/tagging`). How it decides is told for readers in docs/tagging.md.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import ahocorasick_rs
import pyoxigraph as ox

from kgraph.abbreviations import find_definitions
from kgraph.labelforms import Folded, forms, is_acronym, is_chinese, stands_alone
from kgraph.names import PREFIXES
from kgraph.tagcontext import Ambiguous, Cue, ambiguous, negation, not_meant

RULES: Mapping[str, Mapping[str, str]] = {
    "label": {"en": "The words are a label of the concept.", "zh-Hans": "文字即该概念的标签。"},
    "spelling": {
        "en": "The words are a label, written with other hyphens, spaces, accents or spelling.",
        "zh-Hans": "文字是标签的另一种写法（连字符、空格、声调符号或英美拼写不同）。",
    },
    "inflection": {
        "en": "The words are a label in another grammatical form: plural, singular, tense or person.",
        "zh-Hans": "文字是标签的另一种语法形式（单复数、时态或人称不同）。",
    },
    "abbreviation": {
        "en": "The text itself says that this abbreviation stands for a label.",
        "zh-Hans": "文中说明了该缩写代表某一标签。",
    },
    "context": {
        "en": "The label is an everyday word as well; by the words around it, the concept is meant.",
        "zh-Hans": "该标签也是日常用词；上下文表明所指为该概念。",
    },
}
REASONS: Mapping[str, Mapping[str, str]] = {
    "overlap": {"en": "A longer label covers it.", "zh-Hans": "被更长的标签覆盖。"},
    "same-words": {"en": "The words are rather a label of another concept.", "zh-Hans": "这些文字更确切地是另一概念的标签。"},
    "inside-word": {"en": "It is part of a longer word.", "zh-Hans": "它是更长词语的一部分。"},
    "capitals": {"en": "The label is an abbreviation and counts only in capitals.", "zh-Hans": "该标签为缩写，仅大写时计入。"},
    "no-context": {
        "en": "It is an everyday word as well, and nothing around it shows that the concept is meant.",
        "zh-Hans": "它也是日常用词，而上下文未表明所指为该概念。",
    },
    "other-sense": {"en": "The word beside it shows that something else is meant.", "zh-Hans": "相邻词语表明所指为他物。"},
    "never": {"en": "It is too general ever to count.", "zh-Hans": "过于宽泛，从不计入。"},
    "not-meant": {"en": "It is part of a phrase that means something else.", "zh-Hans": "它属于另有所指的短语。"},
    "other-abbreviation": {
        "en": "The text itself says that this abbreviation stands for something else.",
        "zh-Hans": "文中说明了该缩写另有所指。",
    },
}
_RANK = {rule: rank for rank, rule in enumerate(("label", "spelling", "inflection"))}
_LABELS = tuple(PREFIXES["skos"] + name for name in ("prefLabel", "altLabel"))
_DEPRECATED = ox.NamedNode(PREFIXES["owl"] + "deprecated")


@dataclass(frozen=True, slots=True)
class Match:
    """A mention of a concept: code points `start` to `end` (exclusive) of the text hold a form of `label`.

    `label` and `language` are as the ontology writes them; `rule` is a key of `RULES`; `negated` says that the text
    denies the thing ("no stigma").
    """

    concept: str
    start: int
    end: int
    label: str
    language: str
    rule: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was considered. `reason` is empty for a mention, and else a key of `REASONS`.

    `other` holds the words that decided: the longer label, the negation; empty where there are none.
    """

    match: Match
    words: str
    reason: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    """What a form stands for."""

    concept: str
    label: str
    language: str
    rule: str
    acronym: bool
    ambiguous: Ambiguous | None


class _Form:
    """A pattern of the automaton: targets, the likeliest first; or a cue of negation; or nothing (a phrase not meant)."""

    __slots__ = ("cue", "left", "phrase", "right", "single", "targets", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.targets: list[_Target] = []
        self.cue: Cue | None = None
        self.phrase = False
        self.left, self.right = _is_word(text[0]), _is_word(text[-1])
        self.single = len(text) == 1 and is_chinese(text)


class _Surroundings:
    """What decides whether a label is meant: the text, what goes with it, abbreviations that mean something else in it."""

    def __init__(self, folded: Folded, beside: str, others: set[str]) -> None:
        self.folded, self.others = folded, others
        self._texts = (folded.text, Folded(beside).text) if beside else (folded.text,)
        self._known: dict[int, bool] = {}  # by identity: a pattern takes long to hash

    def holds(self, pattern: re.Pattern[str]) -> bool:
        """Whether a pattern is anywhere in the texts."""
        if id(pattern) not in self._known:
            self._known[id(pattern)] = any(pattern.search(text) for text in self._texts)
        return self._known[id(pattern)]


_Place = tuple[int, int, _Form]
_Chosen = tuple[int, int, _Target]
_Dropped = tuple[int, int, _Target, str, str]


class Tagger:
    """Finds the mentions of concepts in texts.

    `labels` are (IRI of the concept, label, language tag); where one form could come from several, the nearest label and then
    the earlier one counts. A tagger can be pickled: it is built anew from its labels.
    """

    def __init__(self, labels: Iterable[tuple[str, str, str]]) -> None:
        self._labels = tuple(dict.fromkeys((concept, label, language) for concept, label, language in labels))
        known: dict[str, _Form] = {}
        for concept, label, language in self._labels:
            for form, rule in forms(label, language).items():
                target = _Target(concept, label, language, rule, is_acronym(label), _doubt(form, language))
                _form(known, form).targets.append(target)
        for phrase in not_meant():
            _form(known, phrase).phrase = True
        for words, cue in negation().cues.items():
            _form(known, words).cue = cue
        self._forms = list(known.values())
        for entry in self._forms:
            entry.targets.sort(key=lambda target: _RANK[target.rule])  # stable: the earlier label stays first
        self._automaton = ahocorasick_rs.AhoCorasick([form.text for form in self._forms])

    def __reduce__(self) -> tuple[type["Tagger"], tuple[tuple[tuple[str, str, str], ...]]]:
        return Tagger, (self._labels,)

    def tag(self, text: str, beside: str = "") -> list[Match]:
        """The mentions of concepts in a text, in order and without overlaps; a concept may be mentioned several times.

        `beside` is a text that goes with it, as the abstract with the title: words that tell the subject may stand there, too.
        """
        return [match for match, _ in self._find(Folded(text), beside, None)]

    def explain(self, text: str, beside: str = "") -> list[Finding]:
        """Everything that was considered, in order of place: the mentions with what made them, and what was dropped and why."""
        folded = Folded(text)
        dropped: list[_Dropped] = []
        findings = [Finding(match, text[match.start : match.end], "", cue) for match, cue in self._find(folded, beside, dropped)]
        mentions = {(f.match.start, f.match.end, f.match.concept) for f in findings}
        ends = {f.match.start: f.match.end for f in findings}
        for start, end, target, reason, other in dropped:
            first, last = folded.place(start, end)
            if (first, last, target.concept) in mentions or (reason == "inside-word" and ends.get(first, first) >= last):
                continue  # what is a mention anyhow: PSWs by two rules, "peer worker" in "peer workers"
            match = Match(target.concept, first, last, target.label, target.language, target.rule, False)
            findings.append(Finding(match, text[first:last], reason, other))
        return sorted(set(findings), key=lambda f: (f.match.start, bool(f.reason), -f.match.end, f.match.concept, f.match.label))

    def _find(self, folded: Folded, beside: str, dropped: list[_Dropped] | None) -> list[tuple[Match, str]]:
        """The mentions, each with the words that negate it, if any do; what is dropped goes into `dropped`."""
        text = folded.text
        places, cues = self._look(folded, dropped)
        shorts, others = _abbreviations(folded, places) if "(" in text else ([], set())
        surroundings = _Surroundings(folded, beside, others)
        chosen = _choose(surroundings, [*places, *shorts], dropped)
        kept = _longest_cues(cues, chosen, len(text)) if cues and chosen else []
        denied = negation().negated(text, kept, [(start, end) for start, end, _ in chosen]) if kept else {}
        found = []
        for number, (start, end, target) in enumerate(chosen):
            first, last = folded.place(start, end)
            cue = folded.plain[slice(*kept[denied[number]][:2])] if number in denied else ""
            rule = _rule(target, folded.plain[start:end])
            found.append((Match(target.concept, first, last, target.label, target.language, rule, number in denied), cue))
        return found

    def _look(self, folded: Folded, dropped: list[_Dropped] | None) -> tuple[list[_Place], list[tuple[int, int, Cue]]]:
        """Where forms stand as whole words, and where cues of negation do."""
        text, known = folded.text, self._forms
        places: list[_Place] = []
        cues: list[tuple[int, int, Cue]] = []
        size = len(text)
        for index, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            form = known[index]
            if (form.left and start and _is_word(text[start - 1])) or (form.right and end < size and _is_word(text[end])):
                whole = False
            else:
                whole = not form.single or form.cue is not None or stands_alone(text, start, end)
            if not whole:
                if dropped is not None and form.targets and end - start > 3:
                    dropped.append((start, end, form.targets[0], "inside-word", _word_around(folded.plain, start, end)))
                continue
            if form.cue is not None:
                cues.append((start, end, form.cue))
            if form.targets or form.phrase:
                places.append((start, end, form))
        return places, cues


def read_labels(quads: Iterable[ox.Quad]) -> Iterator[tuple[str, str, str]]:
    """The labels of concepts for a `Tagger`, preferred ones first; labels of withdrawn concepts are left out.

    `quads` are what `kgraph.vocabulary.parse_turtle` gives of one or more files.
    """
    concept_type = ox.NamedNode(PREFIXES["skos"] + "Concept")
    found: list[tuple[int, str, str, str]] = []
    concepts: set[str] = set()
    withdrawn: set[str] = set()
    for quad in quads:
        if not isinstance(quad.subject, ox.NamedNode):
            continue
        iri, value = quad.subject.value, quad.object
        if isinstance(value, ox.Literal):
            if quad.predicate.value in _LABELS:
                found.append((_LABELS.index(quad.predicate.value), iri, value.value, value.language or ""))
            elif quad.predicate == _DEPRECATED and value.value in ("true", "1"):
                withdrawn.add(iri)
        elif value == concept_type:
            concepts.add(iri)
    for _, iri, label, language in sorted(found, key=lambda row: row[0]):
        if iri in concepts and iri not in withdrawn:
            yield iri, label, _tag(language)


def _tag(language: str) -> str:
    """A language tag in its usual case (BCP 47): parsers give it in small letters, the ontology writes zh-Hans."""
    first, *others = language.split("-")
    return "-".join([first.lower(), *(part.title() if len(part) == 4 else part for part in others)])


def _form(known: dict[str, _Form], text: str) -> _Form:
    if text not in known:
        known[text] = _Form(text)
    return known[text]


def _doubt(form: str, language: str) -> Ambiguous | None:
    """The row of ambiguous.tsv for a form."""
    parts = language.lower().split("-")
    return ambiguous().get((parts[0] if "latn" not in parts else "zh-latn", form))


def _is_word(character: str) -> bool:
    """Whether a character goes on a word that is written in letters; Chinese has no spaces between words."""
    return character.isalnum() and character < "\u2e80"


def _word_around(plain: str, start: int, end: int) -> str:
    while start > 0 and plain[start - 1].isalnum():
        start -= 1
    while end < len(plain) and plain[end].isalnum():
        end += 1
    return plain[start:end]


def _abbreviations(folded: Folded, places: list[_Place]) -> tuple[list[_Chosen], set[str]]:
    """Where abbreviations stand that the text defines as a label; and those that it defines as something else."""
    labels = [place for place in places if place[2].targets]
    found: list[_Chosen] = []
    others: set[str] = set()
    for definition in find_definitions(folded.plain, [place[:2] for place in labels]):
        if definition.label is None:
            others.add(definition.short)
        else:
            target = replace(labels[definition.label][2].targets[0], rule="abbreviation")
            found += [(start, end, target) for start, end in definition.places]
    return found, others


def _choose(
    around: _Surroundings, candidates: list[tuple[int, int, _Form | _Target]], dropped: list[_Dropped] | None
) -> list[_Chosen]:
    """The mentions among all that stands in a text: the longest first, each where it is meant and no longer one covers it."""
    candidates.sort(key=lambda place: (place[0] - place[1], place[0], isinstance(place[2], _Form)))
    plain = around.folded.plain
    covered = bytearray(len(plain))
    owner: dict[int, tuple[int, int]] = {}
    chosen: list[_Chosen] = []
    for start, end, what in candidates:
        if covered[start] or covered[end - 1]:
            if dropped is not None:
                longer = next(owner[at] for at in (start, end - 1) if at in owner)
                reason = "not-meant" if covered[longer[0]] == 2 else "overlap"
                _drop_all(dropped, start, end, what, reason, plain[slice(*longer)])
            continue
        target = _meant(around, start, end, what, dropped)
        if target is not None:
            chosen.append((start, end, target))
        elif not (isinstance(what, _Form) and what.phrase):
            continue
        covered[start:end] = (b"\1" if target is not None else b"\2") * (end - start)
        if dropped is not None:
            owner.update(dict.fromkeys(range(start, end), (start, end)))
    return sorted(chosen, key=lambda place: place[0])


def _meant(around: _Surroundings, start: int, end: int, what: _Form | _Target, dropped: list[_Dropped] | None) -> _Target | None:
    """The target that is meant at a place, if any is."""
    if isinstance(what, _Target):
        return what
    words = around.folded.plain[start:end]
    targets = what.targets
    if len(targets) > 1 and not words.isascii():  # with accents given, rén and rěn are two
        exact = unicodedata.normalize("NFC", words).lower()
        targets = sorted(targets, key=lambda target: target.label.lower() != exact)
    found: _Target | None = None
    for target in targets:
        reason = "same-words" if found else _objection(around, start, end, words, target)
        if not reason:
            found = target
            if dropped is None:
                break
        elif dropped is not None and not (found and target.concept == found.concept):
            dropped.append((start, end, target, reason, ""))
    return found


def _objection(around: _Surroundings, start: int, end: int, words: str, target: _Target) -> str:
    """Why a target is not meant at a place: a key of `REASONS`, or nothing."""
    if target.acronym:
        if sum(map(str.isupper, words)) < sum(map(str.isupper, target.label)):
            return "capitals"
        if words.removesuffix("s") in around.others:
            return "other-abbreviation"
    if target.ambiguous is None or _is_accented(words, target):
        return ""
    return target.ambiguous.objection(around.folded.text, start, end, around.holds)


def _is_accented(words: str, target: _Target) -> bool:
    """Whether a label stands with its accents, which leave no doubt: lǐ is no surname."""
    return not words.isascii() and words.lower() == target.label.lower() and not is_chinese(words)


def _drop_all(dropped: list[_Dropped], start: int, end: int, what: _Form | _Target, reason: str, other: str) -> None:
    targets = [what] if isinstance(what, _Target) else what.targets
    dropped.extend((start, end, target, reason, other) for target in targets)


def _longest_cues(cues: list[tuple[int, int, Cue]], chosen: Sequence[_Chosen], size: int) -> list[tuple[int, int, Cue]]:
    """Cues that are no part of a mention or of a longer cue ("not only"), in order. `size` is the length of the text."""
    kept: list[tuple[int, int, Cue]] = []
    taken = bytearray(size)
    for start, end, _ in chosen:
        taken[start:end] = b"\1" * (end - start)
    for start, end, cue in sorted(cues, key=lambda place: (place[0] - place[1], place[0])):
        if not any(taken[start:end]):
            kept.append((start, end, cue))
            taken[start:end] = b"\1" * (end - start)
    return sorted(kept, key=lambda place: place[0])


def _rule(target: _Target, words: str) -> str:
    """Which rule made a mention; the rule of the form, unless context decided or the words are not quite the label's."""
    if target.rule == "abbreviation":
        return target.rule
    if target.ambiguous is not None and not _is_accented(words, target):
        return "context"
    if target.rule != "label" or words == target.label or " ".join(words.split()).casefold() == target.label.casefold():
        return target.rule
    return "spelling"
