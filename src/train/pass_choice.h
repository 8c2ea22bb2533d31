// Which passes a run makes under a memory limit: how many tokens each holds, and how much of it is computed again. Both
// change time and memory, never a result, so the fastest that fits is taken.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "model/recompute.h"

namespace lora {

struct PassChoice {
  int64_t micro_batch_tokens = 0;
  Recompute recompute = Recompute::kNone;
  int64_t bytes = 0;  // of the whole process
  std::string why;    // a sentence
};

struct PassLimits {
  int64_t memory_limit = 0;                 // bytes
  int64_t micro_batch_tokens = 0;           // no larger passes than this
  int64_t longest_row = 0;                  // tokens: no smaller passes than this
  std::optional<Recompute> recompute = {};  // asked for; none: free to choose
};

// How much longer than the fastest a run takes: work that is done again, and what each pass costs beside its tokens.
double relative_time(int64_t micro_batch_tokens, Recompute recompute);

// `bytes_of` plans the peak of the whole process for passes of so many tokens. Errors: kInput when nothing fits: the least
// that would do, and what makes it less (`advice`, a sentence).
PassChoice choose_passes(const PassLimits& limits,
                         const std::function<int64_t(int64_t tokens, Recompute recompute)>& bytes_of,
                         const std::string& advice);

// A prompt that rows share is laid in every pass that reads it. The smallest passes, of `usual` tokens or up to four times as
// many, in which steps lay no more than a tenth more tokens (`laid`) than in the largest that `fits`.
int64_t passes_for_shared_prompts(int64_t usual, const std::function<int64_t(int64_t tokens)>& laid,
                                  const std::function<bool(int64_t tokens)>& fits);

// The most tokens a pass may hold in `memory` bytes with this level, at most `most`; 0: not even the longest row fits.
int64_t largest_pass(const PassLimits& limits, Recompute recompute, int64_t most,
                     const std::function<int64_t(int64_t tokens, Recompute recompute)>& bytes_of);

}  // namespace lora
