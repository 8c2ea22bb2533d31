// JSON files of a run directory, read strictly: what is missing or of another type ends the job with the file, the line
// and the key. Only reading; what the files mean is for run_record.h and evaluation_record.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lora {

// A value within a document. Points into the document and the name of its file: must not outlive them.
class JsonView {
 public:
  JsonView(const nlohmann::json& value, const std::string& file, size_t line, std::string_view key = {})
      : value_(&value), file_(&file), line_(line), key_(key) {}

  // Errors of all: kInput with file, line and key.
  JsonView at(std::string_view key) const;                   // a member that must be there
  std::optional<JsonView> find(std::string_view key) const;  // nothing when it is absent or null
  std::string text() const;
  double number() const;  // finite
  size_t count() const;   // a whole number that is not negative
  bool flag() const;
  std::vector<JsonView> items() const;
  std::vector<std::pair<std::string, JsonView>> members() const;

  std::string text_or(std::string_view key, std::string_view otherwise) const;
  double number_or(std::string_view key, double otherwise) const;
  size_t count_or(std::string_view key, size_t otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::optional<double> optional_number(std::string_view key) const;
  double number_or_nan(
      std::string_view key) const;  // of a member that must be there: JSON writes NaN as null

  const nlohmann::json& json() const { return *value_; }
  [[noreturn]] void refuse(std::string_view expected) const;  // "expected … here"
  std::string where() const;

 private:
  const nlohmann::json* value_;
  const std::string* file_;
  size_t line_;  // of a JSON Lines file; 0: the file is one document
  std::string_view key_;
};

// Calls `read` with the document that `path` holds; `name` is what errors call it.
// Errors: kInput when the file is absent or no JSON (file:line:col); kMachine when it cannot be read.
void read_json_record(const std::filesystem::path& path, const std::string& name,
                      const std::function<void(const JsonView&)>& read);

// Calls `read` with each line in order. Blank lines are passed over, and a last line without its line break is one.
void read_json_lines(const std::filesystem::path& path, const std::string& name,
                     const std::function<void(const JsonView&)>& read);
// The same of text in memory.
void parse_json_lines(std::string_view text, const std::string& name,
                      const std::function<void(const JsonView&)>& read);

}  // namespace lora
