// Every fused operation, on every instruction set that this processor has, against its plain twin: values and gradients in float64,
// with ragged sizes, shared prefixes, grouped heads and dropout. The plain twins themselves are held to Transformers and PEFT in tests/parity.
#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "ops/attention.h"
#include "ops/differentiable.h"
#include "ops/gated_mlp.h"
#include "ops/head_loss.h"
#include "ops/lora_linear.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/row_blocks.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

using at::Tensor;

const auto kDouble = at::TensorOptions().dtype(at::kDouble);

Tensor randn(at::IntArrayRef shape) {
  return at::randn(shape, kDouble);
}
Tensor leaf(at::IntArrayRef shape) {
  return randn(shape).requires_grad_(true);
}

// Runs `f` with both backends on the same inputs and a random weighting of its outputs; compares outputs and gradients.
template <class F>
void expect_twins_agree(const std::vector<Tensor>& inputs, const F& f, double tolerance = 1e-11) {
  std::vector<Tensor> mix;
  const auto results = [&](Backend backend) {  // outputs, then gradients
    std::vector<Tensor> all = f(backend);
    const size_t outputs = all.size();
    Tensor total = at::zeros({}, kDouble);
    for (size_t i = 0; i < outputs; ++i) {
      if (mix.size() <= i) mix.push_back(at::randn_like(all[i]).detach());
      total = total + (all[i] * mix[i]).sum();
    }
    for (const Tensor& g : torch::autograd::grad({total}, inputs)) all.push_back(g);
    return all;
  };
  const std::vector<Tensor> expected = results(Backend::kReference);
  for (const Tensor& t : expected)
    EXPECT_GT(t.abs().max().item<double>(), 0) << "what is zero proves nothing";
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  EXPECT_GE(targets.size(), 2u);
  for (const int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    const std::vector<Tensor> got = results(Backend::kFused);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_LT((got[i] - expected[i]).abs().max().item<double>(), tolerance)
          << hwy::TargetName(target) << ", output or gradient " << i << " of " << got.size();
  }
  hwy::SetSupportedTargetsForTest(0);
}

Projection projection(int64_t out, int64_t in, double dropout, uint64_t key, bool bias = false) {
  const double scale = 1 / std::sqrt(static_cast<double>(in));  // so that results stay near one
  Projection p{randn({out, in}) * scale, bias ? randn({out}) : Tensor(),
               LoraTerm{(randn({3, in}) * scale).requires_grad_(true), leaf({out, 3}), 1.7, dropout, key}};
  return p;
}

class LoraLinear : public ::testing::TestWithParam<double> {
 protected:
  void SetUp() override { torch::manual_seed(1); }
  Tensor keys = at::randint(1L << 40, {7}, at::kLong);
};

TEST_P(LoraLinear, NormLinearAgrees) {
  const Tensor x = leaf({7, 13}), w = randn({13});
  const std::vector<Projection> p{projection(5, 13, GetParam(), 1), projection(9, 13, GetParam(), 2, true)};
  expect_twins_agree({x, p[0].lora->A, p[0].lora->B, p[1].lora->A, p[1].lora->B},
                     [&](Backend backend) { return norm_linear(x, w, 1e-5, p, keys, backend); });
}

TEST_P(LoraLinear, LinearResidualAgrees) {
  const Tensor x = leaf({7, 13}), residual = leaf({7, 6});
  const Projection p = projection(6, 13, GetParam(), 3, true);
  expect_twins_agree({x, residual, p.lora->A, p.lora->B}, [&](Backend backend) {
    return std::vector<Tensor>{linear_residual(x, residual, p, keys, backend)};
  });
}

TEST_P(LoraLinear, WithoutNormAndWithoutResidualAgrees) {
  const Tensor x = leaf({7, 13});
  const Projection p = projection(6, 13, GetParam(), 5, true);
  expect_twins_agree({x, p.lora->A, p.lora->B}, [&](Backend backend) {
    return std::vector<Tensor>{norm_linear(x, {}, 1e-5, {p}, keys, backend)[0],
                               linear_residual(x, {}, p, keys, backend)};
  });
}

// Gate and up as two matrices and as one; with and without norm and residual; kept and computed again.
TEST_P(LoraLinear, GatedMlpAgrees) {
  const double p = GetParam();
  const Projection down = projection(13, 21, p, 6, true);
  const std::vector<std::vector<Projection>> spellings{
      {projection(21, 13, p, 4), projection(21, 13, p, 5, true)}, {projection(42, 13, p, 7)}};
  for (const std::vector<Projection>& gate_up : spellings)
    for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh})
      for (const bool plain : {true, false})
        for (const bool keep : {true, false}) {
          const Tensor x = leaf({7, 13});
          const GatedMlp mlp{plain ? randn({13}) : Tensor(), 1e-5, gate_up, down, activation, plain};
          std::vector<Tensor> leaves{x, down.lora->A, down.lora->B};
          for (const Projection& each : gate_up) leaves.insert(leaves.end(), {each.A(), each.B()});
          expect_twins_agree(leaves, [&](Backend backend) {
            return std::vector<Tensor>{gated_mlp(x, mlp, keys, backend, {.gate_up = keep})};
          });
        }
}

// As many rows as are divided among threads, and those of a thread into blocks; an adapter on one of two projections.
TEST_P(LoraLinear, ManyRowsAgree) {
  const int64_t rows = 2 * 4 * kBlockRows + 5;
  const TokenKeys all = at::randint(1L << 40, {rows}, at::kLong);
  std::vector<Projection> gate_up{projection(9, 13, GetParam(), 4), projection(9, 13, GetParam(), 5, true)};
  gate_up[1].lora.reset();
  const Projection down = projection(13, 9, GetParam(), 6, true);
  const Tensor x = leaf({rows, 13}), residual = leaf({rows, 13}), w = randn({13});
  const GatedMlp mlp{w, 1e-5, gate_up, down, Activation::kSilu, true};
  expect_twins_agree(
      {x, residual, gate_up[0].A(), gate_up[0].B(), down.A(), down.B()},
      [&](Backend backend) {
        std::vector<Tensor> results = norm_linear(x, w, 1e-5, gate_up, all, backend);
        results.push_back(linear_residual(results[0], residual, down, all, backend));
        results.push_back(gated_mlp(x, mlp, all, backend));
        return results;
      },
      1e-10);
}

TEST_P(LoraLinear, GatedMlpNeedNotComputeItsResultToBeDifferentiated) {
  const double p = GetParam();
  const GatedMlp mlp{
      randn({13}),       1e-5, {projection(21, 13, p, 4), projection(21, 13, p, 5)}, projection(13, 21, p, 6),
      Activation::kSilu, true};
  const Tensor x = leaf({7, 13}), dy = randn({7, 13});
  std::vector<std::vector<Tensor>> gradients;
  for (const bool result : {true, false})
    gradients.push_back(torch::autograd::grad({gated_mlp(x, mlp, keys, Backend::kFused, {.result = result})},
                                              {x, mlp.down.A(), mlp.down.B(), mlp.gate_up[0].A()}, {dy}));
  for (size_t i = 0; i < gradients[0].size(); ++i) EXPECT_TRUE(gradients[0][i].equal(gradients[1][i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Dropout, LoraLinear, ::testing::Values(0.0, 0.3));

TEST(LoraLinear, NoAdapterAndFrozenInputTakeNoGradient) {
  Projection p = projection(4, 8, 0, 1);
  const Tensor x = randn({3, 8}), w = randn({8});
  const Tensor y = norm_linear(x, w, 1e-5, {p}, {}, Backend::kFused)[0];
  EXPECT_TRUE(y.requires_grad());
  p.lora.reset();
  EXPECT_FALSE(norm_linear(x, w, 1e-5, {p}, {}, Backend::kFused)[0].requires_grad());
}

TEST(RmsNorm, Agrees) {
  torch::manual_seed(2);
  const Tensor x = leaf({5, 37}), w = randn({37});
  expect_twins_agree({x}, [&](Backend b) { return std::vector<Tensor>{rms_norm(x, w, 1e-6, b)}; });
}

TEST(Rope, AgreesAndLeavesTheUnrotatedRestAlone) {
  torch::manual_seed(3);
  const Tensor x = leaf({5, 3 * 22}), angle = randn({5, 9});
  expect_twins_agree(
      {x}, [&](Backend b) { return std::vector<Tensor>{rope(x, angle.cos(), angle.sin(), 22, b)}; });
}

// Tree 0: a root of 70 rows (more than a tile) with two branches, one of which has a child. Tree 1: one example.
AttentionLayout two_trees() {
  return {{{0, 70, 0, {}},
           {70, 75, 70, {{0, 70}}},
           {75, 79, 75, {{0, 70}, {70, 75}}},
           {79, 150, 79, {{0, 70}}},
           {150, 153, 150, {}}},
          {0, 4}};
}

TEST(Attention, AgreesOverPackedExamplesAndSharedPrefixes) {
  torch::manual_seed(4);
  const AttentionLayout layout = two_trees();
  const AttentionShape shape{6, 2, 8, 0.31};
  const Tensor q = leaf({153, 48}), k = leaf({153, 16}), v = leaf({153, 16});
  expect_twins_agree({q, k, v},
                     [&](Backend b) { return std::vector<Tensor>{attention(q, k, v, layout, shape, b)}; });
}

// What one key head gathers in one tree is more than a thread's share of the work.
TEST(Attention, ATreeDividedAmongThreadsAgrees) {
  torch::manual_seed(9);
  const AttentionLayout layout{{{0, 150, 0, {}}, {150, 260, 150, {{0, 150}}}, {260, 262, 260, {{0, 150}}}},
                               {0}};
  for (const int64_t heads : {1, 3, 24}) {
    const AttentionShape shape{heads, 1, 4, 0.4};
    const Tensor q = leaf({262, heads * 4}), k = leaf({262, 4}), v = leaf({262, 4});
    expect_twins_agree({q, k, v},
                       [&](Backend b) { return std::vector<Tensor>{attention(q, k, v, layout, shape, b)}; });
  }
}

// Windows shorter and longer than a tile, than a block, than all; with and without capped scores.
TEST(Attention, AgreesWithWindowsAndCaps) {
  torch::manual_seed(7);
  const AttentionLayout layout = two_trees();
  const Tensor q = leaf({153, 48}), k = leaf({153, 16}), v = leaf({153, 16});
  for (const int64_t window : {0, 1, 2, 6, 65, 80, 1000})
    for (const double softcap : {0.0, 1.5}) {
      const AttentionShape shape{6, 2, 8, 0.31, softcap, window};
      const auto all = [&](Backend b) { return std::vector<Tensor>{attention(q, k, v, layout, shape, b)}; };
      // A window of one key has a softmax of one number, and no gradient for q and k.
      expect_twins_agree(window == 1 ? std::vector<Tensor>{v} : std::vector<Tensor>{q, k, v}, all);
    }
}

// Said without the reference's own mask: what lies outside the window may change as it likes.
TEST(Attention, AWindowHidesWhatIsFartherBack) {
  torch::manual_seed(8);
  const AttentionShape shape{2, 1, 4, 0.5, 0, 3};
  const AttentionLayout layout{{{0, 4, 10, {{2, 4}, {6, 8}}}}, {0}};
  const Tensor q = randn({4, 8}), k = randn({14, 4}), v = randn({14, 4});
  const std::vector<int64_t> path{2, 3, 6, 7, 10, 11, 12, 13};  // key rows by position
  for (const Backend backend : {Backend::kFused, Backend::kReference}) {
    const Tensor before = attention(q, k, v, layout, shape, backend);
    for (size_t p = 0; p < path.size(); ++p) {
      Tensor changed = v.clone();
      changed[path[p]] += 1;
      const Tensor difference = (attention(q, k, changed, layout, shape, backend) - before).abs().amax(1);
      for (size_t i = 0; i < 4; ++i) {
        const size_t query = 4 + i;
        EXPECT_EQ(difference[static_cast<int64_t>(i)].item<double>() > 1e-9, p <= query && p + 3 > query)
            << "query " << i << ", key at " << p;
      }
    }
  }
}

TEST(Attention, ReadsCachedKeysElsewhere) {
  torch::manual_seed(5);
  const AttentionLayout layout{{{0, 1, 12, {{3, 12}}}, {1, 3, 30, {{20, 30}}}}, {0, 1}};
  const AttentionShape shape{2, 1, 4, 0.5};
  const Tensor q = leaf({3, 8}), k = leaf({40, 4}), v = leaf({40, 4});
  expect_twins_agree({q, k, v},
                     [&](Backend b) { return std::vector<Tensor>{attention(q, k, v, layout, shape, b)}; });
}

TEST(HeadLoss, AgreesOverSeveralBlocksOfRows) {
  torch::manual_seed(6);
  const Tensor h = leaf({1100, 6}), w = randn({11, 6}), targets = at::randint(11, {1100}, at::kLong);
  const Tensor weights = at::rand({1100}, kDouble);
  for (const HeadShape shape : {HeadShape{}, HeadShape{0.3, 0}, HeadShape{1, 2.5}, HeadShape{0.7, 1.5}}) {
    const auto loss = [&](Backend b) { return head_loss(h, w, shape, targets, weights, b); };
    expect_twins_agree({h}, [&](Backend b) { return std::vector<Tensor>{loss(b).loss}; });
    EXPECT_LT((loss(Backend::kFused).nll - loss(Backend::kReference).nll).abs().max().item<double>(), 1e-12);
  }
}

// A vocabulary that is laid out in several chunks of several parts, the last of them not whole; with rows for each thread, and
// with so few that threads share them.
TEST(HeadLoss, AgreesOverSeveralPartsOfTheVocabulary) {
  torch::manual_seed(7);
  const int64_t vocab = 40'009;
  const Tensor h = leaf({130, 64}), w = randn({vocab, 64}), weights = at::rand({130}, kDouble);
  Tensor targets = at::randint(vocab, {130}, at::kLong);
  targets[0] = 0;
  targets[1] = vocab - 1;
  const int threads = at::get_num_threads();
  for (const int of : {1, 2, 7}) {
    at::set_num_threads(of);
    for (const HeadShape shape : {HeadShape{}, HeadShape{0.7, 1.5}}) {
      const auto loss = [&](Backend b) { return head_loss(h, w, shape, targets, weights, b); };
      expect_twins_agree({h}, [&](Backend b) { return std::vector<Tensor>{loss(b).loss}; });
      EXPECT_LT((loss(Backend::kFused).nll - loss(Backend::kReference).nll).abs().max().item<double>(),
                1e-12);
    }
  }
  at::set_num_threads(threads);
}

// The gradient is (p - 1) W_target and little else: of floats, p - 1 has few digits left. So has log p.
TEST(HeadLoss, LosesNothingWhereTheModelIsSure) {
  torch::manual_seed(8);
  const Tensor w = randn({900, 32}), targets = at::arange(20, at::kLong), weights = at::ones({20}, kDouble);
  const Tensor h = (w.slice(0, 0, 20) * 0.8 + randn({20, 32}) * 0.01).detach();
  const auto run = [&](const Tensor& x, const Tensor& head, Backend backend) {
    const Tensor leaf = x.clone().requires_grad_(true);
    const HeadLoss loss = head_loss(leaf, head, {}, targets, weights.to(x.scalar_type()), backend);
    return std::pair{loss.nll.to(at::kDouble), torch::autograd::grad({loss.loss}, {leaf})[0].to(at::kDouble)};
  };
  const Tensor rounded = h.to(at::kFloat), head = w.to(at::kFloat);
  const auto [nll, gradient] = run(rounded, head, Backend::kFused);
  const auto [exact, expected] = run(rounded.to(at::kDouble), head.to(at::kDouble), Backend::kReference);
  EXPECT_LT(exact.min().item<double>(), 1e-7) << "not sure enough to prove anything";
  EXPECT_LT(((nll - exact).abs() / exact).max().item<double>(), 1e-4);
  EXPECT_LT(((gradient - expected).norm(2, 1) / expected.norm(2, 1)).max().item<double>(), 1e-4);
}

TEST(HeadLoss, KeepsWhatIsNotFinite) {
  const Tensor h = randn({5, 8}).to(at::kFloat), w = randn({700, 8}).to(at::kFloat);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Tensor spoilt = h.clone();
    spoilt[2][3] = bad;
    const Tensor nll = head_loss(spoilt, w, {}, at::arange(5, at::kLong), at::ones({5}), Backend::kFused).nll;
    EXPECT_FALSE(at::isfinite(nll[2]).item<bool>());
    EXPECT_TRUE(at::isfinite(at::cat({nll.slice(0, 0, 2), nll.slice(0, 3)})).all().item<bool>());
  }
}

TEST(Dropout, DropsTheRightShareAndDependsOnKeysOnly) {
  const Tensor keys = at::arange(2000, at::kLong);
  const Tensor mask = dropout_mask(keys, 99, 0.1, 531, at::kFloat);
  EXPECT_NEAR((mask == 0).to(at::kFloat).mean().item<double>(), 0.1, 0.001);
  EXPECT_NEAR(mask.mean().item<double>(), 1.0, 0.002);
  EXPECT_LT((mask.mean(0) - 1).abs().max().item<double>(), 0.04) << "columns are alike";
  EXPECT_LT((mask.mean(1) - 1).abs().max().item<double>(), 0.08) << "rows are alike";
  EXPECT_TRUE(at::equal(mask.slice(0, 5, 9), dropout_mask(keys.slice(0, 5, 9), 99, 0.1, 531, at::kFloat)))
      << "a row's mask does not depend on where the row lies";
  EXPECT_TRUE(at::equal(mask, dropout_mask(keys, 99, 0.1, 531, at::kDouble).to(at::kFloat)));
  EXPECT_FALSE(at::equal(mask, dropout_mask(keys, 98, 0.1, 531, at::kFloat)));
}

TEST(Attention, SomeOfTheQueriesGiveTheSameAsAll) {
  torch::manual_seed(11);
  // A shared run of 70 rows with two branches, and a tree of its own.
  const AttentionLayout all{
      {{0, 70, 0, {}}, {70, 75, 70, {{0, 70}}}, {75, 90, 75, {{0, 70}}}, {90, 97, 90, {}}}, {0, 3}};
  const std::vector<int64_t> rows{0, 64, 65, 69, 71, 75, 76, 89, 96};
  const AttentionLayout some = queries_of(all, rows);
  const Tensor index = at::tensor(rows, at::kLong);
  for (const int64_t window : {0, 9}) {
    const AttentionShape shape{4, 2, 8, 0.3, 0, window};
    const Tensor q = leaf({97, 32}), k = leaf({97, 16}), v = leaf({97, 16}), dy = randn({9, 32});
    const auto run = [&](const Tensor& y) { return torch::autograd::grad({y}, {q, k, v}, {dy}); };
    const Tensor whole = attention(q, k, v, all, shape, Backend::kReference).index_select(0, index);
    const Tensor part = attention(q.index_select(0, index), k, v, some, shape, Backend::kFused);
    EXPECT_LT((whole - part).abs().max().item<double>(), 1e-12);
    const auto expected = run(whole), found = run(part);
    for (size_t i = 0; i < 3; ++i) EXPECT_LT((expected[i] - found[i]).abs().max().item<double>(), 1e-12) << i;
  }
}

// at::parallel_for is silent about running on one thread only, which it does when the build forgets OpenMP.
TEST(Rows, AreDividedAmongThreads) {
  if (at::get_num_threads() < 2) GTEST_SKIP() << "one thread only";
#ifdef __clang__
  GTEST_SKIP() << "built for one thread";
#endif
  std::mutex mutex;
  std::set<std::thread::id> threads;
  for_rows(1 << 10, 1 << 10, [&](int64_t, int64_t) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), static_cast<size_t>(at::get_num_threads()));
}

TEST(Recomputed, KeepsNothingAndGivesTheSameGradients) {
  torch::manual_seed(12);
  const Tensor x = leaf({5, 6}), w = leaf({6, 6}), unused = leaf({2});
  std::vector<bool> runs;
  const auto f = [&](const Tensor& in, bool again) {
    runs.push_back(again);
    return at::tanh(at::mm(in, w));
  };
  const Tensor y = recomputed(x, {w, unused}, f), dy = randn({5, 6});
  const auto found = torch::autograd::grad({y}, {x, w}, {dy});
  const auto expected = torch::autograd::grad({at::tanh(at::mm(x, w))}, {x, w}, {dy});
  EXPECT_EQ(runs, (std::vector<bool>{false, true}));
  EXPECT_TRUE(found[0].equal(expected[0]));
  EXPECT_TRUE(found[1].equal(expected[1]));
  // A frozen x, as the first layer reads it.
  const auto frozen = torch::autograd::grad({recomputed(x.detach(), {w}, f)}, {w}, {dy});
  EXPECT_TRUE(frozen[0].equal(expected[1]));
}

}  // namespace
}  // namespace lora::ops
