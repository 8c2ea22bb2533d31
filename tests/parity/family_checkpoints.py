"""Tiny random checkpoints of every family, as the tests of families read them: made by Transformers from a case in
families/*.json, saved as Hugging Face safetensors, as GGUF by llama.cpp's own converter, and as bitsandbytes 4-bit.

A case is an object:
  name               "FAMILY, what is special"
  model_type         Transformers' name of the family
  config             what differs from BASE below
  formats            (["hf", "gguf", "bnb"])
  shards             (false) the safetensors in several files
  bnb                options of BitsAndBytesConfig that differ from NF4 with double quantization; and "dtype"
  gguf_config        what the GGUF cannot say: the reference for it runs with config and these
  published          config.json as repositories have it, in the spelling of Transformers 4, with the sizes of this case:
                     {"remove": [key, …], "set": {…}}
  features           name: what the model would be without it, {"config": {…}} or {"patch": a name in PATCHES}
  slow               (false) only with `-m slow`
Every number is random: norms, biases, embeddings. A feature that could be dropped without a sign proves nothing, so
test_families.py checks for each that logits change without it.

usage: family_checkpoints.py OUT_DIR [part of a case's name]...     makes them by hand
"""
import contextlib
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
BASE = dict(vocab_size=264, hidden_size=64, intermediate_size=112, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=1e-5, max_position_embeddings=256, bos_token_id=256, eos_token_id=258,
            pad_token_id=259)
FORMATS = ("hf", "gguf", "bnb")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>", "<|a|>", "<|b|>", "<|c|>", "<|d|>"]


def all_cases():
    """name: case, of every family, in the order of the files and in them."""
    cases = [case for file in sorted((HERE / "families").glob("*.json")) for case in json.loads(file.read_text())]
    named = {case["name"]: case for case in cases}
    assert len(named) == len(cases), "two cases of one name"
    return named


def config_of(case, **changes):
    return transformers.AutoConfig.for_model(case["model_type"], **{**BASE, **case["config"], **changes})


# --- Weights -----------------------------------------------------------------------------------------------------------


def randomize(model, seed=1):
    """Sizes at which everything matters: scores of attention that prefer some tokens, logits that soft-capping bends."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda p: torch.randn(p.shape, generator=generator)  # noqa: E731
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bias"):
                p.copy_(0.3 * draw(p))
            elif p.dim() == 1:  # a norm: around what its family means by "as it is", 0 or 1
                p.copy_(p.mean() + 0.3 * draw(p))
            elif "embed" in name or "lm_head" in name:
                p.copy_(0.5 * draw(p))
            else:
                gain = 1.5 if any(n in name for n in ("q_proj", "k_proj", "qkv_proj")) else 1.0
                p.copy_(gain * p.shape[1] ** -0.5 * draw(p))


def write_tokenizer(folder):
    """Byte-level BPE without merges: as many tokens as the checkpoint has rows, and every text can be written."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    template = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
                "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=SPECIAL[0], eos_token=SPECIAL[2],
                                                pad_token=SPECIAL[3], chat_template=template)
    fast.save_pretrained(folder)


def make_hf(case, folder):
    model = transformers.AutoModelForCausalLM.from_config(config_of(case), dtype=torch.float32)
    randomize(model)
    model.save_pretrained(folder, max_shard_size="100KB" if case.get("shards") else "5GB")
    if case.get("shards"):
        assert len(list(folder.glob("model-*.safetensors"))) > 3
    write_tokenizer(folder)


# --- Formats -----------------------------------------------------------------------------------------------------------


def with_config(source, folder, config):
    """The checkpoint in `source` with another config.json (a dict)."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.name != "config.json" and not (folder / file.name).exists():
            os.link(file, folder / file.name)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    return folder


def make_published(case, source, folder):
    config = json.loads((source / "config.json").read_text())
    for key in case["published"].get("remove", []):
        del config[key]
    with_config(source, folder, {**config, **case["published"].get("set", {})})


def make_bnb(case, source, folder, twin):
    """`folder`: the 4-bit checkpoint. `twin`: a plain one of the very numbers that bitsandbytes gives for it."""
    import bitsandbytes

    options = dict(case.get("bnb", {}))
    dtype = getattr(torch, options.pop("dtype", "float32"))
    config = transformers.BitsAndBytesConfig(**{**dict(load_in_4bit=True, bnb_4bit_quant_type="nf4",
                                                       bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype), **options})
    transformers.AutoModelForCausalLM.from_pretrained(source, dtype=dtype, quantization_config=config).save_pretrained(folder)
    write_tokenizer(folder)
    packed = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)  # as whoever gets the file reads it
    plain = transformers.AutoModelForCausalLM.from_config(config_of(case), dtype=torch.float32)
    layers = {n: m for n, m in packed.named_modules() if isinstance(m, bitsandbytes.nn.Linear4bit)}
    assert layers and not any("lm_head" in n for n in layers)
    with torch.no_grad():
        for name, p in plain.named_parameters():
            module, _, kind = name.rpartition(".")
            if module in layers and kind == "weight":
                weight, state = layers[module].weight, layers[module].weight.quant_state
                assert state.dtype == dtype
                # Blocks run through the whole matrix. The CPU kernel of bitsandbytes 0.50 starts a new one with each row,
                # which is wrong where rows are no multiple of a block; so it is given rows of one block each.
                state.shape = torch.Size((p.numel() // state.blocksize, state.blocksize))
                p.copy_(bitsandbytes.functional.dequantize_4bit(weight.data, state).reshape(p.shape))
            else:
                p.copy_(packed.get_parameter(name))
    plain.save_pretrained(twin)


def convert_gguf(llama_cpp, pairs):
    """[(Hugging Face folder, GGUF file), …] by the converter in `llama_cpp`, in float32. Meant for a process of its own: it
    has its own gguf-py. Replaced are only the vocabulary (all cases have the same byte-level one, of which the converter
    would want to know the family) and what asks the network or the clock."""
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    import conversion
    import gguf

    conversion.TextModel.get_vocab_base_pre = lambda self, tokenizer: "smollm"
    for folder, file in pairs:
        architecture = json.loads((pathlib.Path(folder) / "config.json").read_text())["architectures"][0]
        kind = conversion.get_model_class(architecture)
        kind.set_vocab = conversion.TextModel._set_vocab_gpt2
        with torch.inference_mode():
            kind(pathlib.Path(folder), gguf.LlamaFileType.ALL_F32, pathlib.Path(file)).write()


def converter():
    """The folder of llama.cpp with convert_hf_to_gguf.py, or None."""
    folder = pathlib.Path(os.environ.get("LORA_DEPS", "/nonexistent")) / "llama.cpp"
    return folder if (folder / "convert_hf_to_gguf.py").exists() else None


# --- Making and keeping ------------------------------------------------------------------------------------------------


def versions():
    names = ("torch", "transformers", "safetensors", "tokenizers", "bitsandbytes", "numpy")
    llama_cpp = converter() and hashlib.sha256((converter() / "conversion" / "base.py").read_bytes()).hexdigest()
    return {n: importlib.metadata.version(n) for n in names} | {"llama.cpp": llama_cpp}


def place_of(case, cache):
    """Where the checkpoints of a case are kept: a name that changes with the case, this file and the packages."""
    made_of = json.dumps([case, versions()], sort_keys=True).encode() + pathlib.Path(__file__).read_bytes()
    slug = "".join(c if c.isalnum() else "-" for c in case["name"])
    return cache / f"{slug}-{hashlib.sha256(made_of).hexdigest()[:12]}"


@contextlib.contextmanager
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(cases, cache):
    """name: folder with hf/, published/, model.gguf, bnb/ and bnb-twin/, for each of `cases`. Made are those that are not
    kept in `cache` yet; what is there is whole."""
    places = {case["name"]: place_of(case, cache) for case in cases}
    missing = [case for case in cases if not places[case["name"]].exists()]
    if not missing:
        return places
    transformers.utils.logging.disable_progress_bar()
    cache.mkdir(parents=True, exist_ok=True)
    pairs = []
    with one_thread():
        for case in missing:
            place = places[case["name"]]
            for old in cache.glob(f"{place.name[:-13]}-????????????*"):  # earlier versions, and what was cut off
                shutil.rmtree(old)
            part = place.with_name(place.name + ".part")
            part.mkdir()
            make_hf(case, part / "hf")
            formats = case.get("formats", FORMATS)
            if "published" in case:
                make_published(case, part / "hf", part / "published")
            if "bnb" in formats:
                make_bnb(case, part / "hf", part / "bnb", part / "bnb-twin")
            if "gguf" in formats:
                pairs.append([str(part / "hf"), str(part / "model.gguf")])
    if pairs and converter():
        (cache / "pairs.json").write_text(json.dumps(pairs))
        done = subprocess.run([sys.executable, __file__, "--convert", converter(), cache / "pairs.json"], capture_output=True,
                              text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"})
        assert done.returncode == 0, done.stderr[-4000:]
    for case in missing:
        place = places[case["name"]]
        place.with_name(place.name + ".part").rename(place)
    return places


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--convert":
        convert_gguf(pathlib.Path(sys.argv[2]), json.loads(pathlib.Path(sys.argv[3]).read_text()))
    elif len(sys.argv) > 1:
        wanted = sys.argv[2:] or [""]
        cases = [c for n, c in all_cases().items() if any(w in n for w in wanted)]
        for name, place in make(cases, pathlib.Path(sys.argv[1])).items():
            print(f"{name}: {place}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
