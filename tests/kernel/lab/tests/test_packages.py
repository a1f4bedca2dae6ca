from pathlib import Path

import pytest

from kernel.lab.kernels import newest_release
from kernel.lab.packages import PackageError, apt_configuration, names_after, source_line

DEPENDS = """\
linux-headers-6.12.1-s390x:s390x
  Depends: linux-headers-6.12.1-common
  Depends: linux-kbuild-6.12.1
 |Depends: <gcc-14-for-host>
  Recommends: something
"""


def test_dependencies_are_the_last_words_of_their_lines() -> None:
    """Recommended packages are none; alternatives are kept as apt marks them, one line each."""
    assert names_after("Depends:", DEPENDS) == ["linux-headers-6.12.1-common", "linux-kbuild-6.12.1"]


def test_the_newest_kernel_is_the_one_that_the_meta_package_depends_on() -> None:
    """Its release is what uname -r will say."""
    assert newest_release(["base", "linux-image-6.12.1+deb13-s390x:s390x"]) == "6.12.1+deb13-s390x"


def test_a_meta_package_without_a_kernel_is_refused() -> None:
    """Rather than going on with nothing."""
    with pytest.raises(PackageError):
        newest_release(["base"])


def test_apt_keeps_everything_below_one_directory() -> None:
    """The host's own lists, packages and configuration are not touched."""
    text = apt_configuration(Path("/cache/apt/sid"), ["amd64", "s390x"])

    paths = [line.split('"')[1] for line in text.splitlines() if line.startswith("Dir::")]

    assert all(path.startswith("/cache/apt/sid/") or path == "/dev/null" for path in paths)
    assert 'APT::Architectures {"amd64";"s390x";};' in text


@pytest.mark.parametrize(("suite", "old_lists"), [("trixie", False), ("sid", True)])
def test_only_sid_may_have_old_lists(suite: str, old_lists: bool) -> None:
    """A mirror of sid may be weeks behind."""
    line = source_line(suite, "http://mirror.example/debian", ["amd64", "s390x"])

    assert line.endswith(f"] http://mirror.example/debian {suite} main\n")
    assert "arch=amd64,s390x" in line
    assert ("check-valid-until=no" in line) is old_lists
