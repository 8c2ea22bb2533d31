"""Every family of models against Transformers and PEFT: logits, losses, all gradients, steps of AdamW, cached generation,
adapters carried both ways; from Hugging Face safetensors, GGUF and bitsandbytes 4-bit.

The cases are families/*.json, the checkpoints family_checkpoints.py's: tiny, random, made once and kept in LORA_CACHE.
A new family: tools/new_family_parity. LORA_CASE=TEXT takes only the cases with that in their names. The table of what was
measured is printed after the last test; with LORA_RECORD=FILE it is also written to that file, as docs/families.md keeps it.
"""
import copy
import datetime
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from model_parity import (TOOL, all_logits, backward, load_file, marked, matrices, one_thread, our_name, peft, relative,  # noqa: F401
                          torch, transformers, with_adapter)

import family_checkpoints as checkpoints

CASES = {n: c for n, c in checkpoints.all_cases().items() if os.environ.get("LORA_CASE", "") in n}
CACHE = pathlib.Path(os.environ.get("LORA_CACHE") or pathlib.Path.home() / ".cache" / "lora.cpp") / "families"
COLUMNS = ("logits", "gradients", "generate", "PEFT round trip")
# The bar for real models is 2e-3; a tiny one must agree much more closely, or something small is wrong.
LOGITS, LOSS, GRADIENTS, STEPS, MOVED, EXACT = 5e-4, 1e-4, 1e-3, 1e-3, 1e-2, 1e-9
MATTERS = 0.05  # what logits change at least when a feature is left out

pytestmark = [pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built"), pytest.mark.usefixtures("one_thread")]


def parameters(names):
    return [pytest.param(*n, id="-".join(n), marks=pytest.mark.slow if CASES[n[0]].get("slow") else ()) for n in names]


def formats_of(case):
    return case.get("formats", checkpoints.FORMATS)


# --- Rows --------------------------------------------------------------------------------------------------------------


def examples_of(seed=2):
    """Ragged rows: prefixes shared at two depths, an equal pair, a row that is the beginning of another, turns. Some are
    longer than every window; 32 and 33 tokens with a common beginning stand on either side of LongRoPE's border."""
    rng = np.random.default_rng(seed)
    draw = lambda n: rng.integers(0, 256, n).tolist()  # noqa: E731
    prefix, middle = draw(20), draw(11)
    texts = [prefix + draw(n) for n in (4, 15)] + [prefix + middle + draw(n) for n in (1, 2, 9)]
    texts += [texts[1], texts[4][:35], draw(3), draw(56), prefix[:10] + draw(12)]
    return marked(texts)


EXAMPLES = examples_of()
EVERYTHING = [{"ids": e["ids"], "supervised": [0] + [1] * (len(e["ids"]) - 1)} for e in EXAMPLES]
BATCHES = [[(4 * step + i) % len(EXAMPLES) for i in range(4)] for step in range(3)]
STEP = dict(learning_rate=0.01, weight_decay=0.01, max_grad_norm=1.0, warmup_steps=0, lr_scheduler_type="linear")
PROMPTS = [EXAMPLES[4]["ids"][:n] for n in (5, 19, 29)]  # 19 + 16: over LongRoPE's border, and out of the windows
NEW_TOKENS = 16


# --- The reference -----------------------------------------------------------------------------------------------------


class Reference:
    """What Transformers and PEFT compute for a model: made when it is asked for, then kept."""

    def __init__(self, model, folder):
        self.base, self.folder, self.kept = model, folder, {}

    def once(self, name, make):
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def base_logits(self):
        def make():
            with self.tuned().disable_adapter():
                return [all_logits(self.tuned(), e) for e in EXAMPLES]
        return self.once("base_logits", make)

    def tuned(self):
        return self.once("tuned", lambda: with_adapter(copy.deepcopy(self.base), deviation=0.2, r=4, lora_alpha=8,
                                                       target_modules="all-linear"))

    def adapter(self):
        def make():
            self.tuned().save_pretrained(self.folder / "adapter")
            return self.folder / "adapter"
        return self.once("adapter", make)

    def logits(self):
        return self.once("logits", lambda: [all_logits(self.tuned(), e) for e in EXAMPLES])

    def gradients(self):
        def make():
            self.tuned().zero_grad()
            loss = backward(self.tuned(), EXAMPLES)
            return loss, {n: p.grad.clone() for n, p in matrices(self.tuned()).items()}
        return self.once("gradients", make)

    def steps(self):
        """Losses of the steps, and by how much they moved each matrix."""
        def make():
            model = copy.deepcopy(self.tuned())
            start = {n: p.detach().clone() for n, p in matrices(model).items()}
            optimizer = torch.optim.AdamW(matrices(model).values(), lr=STEP["learning_rate"], weight_decay=STEP["weight_decay"])
            schedule = transformers.get_scheduler("linear", optimizer, num_warmup_steps=0, num_training_steps=len(BATCHES))
            losses = []
            for batch in BATCHES:
                optimizer.zero_grad()
                losses.append(backward(model, [EXAMPLES[i] for i in batch]))
                torch.nn.utils.clip_grad_norm_(matrices(model).values(), STEP["max_grad_norm"])
                optimizer.step()
                schedule.step()
            return losses, start, {n: p.detach() - start[n] for n, p in matrices(model).items()}
        return self.once("steps", make)

    def answers(self):
        """Greedy, by Transformers' cached generation; each token is checked to be the argmax of a full forward, and an answer
        ends before the first that is not clearly so."""
        def make():
            model, answers = self.tuned(), []
            for prompt in PROMPTS:
                with torch.no_grad():
                    ids = model.generate(input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                         max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0)[0].tolist()
                    answer = []
                    for end in range(len(prompt), len(ids)):
                        best = model(torch.tensor([ids[:end]])).logits[0, -1].topk(2)
                        if best.values[0] - best.values[1] < 4 * LOGITS:
                            break
                        assert best.indices[0] == ids[end], "the reference disagrees with itself"
                        answer.append(ids[end])
                    answers.append(answer)
            assert sum(map(len, answers)) > 0.6 * NEW_TOKENS * len(PROMPTS)
            return answers
        return self.once("answers", make)

    def logits_with(self, adapter):
        """Logits of the base with an adapter that PEFT reads from a folder, and the model."""
        model = peft.PeftModel.from_pretrained(copy.deepcopy(self.base), adapter).eval()
        return [all_logits(model, e) for e in EXAMPLES], model


def attention_of(model):
    return [layer.self_attn for layer in model.model.layers]


def no_bias(modules):
    for module in modules:
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()


class NormByHead(torch.nn.Module):
    """A norm over a whole projection, done head by head."""

    def __init__(self, norm, head_dim):
        super().__init__()
        self.norm, self.head_dim = norm, head_dim

    def forward(self, x):
        heads = x.unflatten(-1, (-1, self.head_dim))
        heads = heads * torch.rsqrt(heads.pow(2).mean(-1, keepdim=True) + self.norm.variance_epsilon)
        return heads.flatten(-2) * self.norm.weight


def replace_children(model, names, make):
    for module in model.modules():
        for name in names:
            if hasattr(module, name):
                setattr(module, name, make(module, getattr(module, name)))


def norms_without_one(model):
    for name, p in model.named_parameters():
        if name.endswith("norm.weight"):
            p.sub_(1)


# What a model would be without a feature that no setting turns off.
PATCHES = {
    "no_attention_bias": lambda m: no_bias(x for a in attention_of(m) for x in a.children()),
    "no_mlp_bias": lambda m: no_bias(x for layer in m.model.layers for x in layer.mlp.children()),
    "no_qk_norms": lambda m: replace_children(m, ["q_norm", "k_norm"], lambda module, norm: torch.nn.Identity()),
    "qk_norms_by_head": lambda m: replace_children(m, ["q_norm", "k_norm"], lambda a, norm: NormByHead(norm, a.head_dim)),
    "no_norms_after": lambda m: replace_children(m, ["post_attention_layernorm", "post_feedforward_layernorm"],
                                                 lambda module, norm: torch.nn.Identity()),
    "norms_without_one": norms_without_one,
    "silu_for_gelu": lambda m: replace_children(m, ["act_fn"], lambda module, act: torch.nn.SiLU()),
    "no_embedding_scale": lambda m: m.model.embed_tokens.embed_scale.fill_(1),
}


# --- The bench: one case in one format ---------------------------------------------------------------------------------


def run_jobs(folder, jobs):
    """{name: job of tools/model_tool.cpp} -> {name: (answer, tensors)}; a job that failed answers {"error": …}."""
    for name, job in jobs.items():
        job["out"] = str(folder / f"{name}.safetensors")
    listed = [{k: str(v) if isinstance(v, pathlib.Path) else v for k, v in job.items()} for job in jobs.values()]
    (folder / "jobs.json").write_text(json.dumps(listed))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([TOOL, folder / "jobs.json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    return {name: (answer, {} if "error" in answer or not os.path.exists(job["out"]) else load_file(job["out"]))
            for (name, job), answer in zip(jobs.items(), answers, strict=True)}


def good(result):
    """(answer, tensors) of a job that did not fail."""
    assert "error" not in result[0], result[0]["error"]
    return result


def apart(result, expected):
    """Largest difference between logits of a job and those of the reference."""
    _, ours = good(result)
    assert len(ours) == len(expected)
    return max(float((ours[f"logits.{i}"] - e).abs().max()) for i, e in enumerate(expected))


class Bench:
    def __init__(self, case, form, place, folder, twins):
        self.case, self.form, self.place, self.folder = case, form, place, folder
        self.model = place / {"hf": "hf", "gguf": "model.gguf", "bnb": "bnb"}[form]
        if not self.model.exists():
            pytest.skip("no llama.cpp with convert_hf_to_gguf.py in LORA_DEPS")
        changed = form == "gguf" and "gguf_config" in case
        key = (case["name"], "bnb" if form == "bnb" else "gguf" if changed else "hf")
        if key not in twins:
            twins.clear()  # one model at a time
            source = place / ("bnb-twin" if form == "bnb" else "hf")
            config = checkpoints.config_of(case, **case["gguf_config"]) if changed else None
            twins[key] = Reference(load(source, config), folder)
        self.reference = twins[key]
        self.results = self.run()

    def run(self):
        adapter, trained, fresh = self.reference.adapter(), self.folder / "trained", self.folder / "fresh"
        new = dict(r=3, lora_alpha=5, use_rslora=True, target_modules=["all-linear"], seed=5)
        jobs = dict(
            base=dict(what="logits", examples=EVERYTHING),
            logits=dict(what="logits", examples=EVERYTHING, adapter=adapter),
            gradients=dict(what="gradients", examples=EXAMPLES, adapter=adapter),
            plain_gradients=dict(what="gradients", examples=EXAMPLES, adapter=adapter, reference=True),
            steps=dict(what="steps", examples=EXAMPLES, batches=BATCHES, adapter=adapter, save_adapter=trained, **STEP),
            generate=dict(what="generate", prompts=PROMPTS, max_new_tokens=NEW_TOKENS, adapter=adapter),
            with_trained=dict(what="logits", examples=EVERYTHING, adapter=trained),
            fresh_steps=dict(what="steps", examples=EXAMPLES, batches=BATCHES, new_adapter=new, save_adapter=fresh,
                             **{**STEP, "learning_rate": 0.05}),
            with_fresh=dict(what="logits", examples=EVERYTHING, adapter=fresh),
        )
        return run_jobs(self.folder, {name: dict(model=self.model, **job) for name, job in jobs.items()})

    # Each column: {figure: (value, limit)}, the first of them for the table.

    def logits(self):
        base, tuned = self.reference.base_logits(), self.reference.logits()
        assert min((a - b).abs().max() for a, b in zip(base, tuned)) > 0.5, "the adapter should matter"
        return {"with PEFT's adapter": (apart(self.results["logits"], tuned), LOGITS),
                "base": (apart(self.results["base"], base), LOGITS)}

    def gradients(self):
        loss, expected = self.reference.gradients()
        figures = {}
        for name in ("gradients", "plain_gradients"):
            answer, ours = good(self.results[name])
            assert ours.keys() == expected.keys()
            assert min(g.norm() for g in expected.values()) > 0
            worst = max(expected, key=lambda n: relative(ours[n], expected[n]))
            figures[f"{name}, relative, worst {worst}"] = (relative(ours[worst], expected[worst]), GRADIENTS)
            figures[f"{name}: loss, relative"] = (abs(answer["loss"] - loss) / loss, LOSS)
        losses, start, moved = self.reference.steps()
        answer, _ = good(self.results["steps"])
        figures["loss of each step"] = (max(abs(a - b) for a, b in zip(answer["losses"], losses, strict=True)), STEPS)
        file = self.folder / "trained" / "adapter_model.safetensors"
        trained = {our_name(n): t for n, t in load_file(file).items()}
        assert trained.keys() == start.keys()
        flat = lambda of: torch.cat([of(n).flatten() for n in start])  # noqa: E731
        figures["what the steps changed, relative"] = (relative(flat(lambda n: trained[n] - start[n]), flat(moved.get)), MOVED)
        return figures

    def generate(self):
        expected = self.reference.answers()
        answer, _ = good(self.results["generate"])
        same = sum(a[:len(e)] == e for a, e in zip(answer["answers"], expected, strict=True))
        return {f"answers that differ of {len(expected)}": (len(expected) - same, 0)}

    def round_trip(self):
        good(self.results["steps"]), good(self.results["fresh_steps"])
        figures = {}
        for name in ("trained", "fresh"):
            logits, model = self.reference.logits_with(self.folder / name)
            if name == "fresh":  # all-linear means the same modules to both
                assert matrices(model).keys() == matrices(self.reference.tuned()).keys()
                assert all(p.norm() > 0 for p in matrices(model).values())
                base = self.reference.base_logits()
                assert max((a - b).abs().max() for a, b in zip(logits, base)) > 0.1
            figures[f"our {name} adapter in PEFT"] = (apart(self.results[f"with_{name}"], logits), LOGITS)
        return figures


def load(folder, config=None):
    more = {} if config is None else {"config": config}
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **more).eval()


@pytest.fixture(scope="module")
def places(request):
    """The checkpoints of the cases that are to be run, made in one go."""
    wanted = {i.callspec.params["name"] for i in request.session.items if i.module is request.module and hasattr(i, "callspec")}
    return checkpoints.make([CASES[n] for n in CASES if n in wanted], CACHE)


@pytest.fixture(scope="module")
def twins():
    return {}


@pytest.fixture(scope="module")
def bench(request, places, twins, tmp_path_factory):
    """bench(name, format): made once for all columns, and one at a time."""
    kept = {}

    def give(name, form):
        if (name, form) not in kept:
            kept.clear()
            kept[name, form] = None  # a bench that could not be made is not tried again for each column
            kept[name, form] = Bench(CASES[name], form, places[name], tmp_path_factory.mktemp(form), twins)
        if kept[name, form] is None:
            pytest.fail("see the first column")
        return kept[name, form]

    return give


# --- The tests ---------------------------------------------------------------------------------------------------------

table = {}  # (family, format, column): the worst figure, or what went wrong


def note(name, form, column, value):
    key = (name.split(",")[0], form, column)
    worst = table.get(key, 0.0)
    table[key] = worst if isinstance(worst, str) else value if isinstance(value, str) else max(worst, value)


@pytest.fixture(scope="module", autouse=True)
def table_of_families(request):
    yield
    lines = ["| family | format | " + " | ".join(COLUMNS) + " |", "|---" * (2 + len(COLUMNS)) + "|"]
    order = [(name.split(",")[0], form) for name in CASES for form in checkpoints.FORMATS]
    for family, form in sorted({k[:2] for k in table}, key=order.index):
        cells = []
        for column in COLUMNS:
            value = table.get((family, form, column), "")
            cells.append(value if isinstance(value, str) else ("equal" if value == 0 else "differs") if column == "generate" else f"{value:.0e}")
        lines.append(f"| {family} | {form} | " + " | ".join(cells) + " |")
    if not table:
        return
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join(lines))
        print(f"logits, PEFT round trip: max |difference| (limit {LOGITS:.0e}); gradients: relative norm, worst matrix (limit {GRADIENTS:.0e})")
    if os.environ.get("LORA_RECORD"):
        record(pathlib.Path(os.environ["LORA_RECORD"]), lines)


def record(file, lines):
    """Puts the table between the marks of `file`."""
    begin, end = "<!-- table -->", "<!-- end of table -->"
    before, _, rest = file.read_text().partition(begin)
    versions = ", ".join(f"{n} {v}" for n, v in checkpoints.versions().items() if n in ("torch", "transformers", "bitsandbytes"))
    stamp = f"Recorded {datetime.date.today()} with {versions}, PEFT {peft.__version__}."
    file.write_text(before + "\n".join([begin, stamp, "", *lines, end]) + rest.partition(end)[2])


@pytest.mark.parametrize("name,form,column", parameters((n, f, c) for n, case in CASES.items() for f in formats_of(case) for c in COLUMNS))
def test_family(bench, name, form, column):
    note(name, form, column, "FAILED")
    figures = getattr(bench(name, form), {"PEFT round trip": "round_trip"}.get(column, column))()
    wrong = [f"{what}: {value:.3g} is above {limit:.0e}" for what, (value, limit) in figures.items() if not value <= limit]
    assert not wrong, "; ".join(wrong)
    table.pop((name.split(",")[0], form, column), None) if table[name.split(",")[0], form, column] == "FAILED" else None
    note(name, form, column, float(next(iter(figures.values()))[0]))


@pytest.mark.parametrize("name", parameters((n,) for n in CASES))
def test_shared_prefixes_change_nothing(places, tmp_path, name):
    """In float64: loss and every gradient with prefixes shared, in one forest or dealt to small ones, and with every row
    alone; with and without dropout."""
    base = load(places[name] / "hf")
    jobs, layouts = {}, dict(alone=dict(share_prefixes=False, max_tokens=1), shared=dict(max_tokens=1 << 20), dealt=dict(max_tokens=90))
    for dropout in (0.0, 0.3):
        adapter = tmp_path / f"adapter-{dropout}"
        tuned = with_adapter(copy.deepcopy(base), deviation=0.2, r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear")
        tuned.save_pretrained(adapter)
        for layout, options in layouts.items():
            jobs[f"{layout} {dropout}"] = dict(what="gradients", model=places[name] / "hf", adapter=adapter, examples=EXAMPLES,
                                               mask_seed=7, dtype="float64", **options)
    results = {n: good(r) for n, r in run_jobs(tmp_path, jobs).items()}
    assert abs(results["alone 0.0"][0]["loss"] - results["alone 0.3"][0]["loss"]) > 1e-3
    for dropout in (0.0, 0.3):
        answer, alone = results[f"alone {dropout}"]
        for layout in ("shared", "dealt"):
            other, gradients = results[f"{layout} {dropout}"]
            assert other["unique_tokens"] < answer["unique_tokens"]
            assert abs(other["loss"] - answer["loss"]) <= EXACT * answer["loss"], layout
            assert next(iter(gradients.values())).dtype == torch.float64
            worst = max(alone, key=lambda n: relative(gradients[n], alone[n]))
            assert relative(gradients[worst], alone[worst]) <= EXACT, (layout, dropout, worst)


@pytest.mark.parametrize("name", parameters((n,) for n, case in CASES.items() if "published" in case))
def test_config_as_repositories_spell_it(places, tmp_path, name):
    expected = [all_logits(load(places[name] / "hf"), e) for e in EXAMPLES]
    published = load(places[name] / "published")
    assert all(torch.equal(all_logits(published, e), x) for e, x in zip(EXAMPLES, expected)), "the case is spelt wrongly"
    result = run_jobs(tmp_path, {"base": dict(what="logits", model=places[name] / "published", examples=EVERYTHING)})
    assert apart(result["base"], expected) <= LOGITS


@pytest.mark.parametrize("name", parameters((n,) for n, case in CASES.items() if case["features"]))
def test_every_feature_matters(places, tmp_path, name):
    """Left out of the reference, each feature changes logits by far more than what is allowed, so that a decoder without it
    would be found out; and where a setting turns it off, ours follows the setting."""
    case, folder = CASES[name], places[name] / "hf"
    full = [all_logits(load(folder), e) for e in EXAMPLES]
    jobs, expected = {}, {}
    for feature, how in case["features"].items():
        without = load(folder, checkpoints.config_of(case, **how["config"]) if "config" in how else None)
        if "patch" in how:
            with torch.no_grad():
                PATCHES[how["patch"]](without)
        expected[feature] = [all_logits(without, e) for e in EXAMPLES]
        change = max(float((a - b).abs().max()) for a, b in zip(full, expected[feature]))
        print(f"{name}: without {feature} logits change by {change:.2g}")
        assert change > MATTERS, f"{feature}: left out, logits change by {change:.2g} only"
        if "config" in how:
            changed = checkpoints.with_config(folder, tmp_path / f"model-{len(jobs)}", without.config.to_dict())
            jobs[feature] = dict(what="logits", model=changed, examples=EVERYTHING)
    results = run_jobs(tmp_path, {f"job-{i}": job for i, job in enumerate(jobs.values())}) if jobs else {}
    for feature, result in zip(jobs, results.values()):
        assert apart(result, expected[feature]) <= LOGITS, feature
        assert apart(result, full) > MATTERS, feature
