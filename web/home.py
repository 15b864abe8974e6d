"""The front page and the search."""

from collections.abc import Iterable
from itertools import groupby

from flask import Blueprint, render_template, request

from kgraph.search import KINDS, Hit, search, suggest
from kgraph.web.papers import matching
from kgraph.web.published import ask, snapshot, view
from kgraph.worklist import Wanted

pages = Blueprint("home", __name__)

SHOWN = 200  # hits at most
KIND_NAMES = {
    "concept": ("Concepts", "概念"),
    "theme": ("Themes", "主题"),
    "study": ("Studies", "研究"),
    "quotation": ("What participants said", "参与者的话"),
    "assertion": ("What papers state", "论文的论断"),
    "reference": ("References", "参考文献"),
    "participant": ("Participants", "参与者"),
}


@pages.get("/")
def home() -> str:
    """Search box, doors for the three kinds of users, counts that lead to lists."""
    counts = {row["kind"]: row["number"] for row in ask("counts")}
    second_hand = {row["kind"]: row["number"] for row in ask("counts-secondary")}
    return render_template(
        "home.html",
        counts=counts,
        second_hand=second_hand,
        facets=ask("facets"),
        studies=ask("studies"),
        harvests=ask("harvest-list"),
        papers=view().works.find(Wanted(), limit=0).number,
    )


@pages.get("/search")
def results() -> str:
    """What matches `q` among labels and texts, grouped by kind; `kind` shows one kind alone."""
    question = " ".join(request.args.get("q", "").split())
    chosen = request.args.get("kind", "")
    kinds = [chosen] if chosen in KINDS else []
    index = snapshot().folder / "search.sqlite"
    hits = search(index, question, limit=SHOWN, kinds=kinds) if question else []
    return render_template(
        "search.html",
        question=question,
        groups=group(hits),
        near=suggest(index, question) if question and not hits else [],
        number=len(hits),
        chosen=chosen,
        names=KIND_NAMES,
        most=SHOWN,
        papers=matching(question) if question and not kinds else None,
    )


def group(hits: Iterable[Hit]) -> list[tuple[str, list[Hit]]]:
    """Hits by kind, the kinds in the order of `KINDS`; within a kind the best first, as they came."""
    ordered = sorted(hits, key=lambda hit: KINDS.index(hit.kind))
    return [(kind, list(members)) for kind, members in groupby(ordered, key=lambda hit: hit.kind)]
