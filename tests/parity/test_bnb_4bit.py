"""4-bit weights: what bitsandbytes packs is dequantized to its own numbers, and what lora.cpp packs equals its packing.

LORA_DUMP_TENSOR    the program dump_tensor; else the one of LORA_BUILD_DIR (build)
"""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import torch

bnb = pytest.importorskip("bitsandbytes")
from bitsandbytes import functional as F  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build"))
DUMP = os.environ.get("LORA_DUMP_TENSOR", str(BUILD / "tools" / "dump_tensor"))


def dump(*args):
    done = subprocess.run([DUMP, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def weight(rows, columns, dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    w = torch.randn(rows, columns) * torch.rand(rows, 1).exp()
    w[0] = 0  # a block without a scale
    w[1, ::3] = 0
    w[2] *= 1e-12
    w[rows // 2, : columns // 2] = 1e4 * torch.linspace(-1, 1, columns // 2)  # every code, also half-way between two
    return w.to(dtype)


def folder(path, tensors):
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}))
    save_file(tensors, path / "model.safetensors")
    return path


CASES = [
    (kind, nested, block, shape, dtype)
    for kind in ("nf4", "fp4")
    for nested, block, shape, dtype in [
        (False, 64, (48, 128), torch.float32),
        (True, 64, (48, 128), torch.bfloat16),
        (True, 64, (512, 576), torch.float16),  # 4608 scales: 18 blocks of them
        (False, 128, (40, 100), torch.float32),  # blocks run over rows, the last is short
        (True, 32, (34, 70), torch.bfloat16),
        (False, 4096, (16, 1280), torch.float32),
    ]
]


@pytest.mark.parametrize("kind,nested,block,shape,dtype", CASES, ids=str)
@pytest.mark.parametrize("storage", [torch.uint8, torch.bfloat16], ids=str)
def test_dequantizes_to_its_numbers(tmp_path, kind, nested, block, shape, dtype, storage):
    w = weight(*shape, dtype)
    packed, state = F.quantize_4bit(w, blocksize=block, compress_statistics=nested, quant_type=kind, quant_storage=storage)
    parts = {f"w.weight.{k}": v for k, v in state.as_dict(packed=True).items()}
    path = folder(tmp_path / "model", {"w.weight": packed, **parts})
    dump("--load", path, "w.weight", 0, tmp_path / "out")
    got = torch.from_numpy(np.fromfile(tmp_path / "out", dtype=np.float32)).reshape(shape)
    stored = F.QuantState.from_dict({k.removeprefix("w.weight."): v for k, v in parts.items()}, "cpu")
    # As one row: some of its CPU kernels begin a new block with each row, which the format does not.
    stored.shape = torch.Size((1, w.numel()))
    expected = F.dequantize_4bit(packed, stored).reshape(shape)
    assert expected.dtype == dtype and expected.count_nonzero() > expected.numel() / 3
    assert torch.equal(got, expected.float())


@pytest.mark.parametrize("kind,nested,block,shape,dtype", CASES, ids=str)
def test_quantizes_as_it_does(tmp_path, kind, nested, block, shape, dtype):
    w = weight(*shape, dtype, seed=1)
    path = folder(tmp_path / "model", {"w.weight": w})
    packed, state = F.quantize_4bit(w, blocksize=block, compress_statistics=nested, quant_type=kind)
    dump("--quantize", path, "w.weight", kind, "double" if nested else "plain", block, tmp_path / "out.safetensors")
    got = load_file(tmp_path / "out.safetensors")
    assert torch.equal(got["packed"], packed.flatten())
    if not nested:
        assert torch.equal(got["absmax"], state.absmax)
        return
    code = state.state2.code
    assert torch.equal(got["nested_quant_map"], code)
    assert torch.equal(got["nested_absmax"], state.state2.absmax)
    assert got["nested_offset"].item() == state.offset.item()
    # bitsandbytes' own CPU library rounds scales to a table of 65536 places before it looks for the nearest code.
    difference = got["absmax"].int() - state.absmax.int()
    assert difference.abs().max() <= 1 and (difference != 0).float().mean() < 0.01
    # So the codes themselves are held against the definition, which is also its portable implementation.
    scales = F.quantize_4bit(w, blocksize=block, quant_type=kind)[1].absmax - state.offset
    for i, values in enumerate(scales.split(256)):
        largest = got["nested_absmax"][i]
        scaled = values * (1 / largest) if len(values) == 256 else values / largest
        assert torch.equal(got["absmax"][256 * i : 256 * (i + 1)].int(), torch.bucketize(scaled, (code[1:] + code[:-1]) / 2).int())
