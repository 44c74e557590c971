"""The local chat page as a person uses it, so that tests read like what they do."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

DRAWN_SECONDS = 150.0


class Chat:
    """One tab, which is one user.

    Attributes:
        page: the tab.
        complaints: uncaught errors and policy breaches so far.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Uncaught" in message.text:
            self.complaints.append(message.text)

    def wait_until_ready(self) -> None:
        """Wait until the room is live."""
        expect(self.page.locator("#studio")).to_have_attribute(
            "data-state", "ready", timeout=60_000
        )

    @property
    def name(self) -> str:
        """Who this tab is in the room."""
        return self.page.locator("#my-name").inner_text()

    @property
    def box(self) -> Locator:
        """The message box."""
        return self.page.get_by_role("textbox", name="Message")

    @property
    def refusal(self) -> Locator:
        """The sentence above the message box that says why something was not taken."""
        return self.page.locator("#refusal-text")

    def say(self, text: str) -> None:
        """Type a message and press Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def ask(self, prompt: str, options: str = "") -> Locator:
        """Ask for a riff and return its card."""
        self.say(f"!riff {prompt} {options}".strip())
        card = self.card(prompt)
        expect(card).to_be_visible()
        expect(self.box).to_have_value("")
        return card

    def card(self, prompt: str) -> Locator:
        """The card with this prompt."""
        heading = self.page.get_by_role("heading", level=3, name=prompt, exact=True)
        return self.page.locator(".riff").filter(has=heading)

    def wait_for_loop(self, card: Locator) -> Locator:
        """Wait until a card has its clip; returns the clip's deck."""
        deck = card.locator("[data-clip]")
        expect(deck).to_be_visible(timeout=DRAWN_SECONDS * 1000)
        return deck


def wait_for_state(card: Locator, *states: str) -> None:
    """Wait until the card's riff is in one of `states`."""
    allowed = ", ".join(f'[data-state="{state}"]' for state in states)
    expect(card.and_(card.page.locator(allowed))).to_be_visible(timeout=DRAWN_SECONDS * 1000)


def position(deck: Locator) -> float:
    """Where the deck's playhead is, in seconds."""
    return float(deck.get_attribute("data-position") or 0)


def wait_until(deck: Locator, condition: str, timeout: float = 20.0) -> None:
    """Wait until the JavaScript `condition` holds for the deck's element, called `deck`."""
    handle = deck.element_handle()
    deck.page.wait_for_function(
        f"(deck) => Boolean({condition})", arg=handle, timeout=timeout * 1000
    )
