#!/usr/bin/env python3
"""The peer of bench/versus_trl.py: TRL's SFTTrainer with PEFT on the CPU. Needs `./setup --dev`.

usage: peer_trl.py MODEL_DIR TRAIN.jsonl [--steps N] [--warm N] [--batch 4] [--accumulation 2] [--dropout P] [--max-length 512]
                   [--template chatml|gemma] [--sampling group_by_length] [--bf16] [--nf4 float32|bfloat16] [--gradient-checkpointing]

Prints one line, RESULT and JSON: examples/s and tokens/s (without padding) over the steps after the first --warm, seconds from
the start of the process until the first step begins and ends, and the peak resident memory of the process.
"""
import argparse, json, os, resource, tempfile, time

STARTED = time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - float(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK"))

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("data")
parser.add_argument("--steps", type=int, default=12)
parser.add_argument("--warm", type=int, default=3)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--accumulation", type=int, default=2)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--max-length", type=int, default=512)
parser.add_argument("--template", choices=["chatml", "gemma"], default="chatml")
parser.add_argument("--sampling", default="group_by_length")
parser.add_argument("--bf16", action="store_true", help="the base in bfloat16, and computed in it")
parser.add_argument("--nf4", choices=["float32", "bfloat16"], help="a 4-bit base that bitsandbytes makes, and what it computes in")
parser.add_argument("--gradient-checkpointing", action="store_true")
args = parser.parse_args()

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

# The models' templates with TRL's marks around what is trained on.
TEMPLATES = {
    "chatml":
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
        "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
        "{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "gemma":
        "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
        "{% if m['role'] == 'system' %}{% set ns.system = m['content'] + '\n\n' %}"
        "{% elif m['role'] == 'assistant' %}{{ '<start_of_turn>model\n' }}"
        "{% generation %}{{ m['content'] + '<end_of_turn>' }}{% endgeneration %}{{ '\n' }}"
        "{% else %}{{ '<start_of_turn>user\n' + ns.system + m['content'] + '<end_of_turn>\n' }}{% set ns.system = '' %}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
}


class Clock(TrainerCallback):
    def __init__(self):
        self.begun, self.ends = None, []

    def on_step_begin(self, *_, **__):
        self.begun = self.begun or time.time()

    def on_step_end(self, *_, **__):
        self.ends.append(time.time())


class CountingTrainer(SFTTrainer):
    tokens, examples = 0, 0

    def training_step(self, model, inputs, *more, **named):
        if len(clock.ends) >= args.warm:
            self.tokens += int(inputs["attention_mask"].sum())
            self.examples += len(inputs["input_ids"])
        return super().training_step(model, inputs, *more, **named)


with tempfile.TemporaryDirectory() as work:
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    tokenizer.chat_template = TEMPLATES[args.template]
    quantized = {}
    if args.nf4:
        quantized = {"device_map": "cpu", "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=getattr(torch, args.nf4))}
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=args.nf4 or ("bfloat16" if args.bf16 else "float32"), attn_implementation="sdpa", **quantized)
    rows = load_dataset("json", data_files=args.data, split="train", cache_dir=os.path.join(work, "cache"))
    config = SFTConfig(
        output_dir=os.path.join(work, "out"), max_length=args.max_length, per_device_train_batch_size=args.batch,
        gradient_accumulation_steps=args.accumulation, learning_rate=2e-4, warmup_steps=10, lr_scheduler_type="cosine",
        optim="adamw_torch", max_steps=args.steps, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True,
        disable_tqdm=True, seed=1, bf16=args.bf16 or args.nf4 == "bfloat16", gradient_checkpointing=args.gradient_checkpointing,
        assistant_only_loss=True, train_sampling_strategy=args.sampling, dataloader_pin_memory=False)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=args.dropout, task_type="CAUSAL_LM",
                      target_modules="all-linear")
    clock = Clock()
    trainer = CountingTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=lora,
                              callbacks=[clock])
    trainer.train()

seconds = clock.ends[-1] - clock.ends[args.warm - 1]
print("RESULT " + json.dumps({
    "examples_per_second": trainer.examples / seconds, "tokens_per_second": trainer.tokens / seconds,
    "first_step_begun": clock.begun - STARTED, "first_step_done": clock.ends[0] - STARTED,
    "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
