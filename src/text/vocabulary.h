// What a tokenizer is made of, as read from any of its files: the tokens, the merges or scores, and the steps that text
// passes before and after them. Plain data, checked once; tokenizer.h does the work.
// A component that is not known is an Error naming it; nothing is approximated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/gguf.h"
#include "text/byte_level.h"
#include "text/steps.h"

namespace lora {

enum class TokenKind : uint8_t { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

// A token that is found in the text before anything else, with the flags of Hugging Face's AddedToken.
struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;                 // a control token
  bool single_word = false;             // only where no word character stands beside it
  bool lstrip = false, rstrip = false;  // takes the white space before, after it
  bool normalized = false;              // is looked for in the normalized text
};

enum class ModelKind { kBpe, kUnigram, kWordPiece, kWordLevel };

// How decoding puts tokens together.
enum class Decoding {
  kBytes,  // their bytes, one after the other (byte-level BPE, tiktoken)
  kRuns,   // SentencePiece: spaces for its sign, byte tokens joined to characters
  kSteps,  // the decoders of a tokenizer.json, whatever they are
};

struct VocabularyData {
  std::string source;  // the file, for errors
  ModelKind model = ModelKind::kBpe;
  bool byte_level = true;         // BPE works on bytes; tokens are written in GPT-2's byte alphabet
  bool tokens_are_bytes = false;  // …or are the bytes themselves (tiktoken)
  bool sentencepiece = false;  // a native SentencePiece model: its rules for user-defined pieces and rounding
  bool byte_fallback = false;  // a character without a token becomes <0x..> tokens
  bool ignore_merges = false;  // a piece that is a token is that token, whatever the merges say
  bool fuse_unk = false;       // neighbouring unknown characters are one unknown token
  bool merges_by_score = false;  // any two neighbours whose join is a token merge, the best score first
  std::string continuing_subword_prefix, end_of_word_suffix;
  size_t max_input_chars_per_word = 100;  // WordPiece
  std::optional<int32_t> model_unk_id;    // what the model gives for what it does not know

  std::vector<std::string>
      tokens;                    // by id, as written in the file; "" for a hole (HF only, never encoded to)
  std::vector<TokenKind> kinds;  // by id
  std::vector<bool> outside_model;  // by id, or shorter: added tokens that the model does not know
  std::vector<std::pair<std::string, std::string>> merges;  // by rank, as written
  std::vector<double> scores;                               // by id
  std::shared_ptr<const ByteTrie> user_defined;  // pieces that a native SentencePiece model never cuts
  std::vector<AddedToken> added;
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pre_tokenizers;
  Decoding decoding = Decoding::kBytes;
  std::vector<DecodeStep> decoders;  // kSteps; none: tokens with spaces between
  bool strip_leading_space = false;  // kRuns: one at the very start
  bool strip_more_spaces = false;    // …and one of each piece before the first that shows anything
  bool strict_byte_runs = false;     // kRuns: one bad byte spoils its run (Hugging Face's ByteFallback)
  std::string pipeline;              // the steps in words, for the fingerprint

  std::optional<int32_t> bos_id, eos_id, unk_id, pad_id, eot_id;
  // What plain text gets before and after it; a chat template brings its own.
  std::vector<int32_t> prefix_ids, suffix_ids;
  std::string chat_template;  // "" when there is none
};

// Errors: kInput naming the file and key.
VocabularyData vocabulary_from_gguf(const GgufFile& file);
// tokenizer.json, or in its absence tekken.json or tokenizer.model, with tokenizer_config.json.
VocabularyData vocabulary_from_folder(const std::filesystem::path& folder);
// The single files. `folder` is where tokenizer_config.json is looked for.
VocabularyData vocabulary_from_tokenizer_json(std::string_view json, const std::filesystem::path& folder);
VocabularyData vocabulary_from_tekken(std::string_view json, const std::string& source);
VocabularyData vocabulary_from_sentencepiece(std::string_view protobuf, const std::filesystem::path& folder);
VocabularyData vocabulary_from_tiktoken(std::string_view lines, const std::filesystem::path& folder);

// The pre-tokenizer steps of a GGUF `tokenizer.ggml.pre` name, filled into `data`. Errors: kInput on an unknown name.
void set_pre_tokenizer_by_name(VocabularyData& data, const std::string& name);

// Whether the model may give a token of its own accord. Control tokens it never gives: only added_tokens.h finds them, so
// text that must not hold them cannot make them.
bool is_in_model(const VocabularyData& data, size_t id);

// The byte that a token stands for where a character has none of its own; nullopt when it stands for none.
std::optional<uint8_t> fallback_byte(const VocabularyData& data, size_t id);

inline constexpr size_t kMaxTokens = 4'000'000;

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace lora
