"""A setting that is a list of names. Free of Django."""

import re
from dataclasses import dataclass

SEPARATOR = ", "


@dataclass(frozen=True, kw_only=True)
class NameList:
    """One setting that is a list of names, kept as one text: "iban, password"; empty unless a person fills it."""

    name: str
    most: int
    longest: int
    help: str

    @property
    def label(self) -> str:
        """ "Redacted keys"."""
        return self.name.replace("_", " ").capitalize()

    @property
    def help_text(self) -> str:
        """Bounds and what it does, in one line."""
        return (
            f"Separated by commas or lines: at most {self.most} of at most {self.longest} characters; "
            f"default none. {self.help}"
        )

    @property
    def most_characters(self) -> int:
        return self.most * (self.longest + len(SEPARATOR))

    @staticmethod
    def split(text: str) -> tuple[str, ...]:
        """The names in a text, each once, upper or lower case alike."""
        names: dict[str, str] = {}
        for typed in re.split(r"[,\r\n]", text):
            if name := typed.strip():
                names.setdefault(name.casefold(), name)
        return tuple(names.values())

    def names(self, text: str) -> tuple[str, ...]:
        """The same of a typed text; ValueError says what is wrong with one of them."""
        names = self.split(text)
        if len(names) > self.most:
            raise ValueError(f"At most {self.most} names, not {len(names)}.")
        for name in names:
            if len(name) > self.longest:
                raise ValueError(f"A name has at most {self.longest} characters, not {len(name)}.")
            if not name.isprintable() or '"' in name or "\\" in name:
                raise ValueError("A name has no quotation marks, backslashes or control characters.")
        return names

    def canonical(self, text: str) -> str:
        """The same names as they are kept. Raises ValueError."""
        return SEPARATOR.join(self.names(text))
