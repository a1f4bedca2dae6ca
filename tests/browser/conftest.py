"""One browser for all tests of a process, and what makes a test skip, or fail, where there is none."""

import shutil
from collections.abc import Iterator

import pytest

from testing.browsers import VNU, Browser, browser, needed, what_is_missing


@pytest.fixture(scope="session")
def _one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    needed("pages in a browser", what_is_missing())
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture
def page(_one_browser: Browser) -> Iterator[Browser]:
    """A browser of 1280 pixels in light colours; nothing may be on its console when the test ends."""
    _one_browser.show(1280, "light")
    _one_browser.open("about:blank")
    yield _one_browser
    _one_browser.assert_silent()


@pytest.fixture(scope="session")
def validator() -> None:
    """The validator of HTML and SVG."""
    missing = [*(["java"] if shutil.which("java") is None else []), *([] if VNU.exists() else ["npm's vnu-jar"])]
    needed("valid HTML and SVG", ", ".join(missing) or None)
