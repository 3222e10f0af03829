"""The language of hard rules: from a rule's text to a tree, by reading alone. Nothing of it is ever evaluated.

rule       := either ["implies" either]
either     := both ("or" both)*
both       := one ("and" one)*
one        := "not" one | "(" rule ")" | condition
condition  := column ("==" | "!=" | "<" | "<=" | ">" | ">=") (literal | column)
            | column ["not"] "in" "[" literal ("," literal)* "]"
            | column "is" ["not"] "null"
literal    := "quoted text" | number | true | false
column     := name | `name in backquotes`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

LONGEST = 1000
DEEPEST = 20

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]
COMPARISONS: dict[str, Comparison] = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
WORDS = frozenset({"and", "or", "not", "implies", "in", "is", "null", "true", "false"})

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n]+) | "(?P<text>(?:[^"\\]|\\["\\])*)" | (?P<number>-?[0-9]{1,18}(?:\.[0-9]{1,9})?(?![0-9.]))
      | `(?P<quoted>[^`]+)` | (?P<name>[^\W\d]\w*(?:\.\w+)*) | (?P<sign>==|!=|<=|>=|[<>()\[\],])""",
    re.VERBOSE,
)


class RuleError(Exception):
    """What is wrong with a rule, at which character of it (from 1), and about which column ("" when none)."""

    def __init__(self, problem: str, position: int, column: str = "") -> None:
        super().__init__(problem)
        self.problem, self.position, self.column = problem, position, column


@dataclass(frozen=True, slots=True)
class Name:
    """A column, where the rule names it."""

    column: str
    position: int


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: a text, a number, or true and false."""

    content: str | Decimal | bool
    position: int


@dataclass(frozen=True, slots=True)
class Compare:
    column: Name
    sign: Comparison
    other: Value | Name


@dataclass(frozen=True, slots=True)
class Among:
    column: Name
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    column: Name


@dataclass(frozen=True, slots=True)
class Not:
    inner: Tree


@dataclass(frozen=True, slots=True)
class Join:
    """Two conditions, of which both (``and``) or at least one (``or``) hold; ``implies`` is read as not A or B."""

    word: Literal["and", "or"]
    left: Tree
    right: Tree


Tree = Compare | Among | Missing | Not | Join


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> Tree:
    """The rule's tree. RuleError where the text is not a rule."""
    if len(text) > LONGEST:
        raise RuleError(f"a rule has at most {LONGEST} characters", LONGEST + 1)
    parser = _Parser(_tokens(text))
    tree = parser.rule(0)
    parser.end()
    return tree


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The rule with its columns called by other names, and everything else as it stands.

    RuleError for a column without another name, and for what a rule is never made of.
    """
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise RuleError("this character does not belong here", place + 1)
        kind = match.lastgroup or ""
        is_column = kind == "quoted" or (kind == "name" and match[kind] not in WORDS)
        found.append(_spelled(match[kind], names, place + 1) if is_column else match[0])
        place = match.end()
    return "".join(found)


def _spelled(name: str, names: Mapping[str, str], position: int) -> str:
    if name not in names:
        raise RuleError("there is no measured column of this name", position)
    other = names[name]
    match = _TOKEN.fullmatch(other)
    if match is not None and match.lastgroup == "name" and other not in WORDS:
        return other
    if "`" in other:
        raise RuleError("a rule cannot name a column with a backquote in its name", position)
    return f"`{other}`"


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise RuleError("this character does not belong here", place + 1)
        kind = match.lastgroup or ""
        words = match[kind]
        if kind != "space":
            found.append(_Token("word" if kind == "name" and words in WORDS else kind, words, place + 1))
        place = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


class _Parser:
    """Recursive descent; recursion is bounded by DEEPEST, everything else by the length of the text."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._place = tokens, 0

    def rule(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise RuleError(f"a rule is at most {DEEPEST} brackets deep", self._next.position)
        left = self._chain("or", depth)
        if not self._take("word", "implies"):
            return left
        right = self._chain("or", depth)
        if self._next == _Token("word", "implies", self._next.position):
            raise RuleError("put brackets around one of two 'implies'", self._next.position)
        return Join("or", Not(left), right)

    def end(self) -> None:
        if self._next.kind != "end":
            raise RuleError("the rule should end here, or go on with and, or, implies", self._next.position)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, kind: str, text: str = "") -> _Token | None:
        token = self._next
        if token.kind != kind or (text and token.text != text):
            return None
        self._place += kind != "end"
        return token

    def _need(self, text: str) -> None:
        if not (self._take("sign", text) or self._take("word", text)):
            raise RuleError(f"'{text}' is missing here", self._next.position)

    def _chain(self, word: Literal["and", "or"], depth: int) -> Tree:
        found = self._chain("and", depth) if word == "or" else self._one(depth)
        while self._take("word", word):
            found = Join(word, found, self._chain("and", depth) if word == "or" else self._one(depth))
        return found

    def _one(self, depth: int) -> Tree:
        turns = 0
        while self._take("word", "not"):
            turns += 1
        if self._take("sign", "("):
            found = self.rule(depth + 1)
            self._need(")")
        else:
            found = self._condition()
        return Not(found) if turns % 2 else found

    def _condition(self) -> Tree:
        column = self._name()
        if column is None:
            raise RuleError("a column's name is expected here", self._next.position)
        sign = self._take("sign")
        if sign is not None and sign.text in COMPARISONS:
            return Compare(column, COMPARISONS[sign.text], self._value_or_name())
        if self._take("word", "is"):
            turned = self._take("word", "not")
            self._need("null")
            return Not(Missing(column)) if turned else Missing(column)
        turned = self._take("word", "not")
        if sign is not None or not self._take("word", "in"):
            position = sign.position if sign else self._next.position
            raise RuleError("a comparison is expected here: == != < <= > >= in, not in, is null", position)
        found = Among(column, self._list())
        return Not(found) if turned else found

    def _list(self) -> tuple[Value, ...]:
        self._need("[")
        values = [self._value()]
        while self._take("sign", ","):
            values.append(self._value())
        self._need("]")
        return tuple(values)

    def _name(self) -> Name | None:
        token = self._take("name") or self._take("quoted")
        return Name(token.text, token.position) if token else None

    def _value_or_name(self) -> Value | Name:
        return self._name() or self._value()

    def _value(self) -> Value:
        token = self._next
        content: str | Decimal | bool
        match token.kind, token.text:
            case "text", text:
                content = re.sub(r"\\(.)", r"\1", text)
            case "number", text:
                content = Decimal(text)
            case "word", ("true" | "false") as text:
                content = text == "true"
            case _:
                raise RuleError('a value is expected here: a "text", a number, true or false', token.position)
        self._place += 1
        return Value(content, token.position)
