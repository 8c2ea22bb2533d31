// Which fields an answer has and of which type: paths out of JSON, XML or "Key: value" lines. Values are kept only
// where they may be labels (short strings at the top levels).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lora {

enum class FieldType : uint8_t { kNull, kBool, kNumber, kString, kList, kObject };
std::string_view field_type_name(FieldType type);  // "null", "true or false", "a number", "a string", …

struct AnswerField {
  std::string path;  // "address.city", "items[].price"; keys joined with '.', "[]" for any item of a list
  FieldType type = FieldType::kString;
  std::string value = {};  // of a string of at most 60 bytes; else empty

  bool operator==(const AnswerField&) const = default;
};

struct AnswerShape {
  std::vector<AnswerField> fields;  // sorted by path, one for each path and type

  bool empty() const { return fields.empty(); }
  std::vector<std::string_view> top_level_keys() const;
};

// At most this many fields, and keys up to this depth: the rest of a larger answer is not looked at.
inline constexpr size_t kMostFields = 200;
inline constexpr size_t kDeepestField = 6;

// The shape of a JSON object or array; false when `text` is not JSON, or not one of these. Duplicate keys count once.
bool json_shape(std::string_view text, AnswerShape& shape);
// Of one XML element; `root` is its name. False when `text` is not one well-nested element.
bool xml_shape(std::string_view text, AnswerShape& shape, std::string& root);
// Of at least two lines that all have the form "Key: value" (also "**Key:** value" and "- Key: value"), a key having
// at most 4 words; lines without a key may continue a value when they are indented. False otherwise.
bool key_lines_shape(std::string_view text, AnswerShape& shape);

}  // namespace lora
