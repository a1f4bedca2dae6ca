"""What the tests in a browser rest on: each fault of a page is found."""

from pathlib import Path
from typing import Final

import pytest
from PIL import Image

from testing.browsers import REQUIRED, Browser, differing, invalid

PAGE: Final = """<!DOCTYPE html><html lang="en"><head><title>A page</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body { background: white; color: black } p { margin: 0 }
@media (prefers-color-scheme: dark) { body { background: black; color: white } }</style></head>
<body><main><h1>A page</h1>%s</main></body></html>"""


@pytest.fixture
def shown(page: Browser, tmp_path: Path) -> Browser:
    """A page without a fault."""
    return written(page, tmp_path, "<p>text</p>")


def written(page: Browser, folder: Path, body: str) -> Browser:
    """The `page` with `body`."""
    (folder / "page.html").write_text(PAGE % body)
    page.open((folder / "page.html").as_uri())
    return page


def test_a_page_without_fault_has_none(shown: Browser) -> None:
    """Neither on the console, nor for axe-core."""
    assert [] == shown.faults()
    assert "A page\n\ntext" == shown.text()


@pytest.mark.parametrize("body", ["<script>document.title = 'x'</script>", '<img alt="x" src="x.png">'])
def test_what_the_policy_forbids_is_on_the_console(page: Browser, tmp_path: Path, body: str) -> None:
    """A script and a picture that the Content Security Policy refuses."""
    found = written(page, tmp_path, body).console()

    assert 1 == len(found)
    assert "Content Security Policy" in found[0]


def test_what_people_cannot_use_is_a_fault(page: Browser, tmp_path: Path) -> None:
    """Pale text, and a picture without words; the page's policy is in nobody's way."""
    found = written(page, tmp_path, '<p style="color: #ccc">pale</p><svg role="img"></svg>').faults()

    assert ["color-contrast", "svg-img-alt"] == sorted(fault.split()[1].rstrip(":") for fault in found)


def test_the_validator_finds_what_is_wrong(tmp_path: Path, validator: None) -> None:
    """An element that has no end, with its place; in a page and a picture that are right it finds nothing."""
    picture = '<svg xmlns="http://www.w3.org/2000/svg">%s</svg>'
    (tmp_path / "right.html").write_text(PAGE % "<p>text</p>")
    (tmp_path / "wrong.html").write_text(PAGE % "<p><div></p>")
    (tmp_path / "right.svg").write_text(picture % "<title>text</title>")
    (tmp_path / "wrong.svg").write_text(picture % '<rect wide="1"/>')

    found = invalid(sorted(tmp_path.glob("*.*")))

    assert {"wrong.html", "wrong.svg"} == {line.partition(":1:")[0].rpartition("/")[2].split(":")[0] for line in found}


def test_a_page_is_shown_as_wide_and_as_dark_as_wanted(shown: Browser) -> None:
    """The screenshot has the width, the whole height, and the colours."""
    shown.show(360, "dark")
    shown.ask("document.querySelector('p').style.height = '1500px'")
    taken = shown.screenshot()

    assert 360 == taken.width
    assert taken.height > 1500
    assert (0, 0, 0) == taken.getpixel((359, 0))


def test_a_difference_counts_by_its_pixels() -> None:
    """A shade does not count, a colour does, another size is another picture."""
    kept = Image.new("RGB", (100, 100), (250, 250, 250))
    shade, spot = kept.copy(), kept.copy()
    shade.paste((245, 245, 245), (0, 0, 100, 100))
    spot.paste((0, 90, 200), (0, 0, 10, 10))

    assert 0 == differing(kept, shade)
    assert 0.01 == differing(kept, spot)
    assert 1 == differing(kept, kept.resize((100, 99)))


def test_ci_requires_what_others_may_lack() -> None:
    """Where CI tests, no test in a browser is skipped."""
    assert f"export {REQUIRED}=yes" in (Path(__file__).parents[2] / ".ci" / "run").read_text()
