#include "train/pass_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/progress.h"

namespace lora {
namespace {

// What a pass costs beside its tokens, in tokens: packed weights are unpacked once forward and once backward, small
// products of matrices are slower, threads wait for each other. And what computing again costs, of all work. Measured with
// SmolLM2-135M, 2 threads with tiles, passes of 256 to 1024 tokens (bench/RESULTS.md, 29 November 2026).
constexpr double kTokensBesides = 128, kCheapWork = 1.13, kBlockWork = 1.30;
// What reading the base from its file costs a pass, in tokens for each byte of a parameter: it is read forward, backward and for what is
// computed again, as fast as the system copies from its cache. From a disk it takes longer, and who is short of memory has no choice.
constexpr double kTokensToRead = 15;
constexpr int64_t kSmallestPass = 32;

// Those that are tried: the largest, and 7, 6, 5 and 4 eighths of it, of its half, of its quarter, …
std::vector<int64_t> sizes(const PassLimits& limits) {
  std::vector<int64_t> all{limits.micro_batch_tokens};
  for (int64_t size = limits.micro_batch_tokens; size > limits.longest_row; size /= 2)
    for (const int64_t eighths : {7, 6, 5, 4})
      if (size * eighths / 8 >= kSmallestPass) all.push_back(size * eighths / 8);
  return all;
}

}  // namespace

double relative_work(const Recompute& recompute, int64_t layers) {
  const double share = std::min(1.0, static_cast<double>(recompute.layers) / static_cast<double>(layers));
  if (recompute.level == RecomputeLevel::kCheap) return 1 + share * (kCheapWork - 1);
  if (recompute.level == RecomputeLevel::kBlock) return kCheapWork + share * (kBlockWork - kCheapWork);
  return 1;
}

double relative_time(const LaidTokens& laid, const Recompute& recompute, int64_t layers, double read_bytes) {
  const auto passes = static_cast<double>(laid.passes);
  return relative_work(recompute, layers) * (static_cast<double>(laid.tokens) + kTokensBesides * passes) +
         kTokensToRead * read_bytes * passes;
}

PassChoice choose_passes(const PassLimits& limits, const PassFacts& facts, const std::string& advice) {
  std::optional<PassChoice> best, least;
  double best_time = 0;
  const std::vector<Recompute> levels =
      limits.recompute ? std::vector{*limits.recompute} : recompute_levels(limits.layers);
  const auto consider = [&](int64_t tokens, const LaidTokens& laid, bool base_in_file) {
    const int64_t spared = base_in_file ? limits.base_bytes : 0;
    for (const Recompute& level : levels) {
      // A row is never cut, so smaller passes than the longest row spare nothing.
      const int64_t bytes = facts.bytes_of(std::max(tokens, limits.longest_row), level) - spared;
      const PassChoice choice{tokens, level, base_in_file, bytes, {}};
      if (!least || choice.bytes < least->bytes) least = choice;
      if (choice.bytes > limits.memory_limit) continue;
      const double time = relative_time(laid, level, limits.layers,
                                        static_cast<double>(spared) / static_cast<double>(limits.parameters));
      if (!best || time < best_time) {
        best = choice;
        best_time = time;
      }
      return;  // what follows computes more
    }
  };
  for (const int64_t tokens : sizes(limits)) {
    const LaidTokens laid = facts.laid(tokens);
    consider(tokens, laid, false);
    if (limits.base_bytes > 0) consider(tokens, laid, true);
  }
  const auto in_bytes = [](int64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
  if (!best)
    throw Error::input(
        {.where = "memory_limit",
         .found = fmt::format("the run needs {} at least, with {} tokens a pass{} and recompute \"{}\"",
                              in_bytes(least->bytes), std::max(least->micro_batch_tokens, limits.longest_row),
                              least->base_in_file ? ", the base read from its file at each use" : "",
                              recompute_name(least->recompute)),
         .expected = fmt::format("at most {}", in_bytes(limits.memory_limit)),
         .fix = advice});
  const Recompute usual = limits.recompute.value_or(Recompute::kNone);
  const double longer =
      best_time / relative_time(facts.laid(limits.micro_batch_tokens), usual, limits.layers) - 1;
  if (best->micro_batch_tokens == limits.micro_batch_tokens && best->recompute == usual &&
      !best->base_in_file)
    best->why = fmt::format("the run fits {} as it is", in_bytes(limits.memory_limit));
  else
    best->why = fmt::format(
        "to stay below {}: passes of {} tokens, recompute \"{}\"{}, which take about {:.0f} % longer than of "
        "{} with \"{}\"",
        in_bytes(limits.memory_limit), best->micro_batch_tokens, recompute_name(best->recompute),
        best->base_in_file ? ", the base read from its file at each use" : "", 100 * longer,
        limits.micro_batch_tokens, recompute_name(usual));
  return *best;
}

int64_t passes_for_shared_prompts(int64_t usual, const std::function<int64_t(int64_t tokens)>& laid,
                                  const std::function<bool(int64_t tokens)>& fits) {
  std::vector<int64_t> sizes{usual};
  for (const int64_t halves : {3, 4, 6, 8})  // of the usual size
    if (const int64_t size = usual * halves / 2; fits(size)) sizes.push_back(size);
  if (sizes.size() == 1) return usual;
  const auto least = static_cast<double>(laid(sizes.back()));
  return *std::ranges::find_if(sizes, [&](int64_t size) {
    return size == sizes.back() || static_cast<double>(laid(size)) <= 1.1 * least;
  });
}

int64_t largest_pass(const PassLimits& limits, const Recompute& recompute, int64_t most,
                     const std::function<int64_t(int64_t tokens, const Recompute& recompute)>& bytes_of) {
  int64_t fits = 0, too_large = most + 1;
  if (bytes_of(std::max<int64_t>(limits.longest_row, 1), recompute) > limits.memory_limit) return 0;
  fits = std::max<int64_t>(limits.longest_row, 1);
  while (too_large - fits > 1) {
    const int64_t middle = fits + (too_large - fits) / 2;
    (bytes_of(middle, recompute) <= limits.memory_limit ? fits : too_large) = middle;
  }
  return fits;
}

}  // namespace lora
