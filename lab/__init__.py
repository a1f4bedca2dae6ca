"""The kernel lab: the real vfio_ap driver on an ordinary machine, in an emulated s390x with emulated adapters.

``./run lab`` is the program; README.md says how to use it and how it works.
"""
