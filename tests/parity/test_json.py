"""src/data/json_reader.cpp against Python's json: the same verdict and, where both accept, the same value. The fast reader,
src/data/json_tape.cpp, gives the same verdicts (json_tool compares them).


Known differences, where the reader is stricter on purpose:
  lone surrogates       Python passes them on; no UTF-8 text can hold them            (RFC 8259, 8.2)
  numbers beyond double Python gives inf, which JSON cannot write                     (RFC 8259, 6)
  nesting beyond 64     Python stops at its recursion limit                           (RFC 8259, 9: a parser may set limits)
  NaN, Infinity         Python accepts them unless told; it is told here              (RFC 8259, 6)
  integers              beyond 64 bits they become the nearest double here; Python keeps every digit
Duplicate keys, which the reader refuses by default, are let through for this comparison (--rfc).
"""
import json
import math
import os
import random
import subprocess
import sys

TOOL = os.path.join(os.environ.get("LORA_BUILD_DIR", "build"), "tools", "json_tool")
MUTATIONS = int(os.environ.get("LORA_JSON_MUTATIONS", "20000"))
KIND_LONE_SURROGATE, KIND_TOO_LARGE, KIND_TOO_DEEP = 10, 15, 16  # positions in JsonProblemKind
MAX_DEPTH = 64

# Accepted and refused texts, in bytes; the verdict is Python's, so the table holds none.
TABLE = [
    # values
    b'null', b'true', b'false', b'0', b'-0', b'1', b'-1', b'12345678901234567890', b'-9223372036854775808', b'9223372036854775807',
    b'18446744073709551615', b'18446744073709551616', b'1.5', b'-0.0', b'1e5', b'1E5', b'1e+5', b'1e-5', b'1.25e-3', b'0e0', b'0.0e-0',
    b'1e308', b'1e-400', b'-1e-400', b'5e-324', b'0.' + b'0' * 400 + b'1', b'1' + b'0' * 300, b'123456789.123456789e10',
    b'""', b'"a"', b'"\\n"', b'"\\""', b'"\\\\"', b'"\\/"', b'"\\u0041"', b'"\\u00e9"', b'"\\ud83d\\ude00"', b'"\\uD83D\\uDE00"',
    b'"\\u0000"', b'"\x7f"', '"é"'.encode(), '"😀"'.encode(), '"\u2028"'.encode(), '"\uffff"'.encode(), b'[]', b'{}', b'[ ]', b'{ }',
    b' 1', b'1 ', b'\t1\n\r ', b'[1]', b'[1,2]', b'[ 1 , 2 ]', b'[[]]', b'[[],{}]', b'{"a":1}', b'{"a":{"b":[null]}}', b'{ "a" : 1 }',
    b'{"":0}', b'{"a":1,"b":2}', b'{"a":1,"a":2}', b'{"a":{"x":1,"x":[]}}', b'["\\u005C"]', b'[true,false,null]', b'[' * 60 + b']' * 60,
    b'[' * 64 + b']' * 64, b'{"k":' * 30 + b'1' + b'}' * 30, b'"' + b'x' * 5000 + b'"', b'[0.1,1e1,-2.5E+2]',
    b'[1,\n2]', b'[\r\n\t ]', b'"\\u0012"', b'"\\uDBFF\\uDFFE"', b'"\\uFFFE"', '"\U0010ffff"'.encode(), '"\u0800\ud7ff\ue000"'.encode(), b'"\\\\u0000"',
    b'"\\\\a"', b'"a/*b*/c//d"', b'[null,1,"1",{}]', b'[-0,-0.0,0E+1]', b'[123.456e78]', b'[20e1]', b'{"\\u0061":1,"b":"\\u0061"}', b'{"a":[[[]]]}',
    b'"' + b'\\\\' * 99 + b'"', b'"1234567"', b'"12345678"', b'"123456\\t8"', '"1234567é"'.encode(), '"éééé\\n"'.encode(),
    # refused: structure
    b'[-]', b'[0e]', b'[0e+]', b'[0.1.2]', b'[1eE2]', b'[2.e3]', b'[9.e+]', b'[.-1]', b'[1+2]', b'[0x1]', b'[-012]', b'[-1x]', b'[-a]', b'[\\n]', b'[*]',
    b'["",]', b'["x"', b'["a" 1]', b'[1:2]', b'{"x"::"b"}', b'{"a":"a" 123}', b'{key: "v"}', b'{"id":0,,}', b'{"a":"b"}/**/', b'{"a":"b"}#', b'{"a" b}',
    b'[True]', b'[<null>]', b'[\x0c]', b'["\x00"]', b'["1234567\x1f"]', b'["12345678\x1f"]', b'"1234567\xff"', b'"12345678\xff"', b'"1234567\\', b'"12345678\\"',
    b'', b' ', b'\n', b'[', b']', b'{', b'}', b',', b':', b'[1', b'[1,', b'[,1]', b'[1,]', b'[1,,2]', b'[1 2]', b'{"a"}', b'{"a":}',
    b'{"a":1,}', b'{,"a":1}', b'{"a":1 "b":2}', b'{"a" 1}', b'{a:1}', b'{1:1}', b'{"a":1]', b'[1}', b'[]]', b'{}}', b'1 2', b'[] []', b'{}{}',
    b'"a" "b"', b'{"a":1,"b"}', b'{"a"::1}', b'{null:1}', b'[1;2]', b'(1)', b'<a>', b'{"a":1', b'{"a":', b'{"a"', b'{"', b'["', b'["a', b'["a"',
    b'["a",', b'{"a":"b"', b'{"a":"b",', b'[[1]', b'[{"a":[', b'[' * 65 + b']' * 65, b'[' * 100000,
    # refused: words
    b'nul', b'tru', b'fals', b'nulll', b'truee', b'True', b'None', b'NULL', b'undefined', b'NaN', b'Infinity', b'-Infinity', b'-NaN', b'nan', b'inf',
    b'[NaN]', b'abc', b'n', b't', b'f', b'[nulL]', b'true1', b'null_',
    # refused: numbers
    b'01', b'-01', b'00', b'+1', b'.5', b'-.5', b'1.', b'1.e5', b'1e', b'1e+', b'1e-', b'-', b'--1', b'1-', b'0x10', b'1_000', b'1,000', b'1e1.5',
    b'1.2.3', b'- 1', b'1e999', b'-1e999', b'1' + b'0' * 400, b'1a', b'1"', b'\xd9\xa1',
    # refused: strings
    b'"', b'"a', b'"\\', b'"\\"', b'"\\x41"', b'"\\a"', b'"\\\'"', b'"\\u"', b'"\\u1"', b'"\\u12"', b'"\\u123"', b'"\\u123g"', b'"\\u+123"', b'"\\u 123"',
    b'"\\u-123"', b'"\\u0x12"', b'"\\U0041"', b'"\\0"', b'"\n"', b'"\t"', b'"\r"', b'"\x00"', b'"\x01"', b'"\x1f"', b"'a'", b"{'a':1}", b'"a\'',
    b'"a"b"', b'{"a":"x"y"}', b'{"a": "{"b": "c"}"}', b'"""', b'"a""b"', b'`a`', '“a”'.encode(),
    b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\ud800"', b'"\\ud800x"', b'"\\udc00\\ud800"', b'"\\ud800\\u0041"', b'"\\ud800\\n"',
    # refused: comments, white space, marks
    b'// c\n1', b'/* c */1', b'1 // c', b'[1, /* c */ 2]', b'# c\n1', b'\xef\xbb\xbf1', b'\xef\xbb\xbf{}', b'\x0b1', b'\x0c1', b'\xc2\xa01', b'\x001',
    b'1\x00', b'[1\x00]', b'\xe2\x80\xa81', b'1\x1a',
    # refused: not UTF-8
    b'"\xff"', b'"\xc0\x80"', b'"\xc1\xbf"', b'"\xe0\x80\x80"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"',
    b'"\x80"', b'"\xe2\x82"', b'"\xc3"', b'"\xf0\x9f\x98"', b'"\xf0\x80\x80\x80"', b'\xff\xfe1\x00', b'\xff', b'[\xe9]', b'{"\xe9":1}', b'1\xff',
]


def refuse_constant(word):
    raise ValueError(word)


def reference(text):
    """(accepted, value, reason of a known difference or '')"""
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=refuse_constant)
    except RecursionError:
        return False, None, ""
    except ValueError:
        return False, None, ""
    return True, value, ""


def has(value, test):
    if test(value): return True
    if isinstance(value, dict): return any(test(k) or has(v, test) for k, v in value.items())
    return isinstance(value, list) and any(has(v, test) for v in value)


def depth(value):
    if isinstance(value, dict): return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def lone_surrogate(v): return isinstance(v, str) and any(0xD800 <= ord(c) < 0xE000 for c in v)
def infinite(v): return isinstance(v, float) and math.isinf(v) or isinstance(v, int) and not isinstance(v, bool) and abs(v) > int(sys.float_info.max)


def narrowed(value):
    """Python's value as the reader keeps it: integers beyond 64 bits as doubles."""
    if isinstance(value, dict): return {k: narrowed(v) for k, v in value.items()}
    if isinstance(value, list): return [narrowed(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -2**63 <= value < 2**64: return float(value)
    return value


def same(a, b):
    if type(a) is not type(b): return False
    if isinstance(a, dict): return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list): return len(a) == len(b) and all(map(same, a, b))
    return a == b


def mutated(rng, text):
    pieces = [b'"', b'\\', b',', b':', b'{', b'}', b'[', b']', b' ', b'\n', b'0', b'-', b'.', b'e', b'u', b'\\u', b'\\ud83d', b'\\ude00', b'null',
              b'true', b"'", b'\xff', b'\xc3', b'\xa9', '😀'.encode(), b'\x00', b'NaN', b'//', b'""', b'"a":1,']
    data = bytearray(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(data))
        kind = rng.random()
        if kind < 0.4: data[at:at] = rng.choice(pieces)
        elif kind < 0.7: del data[at:at + rng.randint(1, 3)]
        elif kind < 0.9 and at < len(data): data[at] = rng.choice([rng.randint(0, 255), rng.choice(b'"\\,:{}[]0123456789')])
        else: del data[at:]
    return bytes(data)


def test_json_agrees_with_python():
    assert compare() == 0


def compare():
    rng = random.Random(7)
    row = json.dumps({"messages": [{"role": "user", "content": "Größe \"L\"?\n\t😀"}, {"role": "assistant", "content": "{\"a\": [1, -2.5e3, null, true]}"}],
                      "golden": False, "n": [0, -0.0, 1e10, {"k": {}}]})
    seeds = [t for t in TABLE if 0 < len(t) < 200] + [row.encode()] * 60 + [json.dumps(json.loads(row), ensure_ascii=False).encode()] * 60
    texts = TABLE + [mutated(rng, rng.choice(seeds)) for _ in range(MUTATIONS)]
    run = subprocess.run([TOOL, "--rfc"], input="\n".join(t.hex() for t in texts) + "\n", capture_output=True, text=True, check=True)
    answers = run.stdout.splitlines()
    assert len(answers) == len(texts), (len(answers), len(texts))
    bad, accepted, known = 0, 0, {}
    for text, answer in zip(texts, answers):
        good, value, _ = reference(text)
        if good:
            stricter = (KIND_LONE_SURROGATE if has(value, lone_surrogate) else KIND_TOO_LARGE if has(value, infinite)
                        else KIND_TOO_DEEP if depth(value) > MAX_DEPTH else None)
            if stricter is not None:
                known[stricter] = known.get(stricter, 0) + 1
                # A text can hold several of them; the reader names the first.
                right = answer.startswith("bad ") and int(answer.split()[1]) in (KIND_LONE_SURROGATE, KIND_TOO_LARGE, KIND_TOO_DEEP)
            else:
                accepted += 1
                right = answer.startswith("ok ") and same(json.loads(answer[3:]), narrowed(value))
        else:
            right = answer.startswith("bad ")
        if not right:
            bad += 1
            if bad <= 20: print(f"{text[:200]!r}: got {answer[:200]}, Python {'accepts' if good else 'refuses'}")
    print(f"{len(TABLE)} texts of the table and {MUTATIONS} mutations: {accepted} accepted by both, {bad} differ; "
          f"stricter on purpose: {sum(known.values())}")
    return bad != 0

