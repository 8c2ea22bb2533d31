#include "model/recompute.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace lora {
namespace {

constexpr std::array<std::pair<RecomputeLevel, std::string_view>, 3> kNames{
    {{RecomputeLevel::kNone, "none"}, {RecomputeLevel::kCheap, "cheap"}, {RecomputeLevel::kBlock, "block"}}};

}  // namespace

RecomputeLevel Recompute::of_layer(int64_t layer) const {
  if (layer < layers || level == RecomputeLevel::kNone) return level;
  return level == RecomputeLevel::kBlock ? RecomputeLevel::kCheap : RecomputeLevel::kNone;
}

std::vector<Recompute> recompute_levels(int64_t layers) {
  std::vector<Recompute> levels{Recompute::kNone};
  for (const RecomputeLevel level : {RecomputeLevel::kCheap, RecomputeLevel::kBlock}) {
    for (int64_t some = 1; some < layers; ++some) levels.push_back({level, some});
    levels.push_back({level});
  }
  return levels;
}

std::string recompute_name(const Recompute& recompute) {
  const auto* known =
      std::ranges::find(kNames, recompute.level, &std::pair<RecomputeLevel, std::string_view>::first);
  return recompute.layers == Recompute::kAllLayers ? std::string(known->second)
                                                   : fmt::format("{}:{}", known->second, recompute.layers);
}

std::optional<Recompute> recompute_named(std::string_view name) {
  const size_t colon = name.find(':');
  for (const auto& [level, known] : kNames) {
    if (name.substr(0, colon) != known) continue;
    if (colon == std::string_view::npos) return Recompute{level};
    Recompute some{level, 0};
    const char *begin = name.data() + colon + 1, *end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(begin, end, some.layers);
    if (error != std::errc() || stop != end || some.layers < 0 || level == RecomputeLevel::kNone)
      return std::nullopt;
    return some;
  }
  return std::nullopt;
}

}  // namespace lora
