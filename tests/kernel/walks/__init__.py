"""Random walks: operations by chance, on real kernels and on the simulated host (docs/random-walks.md)."""
