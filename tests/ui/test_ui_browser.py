"""The pages in a real browser: no foreign request, no console error, no policy violation, usable by keyboard.

Screenshots of every page, wide and narrow, dark and light, are left in ``test-results/``.
"""

from __future__ import annotations

import pytest

from tests.ui.browser import NEEDS_CHROMIUM, PAGES, RESULTS, Watched

pytestmark = NEEDS_CHROMIUM


@pytest.mark.parametrize(
    "window",
    [
        pytest.param((1280, "light", True), id="wide-light", marks=pytest.mark.slow),
        pytest.param((1280, "dark", True), id="wide-dark", marks=pytest.mark.slow),
        pytest.param((390, "light", True), id="phone-light", marks=pytest.mark.slow),
        pytest.param((390, "dark", True), id="phone-dark"),
    ],
    indirect=True,
)
def test_every_page_fits_and_breaks_nothing(window: Watched, request: pytest.FixtureRequest) -> None:
    RESULTS.mkdir(exist_ok=True)
    width = window.page.viewport_size["width"]
    for name, place in PAGES.items():
        page = window.open(place)
        window.all_charts()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the window"
        page.screenshot(path=RESULTS / f"{name}-{request.node.callspec.id}.png", full_page=True)


@pytest.mark.parametrize("window", [(360, "light", True)], indirect=True)
def test_the_smallest_phone(window: Watched) -> None:
    for place in PAGES.values():
        page = window.open(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, place


@pytest.mark.parametrize("window", [(390, "dark", True)], indirect=True)
def test_citation_opens_its_evidence_over_the_summary(window: Watched) -> None:
    page = window.open("/incidents/INC-42")
    page.locator(".summary .cite").first.click()
    sheet = page.locator("#sheet")
    sheet.locator(".line.here").wait_for()
    assert "No space left on device" in sheet.locator(".line.here").inner_text()
    page.screenshot(path=RESULTS / "evidence-line.png")
    page.keyboard.press("Escape")
    assert not sheet.is_visible()
    page.locator(".summary .cite").nth(1).click()
    sheet.locator("[data-chart].is-live").wait_for()
    page.screenshot(path=RESULTS / "evidence-metric.png")
    sheet.locator("[data-close]").click()
    assert not sheet.is_visible()


def test_acknowledge_and_note(window: Watched) -> None:
    page = window.open("/incidents/INC-41")
    page.get_by_label("Your name").fill("mira")
    page.get_by_label("What did you find or do?").fill("<script>alert(1)</script> slow disk")
    page.get_by_role("button", name="Keep the note").click()
    assert "The note is kept" in page.locator(".flash").inner_text()
    assert "<script>alert(1)</script> slow disk" in page.locator("#activity").inner_text()
    page.get_by_role("button", name="Resolve").click()  # the name is remembered for the next action
    assert "mira resolved" in page.locator("#activity").inner_text().replace("\n", " ")
    page.get_by_role("button", name="Reopen").click()
    page.get_by_role("button", name="Acknowledge").click()
    assert page.locator(".incident-head .status").inner_text() == "acknowledged"


def test_keyboard(window: Watched) -> None:
    page = window.open("/search?sort=time")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator(".current").count() == 1
    target = page.locator(".current a.msg").get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/incidents")


def test_theme_is_remembered_and_redraws_charts(window: Watched) -> None:
    page = window.open("/hosts/db1")
    window.all_charts()
    page.keyboard.press("t")
    page.wait_for_function("() => document.querySelector('[data-chart].is-live').dataset.drawn === 'dark'")
    window.open("/hosts")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_load_more_appends(window: Watched) -> None:
    page = window.open("/search?q=connection")
    before = page.locator("#hits > li").count()
    page.locator("[data-more]").click()
    page.wait_for_function("before => document.querySelectorAll('#hits > li').length > before", arg=before)
    assert page.url.endswith("q=connection")


@pytest.mark.parametrize("window", [(390, "light", False)], indirect=True)
def test_without_javascript(window: Watched) -> None:
    page = window.open("/incidents/INC-17")
    assert page.locator(".chart-picture svg").count() == 2
    page.locator(".summary .cite").first.click()
    assert "/evidence/" in page.url
    page.go_back()
    page.get_by_role("button", name="Reopen").click()
    assert "Reopened" in page.locator(".flash").inner_text()
    page.get_by_role("button", name="Resolve").click()
    window.open("/search?q=connection")
    page.locator("[data-more]").click()
    assert "offset=50" in page.url
    assert not page.locator("[data-theme-toggle]").is_visible()


@pytest.mark.parametrize(
    "window",
    [
        pytest.param((1280, "light", True), id="light"),
        pytest.param((1280, "dark", True), id="dark", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_text_keeps_its_contrast(window: Watched) -> None:
    """WCAG AA, 4.5:1, of every text as the browser paints it (large text would need only 3:1)."""
    for place in PAGES.values():
        page = window.open(place)
        weak = page.evaluate(_CONTRAST)
        assert weak == [], place


_CONTRAST = r"""() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (colour) => colour.slice(0, 3).map(linear)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const weak = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.offsetParent) continue;
    if (element.closest("svg, .sr, .skip, dialog, .chart")) continue;
    const back = behind(element), fore = over(rgba(getComputedStyle(element).color), back);
    const [high, low] = [light(fore), light(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) weak.add(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...weak].slice(0, 20);
}"""
