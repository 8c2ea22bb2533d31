"""Jinja, construct by construct: templates for which jinja2 with Transformers' settings is the reference.

Each sees `s`, `u`, `n`, `xs`, `rows`, `d`, `nested`, `empty`, `nothing` (see VARIABLES). One that jinja2 refuses must be
refused here too, unless it is in REFUSED_HERE: what this program does not support, and says so.
"""

VARIABLES = {
    "s": "Hello, World", "u": "Größe ǆ İ 日本 👍 it's \"x\"\n\ttab", "n": 7, "f": 2.5, "xs": [3, 1, 2], "words": ["b", "A", "c", "a"],
    "rows": [{"name": "x", "v": 2, "in": {"k": "p"}}, {"name": "Y", "v": 1, "in": {"k": "q"}}, {"name": "x", "v": 3, "in": {"k": "p"}}],
    "d": {"b": 1, "a": "two", "C": None, "items": "mine", "1": True}, "nested": {"a": [1, {"b": [2.0, "ü", None, True]}]},
    "empty": [], "nothing": None, "yes": True, "no": False, "json": {"q": "\"\\/\u0001\u007f\u00e9\u2028\U0001f600<&>'"},
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2
7 // 2 ~ '|' ~ -7 // 2 ~ '|' ~ 7 % 3 ~ '|' ~ -7 % 3 ~ '|' ~ 7.5 // 2 ~ '|' ~ -7.5 % 2
2 ** 10 ~ ' ' ~ 2 ** -1 ~ ' ' ~ 2.0 ** 3 ~ ' ' ~ 2 ** 3 ** 2
-2 ** 2
-n | abs
- 3 | abs
1_000 + 0x1F + 0b11 + 0o17
1e3 ~ ' ' ~ 1.5e-7 ~ ' ' ~ 1e16 ~ ' ' ~ 123456789012345678.0 ~ ' ' ~ 0.1 + 0.2
1.0 ~ ' ' ~ 100000.0 ~ ' ' ~ 1e-5 ~ ' ' ~ 0.0001 ~ ' ' ~ 3.0e22
1 / 3
10 / 5
True + True
true and 'x' or 'y'
not true
not 1 == 2
1 < 2 < 3
1 < 3 < 2
1 == 1.0 == true
'a' < 'b' <= 'b'
[1, 2] < [1, 3]
'1' == 1
none == false
nothing is none
1 in [1, 2] and 3 not in [1, 2]
'ell' in s
'x' in d, 'b' in d, 1 in d
'a' 'b' "c"
'a' ~ 1 ~ none ~ true ~ [1, 'x']
'x' * 3 ~ 3 * 'y'
[1] * 2 + [3]
(1, 2) + (3,)
()
(1,)
(1, 2)
[1, [2, 'a'], {'k': none}]
{'a': 1, 'b': [true, 2.5], 3: 'x'}
{1: 'a', 1.0: 'b', true: 'c'}
"it's", 'say "x"', 'both \' and "', 'n\nt\t\\'
[u]
u | length
u[0] ~ u[-1] ~ u[3]
u[100] is defined
u[::-1]
s[1:4], s[:-3], s[-3:], s[::2], s[10:2:-3], s[5:2], s[:0], s[100:]
xs[1:], xs[::-1], xs[-1], xs[0:2], xs[5:]
xs[0], xs[-4] is defined, xs['0'] is defined
xs.0
rows[0].name, rows[0]['name'], rows[-1]['in'].k
rows[0].missing is defined, rows[0].missing
d.b, d['b'], d.items is callable, d['items']
d.get('b'), d.get('zz'), d.get('zz', 4), d.get('C', 5)
d.keys() | list, d.values() | list
d.items() | list
d.items()
d.keys()
d.keys() | length
d | length
d | list
d | first
d | last
d
nested
s.upper(), s.lower(), s.title(), s.capitalize()
u.upper()
u.lower()
u.title()
u | title
u.capitalize()
'ΑΣ ΣΑΣ. Σ'.lower(), 'ß ŉ ﬁ'.upper(), 'ﬁx ǆ'.title()
'hello-world (abc) {x} [y] <z> it''s' | title
s.split(), s.split(', '), s.split('l'), s.split('l', 1), s.split(maxsplit=1)
' a  b '.split(), ' a  b '.split(' '), ''.split(), ''.split(','), ' a b '.split(none, 1)
'a,b,,c'.rsplit(',', 1), 'a b  c'.rsplit(none, 1), 'aaa'.rsplit('aa')
'a\nb\r\nc\n'.splitlines(), 'a\nb\n'.splitlines(true), ''.splitlines()
'  x '.strip() ~ '|', '  x '.lstrip() ~ '|', '  x '.rstrip() ~ '|', 'xxayx'.strip('xy'), 'abc'.lstrip('ba'), '\u00a0x\u2003'.strip()
s.replace('l', 'L'), s.replace('l', 'L', 1), 'aaa'.replace('a', 'aa'), 'abc'.replace('', '-'), 'aé'.replace('', '.', 2)
s.startswith('He'), s.endswith('ld'), s.startswith(('x', 'H')), s.startswith('l', 2), s.endswith('lo', 0, 5)
s.find('o'), s.find('zz'), s.rfind('o'), s.index('W'), u.find('日'), s.count('l'), s.find('o', 5), 'aaaa'.count('aa'), 'abc'.count('')
'-'.join(['a', 'b']), ''.join([]), ', '.join(d)
'a-b-c'.partition('-'), 'a-b-c'.rpartition('-'), 'abc'.partition('x'), 'abc'.rpartition('x')
'ab'.center(7, '*'), 'abc'.center(6) ~ '|', 'ab'.ljust(4, '.'), 'ab'.rjust(4, '.'), '-4'.zfill(5), 'ab' | center(5) ~ '|'
'abc'.isalpha(), 'ab1'.isalnum(), '12'.isdigit(), '½'.isnumeric(), '²'.isdigit(), '٣'.isdecimal(), ' \t'.isspace(), ''.isalpha()
'ABC'.isupper(), 'abc1'.islower(), 'Abc Def'.istitle(), 'ǅ'.isupper(), 'é'.isascii()
'prefix-x'.removeprefix('prefix-'), 'x.txt'.removesuffix('.txt')
'{} and {}'.format(1, 'x'), '{0}{1}{0}'.format('a', 'b'), '{x:>5}|{y:<4}|{z:^5}'.format(x=1, y='a', z='b'), '{{}}'.format()
'{:.2f} {:5d} {:05d} {:,} {:x} {:+d} {:e}'.format(3.14159, 42, 42, 1234567, 255, 5, 12345.678)
'{!r} {!s}'.format('a', 'b'), '{a[k]} {b.c}'.format(a={'k': 1}, b={'c': 2}), '{:*^9}'.format('mid'), '{:%}'.format(0.25)
'{} {}'.format([1, 'a'], none), '{:s}'.format('x'), '{:5}|{:5}|{:5}'.format('a', 1, 1.5)
'%s is %d and %.2f%%' % ('x', 5, 2.345), '%r' % 'a', '%5s|%-5s|' % ('a', 'b'), '%03d' % 7, '%x' % 255, '%(a)s' % {'a': 1}
'%s' % [1, 2], '%s' % none, '%d' % 3.99, '%+d' % 3, '%e' % 1234.5, '%g' % 0.00001
'%s-%s' | format('a', 1), '%(x)d' | format(x=3)
xs | sort, words | sort, words | sort(case_sensitive=true), xs | sort(reverse=true), words | sort(true)
rows | sort(attribute='v') | map(attribute='v') | list
rows | sort(attribute='name,v') | map(attribute='v') | list
rows | map(attribute='in.k') | list, rows | map(attribute='zz', default='none') | join(',')
words | map('upper') | join(' '), xs | map('string') | list, ['1', '2'] | map('int') | sum
xs | select('odd') | list, xs | reject('odd') | list, xs | select('>', 1) | list, ['', 'a', none] | select | list
rows | selectattr('v', 'equalto', 1) | list | length, rows | rejectattr('v', 'gt', 1) | map(attribute='name') | list
rows | selectattr('name') | list | length, rows | selectattr('zz', 'defined') | list, rows | selectattr('in.k', '==', 'p') | list | length
rows | groupby('name') | map('first') | list
rows | groupby('name') | list
rows | groupby('name', case_sensitive=true) | map('last') | map('length') | list
words | unique | list, ['a', 'A', 'b', 'a'] | unique | list, ['a', 'A'] | unique(true) | list
xs | max, xs | min, words | max, words | min(case_sensitive=true), empty | max is defined, rows | max(attribute='v')
xs | sum, rows | sum(attribute='v'), xs | sum(start=10), empty | sum
xs | join(', '), xs | join, rows | join('+', attribute='name'), [1, none, 'a', 2.5] | join('|')
xs | first, xs | last, empty | first is defined, s | first, s | last
xs | reverse | list, s | reverse, d | reverse | list
xs | list, s | list, range(4) | list, range(1, 10, 3) | list, range(5, 0, -2) | list, range(3)
range(5)[2], range(5)[-1], range(5) | length, 3 in range(5), range(0) | list
[1, 2, 3, 4, 5] | batch(2) | list, [1, 2, 3] | batch(2, 'x') | list, [1, 2, 3, 4, 5] | slice(2) | list, [1, 2, 3] | slice(2, 0) | list
d | dictsort
{'b': 1, 'A': 2, 'a': 3} | dictsort, {'b': 1, 'A': 2} | dictsort(true), {'b': 1, 'A': 2} | dictsort(by='value'), {'b': 1, 'a': 2} | dictsort(reverse=true)
{'b': 1} | items | list, missing | items | list
missing | default('x'), nothing | default('x'), nothing | default('x', true), '' | default('x', true), missing | d, missing | default(boolean=true) ~ '|'
'12' | int, '12.7' | int, 'x' | int, 'x' | int(5), '0x1F' | int(base=16), '11' | int(base=2), 3.99 | int, true | int, nothing | int(9), '1_0' | int, ' 4 ' | int, '-3' | int, '1e2' | int
'1.5' | float, 'x' | float, 'x' | float(2.5), 3 | float, 'inf' | float, '1e400' | float, ' -2_0.5 ' | float, 'nan' | float
2.5 | round, 3.5 | round, 2.567 | round(2), 2.1 | round(method='ceil'), -2.1 | round(method='floor'), 5 | round, 2.675 | round(2), 1234.5 | round(0, 'ceil')
-5 | abs, -2.5 | abs, true | abs
s | upper | lower | capitalize, 5 | upper, none | lower, [1] | upper
' x ' | trim ~ '|', 'xxaxx' | trim('x'), 5 | trim, none | trim
s | replace('l', 'L'), s | replace('l', 'L', 2), 112 | replace(1, 3)
'a\nb\n\nc' | indent, 'a\nb\n\nc' | indent(2, true), 'a\n\nc' | indent(2, blank=true), 'a\nb' | indent('> '), 'a\n' | indent ~ '|', '' | indent(2, true) ~ '|'
'foo bar baz qux' | truncate(9), 'foo bar baz qux' | truncate(9, true), 'foo bar' | truncate(6, leeway=0), 'short' | truncate(3, end='') , 'foo bar baz' | truncate(6, false, '!', 0)
'a b, c-d é_1' | wordcount
'<a href="x">it''s & more</a>' | escape, '<' | e | length
('<b>' | safe) + '<', ('<' | safe) ~ '<', '<b>' | safe | upper
[1, 'a'] | string, 5 | string | length, none | string
xs | tojson, d | tojson, nested | tojson, u | tojson, 1.0 | tojson, 1e16 | tojson, nothing | tojson, (1, 2) | tojson
json | tojson, json | tojson(ensure_ascii=true), json | tojson(true)
nested | tojson(indent=2), [] | tojson(indent=2), {} | tojson(indent=4), nested | tojson(indent=0), nested | tojson(indent='--')
{'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true), d | tojson(separators=(',', ':')), d | tojson(indent=1, separators=(', ', ' = '))
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
d | tojson | safe
'x' if yes, 'x' if no else 'y', ('x' if no) is defined, 1 if 2 if 3 else 4 else 5
n is odd, n is even, n is divisibleby 7, n is divisibleby(2), f is float, n is integer, yes is integer, yes is number, s is string, s is number
yes is true, yes is boolean, no is false, nothing is none, missing is undefined, missing is defined, n is sameas n
d is mapping, xs is mapping, xs is sequence, s is sequence, d is sequence, n is sequence, d is iterable, n is iterable, missing is iterable, range(2) is sequence, nothing is iterable
'abc' is lower, 'ABC' is upper, 5 is lower, range is callable, s is callable
1 is in [1, 2], 3 is not in [1, 2], 1 is eq 1, 1 is ne 2, 1 is lt 2, 2 is ge 2, 1 is lessthan 2, 2 is greaterthan 1, 1 is equalto 1
'upper' is filter, 'nope' is filter, 'odd' is test, ('x' | escape) is escaped, 'x' is escaped
none is sameas none, true is sameas true, true is sameas false, none is sameas false
missing ~ 'x', missing | length, missing | list, missing | join, missing | upper, missing | first is defined, missing == missing, missing == none, not missing, missing | string
missing | trim, missing | sort, missing | sum, missing | map(attribute='x') | list, missing | unique | list, missing | wordcount, missing | replace('a', 'b'), missing | last is defined
nothing.x is defined, n.x is defined, s.x is defined, xs.x is defined
dict(a=1, b=2), dict({'x': 1}, y=2), dict([('a', 1), ['b', 2]]), dict()
namespace(a=1).a, namespace({'x': 2}).x, namespace(a=1).b is defined, namespace(a=1)
strftime_now('%d %b %Y %H:%M:%S %A %j %y %p %I %B %-d %f %%')
strftime_now('')
joiner('-') is callable
xs.index(1), xs.count(3), (1, 2, 1).count(1), xs.copy()
xs | attr('index') is callable, d | attr('b') is defined
d['get'] is callable, d['zz'] is defined, d[none] is defined, d[1] is defined, d['1']
'a' if 'x' in missing else 'b'
[1, 2, 3][1:][0], (1, 2, 3)[1], {'a': {'b': [10, 20]}}.a.b[1], 'abc'[1], [[1]][0][0]
{'a': 1}.a, {'a': 1}['a'], {'get': 5}['get'], {'get': 5}.get is callable
not not 1, not (1 and 0), 1 and 2, 0 or '' or none, (1 or 2) and 3
1 if true else 2 ~ 3
xs | length > 2 and s | length == 12
xs | length + 1
'a' ~ 'b' | upper
('a' ~ 'b') | upper
'a' + 'b' | upper
-1 | string ~ 'x'
'%s' % ('a' | upper)
xs[n - 7], xs[n % 3]
'\u00e9\x41\101\U0001F600\a\q\
x' | tojson
"a\
b"
'tab\tnl\nq\'"' | string
xs.__class__ is defined, s.__len__ is defined, d.__class__ is defined
[xs, missing]
{'a': missing}
xs | map('tojson') | list, rows | map('length') | list, [[1, 2], [3]] | map('first') | list, ['a'] | map('replace', 'a', 'b') | list, ['x'] | map('default', 'y') | first
[3, 'a'] | map('string') | sort
(xs | select('odd')) is defined, (empty | select) | list | length
('a', 'b') | join, ('b', 'a') | sort
'a' in ('a', 'b'), none in [none], 1.0 in [1], true in [1]
[1, 2] == [1, 2.0], (1,) == [1], {'a': 1, 'b': 2} == {'b': 2, 'a': 1}, 'a' != 'b', range(3) == range(0, 3)
1 == '1', [] == empty, none != missing
"{}".format("%s") % 1
'a.b'.split('.')[0], s.split(', ')[-1][0]
('a\nb' | string).splitlines() | map('upper') | join('/')
0.1 + 0.7, 1e22, 1e21 + 1, 5e-324, 1.7976931348623157e308, 123456.789e3, 0.00012345, 1/7
(2 ** 62) - 1 + (2 ** 62)
7 | float / 2
loop is defined
'x' is string and 'y' is string or false
[x, y] is defined
{'a': 1}.items() | first
(1, 'a') in d.items()
d.values() | first, d.items() | length, (d.keys() | list)[0], d.keys()[0] is defined
"é" < "z", "Z" < "a", "a" < "aa", [] < [0]
"\n".join(["a", "b"]) | tojson
"abc"[-2:], "abc"[:-1], "日本語"[1:], "日本語"[:1], "日本語"[::2]
'a%b' , '100%' , '%'
"a" "b" ~ "c"
1.5 | string, 1e100 | string, 10 ** 15 | float, 10.0 ** 16
n | tojson, f | tojson, yes | tojson, (n / 2) | tojson, -0.0 | tojson
1 is number and 1.5 is number, '1' is number
d.b is defined and d.b is number
words[0] ~ words[1:] | join
"x" ~ (none if no) ~ "y"
rows[0].v + rows[1].v * 2
rows | length ~ '' ~ rows | map(attribute='name') | map('lower') | unique | join('/')
{"a": xs}["a"][0], [d][0].b
s | list | unique | join
s[0] | upper ~ s[1:]
not s.startswith('x') and s is string
"" is none, [] is none, 0 is none
""|length, "é"|length, "👍🏽"|length
"%.3s|%5.1f|%-8d|%s" % ("abcdef", 2.25, 3, true)
[1,2,3,]|last, {'a':1,}|length
"a\\b", 'it\'s', "\"", '\\n'
"ab" * 0 ~ "|" ~ "ab" * -1 ~ "|"
"A" | lower in ["a"], "A" is lower
xs | random is defined if false else 'skipped'
nope() if false else 'skipped'
(nope | nofilter) if false else 'skipped'
d.pop is defined, xs.append is defined, d.update is defined
(1, 2) | list + [3]
s | wordcount, '' | wordcount
none | default('a', boolean=true), false | default('b', true), 0 | d('c', true)
true ~ false ~ none, True ~ None
nested.a[1].b[1], nested['a'][1]['b'][0], nested.a.1.b.3
""" .strip("\n").replace("\\\nx' | tojson", "' | tojson").replace("\"a\\\nb\"\n", "").split("\n")

# Statements, and what jinja2 refuses.
TEMPLATES = [
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }},{{ loop.previtem is defined }} {% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}",
    "{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in xs %}{% break %}{% else %}else{% endfor %}",
    "{% for x in xs %}{% continue %}{% else %}else{% endfor %}",
    "{% for x in s %}{{ x }}.{% endfor %}{% for c in u %}{{ c }}|{% endfor %}",
    "{% for x in missing %}x{% else %}nothing{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){{ loop.depth }}{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in xs %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% set x = 1 %}{% for y in xs %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(n=0, l=[]) %}{% for y in xs %}{% set ns.n = ns.n + y %}{% set ns.l = ns.l + [y] %}{% endfor %}{{ ns.n }}{{ ns.l }}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set c = 1, 2 %}{{ c }}",
    "{% set (a, b) = (1, [2, 3]) %}{{ a }}{{ b }}",
    "{% set x %}  a{{ n }}\n{% endset %}[{{ x }}]{% set y | upper | trim %} q{{ s }} {% endset %}[{{ y }}]",
    "{% if yes %}{% set q = 1 %}{% endif %}{{ q }}",
    "{% if no %}{% set q = 1 %}{% endif %}{{ q is defined }}",
    "{% if n == 1 %}a{% elif n == 7 %}b{% elif yes %}c{% else %}d{% endif %}",
    "{% if no %}a{% elif empty %}b{% else %}d{% endif %}",
    "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=5, a=4) }} {{ f(1, c='z') }}",
    "{% macro f(a, b) %}{{ a }}{{ b is defined }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }}",
    "{% macro f(a) %}{{ a }}{{ caller is defined }}{% if caller %}[{{ caller(a) }}]{% endif %}{% endmacro %}{{ f(1) }}{% call(x) f(2) %}<{{ x }}{{ n }}>{% endcall %}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}a{% set n = 3 %}{{ n }}{% endcall %}{{ n }}",
    "{% macro fact(k) %}{% if k > 1 %}{{ k * fact(k - 1) | int }}{% else %}1{% endif %}{% endmacro %}{{ fact(6) }}",
    "{% macro f() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ f() }}{% set later = 6 %}{{ f() }}",
    "{% macro f(x) %}{% set y = x %}{{ y }}{% endmacro %}{{ f(1) }}{{ y is defined }}{{ f.name }}{{ f is callable }}",
    "{% macro f(x) %} {{ x }} {% endmacro %}[{{ f('a') | trim }}]{{ f('b') | length }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}",
    "{% for x in xs %}{% macro g() %}{{ x }}{% endmacro %}{{ g() }}{% endfor %}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(*[1]) }}{{ f(**{'x': 2}) }}{{ dict(**d) | length }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% set n = 9 %}{{ n }}{% endwith %}{{ n }}{{ a is defined }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}",
    "{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b') | trim %} aa {% endfilter %}",
    "{% generation %}g{{ n }}{% set n = 1 %}{% endgeneration %}{{ n }}",
    "{% raw %}{{ x }}{% y %}{# z #}{% endraw %}|{%- raw -%}  {{ x }}  {%- endraw -%}  |",
    "a {# comment #} b\n{# line #}\nc\n  {#- strip -#}  \nd",
    "  {% if yes %}  \n  x\n  {% endif %}  \n y",
    "a\n  {%- if yes -%}\n  x\n  {%- endif -%}\n b",
    "a\n  {%+ if yes %}x{% endif +%}\n b",
    "a  {{- n -}}  b  {{ n }}\n{{ n }}\n",
    "a\n\n{% if yes %}\n\nb\n{% endif %}\n\n",
    "\n{% set x = 1 %}\n{{ x }}\n\n",
    "x\r\n{% if yes %}\r\ny\r{% endif %}\rz\r\n",
    "{{ '{{' }}{{ '}}' }}{{ '%}' }}{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': {}} }}",
    "{%set x=1%}{{x}}{%if x==1%}y{%endif%}{%-  set   z  =  2  -%}{{-z-}}",
    "{% for x in xs %}\n  {{ x }}\n{% endfor %}\nend",
    "\t{% if yes %}\ttab{% endif %}\t\n\u00a0{% if yes %}nbsp{% endif %}",
    "{% set g = xs | select('odd') %}{% for x in g %}{{ x }}{% endfor %}-{% for x in g %}{{ x }}{% endfor %}{{ 'true' if g }}",
    "{% set g = xs | map('string') %}{{ g | first }}{{ g | list }}{{ g | list }}",
    "{% if xs | selectattr('zz') %}always{% endif %}{% if empty | select %}always{% endif %}",
    "{% set r = xs | reverse %}{{ r | list }}{{ r | list }}",
    "{{ xs | map('upper') | length }}", "{{ xs | select | last }}", "{{ xs | reverse | length }}", "{{ (xs | map('string'))[0] is defined }}",
    "{% set j = joiner('-') %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}",
    "{% print n, s %}", "{% if yes: %}x{% endif %}", "{% for x in xs: %}{{ x }}{% endfor %}",
    "{{ raise_exception('no') }}", "{{ missing.x }}", "{{ missing['x'] }}", "{{ missing() }}", "{{ missing + 1 }}", "{{ missing < 1 }}", "{{ missing[1:] }}", "{{ missing | tojson }}", "{{ missing | int }}",
    "{{ nothing.x.y }}", "{{ nothing + 1 }}", "{{ s + 1 }}", "{{ s.nope() }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ [1, 'a'] | sort }}", "{{ 1 / 0 }}", "{{ 1 % 0 }}", "{{ 5 is divisibleby 0 }}",
    "{{ xs.append(1) }}", "{{ d.update({'x': 1}) }}", "{{ d.pop('a') }}", "{{ xs.sort() }}", "{{ s.__class__.__mro__ }}", "{{ xs | nofilter }}", "{{ xs is notest }}", "{{ range(100001) }}", "{{ range(1, 2, 0) }}",
    "{{ 'a' in 5 }}", "{{ 5 in 'a5' }}", "{{ [] in d }}", "{{ {[]: 1} }}", "{{ xs[:'a'] }}", "{{ xs[::0] }}", "{{ n() }}", "{{ f(1) }}", "{{ xs | join(missing.x) }}",
    "{% for x in n %}{% endfor %}", "{% for a, b in xs %}{% endfor %}", "{% set a, b = [1] %}", "{% set d.x = 1 %}", "{% set n.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}{% endmacro %}{{ f(b=2) }}", "{% macro f(a=1, b) %}{% endmacro %}", "{% call s() %}{% endcall %}", "{% call n %}{% endcall %}",
    "{% if yes %}", "{% endif %}", "{% for x in xs %}{% endif %}", "{{ }}", "{{ 1 + }}", "{{ (1 }}", "{{ [1, 2 }}", "{% set = 1 %}", "{% unknown %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}",
    "{{ 'open }}", "{{ x", "{% if", "{# open", "{% raw %}open", "{{ 1 2 }}", "{{ a b }}", "{{ 01 }}", "{{ $ }}", "{{ a ? b }}", "{% break %}", "{% continue %}", "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{{ x is }}", "{{ x | }}", "{{ n is odd is even }}",
    "{{ '%s %s' % 'a' }}", "{{ '%d' % 'a' }}", "{{ '{} {}'.format(1) }}", "{{ 'a' | indent(missing.x) }}", "{{ 'abc'.split('') }}", "{{ 'abc'.index('z') }}", "{{ xs.index(99) }}", "{{ dict(1) }}", "{{ namespace(1) }}", "{{ '' | first | upper }}|", "{{ xs | sum(attribute='a') }}", "{{ ['a'] | sum }}", "{{ d | tojson(indent=missing.x) }}", "{{ xs | first(1) }}", "{{ s.upper(1) }}", "{{ s.replace('a') }}", "{{ loop.index }}", "{{ {'a': 1} | tojson(nope=1) }}", "{{ namespace | tojson }}", "{{ xs | groupby }}", "{{ xs | dictsort }}", "{{ -s }}", "{{ +xs }}", "{{ xs - xs }}", "{{ xs * xs }}", "{{ xs + 'a' }}", "{{ xs + (1,) }}", "{{ d + d }}",
    "{{ strftime_now() }}", "{{ raise_exception() }}", "{{ s | round }}", "{{ s | abs }}", "{{ s | batch(2) | list }}", "{{ 'x' | center(10) }}|",
    "{% set x = missing.y if false else 3 %}{{ x }}", "{{ missing.y if false }}", "{{ (missing or d).b }}", "{{ missing is defined and missing.x }}", "{{ d.zz.x if d.zz is defined else 'no' }}",
    "{% set loop = 5 %}{{ loop }}{% for x in [1] %}{{ loop.index }}{% endfor %}", "{% set range = 3 %}{{ range }}", "{% for range in [1] %}{{ range }}{% endfor %}{{ range(2) | list }}",
    "{% set a = [1] %}{% set b = a %}{% set a = a + [2] %}{{ b }}{{ a }}", "{% set xs = xs + [4] %}{{ xs }}", "{{ d['a'] }}{% set d = 1 %}{{ d }}",
    "{% for i in range(3) %}{% if loop.first %}{% set z = i %}{% endif %}{{ z is defined }}{% endfor %}", "{% set z = 0 %}{% for i in range(3) %}{% if loop.first %}{% set z = 9 %}{% endif %}{{ z }}{% endfor %}{{ z }}",
    "{% macro f() %}{% for x in xs %}{{ loop.index }}{% endfor %}{% endmacro %}{% for y in xs %}{{ f() }}{{ loop.index }} {% endfor %}",
    "{% macro f(x) %}{{ caller(x, y=2) }}{% endmacro %}{% call(a, y=1) f(5) %}{{ a }}{{ y }}{% endcall %}", "{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}{% call f() %}x{% endcall %}{% endcall %}",
    "{% set x = 'a' if yes else 'b' %}{{ x }}{% set x = x ~ 'c' %}{{ x }}", "{{ ('a', 'b')[no] }}{{ ['a', 'b'][yes] }}", "{{ n if n > 3 and n < 10 else 'out' }}",
    "{%- set sep = joiner() -%}{% for r in rows %}{{ sep() }}{{ r.name }}{% endfor %}", "{% for r in rows | sort(attribute='in.k', reverse=true) %}{{ r.v }}{% endfor %}", "{% for name, group in rows | groupby('name') %}{{ name }}:{{ group | map(attribute='v') | join('+') }};{% endfor %}",
    "{% for g in rows | groupby('name') %}{{ g[0] }}{{ g[1] | length }}{% endfor %}",
    "{% for x in xs %}{{ x }}{{ ', ' if not loop.last }}{% endfor %}", "{% for x in xs -%}\n {{ x }}\n{%- endfor %}", "{{ xs[loop.index0] if loop is defined else 'x' }}",
    "{{ 'a' }}{# {{ b }} #}{{ 'c' }}", "{{ '#}' }}{# #}x", "{#- a -#} b {#+ c +#}\n d", "{% raw %}{% endraw %}", "{{ n }}{% raw %}\n{{ n }}\n{% endraw %}\n{{ n }}",
    "{% set t = 'x' %}{%- if t -%} a {%- endif -%} b", "  {{ n }}  {%- if yes %} x {% endif -%}  y", "{{ n }}\n\n  {%- if yes %}\n\n x{% endif %}",
]

# jinja2 renders these; this program refuses them and says so.
REFUSED_HERE = [
    "{{ 10 ** 30 }}", "{{ 9223372036854775807 + 1 }}", "{{ 99999999999999999999 }}", "{{ 'a' | urlencode }}", "{{ s | striptags }}", "{{ xs | pprint }}", "{{ {'a': 1} | xmlattr }}", "{{ 1000 | filesizeformat }}", "{{ s | wordwrap(3) }}",
    "{{ s.swapcase() }}", "{{ s.encode() }}", "{{ n.bit_length() }}", "{{ cycler(1, 2).next() }}", "{{ xs | map('string') }}", "{{ range }}", "{{ '{:{w}}'.format(1, w=3) }}", "{{ '\\N{BULLET}' }}", "{{ (s ~ '') is sameas s }}", "{{ self is defined }}", "{{ xs | items }}", "{{ xs | map }}",
    "{% autoescape true %}x{% endautoescape %}", "{% block a %}x{% endblock %}", "{{ lipsum(n=1) }}", "{{ ('a' | safe).replace('a', 'b') }}",
]
