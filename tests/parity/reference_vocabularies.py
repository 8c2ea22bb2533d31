"""The same vocabularies as other programs read them: GGUF metadata as Hugging Face `tokenizers` or as a SentencePiece
model. The steps before the model are written down here from the families' own tokenizer.json, not from src/text."""
import base64
import struct

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN35 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+@|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*@|#"
         r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = CASED.replace("@", "").replace("#", r"\p{N}")
O200K = CASED.replace("@", CONTRACTIONS + "?").replace("#", r"\p{N}{1,3}")


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


DIGITS = pre_tokenizers.Digits(individual_digits=True)
GPT2_STEPS = [byte_level(True)]
DIGIT_STEPS = [DIGITS, byte_level(True)]
LLAMA3_STEPS = [split(LLAMA3), byte_level(False)]
# pre -> (steps, NFC, ignore_merges)
PRE = {
    "gpt-2": (GPT2_STEPS, False, False), "mpt": (GPT2_STEPS, False, False), "olmo": (GPT2_STEPS, False, False),
    "smollm": (DIGIT_STEPS, False, False), "starcoder": (DIGIT_STEPS, False, False), "refact": (DIGIT_STEPS, False, False),
    "command-r": (DIGIT_STEPS, False, False), "llama-bpe": (LLAMA3_STEPS, False, True), "dbrx": (LLAMA3_STEPS, False, False),
    "qwen2": ([split(QWEN2), byte_level(False)], True, False), "qwen35": ([split(QWEN35), byte_level(False)], False, False),
    "tekken": ([split(TEKKEN), byte_level(False)], False, True), "gpt-4o": ([split(O200K), byte_level(False)], False, False),
}


class Gguf:
    def __init__(self, path):
        from gguf import GGUFReader
        fields = GGUFReader(str(path)).fields
        get = lambda name, default=None: fields["tokenizer.ggml." + name].contents() if "tokenizer.ggml." + name in fields else default
        self.model, self.pre = get("model"), get("pre", "")
        self.tokens, self.types = get("tokens"), get("token_type")
        self.scores, self.merges = get("scores"), get("merges")
        self.add_space_prefix = get("add_space_prefix")
        self.charsmap = bytes(x & 0xFF for x in get("precompiled_charsmap", []))
        self.unk = get("unknown_token_id")
        if self.model == "llama" and self.add_space_prefix is False:  # a run of spaces is a piece written with spaces
            self.tokens = [t.replace(" ", "▁") if k == 4 else t for t, k in zip(self.tokens, self.types)]
        # Control, unknown and user-defined tokens.
        self.added = [(t, self.types[i] in (2, 3)) for i, t in enumerate(self.tokens) if self.types[i] in (2, 3, 4) and t]


def add_tokens(tokenizer, added, normalized=lambda text: False):
    first = {}
    for text, special in added:
        first.setdefault(text, special)
    for special in (True, False):
        tokens = [AddedToken(t, special=s, normalized=normalized(t)) for t, s in first.items() if s == special]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(tokens)
    return tokenizer


def byte_level_tokenizer(vocab, merges, pre):
    steps, nfc, ignore_merges = PRE[pre]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def merges_from_scores(tokens, scores):
    """As Transformers converts a SentencePiece model: every cut of every token into two tokens, best score first."""
    ids = {t: i for i, t in enumerate(tokens)}
    found = []
    for token, i in ids.items():
        local = [(token[:k], token[k:]) for k in range(1, len(token)) if token[:k] in ids and token[k:] in ids]
        found.extend((pair, scores[i]) for pair in sorted(local, key=lambda p: (ids[p[0]], ids[p[1]])))
    return [pair for pair, _ in sorted(found, key=lambda x: x[1], reverse=True)]


def spm_decoders(prefix):
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if prefix else []))


def gguf_as_tokenizers(g):
    vocab = {}
    for i, token in enumerate(g.tokens):
        vocab.setdefault(token, i)
    if g.model == "gpt2":
        merges = [(m[:m.index(" ", 1)], m[m.index(" ", 1) + 1:]) for m in g.merges]
        return add_tokens(byte_level_tokenizer(vocab, merges, g.pre), g.added)
    if g.model in ("llama", "gemma4"):
        if g.model == "llama":
            normal = [t if g.types[i] in (1, 4) else "" for i, t in enumerate(g.tokens)]
            merges = [m for m in merges_from_scores(normal, g.scores) if all(m)]
        else:
            merges = [(m[:m.index(" ", 1)], m[m.index(" ", 1) + 1:]) for m in g.merges]
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token=g.tokens[g.unk], fuse_unk=True, byte_fallback=True))
        prefix = g.model == "llama" and g.add_space_prefix is not False
        tokenizer.normalizer = normalizers.Sequence(([normalizers.Prepend("▁")] if prefix else []) + [normalizers.Replace(" ", "▁")])
        tokenizer.decoder = spm_decoders(prefix)
        # Runs of spaces: the normalizer makes them "▁", where SentencePiece looks for user-defined pieces.
        return add_tokens(tokenizer, g.added, lambda text: not prefix and g.model == "llama" and text.startswith("▁"))
    raise ValueError(g.model)


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(int(value))


def sentencepiece_model(tokens, scores, types, *, bpe, byte_fallback, charsmap=b"", prefix=True, trim=False):
    """A tokenizer.model of these pieces, as bytes."""
    model = b"".join(field(1, field(1, t.encode()) + field(2, float(s)) + field(3, k)) for t, s, k in zip(tokens, scores, types))
    model += field(2, field(3, 2 if bpe else 1) + field(35, byte_fallback))
    return model + field(3, field(2, charsmap) + field(3, prefix) + field(4, trim) + field(5, True))


def tiktoken_encoding(path):
    """The ranks of a tiktoken file."""
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in open(path, "rb") if line.strip())}
