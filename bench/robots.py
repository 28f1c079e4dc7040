"""How long reading and matching robots.txt takes, as ratios to Protego, in one run with shuffled rounds.

``parse`` is everything that the first answer for ``*`` needs: bytes to text, groups, choosing, the index and one match.
``match`` is one answer thereafter, from URL to verdict, over 200 URLs. The agent is named nowhere and falls in ``*``.
The rules are seven tenths plain prefixes, two tenths with a ``*`` and one tenth with a ``$``; they share directories.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from time import perf_counter_ns

from protego import Protego

from askfirst.rights.patterns import target
from askfirst.rights.robotstxt import parse

AGENT = "FooBot"
BOUNDS = {("parse", 50): 0.6, ("parse", 2000): 0.6, ("match", 50): 0.25, ("match", 2000): 0.15}
WORDS = ("art", "shop", "cart", "user", "news", "img", "tag", "api", "old", "tmp", "press", "forum", "map", "feed")


def _word(dice: random.Random) -> str:
    return f"{dice.choice(WORDS)}{dice.randrange(400)}"


def robots_file(rules: int) -> bytes:
    """A file with so many rules for ``*``, and two small groups for others."""
    dice = random.Random(rules)
    lines = ["# robots.txt", "User-agent: OtherBot", "Disallow: /", "", "User-agent: *"]
    for number in range(rules):
        path = "/" + "/".join(_word(dice) for _ in range(dice.randrange(1, 4)))
        shape = number % 10
        if shape in {3, 7}:
            path = dice.choice((f"/*/{_word(dice)}/", f"/*?{_word(dice)}=", f"{path}/*/{_word(dice)}"))
        elif shape == 5:
            path = dice.choice((f"{path}$", f"/*.{_word(dice)}$"))
        lines.append(f"{'Allow' if number % 8 == 1 else 'Disallow'}: {path}")
    lines += ["", "User-agent: ThirdBot", "Disallow: /x", "Sitemap: https://example.com/sitemap.xml", ""]
    return "\n".join(lines).encode()


def urls(body: bytes, count: int = 200) -> list[str]:
    """URLs of which about half are under some rule's path."""
    dice = random.Random(count)
    paths = [line.split(": ")[1] for line in body.decode().splitlines() if "llow: /" in line]
    found = []
    for number in range(count):
        path = "/" + "/".join(_word(dice) for _ in range(dice.randrange(1, 5)))
        if number % 2:
            path = dice.choice(paths).replace("*", _word(dice)).replace("$", "") + path
        found.append(f"https://example.com{path}" + (f"?{_word(dice)}={number}" if number % 3 == 0 else ""))
    return found


def _ours_first_answer(body: bytes, url: str) -> bool:
    rule = parse(body).rules_for(AGENT).match(target(url))
    return rule is None or rule.allow


def _protego_first_answer(body: bytes, url: str) -> bool:
    return bool(Protego.parse(body.decode()).can_fetch(url, AGENT))


def _ours(body: bytes, asked: list[str]) -> Callable[[], int]:
    file = parse(body)

    def answer() -> int:
        refused = 0
        for url in asked:
            rule = file.rules_for(AGENT).match(target(url))
            refused += rule is not None and not rule.allow
        return refused

    return answer


def _protego(body: bytes, asked: list[str]) -> Callable[[], int]:
    file = Protego.parse(body.decode())

    def answer() -> int:
        return sum(not file.can_fetch(url, AGENT) for url in asked)

    return answer


def _time_ns(act: Callable[[], object], repeats: int) -> float:
    act()
    start = perf_counter_ns()
    for _ in range(repeats):
        act()
    return (perf_counter_ns() - start) / repeats


def _tasks(rules: int) -> dict[tuple[str, int, str], tuple[Callable[[], object], int, int]]:
    """Per name, size and library: what to time, how often, and how many answers it holds."""
    body = robots_file(rules)
    asked = urls(body)
    ours, theirs = _ours(body, asked), _protego(body, asked)
    if ours() != theirs():
        message = f"the two libraries refuse {ours()} and {theirs()} of the same URLs"
        raise AssertionError(message)
    parses, matches = (100, 20) if rules < 1000 else (4, 4)
    return {
        ("parse", rules, "askfirst"): (lambda: _ours_first_answer(body, asked[0]), parses, 1),
        ("parse", rules, "protego"): (lambda: _protego_first_answer(body, asked[0]), parses, 1),
        ("match", rules, "askfirst"): (ours, matches, len(asked)),
        ("match", rules, "protego"): (theirs, matches, len(asked)),
    }


def _best_ns(rounds: int) -> dict[tuple[str, int, str], float]:
    tasks = _tasks(50) | _tasks(2000)
    best = dict.fromkeys(tasks, float("inf"))
    order = list(tasks)
    dice = random.Random(0)
    for _ in range(rounds):
        dice.shuffle(order)
        for name in order:
            act, repeats, answers = tasks[name]
            best[name] = min(best[name], _time_ns(act, repeats) / answers)
    return best


def measure(rounds: int = 7) -> list[dict[str, object]]:
    """One row for each figure: its ratio to Protego, the bound it is held to, and whether it holds."""
    best = _best_ns(rounds)
    rows: list[dict[str, object]] = []
    for (what, rules), bound in BOUNDS.items():
        ours_ns, theirs_ns = best[what, rules, "askfirst"], best[what, rules, "protego"]
        ratio = ours_ns / theirs_ns
        name = f"robots.txt {what}, {rules} rules ({ours_ns / 1000:.1f} us, protego {theirs_ns / 1000:.1f} us)"
        rows.append({"name": name, "ratio": ratio, "bound": bound, "holds": ratio <= bound})
    return rows


def main() -> int:
    rows = measure()
    for row in rows:
        print(
            f"{row['ratio']:.3f} x protego (bound {row['bound']})  {'ok' if row['holds'] else 'MISSED'}  {row['name']}"
        )
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
