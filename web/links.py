"""IRIs and the paths of their pages: the site mirrors its own linked data."""

from urllib.parse import quote, unquote

from flask import request

from kgraph.names import CONCEPT, KG_IRI
from kgraph.web.published import snapshot, view
from kgraph.worklist import WorkRow

SCHEME = "https://w3id.org/kgraph/scheme/"
PACKAGED = "https://w3id.org/kgraph/"
_PACKAGED_KINDS = ("counterpart/", "mapping/")  # like concepts, these are the same under every base
_SAFE = "/:@!$&'()*+,;=~-._"


def path_of(iri: str) -> str | None:
    """The path of a thing's page below the site's root, without a leading slash; None for things of other sites."""
    if iri.startswith(CONCEPT):
        return "concept/" + iri[len(CONCEPT) :]
    if iri.startswith(SCHEME):
        return "concepts/" + iri[len(SCHEME) :]
    if iri.startswith(KG_IRI):
        return "ontology#" + iri[len(KG_IRI) :]
    if iri.startswith(tuple(PACKAGED + kind for kind in _PACKAGED_KINDS)):
        return iri[len(PACKAGED) :]
    base = snapshot().base
    if iri.startswith(base) and iri != base:
        return iri[len(base) :]
    if work := view().work(iri):
        return "work/" + work.openalex
    return None


def iri_of(path: str) -> str:
    """The IRI whose page stands at a path (without leading slash)."""
    if path.startswith("work/") and (work := find_work(path.removeprefix("work/"))):
        return work.iri
    path = quote(unquote(path), safe=_SAFE)
    if path.startswith("concept/"):
        return CONCEPT + path.removeprefix("concept/")
    if path.startswith("concepts/"):
        return SCHEME + path.removeprefix("concepts/")
    if path.startswith("scheme/"):
        return SCHEME + path.removeprefix("scheme/")
    if path.startswith(_PACKAGED_KINDS):
        return PACKAGED + path
    if path == "ontology":
        return KG_IRI.removesuffix("#")
    return snapshot().base + path


def find_work(name: str) -> WorkRow | None:
    """The harvested work that somebody names by its OpenAlex id or its DOI, or None."""
    return view().works.work(name)


def nothing_here() -> str:
    """What to say where works are asked for and none has been harvested."""
    return (
        "No works have been harvested here."
        f" To harvest those that a study cites, run: kgraph harvest references {view().first_study}; then: kgraph build"
    )


def href(iri: str) -> str:
    """Where a link to a thing leads: its page here, or its own address elsewhere; `#` for what cannot be linked to."""
    path = path_of(iri)
    if path is not None:
        return f"{request.script_root}/{path}"
    return iri if iri.startswith(("http://", "https://")) else "#"


def local_id(iri: str) -> str:
    """The last part of an IRI: `q01`, `P4`, `a001`."""
    return iri.rstrip("/").rsplit("/", 1)[-1]


def study_of(iri: str) -> str | None:
    """The study id in the IRI of a thing of a study."""
    rest = iri.removeprefix(snapshot().base + "study/")
    return rest.split("/", 1)[0] if rest != iri else None
