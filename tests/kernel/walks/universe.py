"""The few things that a walk is about. There are few so that operations meet again and again."""

from typing import Final

UUIDS: Final = (
    "00000000-0000-4000-8000-00000000000a",
    "00000000-0000-4000-8000-00000000000b",
    "00000000-0000-4000-8000-00000000000c",
)
"""The mediated devices."""

ADAPTERS: Final = (5, 6, 9, 10)
"""The adapters; 9 is absent at first."""

DOMAINS: Final = (4, 5, 0x47)
"""The domains, all usage domains at first."""

HARDWARE: Final = {
    "max_adapter": 63,
    "max_domain": 84,
    "adapters": {
        "5": {"type": "CEX7", "mode": "cca"},
        "6": {"type": "CEX8", "mode": "ep11"},
        "10": {"type": "CEX8", "mode": "accelerator"},
    },
    "usage_domains": [4, 5, 0x47],
    "control_domains": [4, 5, 0x48],
}
"""What the partition has at first, in the form of the lab's hardware descriptions."""

QUEUES: Final = tuple(f"{adapter:02x}.{domain:04x}" for adapter in ADAPTERS for domain in DOMAINS)
"""The names of all queues, present or not."""

CARDS: Final = tuple(f"card{adapter:02x}" for adapter in ADAPTERS)
"""The names of all cards, present or not."""
