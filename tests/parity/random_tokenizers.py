"""Random tokenizers: a tokenizer.json of randomly chosen components, trained by Hugging Face `tokenizers` on a little text;
a SentencePiece model with randomly chosen options. Made from a seed."""
import io
import json
import random

from odd_texts import CODE, WORDS, odd_texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ADDED = ["<s>", "</s>", "<unk>", "[INST]", "<|im_start|>", "<tok>", "<tok>s", "ab", "été", " x", "▁y", "é", "Ġ", "0", "\n\n", "İ", "<0x41>"]
NEVER_IN_TEXT = ["<s>", "</s>", "<unk>", "[INST]", "<|im_start|>", "<tok>"]
PATTERNS = [r"\p{N}", r"\p{N}{1,3}", r"\s+", r"[^\s]+", r"\w+|[^\w\s]+", r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"(?=\p{Lu})", r"(?<=\d)(?=\D)", r"^\s|\s$", r"\p{P}", r"[一-龥]+", r"\d+", r"[\p{L}\p{M}]+", r".", r"a*", r"[\r\n]+", r"\W",
            r"\S+", r"[\w']+", r"(?:ab)++|b", r"\x41|\u0042", r"x{2,3}|{y}"]
EMPTY = [r"(?=\p{Lu})", r"(?<=\d)(?=\D)", "a*"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def random_pattern(rng, may_be_empty=True):
    if rng.random() < 0.3:
        return rng.choice([" ", "▁", "a", "ab", ".", "\n", "é", "e", "--", "(", "\\", "[x]", "  "])
    # An empty match at the start of a text is refused by the normalizer here.
    return Regex(rng.choice([p for p in PATTERNS if may_be_empty or p not in EMPTY]))


def random_normalizer(rng, charsmap):
    n = normalizers
    kinds = [n.NFC, n.NFD, n.NFKC, n.NFKD, n.Lowercase, n.StripAccents, n.ByteLevel,
             lambda: n.Strip(left=rng.random() < 0.7, right=rng.random() < 0.7), lambda: n.Prepend(rng.choice(["▁", " ", "xy"])),
             lambda: n.Replace(random_pattern(rng, may_be_empty=False), rng.choice(["", " ", "▁", "_", "ab", "é"])), lambda: n.Replace(" ", "▁"),
             lambda: n.BertNormalizer(clean_text=rng.random() < 0.5, handle_chinese_chars=rng.random() < 0.5,
                                      strip_accents=rng.choice([None, True, False]), lowercase=rng.random() < 0.5)]
    if charsmap:
        kinds.append(lambda: n.Precompiled(charsmap))
    weights = [3, 1, 2, 1, 2, 1, 0.3, 1, 1, 2, 2, 1.5] + ([2] if charsmap else [])
    return rng.choices(kinds, weights)[0]()


def random_pre_tokenizer(rng):
    p = pre_tokenizers
    kinds = [lambda: p.ByteLevel(add_prefix_space=rng.random() < 0.4, use_regex=rng.random() < 0.6),
             lambda: p.Metaspace(replacement=rng.choice(["▁", "▁", "_"]), prepend_scheme=rng.choice(["always", "first", "never"]), split=rng.random() < 0.6),
             p.Whitespace, p.WhitespaceSplit, lambda: p.Punctuation(rng.choice(BEHAVIORS)), lambda: p.Digits(rng.random() < 0.5), p.BertPreTokenizer,
             lambda: p.CharDelimiterSplit(rng.choice([" ", "a", "é", "."])), lambda: p.FixedLength(rng.randint(1, 9)),
             lambda: p.Split(random_pattern(rng), rng.choice(BEHAVIORS), invert=rng.random() < 0.3)]
    return rng.choices(kinds, [3, 3, 1, 1, 1, 1, 1, 0.5, 0.5, 3])[0]()


def random_decoder(rng):
    d = decoders
    kinds = [d.ByteLevel, d.ByteFallback, d.Fuse, lambda: d.Strip(rng.choice([" ", "▁", "a"]), rng.randint(0, 2), rng.choice([0, 0, 1])),
             lambda: d.Metaspace(replacement=rng.choice(["▁", "_"]), prepend_scheme=rng.choice(["always", "first", "never"])),
             lambda: d.WordPiece(rng.choice(["##", "@@"]), cleanup=rng.random() < 0.5), lambda: d.BPEDecoder(rng.choice(["</w>", "@"])),
             lambda: d.Replace(random_pattern(rng), rng.choice(["", " ", "x"]))]
    return rng.choice(kinds)()


def one_or_sequence(rng, make, sequence, most):
    parts = [make() for _ in range(rng.choice([1, 1, 2, 2, 3, most]))]
    return parts[0] if len(parts) == 1 and rng.random() < 0.7 else sequence(parts)


def usual_decoder(rng, prefix):
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prefix else [])
    return rng.choice([lambda: decoders.Sequence(steps), decoders.ByteLevel, decoders.Metaspace, lambda: None])()


def training_text(rng):
    words = WORDS + " ".join(CODE).split(" ") + ["the", "they", "them", "ab", "abab", "aaa", "hello", "world", "1234"]
    return [" ".join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(120)] + list(odd_texts(60, rng.randrange(1 << 30)))


def random_tokenizer(seed, charsmap=b""):
    rng = random.Random(seed)
    kind = rng.choices(["bpe", "unigram", "wordpiece", "wordlevel"], [6, 3, 1, 0.5])[0]
    tokenizer = Tokenizer(models.BPE())
    if rng.random() < 0.7:
        tokenizer.normalizer = one_or_sequence(rng, lambda: random_normalizer(rng, charsmap), normalizers.Sequence, 4)
    if rng.random() < 0.8 or kind in ("wordpiece", "wordlevel"):
        tokenizer.pre_tokenizer = one_or_sequence(rng, lambda: random_pre_tokenizer(rng), pre_tokenizers.Sequence, 4)
    special = ["<unk>"] + rng.sample(["<s>", "</s>", "[INST]"], rng.randint(0, 3))
    byte_tokens = [f"<0x{b:02X}>" for b in range(256)]
    fallback = rng.random() < 0.5
    size = rng.choice([260, 330, 500, 900]) + (256 if fallback else 0)
    text = training_text(rng)
    alphabet = pre_tokenizers.ByteLevel.alphabet() if rng.random() < 0.5 else []
    if kind == "bpe":
        unk = "<unk>" if rng.random() < 0.7 else None
        prefix = rng.choice([None, None, None, "##"])
        suffix = rng.choice([None, None, None, "</w>"])
        options = {k: v for k, v in dict(unk_token=unk, continuing_subword_prefix=prefix, end_of_word_suffix=suffix).items() if v}
        tokenizer.model = models.BPE(**options)
        tokenizer.train_from_iterator(text, trainers.BpeTrainer(
            vocab_size=size, special_tokens=special + (byte_tokens if fallback else []), initial_alphabet=alphabet, limit_alphabet=rng.choice([60, 400]),
            show_progress=False, **{k: v for k, v in options.items() if k != "unk_token"}))
        tokenizer.model.byte_fallback = fallback
        tokenizer.model.fuse_unk = rng.random() < 0.5
        tokenizer.model.ignore_merges = rng.random() < 0.3
    elif kind == "unigram":
        tokenizer.model = models.Unigram()
        tokenizer.train_from_iterator(text, trainers.UnigramTrainer(
            vocab_size=size, special_tokens=special + (byte_tokens if fallback else []), unk_token="<unk>", initial_alphabet=alphabet,
            show_progress=False, max_piece_length=rng.choice([4, 16])))
    elif kind == "wordpiece":
        tokenizer.model = models.WordPiece(unk_token="<unk>", max_input_chars_per_word=rng.choice([5, 20, 100]))
        tokenizer.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False))
    else:
        tokenizer.model = models.WordLevel(unk_token="<unk>")
        tokenizer.train_from_iterator(text, trainers.WordLevelTrainer(vocab_size=size, special_tokens=special, show_progress=False))
    for content in rng.sample(ADDED, rng.randint(0, 7)):
        # A control token is never given by the model here: leave out the flags that would let Hugging Face's model give it.
        control = content in NEVER_IN_TEXT and rng.random() < 0.5
        token = AddedToken(content, single_word=not control and rng.random() < 0.25, lstrip=rng.random() < 0.25,
                           rstrip=rng.random() < 0.25, normalized=not control and rng.random() < 0.4, special=control)
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if rng.random() < 0.4:
        tokenizer.decoder = one_or_sequence(rng, lambda: random_decoder(rng), decoders.Sequence, 4)
    elif (decoder := usual_decoder(rng, rng.random() < 0.5)) is not None:
        tokenizer.decoder = decoder
    if rng.random() < 0.5:
        ids = [(t, tokenizer.token_to_id(t)) for t in special]
        tokenizer.post_processor = processors.TemplateProcessing(single="<unk>:0 $A:0" + "".join(f" {t}:0" for t in special[1:]), special_tokens=ids)
    made = json.loads(tokenizer.to_str())
    made["added_tokens"] = [t for t in made["added_tokens"] if t["content"] not in byte_tokens]  # made special by the trainer
    if kind == "unigram":
        made["model"]["byte_fallback"] = fallback
    # Added tokens that normalize to nothing or to the same are refused here: leave them out.
    seen = set()
    for token in list(made["added_tokens"]):
        if token["normalized"] and tokenizer.normalizer is not None:
            normal = tokenizer.normalizer.normalize_str(token["content"])
            if not normal or normal in seen:
                made["added_tokens"].remove(token)
            seen.add(normal)
    # Read again: what it was made of is not all kept.
    return Tokenizer.from_str(json.dumps(made))


def random_sentencepiece(seed):
    """A trained SentencePiece model, as bytes."""
    import sentencepiece
    rng = random.Random(seed)
    text = [t.replace("\n", " ").replace("\r", " ").replace("\0", " ") for t in training_text(rng)]
    text = [t for t in text if t.strip()]
    out = io.BytesIO()
    options = dict(model_type=rng.choice(["bpe", "unigram"]), byte_fallback=rng.random() < 0.5, add_dummy_prefix=rng.random() < 0.6,
                   remove_extra_whitespaces=rng.random() < 0.5, treat_whitespace_as_suffix=rng.random() < 0.15,
                   normalization_rule_name=rng.choice(["identity", "nmt_nfkc", "nfkc", "nmt_nfkc_cf"]), split_digits=rng.random() < 0.5,
                   allow_whitespace_only_pieces=rng.random() < 0.5, character_coverage=rng.choice([0.98, 0.999, 1.0]),
                   user_defined_symbols=rng.sample(["<tok>", "ab", "été", " x", "▁▁", "\n", "0", "ﬁ"], rng.randint(0, 4)),
                   control_symbols=rng.sample(["[INST]", "<ctl>"], rng.randint(0, 2)), split_by_unicode_script=rng.random() < 0.5,
                   split_by_whitespace=rng.random() < 0.8, max_sentencepiece_length=rng.choice([4, 16]))
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=out, vocab_size=rng.choice([800, 1000, 1400]) + (256 if options["byte_fallback"] else 0),
                                             hard_vocab_limit=False, minloglevel=2, num_threads=1, **options)
    return out.getvalue(), options
