"""Why each holder changes, as plans say it: new, changed by you, changed on the host, or undone by a rollback."""

import json
import time
from pathlib import Path

import pytest

from reconciler.hosts import opening
from reconciler.hosts.simulated import opened_simulation
from reconciler.kernel.paths import CREATE, mdev
from reconciler.planning.plan import Cause
from testing.clocks import NoTimer
from testing.commands import EXAMPLES, Command, change, example

HOST, NEW, YOURS, UNDONE = "host", "new-in-manifests", "manifest-changed", "undone-by-rollback"
FOURTH = """---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: guest4}
spec: {host: lpar7, adapters: [5], domains: [0x05]}
"""


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``reconcile`` on a fresh copy of the three guests."""
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    return example("three-guests", tmp_path, capsys)


def apply(command: Command, *words: str) -> None:
    """Apply what the manifests say."""
    ran = command("apply", "--yes", *words)
    assert ran.code == 0, ran.err


def roll_back(command: Command, *words: str) -> None:
    """Roll the host back."""
    ran = command("rollback", "--yes", *words)
    assert ran.code == 0, ran.err


def add_fourth(command: Command) -> None:
    """Have one guest more in the manifests."""
    path = command.directory / "guests.yaml"
    path.write_text(path.read_text(encoding="utf-8") + FOURTH, encoding="utf-8")


def write(command: Command, path: str, value: str) -> None:
    """Write to the host as another program does."""
    with opened_simulation(command.simulated_host, changes=True) as simulation:
        simulation.host.write(path, value)


def causes(command: Command, *words: str) -> dict[str, str]:
    """Why each holder changes, as the plan says it for programs; the text has the same labels."""
    plan = json.loads(command("plan", "-o", "json", *words).out)
    found = {one["name"]: one["cause"] for one in plan["guests"] if one["cause"]}
    return found | ({HOST: plan["pool"]["cause"]} if plan["pool"]["cause"] else {})


def labels(command: Command, *words: str) -> str:
    """The plan as people read it, in one line."""
    return " ".join(command("plan", "-o", "wide", *words).out.split())


def every_cause(command: Command, *words: str) -> dict[str, list[str]]:
    """All causes of each guest that changes, as programs get them; those of the drift are the same."""
    plan = json.loads(command("plan", "-o", "json", *words).out)
    drift = json.loads(command("drift", "-o", "json").out)
    found = {one["name"]: one["causes"] for one in plan["guests"]}
    assert {one["name"]: one["causes"] for one in drift["guests"]} == {name: one for name, one in found.items() if one}
    assert all(one["causes"][:1] == ([one["cause"]] if one["cause"] else []) for one in plan["guests"])
    return found


def test_programs_get_every_cause(command: Command) -> None:
    """Where the manifest and the host have changed both of them, as the text has it."""
    device = "devices/vfio_ap/matrix/3783d4a7-df47-58ab-bed9-cee63c6e6f5e"
    assert every_cause(command) == {f"guest{number}": [NEW] for number in (1, 2, 3)}
    apply(command)
    assert every_cause(command) == {f"guest{number}": [] for number in (1, 2, 3)}

    write(command, f"{device}/unassign_domain", "4")
    assert every_cause(command)["guest1"] == [Cause.HOST.value]
    change(command)
    assert every_cause(command) == {"guest1": [YOURS, Cause.HOST.value], "guest2": [], "guest3": []}
    assert "(the manifest changed, and changed on the host since)" in labels(command)


def test_on_the_first_plan_all_is_new(command: Command) -> None:
    """Nothing was changed: nothing was there before."""
    assert causes(command) == dict.fromkeys(("guest1", "guest2", "guest3", HOST), NEW)
    assert "host pool (new in the manifests)" in labels(command)
    assert labels(command).count("(new in the manifests)") == 4
    assert "(new in the manifests)" in command("plan", "-o", "diff").out
    assert "(new in the manifests)" in command("drift").out


def test_a_guest_that_comes_later_is_new_and_others_are_changed(command: Command) -> None:
    """Each by itself."""
    apply(command)
    change(command)
    add_fourth(command)

    assert causes(command) == {"guest1": YOURS, "guest4": NEW}
    assert "(the manifest changed)" in labels(command)


def test_a_derived_host_pool_follows_from_the_guests(command: Command) -> None:
    """No manifest of the host changed."""
    apply(command)
    change(command, "adapters: [5]", "adapters: [4]")

    assert causes(command)[HOST] == YOURS
    assert "host pool (follows from the guests)" in labels(command)


def test_a_guest_that_the_manifests_had_without_a_claim_is_not_new(command: Command) -> None:
    """It was inactive, and was made active."""
    change(command, "domains: [4, 0xab]", "domains: [4, 0xab]\n  activation: inactive")
    apply(command)
    change(command, "\n  activation: inactive", "")

    assert causes(command)["guest1"] == YOURS


def test_a_guest_that_has_left_the_manifests_is_named_by_none_any_more(command: Command) -> None:
    """There is no manifest left that could have changed; for programs it is a change of the manifests all the same."""
    add_fourth(command)
    apply(command)
    change(command, FOURTH, "")

    assert causes(command)["guest4"] == YOURS
    assert "(no manifest names it any more)" in labels(command)


def test_a_device_that_no_manifest_ever_named_is_removed_since_none_names_it(command: Command) -> None:
    """On the first plan nothing was changed, and the device is not new in the manifests either."""
    write(command, CREATE, "00000000-0000-4000-8000-0000000000f2")
    with (command.directory / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("  unmanaged: remove\n")
    found = {one: cause for one, cause in causes(command).items() if one not in ("guest1", "guest2", "guest3", HOST)}

    assert set(found.values()) == {"in-no-manifest"}
    assert "(no manifest names it)" in labels(command)


def test_after_a_rollback_its_generation_is_the_cause(command: Command) -> None:
    """Of every holder that it has set back, and of none that the manifests have changed since."""
    apply(command)
    change(command)
    add_fourth(command)
    apply(command)
    roll_back(command, "1")

    assert causes(command) == {"guest1": UNDONE, "guest4": UNDONE}
    assert labels(command).count("(rolled back by generation 3)") == 2
    assert "you changed" not in labels(command)
    assert "(rolled back by generation 3)" in command("plan", "-o", "diff").out
    assert causes(command, "--target", "guest4") == {"guest4": UNDONE}

    change(command, "adapters: [6]", "adapters: [5]")
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    assert causes(command) == {"guest1": YOURS, "guest2": YOURS, "guest4": UNDONE}


def test_a_guest_that_a_rollback_has_brought_back_goes_because_of_it(command: Command) -> None:
    """It had left the manifests before, and the host pool follows it."""
    add_fourth(command)
    apply(command)
    path = command.directory / "guests.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(FOURTH, ""), encoding="utf-8")
    apply(command)
    roll_back(command)

    assert causes(command) == {"guest4": UNDONE}


def test_a_host_pool_that_a_rollback_has_set_back_says_so(command: Command) -> None:
    """As long as the manifests want the one from before the rollback."""
    apply(command)
    change(command, "adapters: [6]", "adapters: [6, 4]")
    apply(command, "--allow-disruption")
    roll_back(command)

    assert causes(command) == {"guest3": UNDONE, HOST: UNDONE}
    assert "host pool (rolled back by generation 3)" in labels(command)


def test_a_rollback_after_a_rollback(command: Command) -> None:
    """What the manifests say was undone by the first and the second: the newest is named."""
    apply(command)
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    apply(command)
    change(command)
    apply(command)
    roll_back(command, "2")
    assert causes(command) == {"guest1": UNDONE}
    roll_back(command, "1")

    assert causes(command) == {"guest1": UNDONE, "guest2": UNDONE}
    assert labels(command).count("(rolled back by generation 5)") == 2


def test_a_rollback_forward_leaves_nothing_of_the_one_before(command: Command) -> None:
    """The host is as the manifests say, and what they say next is a change of theirs."""
    apply(command)
    change(command)
    apply(command)
    roll_back(command, "1")
    roll_back(command, "2")
    assert causes(command) == {}
    change(command, "adapters: [6]", "adapters: [5, 6]")

    assert causes(command) == {"guest1": YOURS}
    assert "rolled back" not in labels(command)


def test_what_was_applied_of_it_again_is_no_cause_any_more(command: Command) -> None:
    """One guest is applied by itself, the other is still as the rollback has left it; then all is applied."""
    apply(command)
    change(command)
    add_fourth(command)
    apply(command)
    roll_back(command, "1")
    apply(command, "--target", "guest4")
    assert causes(command) == {"guest1": UNDONE}
    assert "(rolled back by generation 3)" in labels(command)
    change(command, "domains: [0x05]", "domains: [0x06]")
    assert causes(command) == {"guest1": UNDONE, "guest4": YOURS}

    apply(command)
    change(command, "adapters: [6]", "adapters: [5]")
    assert causes(command) == {"guest1": YOURS}


def test_the_undoing_of_a_partial_apply_is_a_rollback_too(command: Command) -> None:
    """To what there was before it."""
    apply(command)
    change(command)
    apply(command, "--target", "guest1")
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    apply(command, "--target", "guest2")
    roll_back(command)

    assert causes(command) == {"guest2": UNDONE}
    assert "generation 4 rolled the host back to before generation 3" in labels(command)


def test_drift_after_a_rollback_is_drift(command: Command) -> None:
    """Another program has changed one guest, the rollback the other."""
    apply(command)
    change(command)
    apply(command)
    roll_back(command)
    uuids = {one["name"]: one["uuid"] for one in json.loads(command("plan", "-o", "json").out)["guests"]}
    write(command, f"{mdev(uuids['guest2'])}/unassign_domain", "0xff")

    assert causes(command) == {"guest1": UNDONE, "guest2": "host-changed"}


def test_a_rollback_itself_is_labelled_as_one(command: Command) -> None:
    """Whatever it brings back or takes away, also a guest that is new to the host."""
    add_fourth(command)
    apply(command)
    path = command.directory / "guests.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(FOURTH, ""), encoding="utf-8")
    apply(command)
    roll_back(command)

    host = ("--simulate", str(command.simulated_host))
    shown = json.loads(command.bare("history", "show", "3", "-o", "json", *host).out)
    assert [one["cause"] for one in shown["plan"]["guests"]] == ["rolled-back"]


def test_drift_and_status_say_that_a_rollback_stands_between(command: Command) -> None:
    """In the sentence of the plan, also for programs; not where the manifests say the same as the host."""
    sentence = "generation 3 rolled the host back to generation 1, and the manifests say otherwise"
    views = (("plan",), ("drift",), ("status",), ("status", "-o", "wide"))
    apply(command)
    change(command)
    apply(command)
    assert all(sentence not in command(*words).out for words in views)
    roll_back(command)

    for words in views:
        assert f"Note: {sentence}." in " ".join(command(*words).out.split()), words
        if len(words) == 1:
            record = json.loads(command(*words, "-o", "json").out)
            assert record["rolledBack"] == {
                "generation": 3,
                "to": 1,
                "before": None,
                "unconfirmed": None,
                "text": sentence,
            }
    reasons = {one["name"]: one["why"] for one in json.loads(command("status", "-o", "json").out)["guests"]}
    assert reasons["guest1"][0] == "rolled back by generation 3"
    assert reasons["guest2"] == []
    assert "why         rolled back by generation 3\n" in command("status", "guest1").out

    without = command.bare("status", "--simulate", str(command.simulated_host)).out  # against what was applied last
    assert "rolled back" not in without
    change(command, "adapters: [6]", "adapters: [5, 6]")
    for words in views[:3]:
        assert sentence not in command(*words).out
        assert json.loads(command(*words, "-o", "json").out)["rolledBack"] is None


def cancelled(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel what waits to be confirmed."""
    del monkeypatch
    assert command("cancel").code == 0


def expired(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let its time go by, and the timer roll it back."""
    now = time.monotonic()
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: now + 91)
        command("expire", "2")


def rolled_back_early(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roll back what waits."""
    del monkeypatch
    roll_back(command)


ENDS = {
    "cancelled": (cancelled, "generation 2 was cancelled", "it was cancelled"),
    "expired": (expired, "generation 2 was not confirmed", "it was not confirmed in time"),
    "rolled-back": (rolled_back_early, "generation 2 was cancelled", "it was cancelled"),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_apply_that_was_not_confirmed_stands_between_as_a_rollback_does(
    command: Command, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Every view says that it was cancelled, or not confirmed in time, as long as the manifests want it."""
    happens, label, why = ENDS[end]
    apply(command)
    change(command)
    add_fourth(command)
    apply(command, "--confirm-within", "90s")
    happens(command, monkeypatch)

    sentence = f"generation 2 was rolled back since {why}, and the manifests say otherwise"
    assert causes(command) == {"guest1": UNDONE, "guest4": UNDONE}
    assert labels(command).count(f"({label})") == 2
    for words in (("plan",), ("drift",), ("status",)):
        assert f"Note: {sentence}." in " ".join(command(*words).out.split()), words
        record = json.loads(command(*words, "-o", "json").out)["rolledBack"]
        expected = "expired" if end == "expired" else "cancelled"
        assert (record["generation"], record["unconfirmed"], record["text"]) == (2, expected, sentence)
    assert f"why         {label}\n" in command("status", "guest1").out
    change(command, "adapters: [6]", "adapters: [5]")
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    assert causes(command) == {"guest1": YOURS, "guest2": YOURS, "guest4": UNDONE}
    apply(command)
    assert causes(command) == {}


def test_the_first_apply_that_is_cancelled_leaves_nothing_new(command: Command) -> None:
    """Nor a host pool that only the manifests have changed."""
    apply(command, "--confirm-within", "90s")
    command("cancel")

    assert causes(command) == dict.fromkeys(("guest1", "guest2", "guest3", HOST), UNDONE)
    assert labels(command).count("(generation 1 was cancelled)") == 4


def test_a_cancelled_part_leaves_the_rollback_before_it(command: Command) -> None:
    """The other guest was undone by the rollback, and still is."""
    apply(command)
    change(command)
    add_fourth(command)
    apply(command)
    roll_back(command)
    apply(command, "--target", "guest4", "--confirm-within", "90s")
    command("cancel")
    assert labels(command).count("(rolled back by generation 3)") == 2

    apply(command, "--confirm-within", "90s")
    command("cancel")
    assert labels(command).count("(generation 5 was cancelled)") == 2


def test_the_schema_of_a_plan_has_every_cause() -> None:
    """Each with a word of explanation."""
    schema = json.loads((EXAMPLES.parent / "schemas/plan.schema.json").read_text(encoding="utf-8"))
    cause = schema["$defs"]["cause"]

    assert set(cause["enum"]) == {*Cause, None}
    assert [one.value for one in Cause if one.value not in cause["description"]] == []


@pytest.mark.parametrize("reverts", [True, False])
def test_the_note_stands_only_where_a_plan_restores_what_was_rolled_back(
    command: Command, tmp_path: Path, reverts: bool
) -> None:
    """Not where the manifests follow the rollback and change another guest; in no form of the plan."""
    apply(command)
    path = command.directory / "guests.yaml"
    before = path.read_text(encoding="utf-8")
    change(command)
    apply(command)
    roll_back(command)
    if reverts:
        path.write_text(before, encoding="utf-8")
        assert "Nothing to do" in command("plan").out
    change(command, "domains: [0x47, 0xff]", "domains: [0x47]")
    file = tmp_path / "saved.json"

    texts = [command("plan", "--out", str(file)).out]
    texts += ["".join(command(*words)[1:]) for words in (("plan", "-o", "markdown"), ("plan", "-o", "diff"))]
    texts += [command(*words).out for words in (("plan", "-o", "json"), ("status",), ("drift",))]
    texts += [file.read_text(encoding="utf-8")]
    only_other = command("plan", "--target", "guest2").out

    assert [("rolled the host back" in " ".join(one.split())) for one in texts] == [not reverts] * len(texts)
    assert "rolled the host back" not in " ".join(only_other.split())
