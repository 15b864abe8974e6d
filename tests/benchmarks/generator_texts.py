"""Titles and abstracts for synthetic works: common words in templates of our own, in which the labels of the ontology's concepts
occur as they might in works that were found for peer support. No text of others.
"""

from collections.abc import Container, Mapping, Sequence
from random import Random
from typing import TypeVar

import pyoxigraph as ox

from kgraph.names import ONTOLOGY, PREFIXES

T = TypeVar("T")
WHEEL = 8192  # places of a wheel: enough for the least of some hundreds of values
SYLLABLES = (
    "ba", "dor", "el", "fen", "gar", "hal", "in", "jo", "ka", "lund", "mar", "nor", "os", "pel", "quin", "ra", "sten", "tal",
    "ul", "ven", "wick", "yar", "zel",
)  # fmt: skip
WORDS = {  # of each kind the most frequent first
    "noun": "support recovery service care community practice experience relationship programme group training health outcome "
    "worker family stigma hope trust quality need identity access barrier knowledge treatment intervention attitude network "
    "policy participation well-being loneliness employment engagement feasibility acceptability responsibility dialogue change "
    "meaning culture resource supervision boundary disclosure role burden safety choice learning value power empowerment",
    "adjective": "mental social personal clinical peer-led local early common shared digital cultural brief mutual lived severe "
    "urban rural online young older public informal professional emotional practical long-term supportive meaningful complex",
    "method": "interviews questionnaires observation vignettes diaries workshops registers surveys telephone-calls",
    "people": "adults adolescents students veterans carers women men migrants parents volunteers clinicians "
    "survivors teachers inpatients outpatients neighbours relatives",
    "place": "hospitals schools clinics villages cities universities shelters prisons homes churches wards districts",
    "verb": "improved reduced shaped supported predicted changed followed preceded mediated increased limited explained",
}
SENTENCES = (
    "Background: little is known about the {adjective} {noun} of {people} in {place}",
    "We asked {number} {people} about {noun} and {noun2} by means of {method}",
    "This study examines how {noun} {verb} {adjective} {noun2} among {people}",
    "Data were collected through {method} in {number} {place} and analysed step by step",
    "Most {people} said that {noun} {verb} their {noun2}, while others saw no change at all",
    "Results: {number} of the {people} reported more {noun} than before, and {number2} reported less {adjective} {noun2}",
    "The effect on {noun} was small (d = 0.{number}) and did not last until the second follow-up",
    "In the {name} study, {adjective} {noun} {verb} {noun2} over {number} months",
    "Scores on the {name} scale were higher in {place} than in {place2} (p = 0.0{number})",
    "Conclusions: {adjective} {noun} deserves more attention where {people} lack {noun2}",
    "Further work should ask whether {noun} and {noun2} differ between {place} and {place2}",
    "Methods: a {adjective} trial with {number} {people} in each arm, followed for {number2} weeks",
    "What {people} call {noun} is often what {people2} call {noun2}",
    "Limitations are the small number of {place}, the short time, and that few {people} took part twice",
)
MENTIONING = (
    "We looked at {concept} among {people} and at what it means for their {noun}",
    "{concept} was named by {number} of {number2} {people} as the most {adjective} part of {noun}",
    "Taking part was linked with {concept}, above all in {place}",
    "The role of {concept} for {noun} remains unclear, as {method} show",
    "Many spoke of {concept} when they described {adjective} {noun2}",
    "Compared with usual care, {concept} {verb} {noun} in {people}",
)
TITLES = (
    "{adjective} {noun} and {noun2} among {people}: a study in {place}",
    "How {noun} {verb} {noun2} in {place}",
    "{noun}, {noun2} and the {adjective} lives of {people}",
    "What do {people} in {place} know of {adjective} {noun}? Results of {method}",
)
NAMING = ("{concept} in {place}: {noun} and {noun2}", "{concept} among {people}", "The {adjective} {noun} of {concept}: a review")
CHINESE = (
    "目的：了解{place}中{people}的{noun}状况。",
    "方法：采用问卷与访谈，共纳入{number}名{people}。",
    "结果：{noun}与{noun2}之间存在关联。",
    "多数{people}认为{noun}有所改善，少数人认为没有变化。",
    "结论：应当重视{people}的{noun}，并在{place}中加强{noun2}。",
    "随访{number}周后，{noun}得分高于对照组（P<0.05）。",
    "今后的研究需要在更多{place}中检验这一结果。",
)
CHINESE_MENTIONING = ("{people}谈到了{concept}的作用。", "{concept}与{noun}有关。", "结果显示，{concept}有助于{noun2}。")
CHINESE_TITLES = ("{place}{people}{noun}与{noun2}的关系研究", "{people}{noun}现状调查")
CHINESE_NAMING = ("{concept}在{place}中的应用", "{people}{concept}与{noun}的关系")
CHINESE_WORDS = {
    "noun": "支持 生活质量 康复 信任 社会参与 家庭关系 就业 服务利用 自我认同 心理健康 孤独 知识 态度 需求 依从性",
    "people": "患者 照顾者 大学生 老年人 护士 青少年 志愿者 社区居民 家属 医务人员",
    "place": "社区 医院 学校 农村 门诊 养老机构 城市 病房",
}
ELSEWHERE = {
    "es": ("Estudio sobre la ayuda y la salud de {number} personas", "Las personas de {number} barrios hablan de su vida"),
    "de": ("Eine Befragung von {number} Menschen über Hilfe im Alltag", "Was Angehörige in {number} Häusern sagen"),
    "fr": ("Une enquête auprès de {number} personnes sur leur vie", "Ce que {number} familles disent de leurs voisins"),
    "pt": ("Um estudo sobre ajuda com {number} pessoas", "O que {number} famílias dizem da vida no bairro"),
}


def wheel(values: Sequence[T], exponent: float = 1.0) -> list[T]:
    """Values, each as often as Zipf's law wants it by its place and at least once: to draw from with even chances."""
    weights = [1 / place**exponent for place in range(1, len(values) + 1)]
    whole = sum(weights)
    return [value for value, weight in zip(values, weights, strict=True) for _ in range(max(1, round(WHEEL * weight / whole)))]


def made_up_name(number: int) -> str:
    """A name of two or three syllables, by a number."""
    size = len(SYLLABLES)
    first, second, third = number % size, (number // size + number) % size, number // size**2 % (size + 1)
    return (SYLLABLES[first] + SYLLABLES[second] + ("", *SYLLABLES)[third]).capitalize()


def concept_labels(language: str) -> list[list[str]]:
    """The labels of each concept of the ontology in a language: the preferred one, then the others."""
    names = PREFIXES["skos"] + "prefLabel", PREFIXES["skos"] + "altLabel"
    found: dict[str, list[str]] = {}
    for path in sorted((ONTOLOGY / "concepts").glob("*.ttl")):
        for subject, predicate, label, _ in ox.parse(path=path, format=ox.RdfFormat.TURTLE):
            is_concept = isinstance(subject, ox.NamedNode) and subject.value.startswith(PREFIXES["concept"])
            if is_concept and predicate.value in names and isinstance(label, ox.Literal) and label.language == language:
                labels = found.setdefault(subject.value, [])
                labels.insert(0 if predicate.value == names[0] else len(labels), label.value)
    return list(found.values())


class Texts:
    """Titles and abstracts, drawn with `random`."""

    def __init__(self, random: Random) -> None:
        self.draw = random.random
        self.concepts = self._mentioned("en", "peer", "peer support", random)
        self.chinese_concepts = self._mentioned("zh-hans", "同伴", "同伴支持", random)
        self.words = self._neutral(WORDS, {label for labels in self.concepts for label in labels})
        self.chinese = self._neutral(CHINESE_WORDS, {label for labels in self.chinese_concepts for label in labels})

    def _mentioned(self, language: str, word: str, subject: str, random: Random) -> list[list[str]]:
        """The labels of concepts, each as often as its concept is to occur: the subject first, then what has its word."""
        concepts = concept_labels(language)
        random.shuffle(concepts)
        concepts.sort(key=lambda labels: (labels[0] != subject, word not in labels[0]))
        return wheel(concepts)

    def _neutral(self, words: Mapping[str, str], labels: Container[str]) -> dict[str, list[str]]:
        """The words that name no concept, so that a work mentions as many as it is meant to; as often as each is to occur."""
        return {kind: wheel([word for word in of.split() if word not in labels], 0.7) for kind, of in words.items()}

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, with even chances."""
        return values[int(self.draw() * len(values))]

    def fill(self, template: str, language: str = "en") -> str:
        """A template with words in its slots."""
        pick = self.pick
        number, number2 = int(self.draw() * 400) + 10, int(self.draw() * 90) + 2
        is_chinese = language == "zh"
        words = self.chinese if is_chinese else self.words
        labels = pick(self.chinese_concepts if is_chinese else self.concepts)
        concept = labels[0] if self.draw() < 0.6 else pick(labels)
        noun, people, place = words["noun"], words["people"], words["place"]
        drawn = {"concept": concept, "number": number, "number2": number2, "noun": pick(noun), "noun2": pick(noun)}
        drawn |= {"people": pick(people), "people2": pick(people), "place": pick(place), "place2": pick(place)}
        if not is_chinese:
            drawn |= {kind: pick(words[kind]) for kind in ("adjective", "method", "verb")}
            drawn["name"] = made_up_name(int(self.draw() ** 3 * 20_000))
        return template.format_map(drawn)

    def title(self, language: str, mentions: int) -> str:
        """A title; every third work that mentions concepts has one in it."""
        if language in ELSEWHERE:
            return self.fill(self.pick(ELSEWHERE[language]))
        plain, naming = (CHINESE_TITLES, CHINESE_NAMING) if language == "zh" else (TITLES, NAMING)
        title = self.fill(self.pick(naming if mentions and self.draw() < 1 / 3 else plain), language)
        return title[0].upper() + title[1:]

    def abstract(self, language: str, mentions: int, words: int) -> dict[str, list[int]]:
        """An inverted index of about so many words, with so many mentions of concepts."""
        plain = ELSEWHERE.get(language) or (CHINESE if language == "zh" else SENTENCES)
        mentioning = CHINESE_MENTIONING if language == "zh" else MENTIONING
        count = 0 if language in ELSEWHERE else mentions
        sentences = [self.fill(self.pick(mentioning), language) for _ in range(count)]
        long = sum(len(sentence) for sentence in sentences)
        characters = words * (2 if language == "zh" else 6)
        while long < characters:
            sentences.append(self.fill(self.pick(plain), language))
            long += len(sentences[-1])
        sentences.sort()  # any order will do that mixes the two kinds
        index: dict[str, list[int]] = {}
        for place, word in enumerate((" " if language == "zh" else ". ").join(sentences).split(" ")):
            index.setdefault(word, []).append(place)
        return index
