// What a tokenizer is made of, as read from a GGUF file's metadata or from tokenizer.json: the tokens, the merges, and
// the steps that text passes before them. Plain data, checked once; tokenizer.h does the work.
// A component that is not known is an Error naming it; nothing is approximated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "files/gguf.h"
#include "text/pattern.h"

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

// Normalizers.
struct NormalizeNfc {};
struct NormalizePrepend {
  std::string text;
};  // unless the text is empty
struct NormalizeReplace {
  std::string from, to;
};  // every occurrence
using Normalizer = std::variant<NormalizeNfc, NormalizePrepend, NormalizeReplace>;

// Pre-tokenizers.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
struct SplitPattern {
  Pattern pattern;
  SplitBehavior behavior;
  bool invert;
};
struct PrefixSpace {};  // a space before each piece that does not start with one
enum class PrependScheme { kAlways, kFirst, kNever };
struct Metaspace {
  std::string replacement;
  PrependScheme prepend;
  bool split;
};
using PreTokenizer = std::variant<SplitPattern, PrefixSpace, Metaspace>;

struct VocabularyData {
  std::string source;      // the file, for errors
  bool byte_level = true;  // tokens are written in GPT-2's byte alphabet; symbols are bytes, not characters
  bool byte_fallback = false;        // a character without a token becomes <0x..> tokens
  bool ignore_merges = false;        // a piece that is a token is that token, whatever the merges say
  bool fuse_unk = false;             // neighbouring unknown characters are one unknown token
  bool strip_leading_space = false;  // when decoding

  std::vector<std::string>
      tokens;                    // by id, as written in the file; "" for a hole (HF only, never encoded to)
  std::vector<TokenKind> kinds;  // by id
  std::vector<std::pair<std::string, std::string>> merges;  // by rank, as written
  std::vector<float> scores;  // by id; used in place of merges when those are absent (SentencePiece)
  std::vector<AddedToken> added;
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pre_tokenizers;
  std::string pipeline;  // the steps in words, for the fingerprint

  std::optional<int32_t> bos_id, eos_id, unk_id, pad_id, eot_id;
  bool add_bos = false, add_eos = false;  // what plain-text encoding adds; a chat template brings its own
  std::string chat_template;              // "" when there is none
};

// Errors: kInput naming the file and key.
VocabularyData vocabulary_from_gguf(const GgufFile& file);
VocabularyData vocabulary_from_tokenizer_json(const std::filesystem::path& folder);

// The pre-tokenizer steps of a GGUF `tokenizer.ggml.pre` name, filled into `data`. Errors: kInput on an unknown name.
void set_pre_tokenizer_by_name(VocabularyData& data, const std::string& name);

// GPT-2's byte alphabet (Radford et al. 2019, encoder.py): printable bytes stand for themselves, the others are moved
// to U+0100 and up. nullopt when `token` holds another character.
std::optional<std::string> bytes_from_byte_level(const std::string& token);

// The value of a byte token "<0x0A>"; nullopt when it is not one.
std::optional<uint8_t> parse_byte_token(const std::string& token);

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace lora
