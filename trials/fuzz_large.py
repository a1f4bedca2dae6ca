"""Inputs of the fuzz campaign that are large, deep or dear to work out, and hostile git trees.

A small text can ask for much work: names that are the same, queues that all guests claim, links that lead to each
other, guests that wait for each other. Each input has a size by chance, up to that of the report that it came from.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from reconciler.integrations.git_address import address
from reconciler.manifests.site import read_files
from reconciler.watch.configurations import reasons_of
from reconciler.watch.git_source import CommitRefused, GitSource, NewestCommit
from testing.git_repositories import ENVIRONMENT, Repository
from trials.fuzz_kinds import Ran, Run, Try, file_name
from trials.fuzz_texts import GUEST, HOST, copied, hostile, yaml_text

_HEAD: Final = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"


def _guest(number: int, metadata: str = "", spec: str = "", ids: str = "adapters: [5], domains: [4]") -> str:
    return (
        f"---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: g{number}{metadata}}}\nspec: {{{ids}{spec}}}\n"
    )


def _keep(count: int) -> Iterator[str]:
    yield f"{_HEAD}spec:\n  keep: [{','.join(['{adapters: [5], domains: [4]}'] * count)}]\n"
    yield from (_guest(number, spec=", activation: on-demand") for number in range(count))


def _overlap(count: int) -> Iterator[str]:
    yield _HEAD
    yield from map(_guest, range(count))


def _twice(count: int) -> Iterator[str]:
    yield _HEAD
    yield _guest(0, ", labels: {" + ",".join(f"k{number}: v" for number in range(1000 * count)) + "}")
    yield from (_guest(0) for _ in range(count))


def _stray(count: int) -> Iterator[str]:
    yield from (f"---\n{_HEAD.replace('lpar7', f'lpar{number}')}" for number in range(count))
    yield from (_guest(number, spec=f", host: lparx{number}") for number in range(count))


def _homeless(count: int) -> Iterator[str]:
    yield from (f"---\n{_HEAD.replace('lpar7', f'lpar{number}')}" for number in range(count))
    yield from map(_guest, range(count))


def _tiny(count: int) -> Iterator[str]:
    yield _HEAD + "---\na\n" * count


def _newlines(count: int) -> Iterator[str]:
    yield _HEAD + "\n" * count


def _wide(count: int) -> Iterator[str]:
    yield f"{_HEAD}spec: {{{', '.join(f'k{number}: [{number}]' for number in range(count))}}}\n"


def _waits(random: Random, adapters: int) -> str:
    """Guests with eight domains of one adapter each, shuffled, so that those of another shuffle wait in cycles."""
    text = [f"{_HEAD}spec: {{pool: {{adapters: [0-{adapters - 1}]}}}}\n"]
    number = 0
    for adapter in range(adapters):
        domains = random.sample(range(256), 256)
        for at in range(0, 256, 8):
            ids = f"adapters: [{adapter}], domains: {sorted(domains[at : at + 8])}"
            text.append(_guest(number, ids=ids))
            number += 1
    return "".join(text)


TEXTS: Final[dict[str, tuple[Callable[[int], Iterator[str]], int]]] = {
    "keep": (_keep, 200),
    "overlap": (_overlap, 8000),
    "dup": (_twice, 100),
    "stray": (_stray, 2000),
    "leftout": (_homeless, 2000),
    "tiny": (_tiny, 400_000),
    "newlines": (_newlines, 30_000_000),
    "wide": (_wide, 200_000),
}
"""What makes a text, and the largest size that is tried."""

FOLDERS: Final = ("links", "deep", "many")
"""Kinds of large directories."""


class Large:
    """Manifests that ask for much work."""

    def __init__(self, folder: Path, run: Run, part: float = 1.0) -> None:
        """At most `part` of the largest sizes is tried."""
        self._folder = folder / "large"
        self._folder.mkdir()
        self._part = part
        self._run = run
        self._turns: dict[int, Path] = {}
        self._next = 0

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        kinds = (*TEXTS, *FOLDERS, "cycles")
        return self.one(kinds[random.randrange(len(kinds))], random)

    def one(self, kind: str, random: Random) -> Try:
        """The next input of `kind`."""
        site = self._folder / "site"
        subprocess.run(["rm", "-rf", str(site)], check=True)  # shutil's own removal is as deep as the tree
        site.mkdir()
        if kind == "cycles":
            return self._cycles(random)
        size = int(random.uniform(0.5, 1.0) * self._part * (TEXTS[kind][1] if kind in TEXTS else _LARGEST[kind]))
        if kind in TEXTS:
            content = "".join(TEXTS[kind][0](size)).encode()
            (site / "host.yaml").write_bytes(content)
            size = len(content)
        else:
            _MAKERS[kind](site, size)
        host = self._folder / "host.yaml"
        host.write_bytes(_host(8))
        words = random.choice((("validate",), ("plan", "--simulate", str(host))))
        return Try(size, lambda: self._run(*words, "-f", str(site)))

    def _cycles(self, random: Random) -> Try:
        """A second sharing out of a host on which a first one was applied."""
        adapters = 5 if self._part < 1 else random.choice((5, 10, 20))
        if adapters not in self._turns:
            place = self._folder / f"cycles-{adapters}"
            place.mkdir()
            (place / "first.yaml").write_text(_waits(Random(adapters), adapters), "ascii")
            (place / "host.yaml").write_bytes(_host(adapters))
            ran = self._run("apply", "--yes", "--simulate", str(place / "host.yaml"), "-f", str(place / "first.yaml"))
            assert ran.code == 0, ran
            self._turns[adapters] = place
        place = self._turns[adapters]
        second = place / "second.yaml"
        second.write_text(_waits(random, adapters), "ascii")
        words = ("plan", "--simulate", str(place / "host.yaml"), "-f", str(second))
        return Try(second.stat().st_size, lambda: self._run(*words))


def _host(adapters: int) -> bytes:
    cards = ", ".join(f"{{id: {number}}}" for number in range(adapters))
    text = "apiVersion: reconciler/v1\nkind: SimulatedHost\nmetadata: {name: lpar7}\nspec:\n  maxDomain: 255\n"
    return f"{text}  adapters: [{cards}]\n  usageDomains: [0-255]\n".encode()


def _links(site: Path, count: int) -> None:
    for number in range(count):
        (site / f"d{number}").mkdir()
        for name in "lr":
            (site / f"d{number}" / name).symlink_to(f"../d{number + 1}")
    (site / f"d{count}").mkdir()
    (site / f"d{count}" / "host.yaml").write_text(_HEAD, "ascii")


def _deep(site: Path, count: int) -> None:
    held = os.open(site, os.O_RDONLY)
    for _ in range(count):
        os.mkdir("d", dir_fd=held)
        inner = os.open("d", os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = inner
    os.close(os.open("host.yaml", os.O_WRONLY | os.O_CREAT, dir_fd=held))
    os.close(held)


def _many(site: Path, count: int) -> None:
    for number in range(count):
        (site / f"{number}.yaml").write_text("---\na: [\n", "ascii")


_MAKERS: Final[dict[str, Callable[[Path, int], None]]] = {"links": _links, "deep": _deep, "many": _many}
_LARGEST: Final = {"links": 25, "deep": 3000, "many": 5000}


class Trees:
    """Commits that a loop would fetch: names, modes, depths and files that git lets one commit."""

    def __init__(self, folder: Path, run: Run, say: Callable[[str], Ran]) -> None:
        """`say` shows a text as a command does."""
        self._run = run
        self._say = say
        self._repository = Repository(folder / "upstream")
        self._good = self._repository.commit({"host.yaml": _HEAD}, "Good")
        where = address(self._repository.url, "main", "")
        self._source = GitSource(where, folder / "git", ENVIRONMENT)
        self._accepted = ""

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        size = self._commit(random)
        return Try(size, self._fetched)

    def close(self) -> None:
        """Let another process have the mirror."""
        self._source.close()

    def _commit(self, random: Random) -> int:
        stream = self._stream(random)
        repository = self._repository.path
        done = subprocess.run(
            ["git", "fast-import", "--quiet", "--force"],
            cwd=repository,
            input=stream,
            capture_output=True,
            env=ENVIRONMENT,
            check=False,
        )
        for crash in (repository / ".git").glob("fast_import_crash_*"):
            crash.unlink()
        if done.returncode:  # a path that fast-import refuses; a tree may hold it all the same
            self._odd_tree(random)
        return len(stream)

    def _stream(self, random: Random) -> bytes:
        lines = [b"commit refs/heads/main\n", b"committer K <k@e> %d +0000\n" % random.randrange(1 << 31)]
        subject = hostile(random).encode("utf-8", "surrogatepass")
        lines.append(b"data %d\n%s\n" % (len(subject), subject))
        if random.random() < 0.7:
            lines.append(b"from refs/heads/main^0\n")
        lines.append(b"deleteall\n")
        for _ in range(random.choice((1, 2, 5, 60))):
            mode, content = random.choice(_MODES), yaml_text(random, [copied(HOST), copied(GUEST)])
            if mode == b"120000":
                content = random.choice((b"../../etc/passwd", b".", b"x" * 5000, file_name(random), b"/dev/zero"))
            lines.append(b"M %s inline %s\ndata %d\n%s\n" % (mode, _quoted(_path(random)), len(content), content))
        return b"".join(lines)

    def _odd_tree(self, random: Random) -> None:
        blob = self._repository.blob(_HEAD.encode())
        names = (b"..", b".", b".git", b"a/b", b"", b".GIT", b"git~1", file_name(random))
        entries = [(random.choice(("100644", "100664", "40000", "160000", "7")), blob, name) for name in names]
        self._repository.commit_tree(self._repository.tree(*random.sample(entries, random.randrange(1, 4))))

    def _fetched(self) -> Ran:
        found = self._source.refresh(self._accepted, allow_older=True)
        if isinstance(found, NewestCommit):
            self._accepted = found.commit
            return self._say("\n".join(reasons_of(read_files(found.files).problems)))
        reasons = found.reasons if isinstance(found, CommitRefused) else (found.reason,)
        return self._say("\n".join(reasons))


_MODES: Final = (b"100644", b"100644", b"100644", b"100755", b"120000")


def _path(random: Random) -> bytes:
    match random.randrange(6):
        case 0:
            return b"d/" * random.choice((40, 400, 2500)) + b"host.yaml"
        case 1:
            return file_name(random) + b"/" + file_name(random) + b".yaml"
        case 2:
            return random.choice((b".git/config", b"HEAD", b"config", b".gitattributes", b".gitmodules", b"objects/x"))
        case 3:
            return b"n" * random.choice((200, 255, 256, 300)) + b".yaml"
        case _:
            return b"%d.yaml" % random.randrange(9)


def _quoted(path: bytes) -> bytes:
    return b'"' + b"".join(b"\\%03o" % one for one in path) + b'"'
