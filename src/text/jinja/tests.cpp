// Jinja's tests: what may follow "is".
#include <algorithm>
#include <string_view>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

constexpr std::string_view kUnary[] = {"boolean", "callable",  "defined", "escaped",  "even",   "false",
                                       "filter",  "float",     "integer", "iterable", "lower",  "mapping",
                                       "none",    "number",    "odd",     "sequence", "string", "test",
                                       "true",    "undefined", "upper"};
constexpr std::string_view kBinary[] = {
    "!=", "<",  "<=",          "==", ">",  ">=",       "divisibleby", "eq", "equalto",
    "ge", "gt", "greaterthan", "in", "le", "lessthan", "lt",          "ne", "sameas"};

template <size_t n>
bool is_one_of(const std::string_view (&names)[n], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// What Python's `is` says, where that does not depend on how it keeps its objects.
bool is_same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_none()) return true;
  if (a.kind() == Kind::kBool) return a.as_bool() == b.as_bool();
  if (a.identity() && a.identity() == b.identity()) return true;
  switch (a.kind()) {
    case Kind::kInt:
      if (a.as_integer() != b.as_integer()) return false;
      if (a.as_integer() >= -5 && a.as_integer() <= 256)
        return true;  // Python keeps one object of each of these
      break;
    case Kind::kString:
      if (a.text().bytes != b.text().bytes) return false;
      break;
    case Kind::kFloat:
    case Kind::kUndefined:
      break;
    default:
      return false;
  }
  throw Failure("the test \"sameas\" is not supported between two equal values of type " + type_name(a));
}

bool modulo(Runtime& runtime, const Value& value, int64_t divisor, int64_t rest) {
  return equal(runtime.budget(), binary(runtime, Op::kModulo, value, Value::integer(divisor)),
               Value::integer(rest));
}

bool unary(Runtime& runtime, const std::string& name, const Value& value) {
  const Kind kind = value.kind();
  if (name == "defined") return kind != Kind::kUndefined;
  if (name == "undefined") return kind == Kind::kUndefined;
  if (name == "none") return kind == Kind::kNone;
  if (name == "string") return kind == Kind::kString;
  if (name == "mapping") return kind == Kind::kDict;
  if (name == "boolean") return kind == Kind::kBool;
  if (name == "true") return kind == Kind::kBool && value.as_bool();
  if (name == "false") return kind == Kind::kBool && !value.as_bool();
  if (name == "integer") return kind == Kind::kInt;
  if (name == "float") return kind == Kind::kFloat;
  if (name == "number") return value.is_number();
  if (name == "sequence")
    return kind == Kind::kString || value.is_list_or_tuple() || kind == Kind::kDict || kind == Kind::kRange;
  if (name == "iterable")
    return kind == Kind::kString || value.is_list_or_tuple() || kind == Kind::kDict || kind == Kind::kRange ||
           kind == Kind::kView || kind == Kind::kIterator || kind == Kind::kUndefined || kind == Kind::kLoop;
  if (name == "callable")
    return kind == Kind::kFunction || kind == Kind::kMacro || kind == Kind::kLoop || kind == Kind::kUndefined;
  if (name == "odd") return modulo(runtime, value, 2, 1);
  if (name == "even") return modulo(runtime, value, 2, 0);
  if (name == "escaped") return value.is_string() && value.text().markup;
  if (name == "filter") return value.is_string() && is_filter(value.text().bytes);
  if (name == "test") return value.is_string() && is_test(value.text().bytes);
  return is_class(to_text(runtime.budget(), value).bytes, name).value_or(false);  // lower, upper
}

}  // namespace

bool is_test(const std::string& name) {
  return is_one_of(kUnary, name) || is_one_of(kBinary, name);
}

std::optional<bool> call_test(Runtime& runtime, const std::string& name, const Value& value,
                              const Arguments& arguments) {
  Budget& budget = runtime.budget();
  if (is_one_of(kUnary, name)) {
    const Bound bound("the test " + name, arguments, {});
    return unary(runtime, name, value);
  }
  if (!is_one_of(kBinary, name)) return std::nullopt;
  const Bound bound("the test " + name, arguments, {"other"});
  const Value& other = bound.need(0);
  if (name == "==" || name == "eq" || name == "equalto") return equal(budget, value, other);
  if (name == "!=" || name == "ne") return !equal(budget, value, other);
  if (name == "<" || name == "lt" || name == "lessthan") return less(budget, value, other);
  if (name == ">" || name == "gt" || name == "greaterthan") return less(budget, other, value);
  if (name == "<=" || name == "le") return less(budget, value, other) || equal(budget, value, other);
  if (name == ">=" || name == "ge") return less(budget, other, value) || equal(budget, value, other);
  if (name == "in") return contains(runtime, value, other);
  if (name == "sameas") return is_same(value, other);
  return equal(budget, binary(runtime, Op::kModulo, value, other), Value::integer(0));  // divisibleby
}

}  // namespace lora::jinja
