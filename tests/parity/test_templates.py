"""Chat templates and supervised spans against jinja2 with Transformers' own settings.

Every template that the pinned sdist ships (files, and those inside its vocabularies), the bundled model's and ours, with
every conversation of template_cases.py, with and without generation prompt: equal text, or refused by both for the same
reason. Then Jinja construct by construct (template_snippets.py). Then which tokens are supervised, by two rules of other
people: Transformers' return_assistant_tokens_mask, and sentinels sent through jinja2.
"""
import collections
import functools
import json
import os
import pathlib
import re
import subprocess

import pytest

from template_cases import CONVERSATIONS, TOOLS, call, reference_render, reference_template, turns
from template_snippets import EXPRESSIONS, REFUSED_HERE, TEMPLATES, VARIABLES

BUILD = pathlib.Path(os.environ.get("LORA_BUILD_DIR", pathlib.Path(__file__).resolve().parents[2] / "build"))
TOOL = BUILD / "tools" / "template_tool"
LLAMA = pathlib.Path(os.environ.get("LORA_DEPS", "/nonexistent")) / "llama.cpp"
GGUF = pathlib.Path(os.environ.get("LORA_GGUF", "/nonexistent"))
HF = pathlib.Path(os.environ.get("LORA_HF_DIR", "/nonexistent"))
FILES = LLAMA / "models/templates"
OURS = ["alpaca", "chatml", "gemma", "llama2", "llama3", "mistral", "phi3", "vicuna", "zephyr"]

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
needs_parts = pytest.mark.skipif(not FILES.exists(), reason="the pinned sdist is not set up")
needs_model = pytest.mark.skipif(not (GGUF.exists() and HF.exists()), reason="the bundled model and its twin are not set up")


def tool(*arguments, rows):
    run = subprocess.run([TOOL, *map(str, arguments)], input="".join(json.dumps(r) + "\n" for r in rows),
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    answers = [json.loads(line) for line in run.stdout.split("\n")[:-1]]
    assert len(answers) == len(rows)
    return answers


def attempt(render):
    try:
        return render(), None
    except Exception as error:  # noqa: BLE001 a template may raise anything
        return None, error


# What jinja2 says and what this program says when both refuse a template: the same reason in other words.
SAME_REASON = [
    ("TypeError: 'NoneType' object is not iterable", "'NoneType' object is not iterable"),
    ("TypeError: can only concatenate str", "unsupported operand types for +"),
    ("is unsafe", "Transformers' sandbox forbids it too"),
    ("has no attribute", "has no attribute"),
    ("is undefined", "is undefined"),
    ("is not JSON serializable", "is not JSON serializable"),
    ("Can only get item pairs from a mapping", "Can only get item pairs from a mapping"),
    ("No filter named", "the filter"),
]


def same_reason(reference, ours):
    text = f"{type(reference).__name__}: {reference}"
    if type(reference).__name__ == "TemplateError":  # raise_exception
        return f"refuses this conversation: {reference}" in ours
    return any(a in text and b in ours for a, b in SAME_REASON)


@functools.cache
def vocabulary(path):
    """What a GGUF file's tokenizer holds, or None where this program does not read it."""
    run = subprocess.run([TOOL, "tokens", path], capture_output=True, text=True)
    return json.loads(run.stdout) if run.returncode == 0 else None


def gguf_templates():
    for path in sorted((LLAMA / "models").glob("ggml-vocab-*.gguf")) + ([GGUF] if GGUF.exists() else []):
        # Some are vocabularies of models that are no decoders; their templates are looked for too.
        if b"tokenizer.chat_template" in path.read_bytes()[:64 << 20] and vocabulary(path) and vocabulary(path)["template"]:
            yield path.stem, vocabulary(path)["template"]


def our_sources():
    """Our own templates, out of the source that holds them."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "src/text/builtin_templates.cpp").read_text()
    bodies = dict(re.findall(r'constexpr std::string_view (k\w+) = R"\((.*?)\)";', text, re.S))
    return {name: bodies[constant] for name, constant in re.findall(r'\{"(\w+)", (k\w+)\}', text)}


@functools.cache
def sources():
    out = {path.stem: path.read_text() for path in sorted(FILES.glob("*.jinja"))}
    out.update(gguf_templates())
    out.update({f"ours: {name}": source for name, source in our_sources().items()})
    return out


@needs_parts
def test_every_template_equals_jinja2(capsys):
    assert sorted(our_sources()) == OURS
    cases, rows = [], []
    for name, source in sources().items():
        template, problem = attempt(lambda: reference_template(source))
        assert problem is None, (name, problem)
        for title, conversation in CONVERSATIONS.items():
            for prompt in (False, True):
                row = {**conversation, "add_generation_prompt": prompt, "date": "2024-07-26T13:05:09", "source": source}
                rows.append(row)
                cases.append((name, title, attempt(lambda: reference_render(template, row))))
    table, wrong = collections.defaultdict(collections.Counter), []
    for (name, title, (expected, refused)), answer in zip(cases, tool("text", "<s>", "</s>", rows=rows)):
        if refused is not None:
            fine = "error" in answer and same_reason(refused, answer["error"])
            table[name]["both refuse" if fine else "differs"] += 1
        else:
            fine = answer.get("text") == expected
            table[name]["equal" if fine else "differs"] += 1
        if not fine:
            wrong.append((name, title, str(refused)[:200], str(answer)[:400], str(expected)[:400]))
    total = sum(table.values(), collections.Counter())
    with capsys.disabled():
        print(f"\n{len(table)} templates × {len(CONVERSATIONS)} conversations × 2: {dict(total)}")
        for name, counts in table.items():
            print(f"  {name:<55} {counts['equal']:>4} equal {counts['both refuse']:>4} refused by both {counts['differs']:>4} different")
    assert not wrong, f"{len(wrong)}, e.g. {wrong[:3]}"
    assert len(table) >= 70 and total["equal"] > 0.85 * total.total()
    # Every template gives a text to some of the conversations; a few want tools, or arguments of their own.
    assert all(counts["equal"] >= 2 for counts in table.values()), table


def test_jinja_construct_by_construct(capsys):
    snippets = [f"{{{{ ({e}) }}}}" for e in EXPRESSIONS] + TEMPLATES + REFUSED_HERE
    rows = [{"source": s, "extra": VARIABLES, "date": "2024-07-26T13:05:09"} for s in snippets]
    counts, wrong = collections.Counter(), []
    for snippet, answer in zip(snippets, tool("text", "<s>", "</s>", rows=rows)):
        expected, refused = attempt(lambda: reference_template(snippet).render(
            **VARIABLES, messages=[], tools=None, documents=None, add_generation_prompt=False, bos_token="<s>", eos_token="</s>"))
        if snippet in REFUSED_HERE:
            kind = "refused here" if "error" in answer and refused is None else "wrong"
        elif refused is not None:
            kind = "refused by both" if "error" in answer else "wrong"
        else:
            kind = "equal" if answer.get("text") == expected else "wrong"
        # An error names its line; not one of them comes from deeper down.
        if "error" in answer and not re.match(r"chat template line \d+: \S", answer["error"]):
            kind = "wrong"
        counts[kind] += 1
        if kind == "wrong":
            wrong.append((snippet, answer, expected, str(refused)))
    with capsys.disabled():
        print(f"\n{len(snippets)} constructs: {dict(counts)}")
    assert not wrong, wrong[:5]
    assert counts["equal"] > 300 and counts["refused by both"] > 100


# ---- supervised spans

SENTINEL = "\ue000{}\ue001"
ANSWERS = {
    "single turn": dict(messages=turns(("user", "q"), ("assistant", "a"))),
    "system": dict(messages=turns(("system", "s"), ("user", "q"), ("assistant", "a"))),
    "multi turn": dict(messages=turns(("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b"), ("user", "t"), ("assistant", "c"))),
    "thinking": dict(messages=turns(("user", "q"), ("assistant", "<think>\nw\n</think>\n\na"), ("user", "r"),
                                    ("assistant", "<think>\nx\n</think>\n\nb"))),
    "thinking off": dict(messages=turns(("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")), enable_thinking=False),
    "tools": dict(messages=turns(("user", "q"), ("assistant", "a")), tools=TOOLS),
    "call": dict(messages=turns(("user", "q")) + [{"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"town": "Bonn"})]}], tools=TOOLS),
    "call and answer": dict(messages=turns(("user", "q")) + [
        {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"town": "Bonn"})]},
        {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "rain"},
        {"role": "assistant", "content": "a"}], tools=TOOLS),
}


def with_sentinels(row):
    """Each message's texts between sentinels of its own, and the same texts without."""
    def mark(value, tag):
        if isinstance(value, str):
            return SENTINEL.format(f"{tag}:{value}") if value.strip() else value
        if isinstance(value, list):
            return [mark(v, tag) for v in value]
        if isinstance(value, dict):
            return {k: mark(v, tag) if k not in ("type", "id") else v for k, v in value.items()}
        return value
    messages = []
    for i, m in enumerate(row["messages"]):
        m = dict(m)
        if "<think>" in m["content"]:
            before, thought, after = re.fullmatch(r"(<think>\n)(.*)(\n</think>\n\n.*)", m["content"], re.S).groups()
            close, after = after[:len("\n</think>\n\n")], after[len("\n</think>\n\n"):]
            m["content"] = before + mark(thought, i) + close + mark(after, i)
        else:
            m["content"] = mark(m["content"], i)
        if "tool_calls" in m:
            m["tool_calls"] = mark(m["tool_calls"], i)
        messages.append(m)
    return {**row, "messages": messages}


def sentinel_places(text):
    """The text without sentinels, and where the texts of each message lie in it, in bytes."""
    places, out = collections.defaultdict(list), ""
    for part in re.split("(\ue000[0-9]+:.*?\ue001)", text, flags=re.S):
        if part.startswith("\ue000"):
            tag, content = part[1:-1].split(":", 1)
            begin = len(out.encode())
            out += content
            places[int(tag)].append((begin, len(out.encode())))
        else:
            out += part
    return out, places


def control_pieces(text, specials):
    """(begin, end) in bytes of every control token in the text."""
    pattern = re.compile("|".join(re.escape(s) for s in sorted(specials, key=len, reverse=True)))
    return [(len(text[:m.start()].encode()), len(text[:m.end()].encode())) for m in pattern.finditer(text)]


def bounds_of_end(text, places, i, specials):
    """Where an answer may end: behind the control tokens after the last of its texts, before the next message's first."""
    last = places[i][-1][1]
    following = min([b for j, spans in places.items() if j != i for b, _ in spans if b >= last], default=len(text.encode()))
    return [e for b, e in control_pieces(text, specials) if last <= b < following]


def expected_end(template, row, i, held):
    """Bytes from an answer's last text to the end of its turn: what jinja2 prints behind it whether or not a user speaks
    next, up to the last control token therein, or to EOS. None: nothing ends it there."""
    def tail(messages):
        text, places = sentinel_places(reference_render(template, with_sentinels({**row, "messages": messages}), held["bos"], held["eos"]))
        following = min([b for j, spans in places.items() if j > i for b, _ in spans], default=len(text.encode()))
        return text.encode()[places[i][-1][1]:following]

    upto = row["messages"][:i + 1]
    own, refused = attempt(lambda: tail(upto))
    if refused is not None:
        return None
    for more in ([{"role": "user", "content": "b"}], row["messages"][i + 1:i + 2]):
        longer, refused = attempt(lambda: tail(upto + more))
        if more and refused is None:
            own = os.path.commonprefix([own, longer])
            break
    ends = control_pieces(own.decode(errors="ignore"), held["control"])
    to_eos = [e for b, e in ends if own[b:e].decode() == held["eos"]]
    return (to_eos or [e for _, e in ends[-1:]] or [None])[0]


# Families whose template and vocabulary are both at hand: template, vocabulary, its BOS and EOS.
FAMILIES = [
    ("Qwen-Qwen2.5-7B-Instruct", "qwen2"), ("Qwen-Qwen3-0.6B", "qwen2"), ("Qwen-QwQ-32B", "qwen2"), ("Qwen3-Coder", "qwen2"),
    ("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "qwen2"), ("Qwen3.5-4B", "qwen35"),
    ("meta-llama-Llama-3.1-8B-Instruct", "llama-bpe"), ("meta-llama-Llama-3.2-3B-Instruct", "llama-bpe"), ("meta-llama-Llama-3.3-70B-Instruct", "llama-bpe"),
    ("microsoft-Phi-3.5-mini-instruct", "phi-3"), ("google-gemma-4-31B-it", "gemma-4"),
]
FAMILIES += [(f"ours: {name}", pre) for name, pre in [
    ("chatml", "qwen2"), ("llama3", "llama-bpe"), ("phi3", "phi-3"), ("zephyr", "llama-spm"), ("mistral", "llama-spm"),
    ("llama2", "llama-spm"), ("alpaca", "llama-spm"), ("vicuna", "llama-spm"), ("alpaca", "llama-bpe")]]


def check_spans(name, source, model, held, path):
    """Counts of conversations, answers and refusals; and what is wrong."""
    bos, eos, specials = held["bos"], held["eos"], held["control"]
    path.write_text(source)
    template = reference_template(source)
    rows, expected, wrong, counts = [], [], [], collections.Counter()
    for title, row in ANSWERS.items():
        row = {**row, "date": "2024-07-26"}
        marked, refused = attempt(lambda: reference_render(template, with_sentinels(row), bos, eos))
        plain, _ = attempt(lambda: reference_render(template, row, bos, eos))
        # A template that looks at what it is given may print something else for the sentinels' sake.
        if refused is None and plain is not None and sentinel_places(marked)[0] == plain:
            rows.append(row)
            text, places = sentinel_places(marked)
            # A tool's answer may name the call again: an answer shows no more of its texts than when nothing follows.
            for i in [i for i in places if row["messages"][i]["role"] == "assistant"]:
                upto = with_sentinels({**row, "messages": row["messages"][:i + 1]})
                own, cut = attempt(lambda: reference_render(template, upto, bos, eos))
                if cut is None:
                    places[i] = places[i][:len(sentinel_places(own)[1][i])]
            expected.append((title, text, places))
    for row, (title, text, places), answer in zip(rows, expected, tool("render", model, path, rows=rows)):
        answers = [i for i, m in enumerate(row["messages"]) if m["role"] == "assistant"]
        if "error" in answer:
            # With reason: the template leaves an answer out, or no control token follows it.
            hidden = any(i not in places for i in answers)
            unended = any(not bounds_of_end(text, places, i, specials) for i in answers if i in places)
            counts["refused"] += 1
            if not ((hidden and "drops or rewrites" in answer["error"]) or
                    (unended and "no control token ends" in answer["error"])):
                wrong.append((name, title, answer["error"]))
            continue
        if answer["text"] != text:
            wrong.append((name, title, "text", answer["text"][:300], text[:300]))
            continue
        counts["conversations"] += 1
        for turn, i in zip(answer["turns"], answers):
            counts["answers"] += 1
            first, ends = places[i][0][0], bounds_of_end(text, places, i, specials)
            before = max([e for j, spans in places.items() if j < i for _, e in spans], default=0)
            lead = text.encode()[turn["begin"]:first].decode()
            problem = None
            if turn["message"] != i:
                problem = "message"
            elif not before <= turn["begin"] <= first or turn["end"] not in ends:
                problem = "bounds"
            elif turn["end"] - places[i][-1][1] != (expected_end(template, row, i, held) or ends[0] - places[i][-1][1]):
                problem = "end"
            # Between the header's end and the answer lies only what the model has to say itself.
            elif any(header in lead for header in ("assistant", "<|end_header_id|>", "[/INST]", "model\n")):
                problem = "header"
            if problem:
                wrong.append((name, title, problem, i, turn, text[:600]))
        # Supervised are the spans' tokens and nothing besides.
        if not 0 < sum(answer["supervised"]) < len(answer["ids"]):
            wrong.append((name, title, "count", sum(answer["supervised"])))
    return counts, wrong


def show(capsys, table):
    with capsys.disabled():
        print()
        for name, counts in table:
            print(f"  {name:<62} {counts['conversations']} conversations, {counts['answers']} answers, {counts['refused']} refused")


@needs_parts
def test_supervised_spans_of_families(tmp_path, capsys):
    table, wrong = [], []
    for name, pre in FAMILIES:
        model = LLAMA / f"models/ggml-vocab-{pre}.gguf"
        assert vocabulary(model), model
        counts, bad = check_spans(name, sources()[name], model, vocabulary(model), tmp_path / "template.jinja")
        table.append((f"{name} ({pre})", counts))
        wrong += bad
        assert counts["conversations"] >= 2, (name, counts)
    show(capsys, table)
    assert not wrong, f"{len(wrong)}: {wrong[:4]}"


def small_vocabulary(path, source):
    """A GGUF file with a token for each byte, and a control token for each word in brackets that the template spells."""
    import gguf
    words = set(re.findall(r"<[^<>\s'\"{}]{1,40}>|\[/?[A-Z_]{2,20}\]", source)) - {"<think>", "</think>"}
    specials = sorted({"<s>", "</s>", *words})
    kept = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b]
    moved = {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in kept)}
    tokens = [moved.get(b, chr(b)) for b in range(256)] + ["ab"] + specials
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * len(specials))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(tokens.index("<s>"))
    writer.add_eos_token_id(tokens.index("</s>"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return {"bos": "<s>", "eos": "</s>", "control": specials}


@needs_parts
def test_supervised_spans_of_every_template(tmp_path, capsys):
    table, wrong = [], []
    for name, source in sources().items():
        model = tmp_path / "vocabulary.gguf"
        held = small_vocabulary(model, source)
        counts, bad = check_spans(name, source, model, held, tmp_path / "template.jinja")
        table.append((name, counts))
        wrong += bad
    show(capsys, table)
    assert not wrong, f"{len(wrong)}: {wrong[:4]}"
    assert sum(counts["conversations"] > 0 for _, counts in table) > 0.8 * len(table)


# Templates that mark the answer themselves, over the bundled vocabulary: Transformers' own mask is the reference.
GENERATION = {
    "end token inside": "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}\n",
    "through a filter": "{% generation %}{{ (m.content ~ '') | string }}{{ '<|im_end|>' }}{% endgeneration %}{{ '\n' }}",
    "reasoning": "{% if '</think>' in m.content %}{% set t = m.content.split('</think>') %}{% generation %}{{ t[0].lstrip() }}</think>\n\n{{ t[1].lstrip('\n') }}"
                 "<|im_end|>{% endgeneration %}{% else %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% endif %}\n",
    "calls": "{% generation %}{{ m.content }}{% for c in m.tool_calls %}<call>{{ c.function | tojson }}</call>{% endfor %}<|im_end|>{% endgeneration %}\n",
}


@needs_model
def test_masks_equal_transformers(tmp_path):
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(HF)
    for name, answer in GENERATION.items():
        source = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}" + answer +
                  "{% else %}{{ m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
                  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
        path = tmp_path / "template.jinja"
        path.write_text(source)
        rows = [row for title, row in CONVERSATIONS.items() if any(m["role"] == "assistant" for m in row["messages"])
                and (name == "calls" or not any("tool_calls" in m for m in row["messages"]))]
        assert len(rows) >= 10
        for row, ours in zip(rows, tool("render", HF, path, rows=rows)):
            assert "error" not in ours, (name, row, ours)
            theirs = tokenizer.apply_chat_template(row["messages"], chat_template=source, tools=row.get("tools"), tokenize=True,
                                                   return_dict=True, return_assistant_tokens_mask=True)
            assert theirs["input_ids"] == ours["ids"], (name, row)
            assert theirs["assistant_masks"] == ours["supervised"], (name, row, ours["text"])


@needs_model
def test_plain_text_rows_equal_trl(tmp_path):
    """TRL's SFTTrainer adds EOS where it is not there yet, tokenizes with special tokens, and learns from every token."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(HF)
    texts = ["Some text.", "Größe 日本", "ends itself" + tokenizer.eos_token, "<|im_start|>user\nq<|im_end|>\n"]
    for text, ours in zip(texts, tool("render", HF, rows=[{"text": t} for t in texts])):
        with_eos = text if text.endswith(tokenizer.eos_token) else text + tokenizer.eos_token
        assert ours["ids"] == tokenizer(with_eos)["input_ids"]
        assert ours["supervised"] == [0] + [1] * (len(ours["ids"]) - 1)  # labels are shifted: nothing predicts the first


@needs_model
def test_base_model_formats_are_checked_against_the_vocabulary():
    for name, fits in [("chatml", True), ("zephyr", True), ("alpaca", True), ("llama3", False), ("gemma", False), ("phi3", False)]:
        run = subprocess.run([TOOL, "stops", GGUF, name], capture_output=True, text=True)
        assert (run.returncode == 0) == fits, (name, run.stdout, run.stderr)
        if not fits:
            assert "control token of this vocabulary" in run.stderr
