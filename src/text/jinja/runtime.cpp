#include "text/jinja/runtime.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {

void Scope::set(const std::string& name, Value value) {
  for (auto& [key, old] : names)
    if (key == name) {
      old = std::move(value);
      return;
    }
  names.emplace_back(name, std::move(value));
}

MacroObject& Value::macro() const {
  return *static_cast<MacroObject*>(object_.get());
}
LoopObject& Value::loop() const {
  return *static_cast<LoopObject*>(object_.get());
}

Runtime::~Runtime() {
  // One at a time: each is still held here while another lets go of it, so nothing unwinds in a long chain.
  for (const auto& object : cyclic_) object->release();
}

ScopePtr Runtime::inner(const ScopePtr& parent) const {
  auto scope = std::make_shared<Scope>();
  scope->parent = parent;
  return scope;
}

Text Runtime::render(std::vector<std::pair<std::string, Value>> variables) {
  const auto outermost = std::make_shared<Scope>();
  outermost->names = std::move(variables);
  Text out;
  try {
    execute(program_.body, inner(outermost), out);
  } catch (Failure& failure) {
    if (failure.line == 0) failure.line = line_;
    throw;
  }
  return out;
}

void Runtime::print(const Text& text, Text& out) {
  budget_.work(text.size());
  budget_.check_size(out.size() + text.size());
  out.append(text);
}

Text Runtime::captured(const Body& body, const ScopePtr& scope) {
  Text out;
  execute(body, scope, out);
  return out;
}

Value Runtime::make_namespace(std::vector<std::pair<std::string, Value>> attributes) {
  auto object = std::make_shared<NamespaceObject>();
  object->attributes = std::move(attributes);
  cyclic_.push_back(object);
  return Value(Kind::kNamespace, std::move(object));
}

std::shared_ptr<MacroObject> Runtime::make_macro(const std::string& name, const Statement& statement,
                                                 const ScopePtr& scope) {
  auto macro = std::make_shared<MacroObject>();
  macro->name = name;
  macro->signature = &statement.signature;
  macro->body = &statement.body;
  macro->scope = scope;
  cyclic_.push_back(macro);
  return macro;
}

// ---- names, attributes, items

Value Runtime::look_up(const std::string& name, const ScopePtr& scope) const {
  for (const Scope* at = scope.get(); at; at = at->parent.get())
    for (const auto& [key, value] : at->names)
      if (key == name) return value;
  return Value::undefined("'" + name + "' is undefined");
}

Value Runtime::attribute(const Value& object, const std::string& name) {
  const auto missing = [&] {
    return Value::undefined(fmt::format("'{} object' has no attribute '{}'", type_name(object), name));
  };
  if (object.is_undefined()) throw Failure(object.what_is_undefined());
  if (object.kind() == Kind::kNamespace) {
    const Value* found = name.starts_with("_") ? nullptr : object.space().find(name);
    return found ? *found : missing();
  }
  if (object.kind() == Kind::kLoop) return loop_attribute(object, name);
  if (object.kind() == Kind::kMacro && name == "name") return make_string(budget_, object.macro().name);
  if (name.starts_with("__") && name.ends_with("__")) return missing();
  if (std::optional<Value> method = find_method(*this, object, name)) return *method;
  if (object.is_dict())
    if (const Value* found = object.dict().find(name)) return *found;
  return missing();
}

Value Runtime::item(const Value& object, const Value& key) {
  const auto missing = [&] {
    return Value::undefined(
        fmt::format("'{} object' has no element {}", type_name(object), to_repr(budget_, key).bytes));
  };
  switch (object.kind()) {
    case Kind::kUndefined:
      throw Failure(object.what_is_undefined());
    case Kind::kDict:
      if (key.is_list_or_tuple() || key.is_dict()) {
        if (key.kind() != Kind::kTuple) return missing();
        budget_.work(1000);
      }
      if (const Value* found =
              key.kind() < Kind::kList || key.kind() == Kind::kTuple ? object.dict().find(key) : nullptr)
        return *found;
      break;
    case Kind::kList:
    case Kind::kTuple:
      if (key.is_integral()) {
        const auto size = static_cast<int64_t>(object.items().size());
        const int64_t index = key.as_integer() < 0 ? key.as_integer() + size : key.as_integer();
        if (index < 0 || index >= size) return missing();
        return object.items()[static_cast<size_t>(index)];
      }
      break;
    case Kind::kRange:
      if (key.is_integral()) {
        const int64_t count = object.range().count;
        const int64_t index = key.as_integer() < 0 ? key.as_integer() + count : key.as_integer();
        if (index < 0 || index >= count) return missing();
        return Value::integer(object.range().at(index));
      }
      break;
    case Kind::kString:
      if (key.is_integral()) {
        budget_.work(object.text().size());
        const auto size = static_cast<int64_t>(character_count(object.text().bytes));
        const int64_t index = key.as_integer() < 0 ? key.as_integer() + size : key.as_integer();
        if (index < 0 || index >= size) return missing();
        const size_t begin = byte_of_character(object.text().bytes, static_cast<size_t>(index));
        size_t end = begin;
        next_character(object.text().bytes, end);
        return make_string(budget_, object.text().piece(begin, end));
      }
      break;
    default:
      break;
  }
  // Jinja tries the attribute when there is no such item.
  if (!key.is_string()) return missing();
  const std::string& name = key.text().bytes;
  if (object.is_dict()) {
    if (name.starts_with("__") && name.ends_with("__")) return missing();
    const std::optional<Value> method = find_method(*this, object, name);
    return method ? *method : missing();
  }
  return attribute(object, name);
}

std::vector<Value> Runtime::iterate(const Value& value) {
  std::vector<Value> out;
  switch (value.kind()) {
    case Kind::kUndefined:
      break;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      budget_.work(value.items().size() * sizeof(Value));
      out = value.items();
      break;
    case Kind::kDict:
      budget_.work(value.dict().items.size() * sizeof(Value));
      for (const auto& [key, item] : value.dict().items) out.push_back(key);
      break;
    case Kind::kString: {
      const Text& text = value.text();
      budget_.check_size(text.size() * sizeof(Value));
      for (size_t at = 0; at < text.size();) {
        const size_t begin = at;
        next_character(text.bytes, at);
        out.push_back(make_string(budget_, text.piece(begin, at)));
      }
      break;
    }
    case Kind::kRange:
      budget_.work(static_cast<uint64_t>(value.range().count) * sizeof(Value));
      for (int64_t i = 0; i < value.range().count; ++i) out.push_back(Value::integer(value.range().at(i)));
      break;
    case Kind::kIterator: {
      IteratorObject& iterator = value.iterator();
      budget_.work((iterator.items.size() - iterator.next) * sizeof(Value));
      out.assign(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next), iterator.items.end());
      iterator.next = iterator.items.size();
      break;
    }
    default:
      throw Failure("'" + type_name(value) + "' object is not iterable");
  }
  return out;
}

// ---- expressions

Arguments Runtime::evaluate_arguments(const CallSyntax& call, const ScopePtr& scope) {
  Arguments out;
  for (const auto& argument : call.positional) out.positional.push_back(evaluate(*argument, scope));
  if (call.star)
    for (Value& value : iterate(evaluate(*call.star, scope))) out.positional.push_back(std::move(value));
  for (const auto& [name, argument] : call.keyword)
    out.keyword.emplace_back(name, evaluate(*argument, scope));
  if (call.double_star) {
    const Value more = evaluate(*call.double_star, scope);
    if (!more.is_dict()) throw Failure("argument after ** must be a mapping, not " + type_name(more));
    for (const auto& [key, value] : more.dict().items) {
      const std::string& name = text_of(key, "a keyword").bytes;
      for (const auto& [other, unused] : out.keyword)
        if (other == name) throw Failure("the argument " + name + " is given twice");
      out.keyword.emplace_back(name, value);
    }
  }
  return out;
}

Value Runtime::call(const Value& function, const Arguments& arguments) {
  switch (function.kind()) {
    case Kind::kFunction:
      return function.function().body(*this, function.function().self, arguments);
    case Kind::kMacro:
      return call_macro(function.macro(), arguments);
    case Kind::kLoop:
      return call_loop(function.loop(), arguments);
    case Kind::kUndefined:
      throw Failure(function.what_is_undefined());
    default:
      throw Failure("'" + type_name(function) + "' object is not callable");
  }
}

Value Runtime::filter(const std::string& name, const Value& value, const Arguments& arguments) {
  budget_.step();
  std::optional<Value> out = call_filter(*this, name, value, arguments);
  if (!out) throw Failure("the filter \"" + name + "\" is not supported");
  return std::move(*out);
}

bool Runtime::test(const std::string& name, const Value& value, const Arguments& arguments) {
  budget_.step();
  const std::optional<bool> out = call_test(*this, name, value, arguments);
  if (!out) throw Failure("the test \"" + name + "\" is not supported");
  return *out;
}

Value Runtime::evaluate_filter(const Expression& node, const ScopePtr& scope, const Value* block) {
  const Expression* source = node.parts[0].get();
  Value value;
  if (!source)
    value = *block;
  else if (source->kind == Expression::Kind::kFilter)
    value = evaluate_filter(*source, scope, block);
  else
    value = evaluate(*source, scope);
  const Arguments arguments = evaluate_arguments(node.call, scope);
  line_ = node.line;
  return filter(node.name, value, arguments);
}

Value Runtime::evaluate_compare(const Expression& node, const ScopePtr& scope) {
  Value left = evaluate(*node.parts[0], scope);
  for (size_t i = 0; i < node.ops.size(); ++i) {
    Value right = evaluate(*node.parts[i + 1], scope);
    line_ = node.line;
    bool holds = false;
    switch (node.ops[i]) {
      case Op::kEqual:
        holds = equal(budget_, left, right);
        break;
      case Op::kNotEqual:
        holds = !equal(budget_, left, right);
        break;
      case Op::kLess:
        holds = less(budget_, left, right);
        break;
      case Op::kGreater:
        holds = less(budget_, right, left);
        break;
      case Op::kLessEqual:
        holds = less(budget_, left, right) || equal(budget_, left, right);
        break;
      case Op::kGreaterEqual:
        holds = less(budget_, right, left) || equal(budget_, left, right);
        break;
      case Op::kIn:
        holds = contains(*this, left, right);
        break;
      case Op::kNotIn:
        holds = !contains(*this, left, right);
        break;
      default:
        break;
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Runtime::evaluate_slice(const Expression& node, const ScopePtr& scope) {
  const Value object = evaluate(*node.parts[0], scope);
  const auto bound = [&](size_t i) {
    return node.parts[i] ? evaluate(*node.parts[i], scope) : Value::none();
  };
  const Value begin = bound(1), end = bound(2), step = bound(3);
  line_ = node.line;
  return slice(*this, object, begin, end, step);
}

Value Runtime::evaluate(const Expression& node, const ScopePtr& scope) {
  using K = Expression::Kind;
  budget_.step();
  line_ = node.line;
  const auto part = [&](size_t i) { return evaluate(*node.parts[i], scope); };
  switch (node.kind) {
    case K::kConstant:
      return node.value;
    case K::kName: {
      Value value = look_up(node.name, scope);
      if (value.is_undefined())
        if (std::optional<Value> global = find_global(*this, node.name)) return *global;
      return value;
    }
    case K::kList:
    case K::kTuple: {
      std::vector<Value> items;
      for (const auto& item : node.parts) items.push_back(evaluate(*item, scope));
      return node.kind == K::kList ? make_list(budget_, std::move(items))
                                   : make_tuple(budget_, std::move(items));
    }
    case K::kDict: {
      std::vector<std::pair<Value, Value>> items;
      for (size_t i = 0; i < node.parts.size(); i += 2) {
        Value key = part(i);
        items.emplace_back(std::move(key), part(i + 1));
      }
      return make_dict(budget_, std::move(items));
    }
    case K::kAttribute: {
      const Value object = part(0);
      line_ = node.line;
      return attribute(object, node.name);
    }
    case K::kItem: {
      const Value object = part(0), key = part(1);
      line_ = node.line;
      return item(object, key);
    }
    case K::kSlice:
      return evaluate_slice(node, scope);
    case K::kCall: {
      const Value function = part(0);
      const Arguments arguments = evaluate_arguments(node.call, scope);
      line_ = node.line;
      return call(function, arguments);
    }
    case K::kFilter:
      return evaluate_filter(node, scope, nullptr);
    case K::kTest: {
      const Value value = part(0);
      const Arguments arguments = evaluate_arguments(node.call, scope);
      line_ = node.line;
      return Value::boolean(test(node.name, value, arguments));
    }
    case K::kNot:
      return Value::boolean(!is_true(part(0)));
    case K::kNegative:
      return negative(part(0));
    case K::kPositive: {
      const Value value = part(0);
      if (!value.is_number()) throw Failure("bad operand type for unary +: '" + type_name(value) + "'");
      return value.kind() == Kind::kBool ? Value::integer(value.as_integer()) : value;
    }
    case K::kAnd: {
      Value left = part(0);
      return is_true(left) ? part(1) : left;
    }
    case K::kOr: {
      Value left = part(0);
      return is_true(left) ? left : part(1);
    }
    case K::kBinary: {
      const Value left = part(0), right = part(1);
      line_ = node.line;
      return binary(*this, node.op, left, right);
    }
    case K::kConcatenate: {
      Text out;
      for (const auto& piece : node.parts) print(to_text(budget_, evaluate(*piece, scope)), out);
      return make_string(budget_, std::move(out));
    }
    case K::kCompare:
      return evaluate_compare(node, scope);
    case K::kConditional:
      if (is_true(part(0))) return part(1);
      if (!node.parts[2]) return Value::undefined("the inline if-expression has no else");
      return part(2);
  }
  return Value();
}

// ---- statements

Runtime::Flow Runtime::execute(const Body& body, const ScopePtr& scope, Text& out) {
  for (const auto& statement : body)
    if (const Flow flow = execute(*statement, scope, out); flow != Flow::kNormal) return flow;
  return Flow::kNormal;
}

Runtime::Flow Runtime::execute(const Statement& statement, const ScopePtr& scope, Text& out) {
  using K = Statement::Kind;
  budget_.step();
  line_ = statement.line;
  switch (statement.kind) {
    case K::kText:
      print(statement.text, out);
      break;
    case K::kPrint:
      print(to_text(budget_, evaluate(*statement.expression, scope)), out);
      break;
    case K::kIf:
      for (const auto& [test, then] : statement.branches)
        if (!test || is_true(evaluate(*test, scope))) return execute(then, scope, out);
      break;
    case K::kFor:
      return run_loop(statement, scope, evaluate(*statement.expression, scope), 0, out);
    case K::kSet:
      assign(statement.target, evaluate(*statement.expression, scope), scope);
      break;
    case K::kSetBlock: {
      Value value = make_string(budget_, captured(statement.body, inner(scope)));
      if (statement.expression) value = evaluate_filter(*statement.expression, scope, &value);
      assign(statement.target, value, scope);
      break;
    }
    case K::kMacro:
      scope->set(statement.name, Value(Kind::kMacro, make_macro(statement.name, statement, scope)));
      break;
    case K::kCallBlock:
      call_block(statement, scope, out);
      break;
    case K::kFilter: {
      const Value value = make_string(budget_, captured(statement.body, inner(scope)));
      print(to_text(budget_, evaluate_filter(*statement.expression, scope, &value)), out);
      break;
    }
    case K::kWith: {
      const ScopePtr within = inner(scope);
      for (const auto& [target, value] : statement.assignments)
        assign(target, evaluate(*value, scope), within);
      return execute(statement.body, within, out);
    }
    case K::kGeneration:
      print(captured(statement.body, inner(scope)), out);
      break;
    case K::kBreak:
      return Flow::kBreak;
    case K::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

void Runtime::assign(const Target& target, const Value& value, const ScopePtr& scope) {
  if (target.is_tuple) {
    const std::vector<Value> items = iterate(value);
    if (value.is_undefined()) throw Failure(value.what_is_undefined());
    if (items.size() != target.tuple.size())
      throw Failure("expected " + std::to_string(target.tuple.size()) + " values to unpack, got " +
                    std::to_string(items.size()));
    for (size_t i = 0; i < items.size(); ++i) assign(target.tuple[i], items[i], scope);
  } else if (target.attribute.empty()) {
    scope->set(target.name, value);
  } else {
    const Value object = look_up(target.name, scope);
    if (object.kind() != Kind::kNamespace) throw Failure("cannot assign attribute on non-namespace object");
    if (target.attribute.starts_with("_")) throw Failure("a namespace takes no attribute that begins with _");
    object.space().set(target.attribute, value);
  }
}

Runtime::Flow Runtime::run_loop(const Statement& statement, const ScopePtr& scope, const Value& iterable,
                                size_t recursion, Text& out) {
  std::vector<Value> items = iterate(iterable);
  if (statement.test) {
    std::vector<Value> chosen;
    for (Value& item : items) {
      const ScopePtr within = inner(scope);
      assign(statement.target, item, within);
      if (is_true(evaluate(*statement.test, within))) chosen.push_back(std::move(item));
    }
    items = std::move(chosen);
  }
  auto loop = std::make_shared<LoopObject>();
  loop->items = std::move(items);
  loop->recursion = recursion;
  loop->scope = scope;
  if (statement.recursive) loop->statement = &statement;
  // A loop may be held by what it holds; it lets go in every case.
  struct Ended {
    LoopObject& loop;
    ~Ended() {
      loop.items.clear();
      loop.scope.reset();
      loop.last_changed = Value();
    }
  } const ended{*loop};

  bool went_through = false;
  const size_t count = loop->items.size();
  for (size_t i = 0; i < count; ++i) {
    budget_.step();
    loop->index = i;
    const ScopePtr within = inner(scope);
    within->set("loop", Value(Kind::kLoop, loop));
    assign(statement.target, loop->items[i], within);
    const Flow flow = execute(statement.body, within, out);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kContinue) continue;
    went_through = true;  // jinja2 notes this behind the body: a loop that never gets there runs its else
  }
  return went_through ? Flow::kNormal : execute(statement.otherwise, inner(scope), out);
}

Value Runtime::call_loop(LoopObject& loop, const Arguments& arguments) {
  if (!loop.statement) throw Failure("only a loop marked \"recursive\" can be called");
  const Bound bound("loop", arguments, {"iterable"});
  Text out;
  run_loop(*loop.statement, loop.scope, bound.need(0), loop.recursion + 1, out);
  return make_string(budget_, std::move(out));
}

Value Runtime::loop_attribute(const Value& value, const std::string& name) {
  LoopObject& loop = value.loop();
  if (loop.items.empty()) throw Failure("using a loop after its end is not supported");
  const auto index = static_cast<int64_t>(loop.index), count = static_cast<int64_t>(loop.items.size());
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(count - index);
  if (name == "revindex0") return Value::integer(count - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == count);
  if (name == "length") return Value::integer(count);
  if (name == "depth") return Value::integer(static_cast<int64_t>(loop.recursion) + 1);
  if (name == "depth0") return Value::integer(static_cast<int64_t>(loop.recursion));
  if (name == "previtem")
    return index > 0 ? loop.items[loop.index - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return index + 1 < count ? loop.items[loop.index + 1] : Value::undefined("there is no next item");
  if (name == "cycle")
    return make_function(budget_, "cycle", [value](Runtime&, const Value&, const Arguments& arguments) {
      if (arguments.positional.empty()) throw Failure("no items for cycling given");
      return arguments.positional[value.loop().index % arguments.positional.size()];
    });
  if (name == "changed")
    return make_function(budget_, "changed",
                         [value](Runtime& runtime, const Value&, const Arguments& arguments) {
                           const Value seen = make_tuple(runtime.budget(), arguments.positional);
                           if (equal(runtime.budget(), seen, value.loop().last_changed))
                             return Value::boolean(false);
                           value.loop().last_changed = seen;
                           return Value::boolean(true);
                         });
  return Value::undefined("'LoopContext object' has no attribute '" + name + "'");
}

void Runtime::call_block(const Statement& statement, const ScopePtr& scope, Text& out) {
  const Value caller(Kind::kMacro, make_macro("caller", statement, scope));
  const Value function = evaluate(*statement.expression->parts[0], scope);
  Arguments arguments = evaluate_arguments(statement.expression->call, scope);
  arguments.keyword.emplace_back("caller", caller);
  line_ = statement.line;
  print(to_text(budget_, call(function, arguments)), out);
}

Value Runtime::call_macro(MacroObject& macro, const Arguments& arguments) {
  const Signature& signature = *macro.signature;
  const ScopePtr within = inner(macro.scope);
  std::vector<bool> used(arguments.keyword.size());
  const auto keyword = [&](const std::string& name) -> const Value* {
    for (size_t i = 0; i < arguments.keyword.size(); ++i)
      if (arguments.keyword[i].first == name) {
        used[i] = true;
        return &arguments.keyword[i].second;
      }
    return nullptr;
  };
  const size_t first_default = signature.names.size() - signature.defaults.size();
  const size_t given = std::min(arguments.positional.size(), signature.names.size());
  std::vector<const Value*> values;
  for (size_t i = 0; i < signature.names.size(); ++i)
    values.push_back(i < given ? &arguments.positional[i] : keyword(signature.names[i]));
  if (signature.uses_caller) {
    const Value* caller = keyword("caller");
    within->set("caller", caller ? *caller : Value::undefined("No caller defined"));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string& name = signature.names[i];
    if (values[i])
      within->set(name, *values[i]);
    else if (i >= first_default)
      within->set(name, evaluate(*signature.defaults[i - first_default], within));
    else
      within->set(name, Value::undefined("parameter '" + name + "' was not provided"));
  }
  std::vector<std::pair<Value, Value>> rest;
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    const auto& [name, value] = arguments.keyword[i];
    if (!signature.uses_kwargs)
      throw Failure("macro '" + macro.name + "' takes no keyword argument '" + name + "'");
    rest.emplace_back(make_string(budget_, name), value);
  }
  if (signature.uses_kwargs) within->set("kwargs", make_dict(budget_, std::move(rest)));
  if (signature.uses_varargs)
    within->set("varargs",
                make_tuple(budget_, {arguments.positional.begin() + static_cast<std::ptrdiff_t>(given),
                                     arguments.positional.end()}));
  else if (arguments.positional.size() > given)
    throw Failure("macro '" + macro.name + "' takes not more than " + std::to_string(given) + " argument(s)");
  return make_string(budget_, captured(*macro.body, within));
}

}  // namespace lora::jinja
