"""Papers for tests of pages: made-up ones that studies of the example rest on, odd ones, and some real ones for numbers."""

from typing import Any

from harvests import abstract, made_up_records, put_harvest, real_records, record
from kgraph.workspace import Workspace

RETRACTED = "W9999000001"  # reference 2 of the first study
ABSTRACT = "W9999000002"  # reference 16; its abstract denies stigma
CHINESE, MARKUP, FORMULA, REPORT, CROWD = "W8800000001", "W8800000002", "W8800000003", "W8800000004", "W8800000005"
REPORTED = "10.1186/s13033-020-00370-x"  # of the study strand2020-reconnect
AUTHOR = {"id": "https://openalex.org/A8800000001", "display_name": "Made-up Lin"}


def put_papers(workspace: Workspace) -> None:
    """Puts two harvests into a copy of the example."""
    made_up = made_up_records()
    made_up[0] |= {"is_retracted": True}
    missing = [{"doi": "10.1000/nowhere", "title": None}, {"doi": None, "title": "A book without a DOI"}]
    put_harvest(workspace, "fan-2024-references", [*made_up, *odd_records()], missing=missing, says="what fan-2024 cites")
    put_harvest(workspace, "real", [*real_records()[:60], made_up[1]])


def odd_records() -> list[dict[str, Any]]:
    """Made-up records with a Chinese text, with markup in title and abstract, with a title that is a formula, one that is the
    retracted report of a study, and one with a crowd of authors."""
    crowd = [
        {"author": {"id": f"https://openalex.org/A77{number:06}", "display_name": f"Author {number}"}} for number in range(40)
    ]
    return [
        record(
            int(CHINESE[1:]), title="社区同伴支持研究", language="zh", publication_year=2020, type="article",
            abstract_inverted_index=abstract("同伴支持能减轻病耻感。"), authorships=[{"author": AUTHOR, "countries": ["CN"]}],
        ),
        record(
            int(MARKUP[1:]), title="Hope <i>and</i> <script>alert(1)</script>", publication_year=2020, type="<b>",
            abstract_inverted_index=abstract("<jats:p>Peer support & hope, without loneliness.</jats:p>"),
            primary_location={"source": {"id": "https://openalex.org/S8800000001", "display_name": "<b>Journal</b>"}},
        ),
        record(int(FORMULA[1:]), title="=HYPERLINK(1)", publication_year=2019, cited_by_count=7),
        record(
            int(REPORT[1:]), title="A made-up report", doi=f"https://doi.org/{REPORTED}",
            is_retracted=True, publication_year=2020,
        ),
        record(
            int(CROWD[1:]), title="Peer support by a crowd", authorships=crowd, publication_year=1890,
            referenced_works=[f"https://openalex.org/{RETRACTED}", "https://openalex.org/W123"], referenced_works_count=2,
        ),
    ]  # fmt: skip
