"""``python -m reconciler.cli``, the same as ``reconcile``."""

from reconciler.cli.main import main

main()
