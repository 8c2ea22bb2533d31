// The values that a template computes with: Python's, as far as Jinja's sandbox lets a template see them. Lists and
// dicts never change once made (the sandbox of Transformers forbids it too); only a namespace does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/failure.h"
#include "text/jinja/traced_text.h"

namespace lora::jinja {

class Value;
class Runtime;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kView,      // dict.keys(), .values(), .items()
  kIterator,  // what map, select and their kin give: can be gone through once
  kRange,
  kNamespace,
  kFunction,  // built in, or a method bound to its object
  kMacro,
  kLoop,  // the variable `loop`
};

struct Object {
  virtual ~Object() = default;
  // Lets go of what it holds. At the end of a render every object that could hold itself is released.
  virtual void release() {}
  size_t depth = 0;  // how deep values lie in one another below it: destructors recurse
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

struct StringObject;
struct ListObject;
struct DictObject;
struct IteratorObject;
struct RangeObject;
struct NamespaceObject;
struct FunctionObject;
struct MacroObject;
struct LoopObject;

class Value {
 public:
  Value() = default;  // undefined
  Value(Kind kind, std::shared_ptr<Object> object) : kind_(kind), object_(std::move(object)) {}
  static Value undefined(const std::string& what);  // `what`: for the error when it is used
  static Value none() { return Value(Kind::kNone, nullptr); }
  static Value boolean(bool value);
  static Value integer(int64_t value);
  static Value real(double value);
  // Without an account: for constants and input. During a render use the maker functions below.
  static Value string(Text text);

  Kind kind() const { return kind_; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }
  bool is_list_or_tuple() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  bool as_bool() const { return integer_ != 0; }
  int64_t as_integer() const { return integer_; }  // also of a bool
  double as_real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }
  const Text& text() const;
  const std::vector<Value>& items() const;  // of a list, tuple or view
  const DictObject& dict() const;
  IteratorObject& iterator() const;
  const RangeObject& range() const;
  NamespaceObject& space() const;
  const FunctionObject& function() const;
  MacroObject& macro() const;
  LoopObject& loop() const;
  const Object* identity() const { return object_.get(); }
  size_t depth() const { return object_ ? object_->depth : 0; }
  std::string what_is_undefined() const;

 private:
  Kind kind_ = Kind::kUndefined;
  union {
    int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<Object> object_;
};

struct StringObject : Object {
  Text text;
  Charge charge;
  explicit StringObject(Text text) : text(std::move(text)) {}
  StringObject(Text text, const Budget::Account& account)
      : text(std::move(text)), charge(account, sizeof *this + this->text.size()) {}
};

struct ListObject : Object {
  std::vector<Value> items;
  std::string view_name;  // of a view: "dict_keys"
  Charge charge;
  ListObject(std::vector<Value> items, const Budget::Account& account);
};

// Keys in the order they came; of two equal keys the first stays, with the second's value.
struct DictObject : Object {
  std::vector<std::pair<Value, Value>> items;
  std::unordered_map<std::string, size_t> places;  // by key_of()
  Charge charge;
  // Throws Failure for a key that is no string, number, bool, none or tuple of such.
  explicit DictObject(std::vector<std::pair<Value, Value>> entries, const Budget::Account& account = nullptr);
  const Value* find(const Value& key) const;
  const Value* find(const std::string& key) const;
};

struct IteratorObject : Object {
  std::vector<Value> items;
  size_t next = 0;
  std::string name;  // "generator"
  Charge charge;
  IteratorObject(std::vector<Value> items, std::string name, const Budget::Account& account);
};

struct RangeObject : Object {
  int64_t start = 0, step = 1, count = 0;
  int64_t at(int64_t index) const { return start + index * step; }
};

struct NamespaceObject : Object {
  void release() override { attributes.clear(); }
  std::vector<std::pair<std::string, Value>> attributes;
  const Value* find(const std::string& name) const;
  void set(const std::string& name, Value value);
};

struct FunctionObject : Object {
  using Body = std::function<Value(Runtime&, const Value& self, const Arguments&)>;
  std::string name;
  Value self;  // of a method
  Body body;
};

// Makers that count. Throw Failure beyond the budget, or when values are nested too deep.
Value make_string(Budget& budget, Text text);
Value make_list(Budget& budget, std::vector<Value> items);
Value make_tuple(Budget& budget, std::vector<Value> items);
Value make_view(Budget& budget, std::vector<Value> items, std::string name);
Value make_iterator(Budget& budget, std::vector<Value> items, std::string name = "generator");
Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> items);
Value make_function(Budget& budget, std::string name, FunctionObject::Body body, Value self = {});

// "str", "list", … as Python names the type in its messages.
std::string type_name(const Value& value);
bool is_true(const Value& value);
// Python's == ; never fails but by the budget.
bool equal(Budget& budget, const Value& a, const Value& b);
// Python's < ; Failure for kinds that have no order.
bool less(Budget& budget, const Value& a, const Value& b);
// Equal values, and only they, have one key. Failure when the value is not hashable.
std::string key_of(const Value& value);
std::string key_of(const std::string& text);  // of a string

// Python's str() and repr().
Text to_text(Budget& budget, const Value& value);
Text to_repr(Budget& budget, const Value& value);
std::string real_to_string(double value);  // repr of a float

}  // namespace lora::jinja
