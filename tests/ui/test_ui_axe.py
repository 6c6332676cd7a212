"""Accessibility by axe-core: no serious or critical finding on any page, in both languages and both themes."""

from __future__ import annotations

import pytest

from tests.ui import axe
from tests.ui.browser import NEEDS_CHROMIUM, PAGES, Watched

pytestmark = NEEDS_CHROMIUM
MORE = {
    "live": "/search?q=connection&live=1", "evidence": "/evidence/signal:S-1", "edited": "/templates/T-refused",
    "problem": "/nowhere",
}  # fmt: skip
#: The checker itself tries inline styles to measure with, and the policy of the pages refuses them.
OWN = "Applying inline style violates"
RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"], iframes: false });
  return found.violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ` + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | "));
}"""


@pytest.fixture(scope="module")
def script() -> str:
    return axe.source()


@pytest.mark.parametrize(
    "window",
    [
        pytest.param((1280, "light", True, "en-GB"), id="english-light-wide"),
        pytest.param((360, "dark", True, "zh-CN"), id="chinese-dark-phone"),
        pytest.param((360, "dark", True, "en-GB"), id="english-dark-phone", marks=pytest.mark.slow),
        pytest.param((1280, "light", True, "zh-CN"), id="chinese-light-wide", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_no_page_has_a_serious_finding(window: Watched, script: str) -> None:
    window.may_fail = ("404", OWN)  # the problem page is one of them
    findings = {}
    for name, place in {**PAGES, **MORE}.items():
        page = window.open(place)
        page.evaluate(script)  # as the browser's own tools would: the page's policy stays as it is
        found = page.evaluate(RUN)
        if found:
            findings[name] = found
    assert findings == {}


def test_dialogs_have_none_either(window: Watched, script: str) -> None:
    window.may_fail = (OWN,)
    page = window.open("/incidents/INC-42")
    page.evaluate(script)
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    assert page.evaluate(RUN) == []
    page.keyboard.press("Escape")
    page.locator(".summary .cite").first.click()
    page.locator("#sheet .line.here").wait_for()
    assert page.evaluate(RUN) == []
