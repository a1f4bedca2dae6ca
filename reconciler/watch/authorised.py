"""Since when a guest has been granted queues, as the history tells."""

from collections.abc import Callable

from reconciler.model.matrix import Matrix
from reconciler.model.strict_json import BadRecord
from reconciler.render.text import moment
from reconciler.transaction.history import History, NoSuchGeneration
from reconciler.transaction.state_directory import StateDirectory


def authorised_since(state: StateDirectory) -> Callable[[str, Matrix], str]:
    """A function that tells, of a guest's uuid and of queues, since when it has them without a break.

    The answer is for people, and empty where the history does not tell.
    """

    def since(uuid: str, queues: Matrix) -> str:
        history, started = History(state), 0.0
        try:
            number = history.newest_target()
            while _grants(history, number, uuid, queues):
                started = history.get(number).origin.started
                number = history.newest_target(before=number)
        except (NoSuchGeneration, BadRecord, OSError):
            pass
        return moment(started) if started else ""

    return since


def _grants(history: History, number: int, uuid: str, queues: Matrix) -> bool:
    granted = {guest.uuid: guest.config.matrix for guest in history.desired(number).guests}
    return uuid in granted and granted[uuid].covers(queues)
