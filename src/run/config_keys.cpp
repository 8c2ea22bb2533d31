// The table of configuration keys.
#include <functional>
#include <string>

#include "base/error.h"
#include "run/config.h"

namespace lora {
namespace {

using Type = ConfigKey::Type;

// A key that lies in a member reached by `member(config)`.
template <class Member>
ConfigKey key(std::string name, Type type, std::string help, Member member,
              std::vector<std::string> aliases = {}) {
  using Value = std::remove_cvref_t<decltype(member(std::declval<RunConfig&>()))>;
  return {
      name,
      std::move(aliases),
      type,
      std::move(help),
      [member, name](RunConfig& config, const ConfigValue& value) {
        if constexpr (std::is_same_v<Value, uint64_t>) {
          const int64_t number = std::get<int64_t>(value);
          if (number < 0)
            throw Error::input(
                {.where = name, .found = name + " is " + std::to_string(number), .expected = "0 or more"});
          member(config) = static_cast<uint64_t>(number);
        } else if constexpr (std::is_same_v<Value, LrScheduler>)
          member(config) = parse_lr_scheduler(std::get<std::string>(value));
        else
          member(config) = std::get<Value>(value);
      },
      [member](const RunConfig& config) -> nlohmann::ordered_json {
        const auto& value = member(const_cast<RunConfig&>(config));
        if constexpr (std::is_same_v<Value, LrScheduler>)
          return lr_scheduler_name(value);
        else
          return value;
      }};
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    const auto model = [](RunConfig& c) -> auto& { return c.model; };
    std::vector<ConfigKey> k;
    k.push_back(
        key("model", Type::kString, "the base: a GGUF file or a Hugging Face folder", model, {"model_name"}));
    k.push_back(key("train_data", Type::kString,
                    "rows to train on: chat JSONL, one {\"messages\": […]} a line, ShareGPT, Alpaca, …",
                    [](RunConfig& c) -> auto& { return c.train_data; }));
    k.push_back(key("eval_data", Type::kString,
                    "held-out rows for the verdict; left out: split off train_data",
                    [](RunConfig& c) -> auto& { return c.eval_data; }));
    k.push_back(key("output_dir", Type::kString, "folder of the run; a finished one is never overwritten",
                    [](RunConfig& c) -> auto& { return c.output_dir; }));
    k.push_back(key("dataset_text_field", Type::kString,
                    "key of plain-text rows, of which every token is learned",
                    [](RunConfig& c) -> auto& { return c.dataset_text_field; }));
    k.push_back(key("check_ignore", Type::kStrings,
                    "codes of `lora check` that this run does not look for (`lora check --codes` lists them)",
                    [](RunConfig& c) -> auto& { return c.check_ignore; }));
    k.push_back(key("chat_template", Type::kString,
                    "a template's file, or chatml, llama3, mistral, gemma, phi3, …, for a base without one",
                    [](RunConfig& c) -> auto& { return c.text.chat_template; }));
    k.push_back(
        key("chat_template_date", Type::kString,
            "the day that a template may print, \"2024-07-26\"; empty: the day of the run, which is recorded",
            [](RunConfig& c) -> auto& { return c.text.arguments.date; }));
    k.push_back(key("chat_template_kwargs", Type::kString,
                    "further arguments of the template, a JSON object such as {\"enable_thinking\": false}",
                    [](RunConfig& c) -> auto& { return c.text.arguments.extra; }));
    k.push_back(
        key("r", Type::kInteger, "rank of the adapter", [](RunConfig& c) -> auto& { return c.adapter.r; }));
    k.push_back(key("lora_alpha", Type::kNumber, "the update is scaled by lora_alpha / r",
                    [](RunConfig& c) -> auto& { return c.adapter.lora_alpha; }));
    k.push_back(key("lora_dropout", Type::kNumber,
                    "share of a module's input that the adapter does not see in training",
                    [](RunConfig& c) -> auto& { return c.adapter.lora_dropout; }));
    k.push_back(key("target_modules", Type::kStrings,
                    "\"all-linear\", or some of q_proj, k_proj, v_proj, o_proj, "
                    "gate_proj, up_proj, down_proj",
                    [](RunConfig& c) -> auto& { return c.target_modules; }));
    k.push_back(key("use_rslora", Type::kBool, "scale by lora_alpha / sqrt(r)",
                    [](RunConfig& c) -> auto& { return c.adapter.use_rslora; }));
    k.push_back(key("load_in_4bit", Type::kBool,
                    "quantize the frozen base to NF4 when it is loaded, as bitsandbytes does",
                    [](RunConfig& c) -> auto& { return c.load_in_4bit; }));
    k.push_back(key(
        "float32_matmul_precision", Type::kString,
        "bits of a number that count in products: highest (all 24), high (16 at least) or medium (8, as "
        "bfloat16, in which layers then keep what the backward pass reads), each faster than the one before "
        "where the processor has tiles, medium also where vectors multiply bfloat16; or auto: medium with "
        "bf16, "
        "high for a quantized base, else highest",
        [](RunConfig& c) -> auto& { return c.float32_matmul_precision; }));
    k.push_back(key("fp16", Type::kBool,
                    "accepted as in TRL, and without effect: nothing is computed in half precision so far",
                    [](RunConfig& c) -> auto& { return c.fp16; }));
    k.push_back(key("bf16", Type::kBool,
                    "on a CPU: bfloat16 for products and for what layers keep for the backward pass "
                    "(float32_matmul_precision medium); on a GPU so far without effect",
                    [](RunConfig& c) -> auto& { return c.bf16; }));
    k.push_back(key("max_seq_length", Type::kInteger,
                    "longest row in tokens; longer rows are refused, never cut",
                    [](RunConfig& c) -> auto& { return c.max_seq_length; }, {"max_length"}));
    k.push_back(key("per_device_train_batch_size", Type::kInteger,
                    "times gradient_accumulation_steps: examples of a step",
                    [](RunConfig& c) -> auto& { return c.train.per_device_train_batch_size; }));
    k.push_back(key("gradient_accumulation_steps", Type::kInteger, "see per_device_train_batch_size",
                    [](RunConfig& c) -> auto& { return c.train.gradient_accumulation_steps; }));
    k.push_back(key("num_train_epochs", Type::kNumber, "passes over the training rows",
                    [](RunConfig& c) -> auto& { return c.train.num_train_epochs; }));
    k.push_back(key("max_steps", Type::kInteger, "optimizer steps; above 0 it overrides num_train_epochs",
                    [](RunConfig& c) -> auto& { return c.train.max_steps; }));
    k.push_back(key("learning_rate", Type::kNumber, "the peak",
                    [](RunConfig& c) -> auto& { return c.train.learning_rate; }));
    k.push_back(key("lr_scheduler_type", Type::kString,
                    "linear, cosine, constant, constant_with_warmup or warmup_stable_decay",
                    [](RunConfig& c) -> auto& { return c.train.lr_scheduler_type; }));
    k.push_back(key("warmup_steps", Type::kInteger, "steps in which the learning rate rises from 0",
                    [](RunConfig& c) -> auto& { return c.train.warmup_steps; }));
    k.push_back(key("num_decay_steps", Type::kInteger,
                    "last steps of warmup_stable_decay, in which it falls to 0; 0: a fifth of all",
                    [](RunConfig& c) -> auto& { return c.train.num_decay_steps; }));
    k.push_back(key("loraplus_lr_ratio", Type::kNumber, "learning rate of B over that of A (LoRA+)",
                    [](RunConfig& c) -> auto& { return c.train.loraplus_lr_ratio; }));
    k.push_back(key(
        "optim", Type::kString,
        "adamw (or adamw_torch), or adamw_8bit (or adamw_bnb_8bit, paged_adamw_8bit): its state in 8 bits",
        [](RunConfig& c) -> auto& { return c.train.optim; }));
    k.push_back(key("weight_decay", Type::kNumber, "decoupled, of AdamW",
                    [](RunConfig& c) -> auto& { return c.train.weight_decay; }));
    k.push_back(key("adam_beta1", Type::kNumber, "AdamW's first decay",
                    [](RunConfig& c) -> auto& { return c.train.adam_beta1; }));
    k.push_back(key("adam_beta2", Type::kNumber, "AdamW's second decay",
                    [](RunConfig& c) -> auto& { return c.train.adam_beta2; }));
    k.push_back(key("adam_epsilon", Type::kNumber, "AdamW's epsilon",
                    [](RunConfig& c) -> auto& { return c.train.adam_epsilon; }));
    k.push_back(key("max_grad_norm", Type::kNumber, "larger gradients are scaled down to this norm; 0: never",
                    [](RunConfig& c) -> auto& { return c.train.max_grad_norm; }));
    k.push_back(key("seed", Type::kInteger, "split, order of rows, initial adapter, dropout masks",
                    [](RunConfig& c) -> auto& { return c.train.seed; }));
    k.push_back(key("logging_steps", Type::kInteger, "a line of metrics.jsonl each so many steps",
                    [](RunConfig& c) -> auto& { return c.train.logging_steps; }));
    k.push_back(key("eval_strategy", Type::kString,
                    "steps, or no: hold out no rows to choose the checkpoint by, keep the last",
                    [](RunConfig& c) -> auto& { return c.eval_strategy; }));
    k.push_back(key("eval_steps", Type::kInteger,
                    "held-out loss and a checkpoint each so many steps; 0: ten times in a run",
                    [](RunConfig& c) -> auto& { return c.train.eval_steps; }, {"save_steps"}));
    k.push_back(key("test_size", Type::kInteger, "rows held out for the verdict; 0: by the number of rows",
                    [](RunConfig& c) -> auto& { return c.test_size; }));
    k.push_back(key("valid_size", Type::kInteger, "rows that choose the checkpoint; 0: by the number of rows",
                    [](RunConfig& c) -> auto& { return c.valid_size; }));
    k.push_back(key("max_new_tokens", Type::kInteger,
                    "limit of an answer; 0: by the longest reference answer",
                    [](RunConfig& c) -> auto& { return c.max_new_tokens; }));
    k.push_back(key("eval_batch_size", Type::kInteger,
                    "answers written together; changes speed and memory only",
                    [](RunConfig& c) -> auto& { return c.eval_batch_size; }, {"per_device_eval_batch_size"}));
    k.push_back(key("latency_questions", Type::kInteger,
                    "held-out questions that local contestants are asked alone, to measure latency; 0: none",
                    [](RunConfig& c) -> auto& { return c.latency_questions; }));
    k.push_back(key("price_per_hour", Type::kNumber,
                    "of this machine, for the cost of 1,000 local answers; 0: not told",
                    [](RunConfig& c) -> auto& { return c.price_per_hour; }));
    k.push_back(key("few_shot", Type::kBool,
                    "ask the base with examples in its prompt too: would prompting have done?",
                    [](RunConfig& c) -> auto& { return c.few_shot; }));
    k.push_back(
        key("checks", Type::kString,
            "a file of [[check]] tables: what answers are judged by; or write them in the configuration",
            [](RunConfig& c) -> auto& { return c.checks_file; }));
    k.push_back(key("share_prefixes", Type::kBool,
                    "lay a prefix that examples of a step share once, where that saves 5 % of its tokens; "
                    "off: slower, the "
                    "same result",
                    [](RunConfig& c) -> auto& { return c.train.share_prefixes; }));
    k.push_back(
        key("micro_batch_tokens", Type::kInteger,
            "most tokens in one pass: more is faster and takes more memory; 0: 1024, more where rows share "
            "long prompts, less under memory_limit",
            [](RunConfig& c) -> auto& { return c.micro_batch_tokens; }));
    k.push_back(key(
        "recompute", Type::kString,
        "what a pass computes again rather than keeps: none, cheap (a quarter more work), block (half more), "
        "cheap:N or block:N (in the first N layers), or auto: as memory_limit needs",
        [](RunConfig& c) -> auto& { return c.recompute; }));
    k.push_back(key("memory_limit", Type::kString,
                    "most memory of the whole program, such as 3GB: micro_batch_tokens, recompute and where "
                    "the base lies are chosen to fit",
                    [](RunConfig& c) -> auto& { return c.memory_limit; }));
    k.push_back(key("threads", Type::kInteger, "CPU threads; 0: all cores",
                    [](RunConfig& c) -> auto& { return c.threads; }));
    k.push_back(key("device", Type::kString,
                    "where the model computes: cpu, or an NVIDIA GPU (cuda, cuda:N) by the plain operations",
                    [](RunConfig& c) -> auto& { return c.device; }));
    k.push_back(key("reference", Type::kBool,
                    "plain operations in place of the fused ones: slow, to compare with",
                    [](RunConfig& c) -> auto& { return c.reference; }));
    return k;
  }();
  return keys;
}

}  // namespace lora
