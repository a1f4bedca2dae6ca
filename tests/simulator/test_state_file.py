import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.kernel import paths
from reconciler.model.codec import BadRecord
from reconciler.model.identity import MachineIdentity
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.state_file import (
    SNAPSHOTS,
    Snapshot,
    StaleState,
    digest_of,
    host_from,
    load_state,
    reset_state,
    save_state,
    snapshot_of,
    state_path,
)
from testing.host_actions import UUIDS

A, B, _ = UUIDS
DIGEST = digest_of(b"kind: SimulatedHost\n")


def used_host() -> SimulatedHost:
    """A host with two mediated devices, one of them in use."""
    host = SimulatedHost()
    host.write(paths.AQMASK, "-4,-5")
    for uuid, domain in ((A, "4"), (B, "5")):
        host.write(paths.CREATE, uuid)
        host.write(f"{paths.mdev(uuid)}/assign_adapter", "5")
        host.write(f"{paths.mdev(uuid)}/assign_domain", domain)
    host.start_vm(A)
    return host


def test_the_state_is_kept_beside_the_description(tmp_path: Path) -> None:
    """What is saved comes back, and nothing else is left in the directory."""
    path = state_path(tmp_path / "lpar7.yaml")
    host = used_host()
    save_state(path, SimulatedHost(), DIGEST)
    save_state(path, host, DIGEST)
    loaded = load_state(path, DIGEST)

    assert loaded is not None
    assert snapshot_of(host) == snapshot_of(loaded)
    assert [tmp_path / "lpar7.yaml.state.json"] == list(tmp_path.iterdir())


def test_nothing_saved_is_no_host(tmp_path: Path) -> None:
    """Without a file there is no state, and after a reset there is none."""
    path = state_path(tmp_path / "lpar7.yaml")
    before = load_state(path, DIGEST)
    save_state(path, SimulatedHost(), DIGEST)

    assert before is None
    assert reset_state(path)
    assert not reset_state(path)
    assert load_state(path, DIGEST) is None


def test_a_changed_description_makes_the_state_stale(tmp_path: Path) -> None:
    """The state belongs to one content; the error tells what to do."""
    path = state_path(tmp_path / "lpar7.yaml")
    save_state(path, SimulatedHost(), DIGEST)

    with pytest.raises(StaleState, match=r"^\S+/lpar7\.yaml was changed .* reset the host"):
        load_state(path, digest_of(b"kind: SimulatedHost # edited\n"))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "[" * 100_000, '{"host": {}}', f'{{"formatVersion": 1, "descriptionDigest": "{DIGEST}", "host": 5}}'],
)
def test_a_damaged_file_is_told_by_name(tmp_path: Path, content: str) -> None:
    """The error names the file."""
    path = state_path(tmp_path / "lpar7.yaml")
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=r"lpar7\.yaml\.state\.json"):
        load_state(path, DIGEST)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part of a file is ever seen, and no temporary one stays."""
    path = state_path(tmp_path / "lpar7.yaml")
    save_state(path, SimulatedHost(), DIGEST)
    before = path.read_text(encoding="utf-8")

    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save_state(path, used_host(), DIGEST)

    assert before == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


def _set(*place: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(snapshot: dict[str, Any]) -> None:
        target: Any = snapshot
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = value

    return change


def _rename(members: dict[str, Any], name: str, other: str) -> None:
    members[other] = members.pop(name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("kernel", value="2.6"), "kernel: '2.6' is none of"),
        (_set("extra", value=1), "extra: not known"),
        (lambda snapshot: snapshot.pop("queues"), "queues: missing"),
        (lambda snapshot: snapshot["queues"].popitem(), "lpar: cards and queues are not those of the LPAR"),
        (lambda snapshot: snapshot["hardware"].pop("cards"), "hardware.cards: missing"),
        (lambda snapshot: snapshot.pop("scans"), "scans: missing"),
        (_set("hardware", "usage", value="85"), "hardware: domain 85 is not 0 to 84"),
        (_set("hardware", "identity", value={}), "hardware.identity.machineId: missing"),
        (_set("hardware", "usage", value="4-"), "hardware.usage: '' is not a number"),
        (_set("hardware", "cards", "5", "hwtype", value=9), "hardware.cards.5.hwtype: 9 is none of"),
        (_set("hardware", "cards", "05", value=None), "hardware.cards.05: null is here"),
        (_set("settings", "domain", value=256), "settings.domain: a domain is 0 to 255"),
        (_set("queues", "05.0004", "driver", value="cex9"), r"queues\.'05\.0004'\.driver: 'cex9' is none of"),
        (_set("queues", "05.0004", "pending", value=-1), r"queues\.'05\.0004'\.pending: a number from 0"),
        (lambda snapshot: _rename(snapshot["queues"], "05.0004", "99.0004"), "lpar: cards and queues are not"),
        (
            lambda snapshot: _rename(snapshot["queues"], "05.0004", "nonsense"),
            "its key 'nonsense': not a queue",
        ),
        (lambda snapshot: _rename(snapshot["mdevs"], A, "A"), "mdevs: its key 'A': 'A' is no uuid"),
        (lambda snapshot: _rename(snapshot["cards"], "5", "05"), "cards: its key '05': it is no number"),
        (_set("mdevs", B, "group", value=0), f"mdevs.{B}: it has the group of another device"),
        (_set("mdevs", B, "group", value=65536), f"mdevs.{B}: it cannot exist"),
        (_set("mdevs", B, "config", "domains", value="4"), f"mdevs.{B}: it has a queue of another"),
        (_set("mdevs", B, "guest", "domains", value="6"), f"mdevs.{B}: it is in a state"),
        (_set("mdevs", B, "removing", value=True), f"mdevs.{B}: it is in a state"),
        (_set("vfioAp", value=False), "vfioAp: it cannot exist"),
        (_set("delay", value="soon"), "delay: a text is here, where whole number is expected"),
    ],
)
def test_a_snapshot_is_looked_at_closely(change: Callable[[dict[str, Any]], None], words: str) -> None:
    """What no host can have been is refused with its place."""
    snapshot = json.loads(json.dumps(SNAPSHOTS.plain(snapshot_of(used_host()))))
    change(snapshot)

    with pytest.raises(BadRecord, match=words):
        SNAPSHOTS.read(Snapshot, snapshot)


def test_a_snapshot_is_json() -> None:
    """Nothing is lost on the way through a file, also of a host that never binds a queue."""
    host = used_host()
    host.delay_binding(None)
    host.write(paths.AQMASK, "-6")
    host.state.hardware = host.hardware._replace(identity=MachineIdentity("IBM-3931-00000000000829E7", "LPAR7"))
    snapshot = snapshot_of(host)

    assert SNAPSHOTS.read_content(Snapshot, SNAPSHOTS.content(snapshot)) == snapshot
    assert snapshot_of(host_from(snapshot)) == snapshot
