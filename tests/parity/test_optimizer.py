"""The optimizers against bitsandbytes' 8-bit AdamW and PEFT's LoRA+."""
import json
import os
import pathlib
import subprocess

import numpy
import pytest
import torch
from safetensors.numpy import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build")) / "tools" / "optimizer_tool"


def ours(tmp_path, p, gradients, **options):
    source, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_file({"p": p} | {f"g.{i}": g for i, g in enumerate(gradients)}, source)
    done = subprocess.run([TOOL, source, target, json.dumps(options)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load_file(target)


def random_steps(n, count, seed=0):
    random = numpy.random.default_rng(seed)
    p = random.normal(size=n).astype(numpy.float32)
    scale = 10.0 ** random.uniform(-2, 0, size=n)  # gradients of different sizes in one block
    return p, [(random.normal(size=n) * scale).astype(numpy.float32) for _ in range(count)]


@pytest.fixture
def exact_codes(monkeypatch):
    """bitsandbytes' float32 CPU kernel looks codes up in 65,536 bins, which moves numbers below a thousandth of their
    block's largest by up to seven codes; its path for other types takes the nearest code, as its GPU kernel does."""
    torch_ops = pytest.importorskip("bitsandbytes.backends.cpu.ops")

    def nearest(numbers, code, absmax_out, out, blocksize):
        codes, absmax = torch.ops.bitsandbytes.quantize_blockwise(numbers.double(), code, blocksize)
        out.copy_(codes)
        absmax_out.copy_(absmax)

    monkeypatch.setattr(torch_ops, "_quant_blockwise_fp32_direct", nearest)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("n", [4096, 5000, 100, 40000])  # whole blocks, a partial last one, too small for 8 bits, more than a thread takes at once
def test_adamw_8bit_equals_bitsandbytes(tmp_path, exact_codes, n, weight_decay):
    import bitsandbytes
    p, gradients = random_steps(n, 20)
    theirs = torch.nn.Parameter(torch.from_numpy(p.copy()))
    optimizer = bitsandbytes.optim.AdamW8bit([theirs], lr=1e-2, weight_decay=weight_decay)
    mine = ours(tmp_path, p, gradients, optim="adamw_8bit", learning_rate=1e-2, weight_decay=weight_decay)
    worst = 0.0
    for step, g in enumerate(gradients):
        theirs.grad = torch.from_numpy(g)
        optimizer.step()
        worst = max(worst, float(numpy.abs(theirs.detach().numpy() - mine[f"p.{step}"]).max()))
    state = optimizer.state[theirs]
    moved = float(numpy.abs(theirs.detach().numpy() - p).max())
    print(f"n {n}: largest difference of 20 steps {worst:.2e}, of a movement of {moved:.2e}")
    assert moved > 0.05
    rounding = 5e-6  # 20 roundings of parameters up to 4
    # A number half way between two codes may fall to either side in float; it then is off by the width of a code.
    if n >= 4096:
        for name, codes in (("first_moment_codes", state["state1"]), ("second_moment_codes", state["state2"])):
            off = numpy.abs(mine[name].astype(int) - codes.numpy().astype(int))
            assert off.max() <= 1 and (off > 0).mean() < 1e-3, (name, off.max(), (off > 0).mean())
        numpy.testing.assert_allclose(mine["first_moment_scales"], state["absmax1"].numpy(), rtol=1e-3)
        numpy.testing.assert_allclose(mine["second_moment_scales"], state["absmax2"].numpy(), rtol=1e-3)
        differ = numpy.abs(theirs.detach().numpy() - mine[f"p.{len(gradients) - 1}"]) > rounding
        assert differ.mean() < 2e-3, differ.mean()
    else:
        assert worst < rounding


def test_the_codes_are_bitsandbytes_own(tmp_path):
    """One step from zero: the first moment is 0.1 g, its codes are those of the block scaled by its largest."""
    functional = pytest.importorskip("bitsandbytes.functional")
    n = 256 * 40
    g = numpy.linspace(-1, 1, n, dtype=numpy.float32)
    state = ours(tmp_path, numpy.zeros(n, numpy.float32), [g], optim="adamw_8bit", learning_rate=1e-3)
    first = torch.from_numpy(numpy.float32(0.1) * g)
    codes, quant = functional.quantize_blockwise(first, code=functional.create_dynamic_map(True), blocksize=256)
    numpy.testing.assert_allclose(state["first_moment_scales"], quant.absmax.numpy(), rtol=1e-6)
    assert (state["first_moment_codes"] != codes.numpy()).mean() < 1e-3


@pytest.mark.parametrize("optim", ["adamw", "adamw_8bit"])
def test_loraplus_is_two_optimizers(tmp_path, optim):
    """PEFT's LoRA+ puts A and B in groups whose learning rates have a ratio: so do two runs."""
    n = 4096
    p, gradients = random_steps(2 * n, 6, seed=1)
    both = ours(tmp_path, p, gradients, optim=optim, learning_rate=1e-3, weight_decay=0.1, runs=[[0, n, 1], [n, n, 16]])
    a = ours(tmp_path, p[:n].copy(), [g[:n].copy() for g in gradients], optim=optim, learning_rate=1e-3, weight_decay=0.1)
    b = ours(tmp_path, p[n:].copy(), [g[n:].copy() for g in gradients], optim=optim, learning_rate=16e-3, weight_decay=0.1)
    numpy.testing.assert_array_equal(both["p.5"], numpy.concatenate([a["p.5"], b["p.5"]]))
    if optim == "adamw":
        t = torch.nn.Parameter(torch.from_numpy(p.copy()))
        first, second = torch.nn.Parameter(t.detach()[:n].clone()), torch.nn.Parameter(t.detach()[n:].clone())
        reference = torch.optim.AdamW([{"params": [first], "lr": 1e-3}, {"params": [second], "lr": 16e-3}], weight_decay=0.1)
        for g in gradients:
            first.grad, second.grad = torch.from_numpy(g[:n].copy()), torch.from_numpy(g[n:].copy())
            reference.step()
        expected = torch.cat([first, second]).detach().numpy()
        numpy.testing.assert_allclose(both["p.5"], expected, atol=1e-6)
