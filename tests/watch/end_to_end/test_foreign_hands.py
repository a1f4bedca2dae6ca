"""Somebody else writes to the host while a loop enforces it: by the shell, on the mounted host."""

import json

from reconciler.cli.exit_codes import Exit
from reconciler.kernel import paths
from testing.git_repositories import Repository
from testing.loop_processes import BROKEN, GUEST, LEISURELY, enforcing, guest, watching
from testing.mounted_hosts import MountedHost, text_of


def take_away(host: MountedHost) -> str:
    """Give the host's drivers adapter 7, as `echo +7 > apmask` does; what the mask was before."""
    before = text_of(host.root / paths.APMASK)
    host.store(paths.APMASK, "+7")
    assert text_of(host.root / paths.APMASK) != before
    return before


def test_what_somebody_writes_into_a_mask_is_found_and_reported(repository: Repository, mounted: MountedHost) -> None:
    """A loop that was not told to heal leaves it, and says what to type; that command puts it back."""
    with enforcing(repository, mounted) as loop:
        before = take_away(mounted)
        assert loop.turn()["condition"] == "drift"
        told = loop.until("condition")
        assert (told["level"], told["event"].partition(":")[0]) == ("warning", "drift")
        assert "adapter 0x07 (7)" in " ".join(told["details"])
        assert text_of(mounted.root / paths.APMASK) != before
        typed = next(
            line for line in loop.run("status", "--watch").out.splitlines() if "reconcile apply" in line
        ).split("    #")[0]
        ran = loop.run(*typed.split()[1:], "--yes")
        assert not ran.code, ran.err
        assert text_of(mounted.root / paths.APMASK) == before
        assert loop.turn()["condition"] == "in-sync"


def test_where_that_was_asked_for_it_is_healed_also_beside_a_refused_commit(
    repository: Repository, mounted: MountedHost
) -> None:
    """The last good configuration is enforced, not only kept."""
    with enforcing(repository, mounted, "--self-heal") as loop:
        repository.commit({"payments.yaml": BROKEN})
        assert loop.turn()["refused"]
        before = take_away(mounted)
        answer = loop.turn()
        assert (answer["condition"], bool(answer["refused"])) == ("in-sync", True)
        assert loop.until("healed")["level"] == "warning"
        assert text_of(mounted.root / paths.APMASK) == before
        repository.commit({"payments.yaml": guest(domains="4, 5")})
        assert "refused" not in loop.turn()


def test_beside_a_refused_commit_a_person_can_put_it_back(repository: Repository, mounted: MountedHost) -> None:
    """By the command that the status tells, since the manifests that are there are not those that are enforced."""
    with enforcing(repository, mounted) as loop:
        repository.commit({"payments.yaml": BROKEN})
        before = take_away(mounted)
        assert loop.turn()["condition"] == "drift"
        line = next(
            one for one in loop.run("status", "--watch").out.splitlines() if "reconcile apply --enforced" in one
        )
        ran = loop.run(*line.split("    #")[0].split()[1:], "--yes")
        assert not ran.code, ran.err
        assert text_of(mounted.root / paths.APMASK) == before
        assert loop.turn()["condition"] == "in-sync"


def test_a_commit_that_needs_what_drifted_is_refused_and_its_command_works(
    repository: Repository, mounted: MountedHost
) -> None:
    """The drifted guest is named; the command that the status prints applies the commit and corrects the guest."""
    with enforcing(repository, mounted) as loop:
        (device,) = (mounted.root / "devices/vfio_ap/matrix").glob("*-*-*-*-*")
        mounted.store(f"devices/vfio_ap/matrix/{device.name}/assign_adapter", "7")
        repository.commit({"web.yaml": GUEST.format(name="web", adapters="7", domains="4")})
        answer = loop.turn()
        assert "payments" in " ".join(answer["refused"])
        told = loop.run("status", "--watch").out.splitlines()
        line = next(one for one in told if one.startswith("  reconcile apply"))
        ran = loop.run(*line.split("    #")[0].split()[1:], "--yes")
        assert not ran.code, ran.err
        answer = loop.turn()
        assert (answer["condition"], answer.get("refused")) == ("in-sync", None)
        assert "07.0004" not in text_of(device / "matrix")


def test_the_resync_finds_it_without_being_asked(repository: Repository, mounted: MountedHost) -> None:
    """Nobody tells of writes to a mounted host."""
    with enforcing(repository, mounted, "--self-heal", "--resync", "1s") as loop:
        before = take_away(mounted)
        loop.until("healed")
        assert text_of(mounted.root / paths.APMASK) == before


def test_what_is_suspended_is_left_alone_until_it_is_resumed(repository: Repository, mounted: MountedHost) -> None:
    """An emergency by hand: the reason is shown, a commit waits, and nothing is healed meanwhile."""
    with enforcing(repository, mounted, "--self-heal") as loop:
        assert not loop.run("suspend", "--reason", "ticket 42", "--for", "2h").code
        before = take_away(mounted)
        assert loop.turn()["condition"] == "suspended"
        assert text_of(mounted.root / paths.APMASK) != before
        assert "ticket 42" in loop.run("status", "--watch").out
        assert not loop.run("resume").code
        assert loop.turn()["condition"] == "in-sync"
        assert text_of(mounted.root / paths.APMASK) == before


def test_a_loop_that_only_reports_changes_nothing(repository: Repository, mounted: MountedHost) -> None:
    """And says what is to be done, by exit code as well."""
    state = mounted.root.with_name("state")
    where = ("--sysfs", str(mounted.root), "--state-dir", str(state))
    before = text_of(mounted.root / paths.APMASK)
    with watching(state, where, "--git", repository.url, "--branch", "main", *LEISURELY) as loop:
        assert loop.run("trigger", "--wait").code == Exit.CHANGES
        assert json.loads(loop.run("status", "--watch", "-o", "json").out)["condition"] == "changes"
    assert text_of(mounted.root / paths.APMASK) == before
