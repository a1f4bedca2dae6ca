"""The benchmarks' command line: ``python -m benchmarks [NAME] [--runs N] [--guests N ...] [--kernel NAME ...]``."""

import argparse

from benchmarks import plan_time, writes


def main() -> None:
    """Run one benchmark, or all."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument(
        "name",
        nargs="?",
        choices=[
            "plan-time",
            "report-time",
            "reading",
            "machines",
            "writes",
            "watch",
            "side-by-side",
            "hostile",
            "serving",
        ],
        help="only this one",
    )
    parser.add_argument("--runs", type=int, help="how often each process is started (7; side-by-side: 3)")
    parser.add_argument("--guests", type=int, nargs="+", help="numbers of guests")
    parser.add_argument("--kernel", nargs="*", default=["6.1", "6.12", "sid"], help="the lab's, for side-by-side")
    given = parser.parse_args()
    if given.name in {None, "plan-time"}:
        plan_time.report(given.guests or plan_time.SIZES, given.runs or 7)
    if given.name in {None, "report-time"}:
        from benchmarks import report_time

        report_time.report(given.runs or 7)
    if given.name in {None, "reading"}:
        from benchmarks import reading

        if reading.report(given.runs or 7) and given.name:
            raise SystemExit(1)
    if given.name in {None, "machines"}:
        from benchmarks import machines

        if not machines.report(given.runs or 5) and given.name:
            raise SystemExit(1)
    if given.name in {None, "writes"}:
        writes.report()
    if given.name in {None, "watch"}:
        from benchmarks import watch

        watch.report(given.guests or watch.SIZES, given.runs or 7)
    if given.name == "hostile":  # not by itself: it takes some minutes
        from benchmarks import hostile

        hostile.report()
    if given.name == "serving":  # not by itself: it takes a minute
        from benchmarks import serving

        if not serving.report(*(given.guests or ())[:1]):
            raise SystemExit(1)
    if given.name == "side-by-side":  # not by itself: it boots kernels
        from benchmarks import side_by_side

        side_by_side.report_mounted(given.guests or side_by_side.SIZES, given.runs or 3)
        side_by_side.report(given.kernel, given.guests or side_by_side.SIZES, given.runs or 3)


main()
