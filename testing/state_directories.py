"""A state directory with every file that we keep, made by commands and by the loop's own writers."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from reconciler.model.problems import Place, Position, Problem, Severity
from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.history import History
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import LastGood, Refusal, write_last_good, write_refusal
from reconciler.transaction.setup_record import InstalledService, SetUp, write_setup
from reconciler.transaction.state_directory import StateDirectory
from reconciler.watch.report import Condition, Counters, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.status_file import StatusFile
from testing.reports import NOW, guest, report

FILES = (
    "ids/8f.json",
    "journal.jsonl",
    "pending.json",
    "inventory.json",
    "degraded.json",
    "suspended.json",
    "suspension-log.json",
    "enforced.json",
    "refused.json",
    "setup.json",
    "watch.json",
    "lock",
    "watch.lock",
    "generations/000001.json",
    "generations/000001.outcome.json",
    "generations/000002.json",
    "generations/000002.outcome.json",
)

READERS: tuple[tuple[str, ...], ...] = (
    ("history",),
    ("history", "-o", "json"),
    ("history", "show", "1"),
    ("history", "show", "2", "-o", "json"),
    ("status",),
    ("status", "--watch"),
    ("status", "--watch", "-o", "json"),
    ("plan",),
    ("matrix",),
    ("report", "--html", "-"),
    ("report", "--generation", "1", "--svg", "-"),
    ("drift",),
    ("import",),
    ("doctor",),
    ("rollback",),
    ("setup", "-o", "json"),
    ("setup", "--undo", "-o", "json"),
    ("setup", "--undo"),
)
"""Commands that read what is kept and change nothing, with a simulated host."""

WRITERS: tuple[tuple[str, ...], ...] = (
    ("suspend", "guest1", "--reason", "x"),
    ("resume",),
    ("confirm", "2"),
    ("boot",),
    ("rollback", "--yes"),
    ("apply", "--yes"),
    ("rollback", "1", "--yes"),
    ("setup", "--undo", "--yes"),
)
"""Commands that change it."""


def takes_manifests(words: tuple[str, ...]) -> bool:
    """Whether the command `words`, one of those above, takes the options for manifests."""
    return words != ("boot",) and not {"--watch", "--undo"} & set(words)


EXIT_CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8}
"""Documented, for commands whose words are right."""


def full_report() -> Report:
    """A report in which every field has something."""
    return report(
        condition=Condition.DRIFT,
        source=SourceReport("x", "abc", RefusedConfiguration("def", ("bad", "worse"), NOW), "timeout", ("/tmp/x",)),
        guests=(guest(authorised=None, effective=None, why=("no device",), suspended=Suspended("x", "ann", NOW)),),
        suspended=Suspended("y", "bob", None),
        differences=("apmask",),
        counters=Counters(3, {"applied": 1}, {"git": 2}, 4, 5),
        due=NOW + 300,
        appeared=("payments now has 05.0004",),
    )


def setup_in(folder: Path) -> SetUp:
    """What a setup is to have made in `folder`: manifests, which are there, and a service, which is not."""
    made = folder / "made/site.yaml"
    made.parent.mkdir()
    made.write_bytes(b"# made by a setup\n")
    service = InstalledService("boot", str(folder / "units"))
    digest = sha256(made.read_bytes()).hexdigest()
    return SetUp({str(made): digest}, (str(made.parent),), (service,), {"etc/udev/rules.d/41-ap.rules": b"# before\n"})


def keep_everything(run: Callable[..., object], state: Path, change: Callable[[], None]) -> None:
    """Leave every file that there can be in `state`.

    Args:
        run: runs ``reconcile`` with words, for the host whose state directory this is.
        state: the state directory.
        change: lets the manifests want something else.
    """
    run("apply", "--yes")
    run("cancel", "deploy-42")
    run("suspend", "--reason", "the whole host")
    run("suspend", "guest1", "--reason", "one guest", "--for", "2h")
    change()
    run("apply", "--yes", "--allow-suspended", "--confirm-within", "1h")
    kept = StateDirectory(state)
    pending = Confirmations(kept).pending()
    assert pending
    boot, first_line = pending.boot_id, pending.journal
    journal = Journal(kept, boot)
    journal.keep_degraded(None, ("apmask is odd",))
    journal.reopen(first_line)
    for number, _ in enumerate(first_line.steps, 1):
        journal.step(number)
    desired = History(kept).desired(1)
    write_last_good(kept, LastGood(desired, "a" * 40))
    unread = Problem("path-missing", Severity.ERROR, "b.yaml does not exist", (Place(Position("b.yaml", 1, 1)),))
    write_refusal(kept, Refusal("b" * 40, ("bad",), "lpar7", True, {"a.yaml": "a: [\n"}, (unread,)))
    write_setup(kept, setup_in(state.parent))
    StatusFile(kept, 42).write(full_report())
    kept.replace("lock", b'{"formatVersion": 1, "process": 7, "since": 1.5, "command": "reconcile apply"}\n')
    kept.replace("watch.lock", b"7\n")
