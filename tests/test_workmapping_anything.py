"""Whatever a record holds, its triples are well formed and those that a plain mapping with rdflib gives."""

import copy
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pyoxigraph as ox
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kgraph import workterms
from kgraph.workmapping import map_work
from workrecords import DATA, Record, plain_triples, records, term, triples, work
from works_in_rdflib import PLAIN


class Nobody:
    """The `Names` of converters that name nothing."""

    base = own = "https://openalex.org/W1"
    known: Mapping[str, str] = MappingProxyType({})


NOBODY = Nobody()

OLDER = {  # fields of other years than the observed ones
    "type_crossref": "string", "authors_count": "integer", "is_authors_truncated": "boolean", "ids.pmcid": "string",
    "keywords[].keyword": "string", "authorships[].raw_affiliation_string": "string", "study_designs": "array",
    "study_designs[]": "object", "study_designs[].id": "string", "study_designs[].display_name": "string", "versions": "array",
    "versions[]": "string", "locations[].source.listed_in": "array", "locations[].source.listed_in[]": "string",
    "locations[].source.publisher": "string", "apc_list.provenance": "string", "unheard_of": "object", "unheard_of.id": "string",
}  # fmt: skip
NASTY = (
    "", " ", "javascript:alert(1)", "http://[1::", "http://a b/<c>", "https://x.org/%zz é", "https://openalex.org/A9999999999",
    "https://openalex.org/W1", 'W2"', "https://openalex.org/W2> .", "https://openalex.org/keywords/\u202e", "\x00\x1f", "e\u0301",
    "\ud800", "a\nb\r", "\u2028", '"\\', "https://doi.org/10.1000/A<B>", "10.1000/\u00c9", "https://doi.org/10.1000/\ud800",
    "2024-02-30", "2024-02-29", "2024-02-28T24:00:00", "0001-01-01T12:00:00.500-00:00", "2024-02-28T12:00:00+14:00", "+0001", "٣",
    "https://api.openalex.org/works/w2", "https://openalex.org/authors/A2", "\u01317", "\u017f7",
    "D012345", "PMC1", "0000-0002-1825-009x", "https://ror.org/02mhbdp94", "http://metadata.un.org/sdg/03", "xX", "\ufffe", "[…]",
)  # fmt: skip


def real_values() -> dict[str, list[str]]:
    """The texts that stand at each path of the real records, a few each."""
    found: dict[str, dict[str, None]] = {}

    def visit(value: Any, path: str) -> None:
        if isinstance(value, dict) and path != "abstract_inverted_index":
            for key, item in value.items():
                visit(item, f"{path}.{key}".strip("."))
        elif isinstance(value, list):
            for item in value:
                visit(item, path + "[]")
        elif isinstance(value, str):
            found.setdefault(path, {})[value] = None

    for record in list(records().values())[::5]:
        visit(record, "")
    return {path: list(values)[:20] for path, values in found.items()}


MISSING = object()
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), max_size=8))
WHOLE = st.one_of(st.integers(-2, 2100), st.integers(-(10**20), 10**20))
DECIMAL = st.one_of(st.floats(0, 1), st.floats())
SCALAR = st.one_of(st.none(), st.booleans(), WHOLE, DECIMAL, TEXT)
JUNK = st.one_of(SCALAR, st.lists(SCALAR, max_size=2), st.dictionaries(TEXT, SCALAR, max_size=2))
PLACES = st.one_of(st.lists(st.integers(-1, 8), max_size=3), JUNK)
ABSTRACT = st.one_of(st.dictionaries(TEXT, PLACES, max_size=5), st.just({"in": [1, 3], "the": [2], "place": [0]}))


def anything_of_the_shape() -> st.SearchStrategy[Record]:
    """Records with some of the fields of real ones: of their types, null, missing, with texts of real records, or junk."""
    observed = json.loads((DATA / "work-fields-observed.json").read_text(encoding="utf-8"))["paths"]
    types = {path: set(counts) for path, counts in observed.items()} | {path: {kind} for path, kind in OLDER.items()}
    real = real_values()

    def of(path: str, kinds: set[str]) -> st.SearchStrategy[Any]:
        made: list[st.SearchStrategy[Any]] = []
        if "string" in kinds:
            made.append(st.one_of(st.sampled_from(real[path]), TEXT) if path in real else TEXT)
        if "integer" in kinds:
            made.append(WHOLE)
        if "number" in kinds:
            made.append(DECIMAL)
        if "boolean" in kinds:
            made.append(st.booleans())
        if "array" in kinds:
            made.append(st.lists(of(path + "[]", types.get(path + "[]", {"null"})), min_size=1, max_size=3))
        if "object" in kinds:
            made.append(ABSTRACT if path == "abstract_inverted_index" else holding(path))
        usual = st.one_of(*made, made[-1]) if made else st.none()
        seldom = st.one_of(st.none(), st.just(MISSING), JUNK)
        return st.integers(0, 7).flatmap(lambda number: usual if number else seldom)

    def fields(path: str) -> dict[str, st.SearchStrategy[Any]]:
        start = f"{path}." if path else ""
        below = {other.removeprefix(start): kinds for other, kinds in types.items() if other.startswith(start)}
        return {key: of(start + key, kinds) for key, kinds in below.items() if "." not in key and not key.endswith("[]")}

    def holding(path: str) -> st.SearchStrategy[Record]:
        return st.fixed_dictionaries(fields(path)).map(there)

    def there(found: Any) -> Any:
        """A value without what is missing."""
        if isinstance(found, dict):
            return {key: there(value) for key, value in found.items() if value is not MISSING}
        return [there(value) for value in found if value is not MISSING] if isinstance(found, list) else found

    all_fields = fields("")
    some = st.lists(st.sampled_from(sorted(all_fields)), unique=True, min_size=3, max_size=8)
    record = some.flatmap(lambda keys: st.fixed_dictionaries({key: all_fields[key] for key in keys})).map(there)
    ids = st.sampled_from(["https://openalex.org/W1", "https://openalex.org/W2741809807", "W11"])
    return st.builds(lambda found, name: {**found, "id": name}, record, ids)


@st.composite
def damaged(draw: st.DrawFn) -> Record:
    """A real record in which some values are gone, null, junk, or stand there twice."""
    record = copy.deepcopy(draw(st.sampled_from(sorted(records().values(), key=lambda real: len(str(real)))[:100])))
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list) and key != "abstract_inverted_index":
                visit(value[key])

    for _ in range(draw(st.integers(1, 12))):
        places.clear()
        visit(record)
        inside, key = places[draw(st.integers(0, 10**6)) % len(places)]
        match draw(st.sampled_from(["gone", "null", "junk", "spoilt", "in a list", "twice"])):
            case "gone":
                del inside[key]
            case "null":
                inside[key] = None
            case "junk":
                inside[key] = draw(JUNK)
            case "spoilt":
                inside[key] = f"{inside[key]}{draw(TEXT)}"
            case "in a list":
                inside[key] = [inside[key], inside[key]]
            case "twice" if isinstance(inside, list):
                inside.append(inside[key])
    return {**record, "id": "https://openalex.org/W11"}


def check_anything(record: Record) -> None:
    """A record maps as with rdflib, its triples survive writing and a store, and no address in them is dangerous."""
    iris = {"https://openalex.org/W2766528118": "https://doi.org/10.5445/ir/1000098324"}
    text = map_work(record, iris)
    made = triples(record, iris)
    assert made == plain_triples(record, iris)
    assert text.count("\n") == len(made)  # a line a triple, none twice
    again = b"".join(ox.serialize([ox.Quad(*triple)], format=ox.RdfFormat.N_TRIPLES) or b"" for triple in made)
    assert {quad.triple for quad in ox.parse(again, format=ox.RdfFormat.N_TRIPLES)} == made
    store = ox.Store()
    store.load(text.encode(), ox.RdfFormat.N_TRIPLES)
    assert {quad.triple for quad in store} == made
    for triple in made:
        for one in (triple.subject, triple.object):
            assert isinstance(one, ox.NamedNode | ox.Literal)
            if isinstance(one, ox.NamedNode) or one.datatype.value.endswith("#anyURI"):
                assert one.value.lower().startswith(("http://", "https://"))


OPENALEX_FORM = (
    r"\Ahttps?://openalex\.org/([AaCFGIPSTVW]\d{1,3}|(keywords|subfields|fields|domains|licenses|study-designs)/.{0,3})\Z"
)
NEARLY: tuple[re.Pattern[str] | str, ...] = (
    workterms.DOI,
    workterms.MOMENT,
    workterms.CENTRAL,
    workterms.PUBMED,
    workterms.ORCID,
    workterms.ROR,
    workterms.WIKIDATA,
    workterms.GOAL,
    workterms.ENTITY,
    workterms.MESH,
    workterms.URL,
    OPENALEX_FORM,
    r"\A[+-]?[0-9]{1,20}\Z",
    r"\A20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]",
    r"\Ahttps?://[a-z.]{1,4}[/?#][\x00-\uffff]{0,4}\Z",
)
FORMS: st.SearchStrategy[str] = st.sampled_from(NEARLY).flatmap(lambda form: st.from_regex(form))


@settings(max_examples=200, deadline=None)
@given(value=st.one_of(FORMS, FORMS, FORMS.flatmap(lambda form: TEXT.map(lambda more: form + more)), JUNK))
def test_each_converter_is_as_in_rdflib(value: Any) -> None:
    """Texts that have nearly the form that some converter wants, and everything else."""
    for convert, plain in PLAIN.items():
        found, expected = convert(NOBODY, value), plain(value)
        assert (found is None) == (expected is None), plain
        if found is not None:
            (read,) = ox.parse(f"<a:a> <a:a> {found} .".encode(), format=ox.RdfFormat.N_TRIPLES)
            assert read.object == term(expected), plain


CALM = (HealthCheck.too_slow, HealthCheck.data_too_large)


@settings(max_examples=100, deadline=None, suppress_health_check=CALM)
@given(record=anything_of_the_shape())
@example(record=work(title="\ud800", doi="https://doi.org/10.1000/x", primary_location={}, primary_topic={"id": None}))
@example(record=work(title=["in a list", None], ids=[{"doi": "10.1000/x"}]))
def test_anything_of_the_shape_maps_as_with_rdflib(record: Record) -> None:
    check_anything(record)


@settings(max_examples=20, deadline=None, suppress_health_check=CALM)
@given(record=damaged())
def test_damaged_records_map_as_with_rdflib(record: Record) -> None:
    check_anything(record)
