"""Numbers of a study file that do not add up: the study is kept as it is, and each is told as a data issue."""

from collections.abc import Iterator

from kgraph.study import DataIssue, ParticipantGroup, Study, Text

PARTS = {  # what is compared with the number of participants or of people in a group, in both languages
    "groups": ("people in all groups", "各组人数之和"),
    "participants": ("people listed", "所列人数"),
    "gender": ("women and men together", "男女人数之和"),
    "members": ("members listed", "所列成员人数"),
    "parts": ("people in its parts", "其下各组人数之和"),
}


def count_issues(study: Study) -> list[DataIssue]:
    """The data issues that follow from a study's own numbers: sample size, groups, women and men, participants listed.

    Where people are restricted nobody is counted one by one, so that no number tells of them. The ids begin with `count-`;
    an issue that the file itself holds under that id takes the place of the one made here.
    """
    written = {issue.id for issue in study.issues}
    return [issue for issue in _found(study) if issue.id not in written]


def all_issues(study: Study) -> list[DataIssue]:
    """The data issues of a study: those that its file holds, and those that follow from its numbers."""
    return [*study.issues, *count_issues(study)]


def _found(study: Study) -> Iterator[DataIssue]:
    size = study.design.sample_size
    people = [] if any(person.access == "restricted" for person in study.participants) else study.participants
    if size is not None:
        counted = [group.size for group in study.groups if group.part_of is None]
        if _differ(size, counted):
            yield _issue("groups", None, size, _sum(counted))
        if people and not study.groups and len(people) != size:
            yield _issue("participants", None, size, len(people))
    for group in study.groups:
        if group.size is None:
            continue
        genders, parts = [group.female, group.male], [other.size for other in study.groups if other.part_of == group.id]
        if _differ(group.size, genders):
            yield _issue("gender", group, group.size, _sum(genders))
        if _sum(parts) > group.size:
            yield _issue("parts", group, group.size, _sum(parts))
        if (members := sum(person.member_of == group.id for person in people)) > group.size:
            yield _issue("members", group, group.size, members)


def _sum(numbers: list[int | None]) -> int:
    return sum(number or 0 for number in numbers)


def _differ(whole: int, parts: list[int | None]) -> bool:
    """Whether parts cannot make up the whole; an unknown part may be any number."""
    return bool(parts) and (_sum(parts) > whole or (None not in parts and _sum(parts) < whole))


def _issue(part: str, group: ParticipantGroup | None, printed: int, derived: int) -> DataIssue:
    english, chinese = PARTS[part]
    return DataIssue(
        id=f"count-{group.id}-{part}" if group else f"count-{part}",
        issue_kind="internal-inconsistency",
        severity="minor",
        about=[group.id] if group else [],
        printed=str(printed),
        derived=str(derived),
        secondary="counted by kgraph in the study file",
        statement=_text(
            f"Numbers do not add up: {'people in the group' if group else 'participants'} {printed}, {english} {derived}.",
            f"数目不符：{'该组人数' if group else '参与者人数'}为{printed}，{chinese}为{derived}。",
        ),
        resolution=_text("Both numbers are kept as they stand.", "两个数目均按原样保留。"),
    )


def _text(english: str, chinese: str) -> Text:
    return Text.model_validate({"en": english, "zh-Hans": chinese})
