import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical

# RFC 8785, appendix B and section 3.2.2/3.2.3.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (1.0000000000000001e23, "1.0000000000000001e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (333333333.33333329, "333333333.3333333"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1424953923781206.2, "1424953923781206.2"),
    (4.50, "4.5"),
    (1e30, "1e+30"),
]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_numbers_print_as_the_rfc_says(value, text):
    assert canonical.dumps(value, floats=True) == text.encode()


def test_strings_and_key_order_are_those_of_the_rfc():
    value = {
        "\u20ac": "Euro",
        "\r": "CR",
        "\ufb33": "Dalet",
        "1": "One",
        "\U0001f600": "Grin",
        "\u0080": "C",
        "\u00f6": "O",
    }
    order = list(json.loads(canonical.dumps(value)))
    assert order == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert canonical.dumps('\u20ac$\u000f\nA\'B"\\"/') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/"'.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.LARGEST, canonical.LARGEST) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_what_is_written_reads_back_the_same(value):
    written = canonical.dumps(value)
    assert canonical.loads(written) == value == json.loads(written)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives(value):
    assert float(canonical.dumps(value, floats=True)) == value


@pytest.mark.parametrize(
    "value",
    [0.5, float("nan"), 2**53, -(2**53), "\ud800", {1: "a"}, {"a": {1, 2}}, b"bytes", object(), [[0.1]]],
)
def test_values_without_a_canonical_form_are_refused(value):
    with pytest.raises(canonical.CanonicalError):
        canonical.dumps(value)


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{ "a":1}', b"1.0", b"NaN", b'"\\u0041"', b"[1,]", b"\xff", b"[" * 100_000],
)
def test_other_spellings_are_refused(text):
    with pytest.raises(canonical.CanonicalError):
        canonical.loads(text)


def test_floats_are_refused_unless_asked_for():
    with pytest.raises(canonical.CanonicalError):
        canonical.loads(b'{"rho":0.5}')
    assert canonical.loads(b'{"rho":0.5}', floats=True) == {"rho": 0.5}


@given(json_values, st.booleans())
def test_the_quick_way_of_reading_agrees_with_the_written_one(value, is_ascii):
    """Any spelling that Python's own writer knows is accepted exactly when it is what ``dumps`` writes."""
    data = json.dumps(value, ensure_ascii=is_ascii, sort_keys=is_ascii, separators=(",", ":")).encode(errors="replace")
    canonical_form = canonical.dumps(canonical.parse(data))
    if data == canonical_form:
        assert canonical.loads(data) == value
    else:
        with pytest.raises(canonical.CanonicalError):
            canonical.loads(data)


@pytest.mark.parametrize("text", [b"9007199254740992", b'{"a":-9007199254740992}', b'"\\ud800"', b"-0", b'{"a":[1 ]}'])
def test_long_numbers_and_half_characters_are_refused_when_read(text):
    with pytest.raises(canonical.CanonicalError):
        canonical.loads(text)
