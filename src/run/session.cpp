#include "run/session.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/memory.h"
#include "base/profile.h"
#include "ops/device.h"
#include "weights/bnb_4bit.h"

namespace lora {
namespace {

// Its ids are stored with every adapter: whoever loads it can see whether text still becomes the same ids.
std::vector<Message> golden_conversation() {
  return {{"user", "Is 12.5 % of 80 ten? Answer: yes/no"}, {"assistant", "Yes – it is 10."}};
}

std::unique_ptr<TextSession> open_text(const std::filesystem::path& model, const TextOptions& options) {
  const ProfileScope scope("load");
  return std::make_unique<TextSession>(model, options);
}

}  // namespace

TextOptions or_as_trained(TextOptions options, const std::filesystem::path& folder) {
  const AdapterRecord record = read_record(folder);
  if (options.chat_template.empty() && !record.chat_template.empty())
    options.chat_template = (folder / "chat_template.jinja").string();
  if (record.template_options.empty()) return options;
  try {
    const auto trained = nlohmann::json::parse(record.template_options);
    if (!options.arguments.enable_thinking && trained.contains("enable_thinking"))
      options.arguments.enable_thinking = trained["enable_thinking"].get<bool>();
    if (options.arguments.date.empty()) options.arguments.date = trained.value("date", "");
    if (options.arguments.tools.empty()) options.arguments.tools = trained.value("tools", "");
    if (options.arguments.extra.empty()) options.arguments.extra = trained.value("extra", "");
  } catch (const nlohmann::json::exception&) {
    throw Error::input({.where = (folder / "lora.json").string(),
                        .found = "\"template_options\" is not what lora.cpp writes",
                        .fix = "Take the adapter's folder from the run again."});
  }
  return options;
}

bool trained_in_4bit(const std::filesystem::path& folder) {
  return read_record(folder).base_quantization == four_bit_name(FourBitType::kNf4);
}

Session::Session(const std::filesystem::path& model, const SessionOptions& options)
    : Session(model, open_text(model, options.text), options) {}

Session::Session(const std::filesystem::path& model, std::unique_ptr<TextSession> text,
                 const SessionOptions& options)
    : base_path_(model.string()),
      backend_(options.reference ? ops::Backend::kReference : ops::Backend::kFused),
      text_(std::move(text)),
      device_(ops::open_device(options.device)) {
  const ProfileScope scope("load");
  keep_freed_memory();
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  ModelConfig config = read_model_config(text_->checkpoint());
  if (static_cast<int64_t>(text_->tokenizer().vocab_size()) > config.vocab_size)
    throw Error::input({.where = model.string(),
                        .found = fmt::format("the tokenizer has {} tokens, the embedding {} rows",
                                             text_->tokenizer().vocab_size(), config.vocab_size),
                        .expected = "at least a row for each token",
                        .fix = "Tokenizer and weights do not belong together; download the model again."});
  ModelWeights weights = load_weights(text_->checkpoint(), config, at::kFloat,
                                      base_storage(options.load_in_4bit, options.base_in_file), device_);
  weights.set_precision(options.precision.value_or(weights.training_precision()));
  decoder_ = std::make_unique<Decoder>(std::move(config), std::move(weights), backend_);
  release_start_up_memory();
}

bool Session::quantized_on_load() const {
  return decoder_->weights().quantized_on_load;
}

Decoder Session::unquantized() const {
  const ModelConfig& config = decoder_->config();
  ModelWeights weights =
      load_weights(text_->checkpoint(), config, at::kFloat, BaseStorage::kPassing, device_);
  weights.set_precision(decoder_->weights().precision());
  return {config, std::move(weights), backend_};
}

AdapterRecord Session::record() const {
  const Rendered golden = renderer().render({.messages = golden_conversation()}, "golden conversation");
  AdapterRecord record{base_path_, text_->checkpoint().fingerprint(), renderer().fingerprint(), golden.ids};
  record.base_quantization = quantized_on_load() ? std::string(four_bit_name(FourBitType::kNf4))
                                                 : quantization_of(text_->checkpoint());
  if (text_->chat_template().is_override()) record.chat_template = text_->chat_template().source();
  const TemplateOptions& options = renderer().options();
  nlohmann::json told = nlohmann::json::object();
  if (text_->chat_template().uses_date()) told["date"] = options.date;
  if (options.enable_thinking) told["enable_thinking"] = *options.enable_thinking;
  if (!options.tools.empty()) told["tools"] = options.tools;
  if (!options.extra.empty()) told["extra"] = options.extra;
  if (!told.empty()) record.template_options = told.dump();
  return record;
}

Adapter Session::load_adapter(const std::filesystem::path& folder) const {
  Adapter adapter = load_peft(folder, decoder_->config());
  check_record(folder, record());
  return adapter;
}

}  // namespace lora
