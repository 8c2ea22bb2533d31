// A model opened for use: its files, its text, its decoder and, when one is given, an adapter that belongs to it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/matmul_precision.h"
#include "deploy/peft.h"
#include "files/checkpoint.h"
#include "model/decoder.h"
#include "text/text_session.h"

namespace lora {

// `options`, and where they leave something open, what the adapter in `folder` was trained with.
// Errors: kInput when its record is broken.
TextOptions or_as_trained(TextOptions options, const std::filesystem::path& folder);

// Whether the adapter in `folder` was trained over a base that load_in_4bit had quantized. Errors: as above.
bool trained_in_4bit(const std::filesystem::path& folder);

struct SessionOptions {
  int64_t threads = 0;         // 0: all cores
  std::string device = "cpu";  // as ops::open_device has it
  bool reference = false;      // plain operations in place of the fused ones
  TextOptions text = {};
  bool load_in_4bit = false;  // see BaseStorage::kFourBit
  // nullopt: ModelWeights::training_precision.
  std::optional<MatmulPrecision> precision = MatmulPrecision::kHighest;
  bool base_in_file = false;  // see BaseStorage::kPassing
};

class Session {
 public:
  // Errors: kInput as the parts have them, a device that is not there among them; kInput when tokenizer and embedding do not
  // belong together.
  Session(const std::filesystem::path& model, const SessionOptions& options);
  // The same where the text of `model` is open already; options.text is not read.
  Session(const std::filesystem::path& model, std::unique_ptr<TextSession> text,
          const SessionOptions& options);

  const TextSession& text() const { return *text_; }
  const Renderer& renderer() const { return text_->renderer(); }
  const Tokenizer& tokenizer() const { return text_->tokenizer(); }
  const Decoder& decoder() const { return *decoder_; }

  // Whether load_in_4bit made 4 bits of anything: not where the file's matrices are quantized already.
  bool quantized_on_load() const;
  // The base as it was before that, read from the file at each use.
  Decoder unquantized() const;

  // What an adapter trained in this session records.
  AdapterRecord record() const;
  // Loads an adapter of this base. Errors: kInput when it belongs to another base, tokenizer or template.
  Adapter load_adapter(const std::filesystem::path& folder) const;

 private:
  std::string base_path_;
  ops::Backend backend_ = ops::Backend::kFused;
  std::unique_ptr<TextSession> text_;
  c10::Device device_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace lora
