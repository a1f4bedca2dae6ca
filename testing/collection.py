"""Modules of the collection on a managed host, without controller and ssh, with its ``reconcile`` in this process."""

import importlib.util
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from ansible.module_utils import basic

from reconciler.cli.main import run
from reconciler.hosts import opening
from testing.clocks import NoTimer
from testing.ssh_hosts import ROOT, SshHost, linked_collection, simulated_host


def unconnected_host(folder: Path, name: str, description: str) -> SshHost:
    """A simulated host of which ssh knows nothing; all of its files are in `folder`."""
    place = folder / name
    place.mkdir(parents=True)
    return simulated_host(name, place, description)


def ran(host: SshHost, module: str, /, **options: Any) -> dict[str, Any]:
    """The result of the module `module` on `host`.

    Args:
        host: where.
        module: its short name.
        options: of the module; also ``check`` and ``diff`` for these modes.
    """
    modes = {f"_ansible_{name}": options.pop(key, False) for key, name in (("check", "check_mode"), ("diff", "diff"))}
    values = {"executable": str(host.reconcile), "state_dir": str(host.state_directory), **options, **modes}
    given = json.dumps({"ANSIBLE_MODULE_ARGS": values}).encode()
    warnings: list[
        str
    ] = []  # Ansible keeps them for the whole process, and shows them where it takes it for a controller
    with (
        mock.patch.object(basic.AnsibleModule, "warn", lambda _, text: warnings.append(text)),
        mock.patch.object(basic, "_ANSIBLE_ARGS", given),
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        mock.patch.object(
            basic.AnsibleModule, "run_command", lambda _, *words, **more: in_process(host, *words, **more)
        ),
        _streams() as (out, _),
        suppress(SystemExit),
    ):
        _loaded(host, module).main()
    result = json.loads(out().splitlines()[-1])
    assert isinstance(result, dict)
    others = {key: value for key, value in result.items() if key != "warnings"}
    return {**others, "warnings": warnings} if warnings else others


def in_process(
    host: SshHost, command: Sequence[str], data: str | bytes | None = None, **_: Any
) -> tuple[int, str, str]:
    """What the ``reconcile`` of `host` does, as `AnsibleModule.run_command` gives it; without a real timer."""
    assert command[0] == str(host.reconcile)
    takes_no_host = command[1].startswith("-") or "--from" in command
    words = [*command[1:], *(() if takes_no_host else host.where)]
    before = Path.cwd()
    os.chdir("/")
    try:
        with (
            mock.patch.object(opening, "timer_of", return_value=NoTimer()),
            mock.patch.object(
                sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode() if isinstance(data, str) else data or b""))
            ),
            _streams() as (out, error),
        ):
            code = run(words)
        return code, out(), error()
    finally:
        os.chdir(before)


@contextmanager
def _streams() -> Iterator[tuple[Any, Any]]:
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))

    def text(stream: io.TextIOWrapper) -> Any:
        return lambda: stream.buffer.getvalue().decode()  # type: ignore[attr-defined]

    with redirect_stdout(out), redirect_stderr(error):
        yield text(out), text(error)


def _loaded(host: SshHost, name: str) -> ModuleType:
    return _imported(host.folder.parent, f"modules/{name}.py")


def plugin_utils(name: str, folder: Path) -> ModuleType:
    """What the action plugins share, imported as on a controller; `folder` is for the collection's place."""
    return _imported(folder, f"plugin_utils/{name}.py")


def _imported(folder: Path, file: str) -> ModuleType:
    with mock.patch.object(sys, "path", [str(linked_collection(folder)), *sys.path]):
        place = ROOT / "ansible/plugins" / file
        spec = importlib.util.spec_from_file_location(f"collection_{place.stem}", place)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
