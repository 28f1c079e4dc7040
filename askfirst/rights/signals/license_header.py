"""Links to licenses and terms in the ``Link`` response field: RFC 8288 section 3, with the relations ``license`` (RFC
4946) and ``terms-of-service`` (RFC 6903).

The field speaks of the response that carries it, and says whom to ask. What follows from a license is said in
askfirst.rights.signals.page_license; one of type ``application/rsl+xml`` is the RSL readers' business.

1. The target is resolved against the response's own address, and one that leads to no web page is left out.
2. The first eight count.
"""

from __future__ import annotations

from askfirst.rights.html import RSL_TYPE
from askfirst.rights.link_header import links
from askfirst.rights.model import Agent, Covers, Kind, Observation
from askfirst.rights.reader import SILENT, Reader, Statement, evidence
from askfirst.rights.signals.page_license import MAX_OF_A_SORT, PROTOCOL, RELATIONS, linked, statement, web, word


def read_license_header(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # names no agents
    """What the ``Link`` fields of a response say of its license and terms."""
    values = [value for name, value in observation.headers if len(name) == 4 and name.lower() == "link"]
    if not any(one in value.lower() for value in values for one in RELATIONS):
        return SILENT
    found = (
        (said, web(observation.document.url, link.target), link.text)
        for link in links(values)
        if link.type != RSL_TYPE and (said := word(link.rels)) is not None
    )
    kept = [(said, url, text) for said, url, text in found if url is not None][:MAX_OF_A_SORT]
    return statement(
        part
        for said, url, text in kept
        for part in linked(
            f"Link header rel={said}",
            said,
            url,
            evidence(observation, at="field Link", text=text, spec="RFC 8288, section 3"),
            (Covers.RESOURCE,),
        )
    )


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE,),
    parse=read_license_header,
    # it needs no body, and is not worth asking before there is one
    reads_body=True,
    fields=frozenset({"link"}),
)
