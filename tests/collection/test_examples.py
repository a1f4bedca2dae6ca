"""The examples in the documentation of the modules, run in the order in which a person would, on simulated hosts."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from testing.collection import ran, unconnected_host
from testing.ssh_hosts import COLLECTION, DESCRIPTION, SshHost

OURS: Final = "reconcile.vfio_ap."
SITE: Final = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: web}
spec: {host: lpar7, adapters: [5], domains: [4]}
"""
PLACES: Final = {"/etc/reconciler": "site.yaml", "manifests/": ""}
"""What examples name, and where it is in the folder of a test."""


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks in the documentation of `module`."""
    text = (COLLECTION / f"plugins/modules/{module}.py").read_text(encoding="utf-8")
    return list(yaml.safe_load(text.partition('EXAMPLES = r"""')[2].partition('"""')[0]))


class Play:
    """Runs tasks on one host, as Ansible does: with what was registered, and templates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host: SshHost = unconnected_host(folder, "lpar7", DESCRIPTION % "lpar7")
        (folder / "site.yaml").write_text(SITE, encoding="utf-8")
        self.known: dict[str, Any] = {}
        self.changed: list[str] = []
        self._templates = NativeEnvironment()
        self._templates.filters["to_json"] = json.dumps

    def run(self, *tasks: dict[str, Any]) -> None:
        """Run `tasks`, one after the other; none may fail."""
        for task in tasks:
            (module,) = (one for one in task if "." in one)
            known = {**self.known, **task.get("vars", {})}
            options = self._rendered(task[module] or {}, known)
            result = self._done(module, options, known)
            assert not result.get("failed"), (task, result)
            if result.get("changed"):
                self.changed.append(task["name"])
            if "register" in task:
                self.known[task["register"]] = result

    def _done(self, module: str, options: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        if module.startswith(OURS):
            return ran(self.host, module.removeprefix(OURS), **options)
        if module == "ansible.builtin.copy":
            Path(options["dest"]).write_text(options["content"], encoding="utf-8")
            return {}
        assert module == "ansible.builtin.debug"
        assert self._templates.compile_expression(options["var"], undefined_to_none=False)(known) is not None
        return {}

    def _rendered(self, value: Any, known: dict[str, Any]) -> Any:
        if isinstance(value, dict):
            return {key: self._rendered(one, known) for key, one in value.items()}
        if isinstance(value, list):
            return [self._rendered(one, known) for one in value]
        if isinstance(value, str):
            for name, place in PLACES.items():
                value = value.replace(name, f"{self.folder}/{place}")

            return self._templates.from_string(value).render(known) if "{{" in value else value
        return value


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """A host on which nothing was done yet."""
    return Play(tmp_path)


def test_the_examples_of_the_documentation_work(play: Play) -> None:
    """Looking, applying what was looked at, more time, keeping it; then once more, and what else there is."""
    at_once, *looked_at = examples("apply")

    play.run(*examples("plan"), *looked_at)
    assert play.host.state("night-42") == "pending"
    play.run(*examples("confirm"))
    assert play.host.state("night-42") == "confirmed"
    play.run(at_once, *examples("host_info"), *examples("import_manifests"))

    assert play.known["found"]
    assert (play.folder / "lpar7.yaml").exists()
    assert at_once["name"] not in play.changed, "that was done already"


def test_the_example_of_a_cancelled_apply_works(play: Play) -> None:
    """What was to be confirmed is rolled back."""
    play.run(*examples("apply")[1:], *examples("cancel"))

    assert play.host.state("night-42") == "cancelled"


def test_each_module_has_examples_that_are_run_here() -> None:
    """A new module is added to the tests above."""
    run = {"apply", "cancel", "confirm", "host_info", "import_manifests", "plan"}
    assert run == {one.stem for one in (COLLECTION / "plugins/modules").glob("*.py")}
    assert all(map(examples, run))
