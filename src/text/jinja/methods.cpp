// Methods of str, list, tuple and dict. Those that change their object are forbidden by Transformers' sandbox, which
// gives undefined for them; those that Python has and this program lacks fail by name.
#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

using Method = Value (*)(Runtime&, const Value&, const Arguments&);
using Methods = std::map<std::string, Method, std::less<>>;

Value text_value(Runtime& runtime, Text text) {
  return make_string(runtime.budget(), std::move(text));
}

// Python escapes the arguments of a method of Markup; templates have no use for it.
const Text& plain(const Value& self) {
  if (self.text().markup) throw Failure("this method of a text marked safe is not supported");
  return self.text();
}

template <bool left, bool right>
Value str_strip(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("strip", arguments, {"chars"});
  const Text* chars = bound.string(0);
  return text_value(runtime, strip(self.text(), chars ? &chars->bytes : nullptr, left, right));
}

template <std::vector<Text> (*operation)(const Text&, const std::string*, int64_t)>
Value str_split(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("split", arguments, {"sep", "maxsplit"});
  const Text* separator = bound.string(0);
  const Text& text = plain(self);
  if (separator && separator->bytes.empty()) throw Failure("empty separator");
  runtime.budget().search(text.size(), separator ? separator->size() : 0);
  std::vector<Value> out;
  for (Text& part : operation(text, separator ? &separator->bytes : nullptr, bound.integer(1, -1)))
    out.push_back(text_value(runtime, std::move(part)));
  return make_list(runtime.budget(), std::move(out));
}

Value str_splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("splitlines", arguments, {"keepends"});
  runtime.budget().work(2 * self.text().size());
  std::vector<Value> out;
  for (Text& line : split_lines(plain(self), bound.flag(0, false)))
    out.push_back(text_value(runtime, std::move(line)));
  return make_list(runtime.budget(), std::move(out));
}

template <bool from_right>
Value str_partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("partition", arguments, {"sep"});
  const Text& text = plain(self);
  const Text& separator = text_of(bound.need(0), "sep");
  if (separator.bytes.empty()) throw Failure("empty separator");
  runtime.budget().search(text.size(), separator.size());
  const size_t at = from_right ? text.bytes.rfind(separator.bytes) : text.bytes.find(separator.bytes);
  const Value whole = text_value(runtime, text), empty = Value::string(Text());
  if (at == std::string::npos)
    return make_tuple(runtime.budget(),
                      from_right ? std::vector{empty, empty, whole} : std::vector{whole, empty, empty});
  return make_tuple(runtime.budget(), {text_value(runtime, text.piece(0, at)), bound.need(0),
                                       text_value(runtime, text.piece(at + separator.size(), text.size()))});
}

Value str_replace(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"});
  const Text& text = plain(self);
  const Text &from = text_of(bound.need(0), "old"), &to = text_of(bound.need(1), "new");
  const int64_t limit = bound.integer(2, -1);
  // The size is known before anything is made.
  runtime.budget().search(text.size(), from.size());
  size_t places = 0;
  if (from.size() == 0) {
    places = character_count(text.bytes) + 1;
  } else {
    for (size_t at = text.bytes.find(from.bytes); at != std::string::npos;
         at = text.bytes.find(from.bytes, at + from.size()))
      ++places;
  }
  if (limit >= 0) places = std::min(places, static_cast<size_t>(limit));
  const uint64_t added = static_cast<uint64_t>(places) * to.size();
  runtime.budget().work(added);
  runtime.budget().check_size(text.size() - std::min(text.size(), places * from.size()) + added);
  return text_value(runtime, replace(text, from.bytes, to, limit));
}

// The part of a text that `start` and `end` name, as in startswith(prefix, start, end). Bytes.
struct Window {
  size_t begin, end;
  bool empty;  // start is behind end: nothing is found there, not even ""
};
Window window(const Text& text, const Bound& bound) {
  const auto length = static_cast<int64_t>(character_count(text.bytes));
  const auto place = [&](size_t index, int64_t otherwise) {
    if (!bound.get(index) || bound.get(index)->is_none()) return otherwise;
    const int64_t at = index_of(*bound.get(index));
    return at < 0 ? std::max<int64_t>(at + length, 0) : at;
  };
  const int64_t start = place(1, 0), end = std::min(place(2, length), length);
  const bool empty = start > end;
  const size_t from = byte_of_character(text.bytes, static_cast<size_t>(std::min(start, length)));
  return {from, empty ? from : byte_of_character(text.bytes, static_cast<size_t>(end)), empty};
}

template <bool at_start>
Value str_affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("startswith", arguments, {"prefix", "start", "end"});
  const Text& text = self.text();
  runtime.budget().work(text.size());
  const Window where = window(text, bound);
  const std::string_view part = std::string_view(text.bytes).substr(where.begin, where.end - where.begin);
  const auto holds = [&](const Value& affix) {
    const std::string& what = text_of(affix, "the text looked for").bytes;
    return !where.empty && (at_start ? part.starts_with(what) : part.ends_with(what));
  };
  if (bound.need(0).kind() != Kind::kTuple) return Value::boolean(holds(bound.need(0)));
  for (const Value& affix : bound.need(0).items())
    if (holds(affix)) return Value::boolean(true);
  return Value::boolean(false);
}

template <bool from_right, bool must_be_there>
Value str_find(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("find", arguments, {"sub", "start", "end"});
  const Text& text = self.text();
  const std::string& what = text_of(bound.need(0), "sub").bytes;
  runtime.budget().search(text.size(), what.size());
  const Window where = window(text, bound);
  const std::string_view part = std::string_view(text.bytes).substr(where.begin, where.end - where.begin);
  const size_t at = where.empty ? std::string_view::npos : from_right ? part.rfind(what) : part.find(what);
  if (at != std::string_view::npos)
    return Value::integer(
        static_cast<int64_t>(character_count(std::string_view(text.bytes).substr(0, where.begin + at))));
  if (must_be_there) throw Failure("substring not found");
  return Value::integer(-1);
}

Value str_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"sub", "start", "end"});
  const Text& text = self.text();
  const std::string& what = text_of(bound.need(0), "sub").bytes;
  runtime.budget().search(text.size(), what.size());
  const Window where = window(text, bound);
  if (where.empty) return Value::integer(0);
  const std::string_view part = std::string_view(text.bytes).substr(where.begin, where.end - where.begin);
  if (what.empty()) return Value::integer(static_cast<int64_t>(character_count(part)) + 1);
  int64_t count = 0;
  for (size_t at = part.find(what); at != std::string_view::npos; at = part.find(what, at + what.size()))
    ++count;
  return Value::integer(count);
}

Value str_join(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("join", arguments, {"iterable"});
  const Text& between = plain(self);
  Text out;
  bool first = true;
  for (const Value& item : runtime.iterate(bound.need(0))) {
    const Text& text = text_of(item, "an item to join");
    if (!std::exchange(first, false)) out.append(between);
    runtime.budget().check_size(out.size() + text.size() + between.size());
    out.append(text);
  }
  return text_value(runtime, std::move(out));
}

Value str_format(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return text_value(runtime, format_braces(runtime, self.text(), arguments));
}

template <Text (*operation)(const Text&)>
Value str_map(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("this method", arguments, {});
  runtime.budget().work(4 * self.text().size());
  return text_value(runtime, operation(self.text()));
}

// -1: text to the left of the room (ljust), 1: to the right, 0: in the middle.
template <int side>
Value str_just(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("center", arguments, {"width", "fillchar"});
  const Text& text = plain(self);
  const Text fill = bound.get(1) ? text_of(*bound.get(1), "fillchar") : Text(" ");
  if (character_count(fill.bytes) != 1)
    throw Failure("The fill character must be exactly one character long");
  const int64_t width = index_of(bound.need(0)), size = static_cast<int64_t>(character_count(text.bytes));
  if (width <= size) return text_value(runtime, text);
  if (width > static_cast<int64_t>(runtime.budget().limits().value_bytes / 4))
    runtime.budget().check_size(runtime.budget().limits().value_bytes + 1);
  const int64_t room = width - size;
  // In the middle: of an odd room the left takes more when the width is odd too.
  const int64_t before = side < 0 ? 0 : side > 0 ? room : room / 2 + (room & width & 1);
  Text out;
  for (int64_t i = 0; i < before; ++i) out.append(fill);
  out.append(text);
  for (int64_t i = before; i < room; ++i) out.append(fill);
  return text_value(runtime, std::move(out));
}

Value str_zfill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("zfill", arguments, {"width"});
  const Text& text = plain(self);
  const int64_t room = index_of(bound.need(0)) - static_cast<int64_t>(character_count(text.bytes));
  if (room <= 0) return text_value(runtime, text);
  runtime.budget().check_size(text.size() + static_cast<size_t>(room));
  const size_t sign = text.bytes.starts_with('-') || text.bytes.starts_with('+');
  Text out = text.piece(0, sign);
  out.append(std::string(static_cast<size_t>(room), '0'));
  out.append(text, sign, text.size());
  return text_value(runtime, std::move(out));
}

template <bool at_start>
Value str_remove(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("removeprefix", arguments, {"affix"});
  const Text& text = self.text();
  const std::string& affix = text_of(bound.need(0), "affix").bytes;
  const bool there = at_start ? text.bytes.starts_with(affix) : text.bytes.ends_with(affix);
  const size_t cut = there ? affix.size() : 0;
  return text_value(runtime, at_start ? text.piece(cut, text.size()) : text.piece(0, text.size() - cut));
}

const Methods& str_methods() {
  static const Methods methods = {
      {"capitalize", str_map<capitalize>},
      {"center", str_just<0>},
      {"count", str_count},
      {"endswith", str_affix<false>},
      {"find", str_find<false, false>},
      {"format", str_format},
      {"index", str_find<false, true>},
      {"join", str_join},
      {"ljust", str_just<-1>},
      {"lower", str_map<lower>},
      {"lstrip", str_strip<true, false>},
      {"partition", str_partition<false>},
      {"removeprefix", str_remove<true>},
      {"removesuffix", str_remove<false>},
      {"replace", str_replace},
      {"rfind", str_find<true, false>},
      {"rindex", str_find<true, true>},
      {"rjust", str_just<1>},
      {"rpartition", str_partition<true>},
      {"rsplit", str_split<rsplit>},
      {"rstrip", str_strip<false, true>},
      {"split", str_split<split>},
      {"splitlines", str_splitlines},
      {"startswith", str_affix<true>},
      {"strip", str_strip<true, true>},
      {"title", str_map<title>},
      {"upper", str_map<upper>},
      {"zfill", str_zfill},
  };
  return methods;
}

// ---- list, tuple, range

Value list_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("index", arguments, {"value", "start", "stop"});
  if (bound.get(1)) throw Failure("index() with a start is not supported");
  const std::vector<Value> items = runtime.iterate(self);
  for (size_t i = 0; i < items.size(); ++i)
    if (equal(runtime.budget(), items[i], bound.need(0))) return Value::integer(static_cast<int64_t>(i));
  throw Failure("the value is not in the list");
}

Value list_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"value"});
  int64_t count = 0;
  for (const Value& item : runtime.iterate(self)) count += equal(runtime.budget(), item, bound.need(0));
  return Value::integer(count);
}

Value list_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("copy", arguments, {});
  return make_list(runtime.budget(), runtime.iterate(self));
}

const Methods& list_methods() {
  static const Methods methods = {{"copy", list_copy}, {"count", list_count}, {"index", list_index}};
  return methods;
}

const Methods& tuple_methods() {
  static const Methods methods = {{"count", list_count}, {"index", list_index}};
  return methods;
}

// ---- dict

Value dict_get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (!arguments.keyword.empty()) throw Failure("dict.get() takes no keyword arguments");
  const Bound bound("get", arguments, {"key", "default"});
  const Value& key = bound.need(0);
  if (key.is_string()) runtime.budget().work(key.text().size());
  const Value* found = self.dict().find(key);
  return found ? *found : bound.get(1) ? *bound.get(1) : Value::none();
}

// 0: keys, 1: values, 2: items
template <int part>
Value dict_view(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Bound bound("items", arguments, {});
  std::vector<Value> out;
  for (const auto& [key, value] : self.dict().items)
    out.push_back(part == 0 ? key : part == 1 ? value : make_tuple(runtime.budget(), {key, value}));
  return make_view(runtime.budget(), std::move(out),
                   part == 0   ? "dict_keys"
                   : part == 1 ? "dict_values"
                               : "dict_items");
}

Value dict_copy(Runtime&, const Value& self, const Arguments& arguments) {
  const Bound bound("copy", arguments, {});
  return self;
}

const Methods& dict_methods() {
  static const Methods methods = {{"copy", dict_copy},
                                  {"get", dict_get},
                                  {"items", dict_view<2>},
                                  {"keys", dict_view<0>},
                                  {"values", dict_view<1>}};
  return methods;
}

// Names that Python's types have beside the methods above and the forbidden ones.
bool is_left_out(Kind kind, std::string_view name) {
  static const std::set<std::string_view> str = {"casefold",   "encode",       "expandtabs",
                                                 "format_map", "isidentifier", "isprintable",
                                                 "maketrans",  "swapcase",     "translate"};
  static const std::set<std::string_view> number = {
      "as_integer_ratio", "bit_count", "bit_length", "conjugate",  "denominator",
      "from_bytes",       "fromhex",   "hex",        "imag",       "is_integer",
      "numerator",        "real",      "to_bytes",   "from_number"};
  switch (kind) {
    case Kind::kString:
      return str.contains(name);
    case Kind::kDict:
      return name == "fromkeys";
    case Kind::kView:
      return name == "mapping" || name == "isdisjoint";
    case Kind::kRange:
      return name == "start" || name == "stop" || name == "step" || name == "count" || name == "index";
    case Kind::kInt:
    case Kind::kBool:
    case Kind::kFloat:
      return number.contains(name);
    default:
      return false;
  }
}

bool is_forbidden(Kind kind, std::string_view name) {
  static const std::set<std::string_view> list = {"append", "clear",  "extend",  "insert",
                                                  "pop",    "remove", "reverse", "sort"};
  static const std::set<std::string_view> dict = {"clear", "pop", "popitem", "setdefault", "update"};
  return (kind == Kind::kList && list.contains(name)) || (kind == Kind::kDict && dict.contains(name));
}

}  // namespace

std::optional<Value> find_method(Runtime& runtime, const Value& object, const std::string& name) {
  const Methods* methods = nullptr;
  switch (object.kind()) {
    case Kind::kString:
      methods = &str_methods();
      break;
    case Kind::kList:
      methods = &list_methods();
      break;
    case Kind::kTuple:
      methods = &tuple_methods();
      break;
    case Kind::kDict:
      methods = &dict_methods();
      break;
    default:
      break;
  }
  if (methods)
    if (const auto found = methods->find(name); found != methods->end())
      return make_function(runtime.budget(), name, found->second, object);
  if (object.is_string() && name.starts_with("is") && is_class("", name.substr(2)))
    return make_function(
        runtime.budget(), name,
        [what = name.substr(2)](Runtime& run, const Value& self, const Arguments& arguments) {
          const Bound bound("this method", arguments, {});
          run.budget().work(8 * self.text().size());
          return Value::boolean(is_class(self.text().bytes, what).value_or(false));
        },
        object);
  if (is_forbidden(object.kind(), name))
    return Value::undefined("changing a " + type_name(object) + " with " + name +
                            "() is not supported: Transformers' sandbox forbids it too");
  if (is_left_out(object.kind(), name))
    throw Failure("the attribute \"" + name + "\" of a " + type_name(object) + " is not supported");
  return std::nullopt;
}

}  // namespace lora::jinja
