"""The file through which libvirt runs us when a VM starts and when it has ended.

libvirt runs every executable file of ``hooks/qemu.d`` with the VM's name, an operation, a sub-operation and one more
word, and with the VM's XML on standard input; a start is called off where one fails at ``prepare begin``, and a VM that
runs is killed where one fails at ``reconnect`` (libvirt: *Hooks for specific system management*). So the file itself, a
few lines for a shell, lets only the two operations through that we have something to do for.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler.integrations.our_file import OurFile

DIRECTORY: Final = Path("/etc/libvirt/hooks/qemu.d")
NAME: Final = "reconcile"
MARK: Final = "# Made by 'reconcile hook install', taken away by 'reconcile hook uninstall'."
HOOK: Final = OurFile(NAME, MARK, "reconcile hook install", 0o755)


def hook_text(python: str, options: Sequence[str]) -> str:
    """The hook file.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        options: of ``reconcile hook qemu``, with absolute paths.
    """
    command = shlex.join(["-P", "-m", "reconciler.cli", "hook", "qemu", *options, "--"])
    return f"""#!/bin/sh
{MARK}

# A failure at 'reconnect' would have libvirt kill a VM that runs: for all but these two nothing is done.
case "$2 $3" in
    "prepare begin" | "release end") ;;
    *) exit 0 ;;
esac

# Where reconcile has gone, VMs without crypto queues must start nevertheless; libvirt itself refuses a VM whose
# mediated device is missing.
python={shlex.quote(python)}
if [ ! -x "$python" ]; then
    echo "reconcile hook: there is no $python any more; remove $0, or install it again" >&2
    exit 0
fi

exec "$python" {command} "$@"
"""


def follows_loop(text: str) -> bool:
    """Whether the hook file `text` names no manifests, so that it follows what the loop enforces."""
    options = options_of(text)
    return options is not None and "-f" not in options


def options_of(text: str) -> list[str] | None:
    """The options of ``reconcile hook qemu`` in the hook file `text`; None where it does not run that."""
    line = next((line for line in text.splitlines() if line.startswith("exec ")), "")
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    if "qemu" not in words:
        return None
    return words[words.index("qemu") + 1 : words.index("--") if "--" in words else None]
