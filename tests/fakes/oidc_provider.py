"""A sign-in provider: OpenID Connect's code flow over real HTTP, in a process of its own.

It keeps the parts of the standards that a client relies on, and refuses what a strict provider refuses: a wrong
client, secret, address, verifier (PKCE, S256) or a code used twice. Who is signed in there, and with which claims, is
said on its command line; a person at its page only presses "Continue" or "Cancel".

    python -m tests.fakes.oidc_provider PORT '{"sub": "1", "preferred_username": "nina", "groups": ["stewards"]}'
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import time
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT, SECRET = "llmsynthor", "a-secret-of-the-client"


def told(fields: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in fields.items()}


def bare(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value: int) -> str:
    return bare(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Provider(ThreadingHTTPServer):
    def __init__(self, port: int, claims: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", port), Answering)
        self.claims, self.issuer = claims, f"http://localhost:{self.server_port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes: dict[str, dict[str, str]] = {}  # a code -> what was asked when it was given
        self.tokens: set[str] = set()

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def keys(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        public = {"n": number(numbers.n), "e": number(numbers.e)}
        return {"keys": [public | {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256"}]}

    def signed(self, claims: dict[str, Any]) -> str:
        parts = [json.dumps(one).encode() for one in ({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims)]
        text = ".".join(map(bare, parts))
        return f"{text}.{bare(self.key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"

    def code_for(self, asked: dict[str, str]) -> str:
        self.codes[code := secrets.token_urlsafe(24)] = asked
        return code

    def redeem(self, given: dict[str, str], client: str, secret: str) -> dict[str, Any]:
        """The tokens for a code; ValueError says what is wrong."""
        if (client, secret) != (CLIENT, SECRET):
            raise ValueError("invalid_client")
        asked = self.codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if asked is None or asked["redirect_uri"] != given.get("redirect_uri"):
            raise ValueError("invalid_grant")
        if asked["code_challenge"] != bare(digest):
            raise ValueError("invalid_grant")
        now = int(time.time())
        claims = self.claims | {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        self.tokens.add(access := secrets.token_urlsafe(24))
        return {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": self.signed(claims)}


class Answering(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, value: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode())

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/.well-known/openid-configuration":
            self.json(self.server.configuration())
        elif address.path == "/keys":
            self.json(self.server.keys())
        elif address.path == "/userinfo":
            known = self.headers.get("Authorization", "").removeprefix("Bearer ") in self.server.tokens
            self.json(self.server.claims if known else {"error": "invalid_token"}, 200 if known else 401)
        elif address.path == "/authorize":
            self.ask(told(parse_qs(address.query)))
        else:
            self.json({"error": "not_found"}, 404)

    def ask(self, asked: dict[str, str]) -> None:
        """The page on which somebody agrees; its buttons are links, as this provider trusts its own browser."""
        right = asked.get("client_id") == CLIENT and asked.get("response_type") == "code"
        if not right or "openid" not in asked.get("scope", "") or asked.get("code_challenge_method") != "S256":
            return self.json({"error": "invalid_request"}, 400)
        back = asked["redirect_uri"]
        yes = f"{back}?{urlencode({'code': self.server.code_for(asked), 'state': asked['state']})}"
        no = f"{back}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        page = f"<h1>Hospital sign-in</h1><a href='{escape(yes)}'>Continue</a> <a href='{escape(no)}'>Cancel</a>"
        return self.answer(200, page.encode(), "text/html")

    def do_POST(self) -> None:
        given = told(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        client, secret = given.get("client_id", ""), given.get("client_secret", "")
        if self.headers.get("Authorization", "").startswith("Basic "):
            client, _, secret = base64.b64decode(self.headers["Authorization"][6:]).decode().partition(":")
        try:
            self.json(self.server.redeem(given, client, secret))
        except ValueError as problem:
            self.json({"error": str(problem)}, 400)


def main() -> None:
    provider = Provider(int(sys.argv[1]), json.loads(sys.argv[2]))
    print(provider.server_port, flush=True)
    provider.serve_forever()


if __name__ == "__main__":
    main()
