"""libvirt's own files: which VM has which mediated device, and the hook that runs us when a VM starts or has ended."""

import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from reconciler.integrations.domain_checks import MODEL
from reconciler.integrations.domain_xml import LARGEST, Domain, read_domain
from reconciler.integrations.files import OurFile
from reconciler.model.observed import SHUT_OFF, VmName

DEFINITIONS: Final = Path("/etc/libvirt/qemu")
RUNNING: Final = Path("/run/libvirt/qemu")

MOST_SECONDS: Final = 0.5
"""How long the files are read for, all together."""

MOST_BYTES: Final = 32 << 20
"""How much of them is read."""


def vm_names(
    definitions: Path = DEFINITIONS, running: Path = RUNNING, now: Callable[[], float] = monotonic
) -> Mapping[str, VmName]:
    """The VM of each mediated device, by the device's uuid; of several VMs one that runs, else the first by file name.

    Args:
        definitions: where libvirt keeps what VMs are to be.
        running: where it keeps what VMs have that run.
        now: seconds since some fixed moment.
    """
    deadline = now() + MOST_SECONDS
    found: dict[str, VmName] = {}
    left = MOST_BYTES
    for file in (*_files(running), *_files(definitions)):
        if left < 0 or now() >= deadline:
            break
        content = _content(file)
        left -= len(content)
        # Most VMs have none, and looking for the word costs a hundredth of reading the XML.
        domain = read_domain(content, file) if MODEL.encode() in content else None
        if isinstance(domain, Domain):
            for mdev in domain.mdevs:
                found.setdefault(mdev.uuid, VmName(domain.name, domain.state or SHUT_OFF))
    return found


def denied_file(definitions: Path = DEFINITIONS, running: Path = RUNNING) -> str:
    """The first directory or file of libvirt that this user may not read; empty where there is none."""
    for directory in (running, definitions):
        try:
            names = os.listdir(directory)
        except PermissionError:
            return str(directory)
        except OSError:
            continue
        for name in sorted(one for one in names if one.endswith(".xml")):
            if not os.access(directory / name, os.R_OK, effective_ids=True):
                return str(directory / name)
    return ""


def _files(directory: Path) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    yield from (f"{directory}/{name}" for name in names if name.endswith(".xml"))


def _content(file: str) -> bytes:
    """The content of `file`; nothing where it cannot be read or is no file that libvirt would write."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            fits = stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST
            return stream.read(LARGEST) if fits else b""
    except OSError:
        return b""


DIRECTORY: Final = Path("/etc/libvirt/hooks/qemu.d")
NAME: Final = "reconcile"
_PROGRAM: Final = str(Path(__file__).parents[1] / "cli/__main__.py")
MARK: Final = "# Made by 'reconcile service install hook', taken away by 'reconcile service uninstall hook'."
HOOK: Final = OurFile(NAME, MARK, "reconcile service install hook", 0o755)


def hook_text(python: str, options: Sequence[str], program: str = _PROGRAM) -> str:
    """The hook file.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        options: of ``reconcile hook qemu``, with absolute paths.
        program: the module that it runs; the interpreter may stay when that has gone, as the system's own does.
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
for needed in "$python" {shlex.quote(program)}; do
    if [ ! -e "$needed" ]; then
        echo "reconcile hook: there is no $needed any more; remove $0, or install it again" >&2
        exit 0
    fi
done

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
