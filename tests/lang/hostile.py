# ruff: noqa: RUF001 - look-alike characters are part of the attack
"""Texts written by somebody who means harm, or by a cat on the keyboard: not one of them may load."""

from __future__ import annotations

from collections.abc import Iterator

_ESCAPES = """
().__class__
().__class__.__bases__[0].__subclasses__()
(1).__class__.__mro__[1].__subclasses__()
''.__class__
''.format
'{0.__class__}'.format(vix)
'{0.__class__.__init__.__globals__}'.format(vix)
f'{vix}'
f'{vix.__class__}'
b'x' == b'x'
'a'.encode('idna') == 'a'
'%s' % vix
'%99999999d' % 1
'a' * 999999999
'a' + 'b' == 'ab'
vix.real
vix.__class__
vix.as_integer_ratio()
vix.__add__(1) > 2
abs.__self__
abs.__call__(vix) > 1
max.__globals__
__import__('os')
__import__('os').system('true')
__import__('subprocess').run('true')
__builtins__
__builtins__['eval']('1')
__name__ == '__main__'
__debug__
globals()
locals()
vars()
dir()
dir(vix)
open('/etc/passwd')
open('/etc/passwd').read()
eval('1')
exec('1')
compile('1', 'x', 'eval')
getattr(vix, 'real')
setattr(vix, 'real', 1)
delattr(vix, 'real')
hasattr(vix, 'real')
type(vix)
type('X', (), {})
object()
object.__subclasses__()
isinstance(vix, float)
id(vix)
hash(vix)
input()
print(vix)
help()
breakpoint()
exit()
quit()
memoryview(b'x')
bytearray(10)
bytes(10)
str(vix)
repr(vix)
int(vix)
float('nan') > 1
float('inf') > 1
complex(1)
bool(vix)
list(vix)
tuple(vix)
set()
dict()
frozenset()
range(10)
zip(vix)
map(abs, vix)
filter(abs, vix)
sum(vix)
any(vix)
all(vix)
sorted(vix)
reversed(vix)
enumerate(vix)
iter(vix)
next(vix)
super()
property()
staticmethod(abs)
classmethod(abs)
chr(65) == 'A'
ord('A') > 1
hex(1)
oct(1)
bin(1)
rand() > 0.5
random() > 0.5
round(vix) > 1
pow(vix, 2) > 1
divmod(vix, 2)
len(vix) > 1
format(vix)
slice(1)
lambda: True
(lambda: True)()
(lambda x: x)(vix) > 1
(lambda f: f(f))(lambda f: f(f))
[x for x in vix]
[vix]
[vix][0] > 1
(vix,)
(vix, dte)
vix, dte
{vix}
{vix: 1}
{vix: 1}[vix] > 1
{**vix}
{x for x in vix}
{x: x for x in vix}
(x for x in vix)
[*vix]
[] == []
() < (1,)
vix[0]
vix[::2]
vix[...]
...
Ellipsis
NotImplemented
None
vix == None
vix is None
vix is not None
vix in (1, 2)
vix not in (1, 2)
vix if vix
vix else 1
not
and vix > 1
vix > 1 or
vix >
> vix
vix >> 1
vix << 1
vix << 999999999
1 << 10000000
vix & 1
vix | 1
vix ^ 1
~vix > 1
vix // 2 > 1
vix % 2 > 1
vix ** 2 > 1
2 ** 2 > 1
9**9**9 > 1
9999**1999999 > 1
4000000**400000 > 1
-2 ** 2 > 1
vix @ vix
vix = 35
vix := 35
(vix := 35) > 1
vix += 1
vix == 35; dte > 1
vix > 1; import os
import os
from os import system
del vix
pass
return True
yield vix
(yield vix)
(yield from vix)
await vix
async lambda: 1
raise vix
assert vix
global vix
nonlocal vix
while True: pass
for x in vix: pass
if vix: pass
try: vix
with vix: pass
def f(): pass
class X: pass
@abs
match vix: case 1: True
vix > 1 # and dte < 7
# nothing
vix > 1 # never seen
$vix > 1
vix! > 1
vix? > 1
vix `> 1
\\vix > 1
vix > 1 \\
vix->x
vix.x.y.z
.vix > 1
vix..x > 1
1.2.3 > 1
1e > 1
1e999 > vix
-1e999 < vix
1e400 > 1e300
9e15 > vix
1_000 > vix
0x10 > vix
0o17 > vix
0b11 > vix
010 > vix
1j > vix
1j == 1j
1L > vix
True
False
True > False
True + True > 1
not vix
vix
vix + dte
vix and dte
vix or 1
vix > 1 > True
(vix > 1) > 0
(vix > 1) + 1 > 1
abs(vix > 1) > 0
-(vix > 1)
abs
abs > 1
abs()
abs(vix, dte) > 1
abs(*vix) > 1
abs(x=vix) > 1
abs(vix, key=abs) > 1
min()
min(vix) > 1
max(vix) > 1
max(vix, *[1]) > 1
min(vix, default=1) > 1
clamp(vix) > 1
clamp(vix, 1) > 1
clamp(vix, 1, 2, 3) > 1
has()
has(vix, dte)
has(1)
has(abs)
has
has(vix) > 1
has(has(vix))
abs(abs)(vix) > 1
abs(vix)(1) > 1
abs(vix).real > 1
abs(vix)[0] > 1
'vix' > 1
'iron_condor'
structure
structure > 'single'
structure == 'no_such_structure'
structure == single
structure + 'x' == 'single'
structure == 1
structure == True
vix == 'single'
'single' == 'single'
structure == 'sing' 'le'
structure == ''
structure == '''single'''
structure == r'single'
structure == b'single'
structure == u'single'
structure == "single
structure == 'single
(vix > 1
vix > 1)
((vix > 1)
(vix > 1))
)(
[
]
{
}
"
'
:
;
,
.
@
!
?
\\
`
vix > 1,
, vix > 1
vix > 1 and
vix > 1 && dte < 7
vix > 1 || dte < 7
!(vix > 1)
vix <> 1
vix =! 1
vix === 1
vix => 1
vix =< 1
vix >= = 1
vix ≥ 1
vix ≤ 1
vix ≠ 1
vix × 2 > 1
vix − 2 > 1
vix > １
ｖｉｘ > 1
vіx > 1
νix > 1
𝐯𝐢𝐱 > 1
__ｃlass__ > 1
vix\u200b > 1
vix\u00a0> 1
\u202evix > 1
vix\u0301 > 1
\ufeffvix > 1
vix > 1\u2028dte
vix_ > 1
VIX > 1
Vix > 1
no_such_field > 1
pnl_pct > 0.5
margn_util > 0.95
dte > 30d
vix > 20%
vix > 1 and dte
pnl_ratio > dte
underlying_price > vix
net_liq > pnl_ratio
gamma_1pct > vix
delta > 30
delta < -17
short_delta > 16
dte < 0
minutes_to_close > 5000
vix > 400
vix < 0
net_liq + dte > 1
pnl * pnl_ratio > dte
underlying_price - net_liq > 1
vix / 0 > dte
abs(structure) > 1
max(structure, vix) > 1
1 if vix else 2
vix if dte > 1 else structure
(vix > 1) if dte else False
lambda vix: vix > 1
vix > lambda: 1
vix.__gt__(1)
gi_frame
vix.gi_frame.f_back
cr_frame
f_globals
func_globals
"""


def expressions() -> Iterator[str]:
    """Yield conditions that must be refused; a plain `True` or `vix` among them is no condition a rule may have."""
    for line in _ESCAPES.strip().splitlines():
        yield line.encode().decode("unicode_escape").encode("latin-1").decode() if "\\u" in line else line
    yield from _bombs()


def _bombs() -> Iterator[str]:
    yield "not " * 2000 + "True"
    yield "(" * 2000 + "vix > 1" + ")" * 2000
    yield "(" * 5000
    yield "-" * 5000 + "vix > 1"
    yield "+".join(["vix"] * 3000) + " > 1"
    yield " and ".join(["vix > 1"] * 3000)
    yield "vix > 1" + " or vix > 1" * 3000
    yield "vix" + " > vix" * 1000
    yield "abs(" * 500 + "vix" + ")" * 500 + " > 1"
    yield "max(" + ", ".join(["vix"] * 5000) + ") > 1"
    yield "1 if vix > 1 else " * 500 + "2"
    yield "vix > " + "9" * 5000
    yield "vix > 0." + "1" * 100_000
    yield "vix > 1e" + "9" * 1000
    yield "x" * 100_000
    yield "vix > 1 " + " " * 100_000 + "!"
    yield "vix > 1" + "\n" * 1000 + "dte"
    yield "'" + "a" * 100_000 + "' == structure"
    yield "[" * 1000
    yield "{" * 1000
    yield "lambda:" * 500 + "1"
    yield "vix\x00 > 1"
    yield "\x00"
    yield "\x01\x02\x03"
    yield "\ud800 > 1"
    yield "vix > 1\r\nimport os"


def yamls(rule: str) -> Iterator[str]:
    """Yield rule files that must be refused, made from a good one."""
    yield from (
        "",
        " ",
        "\n\n\n",
        "---",
        "...",
        "null",
        "true",
        "3",
        "text",
        "[]",
        "{}",
        "- a",
        "? a",
        "a",
        "a: b: c",
        ":",
        "%YAML 1.2\n---\n" + rule + "\n---\n" + rule,
        rule + "\n---\n" + rule,
        rule + rule,
        rule + "\n...\n" + rule,
        "&a [*a]",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]",
        "&a {b: *a}",
        "<<: {version: 1}\n" + rule,
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!map {}",
        "!<tag:x> 1",
        "! 1",
        rule + "extra: 1\n",
        rule + "__class__: x\n",
        rule + "'': x\n",
        rule + "? [a]\n: b\n",
        rule + "? {a: 1}\n: b\n",
        rule + "1: x\n",
        rule + "null: x\n",
        rule + "true: x\n",
        rule + "on: x\n",
        rule + "12:30: x\n",
        rule + "\tx: 1\n",
        rule + "x: [\n",
        rule + "x: {\n",
        rule + "x: 'open\n",
        rule + 'x: "open\n',
        rule + 'x: "\\UFFFFFFFF"\n',
        rule + 'x: "\\xZZ"\n',
        rule + "x: |9\n y\n",
        rule + "x: @y\n",
        rule + "x: `y`\n",
        rule + "x: %y\n",
        rule + "\x00",
        rule + "\x07",
        rule + "x: \x1b[31m\n",
        rule + "\ud800",
        "\x00" * 1000,
        "\xff\xfe" + rule,
        "[" * 5000,
        "{a: " * 5000,
        "- " * 5000,
        "a:\n" * 5000,
        "".join(f"{' ' * i}a{i}:\n" for i in range(500)),
        "- 1\n" * 10_000,
        "".join(f"k{i}: 1\n" for i in range(10_000)),
        "# comment\n" * 50_000,
        "x: " + "y" * 10_000_000,
        rule + "# " + "x" * 10_000_000,
        "a: 1\n" * 2,
        rule.replace("version: 1", "version: '1'"),
        rule.replace("version: 1", "version: 2"),
        rule.replace("version: 1", "version: -1"),
        rule.replace("version: 1", "version: true"),
        rule.replace("version: 1", "version: null"),
        rule.replace("version: 1", "version: [1]"),
        rule.replace("version: 1", "version: " + "1" * 5000),
        rule.replace("priority: 50", "priority: 50.5"),
        rule.replace("priority: 50", "priority: .nan"),
        rule.replace("priority: 50", "priority: -.inf"),
        rule.replace("priority: 50", "priority: 1e999"),
        rule.replace("priority: 50", "priority: 010"),
        rule.replace("priority: 50", "priority: 0x32"),
        rule.replace("priority: 50", "priority: 5_0"),
        rule.replace("priority: 50", "priority: fifty"),
        rule.replace("priority: 50", "priority: ''"),
        rule.replace("scope: position", "scope: everything"),
        rule.replace("scope: position", "scope: yes"),
        rule.replace("id: take_profit", "id: ../../etc/passwd"),
        rule.replace("id: take_profit", "id: take profit"),
        rule.replace("id: take_profit", "id: ''"),
        rule.replace("id: take_profit", "id: " + "a" * 5000),
        rule.replace("id: take_profit", "id: '; DROP TABLE decisions; --'"),
        rule.replace("id: take_profit", "id: take_prоfit"),
        rule.replace("id: take_profit", "id: Take_Profit"),
        rule.replace("{action: close}", "close"),
        rule.replace("{action: close}", "[close]"),
        rule.replace("{action: close}", "{action: [close]}"),
        rule.replace("{action: close}", "{action: market_order}"),
        rule.replace("{action: close}", "{}"),
        rule.replace("{action: close}", "null"),
        rule.replace("value: 0.5", "value: '0.5'"),
        rule.replace("value: 0.5", "value: .inf"),
        rule.replace("value: 0.5", "value: 50"),
        rule.replace("value: 0.5", "value: 0,5"),
        rule.replace("value: 0.5", "value: 50%"),
        rule.replace("unit: ratio", "unit: percent"),
        rule.replace("unit: ratio", "unit: days"),
        rule.replace("target:", "__import__:"),
        rule.replace("target:", "vix:"),
        rule.replace("target:", "abs:"),
        rule.replace("examples:", "examples: []\nx:"),
        rule.replace("fires: true", "fires: yes"),
        rule.replace("fires: true", "fires: 1"),
        rule.replace("fires: true", "fires: false"),
        rule.replace("pnl_ratio: 0.6", "pnl_ratio: .nan"),
        rule.replace("pnl_ratio: 0.6", "pnl_ratio: 1e300"),
        rule.replace("pnl_ratio: 0.6", "pnl_ratio: lots"),
        rule.replace("pnl_ratio: 0.6", "vix: 20"),
    )


def crowds(rule: str) -> Iterator[str]:
    """Yield rule files below every cap on size that hold as many mistakes as fit: each costs a search for a hint."""
    yield rule + "".join(f"exampl{i}: 1\n" for i in range(100))
    yield rule + "".join(f"exampl{i}: 1\n" for i in range(650))
    yield rule + "".join(f"qq{i}qqzz: 1\n" for i in range(650))
    yield rule + "  - {given: {" + ", ".join(f"vix_{i}: 1" for i in range(110)) + "}, fires: true}\n"
    yield rule + "  - {given: {pnl_ratio: 0.6}, fires: false}\n" * 60
    yield rule + "  - {given: {pnl_ratio: x}, fires: 3}\n" * 230
    yield rule + "  - {given: {pnl_ratio: 0.6}, fires: true, exampl: 1}\n" * 180
    yield rule.replace("params:\n", "params:\n" + "".join(f"  t{i}: {{value: x, unit: rotia}}\n" for i in range(110)))
    yield rule.replace("params:\n", "params:\n" + "".join(f"  t{i}: {{value: 1}}\n" for i in range(300)))
    yield rule.replace("when:", "track:\n" + "".join(f"  t{i}: max(pnl_ratio)\n" for i in range(110)) + "when:")
    for condition in (
        " and ".join(f"vix_{i} > 1" for i in range(60)),
        " + ".join(f"vix_{i}" for i in range(90)) + " > 1",
        " or ".join("structure == 'iron_condr'" for _ in range(60)),
        " + ".join("vix + dte" for _ in range(45)) + " > 1",
        "(1 if vix > 1 else " * 20 + "1" + ")" * 20 + " > 0",
        "max(" + ",".join("min(vix, dte)" for _ in range(50)) + ") > 0",
    ):
        yield rule.replace("when: pnl_ratio >= target", "when: " + condition)


_TESTS = "version: 1\nrule: take_profit\ninterval: 5m\ntests:\n"


def rule_tests() -> Iterator[str]:
    """Yield rule tests that must be refused, quickly too: few bytes can stand for many rows."""
    case = _TESTS + "  - title: t\n    series: {pnl_ratio: %s}\n    expect: [{at: 0m, fires: true}]\n"
    for series in (
        "9" * 5000,
        "1e999",
        "1e-999+1e999x999",
        "0.1+0.1x99999",
        "1x9999",
        "'" + " ".join(["1x9999"] * 280) + "'",
        "'" + " ".join(["0"] * 990) + " 0x20'",
        "'" + " ".join(["x"] * 990) + "'",
        "[" + ", ".join(["x"] * 990) + "]",
        "[" + ", ".join(["0.1"] * 1400) + "]",
        "'0.1\\ud800'",
        "{a: 1}",
        "'__import__(1)'",
    ):
        yield case % series
    yield _TESTS + "".join(
        f"  - title: t{i}\n    series: {{pnl_ratio: '{' '.join(['1x9999'] * 280)}'}}\n    expect: [{{at: 0m}}]\n"
        for i in range(25)
    )
    yield _TESTS + "".join(f"  - title: t{i}\n    expect: [{{at: 0m}}]\n" for i in range(101))
    for inner in ("given", "series"):
        many = ", ".join(f"pnl_rati{i}: '1'" for i in range(110))
        yield _TESTS + f"  - title: t\n    {inner}: {{{many}}}\n    expect: [{{at: 0m, fires: true}}]\n"
        few = ", ".join(f"pnl_rati{i}: '1'" for i in range(10))
        yield _TESTS + f"  - title: t\n    {inner}: {{{few}}}\n    expect: [{{at: 0m, fires: true}}]\n" * 40
    gaps = ", ".join("{from: 0m, to: 99999m}" for _ in range(240))
    for place in ("0m", "999999d", "7m", "[" + ", ".join(["5m"] * 1200) + "]"):
        yield _TESTS + f"  - title: t\n    no_rows: [{gaps}]\n    expect: [{{at: {place}, fires: true}}]\n"
    yield from ("", "tests: []", _TESTS, _TESTS + "  - 1\n" * 700, "interval: 0s\n" + _TESTS, _TESTS.upper())
    yield (_TESTS + "  - {title: t, expect: [{at: 0m, fires: true}]}\n").replace("5m", "9999999999999d")
    yield (_TESTS + "  - {title: t, expect: [{at: 0m, fires: true}]}\n").replace("take_profit", "take_" * 2000)
    yield _TESTS + "  - {title: t, start: '0001-01-01T00:00:00Z', expect: [{at: 999999d, fires: true}]}\n"
    yield _TESTS + "  - {title: t, start: '9999-13-41T00:00:00Z', expect: [{at: 0m, fires: true}]}\n"
