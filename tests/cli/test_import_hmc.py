"""``reconcile import --from hmc``: machines as an HMC has them now, with the mock of zhmcclient in its place."""

import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import zhmcclient
from zhmcclient.mock import FakedSession

from reconciler.integrations.hmc import Login
from reconciler.manifests.site import Site, read_site
from reconciler.model.ids import IdSet
from reconciler.model.machines import MachineMode
from testing.commands import Command, Ran

PASSWORD: Final = "hunter2: #secret"
LOGIN: Final = f"# for the HMC\nhost: hmc1.example\nuser: reader\npassword: {PASSWORD}\n"


def adapter(number: int) -> dict[str, Any]:
    """A crypto adapter for the mock."""
    return {
        "properties": {
            "object-id": f"crypto-{number}",
            "name": f"CRYPTO {number}",
            "type": "crypto",
            "adapter-family": "crypto",
            "crypto-number": number,
            "crypto-type": "ep11-coprocessor",
            "detected-card-type": "crypto-express-8s",
            "adapter-id": f"1{number:02x}",
        }
    }


def partition(name: str, status: str, *domains: int) -> dict[str, Any]:
    """A partition for the mock, on adapter 5."""
    crypto = {
        "crypto-adapter-uris": ["/api/adapters/crypto-5"],
        "crypto-domain-configurations": [{"domain-index": one, "access-mode": "control-usage"} for one in domains],
    }
    return {"properties": {"object-id": name, "name": name, "status": status, "crypto-configuration": crypto}}


def lpar(name: str, status: str, following: str, last: str) -> dict[str, Any]:
    """An LPAR for the mock."""
    return {
        "properties": {
            "object-id": name,
            "name": name,
            "status": status,
            "next-activation-profile-name": following,
            "last-used-activation-profile": last,
        }
    }


def profile(name: str, *domains: int) -> dict[str, Any]:
    """An image activation profile for the mock, with adapter 6."""
    return {
        "properties": {
            "name": name,
            "assigned-cryptos": [{"number": 6, "activation-type": "candidate-and-online"}],
            "assigned-crypto-domains": [{"domain-index": one, "access-mode": "control-usage"} for one in domains],
        }
    }


def hmc_with(**changes: Any) -> dict[str, Any]:
    """An HMC with a DPM machine, on which two active partitions have one queue, and a classic one."""
    dpm = {
        "properties": {
            "object-id": "cpc1",
            "name": "CPC_A",
            "dpm-enabled": True,
            "machine-type": "3931",
            "machine-model": "A01",
            "machine-serial-number": "0000000829E7",
        },
        "adapters": [adapter(5), adapter(6)],
        "partitions": [partition("lpar7", "active", 4, 71), partition("other", "active", 4)],
    }
    classic = {
        "properties": {
            "object-id": "cpc2",
            "name": "CPCB",
            "dpm-enabled": False,
            "machine-type": "3932",
            "machine-model": "A02",
            "machine-serial-number": "02-A0001",
        },
        "lpars": [
            lpar("LPAR1", "operating", "LPAR1", "OLD"),
            lpar("LPAR2", "not-activated", "LPAR2", ""),
            lpar("ZOS1", "operating", "NONE", ""),
        ],
        "image_activation_profiles": [profile("LPAR1", 4), profile("LPAR2", 4)],
    }
    console = {"properties": {"object-id": "c", "name": "HMC", "version": "2.16.0", "api-version": "4.1"}}
    return {
        "host": "hmc1.example",
        "api_version": "4.1",
        "consoles": [console],
        "cpcs": [dpm | changes, classic],
    }


class Reading(Command):
    """Imports from the mock of an HMC."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder, capture)
        self.login = folder / "login"
        self.login.write_text(LOGIN)
        self.login.chmod(0o600)
        self.out = folder / "machines.yaml"
        self.hmc = hmc_with()
        self.opened: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.wrote: list[str] = []

    def session(self, *args: Any, **kwargs: Any) -> FakedSession:
        """A session with the mock, in place of the one that the command opens."""
        self.opened.append((args, kwargs))
        return FakedSession.from_hmc_dict({"hmc_definition": self.hmc}, userid=args[1], password=args[2])

    def read(self, *words: str) -> Ran:
        """Run the import."""
        return self.bare("import", "--from", "hmc", str(self.login), *words)

    def imported(self, *words: str) -> Site:
        """What is read of the manifests."""
        ran = self.read("--out", str(self.out), *words)
        assert ran.code == 0, ran
        return read_site([self.out])


@pytest.fixture
def hmc(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Reading:
    """The mock of an HMC, and who may read it."""
    reading = Reading(tmp_path, capsys)
    monkeypatch.setattr(zhmcclient, "Session", reading.session)
    return reading


def test_all_machines_are_read(hmc: Reading) -> None:
    """Each in its mode, with its id, and with what its LPARs have."""
    two, one = hmc.imported().machines

    assert ("cpc-a", "IBM-3931-00000000000829E7", MachineMode.DPM) == (one.name, one.id, one.mode)
    assert ("cpcb", "IBM-3932-00000000000A0001", MachineMode.CLASSIC) == (two.name, two.id, two.mode)
    assert [("lpar7", IdSet([5]), IdSet([4, 71]), True), ("other", IdSet([5]), IdSet([4]), True)] == [
        (lpar.name, lpar.config.adapters, lpar.config.domains, lpar.is_active) for lpar in one.lpars
    ]
    assert [("LPAR1", IdSet([6]), IdSet([4]), True), ("LPAR2", IdSet([6]), IdSet([4]), False)] == [
        (lpar.name, lpar.config.adapters, lpar.config.domains, lpar.is_active) for lpar in two.lpars
    ]
    text = hmc.out.read_text()
    said = " ".join(re.sub(r"\n *#", "", text).split())
    assert "activated with the profile 'OLD'; this is 'LPAR1', which comes next" in said
    assert "no profile says what it has: 'ZOS1'" in text
    assert "#   hmc1.example\n" in text


def test_a_conflict_that_the_mock_accepts_is_found(hmc: Reading) -> None:
    """By the command that the import names."""
    hmc.imported("--machine", "CPC_A")
    ran = hmc.bare("validate", str(hmc.out))

    assert 4 == ran.code
    assert "lpar-overlap" in ran.err


def test_one_machine_and_its_host_can_be_picked(hmc: Reading) -> None:
    """By the name that the HMC has; another one is refused with those that there are."""
    site = hmc.imported("--machine", "CPCB", "--host", "lpar1")
    assert [("cpcb", "lpar1")] == [(one.name, one.lpars[0].host) for one in site.machines]
    assert ["lpar1"] == [one.name for one in site.hosts]

    ran = hmc.read("--machine", "CPCX")
    assert (1, "") == (ran.code, ran.out)
    assert "it has: 'CPCB', 'CPC_A'" in ran.err


def test_the_password_is_shown_nowhere(hmc: Reading, caplog: pytest.LogCaptureFixture) -> None:
    """Neither by what is written, nor in logs or a value's text."""
    caplog.set_level(1)
    ran = hmc.read()
    login = Login("hmc1.example", "reader", PASSWORD)

    assert ("hmc1.example", "reader", PASSWORD) == hmc.opened[0][0]
    assert PASSWORD not in ran.out + ran.err + caplog.text + repr(login) + str(login)


@pytest.mark.parametrize(("words", "verified"), [((), True), (("--hmc-ca", "LOGIN"), "LOGIN")])
def test_the_certificate_is_always_verified(hmc: Reading, words: tuple[str, ...], verified: object) -> None:
    """By those that requests knows, or by the file."""
    words = tuple(str(hmc.login) if word == "LOGIN" else word for word in words)
    assert 0 == hmc.read(*words).code
    assert (str(hmc.login) if verified == "LOGIN" else verified) == hmc.opened[0][1]["verify_cert"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(hmc: Reading, mode: int) -> None:
    """With the command that changes that; the HMC is not asked."""
    hmc.login.chmod(mode)
    ran = hmc.read()

    assert (1, "") == (ran.code, ran.out)
    assert f"run: chmod 600 {hmc.login}" in ran.err
    assert not hmc.opened


def test_a_file_of_another_user_is_refused(hmc: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only that user can read it."""
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    ran = hmc.read()
    assert 1 == ran.code
    assert "belongs to another user" in ran.err


@pytest.mark.parametrize(
    "content",
    ["", "host: a\nuser: b\n", "host: a\nuser: b\npassword:\n", f"{LOGIN}port: 1\n", f"{LOGIN}user: x\n", "\udcff"],
)
def test_a_file_of_another_form_is_refused(hmc: Reading, content: str) -> None:
    """Without showing what is in it."""
    hmc.login.write_text(content, errors="surrogateescape")
    ran = hmc.read()

    assert (1, "") == (ran.code, ran.out)
    assert str(hmc.login) in ran.err
    assert PASSWORD not in ran.err


def test_a_file_that_is_no_file_is_refused(hmc: Reading) -> None:
    """A directory, a pipe that no process writes to, and one that is not there."""
    hmc.login.unlink()
    assert "there is no file" in hmc.read().err
    os.mkfifo(hmc.login, 0o600)
    assert "no regular file" in hmc.read().err


def test_an_hmc_that_refuses_is_an_error_without_the_password(hmc: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its words, on one line."""

    def refuses(*_: Any, **__: Any) -> None:
        raise zhmcclient.ConnectionError(f"refused {PASSWORD}\x1b", None)

    monkeypatch.setattr(zhmcclient, "Session", lambda *args, **kwargs: type("S", (), {"logon": refuses})())
    ran = hmc.read()

    assert (1, "") == (ran.code, ran.out)
    assert "the HMC hmc1.example cannot be read: refused …\\x1b" in ran.err
    assert PASSWORD not in ran.err


def test_what_cannot_be_used_is_named(hmc: Reading) -> None:
    """With the machine and the field."""
    wrong = partition("p", "active", 4)
    wrong["properties"]["crypto-configuration"]["crypto-domain-configurations"][0]["domain-index"] = 999
    hmc.hmc = hmc_with(partitions=[wrong])
    ran = hmc.read()

    assert (1, "") == (ran.code, ran.out)
    assert "'CPC_A' cannot be used: partitions.0.crypto-configuration" in ran.err


def test_a_machine_without_a_serial_number_gets_a_stand_in(hmc: Reading) -> None:
    """And a warning; --machine-id gives it, but not for several machines."""
    hmc.hmc["cpcs"][0]["properties"]["machine-serial-number"] = "tbd?"
    assert "it is not known which machine cpc-a is" in hmc.read().err
    assert "no place where there are several machines" in hmc.read("--machine-id", "IBM-3931-00000000000829E7").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "hmc"), "reconcile import --from hmc FILE"),
        (("--from", "hmc", "-"), "needs the name of a file"),
        (("--from", "dpm", "x", "--hmc-ca", "y"), "--hmc-ca has no place"),
        (("--hmc-ca", "y"), "--hmc-ca has no place here without --from"),
    ],
)
def test_wrong_usage_is_explained(hmc: Reading, words: tuple[str, ...], said: str) -> None:
    """And nothing is read."""
    ran = hmc.bare("import", *words)
    assert (64, "") == (ran.code, ran.out)
    assert said in ran.err


def test_a_certificate_file_that_is_not_there_is_named(hmc: Reading) -> None:
    """Before the HMC is asked."""
    ran = hmc.read("--hmc-ca", "nowhere.pem")
    assert 1 == ran.code
    assert "--hmc-ca nowhere.pem: there is no such file" in ran.err
    assert not hmc.opened


def test_without_zhmcclient_it_says_how_to_get_it(hmc: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "zhmcclient", None)
    assert "pip install '.[hmc]'" in hmc.read().err
