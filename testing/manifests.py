"""Manifests as text, sites made of them, and strategies for the plain data of documents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from reconciler.manifests.committed import Kept, KeptFiles
from reconciler.manifests.site import Site, read_files, read_site
from reconciler.model.problems import Problem

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 300),
    st.sampled_from(
        ["", "a", "A", "a\n", "-a", "a.b", "x" * 64, "active", "allow", "ignore", "reconciler/v1", "Guest"]
    ),
    st.sampled_from(["010", "4", "4-6", "0x47", "0x100", "256", "4\n", "0xab-0xaf", "05.0047", "05.0100", "05.0047\n"]),
    st.sampled_from(["62177883-f1bb-47f0-914d-32a22e3a8804", "62177883-f1bb-47f0-914d-32a22e3a880"]),
    st.text(max_size=5),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
IDS = st.lists(st.one_of(st.integers(0, 255), st.sampled_from(["4", "0x47", "4-6", "0xab-0xaf"])), max_size=4)
KEYS = st.sampled_from(
    [
        "host",
        "hosts",
        "uuid",
        "adapters",
        "domains",
        "queues",
        "controlDomains",
        "pool",
        "keep",
        "unmanaged",
        "name",
        "labels",
    ]
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.just("lpar7"),
        "hosts": st.lists(st.sampled_from(["lpar7", "a", "a.b-c"]), max_size=3),
        "adapters": IDS,
        "domains": IDS,
        "controlDomains": IDS,
        "queues": st.lists(st.just("05.0047"), max_size=2),
        "uuid": st.just("62177883-f1bb-47f0-914d-32a22e3a8804"),
        "activation": st.sampled_from(["active", "on-demand", "inactive"]),
        "presence": st.sampled_from(["any", "required"]),
        "disruption": st.sampled_from(["allow", "refuse"]),
        "ignoreDrift": st.lists(st.sampled_from(["adapters", "domains", "controlDomains", "device"]), max_size=2),
        "pool": st.fixed_dictionaries({}, optional={"adapters": IDS, "domains": IDS}),
        "keep": st.lists(st.fixed_dictionaries({"adapters": IDS, "domains": IDS}), max_size=2),
        "unmanaged": st.sampled_from(["ignore", "remove"]),
        "persistence": st.sampled_from(["none", "service", "mdevctl"]),
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "apiVersion": st.just("reconciler/v1"),
        "kind": st.sampled_from(["Host", "Guest"]),
        "metadata": st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "lpar7", "a.b-c"])},
            optional={"labels": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)},
        ),
        "spec": SPECS,
    }
)


def mutate(data: dict[str, Any], draw: st.DataObject) -> None:
    """Change one thing somewhere in `data`."""
    inner = [data, *(value for value in data.values() if isinstance(value, dict))]
    target = draw.draw(st.sampled_from(inner))
    change: Callable[[], object] = draw.draw(
        st.sampled_from(
            [
                lambda: target.update({draw.draw(KEYS): draw.draw(ANYTHING)}),
                lambda: target.update({draw.draw(st.text(max_size=3)): draw.draw(ANYTHING)}),
                lambda: target.pop(draw.draw(st.sampled_from(sorted(target)))) if target else None,
                lambda: (
                    target.update({draw.draw(st.sampled_from(sorted(target))): draw.draw(ANYTHING)}) if target else None
                ),
            ]
        )
    )
    change()


HOST = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"


def host_text(name: str = "lpar7", **spec: str) -> str:
    """A Host document; `spec` has YAML text by key."""
    return _document("Host", name, spec)


def guest_text(name: str = "payments", **spec: str) -> str:
    """A Guest document with ``adapters: [5]`` and ``domains: [4]`` unless `spec`, YAML text by key, says otherwise.

    An empty text leaves a key out.
    """
    axes = {} if "queues" in spec else {"adapters": "[5]", "domains": "[4]"}
    return _document("Guest", name, axes | spec)


MACHINE_ID = "IBM-3931-00000000000829E7"
OTHER_ID = "IBM-3932-00000000000A0001"


def machine_text(name: str = "cpc-a", *lpars: str, **spec: str) -> str:
    """A Machine document with `lpars`, YAML text each, ``lpar7`` with one queue where there is none."""
    listed = lpars or ("{name: LPAR7, host: lpar7, adapters: [5], usageDomains: [4]}",)
    entries = "".join(f"\n    - {one}" for one in listed)
    return _document("Machine", name, {"machineId": MACHINE_ID} | spec | {"lpars": entries})


def site_of(folder: Path, *documents: str) -> Site:
    """What is read where one file, ``site.yaml`` in `folder`, has `documents`."""
    (folder / "site.yaml").write_text("---\n".join(documents), encoding="utf-8")
    return read_site([folder / "site.yaml"])


def texts_site(*texts: str) -> Site:
    """What is read where each of `texts` is a file of its own, in memory."""
    return read_files(KeptFiles("memory", {f"{at:03}.yaml": Kept(one.encode()) for at, one in enumerate(texts)}))


def only_problem(site: Site) -> Problem:
    """The one problem of `site`."""
    assert len(site.problems) == 1, [problem.message for problem in site.problems]
    return site.problems[0]


def marked(problem: Problem, place: int = 0) -> str:
    """The text that the caret of one place of `problem` marks."""
    where = problem.places[place]
    start = where.position.column - 1
    return where.excerpt[start : start + where.width]


def _document(kind: str, name: str, spec: dict[str, str]) -> str:
    lines = [f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata:\n  name: {name}\n"]
    written = [f"  {key}: {value}\n" for key, value in spec.items() if value]
    return "".join([*lines, *(["spec:\n"] if written else []), *written])
