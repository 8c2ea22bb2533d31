"""Decoder, adapter, trainer and `lora score` against Transformers and PEFT: logits, losses, every gradient, steps of
AdamW, adapters carried both ways, dropout. Families of models: test_families.py.

Needs the reference packages (requirements/dev.txt) and a build with tests (LORA_BUILD_DIR). The tests of the bundled
model need its GGUF (LORA_GGUF) and the Hugging Face twin with the same weights in fp32 (LORA_HF_TWIN, made by
make_hf_twin.py); the others make tiny random checkpoints, where everything must agree much more closely.
What was measured is printed after the last test, beside its limit.
"""
import copy
import json
import os
import subprocess

import numpy as np
import pytest
from model_parity import (ALL_LINEAR, LORA, ROOT, TOOL, all_logits, backward, compare_gradients, compare_logits, compare_steps, hold,
                          load_model, marked, matrices, nll_sum, one_thread, our_name, peft, relative, table_of_figures,  # noqa: F401
                          tool, torch, transformers, with_adapter)
from safetensors.torch import load_file
from test_text import MARKED_TEMPLATE, smollm_tokenizer

GGUF, TWIN = os.environ.get("LORA_GGUF", ""), os.environ.get("LORA_HF_TWIN", "")
DATA = ROOT / "examples" / "json-extraction" / "data.jsonl"

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
needs_model = pytest.mark.skipif(not (os.path.exists(GGUF) and os.path.exists(TWIN)), reason="no LORA_GGUF and LORA_HF_TWIN")
needs_program = pytest.mark.skipif(not LORA.exists(), reason=f"{LORA} is not built")


# --- The bundled model --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = transformers.AutoTokenizer.from_pretrained(TWIN)
    tokenizer.backend_tokenizer.pre_tokenizer = smollm_tokenizer().pre_tokenizer
    return tokenizer


def rendered(tokenizer, lines):
    """Rows of the example as Transformers renders them."""
    examples = []
    for line in lines:
        row = tokenizer.apply_chat_template(json.loads(line)["messages"], chat_template=MARKED_TEMPLATE, tokenize=True,
                                            return_dict=True, return_assistant_tokens_mask=True)
        examples.append({"ids": row["input_ids"], "supervised": row["assistant_masks"]})
    return examples


@pytest.fixture(scope="module")
def rows(tokenizer):
    return rendered(tokenizer, DATA.read_text().splitlines()[:30])


@pytest.fixture(scope="module")
def tuned():
    return with_adapter(load_model(TWIN), r=16, lora_alpha=32, target_modules=ALL_LINEAR)


@pytest.fixture(scope="module")
def adapter(tuned, tmp_path_factory):
    folder = tmp_path_factory.mktemp("peft")
    tuned.save_pretrained(folder)
    return folder


@needs_model
def test_logits_of_the_bundled_model(tmp_path, rows, tuned, adapter):
    some = rows[:5]
    compare_logits("SmolLM2, PEFT's adapter", tmp_path, tuned, some, 2e-3, model=GGUF, adapter=adapter)
    with tuned.disable_adapter():
        compare_logits("SmolLM2, base", tmp_path, tuned, some, 2e-3, model=GGUF)
        base = all_logits(tuned, some[0])
    assert (all_logits(tuned, some[0]) - base).abs().max() > 1  # the adapter matters


@needs_model
def test_gradients_of_the_bundled_model(tmp_path, rows, tuned, adapter):
    # In float64: in float32 the reference itself errs by up to 1e-5 (norm) and 9e-5 (a gradient), depending on its BLAS.
    tuned = copy.deepcopy(tuned).double()
    for precision in ("highest", "high"):
        answer = compare_gradients(f"SmolLM2, 8 rows, {precision}", tmp_path, tuned, rows[:8], 1e-5, 1e-4, model=GGUF,
                                   adapter=adapter, float32_matmul_precision=precision)
        assert answer["forests"] > 1 and answer["unique_tokens"] < 0.9 * answer["tokens"], answer


@needs_model
def test_products_in_bfloat16_err_no_more_than_the_reference_in_bfloat16(tmp_path, rows, tuned, adapter):
    some = rows[:2]

    def reference(model, in_bfloat16):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            backward(model, some)
        return {n: p.grad.clone() for n, p in matrices(model).items()}

    exact, theirs = reference(copy.deepcopy(tuned).double(), False), reference(tuned, True)
    _, ours = tool(tmp_path, what="gradients", examples=some, model=GGUF, adapter=adapter, float32_matmul_precision="medium")
    largest = lambda found: max(relative(found[n], g) for n, g in exact.items())
    hold("SmolLM2, medium: gradients, largest relative of 420, over bfloat16's of Transformers", largest(ours) / largest(theirs), 1)
    # A loss errs by chance, anything from 1e-4 to 1e-2 of it, on either side: so those of several pairs together.
    ours_off, theirs_off = [], []
    for pair in (rows[i:i + 2] for i in range(0, 12, 2)):
        supervised = sum(sum(e["supervised"][1:]) for e in pair)
        with torch.no_grad():
            right = sum(nll_sum(tuned, e).item() for e in pair) / supervised
            with torch.autocast("cpu", torch.bfloat16):
                theirs_off.append(sum(nll_sum(tuned, e).item() for e in pair) / supervised / right - 1)
        answer, _ = tool(tmp_path, what="gradients", examples=pair, model=GGUF, adapter=adapter, float32_matmul_precision="medium")
        ours_off.append(answer["loss"] / right - 1)
    size = lambda errors: float(torch.tensor(errors).square().mean().sqrt())
    hold("SmolLM2, medium: losses of 6 pairs of rows, errors over bfloat16's of Transformers", size(ours_off) / size(theirs_off), 1)
    assert largest(ours) > 1e-4  # on any processor what is kept has 8 bits


@pytest.mark.slow
@needs_model
@pytest.mark.parametrize("precision", ["highest", "high"])
def test_layouts_of_the_bundled_model_agree(tmp_path, rows, adapter, precision):
    """However a step is laid into passes, and whatever a pass computes again, in float32 as it is trained. float64:
    src/train/exactness_test.cpp."""
    layouts = {
        "one packed forest": dict(share_prefixes=False, max_tokens=1 << 20),
        "each row alone": dict(share_prefixes=False, max_tokens=1),
        "some rows at a time": dict(share_prefixes=False, max_tokens=400),
        "shared prefixes": dict(share_prefixes=True, max_tokens=1 << 20),
        "shared, some at a time": dict(share_prefixes=True, max_tokens=400),
        "gate and up again": dict(share_prefixes=False, max_tokens=1 << 20, recompute="cheap"),
        "every block again": dict(share_prefixes=True, max_tokens=400, recompute="block"),
        "plain operations": dict(share_prefixes=False, max_tokens=1 << 20, reference=True),
    }
    runs = {name: tool(tmp_path, what="gradients", examples=rows[:8], model=GGUF, adapter=adapter,
                       float32_matmul_precision=precision, **layout)
            for name, layout in layouts.items()}
    (first, gradients), *_ = runs.values()
    for name, (answer, others) in list(runs.items())[1:]:
        hold(f"SmolLM2, {precision}, {name}: loss against one packed forest", abs(answer["loss"] - first["loss"]) / first["loss"], 1e-5)
        hold(f"SmolLM2, {precision}, {name}: gradients, largest relative of {len(others)}",
             max(relative(others[n], g) for n, g in gradients.items()), 1e-4)


@needs_model
def test_ten_steps_of_the_bundled_model(tmp_path, rows, tuned, adapter):
    trained = copy.deepcopy(tuned)
    batches = [[(2 * step + i) % 15 for i in range(2)] for step in range(10)]
    norms = compare_steps("SmolLM2, 10 steps", tmp_path, trained, rows[:15], batches, 1e-3, 1e-2, learning_rate=5e-4,
                          weight_decay=0.01, model=GGUF, adapter=adapter)
    assert max(norms) > 1  # clipping had something to do
    ours = tmp_path / "trained"
    loaded = peft.PeftModel.from_pretrained(load_model(TWIN), ours).eval()
    for name, tensor in load_file(ours / "adapter_model.safetensors").items():
        assert torch.equal(tensor, matrices(loaded)[our_name(name)]), name
    compare_logits("SmolLM2, our adapter in PEFT", tmp_path, loaded, rows[:2], 2e-3, model=GGUF, adapter=ours)


MARGIN = 4e-3  # two logits of the reference so near to each other may change places by rounding


def first_difference(model, prompt, answer, end_id, room):
    """The first place where `answer` is not the reference's greedy text, and how far apart its two best logits are there;
    None when there is no such place. One pass over the whole text: up to the first difference it is what a decoding step sees."""
    ids = answer + [end_id] if len(answer) < room else answer
    with torch.no_grad():
        best = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1:-1].topk(2)
    wrong = (best.indices[:, 0] != torch.tensor(ids)).nonzero().flatten().tolist()
    return (wrong[0], float(best.values[wrong[0], 0] - best.values[wrong[0], 1])) if wrong else None


@pytest.mark.slow
@needs_model
def test_greedy_text_of_the_bundled_model(tmp_path, rows, tokenizer):
    """An adapter that we trained, read by PEFT; base and tuned asked 50 held-out prompts in one batch."""
    end_id, room = tokenizer.eos_token_id, 64
    batches = [[(4 * step + i) % len(rows) for i in range(4)] for step in range(12)]
    tool(tmp_path, what="steps", model=GGUF, new_adapter=dict(r=16, lora_alpha=32, target_modules=["all-linear"], seed=3),
         examples=rows, batches=batches, learning_rate=1e-3, save_adapter=tmp_path / "ours")
    prompts = [e["ids"][:e["supervised"].index(1)] for e in rendered(tokenizer, DATA.read_text().splitlines()[-50:])]
    answers, _ = tool(tmp_path, what="generate", model=GGUF, adapter=tmp_path / "ours", prompts=prompts, with_base=True,
                      max_new_tokens=room, batch_size=32, stop_ids=[end_id])
    model = peft.PeftModel.from_pretrained(load_model(TWIN), tmp_path / "ours").eval()
    tuned = [first_difference(model, p, a, end_id, room) for p, a in zip(prompts, answers["answers"], strict=True)]
    with model.disable_adapter():
        base = [first_difference(model, p, a, end_id, room) for p, a in zip(prompts, answers["base_answers"], strict=True)]
    assert sum(a != b for a, b in zip(answers["answers"], answers["base_answers"])) > 40  # the adapter matters
    assert sum(map(len, answers["answers"])) > 20 * len(prompts)
    for name, found in (("tuned", tuned), ("base", base)):
        apart = [margin for _, margin in filter(None, found)]
        hold(f"SmolLM2, greedy text, {name}: of {len(prompts)} answers differ", len(apart), 5)
        hold(f"SmolLM2, greedy text, {name}: the reference's margin where it differs first", max(apart, default=0), MARGIN)


@needs_model
@needs_program
def test_score_of_the_bundled_model(tmp_path, rows, tuned, adapter):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(line + "\n" for line in DATA.read_text().splitlines()[:len(rows)]))

    def score(*options):
        done = subprocess.run([LORA, "score", GGUF, data, "--format", "json", *map(str, options)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def reference():
        with torch.no_grad():
            return [nll_sum(tuned, e).item() for e in rows]

    def hold_rows(label, answer, expected, limit):
        assert [r["line"] for r in answer["rows"]] == list(range(1, len(rows) + 1))
        assert [r["tokens"] for r in answer["rows"]] == [sum(e["supervised"]) for e in rows]
        hold(f"SmolLM2, score of {len(rows)} rows, {label}: nll, relative",
             max(abs(r["nll"] - e) / e for r, e in zip(answer["rows"], expected)), limit)
        assert answer["nll"] == pytest.approx(sum(expected), rel=limit)
        assert answer["perplexity"] == pytest.approx(np.exp(sum(expected) / answer["tokens"]), rel=10 * limit)

    shared = score("--adapter", adapter)
    hold_rows("with adapter", shared, reference(), 1e-4)
    alone = score("--adapter", adapter, "--no-share-prefixes")
    hold_rows("sharing on and off", shared, [r["nll"] for r in alone["rows"]], 1e-5)
    with tuned.disable_adapter():
        hold_rows("base", score(), reference(), 1e-4)


# --- Tiny random checkpoints -------------------------------------------------------------------------------------------

TINY = dict(vocab_size=131, hidden_size=64, intermediate_size=112, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=1e-5, tie_word_embeddings=True, max_position_embeddings=256)
SHAPES = {
    "grouped heads, tied": dict(),
    "one key head, large eps": dict(num_key_value_heads=1, rms_norm_eps=0.01),
    "as many key heads": dict(num_key_value_heads=4, num_hidden_layers=3),
    "untied head": dict(tie_word_embeddings=False, rope_parameters={"rope_type": "default", "rope_theta": 500000.0}),
    "biases": dict(attention_bias=True, mlp_bias=True),
    "wide heads": dict(head_dim=24, tie_word_embeddings=False),
    "shards": dict(tie_word_embeddings=False),
}
ADAPTERS = {
    "r 16, alpha 32, all-linear": dict(r=16, lora_alpha=32, target_modules="all-linear"),
    "r 4, alpha 9, some": dict(r=4, lora_alpha=9, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"]),
    "r 8, alpha 16, rsLoRA": dict(r=8, lora_alpha=16, use_rslora=True, target_modules=ALL_LINEAR),
}


tiny = pytest.mark.usefixtures("one_thread")


def make_tiny(folder, shape="grouped heads, tied", seed=1):
    """A checkpoint whose every number is random, biases and norms too."""
    torch.manual_seed(seed)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**TINY, **SHAPES[shape]}))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.copy_((0 if "bias" in name else 1) + 0.2 * torch.randn_like(p))
            else:
                p.normal_(std=1.0 if "embed" in name and not model.config.tie_word_embeddings else p.shape[1] ** -0.5)
    model.save_pretrained(folder, max_shard_size="60KB" if shape == "shards" else "5GB")
    if shape == "shards":
        assert len(list(folder.glob("model-*.safetensors"))) > 3
    return load_model(folder)


def tiny_examples(seed=2):
    """Ragged rows: prefixes shared at two depths, an equal pair, a row that is the beginning of another, turns."""
    rng = np.random.default_rng(seed)
    draw = lambda n: rng.integers(0, TINY["vocab_size"], n).tolist()  # noqa: E731
    prefix, middle = draw(20), draw(11)
    texts = [prefix + draw(n) for n in (4, 9, 15)] + [prefix + middle + draw(n) for n in (3, 8)]
    texts += [texts[1], texts[4][:35], draw(3), draw(60), prefix[:10] + draw(12), draw(25)]
    return marked(texts)


@tiny
@pytest.mark.parametrize("shape", SHAPES)
def test_tiny_shapes(tmp_path, shape):
    model, examples = tmp_path / "model", tiny_examples()
    base = make_tiny(model, shape)
    compare_logits("tiny, base", tmp_path, base, examples, 1e-4, model=model)
    plain = all_logits(base, examples[0])
    tuned = with_adapter(base, deviation=0.2, **ADAPTERS["r 16, alpha 32, all-linear"])
    assert (all_logits(tuned, examples[0]) - plain).abs().max() > 0.5
    tuned.save_pretrained(tmp_path / "adapter")
    job = dict(model=model, adapter=tmp_path / "adapter")
    compare_logits("tiny, PEFT's adapter", tmp_path, tuned, examples, 1e-4, **job)
    answer = compare_gradients("tiny", tmp_path, tuned, examples, 1e-5, 5e-5, **job)
    assert answer["unique_tokens"] < answer["tokens"]


@tiny
@pytest.mark.parametrize("name", ADAPTERS)
def test_tiny_adapters(tmp_path, name):
    model, examples = tmp_path / "model", tiny_examples()
    tuned = with_adapter(make_tiny(model), deviation=0.2, **ADAPTERS[name])
    tuned.save_pretrained(tmp_path / "adapter")
    job = dict(model=model, adapter=tmp_path / "adapter")
    compare_logits("tiny, PEFT's adapter", tmp_path, tuned, examples, 1e-4, **job)
    for options in (dict(), dict(share_prefixes=False), dict(max_tokens=64), dict(max_tokens=4096), dict(reference=True)):
        compare_gradients("tiny", tmp_path, tuned, examples, 1e-5, 5e-5, **job, **options)

    # An adapter made here, written by us and read by PEFT: its B is zero, so it is trained first. (With learning rates above 0.02 the
    # weights become such that float32 errs by 5e-4 there, Transformers' too.)
    batches = [[(4 * step + i) % len(examples) for i in range(4)] for step in range(10)]
    config = {**ADAPTERS[name], "seed": 5}
    if config["target_modules"] == "all-linear":
        config["target_modules"] = ["all-linear"]
    tool(tmp_path, what="steps", model=model, new_adapter=config, examples=examples, batches=batches, learning_rate=0.01,
         save_adapter=tmp_path / "ours")
    loaded = peft.PeftModel.from_pretrained(load_model(model), tmp_path / "ours").eval()
    assert matrices(loaded).keys() == matrices(tuned).keys()
    assert all(p.norm() > 0 for p in matrices(loaded).values())
    with loaded.disable_adapter():
        base = [all_logits(loaded, example) for example in examples]
    assert max((all_logits(loaded, e) - b).abs().max() for e, b in zip(examples, base)) > 1e-1  # it was trained
    compare_logits("tiny, our adapter in PEFT", tmp_path, loaded.double(), examples, 1e-4, model=model, adapter=tmp_path / "ours")
    assert peft.LoraConfig.from_pretrained(tmp_path / "ours").use_rslora == ADAPTERS[name].get("use_rslora", False)


@tiny
@pytest.mark.parametrize("options", [
    dict(weight_decay=0.01),
    dict(weight_decay=0.1, max_grad_norm=0.05, lr_scheduler_type="cosine"),
    dict(max_grad_norm=0.0, lr_scheduler_type="constant_with_warmup", warmup_steps=4),
    dict(lr_scheduler_type="constant", warmup_steps=0),
    dict(warmup_steps=0, max_tokens=64),
    dict(loraplus_lr_ratio=16.0, weight_decay=0.1),
], ids=lambda o: ", ".join(f"{k} {v}" for k, v in o.items()))
def test_tiny_steps(tmp_path, options):
    model, examples = tmp_path / "model", tiny_examples()
    tuned = with_adapter(make_tiny(model), deviation=0.2, **ADAPTERS["r 16, alpha 32, all-linear"])
    tuned.save_pretrained(tmp_path / "adapter")
    batches = [[(4 * step + i) % len(examples) for i in range(4)] for step in range(10)]
    compare_steps("tiny, 10 steps", tmp_path, tuned, examples, batches, 1e-4, 1e-3, learning_rate=2e-3, model=model,
                  adapter=tmp_path / "adapter", **options)


@tiny
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_base_in_four_bits(tmp_path, dtype):
    """load_in_4bit: the weights are bitsandbytes', and everything computed with them is what PEFT computes with the same
    numbers laid out in full."""
    bnb = pytest.importorskip("bitsandbytes.functional")
    model, examples = tmp_path / "model", tiny_examples()
    make_tiny(model)
    base = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype))
    base.save_pretrained(model)
    base, full = load_model(model), all_logits(load_model(model), examples[0])
    _, packed = tool(tmp_path, what="weights", model=model, base="4bit")
    with torch.no_grad():
        for name, ours in packed.items():
            w = base.get_parameter(name).to(getattr(torch, dtype))
            theirs = bnb.dequantize_4bit(*bnb.quantize_4bit(w.reshape(1, -1), quant_type="nf4", compress_statistics=True))
            # Its CPU library takes a neighbouring code for a few of the scales (test_bnb_4bit.py).
            assert (ours - theirs.reshape(w.shape).float()).ne(0).float().mean() < 0.05, name
            hold(f"four bits of {dtype} against bitsandbytes, relative", relative(ours, theirs.reshape(w.shape)), 1e-2)
            assert relative(ours, w) > 0.05
            base.get_parameter(name).copy_(ours)
    assert len(packed) == 7 * base.config.num_hidden_layers
    tuned = with_adapter(base, deviation=0.2, **ADAPTERS["r 16, alpha 32, all-linear"])
    tuned.save_pretrained(tmp_path / "adapter")
    assert (all_logits(base, examples[0]) - full).abs().max() > 0.1  # 4 bits are not the same model
    job = dict(model=model, base="4bit", adapter=tmp_path / "adapter")
    compare_logits("tiny in 4 bits", tmp_path, tuned, examples, 1e-4, **job)
    for options in (dict(), dict(share_prefixes=False), dict(max_tokens=64), dict(reference=True)):
        compare_gradients("tiny in 4 bits", tmp_path, tuned, examples, 1e-5, 5e-5, **job, **options)
    # As training has it by itself: 16 bits of each number where the processor multiplies tiles.
    compare_gradients("tiny in 4 bits, high", tmp_path, tuned, examples, 1e-5, 1e-4, norm_limit=1e-4, **job, float32_matmul_precision="high")


@tiny
def test_an_initialisation_that_changes_the_base_is_refused(tmp_path):
    """PiSSA, OLoRA and others subtract from the base what they put into the adapter."""
    model, examples = tmp_path / "model", tiny_examples()
    base = make_tiny(model)
    before = base.model.layers[0].self_attn.q_proj.weight.detach().clone()
    tuned = with_adapter(base, deviation=0.2, r=4, lora_alpha=4, target_modules=["q_proj"], init_lora_weights="olora")
    assert not torch.equal(tuned.base_model.model.model.layers[0].self_attn.q_proj.base_layer.weight, before)
    tuned.save_pretrained(tmp_path / "adapter")
    job = dict(what="logits", model=str(model), adapter=str(tmp_path / "adapter"), examples=examples)
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = subprocess.run([TOOL, tmp_path / "job.json"], capture_output=True, text=True)
    assert done.returncode == 2 and "init_lora_weights" in done.stderr


# --- Dropout -----------------------------------------------------------------------------------------------------------

SEEDS = 1000


def dropout_job(folder, examples, seeds, p, modules):
    model = folder / "model"
    tuned = with_adapter(make_tiny(model), deviation=0.2, r=8, lora_alpha=16, lora_dropout=p, target_modules=modules)
    tuned.save_pretrained(folder / "adapter")
    job = dict(model=model, adapter=folder / "adapter")
    return tuned, job, tool(folder, what="dropout", mask_seeds=seeds, examples=examples, **job)[1]


def deviations(masks, p):
    """How many standard deviations a few statistics of `masks` (seeds, T, width) lie from independent dropout."""
    kept = (masks > 0).double()
    seeds, width, q = kept.shape[0], kept.shape[2], 1 - p
    spread = lambda z: abs(float(((z**2).sum() - z.numel()) / (2 * z.numel()) ** 0.5))  # noqa: E731 z are standard normal
    columns = (kept.sum(0) - seeds * q) / (seeds * p * q) ** 0.5
    rows_ = (kept.sum(2) - width * q) / (width * p * q) ** 0.5
    centred = (kept - q) / (p * q) ** 0.5
    correlation = lambda a, b: abs(float((a * b).sum()) / a.numel() ** 0.5)  # noqa: E731
    return {"mean": abs(float((kept - q).sum())) / (kept.numel() * p * q) ** 0.5,
            "each number over the seeds": spread(columns),
            "each row over its numbers": spread(rows_),
            "neighbours in a row": correlation(centred[:, :, 1:], centred[:, :, :-1]),
            "neighbouring tokens": correlation(centred[:, 1:], centred[:, :-1]),
            "neighbouring seeds": correlation(centred[1:], centred[:-1])}


@tiny
@pytest.mark.parametrize("p", [0.05, 0.3])
def test_dropout_masks_are_distributed_as_torch_draws_them(tmp_path, p):
    tokens = 8
    example = {"ids": list(range(3, 4 + tokens)), "supervised": [0] * tokens + [1]}
    _, _, tensors = dropout_job(tmp_path, [example], list(range(SEEDS)), p, ["q_proj", "k_proj"])
    masks = {n: t for n, t in tensors.items() if n.startswith("masks.")}
    assert len(masks) == 4 and all(t.shape == (SEEDS, tokens, TINY["hidden_size"]) for t in masks.values())
    torch.manual_seed(0)
    reference = torch.nn.Dropout(p).train()(torch.ones(SEEDS, tokens, TINY["hidden_size"]))
    for name, mask in masks.items():
        assert torch.equal(mask.unique(), reference.unique()), name  # 0 and 1 / (1 - p)
        hold(f"dropout masks, p {p}: |mean - 1|", abs(mask.mean() - 1), 0.004)
        hold(f"dropout masks, p {p}: variance, relative to p / (1 - p)", abs(mask.var() / (p / (1 - p)) - 1), 0.02)
        for what, z in deviations(mask, p).items():
            hold(f"dropout masks, p {p}: {what}, deviations", z, 5)
    for what, z in deviations(reference, p).items():
        assert z < 5, f"the test itself: {what}"
    # Masks of other modules and layers are others.
    flat = torch.stack([(m > 0).double().flatten() for m in masks.values()])
    centred = (flat - (1 - p)) / (p * (1 - p)) ** 0.5
    between = (centred @ centred.T / flat.shape[1] ** 0.5).fill_diagonal_(0)
    hold(f"dropout masks, p {p}: between modules and layers, deviations", between.abs().max(), 5)


@tiny
def test_a_layer_under_dropout_is_distributed_as_pefts(tmp_path):
    p, tokens = 0.3, 8
    example = {"ids": list(range(3, 4 + tokens)), "supervised": [0] * tokens + [1]}
    tuned, _, tensors = dropout_job(tmp_path, [example], list(range(SEEDS)), p, ["v_proj"])
    name = "layers.1.self_attn.v_proj.0"
    ours, masks = tensors["outputs." + name], tensors["masks." + name]
    model = tuned.base_model.model.model
    layer = model.layers[1].self_attn.v_proj
    with torch.no_grad():
        x = model.embed_tokens(torch.tensor(example["ids"][:tokens]))  # (T, in)
        middle = layer(x)
        A, B, scale = layer.lora_A["default"].weight, layer.lora_B["default"].weight, layer.scaling["default"]
        exact = layer.base_layer(x) + scale * (masks * x) @ A.T @ B.T
        hold("dropout, one layer: output for its masks, max |difference|", (ours - exact).abs().max(), 1e-5)
        torch.manual_seed(0)
        theirs = layer.train()(x.expand(SEEDS, -1, -1))
        variance = p / (1 - p) * (x**2 @ ((scale * (B @ A)) ** 2).T)  # (T, out)
    for whose, outputs in (("ours", ours), ("PEFT's", theirs)):
        z = (outputs.mean(0) - middle) / (variance / SEEDS).sqrt()
        hold(f"dropout, one layer, {whose}: mean of each number, deviations", z.abs().max(), 5)
        ratio = outputs.var(0) / variance
        hold(f"dropout, one layer, {whose}: variance of each number, relative", (ratio - 1).abs().max(), 0.2)
        hold(f"dropout, one layer, {whose}: mean of those variances, relative", abs(ratio.mean() - 1), 0.02)


class FixedMask(torch.nn.Module):
    """Stands in for nn.Dropout: multiplies by a given mask; beyond its rows nothing is dropped."""

    mask = None

    def forward(self, x):  # (1, T, in)
        rest = torch.ones(x.shape[1] - self.mask.shape[0], x.shape[2])
        return x * torch.cat([self.mask, rest])


@tiny
def test_gradients_under_dropout_with_the_same_masks(tmp_path):
    seed, p, examples = 12345, 0.2, tiny_examples()
    tuned, job, tensors = dropout_job(tmp_path, examples, [seed], p, ALL_LINEAR)
    fixed = {}
    for name, module in tuned.named_modules():
        if hasattr(module, "lora_dropout"):
            fixed[our_name(name)] = module.lora_dropout["default"] = FixedMask()
    assert len(fixed) == len(ALL_LINEAR) * TINY["num_hidden_layers"]
    forward = tuned.base_model.model.forward

    def with_masks(ids):
        example = next(i for i, e in enumerate(examples) if e["ids"] == ids[0].tolist())
        for name, module in fixed.items():
            module.mask = tensors[f"masks.{name}.{example}"][0]
        return forward(ids)

    tuned.forward = with_masks
    for options in (dict(), dict(share_prefixes=False), dict(max_tokens=64), dict(reference=True)):
        compare_gradients("tiny, dropout", tmp_path, tuned, examples, 1e-5, 5e-5, mask_seed=seed, **job, **options)
    losses = [tool(tmp_path, what="gradients", mask_seed=s, examples=examples, **job)[0]["loss"] for s in (seed, seed, seed + 1)]
    assert losses[0] == losses[1] and abs(losses[0] - losses[2]) > 1e-3
