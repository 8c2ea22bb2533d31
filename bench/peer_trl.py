#!/usr/bin/env python3
"""The peer of bench/versus_trl.py: TRL's SFTTrainer with PEFT on the CPU, grouped by length. Needs `./setup --dev`.

usage: peer_trl.py MODEL_DIR TRAIN.jsonl [--steps N] [--warm N] [--dropout P]

Prints one line, RESULT and JSON: examples/s over the steps after the first --warm, seconds from the start of the process
until the first step begins, and the peak resident memory of the process.
"""
import argparse, json, os, resource, tempfile, time

STARTED = time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - float(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK"))

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("data")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--warm", type=int, default=3)
parser.add_argument("--dropout", type=float, default=0.0)
args = parser.parse_args()

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

# SmolLM2's template with TRL's marks around what is trained on.
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class Clock(TrainerCallback):
    def __init__(self):
        self.begun, self.ends = None, []

    def on_step_begin(self, *_, **__):
        self.begun = self.begun or time.time()

    def on_step_end(self, *_, **__):
        self.ends.append(time.time())


with tempfile.TemporaryDirectory() as work:
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype="float32", attn_implementation="sdpa")
    rows = load_dataset("json", data_files=args.data, split="train", cache_dir=os.path.join(work, "cache"))
    config = SFTConfig(
        output_dir=os.path.join(work, "out"), max_length=512, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        learning_rate=2e-4, warmup_steps=10, lr_scheduler_type="cosine", optim="adamw_torch", max_steps=args.steps,
        logging_steps=1, save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True, seed=1, bf16=False,
        gradient_checkpointing=False, assistant_only_loss=True, train_sampling_strategy="group_by_length",
        dataloader_pin_memory=False)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=args.dropout, task_type="CAUSAL_LM",
                      target_modules="all-linear")
    clock = Clock()
    SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=lora,
               callbacks=[clock]).train()

measured = len(clock.ends) - args.warm
print("RESULT " + json.dumps({
    "examples_per_second": 8 * measured / (clock.ends[-1] - clock.ends[args.warm - 1]),
    "first_step_begun": clock.begun - STARTED, "first_step_done": clock.ends[0] - STARTED,
    "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
