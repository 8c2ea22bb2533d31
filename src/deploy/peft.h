// Adapters in PEFT's file format: a folder with adapter_config.json and adapter_model.safetensors, which PEFT loads and
// which may come from PEFT. Beside them lora.json records what the adapter was trained on (docs/formats/adapter.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"

namespace lora {

// What an adapter was trained on and with; checked again when it is loaded.
struct AdapterRecord {
  std::string base_path;            // as the user gave it; for people and for PEFT's base_model_name_or_path
  std::string base_fingerprint;     // Checkpoint::fingerprint()
  std::string text_fingerprint;     // Renderer::fingerprint(): tokenizer and template
  std::vector<int32_t> golden_ids;  // a fixed conversation as this program rendered it
  std::string base_quantization = {};  // quantization_of(base): "", "bitsandbytes nf4", …
  std::string chat_template = {};  // kept as chat_template.jinja when it is not the base's own; else empty
  std::string template_options =
      {};  // what the template was told beside the messages, JSON as text; "" is nothing
};

// Writes adapter_config.json, adapter_model.safetensors and, with a record, lora.json and chat_template.jinja into
// `folder`, which must exist.
// Errors: kMachine when it cannot be written.
void save_peft(const std::filesystem::path& folder, const Adapter& adapter, const AdapterRecord* record);

// Loads an adapter for a base of this shape. Strict: Errors (kInput) name a tensor that is missing, left over or of
// another shape, and any setting that would change the result and is not supported (DoRA, biases, ranks that differ, …).
Adapter load_peft(const std::filesystem::path& folder, const ModelConfig& model,
                  at::ScalarType dtype = at::kFloat);

// Copies the matrices of a PEFT folder into `adapter`, whose configuration must be the same. Errors as load_peft.
void read_matrices(const std::filesystem::path& folder, Adapter& adapter);

// The record beside an adapter; empty strings when there is no lora.json (an adapter from PEFT).
AdapterRecord read_record(const std::filesystem::path& folder);

// The chat template that lies beside an adapter: the one that it was trained with, where the base has none or another.
std::optional<std::string> read_chat_template(const std::filesystem::path& folder);

// Throws (kInput) when the adapter was trained on another base or with another tokenizer or template than those of `now`, or when
// these, told the same, render the fixed conversation otherwise than then. An adapter without a record passes.
void check_record(const std::filesystem::path& folder, const AdapterRecord& now);

}  // namespace lora
