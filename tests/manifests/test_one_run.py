"""All problems are found in one run: a problem of a document hides neither its others nor those of other documents."""

from pathlib import Path

import pytest

from reconciler.manifests.site import Site, read_site
from reconciler.model.problems import Problem
from testing.commands import Command
from testing.manifests import HOST, guest_text, host_text, site_of

TOP = "apiVersion: reconciler/v1\nkind: Guest\n"
BAD_GUEST = guest_text("Payments", adapters="[05]", domains="[300]", activatoin="active")
BAD_GUEST_IDS = ["bad-name", "leading-zero", "id-out-of-range", "unknown-key"]
BAD_HOST = host_text("Lpar8", keep="[{adapters: [05]}]", unmanaged="drop")
BAD_HOST_IDS = ["bad-name", "missing-key", "leading-zero", "unknown-value"]


def ids(site: Site) -> list[str]:
    """The ids of all problems of `site`, in the order in which they are shown."""
    return [problem.id for problem in site.problems]


def help_of(site: Site, id: str) -> str:
    """What is advised about the only problem `id` of `site`."""
    (found,) = [problem for problem in site.problems if problem.id == id]
    return found.help


@pytest.mark.parametrize(
    "version", ["", "reconciler/v2", "reconciler", "reconcilr/v1", "v1", "1", "[]", "apps/v1", "~"]
)
@pytest.mark.parametrize(
    ("document", "found"), [(BAD_GUEST, BAD_GUEST_IDS), (BAD_HOST, BAD_HOST_IDS)], ids=["guest", "host"]
)
def test_a_wrong_version_hides_nothing(tmp_path: Path, version: str, document: str, found: list[str]) -> None:
    """A document of a known kind is checked as that kind, whatever its apiVersion is."""
    text = document.replace(TOP.splitlines()[0] + "\n", f"apiVersion: {version}\n" if version else "")

    assert ids(site_of(tmp_path, HOST, text)) == ["unknown-api-version", *found]


@pytest.mark.parametrize("kind", ["Guset", "guest", "GUEST", "Guests", "Gest"])
@pytest.mark.parametrize("version", ["reconciler/v1", "reconciler/v2", "v1", "apps/v1", ""])
def test_a_misspelt_kind_hides_nothing(tmp_path: Path, kind: str, version: str) -> None:
    """It is said that the kind is not known; then the document is checked as the kind that was probably meant."""
    text = BAD_GUEST.replace("Guest", kind).replace(
        "apiVersion: reconciler/v1\n", f"apiVersion: {version}\n" if version else ""
    )
    site = site_of(tmp_path, HOST, text)

    wrong = [] if version == "reconciler/v1" else ["unknown-api-version"]
    assert sorted(ids(site)) == sorted([*wrong, "unknown-kind", *BAD_GUEST_IDS])
    assert "Did you mean 'Guest'?" in help_of(site, "unknown-kind")


def test_a_misspelt_host_hides_nothing(tmp_path: Path) -> None:
    """The same for a Host."""
    assert ids(site_of(tmp_path, HOST, BAD_HOST.replace("Host", "Hots"))) == ["unknown-kind", *BAD_HOST_IDS]


@pytest.mark.parametrize("kind", ["", "kind: VM\n", "kind: [Guest]\n", "kind: 5\n", "kind: ~\n"])
def test_the_fields_of_a_document_show_its_kind(tmp_path: Path, kind: str) -> None:
    """Where only one kind has what stands in spec, the document is checked as that kind, and the advice says why."""
    guest = BAD_GUEST.replace("kind: Guest\n", kind)
    host = BAD_HOST.replace("kind: Host\n", kind)
    of_guest, of_host = site_of(tmp_path, HOST, guest), site_of(tmp_path, HOST, host)

    assert ids(of_guest) == ["unknown-kind", *BAD_GUEST_IDS]
    assert ids(of_host) == ["unknown-kind", *BAD_HOST_IDS]
    assert help_of(of_guest, "unknown-kind") == "Write kind: Guest, the only kind whose spec has adapters, domains."
    assert help_of(of_host, "unknown-kind") == "Write kind: Host, the only kind whose spec has keep, unmanaged."


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("metadata: {name: Payments}\n", ["bad-name"]),
        ("metadata: {name: Payments, labels: {a: 5}}\n", ["bad-name", "wrong-type"]),
        ("metadata: {lables: {}}\n", ["missing-key", "unknown-key"]),
        ("metadata: {name: a}\nextra: 1\nspec: {}\n", ["unknown-key"]),
        ("metadata: {name: a}\nspec: 5\n", ["wrong-type"]),
        ("metadata: {name: a}\nspec: {whatever: 5}\n", ["unknown-key"]),
        ("metadata: {name: a}\nspec: {pool: {domains: [05]}, queues: [5]}\n", []),
        ("spec: {}\n", ["missing-key"]),
    ],
)
def test_what_is_wrong_whatever_the_kind_is_reported(tmp_path: Path, document: str, found: list[str]) -> None:
    """Where nothing shows the kind, that is reported which is wrong in a document of any kind, and nothing else."""
    site = site_of(tmp_path, HOST, "apiVersion: reconciler/v1\n" + document)

    assert sorted(ids(site)) == sorted(["unknown-kind", *found])
    assert all(problem.help for problem in site.problems)


def test_both_can_be_missing(tmp_path: Path) -> None:
    """A document without apiVersion and kind is still checked as what its fields show."""
    text = "".join(BAD_GUEST.splitlines(keepends=True)[2:])

    assert sorted(ids(site_of(tmp_path, HOST, text))) == sorted(["unknown-api-version", "unknown-kind", *BAD_GUEST_IDS])


@pytest.mark.parametrize("version", ["", "apiVersion: reconcilr/v1\n", "apiVersion: reconciler/stable.2\n"])
def test_both_can_be_wrong_with_nothing_that_shows_the_kind(tmp_path: Path, version: str) -> None:
    """A document that begins like one of ours is checked for what is wrong in any kind."""
    site = site_of(tmp_path, HOST, version + "metadata: {name: Payments}\n")

    assert sorted(ids(site)) == ["bad-name", "unknown-api-version", "unknown-kind"]


@pytest.mark.parametrize(
    "document",
    [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Other, annotations: {}}\ndata: {a: b}\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: Other}\nspec: {replicas: 05}\n",
        "apiVersion: 2\nkind: Pod\nmetadata: {}\n",
        "services: {web: {image: nginx}}\nvolumes: {}\n",
        "apiVersion: v2\nname: chart\nversion: 0.1.0\n",
    ],
)
def test_documents_of_other_programs_are_one_problem_each(tmp_path: Path, document: str) -> None:
    """Nothing is said about the fields of what is no manifest at all."""
    assert ids(site_of(tmp_path, HOST, document)) == ["unknown-api-version"]


@pytest.mark.parametrize(
    ("name", "replacement"), [("kind: Guest", "kind: Guset"), ("apiVersion: reconciler/v1", "apiVersion: v9")]
)
def test_such_guests_are_compared_with_the_others(tmp_path: Path, name: str, replacement: str) -> None:
    """Names, uuids and hosts are checked across all documents, those of a wrong kind or version included."""
    uuid = "62177883-f1bb-47f0-914d-32a22e3a8804"
    twice = guest_text("a", uuid=uuid)
    site = site_of(
        tmp_path,
        HOST,
        *(guest_text("a"), twice.replace(name, replacement)),
        *(guest_text("b", uuid=uuid), guest_text("c", host="lpar9").replace(name, replacement)),
    )

    wrong = "unknown-kind" if "kind" in name else "unknown-api-version"
    assert sorted(ids(site)) == sorted([wrong, wrong, "duplicate-guest", "duplicate-uuid", "unknown-host"])


@pytest.mark.parametrize(
    ("name", "replacement"), [("kind: Host", "kind: Hots"), ("apiVersion: reconciler/v1", "apiVersion: v9")]
)
def test_such_hosts_are_there(tmp_path: Path, name: str, replacement: str) -> None:
    """A Host of a wrong kind or version has its guests, and may be described twice."""
    host = HOST.replace(name, replacement)

    assert len(ids(site_of(tmp_path, host, guest_text("a"), guest_text("b", host="lpar7")))) == 1
    assert "duplicate-host" in ids(site_of(tmp_path, host, HOST))


def test_a_host_that_may_be_there_is_not_missed(tmp_path: Path) -> None:
    """Where a document without a kind and a name may be the Host, nothing is concluded from its absence."""
    unnamed = "apiVersion: reconciler/v1\nmetadata: {}\n"

    assert ids(site_of(tmp_path, unnamed, guest_text("a"))) == ["unknown-kind", "missing-key"]


def test_a_key_that_stands_twice_hides_nothing(tmp_path: Path) -> None:
    """The rest of the document is checked all the same."""
    text = BAD_GUEST + "  adapters: [6]\n"

    assert sorted(ids(site_of(tmp_path, HOST, text))) == sorted(["duplicate-key", *BAD_GUEST_IDS])


def test_problems_of_every_sort_come_together(tmp_path: Path) -> None:
    """YAML, form, wrong kinds, several Hosts and duplicates, in several files."""
    files = {
        "a.yaml": HOST + "---\na: [1\n---\n" + BAD_GUEST,
        "b.yaml": HOST + "---\n" + guest_text("b", host="lpar7") + "---\n" + BAD_GUEST.replace("Guest", "Guset"),
        "c.yaml": host_text("lpar8") + "---\n" + guest_text("b", host="lpar7") + "---\n" + guest_text("left-out"),
        "d.yaml": "\tb: 1\n",
        "e.yaml": "- 1\n---\n" + BAD_HOST.replace("apiVersion: reconciler/v1\n", ""),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def found(name: str) -> list[str]:
        return [one.id for one in problems if one.places[0].position.file.endswith(name)]

    problems: tuple[Problem, ...] = read_site([tmp_path]).problems
    assert found("a.yaml") == ["yaml-syntax", *BAD_GUEST_IDS]
    assert found("b.yaml") == ["duplicate-host", "unknown-kind", *BAD_GUEST_IDS]
    assert found("c.yaml") == ["duplicate-guest", "host-left-out"]
    assert found("d.yaml") == ["yaml-tab"]
    assert found("e.yaml") == ["not-a-mapping", "unknown-api-version", *BAD_HOST_IDS]


def test_conflicts_are_reported_beside_wrong_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`validate` shows that two guests claim the same queue, also where other documents are wrong; it exits with 3."""
    (tmp_path / "site.yaml").write_text(
        "---\n".join([HOST, guest_text("a"), guest_text("b"), guest_text("b"), BAD_GUEST])
    )
    code, _, shown = Command(tmp_path, capsys).bare("validate", "-f", str(tmp_path))

    assert code == 3
    assert shown.count("error[guest-overlap]") == 1
    assert all(f"error[{one}]" in shown for one in ("duplicate-guest", *BAD_GUEST_IDS))
