"""The names of things in RDF.

The terms of the evidence model are declared once, in `ontology/modules`; `KG` is closed over them, so a misspelt term
raises AttributeError where it is used.
"""

from importlib.resources import files
from pathlib import Path

import pyoxigraph as ox
from rdflib import Namespace
from rdflib.namespace import ClosedNamespace

ONTOLOGY = Path(str(files("kgraph.ontology")))
KG_IRI = "https://w3id.org/kgraph/ontology#"
CONCEPT = Namespace("https://w3id.org/kgraph/concept/")
SCHEMA = Namespace("https://schema.org/")
OA = Namespace("http://www.w3.org/ns/oa#")
CITO = Namespace("http://purl.org/spar/cito/")
FABIO = Namespace("http://purl.org/spar/fabio/")
PRISM = Namespace("http://prismstandard.org/namespaces/basic/2.0/")
BIBO = Namespace("http://purl.org/ontology/bibo/")
SSSOM = Namespace("https://w3id.org/sssom/")
SOA = Namespace("https://semopenalex.org/ontology/")
DATACITE = Namespace("http://purl.org/spar/datacite/")

PREFIXES = {
    "kg": KG_IRI,
    "concept": str(CONCEPT),
    "counterpart": "https://w3id.org/kgraph/counterpart/",
    "schema": str(SCHEMA),
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "dcterms": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "oa": str(OA),
    "prov": "http://www.w3.org/ns/prov#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "cito": str(CITO),
    "fabio": str(FABIO),
    "prism": str(PRISM),
    "bibo": str(BIBO),
    "soa": str(SOA),
    "datacite": str(DATACITE),
    "void": "http://rdfs.org/ns/void#",
    "sd": "http://www.w3.org/ns/sparql-service-description#",
    "sh": "http://www.w3.org/ns/shacl#",
    "sssom": str(SSSOM),
    "semapv": "https://w3id.org/semapv/vocab/",
    # vocabularies to which concepts are mapped
    "MESH": "http://id.nlm.nih.gov/mesh/",
    "SNOMEDCT": "http://snomed.info/id/",
    "DOID": "http://purl.obolibrary.org/obo/DOID_",
    "BCIO": "http://humanbehaviourchange.org/ontology/BCIO_",
    "ADDICTO": "http://addictovocab.org/ADDICTO_",
    "MFOEM": "http://purl.obolibrary.org/obo/MFOEM_",
    "GMHO": "https://galenos.org.uk/ontologies/GMHO_",
}


def _declared_terms() -> list[str]:
    subjects = {
        quad.subject.value
        for path in sorted((ONTOLOGY / "modules").glob("*.ttl"))
        for quad in ox.parse(path=path, format=ox.RdfFormat.TURTLE)
        if isinstance(quad.subject, ox.NamedNode)
    }
    return sorted(iri.removeprefix(KG_IRI) for iri in subjects if iri.startswith(KG_IRI))


KG = ClosedNamespace(KG_IRI, _declared_terms())
