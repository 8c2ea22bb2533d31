// Reads numbers and switches out of config.json with the errors that a user can act on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace lora {

// A view of config.json (an object). Every lookup names the key in its error (kInput).
class ConfigReader {
 public:
  explicit ConfigReader(const nlohmann::json& config) : config_(config) {}

  const nlohmann::json& json() const { return config_; }
  // Present and not null. Some families mean different things by a key that is null and one that is absent.
  bool has(const std::string& key) const { return config_.contains(key) && !config_[key].is_null(); }
  bool is_null(const std::string& key) const { return config_.contains(key) && config_[key].is_null(); }

  int64_t integer(const std::string& key) const {
    require(key, has(key) && config_[key].is_number_integer(), "a whole number");
    return config_[key].get<int64_t>();
  }
  int64_t integer(const std::string& key, int64_t otherwise) const {
    return has(key) ? integer(key) : otherwise;
  }

  double number(const std::string& key) const {
    require(key, has(key) && config_[key].is_number(), "a number");
    return config_[key].get<double>();
  }
  double number(const std::string& key, double otherwise) const { return has(key) ? number(key) : otherwise; }

  bool flag(const std::string& key, bool otherwise) const {
    if (!has(key)) return otherwise;
    require(key, config_[key].is_boolean(), "true or false");
    return config_[key].get<bool>();
  }

  std::string text(const std::string& key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    require(key, config_[key].is_string(), "a string");
    return config_[key].get<std::string>();
  }

  template <class T>
  std::vector<T> list(const std::string& key) const {
    require(key, has(key) && config_[key].is_array(), "a list");
    for (const nlohmann::json& item : config_[key]) {
      const bool fits = std::is_same_v<T, std::string> ? item.is_string()
                        : std::is_integral_v<T>        ? item.is_number_integer() || item.is_boolean()
                                                       : item.is_number();
      require(key, fits, std::is_same_v<T, std::string> ? "a list of strings" : "a list of numbers");
    }
    return config_[key].get<std::vector<T>>();
  }

  const nlohmann::json& object(const std::string& key) const {
    require(key, has(key) && config_[key].is_object(), "an object");
    return config_[key];
  }

 private:
  void require(const std::string& key, bool holds, const std::string& expected) const {
    if (holds) return;
    throw Error::input({.where = "config.json",
                        .found = config_.contains(key) ? "\"" + key + "\" is " + config_[key].dump()
                                                       : "\"" + key + "\" is missing",
                        .expected = expected,
                        .fix = "The folder's config.json is damaged, or not of this family."});
  }

  const nlohmann::json& config_;
};

}  // namespace lora
