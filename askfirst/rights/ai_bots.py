"""The product tokens of known AI bots in robots.txt, and what each of them is for.

The tokens are those that their operators publish, and those that the list of ai.robots.txt (August 2026) has; what each
is for is what the operators say of it. It is a table and nothing else: which groups name a bot is for the readers of
robots.txt. A policy file adds to it (``[ai_bots] names``).

1. A token is compared whole and in any case of letters. Nothing here may be looked for inside another word.
2. Tokens outside the grammar of RFC 9309 section 2.2.1 (``ChatGPT Agent``) are in the table as they are found in files.
3. What could be anybody's name is left out (``Code``, ``Spider``, ``OpenAI``, ``Operator``, ``Scrapy``), and so are the
   search engines that also feed an assistant (Googlebot, Applebot, PetalBot).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class BotPurpose(StrEnum):
    """TRAINING: collects what models are trained on, or data that is sold for it. SEARCH: indexes for answers. USER:
    fetches because a user asked. CONTROL: never fetches; a switch for the use of what others fetched."""

    TRAINING = "training"
    SEARCH = "search"
    USER = "user"
    CONTROL = "control"


_TOKENS: Final[Mapping[BotPurpose, tuple[str, ...]]] = {
    BotPurpose.TRAINING: (
        "GPTBot", "ClaudeBot", "anthropic-ai", "Claude-Web", "CCBot", "omgili", "omgilibot", "meta-externalagent",
        "FacebookBot", "Amazonbot", "Bytespider", "TikTokSpider", "cohere-ai", "cohere-training-data-crawler", "AI2Bot",
        "Ai2Bot-Dolma", "Diffbot", "PanguBot", "Timpibot", "ImagesiftBot", "YandexAdditional", "img2dataset",
        "LAIONDownloader", "laion-huggingface-processor", "DeepSeekBot", "Kangaroo Bot", "Cotoyogi", "ICC-Crawler",
        "SBIntuitionsBot", "FriendlyCrawler",
    ),
    BotPurpose.SEARCH: (
        "OAI-SearchBot", "Claude-SearchBot", "meta-webindexer", "Amzn-SearchBot", "PerplexityBot", "iaskspider/2.0",
    ),
    BotPurpose.USER: (
        "ChatGPT-User", "ChatGPT Agent", "Claude-User", "Google-Agent", "Google-CloudVertexBot", "meta-externalfetcher",
        "Amzn-User", "Perplexity-User", "MistralAI-User", "DuckAssistBot", "bigsur.ai",
    ),
    BotPurpose.CONTROL: ("Google-Extended", "Applebot-Extended", "Webzio-Extended"),
}  # fmt: skip

PURPOSES: Final[Mapping[str, BotPurpose]] = {
    token.lower(): purpose for purpose, tokens in _TOKENS.items() for token in tokens
}
"""What each known bot is for; tokens in lower case."""

SPELLINGS: Final[Mapping[str, str]] = {token.lower(): token for tokens in _TOKENS.values() for token in tokens}
"""Each token as its operator writes it, by the token in lower case."""

AI_BOTS: Final = frozenset(t for t, p in PURPOSES.items() if p in {BotPurpose.TRAINING, BotPurpose.CONTROL})
"""Bots that collect for training, and names that only switch such a use off; in lower case."""
