// How much of a forward pass is computed again in the backward pass instead of being kept (arXiv 1604.06174). Changes
// memory and time, and no number but by rounding: of float, or, where what is kept is a bfloat16, of that.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

enum class RecomputeLevel {
  kNone,   // keep what each operation's backward pass reads (docs/architecture.md has the list)
  kCheap,  // gate and up, half of it and more, are computed again: a quarter more work
  kBlock,  // a block keeps only its input: half more work
};

// A level in the first layers, and the one below it in those that follow.
struct Recompute {
  static constexpr int64_t kAllLayers = std::numeric_limits<int64_t>::max();
  static const Recompute kNone, kCheap, kBlock;  // in all layers

  RecomputeLevel level = RecomputeLevel::kNone;
  int64_t layers = kAllLayers;

  RecomputeLevel of_layer(int64_t layer) const;
  bool operator==(const Recompute&) const = default;
};
inline constexpr Recompute Recompute::kNone{RecomputeLevel::kNone};
inline constexpr Recompute Recompute::kCheap{RecomputeLevel::kCheap};
inline constexpr Recompute Recompute::kBlock{RecomputeLevel::kBlock};

// Of a model of so many layers, from that which keeps everything to that which keeps least.
std::vector<Recompute> recompute_levels(int64_t layers);
// "none", "cheap", "block"; "cheap:12" in 12 layers, "block:12" in 12 layers and cheap in the others.
std::string recompute_name(const Recompute& recompute);
std::optional<Recompute> recompute_named(std::string_view name);

}  // namespace lora
