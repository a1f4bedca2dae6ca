"""Debian packages without installing them: an apt of our own, downloads, unpacking.

Every suite gets a configuration of its own with an empty package database. So apt works out complete sets of packages
for any architecture, and the host's own packages and lists stay as they are.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
GUEST_ARCHITECTURE: Final = "s390x"

_GUEST_SUITES: Final = ("sid", "trixie", "bookworm")
"""Where programs for a guest may come from."""


class PackageError(Exception):
    """apt could not do what was asked."""


def host_mirror() -> str:
    """The address of the Debian archive that the host's own apt uses.

    Raises:
        PackageError: it uses none.
    """
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    addresses = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise PackageError("this machine's apt knows no Debian archive: run apt-get update, or give one with --mirror")


def host_architecture() -> str:
    """Debian's name of the host's architecture."""
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def source_line(suite: str, mirror: str, architectures: list[str]) -> str:
    """The line of a sources.list for the main part of `suite`."""
    # A mirror of sid may be weeks behind, as the lab wants any recent kernel; the lists' dates are no concern here.
    validity = " check-valid-until=no" if suite == "sid" else ""
    return f"deb [signed-by={KEYRING} arch={','.join(architectures)}{validity}] {mirror} {suite} main\n"


def apt_configuration(directory: Path, architectures: list[str]) -> str:
    """An apt.conf that keeps everything below `directory`."""
    paths = {
        "Dir::Etc": "etc",
        "Dir::Etc::sourcelist": "sources.list",
        "Dir::State::lists": "lists",
        "Dir::State::status": "status",
        "Dir::Cache": "cache",
        "Dir::Cache::archives": "archives",
    }
    lines = [f'{option} "{directory / name}";' for option, name in paths.items()]
    quoted = "".join(f'"{one}";' for one in architectures)
    lines += [
        'Dir::Etc::sourceparts "/dev/null";',
        f"APT::Architectures {{{quoted}}};",
        'APT::Install-Recommends "false";',
        'APT::Sandbox::User "root";',
        'Acquire::Languages "none";',
    ]
    return "\n".join(lines) + "\n"


def names_after(label: str, text: str) -> list[str]:
    """The last words of the lines of apt-cache's output `text` that start with `label`, for example ``Depends:``."""
    return [line.split()[-1] for line in text.splitlines() if line.strip().startswith(label)]


def errors_of(text: str) -> str:
    """What apt's standard error `text` gives as errors, the first three of them; all of it where it marks none."""
    errors = [line for line in text.strip().splitlines() if line.startswith("E:")]
    if not errors:
        return text.strip()
    more = f"\nand {len(errors) - 3} more" if len(errors) > 3 else ""
    return "\n".join(errors[:3]) + more


class Suite:
    """One Debian suite, for the host's architecture and the guest's; `name` is its name."""

    def __init__(self, directory: Path, name: str, mirror: str) -> None:
        """Make the configuration below `directory`, which is made where missing."""
        self.name = name
        self._directory = directory
        self._archives = directory / "archives"
        self._updated = False
        architectures = [host_architecture(), GUEST_ARCHITECTURE]
        for part in ("etc", "lists/partial", "cache", "archives/partial"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        (directory / "status").write_text("", encoding="utf-8")
        (directory / "sources.list").write_text(source_line(name, mirror, architectures), encoding="utf-8")
        (directory / "apt.conf").write_text(apt_configuration(directory, architectures), encoding="utf-8")

    def dependencies(self, package: str) -> list[str]:
        """The packages that `package` depends on, of alternatives the first.

        Raises:
            PackageError: there is no such package.
        """
        return names_after("Depends:", self._apt("apt-cache", "depends", "--important", package))

    def version(self, package: str) -> str:
        """The newest version of a package.

        Raises:
            PackageError: there is no such package.
        """
        return names_after("Version:", self._apt("apt-cache", "show", "--no-all-versions", package))[0]

    def names(self, prefix: str) -> list[str]:
        """The names of all packages that start with `prefix`, of any architecture and without it."""
        return self._apt("apt-cache", "pkgnames", prefix).split()

    def download(self, *packages: str) -> list[Path]:
        """Download exactly these packages, each given as name, ``name:architecture`` or ``name=version``.

        The files stay until the next call with the same name.

        Raises:
            PackageError: a package is not to be had.
        """
        files: list[Path] = []
        for package in packages:
            target = self._directory / "single" / package.replace(":", "_")
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            self._apt("apt-get", "download", package, directory=target)
            files += target.iterdir()
        return files

    def closure(self, architecture: str, *packages: str) -> list[Path]:
        """Download packages and everything that they depend on; the files stay until the next call.

        Raises:
            PackageError: a package is not to be had.
        """
        shutil.rmtree(self._archives)
        (self._archives / "partial").mkdir(parents=True)
        for_architecture = ["-o", f"APT::Architecture={architecture}"]
        self._apt("apt-get", "-q", "-y", *for_architecture, "--download-only", "install", *packages)
        return sorted(self._archives.glob("*.deb"))

    def _apt(self, *command: str, directory: Path | None = None) -> str:
        if not self._updated:
            self._updated = True
            self._apt("apt-get", "-q", "update")
        environment = {
            **os.environ,
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
            "APT_CONFIG": str(self._directory / "apt.conf"),
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=directory, check=False)
        if done.returncode:
            raise PackageError(f"{' '.join(command[:6])} …: {errors_of(done.stderr)}")
        return done.stdout


def first_to_be_had(suite: str, take: Callable[[str], None], say: Callable[[str], None] = lambda _: None) -> None:
    """Call `take` with `suite`, and with other suites if it raises PackageError.

    A mirror may list packages that it does not have yet, or no longer.
    `say` receives a sentence about each suite whose packages cannot be had.

    Raises:
        PackageError: no suite has the packages; the error of the last one.
    """
    suites = [suite, *(other for other in _GUEST_SUITES if other != suite)]
    for number, name in enumerate(suites, start=1):
        try:
            take(name)
        except PackageError as error:
            if number == len(suites):
                raise
            say(f"the packages of {name} cannot be had, taking those of {suites[number]} ({error})")
        else:
            return


def unpack(packages: list[Path], directory: Path) -> None:
    """Extract package files below `directory`, running none of their scripts."""
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
