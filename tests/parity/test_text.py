"""The text room against Hugging Face: ids, masks, odd texts and chat templates.

Needs the reference packages (requirements/dev.txt), a build with tests (LORA_BUILD_DIR), the pinned parts (LORA_DEPS)
and, for the tokenizer of the bundled model, its Hugging Face twin (LORA_HF_DIR, made by make_hf_twin.py).
"""
import datetime
import json
import os
import pathlib
import random
import subprocess

import pytest
from odd_texts import odd_texts

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build"))
TOOL = BUILD / "tools" / "text_tool"


def deps_dir():
    if "LORA_DEPS" in os.environ:
        return pathlib.Path(os.environ["LORA_DEPS"])
    deps = ROOT / ".deps.cmake"
    return pathlib.Path(deps.read_text().split('"')[1]) if deps.exists() and '"' in deps.read_text() else None


DEPS = deps_dir()
GGUF = DEPS / "models/SmolLM2-135M-Instruct.Q4_1.gguf" if DEPS else None
HF = pathlib.Path(os.environ["LORA_HF_DIR"]) if "LORA_HF_DIR" in os.environ else None
TEMPLATES = DEPS / "llama.cpp/models/templates" if DEPS else None

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
needs_model = pytest.mark.skipif(not (GGUF and GGUF.exists()), reason="the bundled GGUF is not set up")
needs_hf = pytest.mark.skipif(not (HF and HF.exists()), reason="LORA_HF_DIR is not set")
needs_templates = pytest.mark.skipif(not (TEMPLATES and TEMPLATES.exists()), reason="the pinned sdist is not set up")


def tool(*arguments, lines):
    run = subprocess.run([TOOL, *map(str, arguments)], input="".join(json.dumps(x) + "\n" for x in lines),
                         capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.split("\n")[:-1]]
    assert len(answers) == len(lines)
    return answers


def smollm_tokenizer():
    """SmolLM2's own pipeline. The twin's tokenizer.json comes from a GGUF file, where the digit splitter is only a name."""
    from tokenizers import Tokenizer, pre_tokenizers
    tokenizer = Tokenizer.from_file(str(HF / "tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


@needs_model
@needs_hf
@pytest.mark.parametrize("model", ["gguf", "twin"])
def test_odd_texts_encode_and_decode_alike(model):
    from tokenizers import Tokenizer
    reference = smollm_tokenizer() if model == "gguf" else Tokenizer.from_file(str(HF / "tokenizer.json"))
    texts = list(odd_texts(25_000, seed=7, added=("<|im_start|>", "<|im_end|>", "<|endoftext|>")))
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    path = GGUF if model == "gguf" else HF
    ours = [answer["ids"] for answer in tool("encode", path, lines=texts)]
    different = [(t, a, b) for t, a, b in zip(texts, ours, expected) if a != b]
    assert not different, f"{len(different)} of {len(texts)}, e.g. {different[0]}"
    decoded = tool("decode", path, lines=expected)
    assert decoded == reference.decode_batch(expected, skip_special_tokens=False)


def chat_rows(count, seed=3):
    rng = random.Random(seed)
    texts = [t for t in odd_texts(4000, seed) if "<|" not in t and t.strip()]
    for i in range(count):
        messages = []
        if rng.random() < 0.5:
            messages.append({"role": "system", "content": rng.choice(texts)})
        for _ in range(rng.randint(1, 3)):
            messages.append({"role": "user", "content": rng.choice(texts)})
            messages.append({"role": "assistant", "content": rng.choice(texts) if i % 2 else json.dumps({"n": i, "name": "Ä 12"})})
        yield {"messages": messages}


# ChatML with the answer and its end token marked, as return_assistant_tokens_mask wants it.
MARKED_TEMPLATE = (
    "{% for m in messages %}"
    "{% if loop.first and m.role != 'system' %}<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained "
    "by Hugging Face<|im_end|>\n{% endif %}"
    "{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{{ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


@needs_model
@needs_hf
@pytest.mark.parametrize("model", ["gguf", "twin"])
def test_ids_and_masks_of_chat_rows(model):
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(HF)
    if model == "gguf":
        tokenizer.backend_tokenizer.pre_tokenizer = smollm_tokenizer().pre_tokenizer
    rows = list(chat_rows(120))
    path = GGUF if model == "gguf" else HF
    rendered = tool("render", path, lines=rows)
    prompts = tool("prompt", path, lines=[{"messages": r["messages"][:-1]} for r in rows])
    for row, ours, prompt in zip(rows, rendered, prompts):
        assert "error" not in ours, ours
        assert tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=True)["input_ids"] == ours["ids"]
        marked = tokenizer.apply_chat_template(row["messages"], chat_template=MARKED_TEMPLATE, tokenize=True,
                                               return_dict=True, return_assistant_tokens_mask=True)
        assert marked["input_ids"] == ours["ids"]
        assert marked["assistant_masks"] == ours["supervised"], row
        assert tokenizer.apply_chat_template(row["messages"][:-1], tokenize=True, return_dict=True,
                                             add_generation_prompt=True)["input_ids"] == prompt["ids"]


def reference_template(source):
    """jinja2 as Transformers sets it up."""
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.Scope(body).set_lineno(line)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=[Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment.from_string(source)


CONVERSATIONS = [
    [("user", "Hi there")],
    [("user", "Hi there"), ("assistant", "Hello! <b>How</b> 'are' \"you\"?")],
    [("system", " Be brief.\n"), ("user", " What is 2+2? "), ("assistant", " 4\n")],
    [("system", "S"), ("user", "one"), ("assistant", "eins"), ("user", "two"), ("assistant", "zwei")],
    [("user", "日本語 ÄÖ"), ("assistant", "ß 👍"), ("user", "more"), ("assistant", "<think>\nhm\n</think>\n\nyes")],
]
# Equality is demanded of the families the program trains.
DEMANDED = ["meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.2-3B-Instruct", "meta-llama-Llama-3.3-70B-Instruct",
            "mistralai-Mistral-Nemo-Instruct-2407", "google-gemma-2-2b-it", "Qwen-Qwen2.5-7B-Instruct",
            "Qwen-Qwen3-0.6B", "microsoft-Phi-3.5-mini-instruct", "HuggingFaceTB-SmolLM3-3B"]


def compare_template(path):
    """Per conversation: 'equal', 'both refuse', or what differs."""
    rows = [{"messages": [{"role": r, "content": c} for r, c in conversation], "add_generation_prompt": prompt}
            for conversation in CONVERSATIONS for prompt in (False, True)]
    try:
        ours = tool("template", path, "<s>", "</s>", lines=rows)
    except subprocess.CalledProcessError as error:
        ours = [{"error": error.stderr}] * len(rows)
    results = []
    for row, answer in zip(rows, ours):
        try:
            expected = reference_template(path.read_text()).render(
                **row, tools=None, documents=None, bos_token="<s>", eos_token="</s>")
        except Exception as error:  # noqa: BLE001 a template may raise anything
            results.append("both refuse" if "error" in answer else f"only the reference refuses: {error}")
            continue
        if "error" in answer:
            results.append(f"only we refuse: {answer['error']}")
        else:
            results.append("equal" if answer["text"] == expected else f"differs: {answer['text']!r} != {expected!r}")
    return results


@needs_templates
@pytest.mark.parametrize("name", DEMANDED)
def test_template_equals_jinja2(name):
    results = compare_template(TEMPLATES / f"{name}.jinja")
    assert set(results) <= {"equal", "both refuse"}, results
    assert "equal" in results


@needs_templates
def test_most_templates_equal_jinja2():
    results = {p.stem: compare_template(p) for p in sorted(TEMPLATES.glob("*.jinja"))}
    every = [r for rs in results.values() for r in rs]
    equal, refused = every.count("equal"), every.count("both refuse")
    print(f"{len(results)} templates, {len(every)} renders: {equal} equal jinja2, {refused} refused by both")
    for name, rs in results.items():
        for r in dict.fromkeys(rs):
            if r not in ("equal", "both refuse"):
                print(f"  {name}: {r[:300]}")
    # A refusal by both may have two reasons, so it counts as nothing.
    assert equal >= 0.95 * (len(every) - refused)
    assert refused <= 0.1 * len(every)
