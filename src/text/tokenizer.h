// A model's tokenizer: text to ids and back, equal to Hugging Face `tokenizers` on the same vocabulary.
// Adds no BOS or EOS of its own: a chat template writes its own, and plain-text callers have add_bos().
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

class Tokenizer {
 public:
  // From GGUF metadata, or tokenizer.json with tokenizer_config.json. Errors: kInput naming what is not supported.
  static std::unique_ptr<Tokenizer> from_checkpoint(const Checkpoint& checkpoint);
  explicit Tokenizer(VocabularyData data);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Text is UTF-8; ill-formed bytes are encoded byte by byte. Errors: kInput when the pre-tokenizer's pattern runs away
  // or the text is longer than 1 GiB.
  std::vector<int32_t> encode(std::string_view text, Special special) const;
  Encoding encode_with_offsets(std::string_view text, Special special) const;

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
  bool strips_leading_space() const;      // whether decode drops one space at the very start (SentencePiece)
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
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Ids in, text out, as it becomes complete: never a part of a character. For streaming.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special), at_start_(tokenizer.strips_leading_space()) {}

  // What the id completes; "" while a character is still open. Errors: kInput on an id outside the vocabulary.
  std::string feed(int32_t id);
  // The rest; an open character becomes U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  bool at_start_;  // the next text may lose one leading space
  std::string pending_;
};

}  // namespace lora
