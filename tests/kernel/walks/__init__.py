"""Random walks: seeded operations on a real kernel and on the simulated host, compared after each (docs/random-walks.md)."""
