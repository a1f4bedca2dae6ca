"""``spec.queues``: queues one by one, which must be a full product of adapters and domains."""

from typing import NamedTuple

from reconciler.model.ids import IdSet
from reconciler.model.matrix import Matrix, Queue


class QueueList(NamedTuple):
    """What a list of queues comes to.

    Attributes:
        matrix: the smallest rectangle that has them all.
        extra: the queues that are in `matrix` but not in the list, ascending; a guest would get them on top.
        repeated: indexes of entries that stand in the list already.
    """

    matrix: Matrix
    extra: tuple[Queue, ...]
    repeated: tuple[int, ...]


def queue_list(entries: list[str]) -> QueueList:
    """`entries`, in the form that the schema accepts (``05.0047``, hex)."""
    listed = [Queue(int(entry[:2], 16), int(entry[3:], 16)) for entry in entries]
    matrix = Matrix(IdSet(queue.adapter for queue in listed), IdSet(queue.domain for queue in listed))
    have = set(listed)
    extra = tuple(queue for queue in matrix.queues() if queue not in have) if matrix.size > len(have) else ()
    return QueueList(matrix, extra, _repeated(listed) if len(listed) > len(have) else ())


def _repeated(listed: list[Queue]) -> tuple[int, ...]:
    first: dict[Queue, int] = {}
    return tuple(index for index, queue in enumerate(listed) if first.setdefault(queue, index) != index)
