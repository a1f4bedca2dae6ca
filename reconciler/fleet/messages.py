"""What an action plugin of Ansible carries from one task to the next, as plain values of JSON.

`EXCHANGED.plain(value)` writes a `Heard`, an `Answer`, a `Commit` or a `NextStep` as plain values, and
`EXCHANGED.read(Heard, plain)` reads them again, strictly (`reconciler.model.codec`):

    heard = {name: EXCHANGED.read(Heard, plain) for name, plain in before.items()}
    heard[name] = told(heard[name], verb, EXCHANGED.read(Answer, reply), round)
    following = next_step(next_actions(commit, heard, round, has_soaked=...))
    facts = {"step": EXCHANGED.plain(following), "heard": {name: EXCHANGED.plain(one) for name, one in heard.items()}}
"""

from typing import Final, NamedTuple

from reconciler.fleet.commit import Action, End, Next, Soak
from reconciler.model.codec import Codec


class NextStep(NamedTuple):
    """What `next_actions` decided, in one form: exactly one of the three is there.

    Attributes:
        actions: the requests of the next round, at most one for each host.
        soak: how long to wait first, in seconds; None where there is nothing to wait for.
        end: how the run has ended; None where it has not.
    """

    actions: tuple[Action, ...] = ()
    soak: float | None = None
    end: End | None = None


EXCHANGED: Final = Codec()
"""Writes and reads all values that are carried from one task to the next."""


def next_step(following: Next) -> NextStep:
    """What `next_actions` decided, as one value that JSON can hold."""
    match following:
        case End():
            return NextStep(end=following)
        case Soak(seconds):
            return NextStep(soak=seconds)
    return NextStep(actions=following)
