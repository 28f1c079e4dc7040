"""The options that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askfirst.rights.policy import Policy
from askfirst.wiring import DEFAULT_USER_AGENT, Settings, load_policy, parse_addresses, parse_purpose

PurposeName = Annotated[
    str, typer.Option("--purpose", help="What the job is for: search, ai-input, tdm, train or train-generative.")
]
PolicyName = Annotated[
    str | None,
    typer.Option("--policy", help="opt-out, opt-in, strict, or a TOML file. Default: opt-in; opt-out for search."),
]
Registries = Annotated[
    list[str] | None,
    typer.Option("--registry", help="A consent registry: a file made by 'askfirst registry', or an http(s) URL."),
]
AllowPrivate = Annotated[
    list[str] | None,
    typer.Option("--allow-private", metavar="CIDR", help="Also connect to this private network, such as 127.0.0.0/8."),
]
Resolve = Annotated[
    list[str] | None,
    typer.Option("--resolve", metavar="NAME=ADDR", help="Resolve a name to this address; *.name for all below it."),
]
UserAgent = Annotated[
    str, typer.Option("--user-agent", help="Who asks; the first word is the product token that robots.txt names.")
]
Out = Annotated[Path, typer.Option("--out", help="Where the record and the results go; the same one resumes.")]


def settings(
    *,
    purpose: str,
    policy: str | None,
    user_agent: str = DEFAULT_USER_AGENT,
    registries: list[str] | None = None,
    allow_private: list[str] | None = None,
    resolve: list[str] | None = None,
    out: Path | None = None,
    cache: str | None = None,
    look_timeout_s: float = 20,
) -> Settings:
    """The options as settings. Raises SettingsError or PolicyError, before anything is begun."""
    chosen: Policy | None = None if policy is None else load_policy(policy)
    told = Settings(
        user_agent=user_agent,
        purpose=parse_purpose(purpose),
        policy=chosen,
        out=out,
        cache=cache,
        registries=tuple(registries or ()),
        addresses=parse_addresses(allow_private or [], resolve or []),
        look_timeout_s=look_timeout_s,
    )
    _ = told.agent
    return told
