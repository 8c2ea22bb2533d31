#include "train/score.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace lora {

std::vector<Score> score(const Decoder& decoder, const Adapter* adapter, const std::vector<Example>& examples,
                         ForestOptions options, const std::function<void(size_t)>& progress) {
  const c10::NoGradGuard no_grad;
  options.split_length = decoder.config().long_rope_length();
  std::vector<const Example*> all;
  for (const Example& example : examples) all.push_back(&example);
  std::vector<Score> scores(examples.size());
  size_t done = 0;
  for (const std::vector<size_t>& members : deal(all, options)) {
    std::vector<const Example*> part;
    for (const size_t i : members) part.push_back(all[i]);
    const Forest forest = build_forest(part, options.share_prefixes, options.split_length);
    const at::Tensor nll = decoder.loss(forest, adapter, std::nullopt).nll.to(at::kDouble);
    const double* values = nll.data_ptr<double>();
    for (size_t row = 0; row < forest.rows.size(); ++row) {
      Score& s = scores[members[static_cast<size_t>(forest.row_examples[row])]];
      s.nll += values[row];
      s.tokens += 1;
    }
    done += members.size();
    if (progress) progress(done);
  }
  return scores;
}

Score total(const std::vector<Score>& scores) {
  Score sum;
  for (const Score& s : scores) {
    sum.nll += s.nll;
    sum.tokens += s.tokens;
  }
  return sum;
}

}  // namespace lora
