"""What may be given as repository, branch and path."""

import pytest

from reconciler.integrations.git_address import Address, NotAnAddress, address, without_secrets


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/site.git", "https://kim:secret@git.example.com/site.git",
        "ssh://git@git.example.com:2222/site", "git@git.example.com:site.git", "file:///srv/site.git", "/srv/site.git",
        "git.example.com:a::b", "/srv/a::b",
    ],
)  # fmt: skip
def test_usual_repositories_are_taken_as_they_are(url: str) -> None:
    """By https, ssh in both forms, and paths."""
    assert address(url, "main").url == url


def test_a_relative_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git runs elsewhere."""
    monkeypatch.chdir("/usr")
    assert address("share/site", "main").url == "/usr/share/site"


@pytest.mark.parametrize(
    "url",
    [
        "", "-x", "--upload-pack=touch /tmp/x", "ext::sh -c touch", "ext::touch", "fd::3", "foo::bar", "ext://x",
        "http://git.example.com/x", "git://git.example.com/x", "ftp://x/y", "https:///x", "ssh://-oProxyCommand=x/y",
        "ssh://kim@-oProxyCommand=x/y", "-oProxyCommand=x:y", "kim@-oProxyCommand=x:y", "https://a b/", "a\nb", "a\0b",
        "HTTPS://x/y", "https://",
    ],
)  # fmt: skip
def test_what_could_run_a_program_or_say_nothing_of_who_answers_is_refused(url: str) -> None:
    """Before git sees it."""
    with pytest.raises(NotAnAddress):
        address(url, "main")


@pytest.mark.parametrize("branch", ["main", "release/1.2", "a-b", "käse", "@a", "a@b"])
def test_usual_branches(branch: str) -> None:
    """As git has them."""
    assert address("/x", branch).branch == branch


@pytest.mark.parametrize(
    "branch",
    [
        "", "-x", "--upload-pack=x", "a b", "a..b", "a:b", "+a:b", "a*", "a~1", "a^", "@", "@{-1}", "a@{1}", "/a", "a/",
        "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a\\b", "a[b", "a?", "a\nb", "a\0b",
    ],
)  # fmt: skip
def test_what_is_no_branch_is_refused(branch: str) -> None:
    """As git-check-ref-format(1) says, and nothing that looks like an option."""
    with pytest.raises(NotAnAddress):
        address("/x", branch)


@pytest.mark.parametrize(("path", "is_understood_as"), [("", ""), (".", ""), ("a/b", "a/b"), ("./a//b/", "a/b")])
def test_a_path_is_written_in_one_way(path: str, is_understood_as: str) -> None:
    """From the top of the repository."""
    assert address("/x", "main", path).path == is_understood_as


@pytest.mark.parametrize("path", ["/etc", "..", "a/../..", "../a", "a\0b"])
def test_a_path_that_leaves_the_repository_is_refused(path: str) -> None:
    """Even where it would come back."""
    with pytest.raises(NotAnAddress):
        address("/x", "main", path)


@pytest.mark.parametrize(
    ("text", "is_shown_as"),
    [
        ("https://kim:secret@host/a", "https://host/a"),
        ("fatal: 'https://token@host/a' and https://x:y@b/c", "fatal: 'https://host/a' and https://b/c"),
        ("https://kim:a@b@host/x@y", "https://host/x@y"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_credentials_are_not_shown(text: str, is_shown_as: str) -> None:
    """In a location and in what git says."""
    assert without_secrets(text) == is_shown_as


def test_the_location_is_for_people() -> None:
    """Repository, branch and path."""
    assert address("https://kim:secret@host/a", "main").location == "https://host/a branch main"
    assert Address("/srv/a", "main", "b").location == "/srv/a branch main path b"


def test_a_refused_url_does_not_give_its_password_away() -> None:
    """Errors end in logs."""
    with pytest.raises(NotAnAddress) as refused:
        address("http://kim:secret@host/a", "main")
    assert "secret" not in str(refused.value)
