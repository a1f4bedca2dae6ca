"""What a plan changes, holder by holder, as reports and refusals say it."""

from typing import Final

from reconciler.model.matrix import ApConfig
from reconciler.planning.plan import Plan
from reconciler.render.changes import Change, config_text, file_change, guest_change, pool_change
from reconciler.render.status_text import pool_text
from reconciler.watch.report import MASKS, Changed

MOST_DIFFERENCES: Final = 50


def differences(plan: Plan) -> tuple[str, ...]:
    """What is not as it should be, a sentence each, at most some."""
    changing = [guest for guest in plan.guests if guest.changes]
    pool = pool_change(plan)
    sentences = [_sentence(pool)] if pool else []
    sentences += [_sentence(guest_change(one, plan)) for one in changing[:MOST_DIFFERENCES]]
    sentences += [f"{change.heading}: {change.lines[0]}" for change in map(file_change, plan.files[:MOST_DIFFERENCES])]
    more = len(changing) + len(plan.files) - 2 * MOST_DIFFERENCES
    return (*sentences, f"and {more} more") if more > 0 else tuple(sentences)


def changes_of(plan: Plan) -> tuple[Changed, ...]:
    """What `plan` changes, holder by holder, at most some: what each has, and what it has afterwards."""
    masks = [Changed(MASKS, pool_text(plan.observed.pool), pool_text(plan.pool))]
    guests = [one for one in plan.guests if one.changes][:MOST_DIFFERENCES]
    return (
        *(masks if plan.pool != plan.observed.pool else ()),
        *(Changed(one.name, _config(one.before), _config(one.after)) for one in guests),
    )


def _config(config: ApConfig | None) -> str:
    return "" if config is None else config_text(config)


def _sentence(change: Change) -> str:
    return f"{change.heading}: {'; '.join(change.lines)}"
