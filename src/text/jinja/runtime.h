// Runs a parsed template once. What Jinja's own documentation leaves open follows jinja2 with Transformers' settings
// (sandboxed, immutable, no autoescape). Where a template would need something that is not here, it fails with its line.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/syntax.h"
#include "text/jinja/value.h"

namespace lora::jinja {

// Names within a block. Inner scopes see the outer ones; what they set ends with them.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names;
  void set(const std::string& name, Value value);
};
using ScopePtr = std::shared_ptr<Scope>;

struct MacroObject : Object {
  std::string name;
  const Signature* signature = nullptr;
  const Body* body = nullptr;
  ScopePtr scope;  // where it was written
  void release() override { scope.reset(); }
};

struct LoopObject : Object {
  std::vector<Value> items;
  size_t index = 0, recursion = 0;
  const Statement* statement = nullptr;  // of a recursive loop
  ScopePtr scope;
  Value last_changed;  // a tuple once changed() was called
};

class Runtime {
 public:
  // All of these must outlive the object. `now`: what strftime_now() sees.
  Runtime(const Program& program, Budget& budget, const std::tm& now)
      : program_(program), budget_(budget), now_(now) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Throws Failure, with the line.
  Text render(std::vector<std::pair<std::string, Value>> variables);

  // For built-ins:
  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }
  // obj.name and obj[key] as Jinja's sandbox looks them up: undefined when there is no such thing.
  Value attribute(const Value& object, const std::string& name);
  Value item(const Value& object, const Value& key);
  Value call(const Value& function, const Arguments& arguments);
  Value filter(const std::string& name, const Value& value, const Arguments& arguments);
  bool test(const std::string& name, const Value& value, const Arguments& arguments);
  // What a for loop would go through. An iterator is used up.
  std::vector<Value> iterate(const Value& value);
  Value make_namespace(std::vector<std::pair<std::string, Value>> attributes);

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  Value evaluate(const Expression& node, const ScopePtr& scope);
  Value evaluate_compare(const Expression& node, const ScopePtr& scope);
  Value evaluate_slice(const Expression& node, const ScopePtr& scope);
  Value evaluate_filter(const Expression& node, const ScopePtr& scope, const Value* block);
  Arguments evaluate_arguments(const CallSyntax& call, const ScopePtr& scope);
  Value look_up(const std::string& name, const ScopePtr& scope) const;

  Flow execute(const Body& body, const ScopePtr& scope, Text& out);
  Flow execute(const Statement& statement, const ScopePtr& scope, Text& out);
  Flow run_loop(const Statement& statement, const ScopePtr& scope, const Value& iterable, size_t recursion,
                Text& out);
  void call_block(const Statement& statement, const ScopePtr& scope, Text& out);
  Value call_macro(MacroObject& macro, const Arguments& arguments);
  Value call_loop(LoopObject& loop, const Arguments& arguments);
  Value loop_attribute(const Value& loop, const std::string& name);
  std::shared_ptr<MacroObject> make_macro(const std::string& name, const Statement& statement,
                                          const ScopePtr& scope);
  void assign(const Target& target, const Value& value, const ScopePtr& scope);
  void print(const Text& text, Text& out);
  Text captured(const Body& body, const ScopePtr& scope);
  ScopePtr inner(const ScopePtr& parent) const;

  const Program& program_;
  Budget& budget_;
  std::tm now_;
  size_t line_ = 0;                              // of the node that runs
  std::vector<std::shared_ptr<Object>> cyclic_;  // may hold themselves: released at the end
};

}  // namespace lora::jinja
