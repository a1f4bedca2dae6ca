"""Manifests made to keep us busy, of any size, for tests and ``./run bench hostile``."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

HOST: Final = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"


def host(name: str = "lpar7", spec: str = "") -> str:
    """A Host document."""
    return f"---\napiVersion: reconciler/v1\nkind: Host\nmetadata: {{name: {name}}}\n{spec}"


def guest(name: str, spec: str = "", metadata: str = "", adapters: str = "5", domains: str = "4") -> str:
    """A Guest document; `spec` and `metadata` are more of these, each beginning with a comma."""
    return (
        f"---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: {name}{metadata}}}\n"
        f"spec: {{adapters: [{adapters}], domains: [{domains}]{spec}}}\n"
    )


def _guests(number: int, spec: str = "") -> Iterator[str]:
    return (guest(f"g{one}", spec) for one in range(number))


def _keep(number: int) -> str:
    kept = ", ".join("{adapters: [5], domains: [4]}" for _ in range(number))
    return host(spec=f"spec:\n  keep: [{kept}]\n") + "".join(_guests(number, ", activation: on-demand"))


def _spread_keep(number: int) -> str:
    """As many kept entries as guests, and no queue in both: all pairs, but no problem."""
    kept = ", ".join(f"{{adapters: [{one % 128}], domains: [{one // 128 % 256}]}}" for one in range(number))
    documents = (
        guest(f"g{one}", ", activation: on-demand", "", str(128 + one % 128), str(one // 128 % 256))
        for one in range(number)
    )
    return host(spec=f"spec:\n  keep: [{kept}]\n") + "".join(documents)


def _duplicates(number: int) -> str:
    labels = ", labels: {" + ",".join(f"k{one}: v" for one in range(100_000)) + "}"
    return host() + guest("g0", metadata=labels) + "".join(guest("g0") for _ in range(number))


def _same_uuid(number: int) -> str:
    return host() + "".join(_guests(number, ", uuid: 62177883-f1bb-47f0-914d-32a22e3a8804"))


def _stray(number: int) -> str:
    hosts = "".join(host(f"lpar{one}") for one in range(number))
    return hosts + "".join(guest(f"g{one}", f", host: lparx{one}") for one in range(number))


def _left_out(number: int) -> str:
    return "".join(host(f"lpar{one}") for one in range(number)) + "".join(_guests(number))


def _own_hosts(number: int) -> str:
    """Hosts with a guest each: all of it is right."""
    hosts = "".join(host(f"lpar{one}") for one in range(number))
    return hosts + "".join(guest(f"g{one}", f", host: lpar{one}") for one in range(number))


def _given_pool(number: int) -> str:
    return host(spec="spec: {pool: {domains: [7]}}\n") + "".join(_guests(number, ", activation: on-demand"))


def _control_domains(number: int) -> str:
    return host() + "".join(
        guest(f"g{one}", ", controlDomains: [0-255], presence: required", "", str(one % 256), str(one // 256 % 256))
        for one in range(number)
    )


def _long_names(number: int) -> str:
    return host() + "".join(guest("x" * 1000 + str(one)) for one in range(number))


def _repeated(number: int) -> str:
    queues = ", ".join('"05.0004"' for _ in range(1000))
    one = f"---\napiVersion: reconciler/v1\nkind: Guest\nmetadata: {{name: g{{}}}}\nspec: {{queues: [{queues}]}}\n"
    return host() + "".join(one.replace("{}", str(each)) for each in range(number))


def _no_pool(number: int) -> str:
    """Kept queues and guests that leave no pair of masks."""
    kept = ", ".join(f"{{adapters: [{one}], domains: [{one}]}}" for one in range(200))
    spec = f"spec:\n  keep: [{kept}]\n"
    return host(spec=spec) + "".join(
        guest(f"g{one}", ", activation: on-demand", "", str(one % 199), str(one % 199 + 1)) for one in range(number)
    )


def _cover(number: int) -> str:
    """Kept queues that force a minimum vertex cover of a graph with as many guests as edges."""
    kept = "{adapters: [255], domains: [254]}, {adapters: [254], domains: [255]}"
    documents = (guest(f"g{one}", "", "", str(one % 254), str(255 - one // 254)) for one in range(number))
    corner = guest("corner", "", "", "255", "3") + guest("edge", "", "", "3", "254")
    return host(spec=f"spec:\n  keep: [{kept}]\n") + corner + "".join(documents)


TEXTS: Final[dict[str, tuple[Callable[[int], str], int, int]]] = {
    "keep": (_keep, 200, 5_000),
    "spread keep": (_spread_keep, 2_000, 10_000),
    "overlap": (lambda number: host() + "".join(_guests(number)), 8_000, 40_000),
    "on-demand overlap": (lambda number: host() + "".join(_guests(number, ", activation: on-demand")), 8_000, 40_000),
    "dup": (_duplicates, 100, 2_000),
    "same uuid": (_same_uuid, 8_000, 40_000),
    "stray": (_stray, 2_000, 20_000),
    "leftout": (_left_out, 2_000, 20_000),
    "own hosts": (_own_hosts, 2_000, 20_000),
    "given pool": (_given_pool, 8_000, 40_000),
    "control domains": (_control_domains, 8_000, 40_000),
    "long names": (_long_names, 2_000, 20_000),
    "repeated": (_repeated, 100, 1_000),
    "no pool": (_no_pool, 2_000, 20_000),
    "cover": (_cover, 5_000, 40_000),
    "tiny": (lambda number: HOST + "---\na\n" * number, 400_000, 4_000_000),
    "newlines": (lambda number: "\n" * number, 30_000_000, 33_000_000),
    "comments": (lambda number: HOST + "#\n" * number, 1_000_000, 15_000_000),
    "separators": (lambda number: HOST + "---\n" * number, 1_000_000, 7_500_000),
    "spaces": (lambda number: HOST + " " * number, 1_000_000, 30_000_000),
    "values": (lambda number: HOST + f"---\n[{'a,' * 50_000}]\n" * (number // 50_000), 500_000, 5_000_000),
}
"""What one file has, by name, and the two sizes that are measured."""


def cycles(seed: int, adapters: int, size: int) -> str:
    """Guests of `size` domains on one adapter each; between two seeds they wait for each other in cycles."""
    source = random.Random(seed)
    order = list(range(adapters))
    source.shuffle(order)
    documents = [host(spec=f"spec: {{pool: {{adapters: [0-{adapters - 1}]}}}}\n")]
    for adapter in order:
        domains = list(range(256))
        source.shuffle(domains)
        for start in range(0, 256 - 256 % size, size):
            listed = ", ".join(map(str, sorted(domains[start : start + size])))
            documents.append(guest(f"g{len(documents)}", "", "", str(adapter), listed))
    return "".join(documents)


def linked_folders(folder: Path, number: int) -> Path:
    """`number` folders, each with two links to the next: 2 to the power of `number` ways to the last."""
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    for one in range(number):
        (folder / f"d{one}").mkdir()
        for link in "ab":
            (folder / f"d{one}" / link).symlink_to(f"../d{one + 1}")
    (folder / f"d{number}").mkdir()
    (folder / f"d{number}" / "guest.yaml").write_text(guest("g"), encoding="utf-8")
    return folder


def many_files(folder: Path, number: int) -> Path:
    """A host, and `number` guests that share one queue, each in a file of its own."""
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    for one in range(number):
        (folder / f"{one:06}.yaml").write_text(guest(f"g{one}", ", activation: on-demand"), encoding="utf-8")
    return folder


def many_entries(folder: Path, number: int) -> Path:
    """A host, and `number` files that are no manifests, all in one folder."""
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    for one in range(number):
        (folder / f"{one}.txt").touch()
    return folder


def deep_folders(folder: Path, number: int) -> Path:
    """A host, and a manifest below `number` folders, one within the other."""
    (folder / "host.yaml").write_text(HOST, encoding="utf-8")
    here = folder
    for _ in range(number):
        here /= "d"
        here.mkdir()
    (here / "guest.yaml").write_text(guest("deep"), encoding="utf-8")
    return folder


FOLDERS: Final[dict[str, tuple[Callable[[Path, int], Path], int, int]]] = {
    "linked folders": (linked_folders, 25, 1_000),
    "many files": (many_files, 10_000, 60_000),
    "many entries": (many_entries, 100_000, 300_000),
    "deep folders": (deep_folders, 100, 1_000),
}
"""What a directory has, by name, and the two sizes that are measured."""
