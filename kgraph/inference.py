"""What follows from the sources by the rules of `ontology/rules`, and why.

A rule is a CONSTRUCT over plain triple patterns with an optional FILTER. Rules run to a fixpoint; a triple is inferred only
where no graph has it yet, and all of them stand in one graph of their own. Nothing is stored to explain them: a conclusion
is matched with the heads of the rules, and their bodies are asked for the premises.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyoxigraph as ox
from rdflib.plugins.sparql import prepareQuery
from rdflib.term import Literal, URIRef, Variable

from kgraph.names import ONTOLOGY
from kgraph.queries import read_query

Triple = tuple[ox.NamedNode, ox.NamedNode, ox.NamedNode | ox.Literal]
Pattern = tuple[URIRef | Variable | Literal, ...]


@dataclass(frozen=True)
class Rule:
    """A rule: its name, what it says (by language), the CONSTRUCT, its head (one triple) and body (triple patterns)."""

    name: str
    says: Mapping[str, str]
    construct: str
    head: Pattern
    body: tuple[Pattern, ...]

    @property
    def where(self) -> str:
        return self.construct[self.construct.index("WHERE") :]

    @property
    def prologue(self) -> str:
        return self.construct[: self.construct.index("CONSTRUCT")]


@dataclass
class Explanation:
    """Why a triple holds: the graphs that state it, or the rule and the premises (explained in turn) it follows from."""

    triple: Triple
    graphs: list[str] = field(default_factory=list)
    rule: Rule | None = None
    premises: list["Explanation"] = field(default_factory=list)


@cache
def load_rules() -> tuple[Rule, ...]:
    """The packaged rules, by name."""
    rules = []
    for path in sorted((ONTOLOGY / "rules").glob("*.rq")):
        query = read_query(path)
        algebra = prepareQuery(query.text).algebra
        body = tuple(_patterns(algebra.p))
        rules.append(Rule(path.stem, _says(query.text), query.text, tuple(algebra.template[0]), body))
    return tuple(rules)


def _says(text: str) -> dict[str, str]:
    lines = (line.removeprefix("# ").partition(": ") for line in text.splitlines() if line.startswith("# "))
    return {language: says for language, _, says in lines}


def _patterns(part: object) -> Iterator[Pattern]:
    """The triple patterns in a part of rdflib's algebra."""
    if isinstance(part, dict):
        if "triples" in part:
            yield from (tuple(triple) for triple in part["triples"])
        for key in ("p", "p1", "p2"):
            if key in part:
                yield from _patterns(part[key])


def infer(store: ox.Store, graph: ox.NamedNode) -> int:
    """Runs the rules to a fixpoint over the union of all graphs; new triples go to `graph`. Returns their number."""
    total = 0
    seen: set[Triple] = set()
    changed: set[str] | None = None  # predicates of the triples that the last round added; None: everything is new
    while changed is None or changed:
        added: dict[Triple, None] = {}
        for rule in load_rules():
            if changed is not None and not _concerned(rule, changed):
                continue
            for triple in _answer(store, rule.construct):
                key = (triple.subject, triple.predicate, triple.object)
                if key in seen:
                    continue
                seen.add(key)
                if not any(True for _ in store.quads_for_pattern(*key, None)):
                    added[key] = None
        store.bulk_extend(ox.Quad(*triple, graph) for triple in added)
        changed = {predicate.value for _, predicate, _ in added}
        total += len(added)
    return total


def _concerned(rule: Rule, predicates: set[str]) -> bool:
    return any(not isinstance(pattern[1], URIRef) or str(pattern[1]) in predicates for pattern in rule.body)


def explain(store: ox.Store, triple: Triple, inferred: ox.NamedNode) -> Explanation | None:
    """Why a triple holds in a built store, or None when it does not hold."""
    return _explain(store, triple, inferred, frozenset())


def _explain(store: ox.Store, triple: Triple, inferred: ox.NamedNode, above: frozenset[Triple]) -> Explanation | None:
    graphs = [quad.graph_name for quad in store.quads_for_pattern(*triple, None)]
    stated = [
        graph.value if isinstance(graph, ox.NamedNode) else "the records of works (the default graph)"
        for graph in graphs
        if graph != inferred
    ]
    if stated:
        return Explanation(triple, graphs=sorted(stated))
    if not graphs or triple in above:
        return None
    for rule in load_rules():
        bound = _unify(rule.head, triple)
        if bound is None:
            continue
        for premises in _premises(store, rule, bound):
            reasons = [_explain(store, premise, inferred, above | {triple}) for premise in premises]
            found = [reason for reason in reasons if reason is not None]
            if len(found) == len(reasons):
                return Explanation(triple, rule=rule, premises=found)
    return None


def _unify(head: Pattern, triple: Triple) -> dict[Variable, ox.NamedNode | ox.Literal] | None:
    bound: dict[Variable, ox.NamedNode | ox.Literal] = {}
    for pattern, term in zip(head, triple, strict=True):
        if isinstance(pattern, Variable):
            if bound.setdefault(pattern, term) != term:
                return None
        elif _to_ox(pattern) != term:
            return None
    return bound


def _premises(store: ox.Store, rule: Rule, bound: Mapping[Variable, ox.NamedNode | ox.Literal]) -> Iterator[list[Triple]]:
    variables = sorted({term for pattern in rule.body for term in pattern if isinstance(term, Variable)})
    text = f"{rule.prologue}SELECT {' '.join(f'?{variable}' for variable in variables)} {rule.where}"
    substitutions = {ox.Variable(str(variable)): term for variable, term in bound.items() if variable in variables}
    for solution in _answer(store, text, substitutions):
        values = {variable: bound.get(variable) or solution[str(variable)] for variable in variables}
        yield [tuple(values[t] if isinstance(t, Variable) else _to_ox(t) for t in pattern) for pattern in rule.body]  # type: ignore[misc]


def _answer(store: ox.Store, text: str, bound: Mapping[ox.Variable, ox.NamedNode | ox.Literal] | None = None) -> Any:
    return store.query(text, use_default_graph_as_union=True, substitutions=dict(bound) if bound else None)


def _to_ox(term: URIRef | Variable | Literal) -> ox.NamedNode | ox.Literal:
    if isinstance(term, Literal):
        return ox.Literal(str(term))
    return ox.NamedNode(str(term))
