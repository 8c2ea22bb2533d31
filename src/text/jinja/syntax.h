// A parsed template: expressions and statements. Only shape; runtime.h gives them meaning.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace lora::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using Body = std::vector<std::unique_ptr<Statement>>;

struct CallSyntax {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> keyword;
  ExpressionPtr star, double_star;  // *args, **kwargs
};

enum class Op : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expression {
  enum class Kind : uint8_t {
    kConstant,   // value
    kName,       // name
    kList,       // parts
    kTuple,      // parts
    kDict,       // parts: key, value, key, value, …
    kAttribute,  // parts[0].name
    kItem,       // parts[0][parts[1]]
    kSlice,      // parts[0][parts[1]:parts[2]:parts[3]], null where left out
    kCall,       // parts[0](call)
    kFilter,     // parts[0] | name(call); parts[0] null in {% filter %} and {% set %}: the block's text
    kTest,       // parts[0] is name(call)
    kNot,        // not parts[0]
    kNegative,   // -parts[0]
    kPositive,   // +parts[0]
    kAnd,        // parts[0] and parts[1]
    kOr,
    kBinary,       // parts[0] op parts[1]
    kConcatenate,  // parts ~ …
    kCompare,      // parts[0] ops[0] parts[1] ops[1] …
    kConditional,  // parts[1] if parts[0] else parts[2], null: undefined
  };
  Kind kind;
  size_t line;
  std::string name;
  Value value;
  std::vector<ExpressionPtr> parts;
  CallSyntax call;
  Op op = Op::kAdd;
  std::vector<Op> ops;
  size_t depth = 1;  // of the tree below
};

// What a value is given to: a name, an attribute of a namespace, or several names for a sequence.
struct Target {
  std::string name, attribute;
  std::vector<Target> tuple;
  bool is_tuple = false;
};

struct Signature {
  std::vector<std::string> names;
  std::vector<ExpressionPtr> defaults;  // of the last names
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Statement {
  enum class Kind : uint8_t {
    kText,        // text
    kPrint,       // expression
    kIf,          // branches; the last without a test: else
    kFor,         // target, expression, test, body, otherwise, recursive
    kSet,         // target = expression
    kSetBlock,    // target = body, through the filters of expression
    kMacro,       // name, signature, body
    kCallBlock,   // expression (a call), signature of caller, body
    kFilter,      // body through the filters of expression
    kWith,        // assignments, body
    kGeneration,  // body
    kBreak,
    kContinue,
  };
  Kind kind;
  size_t line;
  std::string text, name;
  ExpressionPtr expression, test;
  Target target;
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body, otherwise;
  Signature signature;
  bool recursive = false;
};

struct Program {
  Body body;
  bool calls_strftime_now = false;
};

// Throws Failure with the line.
Program parse(std::string_view source, const Limits& limits);

}  // namespace lora::jinja
