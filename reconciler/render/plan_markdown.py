"""The plan as Markdown for a pull request: the summary first, details folded, short enough for a comment."""

import re
from typing import Final

from reconciler.planning.plan import Plan
from reconciler.render.changes import file_change, guest_change, pool_change, summary_text
from reconciler.render.diagnostics import problem_text
from reconciler.render.plan_text import step_text

LONGEST: Final = 65_000
"""The most characters; a comment on GitHub may have 65,536."""

_MOST_CONSENTS: Final = 20
_FRAME: Final = 150
"""More than what stands around the items of one section."""

_ESCAPES: Final = str.maketrans(
    {
        **{one: f"\\{one}" for one in "\\`*_[]|#~"},
        "<": "&lt;",
        ">": "&gt;",
        "&": "&amp;",
        **dict.fromkeys("\r\n", " "),
    }
)
_FENCE: Final = re.compile(r"(^|[\r\n])(?= {0,3}```)")


def plan_markdown(plan: Plan) -> str:
    """The plan as Markdown, at most `LONGEST` characters."""
    head = [f"### reconcile: host `{plan.desired.host.name}`", "", f"**{summary_text(plan)}**", ""]
    if plan.consents:
        head += [f"> **Needs consent** (`{' '.join(plan.flags)}`)", ">"]
        head += [f"> * {escaped(one.holder)}: {escaped(one.reason)}" for one in plan.consents[:_MOST_CONSENTS]]
        head += (
            [f"> * … and {len(plan.consents) - _MOST_CONSENTS:,} more"] if len(plan.consents) > _MOST_CONSENTS else []
        )
        head.append("")
    commit = f"commit `{plan.commit}`, " if plan.commit else ""
    tail = f"<sub>{commit}fingerprint `{plan.fingerprint[:16]}`</sub>"
    body = _Body(LONGEST - 3 * _FRAME - sum(len(line) + 1 for line in (*head, tail)))
    if plan.problems:
        body.fold("Problems", [problem_text(one).rstrip("\n") for one in plan.problems], fenced=True)
    if plan.steps:
        changes = [pool_change(plan), *(guest_change(guest) for guest in plan.guests if guest.changes)]
        items = [_item(change.kind.symbol, change.heading, change.lines) for change in changes if change]
        body.fold("Changes", items, fenced=False)
        steps = [f"{number}. {step_text(one)}" for number, one in enumerate(plan.steps, 1)]
        body.fold("Steps", steps, fenced=True)
    if plan.files:
        changed = map(file_change, plan.files)
        files = [_item(one.kind.symbol, one.heading, one.lines) for one in changed]
        body.fold("Files for the next boot", files, fenced=False)
    return "\n".join([*head, *body.lines, tail]) + "\n"


def _item(symbol: str, heading: str, lines: tuple[str, ...]) -> str:
    below = "".join(f"\n  * {escaped(line)}" for line in lines)
    return f"* `{symbol}` {escaped(heading)}{below}"


class _Body:
    """Folded sections within a budget of characters; what does not fit is counted."""

    def __init__(self, budget: int) -> None:
        self.lines: list[str] = []
        self._left = budget

    def fold(self, title: str, items: list[str], *, fenced: bool) -> None:
        fence = ["```text"] if fenced else []
        lines = ["<details>", f"<summary>{title} ({len(items)})</summary>", "", *fence]
        shown = 0
        for item in map(_unfenced, items) if fenced else items:
            if len(item) + 1 > self._left:
                break
            self._left -= len(item) + 1
            lines.append(item)
            shown += 1
        if shown < len(items):
            lines.append(f"… and {len(items) - shown} more")
        lines += ["```"] if fenced else []
        self.lines += [*lines, "", "</details>", ""]


def _unfenced(text: str) -> str:
    # A fence that is indented by four or more ends nothing.
    return _FENCE.sub(r"\1    ", text)


def escaped(text: str) -> str:
    """`text` without meaning to Markdown or HTML."""
    return text.translate(_ESCAPES)
