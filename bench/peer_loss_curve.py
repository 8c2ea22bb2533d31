#!/usr/bin/env python3
"""The peer of bench/loss_curve.py: TRL's SFTTrainer over rows in their order, from a given adapter. Needs `./setup --dev`.

usage: peer_loss_curve.py MODEL_DIR ROWS.jsonl ADAPTER_DIR OUT.jsonl [--steps 50] [--batch 4] [--accumulation 2] [--bf16]

Writes a line for each optimizer step: step, loss (not rounded), grad_norm, learning_rate, supervised_tokens.
"""
import argparse, json, os, tempfile

parser = argparse.ArgumentParser()
for name in ("model", "data", "adapter", "out"):
    parser.add_argument(name)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--accumulation", type=int, default=2)
parser.add_argument("--bf16", action="store_true")
args = parser.parse_args()

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from datasets import load_dataset
from peft import LoraConfig, get_peft_model, load_peft_weights, set_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

TEMPLATE = (  # SmolLM2's, with TRL's marks around what is trained on
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class Recorder(SFTTrainer):
    """The log rounds losses; a step's is the sum of what its micro-batches return."""

    losses, tokens = [], []

    def training_step(self, model, inputs, *more, **named):
        loss = super().training_step(model, inputs, *more, **named)
        self.losses.append(float(loss))
        self.tokens.append(int((inputs["labels"] != -100).sum()))
        return loss


with tempfile.TemporaryDirectory() as work:
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype="float32", attn_implementation="sdpa")
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules="all-linear"))
    unused = set_peft_model_state_dict(model, load_peft_weights(args.adapter, device="cpu")).unexpected_keys
    assert not unused, unused
    rows = load_dataset("json", data_files=args.data, split="train", cache_dir=os.path.join(work, "cache"))
    config = SFTConfig(
        output_dir=os.path.join(work, "out"), max_length=512, per_device_train_batch_size=args.batch,
        gradient_accumulation_steps=args.accumulation, learning_rate=2e-4, warmup_steps=10, lr_scheduler_type="cosine",
        optim="adamw_torch", weight_decay=0.0, max_grad_norm=1.0, max_steps=args.steps, logging_steps=1, save_strategy="no",
        report_to="none", use_cpu=True, disable_tqdm=True, seed=1, bf16=args.bf16, gradient_checkpointing=False,
        assistant_only_loss=True, train_sampling_strategy="sequential", dataloader_pin_memory=False)
    trainer = Recorder(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    trainer.train()

n = args.accumulation
logged = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
with open(args.out, "w") as file:
    for i, entry in enumerate(logged):
        file.write(json.dumps({
            "step": i + 1, "loss": sum(trainer.losses[n * i:n * i + n]), "grad_norm": float(entry["grad_norm"]),
            "learning_rate": entry["learning_rate"], "supervised_tokens": sum(trainer.tokens[n * i:n * i + n])}) + "\n")
