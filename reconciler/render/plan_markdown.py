"""The plan as Markdown for a pull request: the summary first, details folded, short enough for a comment.

Whatever comes from outside stands in code, where neither Markdown nor HTML, mentions nor links mean anything; and what
is given and taken stands in ``diff`` blocks, whose ``+`` and ``-`` every renderer keeps.
"""

import re
from typing import Final

from reconciler.model.printable import escaped, escaped_lines
from reconciler.planning.plan import Plan
from reconciler.render.changes import summary_text
from reconciler.render.diagnostics import problem_text
from reconciler.render.diff import Hunk, file_hunk, holder_hunks, hunk_lines
from reconciler.render.plan_text import step_text

LONGEST: Final = 65_000
"""The most characters; a comment on GitHub may have 65,536."""

_MOST_CONSENTS: Final = 20
_LONGEST_CONSENT: Final = 1_000
_FRAME: Final = 200
"""More than what stands around the items of one section, its fences left out."""
_LONGEST_FENCE: Final = 80

_TICKS: Final = re.compile("`+")


def plan_markdown(plan: Plan) -> str:
    """The plan as Markdown, at most `LONGEST` characters."""
    head = [f"### reconcile: host {code(plan.desired.host.name)}", "", f"**{summary_text(plan)}**", ""]
    if plan.consents:
        head += [f"> **Needs consent** ({code(' '.join(plan.flags))})", ">"]
        texts = (f"{one.holder}: {one.reason}" for one in plan.consents[:_MOST_CONSENTS])
        head += [f"> * {code(text[:_LONGEST_CONSENT])}" for text in texts]
        head += (
            [f"> * … and {len(plan.consents) - _MOST_CONSENTS:,} more"] if len(plan.consents) > _MOST_CONSENTS else []
        )
        head.append("")
    head += [line for note in plan.notes for line in (f"> **Note**: {escaped(note)}.", "")]
    commit = f"commit {code(plan.commit)}, " if plan.commit else ""
    tail = f"<sub>{commit}fingerprint {code(plan.fingerprint[:16])}</sub>"
    body = _Body(LONGEST - 4 * (_FRAME + 2 * _LONGEST_FENCE) - sum(len(line) + 1 for line in (*head, tail)))
    if plan.problems:
        body.fold("Problems", [problem_text(one).rstrip("\n") for one in plan.problems])
    if plan.steps:
        body.fold("Changes", [_item(one) for one in holder_hunks(plan)], language="diff")
        body.fold("Steps", [escaped(f"{number}. {step_text(one)}") for number, one in enumerate(plan.steps, 1)])
    if plan.files:
        body.fold("Files for the next boot", [_item(file_hunk(one)) for one in plan.files], language="diff")
    return "\n".join([*head, *body.lines, tail]) + "\n"


def _item(hunk: Hunk) -> str:
    return "\n".join(map(escaped, hunk_lines(hunk)))


class _Body:
    """Folded sections within a budget of characters; what does not fit is counted."""

    def __init__(self, budget: int) -> None:
        self.lines: list[str] = []
        self._left = budget

    def fold(self, title: str, items: list[str], language: str = "text") -> None:
        shown: list[str] = []
        for item in map(escaped_lines, items):
            if len(item) + 1 > self._left or _ticks(item) >= _LONGEST_FENCE - len(language):
                break
            self._left -= len(item) + 1
            shown.append(item)
        fence = "`" * max(3, *(_ticks(item) + 1 for item in (*shown, "")))
        rest = [f"… and {len(items) - len(shown)} more"] if len(shown) < len(items) else []
        self.lines += ["<details>", f"<summary>{title} ({len(items)})</summary>", ""]
        self.lines += [f"{fence}{language}", *shown, *rest, fence, "", "</details>", ""]


def code(text: str) -> str:
    """`text`, made one line, as a span of code, in which nothing has a meaning."""
    shown = escaped(text)
    ticks = "`" * (_ticks(shown) + 1)
    # One space on each side is taken off again, where both are there and there is anything else.
    edge = " " if shown[:1] in {"`", " "} or shown[-1:] in {"`", " "} else ""
    return f"{ticks}{edge}{shown}{edge}{ticks}" if shown.strip() else f"{ticks} {ticks}"


def _ticks(text: str) -> int:
    """How many backquotes stand in a row in `text` at most."""
    return max(map(len, _TICKS.findall(text)), default=0)
