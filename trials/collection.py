"""The Ansible collection as its users get it: ``./run collection``, and ``./run collection STEP ...`` for some steps.

It is built, and installed from its tarball into the environment of each version of ansible-core that this Python can
run. There its documentation is shown, its playbooks and examples are parsed, ``ansible-test sanity`` and
``ansible-lint`` look at it, and our own tests of it run. The environments are kept in ``build/collection``.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[1]
PLACE: Final = ROOT / "build/collection"
SOURCE: Final = ROOT / "ansible"

VERSIONS: Final[Mapping[str, tuple[int, int]]] = {
    "2.16": (10, 12),
    "2.17": (10, 12),
    "2.19": (11, 13),
    "2.20": (12, 99),
    "2.21": (12, 99),
}
"""The versions of ansible-core, and the first and the last Python 3 that a controller of each can have."""

KINDS: Final = {"modules": "module", "inventory": "inventory", "roles": "role"}
"""Folders of what has documentation, below `plugins` but for roles, and how ansible-doc calls it."""

# ansible-test downloads a script that installs pip; where there is no network but a package index, this does the same.
GET_PIP: Final = """\
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
wanted = [one for one in sys.argv[1:] if one not in {"--no-setuptools", "--no-wheel"}]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *wanted], check=False).returncode)
"""


class Failed(Exception):
    """A step has found something; the message is what it said."""


class Version:
    """One version of ansible-core, in an environment of its own, with the collection from its tarball.

    `name` is a key of `VERSIONS`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = PLACE / f"ansible-{name}"
        self.programs = self.folder / "bin"
        self.collections = PLACE / f"collections-{name}"
        self.installed = self.collections / "ansible_collections/reconcile/vfio_ap"

    def prepare(self) -> None:
        """Make the environment where it is not there yet: with this clone's reconcile, which the collection imports."""
        if not (self.folder / "ready").exists():
            needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
            environment(self.folder, f"ansible-core=={self.name}.*", *needs)
            (self.folder / "ready").touch()
        (packages,) = self.folder.glob("lib/python*/site-packages")
        (packages / "reconcile-clone.pth").write_text(f"{ROOT}\n", encoding="utf-8")

    def install(self, tarball: Path) -> None:
        """Install the collection, and nothing else."""
        shutil.rmtree(self.collections, ignore_errors=True)
        self.run("ansible-galaxy", "collection", "install", str(tarball), "--offline", "-p", str(self.collections))

    def run(self, program: str, *words: str, folder: Path | None = None, **variables: str) -> str:
        """What `program` prints in `folder`, or in `PLACE`; raises Failed where it fails."""
        more = {"ANSIBLE_COLLECTIONS_PATH": str(self.collections), "ANSIBLE_NOCOLOR": "1", **variables}
        return ran([str(self.programs / program), *words], folder or PLACE, self.programs, more)


def environment(folder: Path, *packages: str) -> None:
    """Make a virtual environment in `folder` with `packages`."""
    shutil.rmtree(folder, ignore_errors=True)
    ran([sys.executable, "-m", "venv", str(folder)], ROOT)
    ran([str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *packages], ROOT)


def ran(
    command: Sequence[str], folder: Path, programs: Path | None = None, more: Mapping[str, str] | None = None
) -> str:
    """What `command` prints in `folder`, with a home of its own; raises Failed where it fails."""
    home = PLACE / "home"
    home.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("PATH", os.defpath)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    variables |= {"HOME": str(home), "PATH": f"{programs}:{path}" if programs else path, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables | dict(more or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stdout.splitlines()
        errors = [one for one in lines[:-40] if one.startswith("ERROR: ")]
        raise Failed("\n".join([" ".join(command), *errors, *lines[-40:]]))
    return done.stdout


def build(version: Version, source: Path = SOURCE, place: Path = PLACE) -> Path:
    """The tarball of the collection in `source`, made in `place`."""
    for old in place.glob("*.tar.gz"):
        old.unlink()
    version.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(place), folder=source)
    (tarball,) = place.glob("*.tar.gz")
    return tarball


def documented(source: Path = SOURCE) -> dict[str, list[str]]:
    """The full names of everything in the collection that has documentation, by what ansible-doc calls its kind."""
    found: dict[str, list[str]] = {}
    for folder, kind in KINDS.items():
        names = (source / "roles").iterdir() if kind == "role" else (source / "plugins" / folder).glob("*.py")
        found[kind] = sorted(f"reconcile.vfio_ap.{one.stem}" for one in names)
    return found


def doc(version: Version) -> None:
    """Show the documentation of each plugin and role, and parse playbooks and examples."""
    for kind, names in documented().items():
        shown = version.run("ansible-doc", "-t", kind, *names)
        missing = [one for one in names if one not in shown and one.rpartition(".")[2].upper() not in shown.upper()]
        if missing:
            raise Failed(f"no documentation of {', '.join(missing)}")
    playbooks = [str(one) for one in sorted((version.installed / "playbooks").glob("*.yml"))]
    given = ["-e", "fleet_hosts=localhost", "-e", "fleet_stage=check"]
    version.run("ansible-playbook", "--syntax-check", *given, *playbooks, str(examples(version.installed)))


def examples(collection: Path) -> Path:
    """A playbook with all examples of all modules of `collection`."""
    tasks: list[object] = []
    for file in sorted((collection / "plugins/modules").glob("*.py")):
        text = re.search(r'^EXAMPLES = r?"""(.*?)"""', file.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        if text is None:
            raise Failed(f"{file.name} has no examples")
        tasks += yaml.safe_load(text[1])
    playbook = PLACE / "examples.yml"
    playbook.parent.mkdir(parents=True, exist_ok=True)
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "tasks": tasks}]), encoding="utf-8")
    return playbook


def sanity(version: Version) -> None:
    """Run ansible-test sanity on what is installed."""
    package = next(version.folder.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py"))
    cache = PLACE / "home/.ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for number in re.findall(r"\bpip='([0-9.]+)'", package.read_text(encoding="utf-8")):
        (cache / f"get_pip_{number.replace('.', '_')}.py").write_text(GET_PIP, encoding="utf-8")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    words = ("sanity", "--local", "--requirements", "--python", python, "--color", "no")
    # It takes what git lists; in a directory that git ignores, such as ours, that is nothing.
    ran(["git", "init", "--quiet"], version.installed)
    output = version.run("ansible-test", *words, folder=version.installed)
    if 'Running sanity test "validate-modules"' not in output:
        raise Failed(f"ansible-test has looked at nothing:\n{output}")


def lint(version: Version) -> None:
    """Run ansible-lint, by its production profile."""
    folder = PLACE / "lint"
    if not (folder / "ready").exists():
        environment(folder, "ansible-lint")
        (folder / "ready").touch()
    more = {"ANSIBLE_COLLECTIONS_PATH": str(version.collections)}
    words = ("--offline", "--profile", "production", "--nocolor", "--strict")
    ran([str(folder / "bin/ansible-lint"), *words], version.installed, folder / "bin", more)


def tests(version: Version) -> None:
    """Run our own tests on what is installed."""
    more = {"RECONCILE_ANSIBLE": str(version.programs), "RECONCILE_COLLECTION": str(version.installed)}
    ran([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/collection"], ROOT, None, more)


STEPS: Final[Mapping[str, Callable[[Version], None]]] = {"doc": doc, "sanity": sanity, "lint": lint, "tests": tests}
"""What is done with each version; `lint` only once, since it has its own."""


def main() -> int:
    """Run the steps; the exit status is 1 where any has found something."""
    parser = argparse.ArgumentParser(prog="./run collection", description="Look at the Ansible collection.")
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"only these: {', '.join(STEPS)}")
    parser.add_argument("--version", choices=VERSIONS, help="only with this version of ansible-core")
    given = parser.parse_args()
    unknown = set(given.steps) - set(STEPS)
    if unknown:
        parser.error(f"there is no step {', '.join(sorted(unknown))}")
    minor = sys.version_info.minor
    fitting = [name for name, (first, last) in VERSIONS.items() if first <= minor <= last]
    chosen = [Version(name) for name in fitting if given.version in {None, name}]
    if not chosen:
        parser.error(f"ansible-core {given.version} does not run on Python 3.{minor}")
    PLACE.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for version in chosen:
        steps = [one for one in STEPS if one in (given.steps or STEPS) and (one != "lint" or version is chosen[-1])]
        wrong += _looked_at(version, steps)
    return 1 if wrong else 0


def _looked_at(version: Version, steps: Sequence[str]) -> int:
    """How many of `steps` have found something with this version."""

    def installed(one: Version) -> None:
        one.prepare()
        one.install(build(one))

    if not _done("install", version, installed):
        return 1
    return sum(not _done(step, version, STEPS[step]) for step in steps)


def _done(step: str, version: Version, act: Callable[[Version], None]) -> bool:
    """Whether `step` has found nothing; a line says so, and what it said where it has."""
    print(f"ansible-core {version.name}  {step:<10}", end="", flush=True)
    begun = time.monotonic()
    try:
        act(version)
    except Failed as error:
        print(f"FAILED\n{error}", flush=True)
        return False
    print(f"ok, {time.monotonic() - begun:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
