#!/usr/bin/env python3
"""Writes the float32 Hugging Face twin of a GGUF model: same weights, dequantized, in a directory that
transformers, PEFT and TRL load. The parity tests compare `lora` on the GGUF with those libraries on the twin.

usage: make_hf_twin.py MODEL.gguf OUT_DIR
"""
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"

import gguf
import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(path):
    """Model and tokenizer by transformers' GGUF reader, which also undoes the q/k row permutation."""
    where = dict(pretrained_model_name_or_path=str(path.parent), gguf_file=path.name)
    return AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32), AutoTokenizer.from_pretrained(**where)


def unquantized(model):
    """A copy that can be saved: transformers refuses to save what it read from GGUF, float32 or not."""
    config = model.config
    config.__dict__.pop("quantization_config", None)
    config.dtype = torch.float32
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    return plain


def check(path, out):
    """The written directory against the file itself, read by gguf-py: embedding bits and chat template."""
    reader = gguf.GGUFReader(path)
    embedding = next(t for t in reader.tensors if t.name == "token_embd.weight")
    expected = gguf.quants.dequantize(embedding.data, embedding.tensor_type)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    if not numpy.array_equal(model.get_input_embeddings().weight.detach().numpy(), expected):
        sys.exit("make_hf_twin: the twin's embedding is not the GGUF's")
    template = reader.get_field("tokenizer.chat_template")
    if template is not None and AutoTokenizer.from_pretrained(out).chat_template != template.contents():
        sys.exit("make_hf_twin: the twin's chat template is not the GGUF's")
    return sum(p.numel() for p in model.parameters())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, out = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    model, tokenizer = load(path)
    unquantized(model).save_pretrained(out)
    tokenizer.save_pretrained(out)
    print(f"   {out}: {check(path, out):,} parameters, embedding and template equal the GGUF's")


if __name__ == "__main__":
    main()
