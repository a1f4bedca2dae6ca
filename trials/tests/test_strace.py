"""The trials see every system call that changes something, and no other."""

import sys
from pathlib import Path

import pytest

from testing.mounted_hosts import mounted_host, why_not_mounted
from testing.transitions import CREATES, MIXES
from trials.children import reconcile
from trials.scenes import manifests_of
from trials.strace import calls_of, parsed, why_not_traced
from trials.system_calls import Call

DESCRIPTION = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "%s"
  maxDomain: 255
  adapters: [{id: 5}, {id: 6}, {id: 7}]
  usageDomains: [4, 0x47, 0xab, 0xff]
"""


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_strace_sees_the_calls_that_the_trials_hit(kernel: str, tmp_path: Path) -> None:
    """Two applies in a row by whole processes under strace make the calls that the same two make under our watch."""
    (tmp_path / "elsewhere").mkdir()
    why_not = why_not_traced() or why_not_mounted(tmp_path / "elsewhere")
    if why_not:
        print(f"the system calls of the trials were NOT compared with strace: {why_not}", file=sys.stderr)
        pytest.skip(why_not)
    files = [tmp_path / "creates.yaml", tmp_path / "mixes.yaml"]
    for file, transition in zip(files, (CREATES, MIXES), strict=True):
        file.write_text(manifests_of(transition.target))

    with mounted_host(tmp_path, DESCRIPTION % kernel) as host:
        traced = []
        for number, file in enumerate(files):
            report = tmp_path / f"report{number}"
            traced.append(calls_of(["apply", "--yes", "-f", str(file)], host.root, tmp_path / "traced", report))
        assert host.ask("reset")["ok"]
        seen = []
        for file in files:
            ended = reconcile(["apply", "--yes", "-f", str(file)], host.root, tmp_path / "seen")
            assert ended.status == 0, ended.said
            seen.append([one._replace(detail=None) for one in ended.calls])

    assert seen == traced
    assert all(len([one for one in calls if one.on_host]) >= 4 for calls in seen)


def test_a_report_of_strace_is_read() -> None:
    """Descriptors and names, calls of several threads, and what is elsewhere."""
    report = """\
12 openat(AT_FDCWD</>, "/state/.inventory.json.new", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3</state/.inventory.json.new>
12 write(3</state/.inventory.json.new>, "{ >", 3) = 3
12 openat(AT_FDCWD</>, "/state/inventory.json", O_RDONLY|O_CLOEXEC) = 4</state/inventory.json>
12 rename("/state/.inventory.json.new", "/state/inventory.json") = 0
13 write(5</sys/bus/ap/apmask>, "0xff", 4 <unfinished ...>
13 <... write resumed>) = 4
12 write(1</dev/pts/0>, "done", 4) = 4
"""
    assert list(parsed(report, Path("/sys"), Path("/state"))) == [
        Call("open", ".inventory.json.new"),
        Call("write", ".inventory.json.new"),
        Call("rename", ".inventory.json.new"),
        Call("write", "bus/ap/apmask", on_host=True),
    ]
