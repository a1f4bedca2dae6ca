"""The files of the state directory as values, in the kernel's own text forms so that people can read them.

What a file holds is a NamedTuple beside the code that decides about it; its fields are the format of the file.
"""

import shlex
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final, TypeVar

from reconciler.kernel.text_forms import ap_config_text, mask_text, parse_ap_config, parse_mask
from reconciler.model.codec import BadRecord, Codec, Form
from reconciler.model.desired import Desired
from reconciler.model.ids import IdSet, require_uuid
from reconciler.model.matrix import ApConfig
from reconciler.model.problems import Position
from reconciler.model.steps import MASK_ACTIONS, Action, Step
from reconciler.transaction.state_directory import StateDirectory

_Record = TypeVar("_Record", bound=tuple[Any, ...])
_Value = TypeVar("_Value")


def read_record(state: StateDirectory, name: str, kind: type[_Record]) -> _Record | None:
    """The NamedTuple `kind` in file `name` of `state`; None where there is no file.

    Raises:
        BadRecord: the file is not as we write it; it names the file.
        UnsafeState: it cannot be trusted.
    """
    content = state.read(name)
    return None if content is None else naming_file(state, name, lambda: RECORDS.read_content(kind, content))


def write_record(state: StateDirectory, name: str, record: tuple[Any, ...]) -> None:
    """Make the NamedTuple `record` what file `name` of `state` holds; a crash leaves the old content or the new one.

    Raises:
        OSError: it cannot be written.
    """
    state.replace(name, RECORDS.content(record))


def naming_file(state: StateDirectory, name: str, read: Callable[[], _Value]) -> _Value:
    """What `read` gives; what is wrong is said of file `name` of `state`.

    Raises:
        BadRecord: `read` raises it.
    """
    try:
        return read()
    except BadRecord as error:
        file = state.path / name
        raise error.of_file(str(file), _remedy(file)) from error


_WITHOUT: Final[Mapping[str, str]] = {
    "journal.jsonl": "the apply that was not finished is then not rolled back",
    "pending.json": "the apply that waits to be confirmed then stays",
    "inventory.json": "devices of guests that have left the manifests then no longer count as ours, and stay",
    "degraded.json": "it only says what an apply that failed has left",
    "suspended.json": "nothing is suspended then",
    "suspension-log.json": "the suspensions before are then not in the history",
    "enforced.json": "the loop then enforces only manifests that it can use",
    "refused.json": "the loop writes it again when it refuses a configuration next",
    "fleet.json": "which commit to several hosts was the last one here is then not known",
    "commits.json": "commits to several hosts are then no longer checked here, until a held loop with --git starts",
    "setup.json": "'reconcile setup --undo' then takes nothing back",
    "watch.json": "the loop writes it again when it looks next",
}

_WITHOUT_BELOW: Final[Mapping[str, str]] = {
    "ids": "an id of which nothing else says whether it was used is then refused"
}


def _remedy(file: PurePath) -> str:
    """What to run so that the commands that need the damaged `file` work again, and what that costs."""
    cost = _WITHOUT.get(file.name) or _WITHOUT_BELOW.get(
        file.parent.name, "that generation can then not be shown or rolled back to"
    )
    moved = shlex.quote(f"{file}.damaged")
    return f"mv {shlex.quote(str(file))} {moved}    # {cost}; then run the command again"


def placed(desired: Desired, source: str) -> Desired:
    """`desired`, read from a record, with `source` where the names of the manifests' files stood."""
    position = Position(source, 1, 1)
    return desired._replace(
        host=desired.host._replace(position=position),
        guests=tuple(one._replace(position=position) for one in desired.guests),
    )


def _parse_value(text: str) -> IdSet | ApConfig:
    return parse_ap_config(text) if "," in text else parse_mask(text)


def _value_text(value: IdSet | ApConfig) -> str:
    return mask_text(value) if isinstance(value, IdSet) else ap_config_text(value)


def _check_step(step: Step) -> None:
    """Refuse a step whose fields do not fit to its action: planning back from it would go wrong anywhere."""
    if step.action in MASK_ACTIONS:
        if step.uuid:
            raise BadRecord("a step of a mask has no uuid", "uuid")
        kinds: tuple[type, type] = (IdSet, IdSet)
    else:
        try:
            require_uuid(step.uuid)
        except ValueError as error:
            raise BadRecord(str(error), "uuid") from None
        kinds = (
            type(None) if step.action is Action.CREATE else ApConfig,
            type(None) if step.action is Action.REMOVE else ApConfig,
        )
    for name, value, kind in zip(("before", "after"), (step.before, step.after), kinds, strict=True):
        if not isinstance(value, kind):
            raise BadRecord(f"a step '{step.action}' has something else here", name)


TEXTS: Final[Mapping[Any, Form]] = {
    IdSet: Form(mask_text, parse_mask),
    ApConfig: Form(ap_config_text, parse_ap_config),
    IdSet | ApConfig: Form(_value_text, _parse_value),
    bytes: Form(lambda content: b64encode(content).decode("ascii"), lambda text: b64decode(text, validate=True)),
}
"""The types that are written as texts."""

RECORDS: Final = Codec(
    texts=TEXTS,
    omitted={Position: Position("", 1, 1)},  # the manifests may change; see `placed`
    checks={Step: _check_step},
)
"""How every file of the state directory is read and written."""
