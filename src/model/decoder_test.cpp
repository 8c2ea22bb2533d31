// The decoder over everything in which families differ: fused against plain, cached against whole, gradients against
// slopes, all in float64. That families are what Transformers computes is tests/parity's to show.
#include "model/decoder.h"

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "model/testing.h"

namespace lora {
namespace {

Forest line_of(int64_t length, uint64_t seed) {
  Random random(seed, 1);
  Forest forest;
  for (int64_t i = 0; i < length; ++i) {
    forest.ids.push_back(static_cast<int64_t>(random.below(61)));
    forest.positions.push_back(i);
    forest.rows.push_back(i);
    forest.targets.push_back(static_cast<int64_t>(random.below(61)));
    forest.row_examples.push_back(0);
    forest.row_weights.push_back(1);
  }
  forest.layout = {{{0, length, 0, {}}}, {0}};
  return forest;
}

double apart(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class Families : public ::testing::TestWithParam<ModelConfig> {
 protected:
  Decoder decoder(const ModelConfig& config, ops::Backend backend = ops::Backend::kFused) const {
    return {config, random_weights(config, 1, at::kDouble), backend};
  }
  const ModelConfig& config_ = GetParam();
  const Adapter adapter_ = testing::tiny_adapter(at::kDouble, 0, config_);
  const Forest forest_ = line_of(23, 3);
};

TEST_P(Families, FusedEqualsPlain) {
  const at::Tensor fused = decoder(config_).logits(forest_, &adapter_),
                   plain = decoder(config_, ops::Backend::kReference).logits(forest_, &adapter_);
  EXPECT_LT(apart(fused, plain), 1e-10);
  EXPECT_GT(apart(fused, decoder(config_).logits(forest_, nullptr)), 1e-3) << "the adapter matters";
  EXPECT_GT(apart(fused, testing::tiny_decoder(at::kDouble).logits(forest_, nullptr)), 1e-3);
}

TEST_P(Families, TheGradientIsTheSlopeOfTheLoss) {
  Adapter adapter = testing::tiny_adapter(at::kDouble, 0, config_);
  for (const ops::Backend backend : {ops::Backend::kFused, ops::Backend::kReference}) {
    const Decoder d = decoder(config_, backend);
    adapter.zero_gradients();
    d.loss(forest_, &adapter, std::nullopt).loss.backward();
    for (const Adapter::Entry& entry : adapter.entries()) {
      const c10::NoGradGuard no_grad;
      const at::Tensor direction = entry.gradient / entry.gradient.norm();
      const auto loss_at = [&](double step) {
        at::Tensor(entry.tensor).add_(direction, step);
        const double loss = d.loss(forest_, &adapter, std::nullopt).loss.item<double>();
        at::Tensor(entry.tensor).add_(direction, -step);
        return loss;
      };
      const double slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5,
                   norm = entry.gradient.norm().item<double>();
      EXPECT_GT(norm, 1e-6) << entry.name;
      EXPECT_NEAR(slope, norm, 1e-6 * norm + 1e-7) << entry.name;
    }
  }
}

// A prompt read at once and then token by token, beside others with another adapter and with none, gives the logits of the
// whole text; also where only its last token's are asked for. (A sequence that becomes a long one on the way is generate/'s
// to read anew.)
TEST_P(Families, CachedEqualsWhole) {
  const int64_t length = config_.long_rope_length() > 0 ? config_.long_rope_length() : 23, prompt = 7;
  Adapter second = testing::tiny_adapter(at::kDouble, 0, config_);
  testing::randomize_B(second, 9);
  const std::vector<std::pair<Forest, const Adapter*>> texts{
      {line_of(length, 3), &adapter_}, {line_of(length, 4), nullptr}, {line_of(length, 5), &second}};
  for (const ops::Backend backend : {ops::Backend::kFused, ops::Backend::kReference}) {
    const Decoder d = decoder(config_, backend);
    std::vector<at::Tensor> whole;
    for (const auto& [text, adapter] : texts) whole.push_back(d.logits(text, adapter));
    for (const bool all_rows : {true, false}) {
      KvCache cache(config_, 3 * length + 3, d.options());
      for (int64_t from = 0; from < length;) {
        const int64_t to = from == 0 ? prompt : from + 1, n = to - from, asked = all_rows ? n : 1;
        CachedTokens tokens;
        int64_t row = 3;
        for (const auto& [text, adapter] : texts) {
          const auto at = static_cast<int64_t>(tokens.ids.size());
          for (int64_t i = from; i < to; ++i) {
            tokens.ids.push_back(text.ids[static_cast<size_t>(i)]);
            tokens.positions.push_back(i);
            tokens.cache_rows.push_back(row + i);
            if (i >= to - asked) tokens.rows.push_back(at + i - from);
          }
          tokens.layout.tree_begin.push_back(tokens.layout.blocks.size());
          tokens.layout.blocks.push_back({at, at + n, row + from, {{row, row + from}}});
          if (adapter) tokens.adapters.push_back({at, at + n, adapter});
          row += length;
        }
        const at::Tensor logits = d.forward_cached(tokens, cache);
        for (size_t t = 0; t < texts.size(); ++t) {
          const auto begin = static_cast<int64_t>(t) * asked;
          EXPECT_LT(apart(logits.slice(0, begin, begin + asked), whole[t].slice(0, to - asked, to)), 1e-10)
              << from << ", text " << t;
        }
        from = to;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Families, ::testing::ValuesIn(testing::tiny_family_configs()),
                         [](const auto& info) {
                           std::string name;
                           for (const char c : info.param.family)
                             if (std::isalnum(static_cast<unsigned char>(c))) name += c;
                           return name;
                         });

// Sequences on either side of LongRoPE's border lie in one forest; each turns as it does alone.
TEST(LongRope, GoesByTheLengthOfEachExample) {
  const auto configs = testing::tiny_family_configs();
  const ModelConfig& config =
      *std::ranges::find_if(configs, [](const ModelConfig& c) { return c.long_rope_length() > 0; });
  const Decoder d(config, random_weights(config, 1, at::kDouble));
  const int64_t border = config.long_rope_length();
  const Forest a = line_of(border, 5), b = line_of(border + 1, 6);
  Forest both = a;
  both.ids.insert(both.ids.end(), b.ids.begin(), b.ids.end());
  both.positions.insert(both.positions.end(), b.positions.begin(), b.positions.end());
  both.layout = {{{0, border, 0, {}}, {border, 2 * border + 1, border, {}}}, {0, 1}};
  const at::Tensor together = d.logits(both, nullptr);
  EXPECT_LT(apart(together.slice(0, 0, border), d.logits(a, nullptr)), 1e-12);
  EXPECT_LT(apart(together.slice(0, border), d.logits(b, nullptr)), 1e-12);
  // An example of which the last token is not read is as long all the same.
  Forest cut = a;
  cut.example_lengths.assign(static_cast<size_t>(border), border + 1);
  EXPECT_GT(apart(d.logits(cut, nullptr), d.logits(a, nullptr)), 1e-3);
}

}  // namespace
}  // namespace lora
