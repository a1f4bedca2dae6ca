"""``reconcile``, with the name of each manifest that is read added to a file: ``counting_reads.py FILE WORDS...``."""

import sys
from pathlib import Path

from reconciler.cli.main import run
from reconciler.manifests import site
from reconciler.manifests.files import FoundFile, content_of
from reconciler.model.problems import Problem


def main() -> int:
    """Run it."""
    told = Path(sys.argv[1])

    def counted(file: FoundFile) -> bytes | Problem:
        with told.open("a", encoding="utf-8") as names:
            names.write(f"{Path(file.name).name}\n")
        return content_of(file)

    vars(site)["content_of"] = counted
    return run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
