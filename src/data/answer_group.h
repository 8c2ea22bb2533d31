// What puts answers together before their forms are compared: coarse kinds, how questions and answers begin, and whether
// a question asks for a form by itself.
#pragma once

#include <cstdint>
#include <string_view>

#include "data/format_family.h"

namespace lora {

// Kinds that are one thing when the majority of a group is looked for.
enum class Bucket {
  kNone,
  kObject,
  kArray,
  kFence,
  kBroken,
  kAround,
  kXml,
  kKeyLines,
  kCode,
  kNumber,
  kShort,
  kProse
};
inline constexpr size_t kBuckets = static_cast<size_t>(Bucket::kProse) + 1;

Bucket bucket_of(FormatKind kind);
bool is_json_bucket(Bucket bucket);
// Prose without structure of Markdown.
bool is_plain(FormatKind kind);

uint32_t hash32(std::string_view text);

// Hash of the words that a question begins with, digits made equal: what instructions of one kind share.
uint32_t opening_of(std::string_view question);

// "Answer:" of "Answer: 42"; empty without one.
std::string_view prefix_of(std::string_view answer);

// Whether a question, folded, itself asks for an answer of this kind; of a long one its first and last line count.
bool asks_for(std::string_view folded_question, FormatKind kind);

}  // namespace lora
