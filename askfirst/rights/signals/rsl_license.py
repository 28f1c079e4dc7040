"""An RSL license document that another document names: RSL 1.0, sections 3 and 4.3.

The XML is read by askfirst.rights.rsl, and its terms by askfirst.rights.rsl_terms. Which documents are named, and by
what, is the matter of askfirst.rights.signals.rsl_associations.

1. Only a 2xx answer is read, whatever its media type (section 2.2).
2. Everything else leaves the work unlicensed: absence, a closed door, an outage, a robots.txt beside the license that
   bars us. So does a document that is no RSL 1.0. Uses by AI are refused, and of search nothing is said (section 4.3).
3. A document that is named for others than us can refuse, and permits nothing: see ``REFUSES_ONLY``.
"""

from __future__ import annotations

from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import Constant, Reader, Statement, outcome
from askfirst.rights.rsl import MAX_BYTES, parse
from askfirst.rights.rsl_terms import PROTOCOL, RslStatement, unlicensed

SOURCE = "RSL license"
REFUSES_ONLY = "#to-refuse-only"
"""The fragment that the address of a license bears which robots.txt names for others than us. No server sees it; so the
document has another identity than the same one named for us, in the cache and in the evidence."""


def read_license(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # RSL names no agents
    """What the document says."""
    status = observation.status
    if observation.outage is not None or status is None or not 200 <= status < 300:
        return Constant(unlicensed(observation, source=SOURCE, how=outcome(observation)))
    return RslStatement(
        observation,
        parse(observation.body, truncated=observation.truncated),
        source=SOURCE,
        refuses_only=observation.document.url.endswith(REFUSES_ONLY),
    )


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.LICENSE,),
    parse=read_license,
    max_bytes=MAX_BYTES,
)
