"""The inventory plugin of the collection, under a real ``ansible-inventory`` and ``ansible-playbook``."""

import json
from pathlib import Path
from typing import Any, Final

from testing.ansible import Ansible
from testing.commands import Ran
from testing.manifests import OTHER_ID, guest_text, host_text, machine_text

CONFIGURATION: Final = "plugin: reconcile.vfio_ap.manifests\npaths: [manifests]\n"
OWN: Final = """\
all:
  hosts:
    lpar7: {ansible_host: 192.0.2.7, ansible_connection: local}
    elsewhere: {ansible_host: 192.0.2.9}
"""
EVERYTHING: Final = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {var: "hostvars[inventory_hostname]"}
    - ansible.builtin.debug: {msg: "{{ reconcile_labels }} {{ reconcile_lpars }} {{ reconcile_guests }} {{ groups }}"}
    - ansible.builtin.debug: {msg: "{{ item.key }} is {{ item.value }}"}
      loop: "{{ reconcile_labels | dict2items }}"
    - ansible.builtin.set_fact: {first: "{{ reconcile_labels.values() | first }}", all_of_it: "{{ hostvars }}"}
    - ansible.builtin.debug: {msg: "{{ first }}{{ reconcile_lpars[0].lpar }}"}
      when: first == reconcile_labels.values() | first
    - ansible.builtin.copy: {content: "{{ first }}\\n{{ reconcile_labels }}", dest: "FOLDER/copied"}
      delegate_to: localhost
"""


class Inventory(Ansible):
    """Ansible with manifests and an inventory of them."""

    def __init__(self, folder: Path, *documents: str, more: str = "") -> None:
        super().__init__(folder)
        self.file("manifests/site.yaml", "---\n".join(documents))
        self.source = self.file("site.reconcile.yml", CONFIGURATION + more)
        self.own = self.file("hosts.yml", OWN)

    def listed(self, *sources: str) -> dict[str, Any]:
        """What ``ansible-inventory --list`` shows of `sources`, or of ours where there are none."""
        ran = self.inventory(*sources)
        assert ran.code == 0, ran
        found = json.loads(ran.out)
        assert isinstance(found, dict)
        return found

    def inventory(self, *sources: str) -> Ran:
        """``ansible-inventory --list`` of `sources`, or of ours."""
        self.environment["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "1"
        return self("inventory", "--list", *(word for source in sources or (self.source,) for word in ("-i", source)))


def hosts_of(listed: dict[str, Any]) -> dict[str, list[str]]:
    """The hosts of each group that has any."""
    return {name: sorted(one["hosts"]) for name, one in listed.items() if "hosts" in one}


def labelled(name: str, **labels: str) -> str:
    """A Host with `labels`, which are YAML text by key."""
    pairs = ", ".join(f"{key}: {value}" for key, value in labels.items())
    return host_text(f"{name}\n  labels: {{{pairs}}}")


def test_hosts_are_grouped_by_machine_and_by_label(tmp_path: Path) -> None:
    """Names of groups are lower case, digits and ``_``; who is where stands in variables, too."""
    ansible = Inventory(
        tmp_path,
        labelled("lpar7", tier="Gold", site="north-1"),
        labelled("lpar8.example", tier="Gold"),
        host_text("alone"),
        guest_text("payments", host="lpar7"),
        machine_text("cpc-a", "{name: LPAR7, host: lpar7, adapters: [5], usageDomains: [4]}"),
        machine_text(
            "cpc-b", "{name: LPAR8, host: lpar8.example, adapters: [5], usageDomains: [4]}", machineId=OTHER_ID
        ),
    )

    listed = ansible.listed()

    assert hosts_of(listed) == {
        "reconcile_hosts": ["alone", "lpar7", "lpar8.example"],
        "machine_cpc_a": ["lpar7"],
        "machine_cpc_b": ["lpar8.example"],
        "label_tier_gold": ["lpar7", "lpar8.example"],
        "label_site_north_1": ["lpar7"],
    }
    variables = listed["_meta"]["hostvars"]
    assert set(variables["lpar7"]) == {"reconcile_labels", "reconcile_lpars", "reconcile_guests"}
    assert plain(variables["lpar7"]["reconcile_guests"]) == ["payments"]
    assert plain(variables["lpar7"]["reconcile_labels"]) == {"tier": "Gold", "site": "north-1"}
    assert [plain(one)["lpar"] for one in variables["lpar7"]["reconcile_lpars"]] == ["LPAR7"]


def plain(value: Any) -> Any:
    """`value` as ansible-inventory shows it, without the marks of text that is no template."""
    if isinstance(value, dict):
        return (
            value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else {k: plain(v) for k, v in value.items()}
        )
    return [plain(one) for one in value] if isinstance(value, list) else value


def test_a_host_that_has_moved_is_in_the_group_of_the_machine_where_it_is_active(tmp_path: Path) -> None:
    """Its original place stands behind that one."""
    ansible = Inventory(
        tmp_path,
        host_text(),
        machine_text("cpc-a", "{name: LPAR7, host: lpar7, adapters: [5], usageDomains: [4], active: false}"),
        machine_text("cpc-b", "{name: LPAR7DR, standbyOf: cpc-a/LPAR7, active: true}", machineId=OTHER_ID),
    )

    listed = ansible.listed()

    assert hosts_of(listed) == {"reconcile_hosts": ["lpar7"], "machine_cpc_b": ["lpar7"]}
    lpars = plain(listed["_meta"]["hostvars"]["lpar7"]["reconcile_lpars"])
    assert [(one["machine"], one["active"]) for one in lpars] == [("cpc-b", True), ("cpc-a", False)]


def test_addresses_of_the_own_inventory_are_joined_by_the_name_of_the_host(tmp_path: Path) -> None:
    """Whichever comes first; a host that only one of them has stays as it is there."""
    ansible = Inventory(tmp_path, labelled("lpar7", tier="gold"), host_text("lpar8"))

    for sources in ((ansible.own, ansible.source), (ansible.source, ansible.own)):
        listed = ansible.listed(*sources)
        variables = listed["_meta"]["hostvars"]
        assert variables["lpar7"]["ansible_host"] == "192.0.2.7"
        assert plain(variables["lpar7"]["reconcile_labels"]) == {"tier": "gold"}
        assert variables["elsewhere"] == {"ansible_host": "192.0.2.9"}
        assert hosts_of(listed)["reconcile_hosts"] == ["lpar7", "lpar8"]


def test_a_host_that_the_own_inventory_lacks_can_be_left_out(tmp_path: Path) -> None:
    """With ``only_known`` a change of manifests adds no host to which Ansible connects."""
    ansible = Inventory(tmp_path, host_text("lpar7"), host_text("lpar8"), more="only_known: true\n")

    assert hosts_of(ansible.listed(ansible.own, ansible.source))["reconcile_hosts"] == ["lpar7"]


REFUSED: Final = (
    ((labelled("lpar7", a_b="c"), labelled("lpar8", a="b_c")), "label 'a_b'='c' and label 'a'='b_c'"),
    ((labelled("lpar7", site="A"), labelled("lpar8", site="a")), "label 'site'='A' and label 'site'='a'"),
    ((labelled("lpar7", site='"é"'), labelled("lpar8", site='"ü"')), "both be the group label_site__"),
    ((host_text("localhost"), host_text("lpar8")), "a Host is called 'localhost'"),
    ((host_text("all"), host_text("lpar8")), "a Host is called 'all'"),
    ((host_text("lpar8", colour="red"),), "error[unknown-key]"),
    ((labelled("lpar8", own="group"),), "would be called like a host of this inventory"),
)


def test_what_cannot_be_an_inventory_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Groups are never merged, and nothing of Ansible's own changes its meaning; no part of it is taken over."""
    ansible = Ansible(tmp_path)
    sources = [ansible.file("hosts.yml", "all: {hosts: {label_own_group: {}}}")]
    for number, (documents, _) in enumerate(REFUSED):
        ansible.file(f"{number}/manifests/site.yaml", "---\n".join(documents))
        sources.append(ansible.file(f"{number}/reconcile.yml", CONFIGURATION))

    ran = ansible("inventory", "--list", *(word for source in sources for word in ("-i", source)))

    shown = " ".join(ran.err.split())
    assert [why for _, why in REFUSED if why not in shown] == []
    assert hosts_of(json.loads(ran.out)) == {"ungrouped": ["label_own_group"]}


def attack(folder: Path) -> str:
    """A template that makes a file in `folder` if it is ever evaluated."""
    return "{{ lookup('pipe', 'touch " + str(folder / "ran") + "') }}"


def test_no_text_of_a_manifest_is_ever_a_template(tmp_path: Path) -> None:
    """Labels, their keys, names of LPARs and comments with one are listed, printed, copied and compared as text."""
    template = attack(tmp_path)
    label = f'"{template}"'
    ansible = Inventory(
        tmp_path,
        f"# {template}\n" + labelled("lpar7", **{"ansible_host": label, label: label, "ansible_become_password": "x"}),
        guest_text(f"payments\n  labels: {{{label}: {label}}}", host="lpar7"),
        machine_text(
            "cpc-a", f'{{name: "{template[:60]}", host: lpar7, adapters: [5], usageDomains: [4]}}', mode="dpm"
        ),
    )
    playbook = ansible.file("everything.yml", EVERYTHING.replace("FOLDER", str(tmp_path)))

    listed = ansible.listed(ansible.own, ansible.source)
    ran = ansible("playbook", "-i", ansible.own, "-i", ansible.source, "--limit", "lpar7", playbook)

    assert ran.code == 0, ran
    assert not (tmp_path / "ran").exists()
    assert template in (tmp_path / "copied").read_text(encoding="utf-8")
    variables = listed["_meta"]["hostvars"]["lpar7"]
    assert variables["ansible_host"] == "192.0.2.7"
    assert {one for one in variables if one.startswith("ansible")} == {"ansible_host", "ansible_connection"}
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for name in listed)


def test_a_template_where_a_name_is_expected_is_refused_and_not_evaluated(tmp_path: Path) -> None:
    """The messages show it as text."""
    template = f'"{attack(tmp_path)}"'
    ansible = Ansible(tmp_path)
    documents = {
        "Host": (host_text(template),),
        "Guest": (host_text(), guest_text(template)),
        "Machine": (host_text(), machine_text(template)),
        "LPAR": (host_text(), machine_text("cpc-a", f"{{name: {template}, host: {template}, adapters: []}}")),
        "description": (host_text("lpar7", description=template),),
    }
    sources = []
    for name, texts in documents.items():
        ansible.file(f"{name}/manifests/site.yaml", "---\n".join(texts))
        sources += ["-i", ansible.file(f"{name}/reconcile.yml", CONFIGURATION)]
    playbook = ansible.file("everything.yml", EVERYTHING.replace("FOLDER", str(tmp_path)))

    ran = ansible("playbook", *sources, playbook)

    assert " ".join(ran.err.split()).count("the manifests have errors") >= len(documents)
    assert not (tmp_path / "ran").exists()
