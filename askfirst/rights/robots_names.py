"""What a robots.txt says to a name that is not ours: a bot that is known, or a token that stands for a use.

RFC 9309 section 2.2.1 with one difference: what is said to everybody (``*``) is not said to that name. Groups, rules
and their careful reading are those of askfirst.rights.robotstxt.
"""

from __future__ import annotations

from dataclasses import dataclass

from askfirst.rights.patterns import PatternIndex
from askfirst.rights.robotstxt import RobotsTxt, RuleSet


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """The rules of all groups that name one name. ``entries`` are its rules as an index has them; ``all_of_them``: no
    careful reading adds to them."""

    rules: RuleSet
    entries: list[tuple[str, int, int]]
    all_of_them: bool
    _careful: PatternIndex[int] | None = None

    def refusing(self, path: str) -> int:
        """The number of the line that closes ``path``, or 0."""
        if self._careful is None:
            rule = self.rules.match(path)
            return 0 if rule is None or rule.allow else rule.line
        line = None if path == "/robots.txt" else self._careful.longest(path)
        return 0 if line is None or line > 0 else -line


def naming(robots: RobotsTxt, token: str) -> Naming | None:
    """What the file says to ``token`` by name; None where no group names it."""
    rules = robots.rules_for(token)
    if not rules.named:
        return None
    careful = rules._careful  # noqa: SLF001  # the two modules are one reading of one file
    if careful is None or rules.groups != robots.rules_for("").groups:
        return Naming(rules, robots.rules_of(rules.groups), careful is None)
    # only the careful reading finds the name; the plain one fell back to the groups of everybody
    entries = robots.careful_rules_of(careful)
    return Naming(rules, entries, False, PatternIndex(entries))
