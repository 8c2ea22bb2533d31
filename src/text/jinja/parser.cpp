// Jinja's grammar, by recursive descent. Depth is bounded: nothing here may run out of stack.
#include <algorithm>

#include "text/jinja/failure.h"
#include "text/jinja/syntax.h"
#include "text/jinja/token.h"

namespace lora::jinja {
namespace {

using Kind = Expression::Kind;

// What the source shows for a token.
std::string shown(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kBlockEnd:
      return "%}";
    case TokenKind::kVariableEnd:
      return "}}";
    case TokenKind::kString:
      return "a string";
    default:
      return "\"" + token.text + "\"";
  }
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits) : tokens_(std::move(tokens)), limits_(limits) {}

  Program run() {
    Program program;
    program.body = body({});
    if (now().kind != TokenKind::kEnd) fail("unexpected " + shown(now()));
    program.calls_strftime_now = calls_strftime_now_;
    return program;
  }

 private:
  // ---- tokens
  const Token& now() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_op(std::string_view sign) const { return now().kind == TokenKind::kOperator && now().text == sign; }
  bool is_name(std::string_view name) const { return now().kind == TokenKind::kName && now().text == name; }
  bool skip_op(std::string_view sign) {
    const bool found = is_op(sign);
    if (found) next();
    return found;
  }
  bool skip_name(std::string_view name) {
    const bool found = is_name(name);
    if (found) next();
    return found;
  }
  void expect_op(std::string_view sign) {
    if (!skip_op(sign)) fail("expected \"" + std::string(sign) + "\", found " + shown(now()));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) fail("expected \"" + std::string(name) + "\", found " + shown(now()));
  }
  std::string expect_any_name() {
    if (now().kind != TokenKind::kName) fail("expected a name, found " + shown(now()));
    return next().text;
  }
  void expect(TokenKind kind, const char* what) {
    if (now().kind != kind) fail("expected " + std::string(what) + ", found " + shown(now()));
    next();
  }
  [[noreturn]] void fail(const std::string& what) const { throw Failure(what, now().line); }

  // Counts what is open around the present place.
  struct Deeper {
    Parser& parser;
    explicit Deeper(Parser& parser, size_t by = 1) : parser(parser), by(by) {
      parser.depth_ += by;
      if (parser.depth_ > parser.limits_.nesting * 4)
        throw Failure("the template goes beyond its bounds: nested too deep", parser.now().line);
    }
    ~Deeper() { parser.depth_ -= by; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    size_t by;
  };

  ExpressionPtr make(Kind kind, size_t line) const {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = line;
    return node;
  }
  template <typename... Parts>
  ExpressionPtr make(Kind kind, size_t line, Parts... parts) const {
    ExpressionPtr node = make(kind, line);
    (add(*node, std::move(parts)), ...);
    return node;
  }
  // A chain of operators makes a tree as deep as it is long, which has to be gone through and taken down again.
  void note_depth(Expression& node, const ExpressionPtr& part) const {
    if (part) node.depth = std::max(node.depth, part->depth + 1);
    if (node.depth > 5 * limits_.nesting)
      throw Failure("the template goes beyond its bounds: too long an expression", now().line);
  }
  void add(Expression& node, ExpressionPtr part) const {
    note_depth(node, part);
    node.parts.push_back(std::move(part));
  }
  void set_call(Expression& node, CallSyntax call) const {
    for (const auto& argument : call.positional) note_depth(node, argument);
    for (const auto& [name, argument] : call.keyword) note_depth(node, argument);
    note_depth(node, call.star);
    note_depth(node, call.double_star);
    node.call = std::move(call);
  }

  // ---- statements
  // Up to a tag with one of these names (not consumed; its block has begun), or the end of the template.
  Body body(std::initializer_list<std::string_view> ends) {
    const Deeper deeper(*this);
    Body out;
    while (now().kind != TokenKind::kEnd) {
      if (now().kind == TokenKind::kData) {
        out.push_back(statement(Statement::Kind::kText));
        out.back()->text = next().text;
      } else if (now().kind == TokenKind::kVariableBegin) {
        next();
        out.push_back(statement(Statement::Kind::kPrint));
        out.back()->expression = tuple(true);
        expect(TokenKind::kVariableEnd, "}}");
      } else {
        next();  // kBlockBegin: nothing else can stand here
        if (now().kind == TokenKind::kName && std::find(ends.begin(), ends.end(), now().text) != ends.end())
          return out;
        tag(out);
        expect(TokenKind::kBlockEnd, "%}");
      }
    }
    if (ends.size() > 0)
      fail("expected {% " + std::string(*ends.begin()) + " %}, found the end of the template");
    return out;
  }
  // The body of a block: its tag ends here.
  Body block(std::initializer_list<std::string_view> ends, bool drop_end = true) {
    skip_op(":");
    expect(TokenKind::kBlockEnd, "%}");
    Body out = body(ends);
    if (drop_end) next();
    return out;
  }
  // A body that runs as a function or into a text of its own: a loop around it cannot be left from inside.
  Body closed_block(std::string_view end) {
    const size_t loops = std::exchange(loops_, 0);
    Body out = block({end});
    loops_ = loops;
    return out;
  }

  std::unique_ptr<Statement> statement(Statement::Kind kind) const {
    auto out = std::make_unique<Statement>();
    out->kind = kind;
    out->line = now().line;
    return out;
  }

  void tag(Body& out) {
    if (now().kind != TokenKind::kName) fail("expected the name of a tag, found " + shown(now()));
    const std::string name = now().text;
    const auto start = [&](Statement::Kind kind) -> Statement& {
      out.push_back(statement(kind));
      next();
      return *out.back();
    };
    if (name == "if") {
      parse_if(start(Statement::Kind::kIf));
    } else if (name == "for") {
      parse_for(start(Statement::Kind::kFor));
    } else if (name == "set") {
      parse_set(start(Statement::Kind::kSet));
    } else if (name == "macro") {
      Statement& macro = start(Statement::Kind::kMacro);
      macro.name = expect_any_name();
      parse_function(macro, true, "endmacro");
    } else if (name == "call") {
      Statement& call = start(Statement::Kind::kCallBlock);
      if (is_op("(")) parse_signature(call.signature);
      call.expression = expression();
      if (call.expression->kind != Kind::kCall) fail("{% call %} takes a call");
      parse_function(call, false, "endcall");
    } else if (name == "filter") {
      Statement& filter = start(Statement::Kind::kFilter);
      filter.expression = filters(nullptr, true);
      filter.body = closed_block("endfilter");
    } else if (name == "with") {
      Statement& with = start(Statement::Kind::kWith);
      while (now().kind != TokenKind::kBlockEnd && !is_op(":")) {
        if (!with.assignments.empty()) expect_op(",");
        Target target = assign_target(false);
        expect_op("=");
        with.assignments.emplace_back(std::move(target), expression());
      }
      with.body = block({"endwith"});
    } else if (name == "generation") {
      Statement& generation = start(Statement::Kind::kGeneration);
      generation.body = closed_block("endgeneration");
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) fail("{% " + name + " %} outside a loop");
      start(name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
    } else if (name == "print") {
      next();
      while (true) {
        out.push_back(statement(Statement::Kind::kPrint));
        out.back()->expression = expression();
        if (!skip_op(",")) break;
      }
    } else {
      fail("the tag {% " + name + " %} is not supported");
    }
  }

  void parse_if(Statement& out) {
    while (true) {
      ExpressionPtr test = tuple(false);
      Body then = block({"endif", "elif", "else"}, false);
      out.branches.emplace_back(std::move(test), std::move(then));
      const std::string end = next().text;
      if (end == "elif") continue;
      if (end == "else") out.branches.emplace_back(nullptr, block({"endif"}));
      return;
    }
  }

  void parse_for(Statement& out) {
    out.target = assign_target(false);
    expect_name("in");
    out.expression = tuple(false, "recursive");
    if (skip_name("if")) out.test = expression();
    out.recursive = skip_name("recursive");
    ++loops_;
    out.body = block({"endfor", "else"}, false);
    --loops_;
    if (next().text == "else") out.otherwise = block({"endfor"});
  }

  void parse_set(Statement& out) {
    out.target = assign_target(true);
    if (skip_op("=")) {
      out.expression = tuple(true);
      return;
    }
    out.kind = Statement::Kind::kSetBlock;
    if (is_op("|")) out.expression = filters(nullptr, false);
    out.body = closed_block("endset");
  }

  // The body of a macro or {% call %}, which knows `caller`, `varargs` and `kwargs` when it uses them.
  void parse_function(Statement& out, bool with_signature, std::string_view end) {
    if (with_signature) parse_signature(out.signature);
    functions_.push_back(&out.signature);
    out.body = closed_block(end);
    functions_.pop_back();
    const auto& names = out.signature.names;
    if (std::find(names.begin(), names.end(), "caller") != names.end())
      fail("an argument named caller is not supported");
  }

  void parse_signature(Signature& out) {
    expect_op("(");
    while (!is_op(")")) {
      if (!out.names.empty()) expect_op(",");
      out.names.push_back(expect_any_name());
      if (skip_op("="))
        out.defaults.push_back(expression());
      else if (!out.defaults.empty())
        fail("an argument without a default follows one with a default");
    }
    next();
  }

  Target assign_target(bool with_namespace) {
    const Deeper deeper(*this);
    Target first = one_target(with_namespace);
    if (!is_op(",")) return first;
    Target out;
    out.is_tuple = true;
    out.tuple.push_back(std::move(first));
    while (skip_op(",")) {
      if (is_op("=") || is_op(")") || is_name("in") || now().kind == TokenKind::kBlockEnd) break;
      out.tuple.push_back(one_target(with_namespace));
    }
    return out;
  }

  Target one_target(bool with_namespace) {
    if (skip_op("(")) {
      Target inner = assign_target(with_namespace);
      expect_op(")");
      return inner;
    }
    Target out;
    out.name = expect_any_name();
    for (const char* reserved : {"true", "false", "none", "True", "False", "None", "loop"})
      if (out.name == reserved && (out.name != "loop")) fail("cannot assign to " + out.name);
    if (with_namespace && skip_op(".")) out.attribute = expect_any_name();
    return out;
  }

  // ---- expressions
  ExpressionPtr expression() {
    const Deeper deeper(*this);
    const size_t line = now().line;
    ExpressionPtr value = parse_or();
    while (skip_name("if")) {
      ExpressionPtr test = parse_or();
      ExpressionPtr otherwise = skip_name("else") ? expression() : nullptr;
      value = make(Kind::kConditional, line, std::move(test), std::move(value), std::move(otherwise));
    }
    return value;
  }

  // Comma-separated expressions make a tuple; a single one stands for itself.
  ExpressionPtr tuple(bool with_conditional, std::string_view end_name = "", bool in_parentheses = false) {
    const size_t line = now().line;
    std::vector<ExpressionPtr> items;
    bool is_tuple = false;
    while (true) {
      if (!items.empty()) expect_op(",");
      if (now().kind == TokenKind::kVariableEnd || now().kind == TokenKind::kBlockEnd || is_op(")") ||
          (!end_name.empty() && is_name(end_name)))
        break;
      if (with_conditional) {
        items.push_back(expression());
      } else {
        const Deeper deeper(*this);
        items.push_back(parse_or());
      }
      if (!is_op(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !items.empty()) return std::move(items[0]);
    if (!is_tuple && !in_parentheses) fail("expected an expression, found " + shown(now()));
    ExpressionPtr out = make(Kind::kTuple, line);
    for (auto& item : items) add(*out, std::move(item));
    return out;
  }

  ExpressionPtr parse_or() {
    ExpressionPtr left = parse_and();
    while (is_name("or")) {
      const size_t line = next().line;
      left = make(Kind::kOr, line, std::move(left), parse_and());
    }
    return left;
  }

  ExpressionPtr parse_and() {
    ExpressionPtr left = parse_not();
    while (is_name("and")) {
      const size_t line = next().line;
      left = make(Kind::kAnd, line, std::move(left), parse_not());
    }
    return left;
  }

  ExpressionPtr parse_not() {
    if (!is_name("not")) return compare();
    const Deeper deeper(*this);
    const size_t line = next().line;
    return make(Kind::kNot, line, parse_not());
  }

  ExpressionPtr compare() {
    const size_t line = now().line;
    ExpressionPtr first = sum();
    ExpressionPtr out;
    while (true) {
      Op op;
      if (is_op("=="))
        op = Op::kEqual;
      else if (is_op("!="))
        op = Op::kNotEqual;
      else if (is_op("<"))
        op = Op::kLess;
      else if (is_op("<="))
        op = Op::kLessEqual;
      else if (is_op(">"))
        op = Op::kGreater;
      else if (is_op(">="))
        op = Op::kGreaterEqual;
      else if (is_name("in"))
        op = Op::kIn;
      else if (is_name("not") && look().kind == TokenKind::kName && look().text == "in")
        op = Op::kNotIn;
      else
        break;
      next();
      if (op == Op::kNotIn) next();
      if (!out) out = make(Kind::kCompare, line, std::move(first));
      out->ops.push_back(op);
      add(*out, sum());
    }
    return out ? std::move(out) : std::move(first);
  }

  ExpressionPtr binary(Op op, ExpressionPtr left, ExpressionPtr right, size_t line) {
    ExpressionPtr out = make(Kind::kBinary, line, std::move(left), std::move(right));
    out->op = op;
    return out;
  }

  ExpressionPtr sum() {
    ExpressionPtr left = concatenation();
    while (is_op("+") || is_op("-")) {
      const Op op = is_op("+") ? Op::kAdd : Op::kSubtract;
      const size_t line = next().line;
      left = binary(op, std::move(left), concatenation(), line);
    }
    return left;
  }

  ExpressionPtr concatenation() {
    const size_t line = now().line;
    ExpressionPtr first = product();
    if (!is_op("~")) return first;
    ExpressionPtr out = make(Kind::kConcatenate, line, std::move(first));
    while (skip_op("~")) add(*out, product());
    return out;
  }

  ExpressionPtr product() {
    ExpressionPtr left = power();
    while (true) {
      Op op;
      if (is_op("*"))
        op = Op::kMultiply;
      else if (is_op("/"))
        op = Op::kDivide;
      else if (is_op("//"))
        op = Op::kFloorDivide;
      else if (is_op("%"))
        op = Op::kModulo;
      else
        return left;
      const size_t line = next().line;
      left = binary(op, std::move(left), power(), line);
    }
  }

  ExpressionPtr power() {
    ExpressionPtr left = unary(true);
    while (is_op("**")) {
      const size_t line = next().line;
      left = binary(Op::kPower, std::move(left), unary(true), line);
    }
    return left;
  }

  ExpressionPtr unary(bool with_filter) {
    const Deeper deeper(*this);
    const size_t line = now().line;
    ExpressionPtr out;
    if (skip_op("-"))
      out = make(Kind::kNegative, line, unary(false));
    else if (skip_op("+"))
      out = make(Kind::kPositive, line, unary(false));
    else
      out = primary();
    out = postfix(std::move(out));
    return with_filter ? filters_and_tests(std::move(out)) : std::move(out);
  }

  ExpressionPtr constant(Value value, size_t line) const {
    ExpressionPtr out = make(Kind::kConstant, line);
    out->value = std::move(value);
    return out;
  }

  ExpressionPtr primary() {
    const Token& token = now();
    const size_t line = token.line;
    switch (token.kind) {
      case TokenKind::kName: {
        const std::string name = next().text;
        if (name == "true" || name == "True") return constant(Value::boolean(true), line);
        if (name == "false" || name == "False") return constant(Value::boolean(false), line);
        if (name == "none" || name == "None") return constant(Value::none(), line);
        for (Signature* function : functions_) {
          function->uses_caller |= name == "caller";
          function->uses_varargs |= name == "varargs";
          function->uses_kwargs |= name == "kwargs";
        }
        calls_strftime_now_ |= name == "strftime_now";
        ExpressionPtr out = make(Kind::kName, line);
        out->name = name;
        return out;
      }
      case TokenKind::kString: {
        std::string text;
        while (now().kind == TokenKind::kString) text += next().text;
        return constant(Value::string(Text(std::move(text))), line);
      }
      case TokenKind::kInteger:
        return constant(Value::integer(next().integer), line);
      case TokenKind::kFloat:
        return constant(Value::real(next().real), line);
      default:
        break;
    }
    if (skip_op("(")) {
      ExpressionPtr inner = tuple(true, "", true);
      expect_op(")");
      return inner;
    }
    if (skip_op("[")) {
      ExpressionPtr out = make(Kind::kList, line);
      while (!is_op("]")) {
        if (!out->parts.empty()) expect_op(",");
        if (is_op("]")) break;
        add(*out, expression());
      }
      next();
      return out;
    }
    if (skip_op("{")) {
      ExpressionPtr out = make(Kind::kDict, line);
      while (!is_op("}")) {
        if (!out->parts.empty()) expect_op(",");
        if (is_op("}")) break;
        add(*out, expression());
        expect_op(":");
        add(*out, expression());
      }
      next();
      return out;
    }
    fail("unexpected " + shown(token));
  }

  ExpressionPtr postfix(ExpressionPtr node) {
    while (true) {
      if (is_op("."))
        node = dotted(std::move(node));
      else if (is_op("["))
        node = subscript(std::move(node));
      else if (is_op("("))
        node = call(std::move(node));
      else
        return node;
    }
  }

  ExpressionPtr filters_and_tests(ExpressionPtr node) {
    while (true) {
      if (is_op("|"))
        node = filters(std::move(node), false);
      else if (is_name("is"))
        node = test(std::move(node));
      else if (is_op("("))
        node = call(std::move(node));
      else
        return node;
    }
  }

  ExpressionPtr dotted(ExpressionPtr object) {
    const size_t line = next().line;
    if (now().kind == TokenKind::kInteger)
      return make(Kind::kItem, line, std::move(object), constant(Value::integer(next().integer), line));
    ExpressionPtr out = make(Kind::kAttribute, line, std::move(object));
    out->name = expect_any_name();
    return out;
  }

  ExpressionPtr subscript(ExpressionPtr object) {
    const size_t line = next().line;
    ExpressionPtr begin = is_op(":") ? nullptr : expression();
    if (skip_op(":")) {
      ExpressionPtr end = is_op(":") || is_op("]") ? nullptr : expression();
      ExpressionPtr step = skip_op(":") && !is_op("]") ? expression() : nullptr;
      if (is_op(",")) fail("several slices in one subscript are not supported");
      expect_op("]");
      return make(Kind::kSlice, line, std::move(object), std::move(begin), std::move(end), std::move(step));
    }
    if (is_op(",")) {
      ExpressionPtr key = make(Kind::kTuple, line, std::move(begin));
      while (skip_op(",")) add(*key, expression());
      begin = std::move(key);
    }
    expect_op("]");
    return make(Kind::kItem, line, std::move(object), std::move(begin));
  }

  ExpressionPtr call(ExpressionPtr function) {
    ExpressionPtr out = make(Kind::kCall, now().line, std::move(function));
    set_call(*out, call_arguments());
    return out;
  }

  CallSyntax call_arguments() {
    CallSyntax out;
    expect_op("(");
    bool comma = false;
    const auto check = [&](bool right) {
      if (!right) fail("arguments of a call in the wrong order");
    };
    while (!is_op(")")) {
      if (std::exchange(comma, true)) {
        expect_op(",");
        if (is_op(")")) break;
      }
      if (skip_op("*")) {
        check(!out.star && !out.double_star);
        out.star = expression();
      } else if (skip_op("**")) {
        check(!out.double_star);
        out.double_star = expression();
      } else if (now().kind == TokenKind::kName && look().kind == TokenKind::kOperator &&
                 look().text == "=") {
        check(!out.double_star);
        const std::string name = next().text;
        next();
        for (const auto& [other, value] : out.keyword)
          if (other == name) fail("the argument " + name + " is given twice");
        out.keyword.emplace_back(name, expression());
      } else {
        check(!out.star && !out.double_star && out.keyword.empty());
        out.positional.push_back(expression());
      }
    }
    next();
    return out;
  }

  std::string dotted_name() {
    std::string name = expect_any_name();
    while (skip_op(".")) {
      name += '.';
      name += expect_any_name();
    }
    return name;
  }

  // `inline_start`: the first filter has no | before it, as in {% filter upper %}.
  ExpressionPtr filters(ExpressionPtr node, bool inline_start) {
    while (inline_start || is_op("|")) {
      if (!std::exchange(inline_start, false)) next();
      ExpressionPtr out = make(Kind::kFilter, now().line, std::move(node));
      out->name = dotted_name();
      if (is_op("(")) set_call(*out, call_arguments());
      node = std::move(out);
    }
    return node;
  }

  ExpressionPtr test(ExpressionPtr node) {
    const size_t line = next().line;
    const bool negated = skip_name("not");
    ExpressionPtr out = make(Kind::kTest, line, std::move(node));
    out->name = dotted_name();
    const bool starts_argument = now().kind == TokenKind::kName || now().kind == TokenKind::kString ||
                                 now().kind == TokenKind::kInteger || now().kind == TokenKind::kFloat ||
                                 is_op("[") || is_op("{");
    if (is_op("(")) {
      set_call(*out, call_arguments());
    } else if (starts_argument && !is_name("else") && !is_name("or") && !is_name("and")) {
      if (is_name("is")) fail("tests with \"is\" cannot be chained");
      const Deeper deeper(*this);
      ExpressionPtr argument = primary();
      CallSyntax one;
      one.positional.push_back(postfix(std::move(argument)));
      set_call(*out, std::move(one));
    }
    return negated ? make(Kind::kNot, line, std::move(out)) : std::move(out);
  }

  std::vector<Token> tokens_;
  const Limits& limits_;
  size_t at_ = 0, depth_ = 0, loops_ = 0;
  std::vector<Signature*> functions_;  // around the present place
  bool calls_strftime_now_ = false;
};

}  // namespace

Program parse(std::string_view source, const Limits& limits) {
  return Parser(tokenize(source), limits).run();
}

}  // namespace lora::jinja
