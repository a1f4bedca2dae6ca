"""Which scenarios there are."""

from kernel.end_to_end.hardware import EXAMPLES, examples_hardware
from kernel.end_to_end.scenarios.catalogue import SCENARIOS
from kernel.end_to_end.scenarios.examples import EXAMPLE_SCENARIOS
from lab.ap_hardware import ApHardware


def test_every_example_has_its_scenario() -> None:
    """A new folder of manifests in examples/ must be added there."""
    folders = {file.relative_to(EXAMPLES).parts[0].replace("-", "_") for file in EXAMPLES.glob("*/**/*.yaml")}

    # A kernel sees one LPAR only, and these are about several.
    assert {one.name for one in EXAMPLE_SCENARIOS} == folders - {"two_lpars", "movable_guest"}


def test_every_scenario_says_what_it_shows() -> None:
    """In one line, which reports can show."""
    assert all(one.about.endswith(".") for one in SCENARIOS.values())


def test_the_lab_takes_the_hardware_of_every_example() -> None:
    """With as many cards as are described."""
    for wanted in examples_hardware().values():
        hardware = ApHardware(wanted)

        assert {str(adapter) for adapter in hardware.cards} == wanted["adapters"].keys()  # type: ignore[attr-defined]
