#include "text/jinja/value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

constexpr size_t kItemBytes = sizeof(Value);

void check_depth(const Budget& budget, size_t depth) {
  if (depth > budget.limits().nesting)
    Budget::exceeded("a value nested more than " + std::to_string(budget.limits().nesting) + " deep");
}

template <typename ObjectType>
Value make_listed(Budget& budget, Kind kind, std::vector<Value> items, std::string name = "") {
  budget.check_size(items.size() * kItemBytes);
  budget.work(items.size() * kItemBytes);
  auto object = std::make_shared<ObjectType>(std::move(items), budget.account());
  budget.check_live();
  check_depth(budget, object->depth);
  object->view_name = std::move(name);
  return Value(kind, std::move(object));
}

void append_repr(Budget& budget, const Value& value, Text& out);

void append_items(Budget& budget, const std::vector<Value>& items, Text& out) {
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) out.append(", ");
    append_repr(budget, item, out);
  }
}

void append_repr(Budget& budget, const Value& value, Text& out) {
  budget.step();
  switch (value.kind()) {
    case Kind::kString:
      budget.work(value.text().size());
      if (value.text().markup) out.append("Markup(");
      out.append(quoted(value.text()));
      if (value.text().markup) out.append(")");
      break;
    case Kind::kUndefined:
      out.append("Undefined");
      break;
    case Kind::kList:
      out.append("[");
      append_items(budget, value.items(), out);
      out.append("]");
      break;
    case Kind::kTuple:
      out.append("(");
      append_items(budget, value.items(), out);
      out.append(value.items().size() == 1 ? ",)" : ")");
      break;
    case Kind::kView:
      out.append(static_cast<const ListObject*>(value.identity())->view_name + "([");
      append_items(budget, value.items(), out);
      out.append("])");
      break;
    case Kind::kDict: {
      out.append("{");
      bool first = true;
      for (const auto& [key, item] : value.dict().items) {
        if (!std::exchange(first, false)) out.append(", ");
        append_repr(budget, key, out);
        out.append(": ");
        append_repr(budget, item, out);
      }
      out.append("}");
      break;
    }
    case Kind::kNamespace: {
      out.append("<Namespace {");
      bool first = true;
      for (const auto& [name, item] : value.space().attributes) {
        if (!std::exchange(first, false)) out.append(", ");
        out.append(quoted(name));
        out.append(": ");
        append_repr(budget, item, out);
      }
      out.append("}>");
      break;
    }
    case Kind::kRange: {
      const RangeObject& range = value.range();
      out.append("range(" + std::to_string(range.start) + ", " + std::to_string(range.at(range.count)));
      out.append(range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")");
      break;
    }
    case Kind::kIterator:
    case Kind::kFunction:
    case Kind::kMacro:
    case Kind::kLoop:
      throw Failure("printing a " + type_name(value) + " is not supported");
    default:
      out.append(to_text(budget, value));
  }
  budget.check_size(out.size());
}

}  // namespace

Value Value::undefined(const std::string& what) {
  return Value(Kind::kUndefined, std::make_shared<StringObject>(Text(what)));
}

Value Value::boolean(bool value) {
  Value out(Kind::kBool, nullptr);
  out.integer_ = value;
  return out;
}

Value Value::integer(int64_t value) {
  Value out(Kind::kInt, nullptr);
  out.integer_ = value;
  return out;
}

Value Value::real(double value) {
  Value out(Kind::kFloat, nullptr);
  out.real_ = value;
  return out;
}

Value Value::string(Text text) {
  return Value(Kind::kString, std::make_shared<StringObject>(std::move(text)));
}

const Text& Value::text() const {
  return static_cast<const StringObject*>(object_.get())->text;
}
const std::vector<Value>& Value::items() const {
  return static_cast<const ListObject*>(object_.get())->items;
}
const DictObject& Value::dict() const {
  return *static_cast<const DictObject*>(object_.get());
}
IteratorObject& Value::iterator() const {
  return *static_cast<IteratorObject*>(object_.get());
}
const RangeObject& Value::range() const {
  return *static_cast<const RangeObject*>(object_.get());
}
NamespaceObject& Value::space() const {
  return *static_cast<NamespaceObject*>(object_.get());
}
const FunctionObject& Value::function() const {
  return *static_cast<const FunctionObject*>(object_.get());
}

std::string Value::what_is_undefined() const {
  return object_ ? text().bytes : "the value is undefined";
}

ListObject::ListObject(std::vector<Value> list, const Budget::Account& account)
    : items(std::move(list)), charge(account, sizeof *this + items.size() * kItemBytes) {
  depth = 1;
  for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
}

IteratorObject::IteratorObject(std::vector<Value> list, std::string name, const Budget::Account& account)
    : items(std::move(list)),
      name(std::move(name)),
      charge(account, sizeof *this + items.size() * kItemBytes) {
  depth = 1;
  for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
}

DictObject::DictObject(std::vector<std::pair<Value, Value>> entries, const Budget::Account& account)
    : charge(account, sizeof *this + entries.size() * 4 * kItemBytes) {
  depth = 1;
  for (auto& [key, value] : entries) {
    depth = std::max({depth, key.depth() + 1, value.depth() + 1});
    const auto [place, added] = places.emplace(key_of(key), items.size());
    if (added)
      items.emplace_back(std::move(key), std::move(value));
    else
      items[place->second].second = std::move(value);
  }
}

const Value* DictObject::find(const Value& key) const {
  const auto found = places.find(key_of(key));
  return found == places.end() ? nullptr : &items[found->second].second;
}

const Value* DictObject::find(const std::string& key) const {
  const auto found = places.find(key_of(key));
  return found == places.end() ? nullptr : &items[found->second].second;
}

const Value* NamespaceObject::find(const std::string& name) const {
  for (const auto& [key, value] : attributes)
    if (key == name) return &value;
  return nullptr;
}

void NamespaceObject::set(const std::string& name, Value value) {
  for (auto& [key, old] : attributes)
    if (key == name) {
      old = std::move(value);
      return;
    }
  attributes.emplace_back(name, std::move(value));
}

Value make_string(Budget& budget, Text text) {
  budget.check_size(text.size());
  budget.work(text.size());
  auto object = std::make_shared<StringObject>(std::move(text), budget.account());
  budget.check_live();
  return Value(Kind::kString, std::move(object));
}

Value make_list(Budget& budget, std::vector<Value> items) {
  return make_listed<ListObject>(budget, Kind::kList, std::move(items));
}

Value make_tuple(Budget& budget, std::vector<Value> items) {
  return make_listed<ListObject>(budget, Kind::kTuple, std::move(items));
}

Value make_view(Budget& budget, std::vector<Value> items, std::string name) {
  return make_listed<ListObject>(budget, Kind::kView, std::move(items), std::move(name));
}

Value make_iterator(Budget& budget, std::vector<Value> items, std::string name) {
  budget.check_size(items.size() * kItemBytes);
  budget.work(items.size() * kItemBytes);
  auto object = std::make_shared<IteratorObject>(std::move(items), std::move(name), budget.account());
  budget.check_live();
  check_depth(budget, object->depth);
  return Value(Kind::kIterator, std::move(object));
}

Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items) {
  budget.check_size(items.size() * 2 * kItemBytes);
  budget.work(items.size() * 4 * kItemBytes);
  auto object = std::make_shared<DictObject>(std::move(items), budget.account());
  budget.check_live();
  check_depth(budget, object->depth);
  return Value(Kind::kDict, std::move(object));
}

Value make_function(Budget& budget, std::string name, FunctionObject::Body body, Value self) {
  auto object = std::make_shared<FunctionObject>();
  object->name = std::move(name);
  object->body = std::move(body);
  object->self = std::move(self);
  object->depth = object->self.depth() + 1;
  check_depth(budget, object->depth);
  return Value(Kind::kFunction, std::move(object));
}

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kView:
      return static_cast<const ListObject*>(value.identity())->view_name;
    case Kind::kIterator:
      return value.iterator().name;
    case Kind::kRange:
      return "range";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kFunction:
      return "function";
    case Kind::kMacro:
      return "Macro";
    case Kind::kLoop:
      return "LoopContext";
  }
  return "";
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.as_integer() != 0;
    case Kind::kFloat:
      return value.as_real() != 0;
    case Kind::kString:
      return value.text().size() > 0;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return !value.items().empty();
    case Kind::kDict:
      return !value.dict().items.empty();
    case Kind::kRange:
      return value.range().count > 0;
    default:
      return true;
  }
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
    return a.as_real() == b.as_real();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      budget.work(std::min(a.text().size(), b.text().size()));
      return a.text().bytes == b.text().bytes;
    case Kind::kList:
    case Kind::kTuple: {
      const auto &x = a.items(), &y = b.items();
      if (x.size() != y.size()) return false;
      for (size_t i = 0; i < x.size(); ++i)
        if (!equal(budget, x[i], y[i])) return false;
      return true;
    }
    case Kind::kDict: {
      if (a.dict().items.size() != b.dict().items.size()) return false;
      for (const auto& [key, value] : a.dict().items) {
        const Value* other = b.dict().find(key);
        if (!other || !equal(budget, value, *other)) return false;
      }
      return true;
    }
    case Kind::kRange: {
      const RangeObject &x = a.range(), &y = b.range();
      return x.count == y.count &&
             (x.count == 0 || (x.start == y.start && (x.count == 1 || x.step == y.step)));
    }
    case Kind::kView:
      if (a.identity() != b.identity()) throw Failure("comparing " + type_name(a) + " is not supported");
      return true;
    default:
      return a.identity() == b.identity();
  }
}

bool less(Budget& budget, const Value& a, const Value& b) {
  budget.step();
  for (const Value* value : {&a, &b})
    if (value->is_undefined()) throw Failure(value->what_is_undefined());
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() < b.as_integer();
    return a.as_real() < b.as_real();
  }
  if (a.is_string() && b.is_string()) {
    budget.work(std::min(a.text().size(), b.text().size()));
    return a.text().bytes < b.text().bytes;  // in UTF-8 the order of bytes is that of characters
  }
  if (a.is_list_or_tuple() && a.kind() == b.kind()) {
    const auto &x = a.items(), &y = b.items();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i)
      if (!equal(budget, x[i], y[i])) return less(budget, x[i], y[i]);
    return x.size() < y.size();
  }
  throw Failure("'" + type_name(a) + "' and '" + type_name(b) + "' have no order");
}

std::string key_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "u";
    case Kind::kNone:
      return "n";
    case Kind::kBool:
    case Kind::kInt:
      return fmt::format("i{}", value.as_integer());
    case Kind::kFloat: {
      const double real = value.as_real();
      if (std::abs(real) < 9e18 && real == std::floor(real))
        return fmt::format("i{}", static_cast<int64_t>(real));
      return fmt::format("f{}", real_to_string(real));
    }
    case Kind::kString:
      return key_of(value.text().bytes);
    case Kind::kTuple: {
      std::string out = "t";
      for (const Value& item : value.items()) {
        const std::string key = key_of(item);
        out += fmt::format("{}:{}", key.size(), key);
        if (out.size() > (1 << 20)) Budget::exceeded("a tuple of more than 1 MiB as key");
      }
      return out;
    }
    default:
      throw Failure("unhashable type: '" + type_name(value) + "'");
  }
}

std::string key_of(const std::string& text) {
  std::string out;
  out.reserve(text.size() + 1);
  out += 's';
  out += text;
  return out;
}

Text to_text(Budget& budget, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return Text();
    case Kind::kNone:
      return Text("None");
    case Kind::kBool:
      return Text(value.as_bool() ? "True" : "False");
    case Kind::kInt:
      return Text(std::to_string(value.as_integer()));
    case Kind::kFloat:
      return Text(real_to_string(value.as_real()));
    case Kind::kString:
      return value.text();
    default: {
      Text out;
      append_repr(budget, value, out);
      return out;
    }
  }
}

Text to_repr(Budget& budget, const Value& value) {
  Text out;
  append_repr(budget, value, out);
  return out;
}

std::string real_to_string(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string digits(buffer, end);
  const size_t e = digits.find('e');
  const int exponent = std::stoi(digits.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return digits;  // both write at least two digits of exponent
  const bool negative = digits[0] == '-';
  std::string all = digits.substr(negative, e - negative);
  std::erase(all, '.');
  std::string out = negative ? "-" : "";
  if (exponent < 0) {
    out += "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + all;
  } else {
    const size_t whole = static_cast<size_t>(exponent) + 1;
    if (all.size() < whole) all.append(whole - all.size(), '0');
    out += all.substr(0, whole) + "." + (all.size() > whole ? all.substr(whole) : "0");
  }
  return out;
}

}  // namespace lora::jinja
