"""Who has which queue, as JSON: the cells of the grid, and the letters that the text has for their holders."""

from collections.abc import Sequence
from typing import Any

from reconciler.model.desired import DesiredGuest
from reconciler.planning.grid import Cell, Grid, Holder
from reconciler.planning.status import Status
from reconciler.render.matrix_text import letters_of
from reconciler.render.plan_json import json_text
from reconciler.render.status_record import compared_record


def matrix_json(status: Status, grid: Grid, shown: Grid, unseen: Sequence[str] = ()) -> str:
    """The same as JSON text, ended by a newline; cells are those that are `shown`, counts those of the whole host."""
    letters, suspended = letters_of(grid), status.suspended_uuids
    record = {
        "formatVersion": 1,
        "host": status.host,
        "comparedWith": compared_record(status.compared),
        "unseen": list(unseen),
        "present": grid.present,
        "counts": {state.value: count for state, count in grid.counts.items()},
        "adapters": list(shown.rows),
        "domains": sorted({domain for row in shown.rows.values() for domain in row}),
        "holders": [
            {**_holder_record(one, letters[one.uuid]), "suspended": one.uuid in suspended}
            for one in grid.holders
            if one.uuid in letters
        ],
        "cells": [_cell_record(cell) for cell in shown.cells],
    }
    return json_text(record)


def _holder_record(one: Holder, letter: str) -> dict[str, Any]:
    return {
        "letter": letter,
        "name": one.name,
        "uuid": one.uuid,
        "activation": one.guest.activation.value if one.guest else None,
        "labels": _labels(one.guest),
        "held": one.held.size,
        "claimed": one.claims.size,
    }


def _labels(guest: DesiredGuest | None) -> dict[str, str]:
    return dict(guest.labels) if guest else {}


def _cell_record(cell: Cell) -> dict[str, Any]:
    return {
        "queue": str(cell.queue),
        "adapter": cell.queue.adapter,
        "domain": cell.queue.domain,
        "state": cell.state.value,
        "holder": cell.holder.name if cell.holder else None,
        "others": [one.name for one in cell.others],
        "ofHost": cell.of_host,
        "kept": cell.is_kept,
        "present": cell.is_there,
    }
