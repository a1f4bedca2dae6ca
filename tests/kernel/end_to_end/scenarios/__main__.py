"""``python3 -m kernel.end_to_end.scenarios KERNEL NAME...``: run these and leave a record of each in /results."""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from .catalogue import SCENARIOS
from .host import Host
from .scenario import World
from .tool import Tool, preload

_RESULTS: Final = Path("/results")


def main() -> None:
    """Run what the command line names."""
    kernel, *names = sys.argv[1:]
    preload()
    for name in names:
        record = _record(name, kernel)
        (_RESULTS / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
        sys.stdout.write(f"{kernel:5} {name}: {record['failure'] or 'ok'} ({record['seconds']:.0f} s)\n")
        sys.stdout.flush()


def _record(name: str, kernel: str) -> dict[str, object]:
    """Run one scenario from a clean state."""
    scenario = SCENARIOS[name]
    tool, host, started, failure = Tool(whole=scenario.whole), Host(), time.monotonic(), ""
    try:
        host.clean()
        scenario.act(World(host, tool, kernel))
    except AssertionError as error:
        failure = str(error)
    except Exception:  # noqa: BLE001 (the others go on)
        failure = traceback.format_exc()
    return {"failure": failure, "seconds": time.monotonic() - started, "story": tool.story}


if __name__ == "__main__":
    main()
