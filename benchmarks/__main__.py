"""The benchmarks' command line: ``python -m benchmarks [plan-time | writes] [--runs N] [--guests N ...]``."""

import argparse

from benchmarks import plan_time, writes


def main() -> None:
    """Run one benchmark, or all."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=["plan-time", "writes"], help="only this one")
    parser.add_argument("--runs", type=int, default=7, help="how often each process is started (%(default)s)")
    parser.add_argument("--guests", type=int, nargs="+", default=list(plan_time.SIZES), help="numbers of guests")
    given = parser.parse_args()
    if given.name in {None, "plan-time"}:
        plan_time.report(given.guests, given.runs)
    if given.name in {None, "writes"}:
        writes.report()


main()
