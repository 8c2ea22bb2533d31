"""Every GGUF type that lora.cpp computes with, element by element against gguf-py: the difference must be 0.

LORA_DUMP_TENSOR                   the program dump_tensor; else the one of LORA_BUILD_DIR (build)
LORA_MODEL_GGUF or LORA_GGUF       optional: a real model to read as well
LORA_MODEL_HF or LORA_HF_TWIN      optional: the Hugging Face folder with the same weights in fp32, for names and the
                                   q/k permutation
"""

import os
import pathlib
import subprocess

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build"))
DUMP = os.environ.get("LORA_DUMP_TENSOR", str(BUILD / "tools" / "dump_tensor"))
MODEL_GGUF = os.environ.get("LORA_MODEL_GGUF") or os.environ.get("LORA_GGUF", "")
MODEL_HF = os.environ.get("LORA_MODEL_HF") or os.environ.get("LORA_HF_TWIN", "")

TYPES = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q4_K, Type.Q5_K, Type.Q6_K]
# Where the fp16 scales lie in a block: gguf-py cannot quantize K types, so their blocks are random bytes around
# scales of every kind (normal, subnormal, zero, negative).
SCALES = {Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,), Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,),
          Type.Q5_1: (0, 2), Type.Q8_0: (0,)}
ROWS, COLUMNS = 37, 1280


def dump(*args, text=""):
    done = subprocess.run([DUMP, *map(str, args)], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dumped(tmp_path, *args):
    out = tmp_path / "out.f32"
    dump(*args, out)
    return np.fromfile(out, dtype=np.float32)


def random_blocks(rng, qtype):
    block, size = gguf.GGML_QUANT_SIZES[qtype]
    data = rng.integers(0, 256, (ROWS * COLUMNS // block, size), dtype=np.uint8)
    for at in SCALES[qtype]:
        scale = rng.normal(0, 0.01, len(data)).astype(np.float16)
        scale[::5] = rng.integers(0, 1024, len(scale[::5])).astype(np.uint16).view(np.float16)  # subnormal
        scale[::17] = 0
        data[:, at : at + 2] = scale[:, None].view(np.uint8)
    return data.reshape(ROWS, -1)


def make_file(path, qtype, source):
    rng = np.random.default_rng(int(qtype))
    if source == "quantized":
        values = rng.normal(0, 0.05, (ROWS, COLUMNS)).astype(np.float32)
        values[0] = 0
        data = values.astype(np.float16) if qtype == Type.F16 else gguf.quants.quantize(values, qtype)
    else:
        data = random_blocks(rng, qtype)
    expected = gguf.quants.dequantize(data, qtype).astype(np.float32)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("weight", data, raw_dtype=qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


CASES = [(t, "quantized") for t in TYPES if t not in (Type.Q4_K, Type.Q5_K, Type.Q6_K)] + [(t, "random") for t in SCALES]


@pytest.mark.parametrize("qtype,source", CASES, ids=lambda x: getattr(x, "name", x))
def test_equals_gguf_py(tmp_path, qtype, source):
    path = tmp_path / "model.gguf"
    expected = make_file(path, qtype, source)
    assert f"weight\t{qtype.name}\t[{ROWS}, {COLUMNS}]" in dump(path)
    for args in ((path, "weight"), ("--load", path, "weight", 0)):
        got = dumped(tmp_path, *args).reshape(ROWS, COLUMNS)
        assert np.count_nonzero(expected) > expected.size / 2
        np.testing.assert_array_equal(got, expected)


def test_every_half_is_converted_exactly(tmp_path):
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(64, 1024)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("weight", halves)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    got = dumped(tmp_path, tmp_path / "m.gguf", "weight").reshape(64, 1024)
    np.testing.assert_array_equal(got, halves.astype(np.float32))


def test_gguf_py_reads_what_we_write(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "from.gguf", "llama")
    writer.add_custom_alignment(64)
    writer.add_array("words", ["a", "", "ü"])
    writer.add_array("numbers", [1, -2])
    writer.add_array("scores", [0.5, -1.5])
    writer.add_bool("flag", True)
    writer.add_uint64("big", 2**63)
    writer.add_float64("double", 0.1)
    rng = np.random.default_rng(0)
    for name, qtype in (("a.weight", Type.Q4_0), ("b.weight", Type.F32), ("c.weight", Type.Q8_0)):
        writer.add_tensor(name, gguf.quants.quantize(rng.normal(size=(3, 96)).astype(np.float32), qtype), raw_dtype=qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    dump("--copy", tmp_path / "from.gguf", tmp_path / "to.gguf")
    before, after = gguf.GGUFReader(tmp_path / "from.gguf"), gguf.GGUFReader(tmp_path / "to.gguf")
    assert after.alignment == 64
    assert {k: f.contents() for k, f in before.fields.items()} == {k: f.contents() for k, f in after.fields.items()}
    assert len(after.tensors) == 3
    for a, b in zip(before.tensors, after.tensors):
        assert (a.name, a.tensor_type, list(a.shape)) == (b.name, b.tensor_type, list(b.shape))
        np.testing.assert_array_equal(a.data, b.data)


def test_safetensors_reads_what_we_write_and_the_other_way(tmp_path):
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {"half": torch.randn(3, 5).half(), "bf16": torch.randn(7).bfloat16(), "single": torch.randn(2, 3, 4),
               "double": torch.randn(2).double(), "long": torch.arange(3), "flag": torch.tensor([True, False]),
               "bytes": torch.arange(5, dtype=torch.uint8), "scalar": torch.tensor(1.5), "empty": torch.zeros(0, 3),
               "ünï.\"q\"": torch.ones(1)}
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "config.json").write_text("{}")
    save_file(tensors, tmp_path / "from" / "model.safetensors")
    dump("--copy", tmp_path / "from", tmp_path / "to.safetensors")
    with safe_open(tmp_path / "to.safetensors", "pt") as f:
        assert f.metadata() == {"format": "pt"}
        assert set(f.keys()) == set(tensors)
        for name, tensor in tensors.items():
            got = f.get_tensor(name)
            assert got.dtype == tensor.dtype and torch.equal(got, tensor), name
    assert dumped(tmp_path, tmp_path / "from", "single").tolist() == tensors["single"].flatten().tolist()
    assert dumped(tmp_path, tmp_path / "from", "bf16").tolist() == tensors["bf16"].float().tolist()


# What each architecture's layers hold in Hugging Face's names, beside the norms before attention and MLP.
ATTENTION = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
MLP = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
NORMS = ["input_layernorm", "post_attention_layernorm"]
POST_NORMS = ["post_attention_layernorm", "post_feedforward_layernorm"]
QK_NORMS = ["self_attn.q_norm", "self_attn.k_norm"]
LAYERS = {
    "llama": NORMS + ATTENTION + MLP,
    "qwen2": NORMS + ATTENTION + MLP,
    "qwen3": NORMS + ATTENTION + MLP + QK_NORMS,
    "gemma": NORMS + ATTENTION + MLP,
    "gemma2": ["input_layernorm", "pre_feedforward_layernorm"] + POST_NORMS + ATTENTION + MLP,
    "gemma3": ["input_layernorm", "pre_feedforward_layernorm"] + POST_NORMS + ATTENTION + MLP + QK_NORMS,
    "phi3": NORMS + ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"],
    "smollm3": NORMS + ATTENTION + MLP,
    "olmo2": POST_NORMS + ATTENTION + MLP + QK_NORMS,
    "granite": NORMS + ATTENTION + MLP,
}


@pytest.mark.parametrize("arch", LAYERS)
def test_names_equal_gguf_py(arch):
    layers = 12
    model_arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == arch)
    names = gguf.get_tensor_name_map(model_arch, layers)
    modules = ["embed_tokens", "norm", *(f"layers.{i}.{m}" for i in (0, layers - 1) for m in LAYERS[arch])]
    hf = [f"model.{m}.weight" for m in modules] + (["lm_head.weight"] if arch not in ("gemma", "gemma2") else [])
    hf += [f"model.layers.1.{m}.bias" for m in LAYERS[arch] if "self_attn" in m and m.endswith("_proj") and arch != "phi3"]
    theirs = [names.get_name(name, try_suffixes=(".weight", ".bias")) for name in hf]
    assert all(theirs), [h for h, o in zip(hf, theirs) if not o]
    assert dump("--names", arch, text="\n".join(theirs) + "\n").split() == hf
    assert dump("--gguf-names", arch, text="\n".join(hf) + "\n").split() == theirs
    # Every tensor that gguf-py gives the architecture is in our table, but for those that are configuration.
    known = {gguf.TENSOR_NAMES[t].format(bid=3) + ".weight" for t in gguf.MODEL_TENSORS[model_arch]}
    missing = {n for n in known if dump("--names", arch, text=n + "\n").strip() == "-"}
    assert all(n.startswith("rope_f") or n.endswith(("attn_rot_embd.weight", "ffn_gate_inp.weight", "_exps.weight"))
               or (arch == "phi3" and n in ("blk.3.attn_q.weight", "blk.3.attn_k.weight", "blk.3.attn_v.weight"))
               for n in missing), missing


def some_tensors(reader):
    """All that stand outside the layers, and the first and the last layer."""
    layers = sorted({int(t.name.split(".")[1]) for t in reader.tensors if t.name.startswith("blk.")})
    chosen = (f"blk.{layers[0]}.", f"blk.{layers[-1]}.")
    return [t for t in reader.tensors if not t.name.startswith("blk.") or t.name.startswith(chosen)]


@pytest.mark.skipif(not MODEL_GGUF, reason="no LORA_MODEL_GGUF")
def test_real_model_equals_gguf_py(tmp_path):
    for tensor in some_tensors(gguf.GGUFReader(MODEL_GGUF)):
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type).ravel()
        np.testing.assert_array_equal(dumped(tmp_path, MODEL_GGUF, tensor.name), expected, err_msg=tensor.name)


@pytest.mark.skipif(not (MODEL_GGUF and MODEL_HF), reason="no LORA_MODEL_GGUF and LORA_MODEL_HF")
def test_real_model_equals_its_hugging_face_twin(tmp_path):
    from safetensors import safe_open

    reader = gguf.GGUFReader(MODEL_GGUF)
    arch = reader.fields["general.architecture"].contents()
    heads = {"attn_q": reader.fields[f"{arch}.attention.head_count"].contents(),
             "attn_k": reader.fields[f"{arch}.attention.head_count_kv"].contents()}
    names = [t.name for t in reader.tensors]
    hf_names = dump("--names", arch, text="\n".join(names) + "\n").split()
    with safe_open(os.path.join(MODEL_HF, "model.safetensors"), "np") as hf:
        assert set(hf.keys()) - {"lm_head.weight"} == set(hf_names) - {"lm_head.weight"}
        chosen = {t.name for t in some_tensors(reader)}
        for name, hf_name in zip(names, hf_names):
            if name not in chosen:
                continue
            n_heads = next((n for part, n in heads.items() if f".{part}." in name), 0) if arch == "llama" else 0
            expected = hf.get_tensor(hf_name)
            got = dumped(tmp_path, "--load", MODEL_GGUF, name, n_heads).reshape(expected.shape)
            np.testing.assert_array_equal(got, expected, err_msg=name)
            # and the safetensors reader gives the same
            if name.startswith("blk.0."):
                np.testing.assert_array_equal(dumped(tmp_path, MODEL_HF, hf_name), expected.ravel(), err_msg=hf_name)
