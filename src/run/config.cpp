#include "run/config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/atomic_file.h"
#include "base/byte_size.h"
#include "base/error.h"
#include "base/nearest_word.h"
#include "judging/config_toml.h"
#include "train/optimizer.h"

namespace lora {
namespace {

std::string type_text(ConfigKey::Type type) {
  switch (type) {
    case ConfigKey::Type::kBool:
      return "true or false";
    case ConfigKey::Type::kInteger:
      return "a whole number";
    case ConfigKey::Type::kNumber:
      return "a number";
    case ConfigKey::Type::kString:
      return "a string";
    case ConfigKey::Type::kStrings:
      return "a string, or an array of strings";
  }
  __builtin_unreachable();
}

[[noreturn]] void refuse_type(const ConfigKey& key, const std::string& found, const std::string& where) {
  throw Error::input(
      {.where = where, .found = fmt::format("{} is {}", key.name, found), .expected = type_text(key.type)});
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

ConfigValue from_toml(const ConfigKey& key, const toml::node& node, const std::string& where) {
  using Type = ConfigKey::Type;
  switch (key.type) {
    case Type::kBool:
      if (const auto* v = node.as_boolean()) return v->get();
      break;
    case Type::kInteger:
      if (const auto* v = node.as_integer()) return v->get();
      break;
    case Type::kNumber:
      if (const auto* v = node.as_floating_point()) return v->get();
      if (const auto* v = node.as_integer()) return static_cast<double>(v->get());
      break;
    case Type::kString:
      if (const auto* v = node.as_string()) return v->get();
      break;
    case Type::kStrings: {
      if (const auto* v = node.as_string()) return std::vector<std::string>{v->get()};
      const auto* array = node.as_array();
      if (!array) break;
      std::vector<std::string> strings;
      for (const auto& item : *array) {
        const auto* text = item.as_string();
        if (!text) refuse_type(key, "an array with other things than strings", where);
        strings.push_back(text->get());
      }
      return strings;
    }
  }
  std::string found;
  switch (node.type()) {
    case toml::node_type::table:
      found = "a table";
      break;
    case toml::node_type::array:
      found = "an array";
      break;
    case toml::node_type::string:
      found = "a string";
      break;
    case toml::node_type::integer:
      found = "a whole number";
      break;
    case toml::node_type::floating_point:
      found = "a number with a fraction";
      break;
    case toml::node_type::boolean:
      found = "true or false";
      break;
    default:
      found = "a date or time";
      break;
  }
  refuse_type(key, found, where);
}

void require(bool holds, const std::string& key, const std::string& found, const std::string& expected) {
  if (!holds)
    throw Error::input({.where = key, .found = fmt::format("{} is {}", key, found), .expected = expected});
}

void require_range(const std::string& key, double value, double low, double high) {
  require(value >= low && value <= high, key, fmt::format("{}", value),
          fmt::format("a number from {} to {}", low, high));
}

}  // namespace

const ConfigKey& find_key(const std::string& name, const std::string& where) {
  const ConfigKey* nearest = nullptr;
  size_t distance = SIZE_MAX;
  for (const ConfigKey& key : config_keys()) {
    std::vector<std::string> names = key.aliases;
    names.push_back(key.name);
    for (const std::string& known : names) {
      if (known == name) return key;
      const size_t d = letters_apart(known, name);
      if (d < distance) {
        distance = d;
        nearest = &key;
      }
    }
  }
  throw Error::input({.where = where,
                      .found = fmt::format("the key \"{}\" is not known", name),
                      .fix = fmt::format("The nearest known key is \"{}\": {}. `lora run --help` lists all.",
                                         nearest->name, nearest->help)});
}

void set_from_text(RunConfig& config, const std::string& name, const std::string& text,
                   const std::string& where) {
  using Type = ConfigKey::Type;
  const ConfigKey& key = find_key(name, where);
  switch (key.type) {
    case Type::kBool:
      if (text != "true" && text != "false") refuse_type(key, "\"" + text + "\"", where);
      return key.set(config, text == "true");
    case Type::kInteger: {
      const auto number = parse_number<int64_t>(text);
      if (!number) refuse_type(key, "\"" + text + "\"", where);
      return key.set(config, *number);
    }
    case Type::kNumber: {
      const auto number = parse_number<double>(text);
      if (!number) refuse_type(key, "\"" + text + "\"", where);
      return key.set(config, *number);
    }
    case Type::kString:
      return key.set(config, text);
    case Type::kStrings:
      return key.set(config, split_commas(text));
  }
}

void read_toml(RunConfig& config, const std::filesystem::path& file) {
  const std::string text = read_file(file);
  const auto place = [&](const toml::source_region& source) {
    return fmt::format("{}:{}:{}", file.string(), source.begin.line, source.begin.column);
  };
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error::input({.where = place(error.source()),
                        .found = std::string("this is not TOML: ") + error.what(),
                        .fix = "Write one `key = value` a line; strings in double quotes."});
  }
  for (const auto& [name, node] : table) {
    if (name.str() == "check") {
      config.checks = checks_of_toml(node, file);
      continue;
    }
    if (read_judging_key(config.judging, name.str(), node, file.string())) continue;
    const ConfigKey& key = find_key(std::string(name.str()), place(name.source()));
    key.set(config, from_toml(key, node, place(node.source())));
  }
}

namespace {

// bf16 is a precision of products; plain operations, which a GPU takes too, know none but the highest.
void settle_precision(RunConfig& c) {
  const bool asked = c.float32_matmul_precision != "auto";
  if (c.device != "cpu" || c.reference) {
    if (c.bf16 || (asked && c.float32_matmul_precision != "highest"))
      c.notes.push_back(fmt::format("{}: plain operations multiply all bits of a float",
                                    c.bf16 ? "bf16" : "float32_matmul_precision"));
    c.float32_matmul_precision = precision_name(MatmulPrecision::kHighest);
    return;
  }
  if (!c.bf16) return;
  if (!asked) c.float32_matmul_precision = precision_name(MatmulPrecision::kMedium);
  c.notes.push_back("bf16: on a CPU that means float32_matmul_precision = \"" + c.float32_matmul_precision +
                    "\"; what is neither multiplied nor kept for the backward pass stays in fp32");
}

}  // namespace

void finish(RunConfig& c) {
  c.adapter.target_modules = parse_target_modules(c.target_modules);
  require(!c.model.empty(), "model", "not given", "a GGUF file or a Hugging Face folder");
  require_range("r", static_cast<double>(c.adapter.r), 1, 4096);
  require_range("lora_alpha", c.adapter.lora_alpha, 1e-6, 1e6);
  require(c.adapter.lora_dropout >= 0 && c.adapter.lora_dropout < 1, "lora_dropout",
          fmt::format("{}", c.adapter.lora_dropout), "a probability from 0 to below 1");
  require_range("max_seq_length", static_cast<double>(c.max_seq_length), 2, 1 << 24);
  require_range("per_device_train_batch_size", static_cast<double>(c.train.per_device_train_batch_size), 1,
                1 << 20);
  require_range("gradient_accumulation_steps", static_cast<double>(c.train.gradient_accumulation_steps), 1,
                1 << 20);
  require_range("num_train_epochs", c.train.num_train_epochs, 1e-6, 1e6);
  require_range("max_steps", static_cast<double>(c.train.max_steps), 0, 1e12);
  require_range("learning_rate", c.train.learning_rate, 0, 1);
  require_range("warmup_steps", static_cast<double>(c.train.warmup_steps), 0, 1e12);
  require_range("num_decay_steps", static_cast<double>(c.train.num_decay_steps), 0, 1e12);
  require_range("loraplus_lr_ratio", c.train.loraplus_lr_ratio, 1e-6, 1e6);
  require_range("weight_decay", c.train.weight_decay, 0, 1);
  require(c.train.adam_beta1 >= 0 && c.train.adam_beta1 < 1, "adam_beta1",
          fmt::format("{}", c.train.adam_beta1), "a number from 0 to below 1");
  require(c.train.adam_beta2 >= 0 && c.train.adam_beta2 < 1, "adam_beta2",
          fmt::format("{}", c.train.adam_beta2), "a number from 0 to below 1");
  require_range("adam_epsilon", c.train.adam_epsilon, 1e-30, 1);
  require_range("max_grad_norm", c.train.max_grad_norm, 0, 1e9);
  require_range("logging_steps", static_cast<double>(c.train.logging_steps), 1, 1e12);
  require_range("eval_steps", static_cast<double>(c.train.eval_steps), 0, 1e12);
  require_range("test_size", static_cast<double>(c.test_size), 0, 1e9);
  require_range("valid_size", static_cast<double>(c.valid_size), 0, 1e9);
  require_range("max_new_tokens", static_cast<double>(c.max_new_tokens), 0, 1 << 24);
  require_range("eval_batch_size", static_cast<double>(c.eval_batch_size), 1, 4096);
  require_range("latency_questions", static_cast<double>(c.latency_questions), 0, 1e6);
  require_range("price_per_hour", c.price_per_hour, 0, 1e9);
  require_range("micro_batch_tokens", static_cast<double>(c.micro_batch_tokens), 0, 1 << 24);
  require_range("threads", static_cast<double>(c.threads), 0, 4096);
  require(optimizer_known(c.train.optim), "optim", "\"" + c.train.optim + "\"", "adamw or adamw_8bit");
  require(c.eval_strategy == "steps" || c.eval_strategy == "no", "eval_strategy",
          "\"" + c.eval_strategy + "\"", "steps or no");
  require(c.recompute == "auto" || recompute_named(c.recompute), "recompute", "\"" + c.recompute + "\"",
          "auto, none, cheap or block, or the latter two in some layers, as cheap:12");
  require(c.float32_matmul_precision == "auto" || precision_named(c.float32_matmul_precision),
          "float32_matmul_precision", "\"" + c.float32_matmul_precision + "\"",
          "auto, highest, high or medium");
  c.notes.clear();
  settle_precision(c);
  if (c.micro_batch_tokens > 0) c.train.micro_batch_tokens = c.micro_batch_tokens;
  c.train.recompute = recompute_named(c.recompute).value_or(Recompute::kNone);
  c.memory_limit_bytes = c.memory_limit.empty() ? 0 : parse_byte_size(c.memory_limit, "memory_limit");
  require(!c.dataset_text_field.empty(), "dataset_text_field", "empty", "the key of plain-text rows");

  if (!c.checks_file.empty()) {
    require(c.checks.empty(), "checks", "given beside [[check]] tables", "one of the two");
    c.checks = read_checks_file(c.checks_file);
  }

  check_endpoints(c.judging);

  if (c.fp16) c.notes.emplace_back("fp16: nothing is computed in half precision so far, so it has no effect");
  if (c.train.num_decay_steps > 0 && c.train.lr_scheduler_type != LrScheduler::kWarmupStableDecay)
    c.notes.push_back(
        fmt::format("num_decay_steps: {} has no such steps", lr_scheduler_name(c.train.lr_scheduler_type)));
  if (c.eval_strategy == "no" && c.valid_size > 0)
    c.notes.emplace_back("valid_size: with eval_strategy = \"no\" no rows choose the checkpoint");
  if (!c.eval_data.empty() && c.test_size > 0)
    c.notes.emplace_back("test_size: eval_data holds the rows of the verdict, so none are split off");
}

nlohmann::ordered_json config_json(const RunConfig& config) {
  nlohmann::ordered_json json;
  for (const ConfigKey& key : config_keys()) json[key.name] = key.get(config);
  if (!config.checks.empty()) json["check"] = config.checks.tables;
  return json;
}

}  // namespace lora
