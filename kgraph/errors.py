"""What went wrong, where, and what to do about it.

A `Problem` is one finding about one place in one file; a `KgraphError` carries one or more of them.
The command line prints them and exits with 1; the web application turns them into an HTTP answer.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One finding.

    `found` says what stands there, `remedy` what to do; `file`, `line` (1-based) and `field` say where, as far as
    that is known. `severity` is `error` (the build stops), `warning` (it is reported and the build goes on) or `note`
    (a gap: nothing is wrong, something is not there yet; `found` names it).
    """

    found: str
    remedy: str = ""
    file: str = ""
    line: int | None = None
    field: str = ""
    severity: str = "error"
    check: str = ""

    def __str__(self) -> str:
        place = ":".join(part for part in (self.file, str(self.line or "")) if part)
        if self.line and not self.file:
            place = f"line {self.line}"
        text = ": ".join(part for part in (place, self.field, self.found) if part)
        end = "" if text.endswith(("?", "!", ".")) else "."
        return f"{text}{end} {self.remedy}" if self.remedy else text

    def as_dict(self) -> dict[str, str | int | None]:
        """The same as plain values, for `--json`."""
        return asdict(self)


class KgraphError(Exception):
    """An error with everything that was found, for people to mend."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def fail(found: str, remedy: str = "", *, file: str | Path = "", line: int | None = None, field: str = "") -> KgraphError:
    """The `KgraphError` for a single problem: `raise fail("...", "...")`."""
    return KgraphError(Problem(found, remedy, str(file), line, field))
