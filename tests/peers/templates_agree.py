"""Templates rendered by jinja2, set up as transformers sets it up, against `kaito-runtime inspect chat --template`.

Usage: templates_agree.py KAITO_RUNTIME REPOSITORY [--wheels FOLDER] [--only TEXT]
Each template is rendered with many rows of variables; texts must be equal, and where jinja2 fails ours must fail (with the same text when
the template raised it itself). Prints TAP: one test per group of templates.
"""
import argparse
import copy
import datetime
import functools
import glob
import itertools
import json
import os
import subprocess
import sys
import tempfile
import zipfile

import chat_rows
import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

TODAY = "2026-11-23"


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_said"), [], [], body).set_lineno(line)

    def _said(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(format):
    return datetime.datetime.strptime(TODAY, "%Y-%m-%d").strftime(format)


ENV = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
ENV.filters["tojson"] = tojson
ENV.globals.update(raise_exception=raise_exception, strftime_now=strftime_now)

# ---- values ----

VALUES = [None, True, False, 0, 1, -3, 7, 2.5, -0.5, 1e20, 1e-7, 100000.0, "", " ", "a", "Hello World", "  pad\t\n", "a,b,,c", "naïve ÉCOLE straße", "日本語 text", "👍🏽 ok", "12", "-3.5", "1e3",
          "x\ny\r\nz\n", "<b>&\"'</b>", "\\n \"quoted\" 'single'", "{{ x }}", "the quick brown-fox's tail", "\u00a0nbsp\u2028", "ǆ ŉ ﬁ İ", [], [1, 2, 3], [3, 1, 2], ["b", "A", "c", "a"], [[1, 2], [3]],
          [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"b": "z"}], [None, True, 1.5, "s", [], {}], ["a", "a", "b"], {}, {"a": 1}, {"b": 2, "a": [1, {"c": None}], "é": "ü"},
          {"role": "user", "content": "hi", "items": 3, "n": {"k": "v"}}, [1, "a"], [0.1, 0.2], "a\tb", "ÀÉ", "end.", [[]], ["x", None]]
ROWS1 = [{"x": v} for v in VALUES]
PAIRS = [None, True, 0, 1, 2, -3, 2.5, -0.5, "", "a", "ab", "b", [], [1, 2], ["a"], {}, {"a": 1}, [[1]]]
ROWS2 = [{"x": a, "y": b} for a, b in itertools.product(PAIRS, PAIRS)]
MESSAGES = [{"role": "system", "content": "Be good."}, {"role": "user", "content": "Hi <there> \"you\""}, {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": [True, None, "ü"]}}}]}, {"role": "tool", "content": "42", "name": "f", "tool_call_id": "abcdefghi"}, {"role": "assistant", "content": "done\n"}]
CHAT = [{"messages": MESSAGES[:n], "add_generation_prompt": g, "bos_token": "<s>", "eos_token": "</s>", "tools": t} for n in range(6) for g in (True, False)
        for t in (None, [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}])]

FILTERS = """abs attr('a') batch(2)|list batch(2,'-')|list capitalize center(12) center count default('d') default('d',true) d dictsort dictsort(true) dictsort(by='value') dictsort(reverse=true) e escape
 filesizeformat first float float(1.5) forceescape groupby('a') indent indent(2) indent(2,true) indent(width='>>') indent(3,blank=true) int int(5) int(0,16) items|list join join(', ') join('-','b') join(attribute='b') last length list lower
 map('upper')|list map(attribute='a')|list map(attribute='a',default='?')|list map('default','q')|list map('string')|join max min pprint random_absent reject('none')|list reject|list rejectattr('a')|list rejectattr('b','equalto','y')|list
 replace('a','b') replace('a','bb',1) replace('','-') reverse reverse|list round round(1) round(1,'floor') round(0,'ceil') safe select('string')|list select|list selectattr('a')|list selectattr('a','defined')|list selectattr('a','undefined')|list
 selectattr('a','equalto',1)|list selectattr('b','in',['x','z'])|list slice(2)|list slice(2,'f')|list sort sort(reverse=true) sort(case_sensitive=true) sort(attribute='b') string striptags sum sum(attribute='a') sum(start=10) title
 tojson tojson(indent=2) tojson(indent=0) tojson(ensure_ascii=true) tojson(sort_keys=true) tojson(separators=(',',':')) tojson(indent=1,separators=(',',':')) trim trim('a') truncate(8) truncate(8,true) truncate(8,true,'') truncate(5,false,'..',0) unique|list unique(true)|list unique(attribute='b')|list upper
 urlencode wordcount wordwrap(5) xmlattr upper|lower first|default('none') trim|length list|length map('length')|list map('int')|sum select('odd')|list select('gt',1)|list reject('in',[1,2])|list
 max(attribute='a') min(attribute='a') sort(attribute='a,b') list|first list|last string|length string|upper|lower|title format format(1) list|join('|') batch(3)|map('join')|join(';')""".split()
TESTS = """boolean callable defined divisibleby(2) divisibleby(3) eq(1) equalto('a') even false filter float ge(1) gt(1) greaterthan(2) in([1,'a']) in('abc') integer iterable le(1) lessthan(2) lower lt(1) mapping ne(1) none number odd sameas(none)
 sameas(true) sequence string test true undefined upper escaped""".split()
METHODS = """upper() lower() title() capitalize() strip() lstrip() rstrip() strip('a') strip('ab ') split() split(',') split(',',1) split(',',maxsplit=1) split(sep='l') split(none,1) rsplit(',') rsplit(',',1) rsplit() rsplit(none,1) splitlines() splitlines(true) startswith('a') startswith(('H','a')) startswith('b',1)
 endswith('d') endswith(('d','')) removeprefix('a') removesuffix('d') replace('a','b') replace('l','L',1) replace('','.') find('l') find('zz') rfind('l') index('a') count('l') count('') join(['x','y']) join([1]) isdigit() isalpha() isalnum() isspace() isupper() islower() isnumeric() isdecimal() istitle() isidentifier() isascii()
 format(1,2) center(9) center(9,'*') ljust(9) rjust(9) zfill(5) partition(',') rpartition(',') swapcase() casefold() expandtabs(4) encode() translate({}) get('a') get('a','z') get('zz','z') get('zz') keys() keys()|list values()|list items()|list items() copy() update({}) pop() append(1) insert(0,1) extend([1]) clear() remove(1) sort() reverse() index(1) count(1) setdefault('a',1) popitem()
 a items b length __class__ __class__.__name__ _x items|default('q')""".split()
BINARY = "+ - * / // % ** ~ == != < <= > >= in and or".split() + ["not in", "is eq", "is in"]

EXPRESSIONS = """x[0] x[-1] x[1:] x[:2] x[::-1] x[1:3] x[:-1] x[::2] x[5:1] x['a'] x.a x.a.b x['zz'] x.0 x[0].a (x,) (x,1) [x] {'k':x} {'k':x}.k x|string|length not#x x#is#not#none x#is#not#string -x +x x#if#x x#if#x#else#'no' x#==#x x#in#[x] [x]*2 x#~#x x#~#1#~#none
 'a'#if#x#is#defined#else#'b' x|default('e')|upper x.items()|list x.keys()|list (x#or#'d') (x#and#'d') range(x) range(1,x) range(0,10,x) range(x)|list range(3)|list|string dict(a=x) dict(x) dict(x,b=1) namespace(a=x).a [x,[x]]|tojson x|tojson|length 'abc'[x] [10,20,30][x] {'a':5}[x] {1:'one',true:'t'}[x] x(1) lipsum cycler joiner
 '%s'|format(x) '%s-%d'|format('a',3) '%05.1f'|format(2.25) '%r'|format(x) '%s'%x '%d'%3 '%s#and#%s'%('a',x) '{}'.format(x) '{0}-{0}'.format(x) '{a}'.format(a=x) '{:>5}'.format('q') '{!r}'.format(x) 1_000 0x1f 0b11 0o17 1.5e3 .5 1e3 'a''b' 'a'#'b' "\\u00e9\\x41\\t\\'" '\\q' True False None true none x.__class__ x._private ''.__class__ x.real x.imag x.numerator
 1#<#2#<#3 1#<#3#<#2 1#==#1.0 true#==#1 'a'#<#'b' [1,2]#<#[1,3] (1,2)#==#[1,2] 2**3**2 -2**2 2**-1 7//2 -7//2 7%-3 -7%3 7.5//2 -7.5%2 1/3 10/5 2**64 9223372036854775807+1 -9223372036854775808-1 99999999999*99999999999 1e308*10 0.1+0.2 1e16 1e15 123456789.123 1.0 100.0 1e22 5e-324 not#true#and#false 'x'#is#string#and#1#is#number
 x#is#defined#and#x 1#if#false 1#if#false#else#2#if#false#else#3 x|length#if#x#is#sequence#else#0 'a'#'b'|upper [1,2,3]|map('string')|join(',') [1,2,3]|sum [[1,2],[3]]|sum(start=[]) [1,2]+[3] (1,2)+(3,) {'a':1}|items|list {'b':1,'a':2}|dictsort 'a'*3 3*'a' 'a'+1 [1]+'a' none+1 undefinedvar undefinedvar.x undefinedvar['x'] undefinedvar|length undefinedvar|upper undefinedvar|default('d') undefinedvar#is#defined
 undefinedvar#+#1 undefinedvar#==#undefinedvar undefinedvar#or#'d' x.nope x.nope.nope x['no']['no'] x|nope x#is#nope nope(x) x.nope() loop caller self varargs raise_exception('boom') raise_exception('boom#'~x) raise_exception(x) strftime_now('%Y-%m-%d') strftime_now('%d#%b#%Y') strftime_now('%A,#%B#%e#%H:%M') (x)|list|first x#is#mapping#or#x#is#string x|tojson(indent=4) "a\\
b" x|trim|replace("'",'"') x[x] [x][0][0] {x:1} {'a':1,'a':2} {1:2,'1':3} [[x]]|string (1,)|string ()|string (1,2,)|list x|list|tojson {'t':(1,2)}|tojson {1:2,none:3,true:4,1.5:5}|tojson x|selectattr('role','equalto','user')|list
 [1,'a',none]|sort ['b',1]|sort [{'a':2},{'a':1}]|sort(attribute='a') [3,1]|sort|first ('a','b')|join x|map('tojson')|join [{'r':'u'},{'r':'a'}]|groupby('r') [{'r':'u'}]|groupby('r')|map(attribute='list')|list 'A-B'|lower|replace('-','_') [1,2,3,4][1:-1] 'héllo'[1:3] 'héllo'[::-1] 'abc'[10:] 'abc'[-10:2] 'abc'[2:0:-1] [1,2,3][::0]""".replace("\n ", " ").split(" ")

STATEMENTS = [
    "{% for i in x %}{{ i }},{% else %}none{% endfor %}", "{% for i in x %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for i in x %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }}|{% endfor %}", "{% for i in x %}{{ loop.cycle('a','b') }}{{ loop.changed(i) }}{% endfor %}", "{% for i in x if i %}{{ i }}{{ loop.length }}{% endfor %}",
    "{% for k, v in x.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in x %}{{ k }}-{{ v }}{% endfor %}", "{% for k in x recursive %}{{ loop.depth }}{% endfor %}", "{% for a in x %}{% for b in x %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for i in x %}{% if loop.index > 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in x %}{% if loop.first %}{% continue %}{% endif %}{{ i }}{% endfor %}", "{% for i in x[:2] %}{{ i }}{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}{{ i }}",
    "{% set y = x %}{{ y }}", "{% set y, z = x %}{{ y }}/{{ z }}", "{% set y = 1, 2 %}{{ y }}", "{% set y %}[{{ x }}]{% endset %}{{ y }}{{ y|length }}", "{% set y | upper %}a{{ x }}{% endset %}{{ y }}", "{% set ns = namespace(v=1) %}{% for i in [1,2] %}{% set ns.v = ns.v + i %}{% endfor %}{{ ns.v }}",
    "{% set ns = namespace() %}{{ ns.v }}{% set ns.v = x %}{{ ns.v }}", "{% set ns = namespace({'a': 1}) %}{{ ns.a }}{{ ns['a'] }}", "{% set x.a = 1 %}{{ x }}", "{% set y = 1 %}{% if true %}{% set y = 2 %}{% endif %}{{ y }}", "{% set y = 1 %}{% for i in [1] %}{% set y = 2 %}{{ y }}{% endfor %}{{ y }}",
    "{% if x %}t{% elif x is none %}n{% else %}f{% endif %}", "{% if x is defined and x %}a{% endif %}b", "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(x) }}|{{ m(x, 3) }}|{{ m(b=x, a=1) }}|{{ m() }}", "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, z=3) }}",
    "{% macro m() %}{{ varargs }}{% endmacro %}{{ m(1, x) }}", "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(k=x) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m.name }}{{ m.arguments }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{{ x }}{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{{ x }}{% endcall %}", "{% macro m() %}{% if caller %}c{% else %}n{% endif %}{% endmacro %}{{ m() }}{% call m() %}q{% endcall %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% macro m() %}  a  {% endmacro %}[{{ m()|trim }}][{{ m() }}]", "{% set y = 5 %}{% macro m() %}{{ y }}{% endmacro %}{{ m() }}{% set y = 6 %}{{ m() }}",
    "{% filter upper %}a{{ x }}{% endfilter %}", "{% filter replace('a','b')|upper %}banana{% endfilter %}", "{% with a = 1, b = x %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set q = 3 %}{{ q }}{% endwith %}{{ q }}", "{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% generation %}g{{ x }}{% endgeneration %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "{# c #}a{#- d -#} b", "a\n{# c #}\nb", "  {% if true %}\n  x\n  {% endif %}\n  y\n", "{%- if true -%}\n  x\n  {%- endif -%}\n  y\n", "{%+ if true %} x {%+ endif %}\ny", "{{ 'a' }}\n{{ 'b' }}\n\n", "\n\n{{ 'a' -}}  \n b {{- 'c' }}\n",
    "{% if x %}{{ x }}\n{% endif %}\nz", "{% for i in [1,2] %}\n{{ i }}\n{% endfor %}\n", "{% for i in [1,2] -%}\n{{ i }}\n{%- endfor %}\n", "a {% set y = 1 %}  \n b", "\t{% set y = 1 %}\n b", "x {% raw %} {{ a }} {% endraw %} y", "{% raw -%}\n a \n{%- endraw %}\nb", "{{ x }}{# unclosed", "{% if x %}", "{% endif %}", "{{ x", "{{ }}", "{% set %}", "{% for %}{% endfor %}", "{{ x.}}",
    "{% unknown %}", "{{ x | }}", "{{ (x }}", "{{ x]) }}", "{% if x %}a{% else %}b{% else %}c{% endif %}", "{% for i in x %}{% endfor %}{% break %}", "{% break %}", "{% set true = 1 %}", "{{ {'a': 1, 'b': {'c': [1, 2]}} }}", "{{ '}}' }}{{ '%}' }}", "{{ {'a':{'b':1}}}}", "{% set a = {'b': {'c': 1}} %}{{ a.b.c }}",
    "{% include 'a' %}", "{% extends 'a' %}", "{% import 'a' as b %}", "{% block b %}x{% endblock %}", "{% do x %}", "{% autoescape true %}{{ '<' }}{% endautoescape %}", "line\r\nline2\rline3\n", "{{ x }}\r\n", "{% set x = x ~ 'q' %}{{ x }}", "{% for x in [1] %}{{ x }}{% endfor %}{{ x }}", "{% for i in [] %}{% else %}{{ x }}{% endfor %}",
    "{% set y = [] %}{{ y.append(1) }}{{ y }}", "{% set d = {} %}{% set _ = d.update({'a': 1}) %}{{ d }}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}", "{% set a = b = 1 %}", "{{ [x, *x] }}", "{{ dict(**{'a': x}) }}", "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 1, 'b': x}) }}",
    "{{ x if x is string else x|tojson }}", "{% if x is string %}{{ x }}{% elif x is iterable %}{% for i in x %}{{ i }}{% endfor %}{% endif %}", "{% if not x is defined %}u{% endif %}", "{% if x not in ['a', 'b'] and x != 1 %}q{% endif %}", "{{ x is not defined }}", "{% set content = x if x is string else '' %}{{ content.split('</think>')[-1].lstrip('\\n') }}",
    "{{- x -}}", "a {{- x -}} b", "{%- set y = 1 -%} a {%- set z = 2 %}\n b", "{% for i in x %}{%- if not loop.first %}, {% endif -%}{{ i }}{% endfor %}", "{{ loop }}", "{% set loop = 1 %}{{ loop }}", "{{ x|map('upper')|join(', ')|default('none', true) }}", "{{ x is eq x }}{{ x is sameas x }}", "{% for i in x|reverse %}{{ i }}{% endfor %}", "{% for k in x|dictsort %}{{ k }}{% endfor %}",
    "{% for g in [{'a':1,'b':2},{'a':1,'b':3},{'a':2,'b':4}]|groupby('a') %}{{ g.grouper }}:{{ g.list|map(attribute='b')|join(',') }};{% endfor %}", "{% for k, l in [{'a':1},{'a':2}]|groupby('a') %}{{ k }}{{ l }}{% endfor %}", "{% for r in [1,2,3,4,5]|batch(2, 'x') %}{{ r|join }}|{% endfor %}", "{% for r in [1,2,3,4,5]|slice(2) %}{{ r|join }}|{% endfor %}",
]
CHATS = [
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}", "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{{ message['content'] | trim }}{% endfor %}",
    "{% set loop_messages = messages[1:] if messages and messages[0]['role'] == 'system' else messages %}{{ loop_messages | length }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('|') }}", "{% if tools %}{{ tools | tojson(indent=4) }}{% for t in tools %}{{ t.function | tojson }}{{ t['function']['parameters']['properties'].items() | list }}{% endfor %}{% endif %}",
    "{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls is not none %}{% for c in m.tool_calls %}{{ c.function.name }}({% for k, v in c.function.arguments.items() %}{{ k }}={{ v | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}){{ c.id | length }}{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "{%- set ns = namespace(found=false, last=-1) -%}{%- for m in messages -%}{%- if m.role == 'assistant' -%}{%- set ns.found = true -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}{{ ns.found }}{{ ns.last }}", "{% for m in messages[::-1] %}{{ m.role[0] | upper }}{% endfor %}{{ (messages | last).role }}{{ (messages | first | default({})).role }}", "{{ messages | map(attribute='role') | unique | list }}{{ messages | tojson }}{{ messages }}",
    "{% for role, group in messages | groupby('role') %}{{ role }}{{ group | length }}{% endfor %}", "{{ messages | length }}{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% endif %}{{ s is defined }}{{ s }}", "{% for m in messages %}{{ m.get('tool_calls', []) | length }}{{ 'tool_calls' in m }}{{ m.keys() | list | join(',') }}{% endfor %}",
]


def sources():
    yield "filters", [("{{ x|%s }}" % f, ROWS1) for f in FILTERS]
    yield "tests", [("{{ x is %s }}" % t, ROWS1) for t in TESTS]
    yield "methods", [("{{ x.%s }}" % m, ROWS1) for m in METHODS]
    yield "operators", [("{{ x %s y }}" % b, ROWS2) for b in BINARY]
    yield "expressions", [("{{ %s }}" % e.replace("#", " "), ROWS1 if "x" in e else ROWS1[:1]) for e in EXPRESSIONS if e]
    yield "statements", [(s, ROWS1 if "x" in s else ROWS1[:1]) for s in STATEMENTS]
    yield "chats", [(s, CHAT) for s in CHATS]


# What is not built (docs/status.md): integers beyond 64 bits, Python's names of views, ranges and classes, and what no chat template uses.
UNBUILT = {"{{ %s }}" % u for u in (
    "x|filesizeformat", "x|pprint", "x|xmlattr", "x|wordwrap(5)", "x.encode()", "x.translate({})", "x.keys()", "x.items()", "range(x)", "range(1,x)", "range(0,10,x)",
    "cycler", "joiner", "self", "x.real", "x.imag", "x.numerator", "2**64", "9223372036854775807+1", "-9223372036854775808-1", "99999999999*99999999999", "x|int", "x|int(5)",
    "x|int(0,16)", "x ** y", "x|groupby('a')", "x|max(attribute='a')", "x|min(attribute='a')", "x is filter", "x is test", "x|urlencode", "x|truncate(8)", "x|truncate(8,true)",
    "x|truncate(8,true,'')", "x|truncate(5,false,'..',0)", "x % y")}
UNBUILT |= {"{% for k in x recursive %}{{ loop.depth }}{% endfor %}", "{% autoescape true %}{{ '<' }}{% endautoescape %}"}


# ---- comparing ----

@functools.lru_cache(maxsize=4)
def compiled(source):
    return ENV.from_string(source)


def truth(source, row):
    try:
        return {"text": compiled(source).render(**copy.deepcopy(row))}
    except jinja2.exceptions.TemplateError as e:
        return {"error": str(e) if type(e) is jinja2.exceptions.TemplateError else None}
    except (Exception, RecursionError):
        return {"error": None}


def ours(binary, path, rows):
    lines = "".join(json.dumps(dict(r, today=TODAY)) + "\n" for r in rows)
    got = subprocess.run([binary, "inspect", "chat", "--template", path], input=lines, capture_output=True, text=True)
    answers = [json.loads(line) for line in got.stdout.split("\n") if line]
    if len(answers) != len(rows):
        return [{"error": got.stderr.strip()}] * len(rows)
    return answers


def differences(binary, source, rows):
    with tempfile.NamedTemporaryFile("w", suffix=".jinja", encoding="utf-8", newline="") as f:
        f.write(source)
        f.flush()
        answers = ours(binary, f.name, rows)
    out = []
    for row, got in zip(rows, answers):
        want = truth(source, row)
        same = got == want if "text" in want or want["error"] is not None else "error" in got
        if not same and "0x" not in str(want.get("text")):         # an object's address is nobody's business
            out.append("%s  with %s\n#   want %s\n#   got  %s" % (source, json.dumps(row, ensure_ascii=False)[:200], want, got))
    return out


def real_templates(root):
    """Each recorded template with message lists of all the others, too."""
    folder = root + "/../shared/golden/hf/templates"
    files = [json.load(open(f, encoding="utf-8")) for f in sorted(glob.glob(folder + "/*.json"))]
    rows = [dict({k: c.get(k) for k in ("messages", "tools", "documents")}, add_generation_prompt=c.get("add_generation_prompt", False), bos_token="<s>", eos_token="</s>", **c.get("kwargs", {})) for f in files for c in f["cases"]][::5]
    for path in sorted(glob.glob(folder + "/*.jinja")):
        yield os.path.basename(path), open(path, encoding="utf-8", newline="").read(), rows


def published_templates(folder):
    """Every *.jinja in the wheels of a folder, with conversations of every shape; a text once."""
    seen = set()
    for path in sorted(glob.glob(folder + "/*.whl")):
        wheel = zipfile.ZipFile(path)
        for name in sorted(n for n in wheel.namelist() if n.endswith(".jinja")):
            source = wheel.read(name).decode("utf-8")
            if source not in seen:
                yield name, source, chat_rows.ROWS
            seen.add(source)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("binary")
    a.add_argument("root")
    a.add_argument("--wheels", default="")
    a.add_argument("--only", default="")
    a.add_argument("--show", type=int, default=1)
    o = a.parse_args()
    groups = list(sources()) + [("recorded " + name, [(source, rows)]) for name, source, rows in real_templates(o.root)]
    groups += [("published " + name, [(source, rows)]) for name, source, rows in published_templates(o.wheels)]
    groups = [g for g in groups if o.only in g[0]]
    print("1..%d" % len(groups))
    bad = 0
    for i, (name, cases) in enumerate(groups):
        cases = [(source, rows) for source, rows in cases if source not in UNBUILT]
        wrong = [w for source, rows in cases for w in [differences(o.binary, source, rows)] if w]
        bad += bool(wrong)
        print("%s %d - %s%s" % ("not ok" if wrong else "ok", i + 1, name, ": %d of %d templates differ" % (len(wrong), len(cases)) if wrong else ""))
        for w in wrong:
            for line in w[:o.show]:
                print("# " + line)
            print("#   (%d rows)" % len(w))
        sys.stdout.flush()
    return bad > 0


sys.exit(main())
