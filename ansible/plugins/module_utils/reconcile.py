"""Runs the ``reconcile`` of a managed host and reads its answer: all that the modules have in common.

Python 3.6 and its standard library only; nothing is imported from ``reconcile``, which may run in another Python.
No decision hangs on the words of a message: only on exit codes and on JSON.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from typing import Optional, Sequence

from ansible.module_utils.basic import AnsibleModule

STATE_DIRECTORY = "/var/lib/reconciler"
MEANINGS = {
    0: "done",
    1: "failure",
    2: "changes",
    3: "invalid",
    4: "refused",
    5: "stale",
    6: "rolled-back",
    7: "degraded",
    8: "busy",
    64: "usage",
}
"""What the exit codes of C(reconcile) mean, as one word each."""

ARGUMENTS = {
    "executable": {"type": "str", "default": "reconcile"},
    "state_dir": {"type": "path"},
}
"""The options of every module."""

MANIFEST_ARGUMENTS = {
    "manifests": {"type": "list", "elements": "path"},
    "content": {"type": "str"},
    "sha256": {"type": "str"},
    "host": {"type": "str"},
}
"""The options of those that read manifests."""

KEPT = 20
"""How many texts of manifests, and how many plans, a host keeps."""

ARCHIVE = r"[0-9a-f]{64}\Z"
"""The name of the folder with a text of manifests."""

CONSENTS = ("allow_disruption", "allow_empty", "allow_removals", "allow_suspended", "accept_machine")
_ELSEWHERE = ("/usr/local/bin", "/opt/reconcile/bin")


class Ran:
    """How a command of ``reconcile`` ended."""

    def __init__(self, command: list, code: int, out: str, err: str) -> None:
        """Its words, its exit code, and what it wrote to standard output and standard error."""
        self.command = command
        self.code = code
        self.out = out
        self.err = err

    @property
    def record(self) -> dict:
        """For the result of a module."""
        return {
            "cmd": self.command,
            "rc": self.code,
            "meaning": MEANINGS.get(self.code, "unknown"),
            "stderr_lines": self.err.splitlines(),
        }

    def json(self) -> Optional[dict]:
        """What it printed as JSON; None where it printed none, since it was refused before."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


class Reconcile:
    """The ``reconcile`` of the host that a module runs on."""

    def __init__(self, module: AnsibleModule) -> None:
        """Look it up; the module fails where it is not there."""
        self.module = module
        named = module.params["executable"]
        found = named if os.path.isabs(named) else module.get_bin_path(named, False, list(_ELSEWHERE))
        if not found or not os.access(found, os.X_OK):
            module.fail_json(
                msg=f"this host has no {named}: install it there, or name it with the option 'executable'",
                meaning="missing",
            )
        self.path = found
        state = module.params["state_dir"]
        self.where = ["--state-dir", state] if state else []

    def run(self, words: Sequence, data: Optional[bytes] = None) -> Ran:
        """How the command of `words` ends; `data` is its standard input."""
        command = [self.path, *list(words), *self.where]
        # Not in a directory with manifests of its own, and without colours.
        code, out, err = self.module.run_command(
            command,
            data=data,
            binary_data=True,
            cwd="/",
            environ_update={"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "120"},
        )
        return Ran(command, code, out, err)

    def fail(self, ran: Ran, what: str, **more: object) -> None:
        """End the module: `what` could not be done; its result has what ``reconcile`` said, and the exit code."""
        answer = ran.json() or {}
        said = ran.err.strip() or ran.out.strip() or "it said nothing"
        result = ran.record
        if answer.get("refusal"):
            result.update(refusal=answer["refusal"], why=answer.get("why"))
        result.update(more)
        self.module.fail_json(
            msg="%s: reconcile ended with exit code %d (%s): %s" % (what, ran.code, result["meaning"], said), **result
        )

    def state(self, apply_id: Optional[str]) -> dict:
        """How the apply with this id stands (C(history state)); the module fails where that cannot be read."""
        words = ["history", "state"] + ([apply_id] if apply_id else []) + ["-o", "json"]
        ran = self.run(words)
        found = ran.json()
        if ran.code or found is None:
            self.fail(ran, "the state of the applies of this host cannot be read")
        return found


class Manifests:
    """The manifests that a module was given: paths, or a text of which the host keeps a copy."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check what was given; nothing is written yet."""
        self.module = module
        params = module.params
        self.host = ["--host", params["host"]] if params["host"] else []
        self.content = None
        if params["content"] is not None:
            self.content = params["content"].encode("utf-8", "surrogateescape")
            self.digest = hashlib.sha256(self.content).hexdigest()
            if params["sha256"] and params["sha256"].lower() != self.digest:
                module.fail_json(
                    msg="the manifests arrived with the digest {}, not {}: nothing was done".format(
                        self.digest, params["sha256"]
                    ),
                    meaning="damaged",
                )

    def kept(self) -> list:
        """The options that name the manifests; a text is written first."""
        if self.content is None:
            return self._named(self.module.params["manifests"] or [])
        path = write_private(self.module, self.folder(), "manifests.yaml", self.content)
        forget_old(os.path.dirname(self.folder()), ARCHIVE)
        return self._named([path])

    def passed(self) -> tuple:
        """The options that name the manifests, and the standard input that has them: nothing is written."""
        if self.content is None:
            return self._named(self.module.params["manifests"] or []), None
        return self._named(["-"]), self.content

    def folder(self) -> str:
        """Where the host keeps the text."""
        return fleet_folder(self.module, self.digest)

    def _named(self, paths: list) -> list:
        return [word for path in paths for word in ("-f", path)] + self.host


def fleet_folder(module: AnsibleModule, digest: str) -> str:
    """Where the host keeps what belongs to the manifests with this digest."""
    return os.path.join(module.params["state_dir"] or STATE_DIRECTORY, "fleet", digest)


def write_private(module: AnsibleModule, folder: str, name: str, content: bytes) -> str:
    """The path of a file with `content`, for its owner alone, in `folder`, which is made; replaced as a whole."""
    path = os.path.join(folder, name)
    try:
        made = os.path.dirname(os.path.dirname(folder))
        for one in (made, os.path.dirname(folder), folder):
            if not os.path.isdir(one):
                os.makedirs(one, 0o700)
        descriptor, beside = tempfile.mkstemp(dir=folder)  # with mode 0600
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be written: {error}", meaning="failure")
    return path


def forget_old(folder: str, named: str) -> None:
    """Remove what is in `folder` and has such names, but for the newest ones; what cannot be removed stays."""
    paths = [os.path.join(folder, name) for name in os.listdir(folder) if re.match(named, name)]
    for path in sorted(paths, key=os.path.getmtime)[:-KEPT]:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def has_changes(plan: dict) -> bool:
    """Whether an apply of `plan` does anything."""
    return bool(plan.get("steps") or plan.get("files"))


def flags_of(params: dict) -> list:
    """The consents that were given, as options of C(reconcile)."""
    return ["--" + name.replace("_", "-") for name in CONSENTS if params[name]]


def diff_of(text: str) -> dict:
    """For the key C(diff) of a result: the tool's own diff, as it is."""
    return {"prepared": text}
