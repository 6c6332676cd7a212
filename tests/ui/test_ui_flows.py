"""What people do on the pages, in a browser: narrow by brush and chip, follow evidence, acknowledge, copy, go on live.

On a desktop and on a phone; screenshots of the way are left in ``test-results/``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from logsense.timefmt import parse_time
from tests.ui.browser import NEEDS_CHROMIUM, RESULTS, Watched

pytestmark = NEEDS_CHROMIUM
SIZES = [pytest.param((1280, "light", True), id="desktop"), pytest.param((360, "dark", True), id="phone")]


def parameters(page: Any) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(page.url).query).items()}


def drag(page: Any, start: float, end: float) -> None:
    box = page.locator("svg[data-brush]").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, middle, steps=4)
    page.mouse.move(box["x"] + box["width"] * end, middle, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("window", SIZES, indirect=True)
def test_from_a_question_to_the_line_that_answers_it(window: Watched, request: pytest.FixtureRequest) -> None:
    RESULTS.mkdir(exist_ok=True)
    where = request.node.callspec.id
    page = window.open("/")
    page.locator("#q").fill("connection")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=connection")
    page.screenshot(path=RESULTS / f"way-1-asked-{where}.png")

    first, last = (int(page.locator("svg[data-brush]").get_attribute(f"data-{end}")) for end in ("first", "last"))
    with page.expect_navigation():
        drag(page, 0.4, 0.9)
    chosen = parameters(page)
    begin, end = (parse_time(chosen[name]) // 1_000_000 for name in ("from", "to"))
    assert first <= begin < end <= last
    assert 0.3 < (end - begin) / (last - first) < 0.7
    assert chosen["q"] == "connection"
    page.screenshot(path=RESULTS / f"way-2-brushed-{where}.png")

    page.locator(".facet-value a[href*='host%3Aweb1']").first.click()
    page.wait_for_url("**host%3Aweb1**")
    assert parameters(page)["from"] == chosen["from"]  # a chip does not undo the brush
    page.get_by_label("Remove words").or_(page.get_by_label("Remove host")).first.click()
    page.wait_for_url(lambda url: "host%3Aweb1" not in url)
    page.screenshot(path=RESULTS / f"way-3-chip-removed-{where}.png")

    page.locator(".incident-link").first.click()
    page.wait_for_url("**/incidents/INC-42")
    page.screenshot(path=RESULTS / f"way-4-incident-{where}.png")
    page.locator(".summary .cite").first.click()
    page.locator("#sheet .line.here").wait_for()
    page.screenshot(path=RESULTS / f"way-5-citation-{where}.png")
    page.locator("#sheet .line.here a.msg").click()
    page.wait_for_url("**/logs/L*")
    assert "No space left on device" in page.locator("pre.message").inner_text()
    page.screenshot(path=RESULTS / f"way-6-line-{where}.png")


def test_keys_acknowledge_and_resolve_an_incident(window: Watched, space: Any) -> None:
    space.status["INC-42"] = "open"
    page = window.open("/incidents/INC-42")
    with page.expect_navigation():
        page.keyboard.press("a")
    assert page.locator(".incident-head .status").inner_text() == "acknowledged"
    with page.expect_navigation():
        page.keyboard.press("r")
    assert page.locator(".incident-head .status").inner_text() == "resolved"
    with page.expect_navigation():
        page.keyboard.press("r")
    assert page.locator(".incident-head .status").inner_text() == "open"
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.name") == "text"
    page.keyboard.type("a r c")  # letters in a field are letters
    assert page.locator("#note textarea").input_value() == "a r c"


def test_summary_can_be_copied(window: Watched) -> None:
    window.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = window.open("/incidents/INC-42")
    page.keyboard.press("c")
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "postgresql on db1 stopped: no space left on device" in copied
    assert "Most likely cause: The disk of db1 is full" in copied
    assert copied.endswith("/incidents/INC-42")
    window.open("/search?q=connection&from=-6h")
    page.locator("[data-copy-link]").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/search?q=connection&from=-6h")


def test_the_histogram_without_a_mouse(window: Watched) -> None:
    page = window.open("/search?q=connection")
    page.locator("svg[data-brush]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    chosen = parameters(page)
    assert parse_time(chosen["to"]) - parse_time(chosen["from"]) == 600 * 10**9  # two bars of five minutes


@pytest.mark.parametrize("window", [(390, "light", False)], indirect=True)
def test_narrowing_without_javascript(window: Watched) -> None:
    page = window.open("/search?q=connection")
    with page.expect_navigation():
        page.locator("svg[data-brush] a").nth(2).dispatch_event("click")
    assert {"from", "to"} <= parameters(page).keys()
    window.open("/search?q=connection")
    page.locator("details.span summary").click()
    page.get_by_label("From (UTC)").fill("-3h")
    page.get_by_label("to", exact=True).fill("")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()
    assert parameters(page)["from"] == "-3h"
    assert "connection" in page.locator("#q").input_value()


def test_a_chip_is_changed_in_the_question(window: Watched) -> None:
    page = window.open("/search?q=connection+host:web1")
    page.locator(".chip-words", has_text="web1").click()
    page.keyboard.type("host:db1")
    page.keyboard.press("Enter")
    page.wait_for_url("**db1")
    assert page.locator("#q").input_value() == "connection host:db1"


def test_tab_begins_with_the_skip_link_and_shows_where_it_is(window: Watched) -> None:
    page = window.open("/search?q=connection")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    window.open("/search?q=connection")
    hidden = []
    for _ in range(40):
        page.keyboard.press("Tab")
        told = page.evaluate(FOCUS)
        if told:
            hidden.append(told)
    assert hidden == []


FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return "";
  const box = at.getBoundingClientRect(), style = getComputedStyle(at);
  const field = at.closest(".ask");  // the question box shows it by its frame
  const seen = style.outlineStyle !== "none" || field;
  return box.width && box.height && seen ? "" : `${at.tagName} ${at.className} ${at.textContent.slice(0, 40)}`;
}"""


@pytest.mark.parametrize("window", SIZES, indirect=True)
def test_live_lines_appear_are_held_while_one_reads_and_keep_to_the_question(
    window: Watched, space: Any, request: pytest.FixtureRequest
) -> None:
    mark = f"on {request.node.callspec.id}"  # the workspace still holds the lines of the other size
    page = window.open("/search?q=host:web1")
    page.keyboard.press("l")
    page.wait_for_url("**live=1**")
    page.get_by_text("Live: waiting for new lines").wait_for()
    space.arrive(f"elsewhere {mark}", host="db1")
    space.arrive(f"brand new {mark} <b>not bold</b>")
    first = page.locator("#hits > li").first
    first.get_by_text(f"brand new {mark} <b>not bold</b>").wait_for()
    assert page.get_by_text(f"elsewhere {mark}").count() == 0

    page.keyboard.press("p")
    page.get_by_text("Paused: 0 new lines wait").wait_for()
    space.arrive(f"held {mark}")
    page.get_by_text("Paused: 1 new lines wait").wait_for()
    assert page.get_by_text(f"held {mark}").count() == 0
    page.keyboard.press("p")
    first.get_by_text(f"held {mark}").wait_for()

    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.get_by_text("Paused: 0 new lines wait").wait_for()
    space.arrive(f"below {mark}")
    page.get_by_text("Paused: 1 new lines wait").wait_for()
    page.evaluate("scrollTo(0, 0)")
    first.get_by_text(f"below {mark}").wait_for()
    assert page.locator("#hits > li").count() <= 500
    page.keyboard.press("l")
    page.wait_for_url(lambda url: "live=1" not in url)
