"""``python3 -m kernel.end_to_end.scenarios [--after] KERNEL NAME...``: run these; each leaves a record in /results.

With ``--after`` the second half of each is run, after the host was booted again.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .catalogue import SCENARIOS
from .host import Host
from .scenario import Scenario, World
from .tool import Tool, preload

_RESULTS: Final = Path("/results")


def main() -> None:
    """Run what the command line names."""
    again = sys.argv[1] == "--after"
    kernel, *names = sys.argv[2:] if again else sys.argv[1:]
    preload()
    for name in names:
        record = _record(name, kernel, again=again)
        (_RESULTS / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
        sys.stdout.write(f"{kernel:5} {name}: {record['failure'] or 'ok'} ({record['seconds']:.0f} s)\n")
        sys.stdout.flush()


def _record(name: str, kernel: str, *, again: bool) -> dict[str, object]:
    """Run one scenario from a clean state, or what comes after the reboot from what that has led to."""
    scenario = SCENARIOS[name]
    tool, host, started, failure = Tool(whole=scenario.whole), Host(), time.monotonic(), ""
    try:
        if again:
            _after(scenario)(World(host, tool, kernel))
        else:
            host.clean()
            scenario.act(World(host, tool, kernel))
    except AssertionError as error:
        failure = str(error)
    except Exception:  # noqa: BLE001 (the others go on)
        failure = traceback.format_exc()
    return {"failure": failure, "seconds": time.monotonic() - started, "story": tool.story}


def _after(scenario: Scenario) -> Callable[[World], None]:
    if scenario.reboot is None:
        raise AssertionError("nothing is to be done after a reboot")
    return scenario.reboot.act


if __name__ == "__main__":
    main()
