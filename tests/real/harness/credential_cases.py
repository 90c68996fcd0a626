"""The ways in which a credential does not do, and what status has to say about each."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.backstage import without

BLIND, NO_LOCATIONS, NO_CREATE, NO_DELETE = (
    "blind-token",
    "no-locations-token",
    "no-create-token",
    "no-delete-token",
)
LESSER_TOKENS = {
    BLIND: without("catalog.entity.read"),
    NO_LOCATIONS: without("catalog.location.read"),
    NO_CREATE: without("catalog.location.create"),
    NO_DELETE: without("catalog.location.delete"),
}
"""Tokens of the portal that lack one permission each."""
WRONG = "wrong-token"
SOURCE_FIELD = "spec.source.skillmeat.auth.bearerTokenSecretRef"
PORTAL_FIELD = "spec.backstage.auth.bearerTokenSecretRef"


@dataclass(frozen=True)
class Case:
    """One way in which a credential does not do."""

    side: str
    """The condition that tells it."""
    reason: str
    says: tuple[str, ...]
    """What the message has to name: the remedy."""
    healthy_before: bool = True
    guarded: bool = False
    """On the SkillMeat server that asks for tokens."""
    source: str | None = None
    """The source's token from the beginning; None: no reference to one."""
    portal: str | None = "good"
    turned: tuple[str, str | None] | None = None
    """Secret and the token it is given when the case is broken; no token: the Secret is deleted."""
    key_lost: bool = False
    """The Secret stays and loses the key."""


CASES = {
    "a source token that turns wrong": Case(
        "SourceReachable",
        "AuthenticationFailed",
        ("does not accept the token", SOURCE_FIELD),
        guarded=True,
        source="good",
        turned=("source", WRONG),
    ),
    "a source token that was never set": Case(
        "SourceReachable",
        "AuthenticationFailed",
        ("asks for a token", SOURCE_FIELD),
        guarded=True,
        healthy_before=False,
    ),
    "a source Secret that vanishes": Case(
        "SourceReachable",
        "SecretNotFound",
        ("Secret 'source' does not exist", "create it"),
        guarded=True,
        source="good",
        turned=("source", None),
    ),
    "a portal token that turns wrong": Case(
        "CatalogReachable",
        "AuthenticationFailed",
        ("does not accept the token", PORTAL_FIELD),
        turned=("portal", WRONG),
    ),
    "a portal token that was never set": Case(
        "CatalogReachable",
        "AuthenticationFailed",
        ("asks for a token", PORTAL_FIELD),
        healthy_before=False,
        portal=None,
    ),
    "a portal Secret that vanishes": Case(
        "CatalogReachable",
        "SecretNotFound",
        ("Secret 'portal' does not exist", "create it"),
        turned=("portal", None),
    ),
    "a portal Secret that loses its key": Case(
        "CatalogReachable",
        "SecretKeyNotFound",
        ("Key 'token' of Secret 'portal' is missing", "add it"),
        turned=("portal", "good"),
        key_lost=True,
    ),
    "a portal token that turns blind to entities": Case(
        "CatalogReachable",
        "TokenCannotRead",
        ("catalog.entity.read", "accessRestrictions"),
        turned=("portal", BLIND),
    ),
    "a portal token that never saw entities": Case(
        "CatalogReachable",
        "TokenCannotRead",
        ("catalog.entity.read", "accessRestrictions"),
        healthy_before=False,
        portal=BLIND,
    ),
    "a portal token that turns blind to locations": Case(
        "CatalogReachable",
        "TokenCannotRead",
        ("catalog.location.read", "accessRestrictions"),
        turned=("portal", NO_LOCATIONS),
    ),
    "a portal token that may not register": Case(
        "CatalogReachable",
        "TokenForbidden",
        ("catalog.location.create", "accessRestrictions"),
        healthy_before=False,
        portal=NO_CREATE,
    ),
}
WHO_GETS_BETTER = [name for name, case in CASES.items() if case.turned or case.portal in {BLIND, NO_CREATE}]
