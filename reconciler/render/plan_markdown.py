"""The plan as Markdown for a pull request: the summary first, details folded, short enough for a comment."""

from typing import Final

from reconciler.planning.plan import Plan
from reconciler.render.changes import guest_change, pool_change, summary_text
from reconciler.render.diagnostics import problem_text
from reconciler.render.plan_text import step_text

LONGEST: Final = 65_000
"""The most characters; a comment on GitHub may have 65,536."""

_RESERVE: Final = 200
_ESCAPES: Final = str.maketrans({**{one: f"\\{one}" for one in "\\`*_[]|#"}, "<": "&lt;", ">": "&gt;"})


def plan_markdown(plan: Plan) -> str:
    """The plan as Markdown, at most `LONGEST` characters."""
    head = [f"### reconcile: host `{plan.desired.host.name}`", "", f"**{summary_text(plan)}**", ""]
    if plan.consents:
        head += ["> **Needs consent** (`--allow-disruption`)", ">"]
        head += [f"> * {escaped(one.holder)}: {escaped(one.reason)}" for one in plan.consents]
        head.append("")
    body = _Body(LONGEST - _RESERVE - sum(len(line) + 1 for line in head))
    if plan.problems:
        body.fold("Problems", [problem_text(one).rstrip("\n") for one in plan.problems], fenced=True)
    if plan.steps:
        changes = [pool_change(plan), *(guest_change(guest) for guest in plan.guests if guest.changes)]
        items = [_item(change.kind.symbol, change.heading, change.lines) for change in changes if change]
        body.fold("Changes", items, fenced=False)
        steps = [f"{number}. {step_text(one)}" for number, one in enumerate(plan.steps, 1)]
        body.fold("Steps", steps, fenced=True)
    return "\n".join([*head, *body.lines, f"<sub>fingerprint `{plan.fingerprint[:16]}`</sub>"]) + "\n"


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
        self._left -= sum(len(line) + 1 for line in lines) + 60
        shown = 0
        for item in items:
            if len(item) + 1 > self._left:
                break
            self._left -= len(item) + 1
            lines.append(item)
            shown += 1
        if shown < len(items):
            lines.append(f"… and {len(items) - shown} more")
        lines += ["```"] if fenced else []
        self.lines += [*lines, "", "</details>", ""]


def escaped(text: str) -> str:
    """`text` without meaning to Markdown or HTML."""
    return text.translate(_ESCAPES)
