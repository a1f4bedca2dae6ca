"""Commands of other tools that we ask people to run, in the form that these tools take.

chzcrypt reads card ids as hex, separated by blanks. chzdev takes lists in decimal, and no empty one. mdevctl changes
the definition whose file has the name that it would give it itself. All of this was measured with the tools
(docs/kernel-rules.md); a test runs or parses each command that is made here.
"""

import shlex
from pathlib import Path
from typing import Final

from reconciler.integrations.boot_masks import rules_file
from reconciler.integrations.mdevctl import definition_file
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import FULL_MATRIX, Matrix

APPLY_MASKS: Final = "chzdev --type ap --apply"
"""Puts the masks of ``41-ap.rules`` in force now."""


def configure_cards(adapters: IdSet) -> str:
    """Takes `adapters` out of standby."""
    return " ".join(["chzcrypt --config-on", *(f"0x{one:02x}" for one in adapters)])


def give_up(matrix: Matrix) -> str:
    """Takes the queues of `matrix` from the host's drivers, now and at boot; by domains where they are not more."""
    by_domain = len(matrix.domains) <= len(matrix.adapters)
    name, ids = ("aqmask", matrix.domains) if by_domain else ("apmask", matrix.adapters)
    return f"chzdev --type ap {name}={','.join('-' + run for run in _runs(ids))}"


def write_masks_anew(root: Path, pool: Matrix) -> str:
    """Has chzdev write its rule file below `root` anew, so that the host boots into `pool`.

    The old file goes first, since chzdev ends where it cannot read it. Without a file the host keeps everything.
    """
    removal = f"rm {shlex.quote(str(rules_file(root)))}"
    if pool == FULL_MATRIX:
        return removal
    return f"{removal} && chzdev --type ap --persistent apmask={_list(pool.adapters)} aqmask={_list(pool.domains)}"


def start_by_hand(root: Path, name: str, uuid: str) -> str:
    """Has mdevctl not start device `uuid` at boot, whose definition below `root` is in the file `name`.

    mdevctl would write a second file beside one whose name it does not write itself.
    """
    command = f"mdevctl modify -u {uuid} --manual"
    if name == uuid:
        return command
    old, new = definition_file(root, name), definition_file(root, uuid)
    return f"mv -n {shlex.quote(str(old))} {shlex.quote(str(new))} && {command}"


def move_away(file: str) -> str:
    """Moves a definition to where mdevctl does not look."""
    name = Path(file).name
    return f"mv -n {shlex.quote(file)} {shlex.quote(f'/root/{name}.broken')}"


def _list(ids: IdSet) -> str:
    return ",".join(_runs(ids)) or f"-0-{max(ALL_IDS)}"


def _runs(ids: IdSet) -> list[str]:
    return [str(first) if first == last else f"{first}-{last}" for first, last in ids.ranges()]
