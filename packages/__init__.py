"""Builds what is installed with apt, dnf, zypper and pip, and checks it: ``./run packages`` (docs/install.md)."""
