// A model's tokenizer: text to ids and back, equal to Hugging Face `tokenizers` on the same tokenizer.json, to
// SentencePiece on the same tokenizer.model, to tiktoken on the same ranks.
// encode() adds no BOS or EOS: a chat template writes its own. Plain text that is not rendered by a template gets what
// the tokenizer's post-processor adds by encode_plain().
// Thread-safe: all members are const; a cache of words is guarded inside.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "files/checkpoint.h"
#include "text/vocabulary.h"

namespace lora {

// Whether "<|im_end|>" in the text becomes its control token, or is read as ordinary characters.
enum class Special { kParse, kText };

struct Encoding {
  std::vector<int32_t> ids;
  std::vector<uint32_t> begin, end;  // bytes of the input that each id covers; an inserted space covers none
};

class StreamDecoder;

class Tokenizer {
 public:
  // From GGUF metadata, or a Hugging Face folder (vocabulary_from_folder). Errors: kInput naming what is not supported.
  static std::unique_ptr<Tokenizer> from_checkpoint(const Checkpoint& checkpoint);
  explicit Tokenizer(VocabularyData data);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Text is UTF-8; ill-formed bytes are encoded byte by byte. Errors: kInput when the pre-tokenizer's pattern runs away
  // or the text is longer than 1 GiB.
  std::vector<int32_t> encode(std::string_view text, Special special) const;
  Encoding encode_with_offsets(std::string_view text, Special special) const;

  // encode() with the tokens that the family puts around plain text (post_processor, add_bos_token).
  std::vector<int32_t> encode_plain(std::string_view text, Special special) const;
  std::span<const int32_t> prefix_ids() const;
  std::span<const int32_t> suffix_ids() const;

  // Valid UTF-8: bytes that are not become U+FFFD. `skip_special` leaves control tokens out.
  // Errors: kInput on an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  // The bytes an id stands for, perhaps a part of a character. Errors as decode.
  std::string_view token_bytes(int32_t id) const;

  bool is_control(int32_t id) const;  // false also for ids outside the vocabulary
  std::optional<int32_t> bos_id() const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> pad_id() const;
  std::optional<int32_t> unk_id() const;
  std::optional<int32_t> eot_id() const;  // GGUF's end-of-turn token, when it names one
  bool add_bos() const;                   // whether plain text starts with BOS in this family
  size_t vocab_size() const;
  std::optional<int32_t> find_token(std::string_view token) const;  // as written in the vocabulary

  // Where a control token is spelled out in `text`; nullopt when nowhere. `token` is its text.
  struct ControlText {
    size_t position;
    std::string token;
  };
  std::optional<ControlText> find_control_text(std::string_view text) const;

  // SHA-256 over the tokens, their kinds, the merges and the steps before them: equal vocabularies encode alike.
  std::string fingerprint() const;

 private:
  friend class StreamDecoder;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Ids in, text out, as it becomes complete: never a part of a character. For streaming. The parts together are what
// decode() gives, but for one case: where byte tokens of a SentencePiece vocabulary make ill-formed UTF-8, decode()
// gives up the whole run as Hugging Face does, and the stream has shown the run's good characters by then.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);

  // What the id completes; "" while a character is still open. Errors: kInput on an id outside the vocabulary.
  std::string feed(int32_t id);
  // The rest; an open character becomes U+FFFD.
  std::string finish();

 private:
  std::string complete(bool at_end);
  std::string from_steps(bool at_end);

  const Tokenizer* tokenizer_;
  bool skip_special_;
  bool at_start_;        // the next text may lose one leading space
  bool in_run_ = false;  // pending_ is of byte tokens
  std::string pending_;
  std::vector<int32_t> ids_;  // Decoding::kSteps: all so far
  size_t shown_ = 0;          // bytes of their text
};

}  // namespace lora
