"""The command line: ``askfirst crawl | check | explain | replay | audit | report | review | registry | cases | demo``.

Exit codes:

| code | means |
|---|---|
| 0 | done |
| 1 | the work was begun and could not be finished: a record or a file could not be written; a check that failed |
| 2 | the operator's mistake: a bad URL, purpose, policy, file or id; nothing was begun |
| 3 | ``check``: the site could not be reached, so nothing could be said |
| 130 | interrupted |

Every failure is one line on standard error: what, where, and what to do next.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from askfirst.cli import audit, cases, registry
from askfirst.cli.check import check
from askfirst.cli.crawl import crawl
from askfirst.cli.demo import demo
from askfirst.cli.explain import explain
from askfirst.cli.replay import replay
from askfirst.cli.report import report
from askfirst.cli.review import review
from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.origins import UrlError
from askfirst.rights.policy import PolicyError

MISTAKES = (SettingsError, PolicyError, UrlError)

app = typer.Typer(
    name="askfirst",
    help="Crawl only what the people who made it allow, test what a site says to crawlers, and explain every decision.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("crawl")(crawl)
app.command("check")(check)
app.command("explain")(explain)
app.command("replay")(replay)
app.command("report")(report)
app.command("review")(review)
app.command("demo")(demo)
app.add_typer(audit.app, name="audit")
app.add_typer(registry.app, name="registry")
app.add_typer(cases.app, name="cases")


def main() -> None:
    """The console script."""
    try:
        app(standalone_mode=True)
    except MISTAKES as error:
        _say(error)
        sys.exit(2)
    except EdgeError as error:
        _say(error)
        sys.exit(1)
    except KeyboardInterrupt:
        _say(KeyboardInterrupt("interrupted; what was decided is recorded, and the same command goes on from there"))
        sys.exit(130)


def _say(error: BaseException) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"askfirst: {text}", markup=False)
