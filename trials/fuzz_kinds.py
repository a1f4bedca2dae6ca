"""The kinds of input of the fuzz campaign. Each puts an input in its place and says which command reads it."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from testing.commands import EXAMPLES
from testing.damaged_json import damaged
from testing.libvirt import AP_UUID, domain_xml, hostdev
from testing.state_directories import FILES, READERS, WRITERS, keep_everything, takes_manifests
from trials.fuzz_texts import (
    GUEST,
    HOST,
    SIMULATED,
    bytes_changed,
    changed,
    copied,
    documents,
    hostile,
    text_changed,
    yaml_text,
)


class Ran(NamedTuple):
    """What a command gave: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Try(NamedTuple):
    """An input that is in its place, and what reads it.

    Attributes:
        size: of the input, in bytes.
        act: runs the command.
        check: what is wrong with how it ended, besides what is wrong with any command; empty where nothing is.
    """

    size: int
    act: Callable[[], Ran]
    check: Callable[[Ran], str] = lambda _: ""


Run = Callable[..., Ran]
"""Runs ``reconcile`` with words; ``given`` is its standard input."""


class Kind(Protocol):
    """One kind of input."""

    def make(self, random: Random) -> Try:
        """Put the next input in its place."""


def emptied(folder: Path) -> Path:
    """`folder`, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Manifests:
    """YAML files: documents, text, bytes, names of files, folders, links, what looks like a repository."""

    def __init__(self, folder: Path, run: Run) -> None:
        self._folder = folder / "manifests"
        self._host = folder / "host.yaml"
        self._host.write_bytes((EXAMPLES / "three-guests/simulated-host.yaml").read_bytes())
        self._run = run

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        folder = emptied(self._folder)
        size = 0
        made = documents(random, (HOST, GUEST) if random.random() < 0.9 else (HOST,))
        if random.random() < 0.2:  # everything that is left of these is valid, so that plans are made of hostile texts
            made = [copied(HOST), *self._labelled(random)]
        cut = random.randrange(len(made) + 1) if random.random() < 0.3 else len(made)
        for part in (made[:cut], made[cut:]):
            if part:
                content = yaml_text(random, part)
                size += len(content)
                self._put(random, folder, content)
        if random.random() < 0.2:
            self._litter(random, folder)
        words = random.choice(_ON_MANIFESTS)
        where = () if words[0] == "validate" else ("--simulate", str(self._host))
        apply = words[0] == "apply"

        def act() -> Ran:
            ran = self._run(*words, *where, "-f", str(folder))
            if apply:
                forget(self._host)
            return ran

        return Try(size, act)

    def _labelled(self, random: Random) -> list[Any]:
        guests = []
        for number in range(random.choice((1, 3))):
            guest = copied(GUEST)
            guest["metadata"] = {"name": f"g{number}", "labels": {hostile(random): hostile(random)}}
            guest["spec"] = {"adapters": [5], "domains": [4 + number]}
            guests.append(guest)
        return guests

    def _put(self, random: Random, folder: Path, content: bytes) -> None:
        name = random.choice((b"a.yaml", b"b.yml", b"c.YAML", b"d.yaml~", file_name(random) + b".yaml"))
        place = os.fsencode(folder)
        for _ in range(random.choice((0, 0, 0, 1, 30))):
            place = os.path.join(place, b"d")
        os.makedirs(place, exist_ok=True)
        try:
            with open(os.path.join(place, name), "wb") as file:
                file.write(content)
        except OSError:  # a name that no file can have
            with open(os.path.join(place, b"e.yaml"), "wb") as file:
                file.write(content)

    def _litter(self, random: Random, folder: Path) -> None:
        """What else there may be in a directory."""
        place = os.fsencode(folder)
        name = file_name(random)
        repository = {"HEAD": b"ref: refs/heads/main\n", "config": b'[filter "x"]\nclean = touch /tmp/no\n'}
        litter: tuple[Callable[[], object], ...] = (
            lambda: os.symlink(b".", os.path.join(place, name)),
            lambda: os.symlink(name, os.path.join(place, b"dangling.yaml")),
            lambda: os.symlink(b"/dev/zero", os.path.join(place, b"zero.yaml")),
            lambda: os.symlink(b"loop.yaml", os.path.join(place, b"loop.yaml")),
            lambda: os.mkfifo(os.path.join(place, b"pipe.yaml")),
            lambda: os.mkdir(os.path.join(place, name + b".yaml")),
            lambda: [(folder / one).write_bytes(content) for one, content in repository.items()],
            (folder / "objects").mkdir,
            (folder / "refs").mkdir,
            lambda: (folder / ".git").write_bytes(b"gitdir: " + name + b"\n"),
            (folder / ".git").mkdir,
            lambda: [(folder / f"{number}.yaml").write_bytes(b"---\n") for number in range(60)],
        )
        for one in random.sample(litter, random.choice((1, 3))):
            try:
                one()
            except (OSError, ValueError):  # there already, or no name
                continue


_ON_MANIFESTS: Final = (
    *(("validate",),) * 6,
    ("validate", "-o", "json"),
    *(("plan",),) * 6,
    ("plan", "-o", "json"),
    ("plan", "-o", "markdown"),
    ("plan", "-o", "diff"),
    ("matrix",),
    ("matrix", "-o", "json"),
    ("status",),
    ("status", "-o", "json"),
    ("drift",),
    ("doctor",),
    ("apply", "--yes"),
)


def file_name(random: Random) -> bytes:
    """A name of a file, as hostile as a file system allows."""
    name = hostile(random).encode("utf-8", "surrogatepass").replace(b"/", b"_").replace(b"\0", b"_")[:200]
    return random.choice((name, name + b"\xff\xfe", b"\xe9" + name)) or b"x"


def forget(host: Path) -> None:
    """Let the simulated host that `host` describes be as at its start."""
    shutil.rmtree(f"{host}.state", ignore_errors=True)
    Path(f"{host}.state.json").unlink(missing_ok=True)


class Records:
    """Everything in the state directory, damaged; read by every command that reads it."""

    def __init__(self, folder: Path, run: Run) -> None:
        site = folder / "site"
        shutil.copytree(EXAMPLES / "three-guests", site, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
        host, guests = site / "simulated-host.yaml", site / "guests.yaml"
        self._where = ("--simulate", str(host), "-f", str(site))
        self._host = host
        self._run = run
        self.state = Path(f"{host}.state")

        def change() -> None:
            guests.write_bytes(guests.read_bytes().replace(b"adapters: [5, 6]", b"adapters: [6]", 1))

        keep_everything(lambda *words: run(*words, *self._where), self.state, change)
        self._kept = {path.relative_to(site): path.read_bytes() for path in self._files()}

    def _files(self) -> list[Path]:
        return [path for path in (*self.state.rglob("*"), Path(f"{self._host}.state.json")) if path.is_file()]

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        self._restore()
        size = 0
        for file in random.sample(FILES, random.choice((1, 1, 1, 2))):
            path = self.state / file
            content = path.read_bytes()
            content = damaged(content, random) if b"{" in content else bytes_changed(random, content)
            path.write_bytes(content)
            size += len(content)
        words = random.choice(random.choice((READERS, READERS, WRITERS)))
        where = self._where if takes_manifests(words) else self._where[:2]
        return Try(size, lambda: self._run(*words, *where))

    def _restore(self) -> None:
        site = self._host.parent
        for path in self._files():
            if path.relative_to(site) not in self._kept:
                path.unlink()
        for name, content in self._kept.items():
            path = site / name
            path.parent.mkdir(exist_ok=True, mode=0o700)
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)


class Plans:
    """Saved plans in which something was changed: whatever it was, they are not applied."""

    def __init__(self, folder: Path, run: Run) -> None:
        site = folder / "planned"
        shutil.copytree(EXAMPLES / "three-guests", site, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
        self._host = site / "simulated-host.yaml"
        self._file = site / "plan.json"
        self._run = run
        ran = run("plan", "-f", str(site), "--simulate", str(self._host), "--out", str(self._file))
        assert ran.code == 0, ran
        self._whole = self._file.read_bytes()

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        content = damaged(self._whole, random)
        self._file.write_bytes(content)

        def act() -> Ran:
            ran = self._run("apply", str(self._file), "--yes", "--simulate", str(self._host))
            if ran.code == 0:
                forget(self._host)
            return ran

        return Try(len(content), act, lambda ran: self._judged(content, ran))

    def _judged(self, content: bytes, ran: Ran) -> str:
        if ran.code == 0 and json.loads(content) != json.loads(self._whole):
            return "a plan was applied although it was changed after it was saved"
        return ""


class Xml:
    """Descriptions of VMs: for ``validate --domain-xml``, and for libvirt's hook."""

    def __init__(self, folder: Path, run: Run) -> None:
        site = folder / "demand"
        shutil.copytree(EXAMPLES / "on-demand", site, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
        self._site, self._host, self._file = site, site / "simulated-host.yaml", site / "vm.xml"
        self._run = run
        uuids = [one["uuid"] for one in json.loads(run("status", *self._where(), "-o", "json").out)["guests"]]
        assert uuids
        self._uuids = (AP_UUID, *uuids)

    def _where(self) -> tuple[str, ...]:
        return ("-f", str(self._site), "--simulate", str(self._host))

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        content = self._xml(random)
        if random.random() < 0.6:
            self._file.write_bytes(content)
            words = ("validate", "-f", str(self._site), "--domain-xml", str(self._file), *random.choice(_FORMATS))
            return Try(len(content), lambda: self._run(*words))
        operation = random.choice((("prepare", "begin"), ("prepare", "begin"), ("release", "end")))
        vm = hostile(random).replace("\0", "") or "vm"
        vm = vm.encode("utf-8", "replace").decode()

        def act() -> Ran:
            ran = self._run("hook", "qemu", *self._where(), "--", vm, *operation, "-", given=content)
            forget(self._host)
            return ran

        return Try(len(content), act)

    def _xml(self, random: Random) -> bytes:
        devices = [self._device(random) for _ in range(random.choice((0, 1, 1, 1, 2, 40)))]
        name = random.choice(("payments-db", _escaped(hostile(random)), hostile(random)))
        prolog = random.choice(("", "", "", *_PROLOGS))
        text = domain_xml(*devices, name=name.encode("utf-8", "replace").decode(), prolog=prolog).decode()
        if random.random() < 0.4:
            text = _xml_changed(random, text)
        content = text.encode("utf-8", "surrogatepass")
        return bytes_changed(random, content) if random.random() < 0.15 else content

    def _device(self, random: Random) -> str:
        uuid = random.choice((*self._uuids, random.choice(self._uuids).upper(), _escaped(hostile(random)), ""))
        text = hostdev(uuid, random.choice(("vfio-ap", "vfio-ap", "vfio-pci", _escaped(hostile(random)))))
        return random.choice((text, text, text.replace("address", "adress", 1), f"<x>{text}</x>"))


_FORMATS: Final[tuple[tuple[str, ...], ...]] = ((), (), ("-o", "json"))
_PROLOGS: Final = (
    "<?xml version='1.0' encoding='utf-16'?>",
    "<?xml version='1.0' encoding='cp037'?>",
    "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
    "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY {one} '{f'&{before};' * 10}'>" for before, one in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>",
    "<?xml-stylesheet href='x'?>",
    "<!-- \u202e -->",
)
_XML_INSERTED: Final = (
    "<a>", "</a>", "<x/>", "&i;", "&x;", "&#0;", "&#x202e;", "&#55296;", "<![CDATA[", "]]>", "<!--", "-->", "<?p?>",
    "'", '"', "<", ">", "&", "<hostdev", " model='vfio-ap'", "xmlns:y='z' ", "<source><address uuid='x'/>",
    "<feature policy='disable' name='ap'/>", "<qemu:commandline><qemu:arg value='-device'/></qemu:commandline>",
)  # fmt: skip


def _escaped(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")


def _xml_changed(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    changes: tuple[Callable[[], str], ...] = (
        lambda: text[:at] + random.choice(_XML_INSERTED) + text[at:],
        lambda: text[:at] + "<a>" * (deep := random.choice((30, 400, 20_000))) + "</a>" * deep + text[at:],
        lambda: text.replace("</devices>", "".join(map(hostdev, ["x"] * 300)) + "</devices>", 1),
        lambda: text.replace("<name>", f"<name {'a' * 9999}='1'>", 1),
        lambda: text_changed(random, text),
        lambda: text[:at],
    )
    return random.choice(changes)()


class Boot:
    """What a host boots with: the kernel's command line, udev's rules, mdevctl's definitions, lists of modules."""

    def __init__(self, folder: Path, run: Run, doctor_root: Callable[[Path], None]) -> None:
        site = folder / "boots"
        shutil.copytree(EXAMPLES / "three-guests", site, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
        self._site, self._host = site, site / "simulated-host.yaml"
        for path in site.glob("host*.yaml"):
            path.write_text(path.read_text("utf-8").replace("spec:", "spec:\n  persistence: mdevctl", 1), "utf-8")
        self._root = Path(f"{self._host}.state/root")
        self._run = run
        doctor_root(self._root)

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        root = emptied(self._root)
        self._root.parent.chmod(0o700)
        size = 0
        for name, content in self._files(random).items():
            path = os.path.join(os.fsencode(root), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
            size += len(content)
        words = random.choice(_ON_BOOT)
        where = ("--simulate", str(self._host)) + (() if words[0] == "import" else ("-f", str(self._site)))
        return Try(size, lambda: self._run(*words, *where))

    def _files(self, random: Random) -> dict[bytes, bytes]:
        """Some files, each nearly right."""
        uuid = random.choice((AP_UUID, AP_UUID.upper(), AP_UUID.replace("-", ""), AP_UUID[:-1]))
        name = file_name(random) if random.random() < 0.2 else uuid.encode()
        makers: dict[bytes, Callable[[Random], bytes]] = {
            b"proc/cmdline": _command_line,
            b"etc/udev/rules.d/41-ap.rules": _rules,
            b"etc/udev/rules.d/" + file_name(random) + b".rules": _rules,
            b"etc/mdevctl.d/matrix/" + name: _definition,
            b"etc/modules-load.d/x.conf": lambda _: random.choice((b"vfio_ap\n", b"vfio-ap # x\n", b"\xff\n")),
        }
        return {path: makers[path](random) for path in random.sample(list(makers), random.choice((1, 2, 4)))}


_ON_BOOT: Final = (("doctor",), ("doctor",), ("doctor", "-o", "json"), ("import",), ("plan",), ("status",))
_MASKS: Final = (
    "+5", "-5,-6", "0xff", "0XFF", "ff", "", "0x", "+0-255", "-010", "5-4", "+256", "+1,", ",", "-0-255,+4",
    "0x" + "f" * 64, "0x" + "f" * 65, "+" + "1," * 500, "\x1b[31m", "+5\u202e", "\xff",
)  # fmt: skip
_DEFINITION: Final[Mapping[str, Any]] = {
    "mdev_type": "vfio_ap-passthrough",
    "start": "auto",
    "attrs": [{"assign_adapter": "5"}, {"assign_domain": "0x47"}, {"assign_control_domain": "4"}],
}


def _command_line(random: Random) -> bytes:
    words = ["root=/dev/dasda1", "quiet"]
    for _ in range(random.choice((1, 2, 300))):
        name = random.choice(("ap.apmask", "ap.aqmask", "ap.APMASK", "vfio_ap.x", "modprobe.blacklist", '"ap.apmask'))
        words.append(f"{name}={random.choice((*_MASKS, hostile(random)))}")
    content = " ".join(words).encode("utf-8", "surrogatepass")
    return bytes_changed(random, content) if random.random() < 0.3 else content + b"\n"


def _rules(random: Random) -> bytes:
    mask = random.choice(_MASKS)
    lines = [
        "# Generated by chzdev",
        'ACTION!="change", GOTO="ap_end"',
        'SUBSYSTEM=="ap", KERNEL=="ap", DEVPATH=="/devices/ap", ENV{X}=="1", GOTO="ap_cfg"',
        f'ATTR{{[ap/]apmask}}="{mask}"',
        f'ATTR{{/sys/bus/ap/aqmask}}="{random.choice((*_MASKS, hostile(random)))}"',
        f"RUN+=\"/bin/sh -c 'echo {mask} > /sys/bus/ap/apmask'\"",
        'LABEL="ap_end"',
    ]
    text = random.choice(("\n", "\n", "\r\n", " \\\n")).join(random.sample(lines, random.randrange(1, len(lines) + 1)))
    text = text_changed(random, text) if random.random() < 0.4 else f"{text}\n"
    content = text.encode("utf-8", "surrogatepass")
    return bytes_changed(random, content) if random.random() < 0.2 else content


def _definition(random: Random) -> bytes:
    value = copied(_DEFINITION)
    for _ in range(random.choice((0, 1, 2))):
        value = changed(random, value)
    content = json.dumps(value, default=str).encode()
    return damaged(content, random) if random.random() < 0.4 and content.startswith(b"{") else content


class Simulated:
    """Descriptions of simulated hosts, and the files that keep their state."""

    def __init__(self, folder: Path, run: Run) -> None:
        self._folder = emptied(folder / "simulated")
        self._host = self._folder / "host.yaml"
        self._run = run
        self._site = self._folder / "site"
        self._site.mkdir()
        (self._site / "host.yaml").write_bytes(json.dumps({**HOST, "spec": {}}).encode())
        kept = self._folder / "kept.yaml"
        kept.write_bytes((EXAMPLES / "three-guests/simulated-host.yaml").read_bytes())
        run("simulate", "--simulate", str(kept), "unplug", "5")
        self._kept, self._saved = kept, Path(f"{kept}.state.json").read_bytes()

    def make(self, random: Random) -> Try:
        """See `Kind`."""
        words: Sequence[str] = random.choice((("simulate",), ("simulate",), ("plan", "-f", str(self._site))))
        if random.random() < 0.3:
            content = damaged(self._saved, random)
            Path(f"{self._kept}.state.json").write_bytes(content)
            return Try(len(content), lambda: self._run(*words, "--simulate", str(self._kept)))
        content = yaml_text(random, documents(random, (SIMULATED,), 2))
        self._host.write_bytes(content)

        def act() -> Ran:
            ran = self._run(*words, "--simulate", str(self._host))
            forget(self._host)
            return ran

        return Try(len(content), act)
