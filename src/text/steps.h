// The steps of a tokenizer around its model, as plain data: normalizers and pre-tokenizers before it, decoders after it.
// The names and meanings are those of Hugging Face `tokenizers`. What they do is in normalized_text.h, pre_tokenize.h
// and decoder.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "text/pattern.h"

namespace lora {

class ByteTrie;
class Charsmap;

// Normalizers.
enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
struct NormalizeForm {
  NormalForm form;
};
struct NormalizePrepend {  // unless the text is empty
  std::string text;
};
struct NormalizeReplace {  // every occurrence of `pattern`, or of the string `from` when there is none
  std::string from, to;
  std::optional<Pattern> pattern = std::nullopt;
};
struct NormalizeLowercase {};
struct NormalizeStrip {  // white space at the ends
  bool left, right;
};
struct NormalizeStripAccents {};
struct NormalizeBert {
  bool clean_text, handle_chinese_chars, strip_accents, lowercase;
};
struct NormalizeCharsmap {  // "Precompiled"
  std::shared_ptr<const Charsmap> charsmap;
};
struct NormalizeByteLevel {};  // bytes become GPT-2's byte alphabet
struct NormalizeSentencePiece {
  std::shared_ptr<const Charsmap> charsmap;      // nullptr: characters stay
  std::shared_ptr<const ByteTrie> user_defined;  // pieces that pass untouched; nullptr: none
  bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, whitespace_as_suffix;
};
using Normalizer = std::variant<NormalizeForm, NormalizePrepend, NormalizeReplace, NormalizeLowercase,
                                NormalizeStrip, NormalizeStripAccents, NormalizeBert, NormalizeCharsmap,
                                NormalizeByteLevel, NormalizeSentencePiece>;

// Pre-tokenizers.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
struct SplitPattern {
  Pattern pattern;
  SplitBehavior behavior;
  bool invert;
};
enum class CharacterClass { kWhiteSpace, kPunctuation, kNumeric };
struct SplitClass {  // each character of the class is a match
  CharacterClass characters;
  SplitBehavior behavior;
};
struct SplitWords {};    // "Whitespace": runs of \w, and runs of what is neither \w nor white space
struct PrefixSpace {};   // a space before each piece that does not start with one
struct MapByteLevel {};  // bytes become GPT-2's byte alphabet, where ByteLevel is not the last step
enum class PrependScheme { kAlways, kFirst, kNever };
struct Metaspace {
  std::string replacement;
  PrependScheme prepend;
  bool split;
};
struct SplitLength {  // pieces of so many characters
  size_t length;
};
using PreTokenizer =
    std::variant<SplitPattern, SplitClass, SplitWords, PrefixSpace, MapByteLevel, Metaspace, SplitLength>;

// Decoders.
struct DecodeByteLevel {};
struct DecodeReplace {
  std::string from, to;
  std::optional<Pattern> pattern = std::nullopt;
};
struct DecodeByteFallback {};
struct DecodeFuse {};
struct DecodeStrip {
  std::string content;  // one character
  size_t start, stop;
};
struct DecodeMetaspace {
  std::string replacement;
  bool strips_first;  // the first token loses its replacements instead of getting spaces
};
struct DecodeWordPiece {
  std::string prefix;
  bool cleanup;
};
struct DecodeBpe {
  std::string suffix;
};
using DecodeStep = std::variant<DecodeByteLevel, DecodeReplace, DecodeByteFallback, DecodeFuse, DecodeStrip,
                                DecodeMetaspace, DecodeWordPiece, DecodeBpe>;

}  // namespace lora
