"""The commands that messages lead to."""

import shlex

import pytest

from reconciler.model.commands import (
    DOCTOR,
    ENFORCED,
    PLAN,
    WATCH_INSTALL,
    Command,
    Here,
    cancel_of,
    confirm_of,
    ends_of,
    history_of,
    resume,
    rollback_to,
    serve_of,
    status_of_guest,
    suspend_for_rollback,
)

HERE = Here(("--simulate", "my host.yaml"), ("-f", "site"))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (DOCTOR, "reconcile doctor --simulate 'my host.yaml'"),
        (PLAN, "reconcile plan -f site --simulate 'my host.yaml'"),
        (WATCH_INSTALL, "reconcile service install watch --enable -f /etc/reconciler --apply"),
    ],
)
def test_a_command_gets_the_options_that_it_takes(command: Command, line: str) -> None:
    """Those of the host, those of the manifests too, or none; each word quoted for a shell where it has to be."""
    assert HERE.line(command) == line


def test_a_place_may_have_other_manifests() -> None:
    """Those in other paths, or those that the loop has recorded; the host stays."""
    assert HERE.reading(["a", "b c"]).line(PLAN) == "reconcile plan -f a -f 'b c' --simulate 'my host.yaml'"
    assert HERE.recorded(ENFORCED).line(PLAN) == "reconcile plan --enforced --simulate 'my host.yaml'"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (cancel_of(7), "reconcile cancel 7"),
        (confirm_of(7), "reconcile confirm 7"),
        (confirm_of("pipeline-12"), "reconcile confirm pipeline-12"),
        (rollback_to(3), "reconcile rollback 3"),
        (history_of(3), "reconcile history show 3"),
        (status_of_guest("web"), "reconcile status web"),
        (resume(), "reconcile resume"),
        (resume(["a", "b"]), "reconcile resume a b"),
        (serve_of(":9420", "/run/a b"), "reconcile serve --only metrics --listen :9420 --run-dir '/run/a b'"),
    ],
)
def test_a_command_about_something_names_it(command: Command, line: str) -> None:
    """Alone it is a line for a shell, too, for a message where no options are known."""
    assert str(command) == line


def test_the_wait_for_a_confirmation_ends_in_two_ways() -> None:
    """Both are named, with what they do."""
    assert ends_of("deploy-42") == (
        (confirm_of("deploy-42"), "keeps it"),
        (cancel_of("deploy-42"), "rolls it back at once"),
    )


@pytest.mark.parametrize("guests", [(), ("a", "b c")])
def test_what_keeps_the_loop_from_undoing_a_rollback_names_the_guests(guests: tuple[str, ...]) -> None:
    """Or nobody, which is the whole host; for a day, so that it is not forgotten."""
    named = "".join(f" {shlex.quote(one)}" for one in guests)
    where = "--simulate 'my host.yaml'"
    assert HERE.line(suspend_for_rollback(guests)) == f"reconcile suspend{named} --reason rollback --for 1d {where}"
