"""Which virtual machine has which mediated device, as whoever manages them says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NO_VM_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
"""Names of virtual machines by the uuid of their device, where nobody is asked for them."""
