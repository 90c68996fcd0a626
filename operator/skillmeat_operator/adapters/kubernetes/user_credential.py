"""What a kubeconfig's user gives: token, client certificate, and on whose behalf the calls are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from multidict import CIMultiDict

from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigError

# What an HTTP header's name may hold beside letters and digits (RFC 9110, token) and quote() would encode.
_NAME_SIGNS: Final = "!#$&'*+^`|"


def user_token(user: Mapping[str, Any]) -> str | None:
    """The bearer token of a user, None where it has none; of ``token`` and ``tokenFile`` the file counts.

    Raises:
        AccessError: the file cannot be read, or what is there cannot be a token.
    """
    stated = user.get("token")
    if "tokenFile" in user:
        try:
            stated = Path(user["tokenFile"]).read_text(encoding="utf-8").strip() or stated
        except (OSError, ValueError):
            if stated is None:
                raise AccessError(
                    f"The token file {user['tokenFile']} of the kubeconfig cannot be read."
                ) from None
    if stated is None:
        return None
    return checked_token(str(stated))


def checked_token(token: str) -> str:
    """A token as it is, if a header can hold it.

    Raises:
        AccessError: it cannot.
    """
    if not token or not token.isascii() or not token.isprintable():
        raise AccessError("The token of the kubeconfig's user has signs that no token has: log in again.")
    return token


def impersonation(user: Mapping[str, Any]) -> CIMultiDict[str]:
    """The headers that say on whose behalf calls are made; none where the user acts for itself.

    Raises:
        KubeconfigError: they name groups, a UID or more of a user without its name.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
    if not isinstance(groups, list) or not isinstance(extra, dict):
        raise KubeconfigError(
            "The kubeconfig's as-groups has to be a list, as-user-extra a mapping of lists."
        )
    if "as" not in user:
        if groups or extra or "as-uid" in user:
            raise KubeconfigError("The kubeconfig's user has as-uid, as-groups or as-user-extra without as.")
        return headers
    headers.add("Impersonate-User", _line(user["as"]))
    if "as-uid" in user:
        headers.add("Impersonate-Uid", _line(user["as-uid"]))
    for group in groups:
        headers.add("Impersonate-Group", _line(group))
    for key, values in extra.items():
        name = f"Impersonate-Extra-{quote(str(key).lower(), safe=_NAME_SIGNS)}"
        for value in values if isinstance(values, list) else [values]:
            headers.add(name, _line(value))
    return headers


def _line(value: Any) -> str:
    text = str(value)
    if not text.isprintable():
        raise KubeconfigError(
            "The kubeconfig's user has control characters in as, as-uid, as-groups or extra."
        )
    return text
