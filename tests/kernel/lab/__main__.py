"""``python -m kernel.lab``, which ``./run lab`` calls."""

import sys

from kernel.lab.cli import main

sys.exit(main())
