#include "data/answer_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/json_reader.h"
#include "data/plain_text.h"

namespace lora {
namespace {

constexpr size_t kLongestValue = 60;
constexpr size_t kLongestKey = 60;

void add(AnswerShape& shape, const std::string& path, FieldType type, std::string_view value = {}) {
  if (shape.fields.size() >= kMostFields) return;
  for (const AnswerField& field : shape.fields)
    if (field.type == type && field.path == path) return;
  shape.fields.push_back({path, type, std::string(value.size() <= kLongestValue ? value : "")});
}

void sort_fields(AnswerShape& shape) {
  std::sort(shape.fields.begin(), shape.fields.end(), [](const AnswerField& a, const AnswerField& b) {
    return std::pair(std::string_view(a.path), a.type) < std::pair(std::string_view(b.path), b.type);
  });
}

void walk(const nlohmann::json& value, const std::string& path, size_t depth, AnswerShape& shape) {
  using Type = nlohmann::json::value_t;
  switch (value.type()) {
    case Type::object:
      if (!path.empty()) add(shape, path, FieldType::kObject);
      if (depth >= kDeepestField) return;
      for (const auto& [key, item] : value.items()) {
        if (shape.fields.size() >= kMostFields) return;
        const std::string name = first_characters(key, kLongestKey);
        walk(item, path.empty() ? name : fmt::format("{}.{}", path, name), depth + 1, shape);
      }
      return;
    case Type::array: {
      if (!path.empty()) add(shape, path, FieldType::kList);
      if (depth >= kDeepestField) return;
      size_t seen = 0;
      for (const auto& item : value) {
        if (++seen > 20 || shape.fields.size() >= kMostFields) return;
        walk(item, path + "[]", depth + 1, shape);
      }
      return;
    }
    case Type::string:
      return add(shape, path, FieldType::kString, value.get_ref<const std::string&>());
    case Type::null:
      return add(shape, path, FieldType::kNull);
    case Type::boolean:
      return add(shape, path, FieldType::kBool);
    default:
      return add(shape, path, FieldType::kNumber);
  }
}

bool is_name_start(char c) {
  return is_ascii_letter(c) || c == '_';
}
bool is_name_character(char c) {
  return is_name_start(c) || is_ascii_digit(c) || c == '-' || c == '.' || c == ':';
}

// The key of a line "Key: value", "**Key:** value", "- Key: value"; empty when it has none.
std::string_view key_of_line(std::string_view line, std::string_view& value) {
  if (line.starts_with("- ") || line.starts_with("* ")) line.remove_prefix(2);
  const bool bold = line.starts_with("**");
  if (bold) line.remove_prefix(2);
  size_t colon = line.find(':');
  size_t width = 1;
  if (const size_t wide = line.find("\xEF\xBC\x9A"); wide < colon) colon = wide, width = 3;  // U+FF1A
  if (colon == std::string_view::npos || colon == 0 || colon > kLongestKey) return {};
  value = line.substr(colon + width);
  if (!value.empty() && width == 1 && value[0] != ' ' && value[0] != '\t' && !value.starts_with("**"))
    return {};
  std::string_view key = line.substr(0, colon);
  if (key.ends_with("**")) key.remove_suffix(2);
  if (value.starts_with("**")) value.remove_prefix(2);
  value = trimmed_text(value);
  key = trimmed_text(key);
  if (key.empty() || space_words(key, 5).size() > 4) return {};
  if (key.find_first_of(".,;!?()\"<>{}[]`=") != std::string_view::npos) return {};
  if (is_ascii_digit(key[0])) return {};
  return key;
}

}  // namespace

std::string_view field_type_name(FieldType type) {
  switch (type) {
    case FieldType::kNull:
      return "null";
    case FieldType::kBool:
      return "true or false";
    case FieldType::kNumber:
      return "a number";
    case FieldType::kString:
      return "a string";
    case FieldType::kList:
      return "a list";
    case FieldType::kObject:
      return "an object";
  }
  return "";
}

std::vector<std::string_view> AnswerShape::top_level_keys() const {
  std::vector<std::string_view> keys;
  for (const AnswerField& field : fields) {
    std::string_view path = field.path;
    if (path.starts_with("[]")) path.remove_prefix(path.starts_with("[].") ? 3 : 2);
    if (path.empty() || path.find('.') != std::string_view::npos || path.ends_with("[]")) continue;
    if (keys.empty() || keys.back() != path) keys.push_back(path);
  }
  return keys;
}

bool json_shape(std::string_view text, AnswerShape& shape) {
  text = trimmed_text(text);
  if (text.size() < 2 || (text[0] != '{' && text[0] != '[')) return false;
  const JsonText read = read_json(text, {.refuse_duplicate_keys = false, .keep_places = false});
  if (!read.ok() || !read.value.is_structured()) return false;
  walk(read.value, "", 0, shape);
  sort_fields(shape);
  return true;
}

bool xml_shape(std::string_view text, AnswerShape& shape, std::string& root) {
  text = trimmed_text(text);
  if (text.starts_with("<?xml")) {
    const size_t end = text.find("?>");
    if (end == std::string_view::npos) return false;
    text = trimmed_text(text.substr(end + 2));
  }
  if (text.size() < 4 || text[0] != '<' || text.back() != '>') return false;
  std::vector<std::string_view> open;
  std::string path;
  bool closed = false;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '<') {
      if (open.empty()) {
        if (!is_blank(text[i])) return false;
        ++i;
      } else {
        i = std::min(text.find('<', i), text.size());
      }
      continue;
    }
    if (text.substr(i).starts_with("<!--")) {
      const size_t end = text.find("-->", i);
      if (end == std::string_view::npos) return false;
      i = end + 3;
      continue;
    }
    const bool ends = i + 1 < text.size() && text[i + 1] == '/';
    size_t begin = i + (ends ? 2 : 1), end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    const std::string_view name = text.substr(begin, end - begin);
    const size_t close = text.find('>', end);
    if (name.empty() || !is_name_start(name[0]) || close == std::string_view::npos) return false;
    const bool empty_element = text[close - 1] == '/';
    if (ends) {
      if (open.empty() || open.back() != name) return false;
      path.resize(path.size() - name.size() - (open.size() > 1 ? 1 : 0));
      open.pop_back();
      closed = closed || open.empty();
    } else {
      if (open.empty() && closed) return false;  // a second element
      if (open.size() >= 64) return false;
      const std::string here = path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
      if (open.empty()) root = std::string(name);
      if (!path.empty()) add(shape, path, FieldType::kObject);
      if (open.size() < kDeepestField) add(shape, here, FieldType::kString);
      if (!empty_element) {
        open.push_back(name);
        path = here;
      } else if (open.empty()) {
        closed = true;
      }
    }
    i = close + 1;
  }
  if (!open.empty() || !closed) return false;
  sort_fields(shape);
  return true;
}

bool key_lines_shape(std::string_view text, AnswerShape& shape) {
  AnswerShape found;
  size_t keys = 0;
  bool open_value = false;  // the last key had no value on its line: what follows belongs to it
  for (const std::string_view line : lines_of(trimmed_text(text))) {
    if (trimmed_text(line).empty()) continue;
    if (keys > 0 &&
        (is_blank(line[0]) || (open_value && (line.starts_with("- ") || line.starts_with("* "))))) {
      std::string_view ignored;
      if (is_blank(line[0]) || key_of_line(line, ignored).empty()) continue;
    }
    std::string_view value;
    const std::string_view key = key_of_line(line, value);
    if (key.empty()) return false;
    open_value = value.empty();
    ++keys;
    add(found, std::string(key), FieldType::kString, value);
  }
  // "Dear Rosa:" and one more line is a letter; the same key over and over is a dialogue.
  if (keys < 2 || found.fields.size() < 2 || found.fields.size() * 2 < keys) return false;
  shape = std::move(found);
  sort_fields(shape);
  return true;
}

}  // namespace lora
