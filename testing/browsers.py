"""A real browser, headless: pages as people see them, their console, accessibility rules, and screenshots."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from PIL import Image, ImageChops
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from testing.golden import GOLDEN, REWRITE

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = Path(sys.prefix) / "browser" / "node_modules"
"""Where `./run` puts what tests/browser/package-lock.json names."""
AXE: Final = PACKAGES / "axe-core" / "axe.min.js"
VNU: Final = PACKAGES / "vnu-jar" / "build" / "dist" / "vnu.jar"
PATIENCE: Final = 30.0
"""Seconds to wait for what should come soon."""
TOLERATED: Final = 0.005
"""The part of a screenshot's pixels that may differ from the committed one."""
REQUIRED: Final = "RECONCILE_REQUIRE_BROWSER"
"""The environment variable by which CI has these tests fail, not skip, where a program is missing."""
_FLAGS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-lcd-text", "--font-render-hinting=none", "--force-color-profile=srgb", "--force-device-scale-factor=1",
    "--lang=en-US",
)  # fmt: skip
_MOST_CAPTURES: Final = 10
_TALLEST: Final = 2000
"""Pixels of a screenshot's height: of a longer page its beginning."""

Scheme = Literal["light", "dark"]


def what_is_missing() -> str | None:
    """The programs that this machine lacks for tests in a browser; None where all are there."""
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    files = [name for name, file in (("npm's axe-core", AXE), ("fonts-dejavu-core", _font())) if not file.exists()]
    return ", ".join(programs + files) or None


def _font() -> Path:
    return Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def needed(what: str, missing: str | None) -> None:
    """Skip `what` where something is `missing`; on CI it fails."""
    if missing:
        reason = f"NOT TESTED: {what} ({missing} missing)"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)


class Browser:
    """One browser with one page; `driver` is Selenium's."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self._width = 1280

    def show(self, width: int, scheme: Scheme) -> None:
        """Be `width` pixels wide, and prefer colours that are light or dark; without animations."""
        self._width = width
        self._resize(900)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self._cdp("Emulation.setEmulatedMedia", features=features)

    def open(self, address: str) -> None:
        """Go to `address`, and forget what the console had of the page before."""
        self.driver.get("about:blank")
        self.console()
        self.driver.get(address)

    def until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Return when `condition` holds; raise TimeoutException with `what` where it does not within `seconds`."""
        WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(lambda _: condition(), what)

    def text(self, selector: str = "body") -> str:
        """What a person reads in the first element that `selector` finds; nothing where none is to be seen."""
        script = "const one = document.querySelector(arguments[0]); return one?.checkVisibility() ? one.innerText : ''"
        return str(self.ask(script, selector))

    def texts(self, selector: str) -> list[str]:
        """What a person reads in each element that `selector` finds."""
        script = "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText)"
        return list(self.ask(script, selector))

    def ask(self, script: str, *values: object) -> Any:
        """What `script` returns in the page."""
        return self.driver.execute_script(script, *values)

    def console(self) -> list[str]:
        """What the console has got since it was asked last."""
        return [f"{line['level']} {line['message']}" for line in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def assert_silent(self) -> None:
        """Nothing on the console: no violation of the Content Security Policy, no error of a script."""
        found = self.console()

        assert [] == found

    def faults(self) -> list[str]:
        """What axe-core finds serious or critical in the page, with the elements."""
        self._cdp("Runtime.evaluate", expression=AXE.read_text(encoding="utf-8"))
        script = """const done = arguments[0];
            axe.run(document, {preload: false, resultTypes: ["violations"]}).then(done, error => done(String(error)))"""
        found = self.driver.execute_async_script(script)
        assert isinstance(found, dict), found
        return [
            f"{fault['impact']} {fault['id']}: {fault['help']}: {[node['html'][:200] for node in fault['nodes'][:5]]}"
            for fault in found["violations"]
            if fault["impact"] in {"serious", "critical"}
        ]

    def screenshot(self) -> Image.Image:
        """The page, as high as it is, or its beginning."""
        height = self.ask("return Math.ceil(document.documentElement.getBoundingClientRect().height)")
        self._resize(min(max(int(height), 200), _TALLEST))
        try:
            return self._settled()
        finally:
            self._resize(900)

    def _settled(self) -> Image.Image:
        # What scrolls is drawn by another thread: only a picture that stays the same is one of the whole page.
        before, taken = "", self._captured()
        for _ in range(_MOST_CAPTURES):
            if before == taken:
                break
            before, taken = taken, self._captured()
        return Image.open(BytesIO(base64.b64decode(taken))).convert("RGB")

    def _captured(self) -> str:
        frames = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self.driver.execute_async_script(frames)
        return str(self._cdp("Page.captureScreenshot", format="png")["data"])

    def assert_looks_like(self, name: str) -> None:
        """The page looks like ``tests/golden/browser/NAME.png``; `REWRITE_GOLDEN=1 ./run tests ...` takes it anew.

        Where it does not, the picture that was taken is kept in ``build/browser``.
        """
        taken = self.screenshot()
        file = GOLDEN / "browser" / f"{name}.png"
        if os.environ.get(REWRITE):
            file.parent.mkdir(parents=True, exist_ok=True)
            taken.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
            return
        with Image.open(file) as kept:
            difference = differing(kept.convert("RGB"), taken)
        if difference > TOLERATED:
            place = ROOT / "build" / "browser" / f"{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            taken.save(place)
        assert difference <= TOLERATED, f"{difference:.2%} of the pixels differ: see build/browser/{name}.png"

    def _resize(self, height: int) -> None:
        size = {"width": self._width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._cdp("Emulation.setDeviceMetricsOverride", **size)

    def _cdp(self, command: str, **values: object) -> dict[str, Any]:
        found = self.driver.execute_cdp_cmd(command, values)
        assert isinstance(found, dict)
        return found


def differing(kept: Image.Image, taken: Image.Image) -> float:
    """The part of the pixels that differ visibly; pictures of different size differ wholly."""
    if kept.size != taken.size:
        return 1.0
    bands = ImageChops.difference(kept, taken).split()
    largest = bands[0]
    for band in bands[1:]:
        largest = ImageChops.lighter(largest, band)
    # Below this, it is what the palette of the committed file makes of a shade.
    return sum(largest.histogram()[24:]) / (kept.width * kept.height)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that keeps what it keeps in `folder`."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    fonts = ROOT / "tests" / "browser" / "fonts.conf"
    environment = {**os.environ, "FONTCONFIG_FILE": str(fonts), "XDG_CACHE_HOME": str(folder), "TZ": "UTC"}
    service = Service(shutil.which("chromedriver") or "", env=environment, log_output=subprocess.DEVNULL)
    driver = Chrome(options=options, service=service)
    try:
        driver.set_script_timeout(PATIENCE)
        yield Browser(driver)
    finally:
        driver.quit()


def invalid(files: Sequence[Path]) -> list[str]:
    """What the validator of HTML and SVG says of `files`: its errors, with file and place."""
    options = ["--format", "json", "--errors-only", "--exit-zero-always", "--also-check-svg"]
    quick_start = ["-Xss8m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    command = ["java", *quick_start, "-jar", str(VNU), *options, *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [
        f"{message.get('url')}:{message.get('lastLine')}: {message['message']}"
        for message in json.loads(ran.stderr)["messages"]
    ]
