"""A generation: one apply in the history."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.model.outcome import Result


class Origin(NamedTuple):
    """Who asked for an apply, and how.

    Attributes:
        user: the name of the person, also behind sudo.
        command: as it was typed.
        started: seconds since 1970, UTC.
        commit: the git commit of the manifests, followed by ``+`` where they differ from it; empty where there is none.
    """

    user: str
    command: str
    started: float
    commit: str = ""


class Generation(NamedTuple):
    """One apply.

    Attributes:
        number: from 1.
        origin: who asked for it.
        host: the name of the Host.
        digest: of what the manifests asked for (SHA-256, hex).
        summary: what was planned, one sentence.
        outcome: how it ended, as `outcome_record` made it; None where nobody knows.
        confined: whether it was only for a VM that started or ended, or for a boot, and wanted nothing of its own.
        suspended: the names of suspended guests that were not as their manifests said.
        remark: what else there is to know of how it ended, a few words; mostly empty.
    """

    number: int
    origin: Origin
    host: str
    digest: str
    summary: str
    outcome: Mapping[str, Any] | None
    confined: bool = False
    suspended: tuple[str, ...] = ()
    remark: str = ""

    @property
    def result(self) -> str:
        """How it ended, in a few words."""
        return str(self.outcome["result"]) if self.outcome else "not finished"

    @property
    def is_target(self) -> bool:
        """Whether the host was once seen as this generation wanted it, and left so."""
        return self.result in (Result.APPLIED, Result.NOTHING) and not self.confined
