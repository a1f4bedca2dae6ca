"""Each way in which a document can have the wrong form is explained at the right place."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.manifests import schema
from reconciler.manifests.data import MOST_PROBLEMS, Data
from reconciler.manifests.fields import fields_of, find_field
from reconciler.manifests.form_problems import form_problems
from reconciler.manifests.schema import Forms, load_schema
from reconciler.manifests.site import read_site
from reconciler.model.problems import Position
from testing.manifests import (
    DOCUMENTS,
    HOST,
    guest_text,
    host_text,
    machine_text,
    marked,
    mutate,
    only_problem,
    site_of,
)

FORMS = Forms()
TOP = "apiVersion: reconciler/v1\n"


@pytest.mark.parametrize(
    ("document", "id", "shown", "words"),
    [
        (guest_text(adapters="[010]"), "leading-zero", "010", "0x10 if hex"),
        (guest_text(adapters="[4, no]"), "bad-id", "no", "'no'"),
        (guest_text(adapters="[256]"), "id-out-of-range", "256", "spec.adapters[0]: 256"),
        (guest_text(adapters="[4, ]", domains="\n  - 4\n  -\n"), "bad-id", "", "there is no number"),
        (guest_text(adapters="5"), "wrong-type", "5", "Write [5]."),
        (guest_text(adapters="5,6"), "wrong-type", "5,6", "Write [5,6]."),
        (guest_text(adapters="{a: 5}"), "wrong-type", "{a: 5}", "a mapping"),
        (guest_text(adapters="~"), "wrong-type", "~", "nothing"),
        (guest_text(adapters="~"), "wrong-type", "~", "or remove the key."),
        (machine_text("cpc-a", "~"), "wrong-type", "~", "or remove the entry."),
        (guest_text(controlDomains=" # none"), "wrong-type", "controlDomains", "nothing"),
        (guest_text(adapters=f"[{'4,' * 300}]"), "too-many-entries", None, "300 entries"),
        (guest_text(adapters=""), "guest-without-queues", "spec", "lacks adapters"),
        (guest_text(adapters="", domains="", host="lpar7"), "guest-without-queues", "spec", "adapters and domains"),
        (guest_text(queues="[05.0004]", domains="[4]"), "queues-and-adapters", "[05.0004]", "as well as"),
        (guest_text(queues='["5.4"]'), "bad-queue", '"5.4"', "'5.4'"),
        (guest_text(queues='["05.0100"]'), "bad-queue", '"05.0100"', "hex"),
        (guest_text(uuid="1234"), "bad-uuid", "1234", "1234"),
        (guest_text(activation="actve"), "unknown-value", "actve", "Did you mean 'active'?"),
        (guest_text(activation="[active]"), "unknown-value", "[active]", "a list"),
        (guest_text(presence=" # any?"), "unknown-value", "presence", "has no value"),
        (guest_text(disruption="true"), "unknown-value", "true", "allow or refuse"),
        (guest_text(host="LPAR7"), "bad-name", "LPAR7", "lower-case"),
        (guest_text(host="[lpar7, lpar8]"), "bad-name", "[lpar7, lpar8]", "Write hosts in place of host"),
        (guest_text(host="lpar7", hosts="[lpar7]"), "host-and-hosts", "[lpar7]", "spec has host and hosts"),
        (guest_text(host="lpar7", hosts="\n    - lpar7"), "host-and-hosts", "hosts", "spec has host and hosts"),
        (guest_text(hosts="[lpar7, a, lpar7]"), "repeated-entry", "lpar7", "spec.hosts has 'lpar7' twice"),
        (guest_text(hosts="[]"), "empty-list", "[]", "at least one"),
        (guest_text(hosts="lpar7"), "wrong-type", "lpar7", "Write [lpar7]."),
        (guest_text(hosts="lpar7 lpar8"), "wrong-type", "lpar7 lpar8", "Write [lpar7,lpar8]."),
        (guest_text(hosts="~"), "wrong-type", "~", "nothing"),
        (guest_text(hosts="[LPAR7]"), "bad-name", "LPAR7", "spec.hosts[0]: 'LPAR7'"),
        (guest_text(hosts="[lpar7, 12]"), "bad-name", "12", 'Write "12".'),
        (guest_text(hosts=f"[{', '.join(f'h{one}' for one in range(65))}]"), "too-many-entries", None, "64 at most"),
        (guest_text("../etc"), "bad-name", "../etc", "'../etc'"),
        (guest_text('"a\\n"'), "bad-name", '"a\\n"', "not a name"),
        (guest_text("x" * 64), "bad-name", "x" * 64, "63"),
        (guest_text("12"), "bad-name", "12", 'Write "12".'),
        (guest_text("payments\n  lables: {a: b}"), "unknown-key", "lables", "Did you mean 'labels'?"),
        (guest_text("payments\n  labels: {a: 5}"), "wrong-type", "5", 'Write "5", in quotes.'),
        (guest_text("payments\n  labels: {'': b}"), "bad-form", "{'': b}", "not as it should be"),
        (guest_text(controldomains="[4]"), "unknown-key", "controldomains", "Did you mean 'controlDomains'?"),
        (guest_text(zzz="\n    - 4"), "unknown-key", "zzz", "Known are host"),
        (TOP + "kind: Guest\nmetadata: {name: a}\n", "missing-key", TOP.strip(), "lacks spec"),
        (
            TOP + "kind: Guest\nspec: {adapters: [1], domains: [1]}\n",
            "missing-key",
            TOP.strip(),
            "'metadata: {name: NAME}'",
        ),
        (TOP + "kind: Guest\nmetadata: {}\nspec: {adapters: [1], domains: [1]}\n", "missing-key", "{}", "name"),
        (guest_text().replace("Guest", "Gest"), "unknown-kind", "Gest", "Did you mean 'Guest'?"),
        (guest_text().replace("Guest", "[Guest]"), "unknown-kind", "[Guest]", "a list"),
        (TOP + "metadata: {name: a}\n", "unknown-kind", TOP.strip(), "has no kind"),
        (guest_text().removeprefix(TOP), "unknown-api-version", "kind: Guest", "has no apiVersion"),
        (guest_text().replace("reconciler/v1", "v1"), "unknown-api-version", "v1", "'v1'"),
        ("apiVersion: 1\n", "unknown-api-version", "1", "reconciler/v1"),
        ("just text\n", "not-a-mapping", "just text", "'just text'"),
        ("- a\n- b\n", "not-a-mapping", "- a", "a list"),
        ("true\n", "not-a-mapping", "true", "not true"),
    ],
)
def test_wrong_forms_are_explained(tmp_path: Path, document: str, id: str, shown: str | None, words: str) -> None:
    """The id, what the caret marks, and words of the message or help."""
    problem = only_problem(site_of(tmp_path, HOST, document))

    assert problem.id == id
    assert shown in {None, marked(problem)}
    assert words in problem.message + problem.help
    assert problem.help


@pytest.mark.parametrize(
    ("document", "id", "shown"),
    [
        (host_text(unmanaged="keep"), "unknown-value", "keep"),
        (host_text(pool="{domians: [4]}"), "unknown-key", "domians"),
        (host_text(pool="[4]"), "wrong-type", "[4]"),
        (host_text(keep="[{adapters: [0]}]"), "missing-key", "{adapters: [0]}"),
        (host_text(keep="\n  - adapters: [0]"), "missing-key", "adapters: [0]"),
        (host_text(keep="[{adapters: [0], domains: []}]"), "empty-list", "[]"),
        (host_text(queues="[05.0004]"), "unknown-key", "queues"),
    ],
)
def test_wrong_hosts_are_explained(tmp_path: Path, document: str, id: str, shown: str) -> None:
    """The same for what only a Host has."""
    problem = only_problem(site_of(tmp_path, document))

    assert (problem.id, marked(problem)) == (id, shown)


@pytest.mark.parametrize(
    ("spec", "id", "shown", "label"),
    [
        ({"host": "lpar7", "hosts": "[lpar8]"}, "host-and-hosts", ["[lpar8]", "lpar7"], "and here"),
        ({"hosts": "[lpar8, lpar7, lpar8]"}, "repeated-entry", ["lpar8", "lpar8"], "first here"),
    ],
)
def test_two_places_of_one_fault_are_both_shown(
    tmp_path: Path, spec: dict[str, str], id: str, shown: list[str], label: str
) -> None:
    """The second says what it has to do with the first."""
    problem = only_problem(site_of(tmp_path, HOST, guest_text(**spec)))

    assert (problem.id, [marked(problem, 0), marked(problem, 1)]) == (id, shown)
    assert problem.places[1].label == label
    assert problem.places[0].position != problem.places[1].position


def test_a_list_with_what_is_no_name_twice_is_explained_by_its_entries(tmp_path: Path) -> None:
    """A number has no place among the hosts, however often it is there."""
    site = site_of(tmp_path, HOST, guest_text(hosts="[[], [], lpar7]"))

    assert {one.id for one in site.problems} == {"bad-name"}


def test_each_fault_of_a_document_is_told_once(tmp_path: Path) -> None:
    """A name that is too long and has capitals is one problem, not two."""
    assert only_problem(site_of(tmp_path, HOST, guest_text("X" * 70))).id == "bad-name"


def test_problems_of_one_document_are_limited(tmp_path: Path) -> None:
    """A hopeless document does not drown the others."""
    site = site_of(tmp_path, HOST, guest_text(adapters=f"[{'no, ' * 250}]"), guest_text("B"))

    assert len(site.problems) == MOST_PROBLEMS + 2
    assert [problem.id for problem in site.problems[-2:]] == ["more-problems", "bad-name"]


def test_many_unknown_keys_are_limited(tmp_path: Path) -> None:
    """So does one with thousands of keys that nobody knows."""
    keys = ", ".join(f"k{number}: 1" for number in range(1000))

    assert len(site_of(tmp_path, HOST, guest_text(f"a\n  labels: {{}}\n  x: {{{keys}}}")).problems) == 1
    assert len(site_of(tmp_path, HOST, guest_text(f"a, {keys}}}").replace("\n  name", " {name")).problems) > 50


def test_objections_without_words_of_their_own_are_told_as_they_are() -> None:
    """What a schema may object to beyond what is foreseen is still a problem with a place."""
    axes: Data = {"adapters": [1], "domains": [1]}
    guest: Data = {"apiVersion": "x", "kind": "Guest", "metadata": {"name": "a"}, "spec": axes}

    (problem,) = form_problems("Guest", guest, Position("f", 1, 1))
    assert (problem.id, problem.places[0].field) == ("unknown-value", ("apiVersion",))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["Host", "Guest"]), DOCUMENTS, st.data())
def test_whatever_is_refused_is_explained(kind: str, data: dict[str, Data], draw: st.DataObject) -> None:
    """There is a problem exactly where the form is wrong, each with help."""
    mutate(data, draw)
    problems = form_problems(kind, data, Position("f", 1, 1))

    assert bool(problems) != FORMS.accepts(data, kind)
    assert all(problem.help and problem.message for problem in problems)


def test_other_kinds_are_explained_with_what_their_schemas_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alternative that nothing special is known of is told in general words."""
    (tmp_path / "host.schema.json").write_text('{"properties": {"a": {"anyOf": [{"type": "string"}]}}}')
    monkeypatch.setattr(schema, "_FOLDERS", (str(tmp_path), str(tmp_path)))

    (problem,) = form_problems("Host", {"a": 1}, Position("f", 1, 1))
    assert (problem.id, problem.places[0].field) == ("bad-form", ("a",))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("kind: Host\nmetadata: {name: h, labels: {a: [1]}}", "host.metadata.labels"),
        ("kind: Host\nmetadata: {name: h}\nspec: {keep: [{adapters: x, domains: [1]}]}", "host.spec.keep.adapters"),
        ("kind: Guest\nmetadata: 5\nspec: {adapters: [5], domains: [4]}", "guest.metadata"),
        ("kind: SimulatedHost\nmetadata: {name: h}\nspec: {mdevs: 5}", "simulated-host.spec.mdevs"),
    ],
)
def test_the_command_that_explains_the_field_is_shown(text: str, field: str) -> None:
    """Of a field, or of the nearest above it that the schema names; it is one that there is."""
    data = yaml.safe_load(f"apiVersion: reconciler/v1\n{text}\n")

    (problem,) = form_problems(data["kind"], data, Position("a.yaml", 1, 1))

    assert problem.help == f"`reconcile explain {field}` says what is allowed here."
    kind = field.partition(".")[0]
    assert find_field([fields_of(kind, load_schema(data["kind"]))], field).name == field


@pytest.mark.parametrize("typed", ["domain", "adaptres"])
def test_a_mistyped_key_is_the_only_problem(typed: str) -> None:
    """The key that it stands for is not called missing as well."""
    meant = {"domain": "domains", "adaptres": "adapters"}[typed]
    spec: dict[str, Data] = {"adapters": [5], "domains": [4]}
    spec[typed] = spec.pop(meant)
    data: Data = {"apiVersion": "reconciler/v1", "kind": "Guest", "metadata": {"name": "web"}, "spec": spec}

    problems = form_problems("Guest", data, Position("web.yaml", 1, 1))

    assert [one.id for one in problems] == ["unknown-key"]
    assert f"Did you mean '{meant}'?" in problems[0].help


def test_a_mistyped_key_is_the_only_problem_also_where_that_key_has_to_be() -> None:
    """A name is required of everything."""
    spec: Data = {"adapters": [5], "domains": [4]}
    data: Data = {"apiVersion": "reconciler/v1", "kind": "Guest", "metadata": {"nmae": "web"}, "spec": spec}

    problems = form_problems("Guest", data, Position("web.yaml", 1, 1))

    assert [one.id for one in problems] == ["unknown-key"]
    assert "Did you mean 'name'?" in problems[0].help


@pytest.mark.parametrize("labels", [{"long": "L" * 300}, {"k" * 300: "x"}])
def test_what_is_too_long_is_said_with_the_limit(labels: dict[str, str]) -> None:
    """And only its beginning is shown."""
    head = "apiVersion: reconciler/v1\nkind: Guest\n"
    document = f"{head}metadata: {{name: a, labels: {labels}}}\nspec: {{queues: ['05.0004']}}\n"

    (problem,) = [one for one in read_site([], given=document.encode()).problems if one.id == "bad-form"]

    assert "has 300 characters, more than 253" in problem.message
    assert len(problem.message) < 200
    assert problem.help == "Write 253 characters at most."
