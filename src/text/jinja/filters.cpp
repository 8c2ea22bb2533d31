// Jinja's filters, with Transformers' tojson. Those that no chat template has a use for are left out (pprint, random,
// striptags, urlencode, urlize, wordwrap, xmlattr, filesizeformat): using one fails by its name.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string_view>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

using Filter = Value (*)(Runtime&, const Value&, const Arguments&);

// Jinja's soft_str: the text of a string as it is, str() of anything else.
Text soft_text(Runtime& runtime, const Value& value) {
  if (value.is_string()) runtime.budget().work(value.text().size());
  return to_text(runtime.budget(), value);
}

Value text_value(Runtime& runtime, Text text) {
  return make_string(runtime.budget(), std::move(text));
}

// ---- attributes, as in map(attribute="a.b") and sort(attribute="a,b")

std::vector<Value> attribute_parts(Runtime& runtime, const Value& attribute) {
  if (!attribute.is_string()) return {attribute};
  std::vector<Value> out;
  const std::string dot = ".";
  for (const Text& part : split(attribute.text(), &dot, -1)) {
    const bool digits = is_class(part.bytes, "digit").value_or(false);
    out.push_back(digits ? to_integer(Value::string(part), 10) : text_value(runtime, part));
  }
  return out;
}

using Getter = std::function<Value(const Value&)>;

Getter attribute_getter(Runtime& runtime, const Value* attribute, const Value* otherwise = nullptr) {
  if (!attribute || attribute->is_none()) return [](const Value& value) { return value; };
  if (otherwise && otherwise->is_none()) otherwise = nullptr;
  return [&runtime, parts = attribute_parts(runtime, *attribute),
          fallback = otherwise ? std::optional(*otherwise) : std::nullopt](const Value& value) {
    Value at = value;
    for (const Value& part : parts) {
      at = runtime.item(at, part);
      if (fallback && at.is_undefined()) at = *fallback;
    }
    return at;
  };
}

Value without_case(Runtime& runtime, const Value& value) {
  if (!value.is_string()) return value;
  runtime.budget().work(value.text().size());
  return text_value(runtime, lower(value.text()));
}

// What values are ordered by: one key for each attribute of a comma-separated list.
std::vector<Value> sort_keys(Runtime& runtime, const std::vector<Value>& items, const Value* attribute,
                             bool case_sensitive) {
  std::vector<Getter> getters;
  if (attribute && attribute->is_string()) {
    const std::string comma = ",";
    for (const Text& part : split(attribute->text(), &comma, -1)) {
      const Value name = text_value(runtime, part);
      getters.push_back(attribute_getter(runtime, &name));
    }
  } else {
    getters.push_back(attribute_getter(runtime, attribute));
  }
  std::vector<Value> out;
  for (const Value& item : items) {
    std::vector<Value> key;
    for (const Getter& get : getters) {
      Value value = get(item);
      if (value.kind() == Kind::kFloat && std::isnan(value.as_real()))
        throw Failure("sorting NaN is not supported");
      key.push_back(case_sensitive ? value : without_case(runtime, value));
    }
    out.push_back(make_list(runtime.budget(), std::move(key)));
  }
  return out;
}

std::vector<Value> sorted(Runtime& runtime, const std::vector<Value>& items, const std::vector<Value>& keys,
                          bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reverse ? less(runtime.budget(), keys[b], keys[a]) : less(runtime.budget(), keys[a], keys[b]);
  });
  std::vector<Value> out;
  for (const size_t i : order) out.push_back(items[i]);
  return out;
}

Value filter_sort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const std::vector<Value> items = runtime.iterate(value);
  const auto keys = sort_keys(runtime, items, bound.get(2), bound.flag(1, false));
  return make_list(runtime.budget(), sorted(runtime, items, keys, bound.flag(0, false)));
}

Value filter_dictsort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (!value.is_dict()) throw Failure("'" + type_name(value) + "' object has no attribute 'items'");
  const std::string by = bound.get(1) ? text_of(*bound.get(1), "by").bytes : "key";
  if (by != "key" && by != "value") throw Failure("You can only sort by either \"key\" or \"value\"");
  std::vector<Value> items, subjects;
  for (const auto& [key, item] : value.dict().items) {
    items.push_back(make_tuple(runtime.budget(), {key, item}));
    subjects.push_back(by == "key" ? key : item);
  }
  const auto keys = sort_keys(runtime, subjects, nullptr, bound.flag(0, false));
  return make_list(runtime.budget(), sorted(runtime, items, keys, bound.flag(2, false)));
}

Value extreme(Runtime& runtime, const Value& value, const Arguments& arguments, bool largest) {
  const Bound bound(largest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const std::vector<Value> items = runtime.iterate(value);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const Getter get = attribute_getter(runtime, bound.get(1));
  const auto key = [&](const Value& item) {
    return bound.flag(0, false) ? get(item) : without_case(runtime, get(item));
  };
  size_t best = 0;
  Value best_key = key(items[0]);
  for (size_t i = 1; i < items.size(); ++i) {
    Value here = key(items[i]);
    if (largest ? less(runtime.budget(), best_key, here) : less(runtime.budget(), here, best_key)) {
      best = i;
      best_key = std::move(here);
    }
  }
  return items[best];
}

Value filter_groupby(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("groupby", arguments, {"attribute", "default", "case_sensitive"});
  bound.need(0);
  const bool case_sensitive = bound.flag(2, false);
  const Getter get = attribute_getter(runtime, bound.get(0), bound.get(1));
  const std::vector<Value> items = runtime.iterate(value);
  std::vector<Value> keys;
  for (const Value& item : items)
    keys.push_back(case_sensitive ? get(item) : without_case(runtime, get(item)));
  std::vector<Value> groups, group;
  std::vector<Value> numbers;
  for (size_t i = 0; i < items.size(); ++i) numbers.push_back(Value::integer(static_cast<int64_t>(i)));
  const std::vector<Value> order = sorted(runtime, numbers, keys, false);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto here = static_cast<size_t>(order[i].as_integer());
    group.push_back(items[here]);
    const bool last = i + 1 == order.size() || !equal(runtime.budget(), keys[here],
                                                      keys[static_cast<size_t>(order[i + 1].as_integer())]);
    if (!last) continue;
    const Value key = get(group.front());
    groups.push_back(make_tuple(runtime.budget(), {key, make_list(runtime.budget(), std::move(group))}));
    group.clear();
  }
  return make_list(runtime.budget(), std::move(groups));
}

Value filter_unique(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
  const Getter get = attribute_getter(runtime, bound.get(1));
  std::vector<Value> out;
  std::map<std::string, bool> seen;
  for (const Value& item : runtime.iterate(value)) {
    const Value key = bound.flag(0, false) ? get(item) : without_case(runtime, get(item));
    if (key.is_string()) runtime.budget().work(key.text().size());
    if (seen.emplace(key_of(key), true).second) out.push_back(item);
  }
  return make_iterator(runtime.budget(), std::move(out));
}

// ---- map, select and their kin

Arguments without_first(const Arguments& arguments, size_t count) {
  Arguments out = arguments;
  out.positional.erase(out.positional.begin(), out.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return out;
}

Value filter_map(Runtime& runtime, const Value& value, const Arguments& arguments) {
  std::vector<Value> out;
  if (!is_true(value)) return make_iterator(runtime.budget(), std::move(out));
  if (arguments.positional.empty()) {
    const Bound bound("map", arguments, {"attribute", "default"});
    const Getter get = attribute_getter(runtime, &bound.need(0), bound.get(1));
    for (const Value& item : runtime.iterate(value)) out.push_back(get(item));
  } else {
    const std::string name = text_of(arguments.positional[0], "the filter's name").bytes;
    const Arguments rest = without_first(arguments, 1);
    for (const Value& item : runtime.iterate(value)) out.push_back(runtime.filter(name, item, rest));
  }
  return make_iterator(runtime.budget(), std::move(out));
}

Value chosen(Runtime& runtime, const Value& value, const Arguments& arguments, bool by_attribute,
             bool wanted) {
  std::vector<Value> out;
  if (!is_true(value)) return make_iterator(runtime.budget(), std::move(out));
  const size_t off = by_attribute ? 1 : 0;
  if (arguments.positional.size() < off) throw Failure("Missing parameter for attribute name");
  const Getter get = attribute_getter(runtime, by_attribute ? &arguments.positional[0] : nullptr);
  const bool has_test = arguments.positional.size() > off;
  const std::string name = has_test ? text_of(arguments.positional[off], "the test's name").bytes : "";
  const Arguments rest = has_test ? without_first(arguments, off + 1) : Arguments();
  for (const Value& item : runtime.iterate(value)) {
    const Value subject = get(item);
    if ((has_test ? runtime.test(name, subject, rest) : is_true(subject)) == wanted) out.push_back(item);
  }
  return make_iterator(runtime.budget(), std::move(out));
}

// ---- sequences

Value filter_length(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("length", arguments, {});
  if (value.is_string()) runtime.budget().work(value.text().size());
  return Value::integer(length_of(value));
}

Value filter_first(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("first", arguments, {});
  const Value none = Value::undefined("No first item, sequence was empty.");
  if (value.kind() == Kind::kIterator) {
    IteratorObject& iterator = value.iterator();
    return iterator.next < iterator.items.size() ? iterator.items[iterator.next++] : none;
  }
  if (value.is_string()) return value.text().size() ? runtime.item(value, Value::integer(0)) : none;
  const std::vector<Value> items = runtime.iterate(value);
  return items.empty() ? none : items.front();
}

Value filter_last(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("last", arguments, {});
  const Value none = Value::undefined("No last item, sequence was empty.");
  if (value.kind() == Kind::kIterator)
    throw Failure("'" + value.iterator().name + "' object is not reversible");
  if (value.is_string()) return value.text().size() ? runtime.item(value, Value::integer(-1)) : none;
  const std::vector<Value> items = runtime.iterate(value);
  return items.empty() ? none : items.back();
}

Value filter_list(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("list", arguments, {});
  return make_list(runtime.budget(), runtime.iterate(value));
}

Value filter_reverse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("reverse", arguments, {});
  if (value.is_string()) return slice(runtime, value, Value::none(), Value::none(), Value::integer(-1));
  std::vector<Value> items = runtime.iterate(value);
  std::reverse(items.begin(), items.end());
  if (value.kind() == Kind::kIterator) return make_list(runtime.budget(), std::move(items));
  return make_iterator(runtime.budget(), std::move(items), "list_reverseiterator");
}

Value filter_join(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("join", arguments, {"d", "attribute"});
  const Text between = bound.get(0) ? to_text(runtime.budget(), *bound.get(0)) : Text();
  const Getter get = attribute_getter(runtime, bound.get(1));
  Text out;
  bool first = true;
  for (const Value& item : runtime.iterate(value)) {
    if (!std::exchange(first, false)) out.append(between);
    const Text text = to_text(runtime.budget(), get(item));
    runtime.budget().check_size(out.size() + text.size() + between.size());
    out.append(text);
  }
  return text_value(runtime, std::move(out));
}

Value filter_sum(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("sum", arguments, {"attribute", "start"});
  const Getter get = attribute_getter(runtime, bound.get(0));
  Value out = bound.get(1) ? *bound.get(1) : Value::integer(0);
  if (out.is_string()) throw Failure("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : runtime.iterate(value)) out = binary(runtime, Op::kAdd, out, get(item));
  return out;
}

Value filter_items(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("items", arguments, {});
  std::vector<Value> out;
  if (!value.is_undefined()) {
    if (!value.is_dict()) throw Failure("Can only get item pairs from a mapping.");
    for (const auto& [key, item] : value.dict().items)
      out.push_back(make_tuple(runtime.budget(), {key, item}));
  }
  return make_iterator(runtime.budget(), std::move(out));
}

Value filter_batch(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("batch", arguments, {"linecount", "fill_with"});
  const int64_t size = index_of(bound.need(0));
  if (size > runtime.budget().limits().range_items) Budget::exceeded("batches of more than 100,000");
  std::vector<Value> out, batch;
  for (const Value& item : runtime.iterate(value)) {
    if (static_cast<int64_t>(batch.size()) == size) {
      out.push_back(make_list(runtime.budget(), std::move(batch)));
      batch.clear();
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    if (bound.get(1) && !bound.get(1)->is_none())
      while (static_cast<int64_t>(batch.size()) < size) batch.push_back(*bound.get(1));
    out.push_back(make_list(runtime.budget(), std::move(batch)));
  }
  return make_iterator(runtime.budget(), std::move(out));
}

Value filter_slice(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("slice", arguments, {"slices", "fill_with"});
  const int64_t slices = index_of(bound.need(0));
  if (slices == 0) throw Failure("division by zero");
  if (slices > runtime.budget().limits().range_items) Budget::exceeded("more than 100,000 slices");
  const std::vector<Value> items = runtime.iterate(value);
  std::vector<Value> out;
  size_t at = 0;
  const size_t count = static_cast<size_t>(std::max<int64_t>(slices, 0));
  for (size_t i = 0; i < count; ++i) {
    const bool longer = i < items.size() % count;
    const size_t end = at + items.size() / count + longer;
    std::vector<Value> part(items.begin() + static_cast<std::ptrdiff_t>(at),
                            items.begin() + static_cast<std::ptrdiff_t>(end));
    if (!longer && bound.get(1) && !bound.get(1)->is_none()) part.push_back(*bound.get(1));
    out.push_back(make_list(runtime.budget(), std::move(part)));
    at = end;
  }
  return make_iterator(runtime.budget(), std::move(out));
}

// ---- text

template <Text (*operation)(const Text&)>
Value on_text(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("this filter", arguments, {});
  const Text text = soft_text(runtime, value);
  runtime.budget().work(4 * text.size());
  return text_value(runtime, operation(text));
}

Value filter_string(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("string", arguments, {});
  return value.is_string() ? value : text_value(runtime, soft_text(runtime, value));
}

Value filter_safe(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("safe", arguments, {});
  Text text = soft_text(runtime, value);
  text.markup = true;
  return text_value(runtime, std::move(text));
}

Value filter_trim(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("trim", arguments, {"chars"});
  const Text* chars = bound.string(0);
  return text_value(runtime, strip(soft_text(runtime, value), chars ? &chars->bytes : nullptr, true, true));
}

Value filter_replace(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"});
  Text text = soft_text(runtime, value);
  text.markup = false;
  Arguments plain;
  for (size_t i = 0; i < 2; ++i)
    plain.positional.push_back(text_value(runtime, to_text(runtime.budget(), bound.need(i))));
  if (bound.get(2) && !bound.get(2)->is_none()) plain.positional.push_back(*bound.get(2));
  return runtime.call(runtime.attribute(text_value(runtime, std::move(text)), "replace"), plain);
}

Value filter_center(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("center", arguments, {"width"});
  Arguments width;
  width.positional.push_back(Value::integer(bound.integer(0, 80)));
  return runtime.call(runtime.attribute(text_value(runtime, soft_text(runtime, value)), "center"), width);
}

Value filter_indent(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("indent", arguments, {"width", "first", "blank"});
  Budget& budget = runtime.budget();
  const Text& text = text_of(value, "indent()'s operand");
  Text indent;
  if (bound.get(0) && bound.get(0)->is_string()) {
    indent = bound.get(0)->text();
  } else {
    const int64_t width = bound.integer(0, 4);
    budget.check_size(static_cast<size_t>(std::max<int64_t>(width, 0)));
    indent = Text(std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' '));
  }
  budget.work(2 * text.size());
  Text with_end = text;
  with_end.append("\n");
  const bool blank = bound.flag(2, false);
  Text out;
  if (bound.flag(1, false)) out.append(indent);
  bool first = true;
  for (const Text& line : split_lines(with_end)) {
    if (!std::exchange(first, false)) {
      out.append("\n");
      budget.check_size(out.size() + indent.size());
      if (blank || line.size() > 0) out.append(indent);
    }
    out.append(line);
  }
  budget.check_size(out.size());
  return text_value(runtime, std::move(out));
}

Value filter_truncate(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const Text& text = text_of(value, "truncate()'s operand");
  const Text end = bound.get(2) ? text_of(*bound.get(2), "end") : Text("...");
  const int64_t length = bound.integer(0, 255), end_length = static_cast<int64_t>(character_count(end.bytes));
  const int64_t leeway = bound.get(3) && !bound.get(3)->is_none() ? index_of(*bound.get(3)) : 5;
  if (length < end_length || leeway < 0) throw Failure("truncate() to less than its own end");
  runtime.budget().work(2 * text.size());
  if (static_cast<int64_t>(character_count(text.bytes)) - leeway <= length) return value;
  Text out = text.piece(0, byte_of_character(text.bytes, static_cast<size_t>(length - end_length)));
  if (!bound.flag(1, false)) {
    const std::string space = " ";
    out = rsplit(out, &space, 1).front();
  }
  out.append(end);
  return text_value(runtime, std::move(out));
}

Value filter_wordcount(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("wordcount", arguments, {});
  const Text text = soft_text(runtime, value);
  runtime.budget().work(16 * text.size());
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const bool word = is_word(next_character(text.bytes, at));
    count += word && !inside;
    inside = word;
  }
  return Value::integer(count);
}

Value filter_format(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty())
    throw Failure("can't handle positional and keyword arguments at the same time");
  Value values;
  if (arguments.keyword.empty()) {
    values = make_tuple(runtime.budget(), arguments.positional);
  } else {
    std::vector<std::pair<Value, Value>> items;
    for (const auto& [name, item] : arguments.keyword) items.emplace_back(text_value(runtime, name), item);
    values = make_dict(runtime.budget(), std::move(items));
  }
  return text_value(runtime, format_percent(runtime, soft_text(runtime, value), values));
}

// ---- numbers

Value filter_int(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound("int", arguments, {"default", "base"});
  const Value otherwise = bound.get(0) ? *bound.get(0) : Value::integer(0);
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  if (!value.is_number() && !value.is_string()) return otherwise;
  if (value.kind() == Kind::kFloat && !std::isfinite(value.as_real())) {
    if (std::isinf(value.as_real())) throw Failure("cannot convert float infinity to integer");
    return otherwise;
  }
  // A number too large fails here as it would silently become another one; anything else unreadable is `otherwise`.
  const auto attempt = [](auto convert) -> std::optional<Value> {
    try {
      return convert();
    } catch (const Failure& failure) {
      if (std::string_view(failure.what()).find("not supported") != std::string_view::npos) throw;
      return std::nullopt;
    }
  };
  if (const auto whole = attempt([&] { return to_integer(value, bound.integer(1, 10)); })) return *whole;
  const auto real = attempt([&] { return to_real(value); });
  if (!real || !std::isfinite(real->as_real())) return otherwise;
  return to_integer(*real, 10);
}

Value filter_float(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound("float", arguments, {"default"});
  if (value.is_undefined()) throw Failure(value.what_is_undefined());
  try {
    return to_real(value);
  } catch (const Failure&) {
    return bound.get(0) ? *bound.get(0) : Value::real(0);
  }
}

Value filter_abs(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound("abs", arguments, {});
  if (!value.is_number()) throw Failure("bad operand type for abs(): '" + type_name(value) + "'");
  if (value.kind() == Kind::kFloat) return Value::real(std::abs(value.as_real()));
  return value.as_integer() < 0 ? negative(value) : Value::integer(value.as_integer());
}

Value filter_round(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound("round", arguments, {"precision", "method"});
  const int64_t precision = bound.integer(0, 0);
  const std::string method = bound.get(1) ? text_of(*bound.get(1), "method").bytes : "common";
  if (!value.is_number()) throw Failure("round() of a " + type_name(value));
  if (precision < 0 || precision > 300) throw Failure("round() to this precision is not supported");
  if (method == "common") {
    if (value.is_integral()) return Value::integer(value.as_integer());
    if (!std::isfinite(value.as_real())) return value;
    // The decimal form is rounded correctly, ties to even, as Python does.
    char buffer[700];
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value.as_real());
    return Value::real(std::strtod(buffer, nullptr));
  }
  if (method != "ceil" && method != "floor") throw Failure("method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.as_real() * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

// ---- the rest

Value filter_default(Runtime&, const Value& value, const Arguments& arguments) {
  const Bound bound("default", arguments, {"default_value", "boolean"});
  if (!value.is_undefined() && !(bound.flag(1, false) && !is_true(value))) return value;
  return bound.get(0) ? *bound.get(0) : Value::string(Text());
}

Value filter_attr(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("attr", arguments, {"name"});
  const std::string& name = text_of(bound.need(0), "name").bytes;
  const Value found = runtime.attribute(value, name);
  // An item of a dict is no attribute.
  if (value.is_dict() && found.kind() != Kind::kFunction)
    return Value::undefined("dict object has no attribute " + name);
  return found;
}

Value filter_tojson(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonOptions options;
  options.ensure_ascii = bound.flag(0, false);
  options.sort_keys = bound.flag(3, false);
  if (const Value* indent = bound.get(1); indent && !indent->is_none()) {
    if (indent->is_string()) {
      options.indent = indent->text().bytes;
    } else {
      const int64_t width = std::max<int64_t>(index_of(*indent), 0);
      runtime.budget().check_size(static_cast<size_t>(width));
      options.indent = std::string(static_cast<size_t>(width), ' ');
    }
    options.item_separator = ",";
  }
  if (const Value* separators = bound.get(2); separators && !separators->is_none()) {
    const std::vector<Value> both = runtime.iterate(*separators);
    if (both.size() != 2) throw Failure("separators takes two texts");
    options.item_separator = text_of(both[0], "a separator").bytes;
    options.key_separator = text_of(both[1], "a separator").bytes;
  }
  return text_value(runtime, to_json(runtime, value, options));
}

const std::map<std::string, Filter, std::less<>>& table() {
  static const std::map<std::string, Filter, std::less<>> filters = {
      {"abs", filter_abs},
      {"attr", filter_attr},
      {"batch", filter_batch},
      {"capitalize", on_text<capitalize>},
      {"center", filter_center},
      {"count", filter_length},
      {"d", filter_default},
      {"default", filter_default},
      {"dictsort", filter_dictsort},
      {"e", on_text<escape_html>},
      {"escape", on_text<escape_html>},
      {"first", filter_first},
      {"float", filter_float},
      {"format", filter_format},
      {"groupby", filter_groupby},
      {"indent", filter_indent},
      {"int", filter_int},
      {"items", filter_items},
      {"join", filter_join},
      {"last", filter_last},
      {"length", filter_length},
      {"list", filter_list},
      {"lower", on_text<lower>},
      {"map", filter_map},
      {"max", [](Runtime& r, const Value& v, const Arguments& a) { return extreme(r, v, a, true); }},
      {"min", [](Runtime& r, const Value& v, const Arguments& a) { return extreme(r, v, a, false); }},
      {"reject",
       [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, false, false); }},
      {"rejectattr",
       [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, true, false); }},
      {"replace", filter_replace},
      {"reverse", filter_reverse},
      {"round", filter_round},
      {"safe", filter_safe},
      {"select", [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, false, true); }},
      {"selectattr",
       [](Runtime& r, const Value& v, const Arguments& a) { return chosen(r, v, a, true, true); }},
      {"slice", filter_slice},
      {"sort", filter_sort},
      {"string", filter_string},
      {"sum", filter_sum},
      {"title", on_text<title_words>},
      {"tojson", filter_tojson},
      {"trim", filter_trim},
      {"truncate", filter_truncate},
      {"unique", filter_unique},
      {"upper", on_text<upper>},
      {"wordcount", filter_wordcount},
  };
  return filters;
}

}  // namespace

std::optional<Value> call_filter(Runtime& runtime, const std::string& name, const Value& value,
                                 const Arguments& arguments) {
  const auto found = table().find(name);
  if (found == table().end()) return std::nullopt;
  return found->second(runtime, value, arguments);
}

bool is_filter(const std::string& name) {
  static constexpr std::string_view kLeftOut[] = {"filesizeformat", "forceescape", "pprint",
                                                  "random",         "striptags",   "urlencode",
                                                  "urlize",         "wordwrap",    "xmlattr"};
  return table().contains(name) ||
         std::find(std::begin(kLeftOut), std::end(kLeftOut), name) != std::end(kLeftOut);
}

}  // namespace lora::jinja
