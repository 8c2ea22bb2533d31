#include "deploy/peft.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "deploy/peft_targets.h"
#include "files/safetensors.h"
#include "weights/load.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr const char* kRecordFile = "lora.json";
constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr uintmax_t kLargestTemplate = 1 << 20;

std::string peft_key(const Adapter::Entry& entry) {
  return "base_model.model.model." + entry.name + ".weight";
}

Json config_json(const Adapter& adapter, const AdapterRecord* record) {
  const AdapterConfig& config = adapter.config();
  Json json;
  json["peft_type"] = "LORA";
  json["task_type"] = "CAUSAL_LM";
  json["base_model_name_or_path"] = record ? Json(record->base_path) : Json(nullptr);
  json["r"] = config.r;
  // PEFT writes whole numbers as integers.
  if (config.lora_alpha == static_cast<double>(static_cast<int64_t>(config.lora_alpha)))
    json["lora_alpha"] = static_cast<int64_t>(config.lora_alpha);
  else
    json["lora_alpha"] = config.lora_alpha;
  json["lora_dropout"] = config.lora_dropout;
  json["target_modules"] = target_modules_json(adapter);
  json["use_rslora"] = config.use_rslora;
  json["bias"] = "none";
  json["fan_in_fan_out"] = false;
  json["init_lora_weights"] = true;
  json["inference_mode"] = true;
  json["modules_to_save"] = nullptr;
  return json;
}

[[noreturn]] void refuse(const fs::path& file, const std::string& found, const std::string& expected,
                         const std::string& fix) {
  throw Error::input({.where = file.string(), .found = found, .expected = expected, .fix = fix});
}

Json read_json_file(const fs::path& file) {
  Json json = Json::parse(read_file(file), nullptr, false);
  if (!json.is_object())
    refuse(file, "this is not a JSON object", "", "The file is damaged; copy the adapter again.");
  return json;
}

// Settings of PEFT's LoraConfig that would change what the adapter computes. Each may be absent, null, or its default.
void refuse_unsupported(const Json& json, const fs::path& file) {
  const auto neutral = [](const Json& v) {
    return v.is_null() || v == false || v == "none" || (v.is_structured() && v.empty());
  };
  for (const char* key : {"use_dora", "bias", "modules_to_save", "rank_pattern", "alpha_pattern",
                          "fan_in_fan_out", "layer_replication", "lora_bias", "trainable_token_indices",
                          "target_parameters", "alora_invocation_tokens", "use_qalora", "arrow_config",
                          "use_bdlora", "velora_config", "kasa_config", "monteclora_config"}) {
    if (json.contains(key) && !neutral(json[key]))
      refuse(file, std::string("the setting \"") + key + "\" is " + json[key].dump(), "its default",
             "lora.cpp does not compute this setting yet, so the adapter is refused.");
  }
  // How the matrices began is of no matter once they are trained, except where the base was changed with them (PiSSA,
  // OLoRA, CorDA, LoftQ, LoRA-GA, and what may come): the adapter then belongs to a base that is not on disk.
  const Json init = json.value("init_lora_weights", Json(true));
  const std::set<std::string> harmless{"gaussian", "eva", "orthogonal", "mica"};
  if (!init.is_null() && !init.is_boolean() &&
      !(init.is_string() && harmless.contains(init.get<std::string>())))
    refuse(file, "the setting \"init_lora_weights\" is " + init.dump(), "true",
           "That initialisation changes the base itself. Have PEFT convert the adapter to a plain one "
           "(save_pretrained "
           "with path_initial_model_for_weight_conversion).");
}

template <class T>
T value_of(const Json& json, const char* key, const fs::path& file) {
  try {
    return json.at(key).get<T>();
  } catch (const nlohmann::json::exception&) {
    refuse(file, std::string("\"") + key + "\" is missing or of another type", "",
           "The file is damaged, or not a LoRA adapter's.");
  }
}

AdapterConfig config_from(const Json& json, const ModelConfig& model, const fs::path& file) {
  if (!json.contains("peft_type") || json["peft_type"] != "LORA")
    refuse(file, "peft_type is " + (json.contains("peft_type") ? json["peft_type"].dump() : "missing"),
           "\"LORA\"", "Only LoRA adapters can be loaded.");
  refuse_unsupported(json, file);
  AdapterConfig config;
  config.r = value_of<int64_t>(json, "r", file);
  config.lora_alpha = value_of<double>(json, "lora_alpha", file);
  if (json.contains("lora_dropout")) config.lora_dropout = value_of<double>(json, "lora_dropout", file);
  if (json.contains("use_rslora") && !json["use_rslora"].is_null())
    config.use_rslora = value_of<bool>(json, "use_rslora", file);
  config.target_modules = peft_targets(json, model, file);
  return config;
}

}  // namespace

void save_peft(const fs::path& folder, const Adapter& adapter, const AdapterRecord* record) {
  std::vector<TensorInfo> tensors;
  std::vector<at::Tensor> alive;
  for (const Adapter::Entry& entry : adapter.entries()) {
    alive.push_back(entry.tensor.to(at::kFloat).contiguous());
    const at::Tensor& t = alive.back();
    tensors.push_back({peft_key(entry), DType::kF32, t.sizes().vec(),
                       std::as_bytes(std::span(t.data_ptr<float>(), static_cast<size_t>(t.numel())))});
  }
  write_safetensors(folder / kWeightsFile, tensors, {{"format", "pt"}});
  write_file_atomic(folder / kConfigFile, config_json(adapter, record).dump(2) + "\n", IfExists::kReplace);
  if (!record) return;
  Json json;
  json["format"] = 1;
  json["base"] = record->base_path;
  json["base_fingerprint"] = record->base_fingerprint;
  if (!record->base_quantization.empty()) json["base_quantization"] = record->base_quantization;
  if (!record->template_options.empty()) json["template_options"] = Json::parse(record->template_options);
  json["text_fingerprint"] = record->text_fingerprint;
  json["golden_ids"] = record->golden_ids;
  if (!record->chat_template.empty())
    write_file_atomic(folder / kTemplateFile, record->chat_template, IfExists::kReplace);
  write_file_atomic(folder / kRecordFile, json.dump(2) + "\n", IfExists::kReplace);
}

void read_matrices(const fs::path& folder, Adapter& adapter) {
  const fs::path file = folder / kWeightsFile;
  const SafetensorsFile weights = SafetensorsFile::open(file);
  std::set<std::string> used;
  for (const Adapter::Entry& entry : adapter.entries()) {
    const std::string key = peft_key(entry);
    const TensorInfo* info = weights.find(key);
    if (!info)
      refuse(file, "the tensor " + key + " is missing", "a matrix for every target module of every layer",
             "The adapter belongs to another model, or the file is incomplete.");
    if (at::IntArrayRef(info->shape) != entry.tensor.sizes())
      refuse(file, "the tensor " + key + " has the shape " + info->shape_text(),
             TensorInfo{.name = {}, .shape = entry.tensor.sizes().vec(), .bytes = {}}.shape_text(),
             "The adapter belongs to another model.");
    entry.tensor.copy_(load_tensor(*info, entry.tensor.scalar_type()));
    used.insert(key);
  }
  for (const TensorInfo& info : weights.tensors())
    if (!used.contains(info.name))
      refuse(file, "the tensor " + info.name + " has no place in this model", "",
             "The adapter belongs to another model; using only a part of it would be wrong without a sign.");
}

Adapter load_peft(const fs::path& folder, const ModelConfig& model, at::ScalarType dtype) {
  if (!fs::is_directory(folder))
    refuse(folder, "there is no such folder",
           "a folder with adapter_config.json and adapter_model.safetensors", "Check the path.");
  const fs::path file = folder / kConfigFile;
  Adapter adapter = Adapter::create(model, config_from(read_json_file(file), model, file), 0, dtype);
  read_matrices(folder, adapter);
  return adapter;
}

AdapterRecord read_record(const fs::path& folder) {
  const fs::path file = folder / kRecordFile;
  if (!fs::exists(file)) return {};
  const Json json = read_json_file(file);
  AdapterRecord record;
  record.base_path = value_of<std::string>(json, "base", file);
  record.base_fingerprint = value_of<std::string>(json, "base_fingerprint", file);
  record.text_fingerprint = value_of<std::string>(json, "text_fingerprint", file);
  record.golden_ids = value_of<std::vector<int32_t>>(json, "golden_ids", file);
  if (json.contains("base_quantization"))
    record.base_quantization = value_of<std::string>(json, "base_quantization", file);
  if (json.contains("template_options")) record.template_options = json["template_options"].dump();
  record.chat_template = read_chat_template(folder).value_or("");
  return record;
}

std::optional<std::string> read_chat_template(const fs::path& folder) {
  const fs::path file = folder / kTemplateFile;
  if (!fs::exists(file)) return std::nullopt;
  if (fs::file_size(file) > kLargestTemplate)
    refuse(file, "the template has " + std::to_string(fs::file_size(file)) + " bytes",
           "at most " + std::to_string(kLargestTemplate), "Give the right file with --chat-template.");
  return read_file(file);
}

void check_record(const fs::path& folder, const AdapterRecord& now) {
  const AdapterRecord record = read_record(folder);
  if (!record.base_fingerprint.empty() && record.base_fingerprint != now.base_fingerprint)
    refuse(
        folder / kRecordFile, "the adapter was trained on another base (" + record.base_path + ")",
        "the base with fingerprint " + record.base_fingerprint.substr(0, 12) + "…",
        "Load it with that model: on other weights, even another quantization, it computes something else.");
  if (!record.text_fingerprint.empty() && record.text_fingerprint != now.text_fingerprint)
    refuse(folder / kRecordFile, "the adapter was trained with another tokenizer or chat template",
           "the fingerprint " + record.text_fingerprint.substr(0, 12) + "…",
           "Use the template that it was trained with, or its prompts will not mean the same to it.");
  if (!record.golden_ids.empty() && record.template_options == now.template_options &&
      record.golden_ids != now.golden_ids)
    refuse(folder / kRecordFile,
           "this version of lora.cpp makes other tokens of the same conversation than the one that trained "
           "the adapter",
           "the golden_ids that are recorded here",
           "Use the version that it was trained with, or train it again.");
}

}  // namespace lora
