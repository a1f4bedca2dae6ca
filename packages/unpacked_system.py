"""A Debian of another architecture, as dpkg leaves it after unpacking: its files, and dpkg's own database of them.

No program of it can run here. What is left to do there is ``dpkg --configure --pending``, which runs the packages'
scripts.
"""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

_DATABASE: Final = "var/lib/dpkg"
_ACCOUNTS: Final = {"passwd": "usr/share/base-passwd/passwd.master", "group": "usr/share/base-passwd/group.master"}
"""What a script of base-passwd would copy to ``/etc`` before anything is unpacked."""
_NOT_KEPT: Final = {"control"}
"""Parts of a package that dpkg keeps elsewhere, or works without."""


def unpack_system(packages: Sequence[Path], root: Path) -> None:
    """Unpack `packages`, which are complete, into the new directory `root`.

    Raises:
        subprocess.CalledProcessError: dpkg-deb failed.
    """
    database = root / _DATABASE
    for folder in ("info", "updates", "alternatives", "triggers"):
        (database / folder).mkdir(parents=True)
    (database / "info/format").write_text("1\n", encoding="utf-8")
    (database / "available").touch()
    entries = [_unpacked(one, root) for one in packages]
    (database / "status").write_text("\n".join(entries), encoding="utf-8")
    for name, master in _ACCOUNTS.items():
        shutil.copy(root / master, root / "etc" / name)


def _unpacked(package: Path, root: Path) -> str:
    """Unpack one package and what dpkg keeps of it; the entry for its status."""
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    parts = root / _DATABASE / "parts"
    subprocess.run(["dpkg-deb", "--control", package, parts], check=True)
    control = (parts / "control").read_text(encoding="utf-8")
    name = database_name(control)
    info = root / _DATABASE / "info"
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        (info / f"{name}.list").write_text(listed(archive.getnames()), encoding="utf-8")
    if (parts / "triggers").exists():
        for file, line in interests(name, (parts / "triggers").read_text(encoding="utf-8")):
            with (root / _DATABASE / "triggers" / file).open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")
    configuration = parts / "conffiles"
    paths = configuration.read_text(encoding="utf-8").split("\n") if configuration.exists() else ()
    hashes = {one: _hash(root / one.lstrip("/")) for one in paths if one.startswith("/")}
    for part in parts.iterdir():
        if part.name not in _NOT_KEPT:
            shutil.copy(part, info / f"{name}.{part.name}")
    shutil.rmtree(parts)
    return status_entry(control, hashes)


def _hash(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def database_name(control: str) -> str:
    """What dpkg calls the package with this control file; its architecture is a part where several can be installed."""
    fields = dict(re.findall(r"^(\S+): (.*)$", control, re.MULTILINE))
    name: str = fields["Package"]
    return f"{name}:{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else name


def status_entry(control: str, hashes: Mapping[str, str]) -> str:
    """The entry of dpkg's status for a package with this control file that is unpacked and not configured.

    Args:
        control: the control file.
        hashes: MD5 of its configuration files, by path.
    """
    first, rest = control.strip().split("\n", 1)
    files = "".join(f"\n {path} {value}" for path, value in hashes.items())
    return f"{first}\nStatus: install ok unpacked\n{rest}\n" + (f"Conffiles:{files}\n" if files else "")


def listed(names: Iterable[str]) -> str:
    """The list of a package's files as dpkg keeps it; `names` are those of the entries in its archive."""
    paths = (name.strip("/").removeprefix("./") for name in names)
    return "".join(f"/{path}\n" for path in paths)


def interests(name: str, triggers: str) -> list[tuple[str, str]]:
    """What dpkg keeps of the `triggers` of package `name`: for each that it waits for, the file and the line in it."""
    found = []
    for kind, trigger in re.findall(r"^\s*interest(-noawait|-await|)\s+(\S+)", triggers, re.MULTILINE):
        option = "/noawait" if kind == "-noawait" else ""
        if trigger.startswith("/"):
            found.append(("File", f"{trigger} {name}{option}"))
        else:
            found.append((trigger, f"{name}{option}"))
    return found
