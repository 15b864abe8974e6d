"""Asks an OWL reasoner whether the sources are consistent with the evidence model.

HermiT, through owlready2, says whether; Pellet explains which statements clash. Both need Java. Their World is a copy
that is thrown away: owlready2 alters relations that are used as values. What they cannot take is left out: dates, and
annotations in plain languages.
"""

import contextlib
import io
import re
import shutil
import subprocess
from collections.abc import Iterable
from tempfile import TemporaryDirectory

from kgraph.names import KG_IRI, PREFIXES

_LEFT_OUT = re.compile(rf"\^\^<{re.escape(PREFIXES['xsd'])}(date|gYear|dateTime)>".encode())
_TYPE = f"<{PREFIXES['rdf']}type>"


def java() -> str | None:
    """Where Java is, or None."""
    return shutil.which("java")


def clashes(triples: Iterable[bytes]) -> str:
    """Why the sources (N-Triples, with the evidence model among them) are inconsistent; empty when they are consistent.

    Raises RuntimeError when the reasoner itself fails.
    """
    lines = [line for content in triples for line in content.splitlines(keepends=True) if not _LEFT_OUT.search(line)]
    ontology = b"".join([*lines, *_all_different(lines)])
    from owlready2 import OwlReadyInconsistentOntologyError, OwlReadyJavaError, World
    from owlready2.reasoning import sync_reasoner_hermit, sync_reasoner_pellet

    def load(folder: str, name: str) -> World:
        world = World(filename=f"{folder}/{name}.sqlite3")
        world.get_ontology(f"{KG_IRI}#check").load(fileobj=io.BytesIO(ontology), format="ntriples")
        return world

    silence = io.StringIO()
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        try:
            world = load(folder, "hermit")
            sync_reasoner_hermit(world, debug=0)
            world.close()
            return ""
        except OwlReadyInconsistentOntologyError:
            pass
        except (OwlReadyJavaError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"HermiT failed: {error}") from error
        try:
            sync_reasoner_pellet(load(folder, "pellet"), debug=2)
        except OwlReadyInconsistentOntologyError as error:
            return _explanation(str(error)) or "the sources contradict the evidence model"
        except (OwlReadyJavaError, subprocess.CalledProcessError):
            pass
    return "the sources contradict the evidence model (no explanation could be had)"


def _all_different(lines: list[bytes]) -> list[bytes]:
    """Participants of a study are different persons; unless said so, a reasoner may take two for one."""
    participant = f" {_TYPE} <{KG_IRI}Participant> .".encode()
    people = sorted({line.split(b" ", 1)[0].decode() for line in lines if line.rstrip().endswith(participant)})
    rdf, owl = PREFIXES["rdf"], PREFIXES["owl"]
    made = [f"_:all {_TYPE} <{owl}AllDifferent> .", f"_:all <{owl}distinctMembers> _:p0 ."]
    for number, person in enumerate(people):
        rest = f"_:p{number + 1}" if number + 1 < len(people) else f"<{rdf}nil>"
        made += [f"_:p{number} <{rdf}first> {person} .", f"_:p{number} <{rdf}rest> {rest} ."]
    return [f"{line}\n".encode() for line in made] if len(people) > 1 else []


def _explanation(text: str) -> str:
    """The clashing axioms of Pellet's explanation, on one line."""
    start = text.find("Explanation")
    lines = [re.sub(r"^\d+\)\s+", "", line.strip()) for line in text[start if start >= 0 else 0 :].splitlines()]
    return "; ".join(line for line in lines if line and not line.startswith(("at ", "Explanation", "This is", "Java")))[:1500]
