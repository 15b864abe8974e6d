"""The mapping of OpenAlex works as one would write it with rdflib: plain, slow, and to be compared with.

It follows the tables of `kgraph.worktables` (which field becomes which property); how values become terms, how paths are
followed and how a record is made ready is written anew here, without a look at speed.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, localcontext
from math import isfinite
from typing import Any

import pyoxigraph as ox
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import RDF, XSD

from kgraph import workterms as to
from kgraph.names import SOA
from kgraph.tables import doi_iri
from kgraph.worktables import WORK, WORK_TYPE, Part, Rows, Thing

Node = URIRef | Literal | None
OPENALEX = "https://openalex.org/"
TIDY: dict[int, str | None] = {
    code: None for code in range(0xA0) if unicodedata.category(chr(code)) == "Cc" and chr(code) not in "\t\n\r"
}
TIDY |= dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd")


def tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(TIDY)).strip()


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18


def typed(text: str, datatype: URIRef) -> Literal:
    return Literal(text, datatype=datatype, normalize=False)


def text(value: Any) -> Node:
    if is_count(value):
        return Literal(str(value))
    return Literal(tidy(value)) if isinstance(value, str) and tidy(value) else None


def english(value: Any) -> Node:
    return Literal(tidy(value), lang="en") if isinstance(value, str) and tidy(value) else None


def abstract(value: Any) -> Node:
    if not isinstance(value, dict):
        return None
    at: dict[int, list[str]] = {}
    for word, places in value.items():
        for place in places if isinstance(places, list) else []:
            if isinstance(place, int) and place >= 0:
                at.setdefault(place, []).append(word)
    words: list[str] = []
    for place in sorted(at):
        if place > 0 and place - 1 not in at:
            words.append("[…]")
        words += at[place]
    return text(" ".join(words))


def boolean(value: Any) -> Node:
    return typed(str(value).lower(), XSD.boolean) if isinstance(value, bool) else None


def integer(value: Any) -> Node:
    if isinstance(value, float) and isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, str) and value.isascii() and value.lstrip("+-").isdigit() and len(value.lstrip("+-")) <= 18:
        value = int(value) if len(value) - len(value.lstrip("+-")) <= 1 else None
    return typed(str(value), XSD.integer) if is_count(value) else None


def decimal(value: Any) -> Node:
    if not (is_count(value) or (isinstance(value, float) and abs(value) < 10**18)):
        return None
    with localcontext(prec=60):
        number = round(Decimal(repr(value)), 18)
    digits = f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"
    return typed("0" if number == 0 else digits, XSD.decimal)


def year(value: Any) -> Node:
    return typed(f"{value:04}", XSD.gYear) if is_count(value) and 0 < value < 10_000 else None


def moment(value: Any) -> datetime | None:
    """A time of day that stands in a record as `2026-10-06T10:28:23.643775`, with or without its end."""
    if not isinstance(value, str) or not value.isascii() or not (len(value) == 10 or (len(value) >= 19 and value[10] in "T ")):
        return None
    day, clock, rest = value[:10], value[11:19] or "00:00:00", value[19:]
    if [len(part) for part in day.split("-")] != [4, 2, 2] or [len(part) for part in clock.split(":")] != [2, 2, 2]:
        return None
    fraction = rest.removesuffix("Z") if rest[-6:-5] not in ("+", "-") else rest[:-6]
    zone = rest[len(fraction) :]
    if fraction and not (fraction[0] == "." and fraction[1:].isdigit()):
        return None
    if zone not in ("", "Z") and not (zone[1:3].isdigit() and zone[3] == ":" and zone[4:].isdigit() and int(zone[1:3]) < 14):
        return None
    try:
        return datetime.fromisoformat(f"{day}T{clock}{zone}")
    except ValueError:
        return None


def day(value: Any) -> Node:
    return typed(value[:10], XSD.date) if moment(value) else None


def time(value: Any) -> Node:
    found = moment(value)
    if not found:
        return None
    fraction = value[20:].split("Z")[0].split("+")[0].split("-")[0].rstrip("0") if value[19:20] == "." else ""
    zone = "" if found.tzinfo is None else value[-6:] if value[-1] != "Z" else "Z"
    zone = "Z" if zone in ("+00:00", "-00:00") else zone
    return typed(f"{found:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (f".{fraction}" if fraction else "") + zone, XSD.dateTime)


def fit(address: str) -> str | None:
    """An IRI with what does not fit percent-encoded, or None."""
    fitting = ""
    for place, character in enumerate(address):
        code = ord(character)
        is_escape = (
            character == "%"
            and len(hexed := address[place + 1 : place + 3]) == 2
            and all(digit in "0123456789abcdefABCDEF" for digit in hexed)
        )
        if 0xD800 <= code < 0xE000:
            return None
        if code <= 0x20 or 0x7F <= code <= 0x9F or character in '"<>\\^`{|}[]' or (character == "%" and not is_escape):
            fitting += "".join(f"%{byte:02X}" for byte in character.encode())
        else:
            fitting += character
    try:
        ox.NamedNode(fitting)
    except ValueError:
        return None
    return fitting


def url(value: Any) -> Node:
    if not isinstance(value, str):
        return None
    scheme, colon, rest = value.strip().partition("://")
    host = rest.replace("?", "/").replace("#", "/").partition("/")[0]
    if scheme.lower() not in ("http", "https") or not colon or not host or any(character.isspace() for character in host):
        return None
    address = fit(value.strip())
    return typed(address, XSD.anyURI) if address else None


def entity(letters: str) -> Callable[[Any], URIRef | None]:
    def find(value: Any) -> URIRef | None:
        if not isinstance(value, str):
            return None
        local = value.strip()
        for host in ("https://openalex.org/", "http://openalex.org/", "https://api.openalex.org/", "http://api.openalex.org/"):
            if local.lower().startswith(host) and local[: len(host)].isascii():
                kind, slash, name = local[len(host) :].rpartition("/")
                local = name if not slash or (kind.isascii() and kind.isalpha()) else ""
                break
        if not local or not local.isascii() or local[0].upper() not in letters or not local[1:].isdigit():
            return None
        return URIRef(OPENALEX + local.upper()) if local.upper() != "A9999999999" else None

    return find


def listed(kind: str, bare: bool = False) -> Callable[[Any], Node]:
    def find(value: Any) -> Node:
        if not isinstance(value, str):
            return None
        for scheme in ("https", "http"):
            if value.startswith(f"{scheme}://openalex.org/{kind}/"):
                slug = value.removeprefix(f"{scheme}://openalex.org/{kind}/")
                break
        else:
            slug = value if bare else ""
        if slug in ("", ".", "..") or slug != slug.strip() or not slug.isprintable() or any(mark in slug for mark in "/?#"):
            return None
        address = fit(f"{OPENALEX}{kind}/{slug}")
        return URIRef(address) if address else None

    return find


def after(value: Any, *beginnings: str) -> str | None:
    """What follows the first of the beginnings that a text has, in any case, without a slash at the end."""
    if isinstance(value, str):
        for beginning in beginnings:
            if value.lower().startswith(beginning):
                return value[len(beginning) :].removesuffix("/")
    return None


def digits(value: str | None) -> bool:
    return value is not None and value.isascii() and value.isdigit()


def doi(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    found = value.strip()
    for beginning in ("https://", "http://"):
        if found.lower().startswith((f"{beginning}doi.org/", f"{beginning}dx.doi.org/")):
            found = found[len(beginning) :]
            break
    for beginning in ("dx.doi.org/", "doi.org/", "doi:"):
        if found.lower().startswith(beginning):
            found = found[len(beginning) :]
            if beginning == "doi:":  # often written with a space behind it
                found = found.lstrip()
            break
    registrant, slash, name = found.partition("/")
    is_doi = registrant.startswith("10.") and digits(registrant[3:]) and 4 <= len(registrant) - 3 <= 9 and slash and name
    if not is_doi or not name.isprintable() or any(character.isspace() for character in name):
        return None
    return unicodedata.normalize("NFC", found).lower()


def pubmed(value: Any) -> Node:
    found = after(value, "https://pubmed.ncbi.nlm.nih.gov/", "http://pubmed.ncbi.nlm.nih.gov/", "pmid:", "")
    return Literal(found) if found is not None and digits(found) else None


def pubmed_central(value: Any) -> Node:
    hosts = [f"{scheme}://{host}.ncbi.nlm.nih.gov" for scheme in ("https", "http") for host in ("www", "pmc")]
    beginnings = [f"{host}{path}" for host in hosts for path in ("/pmc/articles/", "/articles/")]
    found = after(value, *beginnings, "pmcid:", "")
    found = found[3:] if found is not None and found[:3].upper() == "PMC" else found
    return Literal(f"PMC{found}") if digits(found) else None


def country(value: Any) -> Node:
    return Literal(value.upper()) if isinstance(value, str) and value.isascii() and value.isalpha() and len(value) == 2 else None


def orcid(value: Any) -> Node:
    found = value.removesuffix("/") if isinstance(value, str) else ""
    for beginning in ("https://orcid.org/", "http://orcid.org/", "https://www.orcid.org/", "http://www.orcid.org/"):
        found = found.removeprefix(beginning)
    parts = found.split("-")
    sound = [len(part) for part in parts] == [4, 4, 4, 4] and digits(found.replace("-", "")[:15])
    return URIRef("https://orcid.org/" + found.upper()) if sound and found[-1] in "0123456789Xx" else None


def ror(value: Any) -> Node:
    found = value.removesuffix("/") if isinstance(value, str) else ""
    host, _, name = found.removeprefix("https://").removeprefix("http://").rpartition("/")
    sound = host == "ror.org" and len(name) == 9 and name[0] == "0" and name.isascii() and name.isalnum() and name == name.lower()
    return URIRef("https://ror.org/" + name) if sound else None


def wikidata(value: Any) -> Node:
    found = value if isinstance(value, str) else ""
    for scheme in ("https", "http"):
        for path in ("wiki", "entity"):
            found = found.removeprefix(f"{scheme}://www.wikidata.org/{path}/")
    return URIRef("http://www.wikidata.org/entity/" + found) if found[:1] == "Q" and digits(found[1:]) else None


def goal(value: Any) -> Node:
    if isinstance(value, str):
        for place in ("metadata.un.org/sdg", "openalex.org/sdgs"):
            for scheme in ("https", "http"):
                found = value.removeprefix(f"{scheme}://{place}/")
                if found != value and digits(found):
                    return URIRef("http://metadata.un.org/sdg/" + found)
    return None


def mesh(value: Any) -> Node:
    sound = isinstance(value, str) and value[:1] in ("D", "C", "Q") and digits(value[1:]) and 6 <= len(value) - 1 <= 9
    return URIRef("http://id.nlm.nih.gov/mesh/" + value) if sound else None


def work_class(value: Any) -> Node:
    return to.WORK_CLASSES.get(value) if isinstance(value, str) else None


def host_class(value: Any) -> Node:
    found = entity("PI")(value)
    return None if found is None else SOA.Publisher if found[len(OPENALEX)] == "P" else SOA.Institution


PLAIN: dict[to.Converter, Callable[[Any], Node]] = {
    to.as_text: text,
    to.as_english: english,
    to.as_abstract: abstract,
    to.as_boolean: boolean,
    to.as_integer: integer,
    to.as_decimal: decimal,
    to.as_year: year,
    to.as_date: day,
    to.as_moment: time,
    to.as_url: url,
    to.as_doi: lambda value: Literal(found) if (found := doi(value)) else None,
    to.as_openalex_id: lambda value: Literal(found.removeprefix(OPENALEX)) if (found := entity("W")(value)) else None,
    to.as_author: entity("A"),
    to.as_source: entity("SV"),
    to.as_topic: entity("T"),
    to.as_concept: entity("C"),
    to.as_institution: entity("I"),
    to.as_funder: entity("F"),
    to.as_award: entity("G"),
    to.as_host: entity("PI"),
    to.as_subfield: listed("subfields"),
    to.as_field: listed("fields"),
    to.as_domain: listed("domains"),
    to.as_keyword: listed("keywords"),
    to.as_study_design: listed("study-designs"),
    to.as_licence: listed("licenses", bare=True),
    to.as_pubmed: pubmed,
    to.as_pubmed_central: pubmed_central,
    to.as_country: country,
    to.as_orcid: orcid,
    to.as_ror: ror,
    to.as_wikidata: wikidata,
    to.as_goal: goal,
    to.as_mesh: mesh,
    to.as_work_class: work_class,
    to.as_host_class: host_class,
}


class PlainMapping:
    """The graph of one record."""

    def __init__(self, record: Mapping[str, Any], known: Mapping[str, str]) -> None:
        self.graph, self.known = Graph(), known
        ids = record.get("ids") if isinstance(record.get("ids"), dict) else {}
        base = entity("W")(record.get("id")) or entity("W")((ids or {}).get("openalex"))
        assert base is not None
        self.base = base
        name = doi(record.get("doi")) or doi((ids or {}).get("doi"))
        self.node = URIRef(known[str(base)]) if str(base) in known else doi_iri(name) if name else base
        self.add(self.node, RDF.type, WORK_TYPE)
        self.rows(self.node, WORK, self.ready(record), 0)

    def ready(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record with its locations numbered, its primary topic among its topics, and what is told twice left out."""
        work = {key: list(value) if isinstance(value, list) else value for key, value in record.items()}
        locations = work["locations"] = work["locations"] if isinstance(work.get("locations"), list) else []
        for role in ("primary_location", "best_oa_location"):
            location = work.get(role)
            work[role] = None
            if isinstance(location, dict):
                same = [
                    number
                    for number, other in enumerate(locations)
                    if isinstance(other, dict)
                    and (other == location or (other.get("id") is not None and other.get("id") == location.get("id")))
                ]
                if same:
                    told = {key: value for key, value in location.items() if value is not None}
                    locations[same[0]] = locations[same[0]] if locations[same[0]] == location else {**locations[same[0]], **told}
                else:
                    locations.append(location)
                work[role] = same[0] + 1 if same else len(locations)
        topics = work["topics"] = work["topics"] if isinstance(work.get("topics"), list) else []
        primary = work.get("primary_topic")
        if isinstance(primary, dict) and primary.get("id") not in [
            topic.get("id") for topic in topics if isinstance(topic, dict)
        ]:
            topics.append(primary)
        if topics:
            work.pop("concepts", None)
        funders = work["funders"] = work["funders"] if isinstance(work.get("funders"), list) else []
        grants = work["grants"] = work["grants"] if isinstance(work.get("grants"), list) else []
        for number, grant in enumerate(grants):
            if isinstance(grant, dict):
                funders.append({"id": grant.get("funder"), "display_name": grant.get("funder_display_name")})
                if not grant.get("award_id") or (isinstance(work.get("awards"), list) and work["awards"]):
                    grants[number] = None
        return work

    def add(self, subject: URIRef, predicate: URIRef, value: Node) -> None:
        if value is not None and value != subject:
            self.graph.add((subject, predicate, value))

    def rows(self, node: URIRef, rows: Rows, about: dict[str, Any], number: int) -> None:
        for path, predicate, make in rows:
            if isinstance(make, Part | Thing):
                for place, item in enumerate(self.follow(path, about, number), start=1):
                    if isinstance(make, Thing) and make.key == ".":
                        self.inner(node, predicate, make, {".": item}, place)
                    elif isinstance(item, dict):
                        self.inner(node, predicate, make, item, place)
                continue
            for one in path.split("|"):
                terms = [self.term(make, item) for item in self.follow(one, about, number)]
                for term in terms:
                    self.add(node, predicate, term)
                if any(term is not None for term in terms):
                    break

    def inner(self, node: URIRef, predicate: URIRef, make: Part | Thing, about: dict[str, Any], place: int) -> None:
        if isinstance(make, Part):
            inner: Node = URIRef(f"{self.base}/{make.kind}/{place}")
            types: tuple[URIRef, ...] = (make.type,)
        else:
            inner, types = self.term(make.iri, about.get(make.key)), make.types
        if isinstance(inner, URIRef):
            self.add(node, predicate, inner)
            for type_ in types:
                self.add(inner, RDF.type, type_)
            self.rows(inner, make.rows, about, place)

    def term(self, make: to.Converter, value: Any) -> Node:
        if make is to.as_work:
            found = entity("W")(value)
            return self.node if found == self.base else URIRef(self.known.get(str(found), found)) if found else None
        if make is to.as_location:
            return URIRef(f"{self.base}/location/{value}") if isinstance(value, int) else None
        return PLAIN[make](value)

    def follow(self, path: str, about: dict[str, Any], number: int) -> Iterator[Any]:
        """The values to which a path leads."""
        if path in (".", "#"):
            yield about if path == "." else number
            return
        key, _, rest = path.partition(".")
        value = about.get(key)
        for item in value if isinstance(value, list) else [value]:
            if not rest:
                yield item
            elif isinstance(item, dict):
                yield from self.follow(rest, item, number)


def map_plainly(record: Mapping[str, Any], known: Mapping[str, str]) -> Graph:
    """The graph of a record."""
    return PlainMapping(record, known).graph
