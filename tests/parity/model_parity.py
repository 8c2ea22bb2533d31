"""What the parity tests of models share: jobs for tools/model_tool.cpp, the reference by Transformers and PEFT one row at
a time, and the comparisons. Not a test of its own.
"""
import json
import os
import pathlib
import subprocess

import pytest

# Threads that spin long while they wait bring a busy machine to a stand. Read when torch is loaded, and by the tool.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
import peft.optimizers  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build"))
TOOL, LORA = BUILD / "tools" / "model_tool", BUILD / "lora"
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

figures = {}  # name: (largest value seen, limit)


def hold(name, value, limit):
    """`value` is at most `limit`; remembered for the table at the end."""
    value = float(value)
    figures[name] = (max(value, figures.get(name, (value,))[0]), limit)
    assert value <= limit, f"{name}: {value:.3g} is above {limit:.3g}"


def marked(texts):
    """Rows of ids as examples: the last four tenths are supervised, and here and there other parts."""
    examples = []
    for i, ids in enumerate(texts):
        supervised = [int(t >= len(ids) * 0.6) for t in range(len(ids))]
        if i % 3 == 0:
            supervised[1:3] = [1, 1]  # a first answer in the middle of the row
        if i % 4 == 1:
            supervised[-2:] = [0, 0]  # what follows the last answer
        examples.append({"ids": ids, "supervised": supervised})
    return examples


@pytest.fixture(scope="module", autouse=True)
def table_of_figures(request):
    yield
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print()
        for name, (value, limit) in figures.items():
            print(f"  {name:<72} {value:.1e}  (limit {limit:.0e})")
    figures.clear()


def tool(folder, **job):
    """Runs a job of tools/model_tool.cpp: its answer and the tensors it wrote."""
    job = {"out": str(folder / "out.safetensors"), **{k: str(v) if isinstance(v, pathlib.Path) else v for k, v in job.items()}}
    (folder / "job.json").write_text(json.dumps(job))
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([TOOL, folder / "job.json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), load_file(job["out"]) if os.path.exists(job["out"]) else {}


def relative(ours, reference):
    return float(torch.linalg.vector_norm(ours.double() - reference.double()) / torch.linalg.vector_norm(reference.double()))


# --- The reference: Transformers and PEFT, one row at a time -----------------------------------------------------------


def load_model(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def with_adapter(model, seed=0, deviation=0.02, **config):
    """PEFT's adapter with random B: at B = 0 every gradient of A is zero and proves nothing."""
    torch.manual_seed(seed)
    tuned = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **config))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=deviation)
    return tuned.eval()


def all_logits(model, example):
    """(T - 1, vocab): what each token but the last asks of the next."""
    with torch.no_grad():
        return model(torch.tensor([example["ids"]])).logits[0, :-1]


def nll_sum(model, example):
    logits = model(torch.tensor([example["ids"]])).logits[0, :-1]
    nll = -logits.log_softmax(-1).gather(1, torch.tensor(example["ids"])[1:, None])[:, 0]
    return nll[torch.tensor(example["supervised"])[1:].bool()].sum()


def backward(model, examples):
    """Mean nll over the supervised tokens of all examples; its gradients are added to the parameters'."""
    count = sum(sum(e["supervised"]) for e in examples)
    loss = 0
    for example in examples:
        part = nll_sum(model, example) / count
        part.backward()
        loss += part.item()
    return loss


def our_name(name):
    return name.removeprefix("base_model.model.model.").replace(".default", "").removesuffix(".weight")


def matrices(model):
    return {our_name(n): p for n, p in model.named_parameters() if "lora_" in n}


def everything_supervised(examples):
    return [{"ids": e["ids"], "supervised": [0] + [1] * (len(e["ids"]) - 1)} for e in examples]


# --- What is compared, for any model -----------------------------------------------------------------------------------


def compare_logits(label, folder, peft_model, examples, limit, **job):
    _, ours = tool(folder, what="logits", examples=everything_supervised(examples), **job)
    assert len(ours) == len(examples)
    hold(f"{label}: logits, max |difference|",
         max((ours[f"logits.{i}"] - all_logits(peft_model, e)).abs().max() for i, e in enumerate(examples)), limit)


def compare_gradients(label, folder, peft_model, examples, loss_limit, limit, norm_limit=None, **job):
    """norm_limit: of the gradient norm, which errs no more than all gradients together do; the loss's, unless given."""
    peft_model.zero_grad()
    loss = backward(peft_model, examples)
    expected = {n: p.grad for n, p in matrices(peft_model).items()}
    answer, ours = tool(folder, what="gradients", examples=examples, **job)
    assert ours.keys() == expected.keys()
    assert min(g.norm() for g in expected.values()) > 0
    hold(f"{label}: loss, relative", abs(answer["loss"] - loss) / loss, loss_limit)
    hold(f"{label}: gradients, largest relative of {len(ours)}", max(relative(ours[n], g) for n, g in expected.items()), limit)
    norm = torch.stack([g.norm() for g in expected.values()]).norm().item()
    hold(f"{label}: gradient norm, relative", abs(answer["grad_norm"] - norm) / norm, norm_limit or loss_limit)
    assert answer["supervised_tokens"] == sum(sum(e["supervised"]) for e in examples)
    return answer


def compare_steps(label, folder, peft_model, examples, batches, loss_limit, limit, *, learning_rate, weight_decay=0.0,
                  max_grad_norm=1.0, lr_scheduler_type="linear", warmup_steps=3, loraplus_lr_ratio=None, **job):
    """Trains both; `peft_model` is changed. The final adapter is compared by how far it moved."""
    start = {n: p.detach().clone() for n, p in matrices(peft_model).items()}
    if loraplus_lr_ratio:
        optimizer = peft.optimizers.create_loraplus_optimizer(
            peft_model, torch.optim.AdamW, lr=learning_rate, loraplus_lr_ratio=loraplus_lr_ratio, loraplus_weight_decay=weight_decay)
        job["loraplus_lr_ratio"] = loraplus_lr_ratio
    else:
        optimizer = torch.optim.AdamW(matrices(peft_model).values(), lr=learning_rate, weight_decay=weight_decay)
    schedule = transformers.get_scheduler(lr_scheduler_type, optimizer, num_warmup_steps=warmup_steps,
                                          num_training_steps=len(batches))
    losses, norms, rates = [], [], []
    for batch in batches:
        optimizer.zero_grad()
        losses.append(backward(peft_model, [examples[i] for i in batch]))
        norms.append(torch.nn.utils.clip_grad_norm_(matrices(peft_model).values(), max_grad_norm or float("inf")).item())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    answer, _ = tool(folder, what="steps", examples=examples, batches=batches, learning_rate=learning_rate,
                     weight_decay=weight_decay, max_grad_norm=max_grad_norm, lr_scheduler_type=lr_scheduler_type,
                     warmup_steps=warmup_steps, save_adapter=folder / "trained", **job)
    assert len(set(losses)) == len(batches)
    hold(f"{label}: learning rates, relative to the peak", max(abs(a - b) for a, b in zip(answer["learning_rates"], rates)) / learning_rate, 1e-12)
    hold(f"{label}: loss of each step, |difference|", max(abs(a - b) for a, b in zip(answer["losses"], losses)), loss_limit)
    hold(f"{label}: gradient norm of each step, relative", max(abs(a - b) / b for a, b in zip(answer["grad_norms"], norms)), loss_limit)
    trained = {our_name(n): t for n, t in load_file(folder / "trained" / "adapter_model.safetensors").items()}
    assert trained.keys() == start.keys()
    gather = lambda of: torch.cat([of(n).flatten() for n in start])  # noqa: E731
    moved = gather(lambda n: matrices(peft_model)[n].detach() - start[n])
    hold(f"{label}: what training changed, relative", relative(gather(lambda n: trained[n] - start[n]), moved), limit)
    return norms


@pytest.fixture
def one_thread():
    """Tiny products gain nothing from a second thread and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
