"""Texts that tokenizers disagree about: all planes of Unicode, joiners and marks, white space of every kind, code, numbers,
added tokens within words. Made from a seed: equal seeds give equal texts."""
import random

BLOCKS = [(0x20, 0x7E), (0x01, 0x1F), (0x7F, 0x9F), (0xA0, 0x17F), (0x180, 0x36F), (0x370, 0x52F), (0x590, 0x6FF),
          (0x700, 0x8FF), (0x900, 0xD7F), (0xE00, 0xEFF), (0xF00, 0xFFF), (0x1100, 0x11FF), (0x1700, 0x17FF),
          (0x1C80, 0x1CFF), (0x1E00, 0x1FFF), (0x2000, 0x22FF), (0x2460, 0x27BF), (0x2E80, 0x30FF), (0x3200, 0x33FF),
          (0x4E00, 0x9FFF), (0xA640, 0xA7FF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFD),
          (0x10000, 0x10FFF), (0x10D40, 0x10D8F), (0x11000, 0x11FFF), (0x16D40, 0x16D7F), (0x1D400, 0x1D7FF),
          (0x1E900, 0x1E95F), (0x1F100, 0x1F2FF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE01EF),
          (0xF0000, 0xF00FF)]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", "\v", "\f", "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029",
          "\u202f", "\u3000", "\u180e", "\u200b", "\ufeff", "\x85", "\x1c", "\u2581", " \n ", "\t\t ", "\n \n"]
WORDS = ["don't", "I'LL", "we'Ve", "'s", "'\u017f", "'\u212a", "it\u2019s", "naïve", "e\u0301", "a\u0315\u0300", "\u0301", "ﬁ", "ﬃ", "Ⅻ", "½",
         "²³", "①", "١٢٣", "१२", "𝟘𝟙", "1234567", "0x1F", "3.14e-9", "1,000,000", "12" * 9, "2024-02-30", "a_b", "HTTPServer",
         "iPhone15", "ǅ", "İstanbul", "ıI", "ΣΑΣ", "straße", "ﷺ", "ａｂｃ", "ｱｲｳ", "㍿", "가각", "\u1100\u1161\u11a8", "日本語",
         "한국어", "中文，。", "ไทย", "नमस्ते", "क्षत्रिय", "தமிழ்", "မြန်မာ", "ខ្មែរ", "مرحبا", "שָׁלוֹם", "\u202eabc\u202c",
         "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "❤️", "🏴\U000e0067\U000e0062\U000e007f", "1️⃣", "\u200d", "\u0000", "\ufffd", "\U0010ffff", "...", "…",
         "——", "!!!", "??", "$100", "50%", "#tag", "@user", "a@b.c", "https://x.y/z?a=b&c=%20", "C:\\dir\\f.txt", "~/.ssh", "<0x0A>",
         "<0x41>", "▁", "▁▁a", "Ġ", "Ċ", "éÃ©", "##ing", "</w>", "<unk>"]
CODE = ["def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) { a[i] = b->c; }", "fn main() -> Result<(), E> { let mut v = vec![]; }",
        "func (s *S) Do(ctx context.Context) error {\n\treturn nil\n}", "const f = async (a) => `${a?.b ?? 0}`;", "SELECT * FROM t WHERE a >= 1 --x",
        "#!/bin/sh\nset -eu; echo \"$@\" | sed 's/a/b/g'", "<div class=\"x\">&nbsp;</div>", "body { color: #fff; margin: 0 auto }",
        "{\"a\": [1, 2.5e3, null], \"b\": \"\\u00e9\"}", "\\frac{a}{b} \\sum_{i=1}^n x_i", "module M where\nf :: Int -> Int\nf x = x + 1",
        "(defun f (x) (* x x))", "public static void main(String[] args) { }", "let f x = match x with | [] -> 0 | h::t -> h",
        "x <- c(1,2); y %>% filter(z)", "@decorator\nclass A(B):\n    pass", "if __name__ == '__main__':", "\tmov eax, [ebx+4] ; c", "/* c */ // d",
        "a: b\n- c\n  d: |\n    e\n", "| a | b |\n|---|---|\n", "<?php echo $x->y; ?>", "puts \"#{x}\" unless y", "%% Erlang\nf(X) -> X.",
        "    \t    mixed\n\n\n\n  indent", "import re; re.sub(r'\\s+', ' ', s)", "println!(\"{:?}\", x);"]


def any_character(rng):
    return chr(rng.choice([rng.randint(0, 0xD7FF), rng.randint(0xE000, 0x10FFFF), rng.randint(0, 0x2FF)]))


def odd_text(rng, added=()):
    parts = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.3:
            low, high = rng.choice(BLOCKS)
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))))
        elif kind < 0.55:
            parts.append(rng.choice(WORDS))
        elif kind < 0.75:
            parts.append(rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 3, 9]))
        elif kind < 0.82:
            code = rng.choice(CODE)
            begin = rng.randrange(len(code))
            parts.append(code[begin:begin + rng.randint(1, 30)])
        elif kind < 0.88 and added:
            token = rng.choice(added)
            parts.append(rng.choice([token, " " + token, token + " ", "x" + token, token[:-1], token + token, token.upper(), "\n" + token + "\t"]))
        elif kind < 0.92:
            parts.append(any_character(rng) * rng.randint(1, 40))
        else:
            parts.append("".join(any_character(rng) for _ in range(rng.randint(1, 6))))
    return "".join(parts)


def odd_texts(count, seed, added=()):
    rng = random.Random(seed)
    yield ""
    for _ in range(count - 1):
        yield odd_text(rng, added)


def long_texts(length):
    """Texts that a careless tokenizer needs quadratic time for."""
    yield "a" * length
    yield " " * length
    yield " " * length + "x"
    yield "\n" * length
    yield "é" * (length // 2)
    yield "ab" * (length // 2)
    yield "0" * length
    yield "!" * length
    yield "e\u0301" * (length // 3)
    yield "\u0301" * (length // 2)
    yield "👩\u200d" * (length // 7)
    yield "a " * (length // 2)
    yield " \n" * (length // 2)
    yield "'s" * (length // 2)
    yield "aA" * (length // 2)
    yield "\U0001f1e6" * (length // 4)
    yield "▁" * (length // 3)
