"""Modules of the collection as Ansible starts them on a managed host: a process each, without controller and ssh."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from testing.ssh_hosts import ROOT, SshHost, linked_collection, simulated_host


def unconnected_host(folder: Path, name: str, description: str) -> SshHost:
    """A simulated host of which ssh knows nothing; all of its files are in `folder`."""
    place = folder / name
    place.mkdir(parents=True)
    return simulated_host(name, place, description)


def ran(host: SshHost, module: str, /, python: str = sys.executable, **options: Any) -> dict[str, Any]:
    """The result of the module `module` on `host`.

    Args:
        host: where.
        module: its short name.
        python: which interpreter runs it.
        options: of the module; also ``check`` and ``diff`` for these modes.
    """
    modes = {f"_ansible_{name}": options.pop(key, False) for key, name in (("check", "check_mode"), ("diff", "diff"))}
    values = {"executable": str(host.reconcile), "state_dir": str(host.state_directory), **options, **modes}
    done = subprocess.run(
        [python, ROOT / "ansible/plugins/modules" / f"{module}.py"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": values}),
        env={**os.environ, "PYTHONPATH": str(linked_collection(host.folder.parent))},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    result = json.loads(lines[-1])
    assert isinstance(result, dict)
    return result
