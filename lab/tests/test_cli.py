import json
import threading
from pathlib import Path

import pytest

from lab.ap_hardware import ApHardware
from lab.cache import Cache, KernelFacts
from lab.cli import LAB_FAILED, main, shell_line
from lab.control import Control
from lab.machine import CONTROL_SOCKET
from lab.streams import Listener, Requests


@pytest.mark.parametrize(
    ("words", "line"),
    [(["cat apmask; ls"], "cat apmask; ls"), (["python3", "x y.py", "--flag"], "python3 'x y.py' --flag")],
)
def test_one_word_is_a_shell_line_and_more_are_a_program(words: list[str], line: str) -> None:
    """So both can be written without thinking of quotes."""
    assert shell_line(words) == line


def test_a_kernel_that_is_not_there_is_the_labs_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the command that gets it."""
    assert main(["--cache", str(tmp_path), "run", "--kernel", "6.1", "--", "true"]) == LAB_FAILED
    assert "./run lab setup --kernel 6.1" in capsys.readouterr().err


def test_kernels_are_ready_once_their_symbols_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are written last."""
    kernel = Cache(tmp_path).kernel("6.1")
    kernel.directory.mkdir(parents=True)
    kernel.keep_facts(KernelFacts("6.1.0-50-s390x", "6.1.176-1", "bookworm", ["vfio"], ["ext4"], ["kvm"]))

    assert main(["--cache", str(tmp_path), "info"]) == 0
    assert capsys.readouterr().out == ""

    kernel.keep_symbols({"illegal_op": 0x1234})

    assert main(["--cache", str(tmp_path), "info"]) == 0
    assert capsys.readouterr().out.startswith('6.1 {"release": "6.1.0-50-s390x"')
    assert kernel.symbols() == {"illegal_op": 0x1234}


def test_hardware_is_changed_from_beside_the_guest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is printed, and its kind is the exit status."""
    hardware = ApHardware()
    control = Control(hardware, lambda: 0.0, lambda _: None)

    def serve_one() -> None:
        listener.serve()
        peers[0].serve()

    peers: list[Requests] = []
    listener = Listener(tmp_path / CONTROL_SOCKET, lambda stream: peers.append(Requests(stream, control.answer)))
    lab = threading.Thread(target=serve_one)
    lab.start()

    assert main(["ctl", "--run-dir", str(tmp_path), "unplug", "5"]) == 0

    lab.join()
    peers[0].close()
    listener.close()

    assert json.loads(capsys.readouterr().out) == {"ok": True}
    assert 5 not in hardware.cards


def test_a_lab_that_does_not_run_cannot_be_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nobody to ask."""
    assert main(["ctl", "--run-dir", str(tmp_path), "show"]) == LAB_FAILED
    assert capsys.readouterr().err.startswith("lab: ")
