"""``./run docs``: the site; ``./run docs reference``: the pages and pictures that are made from the program."""

import sys

from pages.pictures import write_pictures
from pages.site import ROOT, build, write_reference


def main(words: list[str]) -> int:
    """Do what `words` ask for; the exit code."""
    write_reference()
    write_pictures()
    if words == ["reference"]:
        return 0
    made = build(ROOT / "build")
    sys.stderr.write(made.stdout + made.stderr)
    if made.returncode == 0:
        sys.stdout.write("the site is in build/site\n")
    return made.returncode


sys.exit(main(sys.argv[1:]))
