"""A compiled model in the making: what it imports, its steps so far, and which step answers what is asked.

What a condition becomes is the business of the module that compiles its kind.
"""

from sqlglot import exp

from orchestration.audience.conditions import Comparing, Placeholders
from orchestration.audience.writing import Cte, one_line


class Draft:
    def __init__(self) -> None:
        self.placeholders = Placeholders()
        self.comparing = Comparing(self.placeholders)
        self.imports: dict[str, str] = {}
        self.steps: list[Cte] = []
        self.joined: dict[str, str] = {}  # what a CTE asks → its name

    def join(self, asked: object, kind: str) -> tuple[str, bool]:
        """The name of the CTE for what is asked, and whether it has still to be written."""
        key = f"{kind} {asked!r}"
        if key in self.joined:
            return self.joined[key], False
        number = 1 + sum(each.startswith(f"{kind} ") for each in self.joined)
        return self.joined.setdefault(key, f"{kind}_{number}"), True

    def line(self, given: exp.Expr) -> str:
        return one_line(given, self.placeholders)
