"""What a shell offers at a prompt: guests, generations, requests of `reconcile simulate`, fields and pages.

A prompt must not wait and must not be written over. So all of it takes two seconds at most, what cannot be read is not
offered, and nothing is ever said about that.
"""

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem, get_completion_class

from reconciler.cli.open_host import run_directory_of, state_of
from reconciler.cli.options import HostOptions
from reconciler.cli.output import result
from reconciler.cli.time_limit import TimeIsUp, ends_within
from reconciler.cli.tree import canonical
from reconciler.kernel.paths import DEFAULT_SYSFS
from reconciler.model.printable import first_unprintable

_SECONDS: Final = 2.0
_MOST: Final = 1000
_MOST_DESCRIBED: Final = 50


def answer(command: click.Command, variable: str) -> None:
    """Write what a shell asks of `command`; nothing where that cannot be found in time, whatever the reason.

    Args:
        command: the one that has all others.
        variable: the environment variable that has ``SHELL_complete``, or ``SHELL_source`` for the script.
    """
    shell, _, what = os.environ[variable].partition("_")
    with suppress(Exception, TimeIsUp, KeyboardInterrupt), redirect_stderr(io.StringIO()), ends_within(_SECONDS):
        made = get_completion_class(shell)
        asked = made(command, {}, "reconcile", variable) if made else None
        if asked and what == "source":
            result(f"{asked.source()}\n")
        elif asked:
            arguments, incomplete = asked.get_completion_args()
            found = asked.get_completions(canonical(_with_values(arguments)), incomplete)
            result("".join(f"{asked.format_completion(one)}\n" for one in found))
            sys.stdout.flush()


def _with_values(words: list[str]) -> list[str]:
    """`words` with each ``--option=value`` as one: bash divides a line at the sign, and gives that as a word."""
    made: list[str] = []
    for word in words:
        if len(made) > 1 and made[-1] == "=" and made[-2].startswith("--"):
            made[-2:] = [f"{made[-2]}={word}"]
        else:
            made.append(word)
    return made


def items(kind: str, context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
    """What `kind`, a key of `_SOURCES`, has for a word that begins with `incomplete`."""
    prompt = _Prompt(_host_options(context.params), _words_before(context), incomplete)
    found: dict[str, str] = {}
    with suppress(Exception, TimeIsUp):  # what was found until then is offered
        for word, text in _SOURCES[kind](prompt):
            if word.startswith(incomplete) and not first_unprintable(word):
                found.setdefault(word, text)
            if len(found) == _MOST:
                break
    if kind == "sides" and not found:
        return [CompletionItem(incomplete, type="file")]  # the shell itself offers files
    return [
        CompletionItem(word, help=None if first_unprintable(text) else text or None) for word, text in found.items()
    ]


class _Prompt(NamedTuple):
    """What is at the prompt: the options of the host, the words of the argument so far, and what is being typed."""

    host: HostOptions
    words: tuple[str, ...]
    incomplete: str


_Offers = Iterator[tuple[str, str]]
"""Words, each with what it is, which may be empty."""


def _host_options(values: Mapping[str, Any]) -> HostOptions:
    return HostOptions(
        (*(values.get("file") or ()), *(values.get("paths") or ())),
        values.get("host_name"),
        values.get("sysfs") or DEFAULT_SYSFS,
        values.get("simulate_file"),
        values.get("state_dir"),
        values.get("run_dir"),
    )


def _words_before(context: click.Context) -> tuple[str, ...]:
    names = [one.name or "" for one in context.command.params if isinstance(one, click.Argument) and one.nargs == -1]
    return tuple(str(word) for name in names for word in context.params.get(name) or ())


def _guests(prompt: _Prompt) -> _Offers:
    """Guests that are applied, enforced, reported, or in the manifests that -f names.

    Those in the current directory are offered where no others are known, since it may be about another host.
    """
    known = False
    for source in (_applied, _enforced, _reported, _in_manifests):
        if source is _in_manifests and known and not prompt.host.paths:
            return
        with suppress(Exception):
            for name in source(prompt.host):
                known = True
                yield from _offered((name, ""), prompt)


def _wanted(prompt: _Prompt) -> _Offers:
    """Guests that are in the manifests, or that are applied and may be gone from them."""
    for source in (_in_manifests, _applied):
        with suppress(Exception):
            for name in source(prompt.host):
                yield from _offered((name, ""), prompt)


def _applied(host: HostOptions) -> Iterable[str]:
    from reconciler.transaction.journal import Journal

    state, boot_id = state_of(host)
    return sorted(name for name, _ in Journal(state, boot_id).applied().guests.values())


def _enforced(host: HostOptions) -> Iterable[str]:
    from reconciler.transaction.loop_records import read_last_good

    good = read_last_good(state_of(host)[0])
    return [one.name for one in good.desired.guests] if good else []


def _reported(host: HostOptions) -> Iterable[str]:
    from reconciler.watch.published import PublishedReader

    report = PublishedReader(run_directory_of(host)).read().report
    return [one.name for one in report.guests] if report else []


def _in_manifests(host: HostOptions) -> Iterable[str]:
    from reconciler import read_site

    paths = [one for one in host.manifests if one != "-"]  # standard input is the terminal
    return sorted({one.name for one in read_site(paths).guests})


def _sides(prompt: _Prompt) -> _Offers:
    """Hosts and LPARs of the manifests."""
    from reconciler import read_site

    site = read_site([one for one in prompt.host.manifests if one != "-"])
    names = ((one.name, "") for one in site.hosts)
    lpars = ((str(machine.named(lpar)), lpar.host) for machine in site.machines for lpar in machine.lpars)
    for one in (*sorted(names), *sorted(lpars)):
        yield from _offered(one, prompt)


def _machines(prompt: _Prompt) -> _Offers:
    """Machines of the manifests, each with its id."""
    from reconciler import read_site

    site = read_site([one for one in prompt.host.manifests if one != "-"])
    for one in sorted((machine.name, machine.id) for machine in site.machines):
        yield from _offered(one, prompt)


def _suspended(prompt: _Prompt) -> _Offers:
    from reconciler.transaction.loop_records import read_suspensions

    found = read_suspensions(state_of(prompt.host)[0]).at(time.time()).guests
    return ((name, one.reason) for name, one in sorted(found.items()) if name not in prompt.words)


def _applies(prompt: _Prompt) -> _Offers:
    """Generations, the newest first, by number and by the ids of callers, with when and how they were applied."""
    for number, given, text in _described(prompt):
        yield from _offered((str(number), text), prompt)
        if given:
            yield from _offered((given, text), prompt)


def _offered(one: tuple[str, str], prompt: _Prompt) -> _Offers:
    if one[0] not in prompt.words:
        yield one


def _described(prompt: _Prompt) -> Iterator[tuple[int, str, str]]:
    """Number, the caller's id, and when and how it was applied; the last two are empty for old ones."""
    from reconciler.render.text import moment
    from reconciler.transaction.history import History

    history = History(state_of(prompt.host)[0])
    for count, number in enumerate(reversed(history.numbers())):
        given, text = "", ""
        if count < _MOST_DESCRIBED:
            with suppress(Exception):
                one = history.get(number)
                given = one.origin.id
                text = f"{moment(one.origin.started)} UTC, {one.outcome.result.value if one.outcome else 'unknown'}"
        yield number, given, text


def _history(prompt: _Prompt) -> _Offers:
    if prompt.words:
        return _applies(prompt)
    return iter([("show", "what one apply changed"), ("diff", "what two of them wanted"), ("state", "how one stands")])


def _moments(_prompt: _Prompt) -> _Offers:
    ago = [("2h", "2 hours ago"), ("3d", "3 days ago")]
    return iter([("today", "midnight"), ("yesterday", "the midnight before"), *ago])


def _requests(prompt: _Prompt) -> _Offers:
    """What can be said next to a simulated host."""
    from reconciler.simulator.requests import FORMS

    fields_of = {form.verb: form.fields for form in FORMS}
    match _joined(prompt.words):
        case []:
            return ((form.verb, form.what) for form in FORMS)
        case ["start" | "stop"]:
            return _guests(prompt)
        case ["plug" | "unplug" | "set" as request]:
            return _adapters(prompt.host, request)
        case ["plug" | "set" as request, _, *fields]:
            return _assignments(fields_of[request], fields, prompt.incomplete)
        case ["domains" as request, *fields]:
            return _assignments(fields_of[request], fields, prompt.incomplete)
        case _:
            return iter(())


def _joined(words: Iterable[str]) -> list[str]:
    """`words`, where a field with its value, which bash takes apart at ``=``, is one again."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _adapters(host: HostOptions, request: str) -> _Offers:
    from reconciler.hosts.simulated import described

    simulated = described(Path(host.simulate or "")).loaded().host
    there = sorted(simulated.hardware.cards)
    missing = [one for one in range(256) if one not in there]
    return ((str(one), f"card{one:02x}") for one in (missing if request == "plug" else there))


def _assignments(values: Mapping[str, list[str]], fields: list[str], incomplete: str) -> _Offers:
    """Fields with their values; of a field that is begun, the values alone, since bash has it as a word of its own."""
    begun = fields[-1].removesuffix("=") if fields else ""
    if begun in values and (fields[-1].endswith("=") or not incomplete):
        return ((value, "") for value in values[begun])
    given = {one.partition("=")[0] for one in fields}
    return ((f"{name}={value}", "") for name in values if name not in given for value in values[name] or [""])


def _fields(_prompt: _Prompt) -> _Offers:
    from reconciler.cli.explain_command import read_kinds

    return ((one.name, one.texts[0]) for kind in read_kinds() for one in kind.every())


def _pages(_prompt: _Prompt) -> _Offers:
    from reconciler.cli.main import cli
    from reconciler.cli.manual_command import page_names

    return ((name.removeprefix("reconcile-"), "") for name in page_names(cli))


_SOURCES: Final[Mapping[str, Callable[[_Prompt], _Offers]]] = {
    "guests": _guests,
    "wanted": _wanted,
    "sides": _sides,
    "machines": _machines,
    "suspended": _suspended,
    "applies": _applies,
    "history": _history,
    "moments": _moments,
    "requests": _requests,
    "fields": _fields,
    "pages": _pages,
}
