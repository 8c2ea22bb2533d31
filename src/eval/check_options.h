// The keys of one declared check, from TOML or JSON, each with its place in the file. Typed access, one sentence of error
// with file:line:col, and nothing left unread: a misspelt key is refused. Knows no check.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

// One table as it was written: its values, and where each stands ("checks.toml:3:8") by JSON pointer ("/field/age").
struct CheckTable {
  nlohmann::json values = nlohmann::json::object();
  std::map<std::string, std::string> places = {};
  std::string place = {};  // of the table itself
};

// All getters throw Error (kInput) naming the place: a required key is missing, or a value has another type or range.
class DeclaredOptions {
 public:
  // A view; `table` must outlive it. `prefix`: the JSON pointer of the table that is read ("" for the whole).
  explicit DeclaredOptions(const CheckTable& table, std::string prefix = "");

  bool has(const std::string& key) const;
  std::string text(const std::string& key);
  std::string text_or(const std::string& key, std::string otherwise);
  std::string one_of(const std::string& key, const std::vector<std::string>& allowed, std::string otherwise);
  bool flag_or(const std::string& key, bool otherwise);
  std::optional<double> number(const std::string& key);  // finite
  std::optional<size_t> count(const std::string& key);   // a whole number from 0 to 10^9
  size_t required_count(const std::string& key);
  std::vector<std::string> texts(
      const std::string& key);  // a string or a non-empty array of them, none empty
  // The value as it is; null when it is not given.
  const nlohmann::json& any(const std::string& key);
  // The names of the tables in the table `key`, each to be read by DeclaredOptions(table(), pointer).
  std::vector<std::pair<std::string, std::string>> tables(const std::string& key);  // name, pointer

  const CheckTable& table() const { return table_; }
  std::string place(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& key, std::string found, std::string expected) const;
  // Refuses keys that no getter asked for, with the nearest one that was asked for.
  void finish() const;

 private:
  const nlohmann::json* find(const std::string& key);
  std::string pointer(const std::string& key) const;

  const CheckTable& table_;
  std::string prefix_;
  const nlohmann::json* values_;
  std::set<std::string> asked_;
};

}  // namespace lora
