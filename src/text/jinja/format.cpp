// Python's two ways to format: "%s" % x and "{}".format(x). The common parts of both; the rest fails by name.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

constexpr int64_t kMaxWidth = 10'000;

struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =
  char sign = 0;   // + or space
  bool alternate = false, zero = false, comma = false;
  int64_t width = 0, precision = -1;
  char type = 0;
};

// A number of a format; moves `at` behind it. -1: none there.
int64_t number_at(std::string_view text, size_t& at) {
  if (at >= text.size() || text[at] < '0' || text[at] > '9') return -1;
  int64_t out = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    out = out * 10 + (text[at] - '0');
    if (out > kMaxWidth) Budget::exceeded("a width of more than 10,000");
  }
  return out;
}

Text padded(Text text, const Spec& spec, char default_align) {
  const auto size = static_cast<int64_t>(character_count(text.bytes));
  if (spec.width <= size) return text;
  const int64_t room = spec.width - size;
  const char align = spec.align ? spec.align : default_align;
  const auto fill = [&](Text& out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out.append(spec.fill);
  };
  Text out;
  if (align == '=') {
    const size_t sign =
        !text.bytes.empty() && (text.bytes[0] == '-' || text.bytes[0] == '+' || text.bytes[0] == ' ');
    out.append(text, 0, sign);
    fill(out, room);
    out.append(text, sign, text.size());
    return out;
  }
  const int64_t before = align == '<' ? 0 : align == '>' ? room : room / 2;
  fill(out, before);
  out.append(text);
  fill(out, room - before);
  return out;
}

std::string with_commas(const std::string& digits) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string signed_text(bool is_negative, char sign, const std::string& digits) {
  return (is_negative ? "-" : sign ? std::string(1, sign) : "") + digits;
}

std::string integer_text(int64_t value, const Spec& spec) {
  const uint64_t size = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  char buffer[80];
  std::string digits;
  switch (spec.type) {
    case 'x':
      std::snprintf(buffer, sizeof buffer, "%s%lx", spec.alternate ? "0x" : "", size);
      break;
    case 'X':
      std::snprintf(buffer, sizeof buffer, "%s%lX", spec.alternate ? "0X" : "", size);
      break;
    case 'o':
      std::snprintf(buffer, sizeof buffer, "%s%lo", spec.alternate ? "0o" : "", size);
      break;
    default:
      std::snprintf(buffer, sizeof buffer, "%lu", size);
      break;
  }
  digits = buffer;
  if (spec.comma) digits = with_commas(digits);
  return signed_text(value < 0, spec.sign, digits);
}

std::string real_text(double value, const Spec& spec) {
  if (!std::isfinite(value)) throw Failure("formatting an infinite number is not supported");
  const char type = spec.type ? spec.type : 'g';
  if (spec.alternate) throw Failure("the format flag # of a float is not supported");
  const char form[] = {'%', '.', '*', type == '%' ? 'f' : type, 0};
  const double shown = type == '%' ? value * 100 : value;
  char buffer[512];
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  if (precision > 60) throw Failure("a precision of more than 60 is not supported");
  std::snprintf(buffer, sizeof buffer, form, precision, std::abs(shown));
  std::string digits = buffer;
  if (spec.comma) {
    const size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
    digits = with_commas(digits.substr(0, end)) + digits.substr(end);
  }
  if (type == '%') digits += '%';
  return signed_text(std::signbit(value), spec.sign, digits);
}

Text apply_spec(Runtime& runtime, const Value& value, std::string_view text) {
  Spec spec;
  size_t at = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!text.empty()) {
    size_t after = 0;
    next_character(text, after);
    if (after < text.size() && is_align(text[after])) {
      spec.fill = text.substr(0, after);
      spec.align = text[after];
      at = after + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      at = 1;
    }
  }
  const auto skip = [&](char c) {
    const bool found = at < text.size() && text[at] == c;
    at += found;
    return found;
  };
  if (skip('+'))
    spec.sign = '+';
  else if (skip(' '))
    spec.sign = ' ';
  else
    skip('-');
  spec.alternate = skip('#');
  if (skip('0') && !spec.align) {
    spec.fill.assign(1, '0');
    spec.align = value.is_string() ? '<' : '=';
  }
  spec.width = std::max<int64_t>(0, number_at(text, at));
  spec.comma = skip(',');
  if (skip('.')) {
    spec.precision = number_at(text, at);
    if (spec.precision < 0) throw Failure("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) throw Failure("the format \"" + std::string(text) + "\" is not supported");

  const auto wrong = [&] {
    return Failure("the format \"" + std::string(text) + "\" is not supported for " + type_name(value));
  };
  static constexpr std::string_view kReal = "fFeEgG%", kInteger = "dxXo";
  if (value.is_string()) {
    if ((spec.type && spec.type != 's') || spec.sign || spec.alternate || spec.comma || spec.align == '=')
      throw wrong();
    Text shown = value.text();
    if (spec.precision >= 0)
      shown = shown.piece(0, byte_of_character(shown.bytes, static_cast<size_t>(spec.precision)));
    return padded(std::move(shown), spec, '<');
  }
  if (value.kind() == Kind::kInt || (value.kind() == Kind::kBool && !text.empty())) {
    if (!spec.type || kInteger.find(spec.type) != std::string_view::npos) {
      if (spec.precision >= 0) throw wrong();
      return padded(Text(integer_text(value.as_integer(), spec)), spec, '>');
    }
    if (kReal.find(spec.type) == std::string_view::npos) throw wrong();
    return padded(Text(real_text(value.as_real(), spec)), spec, '>');
  }
  if (value.kind() == Kind::kFloat) {
    if (!spec.type && spec.precision < 0) {
      if (spec.comma) throw wrong();
      const double real = value.as_real();
      return padded(Text(signed_text(std::signbit(real), spec.sign, real_to_string(std::abs(real)))), spec,
                    '>');
    }
    if (!spec.type || kReal.find(spec.type) == std::string_view::npos) throw wrong();
    return padded(Text(real_text(value.as_real(), spec)), spec, '>');
  }
  if (!text.empty()) throw wrong();
  return to_text(runtime.budget(), value);
}

}  // namespace

Text format_percent(Runtime& runtime, const Text& format, const Value& values) {
  Budget& budget = runtime.budget();
  if (format.markup) throw Failure("% on text marked safe is not supported");
  budget.work(format.size());
  const bool is_tuple = values.kind() == Kind::kTuple;
  size_t used = 0;
  const auto take = [&]() -> Value {
    if (!is_tuple) {
      if (used++ > 0) throw Failure("not enough arguments for format string");
      return values;
    }
    if (used >= values.items().size()) throw Failure("not enough arguments for format string");
    return values.items()[used++];
  };
  Text out;
  bool by_name = false;
  for (size_t at = 0; at < format.size();) {
    const size_t sign = std::min(format.bytes.find('%', at), format.size());
    out.append(format, at, sign);
    budget.check_size(out.size());
    if (sign == format.size()) break;
    at = sign + 1;
    Value named;
    bool has_name = false;
    if (at < format.size() && format.bytes[at] == '(') {
      const size_t close = format.bytes.find(')', at);
      if (close == std::string::npos || !values.is_dict()) throw Failure("format requires a mapping");
      const std::string name = format.bytes.substr(at + 1, close - at - 1);
      const Value* found = values.dict().find(name);
      if (!found) throw Failure("the mapping has no key '" + name + "'");
      named = *found;
      has_name = by_name = true;
      at = close + 1;
    }
    Spec spec;
    for (; at < format.size(); ++at) {
      const char c = format.bytes[at];
      if (c == '-')
        spec.align = '<';
      else if (c == '+')
        spec.sign = '+';
      else if (c == ' ' && !spec.sign)
        spec.sign = ' ';
      else if (c == '0')
        spec.zero = true;
      else if (c == '#')
        spec.alternate = true;
      else
        break;
    }
    spec.width = std::max<int64_t>(0, number_at(format.bytes, at));
    if (at < format.size() && format.bytes[at] == '.')
      spec.precision = std::max<int64_t>(0, number_at(format.bytes, ++at));
    if (at >= format.size()) throw Failure("incomplete format");
    const char type = format.bytes[at++];
    if (type == '%') {
      out.append("%");
      continue;
    }
    const Value value = has_name ? named : take();
    if (type == 's' || type == 'r') {
      Text text = type == 's' ? to_text(budget, value) : to_repr(budget, value);
      if (spec.precision >= 0)
        text = text.piece(0, byte_of_character(text.bytes, static_cast<size_t>(spec.precision)));
      out.append(padded(std::move(text), spec, '>'));
      continue;
    }
    if (value.is_undefined()) throw Failure(value.what_is_undefined());
    if (!value.is_number())
      throw Failure(std::string("%") + type + " format: a number is required, not " + type_name(value));
    if (spec.zero && !spec.align) {
      spec.fill.assign(1, '0');
      spec.align = '=';
    }
    spec.type = type;
    if (type == 'd' || type == 'i' || type == 'u' || type == 'x' || type == 'X' || type == 'o') {
      if (spec.precision >= 0) throw Failure("a precision of an integer is not supported");
      const bool decimal = type == 'd' || type == 'i' || type == 'u';
      if (!decimal && value.kind() == Kind::kFloat)
        throw Failure(std::string("%") + type + " format: an integer is required, not float");
      out.append(padded(Text(integer_text(to_integer(value, 10).as_integer(), spec)), spec, '>'));
    } else if (std::string_view("fFeEgG").find(type) != std::string_view::npos) {
      out.append(padded(Text(real_text(value.as_real(), spec)), spec, '>'));
    } else {
      throw Failure(std::string("the format character ") + type + " is not supported");
    }
  }
  if (is_tuple ? used < values.items().size() && !by_name : used == 0 && !values.is_dict() && !by_name)
    throw Failure("not all arguments converted during string formatting");
  return out;
}

Text format_braces(Runtime& runtime, const Text& format, const Arguments& arguments) {
  Budget& budget = runtime.budget();
  if (format.markup) throw Failure("format() of text marked safe is not supported");
  budget.work(format.size());
  Text out;
  size_t automatic = 0;
  bool by_number = false;
  for (size_t at = 0; at < format.size();) {
    const size_t brace = std::min(format.bytes.find_first_of("{}", at), format.size());
    out.append(format, at, brace);
    budget.check_size(out.size());
    if (brace == format.size()) break;
    at = brace + 1;
    if (at < format.size() && format.bytes[at] == format.bytes[brace]) {
      out.append(format, brace, at);
      ++at;
      continue;
    }
    const size_t close = format.bytes.find('}', at);
    if (format.bytes[brace] == '}' || close == std::string::npos)
      throw Failure("Single brace encountered in format string");
    std::string field = format.bytes.substr(at, close - at);
    if (field.find('{') != std::string::npos) throw Failure("a nested format is not supported");
    at = close + 1;
    std::string spec, conversion;
    if (const size_t colon = field.find(':'); colon != std::string::npos) {
      spec = field.substr(colon + 1);
      field.erase(colon);
    }
    if (const size_t mark = field.find('!'); mark != std::string::npos) {
      conversion = field.substr(mark + 1);
      field.erase(mark);
    }
    const size_t name_end = std::min(field.find_first_of(".["), field.size());
    const std::string name = field.substr(0, name_end);
    Value value;
    size_t digits = 0;
    const int64_t index = name.empty() ? -1 : number_at(name, digits);
    if (name.empty() || (index >= 0 && digits == name.size())) {
      if (name.empty() && by_number)
        throw Failure("cannot switch from manual field specification to automatic");
      if (!name.empty() && automatic > 0)
        throw Failure("cannot switch from automatic field numbering to manual");
      by_number = by_number || !name.empty();
      const size_t place = name.empty() ? automatic++ : static_cast<size_t>(index);
      if (place >= arguments.positional.size())
        throw Failure("Replacement index out of range for positional args");
      value = arguments.positional[place];
    } else {
      const auto found = std::find_if(arguments.keyword.begin(), arguments.keyword.end(),
                                      [&](const auto& keyword) { return keyword.first == name; });
      if (found == arguments.keyword.end()) throw Failure("format() has no argument '" + name + "'");
      value = found->second;
    }
    for (size_t rest = name_end; rest < field.size();) {
      const bool dot = field[rest] == '.';
      const size_t end =
          dot ? std::min(field.find_first_of(".[", rest + 1), field.size()) : field.find(']', rest);
      if (end == std::string::npos || (!dot && field[rest] != '['))
        throw Failure("a malformed field in format()");
      const std::string key = field.substr(rest + 1, end - rest - 1);
      size_t key_digits = 0;
      const int64_t number = key.empty() ? -1 : number_at(key, key_digits);
      value = dot                                       ? runtime.attribute(value, key)
              : number >= 0 && key_digits == key.size() ? runtime.item(value, Value::integer(number))
                                                        : runtime.item(value, make_string(budget, key));
      rest = end + !dot;
    }
    if (conversion == "s")
      value = make_string(budget, to_text(budget, value));
    else if (conversion == "r")
      value = make_string(budget, to_repr(budget, value));
    else if (!conversion.empty())
      throw Failure("the conversion !" + conversion + " is not supported");
    out.append(apply_spec(runtime, value, spec));
  }
  return out;
}

}  // namespace lora::jinja
