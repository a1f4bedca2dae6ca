"""What a plan does, or what lies between any two states, as a diff.

There is one hunk for each holder, with ``+`` for what it gets and ``-`` for what it loses. A line has its
sign in the first column and no space after it, so that it stays in a block of code, in HTML, and even in Markdown that
knows nothing of it, where ``- x`` would become an item of a list. Lines without a sign say what a holder has before and
after; so the lines with `` `` and ``-`` are the state before, and those with `` `` and ``+`` the one after. Below them,
indented, stands what else there is to say.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix
from reconciler.model.printable import lines_text
from reconciler.model.steps import FileChange
from reconciler.planning.plan import GuestPlan, Plan
from reconciler.render.changes import guest_heading, plural, pool_heading, pool_remarks, remarks_of, shows_control
from reconciler.render.table import Page
from reconciler.render.text import Paint, plain


class Hunk(NamedTuple):
    """One holder.

    Attributes:
        heading: who it is, and why it changes.
        lines: each with its sign in the first column: ``+``, ``-`` or a space.
        remarks: what else there is to say.
    """

    heading: str
    lines: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def folded(hunk: Hunk, page: Page) -> Hunk:
    """`hunk` on lines that fit `page`, each with its sign; what has no room in the heading is the first remark."""
    if page.width is None:
        return hunk
    heads, lines, remarks = (page._replace(width=page.width - len(frame)) for frame in ("@@  @@", "+", "    "))
    heading, *more = heads.wrapped("", hunk.heading, 0)
    pieces = (f"{one[0]}{piece}" for one in hunk.lines for piece in lines.wrapped("", one[1:], 0))
    return Hunk(
        heading, tuple(pieces), tuple(part for one in (*more, *hunk.remarks) for part in remarks.wrapped("", one))
    )


def diff_text(old: str, new: str, hunks: Iterable[Hunk], paint: Paint = plain, page: Page | None = None) -> str:
    """`hunks` as a diff from what is called `old` to `new`, to fit `page` if given; empty where there is no hunk."""
    lines = [line for one in hunks for line in hunk_lines(folded(one, page or Page()), paint)]
    return lines_text([paint("bold", f"--- {old}"), paint("bold", f"+++ {new}"), *lines]) if lines else ""


def hunk_lines(hunk: Hunk, paint: Paint = plain) -> Iterator[str]:
    """The lines of `hunk`, its heading first."""
    yield paint("changed", f"@@ {hunk.heading} @@")
    for line in hunk.lines:
        style = {"+": "added", "-": "removed"}.get(line[0])
        yield paint(style, line) if style else line
    yield from (f"    {remark}" for remark in hunk.remarks)


def config_hunk(
    heading: str,
    before: ApConfig | None,
    after: ApConfig | None,
    remarks: Iterable[str] = (),
) -> Hunk:
    """What becomes of one mediated device; None stands for none."""
    lines = []
    if (before is None) is not (after is None):
        lines.append(f"{'+' if before is None else '-'}mediated device")
    was, becomes = before or EMPTY_CONFIG, after or EMPTY_CONFIG
    lines += _signed_axis_lines("adapter", was.adapters, becomes.adapters)
    lines += _signed_axis_lines("domain", was.domains, becomes.domains)
    if shows_control(before, after):
        lines += _signed_axis_lines("control domain", was.control_domains, becomes.control_domains)
    return Hunk(heading, tuple(lines), tuple(remarks))


def pool_hunk(heading: str, before: Matrix, after: Matrix, remarks: Iterable[str] = ()) -> Hunk:
    """What becomes of the host pool."""
    lines = (
        *_signed_axis_lines("adapter", before.adapters, after.adapters),
        *_signed_axis_lines("domain", before.domains, after.domains),
    )
    return Hunk(heading, lines, tuple(remarks))


def _signed_axis_lines(noun: str, was: IdSet, becomes: IdSet) -> Iterator[str]:
    for sign, ids in ((" ", was & becomes), ("-", was - becomes), ("+", becomes - was)):
        if ids:
            yield f"{sign}{plural(noun, ids)} {ids}"


def holder_hunks(plan: Plan) -> list[Hunk]:
    """Every holder that `plan` changes, the host first."""
    pool = pool_heading(plan)
    hunks = [pool_hunk(pool, plan.observed.pool, plan.pool, pool_remarks(plan))] if pool else []
    return hunks + [_guest_hunk(guest, plan) for guest in plan.guests if guest.changes]


def _guest_hunk(guest: GuestPlan, plan: Plan) -> Hunk:
    return config_hunk(guest_heading(guest, plan.rolled_back), guest.before, guest.after, remarks_of(guest, plan))


def file_hunk(change: FileChange) -> Hunk:
    """What becomes of one file of another tool, line by line; a byte that is no text is shown as U+FFFD."""
    from difflib import SequenceMatcher

    before, after = (_lines(content) for content in (change.before, change.after))
    lines: list[str] = []
    for _tag, old, old_end, new, new_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if before[old:old_end] == after[new:new_end]:
            lines += [f" {line}" for line in before[old:old_end]]
        else:
            lines += [f"-{line}" for line in before[old:old_end]]
            lines += [f"+{line}" for line in after[new:new_end]]
    return Hunk(f"file /{change.path} ({change.holder})", tuple(lines))


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode("utf-8", "replace").splitlines()


def plan_hunks(plan: Plan) -> list[Hunk]:
    """Everything that `plan` changes: holders, then files of other tools."""
    return [*holder_hunks(plan), *map(file_hunk, plan.files)]


def plan_diff(plan: Plan, paint: Paint = plain, page: Page | None = None) -> str:
    """The plan as a diff from the host as it is to the host as planned, to fit `page` if given; empty if it is none."""
    if not plan.is_valid:
        return ""
    name = f"host {plan.desired.host.name}"
    return diff_text(f"{name}, as it is", f"{name}, as planned", plan_hunks(plan), paint, page)
