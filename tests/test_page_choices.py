"""Choosing in the browser: a model by a part of its name, a provider without a key, settings while lists still load."""

import re
import time

import pytest

from llms.testing import ScriptedEndpoint
from test_browser import browser, home, page, pytestmark, server  # noqa: F401


def test_enter_takes_the_first_model_that_a_part_of_its_name_finds(page):  # noqa: F811
    with ScriptedEndpoint(models=("tall-pelican", "small-pelican")) as endpoint:
        page.click("#model-open")
        page.fill("#model", f"{endpoint.url}#small-pelican")
        page.press("#model", "Enter")
        page.wait_for_selector("#picker", state="hidden")
        page.fill("#text", "hello")
        page.press("#text", "Enter")
        page.wait_for_selector("article.assistant .acts")
        page.click("#model-open")
        page.get_by_role("option", name="tall-pelican").wait_for()
        page.fill("#model", "tall-pel")
        page.press("#model", "Enter")
        page.wait_for_selector("#picker", state="hidden")
        assert page.get_attribute("#model-open", "title") == f"Model: {endpoint.url}#tall-pelican"


@pytest.mark.parametrize("typed", ["openai", "openai:gpt-5-mini"])
def test_whoever_looks_for_a_provider_without_a_key_is_told_what_it_needs(page, typed):  # noqa: F811
    page.click("#model-open")
    page.get_by_role("heading", name="openai").wait_for()
    page.fill("#model", typed)
    told = page.locator("#picker section[data-group='openai:']")
    assert re.search("needs a key.*OPENAI_API_KEY", told.inner_text(timeout=3000), re.DOTALL)


def test_the_panel_leaves_the_cursor_where_it_was_put_while_its_lists_load(page):  # noqa: F811
    waiting = []
    page.route("**/api/presets", lambda route: waiting.append(route))
    with page.expect_request("**/api/presets"):
        page.click("#panel-open")
    page.click("#system")
    page.keyboard.type("Be ")
    with page.expect_response("**/api/presets"):
        waiting.pop().continue_()
    page.wait_for_selector("#tool-calculator")
    page.keyboard.type("brief.")
    assert page.input_value("#system") == "Be brief."


def test_a_preset_holds_what_was_typed_just_before_it_was_saved(page):  # noqa: F811
    page.route("**/api/settings", lambda route: (time.sleep(0.3), route.continue_()))
    page.click("#panel-open")
    page.wait_for_selector("#tool-calculator")
    page.click("text=Save as preset")
    page.fill("[aria-label='Name of the preset']", "pirate")
    page.fill("#system", "Answer as a pirate.")
    page.click(".panel button:text-is('Save')")
    page.wait_for_function("() => document.getElementById('preset').value === 'pirate'")
    assert page.input_value("#system") == "Answer as a pirate."
    page.goto(page.url)
    page.click("#panel-open")
    page.wait_for_selector("#tool-calculator")
    page.select_option("#preset", "pirate")
    page.wait_for_function("() => document.getElementById('system').value === 'Answer as a pirate.'")


def test_a_file_that_is_refused_is_seen_among_many(page, tmp_path):  # noqa: F811
    page.set_viewport_size({"width": 360, "height": 740})
    names = [*(f"notes-{number}.txt" for number in range(16)), "empty.txt"]
    for name in names:
        (tmp_path / name).write_text("" if name == "empty.txt" else "some notes")
    page.set_input_files("#file", [str(tmp_path / name) for name in names])
    refused = page.locator("#attached .bad")
    refused.wait_for()
    page.wait_for_function("() => !document.querySelector('#attached [aria-busy]')")
    shown, box = page.locator("#attached").bounding_box(), refused.bounding_box()
    assert shown["y"] <= box["y"]
    assert box["y"] + box["height"] <= shown["y"] + shown["height"] + 1
