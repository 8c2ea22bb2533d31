// A fast JSON reader: verdict and places, no values copied. It accepts exactly the texts that read_json() accepts with
// duplicate keys let through (a differential test and a fuzzer hold them together), and says nothing of what is wrong
// with the others: ask read_json(). Not for texts over 4 GiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

enum class JsonType : uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };

// A value or a key. Nodes stand in the order of the text; below an object keys (strings) and values take turns.
struct JsonNode {
  uint32_t begin = 0, end = 0;  // bytes [begin, end) of the text, a string's quotes included
  uint32_t after = 0;           // index of the first node that is not below this one
  uint32_t count = 0;           // items of an array, members of an object
  JsonType type = JsonType::kNull;
  bool escaped = false;  // a string with a backslash in it
};

class JsonTape {
 public:
  // Reads one value with white space around it. False: not JSON. The text must outlive the use of the nodes.
  bool read(std::string_view text);

  std::string_view text() const { return text_; }
  const std::vector<JsonNode>& nodes() const { return nodes_; }
  const JsonNode& operator[](size_t i) const { return nodes_[i]; }
  // Keys that stand twice in one object: nodes of the second and later occurrences.
  const std::vector<uint32_t>& duplicate_keys() const { return duplicate_keys_; }

  // Index of the value of member `key` of the object at `object`; 0 when there is none. The last one counts.
  size_t find(size_t object, std::string_view key) const;
  // A string's value. Precondition: nodes()[i] is a string.
  std::string string(size_t i) const;
  void string(size_t i, std::string& out) const;
  // The bytes of a value as they stand.
  std::string_view raw(size_t i) const {
    return text_.substr(nodes_[i].begin, nodes_[i].end - nodes_[i].begin);
  }
  bool boolean(size_t i) const { return text_[nodes_[i].begin] == 't'; }
  double number(size_t i) const;

 private:
  bool read_value(size_t depth);
  bool read_string();
  bool read_number();
  bool read_object(size_t depth);
  bool read_array(size_t depth);
  bool read_word(std::string_view word, JsonType type);
  bool read_escape();
  void note_duplicates(size_t object);
  void skip_space();

  std::string_view text_;
  size_t at_ = 0;
  std::vector<JsonNode> nodes_;
  std::vector<uint32_t> duplicate_keys_;
  std::string scratch_, other_;
};

// Byte of `text` where byte `offset` of the value of the JSON string that opens at `quote` stands.
size_t offset_in_json_string(std::string_view text, size_t quote, size_t offset);

// Valid JSON without the white space between its parts.
std::string compact_json(std::string_view json);

}  // namespace lora
