// Python's operators and conversions, on the kinds of values that a template can hold.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

[[noreturn]] void too_large() {
  throw Failure("an integer beyond 64 bits is not supported");
}

const char* sign_of(Op op) {
  switch (op) {
    case Op::kAdd:
      return "+";
    case Op::kSubtract:
      return "-";
    case Op::kMultiply:
      return "*";
    case Op::kDivide:
      return "/";
    case Op::kFloorDivide:
      return "//";
    case Op::kModulo:
      return "%";
    default:
      return "**";
  }
}

[[noreturn]] void unsupported(Op op, const Value& left, const Value& right) {
  throw Failure(std::string("unsupported operand types for ") + sign_of(op) + ": '" + type_name(left) +
                "' and '" + type_name(right) + "'");
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) throw Failure("0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t out = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (base == 0 || base == 1) return Value::integer(base);
    if (base == -1) return Value::integer(exponent % 2 ? -1 : 1);
    if (__builtin_mul_overflow(out, base, &out)) too_large();
  }
  return Value::integer(out);
}

Value on_integers(Op op, int64_t a, int64_t b) {
  int64_t out = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &out)) too_large();
      return Value::integer(out);
    case Op::kSubtract:
      if (__builtin_sub_overflow(a, b, &out)) too_large();
      return Value::integer(out);
    case Op::kMultiply:
      if (__builtin_mul_overflow(a, b, &out)) too_large();
      return Value::integer(out);
    case Op::kPower:
      return integer_power(a, b);
    default:
      break;
  }
  if (b == 0) throw Failure("division by zero");
  if (op == Op::kDivide) {
    constexpr int64_t kExact = int64_t{1} << 53;  // beyond it Python rounds once, a division of doubles twice
    if (std::max(std::abs(a), std::abs(b)) > kExact || a == INT64_MIN || b == INT64_MIN) too_large();
    return Value::real(static_cast<double>(a) / static_cast<double>(b));
  }
  if (a == INT64_MIN && b == -1) too_large();
  const int64_t remainder = a % b, adjusted = remainder != 0 && (remainder < 0) != (b < 0);
  return Value::integer(op == Op::kModulo ? remainder + (adjusted ? b : 0) : a / b - adjusted);
}

Value on_reals(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value::real(a + b);
    case Op::kSubtract:
      return Value::real(a - b);
    case Op::kMultiply:
      return Value::real(a * b);
    case Op::kPower: {
      if (a < 0 && b != std::floor(b)) throw Failure("a complex number is not supported");
      if (a == 0 && b < 0) throw Failure("0.0 cannot be raised to a negative power");
      const double out = std::pow(a, b);
      if (std::isinf(out) && !std::isinf(a) && !std::isinf(b)) throw Failure("numerical result out of range");
      return Value::real(out);
    }
    default:
      break;
  }
  if (b == 0) throw Failure("division by zero");
  if (op == Op::kDivide) return Value::real(a / b);
  double modulo = std::fmod(a, b);
  double quotient = (a - modulo) / b;
  if (modulo != 0) {
    if ((b < 0) != (modulo < 0)) {
      modulo += b;
      quotient -= 1;
    }
  } else {
    modulo = std::copysign(0.0, b);
  }
  if (op == Op::kModulo) return Value::real(modulo);
  if (quotient == 0) return Value::real(std::copysign(0.0, a / b));
  const double whole = std::floor(quotient);
  return Value::real(quotient - whole > 0.5 ? whole + 1 : whole);
}

Value repeated(Runtime& runtime, const Value& value, int64_t count) {
  Budget& budget = runtime.budget();
  count = std::max<int64_t>(count, 0);
  if (value.is_string()) {
    const Text& text = value.text();
    if (text.size() > 0 && count > static_cast<int64_t>(budget.limits().value_bytes / text.size()))
      budget.check_size(budget.limits().value_bytes + 1);
    Text out;
    out.bytes.reserve(text.size() * static_cast<size_t>(text.size() ? count : 0));
    if (text.size() > 0)
      for (int64_t i = 0; i < count; ++i) {
        if (text.marks.empty())
          out.append(text.bytes);
        else
          out.append(text);
      }
    return make_string(budget, std::move(out));
  }
  const auto& items = value.items();
  if (!items.empty() &&
      count > static_cast<int64_t>(budget.limits().value_bytes / sizeof(Value) / items.size()))
    budget.check_size(budget.limits().value_bytes + 1);
  std::vector<Value> out;
  if (!items.empty())
    for (int64_t i = 0; i < count; ++i) out.insert(out.end(), items.begin(), items.end());
  return value.kind() == Kind::kList ? make_list(budget, std::move(out)) : make_tuple(budget, std::move(out));
}

struct SliceRange {
  int64_t begin, end, step;
};

// Python's rule for the bounds of a slice of `length` items.
SliceRange slice_range(const Value& begin, const Value& end, const Value& step, int64_t length) {
  SliceRange out{0, 0, step.is_none() ? 1 : index_of(step)};
  if (out.step == 0) throw Failure("slice step cannot be zero");
  const int64_t low = out.step < 0 ? -1 : 0, high = out.step < 0 ? length - 1 : length;
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    int64_t at = index_of(value);
    if (at < 0) at = at < -length ? low : at + length;
    return std::clamp(at, low, std::max(low, high));
  };
  out.begin = bound(begin, out.step < 0 ? high : low);
  out.end = bound(end, out.step < 0 ? low : high);
  // So that begin + step cannot overflow.
  out.step = std::clamp<int64_t>(out.step, -length - 1, length + 1);
  return out;
}

}  // namespace

const Text& text_of(const Value& value, const char* what) {
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (!value.is_string()) throw Failure(std::string(what) + " must be a str, not " + type_name(value));
  return value.text();
}

int64_t index_of(const Value& value) {
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (!value.is_integral())
    throw Failure("'" + type_name(value) + "' object cannot be interpreted as an integer");
  return value.as_integer();
}

int64_t length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return static_cast<int64_t>(character_count(value.text().bytes));
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return static_cast<int64_t>(value.items().size());
    case Kind::kDict:
      return static_cast<int64_t>(value.dict().items.size());
    case Kind::kRange:
      return value.range().count;
    default:
      throw Failure("object of type '" + type_name(value) + "' has no len()");
  }
}

Value negative(const Value& value) {
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (value.kind() == Kind::kFloat) return Value::real(-value.as_real());
  if (!value.is_integral()) throw Failure("bad operand type for unary -: '" + type_name(value) + "'");
  return on_integers(Op::kSubtract, 0, value.as_integer());
}

Value binary(Runtime& runtime, Op op, const Value& left, const Value& right) {
  Budget& budget = runtime.budget();
  // Python asks the left operand first, and str % formats whatever stands on the right.
  if (op == Op::kModulo && left.is_string())
    return make_string(budget, format_percent(runtime, left.text(), right));
  for (const Value* value : {&left, &right})
    if (value->is_undefined()) throw Failure(value->what_is_undefined());
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral())
      return on_integers(op, left.as_integer(), right.as_integer());
    return on_reals(op, left.as_real(), right.as_real());
  }
  if (op == Op::kAdd && left.is_string() && right.is_string()) {
    budget.check_size(left.text().size() + right.text().size());
    Text out;
    out.markup = left.text().markup || right.text().markup;
    out.append(out.markup ? escape_html(left.text()) : left.text());
    out.append(out.markup ? escape_html(right.text()) : right.text());
    return make_string(budget, std::move(out));
  }
  if (op == Op::kAdd && left.is_list_or_tuple() && left.kind() == right.kind()) {
    budget.check_size((left.items().size() + right.items().size()) * sizeof(Value));
    std::vector<Value> out = left.items();
    out.insert(out.end(), right.items().begin(), right.items().end());
    return left.kind() == Kind::kList ? make_list(budget, std::move(out))
                                      : make_tuple(budget, std::move(out));
  }
  if (op == Op::kMultiply) {
    const auto repeats = [](const Value& value) { return value.is_string() || value.is_list_or_tuple(); };
    if (repeats(left) && right.is_integral()) return repeated(runtime, left, right.as_integer());
    if (repeats(right) && left.is_integral()) return repeated(runtime, right, left.as_integer());
  }
  unsupported(op, left, right);
}

bool contains(Runtime& runtime, const Value& item, const Value& container) {
  Budget& budget = runtime.budget();
  switch (container.kind()) {
    case Kind::kString: {
      const Text& what = text_of(item, "the left side of \"in\"");
      budget.search(container.text().size(), what.size());
      return container.text().bytes.find(what.bytes) != std::string::npos;
    }
    case Kind::kDict:
      budget.work(item.is_string() ? item.text().size() : 64);
      return container.dict().find(item) != nullptr;
    case Kind::kUndefined:
      return false;
    default:
      for (const Value& other : runtime.iterate(container))
        if (equal(budget, item, other)) return true;
      return false;
  }
}

Value slice(Runtime& runtime, const Value& object, const Value& begin, const Value& end, const Value& step) {
  Budget& budget = runtime.budget();
  if (object.is_undefined()) throw Failure(object.what_is_undefined());
  if (object.is_string()) {
    const Text& text = object.text();
    budget.work(2 * text.size());
    const SliceRange range = slice_range(begin, end, step, static_cast<int64_t>(character_count(text.bytes)));
    if (range.step == 1) {
      const size_t from = byte_of_character(text.bytes, static_cast<size_t>(range.begin));
      const size_t to =
          range.end <= range.begin ? from : byte_of_character(text.bytes, static_cast<size_t>(range.end));
      return make_string(budget, text.piece(from, to));
    }
    budget.check_size(text.size() * sizeof(size_t));
    std::vector<size_t> starts;
    for (size_t at = 0; at < text.size(); next_character(text.bytes, at)) starts.push_back(at);
    starts.push_back(text.size());
    Text out;
    out.markup = text.markup;
    for (int64_t i = range.begin; range.step > 0 ? i < range.end : i > range.end; i += range.step)
      out.append(text, starts[static_cast<size_t>(i)], starts[static_cast<size_t>(i) + 1]);
    return make_string(budget, std::move(out));
  }
  if (!object.is_list_or_tuple() && object.kind() != Kind::kRange)
    throw Failure("'" + type_name(object) + "' object cannot be sliced");
  const SliceRange range = slice_range(begin, end, step, length_of(object));
  std::vector<Value> out;
  if (object.kind() == Kind::kRange) {
    auto part = std::make_shared<RangeObject>();
    const int64_t span = range.step > 0 ? range.end - range.begin : range.begin - range.end;
    const int64_t stride = std::abs(range.step);
    part->count = span <= 0 ? 0 : (span + stride - 1) / stride;
    part->start = object.range().at(range.begin);
    part->step = object.range().step * range.step;
    return Value(Kind::kRange, std::move(part));
  }
  for (int64_t i = range.begin; range.step > 0 ? i < range.end : i > range.end; i += range.step)
    out.push_back(object.items()[static_cast<size_t>(i)]);
  return object.kind() == Kind::kTuple ? make_tuple(budget, std::move(out))
                                       : make_list(budget, std::move(out));
}

Value to_integer(const Value& value, int64_t base) {
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (value.is_integral()) return Value::integer(value.as_integer());
  if (value.kind() == Kind::kFloat) {
    const double real = std::trunc(value.as_real());
    if (std::isnan(real)) throw Failure("cannot convert float NaN to integer");
    if (!(std::abs(real) < 9.2e18)) too_large();
    return Value::integer(static_cast<int64_t>(real));
  }
  if (!value.is_string()) throw Failure("int() takes a string or a number, not '" + type_name(value) + "'");
  std::string text = strip(value.text(), nullptr, true, true).bytes;
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.erase(0, 1);
  const auto wrong = [&] { return Failure("invalid literal for int(): " + quoted(value.text()).bytes); };
  const auto prefix = [&](char letter) {
    return text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == letter;
  };
  if (base == 0) base = prefix('x') ? 16 : prefix('o') ? 8 : prefix('b') ? 2 : -10;
  if ((base == 16 && prefix('x')) || (base == 8 && prefix('o')) || (base == 2 && prefix('b'))) {
    text.erase(0, 2);
    if (text.starts_with('_')) text.erase(0, 1);
  }
  if (base == -10 && text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string::npos)
    throw wrong();
  base = std::abs(base);
  if (base < 2 || base > 36) throw Failure("int() base must be >= 2 and <= 36, or 0");
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '_' && (i == 0 || i + 1 == text.size() || text[i + 1] == '_')) throw wrong();
  std::erase(text, '_');
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }) &&
      is_class(text, "decimal").value_or(false))
    throw Failure("digits beyond ASCII are not supported");
  if (text.empty() || text[0] == '-' || text[0] == '+') throw wrong();
  int64_t out = 0;
  if (is_negative) text.insert(0, 1, '-');
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out, static_cast<int>(base));
  if (result.ptr != text.data() + text.size()) throw wrong();
  if (result.ec == std::errc::result_out_of_range) too_large();
  if (result.ec != std::errc()) throw wrong();
  return Value::integer(out);
}

Value to_real(const Value& value) {
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (value.is_number()) return Value::real(value.as_real());
  if (!value.is_string()) throw Failure("float() takes a string or a number, not '" + type_name(value) + "'");
  std::string text = lower(strip(value.text(), nullptr, true, true)).bytes;
  const auto wrong = [&] {
    return Failure("could not convert string to float: " + quoted(value.text()).bytes);
  };
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.erase(0, 1);
  const double factor = is_negative ? -1 : 1;
  if (text == "inf" || text == "infinity") return Value::real(factor * INFINITY);
  if (text == "nan") return Value::real(NAN);
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '_' && (i == 0 || !digit(i - 1) || !digit(i + 1))) throw wrong();
  std::erase(text, '_');
  if (text.find_first_not_of("0123456789.e+-") != std::string::npos) throw wrong();
  if (text.empty() || text[0] == 'e' || text[0] == '+' || text[0] == '-' || text == ".") throw wrong();
  char* end = nullptr;
  const double out = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) throw wrong();
  return Value::real(factor * out);
}

}  // namespace lora::jinja
