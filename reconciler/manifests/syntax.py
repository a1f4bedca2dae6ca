"""What libyaml says of a text that is not YAML, in words that help."""

from typing import Final

from yaml.error import MarkedYAMLError, YAMLError

from reconciler.manifests.boundaries import Span
from reconciler.manifests.places import Source, error
from reconciler.model.problems import Problem

_HINTS: Final = {
    "mapping values are not allowed": "Check the indentation, or quote the value if it has a colon in it.",
    "unexpected end of stream": "A quote is not closed.",
    "document indicator": "A quote or bracket is not closed before the next ---.",
    "did not find expected key": "Check that the keys of one mapping begin in the same column.",
    "expected ',' or": "A bracket is not closed, or a comma is missing.",
    "<document start>": "Check the indentation: everything before this line is a whole document.",
    "undefined alias": "Write it out: aliases are not used in manifests.",
}


def syntax_problem(source: Source, span: Span, wrong: YAMLError) -> Problem:
    """The problem that `wrong`, raised for the document in `span`, tells of."""
    mark = wrong.problem_mark if isinstance(wrong, MarkedYAMLError) else None
    # At the end of the text libyaml's mark may stand behind it, on a line that is not there.
    offset = max(span.start, min(span.start + (mark.index if mark else 0), span.end - 1))
    places = (source.place(offset),)
    if source.text.startswith("\t", offset):
        return error("yaml-tab", "a tab stands where only spaces may indent", places, "Indent with spaces.")
    said = ", ".join(filter(None, (getattr(wrong, name, None) for name in ("context", "problem")))) or str(wrong)
    hint = next((hint for words, hint in _HINTS.items() if words in said), "Check indentation, quotes and brackets.")
    return error("yaml-syntax", f"this is not YAML: {said}", places, hint)
