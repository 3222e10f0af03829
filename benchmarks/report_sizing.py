"""The page that sizes a deployment, from recorded lines of ``benchmarks.sizing``, ``.growth`` and ``.shards``."""

from __future__ import annotations

from benchmarks import records
from benchmarks.records import Line

HEAD = """<!-- Written by `python -m benchmarks.report` from the lines in docs/benchmarks/; changes here are lost. -->

# Sizing a deployment

How many workers a site needs follows from the rows and columns of its tables and from how many requests come in a
day. The first table is a simulation from the measured figures below it, not a measurement of a cluster. One worker is
one process on one core. The fewest workers are shown with which 95 of 100 jobs wait at most five minutes for one, in a
working day of eight hours; people's votes at the gates, which take longer than any of this, are left out.

```
python -m benchmarks.sizing --record docs/benchmarks/sizing.jsonl
```
"""
READING = """
- **Measuring** takes until the release's tick, which follows from the declared rows, columns and cells and from
  `MEASURING_NANOSECONDS_PER_ROW`; counting itself is done long before ([measuring.md](measuring.md)). A measuring
  worker waits most of that time: several fit on one core. With a lower pace on a fast machine fewer are needed; a
  release that is not done by its tick has failed, so try the slowest table first.
- **Synthesising** computes all the time. Its figure is that of the model, of up to a million synthetic rows drawn by
  one worker, and of five answers of a language model at ten seconds each.
- **Small sites**: web, one measuring and one synthesising worker, door, beat and database fit on one machine of four
  cores and 8 GiB, where the columns of workers say 1.
- **Larger ones** put the measuring workers on machines of their own (they hold the vault), and as many synthesising
  workers as the table says on others. All workers of a queue take the next job from the same database, so machines can
  be added and taken away at any time.
"""
MODEL = """## A model, by columns

CPU seconds from reading a table of {rows:,} rows to writing a synthetic one, and the highest memory.

"""
ROWS = """## Synthetic rows, by rows and workers

Rows drawn in shards by so many processes, {columns} columns. Memory does not grow with rows, and the table is the same
whatever the number of workers. Seconds are those of a machine of two cores on which other work was running: CPU
seconds say more.

```
python -m benchmarks.shards --rows {rows} --workers {workers} --shard-rows {size} --record docs/benchmarks/shards.jsonl
```

"""
DISK = """
While a table is drawn, its parts lie in the site's folder `shards`, about {part:.0f} bytes a row at {columns} columns
of one byte each, which all synthesising workers must share; they are gone once the table is written.
"""
LOAD = """
## Many people and many jobs

On a site of its own with PostgreSQL, Redis, two web processes of four threads, door, beat and three workers that take
measuring and synthesising alike: so many people of mixed roles with 5 to 15 seconds between two pages, then so many
requests that wait at once while one worker is killed every {kill_seconds} seconds. A request has ended when its table
waits for the last gate, or when its worker was killed after it had begun to charge: that one has failed, and is never
measured twice. Other work was running on the machine of two cores, with ten processes and more waiting for a core at
any moment while there were jobs, and with two or three where there were people alone (`--jobs 0`): milliseconds are
those of such a machine, and what counts of the jobs is that none was lost or charged twice.

```
python -m benchmarks.load --people {people} --seconds {seconds} --jobs {jobs} --record docs/benchmarks/load.jsonl
```

"""
LAST = "charged twice", "workers killed", "jobs, s"


def page(lines: list[Line]) -> tuple[str, dict[str, str]]:
    """The page in Markdown, and no figures; empty where nothing was recorded."""
    sized = [line for line in lines if line["kind"] == "sizing"]
    if not sized:
        return "", {}
    grown = [line for line in lines if line["kind"] == "growth"]
    drawn = [line for line in lines if line["kind"] == "shards"]
    parts = [HEAD, "\n".join(_cases(sized)), READING]
    parts += [MODEL.format(rows=grown[0]["rows"]) + "\n".join(_models(grown)) + "\n"] if grown else []
    parts += [ROWS.format(**_options(drawn)) + "\n".join(_drawn(drawn)) + "\n"] if drawn else []
    parts += [DISK.format(part=drawn[0]["columns"], columns=drawn[0]["columns"])] if drawn else []
    loaded = [line for line in lines if line["kind"] == "load"]
    parts += [LOAD.format(**loaded[0]) + "\n".join(_loaded(loaded)) + "\n"] if loaded else []
    return "\n".join(part.strip("\n") + "\n" for part in parts), {}


def _options(lines: list[Line]) -> dict[str, object]:
    """The command's own, as far as the lines tell."""
    return {
        "columns": lines[0]["columns"], "size": lines[0]["rows"] // lines[0]["shards"],
        "rows": " ".join(str(rows) for rows in sorted({line["rows"] for line in lines})),
        "workers": " ".join(str(workers) for workers in sorted({line["workers"] for line in lines})),
    }  # fmt: skip


def _cases(lines: list[Line]) -> list[str]:
    names = "rows", "columns", "requests a day", "measuring, s each", "measuring workers", "synthesising, s each"
    rows = records.head(*names, "synthesising workers")
    for line in lines:
        rows.append(
            f"| {line['rows']:,} | {line['columns']} | {line['requests']:,} | {line['measure_seconds']:,} | "
            f"{line['measurers']} | {line['synthesise_seconds']:,} | {line['synthesisers']} |"
        )
    return rows


def _models(lines: list[Line]) -> list[str]:
    rows = records.head("columns", "CPU s", "MiB")
    found = sorted(lines, key=lambda line: line["columns"])
    return rows + [f"| {line['columns']} | {line['cpu_seconds']:.0f} | {line['peak_mib']} |" for line in found]


def _loaded(lines: list[Line]) -> list[str]:
    rows = records.head(
        "people", "answers", "errors", "median, ms", "95 of 100 within, ms", "jobs", "ended", "failed", *LAST
    )
    for line in lines:
        rows.append(
            f"| {line['people']} | {line['requests']:,} | {line['errors']} | {line['median_ms']:,.0f} | "
            f"{line['p95_ms']:,.0f} | {line['jobs']} | {line['jobs_ended']} | {line['states'].get('failed', 0)} | "
            f"{line['charged_twice']} | {line['killed']} | {line['job_seconds']} |"
        )
    return rows


def _drawn(lines: list[Line]) -> list[str]:
    rows = records.head("rows", "workers", "drawing, s", "CPU s", "writing, CPU s", "a worker, MiB", "the writer, MiB")
    for line in lines:
        rows.append(
            f"| {line['rows']:,} | {line['workers']} | {line['seconds_drawing']:.0f} | "
            f"{line['cpu_seconds_drawing']:.0f} | {line['cpu_seconds_writing']:.1f} | {line['worker_peak_mib']} | "
            f"{line['peak_mib']} |"
        )
    return rows
