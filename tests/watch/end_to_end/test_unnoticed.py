"""The real library where the kernel watches nothing more: changes are found all the same, and people are told."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

NONE_LEFT: Final = 'echo 0 >"/proc/sys/user/$1" && shift && exec "$@"'
NOTICED: Final = """\
import json, sys
from reconciler.watch.file_triggers import FileTriggers
from testing.event_loops import Noticing
with Noticing(FileTriggers([sys.argv[1]], look_seconds=0.01)) as noticing:
    open(sys.argv[1] + "/new.yaml", "w").close()
    print(json.dumps([noticing.limit, [trigger.source for trigger in noticing.next()]]))
"""


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_where_no_watches_are_left_files_are_looked_at(tmp_path: Path, limit: str) -> None:
    """In a user namespace whose limit is used up."""
    if not shutil.which("unshare"):
        pytest.skip("NOT TESTED: watches that are used up (unshare is not installed)")
    within = ["unshare", "-Ur", "sh", "-c", NONE_LEFT, "sh", limit]
    tried = subprocess.run([*within, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"NOT TESTED: watches that are used up ({tried.stderr.strip()})")

    done = subprocess.run(
        [*within, sys.executable, "-c", NOTICED, str(tmp_path)], capture_output=True, text=True, check=True
    )

    told, sources = json.loads(done.stdout)
    assert ["files"] == sources
    assert "the kernel watches no more directories; to raise its limits: sysctl " in told
    assert f"user.{limit}=1024" in told
    assert "Error" not in told
    assert str(tmp_path) not in told
    assert "files are looked at every 0.01 s instead" in told
