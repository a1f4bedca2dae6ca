from pathlib import Path

import pytest

from lab.kernels import newest_release, releases_to_try
from lab.packages import PackageError, apt_configuration, errors_of, first_to_be_had, names_after, source_line

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


def test_older_kernels_that_are_listed_are_tried_after_the_newest() -> None:
    """Numbers count as numbers, and neither other architectures nor symbols are kernels for the guest."""
    names = [
        "linux-image-6.12.9+deb13-s390x", "linux-image-6.12.107+deb13-s390x", "linux-image-6.12.117+deb13-s390x",
        "linux-image-6.12.107+deb13-s390x-dbg", "linux-image-6.12.107+deb13-amd64", "linux-image-s390x",
    ]  # fmt: skip

    found = releases_to_try("6.12.117+deb13-s390x", names)

    assert ["6.12.117+deb13-s390x", "6.12.107+deb13-s390x", "6.12.9+deb13-s390x"] == found


def test_the_errors_of_apt_are_shown_without_its_warnings() -> None:
    """The first three name the trouble; a page of them does not help."""
    lines = ["W: cannot read a directory", *(f"E: Failed to fetch {number}" for number in range(5))]

    assert "E: Failed to fetch 0\nE: Failed to fetch 1\nE: Failed to fetch 2\nand 2 more" == errors_of("\n".join(lines))
    assert "something else" == errors_of("something else\n")


def test_packages_come_from_another_suite_where_the_mirror_does_not_have_them() -> None:
    """A lab with other tools is better than none, and says so; where nothing can be had the last error is shown."""
    tried: list[str] = []
    said: list[str] = []

    def take(suite: str) -> None:
        tried.append(suite)
        if suite != "bookworm":
            raise PackageError(f"404 in {suite}")

    first_to_be_had("trixie", take, said.append)

    assert ["trixie", "sid", "bookworm"] == tried
    assert 2 == len(said)
    assert "sid" in said[0]
    with pytest.raises(PackageError, match="404 in sid"):
        first_to_be_had("bookworm", lambda suite: take("sid"))
