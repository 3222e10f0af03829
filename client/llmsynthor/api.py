"""One method for each thing a program asks a site. Refusals come as :class:`Refused`, in the site's words."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from llmsynthor.login import Login, checked, kept

BASE, CHUNK = "/api/v1", 2**18
EVIDENCE_SECONDS = 600.0
"""A pack is made while its caller waits: it verifies the whole log."""
Json = dict[str, Any]
Progress = Callable[[int], object]


class Refused(Exception):
    """What the site refused, and why. ``errors`` has a field and a rule each."""

    def __init__(self, status: int, detail: str, errors: list[Json]) -> None:
        self.status, self.detail, self.errors = status, detail, errors
        told = [f"{one['field']}: {one['rule']}" if one["field"] else str(one["rule"]) for one in errors]
        super().__init__(" ".join([detail, *told]))


class Client:
    """A site, as one person's token lets a program see it. Use it in a ``with``, or call :meth:`close`."""

    def __init__(
        self, site: str, token: str, *, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, application/problem+json"}
        self._http = httpx.Client(
            base_url=checked(site) + BASE, headers=headers, timeout=timeout, transport=transport, follow_redirects=False
        )

    @classmethod
    def saved(cls, login: Login | None = None) -> Client:
        """With the login of ``llmsynthor login``. LoginError where there is none."""
        login = login or kept()
        return cls(login.site, login.token)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # Reading.

    def me(self) -> Json:
        return self._get("/me/")

    def datasets(self, words: str = "") -> Iterator[Json]:
        return self._pages("/datasets/", {"words": words} if words else {})

    def dataset(self, dataset: str) -> Json:
        return self._get(f"/datasets/{dataset}/")

    def releases(self, dataset: str) -> Iterator[Json]:
        """Statistics of a dataset that a request may use again, named as its ``reused_id``, at no further loss."""
        return self._pages(f"/datasets/{dataset}/releases/", {})

    def requests(self, state: str = "") -> Iterator[Json]:
        return self._pages("/requests/", {"state": state} if state else {})

    def request(self, request: str) -> Json:
        return self._get(f"/requests/{request}/")

    def compare(self, request: str, show: str = "tables", words: str = "") -> Iterator[Json]:
        """A table beside the noised statistics it was made from, worst first: columns, pairs or tables."""
        return self._pages(f"/requests/{request}/compare/{show}/", {"words": words} if words else {})

    def run(self, request: str) -> Json:
        return self._get(f"/requests/{request}/run/")

    def notices(self, *, unread: bool = True) -> Iterator[Json]:
        return self._pages("/notices/", {"unread": "true"} if unread else {})

    def price(self, epsilon: str, delta: str, dataset: str = "") -> Json:
        asked = {"epsilon": epsilon, "delta": delta} | ({"dataset": dataset} if dataset else {})
        return self._get("/price/", asked)

    # Asking.

    def create(self, dataset: str, **wish: Any) -> Json:
        """A draft: title, purpose, context, rows, epsilon, delta (or reused_id), and what else docs/api.md names."""
        return self._post("/requests/", {"dataset": dataset, **wish})

    def edit(self, request: str, **changes: Any) -> Json:
        """Change a draft as it was last read; Refused with status 412 where somebody changed it in between."""
        place = f"/requests/{request}/"
        etag = self._checked(self._http.get(place)).headers["ETag"]
        found: Json = self._checked(self._http.patch(place, json=changes, headers={"If-Match": etag})).json()
        return found

    def step(self, request: str, action: str, **told: str) -> Json:
        """Submit, withdraw, take back, renew, acknowledge...; ``told``: a comment or a reason, where one is asked."""
        return self._post(f"/requests/{request}/actions/{action}/", told)

    # Fetching.

    def package(self, request: str) -> Json:
        return self._get(f"/requests/{request}/package/")

    def accept_licence(self, request: str, version: str) -> Json:
        return self._post(f"/requests/{request}/licence/", {"version": version})

    def fetch(self, request: str, file: str, folder: Path, *, progress: Progress = lambda _: None) -> Path:
        """Download one file, going on where an earlier try stopped; it gets its name once its SHA-256 is right."""
        link = self._post(f"/requests/{request}/links/", {"file": file})
        target, part = folder / _plain(file), folder / f"{_plain(file)}.part"
        folder.mkdir(parents=True, exist_ok=True)
        self._stream(str(link["url"]).removeprefix(BASE), part, progress)
        if _sha256(part) != link["sha256"]:
            part.unlink()
            raise Refused(0, f"{file} is not what the site promised, and was thrown away. Try again.", [])
        part.replace(target)
        return target

    def evidence(self, about: Json, reason: str, target: Path, *, progress: Progress = lambda _: None) -> Path:
        """An auditor's evidence pack, written to ``target``: a signed ZIP file that ``audit.check_evidence`` checks.

        ``about`` has ``request`` or ``dataset`` (an id), or the days ``since`` and ``until``. Each call makes another
        pack, with its own entry in the log; what breaks off leaves no file.
        """
        kind = next((name for name in ("request", "dataset") if name in about), "")
        place = f"/{kind}s/{about[kind]}/evidence/" if kind else "/log/evidence/"
        body = {"reason": reason} | ({} if kind else about)
        part = target.with_name(f"{target.name}.part")
        try:
            with self._http.stream("POST", place, json=body, timeout=EVIDENCE_SECONDS) as answer:
                if answer.is_error:
                    answer.read()
                self._checked(answer)
                _write(answer, part, "wb", progress)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _stream(self, place: str, part: Path, progress: Progress) -> None:
        start = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._http.stream("GET", place, headers=headers) as answer:
            if answer.is_error:
                answer.read()
            self._checked(answer)
            goes_on = answer.status_code == 206
            progress(start if goes_on else 0)
            _write(answer, part, "ab" if goes_on else "wb", progress)

    # How it is asked.

    def _get(self, place: str, asked: dict[str, str] | None = None) -> Json:
        found: Json = self._checked(self._http.get(place, params=asked or None)).json()
        return found

    def _post(self, place: str, body: Json) -> Json:
        """With a key of its own: tried again where the connection breaks, it is done once all the same."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        for last in (False, True):
            try:
                found: Json = self._checked(self._http.post(place, json=body, headers=headers)).json()
                return found
            except httpx.TransportError:
                if last:
                    raise
        raise AssertionError("unreachable")

    def _pages(self, place: str, asked: dict[str, str]) -> Iterator[Json]:
        page = self._get(place, asked)
        yield from page["results"]
        while page["next"]:
            cursor = httpx.URL(page["next"]).params["cursor"]
            page = self._get(place, asked | {"cursor": cursor})
            yield from page["results"]

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        kind = answer.headers.get("Content-Type", "")
        told = answer.json() if "problem+json" in kind else {}
        detail = told.get("detail") or f"the site answered with {answer.status_code}"
        raise Refused(answer.status_code, detail, told.get("errors", []))


def _write(answer: httpx.Response, part: Path, mode: str, progress: Progress) -> None:
    with part.open(mode) as file:
        for chunk in answer.iter_bytes(CHUNK):
            file.write(chunk)
            progress(len(chunk))


def _plain(name: str) -> str:
    """A file's name as it is on this machine: never a way out of the folder."""
    if name != Path(name).name or name in ("", ".", ".."):
        raise Refused(0, "the site named a file with a path; nothing was written.", [])
    return name


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
