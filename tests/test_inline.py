"""Raw text with marks of GSM8K gets its results put in, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.tools.inline import insertion


@pytest.mark.parametrize(
    ("text", "put"),
    [
        ("Natalia sold 48/2 = <<48/2=", "24>>"),
        ("<<15% of 80=", "12>>"),
        ("<<20*0.1=", "2>>"),
        ("<<10/3=", "3.33333333333>>"),
        ("<<1,200 + 34=", "1234>>"),
        ("first <<1+1=2>> then <<2*3=", "6>>"),
        ("<<2**100=", "1.26765060023e+30>>"),
        ("<<1+1=2", ""),
        ("<<1+1", ""),
        ("1+1=", ""),
        ("<<x+1=", ""),
        ("<<1/0=", ""),
        ("<<=", ""),
        ("<<1+1=2>> and so 2=", ""),
        ("<<1\n+1=", ""),
        ("<<" + "1+" * 150 + "1=", ""),
        ("", ""),
    ],
)
def test_an_open_expression_gets_its_result(text, put):
    assert insertion(text) == put


@given(st.text(), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_the_result_depends_on_the_open_expression_alone(before, a, b):
    assert insertion(f"{before}<<{a}+({b})=") == f"{a + b}>>"
