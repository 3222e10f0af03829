"""People at their browsers, for `benchmarks.load`: threads that open pages and fill in forms over HTTP."""

from __future__ import annotations

import http.client
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

PAUSE = (5.0, 15.0)  # seconds between two pages of one person
WRITING = 0.1  # of what a person does is a form
SHARES = {"researcher": 0.6, "steward": 0.2, "owner": 0.1, "auditor": 0.07, "admin": 0.03}


@dataclass
class Seen:
    """What all of them were answered: milliseconds, and what should not have been."""

    times: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, address: str, status: int, seconds: float) -> None:
        with self.lock:
            self.times.append(1000 * seconds)
            if status not in (200, 302):
                self.wrong[f"{status} {address.split('?')[0]}"] += 1


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, the pages that their role has, and the form that they fill in."""

    port: int
    cookie: str
    token: str
    pages: Sequence[str]
    form: tuple[str, dict[str, str]]

    def act(self, chance: random.Random, seen: Seen) -> None:
        address, body = (chance.choice(self.pages), None)
        if chance.random() < WRITING:
            address, body = self.form
        began = time.monotonic()
        try:
            status = self.ask(address, body)
        except OSError as problem:
            status = 0
            address = f"{type(problem).__name__} {address}"
        seen.add(address, status, time.monotonic() - began)

    def ask(self, address: str, body: dict[str, str] | None) -> int:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Cookie": self.cookie, "Host": f"localhost:{self.port}"}
        try:
            if body is None:
                line.request("GET", address, headers=headers)
            else:
                told = urlencode({**body, "csrfmiddlewaretoken": self.token})
                line.request("POST", address, told, headers | {"Content-Type": "application/x-www-form-urlencoded"})
            answer = line.getresponse()
            answer.read()
            return answer.status
        finally:
            line.close()


def walk(port: int, number: int, seconds: int, dataset: Any, check: Callable[[], None]) -> dict[str, Any]:
    """So many people for so long: answers, errors, and what 19 in 20 answers stay within."""
    people = signed_in(port, number, dataset)
    seen, until = Seen(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=live, args=(person, until, random.Random(at), seen), daemon=True)
        for at, person in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        check()
        time.sleep(0.2)
    for thread in threads:
        thread.join(90)
    times = sorted(seen.times)
    p95 = round(times[max(0, -(-len(times) * 95 // 100) - 1)], 1) if times else 0.0
    median = round(times[len(times) // 2], 1) if times else 0.0
    wrong = dict(seen.wrong.most_common(10))
    return {"requests": len(times), "errors": seen.wrong.total(), "p95_ms": p95, "median_ms": median, "wrong": wrong}


def live(person: Person, until: float, chance: random.Random, seen: Seen) -> None:
    time.sleep(chance.uniform(0, PAUSE[1]))  # nobody comes at the same moment
    while time.monotonic() < until:
        person.act(chance, seen)
        time.sleep(min(chance.uniform(*PAUSE), max(0.0, until - time.monotonic())))


def signed_in(port: int, number: int, dataset: Any) -> list[Person]:
    """Sessions as a sign-in leaves them: hashing so many passwords at once would be another measurement."""
    from benchmarks import portal
    from llmsynthor_site.models import User

    pages: dict[str, list[str]] = {}
    for who, address in portal.pages():
        pages.setdefault(who.rstrip("0"), []).append(address)
    pages["researcher"] += [f"/datasets/{dataset.pk}/", "/help/", "/settings/"]
    found = []
    for role, share in SHARES.items():
        known = list(User.objects.filter(username__startswith=role).order_by("pk"))
        if role == "owner":
            known = known[:1]  # the pages are those of the first owner, and another's dataset is nobody else's to see
        form = request_form(dataset) if role == "researcher" else ("/notices/", {})
        for at in range(max(1, round(number * share))):
            cookie, token = session(known[at % len(known)])
            found.append(Person(port, cookie, token, pages[role], form))
    return found[:number]


def session(user: Any) -> tuple[str, str]:
    """A cookie of a session and the token that forms then need."""
    from django.contrib.sessions.backends.db import SessionStore

    store, token = SessionStore(), secrets.token_hex(16)
    store["_auth_user_id"], store["_auth_user_hash"] = str(user.pk), user.get_session_auth_hash()
    store["_auth_user_backend"] = "llmsynthor_site.backends.RoleBackend"
    store.create()
    return f"sessionid={store.session_key}; csrftoken={token}", token


def request_form(dataset: Any) -> tuple[str, dict[str, str]]:
    wish = {
        "dataset": str(dataset.pk), "title": "From the load test", "purpose": "To see how it answers.",
        "context": "Nobody reads this.", "rows": "100", "epsilon": "0.0001", "delta": "1e-6", "proposer": "embedded",
        "endpoint": "",
    }  # fmt: skip
    return "/requests/new/", wish
