"""What `reconcile trigger` and the loop say to each other: a Unix socket, one JSON object a line each way.

``{"request": "trigger", "allowOlder": false, "wait": false}`` is answered by ``{"accepted": true, "cycle": 7}``; who
waits gets that line when the cycle has ended, with ``"condition"`` and ``"summary"`` in it; also ``"refused"``, some
sentences, where the newest configuration is not used, and ``"unreachable"`` where the repository cannot be asked. What
is refused is answered by ``{"accepted": false, "error": "..."}``. A command that has changed the records of what was
applied sends ``{"request": "records"}``, which is answered like a trigger that does not wait.
"""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from reconciler.kernel.own_files import is_locked, socket_address, take_lock
from reconciler.model.errors import BusyError, ConflictError, HostError, InputError

SOCKET: Final = "watch.sock"
"""The name of the socket in the state directory."""

LOCK: Final = "watch.lock"
"""The name of the lock beside it, which the loop holds."""

LONGEST_LINE: Final = 4096
"""In bytes, of a request."""

LONGEST_ANSWER: Final = 1 << 16


class TriggerRequest(NamedTuple):
    """The request for a cycle now.

    Attributes:
        allow_older: whether a git commit that is older than the one that is enforced may be used this time.
        wait: whether to answer only when the cycle has ended.
    """

    allow_older: bool = False
    wait: bool = False


class RecordsRequest(NamedTuple):
    """That a command has changed the records of what was applied: the loop looks, and asks no repository for it."""

    wait: bool = False


Request: TypeAlias = TriggerRequest | RecordsRequest


class BadRequest(InputError):
    """What came is not a request; the text says what one looks like."""


class NoAnswer(HostError):
    """There is a loop, and it gave no answer; the text says why."""


def request_line(trigger: Request) -> bytes:
    """`trigger` as it is sent."""
    if isinstance(trigger, RecordsRequest):
        return _line({"request": "records"})
    return _line({"request": "trigger", "allowOlder": trigger.allow_older, "wait": trigger.wait})


def read_request(line: bytes) -> Request:
    """The request in `line`.

    Raises:
        BadRequest: there is none.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    match found:
        case {"request": "trigger", **rest} if rest.keys() <= {"allowOlder", "wait"}:
            allow_older, wait = rest.get("allowOlder", False), rest.get("wait", False)
            if isinstance(allow_older, bool) and isinstance(wait, bool):
                return TriggerRequest(allow_older, wait)
        case {"request": "records", **rest} if not rest:
            return RecordsRequest()
    raise BadRequest('write {"request": "trigger", "allowOlder": false, "wait": false} in one line')


def answer_line(answer: Mapping[str, object]) -> bytes:
    """`answer` as it is sent."""
    return _line(answer)


def ask(directory: Path, trigger: Request, seconds: float) -> dict[str, Any] | None:
    """The answer of the loop whose state directory is `directory`; None where no loop runs.

    Args:
        directory: the state directory.
        trigger: what is asked.
        seconds: how long to wait for the answer.

    Raises:
        NoAnswer: it does not come in time, or the loop ends before.
        OSError: the socket cannot be used, such as PermissionError where it belongs to another user.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            with socket_address(directory, SOCKET) as name:
                connection.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except PermissionError as error:
            raise PermissionError(error.errno, error.strerror, str(directory / SOCKET)) from error
        try:
            connection.sendall(request_line(trigger))
            with connection.makefile("rb") as lines:
                line = lines.readline(LONGEST_ANSWER)
        except TimeoutError:
            raise NoAnswer(
                f"the loop has not answered for {seconds:g} s; what was asked for may still happen"
            ) from None
        except (BrokenPipeError, ConnectionResetError):
            line = b""
    if not line.endswith(b"\n"):
        raise NoAnswer("the loop has ended before it answered")
    found: dict[str, Any] = json.loads(line)
    return found


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode() + b"\n"


_RECORDS_SECONDS: Final = 10.0
"""How long a command waits until a loop has taken notice; one that does not looks again by itself."""


def records_changed(directory: Path) -> None:
    """Have the loop with the state directory `directory` look once, since a command has changed what was applied.

    Nothing depends on it: a loop that does not hear of it looks at its next regular cycle.
    """
    with suppress(NoAnswer, OSError):
        ask(directory, RecordsRequest(), _RECORDS_SECONDS)


class FollowsManifests(ConflictError):
    """The host's loop follows manifests of its own, so that it takes no part in a commit to several hosts."""


class AlreadyWatching(BusyError):
    """Another loop has this state directory; the text says which."""


def is_watched(directory: Path) -> bool:
    """Whether a loop watches with the state directory `directory`; one that was killed does not."""
    try:
        return is_locked(directory / LOCK)
    except OSError:
        return False


def watching_process(directory: Path) -> int | None:
    """The process id of the loop with the state directory `directory`; 0: it cannot be read; None: none watches."""
    if not is_watched(directory):
        return None
    try:
        text = (directory / LOCK).read_bytes()[:20].decode("ascii", "replace").strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def locked(path: Path) -> int:
    """The descriptor of the lock at `path`, which is ours as long as it is open.

    Raises:
        AlreadyWatching: another process has it.
        OSError: there can be none.
    """
    descriptor = take_lock(path)
    if descriptor is None:
        process = watching_process(path.parent)
        who = f"process {process}" if process else "another process"
        raise AlreadyWatching(
            f"{who} is watching with the state directory {path.parent}; end it, or choose another one with --state-dir"
        )
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
