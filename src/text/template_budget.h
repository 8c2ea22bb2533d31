// Bounds around the template engine, which has none of its own: a template comes from a downloaded file and is hostile
// until shown otherwise. What holds:
//   before parsing   source size; tokens in one {{ }} or {% %}; depth of brackets and blocks; no test of
//                    divisibility (its zero divides)
//   while running    steps (nodes executed) and seconds; stack depth; length of any range(); size of every string,
//                    list and object made (counted as if printed, so nesting one list in itself a hundred times does
//                    not help); arguments of replace, join and indent; size of the output
// What does not: one built-in operation on operands within those bounds is not interrupted; memory of the engine's own
// copies is a small multiple of the bounds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace jinja {
struct program;
struct lexer_result;
struct context;
}  // namespace jinja

namespace lora {

struct TemplateLimits {
  size_t source_bytes = 1 << 20;
  size_t tokens_per_tag = 2000;
  size_t nesting = 100;
  uint64_t steps = 500'000;
  std::chrono::seconds time{10};
  size_t stack_bytes = 1 << 20;
  int64_t range_items = 100'000;
  size_t value_bytes = 16 << 20;  // of any value, and of the output
  size_t argument_bytes = 256;    // of replace's replacement, join's separator, indent's width
};

// What a render has used up. Reset before each render.
class TemplateBudget {
 public:
  explicit TemplateBudget(TemplateLimits limits) : limits_(limits) {}
  const TemplateLimits& limits() const { return limits_; }
  void reset();
  // One node executed. Throws std::runtime_error when a budget is used up; the engine adds the line.
  void step();
  [[noreturn]] static void exceeded(const std::string& what);

 private:
  TemplateLimits limits_;
  uint64_t steps_ = 0;
  std::chrono::steady_clock::time_point deadline_;
  uintptr_t stack_base_ = 0;
};

// Refuses token streams that the recursive parser could not survive. Throws std::runtime_error; `position` is the
// byte in the source that it is about.
void check_before_parsing(const jinja::lexer_result& tokens, const TemplateLimits& limits, size_t& position);

// Puts the budget into a parsed program: its nodes are replaced by ones that count.
void guard_program(jinja::program& program, std::shared_ptr<TemplateBudget> budget);

// Replaces range() by one that has a bound.
void guard_context(jinja::context& context, std::shared_ptr<TemplateBudget> budget);

}  // namespace lora
