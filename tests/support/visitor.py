"""A person at a browser: opens pages, looks at them, and notices what goes wrong on the way."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Locator, Page

# The rules of axe that look at colours.
COLOURS = ("color-contrast", "link-in-text-block")


class Visitor:
    """``troubles``: errors on the console, of scripts and of the Content-Security-Policy, as they come."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        # That a page or a fragment was refused or not answered is a remark of the browser or of htmx, not a defect.
        remarks = ("Failed to load resource", "Response Status Error", "htmx:")
        if message.type in ("error", "warning") and not message.text.startswith(remarks):
            self.troubles.append(message.text)

    def open(self, address: str) -> Page:
        self.page.goto(address)
        return self.page

    def wear(self, theme: str) -> None:
        """Show the open page in another theme, as if it had been chosen in another tab, and at once."""
        self.page.evaluate(
            """theme => {
                localStorage.setItem('theme', theme);
                dispatchEvent(new StorageEvent('storage', {key: 'theme'}));
                document.body.getBoundingClientRect();  // the new colours are computed: those that fade begin to
                document.getAnimations().filter(one => one instanceof CSSTransition).forEach(one => one.finish());
            }""",
            theme,
        )
        assert self.page.locator("html").get_attribute("data-theme") == theme

    def narrow(self) -> None:
        """Make the window as narrow as a telephone's."""
        self.page.set_viewport_size({"width": 390, "height": 900})

    def widen(self) -> None:
        """As wide as it is at first."""
        self.page.set_viewport_size({"width": 1440, "height": 900})

    def text(self, selector: str = "main") -> str:
        """What a person reads there, white space made one."""
        return " ".join(self.page.locator(selector).inner_text().split())

    def background(self, selector: str = "body") -> str:
        """The colour behind it, as the browser computes it."""
        return str(self.page.locator(selector).evaluate("node => getComputedStyle(node).backgroundColor"))

    def is_too_wide(self) -> bool:
        """Whether the page must be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def remember_this_load(self) -> None:
        """Mark the document, so that `has_reloaded` knows it again."""
        self.page.evaluate("window.notReloaded = true")

    def has_reloaded(self) -> bool:
        return not self.page.evaluate("window.notReloaded === true")

    def barriers_in_both_themes(self) -> list[dict[str, Any]]:
        """`barriers` of the open page in light, and those of its colours in dark: nothing else differs there."""
        self.wear("light")
        found = self.barriers()
        self.wear("dark")
        return found + self.barriers(*COLOURS)

    def barriers(self, *rules: str) -> list[dict[str, Any]]:
        """The serious and critical findings of axe on the open page; with `rules`, of these alone."""
        # Without preloading: axe would read imported style sheets by way of inline styles, which the policy refuses.
        options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
        if rules:
            options["runOnly"] = rules
        if self.page.evaluate("typeof axe === 'undefined'"):  # of the second look at a page half a megabyte is there
            self.page.evaluate(Axe().axe_script)
        found: list[dict[str, Any]] = self.page.evaluate(
            "options => axe.run(options).then(results => results.violations)", options
        )
        return [
            {"id": finding["id"], "where": [node["html"][:200] for node in finding["nodes"]]}
            for finding in found
            if finding["impact"] in ("serious", "critical")
        ]

    def focused(self) -> Locator:
        return self.page.locator(":focus")
