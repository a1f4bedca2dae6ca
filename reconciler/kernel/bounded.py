"""Calls that may never return, with a bound on how long we wait for them."""

import threading
from _queue import Empty, SimpleQueue  # `queue` reads heapq and types before it hands out the same two
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")
_Task = tuple[Callable[[], object], "SimpleQueue[object]"]


class TooSlow(Exception):
    """A call did not return in time, and goes on."""


class BoundedCalls:
    """Makes calls in a thread of their own, since nothing can end one that the kernel blocks.

    One thread serves all calls; one that does not come back is left to itself, and another takes its place.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task | None] | None = None

    def __call__(self, call: Callable[[], _Result], seconds: float) -> _Result:
        """What `call` returns or raises.

        Raises:
            TooSlow: it did not return within `seconds`.
        """
        answers: SimpleQueue[object] = SimpleQueue()
        tasks, self._tasks = self._tasks or _started(), None
        tasks.put((call, answers))
        try:
            answer = answers.get(timeout=seconds)
        except BaseException as error:
            tasks.put(None)  # whatever becomes of the call, its thread ends after it
            if isinstance(error, Empty):
                raise TooSlow from None
            raise
        self._tasks = tasks
        if isinstance(answer, _Raised):
            raise answer.error
        return answer  # type: ignore[return-value]  # what `call` returned

    def __del__(self) -> None:
        if self._tasks is not None:
            self._tasks.put(None)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _started() -> "SimpleQueue[_Task | None]":
    tasks: SimpleQueue[_Task | None] = SimpleQueue()
    threading.Thread(target=_serve, args=(tasks,), name="bounded calls", daemon=True).start()
    return tasks


def _serve(tasks: "SimpleQueue[_Task | None]") -> None:
    while task := tasks.get():
        call, answers = task
        try:
            answers.put(call())
        except BaseException as error:  # noqa: BLE001  # raised again where the call was asked for
            answers.put(_Raised(error))
