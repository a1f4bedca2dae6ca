"""What a guest is given to do, as a tar archive that it unpacks over its root directory."""

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

GUEST: Final = Path(__file__).parent / "guest"
"""The scripts that run in the guest."""
KEPT_DISK: Final = "512M"
"""Size of a disk that is kept; what is not used takes no room."""


def write_job_disk(path: Path, command: str, files: Mapping[str, Path]) -> None:
    """Write the archive: the lab's scripts, the shell command line `command`, and `files`.

    Args:
        path: the archive.
        command: what the guest runs.
        files: by name below ``/job``, the file or directory that is copied there.
    """
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(_entry("job", tarfile.DIRTYPE))
        _add_script(archive, "lab/command", f"{command}\n".encode())
        for name in ("run", "lab.service", "modprobe.conf"):
            _add_script(archive, f"lab/{name}", (GUEST / name).read_bytes())
        _add_script(archive, "usr/local/bin/aphw", (GUEST / "aphw").read_bytes())
        for name, source in sorted(files.items()):
            archive.add(source, f"job/{name}", filter=_as_root)


def make_disk(path: Path, size: str = KEPT_DISK) -> None:
    """Make an empty disk of `size` that takes what a guest changes in its file system.

    Raises:
        OSError: it cannot be made.
        subprocess.CalledProcessError: mke2fs failed.
    """
    unfinished = path.with_suffix(".new")
    command: list[str | Path] = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", unfinished, size]
    # It names the file that it makes in spite of -q.
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    unfinished.rename(path)


def extract_results(archived: bytes, directory: Path) -> None:
    """Unpack the files and directories that a guest left in ``/results`` into `directory`; empty `archived`: nothing.

    Raises:
        tarfile.TarError: it is not an archive, or a name in it leads out of `directory`.
    """
    if not archived:
        return
    # Not extractall(): its filters are missing from Debian 12's Python.
    with tarfile.open(fileobj=io.BytesIO(archived)) as archive:
        for entry in archive:
            name = PurePosixPath(entry.name)
            if name.is_absolute() or ".." in name.parts:
                raise tarfile.TarError(f"the results have a name that leads elsewhere: {entry.name}")
            content = archive.extractfile(entry)
            target = directory / name
            (target.parent if content else target).mkdir(parents=True, exist_ok=True)
            if content:
                target.write_bytes(content.read())


def _entry(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, 0o755
    return entry


def _add_script(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = _entry(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in entry.name:
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
