"""Files of other tools that a plan changes, as values that can be recorded, carried out and taken back."""

from typing import NamedTuple


class FileChange(NamedTuple):
    """One file that changes.

    Attributes:
        path: below the root directory, without a leading slash.
        before: its content; None where there is no file.
        after: likewise, when the change is made.
        holder: whose it is: the name of a guest, ``host``, or the uuid of a device that no manifest names any more.
    """

    path: str
    before: bytes | None
    after: bytes | None
    holder: str = ""

    def reversed(self) -> "FileChange":
        """The change that takes this one back."""
        return self._replace(before=self.after, after=self.before)
