"""What pages of other things show of harvested papers: which of them name a concept, and when they came out."""

from dataclasses import dataclass, field

from kgraph.web.published import view
from kgraph.worklist import FacetValue, Found, Wanted

GAP, HEIGHT, FOOT, TOP = (
    0.2,
    150,
    22,
    20,
)  # of a chart: the share of a bar's place that is left free, and heights, in its own units
LABEL = 17.0  # half of a year as it is written
WIDTH = 520.0
MOST_YEARS = 60
TOGETHER, OTHERS, HITS = 10, 8, 5


@dataclass
class Bar:
    """A bar of a chart: year, number, where it stands, and where its year is written, if it is."""

    year: int
    works: int
    x: float
    y: float
    width: float
    height: float
    named: bool

    @property
    def label_x(self) -> float:
        """The middle of the year, which may not stick out."""
        return round(min(max(self.x + self.width / 2, LABEL), WIDTH - LABEL), 1)


@dataclass
class Chart:
    """Papers by year, as bars; `earlier` counts those before the first bar, which is at most `MOST_YEARS` before the last."""

    bars: list[Bar] = field(default_factory=list)
    earlier: int = 0
    top: int = 0
    width: float = WIDTH
    height: float = TOP + HEIGHT + FOOT
    base: float = TOP + HEIGHT


def draw_years(values: list[FacetValue]) -> Chart:
    """A chart of how many works each year has; years without any have a place too."""
    counted = {int(one.key): one.works for one in values if one.key.isdecimal()}
    if not counted:
        return Chart()
    last = max(counted)
    first = min(year for year in counted if year > last - MOST_YEARS)
    shown = range(first, last + 1)
    top = max(counted.get(year, 0) for year in shown)
    step = WIDTH / max(len(shown), 12)
    every = next(size for size in (1, 2, 5, 10, 20) if size * step >= 40)
    bars = []
    for place, year in enumerate(shown):
        number = counted.get(year, 0)
        height = round(HEIGHT * number / top, 1)
        named = year % every == 0
        bars.append(Bar(year, number, round(place * step, 1), TOP + HEIGHT - height, round(step * (1 - GAP), 1), height, named))
    return Chart(bars, sum(works for year, works in counted.items() if year < first), top)


@dataclass
class InPapers:
    """Papers that name a concept or a narrower one: how many, when, with which other concepts, by whom, where."""

    works: int
    years: list[FacetValue]
    chart: Chart
    together: list[FacetValue]
    authors: list[FacetValue]
    sources: list[FacetValue]


def in_papers(slug: str) -> InPapers | None:
    """What papers say of a concept, counted when the index was built; None where nothing was harvested."""
    index = view().works
    if not index.exists:
        return None
    found = index.named("concept", slug)
    if found is None:
        return InPapers(0, [], Chart(), [], [], [])
    years = sorted(index.counted(slug, "year", 10_000), key=lambda one: one.key)
    return InPapers(
        found.works,
        years,
        draw_years(years),
        index.counted(slug, "named", TOGETHER),
        index.counted(slug, "author", OTHERS),
        index.counted(slug, "source", OTHERS),
    )


def matching(text: str) -> Found:
    """The papers that fit best what somebody searches for."""
    return view().works.find(Wanted(text), limit=HITS)
