"""``reconcile schema``."""

from typing import Final

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import result
from reconciler.manifests.schema import schema_file_text

KINDS: Final = ("host", "guest", "simulated-host", "plan")


def run(kind: str | None) -> Exit:
    """Print the schema of `kind`, one of `KINDS`, or list the kinds."""
    result(schema_file_text(f"{kind}.schema.json") if kind else "".join(f"{one}\n" for one in KINDS))
    return Exit.DONE
