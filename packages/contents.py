"""What every package has besides the modules: units, manual pages, completion, group, run directory, Cockpit's page.

Run by the recipes of the packages (packaging/), in the tree that is packaged::

    python3 -m packages.contents --root debian/reconcile --python /usr/bin/python3 --systemd 257
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from packages.record_formats import formats_text
from reconciler.integrations.units import (
    BOOT_NAME,
    RUN,
    SERVE_NAME,
    SERVE_SOCKET_NAME,
    WATCH_NAME,
    Needs,
    boot_unit_text,
    serve_socket_text,
    serve_unit_text,
    watch_unit_text,
)
from reconciler.watch.run_directory import GROUP

MANIFESTS: Final = "/etc/reconciler"
FORMATS: Final = "usr/share/reconcile/record-formats"
"""Where an installed package says which records it writes; the next one reads it before it takes its place."""

_ROOT: Final = Path(__file__).parents[1]
_UNITS: Final = "usr/lib/systemd/system"
_SOCKET: Final = f"{RUN}/serve.sock"
_COMPLETION: Final = {
    "bash": "usr/share/bash-completion/completions/reconcile",
    "zsh": "usr/share/zsh/vendor-completions/_reconcile",
    "fish": "usr/share/fish/vendor_completions.d/reconcile.fish",
}
_PAGE: Final = "usr/share/cockpit/reconcile"
_BINARY: Final = "/usr/bin/reconcile"

_GROUP_TEXT: Final = f"""\
# May read what the loop of reconcile publishes in {RUN}, and ask 'reconcile serve'.
g {GROUP} -
"""
_DIRECTORY_TEXT: Final = f"""\
# What the loop of reconcile publishes, and the socket of 'reconcile serve'.
d {RUN} 0755 root root -
"""


def unit_texts(python: str, systemd: int) -> Mapping[str, str]:
    """The units of a package by their names; none of them is started by being installed.

    Args:
        python: the interpreter that has `reconciler`, as an absolute path.
        systemd: the oldest version that has to understand them.
    """
    serve = ("--listen", _SOCKET, "--run-dir", RUN)
    made = {
        BOOT_NAME: boot_unit_text(python),
        WATCH_NAME: watch_unit_text(python, ("-f", MANIFESTS), Needs(group=GROUP), systemd),
        SERVE_NAME: serve_unit_text(python, serve, GROUP, _SOCKET, is_local=True),
        SERVE_SOCKET_NAME: serve_socket_text(_SOCKET, GROUP),
    }
    return {name: _head(name) + text.partition("\n")[2] for name, text in made.items()}


def _head(unit: str) -> str:
    name = unit.removeprefix("reconcile-").partition(".")[0]
    return f"# Of the package. 'reconcile service install {name}' makes one with other options in its place.\n"


def files(python: str, systemd: int, zsh: str) -> Iterator[tuple[str, str]]:
    """Every file but the manual pages and Cockpit's, as its path below the root and its text.

    Args:
        python: as for `unit_texts`.
        systemd: as for `unit_texts`.
        zsh: the directory where zsh looks for completion.
    """
    for name, text in unit_texts(python, systemd).items():
        yield f"{_UNITS}/{name}", text
    yield "usr/lib/sysusers.d/reconcile.conf", _GROUP_TEXT
    yield "usr/lib/tmpfiles.d/reconcile.conf", _DIRECTORY_TEXT
    for shell, path in _COMPLETION.items():
        where = f"{zsh.strip('/')}/_reconcile" if shell == "zsh" else path
        yield where, _said("completion", shell)
    yield FORMATS, formats_text()


def install(root: Path, python: str, systemd: int, zsh: str) -> None:
    """Write `files` and the manual pages below `root`."""
    for path, text in files(python, systemd, zsh):
        _write(root / path, text)
    _said("man", "--directory", str(root / "usr/share/man"))
    (root / MANIFESTS.strip("/")).mkdir(parents=True, exist_ok=True)


def install_page(root: Path) -> None:
    """Write Cockpit's page below `root`; it is shown where the packaged command is."""
    for file in sorted((_ROOT / "cockpit").iterdir()):
        text = file.read_text(encoding="utf-8")
        if file.name == "manifest.json":
            text = json.dumps({**json.loads(text), "conditions": [{"path-exists": _BINARY}]}, indent=2) + "\n"
        _write(root / _PAGE / file.name, text)


def try_out() -> None:
    """Have the command make a plan for a simulated host, apply it, and find nothing left to do.

    Raises:
        subprocess.CalledProcessError: it did not.
    """
    example = _ROOT / "examples/three-guests"
    with tempfile.TemporaryDirectory() as folder:
        for file in example.glob("*.yaml"):
            (Path(folder) / file.name).write_bytes(file.read_bytes())
        host = ("--simulate", "simulated-host.yaml")
        _said("apply", "--yes", *host, folder=folder)
        _said("plan", "--detailed-exitcode", *host, folder=folder)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _said(*arguments: str, folder: str | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-P", "-m", "reconciler.cli", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment, cwd=folder)
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what `arguments` (default: the process's) say."""
    parser = argparse.ArgumentParser(prog="packages.contents", description="Write what a package has besides modules.")
    parser.add_argument("--root", type=Path, help="below which everything is written")
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that the units run")
    parser.add_argument("--systemd", type=int, default=252, help="the oldest version that reads the units")
    parser.add_argument("--zsh", default="/usr/share/zsh/vendor-completions", help="where zsh looks")
    parser.add_argument("--page", type=Path, help="below which Cockpit's page is written")
    parser.add_argument("--try", action="store_true", dest="trying", help="have the command apply an example")
    given = parser.parse_args(arguments)
    if given.trying:
        try_out()
    if given.root:
        install(given.root, given.python, given.systemd, given.zsh)
    if given.page:
        install_page(given.page)


if __name__ == "__main__":
    main()
