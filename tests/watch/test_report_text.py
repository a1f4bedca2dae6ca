"""What a person reads of the loop."""

import pytest

from reconciler.integrations.git_address import Address
from reconciler.model.codec import Codec
from reconciler.model.commands import Here
from reconciler.render.text import Painter
from reconciler.watch.report import Condition, Obstacle, RefusedConfiguration, Report, SourceReport, Suspended
from reconciler.watch.report_text import Ended, next_steps, report_record, report_text
from testing.commands import parsed
from testing.reports import NOW, guest, report


def test_a_host_in_sync() -> None:
    """All of it, and nothing to type."""
    assert report_text(report(), NOW + 12) == (
        "lpar7: in sync for 1 hour (since 2027-01-15 07:00:00 UTC)\n"
        "  Nothing to do: the host is as the manifests say.\n"
        "\n"
        "  loop          applies what the manifests change; what other programs change is only reported; "
        "last cycle 12 seconds ago\n"
        "  source        https://git.example/ap main\n"
        "  commit        0123456789abcdef0123456789abcdef01234567\n"
        "  generation    7\n"
        "  queues        8 with the host's drivers, 8 seen by guests, 0 pending, 0 free\n"
        "  guests        2, all as they should be\n"
        "  counted       12 cycles, 2 applied since the loop was started\n"
    )


def test_a_host_in_trouble() -> None:
    """What is wrong, why, since when, and what to type."""
    made = report(
        condition=Condition.DRIFT,
        summary="Somebody else has changed the host.",
        differences=("apmask differs",),
        guests=(
            guest(drifted=True, why=("domain 0x47 (71) was taken away",), effective=2),
            guest("web", uuid="w", authorised=None, effective=None, suspended=Suspended("test", "ann", NOW + 720)),
            guest("fine"),
        ),
        source=SourceReport("x", "abc", RefusedConfiguration("def", ("a.yaml:3: overlaps",), NOW - 7080), "timeout"),
        suspended=Suspended("move", "bob", None),
        succeeded=NOW - 90_000,
    )

    text = report_text(made, NOW + 120)

    for line in (
        "lpar7: drift for 1 hour 2 minutes (since 2027-01-15 07:00:00 UTC)",
        "  unreachable   timeout",
        "  refused       commit def, for 2 hours; the last good configuration is enforced",
        "                a.yaml:3: overlaps",
        "  last success  1 day 1 hour ago (2027-01-14 07:00:00 UTC)",
        "  guests        3, 2 with a remark below",
        "  suspended     by bob, until it is resumed: move",
        "  different     apmask differs",
        "  payments  62177883-f1bb-47f0-914d-32a22e3a8804  (changed by another program)",
        "    wanted 4, authorised 4, effective 2",
        "    why         domain 0x47 (71) was taken away",
        "    wanted 4, no device",
        "    suspended   by ann, until 2027-01-15 08:12 UTC (10m left): test",
        "Next:",
        "  reconcile drift --enforced",
    ):
        assert line in text.splitlines()
    assert "fine" not in text


def test_a_guest_that_is_not_healed_is_looked_at_by_the_command_that_is_printed() -> None:
    """With the options that lead to this loop."""
    here = Here(("--state-dir", "/tmp/state"))
    text = report_text(report(condition=Condition.STOPPED, stopped={"guest1": NOW + 600}), NOW, here=here)

    (line,) = [one for one in text.splitlines() if one.startswith("  stopped ")]
    command = line.partition(" UTC or ")[2]
    assert command == "reconcile trigger --state-dir /tmp/state"
    assert parsed(command) == "reconcile trigger"


def test_commands_are_to_be_typed_as_they_stand() -> None:
    """With the manifests that the loop reads and the machine that it works on."""
    here = Here(("--sysfs", "/mnt/sys", "--state-dir", "/tmp/state"))
    files = SourceReport("/etc/ap", paths=("/etc/ap",))
    git = SourceReport("https://git.example/ap main", "abc")
    bad = RefusedConfiguration("def", ("bad",), NOW)

    def steps(condition: Condition, source: SourceReport) -> list[str]:
        return [step.partition("    ")[0] for step in next_steps(report(condition=condition, source=source))]

    assert steps(Condition.CHANGES, files) == ["reconcile plan -f /etc/ap", "reconcile apply -f /etc/ap"]
    assert steps(Condition.DRIFT, git)[0] == "reconcile drift --enforced"
    assert steps(Condition.IN_SYNC, files._replace(refused=bad)) == ["reconcile validate -f /etc/ap"]
    assert steps(Condition.STOPPED, git._replace(refused=bad)) == [
        "reconcile plan --refused", "reconcile drift --enforced", "reconcile trigger"
    ]  # fmt: skip
    assert steps(Condition.CHANGES, files._replace(refused=bad)) == [
        "reconcile validate -f /etc/ap", "reconcile plan --enforced", "reconcile apply --enforced"
    ]  # fmt: skip
    nothing = report(condition=Condition.NEEDS_PERSON, source=git, enforces=False)
    assert next_steps(nothing) == ()
    apply = "reconcile apply -f x --allow-empty"
    consent = RefusedConfiguration("def", ("it needs consent",), NOW, (Obstacle.CONSENT,), apply)
    assert steps(Condition.IN_SYNC, git._replace(refused=consent)) == ["reconcile apply -f x --allow-empty"]
    assert next_steps(report(condition=Condition.SUSPENDED), here=here) == (
        "reconcile resume --sysfs /mnt/sys --state-dir /tmp/state",
    )


@pytest.mark.parametrize(
    ("obstacle", "expected"),
    [
        (Obstacle.MANIFESTS, "reconcile plan --refused --simulate x"),
        (Obstacle.HOST, "reconcile plan --refused --simulate x"),
        (Obstacle.PLACE, "reconcile plan --refused --simulate x"),
        (Obstacle.MODULE, "reconcile simulate load --simulate x"),
        (Obstacle.SIGNATURE, "git commit --amend --no-edit --gpg-sign && git push --force-with-lease"),
        (Obstacle.OLDER, "reconcile trigger --allow-older --simulate x"),
        (Obstacle.COMMIT, f"git revert --no-edit {'d' * 40} && git push"),
        (Obstacle.BRANCH, "git ls-remote --exit-code https://git.example/ap main"),
    ],
)
def test_each_obstacle_has_its_own_next_step(obstacle: Obstacle, expected: str) -> None:
    """And only what the manifests have by themselves leads to `validate`; ours are parsed."""
    reach = Address("https://kim:secret@git.example/ap", "main").reach
    refused = RefusedConfiguration("d" * 40, ("bad",), NOW, (obstacle,))
    source = SourceReport("ap", "abc", refused, reach=reach)

    (step,) = next_steps(report(condition=Condition.IN_SYNC, source=source), here=Here(("--simulate", "x")))

    line = step.partition("    ")[0]
    assert line == expected
    if line.startswith("reconcile "):
        parsed(line)
    assert next_steps(report(condition=Condition.IN_SYNC, source=source))[0].startswith("modprobe vfio_ap") is (
        obstacle is Obstacle.MODULE
    )


def test_a_repository_out_of_reach_is_asked_by_hand() -> None:
    """With the user that ssh needs, and no password."""
    for url, shown in (
        ("ssh://git:pw@git.example/ap", "ssh://git@git.example/ap"),
        ("git@git.example:ap", "git@git.example:ap"),
        ("https://kim:pw@git.example/ap", "https://git.example/ap"),
    ):
        source = SourceReport("ap", "abc", unreachable="timeout", reach=Address(url, "main").reach)
        (step,) = next_steps(report(condition=Condition.IN_SYNC, source=source))
        assert step.startswith(f"git ls-remote --exit-code {shown} main    # ")


def test_a_loop_that_ended_or_is_late_is_told() -> None:
    """What was so an hour ago need not be so now."""
    ended = report_text(report(due=NOW + 300), NOW + 7200, ended=Ended(NOW + 3600, "by a signal", "cd / && reconcile"))
    killed = report_text(report(due=NOW + 300), NOW + 7200, ended=Ended(NOW + 3600))
    late = report_text(report(due=NOW + 300), NOW + 7200)

    assert ended.startswith("lpar7: the loop ended 1 hour ago (at 2027-01-15 09:00:00 UTC); no loop enforces")
    assert "when it last looked: in sync: Nothing to do" in ended
    assert "in sync for" not in ended
    assert "  ended         by a signal\n" in ended
    assert ended.endswith("Next:\n  cd / && reconcile    # starts the loop again\n")
    assert "killed" in killed
    assert "  systemctl start reconcile-watch" in killed
    assert "late          a cycle was due 1 hour 55 minutes ago: look whether the loop still runs" in late
    assert "late" not in report_text(report(due=NOW + 300), NOW + 301)


def test_colours_change_nothing_else_and_others_cannot_send_any() -> None:
    """A commit message may hold anything; what moves the cursor is shown escaped by `reconciler.cli.output`."""
    made = report(condition=Condition.FAILED, differences=("evil\x1b[2J\x1b]0;title\x07\nline",))

    text = report_text(made, NOW, Painter())

    assert "\x1b[1;31mfailed for 1 hour (since 2027-01-15 07:00:00 UTC)\x1b[0m" in text
    assert "\nline" not in text


def test_thousands_of_odd_guests_are_cut() -> None:
    """The rest is in the JSON."""
    many = tuple(guest(f"g{number}", drifted=True) for number in range(1000))

    text = report_text(report(guests=many), NOW)

    assert len(text.splitlines()) < 200
    assert "there are remarks on more guests" in text


@pytest.mark.parametrize("condition", list(Condition))
def test_every_condition_that_needs_a_person_says_what_to_type(condition: Condition) -> None:
    """Only those in which nothing is to be done do not."""
    quiet = {Condition.IN_SYNC, Condition.WAITING}

    assert bool(next_steps(report(condition=condition))) == (condition not in quiet)


def test_json_is_the_same_for_programs() -> None:
    """It can be read back."""
    record = report_record(report())
    ended = report_record(report(), Ended(NOW, "by a signal", "reconcile watch"))

    assert record.pop("ended") is None
    assert record.pop("formatVersion") == 1
    assert Codec().read(Report, record) == report()
    assert (ended["condition"], ended["lastCondition"], ended["ended"]) == ("ended", "in-sync", NOW)
    assert (ended["how"], ended["command"]) == ("by a signal", "reconcile watch")


def test_what_was_not_looked_at_is_not_claimed() -> None:
    """Guests and queues are from the last time that the host could be looked at, if there was one."""
    blind = report_text(report(condition=Condition.FAILED, looked=NOW - 600), NOW)
    never = report_text(report(condition=Condition.FAILED, looked=None), NOW)

    assert "looked        10 minutes ago, and could not since: queues and guests are as of then" in blind
    assert "looked        never" in never
    assert "all as they should be" not in never
    assert "looked" not in report_text(report(), NOW)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "applies what the manifests change; what other programs change is only reported"),
        ({"heals": True}, "applies what the manifests change, and corrects what other programs change"),
        ({"applies": False}, "only reports"),
        ({"enforces": False}, "enforces nothing: it has no configuration yet"),
    ],
)
def test_what_the_loop_does_is_said(changes: dict[str, bool], words: str) -> None:
    """Only with `--self-heal` does it correct what differs."""
    assert f"  loop          {words}; last cycle" in report_text(report(**changes), NOW)


def test_without_a_configuration_no_command_reads_manifests() -> None:
    """There are none yet: it would read the current directory, and answer about that."""
    source = SourceReport(
        "ap", "", unreachable="timeout", reach="git ls-remote --exit-code https://git.example/ap main"
    )

    (step,) = next_steps(report(condition=Condition.NEEDS_PERSON, source=source, generation=0, enforces=False))

    assert step.startswith("git ls-remote ")
