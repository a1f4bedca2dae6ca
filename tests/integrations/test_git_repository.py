"""The mirror of a branch: complete, mended by itself, and deaf to what a repository would have it do."""

import os
import shutil
import ssl
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.integrations.git_address import Address
from reconciler.integrations.git_command import Git, GitFailed, quiet, reason
from reconciler.integrations.git_repository import Mirror, NothingToTake
from reconciler.kernel.processes import Processes
from testing.git_repositories import ENVIRONMENT, Repository
from testing.mounted_hosts import until
from testing.programs import needs


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One with a commit."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"host.yaml": "kind: Host\n"})
    return repository


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The mirror's directory."""
    place = tmp_path / "ours"
    place.mkdir()
    return place


def mirror_of(
    repository: Repository | str, place: Path, environment: dict[str, str] = ENVIRONMENT, seconds: float = 60,
    limit: int = 1 << 30, branch: str = "main",
) -> Mirror:  # fmt: skip
    """A mirror of a repository or URL below `place`."""
    url = repository if isinstance(repository, str) else repository.url
    git = Git(place, Processes(), environment, bare=False)
    return Mirror(place, git, Address(url, branch), seconds=seconds, limit=limit)


def program(path: Path, *lines: str) -> Path:
    """A shell script at `path`."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_fetch_brings_the_newest_commit_of_the_branch(repository: Repository, place: Path) -> None:
    """At first and again; other branches and tags stay away."""
    mirror = mirror_of(repository, place)
    first = repository.head()
    repository.git("tag", "v1")
    repository.git("checkout", "--quiet", "-b", "other")
    other = repository.commit({"a": "b"})
    assert mirror.fetch() == first
    assert not mirror.has(other)
    repository.git("checkout", "--quiet", "main")
    second = repository.commit({"a": "c"})
    assert mirror.fetch() == second
    assert mirror.git.text("for-each-ref", "--format=%(refname)") == "refs/reconcile/newest"


def test_a_repository_with_long_ids(tmp_path: Path, place: Path) -> None:
    """SHA-256 is found out and used."""
    repository = Repository(tmp_path / "long", "--object-format=sha256")
    commit = repository.commit({"a": "b"})
    assert len(commit) == 64
    assert mirror_of(repository, place).fetch() == commit


def test_which_commit_comes_after_which(repository: Repository, place: Path) -> None:
    """A commit comes after itself and its ancestors, not after others or unknown ones."""
    mirror = mirror_of(repository, place)
    first = repository.head()
    second = repository.commit({"a": "b"})
    mirror.fetch()
    assert mirror.comes_after(second, first)
    assert mirror.comes_after(second, second)
    assert not mirror.comes_after(first, second)
    assert not mirror.comes_after(second, "1" * 40)


def test_a_forced_push_is_fetched_and_what_is_held_stays(repository: Repository, place: Path) -> None:
    """Even after tidying up."""
    mirror = mirror_of(repository, place)
    lost = repository.commit({"a": "b"})
    mirror.fetch()
    mirror.hold(lost)
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    new = repository.commit({"a": "c"})
    assert mirror.fetch() == new
    mirror.git.text("gc", "--quiet", "--prune=now")
    assert mirror.has(lost)
    assert not mirror.comes_after(new, lost)


@pytest.mark.parametrize("known", [False, True])
def test_a_branch_that_is_not_there(repository: Repository, place: Path, known: bool) -> None:
    """Never, or not any more."""
    mirror = mirror_of(repository, place)
    if known:
        mirror.fetch()
    repository.git("branch", "--move", "elsewhere")
    with pytest.raises(NothingToTake, match="there is no branch main in the repository"):
        mirror.fetch()


def test_a_branch_that_names_no_commit(repository: Repository, place: Path) -> None:
    """A server may send anything."""
    (repository.path / ".git/refs/heads/main").write_text(repository.blob(b"x") + "\n", encoding="ascii")
    with pytest.raises(NothingToTake, match="names no commit"):
        mirror_of(repository, place).fetch()


def test_a_repository_out_of_reach_leaves_the_mirror_as_it_is(repository: Repository, place: Path) -> None:
    """The sentence says what git said."""
    mirror = mirror_of(repository, place)
    commit = mirror.fetch()
    repository.path.rename(f"{repository.path}.away")
    with pytest.raises(GitFailed, match="does not appear to be a git repository"):
        mirror.fetch()
    assert mirror.has(commit)


@pytest.mark.parametrize("url", ["https://kim:secret@127.0.0.1:1/x.git", "ssh://kim@127.0.0.1:1/x"])
def test_a_server_that_does_not_answer(place: Path, url: str) -> None:
    """One line, without credentials."""
    if url.startswith("ssh:"):
        needs("ssh")
    with pytest.raises(GitFailed) as failed:
        mirror_of(url, place).fetch()
    assert "onnect" in str(failed.value)
    assert "secret" not in str(failed.value)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("name", ["ext::sh -c touch%20ran", "http://127.0.0.1:1/x", "git://127.0.0.1:1/x"])
def test_a_protocol_that_is_not_allowed_is_refused_by_git_too(place: Path, name: str) -> None:
    """Settings that rewrite URLs come after our own check."""
    with pytest.raises(GitFailed, match="not allowed"):
        mirror_of(name, place).fetch()
    assert os.listdir(place) == []


def test_locks_that_a_crash_has_left_do_not_block(repository: Repository, place: Path) -> None:
    """Nor do parts of packs stay."""
    mirror = mirror_of(repository, place)
    mirror.fetch()
    new = repository.commit({"a": "b"})
    here = mirror.git.directory
    leftovers = ["refs/reconcile/newest.lock", "packed-refs.lock", "config.lock", "objects/pack/tmp_pack_x", "gc.pid"]
    for name in leftovers:
        (here / name).write_bytes(b"x")
    (here / "objects/tmp_objdir-x").mkdir()
    (place / "mirror.new/x").mkdir(parents=True)
    (place / "mirror.old").touch()
    assert mirror.fetch() == new
    assert os.listdir(place) == ["mirror.git"]
    assert not any((here / name).exists() for name in (*leftovers, "objects/tmp_objdir-x"))


@pytest.mark.parametrize("damage", ["HEAD", "config", "pack", "ref", "empty", "file"])
def test_a_broken_mirror_is_fetched_anew(repository: Repository, place: Path, damage: str) -> None:
    """Whatever is broken, and nothing is left of it."""
    mirror = mirror_of(repository, place)
    mirror.fetch()
    new = repository.commit({"a": "b"})
    here = mirror.git.directory
    if damage in {"HEAD", "config"}:
        (here / damage).write_bytes(b"\0nonsense")
    elif damage == "pack":
        for pack in (here / "objects/pack").iterdir():
            pack.chmod(0o600)
            pack.write_bytes(b"nonsense")
    elif damage == "ref":
        (here / "refs/reconcile/newest").write_bytes(b"\0" * 41)
    else:
        subprocess.run(["rm", "-r", str(here)], check=True)
        here.mkdir() if damage == "empty" else here.write_bytes(b"")
    assert mirror.fetch() == new
    assert os.listdir(place) == ["mirror.git"]


def test_a_broken_mirror_stays_while_the_repository_is_out_of_reach(repository: Repository, place: Path) -> None:
    """There may be something left in it."""
    mirror = mirror_of(repository, place)
    mirror.fetch()
    (mirror.git.directory / "HEAD").write_bytes(b"nonsense")
    repository.path.rename(f"{repository.path}.away")
    with pytest.raises(GitFailed):
        mirror.fetch()
    assert (mirror.git.directory / "objects").is_dir()


def test_objects_that_break_the_rules_are_not_taken(repository: Repository, place: Path) -> None:
    """A tree that holds ``.git`` is how others were made to run programs."""
    below = repository.tree(("100644", repository.blob(b"evil"), b"config"))
    repository.commit_tree(repository.tree(("40000", below, b".git")))
    with pytest.raises(GitFailed, match="hasDotgit"):
        mirror_of(repository, place).fetch()


def test_a_fetch_that_hangs_is_ended(place: Path, tmp_path: Path) -> None:
    """With everything that it has started."""
    ssh = program(tmp_path / "ssh", f"echo $$ >{tmp_path}/pid", "exec sleep 1000")
    environment = {**ENVIRONMENT, "GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "simple"}
    with pytest.raises(GitFailed, match=r"took more than 0\.3 seconds"):
        mirror_of("host:x", place, environment, seconds=0.3).fetch()
    pid = int((tmp_path / "pid").read_text())
    status = Path(f"/proc/{pid}/stat")
    until(lambda: not status.exists() or ") Z " in status.read_text())


def test_a_fetch_that_brings_too_much_is_ended(repository: Repository, place: Path) -> None:
    """And is not tried once more at once."""
    mirror = mirror_of(repository, place, limit=1 << 20)
    commit = mirror.fetch()
    repository.commit({"large": os.urandom(3 << 20)})
    with pytest.raises(GitFailed, match="wrote more than 1 MiB"):
        mirror.fetch()
    assert mirror.has(commit)
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert mirror.fetch() == commit
    assert not list(mirror.git.directory.glob("objects/pack/tmp_*"))


def test_no_hook_and_no_setting_of_the_repository_runs_a_program(
    repository: Repository, place: Path, tmp_path: Path
) -> None:
    """Neither in the mirror nor in the repository that we fetch from."""
    evil = program(tmp_path / "evil", f"touch {tmp_path}/ran")
    mirror = mirror_of(repository, place)
    mirror.fetch()
    for hooks in (mirror.git.directory / "hooks", repository.path / ".git/hooks"):
        hooks.mkdir(exist_ok=True)
        for name in ("reference-transaction", "post-update", "pre-auto-gc", "post-checkout", "pre-receive"):
            program(hooks / name, f"touch {tmp_path}/ran")
    for name in ("uploadpack.packObjectsHook", "core.fsmonitor", "core.alternateRefsCommand", "core.sshCommand"):
        repository.git("config", name, str(evil))
    second = repository.commit({"a": "b"}, "Change", "--no-verify")
    (tmp_path / "ran").unlink(missing_ok=True)  # the repository's own git has run them
    assert mirror.fetch() == second
    mirror.tidy()
    assert not (tmp_path / "ran").exists()


def test_submodules_are_not_fetched(repository: Repository, place: Path, tmp_path: Path) -> None:
    """Wherever they say they are."""
    modules = f'[submodule "a"]\n\tpath = a\n\turl = {tmp_path}/a\n\tupdate = none\n'
    repository.commit({".gitmodules": modules})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},a")
    commit = repository.record()
    assert mirror_of(repository, place).fetch() == commit


def test_the_administrator_s_settings_reach_the_server(repository: Repository, place: Path, tmp_path: Path) -> None:
    """Rewritten URLs, here; credential helpers and keys in the same way."""
    settings = tmp_path / "gitconfig"
    settings.write_text(f'[url "{repository.url}"]\n\tinsteadOf = https://git.example.com/site\n', encoding="utf-8")
    mirror = mirror_of("https://git.example.com/site", place, {**ENVIRONMENT, "GIT_CONFIG_GLOBAL": str(settings)})
    assert mirror.fetch() == repository.head()


class Server(ThreadingHTTPServer):
    """An https server that asks for a password, and has nothing for whoever knows it."""

    def __init__(self, folder: Path) -> None:
        self.told: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)
        words = (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        )
        files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
        subprocess.run([*words.split(), *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        told = self.headers.get("Authorization", "")
        self.server.told.append(told)
        self.send_response(404 if told else 401)
        if not told:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that answers."""
    server = Server(tmp_path)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_credential_helper_is_asked_and_nobody_else(server: Server, place: Path, tmp_path: Path) -> None:
    """Neither a terminal nor a program that opens a window."""
    asked = program(tmp_path / "asked", f"touch {tmp_path}/window", "echo secret")
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\n\taskPass = {asked}\n", encoding="utf-8")
    environment = {
        **ENVIRONMENT, "GIT_CONFIG_GLOBAL": str(settings), "GIT_SSL_CAINFO": f"{tmp_path}/cert.pem",
        "GIT_ASKPASS": str(asked), "SSH_ASKPASS": str(asked), "DISPLAY": ":0",
    }  # fmt: skip
    mirror = mirror_of(f"https://127.0.0.1:{server.server_port}/site", place, environment)
    with pytest.raises(GitFailed, match="it asks for a user name and password, and no credential helper knows them"):
        mirror.fetch()
    assert set(server.told) == {""}

    settings.write_text('[credential]\n\thelper = "!echo username=kim; echo password=secret; :"\n', encoding="utf-8")
    with pytest.raises(GitFailed, match="not found"):
        mirror.fetch()
    assert b64decode(server.told[-1].removeprefix("Basic ")) == b"kim:secret"
    assert not (tmp_path / "window").exists()


@pytest.mark.parametrize("way", ["default", "setting", "variable"])
def test_ssh_is_the_administrator_s_and_asks_nothing(place: Path, tmp_path: Path, way: str) -> None:
    """The program that is found, or the one that settings or environment name."""
    program(tmp_path / "ssh", f'echo "$@" >>{tmp_path}/told', "exit 255")
    own = program(tmp_path / "own-ssh", f'echo own "$@" >>{tmp_path}/told', "exit 255")
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\n\tsshCommand = {own} -i key\n" if way == "setting" else "", encoding="utf-8")
    environment = {
        **ENVIRONMENT, "PATH": f"{tmp_path}:{ENVIRONMENT['PATH']}", "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_SSH_VARIANT": "ssh", "SSH_ASKPASS": "/bin/false",
    }  # fmt: skip
    if way == "variable":
        environment["GIT_SSH_COMMAND"] = f"{own} -i key"
    with pytest.raises(GitFailed):
        mirror_of("git@git.example.com:site", place, environment).fetch()
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert told.startswith("-o BatchMode=yes" if way == "default" else "own -i key")


def test_the_environment_is_stripped_of_what_would_change_git() -> None:
    """Where the repository is, what is traced, who is asked."""
    environment = {
        "PATH": "/bin", "HOME": "/root", "SSH_AUTH_SOCK": "/x", "GIT_DIR": "/x", "GIT_TRACE": "1", "GIT_ASKPASS": "/x",
        "GIT_CONFIG_COUNT": "1", "SSH_ASKPASS": "/x", "LANG": "de_DE", "GNUPGHOME": "/x",
    }  # fmt: skip
    left = quiet(environment)
    assert {name: left[name] for name in ("PATH", "HOME", "SSH_AUTH_SOCK")} == {
        "PATH": "/bin", "HOME": "/root", "SSH_AUTH_SOCK": "/x"
    }  # fmt: skip
    assert not {"GIT_DIR", "GIT_TRACE", "GIT_CONFIG_COUNT", "SSH_ASKPASS", "LANG", "GNUPGHOME"} & left.keys()
    assert (left["GIT_ASKPASS"], left["GIT_TERMINAL_PROMPT"], left["LC_ALL"]) == ("", "0", "C")


@pytest.mark.parametrize(
    ("said", "is_told_as"),
    [
        ("", ""),
        ("git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure",
         "git@host: Permission denied (publickey)"),
        ("warning: x\nfatal: unable to access 'https://kim:x@host/': Could not resolve host: host",
         "unable to access 'https://host/': Could not resolve host: host"),
        ("fatal: could not read Username for 'https://host': terminal prompts disabled",
         "it asks for a user name and password, and no credential helper knows them"),
        ("remote: \x1b[31mno\x07", "\\x1b[31mno\\x07"),
        ("fatal: " + "x" * 1000, "x" * 300),
        (("remote: warning: unable to access 'd/d': File name too long        \n"
         "error: git upload-pack: git-pack-objects died with error.\n"
         "remote: fatal: exceeded maximum allowed tree depth        \nfatal: protocol error: bad pack header"),
         "exceeded maximum allowed tree depth"),
    ],
)  # fmt: skip
def test_what_git_says_becomes_one_sentence(said: str, is_told_as: str) -> None:
    """The line that tells something, without credentials and control characters."""
    assert reason(said) == is_told_as


def test_without_git_it_says_so(place: Path) -> None:
    """Not a trace of Python."""
    with pytest.raises(GitFailed, match="there is no program git on this machine"):
        mirror_of("/x", place, {"PATH": str(place)}).fetch()


def test_packs_are_joined(repository: Repository, place: Path) -> None:
    """A year of commits does not become a year of packs."""
    mirror = mirror_of(repository, place)
    for number in range(25):
        repository.commit({"a": str(number)})
        mirror.fetch()
        mirror.tidy()
    assert len(list(mirror.git.directory.glob("objects/pack/*.pack"))) < 23
    assert mirror.has(repository.head())
