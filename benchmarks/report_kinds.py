"""The page on kinds of data: what runs of ``benchmarks.kinds`` recorded, as tables and figures."""

from __future__ import annotations

from benchmarks import drawing, records
from benchmarks.records import Line

HEAD = """<!-- Written by `python -m benchmarks.report` from the lines in docs/benchmarks/; changes here are lost. -->

# Kinds of data: related tables

Households with persons, persons with the trips of a day, and customers with invoices and their lines, made again as
related tables: measured under differential privacy for whole households or customers, then rebuilt so that members of
one unit belong together. The site offers two and three related tables by one rule
([related-tables.md](related-tables.md)); what is particular to these kinds (tours, products that are searched for,
budgets) runs by the commands below.

```
python -m benchmarks.kinds population --data FOLDER --epsilon 1 --seed 0 --out FOLDER
```

writes the same tables with the same columns and spelling, keys of their own, and prints one JSON object. How the budget
is shared among groups of tables, how many votes they have and how much noise a table may carry before it is seen more
coarsely, was chosen on about two hundred and fifty runs of the data sets below, so data of the same kinds that nobody
looked at are the better judge.

## How it works

- **One unit, one row.** A household with its members is one wide row (`privacy/layouts.py`), with room for a declared
  most of members; those beyond it are not counted. The privacy unit is that row: everything a household and all its
  members say is hidden together.
- **Votes.** A table of members is pooled over all of a household's members, which share at most a declared number of
  votes, by the norm of the household's own table ([measuring.md](measuring.md)). Noise follows the votes, not the
  members.
- **Measuring** goes through the product's own execution and OpenDP, against a ledger in memory. Tables of one column
  come first; they decide how coarsely the others are seen (`privacy/workloads.py`).
- **Members** (`synthesis/members/`): households are made by the loop for single tables, the number of members being one
  of their columns. Then members are redrawn, block by block, from p(member | household, other members), until every
  released table is met as far as its noise allows.
- **Hard rules** are never broken: a forbidden choice has no weight. Attributes tied by a rule are drawn together.
  Rules may bind a member to its household (Home is where the household lives), to the member before (time goes on),
  and to the number of members (`sizeRules`: who lives alone is grown up, and of a household type that means so);
  `someone` says what the first or the second of a household must be.
- **Keys** are 1, 2, 3 and so on in every table; every child row names a parent row that exists.
- **The seed** decides everything but the noise, which is OpenDP's and secret: two runs of one seed differ. With
  `--floor` they do not.

A declaration is one JSON file (`benchmarks/schemas/`): a Table Schema for each file ([schema.md](schema.md)) with
`key`, `parent`, `parentKey`, `number` (the order of members), `least` and `most` members, and `together` (attributes
drawn together). `pairs`, `withSize`, `withUnit`, `meetings` and `oneWay` name the tables to measure where not all are
worth it, `matters` and `shares` how much goes to them. Nothing in it comes from data; `--schema FILE` takes another.

**Other files of the same kind** run as they are. UTF-8 or else Windows-1252, packed or not, more columns and in any
order, whole numbers with or without a decimal point and, of moments, the spellings under `alsoWritten` are read; what
is written is UTF-8 and spelled as declared. What nobody declared has a declared policy: a number beyond the bounds
counts as the bound (`outside`), any other unknown or missing cell as the value under `unlisted`, a country as
`other`, and a trip or a line that lacks a cell is left out (`incomplete`). So is a household of nobody. The line
under `outside` tells how many cells that were, and distances are to the values that they counted as: where there are
many, declare more. Without such a policy a file is refused, by column and rule. Keys that are not unique, or lead
nowhere, are refused in any case.

How far zones go, and in which years invoices are, is another matter in another city or year. Two hundredths of rho find
it first (`extent`, `benchmarks/kinds/extents.py`): units are counted on the rungs of a public ladder (sizes of zone
systems, years), and rungs with clearly more units than noise are within the bounds, told under `bounds`.
"""
WORDS = {
    "population": """## Population

{units:,} households with {members:,} persons. Distances are total variation (0 is the same, 1 nothing in common), mean
over all tables of the kind a row names.
""",
    "mobility": """## Mobility

{units:,} households with {members:,} persons and their trips. A day is brought into order by hour, and within an hour
so that each trip starts where the last one ended. A chain has no place for what still does not connect, so it is
repaired where it is measured: {told}.

By construction a day begins and ends at home, each trip starts where the last one ended, hours do not fall, and
"Home" is where the household lives, and no trip goes back to work, or away from it, from home. Zones are measured as
ten super-zones of consecutive numbers (`OD`; `OD, coarse` joins them two by two), and a zone is drawn evenly from its
super-zone. `tours.csv` is derived from the trips (what a tour from work is for, and who travels together, no trip
says: all of the former are called `eat`), and so are `hhsize`, `num_workers`, `outbound` and the zones of work and
school.
""",
    "retail": """## Transactions

{units:,} units with {members:,} invoices and {lines:,} lines, in one flat file. A unit is a customer; an invoice that
names none is a unit of its own (`nullIdentifiers`; `drop` leaves such rows out), so a person who bought twice without a
name is protected for each invoice alone. The file is split into customers, invoices and lines, as the declaration says,
and written back as the same flat file: new numbers that follow time, one moment and country an invoice, negative
quantities where an invoice is cancelled (its number begins with C). What a flat file says twice and differently, or has
beyond the declared most, is: {told}.

Products have no public list. They are found first (`discover`, `benchmarks/kinds/keys.py`): a unit's distinct
products each weigh min(1, votes / root of their number), OpenDP's threshold mechanism lets out those that are
frequent enough, and its rho and delta are charged before anything else. Any other product is written as the declared
`other`. Descriptions are never measured and left empty. Of a moment the year, month, weekday and hour are measured;
the day that fits them and the minute are drawn evenly and say nothing, and seconds are 00 as the shop writes them.
Quantities and prices are seen in declared bins that grow; lines per invoice too. *Missed* is the share of the fifty
most frequent products that are not among the fifty most frequent synthetic ones.

Distances are to the lines within the declared most; those beyond it, of a few wholesale customers, are in no distance,
so that one taken from the whole file is larger.

One customer has 2,693 lines and half have 26 or fewer. A unit's lines share votes by norm, 48 in a table of one
column and 16 in one of two, so a very large one still weighs less than its lines do: that, and not noise, was most of
the error of quantities when they had 8. What lines say is bound to the size of their invoice, whether it is cancelled
and whether it names a customer, by tables of their own. Groups of tables matter alike (quantity with price; both with
the product; both with what is known of the invoice), not single tables: when all nine did, quantity with price had a
fifth of what independent lines spend on it and an error of .180 (five runs), nearly all of it noise on lines (with
exact invoices .17, with exact lines .06, two runs each). What it is still behind pays for the other eight. What else
stays wrong is mostly how many lines belong to cancelled and to unnamed invoices: a few too many of a rare kind with
many lines each move all their lines' quantities.
""",
}
MANY = """Made {households:,} units at epsilon {epsilon:g} (`--households {households}`), whatever was released:
{rule_violations} rules broken, {cpu_seconds:.0f} CPU s, {peak_rss_mib:,} MiB."""
PERSONS = """With every person a unit by itself (`--unit person`, where the owner says so), less is hidden, and what
members of one household have in common (pairs of them, how many they are) is neither measured nor made, so that no row
is about it; what is said of a household counts once for each of its persons:
"""
SAMPLE = """With few units noise is most of every table. A public sample of the same population is a way past it, tried
here and no part of the appliance: released tables are drawn towards the sample's as far as they themselves say that
they resemble it (`benchmarks/kinds/prior.py`), which costs no privacy.
{private:,} households measured at epsilon {epsilon:g},
{public:,} others given away as the sample, both compared with the whole file
(`--private {private} --public {public}`):
"""
LEFT = {
    "population": """What is left is noise first, and the model second: the noise-free column is the model's part, and
truncation has next to none in it (four households have more than eight persons). Single runs differ: household x
person was between .027 and .033 on one budget, gender of persons 1 and 2 between .003 and .013, so that the latter
misses the .005 that was aimed at: it is a table of few cells that gets little of the budget. Household x person takes
most of it, since its tables hold the most cells, 44 subregions by eleven ages among them, for one vote a household;
what is wrong with the household's own columns is in it too. Where persons 1 and 2 are compared by age, members together
are more than ten times nearer than independent ones.
""",
    "mobility": """What is left is noise of 2,000 households: of single runs, mode was between .014 and .037 on one
budget. The mode of a trip has 21 codes, many of them rare, and a household has its modes in common, so that twelve
votes are needed where hours do with four, and noise follows the votes; so it gets most of what single columns get.
Single columns are about as near as those of independent trips, which have fewer tables to pay for, and no nearer.
Time use is bound by the model: hours between trips are no table of their own.
""",
}
QUERIES = """Questions that planners ask of whole units (`benchmarks/queries/{kind}.json`, SQL over the files), as the
mean relative error of each group:
"""
METHODS = {
    "ours": "members together", "site": "as a site does it", "independent": "independent members",
    "floor": "no noise (not private)",
}  # fmt: skip
KINDS = {"ours": "own", "site": "own", "independent": "other", "floor": "floor"}
BOUND = """*No noise* is the same pipeline on exact counts: what it leaves is the model's and the declared limits' own
error, the rest of the distance is noise. *Independent members* spend the same epsilon on members that know nothing of
each other, with the same hard rules. *As a site does it* (`--site`) is the same data under a declaration of related
tables, with the plan that every request gets: one rule for all data shares its budget.
"""
RECORD = """
```
python -m benchmarks.kinds {kind} --data FOLDER --epsilon {epsilon:g} --seed 0 --out FOLDER \\
    --record docs/benchmarks/kinds.jsonl
```

(seeds {seeds}; `--independent` and `--floor` for the other columns)
"""


def page(lines: list[Line]) -> tuple[str, dict[str, str]]:
    """Markdown and figures (file name -> SVG); empty where nothing was recorded."""
    every = [line for line in lines if line["kind"] in WORDS]
    made = [line for line in every if not line.get("apart")]
    if not made:
        return "", {}
    parts, figures = [HEAD], {}
    for kind in dict.fromkeys(line["kind"] for line in made):
        text, name, svg = _kind([line for line in made if line["kind"] == kind])
        parts += [text, *_apart([line for line in every if line["kind"] == kind])]
        figures[name] = svg
    return "\n".join(parts), figures


def _kind(lines: list[Line]) -> tuple[str, str, str]:
    first, epsilon = lines[0], lines[0]["epsilon"]
    told = ", ".join(f"{name} {count:,}" for name, count in first.get("repaired", {}).items())
    words = WORDS[first["kind"]].format(
        units=first["units"], members=first["members"], told=told, lines=first.get("lines", 0)
    )
    here = [line for line in lines if line["epsilon"] == epsilon]
    seeds = ", ".join(sorted({str(line["seed"]) for line in here}))
    title = f"Distances of {first['kind']} at epsilon {epsilon:g}; less is better"
    told_figure = f"![{title}. The table below holds its figures.](benchmarks/kinds-{first['kind']}.svg)"
    text = [words, told_figure, "", *_table(here), "", *_facts(here), "", BOUND, *_queries(here)]
    text += [LEFT.get(first["kind"], ""), *_curve([line for line in lines if line["method"] == "ours"]), RECORD.format(
        kind=first["kind"], epsilon=epsilon, seeds=seeds
    )]  # fmt: skip
    return "\n".join(text), f"kinds-{first['kind']}.svg", _figure(title, here)


def _apart(lines: list[Line]) -> list[str]:
    """Runs that are about something else: persons as units, many households, few of them with a public sample."""
    alone = [line for line in lines if line.get("alone")]
    few, many = ([line for line in lines if line.get(name)] for name in ("private", "households"))
    found = [*_persons(alone), *_samples(few)]
    for line in many:
        found += [MANY.format(**line), ""]
    return found


def _persons(lines: list[Line]) -> list[str]:
    if not lines:
        return []
    rows = _by_epsilon("each person a unit, epsilon", lines)
    return [PERSONS, *rows, ""]


def _by_epsilon(title: str, lines: list[Line]) -> list[str]:
    """Means by epsilon, which also tells the number of runs where they are several."""
    ends = {each: [o for o in lines if o["epsilon"] == each] for each in sorted({o["epsilon"] for o in lines})}
    rows = records.head(title, *(f"{end:g}" + f" ({len(made)})" * (len(made) > 1) for end, made in ends.items()))
    for name in lines[0]["statistics"]:
        rows.append(f"| {name} | {' | '.join(f'{_mean(made, name):.4f}' for made in ends.values())} |")
    return rows


def _samples(lines: list[Line]) -> list[str]:
    """With and without a public sample, the same epsilon and the same few units."""
    if not lines:
        return []
    sides = {"without": [o for o in lines if not o.get("public")], "with": [o for o in lines if o.get("public")]}
    if not all(sides.values()):
        return []
    first = sides["with"][0]
    rows = records.head("distance of", *(f"{side} the sample ({len(made)})" for side, made in sides.items()))
    for name in first["statistics"]:
        rows.append(f"| {name} | {' | '.join(f'{_mean(made, name):.4f}' for made in sides.values())} |")
    return [SAMPLE.format(private=first["private"], public=first["public"], epsilon=first["epsilon"]), *rows, ""]


def _queries(lines: list[Line]) -> list[str]:
    """Mean relative errors of a kind's questions, by group."""
    methods = {name: [o for o in made if o.get("queries")] for name, made in _by_method(lines).items()}
    methods = {name: made for name, made in methods.items() if made}
    if not methods:
        return []
    rows = records.head("questions about", *(f"{METHODS[name]} ({len(made)})" for name, made in methods.items()))
    for group in next(iter(methods.values()))[0]["queries"]:
        cells = " | ".join(f"{sum(o['queries'][group] for o in made) / len(made):.3f}" for made in methods.values())
        rows.append(f"| {group} | {cells} |")
    return [QUERIES.format(kind=lines[0]["kind"]), *rows, ""]


def _by_method(lines: list[Line]) -> dict[str, list[Line]]:
    found = {method: [line for line in lines if line["method"] == method] for method in METHODS}
    return {method: made for method, made in found.items() if made}


def _mean(lines: list[Line], name: str) -> float:
    return float(sum(line["statistics"][name] for line in lines) / len(lines))


def _table(lines: list[Line]) -> list[str]:
    methods = _by_method(lines)
    rows = records.head("distance of", *(f"{METHODS[name]} ({len(made)})" for name, made in methods.items()))
    for name in lines[0]["statistics"]:
        cells = " | ".join(f"{_mean(made, name):.4f}" for made in methods.values())
        rows.append(f"| {name} | {cells} |")
    broken = " | ".join(str(sum(line["rule_violations"] for line in made)) for made in methods.values())
    return [*rows, f"| rules broken | {broken} |"]


def _facts(lines: list[Line]) -> list[str]:
    own = _by_method(lines).get("ours", lines)
    seconds, memory = sum(line["cpu_seconds"] for line in own) / len(own), max(line["peak_rss_mib"] for line in own)
    first = own[0]
    return [
        f"Epsilon {first['epsilon']:g} at delta {first['delta']:g} for {first['unit']}, added or removed, with all its "
        f"members; rho spent {first['rho']:.5f}. {seconds:.0f} CPU s, {memory:,} MiB at most. The number of runs is in "
        "brackets.",
    ]


def _curve(lines: list[Line]) -> list[str]:
    """The same by epsilon, where there is more than one."""
    if len({line["epsilon"] for line in lines}) < 2:
        return []
    rows = _by_epsilon("members together, epsilon", lines)
    return [*rows, ""]


def _figure(title: str, lines: list[Line]) -> str:
    methods = _by_method(lines)
    groups = [
        (name, [drawing.Bar(METHODS[method], _mean(made, name), KINDS[method]) for method, made in methods.items()])
        for name in lines[0]["statistics"]
    ]
    told = "; ".join(
        f"{name}: " + ", ".join(f"{bar.label} {bar.value:.3f}" for bar in bars if bar.value is not None)
        for name, bars in groups
    )
    return drawing.bars(title, told, groups)
