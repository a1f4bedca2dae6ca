"""Writes to a real kernel's sysfs step by step and keeps a record of what happens; runs in the lab's guest."""
