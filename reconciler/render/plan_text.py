"""The plan for people: as text, grouped by holder, the summary last; and as Markdown for a pull request.

The Markdown has the summary first and its details folded, and is short enough for a comment. Whatever comes from
outside stands in code, where neither Markdown nor HTML, mentions nor links mean anything; and what is given and taken
stands in ``diff`` blocks, whose ``+`` and ``-`` every renderer keeps.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from reconciler.kernel.writes import writes_of
from reconciler.model.ids import IdSet
from reconciler.model.matrix import ApConfig
from reconciler.model.outcome import commit_words
from reconciler.model.printable import escaped, escaped_lines, lines_text
from reconciler.model.problems import several
from reconciler.model.steps import Action, Step
from reconciler.planning.plan import ALLOW_SUSPENDED, Consent, Plan, PlannedStep
from reconciler.render.changes import (
    Change,
    Summary,
    Waiting,
    config_text,
    file_change,
    guest_change,
    plural,
    pool_change,
    summary_of,
    summary_text,
)
from reconciler.render.diagnostics import problem_text
from reconciler.render.table import Page
from reconciler.render.text import MOST_LINES, Section, counted, fitted


def plan_text(
    plan: Plan,
    page: Page = Page(),  # noqa: B008 - a value
    *,
    most: int | None = MOST_LINES,
    whole: str = "",
    waiting: Waiting | None = None,
    given: Collection[str] = (),
) -> str:
    """The plan as text; problems are shown apart, by `reconciler.render.diagnostics`.

    Args:
        plan: what is shown.
        page: what it is shown on: lines that are wider are divided.
        most: how many lines it has at most; what is left out is counted. None: everything is shown.
        whole: the command that shows what is left out; empty where there is none.
        waiting: the apply that waits to be confirmed; None where none does.
        given: the options with which consent was given.
    """
    head = [*page.wrapped("", heading_text(plan), style="bold"), ""]
    open_ones = tuple(one for one in plan.consents if one.flag not in given)
    summary = ending_lines(summary_of(plan._replace(consents=open_ones)), waiting, page)
    hint = [*page.with_remark(f"  next: {whole}    # shows all of it"), ""]
    room = None if most is None else most - len([*head, *hint, *summary])
    lines, is_cut = fitted(list(_sections(plan, page, given)), room)
    if is_cut and whole:
        lines += hint
    return lines_text([*head, *lines, *summary])


def ending_lines(summary: Summary, waiting: Waiting | None, page: Page, steps: Sequence[str] = ()) -> list[str]:
    """The `summary` of a plan or of drift, with what is `waiting` to be confirmed, and the commands to run next."""
    text, first = (waiting.beside(summary), waiting.steps) if waiting else (summary.text, ())
    nexts = [line for step in (*first, *steps) for line in page.with_remark(f"  next: {step}")]
    return [*page.wrapped("", text, style="bold"), *nexts]


def _sections(plan: Plan, page: Page, given: Collection[str]) -> Iterator[Section]:
    if plan.is_valid and plan.changes:
        yield changes_section(plan, page)
        if unchanged := sum(not guest.changes for guest in plan.guests):
            yield Section("", 1, [[page.paint("faint", f"    {unchanged:,} unchanged")]])
        yield _steps(plan, page)
        yield files_section(plan, page)
        yield from _consents(plan, page, given)
    elif plan.is_valid:
        waiting = [guest for guest in plan.guests if guest.because]
        items = (_change_lines(guest_change(one, plan), page) for one in waiting)
        yield Section("guest", len(waiting), items, is_spaced=True)
    yield _notes(plan.notes, page)


def _notes(notes: Sequence[str], page: Page) -> Section:
    return Section("note", len(notes), (page.wrapped("Note: ", f"{one}.", 0) for one in notes), is_spaced=True)


def rollback_section(plan: Plan, page: Page) -> Section:
    """The note that a rollback stands between the host and the manifests; empty where none does."""
    return _notes([plan.rolled_back.text] if plan.rolled_back else [], page)


def after_diff_lines(plan: Plan, page: Page = Page()) -> list[str]:  # noqa: B008 - a value
    """What a diff does not say of the plan: which consents it needs, its notes, the summary."""
    consents = [line for line in fitted(list(_consents(plan, page)), MOST_LINES)[0] if line]
    return [*consents, *(f"Note: {note}." for note in plan.notes), summary_text(plan)]


def heading_text(plan: Plan) -> str:
    """Which host, and what is there."""
    observed = plan.observed
    return (
        f"Host {plan.desired.host.name}{_commit(plan)}: kernel {observed.release}, "
        f"{counted(len(observed.cards), 'adapter')} and {counted(len(observed.queues), 'queue')} present, "
        f"{counted(len(observed.mdevs), 'mediated device')}"
    )


def _commit(plan: Plan) -> str:
    return f", commit {commit_words(plan.commit)}" if plan.commit else ""


def changes_section(plan: Plan, page: Page) -> Section:
    """Every holder that the plan changes, the host first."""
    pool = pool_change(plan)
    changed = [guest for guest in plan.guests if guest.changes]
    changes = chain([pool] if pool else [], (guest_change(one, plan) for one in changed))
    items = (_marked(one, _change_lines(one, page, "bold"), page) for one in changes)
    return Section("holder" if pool else "guest", len(changed) + bool(pool), items, is_spaced=True)


def _change_lines(change: Change, page: Page, style: str = "") -> list[str]:
    """The heading of `change`, in `style`, and what is to be said below it."""
    heading = page.wrapped("    ", change.heading, 4, style)
    return [*heading, *(line for text in change.lines for line in page.wrapped("      ", text))]


def _marked(change: Change, lines: Sequence[str], page: Page) -> list[str]:
    """`lines`, which begin with four spaces, with the symbol of `change` in the first one."""
    first, *others = lines
    return [f"  {page.paint(change.kind, change.kind.symbol)} {first[4:]}", *others]


def _steps(plan: Plan, page: Page) -> Section:
    width = len(str(len(plan.steps)))
    items = (
        page.wrapped(f"  {number:>{width}}. ", f"{step_text(planned)}{_write_count(plan, planned)}")
        for number, planned in enumerate(plan.steps, 1)
    )
    return Section("step", len(plan.steps), items, [page.paint("bold", "Steps, in this order:")])


def files_section(plan: Plan, page: Page) -> Section:
    """The files of other tools that change, each with what becomes of it."""
    changes = map(file_change, plan.files)
    items = (_marked(one, page.wrapped("    ", f"{one.heading}  {one.lines[0]}", 4), page) for one in changes)
    return Section("file", len(plan.files), items, [page.paint("bold", "So that the host boots into it:")])


def _write_count(plan: Plan, planned: PlannedStep) -> str:
    if planned.step.action is not Action.CONFIGURE or plan.abilities.ap_config:
        return ""
    return f" ({len(writes_of(planned.step, plan.abilities))} writes)"


def step_text(planned: PlannedStep) -> str:
    """One step in one line."""
    step = planned.step
    match step.action:
        case Action.APMASK | Action.AQMASK:
            return f"host: {mask_text(step)} ({step.action.value})"
        case Action.CREATE:
            return f"{planned.holder}: create its mediated device"
        case Action.REMOVE:
            return f"{planned.holder}: remove its mediated device"
        case _:
            assert isinstance(step.after, ApConfig)
            return f"{planned.holder}: {config_text(step.after)}"


def mask_text(step: Step) -> str:
    """What a mask write does to the host's drivers."""
    before, after = step.before, step.after
    assert isinstance(before, IdSet)
    assert isinstance(after, IdSet)
    noun = "adapter" if step.action is Action.APMASK else "domain"
    moves = (("gives up", before - after), ("gets back", after - before))
    return ", ".join(f"{verb} {plural(noun, ids)} {ids}" for verb, ids in moves if ids)


def _consents(plan: Plan, page: Page, given: Collection[str] = ()) -> Iterator[Section]:
    """What needs consent, or has it where it was `given`, by the option that gives it.

    Of a suspension it says only that there is one: the problems of the plan say who suspended what, and why.
    """
    for flag in plan.flags:
        consents = [one for one in plan.consents if one.flag == flag]
        items = (page.wrapped("  ", f"{one.holder}: {_consent_text(one)}") for one in consents)
        verb = "Consent given" if flag in given else "Needs consent"
        heading = page.wrapped("", f"{verb} ({flag}):", style="warning")
        yield Section("consent", len(consents), items, heading)


def _consent_text(consent: Consent) -> str:
    if consent.flag != ALLOW_SUSPENDED:
        return consent.reason
    return "it is suspended" if consent.uuid else "all of it is suspended"


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
    from reconciler.render.diff_text import file_hunk, holder_hunks, hunk_lines

    head = [f"### reconcile: host {code(plan.desired.host.name)}", "", f"**{summary_text(plan, ' below')}**", ""]
    if plan.consents:
        head += [f"> **Needs consent** ({code(' '.join(plan.flags))})", ">"]
        texts = _consents_alike(plan)
        head += [f"> * {code(text[:_LONGEST_CONSENT])}" for text in texts[:_MOST_CONSENTS]]
        head += [f"> * … and {len(texts) - _MOST_CONSENTS:,} more"] if len(texts) > _MOST_CONSENTS else []
        head.append("")
    head += [line for note in plan.notes for line in (f"> **Note**: {escaped(note)}.", "")]
    changed = " with uncommitted changes" if plan.commit.endswith("+") else ""
    commit = f"commit {code(plan.commit.removesuffix('+'))}{changed}, " if plan.commit else ""
    tail = f"<sub>{commit}fingerprint {code(plan.fingerprint[:16])}</sub>"
    body = _Body(LONGEST - 4 * (_FRAME + 2 * _LONGEST_FENCE) - sum(len(line) + 1 for line in (*head, tail)))
    if plan.problems:
        problems = [problem_text(one).rstrip("\n") for one in plan.problems]
        body.fold("Problems", problems, is_open=not plan.is_valid)
    if plan.steps and plan.is_valid:
        body.fold("Changes", [_item(hunk_lines(one)) for one in holder_hunks(plan)], language="diff")
        body.fold("Steps", [escaped(f"{number}. {step_text(one)}") for number, one in enumerate(plan.steps, 1)])
    if plan.files and plan.is_valid:
        body.fold("Files for the next boot", [_item(hunk_lines(file_hunk(one))) for one in plan.files], language="diff")
    return "\n".join([*head, *body.lines, tail]) + "\n"


def _consents_alike(plan: Plan) -> list[str]:
    """What needs consent; holders with the same reason in one line."""
    alike: dict[str, list[str]] = {}
    for one in plan.consents:
        alike.setdefault(one.reason, []).append(one.holder)
    return [f"{several(names)}: {reason}" for reason, names in alike.items()]


def _item(lines: Iterable[str]) -> str:
    return "\n".join(map(escaped, lines))


class _Body:
    """Folded sections within a budget of characters; what does not fit is counted."""

    def __init__(self, budget: int) -> None:
        self.lines: list[str] = []
        self._left = budget

    def fold(self, title: str, items: list[str], language: str = "text", *, is_open: bool = False) -> None:
        shown: list[str] = []
        for item in map(escaped_lines, items):
            if len(item) + 1 > self._left or _ticks(item) >= _LONGEST_FENCE - len(language):
                break
            self._left -= len(item) + 1
            shown.append(item)
        fence = "`" * max(3, *(_ticks(item) + 1 for item in (*shown, "")))
        rest = [f"… and {len(items) - len(shown)} more"] if len(shown) < len(items) else []
        self.lines += [f"<details{' open' if is_open else ''}>", f"<summary>{title} ({len(items)})</summary>", ""]
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
