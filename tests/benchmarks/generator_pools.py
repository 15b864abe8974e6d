"""What synthetic works are about, by whom and where they stand: pools to draw from, each the same on every run."""

from typing import Any

from generator_texts import WORDS, concept_labels, made_up_name, wheel

Record = dict[str, Any]
OPENALEX = "https://openalex.org/"
FIRST_YEAR, LAST_YEAR, GROWTH = 1990, 2026, 1.06
MEASURED = {  # shares of null (or, where it says so, missing) among the real records of the present schema
    "doi": 0.24, "language": 0.006, "apc_list": 0.72, "apc_paid": 0.96, "best_oa_location": 0.61, "issue": 0.49, "page": 0.36,
    "fwci": 0.09, "citation_normalized_percentile": 0.12, "cited_by_percentile_year": 0.17, "source": 0.21, "version": 0.08,
    "license": 0.89, "pdf_url": 0.71, "primary_topic": 0.02, "author": 0.04, "orcid": 0.47, "authorships": 0.02, "funders": 0.8,
    "country_code": 0.01, "institution": 0.43, "any_repository_has_fulltext": 0.012, "goals": 0.31,
    "mesh": 0.88, "pmid missing": 0.87, "has_fulltext missing": 0.25, "content_urls missing": 0.25, "grants missing": 0.75,
    "relevance_score missing": 0.28, "raw_type missing": 0.26,
}  # fmt: skip
KINDS = ("article", "review", "preprint", "book-chapter", "dissertation", "book", "report", "editorial", "letter", "dataset")
TYPES = wheel(KINDS, 2.2)
COUNTRIES = "US GB CN AU CA DE NL ES IT BR IN IE SE NO JP FR CH NZ ZA HK TW KR DK BE FI PT PL TR KE UG"
LANGUAGES = ("en",) * 88 + ("zh",) * 6 + ("es", "es", "de", "de", "fr", "pt")
MENTIONS = wheel((1, 2, 0, 3, 4, 5, 6, 7, 8), 0.8)  # of concepts in a work
SUBFIELDS = (  # as they stand in OpenAlex, with their field and domain
    ((2738, "Psychiatry and Mental health"), (27, "Medicine"), (4, "Health Sciences")),
    ((3203, "Clinical Psychology"), (32, "Psychology"), (2, "Social Sciences")),
    ((2739, "Public Health, Environmental and Occupational Health"), (27, "Medicine"), (4, "Health Sciences")),
    ((3207, "Social Psychology"), (32, "Psychology"), (2, "Social Sciences")),
    ((3306, "Health"), (33, "Social Sciences"), (2, "Social Sciences")),
    ((3312, "Sociology and Political Science"), (33, "Social Sciences"), (2, "Social Sciences")),
    ((3600, "General Health Professions"), (36, "Health Professions"), (4, "Health Sciences")),
    ((3304, "Education"), (33, "Social Sciences"), (2, "Social Sciences")),
    ((2805, "Cognitive Neuroscience"), (28, "Neuroscience"), (1, "Life Sciences")),
    ((1702, "Artificial Intelligence"), (17, "Computer Science"), (3, "Physical Sciences")),
)
GOALS = ((3, "Good health and well-being"), (4, "Quality Education"), (10, "Reduced inequalities"), (8, "Decent work"))
PLACES = 2**32


def scrambled(number: int, salt: int = 0) -> int:
    """A number below 2**32 that looks drawn, always the same for the same number (the finaliser of MurmurHash3)."""
    number = (number + salt * 0x9E3779B9) % PLACES
    number = (number ^ number >> 16) * 0x85EBCA6B % PLACES
    number = (number ^ number >> 13) * 0xC2B2AE35 % PLACES
    return number ^ number >> 16


def words(kind: str) -> list[str]:
    """The words of a kind."""
    return WORDS[kind].split()


def make_topics() -> list[Record]:
    """Some hundreds of topics, in the hierarchy that real ones have."""

    def named(kind: str, pair: tuple[int, str]) -> Record:
        return {"id": f"{OPENALEX}{kind}/{pair[0]}", "display_name": pair[1]}

    topics = []
    for number in range(300):
        adjective, noun, other = words("adjective")[number % 15], words("noun")[number // 15], words("noun")[-1 - number % 20]
        levels = zip(("subfield", "field", "domain"), SUBFIELDS[number % len(SUBFIELDS)], strict=True)
        above = {level: named(f"{level}s", pair) for level, pair in levels}
        topics.append(
            {"id": f"{OPENALEX}T{10001 + number}", "display_name": f"{adjective.capitalize()} {noun} and {other}"} | above
        )
    return topics


def make_keywords() -> list[Record]:
    """Keywords: labels of concepts."""
    names = [labels[0] for labels in concept_labels("en")]
    slugs = ["".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()) for name in names]
    return [{"id": f"{OPENALEX}keywords/{slug}", "display_name": name} for slug, name in zip(slugs, names, strict=True)]


def make_institutions() -> list[Record]:
    """Institutions with their countries; one in ten is part of another."""
    kinds = (("education", "University of {}"), ("healthcare", "{} Hospital"), ("nonprofit", "{} Institute"))
    countries = wheel(COUNTRIES.split())
    made: list[Record] = []
    for number in range(1500):
        kind, name = kinds[number % 5 % 3]
        drawn, own = scrambled(number, 1), f"{OPENALEX}I{number + 100_001}"
        lineage = [own] if number % 10 else [own, f"{OPENALEX}I{drawn % 1500 + 100_001}"]
        country = None if drawn % 1000 < MEASURED["country_code"] * 1000 else countries[drawn % len(countries)]
        ror = f"https://ror.org/0{drawn % 16**6:06x}{number % 100:02}"
        named = {"id": own, "display_name": name.format(made_up_name(drawn)), "ror": ror}
        made.append({**named, "country_code": country, "type": kind, "lineage": lineage})
    return made


def make_sources() -> list[Record]:
    """Sources: mostly journals, some repositories, each with its host."""
    made: list[Record] = []
    for number in range(1200):
        is_repository, drawn = number % 12 == 5, scrambled(number, 2)
        host = f"{OPENALEX}I{number % 300 + 100_001}" if is_repository else f"{OPENALEX}P{number**2 % 97 + 4_310_000_000}"
        issn = [f"{number:04}-{drawn % 10_000:04}", f"{number:04}-{drawn % 9_999:04}"][: 1 + number % 2]
        about = f"{words('adjective')[drawn % 20].capitalize()} {words('noun')[drawn // 20 % 50].capitalize()}"
        source = {"id": f"{OPENALEX}S{number + 1_000_001}", "type": "repository" if is_repository else "journal"}
        source["display_name"] = f"{about} Repository" if is_repository else f"Journal of {about}"
        hosted = {"host_organization": host, "host_organization_lineage": [host], "host_organization_lineage_names": []}
        hosted["host_organization_name"] = f"{made_up_name(int(host[22:]))} Press"
        listed = {
            "issn_l": None if is_repository else issn[0],
            "issn": None if is_repository else issn,
            "is_core": number % 2 == 0,
        }
        made.append({**source, **hosted, **listed, "is_oa": number % 3 == 0, "is_in_doaj": number % 5 == 0})
    return made
