"""Every page looks as its golden pictures do: at three sizes, light and dark, from a real server in a real browser.

    python tests/test_screens.py --write [SCENE ...]   # the golden pictures anew, after a look at those in build/screens

A golden picture is a sheet of a state's shots, each shrunk to an eighth, so that edges of letters do not count while whatever
moves, goes or changes its colour does. Fonts differ between machines: where they do, there is nothing to compare with.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from screens import GIVEN, NOW, SCENES, SIZES, Scene, fill, models, serving
from serving import TOKEN
from test_browser import CHROMIUM, QUIET, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="pictures need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
GOLDEN = Path(__file__).parent / "golden" / "screens"
SEEN = Path(__file__).parents[1] / "build" / "screens"
SHRUNK = 8
BLOCK = 4  # of the shrunk picture: 32 pixels of the page
MEAN, WORST = 1.5, 20.0  # of 255
FONTS = """() => Object.fromEntries(["system-ui", "sans-serif", "monospace", "ui-monospace"].map((name) => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `100px ${name}`;
  return [name, ["Hamburgefonstiv 0123456789", "mmmmiiii"].map((text) => Math.round(pen.measureText(text).width))];
}))"""


class Studio:
    """A server of pages and a browser before it; the store is filled when the first scene needs it."""

    def __init__(self, address: str, model: str, home: Path, context):
        self.address, self.model, self.home, self.context = address, model, home, context
        self.filled = False

    def fonts(self) -> dict[str, list[int]]:
        """Widths of texts in pixels, by the font's name."""
        page = self.context.new_page()
        try:
            page.goto(self.address)
            return page.evaluate(FONTS)
        finally:
            page.close()

    def shoot(self, scene: Scene, change: Callable = lambda page: None) -> dict[str, Image.Image]:
        """The scene's shots, by size and scheme; `change` is done to the page before each."""
        if not scene.empty and not self.filled:
            fill(self.home, self.model)
            self.filled = True
        page = self.context.new_page()
        shots = {}
        try:
            for size in scene.sizes:
                width, height = SIZES[size]
                page.set_viewport_size({"width": width, "height": height})
                if scene.anew or size == scene.sizes[0]:
                    page.goto(self.address + scene.path)
                    if page.locator("#meter").count():
                        page.wait_for_selector("#meter button")
                    scene.way(page)
                page.mouse.move(0, 0)  # nothing is under the pointer
                change(page)
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    page.evaluate(
                        "document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"
                    )
                    shots[f"{size}-{scheme}"] = picture(page.screenshot(animations="disabled", caret="hide"))
        finally:
            page.close()
        return shots


def picture(data: bytes) -> Image.Image:
    from io import BytesIO

    return Image.open(BytesIO(data)).convert("RGB")


def giving(value: object) -> Callable:
    return lambda route: route.fulfill(json=value)


@contextmanager
def opened(home: Path) -> Iterator[Studio]:
    with serving(home) as (address, model), playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = chromium.new_context(locale="en-US", timezone_id="UTC", reduced_motion="reduce")
        context.set_default_timeout(30_000)
        context.clock.set_fixed_time(NOW)
        for path, value in {**GIVEN, "/api/models": models(model)}.items():
            context.route(f"**{path}", giving(value))
        context.new_page().goto(f"{address}/?token={TOKEN}")
        context.pages[0].close()
        yield Studio(address, model, home, context)
        chromium.close()


def sheet(shots: dict[str, Image.Image]) -> Image.Image:
    """The shots beside each other, each shrunk, in 32 steps of each colour."""
    small = [
        shot.resize((shot.width // SHRUNK, shot.height // SHRUNK), Image.Resampling.BOX) for shot in shots.values()
    ]
    whole = Image.new("RGB", (sum(one.width for one in small), max(one.height for one in small)))
    place = 0
    for one in small:
        whole.paste(one, (place, 0))
        place += one.width
    return whole.point(lambda value: value & 0xF8)


def difference(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """(mean, worst block) of 255; infinite for pictures of different sizes."""
    if one.size != other.size:
        return float("inf"), float("inf")
    apart = np.abs(np.asarray(one, float) - np.asarray(other, float)).mean(axis=2)
    height, width = (length // BLOCK * BLOCK for length in apart.shape)
    blocks = apart[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).mean(axis=(1, 3))
    return float(apart.mean()), float(blocks.max())


def same(one: Image.Image, other: Image.Image) -> bool:
    mean, worst = difference(one, other)
    return mean <= MEAN and worst <= WORST


def golden(name: str) -> Image.Image:
    return Image.open(GOLDEN / f"{name}.webp").convert("RGB")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("screens")) as studio:
        known, here = json.loads((GOLDEN / "fonts.json").read_text()), studio.fonts()
        if known != here:
            pytest.skip(f"the fonts of this machine are not those of the golden pictures: {here}, not {known}")
        yield studio


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_a_page_looks_as_it_did(studio, name):
    shots = studio.shoot(SCENES[name])
    mean, worst = difference(sheet(shots), golden(name))
    if mean > MEAN or worst > WORST:
        SEEN.mkdir(parents=True, exist_ok=True)
        for shot, taken in shots.items():
            taken.save(SEEN / f"{name}-{shot}.png")
        pytest.fail(
            f"{name} differs from {GOLDEN / name}.webp by {mean:.1f} on the mean (at most {MEAN}) and {worst:.0f} at its "
            f"worst place (at most {WORST}). Look at {SEEN}/{name}-*.png; if they are right, run "
            f"python tests/test_screens.py --write {name}"
        )


WRONG = {
    "the box is gone": "document.getElementById('composer').style.visibility = 'hidden'",
    "the list is moved": "document.getElementById('side').style.marginLeft = '40px'",
    "the colours are inverted": "document.documentElement.style.filter = 'invert(1)'",
    "dark stays light": "document.documentElement.style.cssText = '--ground: #fff; --ink: #111; --raised: #f6f7f9'",
    "the text is larger": "document.querySelector('.log').style.zoom = 1.15",
    "a message is gone": "document.querySelector('article.user').remove()",
    "no style": "document.querySelectorAll('link[rel=stylesheet]').forEach((one) => one.remove())",
    "a banner over all": "document.body.prepend(Object.assign(document.createElement('p'), { textContent: 'x' }))",
}


USUAL = Scene("/c/usual", sizes=("desk",))


@pytest.fixture(scope="module")
def usual(studio):
    return sheet(studio.shoot(USUAL))


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_page_is_noticed(studio, usual, wrong):
    assert not same(usual, sheet(studio.shoot(USUAL, lambda page: page.evaluate(WRONG[wrong]))))


def write(names: list[str]) -> None:
    """The golden pictures of the scenes of these names; whole shots go to build/screens."""
    for folder in (GOLDEN, SEEN):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, opened(Path(home)) as studio:
        (GOLDEN / "fonts.json").write_text(json.dumps(studio.fonts()) + "\n")
        for name in [one for one in SCENES if one in names or not names]:
            shots = studio.shoot(SCENES[name])
            for shot, taken in shots.items():
                taken.save(SEEN / f"{name}-{shot}.png")
            sheet(shots).save(GOLDEN / f"{name}.webp", lossless=True, method=6)
            print(f"{name}: {(GOLDEN / f'{name}.webp').stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", nargs="*", metavar="SCENE", required=True, help="all scenes, if none is named")
    write(parser.parse_args().write)
