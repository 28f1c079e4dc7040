"""The judgement of one fetch that somebody made: allowed, refused or unknowable, by what was known then.

It decides nothing itself: ``rights`` reads and decides, as for our own fetches.

1. All that is known speaks: the origin's documents, and the response where the log holds it. A refusal that stood
   before the response came is one of the fetch, any other one of keeping it.
2. What is not known allows nothing: without robots.txt, without a body that may speak, without a license that is named
   or after a failed look (DEFER) a fetch is unknowable, unless what is known refuses already. A refusal that is nothing
   but silence, or that what is missing could take back, is none.
3. house: allowed fetches carry no decision, because most are allowed and an id is a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from askfirst.explain import shown
from askfirst.ports import SettingsError
from askfirst.review.ears import Ears
from askfirst.review.model import Fetch, Finding, Heard, InPart, Known, Outcome
from askfirst.rights.decide import on_occasion
from askfirst.rights.gathering import named
from askfirst.rights.model import Agent, Intent, Kind, Observation, Purpose, Ruling, Signal, Stage, Verdict
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.policy import Policy
from askfirst.rights.read import can_be_taken_back, statements
from askfirst.rights.reader import SILENT
from askfirst.rights.signals.operator import operator_statement
from askfirst.standing import Standing
from askfirst.wiring import agent_of

MAX_STANDINGS: Final = 20_000
_NO_END: Final = datetime.max.replace(tzinfo=UTC)

NOBODY: Final = Agent(product_token="-", user_agent="")  # noqa: S106  # a robots.txt token is public
NOTHING_REFUSES: Final = "nothing that was captured refuses it"
NOTHING_REFUSES_THE_REQUEST: Final = "nothing that was captured refuses the request; the log holds no response"


class Judge:
    """Judges the fetches of one agent for one purpose."""

    def __init__(self, agent: Agent, purpose: Purpose, known: Known, ears: Ears) -> None:
        self._agent = agent
        self._purpose = purpose
        self._known = known
        self._ears = ears
        self._policy = ears.policy
        papers = operator_statement(self._policy)
        self._papers = () if papers is SILENT else (papers,)
        # the observations are held, because an identity is only a key while its object lives
        self._standings: dict[int, tuple[Sequence[Observation], Standing, str | None]] = {}

    def judge(self, fetch: Fetch) -> Finding:
        """What is to be said of the fetch. Never raises on content."""
        known = self._known.before(fetch)
        part: InPart | None = None
        if isinstance(known, tuple):
            observations = known
        else:
            part = InPart(why=known, reason="no-evidence") if isinstance(known, str) else known
            observations = part.observations
        try:
            standing, unlicensed = self._stand(fetch.url, observations)
        except UrlError as error:
            return self._finding(fetch, Outcome.UNKNOWABLE, str(error), "no-url")
        heard = fetch.heard
        if heard is None and fetch.response is not None:
            heard = self._ears.hear(fetch.response)
        at = fetch.at or _NO_END
        stage, media, seen = (Stage.FETCH, None, ()) if heard is None else (Stage.KEEP, heard.media, heard.seen)
        parts = statements(seen, self._agent, self._ears.of_responses) if seen else ()
        intent = Intent(url=fetch.url, agent=self._agent, purpose=self._purpose, media=media)
        ruling = standing.ruling(intent, parts, self._policy, stage=stage, at=at)
        if ruling.verdict is Verdict.REFUSE and self._stands(ruling, part, heard):
            if stage is Stage.KEEP:
                before = Intent(url=fetch.url, agent=self._agent, purpose=self._purpose)
                earlier = standing.ruling(before, (), self._policy, stage=Stage.FETCH, at=at)
                if earlier.verdict is Verdict.REFUSE and self._stands(earlier, part, None):
                    intent, ruling = before, earlier
            return self._decided(fetch, Outcome.REFUSED, intent, ruling, at)
        if part is not None:
            return self._finding(fetch, Outcome.UNKNOWABLE, part.why, part.reason)
        if ruling.verdict is Verdict.DEFER:
            return self._decided(fetch, Outcome.UNKNOWABLE, intent, ruling, at)
        if heard is not None and heard.bodiless:
            return self._finding(fetch, Outcome.UNKNOWABLE, "its body, which may refuse, is not in the log", "no-body")
        if unlicensed is None and seen:
            own = [one for one in seen if one.document.kind is not Kind.PAGE]
            unlicensed = self._named_license(own, observations)
        if unlicensed is not None:
            why = f"the license {unlicensed} is named, of which there is no capture"
            return self._finding(fetch, Outcome.UNKNOWABLE, why, "license")
        if ruling.because:
            return self._finding(fetch, Outcome.ALLOWED, _said(ruling.because[0]), ruling.because[0].source)
        why = NOTHING_REFUSES_THE_REQUEST if heard is None else NOTHING_REFUSES
        return self._finding(fetch, Outcome.ALLOWED, why, "nothing refuses")

    def _stands(self, ruling: Ruling, part: InPart | None, heard: Heard | None) -> bool:
        """Whether the refusal stands, whatever it is that is not known."""
        if part is not None and not ruling.because:
            return False
        if heard is None or not heard.bodiless:
            return True
        return bool(ruling.because) and not can_be_taken_back(ruling, self._ears.readers, page=True)

    def _stand(self, url: str, observations: tuple[Observation, ...]) -> tuple[Standing, str | None]:
        held = self._standings.get(id(observations))
        if held is None:
            standing = Standing(
                origin=origin_of(url),
                observations=observations,
                statements=(*statements(observations, self._agent, self._ears.listeners), *self._papers),
                fresh_until=_NO_END,
                looked_at=b"",
            )
            if len(self._standings) >= MAX_STANDINGS:
                self._standings.clear()
            held = (observations, standing, self._named_license(observations, observations))
            self._standings[id(observations)] = held
        return held[1], held[2]

    def _named_license(self, seen: Sequence[Observation], known: Sequence[Observation]) -> str | None:
        """The first license that is named and was not captured."""
        there = {o.document.url for o in known if o.document.kind is Kind.LICENSE}
        documents = named(seen, self._agent, self._ears.naming, self._policy.care)
        return next((d.url for d in documents if d.kind is Kind.LICENSE and d.url not in there), None)

    def _decided(self, fetch: Fetch, outcome: Outcome, intent: Intent, ruling: Ruling, at: datetime) -> Finding:
        first = ruling.because[0] if ruling.because else None
        source = "silence" if first is None else first.source
        return Finding(
            fetch=fetch,
            outcome=outcome,
            why="nobody said yes, and the policy takes silence for a no" if first is None else _said(first),
            decision=on_occasion(intent, ruling, at=at),
            token=self._agent.product_token,
            reason=source if outcome is Outcome.REFUSED else f"failed look: {source}",
        )

    def _finding(self, fetch: Fetch, outcome: Outcome, why: str, reason: str) -> Finding:
        return Finding(fetch=fetch, outcome=outcome, why=why, token=self._agent.product_token, reason=reason)


class Judges:
    """One judge for each agent that a log names. ``agent`` given, it is judged for that one, whoever asked."""

    def __init__(self, known: Known, ears: Ears, *, purpose: Purpose, agent: Agent | None = None) -> None:
        self._known = known
        self._ears = ears
        self._purpose = purpose
        self._fixed = None if agent is None else self._of(agent)
        self._by_user_agent: dict[str, Judge | None] = {}

    def judge(self, fetch: Fetch) -> Finding:
        """What is to be said of the fetch, for whoever made it."""
        judge = self._fixed or self._named(fetch.user_agent)
        if judge is not None:
            return judge.judge(fetch)
        return self._of_nobody(fetch)

    def _named(self, user_agent: str | None) -> Judge | None:
        if user_agent is None:
            return None
        if user_agent not in self._by_user_agent:
            agent = agent_named(user_agent)
            self._by_user_agent[user_agent] = None if agent is None else self._of(agent)
        return self._by_user_agent[user_agent]

    def _of_nobody(self, fetch: Fetch) -> Finding:
        """INVARIANT: nobody's rules are applied: what the origin says depends on who asks, so only the response is
        heard, in which a refusal to nobody in particular is one to all."""
        told = "nothing in the log says who asked" if not fetch.user_agent else "its User-Agent names no product"
        nothing = _Nothing(InPart(why=f"{told}; say it with --agent TOKEN", reason="no-agent"))
        found = Judge(NOBODY, self._purpose, nothing, self._ears).judge(fetch)
        return Finding(fetch=fetch, outcome=found.outcome, why=found.why, decision=found.decision, reason=found.reason)

    def _of(self, agent: Agent) -> Judge:
        return Judge(agent, self._purpose, self._known, self._ears)


class _Nothing:
    """Nothing is known of any place."""

    def __init__(self, part: InPart) -> None:
        self._part = part

    def before(self, fetch: Fetch) -> InPart:  # noqa: ARG002  # the same of every fetch
        return self._part


@lru_cache(maxsize=4_096)
def agent_named(user_agent: str) -> Agent | None:
    """The agent behind a User-Agent, None where it names no product."""
    try:
        return agent_of(user_agent)
    except SettingsError:
        return None


_judges: dict[tuple[int, Agent, Purpose, str], tuple[Known, Judge]] = {}


def judge(fetch: Fetch, known: Known, agent: Agent, purpose: Purpose, policy: Policy) -> Finding:
    """What is to be said of one fetch. The last few judges are kept, so that an origin's words are read once."""
    key = (id(known), agent, purpose, policy.digest)
    held = _judges.get(key)
    if held is None:
        if len(_judges) >= 256:  # so many agents are told apart
            _judges.clear()
        held = _judges[key] = (known, Judge(agent, purpose, known, Ears(policy)))
    return held[1].judge(fetch)


_VERBS: Final = {Verdict.ALLOW: "permits", Verdict.DEFER: "could not be read for", Verdict.REFUSE: "refuses"}


def _said(signal: Signal) -> str:
    words = signal.evidence
    return _line(signal.source, _VERBS[signal.verdict], signal.category, words.text, words.at)


@lru_cache(maxsize=4_096)  # a whole site falls under the same few words
def _line(source: str, verb: str, category: str, text: str, at: str) -> str:
    return shown(f"{source} {verb} {category}: {text} ({at})")
