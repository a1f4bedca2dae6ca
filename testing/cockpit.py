"""Our page in a real Cockpit, with a stand-in for ``reconcile`` or the real one on a simulated host."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import reconciler
from testing.mounted_hosts import until

PAGE: Final = Path(__file__).parents[1] / "cockpit"
"""The folder that is installed."""
_SERVER: Final = Path("/usr/lib/cockpit/cockpit-ws")


def what_is_missing() -> str | None:
    """The programs that this machine lacks for a Cockpit; None where all are there."""
    missing = ["cockpit-ws"] * (not _SERVER.exists()) + ["cockpit-bridge"] * (shutil.which("cockpit-bridge") is None)
    return ", ".join(missing) or None


class Cockpit:
    """A Cockpit whose users are logged in; `folder` has its home and the ``reconcile`` that it finds."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}/cockpit/@localhost/reconcile/index.html"

    @property
    def program(self) -> Path:
        """Where the first ``reconcile`` on its PATH is."""
        return self.folder / "bin" / "reconcile"

    def have(self, script: str) -> None:
        """Make `script`, of the shell, the ``reconcile`` of this Cockpit."""
        made = self.program.with_name("made")
        made.write_text(f"#!/bin/sh\n{script}\n")
        made.chmod(0o755)
        made.replace(self.program)

    def have_printing(self, answers: Mapping[str, str]) -> None:
        """Have a ``reconcile`` that prints the answer that belongs to its first word."""
        for name, text in answers.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        self.have(f'cat {shlex.quote(str(self.folder))}/"$1"')

    def have_simulated(self, file: Path) -> None:
        """Have the real ``reconcile``, on the simulated host of `file`."""
        assert reconciler.__file__
        search = shlex.quote(str(Path(reconciler.__file__).parent.parent))
        program = shlex.join([sys.executable, "-m", "reconciler.cli"])
        self.have(f'PYTHONPATH={search} exec {program} "$@" --simulate {shlex.quote(str(file))}')


@contextmanager
def cockpit(folder: Path) -> Iterator[Cockpit]:
    """A Cockpit that has our page, and keeps what it keeps in `folder`."""
    for name in ("bin", "home", "share/cockpit"):
        (folder / name).mkdir(parents=True)
    (folder / "share/cockpit/reconcile").symlink_to(PAGE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(_SERVER), "--no-tls", "--local-session=cockpit-bridge", "--port", str(port), "--address=127.0.0.1"]
    with subprocess.Popen(
        command, env=_environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as ws:
        try:
            until(lambda: ws.poll() is not None or _answers(port))
            assert ws.poll() is None
            yield Cockpit(folder, port)
        finally:
            ws.terminate()


def packages(share: Path) -> str:
    """The packages that the bridge finds in `share`, one a line: names, entries of the menu, folders."""
    ran = subprocess.run(
        ["cockpit-bridge", "--packages"],
        env={**os.environ, "XDG_DATA_DIRS": f"{share}:/usr/share"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ran.stdout


def _environment(folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "RECONCILE_SIMULATE"}},
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "XDG_DATA_DIRS": f"{folder / 'share'}:/usr/share",
        "XDG_RUNTIME_DIR": str(folder / "home"),
        "NO_COLOR": "1",
    }


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
