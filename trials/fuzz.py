"""The fuzz campaign: whatever is read from outside ends in a message, within bounds, and shows no unsafe character.

Each input has a number, and is made by chance from the seed and that number alone, so that one can be made again:
``./run trials fuzz --seed 1 --only 4711``. It is read in this process, by the command that would read it. Wrong is:

* an exception, or an exit code, that is not documented;
* a character in the output that moves a cursor, hides or turns text, or makes a line a command of a CI system;
* JSON on standard output that no program can read;
* more than `SECONDS` of CPU time, or more than `MEGABYTES` on top of what the process had.
"""

import os
import re
import resource
import signal
import subprocess
import sys
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from io import BytesIO, StringIO
from json import loads
from multiprocessing.util import Finalize
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from reconciler.cli import doctor_command, failures, output
from reconciler.cli.main import run as reconcile
from reconciler.cli.options import HostOptions
from reconciler.cli.output import printable_output
from reconciler.hosts import opening
from trials.fuzz_kinds import Boot, Kind, Manifests, Plans, Ran, Records, Simulated, Try, Xml
from trials.fuzz_large import Large, Trees

INPUTS: Final = 100_000
"""How many a full run tries."""

SECONDS: Final = 5.0
"""CPU time that one input may take."""

MEGABYTES: Final = 300
"""Memory that one input may take."""

_REAL_SECONDS: Final = 120.0
_CHUNK: Final = 250
_SHOWN: Final = 3
_EXIT_CODES: Final = {0, 1, 2, 3, 4, 5, 6, 7, 8, 64}
_MEMORY: Final = Path("/dev/shm")
SHARES: Final = {
    "manifests": 4500,
    "records": 2000,
    "plans": 1000,
    "xml": 1250,
    "boot": 700,
    "simulated": 495,
    "trees": 50,
    "large": 5,
}
"""How many of 10,000 inputs are of each kind."""

_BUGS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError)
"""What the hook, which reports everything in one line, must not report."""


class Found(NamedTuple):
    """What one input did: its number and kind, how large it was, what it took, and what was wrong, mostly nothing."""

    number: int
    kind: str
    size: int
    seconds: float
    megabytes: float
    wrong: tuple[str, ...]


class TooLong(BaseException):
    """An input took more CPU time, or real time, than it may."""


class Campaign:
    """Makes and tries inputs, in a folder of its own."""

    def __init__(self, folder: Path, seed: int, part: float = 1.0) -> None:
        """Get ready in `folder`; large inputs are at most `part` of their largest size."""
        self._seed = seed
        self._kinds: dict[str, Kind] = {}
        makers: dict[str, Callable[[Path], Kind]] = {
            "manifests": lambda place: Manifests(place, run),
            "records": lambda place: Records(place, run),
            "plans": lambda place: Plans(place, run),
            "xml": lambda place: Xml(place, run),
            "boot": lambda place: Boot(place, run, _look_below),
            "simulated": lambda place: Simulated(place, run),
            "trees": lambda place: Trees(place, run, say),
            "large": lambda place: Large(place, run, part),
        }
        self._makers = makers
        self._folder = folder

    def kind_of(self, number: int) -> str:
        """Which kind input `number` is of."""
        return Random(f"{self._seed}/{number}/kind").choices(list(SHARES), list(SHARES.values()))[0]

    def close(self) -> None:
        """Let go of what the kinds hold open."""
        for kind in self._kinds.values():
            if isinstance(kind, Trees):
                kind.close()

    def tried(self, number: int, kind: str = "") -> Found:
        """What input `number` does; of `kind`, if that is named."""
        kind = kind or self.kind_of(number)
        if kind not in self._kinds:
            place = self._folder / kind
            place.mkdir()
            self._kinds[kind] = self._makers[kind](place)
        found = judged(number, kind, self._kinds[kind].make(Random(f"{self._seed}/{number}")))
        if found.seconds > SECONDS:  # other programs slow a processor down: what is too slow is so a second time
            again = judged(number, kind, self._kinds[kind].make(Random(f"{self._seed}/{number}")))
            found = min(found, again, key=lambda one: one.seconds)
        return found


def judged(number: int, kind: str, made: Try) -> Found:
    """What `made` does."""
    with _measured() as taken:
        wrong = _wrong(made)
    seconds, megabytes = taken()
    if seconds > SECONDS and not any("CPU time" in one for one in wrong):
        wrong.append(f"more than {SECONDS:g} s of CPU time")
    if megabytes > MEGABYTES:
        wrong.append(f"more than {MEGABYTES} MB")
    return Found(number, kind, made.size, seconds, megabytes, tuple(wrong))


def _wrong(made: Try) -> list[str]:
    try:
        ran = made.act()
    except TooLong:
        return [f"more than {SECONDS:g} s of CPU time, in {_innermost(sys.exc_info()[2])}"]
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it must not be
        return [f"{type(error).__name__} in {_innermost(error.__traceback__)}: {str(error)[:120]!a}"]
    wrong = []
    if ran.code not in _EXIT_CODES:
        wrong.append(f"exit code {ran.code}")
    for name, text in (("standard output", ran.out), ("standard error", ran.err)):
        if unsafe := unsafe_part(text):
            wrong.append(f"{unsafe} on {name}")
        if "bug in reconcile" in text or "Traceback" in text:
            wrong.append(f"a bug on {name}")
    if ran.out.startswith("{"):
        try:
            loads(ran.out)
        except ValueError:
            wrong.append("JSON that cannot be read on standard output")
    if reason := made.check(ran):
        wrong.append(reason)
    return wrong


_HARMLESS: Final = re.compile(r"[ -~\n\t]*")
_COMMANDS: Final = re.compile(r"(?m)^[ \t]*::|##(?:vso)?\[")
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    map(chr, range(0xFE00, 0xFE10))
)


def unsafe_part(text: str) -> str:
    """What `text` has that no terminal, journal or CI log should be given; empty where there is nothing.

    It is judged by Unicode's categories, not by the function that makes output printable.
    """
    if found := _COMMANDS.search(text):
        return f"a command of a CI system {found[0].strip()!r}"
    if _HARMLESS.fullmatch(text):
        return ""
    for one in text:
        category = unicodedata.category(one)
        if one in "\n\t":
            continue
        if category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} or one in _INVISIBLE:
            return f"character U+{ord(one):04X}"
    return ""


def _innermost(trace: Any) -> str:
    """Where in the program it was, or else where at all."""
    frames = traceback.extract_tb(trace)
    ours = [frame for frame in frames if "/reconciler/" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('/reconciler/')[2]}:{ours[-1].name}" if ours else "?"


def run(*words: str, given: bytes = b"") -> Ran:
    """``reconcile`` with `words`; `given` is its standard input."""
    return _caught(lambda: reconcile(words), given)


def say(text: str) -> Ran:
    """Show `text` on standard error as a command does."""

    def shown() -> int:
        with printable_output():
            output.say(*text.split("\n"))
        return 0

    return _caught(shown, b"")


def _caught(act: Callable[[], int], given: bytes) -> Ran:
    before, sys.stdin = sys.stdin, SimpleNamespace(buffer=BytesIO(given), isatty=lambda: False)
    try:
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = act()
    finally:
        sys.stdin = before
    return Ran(int(code), out.getvalue(), err.getvalue())


@contextmanager
def _measured() -> Iterator[Callable[[], tuple[float, float]]]:
    """Give up the block when its time is over; what it gives says afterwards what the block took."""

    def too_long(*_: object) -> None:
        raise TooLong

    before = {one: signal.signal(one, too_long) for one in (signal.SIGPROF, signal.SIGALRM)}
    start, memory = _cpu_seconds(), _peak(anew=True)
    # Twice the bound: what is only somewhat too slow is told with its time, and not with where it was.
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
    signal.setitimer(signal.ITIMER_REAL, _REAL_SECONDS)
    try:
        yield lambda: (_cpu_seconds() - start, (_peak(anew=False) - memory) / 2**20)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for one, handler in before.items():
            signal.signal(one, handler)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak(*, anew: bool) -> int:
    """The most memory that this process has had, in bytes; with `anew` counted from now on, where Linux lets us."""
    if anew:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_bytes(b"5")
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# Ready for a campaign -------------------------------------------------------------------------------------------------


class _NoTimer:
    """Arms nothing: no process must be left."""

    def arm(self, generation: int, seconds: float) -> None:
        """See `reconciler.integrations.timers.Timer`."""


def _look_below(root: Path) -> None:
    """Let the doctor look at files below `root` where the host is simulated."""

    def below(host: HostOptions) -> Path | None:
        return root if host.simulate else None

    doctor_command._root = below


@contextmanager
def prepared() -> Iterator[None]:
    """While the block runs unforeseen exceptions come here, also through the hook, and no timer is started."""
    told, root, timer = failures.reason_of, doctor_command._root, opening.timer_of

    def reason_of(error: Exception, here: Any) -> str:
        if isinstance(error, _BUGS):
            raise error
        return told(error, here)

    failures.reason_of = reason_of
    opening.timer_of = lambda *_: _NoTimer()
    environment = {name: os.environ.get(name) for name in ("RECONCILE_DEBUG", "NO_COLOR")}
    os.environ.update(dict.fromkeys(environment, "1"))
    try:
        yield
    finally:
        failures.reason_of, doctor_command._root, opening.timer_of = told, root, timer
        for name, value in environment.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


_campaign: list[tuple[Campaign, ExitStack]] = []
"""That of this process, with what lasts as long as it."""


def _begin(seed: int, part: float) -> None:
    stack = ExitStack()
    stack.enter_context(prepared())
    folder = mkdtemp(prefix="fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)
    stack.callback(subprocess.run, ["rm", "-rf", folder], check=True)  # some trees are too deep for shutil
    made = Campaign(Path(folder), seed, part)
    stack.callback(made.close)
    _campaign.append((made, stack))
    # Ended by the pool, a process has no other moment to leave nothing behind.
    Finalize(stack, stack.close, exitpriority=1)


def _tried(numbers: range) -> list[Found]:
    return [_campaign[0][0].tried(number) for number in numbers]


def campaign(seed: int, count: int, part: float = 1.0) -> Iterator[Found]:
    """Try `count` inputs, in as many processes as there are processors."""
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), initializer=_begin, initargs=(seed, part)) as pool:
        for found in pool.map(_tried, chunks):
            yield from found


class Report:
    """Counts what was found."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: Counter[str] = Counter()
        self._slowest: dict[str, Found] = {}
        self._largest: dict[str, Found] = {}
        self.wrong: dict[str, list[Found]] = {}

    def add(self, every: Iterable[Found]) -> "Report":
        """Count `every` one."""
        for one in every:
            self._counts[one.kind] += 1
            self._slowest[one.kind] = max(self._slowest.get(one.kind, one), one, key=lambda found: found.seconds)
            self._largest[one.kind] = max(self._largest.get(one.kind, one), one, key=lambda found: found.megabytes)
            for reason in one.wrong:
                same = self.wrong.setdefault(f"{one.kind}: {_alike(reason)}", [])
                if not same:
                    again = f"./run trials fuzz --seed {self._seed} --only {one.number}"
                    print(f"  WRONG {one.kind}: {reason}: {again}", flush=True)
                same.append(one)
        return self

    def __str__(self) -> str:
        lines = []
        for kind in SHARES:
            if self._counts[kind]:
                slow, large = self._slowest[kind], self._largest[kind]
                lines.append(
                    f"{kind:10} {self._counts[kind]:7,} tried; slowest {slow.seconds:6.2f} s (input {slow.number}, "
                    f"{slow.size:,} bytes); largest {large.megabytes:6.1f} MB (input {large.number}, "
                    f"{large.size:,} bytes)"
                )
        lines += [
            f"  WRONG {len(found):6,} times: {reason} (inputs {', '.join(str(one.number) for one in found[:_SHOWN])})"
            for reason, found in sorted(self.wrong.items(), key=lambda item: -len(item[1]))
        ]
        total = sum(map(len, self.wrong.values()))
        return "\n".join([*lines, f"fuzz, all  {self._counts.total():7,} tried, {total} wrong"])


def _alike(reason: str) -> str:
    """`reason` without what differs from one input to the next."""
    return re.sub(r": ['\"].*", "", re.sub(r"\d{2,}", "N", reason))


def only(seed: int, number: int) -> Found:
    """Input `number` alone, in this process."""
    _begin(seed, 1.0)
    return _tried(range(number, number + 1))[0]
