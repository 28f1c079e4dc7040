"""The policy that a TDM reservation names: TDMRep, "TDM Policy", a profile of ODRL 2.2 in JSON.

It says whom to ask and what they ask for. It is never a verdict: the reservation that names it stands, with the
policy's address as its terms. It is read as plain JSON with fixed keys; no context is loaded, and no JSON-LD processor
runs.

1. ``assigner`` is whom to ask: name, then mail, web page or telephone, and the postal address in the note. Keys with
   and without ``vcard:``, values in lists and objects: all of these are in the wild.
2. ``permission`` with a ``duty`` or a ``constraint`` is a condition, and one without is none. house: neither lifts the
   reservation; a person reads the policy and writes the answer down as a consent. ``prohibition`` is noted.
3. Without a permission the conditions are not known, and the contact stays. What is no JSON object is remarked: a page
   for people, a missing file, an outage. The rights stay reserved all the same.
4. house: a mail address without ``mailto:`` and a number without ``tel:`` are completed. 8 permissions are read, and 4
   duties and constraints of each; a text is cut at 200 characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from askfirst.rights.media import begins_as_html
from askfirst.rights.model import Agent, Contact, Kind, Nearness, Observation, Reading, Remark, RemarkKind
from askfirst.rights.reader import Constant, Reader, Statement, evidence, outcome, remark, writable
from askfirst.rights.tdmrep import PROTOCOL, policy_terms

SOURCE: Final = "TDM policy"
_SPEC: Final = 'TDMRep "TDM Policy"'
_MAX_CHARS: Final = 200
_MAX_PERMISSIONS: Final = 8
_MAX_EACH: Final = 4
_PREFIXES: Final = ("vcard:", "odrl:")

Members = Mapping[str, object]


def read_tdm_policy(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # policies name no agents
    """What the policy says of whom to ask and for what."""
    policy, why = _policy(observation)
    if policy is None:
        how = outcome(observation)
        words = evidence(observation, at=how, text=observation.body[:400].decode("utf-8", "replace"), spec=_SPEC)
        note = f"{why}: the conditions are not known, and the rights stay reserved"
        return Constant(Reading(remarks=(remark(SOURCE, RemarkKind.IGNORED, note, words),)))
    contact = _contact(observation, policy)
    return Constant(Reading(contacts=(contact,), remarks=tuple(_remarks(observation, policy, contact))))


def _policy(observation: Observation) -> tuple[Members | None, str]:
    """The policy, or why there is none."""
    status = observation.status
    if observation.outage is not None or status is None or not 200 <= status < 300:
        return None, f"the policy could not be read ({outcome(observation)})"
    if begins_as_html(observation.body):
        return None, "the policy is a page for people"
    try:
        said = json.loads(observation.body.decode("utf-8-sig"), strict=False)
    except (ValueError, RecursionError):
        return None, "the policy is no JSON"
    listed = said if isinstance(said, list) else [said]
    for one in listed[:_MAX_PERMISSIONS]:
        if isinstance(one, dict) and (found := _members(one)).keys() & {"assigner", "permission"}:
            return found, ""
    return None, "the policy has neither an assigner nor a permission"


def _remarks(observation: Observation, policy: Members, contact: Contact) -> Iterator[Remark]:
    if contact.name is None and contact.address is None:
        yield remark(SOURCE, RemarkKind.MALFORMED, "no assigner: whom to ask is not told", contact.evidence)
    permissions = _listed(policy.get("permission"))
    words = evidence(observation, at="/permission", text=_shown(policy.get("permission")), spec=_SPEC)
    if not permissions:
        note = "no permission: the conditions are not known, and the rights stay reserved"
        yield remark(SOURCE, RemarkKind.MALFORMED, note, words)
    elif any(not _listed(p.get("duty")) and not _listed(p.get("constraint")) for p in permissions):
        note = "a permission without a duty or constraint: still refused until a person confirms it as a consent"
        yield remark(SOURCE, RemarkKind.IGNORED, note, words)


# -- whom to ask ------------------------------------------------------------------------------------------------------


def _contact(observation: Observation, policy: Members) -> Contact:
    assigner = next(iter(_listed(policy.get("assigner"))), {})
    said = assigner or policy
    at = "/assigner" if assigner else "whole file"
    notes = [*_terms(policy), _postal(assigner)]
    return Contact(
        source=SOURCE,
        nearness=Nearness.TERMS,
        name=_text(assigner.get("fn")) or _text(assigner.get("nickname")) or None,
        address=_address(observation.document.url, assigner),
        terms_url=observation.document.url,
        protocol=PROTOCOL,
        note="; ".join(note for note in notes if note) or None,
        evidence=evidence(observation, at=at, text=_shown(said), spec=_SPEC),
    )


def _address(base: str, assigner: Members) -> str | None:
    for key, scheme in (("hasEmail", "mailto:"), ("hasURL", ""), ("hasTelephone", "tel:")):
        said = _text(assigner.get(key))
        if scheme == "tel:":
            said = "".join(said.split())
        written = said if not said or said.lower().startswith(scheme) else scheme + said
        terms = policy_terms(written, base)
        found = None if terms is None else terms.contact or terms.url
        if found is not None and (scheme != "mailto:" or "@" in found):
            return found
    return None


def _postal(assigner: Members) -> str:
    address = next(iter(_listed(assigner.get("hasAddress"))), {})
    parts = (_text(address.get(key)) for key in ("street-address", "postal-code", "locality", "country-name"))
    written = ", ".join(part for part in parts if part)
    return f"by post: {written}" if written else ""


def _terms(policy: Members) -> Iterator[str]:
    """What is permitted under which duties and constraints, each in one line."""
    for permission in _listed(policy.get("permission"))[:_MAX_PERMISSIONS]:
        duties = [_action(duty) for duty in _listed(permission.get("duty"))[:_MAX_EACH]]
        constraints = [_constraint(one) for one in _listed(permission.get("constraint"))[:_MAX_EACH]]
        yield (
            f"permission {_action(permission)}"
            + (f" with duty {' and '.join(duties)}" if duties else " without a duty")
            + "".join(f", {constraint}" for constraint in constraints)
        )
    for prohibition in _listed(policy.get("prohibition"))[:_MAX_PERMISSIONS]:
        yield f"prohibition {_action(prohibition)}"


def _action(rule: Members) -> str:
    return _text(rule.get("action"))[:60] or "of nothing that is named"


def _constraint(constraint: Members) -> str:
    left, operator, right = (_text(constraint.get(key))[:60] for key in ("leftOperand", "operator", "rightOperand"))
    return f"{left} {right}" if operator in {"", "eq"} else f"{left} {operator} {right}"


# -- JSON -------------------------------------------------------------------------------------------------------------


def _members(said: Mapping[str, object]) -> Members:
    """The members by their names without prefixes."""
    return {_bare(key): value for key, value in said.items()}


def _bare(key: str) -> str:
    return next((key.removeprefix(prefix) for prefix in _PREFIXES if key.startswith(prefix)), key)


def _listed(said: object) -> list[Members]:
    """The objects of a list, or the one object; a text is an object of that action."""
    listed = said if isinstance(said, list) else [said]
    found = [{"action": one} if isinstance(one, str) else one for one in listed[:64]]
    return [_members(one) for one in found if isinstance(one, dict) and one]


def _text(said: object) -> str:
    """A text, or that of the first of a list, or that which an object holds."""
    for _ in range(4):
        if isinstance(said, list):
            said = said[0] if said else None
        elif isinstance(said, dict):
            members = _members(said)
            said = next((members[k] for k in ("hasValue", "@id", "@value", "id", "value", "uid") if k in members), None)
        else:
            break
    return writable(" ".join(said.split())[:_MAX_CHARS]) if isinstance(said, str) else ""


def _shown(said: object) -> str:
    """The words, as JSON on one line."""
    try:
        return "" if said is None else json.dumps(said, ensure_ascii=False)[:_MAX_CHARS]
    except RecursionError:
        return ""


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.POLICY,),
    parse=read_tdm_policy,
)
