"""``reconcile import --from KIND FILE``: manifests of what other programs have written down."""

import re
from pathlib import Path
from typing import Final

import pytest

from reconciler.manifests.site import Site, read_site
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.printable import first_unprintable
from reconciler.model.problems import errors_of
from testing.commands import Command, Ran

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

SAMPLES: Final = {"cex-uuid-map": VARIABLES, "crypto-adapters": WORKERS}


class Import(Command):
    """Imports a file of another program, and looks at what became of it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder, capture)
        self.file = folder / "source"
        self.site = folder / "site"
        self.site.mkdir()

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
    tool.imported(kind, SAMPLES[kind], "--host", "lpar7")
    tool.simulated_host.write_text(HOST)

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
    assert "called 'Compute_1' there" in tool.site.joinpath("imported.yaml").read_text()


def test_guests_with_one_device_become_one(tool: Import) -> None:
    """A comment has the others."""
    text = f'cex_uuid_map:\n  b: "{UUID}:05.0047"\n  a: "{UUID}:05.0047"\n'
    assert ["a"] == [one.name for one in tool.imported("cex-uuid-map", text).guests]
    assert "for 'b', too" in tool.site.joinpath("imported.yaml").read_text()


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
    text = tool.site.joinpath("imported.yaml").read_text()

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
