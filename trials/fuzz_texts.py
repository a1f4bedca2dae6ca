"""Texts for the fuzz campaign: valid ones, and changes of them that know their grammar.

Random bytes are refused by the first line of any reader. What finds something is nearly valid: one value, one key, one
character or one byte is not as it should be.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

HOSTILE: Final = (
    "\x1b[2J\x1b[31m",
    "\r\n::error file=x,line=1::found",
    "x\n::stop-commands::y",
    "##[error]x",
    "##vso[task.complete result=Failed]",
    "\u202egpj\u202c",
    "\u2066a\u2069",
    "a\u200bb\u200dc\ufeff",
    "\U000e0041\U000e007f",
    "a\ufe0f\u034f\u115f\u3164",
    "\x00",
    "\x07\x08\x7f",
    "\x85\u2028\u2029",
    "\u061c\u180e\u00ad",
    "\ud800",
    "a\u0301\u0489",
    "\U0001f600",
    "../../../../etc/passwd",
    "-rf",
    "--yes",
    "$(reboot)`reboot`;reboot",
    "'\"\\",
    "%s%n{0}{x}[/bold]",
    "<img src=x>|`*_#",
    " x ",
    "\t",
    "",
    "a" * 300,
    "\u0130\u1e9e",
    "null",
    "true",
)
"""Texts that have done harm somewhere: to terminals, CI systems, shells, Markdown, paths, formats."""

ODD: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 256, 2**31, 10**40, 0.5, "05", "0x147", "5-4", "0-255", "0x5-", "5,6", "all", "+5", "0b1",
    "1_000", "5:30", [], {}, [[]], [{}], {"": ""}, [None], ["0-255"] * 20, {"adapters": [5]},
)  # fmt: skip
"""Values of other kinds than what is expected, or just beyond what is allowed."""

HOST: Final[Mapping[str, Any]] = {
    "apiVersion": "reconciler/v1",
    "kind": "Host",
    "metadata": {"name": "lpar7"},
    "spec": {
        "pool": {"domains": [4, "0x47", "0xab-0xaf"]},
        "keep": [{"adapters": [0], "domains": [0]}],
        "unmanaged": "ignore",
        "persistence": "none",
    },
}
GUEST: Final[Mapping[str, Any]] = {
    "apiVersion": "reconciler/v1",
    "kind": "Guest",
    "metadata": {"name": "payments", "labels": {"tenant": "cards"}},
    "spec": {
        "host": "lpar7",
        "uuid": "62177883-f1bb-47f0-914d-32a22e3a8804",
        "adapters": [5, 6],
        "domains": [4, "0x47"],
        "controlDomains": [4],
        "activation": "active",
        "presence": "any",
        "disruption": "refuse",
        "ignoreDrift": ["adapters"],
    },
}
SIMULATED: Final[Mapping[str, Any]] = {
    "apiVersion": "reconciler/v1",
    "kind": "SimulatedHost",
    "metadata": {"name": "lpar7"},
    "spec": {
        "kernel": "6.12",
        "maxDomain": 255,
        "adapters": [{"id": 5, "type": "CEX7", "mode": "cca"}, {"id": 6, "configured": False}, {"id": 7}],
        "usageDomains": [4, "0x47", "0xab"],
        "controlDomains": [4],
        "pool": {"domains": ["0-3", "6-255"]},
        "mdevs": [{"uuid": "62177883-f1bb-47f0-914d-32a22e3a8804", "adapters": [5], "domains": [4]}],
        "vms": ["62177883-f1bb-47f0-914d-32a22e3a8804"],
        "busyQueues": ["05.0047"],
        "faults": [{"write": 4, "errno": "EBUSY"}],
    },
}

_INSERTED: Final = (
    "&a", "*a", "<<: *a\n", "!!python/object/apply:os.system ['x']\n", "!!binary |\n  //8=\n", "!tag ", "%YAML 9.9\n",
    "---\n", "...\n", "\t", "? ", "- ", ": ", "#", "|", ">", "|-9\n", "@", "`", "{", "}", "[", "]", '"', "'", "\r",
    "\ufeff", "\x00", "~", "? [a, b]\n: c\n", "a: &x [*x]\n", "0o5", ".inf", ".nan", "=", "2026-01-01", "1:30", "\x85",
)  # fmt: skip


def hostile(random: Random) -> str:
    """A text that has done harm somewhere, alone or within another."""
    one = random.choice(HOSTILE)
    return random.choice((one, f"g{one}", f"{one}x", one + random.choice(HOSTILE)))


def documents(random: Random, bases: Sequence[Mapping[str, Any]], most: int = 12) -> list[Any]:
    """Copies of `bases`, some more often, some of their values changed."""
    made = [copied(one) for one in bases]
    for number in range(random.randrange(most) if random.random() < 0.3 else 0):
        guest = copied(bases[-1])
        named = guest.get("metadata")
        if isinstance(named, dict) and random.random() < 0.8:
            named["name"] = f"g{number}"
        made.append(guest)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 6))):
        at = random.randrange(len(made))
        made[at] = changed(random, made[at])
    random.shuffle(made)
    return made


def copied(value: Any) -> Any:
    """A copy that shares nothing; also of what no JSON has."""
    if isinstance(value, Mapping):
        return {name: copied(one) for name, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list | tuple) else value


def changed(random: Random, value: Any) -> Any:
    """`value` with one place in it changed: another value, another key, none, twice, moved, or wrapped."""
    holders: list[Any] = []
    _collect(value, holders)
    if not holders:
        return random.choice(ODD)
    holder = random.choice(holders)
    steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    if not steps:
        return value
    step = random.choice(steps)
    change = random.choice((_odd, _odd, _hostile_value, _hostile_key, _gone, _twice, _wrapped, _misspelt))
    change(random, holder, step)
    return value


def _collect(value: Any, holders: list[Any]) -> None:
    if isinstance(value, dict | list):
        holders.append(value)
        for one in value.values() if isinstance(value, dict) else value:
            _collect(one, holders)


def _odd(random: Random, holder: Any, step: Any) -> None:
    holder[step] = copied(random.choice(ODD))


def _hostile_value(random: Random, holder: Any, step: Any) -> None:
    holder[step] = hostile(random)


def _hostile_key(random: Random, holder: Any, step: Any) -> None:
    if isinstance(holder, dict):
        holder[hostile(random)] = holder[step]
    else:
        holder.insert(step, hostile(random))


def _gone(_random: Random, holder: Any, step: Any) -> None:
    del holder[step]


def _twice(random: Random, holder: Any, step: Any) -> None:
    if isinstance(holder, list):
        holder.extend(copied([holder[step]]) * random.choice((1, 30)))
    else:
        holder[f"{step} "] = holder[step]


def _wrapped(random: Random, holder: Any, step: Any) -> None:
    for _ in range(random.choice((1, 3, 40))):
        holder[step] = random.choice(([holder[step]], {"x": holder[step]}))


def _misspelt(random: Random, holder: Any, step: Any) -> None:
    if isinstance(holder, dict) and isinstance(step, str) and len(step) > 1:
        at = random.randrange(len(step) - 1)
        holder[step[:at] + step[at + 1] + step[at] + step[at + 2 :]] = holder.pop(step)


def yaml_text(random: Random, made: Sequence[Any]) -> bytes:
    """`made` as YAML documents, in one of several styles, sometimes with a change of the text or the bytes."""
    style = random.choice((_block, _block, _flow, _pretty))
    text = "---\n".join(style(one) for one in made)
    content = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.35:
        content = text_changed(random, text).encode("utf-8", "surrogatepass")
    if random.random() < 0.15:
        content = bytes_changed(random, content)
    return content


def _block(value: Any) -> str:
    if not isinstance(value, dict):
        return _flow(value)
    lines = []
    for name, one in value.items():
        if isinstance(one, dict) and one:
            lines.append(f"{_scalar(name)}:")
            lines += [f"  {line}" for line in _block(one).splitlines()]
        else:
            lines.append(f"{_scalar(name)}: {_flow(one).rstrip()}")
    return "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    text = str(value)
    return text if text.isalnum() and text.isascii() else json.dumps(text, ensure_ascii=False)


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) + "\n"


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, indent=2, default=str) + "\n"


def text_changed(random: Random, text: str) -> str:
    """`text` with something put in, taken out, swapped or repeated, where its grammar feels it."""
    lines = text.splitlines(keepends=True) or [""]
    at = random.randrange(len(lines))
    place = random.randrange(len(text) + 1)
    changes: tuple[Callable[[], str], ...] = (
        lambda: text[:place] + random.choice(_INSERTED) + text[place:],
        lambda: "".join((*lines[:at], random.choice(_INSERTED) + lines[at], *lines[at + 1 :])),
        lambda: "".join((*lines[:at], " " * random.randrange(9) + lines[at].lstrip(), *lines[at + 1 :])),
        lambda: "".join((*lines[:at], lines[at] * random.choice((2, 50)), *lines[at + 1 :])),
        lambda: "".join(lines[:at] + lines[at + 1 :]),
        lambda: text.replace("\n", random.choice(("\r\n", "\r", "\n\n\n", "\x85", "\u2028"))),
        lambda: text[:place] + "[" * (deep := random.choice((9, 60, 3000))) + "]" * deep + text[place:],
        lambda: text[:place] + "{a: " * (deep := random.choice((9, 60, 3000))) + "}" * deep + text[place:],
        lambda: text + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)),
        lambda: text[:place] + hostile(random) + text[place:],
        lambda: text[:place],
        lambda: text + f"# {hostile(random)}\n",
        lambda: text.replace(":", random.choice((" :", ":", ": !!str", ": &x")), random.choice((1, 99))),
    )
    return random.choice(changes)()


def bytes_changed(random: Random, content: bytes) -> bytes:
    """`content` with some bytes changed, or in another encoding."""
    at = random.randrange(len(content) + 1)
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at] + bytes([random.randrange(256)]) + content[at + 1 :],
        lambda: content[:at] + random.randbytes(random.choice((1, 2, 9))) + content[at:],
        lambda: content[:at],
        lambda: content[at:] + content[:at],
        lambda: content[:at] + b"\xff\xfe\xed\xa0\x80\xc0\xaf" + content[at:],
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.decode("utf-8", "replace").encode(random.choice(("utf-16", "utf-16-be", "utf-32"))),
        lambda: content.replace(b"a", b"\0", random.choice((1, 9))),
        lambda: content * random.choice((2, 20)),
        lambda: b"",
    )
    return random.choice(changes)()
