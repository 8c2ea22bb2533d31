// What a template may call: filters, tests, methods of Python's types, global functions. Each table is one file.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "text/jinja/runtime.h"

namespace lora::jinja {

// nullopt: there is no such filter, test, method or function.
std::optional<Value> call_filter(Runtime& runtime, const std::string& name, const Value& value,
                                 const Arguments& arguments);
std::optional<bool> call_test(Runtime& runtime, const std::string& name, const Value& value,
                              const Arguments& arguments);
bool is_filter(const std::string& name);
bool is_test(const std::string& name);
// A method of the value's type, bound. Throws Failure for one that Python has and this program does not support.
std::optional<Value> find_method(Runtime& runtime, const Value& object, const std::string& name);
std::optional<Value> find_global(Runtime& runtime, const std::string& name);

// Binds a call's arguments to a function's parameters, as Python would.
class Bound {
 public:
  // Throws Failure: too many, unknown or doubled arguments.
  Bound(const std::string& function, const Arguments& arguments,
        std::initializer_list<const char*> parameters);
  // nullptr when it was left out.
  const Value* get(size_t index) const { return values_[index]; }
  const Value& need(size_t index) const;
  bool flag(size_t index, bool otherwise) const {
    return values_[index] ? is_true(*values_[index]) : otherwise;
  }
  int64_t integer(size_t index, int64_t otherwise) const;
  // A string, or nullptr when left out or none.
  const Text* string(size_t index) const;

 private:
  std::string function_;
  std::vector<std::string> parameters_;
  std::vector<const Value*> values_;
};

// operators.cpp: Python's operators.
Value binary(Runtime& runtime, Op op, const Value& left, const Value& right);
bool contains(Runtime& runtime, const Value& item, const Value& container);
Value negative(const Value& value);
// object[begin:end:step]; none where left out.
Value slice(Runtime& runtime, const Value& object, const Value& begin, const Value& end, const Value& step);
int64_t length_of(const Value& value);               // len(); throws Failure
int64_t index_of(const Value& value);                // an int or bool; throws Failure
Value to_integer(const Value& value, int64_t base);  // int(); throws Failure
Value to_real(const Value& value);                   // float(); throws Failure
// The text that is meant when one is needed: Failure for another kind.
const Text& text_of(const Value& value, const char* what);

// format.cpp
Text format_percent(Runtime& runtime, const Text& format, const Value& values);        // format % values
Text format_braces(Runtime& runtime, const Text& format, const Arguments& arguments);  // format.format(…)

// json.cpp
struct JsonOptions {
  bool ensure_ascii = false, sort_keys = false;
  std::optional<std::string> indent;  // of one level
  std::string item_separator = ", ", key_separator = ": ";
};
Text to_json(Runtime& runtime, const Value& value, const JsonOptions& options);

}  // namespace lora::jinja
