"""What ``reconcile simulate`` does to a host, as a person types it: hardware, virtual machines, the module."""

from collections.abc import Sequence
from typing import Final

from reconciler.simulator.hardware_words import FORMS as HARDWARE_FORMS
from reconciler.simulator.hardware_words import request_of
from reconciler.simulator.host import SimulatedHost

FORMS: Final = (*HARDWARE_FORMS, "start UUID", "stop UUID", "load", "unload", "boot")
"""Every form of a request, for people."""


def carry_out(host: SimulatedHost, words: Sequence[str]) -> None:
    """Do to `host` what `words` say, in one of `FORMS`; no words do nothing.

    Raises:
        HardwareError: they mean nothing, or the hardware cannot become so; nothing has changed then.
        OSError: the host refuses it (see the methods of `SimulatedHost`); nothing has changed then.
    """
    match list(words):
        case []:
            pass
        case ["start", uuid]:
            host.start_vm(uuid.lower())
        case ["stop", uuid]:
            host.stop_vm(uuid.lower())
        case ["load"]:
            host.load_vfio_ap()
        case ["unload"]:
            host.unload_vfio_ap()
        case ["boot"]:
            host.boot()
        case _:
            host.change_hardware(request_of(words))
