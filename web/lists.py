"""The lists that counts and map edges lead to, and the lists of one study."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from pyoxigraph import NamedNode
from werkzeug.exceptions import BadRequest, NotFound

from kgraph.names import CONCEPT, KG_IRI
from kgraph.queries import to_iri
from kgraph.web.links import iri_of
from kgraph.web.published import ask, view
from kgraph.web.studies import ANY, distinct, study_iri, theme_tree
from kgraph.web.words import BASES, KINDS, SEVERITIES, STATUSES, SUPPORT

pages = Blueprint("lists", __name__)

SIZE = 50  # rows of a page
Row = dict[str, Any]


class Pager:
    """Which page of `number` rows is asked for (`?page=`), and the links to the others."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.last = max(1, -(-number // SIZE))
        asked = request.args.get("page", "1")
        self.page = int(asked) if asked.isdecimal() and len(asked) < 9 else 0
        if not 1 <= self.page <= self.last:
            raise NotFound(f"This list has the pages 1 to {self.last}.")
        self.start = (self.page - 1) * SIZE

    def cut(self, rows: list[Row]) -> list[Row]:
        """The rows of the page."""
        return rows[self.start : self.start + SIZE]

    def link(self, page: int) -> str:
        """The address of another page of the same list."""
        arguments = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
        return f"{request.script_root}{request.path}?{urlencode([*arguments, ('page', page)])}"


def chosen(name: str, start: str) -> str:
    """The IRI that a filter of the address names by its local name (`?subject=hope`) or whole; empty for no filter."""
    value = request.args.get(name, "").strip()
    return checked(value if not value or ":" in value else start + value)


def chosen_path(name: str) -> str:
    """The IRI that a filter names by its path (`?theme=study/ID/theme/SLUG`) or whole; empty for no filter."""
    value = request.args.get(name, "").strip()
    return checked(value if not value or ":" in value else iri_of(value))


def checked(iri: str) -> str:
    """The IRI as it came, where it is one."""
    try:
        return to_iri(NamedNode(iri).value, "") if iri else iri
    except ValueError as error:
        raise BadRequest(f"“{iri}” is no IRI.") from error


def shown(filters: dict[str, str]) -> dict[str, str]:
    """Filters as a template wants them: empty where anything fits."""
    return {name: "" if value == ANY else value for name, value in filters.items()}


def study_filter(study: str | None = None) -> str:
    """The IRI of the study a list is limited to, by its path or by `?study=`; empty for all. Unknown ones are not found."""
    identifier = study or request.args.get("study", "").strip()
    if not identifier:
        return ""
    iri = checked(identifier) if ":" in identifier else study_iri(identifier)
    if iri not in view().labels:
        raise NotFound(f"There is no study “{identifier}”.")
    return iri


@pages.get("/assertions")
@pages.get("/study/<study>/assertions")
def assertions(study: str | None = None) -> str:
    """Assertions, filtered by `kind`, `subject`, `relation`, `object`, `concept` (in any part), `polarity`, and `study`.

    `drawn=yes` are those that the concept map draws: asserted findings, cited claims and interpretations that repeat no other.
    """
    filters = {
        "inStudy": study_filter(study) or ANY,
        "withSubject": chosen("subject", CONCEPT) or ANY,
        "withRelation": chosen("relation", KG_IRI) or ANY,
        "withObject": chosen("object", CONCEPT) or ANY,
        "aboutConcept": chosen("concept", CONCEPT) or ANY,
        "withPolarity": request.args.get("polarity", ""),
        "drawn": request.args.get("drawn", ""),
    }
    kind = chosen("kind", KG_IRI)
    if kind and kind.removeprefix(KG_IRI) not in KINDS:
        raise NotFound(f"There is no kind of assertion “{request.args['kind']}”.")
    limited = any(value not in (ANY, "") for name, value in filters.items() if name != "inStudy")
    fitting = once(ask("assertion-list", **filters), "assertion") if limited else every_assertion(filters["inStudy"])
    kinds = Counter(row["kind"] for row in fitting)
    rows = [row for row in fitting if not kind or row["kind"] == kind]
    pager = Pager(len(rows))
    cards: list[Row] = []
    if here := pager.cut(rows):
        bounds = {"first": here[0]["assertion"], "last": here[-1]["assertion"]}
        cards = once(ask("assertion-cards", **filters, **bounds, ofKind=kind or ANY), "assertion")
    return render_template(
        "assertions.html",
        filters=shown(filters),
        kind_iri=kind,
        cards=cards,
        kinds=kinds,
        pager=pager,
        study=shown(filters)["inStudy"],
    )


def every_assertion(study: str) -> list[Row]:
    """All assertions, of a study or of any: the usual list, for which the query with filters would be slow."""
    return [row for row in ask("assertion-kinds") if study in (ANY, row["study"])]


def once(rows: list[Row], key: str) -> list[Row]:
    """Rows, each thing once (several hedges or mediators make several rows of one thing)."""
    return list({row[key]: row for row in reversed(rows)}.values())[::-1]


@pages.get("/quotations")
@pages.get("/study/<study>/quotations")
def quotations(study: str | None = None) -> str:
    """Quotations, filtered by `concept`, `theme` and `participant` (paths such as study/ID/theme/SLUG) and `study`."""
    filters = {
        "inStudy": study_filter(study) or ANY,
        "inTheme": chosen_path("theme") or ANY,
        "byParticipant": chosen_path("participant") or ANY,
        "aboutConcept": chosen("concept", CONCEPT) or ANY,
    }
    rows = distinct(ask("quotation-list", **filters))
    pager = Pager(len(rows))
    twins = sum(1 for row in rows if row["twin"] and row["twin"] > row["quotation"])
    speakers = len({row["speaker"] for row in rows})
    return render_template(
        "quotations.html",
        filters=shown(filters),
        rows=pager.cut(rows),
        pager=pager,
        speakers=speakers,
        twins=twins,
        study=shown(filters)["inStudy"],
    )


@pages.get("/themes")
@pages.get("/study/<study>/themes")
def themes(study: str | None = None) -> str:
    """Themes, as trees."""
    iri = study_filter(study)
    return render_template("themes.html", themes=theme_tree(ask("theme-list", inStudy=iri)), study=iri)


@pages.get("/participants")
@pages.get("/study/<study>/participants")
def participants(study: str | None = None) -> str:
    """Participants, as a table."""
    iri = study_filter(study)
    rows = ask("participant-list", inStudy=iri)
    pager = Pager(len(rows))
    return render_template("participants.html", participants=pager.cut(rows), pager=pager, study=iri)


@pages.get("/references")
@pages.get("/study/<study>/references")
def references(study: str | None = None) -> str:
    """References, with how often each is used; `corrected=yes` shows those with something wrong in the printed entry."""
    iri = study_filter(study)
    rows = ask("reference-list", inStudy=iri)
    corrected = request.args.get("corrected") == "yes"
    if corrected:
        rows = [row for row in rows if row["corrections"]]
    pager = Pager(len(rows))
    return render_template("references.html", rows=pager.cut(rows), pager=pager, study=iri, corrected=corrected)


@pages.get("/citations")
@pages.get("/study/<study>/citations")
def citations(study: str | None = None) -> str:
    """Citation uses, filtered by `support`."""
    iri = study_filter(study)
    support = request.args.get("support", "")
    if support and support not in SUPPORT:
        raise NotFound(f"There is no such support; there are {', '.join(SUPPORT)}.")
    rows = ask("citation-list", inStudy=iri)
    supports = Counter(row["support"] for row in rows)
    rows = once([row for row in rows if not support or row["support"] == support], "use")
    pager = Pager(len(rows))
    return render_template("citations.html", rows=pager.cut(rows), pager=pager, study=iri, support=support, supports=supports)


@pages.get("/issues")
@pages.get("/study/<study>/issues")
def issues(study: str | None = None) -> str:
    """Data issues, filtered by `severity`."""
    iri = study_filter(study)
    severity = request.args.get("severity", "")
    if severity and severity not in SEVERITIES:
        raise NotFound(f"There is no such severity; there are {', '.join(SEVERITIES)}.")
    rows = ask("issue-list", inStudy=iri)
    severities = Counter(row["severity"] for row in rows)
    rows = [row for row in rows if not severity or row["severity"] == severity]
    pager = Pager(len(rows))
    return render_template("issues.html", rows=pager.cut(rows), pager=pager, study=iri, severity=severity, severities=severities)


@pages.get("/codings")
def codings() -> str:
    """Codings, filtered by `basis`, `status` and `concept`, with how many there are of each."""
    basis, status = request.args.get("basis", ""), request.args.get("status", "")
    if (basis and basis not in BASES) or (status and status not in STATUSES):
        raise NotFound(f"There is no such basis or status; there are {', '.join([*BASES, *STATUSES])}.")
    concept = chosen("concept", CONCEPT)
    wanted = {"basis": basis, "status": status, "body": concept}
    rows = [row for row in ask("coding-list") if all(row[name] == value for name, value in wanted.items() if value)]
    pager = Pager(len(rows))
    return render_template(
        "codings.html",
        rows=ask("coding-counts"),
        codings=pager.cut(rows),
        pager=pager,
        concept=concept,
        chosen_basis=basis,
        chosen_status=status,
    )


@pages.app_template_global()
def link_with(name: str, value: str) -> str:
    """The address of the same list with another value of a filter (none where it is empty), from its first page on."""
    arguments = [(key, kept) for key, kept in request.args.items(multi=True) if key not in (name, "page")]
    if value:
        arguments.append((name, value))
    path = request.script_root + request.path
    return f"{path}?{urlencode(arguments)}" if arguments else path
