#include "run/session.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/memory.h"
#include "weights/bnb_4bit.h"

namespace lora {
namespace {

// Its ids are stored with every adapter: whoever loads it can see whether text still becomes the same ids.
std::vector<Message> golden_conversation() {
  return {{"user", "Is 12.5 % of 80 ten? Answer: yes/no"}, {"assistant", "Yes – it is 10."}};
}

}  // namespace

TextSession::TextSession(const std::filesystem::path& model)
    : checkpoint_(Checkpoint::open(model)),
      tokenizer_(Tokenizer::from_checkpoint(checkpoint_)),
      template_(ChatTemplate::from_checkpoint(checkpoint_)),
      renderer_(*tokenizer_, template_) {}

Session::Session(const std::filesystem::path& model, const SessionOptions& options)
    : base_path_(model.string()) {
  keep_freed_memory();
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  text_ = std::make_unique<TextSession>(model);
  ModelConfig config = read_model_config(text_->checkpoint());
  if (static_cast<int64_t>(text_->tokenizer().vocab_size()) > config.vocab_size)
    throw Error::input({.where = model.string(),
                        .found = fmt::format("the tokenizer has {} tokens, the embedding {} rows",
                                             text_->tokenizer().vocab_size(), config.vocab_size),
                        .expected = "at least a row for each token",
                        .fix = "Tokenizer and weights do not belong together; download the model again."});
  ModelWeights weights = load_weights(text_->checkpoint(), config);
  decoder_ = std::make_unique<Decoder>(std::move(config), std::move(weights),
                                       options.reference ? ops::Backend::kReference : ops::Backend::kFused);
}

AdapterRecord Session::record() const {
  const Rendered golden = renderer().render({.messages = golden_conversation()}, "golden conversation");
  return {base_path_, text_->checkpoint().fingerprint(), renderer().fingerprint(), golden.ids,
          quantization_of(text_->checkpoint())};
}

Adapter Session::load_adapter(const std::filesystem::path& folder) const {
  Adapter adapter = load_peft(folder, decoder_->config());
  check_record(folder, text_->checkpoint().fingerprint(), renderer().fingerprint());
  return adapter;
}

}  // namespace lora
