"""Pages and data under one address: HTML, Turtle or JSON-LD, by suffix or by what the client accepts (RFC 9110, section 12)."""

import pyoxigraph as ox
from flask import Flask, Response, g, request
from werkzeug.exceptions import NotAcceptable, NotFound

from kgraph.names import CONCEPT, PREFIXES
from kgraph.queries import run
from kgraph.sparqltext import Dataset
from kgraph.web.links import iri_of
from kgraph.web.published import snapshot, view
from kgraph.workterms import OPENALEX

HTML = "text/html"
FORMATS = {"ttl": ("text/turtle", ox.RdfFormat.TURTLE), "jsonld": ("application/ld+json", ox.RdfFormat.JSON_LD)}
LISTS = ("home", "lists", "about", "maps", "concepts", "studies", "works")  # what has pages that are no thing's
TABLES = (".csv", ".json")  # addresses that have one form alone
SUFFIXES = {media: suffix for suffix, (media, _) in FORMATS.items()}


def install(app: Flask) -> None:
    """Answers requests for data before any page is made, and says in `Vary` what answers depend on."""
    app.before_request(_negotiate)
    app.after_request(_vary)


def wants_text() -> bool:
    """Whether an error is to be told in plain text: to a client that reads no HTML."""
    return "data" in g or (bool(request.accept_mimetypes) and not request.accept_mimetypes.accept_html)


def _negotiate() -> Response | None:
    if request.endpoint == "static" or request.blueprint == "dumps" or request.method not in ("GET", "HEAD"):
        return None
    path, dot, suffix = request.path.strip("/").rpartition(".")
    if dot and suffix in FORMATS:
        g.data = suffix
        return _data(path, suffix)
    if not request.accept_mimetypes or (request.url_rule and request.url_rule.rule.endswith(TABLES)):
        return None
    media = request.accept_mimetypes.best_match([HTML, *SUFFIXES])
    if media == HTML:
        return None
    path = request.path.strip("/")
    if media is None:
        raise NotAcceptable(f"This site has {HTML}, {' and '.join(SUFFIXES)}.")
    g.data = SUFFIXES[media]
    try:
        answer = _data(path, g.data)
    except NotFound:
        if request.blueprint not in LISTS or (request.view_args and request.blueprint != "lists"):
            raise
        raise NotAcceptable(f"This page is a list or a tool and has {HTML} only; the things it lists have data.") from None
    answer.headers["Content-Location"] = f"{request.script_root}/{path}.{g.data}"
    return answer


def _data(path: str, suffix: str) -> Response:
    iri = iri_of(path)
    triples = described(iri)
    if not any(isinstance(triple.subject, ox.NamedNode) and triple.subject.value == iri for triple in triples):
        raise NotFound(f"The graph says nothing of {iri}.")
    media, rdf_format = FORMATS[suffix]
    return Response(serialise(triples, rdf_format), mimetype=media)


def described(iri: str) -> list[ox.Triple]:
    """What the graph says of a thing. Of a work also what belongs to it alone: authorships, copies, mentions.

    Of a concept, a rule or a harvest it leaves out which works name it or are held by it: that may be tens of thousands.
    """
    here = snapshot()
    if work := view().work(iri):
        return _with_parts(here.describe(iri), f"{OPENALEX}{work.openalex}/")
    if not iri.startswith((CONCEPT, f"{here.base}harvest/", f"{here.base}tagging/")):
        return here.describe(iri)
    node, bulk = ox.NamedNode(iri), (f"{here.base}graph/works/", f"{here.base}graph/mentions")
    leading = tuple(graph.value for graph in here.graph.graphs() if not graph.value.startswith(bulk))
    query, bound = "CONSTRUCT { ?s ?p ?node } WHERE { ?s ?p ?node }", {ox.Variable("node"): node}
    triples: list[ox.Triple] = [*run(here.graph, query, here.base, bound, Dataset(leading, ()))]
    return list(dict.fromkeys([*triples, *(quad.triple for quad in here.graph.match(node))]))


def _with_parts(triples: list[ox.Triple], start: str) -> list[ox.Triple]:
    """Triples with those of the nodes they name whose IRIs begin so, and of the nodes that these name."""
    found = dict.fromkeys(triples)
    waiting = [term for triple in triples for term in (triple.subject, triple.object)]
    seen: set[str] = set()
    while waiting:
        term = waiting.pop()
        if isinstance(term, ox.NamedNode) and term.value.startswith(start) and term.value not in seen:
            seen.add(term.value)
            told = [quad.triple for quad in snapshot().graph.match(term)]
            found.update(dict.fromkeys(told))
            waiting += [triple.object for triple in told]
    return list(found)


def serialise(triples: list[ox.Triple], rdf_format: ox.RdfFormat) -> bytes:
    """Triples in a format, with those of the usual prefixes that they use."""
    iris = {term.value for triple in triples for term in triple if isinstance(term, ox.NamedNode)}
    iris |= {term.datatype.value for triple in triples for term in triple if isinstance(term, ox.Literal)}
    used = {prefix: start for prefix, start in PREFIXES.items() if any(iri.startswith(start) for iri in iris)}
    ordered = sorted(triples, key=lambda triple: (str(triple.subject), str(triple.predicate), str(triple.object)))
    return ox.serialize(ordered, format=rdf_format, prefixes=used) or b""


def _vary(response: Response) -> Response:
    if request.endpoint != "static":
        response.vary.add("Accept")
    return response
