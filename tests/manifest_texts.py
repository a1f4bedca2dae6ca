"""Manifests as text, and sites made of them, for tests."""

from pathlib import Path

from reconciler.manifests.site import Site, read_site
from reconciler.model.problems import Problem

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


def site_of(folder: Path, *documents: str) -> Site:
    """What is read where one file, ``site.yaml`` in `folder`, has `documents`."""
    (folder / "site.yaml").write_text("---\n".join(documents), encoding="utf-8")
    return read_site([folder / "site.yaml"])


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
