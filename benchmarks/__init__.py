"""How long a plan takes, how much memory, and how many writes: ``./run bench``."""
