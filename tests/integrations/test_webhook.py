"""Messages to an address of the web."""

import json
import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from reconciler.integrations.notifications import NotSent, Webhook, secret


class Chat(HTTPServer):
    """A server on this machine that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.told: list[tuple[str, str, object, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/secret?token=secret"


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((self.path, self.headers["Content-Type"], content, self.headers["Authorization"]))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Chat]:
    """One that answers."""
    with Chat() as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_message_arrives(chat: Chat, tmp_path: Path) -> None:
    """With its token, which is read anew each time."""
    token = tmp_path / "token"
    token.touch(0o600)
    hook = Webhook(chat.address, token)
    for text in ("first\n", "second"):
        token.write_text(text)
        hook.send(b'{"text": "x"}')
    Webhook(chat.address).send(b"{}")
    hook.close()

    path = "/hook/secret?token=secret"
    assert chat.told == [
        (path, "application/json", {"text": "x"}, "Bearer first"),
        (path, "application/json", {"text": "x"}, "Bearer second"),
        (path, "application/json", {}, None),
    ]


@pytest.mark.parametrize(("status", "again"), [(404, False), (400, False), (429, True), (500, True), (503, True)])
def test_a_refusal(chat: Chat, status: int, again: bool) -> None:
    """What may pass is told from what will not."""
    chat.status = status

    with pytest.raises(NotSent, match=f"^answered {status}$") as told:
        Webhook(chat.address).send(b"{}")

    assert told.value.again == again


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://127.0.0.1:1/", "/elsewhere"])
def test_redirects_are_not_followed(chat: Chat, target: str) -> None:
    """Nobody but the administrator says who is told, least of all with the token."""
    chat.status, chat.headers = 307, {"Location": target}

    with pytest.raises(NotSent, match="answered 307; redirects are not followed") as told:
        Webhook(chat.address).send(b"{}")

    assert not told.value.again
    assert len(chat.told) == 1


def test_nobody_is_there() -> None:
    """Which may pass; nothing of the address is told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        with pytest.raises(NotSent, match=r"^Connection refused$") as told:
            Webhook(f"http://127.0.0.1:{port}/secret").send(b"{}")

    assert told.value.again


def test_one_that_never_answers() -> None:
    """Is waited for no longer than the bound."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()

        with pytest.raises(NotSent, match=r"^it did not answer in time$"):
            Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/secret", seconds=0.05).send(b"{}")


def test_one_that_talks_nonsense() -> None:
    """Is told by the kind of nonsense alone."""
    with socket.socket() as silly:
        silly.bind(("127.0.0.1", 0))
        silly.listen()

        def answer() -> None:
            with silly.accept()[0] as caller:
                caller.recv(65536)
                caller.sendall(b"secret nonsense\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(NotSent, match=r"^BadStatusLine$"):
            Webhook(f"http://127.0.0.1:{silly.getsockname()[1]}/secret").send(b"{}")
        thread.join()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "chat.example/secret",
        "file:///etc/secret",
        "https:///secret",
        "https://me:secret@chat.example/",
        "https://chat.example/sec ret",
        "https://chat.example/sec\nret",
        "https://chat.example:port/secret",
        "https://[::1/secret",
        "https://chät.example/secret",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """At the start, and without telling it."""
    with pytest.raises(ValueError) as told:
        Webhook(address)

    assert "secret" not in str(told.value)
    assert "sec" not in str(told.value)


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    """But to this machine."""
    with pytest.raises(ValueError, match="https"):
        Webhook("http://chat.example/", tmp_path / "token")

    Webhook("http://[::1]:80/", tmp_path / "token")
    Webhook("http://localhost/", tmp_path / "token")


def test_its_name_tells_no_secret() -> None:
    """It is what logs show."""
    assert Webhook("https://chat.example:8443/hook/secret?token=secret").name == "webhook https://chat.example:8443"


def test_a_token_that_others_may_read_is_not_sent(chat: Chat, tmp_path: Path) -> None:
    """With what to type."""
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o644)

    with pytest.raises(NotSent, match=r"everybody may read .*chmod o-r") as told:
        Webhook(chat.address, token).send(b"{}")

    assert not told.value.again
    assert chat.told == []


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"\xff", b"x\x00"])
def test_what_is_no_secret(tmp_path: Path, content: bytes) -> None:
    """One line of printable ASCII."""
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ValueError, match="one line"):
        secret(path)


def test_a_pipe_is_no_secret(tmp_path: Path) -> None:
    """It would be waited for."""
    os.mkfifo(tmp_path / "token", 0o600)

    with pytest.raises(ValueError, match="no regular file"):
        secret(tmp_path / "token")
