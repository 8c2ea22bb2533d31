#include "report/record_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/json_reader.h"
#include "data/plain_text.h"
#include "data/text_position.h"

namespace lora {
namespace {

constexpr std::string_view kFix = "The file was changed or is of another version; take the run's own files.";

nlohmann::json parse(std::string_view text, const std::string& name, size_t line) {
  JsonText read = read_json(text, {.keep_places = false});
  if (read.ok()) return std::move(read.value);
  const TextPosition at = position_of(text, read.problem->offset);
  throw Error::input({.where = fmt::format("{}:{}:{}", name, line == 0 ? at.line : line, at.column),
                      .found = read.problem->found,
                      .expected = read.problem->expected,
                      .fix = std::string(kFix)});
}

}  // namespace

std::string JsonView::where() const {
  std::string out = line_ == 0 ? *file_ : fmt::format("{}:{}", *file_, line_);
  if (!key_.empty()) out.append(": ").append(key_);
  return out;
}

void JsonView::refuse(std::string_view expected) const {
  throw Error::input(
      {.where = where(),
       .found = fmt::format(
           "the value is {}",
           first_characters(value_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), 60)),
       .expected = std::string(expected),
       .fix = std::string(kFix)});
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  if (!value_->is_object()) refuse("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonView(*found, *file_, line_, key);
}

JsonView JsonView::at(std::string_view key) const {
  if (const auto found = find(key)) return *found;
  throw Error::input(
      {.where = where(), .found = fmt::format("there is no \"{}\"", key), .fix = std::string(kFix)});
}

std::string JsonView::text() const {
  if (!value_->is_string()) refuse("text");
  return value_->get<std::string>();
}

double JsonView::number() const {
  if (!value_->is_number()) refuse("a number");
  const double number = value_->get<double>();
  if (!std::isfinite(number)) refuse("a finite number");
  return number;
}

size_t JsonView::count() const {
  if (!value_->is_number_integer() || (!value_->is_number_unsigned() && value_->get<int64_t>() < 0))
    refuse("a whole number, 0 or more");
  return value_->get<size_t>();
}

bool JsonView::flag() const {
  if (!value_->is_boolean()) refuse("true or false");
  return value_->get<bool>();
}

std::vector<JsonView> JsonView::items() const {
  if (!value_->is_array()) refuse("an array");
  std::vector<JsonView> views;
  for (const nlohmann::json& item : *value_) views.emplace_back(item, *file_, line_, key_);
  return views;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  if (!value_->is_object()) refuse("an object");
  std::vector<std::pair<std::string, JsonView>> views;
  for (const auto& [key, value] :
       value_->items())  // iterators keep no copy of a key: name the member by its parent
    views.emplace_back(key, JsonView(value, *file_, line_, key_));
  return views;
}

std::string JsonView::text_or(std::string_view key, std::string_view otherwise) const {
  const auto found = find(key);
  return found ? found->text() : std::string(otherwise);
}

double JsonView::number_or(std::string_view key, double otherwise) const {
  const auto found = find(key);
  return found ? found->number() : otherwise;
}

size_t JsonView::count_or(std::string_view key, size_t otherwise) const {
  const auto found = find(key);
  return found ? found->count() : otherwise;
}

bool JsonView::flag_or(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found ? found->flag() : otherwise;
}

std::optional<double> JsonView::optional_number(std::string_view key) const {
  const auto found = find(key);
  return found ? std::optional(found->number()) : std::nullopt;
}

double JsonView::number_or_nan(std::string_view key) const {
  if (const auto found = find(key)) return found->number();
  return value_->contains(key) ? std::numeric_limits<double>::quiet_NaN() : at(key).number();
}

void read_json_record(const std::filesystem::path& path, const std::string& name,
                      const std::function<void(const JsonView&)>& read) {
  const nlohmann::json value = parse(read_file(path), name, 0);
  read(JsonView(value, name, 0));
}

void read_json_lines(const std::filesystem::path& path, const std::string& name,
                     const std::function<void(const JsonView&)>& read) {
  parse_json_lines(read_file(path), name, read);
}

void parse_json_lines(std::string_view text, const std::string& name,
                      const std::function<void(const JsonView&)>& read) {
  size_t line = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view bytes = text.substr(at, end - at);
    ++line;
    at = end + 1;
    if (trimmed_text(bytes).empty()) continue;
    const nlohmann::json value = parse(bytes, name, line);
    read(JsonView(value, name, line));
  }
}

}  // namespace lora
