"""What one run reads and reports at most, counted in work: files, folders, documents, problems, places."""

import difflib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests import files, pinpoint, strict_yaml
from reconciler.manifests.data import SourceText
from reconciler.manifests.files import DiskFiles
from reconciler.manifests.form_problems import FormProblems
from reconciler.manifests.site import ChangedFiles, Site, read_files, read_site
from reconciler.model.desired import Desired
from reconciler.model.problems import MORE, MOST_SHOWN, Position, Problem, ProblemList, Severity
from reconciler.model.similar import MOST_COMPARED
from reconciler.model.stopping import Abandoned, StopToken
from reconciler.watch.file_triggers import watched
from testing import hostile_sites
from testing.hostile_sites import HOST, guest, host


def calls(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[tuple[Any, ...]]:
    """The arguments of all calls of function `name` of `owner` from now on."""
    made: list[tuple[Any, ...]] = []
    real = getattr(owner, name)

    def noted(*words: Any, **named: Any) -> Any:
        made.append(words)
        return real(*words, **named)

    monkeypatch.setattr(owner, name, noted)
    return made


def site_of(folder: Path, text: str) -> Site:
    """What is read where the only file has `text`."""
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return read_site([folder])


def ids(site: Site) -> Counter[str]:
    """How often each kind of problem is shown."""
    return Counter(problem.id for problem in site.problems)


class TestFolders:
    """Folders and links."""

    @pytest.mark.parametrize("number", [3, 25, 60])
    def test_each_folder_is_looked_into_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        """However many ways lead to it; and the loop watches it once."""
        hostile_sites.linked_folders(tmp_path, number)
        looked = calls(monkeypatch, os, "scandir")

        site = read_site([tmp_path])

        assert [one.name for one in site.guests] == ["g"]
        assert len(looked) == number + 2
        looked.clear()
        assert len(watched([str(tmp_path)]).folders) == number + 2
        assert len(looked) == number + 2

    def test_the_order_of_paths_decides_no_name(self, tmp_path: Path) -> None:
        """Where several paths lead to a folder, its files have the first of their names."""
        (tmp_path / "b").mkdir()
        (tmp_path / "b/site.yaml").write_text(HOST, encoding="utf-8")
        (tmp_path / "a").symlink_to("b")
        paths = [tmp_path / "b", tmp_path, tmp_path / "a"]

        assert files.find_files(paths) == files.find_files(paths[::-1])
        assert [one.name for one in files.find_files(paths)[0]] == [str(tmp_path / "a/site.yaml")]

    @pytest.mark.parametrize("number", [10, 100, 300])
    def test_deep_folders_end(self, tmp_path: Path, number: int) -> None:
        """Neither reading nor watching goes deeper than a fixed number."""
        hostile_sites.deep_folders(tmp_path, number)

        site = read_site([tmp_path])

        assert ids(site) == ({} if number <= files.MOST_FOLDERS else {"folder-too-deep": 1})
        assert len(watched([str(tmp_path)]).folders) == min(number + 1, files.MOST_FOLDERS)

    @pytest.mark.parametrize(("bound", "name"), [("MOST_ENTRIES", "many_entries"), ("MOST_FOUND", "many_files")])
    def test_a_folder_with_too_much_is_refused_as_a_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, name: str
    ) -> None:
        """A part of it would be any part: the order of entries is the file system's."""
        monkeypatch.setattr(files, bound, 20)
        getattr(hostile_sites, name)(tmp_path, 19)
        assert "too-much" not in ids(read_site([tmp_path]))
        (tmp_path / "one-more.yaml").touch()
        (tmp_path / "later").mkdir()

        site = read_site([tmp_path])

        assert ids(site) == {"too-much": 1}
        assert site.problems[0].message.startswith(f"with {tmp_path} there are more than 20 ")
        assert site.sources == {}

    def test_folders_together_have_a_bound(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is found in several folders counts together; with too much it is the wrong one, and not read."""
        monkeypatch.setattr(files, "MOST_ENTRIES", 20)
        for name in "abcd":
            (tmp_path / name).mkdir()
            hostile_sites.many_files(tmp_path / name, 8)

        found = read_site([tmp_path])

        assert ids(found) == {"too-much": 1}
        assert found.sources == {}


class TestText:
    """Bytes, documents, values."""

    @pytest.mark.parametrize(
        ("bound", "text"),
        [
            ("MOST_BYTES", "# " + "x" * 200),
            ("MOST_DOCUMENTS", "---\na\n" * 200),
            ("MOST_DOCUMENTS", "...\n" * 200),
            ("MOST_VALUES", "\n" * 200),
            ("MOST_VALUES", f"[{'a,' * 200}]"),
            ("MOST_VALUES", f"{{{'a: {b: c},' * 200}}}"),
        ],
    )
    def test_a_file_with_too_much_is_not_parsed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, text: str
    ) -> None:
        """It is counted, and refused with the bound that it exceeds."""
        monkeypatch.setattr(files, bound, 150)
        monkeypatch.setattr(strict_yaml, "nodes", lambda _: pytest.fail("it was parsed"))

        site = site_of(tmp_path, text)

        assert ids(site) == {"too-much": 1}
        assert site.problems[0].places[0].position == Position(str(tmp_path / "site.yaml"), 1, 1)

    @pytest.mark.parametrize("cached", [False, True])
    def test_files_count_together(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool) -> None:
        """Also where some of them were read before."""
        hostile_sites.many_files(tmp_path, 20)
        read = ChangedFiles().read if cached else read_files
        assert ids(read(DiskFiles([tmp_path], lambda: 1e12))) == {}
        monkeypatch.setattr(files, "MOST_DOCUMENTS", 15)

        site = read(DiskFiles([tmp_path], lambda: 1e12))

        assert ids(site) == {"too-much": 1}
        assert len(site.sources) < 20

    def test_blank_text_costs_no_list_of_its_lines(self) -> None:
        """Ten million lines: positions are found from counts of blocks."""
        text = "\n" * 10_000_000 + "x"

        assert SourceText("f", text).place(10_000_000).position == Position("f", 10_000_001, 1)
        assert SourceText("f", text).offset(Position("f", 10_000_001, 1)) == 10_000_000

    def test_positions_are_those_of_the_lines(self) -> None:
        """Whatever the length of the lines, place and offset are each other's inverse."""
        lines = ["x" * (7 * number % 5000) for number in range(300)]
        source = SourceText("f", "\n".join([*lines, "end"]))
        offset = 0
        for number, line in enumerate(lines, 1):
            for column in {1, len(line)} - {0}:
                at = offset + column - 1
                assert source.place(at).position == Position("f", number, column)
                assert source.offset(Position("f", number, column)) == at
            offset += len(line) + 1
        assert source.offset(Position("f", 999, 1)) == len(source.text) - 1


class TestProblems:
    """How many problems are put into words, and shown."""

    @pytest.mark.parametrize("name", ["tiny", "stray", "leftout", "same uuid", "dup", "long names"])
    def test_the_rest_is_counted(self, tmp_path: Path, name: str) -> None:
        """Twice as many are shown as long as one more."""
        make = hostile_sites.TEXTS[name][0]

        few, many = (site_of(tmp_path, make(MOST_SHOWN + number)).problems for number in (50, 450))

        assert len(few) == len(many) == MOST_SHOWN + 1
        assert many[-1].id == MORE
        assert many[-1].stands_for == few[-1].stands_for + 400
        assert many[-1].message.endswith("more errors are not shown")
        assert sum(len(one.message) + len(one.help) for one in many) < 400 * MOST_SHOWN

    def test_no_decision_hangs_on_what_is_not_shown(self, tmp_path: Path) -> None:
        """An error behind thousands of warnings is shown."""
        repeated = "".join(guest(f"g{one}", "", "", "5, 5") for one in range(1000))

        site = site_of(tmp_path, HOST + repeated + guest("last", "", "", "256"))

        shown = Counter(one.severity for one in site.problems)
        assert shown == {Severity.WARNING: MOST_SHOWN + 1, Severity.ERROR: 1}
        assert not isinstance(site.desired(None, ""), Desired)

    def test_refused_documents_are_explained_while_that_is_shown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What will only be counted costs no explanation."""
        explained = calls(monkeypatch, FormProblems, "of")

        site = site_of(tmp_path, HOST + "".join(guest("NO", "", "", "5") for _ in range(3 * MOST_SHOWN)))

        assert len(explained) == MOST_SHOWN
        assert site.problems[-1].stands_for == 2 * MOST_SHOWN

    def test_a_document_is_read_again_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where its problems come in turns with those of others."""
        again = calls(monkeypatch, pinpoint, "composed")

        site = site_of(tmp_path, HOST + "".join(guest("same") for _ in range(50)))

        assert ids(site) == {"duplicate-guest": 49}
        assert len(again) == len(set(again)) == 50

    def test_reading_again_has_a_bound(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is beyond it is placed at the beginning of its document."""
        text = HOST + "".join(guest("same") for _ in range(50))
        monkeypatch.setattr(pinpoint, "READ_AGAIN", len(text) // 2)

        columns = Counter(one.places[0].position.column for one in site_of(tmp_path, text).problems)

        assert columns[1] + columns[18] == 49
        assert 20 < columns[18] < 30

    @pytest.mark.parametrize("number", [150, 1500])
    def test_few_names_are_compared(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        """Neither the list of hosts nor the guess at one grows with them."""
        compared = calls(monkeypatch, difflib, "get_close_matches")
        text = "".join(host(f"lpar{one}") for one in range(number)) + guest("g", ", host: lparx")

        (problem,) = site_of(tmp_path, text).problems

        assert [len(known) for _, known, *_ in compared] == [MOST_COMPARED]
        assert problem.help.endswith(f" and {number - 10:,} more.")

    @pytest.mark.parametrize(
        "text",
        [
            guest("g", metadata=", labels: {" + "k" * 5000 + ": [1]}"),
            guest("g", ", " + "k" * 5000 + ": 1"),
            guest("x" * 5000),
            guest("g", ", uuid: " + "x" * 5000),
            f"&{'a' * 5000} b\n",
            f"*{'a' * 5000}\n",
            f"!{'a' * 5000} b\n",
            f"apiVersion: {'v' * 5000}\n",
            f"apiVersion: reconciler/v1\nkind: {'k' * 5000}\n",
            "{" + "k" * 5000 + ": 1, " + "k" * 5000 + ": 2}\n",
        ],
    )
    def test_long_words_are_cut(self, tmp_path: Path, text: str) -> None:
        """No message is as long as what it speaks of."""
        for problem in site_of(tmp_path, f"{HOST}---\n{text}").problems:
            assert len(problem.message) + len(problem.help) < 500, problem


class TestProblemList:
    """Collecting problems."""

    def test_lists_of_lists_count_each_problem_once(self) -> None:
        """What one list leaves out, the next one counts on."""
        one = Problem("a", Severity.WARNING, "m")
        part = ProblemList([one] * (MOST_SHOWN + 5)).all

        whole = ProblemList([*part, *part]).all

        assert len(whole) == MOST_SHOWN + 1
        assert whole[-1].stands_for == MOST_SHOWN + 10

    def test_one_is_no_plural(self) -> None:
        """A single problem too many is said in good English."""
        rest = ProblemList([Problem("a", Severity.ERROR, "m")] * (MOST_SHOWN + 1)).all[-1]

        assert rest.message == "1 more error is not shown"


class TestStopping:
    """Reading ends when it is told to."""

    @pytest.mark.parametrize("name", ["folders", "files", "documents", "wrong documents"])
    def test_reading_asks_again_and_again(self, tmp_path: Path, name: str) -> None:
        """It ends at the first word, whatever it is busy with."""
        if name == "folders":
            hostile_sites.linked_folders(tmp_path, 30)
        elif name == "files":
            hostile_sites.many_files(tmp_path, 30)
        else:
            odd = "---\n&anchor a\n" if name == "wrong documents" else ""
            (tmp_path / "site.yaml").write_text(HOST + (odd or guest("g")) * 30, encoding="utf-8")
        asked: list[int] = []

        class Enough(StopToken):
            def check(self) -> None:
                asked.append(1)
                if len(asked) == 20:
                    raise Abandoned("enough")

        with pytest.raises(Abandoned, match="enough"):
            read_site([tmp_path], stop=Enough())

        assert len(asked) == 20
