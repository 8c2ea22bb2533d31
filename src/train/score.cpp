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
  each_forest(all, options, [&](const Forest& forest, const std::vector<const Example*>& members) {
    const at::Tensor nll = decoder.loss(forest, adapter, std::nullopt).nll.to(at::kDouble);
    const double* values = nll.data_ptr<double>();
    for (size_t row = 0; row < forest.rows.size(); ++row) {
      const Example* example = members[static_cast<size_t>(forest.row_examples[row])];
      Score& s = scores[static_cast<size_t>(example - examples.data())];
      s.nll += values[row];
      s.tokens += 1;
    }
    done += members.size();
    if (progress) progress(done);
  });
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
