"""A study file as a person would read it."""

import textwrap
from collections.abc import Iterable, Iterator

from kgraph.counts import all_issues
from kgraph.study import Anchored, Assertion, Coding, Quotation, Study, Theme
from kgraph.studyfile import LoadedStudy
from kgraph.studylinks import is_restricted
from kgraph.vocabulary import Vocabulary

RELATIONS = {
    "manifestsAs": "manifests as",
    "relatesTo": "relates to",
}
WORDINGS = {"paraphrased": "our wording", "unchecked": "wording not checked"}
KINDS = {
    "Finding": "Findings",
    "Interpretation": "Interpretations",
    "CitedClaim": "Claims cited from others",
    "Background": "Background",
    "Aim": "Aims",
    "Recommendation": "Recommendations",
    "Limitation": "Limitations",
}
DESIGN = (
    ("Method", "uses_method"),
    ("Setting", "in_setting"),
    ("Culture", "in_culture"),
    ("Population", "of_population"),
    ("Condition", "of_condition"),
)


def read_out(loaded: LoadedStudy, vocabulary: Vocabulary, width: int = 100) -> Iterator[str]:
    """The lines of a study, wrapped to `width`: report, design, people, themes with quotations, statements, gaps.

    Concepts are given by their English names; what is not verbatim is never in quotation marks.
    """
    for text, indent in _Reading(loaded, vocabulary).parts():
        if not text:
            yield ""
            continue
        margin = "  " * indent
        yield from textwrap.wrap(
            text, max(width, 40), initial_indent=margin, subsequent_indent=margin + "  ", break_on_hyphens=False
        )


class _Reading:
    def __init__(self, loaded: LoadedStudy, vocabulary: Vocabulary) -> None:
        self.loaded, self.study, self.vocabulary = loaded, loaded.study, vocabulary

    def parts(self) -> Iterator[tuple[str, int]]:
        study = self.study
        yield study.label.en, 0
        yield study.label.zh_hans, 0
        yield self.citation(study), 1
        yield self.known(), 1
        yield from self.design()
        yield from self.themes()
        for kind, heading in KINDS.items():
            chosen = [assertion for assertion in study.assertions if assertion.kind == kind]
            if chosen:
                yield from self.heading(f"{heading} ({len(chosen)})")
                for assertion in chosen:
                    yield from self.assertion(assertion)
        issues = all_issues(study)
        if issues:
            yield from self.heading(f"What does not fit, is uncertain, or was checked ({len(issues)})")
            for issue in issues:
                yield f"{issue.id} ({issue.severity}): {issue.statement.en}", 1
        if study.missing:
            yield from self.heading("What is not known")
            for gap in study.missing:
                yield f"{gap.field} ({gap.missing_because.replace('-', ' ')}): {gap.statement.en}", 1

    def heading(self, text: str) -> Iterator[tuple[str, int]]:
        yield "", 0
        yield text, 0

    def citation(self, study: Study) -> str:
        work = study.report
        journal = " ".join(part for part in (work.publication_name, work.volume) if part)
        pages = f"{journal}: {work.page_range}" if journal and work.page_range else journal
        parts = ["; ".join(work.authors), str(work.year or ""), work.title.rstrip("."), pages]
        told = ". ".join(part.rstrip(".") for part in parts if part)
        return f"{told}. https://doi.org/{work.doi}" if work.doi else f"{told}."

    def known(self) -> str:
        if self.loaded.text is not None:
            return "The text is at hand: every quotation and sentence was compared with it, letter by letter."
        if self.study.source is not None:
            return "The text is not at hand; hashes of its passages are kept."
        return f"Known from: {self.study.secondary or 'see each statement'}. No sentence of the paper was at hand."

    def design(self) -> Iterator[tuple[str, int]]:
        study, design = self.study, self.study.design
        yield from self.heading("Design")
        for heading, name in DESIGN:
            if slugs := getattr(design, name):
                yield f"{heading}: {self.names(slugs)}", 1
        if design.spatial:
            yield f"Place: {', '.join(f'{place.label.en} ({place.country_code})' for place in design.spatial)}", 1
        for site in study.sites:
            yield f"Site: {site.label.en}{f', offering {self.names(site.offers)}' if site.offers else ''}", 1
        if design.temporal_coverage:
            yield f"When: {design.temporal_coverage}", 1
        if design.sample_size is not None:
            yield f"Participants: {design.sample_size}", 1
        for group in study.groups:
            numbers = [f"{group.female} women" if group.female else "", f"{group.male} men" if group.male else ""]
            ages = f"aged {group.age_from} to {group.age_to}" if group.age_from and group.age_to else ""
            size = f"{group.size} " if group.size is not None else ""
            yield ", ".join(part for part in (f"Group: {size}{group.label.en}", *numbers, ages) if part), 1
        for person in study.participants:
            secret = " (restricted)" if person.access == "restricted" else ""
            yield f"{person.id}{secret}: {person.gender}, {self.names(person.conditions)}", 2
        for material in study.materials:
            count = f"{material.item_count:,} " if material.item_count is not None else ""
            yield f"Analysed: {count}{material.label.en}", 1

        agents = {agent.id: agent.name for agent in study.agents}
        for funding in design.funding:
            yield f"Funder: {agents.get(funding.funder, funding.funder)} {funding.grant_number or ''}".rstrip(), 1
        if design.funding_note is not None:
            yield f"Funding: {design.funding_note.en}", 1
        for step in sorted(study.steps, key=lambda step: step.order):
            yield f"{step.order}. {step.statement.en}", 2

    def themes(self) -> Iterator[tuple[str, int]]:
        if not self.study.themes:
            return
        yield from self.heading(f"Themes ({len(self.study.themes)})")
        yield from self.below(None, 1)

    def below(self, above: str | None, depth: int) -> Iterator[tuple[str, int]]:
        """The themes under a theme, each with its quotations and then the themes under it."""
        for theme in sorted((t for t in self.study.themes if t.sub_theme_of == above), key=lambda theme: theme.order):
            yield f"{self.theme_name(theme)}{self.coded(theme.codings)}", depth
            if theme.statement is not None:
                yield theme.statement.en, depth + 1
            for coding in theme.codings:
                if coding.theme:
                    yield f"its place under {coding.theme} is doubtful ({coding.confidence:.0%}): {coding.reason}", depth + 1
            for quotation in self.study.quotations:
                if quotation.illustrates == theme.id:
                    yield self.words(quotation), depth + 1
            yield from self.below(theme.id, depth + 1)

    def theme_name(self, theme: Theme) -> str:
        notes = [theme.level_printed or "", WORDINGS.get(theme.wording, "")]
        told = ", ".join(note for note in notes if note)
        return f"{theme.number or '-'} {theme.label.en}{f' ({told})' if told else ''}"

    def words(self, quotation: Quotation) -> str:
        text, spans = self.loaded.text, self.loaded.spans.get(quotation.id, [])
        exact = [text.exact(span) if text and span else words for words, span in zip(quotation.exact, spans, strict=False)]
        secret = ", restricted" if is_restricted(quotation, self.study) else ""
        return (
            f"“{' '.join(' '.join(exact).split())}” {quotation.spoken_by} ({quotation.id}{secret}){self.coded(quotation.codings)}"
        )

    def coded(self, codings: Iterable[Coding]) -> str:
        told = [
            f"{self.names([coding.concept])}{'' if coding.coding_status == 'accepted' else f' ({coding.coding_status})'}"
            for coding in codings
            if coding.concept
        ]
        return f" [{'; '.join(told)}]" if told else ""

    def assertion(self, assertion: Assertion) -> Iterator[tuple[str, int]]:
        yield f"{assertion.id} {assertion.statement.en}", 1
        relation = RELATIONS.get(assertion.relation, assertion.relation)
        link = f"{self.names([assertion.subject])} {relation} {self.names([assertion.object])}"
        notes = [
            link if assertion.polarity == "asserted" else f"denied: {link}",
            f"by way of {self.names([assertion.via])}" if assertion.via else "",
            f"for {self.names(assertion.scope)}" if assertion.scope else "",
            f"in the paper’s words “{assertion.hedge}”" if assertion.hedge else "",
            "put with caution, in words not seen" if assertion.hedged else "",
            f"“{assertion.quantifier}”" if assertion.quantifier else "",
            f"resting on {', '.join(assertion.rests_on)}" if assertion.rests_on else "",
            f"citing {', '.join(str(use.reference) for use in assertion.cites)}" if assertion.cites else "",
            f"restates {assertion.restates}" if assertion.restates else "",
            self.ground(assertion),
        ]
        yield "; ".join(note for note in notes if note), 2

    def ground(self, thing: Anchored) -> str:
        if thing.passages:
            return f"passage {', '.join(thing.passages)}"
        return f"known from {thing.secondary}" if thing.secondary else ""

    def names(self, slugs: Iterable[str]) -> str:
        return ", ".join(self.vocabulary.names.get(slug, slug) for slug in slugs)
