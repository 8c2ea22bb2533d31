// How much of a forward pass is computed again in the backward pass instead of being kept (arXiv 1604.06174). Changes
// memory and time, never a number.
#pragma once

#include <optional>
#include <string_view>

namespace lora {

enum class Recompute {
  kNone,   // keep what each operation's backward pass reads (docs/architecture.md has the list)
  kCheap,  // gate and up, half of it and more, are computed again: a quarter more work
  kBlock,  // a block keeps only its input: half more work
};

inline std::string_view recompute_name(Recompute level) {
  return level == Recompute::kNone ? "none" : level == Recompute::kCheap ? "cheap" : "block";
}

inline std::optional<Recompute> recompute_named(std::string_view name) {
  for (const Recompute level : {Recompute::kNone, Recompute::kCheap, Recompute::kBlock})
    if (name == recompute_name(level)) return level;
  return std::nullopt;
}

}  // namespace lora
