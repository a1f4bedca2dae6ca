"""The plan of a commit to several hosts, as a file: what was reviewed, and what is applied or nothing.

A value `FleetPlan` with the fields of the file; `plan_content` writes it, and `read_fleet_plan` reads it strictly. The
file is made on one controller and may be applied by another one, so that nothing in it is believed that follows from
something else in it: the digests of the manifests, which hosts only give something up, and which consents are complete.
What a host does is decided by a plan that the host makes anew, which must have the fingerprint that the file has.

    plan = read_fleet_plan(content)
    following = next_step(next_actions(commit_of(plan), heard, round))
    record = fleet_commit_of(plan, id).record       # for `reconcile apply --fleet FILE`, on each host
"""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, NamedTuple

from reconciler.fleet.commit import Commit, PlannedHost
from reconciler.fleet.host_plan import ALLOWED_FOR_HOST, WHOLE_HOST, NeededConsent, read_host_plan
from reconciler.model.codec import LARGEST, BadRecord, Codec, content_of, read_json
from reconciler.model.outcome import FleetCommit, FleetSource
from reconciler.model.printable import quoted

MOST_HOSTS: Final = 1000
LEAST_CONFIRM_WITHIN: Final = 120.0
"""How long an apply waits to be confirmed at least, in seconds."""

MOST_SECONDS: Final = 7 * 86400.0
"""How long an apply may wait to be confirmed, and a commit after its canaries, in seconds."""

LONGEST_NAME: Final = 31
"""How many characters of an id a person may choose; a dash and 32 hexadecimal digits are added."""

MOST_WORDS: Final = 5000
"""How many words a command may have, and how many characters each of them."""

_HOST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?", re.ASCII)
_NAME: Final = re.compile(rf"[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}", re.ASCII)
_DIGEST: Final = "contentDigest"


def _check_host_name(text: str) -> None:
    if not _HOST_NAME.fullmatch(text):
        raise ValueError("the name of a Host is expected")


def _check_hosts(hosts: Sequence[object]) -> None:
    if not 0 < len(hosts) <= MOST_HOSTS:
        raise ValueError(f"1 to {MOST_HOSTS} hosts are expected")


def _check_seconds(seconds: float) -> None:
    if seconds > MOST_SECONDS:
        raise ValueError(f"at most {MOST_SECONDS:.0f} seconds are expected")


def _check_confirm_within(seconds: float) -> None:
    if not LEAST_CONFIRM_WITHIN <= seconds <= MOST_SECONDS:
        raise ValueError(f"{LEAST_CONFIRM_WITHIN:.0f} to {MOST_SECONDS:.0f} seconds are expected")


def _check_batch(batch: int | None) -> None:
    if batch is not None and not 0 < batch <= MOST_HOSTS:
        raise ValueError(f"1 to {MOST_HOSTS} hosts are expected")


def _check_guests(guests: object) -> None:
    are_names = isinstance(guests, list) and all(isinstance(one, str) and 0 < len(one) < 256 for one in guests)
    if guests != WHOLE_HOST and not (are_names and guests):
        raise ValueError(f"{quoted(WHOLE_HOST)} or names of guests are expected")


def _check_flag(flag: str) -> None:
    if flag not in ALLOWED_FOR_HOST:
        raise ValueError(f"one of {', '.join(ALLOWED_FOR_HOST)} is expected")


def _check_command(words: Sequence[str]) -> None:
    if len(words) > MOST_WORDS or any(len(one) > MOST_WORDS for one in words):
        raise ValueError(f"at most {MOST_WORDS} words of as many characters are expected")


_HostName = Annotated[str, _check_host_name]


class Settings(NamedTuple):
    """How a commit is made.

    Attributes:
        confirm_within: how long a host waits to be confirmed before it rolls back, in seconds.
        soak: how long the others wait after the canaries, in seconds.
        batch: how many hosts apply at one time; None for all.
    """

    confirm_within: Annotated[float, _check_confirm_within] = 1800.0
    soak: Annotated[float, _check_seconds] = 0.0
    batch: Annotated[int | None, _check_batch] = None


class FleetHost(NamedTuple):
    """One host of a commit; `of_plan` makes one.

    Attributes:
        name: of the Host, and of the host in the inventory.
        fingerprint: of its plan.
        is_canary: whether it goes first.
        only_gives_up: whether its guests only lose by its plan.
        has_changes: whether its plan does anything.
        flags: the flags of its apply, all consents that its plan needs.
        manifests: its documents, verbatim.
        sha256: of `manifests` in UTF-8, in hexadecimal.
        summary: its plan in one sentence.
        plan: as it was reviewed: what ``reconcile plan -o json`` printed there.
    """

    name: _HostName
    fingerprint: str
    is_canary: bool
    only_gives_up: bool
    has_changes: bool
    flags: tuple[str, ...]
    manifests: str
    sha256: str
    summary: str
    plan: Mapping[str, Any]

    @classmethod
    def of_plan(cls, name: str, manifests: str, plan: Mapping[str, Any], *, is_canary: bool) -> "FleetHost":
        """The host whose `manifests` gave this `plan`, the plain values of its JSON.

        Raises:
            BadRecord: it is no plan, or of another host.
        """
        read = read_host_plan(plan)
        if read.host != name:
            raise BadRecord(f"it is the plan of host {quoted(read.host)}", "plan")
        digest = digest_of(manifests)
        gives_up, flags, text = read.only_gives_up, read.needed_flags(), read.summary.text
        return cls(name, read.fingerprint, is_canary, gives_up, read.has_changes, flags, manifests, digest, text, plan)


class FleetPlan(NamedTuple):
    """The plan of a commit to several hosts.

    Attributes:
        commit: the git commit of the manifests, with ``+`` behind its id where they differ from it; None where they
            are of none.
        operator: who made the plan.
        settings: how the commit is made.
        without: the names of the Hosts that were left out.
        consents: by host, the guests that may be interrupted, or ``all``.
        allowed: by host, what else is allowed, of `ALLOWED_FOR_HOST`.
        hmc: what has to be changed on the HMC, as ``reconcile hmc-changes -o json`` prints it, and as text; None
            where the manifests describe no machine.
        hosts: in order; the first one with changes decides.
        command: the words after ``reconcile fleet plan`` that have made it, with absolute paths.
    """

    commit: FleetSource | None
    operator: str
    settings: Settings
    without: tuple[_HostName, ...]
    consents: Mapping[_HostName, Annotated[Any, _check_guests]]
    allowed: Mapping[_HostName, tuple[Annotated[str, _check_flag], ...]]
    hmc: Mapping[str, Any] | None
    hosts: Annotated[tuple[FleetHost, ...], _check_hosts]
    command: Annotated[tuple[str, ...], _check_command] = ()

    def missing(self, host: FleetHost) -> tuple[NeededConsent, ...]:
        """The consents that the plan of `host` needs and that were not given."""
        given = self.consents.get(host.name, ())
        return read_host_plan(host.plan).missing(given, self.allowed.get(host.name, ()))


class DraftHost(NamedTuple):
    """A host that is to be planned for: what of a `FleetHost` is known before; the fields mean the same."""

    name: str
    is_canary: bool
    manifests: str
    sha256: str


class Draft(NamedTuple):
    """What a plan is made of, for the playbook that asks the hosts; the fields mean what they mean in a `FleetPlan`."""

    commit: FleetSource | None
    operator: str
    settings: Settings
    without: tuple[str, ...]
    hosts: tuple[DraftHost, ...]


_FILES: Final = Codec()


def digest_of(manifests: str) -> str:
    """SHA-256 of `manifests` in UTF-8, in hexadecimal: the name of their place on the host."""
    return sha256(manifests.encode()).hexdigest()


def in_order(names: Sequence[str], canaries: Sequence[str]) -> tuple[str, ...]:
    """The hosts `names` in the order of a commit: those among `canaries` first, each by name."""
    return tuple(sorted(names, key=lambda name: (name not in canaries, name)))


def draft_content(draft: Draft) -> bytes:
    """The file with `draft`, which the playbook ``fleet_plan`` reads."""
    return _FILES.content(draft)


def plan_content(plan: FleetPlan) -> bytes:
    """The file with `plan`, JSON for programs and for people who review it."""
    members = _FILES.plain(plan)
    record = json.loads(content_of(members))
    return (json.dumps({**record, _DIGEST: _content_digest(record)}, indent=1) + "\n").encode()


def read_fleet_plan(content: bytes) -> FleetPlan:
    """The plan in the file with this `content`, at most `LARGEST` bytes of it.

    Raises:
        BadRecord: it is no such file, was changed after it was written, or contradicts itself.
    """
    record = read_json(content, LARGEST)
    if not isinstance(record, dict) or _DIGEST not in record:
        raise BadRecord("it is no plan for several hosts")
    if record.pop(_DIGEST) != _content_digest(record):
        raise BadRecord("it was changed after it was saved", _DIGEST)
    plan = _FILES.read_content(FleetPlan, json.dumps(record).encode())
    names = [one.name for one in plan.hosts]
    canaries = [one.name for one in plan.hosts if one.is_canary]
    if tuple(names) != in_order(sorted(set(names)), canaries):
        raise BadRecord("a name is there twice, or they are in another order than that of a commit", "hosts")
    if wrong := set(plan.without) & set(names):
        raise BadRecord(f"host {min(wrong)} is also one of the hosts", "without")
    for number, host in enumerate(plan.hosts):
        try:
            _check_host(host, plan)
        except BadRecord as error:
            raise error.within(number).within("hosts") from None
    return plan


def _check_host(host: FleetHost, plan: FleetPlan) -> None:
    made = FleetHost.of_plan(host.name, host.manifests, host.plan, is_canary=host.is_canary)
    expected = _FILES.plain(made)
    for name, found in _FILES.plain(host).items():
        if found != expected[name]:
            raise BadRecord("it is not what follows from the rest", name)
    if not read_host_plan(host.plan).summary.valid:
        raise BadRecord("the host cannot do this", "plan")
    if missing := plan.missing(host):
        raise BadRecord(f"consent is missing: {missing[0].holder}: {missing[0].reason}")


def _content_digest(record: Mapping[str, Any]) -> str:
    # Indenting or sorting it anew changes nothing that a person reads.
    return sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def commit_of(plan: FleetPlan) -> Commit:
    """What `next_actions` is asked about for `plan`."""
    hosts = tuple(
        PlannedHost(one.name, one.fingerprint, one.is_canary, one.only_gives_up, one.has_changes) for one in plan.hosts
    )
    settings = plan.settings
    return Commit(hosts, True, settings.confirm_within, settings.batch, settings.soak)


def fleet_commit_of(plan: FleetPlan, id: str) -> FleetCommit:
    """What each host records of the commit `id`: the hosts with changes in order, since they alone take part."""
    names = tuple(one.name for one in plan.hosts if one.has_changes)
    return FleetCommit(id, names, plan.commit, plan.operator, plan.without)


def fleet_id(name: str, chance: bytes) -> str:
    """The id of a commit: `name`, which a person chose, and 128 random bits.

    Raises:
        ValueError: the name cannot be the start of an id; the text says why.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"1 to {LONGEST_NAME} letters a to z, digits and dashes are expected, the first one a letter")
    return f"{name}-{chance.hex()}"
