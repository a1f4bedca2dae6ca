"""A whole site, from files to what is wanted of one host."""

from pathlib import Path
from uuid import UUID, uuid5

import pytest

from reconciler.manifests.cross_checks import for_host
from reconciler.manifests.documents import NAMESPACE, derived_uuid
from reconciler.manifests.site import Site, not_checked, other_host, read_site
from reconciler.model.desired import Activation, Desired, Presence, Unmanaged
from reconciler.model.ids import NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.problems import Position, Severity
from testing.manifests import HOST, guest_text, host_text, machine_text, marked, only_problem, site_of

DESIGN_EXAMPLE = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
spec:
  pool:                        # what the host's own drivers give up
    domains: [4, 0x47, 0xab-0xaf]
  keep:
    - {adapters: [0], domains: [0]}
  unmanaged: remove
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: payments, labels: {tenant: cards, area: "1"}}
spec:
  uuid: 62177883-F1BB-47f0-914d-32a22e3a8804
  adapters: [5, 6]
  domains: [4, 0x47]
  controlDomains: [4]
  activation: on-demand
  presence: required
  disruption: allow
"""


def wanted(site: Site, host: str | None = None, machine: str = "elsewhere") -> Desired:
    """What `site` wants of a host, which must be without errors."""
    desired = site.desired(host, machine)
    assert isinstance(desired, Desired), desired
    return desired


def refusal(site: Site, host: str | None = None, machine: str = "elsewhere") -> str:
    """The id of the only error that keeps `site` from telling what it wants."""
    problems = site.desired(host, machine)
    assert not isinstance(problems, Desired)
    (problem,) = problems
    assert problem.help
    return problem.id


def test_everything_that_a_manifest_can_say_is_understood(tmp_path: Path) -> None:
    """Each field of a Host and a Guest ends up in the value that it stands for."""
    desired = wanted(site_of(tmp_path, DESIGN_EXAMPLE))

    host, (guest,) = desired.host, desired.guests
    assert host.given_up is not None
    assert host.given_up.adapters == NO_IDS
    assert host.given_up.domains == IdSet([4, 0x47, *range(0xAB, 0xB0)])
    assert [entry.matrix for entry in host.keep] == [Matrix(IdSet([0]), IdSet([0]))]
    assert host.unmanaged is Unmanaged.REMOVE
    assert guest.config == ApConfig(IdSet([5, 6]), IdSet([4, 0x47]), IdSet([4]))
    assert guest.uuid == "62177883-f1bb-47f0-914d-32a22e3a8804"
    assert (guest.name, guest.host) == ("payments", "lpar7")
    assert guest.labels == (("area", "1"), ("tenant", "cards"))
    assert (guest.activation, guest.presence) == (Activation.ON_DEMAND, Presence.REQUIRED)
    assert guest.disruption_allowed
    assert not guest.queues_listed
    assert guest.position == Position(str(tmp_path / "site.yaml"), 11, 1)


def test_what_is_left_out_has_the_documented_meaning(tmp_path: Path) -> None:
    """Without pool, keep, host, uuid and the rest, the defaults hold."""
    desired = wanted(site_of(tmp_path, HOST, guest_text(domains="[4, 0x47]")))

    (guest,) = desired.guests
    assert desired.host.given_up is None
    assert desired.host.keep == ()
    assert desired.host.unmanaged is Unmanaged.IGNORE
    assert guest.config.control_domains == guest.config.domains
    assert guest.uuid == derived_uuid("lpar7", "payments")
    assert (guest.activation, guest.presence) == (Activation.ACTIVE, Presence.ANY)
    assert not guest.disruption_allowed


def test_derived_uuid_is_a_uuid5_of_host_and_guest() -> None:
    """The quick way to a name-based uuid gives what the standard library gives."""
    names = [("lpar7", f"guest-{number}") for number in range(300)]

    assert [str(uuid5(UUID(NAMESPACE), f"{host}/{guest}")) for host, guest in names] == [
        derived_uuid(host, guest) for host, guest in names
    ]


def test_guests_are_ascending_by_name(tmp_path: Path) -> None:
    """The order of documents does not reach the result."""
    desired = wanted(site_of(tmp_path, guest_text("zeta"), HOST, guest_text("alpha")))

    assert [guest.name for guest in desired.guests] == ["alpha", "zeta"]


def test_only_the_guests_of_the_chosen_host_are_wanted(tmp_path: Path) -> None:
    """Another host's guests are none of this host's business."""
    site = site_of(tmp_path, HOST, host_text("lpar8"), guest_text("a", host="lpar7"), guest_text("b", host="lpar8"))

    assert [guest.name for guest in wanted(site, "lpar8").guests] == ["b"]


@pytest.mark.parametrize("machine", ["lpar8", "LPAR8", "lpar8.example.com"])
def test_host_is_chosen_by_the_name_of_the_machine(tmp_path: Path, machine: str) -> None:
    """With several Hosts and no choice made, the one named like this machine is meant."""
    site = site_of(tmp_path, HOST, host_text("lpar8"))

    assert wanted(site, None, machine).host.name == "lpar8"


def test_only_host_is_chosen_whatever_the_machine_is_called(tmp_path: Path) -> None:
    """One Host is enough to know which one is meant."""
    assert wanted(site_of(tmp_path, HOST), None, "laptop").host.name == "lpar7"


def test_several_hosts_and_none_like_this_machine(tmp_path: Path) -> None:
    """Nobody guesses which host is meant."""
    assert refusal(site_of(tmp_path, HOST, host_text("lpar8")), None, "laptop") == "host-not-chosen"


def test_chosen_host_does_not_exist(tmp_path: Path) -> None:
    """A host that no manifest describes cannot be chosen."""
    assert refusal(site_of(tmp_path, HOST), "lpar9") == "host-not-found"


def test_a_site_with_errors_wants_nothing(tmp_path: Path) -> None:
    """As long as anything is wrong, no host has a desired state."""
    assert refusal(site_of(tmp_path, HOST, guest_text(adapters="[256]"))) == "id-out-of-range"


def test_what_could_be_read_of_a_site_with_errors_is_there_for_looking(tmp_path: Path) -> None:
    """Nothing is applied of it: of guests with one uuid it has the first, and nothing where no Host could be read."""
    same = "62177883-f1bb-47f0-914d-32a22e3a8804"
    broken = site_of(
        tmp_path, HOST, guest_text("a", uuid=same), guest_text("b", uuid=same), guest_text("c", domains="[256]")
    )

    assert not isinstance(broken.desired(None, "elsewhere"), Desired)
    found = broken.readable(None, "elsewhere")
    assert found
    assert [guest.name for guest in found.guests] == ["a"]
    assert broken.readable("lpar8", "elsewhere") is None


def test_labels_of_a_host_are_read_and_change_nothing_that_is_wanted(tmp_path: Path) -> None:
    """They select hosts; two configurations that differ in them only have one digest."""
    labelled = HOST.replace("metadata: {name: lpar7", 'metadata: {labels: {tier: "1", site: north}, name: lpar7')
    plain = wanted(site_of(tmp_path, HOST, guest_text()))

    found = wanted(site_of(tmp_path, labelled, guest_text()))

    assert found.host.labels == (("site", "north"), ("tier", "1"))
    assert plain.host.labels == ()
    assert plain.digest == found.digest


def test_a_label_of_a_host_that_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    """As that of a guest: YAML's escapes have made it, so the text itself shows nothing odd."""
    host = HOST.replace("metadata: {name: lpar7", 'metadata: {labels: {a: "b\\u202ec"}, name: lpar7')
    assert host != HOST

    problems = site_of(tmp_path, host, guest_text()).desired(None, "elsewhere")

    assert not isinstance(problems, Desired)
    assert "control-character" in {one.id for one in problems}


def test_a_label_of_a_guest_that_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    """Its name or its value; the other guests are read."""
    odd = guest_text("odd").replace("metadata:\n", 'metadata:\n  labels: {"b\\u202ec": a, d: "e\\u200bf"}\n')

    site = site_of(tmp_path, HOST, odd, guest_text("web", domains="[5]"))

    assert [one.id for one in site.problems] == ["control-character", "control-character"]
    assert [one.name for one in site.guests] == ["web"]


def test_no_host_shows_the_document_to_add(tmp_path: Path) -> None:
    """The help is a complete Host document with the name that guests use."""
    problem = only_problem(site_of(tmp_path, guest_text(host="lpar9")))

    assert problem.id == "no-host"
    assert problem.help.endswith("apiVersion: reconciler/v1\nkind: Host\nmetadata:\n  name: lpar9")


def test_the_document_to_add_has_the_name_that_is_known(tmp_path: Path) -> None:
    """That of this machine, where no guest names a host and it can be the name of one; other problems stay."""
    problem = only_problem(site_of(tmp_path, guest_text()))

    assert problem.help.startswith("Add one, with the host's short name in place of NAME:\n")
    assert problem.help.endswith("\n  name: NAME")
    assert "NAME" not in for_host(problem, "lpar7").help
    assert for_host(problem, "lpar7").help.endswith("\n  name: lpar7")
    assert for_host(problem, "LPAR_7") == problem
    named = only_problem(site_of(tmp_path, guest_text(host="lpar9")))
    assert for_host(named, "lpar7") == named


def test_manifests_of_another_host_than_the_record_name_both(tmp_path: Path) -> None:
    """And where the only Host is named, and what to do where the machine is called otherwise."""
    problem = other_host(wanted(site_of(tmp_path, HOST)).host, "lpar9")

    assert problem.id == "other-host"
    assert problem.message == "the record is of host 'lpar9', and the manifests describe only host 'lpar7'"
    assert problem.places[0].field == ("metadata", "name")
    assert "--host lpar7" in problem.help


def test_guest_of_an_unknown_host(tmp_path: Path) -> None:
    """The host's name is marked, and the one that was probably meant is named."""
    problem = only_problem(site_of(tmp_path, HOST, guest_text(host="lpar77")))

    assert problem.id == "unknown-host"
    assert marked(problem) == "lpar77"
    assert "Did you mean 'lpar7'?" in problem.help


def test_guest_without_host_where_there_are_several(tmp_path: Path) -> None:
    """A guest must say where it belongs as soon as there is a choice."""
    problem = only_problem(site_of(tmp_path, HOST, host_text("lpar8"), guest_text()))

    assert problem.id == "host-left-out"
    assert marked(problem) == "spec"


def test_an_unreadable_host_is_not_reported_as_missing(tmp_path: Path) -> None:
    """What follows from a problem that is reported anyway is not reported again."""
    broken = HOST + "metadata: twice\n"

    assert only_problem(site_of(tmp_path, broken, guest_text(host="lpar7"))).id == "duplicate-key"


def test_a_host_of_wrong_form_still_counts_as_host(tmp_path: Path) -> None:
    """Guests of a Host with a problem are checked against its name."""
    site = site_of(tmp_path, host_text(unmanaged="keep"), guest_text(), guest_text("b", host="lpar8"))

    assert [problem.id for problem in site.problems] == ["unknown-value", "unknown-host"]


@pytest.mark.parametrize("name", ["lpar7", "other"])
def test_a_host_under_another_api_version_counts_as_perhaps_a_host(tmp_path: Path, name: str) -> None:
    """A document of unknown format is reported, and nothing is concluded from it."""
    foreign = f"apiVersion: v2\nkind: Host\nmetadata: {{name: {name}}}\n"

    assert only_problem(site_of(tmp_path, foreign, guest_text(host=name))).id == "unknown-api-version"


def test_perhaps_hosts_do_not_take_away_the_only_host(tmp_path: Path) -> None:
    """A foreign document does not make a guest's host ambiguous."""
    foreign = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"

    assert only_problem(site_of(tmp_path, HOST, foreign, guest_text())).id == "unknown-api-version"


def test_same_host_twice(tmp_path: Path) -> None:
    """Both places are shown."""
    problem = only_problem(site_of(tmp_path, HOST, HOST))

    assert problem.id == "duplicate-host"
    assert [place.position.line for place in problem.places] == [7, 3]


def test_same_guest_twice(tmp_path: Path) -> None:
    """Two guests of one name on one host are an error, also where only one names the host."""
    problem = only_problem(site_of(tmp_path, HOST, guest_text(host="lpar7"), guest_text(domains="[9]")))

    assert problem.id == "duplicate-guest"
    assert [(marked(problem, index), place.label) for index, place in enumerate(problem.places)] == [
        ("payments", ""),
        ("payments", "first described here"),
    ]


def test_same_guest_name_on_two_hosts_is_fine(tmp_path: Path) -> None:
    """Names are unique per host only, and so are uuids: a guest may move."""
    uuid = "62177883-f1bb-47f0-914d-32a22e3a8804"
    guests = [guest_text(host=host, uuid=uuid) for host in ("lpar7", "lpar8")]

    assert not site_of(tmp_path, HOST, host_text("lpar8"), *guests).problems


def test_same_uuid_twice(tmp_path: Path) -> None:
    """A uuid names one mediated device, in whatever case it is written."""
    one, other = "62177883-f1bb-47f0-914d-32a22e3a8804", "62177883-F1BB-47F0-914D-32A22E3A8804"
    problem = only_problem(site_of(tmp_path, HOST, guest_text("a", uuid=one), guest_text("b", uuid=other)))

    assert problem.id == "duplicate-uuid"
    assert [other, one] == [marked(problem, 0), marked(problem, 1)]


def test_uuid_that_another_guest_derives(tmp_path: Path) -> None:
    """A written uuid may not be the one that another guest gets by its name."""
    taken = derived_uuid("lpar7", "a")

    assert only_problem(site_of(tmp_path, HOST, guest_text("a"), guest_text("b", uuid=taken))).id == "duplicate-uuid"


def test_simulated_hosts_beside_the_manifests_are_skipped(tmp_path: Path) -> None:
    """The description of a simulated host may stand in the same directory."""
    simulated = "apiVersion: reconciler/v1\nkind: SimulatedHost\nanything: goes\n"

    assert not site_of(tmp_path, HOST, simulated, guest_text()).problems


def test_queues_one_by_one(tmp_path: Path) -> None:
    """A full product of queues is the same as its adapters and domains; quotes are optional."""
    listed = '["05.0004", "05.0047", 06.0004, "06.0047"]'
    (guest,) = wanted(site_of(tmp_path, HOST, guest_text(queues=listed))).guests

    assert guest.config == ApConfig(IdSet([5, 6]), IdSet([4, 0x47]), IdSet([4, 0x47]))
    assert guest.queues_listed


def test_queues_that_are_no_product_name_what_would_come_on_top(tmp_path: Path) -> None:
    """The guest would get queues that nobody chose; they are named."""
    problem = only_problem(site_of(tmp_path, HOST, guest_text(queues='["05.0004", "06.0047"]')))

    assert problem.id == "queues-no-product"
    assert "05.0047, 06.0004 on top" in problem.message
    assert marked(problem) == '["05.0004", "06.0047"]'


def test_many_queues_on_top_are_counted(tmp_path: Path) -> None:
    """A long list of additional queues is cut."""
    listed = ", ".join(f'"{number:02x}.{number:04x}"' for number in range(10))

    assert "and 74 more on top" in only_problem(site_of(tmp_path, HOST, guest_text(queues=f"[{listed}]"))).message


def test_queue_listed_twice_is_only_a_warning(tmp_path: Path) -> None:
    """A repetition is harmless, but may be a slip."""
    site = site_of(tmp_path, HOST, guest_text(queues='["05.0004", "05.0004"]'))

    problem = only_problem(site)
    assert (problem.id, problem.severity) == ("repeated-queue", Severity.WARNING)
    assert problem.places[0].position.column == 23
    assert wanted(site).guests


@pytest.mark.parametrize(("ids", "column"), [("[4, 5, 4]", 19), ("[4, 0x04]", 16), ("[4-6, 0x4-0x6]", 18)])
def test_id_listed_twice_is_only_a_warning(tmp_path: Path, ids: str, column: int) -> None:
    """The same id or range twice, in whatever spelling, is told and does no harm."""
    site = site_of(tmp_path, HOST, guest_text(domains=ids))

    problem = only_problem(site)
    assert (problem.id, problem.severity) == ("repeated-id", Severity.WARNING)
    assert problem.places[0].position.column == column
    assert wanted(site).guests


def test_id_listed_twice_in_a_host(tmp_path: Path) -> None:
    """The same holds for what a host gives up."""
    problem = only_problem(site_of(tmp_path, host_text(pool="{domains: [4, 5, 0x04]}")))

    assert (problem.id, marked(problem)) == ("repeated-id", "0x04")


def test_a_repetition_is_told_only_where_it_is(tmp_path: Path) -> None:
    """A guest that is read after one with a repetition is not warned of."""
    assert only_problem(site_of(tmp_path, HOST, guest_text("a", domains="[4, 4]"), guest_text("b"))).id == "repeated-id"


def test_a_nameless_host_may_be_the_one_that_is_missing(tmp_path: Path) -> None:
    """Where a Host has no readable name, nobody concludes that a guest's host does not exist."""
    nameless = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: [a]}\n"

    assert only_problem(site_of(tmp_path, nameless, guest_text(host="lpar7"))).id == "bad-name"


def test_overlapping_ranges_are_fine(tmp_path: Path) -> None:
    """Ranges are often written for their meaning, not to be disjoint."""
    assert not site_of(tmp_path, HOST, guest_text(domains="[4-6, 5-9, 7]")).problems


@pytest.mark.parametrize(
    "document",
    [
        host_text(pool="{domains: [9-4]}"),
        host_text(keep="[{adapters: [0], domains: [9-4]}]"),
        guest_text(adapters="[9-4]"),
        guest_text(controlDomains="[9-4]"),
        guest_text(queues='["05.0004"]', controlDomains="[9-4]"),
    ],
)
def test_reversed_ranges_are_found_everywhere(tmp_path: Path, document: str) -> None:
    """A range that runs backwards is an error with the range marked, not an empty set."""
    problem = only_problem(site_of(tmp_path, *([HOST] if "Guest" in document else []), document))

    assert problem.id == "reversed-range"
    assert marked(problem) == "9-4"
    assert "4-9" in problem.help


def unseen(document: str) -> str:
    """`document` with a label that has a character which cannot be seen."""
    return document.replace("metadata:\n", 'metadata:\n  labels: {a: "b\\u200bc"}\n')


@pytest.mark.parametrize(
    ("document", "others"),
    [
        (guest_text(adapters="[9-4, 05, 0x47-50]"), ["leading-zero", "reversed-range"]),
        (guest_text(adapters="[9-4]", domains="[9-5]", activatoin="active"), ["reversed-range", "unknown-key"]),
        (guest_text(queues='["05.0004", "06.0005"]', controlDomains="[9-4, 8-3]"), ["queues-no-product"]),
        (host_text(pool="{domains: [9-4, 7-2]}", keep="5"), ["wrong-type"]),
        (host_text(keep="[{adapters: [9-4], domains: [300]}, {adapters: [5-1], domains: [2]}]"), ["id-out-of-range"]),
        (machine_text("a", "{name: A, adapters: [9-4], usageDomains: [5-1]}", mode="x"), ["unknown-value"]),
        (unseen(guest_text(adapters="[9-4]", domains="[9-5]")), ["control-character"]),
        (unseen(host_text(pool="{adapters: [9-4], domains: [9-5]}")), ["control-character"]),
    ],
)
def test_reversed_ranges_are_reported_beside_other_problems(tmp_path: Path, document: str, others: list[str]) -> None:
    """Of the same list, of the same document, of each kind."""
    site = site_of(tmp_path, *([HOST] if "Guest" in document else []), document)

    ids = [one.id for one in site.problems]
    assert ids.count("reversed-range") == 2
    assert {*ids} == {"reversed-range", *others}


def test_all_problems_of_all_files_are_reported_in_one_run(tmp_path: Path) -> None:
    """One problem hides no other: not in its document, nor its file, nor another file."""
    (tmp_path / "a.yaml").write_text(HOST + "---\na: [\n---\n" + guest_text("A", adapters="[010, 256]", dmains="[4]"))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "c.yaml").write_text(guest_text("x", host="lpar7") + "---\n" + guest_text("x", host="lpar7"))
    (tmp_path / "d.yaml").symlink_to("/etc/hostname.yaml")
    found = [problem.id for problem in read_site([tmp_path, tmp_path / "missing"]).problems]

    assert found == [
        *("yaml-syntax", "bad-name", "leading-zero", "id-out-of-range", "unknown-key"),
        *("not-utf8", "duplicate-guest", "link-leaves-directory", "path-missing"),
    ]


def test_thousands_of_guests_in_as_many_files(tmp_path: Path) -> None:
    """A site may be one file per guest."""
    for number in range(2000):
        (tmp_path / f"guest-{number}.yaml").write_text(guest_text(f"guest-{number}"))
    (tmp_path / "host.yaml").write_text(HOST)

    assert len(wanted(read_site([tmp_path])).guests) == 2000


def test_a_heap_of_files_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with too much in it is the wrong one, and must not cost all memory."""
    monkeypatch.setattr("reconciler.manifests.files.MOST_BYTES", 1000)
    for name in "abcd":
        (tmp_path / f"{name}.yaml").write_text("#" * 400, encoding="utf-8")

    site = read_site([tmp_path])

    assert [problem.id for problem in site.problems if problem.id == "too-much"] == ["too-much"]
    assert [Path(name).name for name in site.sources] == ["a.yaml", "b.yaml"]


def test_a_huge_foreign_tree_is_one_problem(tmp_path: Path) -> None:
    """`reconcile drift` in /tmp: it stops early, and says that this is the wrong directory."""
    for number in range(300):
        (tmp_path / f"{number:03}.yaml").write_text(
            "apiVersion: v1\nkind: Pod\n" if number % 2 else "a: [", encoding="utf-8"
        )

    (problem,) = read_site([tmp_path]).problems

    assert problem.id == "no-manifests"
    assert "none of the first 100 of 300 YAML files" in problem.message
    (tmp_path / "000.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n", encoding="utf-8"
    )
    (problem,) = read_site([tmp_path]).problems

    assert problem.id == "foreign-files"
    assert problem.message == (
        f"{tmp_path} does not look like a directory of manifests: of the first 101 of its 300 YAML files 100 are for "
        "other programs"
    )


@pytest.mark.parametrize(("copies", "is_wrong"), [(3, False), (6, False), (12, True)])
def test_a_few_sites_beside_each_other_are_said_to_be_so_first(tmp_path: Path, copies: int, is_wrong: bool) -> None:
    """As above the examples of this project: which directory is meant is the first question; a backup is no reason."""
    for number in range(copies):
        (tmp_path / f"copy-{number:03}").mkdir()
        (tmp_path / f"copy-{number:03}/host.yaml").write_text(HOST, encoding="utf-8")

    problems = read_site([tmp_path]).problems

    found = [one.message for one in problems if one.id == "foreign-files"]
    assert bool(found) is is_wrong
    assert all("of its 12 YAML files 11 describe what others of them describe" in one for one in found)


def test_a_heap_of_sites_is_one_problem(tmp_path: Path) -> None:
    """`reconcile validate` above many copies of a site: it stops early, whatever their number, and repeats nothing."""
    for number in range(300):
        (tmp_path / f"copy-{number:03}").mkdir()
        for name, text in (("host", HOST), ("guests", guest_text("guest-1"))):
            (tmp_path / f"copy-{number:03}" / f"{name}.yaml").write_text(text, encoding="utf-8")

    (problem,) = read_site([tmp_path]).problems

    assert problem.id == "foreign-files"
    assert "of the first 102 of its 600 YAML files 100 describe what others of them describe" in problem.message


@pytest.mark.parametrize("make", ["links", "circles"])
def test_a_tree_that_is_refused_everywhere_is_not_read(tmp_path: Path, make: str) -> None:
    """`reconcile plan` in / finds thousands of links out of it, and files that cannot be read."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "host.yaml").write_text(HOST, encoding="utf-8")
    for number in range(300):
        (site / f"{number:03}.yaml").symlink_to("../elsewhere.yaml" if make == "links" else f"{number:03}.yaml")

    found = read_site([site])

    (wrong,) = (one for one in found.problems if one.id == "foreign-files")
    assert wrong.message == (
        f"{site} does not look like a directory of manifests: already 100 entries in it cannot be read, or are links "
        "that lead out of it"
    )
    assert found.sources == {}
    assert len(found.problems) == 101


def test_a_site_beside_its_backup_is_read_as_a_whole(tmp_path: Path) -> None:
    """With a hundred files of other programs: most of it are manifests, and each problem is one of its own."""
    for folder in ("site", "site-backup"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "host.yaml").write_text(HOST, encoding="utf-8")
        for number in range(150):
            (tmp_path / folder / f"{number}.yaml").write_text(guest_text(f"guest-{number}"), encoding="utf-8")
    for number in range(90):
        (tmp_path / f"pod-{number}.yaml").write_text("apiVersion: v1\nkind: Pod\n", encoding="utf-8")

    found = {one.id for one in read_site([tmp_path / "site", tmp_path / "site-backup"]).problems}

    assert found >= {"duplicate-guest", "duplicate-host"}
    assert "foreign-files" not in found


OTHERS = "- name: copy\n  copy: {dest: /etc/reconciler/guests.yaml}\n---\nkind: Other\n"


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_directory_of_other_programs_is_named_as_the_wrong_one(tmp_path: Path, count: int) -> None:
    """However few files it has; a path of ours in one of them is no manifest. What is wrong with each is kept."""
    for number in range(count):
        (tmp_path / f"{number:02}.yaml").write_text(OTHERS, encoding="utf-8")

    *others, last = read_site([tmp_path]).problems

    assert (last.id, last.places) == ("no-manifests", ())
    assert last.message == f"{tmp_path} holds no manifests: no YAML file in it has apiVersion reconciler/v1"
    assert len([one for one in others if one.id != "no-host"]) == 2 * count


def test_a_file_that_was_named_is_no_wrong_directory(tmp_path: Path) -> None:
    """What is wrong with it is enough."""
    (tmp_path / "one.yaml").write_text(OTHERS, encoding="utf-8")

    assert "no-manifests" not in [one.id for one in read_site([tmp_path / "one.yaml"]).problems]


@pytest.mark.parametrize(("ours", "place"), [(("site/a", "site/b"), "site"), (("site/a", "b"), None), (("b",), None)])
def test_manifests_among_many_other_files_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: tuple[str, ...], place: str | None
) -> None:
    """Where they are in one directory below, it is named; a few other files are only wrong by themselves."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    for number, name in enumerate(ours):
        text = guest_text(f"guest-{number}") if number else HOST
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    for number in range(4):
        assert "foreign-files" not in [one.id for one in read_site(["."]).problems]
        (tmp_path / f"other-{number}.yaml").write_text(OTHERS, encoding="utf-8")

    (found,) = (one for one in read_site(["."]).problems if one.id == "foreign-files")

    assert f"only {len(ours)} of the {len(ours) + 4} YAML files in ." in found.message
    assert [one.position.file for one in found.places] == ([f"./{place}"] if place else [])


def test_where_all_was_checked_no_note_says_otherwise(tmp_path: Path) -> None:
    """Nor where there are no manifests; a check that was left out is named."""
    assert not_checked(read_site([tmp_path])) == []
    (tmp_path / "host.yaml").write_text(HOST, encoding="utf-8")
    site = read_site([tmp_path])
    assert not_checked(site) == []
    (left,) = not_checked(site, ["uuids were not compared"])
    assert (left.details, left.message) == (
        ("uuids were not compared",), "there are errors, so that not everything was checked",
    )  # fmt: skip
    (tmp_path / "more.yaml").write_text("kind: [", encoding="utf-8")
    (unread,) = not_checked(read_site([tmp_path]))
    assert unread.message.startswith("1 document could not be read")
