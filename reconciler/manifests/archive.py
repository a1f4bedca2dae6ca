"""What one host needs of a site, as one text: the manifests that a controller gives to it.

The documents are those of the site, character by character, each behind a comment with the file and line that it is
from, so that a message on the host leads to the manifest that a person edits.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from reconciler.manifests.data import SourceText
from reconciler.manifests.site import Site
from reconciler.manifests.yaml_stream import Span, document_spans
from reconciler.model.machines import DesiredMachine
from reconciler.model.printable import escaped
from reconciler.model.problems import Position


def archive_of(site: Site, host: str) -> str:
    """The manifests of the Host called `host`, one after the other in the order of files and documents.

    These are the Host, its guests, also those that may move to it, and the machines in which it may run, with the
    machines of the originals of all standbys there. Of other hosts it has the Host alone, and only of those that these
    documents name: what they say of them would be wrong otherwise. A plan by this text must name the host.
    """
    guests = [one for one in site.guests if one.host == host]
    machines = _machines(site.machines, host)
    named = {
        host,
        *(name for guest in guests for name in guest.hosts),
        *(lpar.host for one in machines for lpar in one.lpars),
    }
    places = {
        *(one.position for one in site.hosts if one.name in named),
        *(one.position for one in guests),
        *(one.position for one in machines),
    }
    return "".join(_documents(places, site))


def _machines(machines: Iterable[DesiredMachine], host: str) -> list[DesiredMachine]:
    by_name = {one.name: one for one in machines}
    found: dict[str, DesiredMachine] = {}
    wanted = [one.name for one in by_name.values() if any(lpar.host == host for lpar in one.lpars)]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = by_name[name]
            wanted += [lpar.standby_of.machine for lpar in by_name[name].lpars if lpar.standby_of]
    return list(found.values())


def _documents(places: Iterable[Position], site: Site) -> Iterator[str]:
    by_file: dict[str, list[Position]] = {}
    for place in sorted(places):
        by_file.setdefault(place.file, []).append(place)
    for file, own in by_file.items():
        source = SourceText(file, site.sources[file])
        spans = document_spans(source.text)
        starts = [one.start for one in spans]
        for place in own:
            span = spans[bisect_right(starts, source.offset(place)) - 1]
            yield _document(source.text, span, f"# {escaped(file)}:{place.line}\n")


def _document(text: str, span: Span, comment: str) -> str:
    """One document behind `comment`; it begins with a marker and ends with a line feed, whatever it has itself."""
    own = text[span.start : span.end]
    marker = "" if own.startswith("---") else "---\n"
    return f"{comment}{marker}{own}" + ("" if own.endswith("\n") else "\n")
