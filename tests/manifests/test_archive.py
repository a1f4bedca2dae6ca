"""What a controller gives to one host of a site."""

from pathlib import Path

import pytest

from reconciler.manifests.archive import archive_of
from reconciler.manifests.site import Site, read_site
from reconciler.model.desired import Desired
from testing.manifests import texts_site

HOSTS = """\
# what all have in common
apiVersion: reconciler/v1
kind: Host
metadata: {name: h1}
--- # the second
apiVersion: reconciler/v1
kind: Host
metadata: {name: h2}
...
---
{apiVersion: reconciler/v1, kind: Host, metadata: {name: h3}}"""

GUESTS = """\
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: web}   # kept
spec: {host: h1, adapters: [5], domains: [4]}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: moves}
spec:
  hosts: [h1, h2]
  uuid: 62177883-f1bb-47f0-914d-32a22e3a8804
  adapters: [6]
  domains: [5]
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: other}
spec: {host: h3, adapters: [5], domains: [4]}
"""

MACHINES = """\
apiVersion: reconciler/v1
kind: Machine
metadata: {name: cpc-a}
spec:
  machineId: IBM-3931-00000000000829E7
  lpars:
    - {name: one, host: h1, adapters: [5, 6], usageDomains: [4, 5]}
    - {name: zos, adapters: [7], usageDomains: [9]}
---
apiVersion: reconciler/v1
kind: Machine
metadata: {name: cpc-b}
spec:
  machineId: IBM-3931-00000000000829E8
  lpars:
    - {name: two, host: h2, adapters: [5, 6], usageDomains: [4, 5]}
    - {name: one-dr, standbyOf: cpc-a/one, active: false}
---
apiVersion: reconciler/v1
kind: Machine
metadata: {name: cpc-c}
spec:
  machineId: IBM-3931-00000000000829E9
  lpars: [{name: three, host: h3, adapters: [5, 6], usageDomains: [4, 5]}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Three hosts in three files; one guest may move between two of them, and one LPAR has a standby."""
    for name, text in {"hosts": HOSTS, "guests": GUESTS, "machines": MACHINES}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    site = read_site([str(tmp_path)])
    assert not site.problems
    return site


@pytest.mark.parametrize("host", ["h1", "h2", "h3"])
def test_an_archive_says_of_its_host_what_the_site_says(site: Site, host: str) -> None:
    """And nothing in it is wrong by itself: no host, original or LPAR is missing."""
    alone = texts_site(archive_of(site, host))

    assert not alone.problems
    wanted, found = site.desired(host, ""), alone.desired(host, "")
    assert isinstance(wanted, Desired)
    assert isinstance(found, Desired)
    assert (found.digest, found.places) == (wanted.digest, wanted.places)


def test_an_archive_has_only_what_its_host_needs(site: Site) -> None:
    """Guests of others stay away, also with those hosts that its own documents name."""
    archives = {host: archive_of(site, host) for host in ("h1", "h2", "h3")}

    found = {
        host: {name for name in ("web", "moves", "other") if f"name: {name}}}" in text}
        for host, text in archives.items()
    }
    assert found == {"h1": {"web", "moves"}, "h2": {"moves"}, "h3": {"other"}}
    assert "cpc-c" not in archives["h1"] + archives["h2"]
    assert "cpc-a" not in archives["h3"]
    assert "name: h3" not in archives["h1"]


def test_documents_are_verbatim_behind_the_place_that_they_are_from(site: Site, tmp_path: Path) -> None:
    """With comments; a document without a marker or a last line feed gets one, so that it is a document of its own."""
    name = tmp_path / "guests.yaml"

    archive = archive_of(site, "h1")
    assert (
        f"# {name}:2\n---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: web}}   # kept\n"
        "spec: {host: h1, adapters: [5], domains: [4]}\n"
    ) in archive
    assert f"# {tmp_path}/hosts.yaml:2\n---\n# what all have in common\n" in archive
    assert "--- # the second\n" in archive
    assert archive_of(site, "h3").startswith(f"# {name}:16\n---\n")
    assert (
        f"# {tmp_path}/hosts.yaml:11\n---\n{{apiVersion: reconciler/v1, kind: Host, metadata: {{name: h3}}}}\n"
        in archive_of(site, "h3")
    )


def test_the_name_of_a_file_stays_in_its_comment(tmp_path: Path) -> None:
    """Whatever characters it has; the archive does not depend on the order in which files are named."""
    odd, other = tmp_path / "a\nkind: Host\u2028.yaml", tmp_path / "b.yaml"
    odd.write_text("apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: h1}\n")
    other.write_text(GUESTS.split("---\n")[1])

    archive = archive_of(read_site([str(odd), str(other)]), "h1")
    assert archive.startswith(f"# {tmp_path}/a\\nkind: Host\\u2028.yaml:1\n---\napiVersion")
    assert archive_of(read_site([str(other), str(odd)]), "h1") == archive
    assert not texts_site(archive).problems
