"""The settings page, as somebody sees it who is not the owner."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.web.app import App


@pytest.mark.parametrize("width", [1100, 360])
def test_one_chooses_for_oneself_and_is_told_what_is_wrong(
    app: App, browser: Browser, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{app.url}/settings")
    steps = page.get_by_label("steps", exact=True)
    steps.fill("-1")
    steps.press("Tab")
    expect(page.get_by_role("alert").filter(has_text="from 1 to 100 or auto")).to_be_visible()
    steps.fill("20")
    steps.press("Tab")
    expect(page.get_by_role("button", name="Reset steps")).to_be_visible()
    page.reload()
    expect(steps).to_have_value("20")
    page.get_by_role("button", name="Reset steps").click()
    expect(steps).to_have_value("auto")
    expect(page.get_by_role("button", name="Stop everything")).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert errors == []
    context.close()
