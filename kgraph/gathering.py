"""How a question becomes pages: which are asked for, in which order, and what stays open.

The order depends on nothing but the question, the workspace and the answers, so that a gathering that is begun again finds in the
journal what it had, and goes on from there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, utils

from kgraph.errors import fail
from kgraph.journal import Journal, Pages
from kgraph.openalex import PAGE, Client, batches, work_id
from kgraph.openalexerrors import BadRequest, NotFound, ServerTrouble, UnknownForm
from kgraph.question import Question
from kgraph.selection import own_dois
from kgraph.study import Study
from kgraph.studyfile import load_study
from kgraph.validation import nearest
from kgraph.works import WORKS, Record, brief, harvest_names, read_works
from kgraph.workspace import Workspace
from kgraph.workterms import bare_doi

CEILING = 10_000  # works that are read without being told how many
ALIKE = 85  # of 100: from this likeness on (rapidfuzz's ratio) a title is offered for another


@dataclass(frozen=True)
class Progress:
    """How far a harvest is: works so far, how many are expected (None: not known yet), credits left for the day."""

    works: int
    expected: int | None
    left: int | None


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Estimate:
    """What a question will cost: works (`bound` says how sure: "about", "at most"), and requests and credits still to come.

    `paid` are the credits of this look; the pages it read are kept, and not paid for again. `then` says what is not known yet.
    """

    works: int
    bound: str
    requests: int
    credits: int
    paid: int = 0
    then: str = ""


@dataclass(frozen=True)
class _Seed:
    """A work to go on from: its id, how often it was cited when it was read, the ids of what it cites."""

    id: str
    cited: int
    references: tuple[str, ...]


class Gathering:
    """The works that come for a question, and what is to be told of it."""

    def __init__(self, workspace: Workspace, question: Question, client: Client, journal: Journal, watch: Watch) -> None:
        self.workspace, self.question, self.client, self.journal = workspace, question, client, journal
        self.pages = Pages(client, journal, lambda: watch(Progress(len(self.came), self.expected, client.left)))
        self.came: dict[str, None] = {}
        self.expected: int | None = None
        self.said: int | None = None
        self.beyond = 0
        self.missing: list[Record] = []
        self.unasked: list[Record] = []

    def run(self) -> None:
        """Gathers everything. Raises `KgraphError`; the pages that came until then are in the journal."""
        about = self.question.about
        if self.question.kind == "references":
            self._references(about[0])
        elif self.question.kind == "works":
            self._works(about)
        elif self.question.kind == "search":
            self._search(about[0])
        else:
            self._net()

    def estimate(self) -> Estimate:
        """What is still to come. Of a search the first page is read, of a net its middle: both are kept for the harvest."""
        about = self.question.about
        if self.question.kind == "references":
            listed = self._listed(about[0])
            asked = list(dict.fromkeys(doi for _, _, doi in listed if doi))
            return _of_values("doi", asked, f"For what is not found, up to {len(listed)} titles are looked up, free of charge")
        if self.question.kind == "works":
            dois, ids = (_of_values("doi", [text for text in about if bool(work_id(text)) == is_id]) for is_id in (False, True))
            return Estimate(len(about), "at most", dois.requests + ids.requests, dois.credits + ids.credits)
        if self.question.kind == "search":
            page = next(iter(self.pages.of_list(self._filters(), about[0])))
            works = min(page.count, self.question.at_most or page.count)
            pages = max(0, -(-works // PAGE) - 1)
            return Estimate(works, "about", pages, pages * page.credits, self.pages.paid)
        return self._estimate_net()

    # ---- questions

    def _references(self, study: str) -> None:
        listed = self._listed(study)
        asked = dict.fromkeys(doi for _, _, doi in listed if doi)
        self.expected = len(asked)
        missing = self._take_dois(asked)
        for number, title, doi in listed:
            if doi is None or doi in missing:
                self.missing.append({"reference": number, "doi": doi, "title": title})
        self._offer_near_matches()

    def _works(self, named: Sequence[str]) -> list[str]:
        """Takes works by DOI and id; gives the ids of those that came."""
        before = len(self.came)
        self.expected = before + len(named)
        ids = [text for text in named if work_id(text)]
        self.missing += [{"doi": doi} for doi in self._take_dois(text for text in named if text not in ids)]
        self._take_ids(ids)
        return list(self.came)[before:]

    def _search(self, text: str) -> None:
        for page in self.pages.of_list(self._filters(), text):
            if self.said is None:
                self._allow(page.count)
            self.said = page.count
            self.expected = min(page.count, self.question.at_most or page.count)
            if not self._take(page.ids):
                self.beyond = page.count - len(self.came)
                return

    def _net(self) -> None:
        seeds = self._middle()
        for _ in range(self.question.steps):
            before = len(self.came)
            if self.question.kind == "cited-by":
                self._cited_by(seeds)
            else:
                self._citing(seeds)
            seeds = _seeds(self.journal.works(list(self.came)[before:]))

    def _cited_by(self, seeds: Sequence[_Seed]) -> None:
        """Asks for the ids in the seeds' reference lists: no dearer than a list of them, and it shows which are gone."""
        ids, beyond = self._cited_ids(seeds)
        self._allow(len(self.came) + len(ids))
        self.expected = len(self.came) + len(ids)
        self.beyond += beyond
        self._take_ids(ids)

    def _citing(self, seeds: Sequence[_Seed]) -> None:
        cited = {seed.id: seed.cited for seed in seeds}
        rest = sum(cited.values())
        self._allow(len(self.came) + rest)
        self.expected = min(len(self.came) + rest, self.question.at_most or len(self.came) + rest)
        for batch in batches("cites", list(cited)):
            rest -= sum(cited[one] for one in batch)
            got = 0
            for page in self.pages.of_list([f"cites:{'|'.join(batch)}", *self._filters()]):
                got += len(page.ids)
                if not self._take(page.ids):
                    self.beyond += page.count - got + rest
                    return

    def _estimate_net(self) -> Estimate:
        seeds = self._middle()
        steps = f"What step 2 brings is known when step 1 is read; at most {self.question.at_most or CEILING:,} works in all"
        then = steps if self.question.steps > 1 else ""
        if self.question.kind == "cited-by":
            found = _of_values("openalex", self._cited_ids(seeds)[0], then)
            return Estimate(found.works + len(self.came), "at most", found.requests, found.credits, self.pages.paid, then)
        cited = {seed.id: seed.cited for seed in seeds}
        pages = sum(max(1, -(-sum(cited[one] for one in batch) // PAGE)) for batch in batches("cites", list(cited)))
        works = sum(cited.values()) + len(self.came)
        if self.question.at_most is not None and works > self.question.at_most:
            works = self.question.at_most
            pages = min(pages, -(-works // PAGE) + 1)
        return Estimate(works, "at most", pages, pages, self.pages.paid, then)

    # ---- what they are made of

    def _take(self, ids: Iterable[str]) -> bool:
        """Takes works, as far as there is room; False where there is no more."""
        for one in ids:
            if one in self.came:
                continue
            if self.question.at_most is not None and len(self.came) >= self.question.at_most:
                return False
            self.came[one] = None
        return self.question.at_most is None or len(self.came) < self.question.at_most

    def _take_ids(self, ids: Sequence[str]) -> None:
        for page in self.pages.of_values("openalex", ids):
            self._take(page.ids)
        self.missing += [{"id": one} for one in ids if one not in self.came]

    def _take_dois(self, dois: Iterable[str]) -> list[str]:
        """Takes the works that have one of these DOIs; gives the DOIs that none has."""
        found = dict.fromkeys(dois, False)
        for page in self.pages.of_values("doi", list(found)):
            for record in self.journal.works(page.ids):
                if own := own_dois(record) & found.keys():
                    found.update(dict.fromkeys(own, True))
                    self._take([work_id(record["id"]) or ""])
                else:
                    self.unasked.append(brief(record))
        return [doi for doi, is_there in found.items() if not is_there]

    def _offer_near_matches(self) -> None:
        """Adds to what is missing the works whose title is much like it; none of them is taken."""
        for entry in self.missing:
            try:
                titles = self.pages.of_titles(entry["title"]).titles
            except (BadRequest, NotFound, ServerTrouble, UnknownForm) as error:
                self.pages.notes.append(f"Near matches by title could not be looked up: {error.problems[0].found}")
                return
            alike = [(fuzz.ratio(entry["title"], one["title"], processor=utils.default_process), one) for one in titles]
            near = [one | {"likeness": round(score)} for score, one in alike if score >= ALIKE]
            if near:
                entry["near"] = sorted(near, key=lambda one: (-one["likeness"], one["id"]))[:3]

    def _allow(self, works: int) -> None:
        """Stops before more is spent than anyone meant to."""
        if self.question.at_most is None and works > CEILING:
            remedy = "Narrow the question, or say how many you want: --at-most N. What has come is kept and not paid for again"
            raise fail(f"this reaches {works:,} works, at about one credit for {PAGE} (ten in a search)", remedy)

    def _filters(self) -> list[str]:
        since = [f"from_publication_date:{self.question.since}-01-01"] if self.question.since else []
        return [*self.question.filters, *since]

    def _cited_ids(self, seeds: Sequence[_Seed]) -> tuple[list[str], int]:
        """The ids in the reference lists that are not there yet, as far as there is room; and how many more there are."""
        ids = [one for one in dict.fromkeys(one for seed in seeds for one in seed.references) if one not in self.came]
        room = len(ids) if self.question.at_most is None else max(0, self.question.at_most - len(self.came))
        return ids[:room], max(0, len(ids) - room)

    def _middle(self) -> list[_Seed]:
        """The works to start from. What is named by DOI or id is part of the harvest; what another harvest holds is not."""
        studies, harvests = {path.stem for path in self.workspace.study_files()}, set(harvest_names(self.workspace))
        named: list[str] = []
        held: list[_Seed] = []
        for text in self.question.about:
            if work_id(text) or bare_doi(text):
                named.append(text)
            elif text in studies & harvests:
                raise fail(f"{text!r} is a study and a harvest", "Name the study by its DOI")
            elif text in studies:
                doi = self._study(text).report.doi
                if not doi:
                    raise fail(f"the study {text!r} gives no DOI of its own", "Add it under report, or name an OpenAlex id")
                named.append(doi)
            elif text in harvests:
                held += _seeds(read_works(self.workspace.folder / "works" / text / WORKS))
            else:
                known = sorted(studies | harvests)
                few = f"There are: {', '.join(known)}" if known else "Name a DOI or an OpenAlex id"
                raise fail(f"there is no study and no harvest {text!r}", nearest(text, known) or few)
        found = _seeds(self.journal.works(self._works(named)))
        return list({seed.id: seed for seed in [*held, *found]}.values())

    def _listed(self, study: str) -> list[tuple[int, str, str | None]]:
        """Number, title and DOI of the references of a study."""
        return [(one.number, one.work.title, one.work.doi) for one in self._study(study).references]

    def _study(self, name: str) -> Study:
        files = {path.stem: path for path in self.workspace.study_files()}
        if name not in files:
            few = f"There are: {', '.join(files)}" if files else "Begin one: kgraph study new ID"
            raise fail(f"there is no study {name!r}", nearest(name, files) or few)
        return load_study(files[name]).study


def _of_values(name: str, values: Sequence[str], then: str = "") -> Estimate:
    cut = list(batches(name, values))
    return Estimate(len(values), "at most", len(cut), sum(len(batch) > 1 for batch in cut), then=then)


def _seeds(records: Iterable[Record]) -> list[_Seed]:
    found = []
    for record in records:
        ids = (work_id(str(text)) for text in record.get("referenced_works") or ())
        cited = record.get("cited_by_count")
        found.append(_Seed(work_id(record["id"]) or "", cited if isinstance(cited, int) else 0, tuple(one for one in ids if one)))
    return found
