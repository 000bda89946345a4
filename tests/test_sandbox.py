"""What no text may do to whoever renders it, however it is written: look inside, take long, write much, call."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from habitue import sandbox
from habitue.errors import TemplateError
from habitue.texts import environment, load_text


class Clara:
    """A customer as an object with methods and properties: what copy must never get hold of."""

    def __init__(self) -> None:
        self.deleted = False
        self._secret = "zz-canary"

    @property
    def name(self) -> str:
        self.deleted = True
        return "Clara"

    def delete(self) -> str:
        self.deleted = True
        return "gone"


KNOWN: dict[str, Any] = {
    "c": {"name": "Clara", "words": "abcdefghij" * 10, "_secret": None, "born": date(1980, 1, 1)},
    "list": [1, 2, 3],
    "n": 3,
    "clara": Clara(),
}


def said(tmp_path: Path, body: str, **known: Any) -> str:
    """What the text says of Clara; each is a file of its own, as files are read once."""
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.en.j2"
    path.write_text(f"{{% block body %}}{body}{{% endblock %}}", "utf-8")
    return load_text(path).render("body", KNOWN | known)


OUTLOOKS = [
    "{{ ''.__class__.__mro__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ ''|attr('__class__') }}",
    "{% set f='{0.__class__}'.format %}{{ f(c) }}",
    "{{ c._secret }}",
    "{{ [1].append(2) }}",
    "{{ range(10**9) }}",
    "{{ 'x'*300000000 }}",
    "{{ clara.delete() }}",
    "{{ clara.delete }}",
    "{{ clara.name }}",
    "{{ clara['name'] }}",
    "{{ clara }}",
    "{{ clara._secret }}",
    "{{ ''['__class__'] }}",
    "{{ c.name.upper() }}",
    "{{ c.name.upper }}",
    "{{ c.items }}",
    "{{ c }}",
    "{{ list }}",
    "{{ c.born }}",
    "{{ c.born.today }}",
    "{{ true }}",
    "{{ none }}",
    "{{ self.body() }}",
    "{{ namespace(x=1) }}",
    "{{ joiner() }}",
    "{{ dict(a=1) }}",
    "{{ c.name | safe }}",
    "{{ c | xmlattr }}",
    "{{ list | map('upper') | first }}",
    "{{ c.name | random }}",
    "{{ c.surname | default('') }}",
    "{% include 'x' %}",
    "{% import 'x' as x %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% autoescape false %}{{ c.name }}{% endautoescape %}",
    "{% do c.clear() %}",
]

GREEDY = [
    "{{ [0] * 300000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ c.name ~ c.name }}",
    "{{ c.name + c.name }}",
    "{{ '%300000000s' % 1 }}",
    "{{ '%300000000s' | format(1) }}",
    "{{ '{:300000000}'.format(1) }}",
    "{{ 'x' | center(300000000) }}",
    "{{ 'x'.ljust(300000000) }}",
    "{{ 'x' | indent(300000000) }}",
    "{{ 'aaaa' | replace('a', 'aaaaaaaaaa') }}",
    "{{ [c.words, c.words] | join(c.words) }}",
    "{{ c | tojson }}",
    "{{ list | batch(300000000, 'x') }}",
    "{% set a = c.words %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "{% set a %}xxxxxxxxxx{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40 + "{{ a }}",
    "{% set a = 999999999 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
    "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | upper }}",
    "{% set a = [1, 1] %}{% set b = [1, 1] %}" + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40 + "{{ a == b }}",
    "{% set a = {'x': c} %}{{ a | lower }}",
    "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{% call c() %}x{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% for x in [[1]] recursive %}{{ loop(x) }}{% endfor %}",
    "{% for x in c.words %}{% block inner scoped %}{{ x }}{% endblock %}{% endfor %}",
    "{{ 1.5 | round(300000000, 'ceil') }}",
    "(" * 5 + "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "x" * 70_000,
]


@pytest.mark.parametrize("body", [*OUTLOOKS, *GREEDY])
def test_no_text_gets_out_of_the_sandbox_or_takes_more_than_its_share(tmp_path: Path, body: str) -> None:
    started = time.perf_counter()
    clara = Clara()
    with pytest.raises(TemplateError) as refused:
        said(tmp_path, body, clara=clara)
    assert time.perf_counter() - started < 2
    assert not clara.deleted
    assert "zz-canary" not in str(refused.value)


def nested(inner: str, depth: int = 6) -> str:
    """A hundred rounds, in each of which a hundred rounds, and so on: 10 to the 12th."""
    return "{% for a in c.words %}" * depth + inner + "{% endfor %}" * depth


@pytest.mark.parametrize(
    "body",
    [
        nested(""),
        nested("x"),
        nested("{% if n == 4 %}x{% endif %}"),
        nested("{% set a = n * 2 %}"),
        "{% for a in c.words if a == '?' %}{% else %}" + nested("") + "{% endfor %}",
        nested("{% for b in c.words if b == '?' %}{% endfor %}", 3),
        "{% with a = 1 %}" + nested("") + "{% endwith %}",
    ],
)
def test_loops_in_loops_come_to_an_end_even_if_they_write_nothing(tmp_path: Path, body: str) -> None:
    started = time.perf_counter()
    with pytest.raises(TemplateError, match="block 'body': its loops go over 10000 rounds"):
        said(tmp_path, body)
    assert time.perf_counter() - started < 2


def test_few_rounds_that_take_long_come_to_an_end_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "ROUNDS", 10**12)
    monkeypatch.setattr(sandbox, "SECONDS", 0.2)
    started = time.perf_counter()
    with pytest.raises(TemplateError, match="its loops go over"):
        said(tmp_path, nested(""))
    assert 0.2 < time.perf_counter() - started < 2


def test_what_a_text_writes_is_counted_while_it_writes(tmp_path: Path) -> None:
    body = "{% for a in c.words %}{% for b in c.words %}" + "x" * 60_000 + "{% endfor %}{% endfor %}"
    with pytest.raises(TemplateError, match="says more than 100000 characters"):
        said(tmp_path, body)


def test_what_copy_needs_it_can_do(tmp_path: Path) -> None:
    assert said(tmp_path, "{% for x in list %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}") == "1, 2, 3"
    assert said(tmp_path, "{{ (n + 1) * 2 // 3 }} {{ n | plural('cup', 'cups') }}") == "2 cups"
    assert said(tmp_path, "{% set first = c.words[:3] %}{{ first | upper }}") == "ABC"
    assert said(tmp_path, "{% if c.name in ['Anna', 'Clara'] and n is odd %}{{ c.born.year }}{% endif %}") == "1980"
    assert said(tmp_path, "{% with x = n %}{{ x }}{% endwith %}{% for x in [] %}{% else %}!{% endfor %}") == "3!"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("a\nb\n{{ c.name.upper() }}", "line 3: nothing can be called"),
        ("\n{{ c.name | sort }}", "line 2: the filter 'sort' is not known in copy; there are abs, "),
        ("{{ c.name ~ n }}", "line 1: ~ is not known"),
        ("\n\n{% macro x() %}{% endmacro %}", "line 3: macro is not known"),
        ("{{ c.surname + 1 }}", "unknown word 'surname'"),
        ("{{ c.name + 1 }}", r"\+ is for plain numbers"),
        ("{{ c.born }}", r"a date is printed by \| date"),
    ],
)
def test_what_copy_may_not_do_is_said_with_its_line(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        said(tmp_path, body)


PIECES = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            " if ",
            " for x in ",
            "endif",
            "endfor",
            "c",
            "n",
            ".",
            "*",
            "|",
            "'",
            "(",
            ")",
            "[",
            "]",
        ),
        *("upper", "block y", "set x = ", "~", "range", "{#", "-", "1", "__class__", "loop", "recursive", " "),
    ]
)


@settings(max_examples=300, deadline=2000)
@given(st.lists(PIECES, max_size=24).map("".join))
def test_whatever_is_typed_renders_or_is_refused(body: str) -> None:
    """Nothing but the two errors that callers know, and nothing for long."""
    from jinja2 import TemplateError as JinjaError

    try:
        template = environment(html=False, language="en").from_string(body)
        written = sandbox.limited(template.root_render_func(template.new_context(KNOWN)))
    except (JinjaError, ArithmeticError, TypeError, ValueError):
        return
    assert len(written) <= sandbox.CHARACTERS
