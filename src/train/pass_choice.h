// Which passes a run makes under a memory limit: how many tokens each holds, how much of it is computed again, and whether the base
// stays in its file. All change time and memory, never a result, so the fastest that fits is taken: of sizes in coarse steps, of work in steps of a layer.
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
  bool base_in_file = false;  // BaseStorage::kPassing
  int64_t bytes = 0;          // of the whole process
  std::string why;            // a sentence
};

struct PassLimits {
  int64_t memory_limit = 0;                 // bytes
  int64_t micro_batch_tokens = 0;           // no larger passes than this
  int64_t longest_row = 0;                  // tokens: no smaller passes than this
  int64_t layers = 1;                       // of the model
  std::optional<Recompute> recompute = {};  // asked for; none: free to choose
  int64_t base_bytes = 0;                   // of the base that could be read from its file at each use
  int64_t parameters = 1;                   // of the base
};

// What the steps of a run lay, with passes of a certain size: a prompt that rows share is laid in each pass anew.
struct LaidTokens {
  int64_t tokens = 0, passes = 0;
};

// The work of a pass, relative to that of one that keeps everything.
double relative_work(const Recompute& recompute, int64_t layers);
// How long a run takes, in tokens of a pass that keeps everything: work that is done again, and what each pass costs beside its
// tokens. read_bytes: of the base, a parameter, that each pass reads from its file.
double relative_time(const LaidTokens& laid, const Recompute& recompute, int64_t layers,
                     double read_bytes = 0);

// What is known of passes of so many tokens: the peak of the whole process, and what is laid.
struct PassFacts {
  std::function<int64_t(int64_t tokens, const Recompute& recompute)> bytes_of;
  std::function<LaidTokens(int64_t tokens)> laid;
};

// Errors: kInput when nothing fits: the least that would do, and what makes it less (`advice`, a sentence).
PassChoice choose_passes(const PassLimits& limits, const PassFacts& facts, const std::string& advice);

// A prompt that rows share is laid in every pass that reads it. The smallest passes, of `usual` tokens or up to four times as
// many, in which steps lay no more than a tenth more tokens (`laid`) than in the largest that `fits`.
int64_t passes_for_shared_prompts(int64_t usual, const std::function<int64_t(int64_t tokens)>& laid,
                                  const std::function<bool(int64_t tokens)>& fits);

// The most tokens a pass may hold in `memory` bytes with this level, at most `most`; 0: not even the longest row fits.
int64_t largest_pass(const PassLimits& limits, const Recompute& recompute, int64_t most,
                     const std::function<int64_t(int64_t tokens, const Recompute& recompute)>& bytes_of);

}  // namespace lora
