"""The quick and the careful way through a text come to the same documents."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.strict_yaml import read_documents
from reconciler.manifests.yaml_stream import document_spans

CAREFULLY = "# an ! makes the reader look closely\n"
LINES = st.sampled_from(
    [
        *("---", "...", "--- {a: 1}", "--- # comment", "---x", "....", "---\t", "... # end", " ---", "%A b"),
        *("a: 1", "b: 2", "  c: 3", "  - 4", "- 5", "- - 6", "- a: 7", "  b: 8", "a:", "d: |", "  text", "e: >-"),
        *('f: "g', 'h"', "i: 'j'", "[k, l]", "[m,", "n]", "{o: p,", "q: r}", "", "  ", "# comment", "s", "? t", ": u"),
    ]
)
TEXTS = st.lists(LINES, max_size=12).map("\n".join)


@settings(max_examples=500)
@given(TEXTS, st.sampled_from(["", "\n", "\r\n"]))
def test_both_ways_agree(text: str, end: str) -> None:
    """A text of any shape has the same documents, with the same data and places, whichever way it is read."""
    text = text.replace("\n", end or "\n") + end
    quick, quick_problems = read_documents(text, "f")
    careful, careful_problems = read_documents(CAREFULLY + text, "f")

    assert [document.data for document in quick] == [document.data for document in careful]
    assert [one.position.line + 1 for one in quick] == [one.position.line for one in careful]
    assert [one.id for one in quick_problems] == [one.id for one in careful_problems]


@given(TEXTS)
def test_spans_are_the_whole_text(text: str) -> None:
    """The documents of a text follow one another without gap or overlap."""
    assert "".join(text[start:end] for start, end in document_spans(text)) == text
