"""Values of an OpenAlex record as terms of N-Triples.

A converter takes `Names` and a value of any JSON type and gives a term, or None where the value says nothing that can be
trusted: null, another type, an empty text, an identifier that has not the form it should have. None of them raises.
Terms are in canonical form (0.5, not 0.50; Z, not +00:00), so that a store gives back what it was given.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from typing import Any, Protocol
from unicodedata import is_normalized, normalize

import pyoxigraph as ox
from rdflib.namespace import XSD

from kgraph.names import FABIO, SOA
from kgraph.tables import doi_iri


class Names(Protocol):
    """What a converter needs to name a thing: the record's OpenAlex IRI, under which its parts stand, the IRI of its work, and
    the IRIs of other works that have another than their OpenAlex one, by that one."""

    @property
    def base(self) -> str: ...

    @property
    def own(self) -> str: ...

    @property
    def known(self) -> Mapping[str, str]: ...


Converter = Callable[[Names, Any], str | None]

OPENALEX = "https://openalex.org/"
WORKS = OPENALEX + "W"
NULL_AUTHOR = "A9999999999"
NOBODY = OPENALEX + NULL_AUTHOR
GAP = "[…]"  # stands in an abstract where the index lacks words
ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
ESCAPED = re.compile('["\\\\\n\r\u2028\u2029]')
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\u2028": "\\u2028", "\u2029": "\\u2029"}
URL = re.compile(r"https?://[^\s/?#]+(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?:/[A-Za-z0-9/._~!$&'()*+,;=:@-]*)?")
UNFIT = re.compile(r"""[\x00-\x20"<>\\^`{|}\[\]\x7f-\x9f]|%(?![0-9A-Fa-f]{2})""")  # what no IRI holds
ANY_CASE = re.IGNORECASE | re.ASCII  # without ASCII, an i is also matched by a dotless one, and an s by a long one
ENTITY = re.compile(r"(?:https?://(?:api\.)?openalex\.org/(?:[a-z]+/)?)?([a-z][0-9]+)", ANY_CASE)
DOI = re.compile(r"(?:(?:https?://)?(?:dx\.)?doi\.org/|doi:(?u:\s*))?(10\.[0-9]{4,9}/\S+)", ANY_CASE)
PUBMED = re.compile(r"(?:https?://pubmed\.ncbi\.nlm\.nih\.gov/|pmid:)?([0-9]+)/?", ANY_CASE)
CENTRAL = re.compile(r"(?:https?://(?:www|pmc)\.ncbi\.nlm\.nih\.gov/(?:pmc/)?articles/|pmcid:)?(?:PMC)?([0-9]+)/?", ANY_CASE)
ORCID = re.compile(r"(?:https?://(?:www\.)?orcid\.org/)?([0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9Xx])/?")
ROR = re.compile(r"(?:https?://)?ror\.org/(0[a-z0-9]{8})/?")
WIKIDATA = re.compile(r"(?:https?://www\.wikidata\.org/(?:wiki|entity)/)?(Q[0-9]+)")
GOAL = re.compile(r"https?://(?:metadata\.un\.org/sdg|openalex\.org/sdgs)/([0-9]+)")
MESH = re.compile(r"[DCQ][0-9]{6,9}")
MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9:]{8})(?:\.([0-9]+))?(Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?)?")
NO_SLUG = re.compile(r"^\.{0,2}$|[/?#]|^\s|\s$")
NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
LARGEST = 10**18  # whole numbers from here on are no counts, and more than stores calculate with

PUBLISHER, ORGANISATION = f"<{SOA.Publisher}>", f"<{SOA.Institution}>"
WORK_CLASSES = {  # what OpenAlex and (in older records) Crossref call a work, and the class of fabio for it
    "article": FABIO.Article,
    "journal-article": FABIO.JournalArticle,
    "proceedings-article": FABIO.ConferencePaper,
    "review": FABIO.ReviewArticle,
    "preprint": FABIO.Preprint,
    "posted-content": FABIO.Preprint,
    "book": FABIO.Book,
    "monograph": FABIO.Book,
    "edited-book": FABIO.Book,
    "reference-book": FABIO.Book,
    "book-chapter": FABIO.BookChapter,
    "dissertation": FABIO.Thesis,
    "editorial": FABIO.Editorial,
    "letter": FABIO.Letter,
    "report": FABIO.ReportDocument,
    "reference-entry": FABIO.ReferenceEntry,
    "standard": FABIO.SpecificationDocument,
    "supplementary-materials": FABIO.SupplementaryInformation,
    "software": FABIO.ComputerProgram,
}


### Text


def clean(text: str) -> str:
    """A text as it may stand in any format: NFC, without control characters, lone surrogates replaced, ends trimmed."""
    if not text.isprintable() and ODD.search(text):  # what can be printed has none of them
        text = ODD.sub(lambda found: "" if found[0] <= "\x9f" else "\ufffd", text)
    if not (text.isascii() or is_normalized("NFC", text)):
        text = normalize("NFC", text)
    return text.strip()


def literal(text: str, ending: str = "") -> str:
    """A literal with its language or datatype; `text` is clean."""
    if '"' in text or "\\" in text or not text.isprintable():
        text = ESCAPED.sub(lambda found: ESCAPES[found[0]], text)
    return f'"{text}"{ending}'


def _text(value: str, ending: str = "") -> str | None:
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:  # most are
        text = value.strip()
        return f'"{text}"{ending}' if text else None
    text = clean(value)
    return literal(text, ending) if text else None


def _is_whole(value: Any) -> bool:
    return type(value) is int and -LARGEST < value < LARGEST


def as_text(_: Names, value: Any) -> str | None:
    """A text, or a whole number where a text is usual (a volume, an award)."""
    if isinstance(value, str):
        return _text(value)
    return f'"{value}"' if _is_whole(value) else None


def as_english(_: Names, value: Any) -> str | None:
    """A text that OpenAlex writes in English: the names of subjects."""
    return _text(value, "@en") if isinstance(value, str) else None


def as_abstract(_: Names, value: Any) -> str | None:
    """The abstract, from the positions of its words."""
    return _text(words) if (words := abstract_words(value)) else None


def abstract_words(value: Any) -> str | None:
    """The words of an abstract, from their positions; not yet clean.

    Two words of one position stand there in the order of the record. Where positions are missing, `[…]` stands for the
    words that OpenAlex has lost, so that no sentence seems whole that is not.
    """
    if not isinstance(value, dict):
        return None
    words = _filed(value)
    if words is None:
        lists = ((word, places) for word, places in value.items() if isinstance(places, list))
        found = [(place, word) for word, places in lists for place in places if isinstance(place, int) and place >= 0]
        found.sort(key=itemgetter(0))
        words, expected = [], 0
        for place, word in found:
            words += [GAP, word] if place > expected else [word]
            expected = place + 1
    return " ".join(words)


def _filed(index: dict[str, Any]) -> list[str] | None:
    """The words in order where each position from 0 on has one word, as in nearly all records; else None."""
    try:
        places = list(chain.from_iterable(index.values()))
        words: list[Any] = [None] * len(places)
        for word, found in index.items():
            for place in found:
                words[place] = word
        whole = None not in words and min(places, default=0) >= 0
    except (TypeError, IndexError):
        return None
    return words if whole else None


### Numbers and dates


def _typed(datatype: str) -> str:
    return f"^^<{datatype}>"


INTEGER, DECIMAL = _typed(XSD.integer), _typed(XSD.decimal)
YEAR, DATE, DATETIME, URI = _typed(XSD.gYear), _typed(XSD.date), _typed(XSD.dateTime), _typed(XSD.anyURI)
TRUE, FALSE = f'"true"{_typed(XSD.boolean)}', f'"false"{_typed(XSD.boolean)}'


def as_boolean(_: Names, value: Any) -> str | None:
    """True or false."""
    return TRUE if value is True else FALSE if value is False else None


def as_integer(_: Names, value: Any) -> str | None:
    """A whole number, also where it comes as text (older identifiers) or as 3.0."""
    if type(value) is not int:
        is_number = value.is_integer() if isinstance(value, float) else isinstance(value, str) and NUMBER.fullmatch(value)
        value = int(value) if is_number else None
    return f'"{value}"{INTEGER}' if _is_whole(value) else None


def as_decimal(_: Names, value: Any) -> str | None:
    """A decimal, never a float; 18 places, which is what stores keep."""
    if _is_whole(value):
        return f'"{value}"{DECIMAL}'
    if not isinstance(value, float) or not -LARGEST < value < LARGEST:  # also no NaN
        return None
    text = repr(value)
    if "e" in text or len(text) > 20:
        text = f"{Decimal(text):.18f}"
    if text[-1] == "0":
        text = text.rstrip("0").rstrip(".")
    return f'"{"0" if text == "-0" else text}"{DECIMAL}'


def as_year(_: Names, value: Any) -> str | None:
    """A year of the common era."""
    return f'"{value:04}"{YEAR}' if type(value) is int and 0 < value < 10_000 else None


def _moment(value: Any) -> re.Match[str] | None:
    """A day that there is, with or without a time that there is."""
    if isinstance(value, str) and (found := MOMENT.fullmatch(value)):
        try:
            date.fromisoformat(found[1])
            datetime.fromisoformat(f"2000-01-01T{found[2] or '00:00:00'}")
        except ValueError:
            return None
        return found
    return None


def as_date(_: Names, value: Any) -> str | None:
    """A day, also of a moment: some records give one where others give the other."""
    found = _moment(value)
    return f'"{found[1]}"{DATE}' if found else None


def as_moment(_: Names, value: Any) -> str | None:
    """A day and time; the day's beginning where no time is given."""
    found = _moment(value)
    if not found:
        return None
    day, time, fraction, zone = found.groups()
    fraction = (fraction or "").rstrip("0")
    zone = "Z" if zone in ("+00:00", "-00:00") else zone or ""
    return f'"{day}T{time or "00:00:00"}{"." * bool(fraction)}{fraction}{zone}"{DATETIME}'


### Addresses and identifiers


def _fit(text: str) -> str | None:
    """An IRI in which what no IRI holds is percent-encoded; None where it is no IRI even so, or has a lone surrogate."""
    try:
        text = UNFIT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
        return ox.NamedNode(text).value
    except ValueError:
        return None


def as_url(_: Names, value: Any) -> str | None:
    """A web address (http, https) as a literal; what an IRI cannot hold is percent-encoded. Anything else is left out."""
    if not isinstance(value, str):
        return None
    if PLAIN_URL.fullmatch(value):
        return f'"{value}"{URI}'
    text = value.strip()
    fit = _fit(text) if URL.fullmatch(text) else None
    return f'"{fit}"{URI}' if fit else None


def bare_doi(value: Any) -> str | None:
    """A DOI alone and in small letters, or None."""
    if isinstance(value, str) and (found := DOI.fullmatch(value.strip())) and found[1].isprintable():
        return normalize("NFC", found[1]).lower()
    return None


def openalex_id(value: Any, letters: str = "W") -> str | None:
    """An OpenAlex identifier such as W2741809807, from any of its forms, of the kinds that `letters` name; or None."""
    found = ENTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    local = found[1].upper() if found else None
    return local if local and local[0] in letters else None


def as_doi(_: Names, value: Any) -> str | None:
    """A DOI alone, as text."""
    doi = bare_doi(value)
    return literal(doi) if doi else None


def doi_address(doi: str) -> str:
    """The IRI of the work that has this DOI."""
    return str(doi_iri(doi))


def as_openalex_id(_: Names, value: Any) -> str | None:
    """A work's OpenAlex identifier, as text."""
    local = openalex_id(value)
    return f'"{local}"' if local else None


def as_work(names: Names, value: Any) -> str | None:
    """A work by its OpenAlex identifier: the IRI that is known for it, else its IRI in OpenAlex."""
    if isinstance(value, str) and value.startswith(WORKS) and value[22:].isdigit() and value.isascii():
        iri = value
    elif local := openalex_id(value):
        iri = OPENALEX + local
    else:
        return None
    return f"<{names.own if iri == names.base else names.known.get(iri, iri)}>"


def openalex(letters: str) -> Converter:
    """A converter for OpenAlex identifiers of the kinds that `letters` name. The author that means nobody is none."""

    begins = tuple(OPENALEX + letter for letter in letters)

    def convert(_: Names, value: Any) -> str | None:
        if isinstance(value, str) and value.startswith(begins) and value[22:].isdigit() and value.isascii() and value != NOBODY:
            return f"<{value}>"
        local = openalex_id(value, letters)
        return f"<{OPENALEX}{local}>" if local and local != NULL_AUTHOR else None

    return convert


def listed(kind: str, *, bare: bool = False) -> Converter:
    """A converter for what OpenAlex keeps in a list of its own, such as https://openalex.org/keywords/hope; `bare`: also by
    the last part alone."""
    begins, usual = re.compile(rf"https?://openalex\.org/{kind}/"), re.compile(rf"https://openalex\.org/{kind}/[a-z0-9-]+")

    def convert(_: Names, value: Any) -> str | None:
        if not isinstance(value, str):
            return None
        if usual.fullmatch(value):
            return f"<{value}>"
        found = begins.match(value)
        slug = value[found.end() :] if found else value if bare else ""
        fit = _fit(f"{OPENALEX}{kind}/{slug}") if slug.isprintable() and not NO_SLUG.search(slug) else None
        return f"<{fit}>" if fit else None

    return convert


def _found(pattern: re.Pattern[str], before: str, after: str, change: Callable[[str], str] = str) -> Converter:
    """A converter for texts that have a form: what the form's group holds, between `before` and `after`."""

    def convert(_: Names, value: Any) -> str | None:
        found = pattern.fullmatch(value) if isinstance(value, str) else None
        return f"{before}{change(found[found.lastindex or 0])}{after}" if found else None

    return convert


as_pubmed = _found(PUBMED, '"', '"')
as_pubmed_central = _found(CENTRAL, '"PMC', '"')
as_country = _found(re.compile("[A-Za-z]{2}"), '"', '"', str.upper)
as_orcid = _found(ORCID, "<https://orcid.org/", ">", str.upper)
as_ror = _found(ROR, "<https://ror.org/", ">")
as_wikidata = _found(WIKIDATA, "<http://www.wikidata.org/entity/", ">")
as_goal = _found(GOAL, "<http://metadata.un.org/sdg/", ">")  # the form in which the United Nations publish it
as_mesh = _found(MESH, "<http://id.nlm.nih.gov/mesh/", ">")
as_author, as_source, as_topic, as_concept = openalex("A"), openalex("SV"), openalex("T"), openalex("C")
as_institution, as_funder, as_award, as_host = openalex("I"), openalex("F"), openalex("G"), openalex("PI")
as_subfield, as_field, as_domain = listed("subfields"), listed("fields"), listed("domains")
as_keyword, as_study_design, as_licence = listed("keywords"), listed("study-designs"), listed("licenses", bare=True)


def as_work_class(_: Names, value: Any) -> str | None:
    """The class of fabio for a kind of work; None for kinds that are no expression there (a dataset) or only a name."""
    found = WORK_CLASSES.get(value) if isinstance(value, str) else None
    return f"<{found}>" if found else None


def as_host_class(_: Names, value: Any) -> str | None:
    """What an organisation is, by its identifier: a publisher or an institution."""
    local = openalex_id(value, "PI")
    return (PUBLISHER if local[0] == "P" else ORGANISATION) if local else None


def as_location(names: Names, value: Any) -> str | None:
    """A location of the work by its number among all."""
    return f"<{names.base}/location/{value}>" if type(value) is int else None
