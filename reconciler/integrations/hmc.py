"""Which LPAR of its machines has which queues, as the HMC says now, through zhmcclient. Nothing is changed there.

Who may read it is in a file that only its owner may read: the password is in no argument, no environment and no log.
zhmcclient is imported when a session is opened, since it takes a second.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.integrations.imported import Imported, ImportedMachine, WrongField
from reconciler.integrations.zhmc import dpm_configuration, lpars_and_profiles
from reconciler.model.errors import HostError, InputError
from reconciler.model.printable import error_text, quoted

_KEYS: Final = ("host", "user", "password")
_FORM: Final = "three lines: 'host: ' and the name of the HMC, 'user: ' and 'password: ' likewise, without quotes"
_SERIAL: Final = r"(?a)(?:[A-Za-z0-9]{2}-)?([A-Za-z0-9]{1,16})"
_TYPE: Final = r"(?a)[A-Za-z0-9]{1,8}"
_MOST: Final = 4096  # bytes of the file
_TIMEOUT: Final = 30  # seconds until a connection stands
_READ_TIMEOUT: Final = 300  # seconds: the HMC asks the machine for some properties
_ID_IS_MADE: Final = (
    "machineId is made of the type and the serial number that the HMC shows. Compare it with /proc/sysinfo in one of "
    "the LPARs, or with 'reconcile doctor' there."
)


class Login(NamedTuple):
    """The name of an HMC, and who reads from it; the password is never shown."""

    host: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(host={self.host!r}, user={self.user!r})"


class NoLogin(InputError):
    """The file with user and password cannot be used; the text says why."""


class CannotRead(HostError):
    """The HMC cannot be reached, or has refused; the text says why."""


class NotInstalled(InputError):
    """zhmcclient is not there."""


def read_login(path: Path) -> Login:
    """What the file at `path` says, which must belong to this user, who alone may read it.

    Raises:
        NoLogin: it is not there, others can read it, or it has another form.
    """
    try:
        text = _private_text(path)
    except FileNotFoundError as error:
        raise NoLogin(f"there is no file {path}; write {_FORM}, and run: chmod 600 {path}") from error
    except OSError as error:
        raise NoLogin(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise NoLogin(f"{path} is not UTF-8") from None  # the error has the content
    lines = [line.partition(":") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    values = {key.strip(): value.strip() for key, _, value in lines}
    if len(lines) != len(_KEYS) or values.keys() != set(_KEYS) or not all(values.values()):
        raise NoLogin(f"{path} must have {_FORM}")
    return Login(**values)


def _private_text(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NoLogin(f"{path} is no regular file")
        if found.st_uid != os.geteuid():
            raise NoLogin(f"{path} belongs to another user; it must be yours, since it has a password")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise NoLogin(f"other users can use {path}, which has a password; run: chmod 600 {path}")
        return os.read(descriptor, _MOST).decode()
    finally:
        os.close(descriptor)


@contextmanager
def session_with(login: Login, authority: str | None) -> Iterator[Any]:
    """A session of zhmcclient with the HMC that `login` names, whose certificate is verified; ended with the block.

    Args:
        login: with whom.
        authority: a file with the certificates that vouch for the HMC; None: those that requests knows.

    Raises:
        NotInstalled: zhmcclient is not there.
        CannotRead: the HMC cannot be reached, or refuses.
    """
    try:
        import zhmcclient
    except ImportError as error:
        raise NotInstalled(
            "the HMC cannot be read without the Python package zhmcclient: pip install '.[hmc]' in a clone"
        ) from error
    if authority is not None and not os.path.isfile(authority):
        raise NoLogin(f"--hmc-ca {authority}: there is no such file")
    limits = zhmcclient.RetryTimeoutConfig(connect_timeout=_TIMEOUT, connect_retries=1, read_timeout=_READ_TIMEOUT)
    session = zhmcclient.Session(
        login.host, login.user, login.password, retry_timeout_config=limits, verify_cert=authority or True
    )
    try:
        session.logon()
        try:
            yield session
        finally:
            session.logoff()
    except zhmcclient.Error as error:
        said = error_text(error).replace(login.password, "…")
        raise CannotRead(f"the HMC {login.host} cannot be read: {said}") from None
    except OSError as error:  # certificates that cannot be read
        said = error_text(error).replace(login.password, "…")
        raise CannotRead(f"the HMC {login.host} cannot be read: {said}") from None


def machines_of(login: Login, authority: str | None, only: str | None) -> Imported:
    """The machines that the HMC has, or the one called `only`.

    Args:
        login: with whom.
        authority: as for `session_with`.
        only: the name of a machine, as the HMC has it.

    Raises:
        NotInstalled: zhmcclient is not there.
        CannotRead: the HMC cannot be reached, or refuses.
        NoLogin: it has no such machine.
    """
    with session_with(login, authority) as session:
        import zhmcclient

        cpcs = sorted(zhmcclient.Client(session).cpcs.list(), key=lambda cpc: str(cpc.name))
        chosen = [cpc for cpc in cpcs if only is None or cpc.name == only]
        if not chosen:
            listed = ", ".join(quoted(cpc.name) for cpc in cpcs) or "none"
            raise NoLogin(
                f"the HMC {login.host} has no machine called {only!r}; it has: {listed}"
                if only
                else f"the HMC {login.host} shows this user no machine"
            )
        return Imported(machines=tuple(_machine(cpc) for cpc in chosen))


def _machine(cpc: Any) -> ImportedMachine:
    cpc.pull_full_properties()
    try:
        if cpc.dpm_enabled:
            found = dpm_configuration(
                {"adapters": _properties(cpc.adapters), "partitions": _properties(cpc.partitions)}
            )
        else:
            found = lpars_and_profiles(_properties(cpc.lpars), _properties(cpc.image_activation_profiles))
    except WrongField as wrong:
        where = ".".join(str(part) for part in wrong.path)
        raise CannotRead(f"what the HMC says of machine {quoted(cpc.name)} cannot be used: {where}: {wrong}") from wrong
    (machine,) = found.machines
    found_id = _id_of(cpc.properties)
    return machine._replace(
        name=str(cpc.name), id=found_id, notes=(*([_ID_IS_MADE] if found_id else []), *machine.notes)
    )


def _properties(manager: Any) -> list[dict[str, Any]]:
    return [dict(one.properties) for one in manager.list(full_properties=True)]


def _id_of(properties: Mapping[str, Any]) -> str:
    """The machine's id as /proc/sysinfo has it, whose sequence code is the serial number after zeros; or empty."""
    kind, serial = str(properties.get("machine-type", "")), str(properties.get("machine-serial-number", ""))
    found = re.fullmatch(_SERIAL, serial)
    return f"IBM-{kind}-{found[1].zfill(16)}".upper() if found and re.fullmatch(_TYPE, kind) else ""
