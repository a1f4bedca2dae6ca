"""The state of a simulated host, kept in a file beside its description: ``FILE.state.json``.

It makes plan, apply, edit, plan work on a laptop. The file belongs to one content of the description; when that has
changed, what it meant is gone, and a person has to say so (``reconcile simulate reset``).
"""

import os
from errno import EEXIST
from hashlib import sha256
from pathlib import Path
from typing import Final

from reconciler.kernel.own_files import replace_file
from reconciler.model.errors import InputError
from reconciler.model.strict_json import BadRecord
from reconciler.simulator.host import SimulatedHost

CONTROL: Final = "control"
"""The name of the control socket in the state directory, there while the host is mounted."""

_BOOT: Final = "boot"
_FIRST_BOOT: Final = "simulated"


class StaleState(InputError):
    """The description has changed since the state was saved."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} belongs to an earlier content of the description; the host has to start anew from it")
        self.path = path


def state_path(description: Path) -> Path:
    """Where the state of the host described in file `description` is kept."""
    return description.with_name(f"{description.name}.state.json")


def state_directory(description: Path) -> Path:
    """Where other things that belong to the host described in file `description` are kept: ``FILE.state/``."""
    return description.with_name(f"{description.name}.state")


def boot_id_of(description: Path) -> str:
    """What names the present boot of the host described in file `description`."""
    try:
        return (state_directory(description) / _BOOT).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return _FIRST_BOOT


def begin_boot(description: Path) -> None:
    """From now on the host described in file `description` is in its next boot, which has another name.

    Raises:
        OSError: that cannot be written.
    """
    number = int(boot_id_of(description).rpartition("-")[2]) if boot_id_of(description) != _FIRST_BOOT else 1
    state_directory(description).mkdir(mode=0o700, exist_ok=True)
    (state_directory(description) / _BOOT).write_text(f"{_FIRST_BOOT}-{number + 1}\n", encoding="ascii")


def digest_of(content: bytes) -> str:
    """What identifies the content of a description: SHA-256 in hex."""
    return sha256(content).hexdigest()


def load_state(path: Path, digest: str) -> SimulatedHost | None:
    """The host whose state is in `path`; None where nothing has been saved.

    Args:
        path: from `state_path`.
        digest: of the description as it is now, from `digest_of`.

    Raises:
        StaleState: the state was saved for another content.
        ValueError: the file is not one of ours, or is damaged.
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    from reconciler.simulator.snapshot import SNAPSHOTS, SavedHost, host_from

    try:
        kept = SNAPSHOTS.read_content(SavedHost, content)
    except BadRecord as error:
        raise ValueError(f"{path} cannot be used: {error}") from None
    if kept.description_digest != digest:
        raise StaleState(path)
    return host_from(kept.host)


def save_state(path: Path, host: SimulatedHost, digest: str) -> None:
    """Keep the state of `host` in `path`: the old file or the new one is there at any moment, never a part.

    Args:
        path: from `state_path`.
        host: the host.
        digest: of the description that it was started from, from `digest_of`.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    from reconciler.simulator.snapshot import SNAPSHOTS, SavedHost, snapshot_of

    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise FileExistsError(EEXIST, "it is no regular file, and is not replaced by one", str(path))
    replace_file(path, SNAPSHOTS.content(SavedHost(digest, snapshot_of(host))))


def reset_state(path: Path) -> bool:
    """Forget the state in `path`; whether there was one.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
