"""``llmsynthor``: the client for a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from llmsynthor import login as logins
from llmsynthor.api import Client, Json, Refused
from llmsynthor.login import Login, LoginError
from llmsynthor.verifying import verify as verify_folder

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False)
out, err = Console(), Console(stderr=True)
ENDED = frozenset({"released", "revoked", "recalled", "expired", "lapsed", "withdrawn", "rejected", "failed"})
REQUEST = Annotated[str, typer.Argument(help="The request's id")]


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Say in one line what was refused, and end with 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (Refused, LoginError) as problem:
            err.print(str(problem), markup=False, style="red")
            raise typer.Exit(1) from None
        except httpx.TransportError as problem:
            err.print(f"the site cannot be reached: {type(problem).__name__}", markup=False, style="red")
            raise typer.Exit(1) from None

    return run


@app.command()
@told
def login(
    site: Annotated[str, typer.Option(help="The site's address, for example https://synthor.example.org")],
    token: Annotated[str, typer.Option(prompt=True, hide_input=True, help="From the site's settings page")],
) -> None:
    """Keep a token where you alone can read it, after trying it."""
    with Client(site, token) as client:
        me = client.me()
    path = logins.keep(Login(site, token))
    out.print(f"Logged in as {me['name']} ({', '.join(me['roles']) or 'no role'}); kept in {path}", markup=False)


@app.command()
def logout() -> None:
    """Forget the token on this machine. It stays valid until it is revoked on the site's settings page."""
    logins.forget()
    out.print("Forgotten here. Revoke it on the site's settings page too.")


@app.command()
@told
def catalogue(words: Annotated[str, typer.Argument(help="Words of a title")] = "") -> None:
    """Datasets that can be asked for."""
    with Client.saved() as client:
        show(client.datasets(words), "id", "title", "population", "unit")


@app.command()
@told
def releases(dataset: Annotated[str, typer.Argument(help="The dataset's id, from the catalogue")]) -> None:
    """Statistics that a new request may use again, at no further privacy loss."""
    with Client.saved() as client:
        show(client.releases(dataset), "id", "finished_at", "epsilon", "delta")


@app.command()
@told
def requests(state: Annotated[str, typer.Option(help="Only in this state")] = "") -> None:
    """Your requests, newest first."""
    with Client.saved() as client:
        show(client.requests(state), "id", "title", "state", "dataset_title")


@app.command()
@told
def request(
    dataset: Annotated[str, typer.Argument(help="The dataset's id, from the catalogue")],
    title: Annotated[str, typer.Option()],
    purpose: Annotated[str, typer.Option(help="What question the table will answer")],
    context: Annotated[str, typer.Option(help="Who uses it, where it is kept, what is published")],
    rows: Annotated[int, typer.Option(help="How many synthetic rows")],
    epsilon: Annotated[str, typer.Option()] = "1",
    delta: Annotated[str, typer.Option()] = "1e-9",
    target: Annotated[list[str] | None, typer.Option(help="A column of interest; may be repeated")] = None,
    reuse: Annotated[
        str, typer.Option(help="Statistics to use again, from `releases`: they set epsilon and delta")
    ] = "",
    submit: Annotated[bool, typer.Option("--submit", help="Submit it for review at once")] = False,
) -> None:
    """Ask for a synthetic table."""
    wish: Json = {"title": title, "purpose": purpose, "context": context, "rows": rows}
    wish |= {"reused_id": reuse} if reuse else {"epsilon": epsilon, "delta": delta}
    with Client.saved() as client:
        made = client.create(dataset, **wish, targets=target or [])
        if submit:
            made = client.step(made["id"], "submit")
    out.print(f"{made['id']}: {made['state']}", markup=False)


@app.command()
@told
def watch(
    request: REQUEST, every: Annotated[float, typer.Option(help="Seconds between two looks", min=0.05)] = 2.0
) -> None:
    """Follow a request until somebody else's move, or its end."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Client.saved() as client, Progress(*columns, console=out) as progress:
        bar = progress.add_task("...", total=None)
        run = client.run(request)
        while True:
            done = sum(stage["status"] == "done" for stage in run["stages"])
            rounds = f", {len(run['iterations'])} iterations" if run["iterations"] else ""
            progress.update(bar, description=run["state"] + rounds, completed=done, total=len(run["stages"]))
            if not run["live"]:
                break
            time.sleep(every)
            run = client.run(request)
    with Client.saved() as client:
        found = client.request(request)
    out.print(f"{found['state']}; it waits for {found['whose_move']}.", markup=False)
    raise typer.Exit(2 if found["state"] in ENDED - {"released"} else 0)


@app.command()
@told
def download(
    request: REQUEST,
    to: Annotated[Path, typer.Option(help="The folder for the package")],
    file: Annotated[list[str] | None, typer.Option(help="Only this file; may be repeated")] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You have read the terms")] = False,
) -> None:
    """Download a released package, going on where an earlier try stopped. Every file's SHA-256 is checked."""
    with Client.saved() as client:
        package = client.package(request)
        if not package["accepted"]:
            accept(client, request, package, accept_licence)
        files = [one for one in package["files"] if not file or one["name"] in file]
        with Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), console=out
        ) as bars:
            for one in files:
                bar = bars.add_task(one["name"], total=one.get("bytes"))
                client.fetch(request, one["name"], to, progress=partial(bars.advance, bar))
    out.print(f"{len(files)} files in {to}, each with the SHA-256 the site told.", markup=False)


@app.command()
@told
def evidence(
    to: Annotated[Path, typer.Option(help="The file to write, for example pack.zip")],
    reason: Annotated[str, typer.Option(help="Why you need it; it stands in the log and in the pack")],
    request: Annotated[str, typer.Option(help="Of this request")] = "",
    dataset: Annotated[str, typer.Option(help="Of this dataset")] = "",
    since: Annotated[str, typer.Option(help="Of days: the first, as 2030-01-31 (UTC)")] = "",
    until: Annotated[str, typer.Option(help="Of days: the last")] = "",
) -> None:
    """Make an evidence pack of a request, a dataset or some days. For auditors."""
    given = {"request": request, "dataset": dataset, "since": since, "until": until}
    about = {name: value for name, value in given.items() if value}
    if set(about) not in ({"request"}, {"dataset"}, {"since", "until"}):
        raise Refused(0, "Name a request, or a dataset, or the days --since and --until.", [])
    with Client.saved() as client:
        made = client.evidence(about, reason, to)
    out.print(f"{made}: check it with python -m audit.check_evidence, or the site's one-file checker.", markup=False)


def accept(client: Client, request: str, package: Json, accepted: bool) -> None:
    if not accepted:
        out.print(package["licence"], markup=False)
        raise Refused(0, "Read these terms, then add --accept-licence.", [])
    client.accept_licence(request, package["licence_version"])


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="The package's folder")],
    key: Annotated[Path | None, typer.Option(help="The site's public key, from its owner")] = None,
    verifier: Annotated[Path | None, typer.Option(help="The one-file verifier, from the site's owner")] = None,
) -> None:
    """Check a package offline; asks no site. Ends with 0 where all holds, else with 1."""
    found = verify_folder(folder, key=key, verifier=verifier)
    for problem in found.problems:
        err.print(problem, markup=False, style="red")
    signature = "the signature holds" if found.signed and found.holds else "the signature was not checked"
    if found.holds:
        out.print(f"{found.files} files are as the manifest says; {signature}.", markup=False)
    raise typer.Exit(0 if found.holds else 1)


def show(rows: Any, *names: str) -> None:
    table = Table()
    for name in names:
        # An id is for copying: it stays whole however narrow the terminal is.
        table.add_column(name.replace("_", " "), min_width=36 if name == "id" else None, overflow="fold")
    for row in rows:
        table.add_row(*[str(row[name]) for name in names])
    out.print(table)


if __name__ == "__main__":
    app()
