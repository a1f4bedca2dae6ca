"""The collection under a real Ansible: one that is installed beside this Python, or that ``RECONCILE_ANSIBLE`` names.

``./run collection`` sets ``RECONCILE_ANSIBLE`` to the ``bin`` directory of each version in turn, and
``RECONCILE_COLLECTION`` to the collection that is installed there.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from testing.commands import Ran
from testing.ssh_hosts import COLLECTION

FULL_NAME: Final = "reconcile.vfio_ap"
PATIENCE: Final = 120.0

_PROGRAMS: Final = Path(os.environ.get("RECONCILE_ANSIBLE", Path(sys.executable).parent))


class Ansible:
    """Programs of Ansible in `folder`, which see our collection and nothing of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "home").mkdir()
        place = folder / "collections" / "ansible_collections" / Path(*FULL_NAME.split("."))
        place.parent.mkdir(parents=True)
        place.symlink_to(COLLECTION)
        self.environment = {
            "PATH": f"{_PROGRAMS}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(folder / "home"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        }

    def __call__(self, program: str, *words: str) -> Ran:
        """Run ``ansible-PROGRAM`` with `words`."""
        ran = subprocess.run(
            [str(_PROGRAMS / f"ansible-{program}"), *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def file(self, name: str, text: str) -> str:
        """The path of the file `name`, made with `text`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)
