"""``reconcile import --from KIND FILE``: manifests of what other programs have written down."""

import json
import re
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from reconciler.cli.exit_codes import Exit
from reconciler.manifests.site import Site, read_site
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.machines import MachineMode
from reconciler.model.printable import first_unprintable
from reconciler.model.problems import errors_of
from testing.commands import Command, Ran
from testing.manifests import MACHINE_ID, OTHER_ID, guest_text, machine_text

UUID: Final = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OTHER: Final = "0b0f2a52-8f6e-4c1b-9d1a-5a2f7e1c3d4e"

VARIABLES: Final = f"""\
---
# Variables of a cluster
vault: !vault |
  $ANSIBLE_VAULT;1.1;AES256
cex: true
cex_device: virt
cex_uuid_map:
  cluster-control-1: "{UUID}:05.0047"
  Compute_1: {OTHER.upper()}:06.0004
"""

WORKERS: Final = """\
crypto_adapters:
  - id: '07.0029'              # hex
    assign_to_worker: 0
  - id: 07.002a
    assign_to_worker: 1
  - {id: "08.002a", assign_to_worker: "1"}
crypto_config_set_project: cluster
"""

HOST: Final = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "6.12"
  adapters: [{id: 5}, {id: 6}, {id: 7}, {id: 8}]
  usageDomains: [4, 0x29, 0x2a, 0x47]
"""

ADAPTERS: Final = [
    {
        "object-uri": f"/api/adapters/{at:08x}-5a1c-11f0-8c1e-00106f23ab{at:02x}",
        "object-id": f"{at:08x}-5a1c-11f0-8c1e-00106f23ab{at:02x}",
        "name": f"EP11 {at}",
        "class": "adapter",
        "type": "crypto",
        "crypto-number": at,
        "crypto-type": "ep11-coprocessor",
        "detected-card-type": "crypto-express-8s",
        "adapter-id": f"1{at:02x}",
        "status": "active",
    }
    for at in (5, 6)
]
NETWORK: Final = {"object-uri": "/api/adapters/osd", "name": "OSD 1", "class": "adapter", "type": "osd"}


def partition(name: str, adapters: list[int], usage: list[int], *control: int, **more: Any) -> dict[str, Any]:
    """A partition of a DPM machine, as the HMC has it."""
    crypto = {
        "crypto-adapter-uris": [one["object-uri"] for one in ADAPTERS if one["crypto-number"] in adapters],
        "crypto-domain-configurations": [
            *({"domain-index": one, "access-mode": "control-usage"} for one in usage),
            *({"domain-index": one, "access-mode": "control"} for one in control),
        ],
    }
    return {
        "name": name,
        "object-uri": f"/api/partitions/{name}",
        "class": "partition",
        "type": "linux",
        "status": "active",
        "reserve-resources": False,
        "crypto-configuration": crypto,
        **more,
    }


EXPORT: Final = {
    "se-version": "2.16.0",
    "cpc-properties": {"auto-start-list": [], "description": ""},
    "adapters": [NETWORK, *ADAPTERS],
    "partitions": [
        partition("lpar7", [5, 6], [4, 0x47], 0x50),
        partition("Test System", [5], [9], status="paused"),
        partition("backup", [5], [4], status="stopped"),
        partition("reserved", [6], [9], **{"status": "stopped", "reserve-resources": True}),
        partition("plain", [], [], **{"crypto-configuration": None}),
    ],
}

PROFILES: Final = {
    "image-activation-profiles": [
        {
            "name": "LPAR7",
            "parent": "/api/cpcs/1",
            "class": "image-activation-profile",
            "assigned-cryptos": [
                {"number": 5, "activation-type": "candidate-and-online"},
                {"number": 6, "activation-type": "candidate"},
            ],
            "assigned-crypto-domains": [
                {"domain-index": 4, "access-mode": "control-usage"},
                {"domain-index": 0x47, "access-mode": "control-usage"},
                {"domain-index": 0x50, "access-mode": "control"},
            ],
        },
        {"name": "ZOS1", "parent": "/api/cpcs/1", "assigned-cryptos": [], "assigned-crypto-domains": []},
        {"name": "OLDER", "parent": "/api/cpcs/1"},
    ]
}

CONFIG_SETS: Final = """\
{
"cryptoconfigsets":
[
    {
        "setname":   "Cards_CCA",
        "project":   "payments",
        "cexmode":   "cca",
        "mincexgen": "cex6",
        "overcommit": 3,
        "apqns":
        [
            {"adapter": 5, "domain": 4, "machineid": ""},
            {"adapter": 6, "domain": 4},
            {"adapter": 6, "domain": 71}
        ]
    },
    {
        "setname": "ep11", "project": "cards", "cexmode": "ep11",
        "apqns": [{"adapter": 7, "domain": 41}, {"adapter": 8, "domain": 41}]
    },
    {"setname": "unused", "project": "cards", "apqns": []}
]
}
"""

CONFIG_MAP: Final = f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: cex-resources-config
  namespace: cex-device-plugin
data:
  cex_resources.json: |
{textwrap.indent(CONFIG_SETS, "    ")}"""

SAMPLES: Final = {
    "device-plugin": CONFIG_MAP,
    "cex-uuid-map": VARIABLES,
    "crypto-adapters": WORKERS,
    "dpm": json.dumps(EXPORT, indent=1),
    "profiles": json.dumps(PROFILES, indent=1),
}


_WITH_GUESTS: Final = ("cex-uuid-map", "crypto-adapters", "device-plugin")
_IS_MACHINE: Final = ("--machine-id", MACHINE_ID, "--machine", "cpc-a")


class Import(Command):
    """Imports a file of another program, and looks at what became of it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder, capture)
        self.file = folder / "source"
        self.site = folder / "site"
        self.site.mkdir()

    @property
    def text(self) -> str:
        """The manifests that were imported last."""
        return (self.site / "imported.yaml").read_text(encoding="utf-8")

    def read(self, kind: str, text: str, *words: str) -> Ran:
        """Import `text`, a file of `kind`."""
        self.file.write_text(text, encoding="utf-8", errors="surrogateescape")
        return self.bare("import", "--from", kind, str(self.file), *words)

    def imported(self, kind: str, text: str, *words: str) -> Site:
        """What is read of the manifests that `text` comes to; they must be valid."""
        out = self.site / "imported.yaml"
        out.unlink(missing_ok=True)
        ran = self.read(kind, text, "--out", str(out), *words)
        assert (0, "") == (ran.code, ran.out), ran
        validated = self.bare("validate", str(out))
        assert validated.code == 0, validated
        return read_site([out])


@pytest.fixture
def tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    """An empty directory."""
    return Import(tmp_path, capsys)


@pytest.mark.parametrize("kind", SAMPLES)
def test_what_is_imported_can_be_planned_and_applied(tool: Import, kind: str) -> None:
    """On a host that has the queues; afterwards there is nothing to do."""
    tool.imported(
        kind, SAMPLES[kind], "--host", "lpar7", *([] if kind in _WITH_GUESTS else ["--machine-id", MACHINE_ID])
    )
    tool.simulated_host.write_text(
        HOST if kind in _WITH_GUESTS else f"{HOST}  machineId: {MACHINE_ID}\n  lpar: LPAR7\n"
    )
    if kind not in _WITH_GUESTS:
        tool.site.joinpath("guest.yaml").write_text(guest_text())

    assert 0 == tool("plan", manifests=tool.site).code
    assert 0 == tool("apply", "--yes", manifests=tool.site).code
    assert "nothing to do" in tool("plan", manifests=tool.site).out.lower()


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_order_of_a_file_changes_nothing_and_it_says_where_it_is_from(tool: Import, kind: str) -> None:
    """With the date; the same file twice gives the same manifests."""
    first, second = (tool.read(kind, SAMPLES[kind]).out for _ in range(2))
    moment = r" on \d{4}-\d\d-\d\d at \d\d:\d\d UTC"

    assert re.sub(moment, "", first) == re.sub(moment, "", second)
    assert re.search(moment, first.replace("\n#", ""))
    assert f"#   {tool.file}\n" in first


def test_a_map_of_uuids_becomes_guests_as_the_role_sets_them_up(tool: Import) -> None:
    """The uuid, one queue, no control domain; the host gives up everything, as the role has it."""
    (site,) = [tool.imported("cex-uuid-map", VARIABLES, "--host", "lpar7")]
    one, two = site.guests

    assert ("cluster-control-1", UUID, (IdSet([5]), IdSet([0x47]), NO_IDS)) == (one.name, one.uuid, one.config)
    assert ("compute-1", OTHER, (IdSet([6]), IdSet([4]), NO_IDS)) == (two.name, two.uuid, two.config)
    assert (ALL_IDS, ALL_IDS) == site.hosts[0].given_up
    assert "called 'Compute_1' there" in tool.text


def test_guests_with_one_device_become_one(tool: Import) -> None:
    """A comment has the others."""
    text = f'cex_uuid_map:\n  b: "{UUID}:05.0047"\n  a: "{UUID}:05.0047"\n'
    assert ["a"] == [one.name for one in tool.imported("cex-uuid-map", text).guests]
    assert "for 'b', too" in tool.text


def test_several_queues_of_a_guest_are_merged_where_they_are_a_product(tool: Import) -> None:
    """In any order, and also where one is listed twice; one queue in a list is as one without."""
    first = [f"{UUID}:{one}" for one in ("06.0004", "05.0047", "05.0004", "06.0047", "05.0004")]
    text = json.dumps({"cex_uuid_map": {"a": first, "b": [f"{OTHER}:04.0001"]}})

    one, two = tool.imported("cex-uuid-map", text).guests

    assert (UUID, (IdSet([5, 6]), IdSet([4, 0x47]), NO_IDS)) == (one.uuid, one.config)
    assert (OTHER, (IdSet([4]), IdSet([1]), NO_IDS)) == (two.uuid, two.config)


def test_queues_that_are_no_product_are_refused_with_what_is_missing(tool: Import) -> None:
    """A device has all queues of its adapters and domains, or none of an adapter."""
    text = json.dumps({"cex_uuid_map": {"a": [f"{UUID}:05.0004", f"{UUID}:06.0047"]}})

    ran = tool.read("cex-uuid-map", text)

    assert ran.code == Exit.INVALID
    assert "the queues of 'a' are no full product" in ran.err
    assert "05.0047, 06.0004" in ran.err


def test_the_host_of_a_map_can_give_up_only_what_its_guests_need(tool: Import) -> None:
    """With ``--pool derived``; ``everything`` is what it is without."""
    derived = tool.imported("cex-uuid-map", VARIABLES, "--pool", "derived")
    everything = tool.imported("cex-uuid-map", VARIABLES, "--pool", "everything")

    assert [None] == [one.given_up for one in derived.hosts]
    assert [(ALL_IDS, ALL_IDS)] == [one.given_up for one in everything.hosts]
    assert [one.config for one in derived.guests] == [one.config for one in everything.guests]


@pytest.mark.parametrize("kind", SAMPLES)
def test_json_has_the_manifests_and_what_they_describe(tool: Import, kind: str) -> None:
    """The same at any time, for programs that compare; warnings are on stderr, too."""
    ran = tool.read(kind, SAMPLES[kind], "-o", "json")

    record = json.loads(ran.out)
    tool.site.joinpath("imported.yaml").write_text(record["manifests"], encoding="utf-8")
    site = read_site([tool.site])
    assert errors_of(site.problems) == []
    assert record["hosts"] == [one.name for one in site.hosts]
    assert [f"warning: {one}" for one in record["warnings"]] == ran.err.splitlines()
    assert not re.search(r"\d{4}-\d\d-\d\d", record["manifests"])


def test_workers_become_guests_with_all_their_queues(tool: Import) -> None:
    """By their number; the host gives up what they need."""
    site = tool.imported("crypto-adapters", WORKERS, "--host", "lpar7")

    assert [("worker-0", IdSet([7]), IdSet([0x29])), ("worker-1", IdSet([7, 8]), IdSet([0x2A]))] == [
        (one.name, one.config.adapters, one.config.domains) for one in site.guests
    ]
    assert [("lpar7", None)] == [(one.name, one.given_up) for one in site.hosts]


def test_a_host_that_nobody_names_has_a_name_that_can_be_changed(tool: Import) -> None:
    """And a warning says so."""
    ran = tool.read("crypto-adapters", WORKERS)
    assert "  name: kvm-host\n" in ran.out
    assert "warning: the file does not say which host" in ran.err


WRONG: Final = [
    ("cex-uuid-map", "cex_uuid_map: [a]\n", "import-field", 1),
    ("cex-uuid-map", "cex_uuid_map:\n  a:\n", "import-field", 2),
    ("cex-uuid-map", "cex_uuid_map:\n  a: 05.0047\n", "import-field", 2),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: {UUID}:05.0147\n", "import-field", 2),
    ("cex-uuid-map", "cex_uuid_map:\n  a: []\n", "import-field", 2),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: ['{UUID}:05.0004', 5]\n", "import-field", 2),
    ("cex-uuid-map", f"cex_uuid_map:\n  a:\n  - {UUID}:05.0004\n  - {OTHER}:06.0004\n", "import-field", 4),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: ['{UUID}:05.0004', '{UUID}:06.0005']\n", "import-field", 2),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: ['{UUID}:05.0047']\n  b: ['{OTHER}:05.0047']\n", "import-conflict", 3),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: {UUID}:{{{{ queue }}}}\n", "import-field", 2),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: {UUID}:05.0047\n  b: {OTHER}:05.0047\n", "import-conflict", 3),
    ("cex-uuid-map", f"cex_uuid_map:\n  a: {UUID}:05.0047\n  b: {UUID}:05.0048\n", "import-conflict", 3),
    ("cex-uuid-map", "cex_uuid_map:\n  a: !vault x\n", "yaml-tag", 2),
    ("cex-uuid-map", "a: {cex_uuid_map: {}}\nb: {cex_uuid_map: {}}\n", "import-key", 1),
    ("crypto-adapters", "crypto_adapters: {}\n", "import-field", 1),
    ("crypto-adapters", "crypto_adapters:\n  - 07.0029\n", "import-field", 2),
    ("crypto-adapters", "crypto_adapters:\n  - id: 7\n", "import-field", 2),
    ("crypto-adapters", "crypto_adapters:\n  - id: 07.0029\n", "import-field", 2),
    ("crypto-adapters", "crypto_adapters:\n  - {id: 07.0029, assign_to_worker: true}\n", "import-field", 2),
    (
        "crypto-adapters",
        "crypto_adapters:\n- {id: 07.0029, assign_to_worker: 0}\n- {id: 07.0029, assign_to_worker: 1}\n",
        "import-conflict",
        3,
    ),
    (
        "crypto-adapters",
        "crypto_adapters:\n- {id: 07.0029, assign_to_worker: 0}\n- {id: 08.002a, assign_to_worker: 0}\n",
        "import-field",
        3,
    ),
    ("crypto-adapters", "crypto_adapters:\n  - \udc80\n", "not-utf8", 2),
]


@pytest.mark.parametrize(("kind", "text", "id", "line"), WRONG)
def test_a_file_that_cannot_be_used_is_refused_at_its_line(
    tool: Import, kind: str, text: str, id: str, line: int
) -> None:
    """With the exit code of invalid manifests, and nothing written."""
    ran = tool.read(kind, text)
    assert (3, "") == (ran.code, ran.out), ran
    assert f"error[{id}]" in ran.err
    assert f"{tool.file}:{line}:" in ran.err


def test_a_file_that_is_not_there_is_named(tool: Import) -> None:
    """As for manifests."""
    ran = tool.bare("import", "--from", "cex-uuid-map", "nowhere.yaml")
    assert (3, "") == (ran.code, ran.out)
    assert "nowhere.yaml does not exist" in ran.err


@pytest.mark.parametrize("name", ["x: y", "a\\nkind: Host", "é\\x1b[2J", "#", "", "-", "\\u2028", "'", "a" * 80])
def test_no_name_can_end_its_comment(tool: Import, name: str) -> None:
    """Whatever it is: escapes are made printable, and the manifests are valid."""
    site = tool.imported("cex-uuid-map", f'cex_uuid_map:\n  "{name}": {UUID}:05.0047\n  a-b: {OTHER}:05.0048\n')
    text = tool.text

    assert 2 == len({one.name for one in site.guests})
    assert not errors_of(site.problems)
    assert first_unprintable(text.replace("\n", "")) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("source",), "no place here without --from"),
        (("--from", "cex-uuid-map"), "reconcile import --from cex-uuid-map FILE"),
        (("--from", "cex-uuid-map", "source", "--simulate", "host.yaml"), "--simulate has no place beside --from"),
        (("--from", "cex-uuid-map", "source", "--sysfs", "/sys"), "--sysfs has no place beside --from"),
        (("--from", "spreadsheet", "source"), "cex-uuid-map"),
        (("--from", "crypto-adapters", "source", "--pool", "derived"), "--pool has no place beside --from"),
        (("--pool", "derived"), "--pool has no place here without --from"),
        (("--from", "cex-uuid-map", "source", "-o", "json", "--out", "x"), "--out has no place beside -o json"),
        (("--machine", "cpc-a"), "--machine has no place here without --from"),
        (("--from", "crypto-adapters", "source", "--machine-id", "x"), "have no place beside --from crypto-adapters"),
        (("--from", "dpm", "source", "--machine-id", "IBM-3931-829E7"), "write MANUFACTURER-TYPE-SEQUENCE"),
    ],
)
def test_wrong_usage_is_explained(tool: Import, words: tuple[str, ...], said: str) -> None:
    """And nothing is read."""
    ran = tool.bare("import", *words)
    assert (64, "") == (ran.code, ran.out)
    assert said in ran.err


def test_a_file_that_exists_is_not_written_over(tool: Import) -> None:
    """Least of all the one that is imported."""
    ran = tool.read("cex-uuid-map", VARIABLES, "--out", str(tool.file))
    assert 64 == ran.code
    assert VARIABLES == tool.file.read_text()


def test_a_dpm_configuration_becomes_a_machine_with_all_its_partitions(tool: Import) -> None:
    """Control domains, what is stopped, and the host that the user names."""
    site = tool.imported("dpm", SAMPLES["dpm"], *_IS_MACHINE, "--host", "lpar7")
    (machine,) = site.machines

    assert ("cpc-a", MACHINE_ID, MachineMode.DPM) == (machine.name, machine.id, machine.mode)
    assert [
        ("lpar7", "lpar7", (IdSet([5, 6]), IdSet([4, 0x47]), IdSet([4, 0x47, 0x50])), True),
        ("Test System", "", (IdSet([5]), IdSet([9]), IdSet([9])), True),
        ("backup", "", (IdSet([5]), IdSet([4]), IdSet([4])), False),
        ("reserved", "", (IdSet([6]), IdSet([9]), IdSet([9])), True),
        ("plain", "", (NO_IDS, NO_IDS, NO_IDS), True),
    ] == [(one.name, one.host, one.config, one.is_active) for one in machine.lpars]
    assert "# Adapter 0x05: crypto-express-8s, ep11-coprocessor, PCHID 105." in tool.text


def test_image_profiles_become_a_machine_as_of_the_next_activation(tool: Import) -> None:
    """And say so; a profile without crypto is named."""
    (machine,) = tool.imported("profiles", SAMPLES["profiles"], *_IS_MACHINE).machines

    assert ("cpc-a", MACHINE_ID, MachineMode.CLASSIC) == (machine.name, machine.id, machine.mode)
    assert [
        ("LPAR7", (IdSet([5, 6]), IdSet([4, 0x47]), IdSet([4, 0x47, 0x50]))),
        ("ZOS1", (NO_IDS, NO_IDS, NO_IDS)),
    ] == [(one.name, one.config) for one in machine.lpars]
    assert "of the next activation" in tool.text
    assert "nothing of crypto: 'OLDER'" in tool.text
    assert "# activation-type 'candidate': adapter 0x06 (6)." in tool.text


@pytest.mark.parametrize("text", [PROFILES["image-activation-profiles"], PROFILES["image-activation-profiles"][0]])
def test_profiles_may_come_in_a_list_or_one_by_one(tool: Import, text: object) -> None:
    """As the HMC's list of a machine, as a list of one's own, or as one profile."""
    (machine,) = tool.imported("profiles", json.dumps(text), *_IS_MACHINE).machines
    assert "LPAR7" == machine.lpars[0].name


def test_an_export_in_yaml_is_the_same(tool: Import) -> None:
    """As zhmccli writes it."""
    (machine,) = tool.imported("dpm", yaml.safe_dump(EXPORT), *_IS_MACHINE).machines
    assert 5 == len(machine.lpars)


def test_two_active_partitions_with_a_queue_are_imported_and_found(tool: Import) -> None:
    """The HMC's mock accepts them, and so may an export: validate finds them."""
    conflict = {**EXPORT, "partitions": [partition("one", [5], [4]), partition("two", [5], [4])]}
    ran = tool.read("dpm", json.dumps(conflict), "--out", str(tool.site / "imported.yaml"))

    assert 0 == ran.code
    assert tool.bare("validate", str(tool.site)).code != 0


@pytest.mark.parametrize("named", [("--machine-id", MACHINE_ID), ("--machine", "cpc-x")])
def test_what_is_live_is_compared_with_what_is_to_be(tool: Import, named: tuple[str, str]) -> None:
    """By the id of the machine, or by its name where that is not known; what nobody describes gives everything up."""
    ran = tool.read("dpm", json.dumps(EXPORT), *named)
    assert ran.code == 0, ran.err
    live, site = tool.directory / "live.yaml", tool.directory / "wanted.yaml"
    live.write_text(ran.out, encoding="utf-8")
    lpars = [
        "{name: lpar7, adapters: [5], usageDomains: [4, 0x47], controlDomains: [4, 0x47, 0x50]}",
        '{name: "Test System", adapters: [5, 6], usageDomains: [9]}',
        "{name: backup, adapters: [5], usageDomains: [4], active: false}",
    ]
    site.write_text(machine_text("cpc-x", *lpars, mode="dpm"), encoding="utf-8")

    found = json.loads(tool.bare("hmc-changes", str(site), "--from", str(live), "-o", "json").out)

    steps = [(one["action"], one["lpar"], one["adapters"]) for one in found["machines"][0]["steps"]]
    assert steps == [("remove", "lpar7", [6]), ("remove", "reserved", [6]), ("add", "Test System", [6])]
    assert found["machines"][0]["steps"][2]["after"] == [2]
    *renamed, note = found["notes"]
    assert ": reserved; add them to its Machine" in note
    assert [f"by its name it is {MACHINE_ID} here" in one for one in renamed] == [True] * (named[0] == "--machine")


def test_a_machine_that_is_not_known_says_so(tool: Import) -> None:
    """With an id that no machine has, in comments and warnings."""
    ran = tool.read("dpm", SAMPLES["dpm"])

    assert "  name: machine\n" in ran.out
    assert "  machineId: IBM-0000-0000000000000000\n" in ran.out
    assert "--machine gives its name" in ran.err
    assert "--machine-id gives it" in ran.err
    assert "write 'host: NAME'" in ran.out


def test_names_of_partitions_become_valid_and_stay_apart(tool: Import) -> None:
    """Upper and lower case are the same; comments have the originals."""
    names = ["é\n- x", "a" * 70, "a" * 70, "P1", "p1", "\x1b", '"q" \\ #', "null"]
    export = {**EXPORT, "partitions": [partition(name, [], []) for name in names]}
    (machine,) = tool.imported("dpm", json.dumps(export), *_IS_MACHINE).machines

    made = [one.name for one in machine.lpars]
    assert ["??- x", "a" * 64, f"{'a' * 60}-2", "P1", "p1-2", "?", '"q" \\ #', "null"] == made
    assert r"called 'é\n- x' there" in tool.text


def test_a_host_without_an_lpar_is_refused(tool: Import) -> None:
    """With the LPARs that there are."""
    ran = tool.read("dpm", SAMPLES["dpm"], "--host", "lpar9")
    assert (1, "") == (ran.code, ran.out)
    assert "there are: lpar7, Test System" in ran.err


def changed(sample: object, *path: str | int, to: object) -> str:
    """`sample` as JSON, one part to a line, with `to` at `path`."""
    copy = json.loads(json.dumps(sample))
    part = copy
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = to
    return json.dumps(copy, indent=1)


CRYPTO: Final = ("partitions", 0, "crypto-configuration")
PROFILE: Final = ("image-activation-profiles", 0)
WRONG_MACHINES: Final = [
    ("dpm", "[]", "import-field"),
    ("dpm", '{"adapters": []}', "import-field"),
    ("dpm", '{"partitions": []}', "import-field"),
    ("dpm", '{"partitions": [1]}', "import-field"),
    ("dpm", '{"partitions": [], "partitions": []}', "not-json"),
    ("dpm", changed(EXPORT, "adapters", 1, "crypto-number", to="5"), "import-field"),
    ("dpm", changed(EXPORT, "adapters", 1, "object-uri", to=None), "import-field"),
    ("dpm", changed(EXPORT, "partitions", 0, "name", to=""), "import-field"),
    ("dpm", changed(EXPORT, *CRYPTO, to=[1]), "import-field"),
    ("dpm", changed(EXPORT, *CRYPTO, "crypto-adapter-uris", 0, to="/api/adapters/gone"), "import-field"),
    ("dpm", changed(EXPORT, *CRYPTO, "crypto-domain-configurations", 0, "domain-index", to=256), "import-field"),
    ("dpm", changed(EXPORT, *CRYPTO, "crypto-domain-configurations", 0, "access-mode", to="usage"), "import-field"),
    ("dpm", changed(EXPORT, "partitions", to=[partition(f"p{at}", [], []) for at in range(257)]), "import-field"),
    ("profiles", "7", "import-field"),
    ("profiles", "[]", "import-field"),
    ("profiles", '{"name": "LPAR1"}', "import-field"),
    ("profiles", changed(PROFILES, *PROFILE, "parent", to="/api/cpcs/2"), "import-conflict"),
    ("profiles", changed(PROFILES, *PROFILE, "assigned-cryptos", 0, "number", to=-1), "import-field"),
    ("profiles", changed(PROFILES, *PROFILE, "assigned-cryptos", to={}), "import-field"),
]


@pytest.mark.parametrize(("kind", "text", "id"), WRONG_MACHINES)
def test_a_machine_that_cannot_be_used_is_refused(tool: Import, kind: str, text: str, id: str) -> None:
    """With the exit code of invalid manifests, the file and mostly the line, and nothing written."""
    ran = tool.read(kind, text)
    assert (3, "") == (ran.code, ran.out), ran
    assert f"error[{id}]" in ran.err
    assert str(tool.file) in ran.err


def test_a_wrong_value_of_an_export_is_marked(tool: Import) -> None:
    """In its line."""
    text = changed(EXPORT, *CRYPTO, "crypto-domain-configurations", 0, "access-mode", to="usage")
    line = next(at for at, one in enumerate(text.splitlines(), 1) if '"access-mode": "usage"' in one)
    assert f"{tool.file}:{line}:" in tool.read("dpm", text).err


_MAP: Final = f"""\
cex_uuid_map:
  a:
  b: {UUID}:nowhere
  c: {OTHER}:05.0047
  d: {OTHER}:05.0048
"""
_QUEUES: Final = """\
crypto_adapters:
- {id: 07.0029}
- {id: 7, assign_to_worker: none}
- {id: 08.002a, assign_to_worker: 1}
- {id: 08.002a, assign_to_worker: 2}
"""
_PARTITIONS: Final = json.dumps(
    {
        "partitions": [
            {"crypto-configuration": {"crypto-domain-configurations": [{}, {"domain-index": 300, "access-mode": "x"}]}},
            {"name": "B", "crypto-configuration": {"crypto-adapter-uris": ["a", "b"]}},
            7,
        ]
    }
)
_PROFILES: Final = json.dumps(
    [
        {"assigned-cryptos": [{}]},
        {"name": "B", "assigned-cryptos": [{"number": 300}, {}], "assigned-crypto-domains": [{}]},
        {"name": "C", "assigned-crypto-domains": 3},
    ]
)
_SETS: Final = json.dumps(
    {
        "cryptoconfigsets": [
            {"apqns": [{"adapter": 1}, {"domain": 300}]},
            {"setname": "x", "apqns": [{"adapter": 1, "domain": 1}, {"adapter": 1, "domain": 1}]},
            {"setname": "x", "apqns": 1},
            {"setname": "x"},
        ]
    }
)


@pytest.mark.parametrize(
    ("kind", "text", "count", "words"),
    [
        ("cex-uuid-map", _MAP, 3, ("'a' has no UUID:QUEUE", "'nowhere' is no queue", "with different queues")),
        (
            "crypto-adapters",
            _QUEUES,
            4,
            ("assign_to_worker is missing", "is no queue", "'none' is no number", "have the same queue"),
        ),
        (
            "dpm",
            _PARTITIONS,
            8,
            ("domain-index is missing", "access-mode is missing", "'x' is no access mode", "'b' is no crypto adapter"),
        ),
        ("profiles", _PROFILES, 6, ("name is missing", "number is missing", "domain-index is missing")),
        ("device-plugin", _SETS, 7, ("domain is missing", "setname is missing", "stands here twice", "called 'x'")),
    ],
)
def test_all_problems_of_a_file_are_shown_in_one_run(
    tool: Import, kind: str, text: str, count: int, words: tuple[str, ...]
) -> None:
    """What is missing is named, also where other entries are wrong or in conflict."""
    ran = tool.read(kind, text)

    assert (ran.code, ran.err.count("error[import-")) == (3, count), ran.err
    said = " ".join(ran.err.split())
    assert [one for one in words if one not in said] == []


def test_config_sets_become_guests(tool: Import) -> None:
    """One for each full product; comments have what the plugin goes on deciding."""
    site = tool.imported("device-plugin", CONFIG_MAP, "--host", "lpar7")

    assert [
        ("cards-cca-1", IdSet([5]), IdSet([4])),
        ("cards-cca-2", IdSet([6]), IdSet([4, 71])),
        ("ep11", IdSet([7, 8]), IdSet([41])),
    ] == [(one.name, one.config.adapters, one.config.domains) for one in site.guests]
    assert (
        "# Not taken over, since the plugin goes on deciding it: cexmode 'cca',\n# mincexgen 'cex6', overcommit 3."
        in tool.text
    )
    assert "# The set 'Cards_CCA' of project 'payments'." in tool.text
    assert "# Not in here, since it has no queue: the set 'unused'." in tool.text


def listed(text: str) -> str:
    """The ConfigMap as kubectl lists it, in JSON."""
    return json.dumps({"kind": "List", "items": [{"kind": "Secret"}, yaml.safe_load(text)]})


@pytest.mark.parametrize("text", [CONFIG_SETS, listed(CONFIG_MAP), f"kind: Namespace\n---\n{CONFIG_MAP}"])
def test_config_sets_are_found_where_they_are(tool: Import, text: str) -> None:
    """In the file of the plugin itself, in a list, and beside other documents."""
    assert 3 == len(tool.imported("device-plugin", text).guests)


def test_queues_of_several_machines_are_on_several_hosts(tool: Import) -> None:
    """Each named after its machine."""
    queues = [
        {"adapter": 5, "domain": 4, "machineid": MACHINE_ID.lower()},
        {"adapter": 5, "domain": 4, "machineid": OTHER_ID},
        {"adapter": 6, "domain": 4},
    ]
    text = json.dumps({"cryptoconfigsets": [{"setname": "all", "project": "p", "apqns": queues}]})
    site = tool.imported("device-plugin", text, "--host", "kvm")

    assert ["kvm", "kvm-3931-829e7", "kvm-3932-a0001"] == sorted(one.name for one in site.hosts)
    assert {"all-any": "kvm", "all-3931-829e7": "kvm-3931-829e7", "all-3932-a0001": "kvm-3932-a0001"} == {
        one.name: one.host for one in site.guests
    }


SETS: Final = ("cryptoconfigsets", 0)
PLAIN: Final = json.loads(CONFIG_SETS)
WRONG_SETS: Final = [
    ("kind: ConfigMap\n", "import-field"),
    (f"{CONFIG_MAP}---\n{CONFIG_MAP}", "import-field"),
    ("- 1\n", "import-field"),
    (CONFIG_MAP.replace('"domain": 4,', '"domain" 4,'), "not-json"),
    (CONFIG_MAP.replace('"project":   "payments",', '"setname": "x",'), "not-json"),
    (CONFIG_MAP.replace('"adapter": 6', '"adapter": 5').replace("71", "4"), "import-conflict"),
    (changed(PLAIN, "cryptoconfigsets", to=7), "import-field"),
    (changed(PLAIN, *SETS, "setname", to="ep11"), "import-conflict"),
    (changed(PLAIN, *SETS, "setname", to=None), "import-field"),
    (changed(PLAIN, *SETS, "apqns", 0, "adapter", to=True), "import-field"),
    (changed(PLAIN, *SETS, "apqns", 0, "machineid", to=5), "import-field"),
    (changed(PLAIN, *SETS, "apqns", 0, to={"adapter": 7, "domain": 41, "machineid": "x"}), "import-conflict"),
    (changed(PLAIN, "cryptoconfigsets", 2, "apqns", to=[{"adapter": 7, "domain": 41}]), "import-conflict"),
]


@pytest.mark.parametrize(("text", "id"), WRONG_SETS)
def test_config_sets_that_the_plugin_refuses_are_refused(tool: Import, text: str, id: str) -> None:
    """With the exit code of invalid manifests, and nothing written."""
    ran = tool.read("device-plugin", text)
    assert (3, "") == (ran.code, ran.out), ran
    assert f"error[{id}]" in ran.err


def test_a_wrong_queue_of_a_config_map_is_marked(tool: Import) -> None:
    """In its line of the ConfigMap."""
    ran = tool.read("device-plugin", CONFIG_MAP.replace('"domain": 71', '"domain": 256'))
    line = next(at for at, one in enumerate(CONFIG_MAP.splitlines(), 1) if "71" in one)
    assert f"{tool.file}:{line}:" in ran.err
