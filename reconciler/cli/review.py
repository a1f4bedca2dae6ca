"""What a review shows of problems and plans: GitHub's annotations, and SARIF."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from reconciler import Plan, __version__
from reconciler.cli.output import Printable, result

if TYPE_CHECKING:
    from reconciler.model.problems import Problem

REVIEW_FORMATS: Final = ("github", "sarif")


def show_for_review(what: "Plan | Sequence[Problem]", command: str, format: str) -> None:
    """Print `what` the `command` has found, in one of `REVIEW_FORMATS`; files are named from the repository's root."""
    from reconciler.integrations.repositories import repository_above
    from reconciler.render.annotations import Origin, plan_github, plan_sarif, problems_github, problems_sarif

    here = os.path.realpath(os.curdir)
    repository = repository_above(here)
    origin = Origin(command, __version__, here, repository.top if repository else here)
    if format == "sarif":
        result(plan_sarif(what, origin) if isinstance(what, Plan) else problems_sarif(what, origin))
        return
    text = plan_github(what, origin) if isinstance(what, Plan) else problems_github(what, origin)
    # These lines are commands on purpose: what stands in them is printable already.
    Printable(sys.stdout).write(text)
