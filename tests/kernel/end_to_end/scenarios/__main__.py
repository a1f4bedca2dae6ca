"""``python3 -m scenarios KERNEL NAME...``: run these, each from a clean state, and leave a record of each in /results."""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from .catalogue import SCENARIOS
from .host import Host
from .scenario import World
from .tool import Tool

_RESULTS: Final = Path("/results")


def main() -> None:
    """Run what the command line names."""
    kernel, *names = sys.argv[1:]
    for name in names:
        record = _record(name, kernel)
        (_RESULTS / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
        print(f"{kernel:5} {name}: {record['failure'] or 'ok'} ({record['seconds']:.0f} s)", flush=True)


def _record(name: str, kernel: str) -> dict[str, object]:
    tool, host, started, failure = Tool(), Host(), time.monotonic(), ""
    try:
        host.clean()
        SCENARIOS[name].act(World(host, tool, kernel))
    except AssertionError as error:
        failure = str(error)
    except Exception:  # noqa: BLE001 (the others go on)
        failure = traceback.format_exc()
    return {"failure": failure, "seconds": time.monotonic() - started, "story": tool.story}


if __name__ == "__main__":
    main()
