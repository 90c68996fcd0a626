"""Bearer tokens for a SkillMeat server that asks for them: an issuer whose keys the server fetches."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from testbed.ports import LOOPBACK

_KEY_ID = "testbed"
_LIFETIME = 3600


class TokenIssuer:
    """Signs tokens (RS256) and serves the public key as a JWKS; a context manager."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        keys = json.dumps({"keys": [self._public_key()]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Issuer, and base URL of the key set."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a SkillMeat server that refuses whoever has no token of this issuer with 401."""
        return {
            "SKILLMEAT_AUTH_ENABLED": "true",
            "SKILLMEAT_AUTH_PROVIDER": "clerk",
            # Without the second kind of credential a missing token gives 500 in place of 401.
            "SKILLMEAT_API_KEYS_V2_ENABLED": "true",
            "CLERK_JWKS_URL": f"{self.url}/jwks",
            "CLERK_ISSUER": self.url,
        }

    def token(self, subject: str = "operator") -> str:
        """A token that is valid for an hour."""
        now = int(time.time())
        claims = {"sub": subject, "iss": self.url, "iat": now, "exp": now + _LIFETIME}
        header = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def _public_key(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        modulus, exponent = _encoded(numbers.n.to_bytes(256)), _encoded(numbers.e.to_bytes(3))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID, "n": modulus, "e": exponent}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
