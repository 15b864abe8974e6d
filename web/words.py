"""Plain words for what the graph says in codes, and the small pieces of HTML that pages are full of."""

import re
from typing import Any

from flask import Flask
from markupsafe import Markup

from kgraph.names import KG, PREFIXES
from kgraph.reading import WORDINGS
from kgraph.web.links import href, local_id, path_of, study_of
from kgraph.web.published import label, snapshot, view

_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
# kind of assertion -> (one, several, Chinese, what it is in plain words)
KINDS: dict[str, tuple[str, str, str, str]] = {
    "Finding": ("finding", "Findings", "研究发现", "rests on this study’s own data"),
    "Interpretation": ("interpretation", "Interpretations", "诠释", "how the authors make sense of their findings"),
    "CitedClaim": (
        "cited claim",
        "Claims cited from other works",
        "引证论断",
        "rests on the works cited, not on this study’s data",
    ),
    "Background": ("background", "Background", "背景陈述", "said before the study, with no work cited"),
    "Recommendation": ("recommendation", "Recommendations", "建议", "what the authors say ought to be done"),
    "Limitation": ("limitation", "Limitations", "局限", "what weakens the study or narrows its reach"),
    "Aim": ("aim", "Aims", "研究目的", "what the study set out to learn"),
}
BASES = {
    "participant": ("named by the participant", "参与者提出"),
    "authors": ("named by the authors", "作者提出"),
    "analyst": ("seen by an analyst only", "仅由分析者提出"),
}
STATUSES = {
    "accepted": ("accepted", "已采纳"),
    "disputed": ("disputed", "有争议"),
    "rejected": ("rejected", "已否决"),
}
SUPPORT = {
    "yes": ("supports it", "支持"),
    "weak": ("supports it weakly", "支持较弱"),
    "no": ("does not support it", "不支持"),
    "unchecked": ("support not checked", "未核查"),
}
SEVERITIES = {"major": ("major", "重大"), "minor": ("minor", "轻微"), "note": ("note", "备注")}
EVIDENCE = {
    "shown": "shown: the paper gives grounds for it",
    "asserted-only": "stated only: the paper gives no grounds for it",
}
JUDGED = {"title": "judged by the title", "abstract": "judged by the abstract", "full-text": "judged by the full text"}
LABEL_STATUSES = {
    "established": ("established term", "通行译名"),
    "back-translated": ("our translation, not an established term", "本图谱自译，非通行译名"),
}
MATCHES = {
    "exactMatch": ("the same as", "等同"),
    "closeMatch": ("close to", "近似"),
    "broadMatch": ("narrower than", "窄于"),
    "narrowMatch": ("broader than", "宽于"),
    "relatedMatch": ("related to", "相关"),
}
PARTS = {"subject": "As the subject", "object": "As the object", "via": "As a step in between", "scope": "As the scope"}
LICENCES = {
    "https://creativecommons.org/licenses/by/4.0/": "CC BY 4.0",
    "http://creativecommons.org/licenses/by/4.0/": "CC BY 4.0",
    "https://creativecommons.org/licenses/by-nc/4.0/": "CC BY-NC 4.0",
    "https://creativecommons.org/licenses/by-sa/4.0/": "CC BY-SA 4.0",
    "https://creativecommons.org/publicdomain/zero/1.0/": "CC0 1.0",
}
WORK_TYPES = {  # of OpenAlex, where the code is no plain word
    "book-chapter": "book chapter",
    "reference-entry": "entry of a reference work",
    "supplementary-materials": "supplementary material",
    "peer-review": "peer review",
    "posted-content": "preprint",
    "other": "other kinds",
}
ACCESS = {"open": "open access", "closed": "not open access"}
ACCESS_STATUSES = {  # of OpenAlex (its documentation of `oa_status`), in plain words
    "diamond": "in a journal that is free for readers and authors",
    "gold": "in a journal that is open access throughout",
    "hybrid": "free to read in a journal that readers else pay for",
    "green": "a copy is free to read in a repository",
    "bronze": "free to read at the publisher, without a licence that says so",
    "closed": "no free copy is known",
}
ORDER_NAMES = {
    "relevance": "how well the words fit",
    "cited": "most cited first",
    "inside": "most cited by papers here first",
    "newest": "newest first",
    "oldest": "oldest first",
    "title": "by title",
}
TONGUES = {  # what papers are written in
    "ar": "Arabic", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "ms": "Malay", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
    "zh-cn": "Chinese (China)", "zh-tw": "Chinese (Taiwan)",
}  # fmt: skip
LANGUAGES = {"en": "English", "zh": "Chinese", "zh-hans": "Chinese (simplified)"}


def html_language(tag: str | None) -> str:
    """A language tag as HTML wants it: the store keeps tags in lower case."""
    tag = tag or "en"
    parts = tag.split("-")
    return "-".join([parts[0], *(part.title() if len(part) == 4 else part for part in parts[1:])])


def zh(text: str | None) -> Markup:
    """Chinese words, marked as such; empty for no words."""
    return Markup('<span lang="zh-Hans">{}</span>').format(text) if text else Markup("")


def term(iri: str) -> Markup:
    """A link to a thing by its names in both languages."""
    names = label(iri)
    markup = Markup('<a href="{}">{}</a>').format(href(iri), names.en)
    return markup + Markup(' <span lang="zh-Hans" class="zh">{}</span>').format(names.zh) if names.zh else markup


def name(iri: str) -> Markup:
    """A link to a thing by its English name alone, for running text."""
    return Markup('<a href="{}">{}</a>').format(href(iri), label(iri).en)


def speaker(iri: str, gender: str | None = None) -> Markup:
    """A link to a participant: `P4, male`."""
    about = f", {gender}" if gender else ""
    return Markup('<a href="{}">{}</a>{}').format(href(iri), local_id(iri), about)


def standing(study: str | None) -> Markup:
    """The marks of a study (by its id): that it is known from a secondary source only, that its report is retracted."""
    if study is None:
        return Markup("")
    marked = Markup(' <span class="second-hand">secondary source</span>') if study in view().secondary else Markup("")
    return marked + retracted(f"{snapshot().base}study/{study}")


def retracted(iri: str) -> Markup:
    """The mark of a reference or study whose work is retracted, which leads to the page of that; empty for any other."""
    work = view().retracted.get(iri)
    return Markup(' <strong class="retracted"><a href="{}">retracted</a></strong>').format(href(work)) if work else Markup("")


def tongue(text: str | None, language: str | None = None) -> Markup:
    """A `lang` attribute for a title or abstract, where that is not in English: by its characters, else as its record says."""
    if len(_CHINESE.findall(text or "")) > len(text or "") / 4:
        found = "ja" if _KANA.search(text or "") else "zh"
    else:
        found = language if language and language in TONGUES and language not in ("en", "zh") else ""
    return Markup(' lang="{}"').format(found) if found else Markup("")


def where(iri: str) -> Markup:
    """Links to the study of a thing and to the thing itself: `fan-2024 q01`, marked where the study was not read."""
    study = study_of(iri)
    within = Markup('<a href="{}">{}</a> ').format(href(f"{snapshot().base}study/{study}"), study) if study else Markup("")
    link = Markup('<span class="where">{}<a href="{}">{}</a></span>').format(within, href(iri), local_id(iri))
    return link + standing(study)


def relation(iri: str, inverse: bool = False) -> str:
    """A relation in words: `reduces`, or `is reduced by`."""
    names = view().inverse_labels.get(iri) if inverse else None
    return (names or label(iri)).en


def kind(iri: str) -> str:
    """The local name of a kind of assertion, a key of `KINDS`."""
    return iri.rsplit("#", 1)[-1]


def caution(row: dict[str, Any]) -> Markup:
    """What tempers an assertion, in plain words: `finding, hedged: “may”; of “several”; denied`."""
    which = kind(row.get("class") or row.get("kind") or "")
    parts = [Markup('<span class="kind kind-{}">{}</span>').format(which.lower(), KINDS[which][0] if which in KINDS else which)]
    if row.get("polarity") == "denied":
        parts.append(Markup('<strong class="denied">denied</strong>'))
    if row.get("hedge"):
        parts.append(Markup("hedged: “{}”").format(row["hedge"]))
    elif row.get("hedged"):
        parts.append(Markup("hedged, in words not seen"))
    if row.get("quantifier"):
        parts.append(Markup("how many: “{}”").format(row["quantifier"]))
    if row.get("evidence") == "asserted-only" and which == "Finding":
        parts.append(Markup("no data shown"))
    if row.get("anchorStatus") == "secondary" and study_of(row.get("assertion", "")) not in view().secondary:
        parts.append(Markup('<span class="second-hand">from a secondary source</span>'))
    if row.get("restates"):
        parts.append(
            Markup("repeats {}").format(Markup('<a href="{}">{}</a>').format(href(row["restates"]), local_id(row["restates"])))
        )
    return Markup(", ").join(parts)


def licence(iri: str | None) -> Markup:
    """A licence as a link."""
    if not iri:
        return Markup("no licence stated")
    return Markup('<a href="{}" rel="license">{}</a>').format(href(iri), LICENCES.get(iri, iri))


def percent(value: float | None) -> str:
    """A confidence from 0 to 1 as people read it."""
    return "not stated" if value is None else f"{round(value * 100)}%"


def short(iri: str) -> str:
    """An IRI with a prefix where one is known."""
    for prefix, start in PREFIXES.items():
        if iri.startswith(start) and iri != start:
            return f"{prefix}:{iri[len(start) :]}"
    return iri


def install(app: Flask) -> None:
    """Gives templates these words and functions."""
    functions = (
        term,
        name,
        zh,
        where,
        standing,
        retracted,
        tongue,
        speaker,
        relation,
        kind,
        caution,
        licence,
        percent,
        short,
        href,
        path_of,
        local_id,
        study_of,
        html_language,
    )
    app.jinja_env.globals.update({function.__name__: function for function in functions})
    words = {
        "KINDS": KINDS,
        "BASES": BASES,
        "STATUSES": STATUSES,
        "SUPPORT": SUPPORT,
        "SEVERITIES": SEVERITIES,
        "EVIDENCE": EVIDENCE,
        "WORK_TYPES": WORK_TYPES,
        "ACCESS_STATUSES": ACCESS_STATUSES,
        "ORDER_NAMES": ORDER_NAMES,
        "TONGUES": TONGUES,
    }
    app.jinja_env.globals.update(
        words,
        WORDINGS=WORDINGS,
        MATCHES=MATCHES,
        JUDGED=JUDGED,
        LABEL_STATUSES=LABEL_STATUSES,
        PARTS=PARTS,
        LANGUAGES=LANGUAGES,
        KG=str(KG),
    )
