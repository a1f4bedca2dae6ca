"""The tool itself, installed in the lab's guest, against the real drivers (docs/on-real-kernels.md)."""
