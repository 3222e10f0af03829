"""One HTTPS POST to an address on the site's list, and to nowhere else, whatever a name resolves to.

The list (``WEBHOOK_HOSTS``) is the administrator's: a bare name means HTTPS on port 443 at a public address; a whole
origin such as ``http://10.0.0.5:8080`` means exactly that one, inside the organisation too. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

SECONDS = 10.0
PORTS = {"https": 443, "http": 80}


class NotAllowed(Exception):
    """The address is not on the site's list, or is no plain address of a web server."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes: ``public`` where the list names a host alone, which must not lie inside."""

    scheme: str
    host: str
    port: int
    path: str
    public: bool


def place_of(url: str) -> Place:
    """NotAllowed, with the rule, unless the site's list covers this address."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise NotAllowed("this is not an address of a web server") from None
    if not plain(url, parts):
        raise NotAllowed("an address is https://HOST/PATH: without a user, a fragment, or spaces")
    host = (parts.hostname or "").rstrip(".")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    for entry in settings.WEBHOOK_HOSTS:
        if "://" in entry:
            if covers(entry, parts.scheme, host, port):
                return Place(parts.scheme, host, port, path, public=False)
        elif (parts.scheme, host, port) == ("https", entry.casefold(), 443):
            return Place(parts.scheme, host, port, path, public=True)
    raise NotAllowed("this host is not on the site's list of hosts for webhooks, which an administrator keeps")


def plain(url: str, parts: SplitResult) -> bool:
    printable = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    return printable and parts.scheme in PORTS and bool(parts.hostname) and "@" not in parts.netloc and "#" not in url


def covers(entry: str, scheme: str, host: str, port: int) -> bool:
    listed = urlsplit(entry)
    return (listed.scheme, listed.hostname, listed.port or PORTS.get(listed.scheme)) == (scheme, host, port)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status that came back. NotAllowed, or OSError and http.client.HTTPException where nobody answered."""
    place = place_of(url)
    with connected(place) as connection:
        connection.request("POST", place.path, body=body, headers=dict(headers))
        return connection.getresponse().status  # what else it says is of no use here, and never read


@contextmanager
def connected(place: Place) -> Iterator[http.client.HTTPConnection]:
    """A connection to the very address that was looked at: a name that resolves anew changes nothing."""
    address = address_of(place)
    connection = http.client.HTTPConnection(place.host, place.port, timeout=SECONDS)
    raw = socket.create_connection((address, place.port), timeout=SECONDS)
    try:
        secure = place.scheme == "https"
        connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=place.host) if secure else raw
        yield connection
    finally:
        connection.close()
        raw.close()


def address_of(place: Place) -> str:
    """The first address of the host; NotAllowed where a host that should be public has one inside."""
    found = [str(one[4][0]) for one in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)]
    if place.public and not all(ipaddress.ip_address(one.partition("%")[0]).is_global for one in found):
        raise NotAllowed("this host has an address inside, which the site's list does not name as an origin")
    return found[0]
