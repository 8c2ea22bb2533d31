#include "text/template_budget.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace lora {
namespace {

namespace j = jinja;
using Budget = std::shared_ptr<TemplateBudget>;

constexpr size_t kPartBytes = 48;  // what one piece of an engine string costs beside its characters
constexpr size_t kMaxValueDepth = 100;
constexpr double kMaxByteSteps = 4e9;         // bytes moved or compared by one built-in: about a second
constexpr int64_t kMaxIndex = 1'000'000'000;  // of slices and ranges: their arithmetic is unchecked

// Bytes of a value as if printed. Stops with an error at the limit, so that shared or cyclic values end too.
void add_weight(const j::value& value, size_t limit, size_t depth, size_t& weight) {
  weight += kPartBytes;
  if (depth > kMaxValueDepth) TemplateBudget::exceeded("a value nested more than 100 deep");
  if (j::is_val<j::value_string>(value)) {
    for (const auto& part : value->val_str.parts) weight += part.val.size() + kPartBytes;
  } else if (j::is_val<j::value_kwarg>(value)) {
    add_weight(j::cast_val<j::value_kwarg>(value)->val, limit, depth + 1, weight);
  } else {
    for (const auto& item : value->val_arr) add_weight(item, limit, depth + 1, weight);
    for (const auto& [key, item] : value->val_obj) {
      add_weight(key, limit, depth + 1, weight);
      add_weight(item, limit, depth + 1, weight);
    }
  }
  if (weight > limit)
    TemplateBudget::exceeded("a value of more than " + std::to_string(limit >> 20) + " MiB");
}

size_t weight_of(const j::value& value, const TemplateLimits& limits) {
  size_t weight = 0;
  if (value) add_weight(value, limits.value_bytes, 0, weight);
  return weight;
}

void check_cost(double bytes, double limit, const char* what) {
  if (!(bytes <= limit)) TemplateBudget::exceeded(what);
}

std::string text_of(const j::value& value) {
  return value && j::is_val<j::value_string>(value) ? value->val_str.str() : std::string();
}

size_t occurrences(const std::string& text, const std::string& what) {
  if (what.empty()) return text.size() + 1;
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

// std::sort needs an order; the engine's comparison is one only among values of one kind, and not with NaN.
void check_sortable(const std::vector<j::value>& values) {
  for (const auto& value : values) {
    const bool strings = j::is_val<j::value_string>(values.front()), numbers = values.front()->is_numeric();
    const bool same = strings ? j::is_val<j::value_string>(value) : numbers && value->is_numeric();
    if (!same || (numbers && std::isnan(value->val_flt)))
      throw std::runtime_error("only a list of strings, or of numbers, can be sorted");
  }
}

// Called before a built-in runs. `args` are without the operand.
void check_builtin(const std::string& name, const j::value& operand, const std::vector<j::value>& args,
                   const TemplateLimits& limits) {
  const auto plain = [&](size_t i) -> j::value {
    if (i >= args.size()) return nullptr;
    if (const auto* kwarg = j::cast_val<j::value_kwarg>(args[i])) return kwarg->val;
    return args[i];
  };
  const double room = static_cast<double>(limits.value_bytes);
  if (name == "replace") {
    const std::string text = text_of(operand), from = text_of(plain(0));
    const double n = static_cast<double>(occurrences(text, from)), size = static_cast<double>(text.size());
    check_cost(size + n * static_cast<double>(text_of(plain(1)).size()), room,
               "replace() of more than 16 MiB");
    check_cost(n * size, kMaxByteSteps, "replace() on too long a text");
  } else if (name == "split") {
    const std::string text = text_of(operand);
    const double n = static_cast<double>(occurrences(text, args.empty() ? " " : text_of(plain(0))));
    check_cost(n * static_cast<double>(kPartBytes), room, "split() into too many parts");
    check_cost(n * static_cast<double>(text.size()), kMaxByteSteps, "split() of too long a text");
  } else if (name == "join") {
    const double n = operand ? static_cast<double>(operand->val_arr.size()) : 0;
    for (size_t i = 0; i < args.size(); ++i)
      check_cost(n * static_cast<double>(text_of(plain(i)).size()), room, "join() of more than 16 MiB");
    weight_of(operand, limits);
  } else if (name == "indent") {
    const double lines = static_cast<double>(occurrences(text_of(operand), "\n") + 1);
    for (size_t i = 0; i < args.size(); ++i) {
      const j::value width = plain(i);
      const double size = j::is_val<j::value_int>(width) ? static_cast<double>(width->val_int)
                                                         : static_cast<double>(text_of(width).size());
      if (size < 0) throw std::runtime_error("indent() by a negative width");
      check_cost(lines * size, room, "indent() of more than 16 MiB");
    }
  } else if (name == "tojson") {
    for (size_t i = 0; i < args.size(); ++i) {
      const j::value indent = plain(i);
      if (j::is_val<j::value_int>(indent) && (indent->val_int > 16 || indent->val_int < -1))
        TemplateBudget::exceeded("tojson() with an indent of more than 16");
      check_cost(static_cast<double>(text_of(indent).size()), static_cast<double>(limits.argument_bytes),
                 "an argument of tojson() of more than 256 bytes");
    }
  } else if (name == "sort" || name == "min" || name == "max") {
    for (size_t i = 0; i < args.size(); ++i)
      if (const auto* kwarg = j::cast_val<j::value_kwarg>(args[i]); kwarg && kwarg->key == "attribute")
        throw std::runtime_error(name + "(attribute=…) is not supported");
    if (args.size() > 2) throw std::runtime_error(name + "() with more than two arguments is not supported");
    if (operand) check_sortable(operand->val_arr);
  } else if (name == "dictsort" && operand) {
    std::vector<j::value> keys, values;
    for (const auto& [key, value] : operand->val_obj) {
      keys.push_back(key);
      values.push_back(value);
    }
    check_sortable(args.empty() ? keys : values);
    check_sortable(keys);
  } else if (name == "slice") {
    for (size_t i = 0; i < args.size(); ++i)
      if (const j::value index = plain(i);
          j::is_val<j::value_int>(index) && std::abs(index->as_float()) > kMaxIndex)
        TemplateBudget::exceeded("a slice beyond a thousand million");
  }
}

// Holds a value for the engine to read where it would have evaluated an expression.
struct Slot : j::expression {
  mutable j::value held;
  j::value execute_impl(j::context&) const override { return held; }
};

// Evaluates `expression`, then lets `check` look at the value.
template <typename Check>
struct Checked : j::expression {
  j::statement_ptr inner;
  Check check;
  Checked(j::statement_ptr inner, Check check) : inner(std::move(inner)), check(std::move(check)) {
    pos = this->inner->pos;
  }
  std::string type() const override { return inner->type(); }
  j::value execute_impl(j::context& context) const override {
    j::value value = inner->execute(context);
    check(value);
    return value;
  }
};
template <typename Check>
void wrap(j::statement_ptr& node, Check check) {
  if (node) node = std::make_unique<Checked<Check>>(std::move(node), std::move(check));
}

void check_index(const j::value& value) {
  if (j::is_val<j::value_int>(value) && std::abs(value->as_float()) > kMaxIndex)
    TemplateBudget::exceeded("an index beyond a thousand million");
}

// A node of the engine that counts its steps and weighs what it makes. The engine asks for node types by dynamic_cast,
// to which the derived node answers like the one it replaces.
template <typename Node>
struct Guarded : Node {
  Budget budget;
  Guarded(Node&& node, Budget budget) : Node(std::move(node)), budget(std::move(budget)) {}
  j::value execute_impl(j::context& context) const override {
    budget->step();
    j::value value = Node::execute_impl(context);
    weight_of(value, budget->limits());
    return value;
  }
};

// At the head of every loop body, so that an empty loop counts too.
struct Tick : j::statement {
  Budget budget;
  explicit Tick(Budget budget) : budget(std::move(budget)) {}
  j::value execute_impl(j::context&) const override {
    budget->step();
    return j::mk_val<j::value_undefined>();
  }
};

// Variables are read often; the engine would copy its table of built-ins every time.
struct GuardedIdentifier : j::identifier {
  Budget budget;
  GuardedIdentifier(j::identifier&& node, Budget budget)
      : j::identifier(std::move(node)), budget(std::move(budget)) {}
  j::value execute_impl(j::context& context) const override {
    budget->step();
    j::value value = context.get_val(val);
    return value->is_undefined() ? j::identifier::execute_impl(context) : value;
  }
};

struct GuardedMember : j::member_expression {
  Budget budget;
  GuardedMember(j::member_expression&& node, Budget budget)
      : j::member_expression(std::move(node)), budget(std::move(budget)) {}
  j::value execute_impl(j::context& context) const override {
    budget->step();
    return j::member_expression::execute_impl(context);
  }
};

// * and in: their cost is known only from both operands, so these are evaluated first.
struct GuardedBinary : j::binary_expression {
  Budget budget;
  j::statement_ptr first, second;  // the operands, when `left` and `right` are slots
  GuardedBinary(j::binary_expression&& node, Budget budget)
      : j::binary_expression(std::move(node)), budget(std::move(budget)) {
    if (op.value != "*" && op.value != "in" && op.value != "not in") return;
    first = std::exchange(left, std::make_unique<Slot>());
    second = std::exchange(right, std::make_unique<Slot>());
    left->pos = right->pos = pos;
  }
  j::value execute_impl(j::context& context) const override {
    budget->step();
    if (first) {
      j::value a = first->execute(context), b = second->execute(context);
      const double room = static_cast<double>(budget->limits().value_bytes);
      if (op.value == "*") {
        for (const auto& [text, count] : {std::pair{a, b}, std::pair{b, a}}) {
          if (!j::is_val<j::value_string>(text) || !j::is_val<j::value_int>(count)) continue;
          const size_t weight = weight_of(text, budget->limits());
          check_cost(static_cast<double>(count->val_int) * static_cast<double>(weight), room,
                     "a text repeated to more than 16 MiB");
        }
      } else {
        check_cost(static_cast<double>(text_of(a).size()) * static_cast<double>(text_of(b).size()),
                   kMaxByteSteps, "a search in too long a text");
      }
      static_cast<const Slot&>(*left).held = std::move(a);
      static_cast<const Slot&>(*right).held = std::move(b);
    }
    j::value value = j::binary_expression::execute_impl(context);
    weight_of(value, budget->limits());
    return value;
  }
};

struct GuardedFilter : j::filter_expression {
  Budget budget;
  j::statement_ptr source;
  std::vector<j::statement_ptr> arguments;
  std::string name;
  GuardedFilter(j::filter_expression&& node, Budget budget)
      : j::filter_expression(std::move(node)), budget(std::move(budget)) {
    source = std::exchange(operand, std::make_unique<Slot>());
    operand->pos = pos;
    if (auto* call = j::cast_stmt<j::call_expression>(filter)) {
      for (auto& argument : call->args) {
        arguments.push_back(std::exchange(argument, std::make_unique<Slot>()));
        argument->pos = pos;
      }
      if (auto* id = j::cast_stmt<j::identifier>(call->callee)) name = id->val;
    } else if (auto* id = j::cast_stmt<j::identifier>(filter)) {
      name = id->val;
    }
  }
  j::value execute_impl(j::context& context) const override {
    budget->step();
    j::value value = source->execute(context);
    std::vector<j::value> values;
    for (const auto& argument : arguments) values.push_back(argument->execute(context));
    check_builtin(name, value, values, budget->limits());
    static_cast<const Slot&>(*operand).held = std::move(value);
    if (!arguments.empty()) {
      const auto* call = j::cast_stmt<j::call_expression>(filter);
      for (size_t i = 0; i < values.size(); ++i) static_cast<const Slot&>(*call->args[i]).held = values[i];
    }
    j::value result = j::filter_expression::execute_impl(context);
    weight_of(result, budget->limits());
    return result;
  }
};

struct GuardedCall : j::call_expression {
  Budget budget;
  GuardedCall(j::call_expression&& node, Budget budget)
      : j::call_expression(std::move(node)), budget(std::move(budget)) {}
  j::value execute_impl(j::context& context) const override {
    budget->step();
    j::func_args values(context);
    for (const auto& argument : args) values.push_back(argument->execute(context));
    const j::value function = callee->execute(context);
    if (!j::is_val<j::value_func>(function))
      throw std::runtime_error("this is not a function: " + function->type());
    const auto* bound = j::cast_val<j::value_func>(function);
    // A built-in called by its own name has its operand as first argument.
    std::vector<j::value> rest = values.get_args();
    j::value operand = bound->arg0;
    if (!operand && !rest.empty()) {
      operand = rest.front();
      rest.erase(rest.begin());
    }
    check_builtin(bound->name, operand, rest, budget->limits());
    j::value result = bound->invoke(values);
    weight_of(result, budget->limits());
    weight_of(bound->arg0, budget->limits());  // append() grows it
    return result;
  }
};

struct GuardedSet : j::set_statement {
  Budget budget;
  GuardedSet(j::set_statement&& node, Budget budget)
      : j::set_statement(std::move(node)), budget(std::move(budget)) {}
  j::value execute_impl(j::context& context) const override {
    budget->step();
    j::value value = j::set_statement::execute_impl(context);
    // ns.x = ns would make a value that contains itself.
    if (const auto* member = j::cast_stmt<j::member_expression>(assignee))
      weight_of(member->object->execute(context), budget->limits());
    return value;
  }
};

class Guard {
 public:
  explicit Guard(Budget budget) : budget_(std::move(budget)) {}

  void all(j::statements& nodes) {
    for (auto& node : nodes) one(node);
  }

  void one(j::statement_ptr& node) {
    if (!node) return;
    if (auto* n = j::cast_stmt<j::if_statement>(node)) {
      one(n->test), all(n->body), all(n->alternate);
      swap<Guarded<j::if_statement>>(node, n);
    } else if (auto* n = j::cast_stmt<j::for_statement>(node)) {
      // The engine itself takes `x if y` apart here: the select expression stays, its parts are guarded.
      if (auto* select = j::cast_stmt<j::select_expression>(n->iterable)) {
        one(select->lhs), one(select->test);
      } else {
        one(n->iterable);
      }
      all(n->body), all(n->default_block);
      n->body.insert(n->body.begin(), std::make_unique<Tick>(budget_));
      n->body.front()->pos = n->pos;
      swap<Guarded<j::for_statement>>(node, n);
    } else if (auto* n = j::cast_stmt<j::set_statement>(node)) {
      if (auto* member = j::cast_stmt<j::member_expression>(n->assignee)) one(member->object);
      one(n->val), all(n->body);
      swap<GuardedSet>(node, n);
    } else if (auto* n = j::cast_stmt<j::macro_statement>(node)) {
      for (auto& argument : n->args)
        if (auto* keyword = j::cast_stmt<j::keyword_argument_expression>(argument)) one(keyword->val);
      all(n->body);
    } else if (auto* n = j::cast_stmt<j::call_statement>(node)) {
      if (auto* call = j::cast_stmt<j::call_expression>(n->call)) all(call->args);
      all(n->body);
      swap<Guarded<j::call_statement>>(node, n);
    } else if (auto* n = j::cast_stmt<j::filter_statement>(node)) {
      throw_unsupported(*n);
    } else if (auto* n = j::cast_stmt<j::member_expression>(node)) {
      one(n->object);
      if (auto* slice = j::cast_stmt<j::slice_expression>(n->property)) {
        for (auto* part : {&slice->start_expr, &slice->stop_expr, &slice->step_expr}) {
          one(*part);
          wrap(*part, check_index);
        }
      } else if (n->computed) {
        one(n->property);
      }
      swap<GuardedMember>(node, n);
    } else if (auto* n = j::cast_stmt<j::call_expression>(node)) {
      one(n->callee), all(n->args);
      swap<GuardedCall>(node, n);
    } else if (auto* n = j::cast_stmt<j::identifier>(node)) {
      swap<GuardedIdentifier>(node, n);
    } else if (auto* n = j::cast_stmt<j::array_literal>(node)) {
      all(n->val);
      swap<Guarded<j::array_literal>>(node, n);
    } else if (auto* n = j::cast_stmt<j::tuple_literal>(node)) {
      all(n->val);
      swap<Guarded<j::tuple_literal>>(node, n);
    } else if (auto* n = j::cast_stmt<j::object_literal>(node)) {
      for (auto& [key, value] : n->val) one(key), one(value);
      swap<Guarded<j::object_literal>>(node, n);
    } else if (auto* n = j::cast_stmt<j::binary_expression>(node)) {
      one(n->left), one(n->right);
      swap<GuardedBinary>(node, n);
    } else if (auto* n = j::cast_stmt<j::filter_expression>(node)) {
      one(n->operand);
      if (auto* call = j::cast_stmt<j::call_expression>(n->filter)) all(call->args);
      swap<GuardedFilter>(node, n);
    } else if (auto* n = j::cast_stmt<j::select_expression>(node)) {
      one(n->lhs), one(n->test);
      swap<Guarded<j::select_expression>>(node, n);
    } else if (auto* n = j::cast_stmt<j::test_expression>(node)) {
      one(n->operand);
      if (auto* call = j::cast_stmt<j::call_expression>(n->test)) {
        all(call->args);
        for (auto& argument : call->args)
          wrap(argument, [](const j::value& value) {
            check_cost(static_cast<double>(text_of(value).size()), 4096,
                       "a test against a text of more than 4 KiB");
          });
      }
      swap<Guarded<j::test_expression>>(node, n);
    } else if (auto* n = j::cast_stmt<j::unary_expression>(node)) {
      one(n->argument);
      swap<Guarded<j::unary_expression>>(node, n);
    } else if (auto* n = j::cast_stmt<j::keyword_argument_expression>(node)) {
      one(n->val);
    } else if (auto* n = j::cast_stmt<j::spread_expression>(node)) {
      one(n->argument);
    } else if (auto* n = j::cast_stmt<j::ternary_expression>(node)) {
      one(n->condition), one(n->true_expr), one(n->false_expr);
      swap<Guarded<j::ternary_expression>>(node, n);
    }
  }

 private:
  template <typename New, typename Old>
  void swap(j::statement_ptr& node, Old* old) {
    auto guarded = std::make_unique<New>(std::move(*old), budget_);
    node = std::move(guarded);
  }
  [[noreturn]] static void throw_unsupported(const j::statement& node) {
    throw std::runtime_error("{% filter %} is not supported (byte " + std::to_string(node.pos) + ")");
  }

  Budget budget_;
};

uintptr_t stack_position() {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

}  // namespace

void TemplateBudget::exceeded(const std::string& what) {
  throw std::runtime_error("the template goes beyond its bounds: " + what);
}

void TemplateBudget::reset() {
  steps_ = 0;
  deadline_ = std::chrono::steady_clock::now() + limits_.time;
  stack_base_ = stack_position();
}

void TemplateBudget::step() {
  if (++steps_ > limits_.steps) exceeded("more than " + std::to_string(limits_.steps) + " steps");
  const uintptr_t here = stack_position();
  if ((here > stack_base_ ? here - stack_base_ : stack_base_ - here) > limits_.stack_bytes)
    exceeded("macros or expressions nested too deep");
  if (steps_ % 16 == 0 && std::chrono::steady_clock::now() > deadline_)
    exceeded("more than " + std::to_string(limits_.time.count()) + " seconds");
}

void check_before_parsing(const j::lexer_result& lexed, const TemplateLimits& limits, size_t& position) {
  using Type = j::token;
  std::vector<size_t> blocks;  // open blocks; an {% elif %} nests one deeper in the parser
  size_t open_blocks = 0, brackets = 0, tokens_in_tag = 0;
  const auto& tokens = lexed.tokens;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const j::token& token = tokens[i];
    position = token.pos;
    ++tokens_in_tag;
    switch (token.t) {
      case Type::open_statement:
      case Type::open_expression:
        tokens_in_tag = brackets = 0;
        break;
      case Type::open_paren:
      case Type::open_square_bracket:
      case Type::open_curly_bracket:
        ++brackets;
        break;
      case Type::close_paren:
      case Type::close_square_bracket:
      case Type::close_curly_bracket:
        if (brackets > 0) --brackets;
        break;
      default:
        break;
    }
    if (tokens_in_tag > limits.tokens_per_tag) TemplateBudget::exceeded("too long an expression");
    if (brackets > limits.nesting) TemplateBudget::exceeded("brackets nested too deep");
    if ((token.t == Type::identifier || token.t == Type::string_literal) &&
        token.value.find("divisibleby") != std::string::npos)
      throw std::runtime_error("the test \"divisibleby\" is not supported");
    // select() and its kin take the name of a test as a value; one put together at run time cannot be checked here.
    static constexpr std::string_view kByName[] = {"select", "reject", "selectattr", "rejectattr"};
    if (token.t == Type::identifier &&
        std::find(std::begin(kByName), std::end(kByName), token.value) != std::end(kByName)) {
      for (size_t k = i + 2; i + 1 < tokens.size() && tokens[i + 1].t == Type::open_paren &&
                             k < tokens.size() && tokens[k].t != Type::close_paren;
           ++k)
        if (tokens[k].t == Type::additive_binary_operator || tokens[k].t == Type::pipe)
          throw std::runtime_error(token.value + "() with a computed test is not supported");
    }
    if (i == 0 || tokens[i - 1].t != Type::open_statement || token.t != Type::identifier) continue;
    const std::string& name = token.value;
    if (name == "if" || name == "for" || name == "macro" || name == "call" || name == "set") {
      bool block = true;
      if (name == "set")
        for (size_t k = i; k < tokens.size() && tokens[k].t != Type::close_statement; ++k)
          block = block && tokens[k].t != Type::equals;
      if (block) {
        blocks.push_back(1);
        ++open_blocks;
      }
    } else if (name == "elif" && !blocks.empty()) {
      ++blocks.back();
      ++open_blocks;
    } else if (name.starts_with("end") && name != "endgeneration" && !blocks.empty()) {
      open_blocks -= blocks.back();
      blocks.pop_back();
    }
    if (open_blocks > limits.nesting) TemplateBudget::exceeded("blocks nested too deep");
  }
}

void guard_program(j::program& program, Budget budget) {
  Guard(std::move(budget)).all(program.body);
}

void guard_context(j::context& context, Budget budget) {
  const auto range = [budget](const j::func_args& args) -> j::value {
    args.ensure_count(1, 3);
    int64_t numbers[3] = {};
    for (size_t i = 0; i < args.count(); ++i) {
      const j::value value = args.get_pos(i);
      if (!j::is_val<j::value_int>(value))
        throw std::runtime_error("range() takes integers, not " + value->type());
      check_index(value);
      numbers[i] = value->as_int();
    }
    const bool one = args.count() == 1;
    const int64_t start = one ? 0 : numbers[0], stop = one ? numbers[0] : numbers[1];
    const int64_t step = args.count() == 3 ? numbers[2] : 1;
    if (step == 0) throw std::runtime_error("range() with step 0");
    auto items = j::mk_val<j::value_array>();
    for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
      if (static_cast<int64_t>(items->val_arr.size()) >= budget->limits().range_items)
        TemplateBudget::exceeded("range() of more than " + std::to_string(budget->limits().range_items) +
                                 " numbers");
      items->push_back(j::mk_val<j::value_int>(i));
    }
    return items;
  };
  context.set_val("range", j::mk_val<j::value_func>("range", range));
}

}  // namespace lora
