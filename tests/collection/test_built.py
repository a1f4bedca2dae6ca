"""The collection from its tarball, in a fresh place: a sample of what ``./run collection`` looks at."""

import os
import sys
from pathlib import Path

import pytest

from testing.ssh_hosts import COLLECTION
from trials import collection
from trials.collection import Failed, Version, build, doc, documented


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """The version that is installed beside this Python, and nothing of the collection yet."""
    monkeypatch.setattr(collection, "PLACE", tmp_path)
    found = Version("2.19")
    found.programs = Path(os.environ.get("RECONCILE_ANSIBLE") or Path(sys.executable).parent)
    return found


def test_the_collection_is_installed_from_its_tarball_with_all_of_its_documentation(version: Version) -> None:
    """Each module, plugin and role has documentation; playbooks and examples can be parsed."""
    tarball = build(version, COLLECTION, version.collections.parent)
    version.install(tarball)
    assert not [one for one in version.installed.rglob("*") if one.suffix in {".pyc", ".gz"}]

    doc(version)

    assert {"module", "inventory", "role"} == {kind for kind, names in documented().items() if names}


def test_what_has_no_documentation_is_found(version: Version, tmp_path: Path) -> None:
    """A module without, and one whose examples are missing."""
    module = tmp_path / "plugins/modules/bare.py"
    module.parent.mkdir(parents=True)
    module.write_text("#!/usr/bin/python\n")

    with pytest.raises(Failed, match=r"bare\.py has no examples"):
        collection.examples(tmp_path)
