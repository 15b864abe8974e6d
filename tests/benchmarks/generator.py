"""Makes synthetic works in the form that OpenAlex gives them: any number, the same for the same seed, one after another.

    python tests/benchmarks/generator.py 10000 works.jsonl.gz            lines of JSON, sorted by id, as a harvest keeps them
    python tests/benchmarks/generator.py 10000 --harvest WORKSPACE NAME  the same as a harvest of a workspace

The form is that of the present schema. Shares of null and missing values are those of the 173 records of that schema in
`tests/data/openalex/works.jsonl.gz` (`MEASURED`), to two digits. Those records are more cited and richer than most (363 triples
each), so the rest is set by hand for lean works as they come in thousands about one subject: abstracts for 65 in a hundred, of
80 to 250 words, that mention up to eight concepts of the ontology; 88 in a hundred in English and 6 in Chinese; one to four
keywords, one to three topics; two or three authors, seldom a hundred; about 20 references for seven in ten, a fifth of them to
other works of the set; years from 1990 on with ever more works.

Ids rise with the years, as they do where works are new. A work cites earlier ones, and one that is cited much is cited by
many within the set, never more often than its `cited_by_count` says. Nothing in it is true of any work, person or journal.
"""

import argparse
import gzip
import hashlib
import json
import sys
from array import array
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parent))

import generator_pools as pools
from generator_pools import LAST_YEAR, MEASURED, OPENALEX, Record, scrambled
from generator_texts import Texts, made_up_name, wheel

from kgraph.workmapping import map_work
from kgraph.works import LEDGER, WORKS, Ledger


class Synthetic:
    """Works of a set, to be made in their order. They share objects with each other: to be read, not changed."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self.random = number, Random(seed)  # noqa: S311
        self.draw, self.texts = self.random.random, Texts(self.random)
        self.pick: Callable[[Any], Any] = self.texts.pick
        self.topics, self.keywords = wheel(pools.make_topics(), 0.8), wheel(pools.make_keywords(), 0.8)
        self.institutions, self.sources = wheel(pools.make_institutions()), wheel(pools.make_sources())
        self.departments = [noun.capitalize() for noun in pools.words("noun")]
        self.gap = max(1, 2_000_000_000 // max(1, number))
        self.authors = 10  # how many there are so far
        self.citable = array("I")  # each work as often as others of the set may still cite it
        shares = list(accumulate(pools.GROWTH**year for year in range(LAST_YEAR - pools.FIRST_YEAR + 1)))
        self.ends = [number * share / shares[-1] for share in shares[:-1]]  # of the years, in places

    def lacks(self, what: str) -> bool:
        """Whether something is null or missing this time."""
        return self.draw() < MEASURED[what]

    def heavy(self, median: float, spread: float, most: int) -> int:
        """A whole number with a heavy tail."""
        return min(most, int(self.random.lognormvariate(0, spread) * median + 0.5))

    def name(self, place: int) -> str:
        """The id of a work of the set, by its place in it."""
        return f"{OPENALEX}W{2_000_000_000 + place * self.gap + scrambled(place, 3) % self.gap}"

    def scored(self, things: list[Record], number: int) -> list[Record]:
        """Some of the things, each once, the highest score first."""
        found = {thing["id"]: thing for thing in (self.pick(things) for _ in range(number))}
        scores = sorted((round(self.draw(), 4) for _ in found), reverse=True)
        return [{**thing, "score": score} for thing, score in zip(found.values(), scores, strict=True)]

    def work(self, place: int) -> Record:
        """The work at a place, which comes after all that were made before."""
        draw, lacks = self.draw, self.lacks
        year = pools.FIRST_YEAR + bisect(self.ends, place)
        cited = self.heavy(6, 1.3, 20_000) if year < LAST_YEAR else 0
        name, local = self.name(place), self.name(place)[21:]
        doi = None if lacks("doi") else f"https://doi.org/10.5555/{local.lower()}"
        pmid = None if lacks("pmid missing") else f"https://pubmed.ncbi.nlm.nih.gov/{scrambled(place, 4) % 40_000_000 + 1}"
        mag, kind, references = local[1:] if year < 2022 else None, self.pick(pools.TYPES), self.references(place)
        ids = {key: value for key, value in (("openalex", name), ("doi", doi), ("mag", mag), ("pmid", pmid)) if value}
        record: Record = {"id": name, "doi": doi, "ids": ids, "publication_year": year, "type": kind, "institutions": []}
        record["publication_date"] = f"{year}-{int(draw() * 12) + 1:02}-{int(draw() * 28) + 1:02}"
        record |= self.words() | self.places(local, doi, kind) | self.people() | self.subjects() | self.money()
        record |= self.impact(year, cited) | self.pages(place) | self.dates(place, year)
        record["indexed_in"] = [index for index, there in (("crossref", doi), ("pubmed", pmid)) if there]
        record |= {"is_retracted": draw() < 0.0005, "is_paratext": draw() < 0.005, "is_xpac": False}
        record |= {"referenced_works": references, "referenced_works_count": len(references)}
        record["related_works"] = [self.outside() for _ in range(int(draw() * 9) if draw() < 0.5 else 0)]
        record["has_content"] = {"grobid_xml": False, "pdf": False}
        for key, value in (
            ("has_fulltext", draw() < 0.3),
            ("content_urls", None),
            ("grants", []),
            ("relevance_score", draw() * 900),
        ):
            if not lacks(f"{key} missing"):
                record[key] = value
        self.citable.extend([place] * min(500, int(cited * 0.3 + draw())))
        return record

    def words(self) -> Record:
        """Title, abstract and their language."""
        language, mentions, length = self.pick(pools.LANGUAGES), self.pick(pools.MENTIONS), 80 + int(170 * self.draw() ** 1.5)
        title = self.texts.title(language, mentions)
        abstract = self.texts.abstract(language, mentions, length) if self.draw() < 0.65 else None
        told = None if self.lacks("language") else language
        return {"title": title, "display_name": title, "language": told, "abstract_inverted_index": abstract}

    def pages(self, place: int) -> Record:
        """The place in a volume."""
        page, volume, issue = (
            int(self.draw() * 900) + 1,
            str(place % 60 + 1),
            None if self.lacks("issue") else str(place % 12 + 1),
        )
        paged = {"volume": volume, "issue": issue, "first_page": str(page), "last_page": str(page + 9)}
        return {"biblio": dict.fromkeys(paged) if self.lacks("page") else paged}

    def dates(self, place: int, year: int) -> Record:
        """When the record was made and changed."""
        day = f"2026-{scrambled(place, 5) % 9 + 1:02}-{scrambled(place, 6) % 28 + 1:02}"
        changed = f"{day}T{place % 24:02}:{place % 60:02}:11.{place % 10**6:06}"
        return {"updated_date": changed, "created_date": f"{max(year, 2016)}-01-10T00:00:00"}

    def outside(self) -> str:
        """A work that is not in the set; some are cited more than others."""
        return f"{OPENALEX}W{1_000_000_000 + scrambled(int(self.draw() ** 3 * self.number * 12), 7) % 999_999_999}"

    def references(self, place: int) -> list[str]:
        """What a work cites: earlier works of the set, each as often as it may be, and others."""
        if self.draw() < 0.3:
            return []
        found = dict.fromkeys(self.outside() if self.draw() < 0.8 else self.cited() for _ in range(self.heavy(20, 0.8, 200)))
        return [name for name in found if name]

    def cited(self) -> str | None:
        """An earlier work of the set that may still be cited, which is then cited once more."""
        citable = self.citable
        if not citable:
            return None
        drawn = int(self.draw() * len(citable))
        place, citable[drawn] = citable[drawn], citable[-1]
        citable.pop()
        return self.name(place)

    def author(self) -> Record:
        """An author: a new one in three times, else one that has written before, the first ones most of all."""
        if self.lacks("author"):
            return {"id": None, "display_name": made_up_name(int(self.draw() * pools.PLACES)), "orcid": None}
        is_new = self.draw() < 1 / 3
        number = self.authors if is_new else int(self.draw() ** 2.5 * self.authors)
        self.authors += is_new
        drawn, digits = scrambled(number, 8), f"{scrambled(number, 9) % 10**8:08}"
        orcid = (
            None if drawn % 100 < MEASURED["orcid"] * 100 else f"https://orcid.org/0000-000{drawn % 4}-{digits[:4]}-{digits[4:]}"
        )
        name = f"{made_up_name(drawn % 500)} {made_up_name(drawn // 500)}"
        return {"id": f"{OPENALEX}A{5_000_000_000 + number}", "display_name": name, "orcid": orcid}

    def people(self) -> Record:
        """Authors with where they work; lists of OpenAlex stop at a hundred of them."""
        number = max(1, self.heavy(60, 1, 400) if self.draw() < 0.002 else self.heavy(2.2, 0.7, 60))
        number = 0 if self.lacks("authorships") else number
        usual = self.pick(self.institutions)
        authorships = [self.authorship(place, number, usual) for place in range(min(number, 100))]
        found: Record = {"authorships": authorships, "corresponding_author_ids": [], "corresponding_institution_ids": []}
        for first in authorships[:1]:
            found["corresponding_author_ids"] = [first["author"]["id"]] if first["author"]["id"] else []
            found["corresponding_institution_ids"] = [there["id"] for there in first["institutions"]]
        found["countries_distinct_count"] = len({country for one in authorships for country in one["countries"]})
        found["institutions_distinct_count"] = len({there["id"] for one in authorships for there in one["institutions"]})
        return found | ({"is_authors_truncated": True} if number > 100 else {})

    def authorship(self, place: int, number: int, usual: Record) -> Record:
        """The author at a place among so many, who mostly works where the others do."""
        author, position = self.author(), "first" if place == 0 else "last" if place == number - 1 else "middle"
        own = usual if self.draw() < 0.7 else self.pick(self.institutions)
        text = f"Department of {self.pick(self.departments)}, {own['display_name']}"
        there, texts = ([], []) if self.lacks("institution") else ([own], [text])
        named = {"author_position": position, "author": author, "is_corresponding": place == 0, "institutions": there}
        named |= {"raw_author_name": author["display_name"], "raw_affiliation_strings": texts}
        named["countries"] = [one["country_code"] for one in there if one["country_code"]]
        return named | {"affiliations": [{"raw_affiliation_string": text, "institution_ids": [own["id"]]} for text in texts]}

    def places(self, local: str, doi: str | None, kind: str) -> Record:
        """Where the work is found: at its publisher, and often in a repository."""
        draw, lacks = self.draw, self.lacks
        source = None if lacks("source") else self.pick(self.sources)
        is_open, licence = not lacks("best_oa_location"), None if lacks("license") else "cc-by"
        locations: list[Record] = []
        for place in range(1 if draw() < 0.7 else 2 if draw() < 0.85 else 3):
            address = doi if doi and not place else f"https://repository{place}.example.org/{local}"
            pdf = f"{address}.pdf" if is_open and draw() < 0.75 else None
            there = source if not place else self.pick(self.sources)
            found = {"id": f"doi:{doi[16:]}" if doi and not place else f"pmh:oai:{place}.example.org:{local}", "is_oa": is_open}
            found |= {"landing_page_url": address, "pdf_url": pdf, "source": there, "license": licence}
            found |= {"license_id": f"{OPENALEX}licenses/{licence}" if licence else None}
            version = None if lacks("version") else "publishedVersion" if not place else "submittedVersion"
            found |= {"version": version, "is_accepted": not place, "is_published": None if place and not version else not place}
            found["raw_source_name"] = there and there["display_name"]
            locations.append(found if lacks("raw_type missing") else found | {"raw_type": f"journal-{kind}"})
        best = locations[0] if is_open else None
        status = "closed" if not is_open else self.pick(("green", "bronze", "gold", "diamond", "hybrid"))
        anywhere = None if lacks("any_repository_has_fulltext") else len(locations) > 1
        access = {"is_oa": is_open, "oa_status": status, "any_repository_has_fulltext": anywhere}
        access["oa_url"] = best and best["landing_page_url"]
        counted = {"primary_location": locations[0], "locations": locations, "locations_count": len(locations)}
        return counted | {"best_oa_location": best, "open_access": access}

    def subjects(self) -> Record:
        """Topics, keywords, goals and, for a few, Medical Subject Headings."""
        topics = [] if self.lacks("primary_topic") else self.scored(self.topics, 1 + int(self.draw() * 3))
        primary = topics[0] if topics else None
        goal, name = self.pick(pools.GOALS)
        goals = {"id": f"https://metadata.un.org/sdg/{goal}", "display_name": name, "score": round(self.draw(), 2)}
        found = {"topics": topics, "primary_topic": primary, "keywords": self.scored(self.keywords, 1 + int(self.draw() * 4))}
        found |= {"concepts": [], "sustainable_development_goals": [] if self.lacks("goals") else [goals]}
        return found | {"mesh": [] if self.lacks("mesh") else [self.heading() for _ in range(8 + int(self.draw() * 8))]}

    def heading(self) -> Record:
        """A Medical Subject Heading."""
        number = int(self.draw() ** 2 * 300)
        qualifier = ("Q000523", "psychology") if number % 4 == 0 else (None, None)
        named = {"descriptor_ui": f"D{number + 900_000:06}", "descriptor_name": f"Heading {made_up_name(number)}"}
        return named | {"qualifier_ui": qualifier[0], "qualifier_name": qualifier[1], "is_major_topic": number % 5 == 0}

    def money(self) -> Record:
        """Funders, their awards, and what publishing costs."""
        funders: list[Record] = []
        awards: list[Record] = []
        for _ in range(0 if self.lacks("funders") else 1 + int(self.draw() * 2)):
            number = int(self.draw() ** 3 * 400)
            funder, name = f"{OPENALEX}F{4_320_000_000 + number}", f"{made_up_name(number)} Foundation"
            ror = f"https://ror.org/0{number:06}00" if number % 10 else None
            funders.append({"id": funder, "display_name": name, "ror": ror})
            if self.draw() < 0.6:
                award = {"id": f"{OPENALEX}G{int(self.draw() * 10**9)}", "display_name": None, "funder_award_id": f"KG-{number}"}
                awards.append({**award, "funder_id": funder, "funder_display_name": name})
        charge = {"value": 2000, "currency": "USD", "value_usd": 2000}
        charges = {key: None if self.lacks(key) else charge for key in ("apc_list", "apc_paid")}
        return {"funders": funders, "awards": awards, **charges}

    def impact(self, year: int, cited: int) -> Record:
        """How often the work is cited, as a whole, a year, and beside others."""
        left, counts = cited, []
        for one in range(LAST_YEAR, max(year, LAST_YEAR - 10), -1):
            there = int(left * self.draw() / 2)
            left -= there
            counts += [{"year": one, "cited_by_count": there}] if there else []
        share = cited / (cited + 6)
        top = {"is_in_top_1_percent": share > 0.98, "is_in_top_10_percent": share > 0.85}
        percentile = None if self.lacks("citation_normalized_percentile") else {"value": round(share, 8)} | top
        lowest = int(share * 100)
        between = None if self.lacks("cited_by_percentile_year") else {"min": lowest, "max": min(100, lowest + 2)}
        found = {"cited_by_count": cited, "counts_by_year": counts, "fwci": None if self.lacks("fwci") else round(cited / 6, 4)}
        return found | {"citation_normalized_percentile": percentile, "cited_by_percentile_year": between}


def generate(number: int, seed: int = 1) -> Iterator[Record]:
    """So many works, in the order of their ids: the same for the same number and seed. They share objects with each other, so
    they are to be read and not to be changed."""
    synthetic = Synthetic(number, seed)
    return (synthetic.work(place) for place in range(number))


def write(records: Iterable[Record], path: Path) -> tuple[int, str]:
    """Writes works as a harvest keeps them; how many, and the digest of their lines. The same works give the same bytes."""
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0) as stream:
        for record in records:
            line = orjson.dumps(record) + b"\n"
            stream.write(line)
            digest.update(line)
            count += 1
    return count, digest.hexdigest()


def write_harvest(records: Iterable[Record], workspace: Path, name: str) -> Path:
    """Writes works and a ledger as a harvest of a workspace; the folder."""
    folder = workspace / "works" / name
    folder.mkdir(parents=True, exist_ok=True)
    number, digest = write(records, folder / WORKS)
    day = f"{LAST_YEAR}-10-01T00:00:00+00:00"
    question = {"kind": "search", "about": ["synthetic"]}
    ledger = Ledger(name, question, "synthetic works", "synthetic", day, day, works=number, sha256=digest, new=number)
    (folder / LEDGER).write_text(json.dumps(asdict(ledger), indent=1) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    """Writes synthetic works and says how many triples they make."""
    parser = argparse.ArgumentParser(description="Makes synthetic works in the form that OpenAlex gives them.")
    parser.add_argument("number", type=int)
    parser.add_argument("file", type=Path, nargs="?", help="lines of JSON, packed: works.jsonl.gz")
    parser.add_argument("--harvest", nargs=2, metavar=("WORKSPACE", "NAME"), help="write a harvest of a workspace instead")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if (asked.file is None) == (asked.harvest is None):
        parser.error("name a file, or --harvest WORKSPACE NAME")
    records = generate(asked.number, asked.seed)
    if asked.harvest:
        write_harvest(records, Path(asked.harvest[0]), asked.harvest[1])
    else:
        write(records, asked.file)
    sample = [map_work(record).splitlines() for record in generate(min(asked.number, 1000), asked.seed)]
    triples, distinct = sum(map(len, sample)), len(set().union(*sample))
    print(
        f"{asked.number:,} synthetic works; of the first {len(sample):,}, a mean of {triples / max(1, len(sample)):.0f} triples"
    )
    print(f"each, or {distinct / max(1, len(sample)):.0f} where each is counted once (an author's name stands in every work)")


if __name__ == "__main__":
    main()
