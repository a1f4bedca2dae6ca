"""The commands of ours that messages lead to, and how they are written for a shell.

A message is often made where nothing is known of the options of this run; there it has a `Command`. Where it is shown,
`Here` completes it, so that whoever runs it meets the same host, state and manifests. Nothing else builds such a line;
a test parses each by the command's own definition.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from reconciler.model.errors import ReconcileError
from reconciler.model.printable import shell_line


class Takes(Enum):
    """Which options of this run a command takes."""

    NOTHING = auto()
    MACHINE = auto()  # which host, and where its state is kept
    MANIFESTS = auto()  # and which manifests


class Command(NamedTuple):
    """A command: the `words` after ``reconcile``, and which options of this run go with it."""

    words: tuple[str, ...]
    takes: Takes = Takes.MACHINE

    def __str__(self) -> str:
        return shell_line(("reconcile", *self.words))

    def with_flags(self, *flags: str) -> "Command":
        """The same command with more words."""
        return self._replace(words=(*self.words, *flags))


class Here(NamedTuple):
    """The options of this run that lead another command to the same place.

    Attributes:
        machine: those for the host and the state, for example ``("--simulate", "host.yaml")``.
        manifests: those for the manifests, for example ``("-f", "/etc/reconciler", "--host", "lpar7")``.
    """

    machine: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()

    def line(self, command: Command) -> str:
        """The whole command for a shell."""
        manifests = self.manifests if command.takes is Takes.MANIFESTS else ()
        machine = () if command.takes is Takes.NOTHING else self.machine
        return shell_line(("reconcile", *command.words, *manifests, *machine))

    def reading(self, paths: Sequence[str]) -> "Here":
        """The same place, with the manifests in `paths`."""
        return self._replace(manifests=tuple(word for path in paths for word in ("-f", path)))

    def recorded(self, option: str) -> "Here":
        """The same place, with the manifests that the loop has recorded: `ENFORCED` or `REFUSED`."""
        return self._replace(manifests=(option,))


NOWHERE: Final = Here()
OF_MACHINE: Final = frozenset({"--sysfs", "--simulate", "--state-dir", "--run-dir"})
"""The options that name a host and its state; each has a value."""
ENFORCED: Final = "--enforced"
REFUSED: Final = "--refused"


class Advised(ReconcileError):
    """A failure whose text says what happened, and `advice` is the command to run next, if there is one.

    Attributes:
        advice: see above.
        anew: plans anew what a saved plan was made of, where `advice` leads elsewhere; None where nothing does.
    """

    anew: Command | None = None

    def __init__(self, text: str = "", advice: Command | None = None) -> None:
        super().__init__(text)
        self.advice = advice


PLAN: Final = Command(("plan",), Takes.MANIFESTS)
PLAN_WIDE: Final = PLAN.with_flags("-o", "wide")
APPLY: Final = Command(("apply",), Takes.MANIFESTS)
VALIDATE: Final = Command(("validate",), Takes.MANIFESTS)
STATUS: Final = Command(("status",), Takes.MANIFESTS)
MATRIX_WIDE: Final = Command(("matrix", "-o", "wide"), Takes.MANIFESTS)
DRIFT: Final = Command(("drift",), Takes.MANIFESTS)
DRIFT_WIDE: Final = DRIFT.with_flags("-o", "wide")
DOCTOR: Final = Command(("doctor",))
HISTORY: Final = Command(("history",))
ROLLBACK: Final = Command(("rollback",))
TRIGGER: Final = Command(("trigger",))
TRIGGER_OLDER: Final = Command(("trigger", "--allow-older"))
LOOP_STATUS: Final = Command(("status", "--watch"))
RESET: Final = Command(("simulate", "reset"))
LOAD: Final = Command(("simulate", "load"))
IMPORT: Final = Command(("import",))
OBSERVE: Final = Command(("observe",))
BOOT_INSTALL: Final = Command(("service", "install", "boot", "--enable"), Takes.NOTHING)
BOOT_UNINSTALL: Final = Command(("service", "uninstall", "boot"), Takes.NOTHING)
HOOK_INSTALL: Final = Command(("service", "install", "hook"), Takes.MANIFESTS)
MANIFESTS: Final = "/etc/reconciler"
"""Where manifests are kept on a host, as the documentation has it."""
WATCH_INSTALL: Final = Command(("service", "install", "watch", "--enable", "-f", MANIFESTS, "--apply"), Takes.NOTHING)
SETUP_UNDO: Final = Command(("setup", "--undo"))
WATCH: Final = Command(("watch",), Takes.MANIFESTS)
WATCH_HELD: Final = Command(("watch", "--apply", "--self-heal", "--held"))
HELD_INSTALL: Final = Command(("service", "install", "watch", "--enable", *WATCH_HELD.words[1:]), Takes.NOTHING)


def serve_of(listen: str, run_directory: str) -> Command:
    """Answers monitoring at the address `listen` from what is published in `run_directory`."""
    return Command(("serve", "--only", "metrics", "--listen", listen, "--run-dir", run_directory), Takes.NOTHING)


def confirm_of(which: int | str) -> Command:
    """Keeps what an apply did: `which` is the number of its generation, or its id."""
    return Command(("confirm", str(which)))


def cancel_of(which: int | str) -> Command:
    """Rolls back an apply that waits to be confirmed: `which` is the number of its generation, or its id."""
    return Command(("cancel", str(which)))


def ends_of(which: int | str) -> tuple[tuple[Command, str], ...]:
    """The commands that end the wait for a confirmation, and what each of them does."""
    return (confirm_of(which), "keeps it"), (cancel_of(which), "rolls it back at once")


def suspend_for_rollback(guests: Sequence[str]) -> Command:
    """Keeps the loop from `guests` for a day, or from the whole host where none is named, so that it undoes nothing."""
    return Command(("suspend", *guests, "--reason", "rollback", "--for", "1d"))


def rollback_to(number: int) -> Command:
    """Rolls back to what generation `number` wanted."""
    return Command(("rollback", str(number)))


def history_of(number: int) -> Command:
    """Shows generation `number`."""
    return Command(("history", "show", str(number)))


def status_of_guest(name: str) -> Command:
    """Shows everything about the guest called `name`."""
    return Command(("status", name), Takes.MANIFESTS)


def resume(guests: Sequence[str] = ()) -> Command:
    """Ends the suspension of `guests`, or that of the whole host where none is named."""
    return Command(("resume", *guests))
