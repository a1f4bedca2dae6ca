"""What the commands of ``reconcile fleet`` share: which hosts, which inventory, and running a playbook for them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from reconciler.cli.options import HostOptions, Labels, Said, with_options
from reconciler.cli.output import say
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.errors import HostError
from reconciler.model.printable import escaped, shell_line
from reconciler.model.problems import several
from reconciler.model.similar import did_you_mean

if TYPE_CHECKING:
    from reconciler import Site
    from reconciler.integrations.playbooks import Playbooks, Ran
    from reconciler.model.desired import Selector

_Function = TypeVar("_Function", bound=Callable[..., Any])
_INVENTORY: Final = "INVENTORY"


class FleetFailed(HostError):
    """Ansible has not reported what it should have; the text says so."""


class FleetOptions(NamedTuple):
    """What the shared options say.

    Attributes:
        paths: manifests, files or directories; empty where none was named.
        selector: which Hosts, by label.
        inventories: of Ansible; empty for those of its own settings.
        verbose: whether what Ansible writes is shown.
    """

    paths: tuple[str, ...]
    selector: "Selector"
    inventories: tuple[str, ...]
    verbose: bool

    @property
    def host(self) -> HostOptions:
        """The same as the options of other commands, for what reads manifests."""
        return HostOptions(self.paths, None, DEFAULT_SYSFS, None, None)

    @property
    def inventory_words(self) -> tuple[str, ...]:
        """The options that name the inventories."""
        return tuple(word for one in self.inventories for word in ("-i", one))

    def line(self, *words: str, manifests: bool = True) -> str:
        """The command ``reconcile fleet`` with these `words`, for the same hosts, for a shell."""
        paths = [word for one in self.paths if manifests for word in ("-f", one)]
        labels = ["-l", str(self.selector)] if manifests and self.selector.pairs else []
        return shell_line(["reconcile", "fleet", *words, *paths, *labels, *self.inventory_words])


_INVENTORIES: Final = click.option(
    "-i",
    "--inventory",
    "inventories",
    multiple=True,
    metavar=_INVENTORY,
    help="An inventory of Ansible, with a host of the name of each Host; may be given again. Default: Ansible's own.",
)
_VERBOSE: Final = click.option("-v", "--verbose", is_flag=True, help="Show what Ansible writes.")
_MANIFESTS: Final = (
    click.argument("paths", nargs=-1, type=click.Path(readable=False), metavar="[PATH]..."),
    click.option(
        "-f",
        "--file",
        multiple=True,
        type=click.Path(readable=False),
        metavar="PATH",
        help="A manifest or a directory of manifests; may be given again. Default: the current directory.",
    ),
    click.option(
        "-l",
        "--label",
        "labels",
        multiple=True,
        type=Labels(),
        metavar="KEY=VALUE",
        help="Only Hosts with this label; may be given again.",
    ),
)


def hosts_options(function: _Function) -> _Function:
    """Add the options that say which hosts, by manifests; the function gets them as ``fleet``."""

    def with_hosts(*args: Any, **kwargs: Any) -> Any:
        from reconciler.model.desired import Selector

        selector = Selector(tuple(pair for pairs in kwargs.pop("labels") for pair in pairs))
        paths = (*kwargs.pop("file"), *kwargs.pop("paths"))
        fleet = _taken(kwargs, paths, selector)  # which takes its options out of them
        return function(*args, **kwargs, fleet=fleet)

    return with_options(function, with_hosts, (*_MANIFESTS, _INVENTORIES, _VERBOSE))


def inventory_options(function: _Function) -> _Function:
    """Add the options of Ansible alone; the function gets them as ``fleet``, without manifests."""

    def with_inventories(*args: Any, **kwargs: Any) -> Any:
        from reconciler.model.desired import Selector

        fleet = _taken(kwargs, (), Selector())
        return function(*args, **kwargs, fleet=fleet)

    return with_options(function, with_inventories, (_INVENTORIES, _VERBOSE))


def _taken(values: dict[str, Any], paths: tuple[str, ...], selector: "Selector") -> FleetOptions:
    fleet = FleetOptions(paths, selector, values.pop("inventories"), values.pop("verbose"))
    said = click.get_current_context().ensure_object(Said)
    said.host, said.context = fleet.host, click.get_current_context()
    return fleet


def chosen_hosts(site: "Site", fleet: FleetOptions, without: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the Hosts that the options choose, but those `without`.

    Raises:
        click.UsageError: there is none, or one of them is not known.
    """
    known = sorted(one.name for one in site.hosts)
    for name in without:
        require_known("--without", name, known)
    found = [one.name for one in site.hosts if fleet.selector.takes(one.labels)]
    names = tuple(sorted(set(found) - set(without)))
    if not names:
        labels = f" with -l {fleet.selector}" if fleet.selector.pairs else ""
        raise click.UsageError(f"there is no Host{labels} to ask. The manifests have: {several(known) or 'none'}")
    return names


def require_known(option: str, name: str, known: Sequence[str]) -> None:
    """Return if the Host that `option` names is one of those `known`; raises click.UsageError."""
    if name not in known:
        advice = f"{did_you_mean(name, list(known))}There are: {several(list(known)) or 'none'}"
        raise click.UsageError(f"{option} {name}: there is no such Host here. {advice}")


@contextmanager
def playbooks(fleet: FleetOptions) -> Iterator["Playbooks"]:
    """What runs playbooks with the inventory of `fleet`. Raises as `opened_playbooks`."""
    from reconciler.integrations.playbooks import opened_playbooks

    with opened_playbooks(fleet.inventories, _shown if fleet.verbose else _unseen) as found:
        yield found


def _shown(line: str) -> None:
    say(f"  ansible: {escaped(line)}".rstrip())


def _unseen(_line: str) -> None:
    """Nothing: a failure shows the last lines."""


def say_failed(ran: "Ran", names: Sequence[str], found: "Playbooks", fleet: FleetOptions) -> None:
    """Show what Ansible wrote last, unless it was shown already, how it ended, and which `names` it does not know."""
    if not fleet.verbose:
        say(*(f"  ansible: {escaped(line)}" for line in ran.last))
    say(f"error: ansible-playbook has ended with exit code {ran.code} and no result")
    say_unanswered(found.unknown(names), fleet)


def say_unanswered(names: Sequence[str], fleet: FleetOptions) -> None:
    """Say of hosts that Ansible has not reported how to see whether they are in the inventory."""
    for name in names:
        line = shell_line(["ansible-inventory", *fleet.inventory_words, "--host", name])
        say(f"error: host {name} is not in the inventory, or Ansible has left it out; to see that: {line}")
