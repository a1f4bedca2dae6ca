"""What the doctor finds where a host runs, by the manifests that were applied last."""

from pathlib import Path

import pytest

from testing.commands import Command, example
from testing.manifests import MACHINE_ID, machine_text

EVERY = "adapters: [4-6], usageDomains: [4-6, 0x47, 0xab, 0xff]"


@pytest.mark.parametrize(
    ("lpar", "ids"),
    [
        (f"{{name: LPAR7, host: lpar7, {EVERY}}}", set()),
        (f"{{name: LPAR8, host: lpar7, {EVERY}}}", {"wrong-machine"}),
        (f"{{name: LPAR7, host: lpar7, {EVERY.replace('6, 0x47', '7, 0x47')}}}", {"lpar-lacks"}),
        (f"{{name: LPAR7, host: lpar7, {EVERY.replace('[4-6], u', '[5-6], u')}}}", {"lpar-has-more"}),
    ],
)
def test_it_compares_the_lpar_with_what_was_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lpar: str, ids: set[str]
) -> None:
    """Without manifests by what was applied last, and with `-f` before anything was; nothing where all is right."""
    command: Command = example("three-guests", tmp_path, capsys)
    host = command.simulated_host
    where = f"  machineId: {MACHINE_ID}\n  lpar: LPAR7\n  maxDomain:"
    host.write_text(host.read_text(encoding="utf-8").replace("  maxDomain:", where), encoding="utf-8")
    (command.directory / "machine.yaml").write_text(machine_text("cpc-a", lpar), encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    words = ("doctor", "--simulate", str(host))

    before = command.bare(*words, "-f", str(command.directory))
    assert command("apply", "--yes", "--accept-machine").code == 0
    (command.directory / "machine.yaml").unlink()

    for ran in (before, command.bare(*words)):
        assert {one for one in ("wrong-machine", "lpar-lacks", "lpar-has-more") if f"[{one}]" in ran.out} == ids
        assert (ran.code == 2) == ("wrong-machine" in ids)
    assert not [one for one in command.bare(*words, "-f", str(command.directory)).out.split() if "lpar" in one]


def test_a_simulated_host_of_another_name_is_found_unless_its_host_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever else the manifests say of it."""
    command = example("three-guests", tmp_path, capsys)
    assert "other-manifests" not in command("doctor").out
    host = command.simulated_host
    host.write_text(host.read_text(encoding="utf-8").replace("name: lpar7", "name: lpar9"), encoding="utf-8")

    assert "other-manifests" in command("doctor").out
    assert "other-manifests" not in command("doctor", "--host", "lpar7").out
