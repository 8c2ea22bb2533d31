// Attention of MatmulPrecision::kMedium, in pairs of bfloat16 and without them, against the plain twin; with all bits ops_test.cpp holds it.
#include "ops/attention.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "ops/cpu/pairs.h"

namespace lora::ops {
namespace {

using at::Tensor;

constexpr int64_t kRows = 170;

// A shared prefix, a single query below it, a row of its own.
AttentionLayout layout() {
  return {{{0, 37, 0, {}}, {37, 38, 37, {{0, 37}}}, {38, 101, 38, {{0, 37}}}, {101, kRows, 101, {}}}, {0, 3}};
}

double distance(const Tensor& a, const Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

Tensor rounded(const Tensor& x) {
  return x.to(at::kBFloat16).to(at::kFloat);
}

// The result and the gradients of q, k and v.
std::vector<Tensor> run(const std::vector<Tensor>& qkv, const Tensor& dout, const AttentionShape& shape,
                        Backend backend, MatmulPrecision precision) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : qkv) leaves.push_back(x.detach().clone().requires_grad_(true));
  const Tensor out = attention(leaves[0], leaves[1], leaves[2], layout(), shape, backend, precision);
  std::vector<Tensor> all = torch::autograd::grad({out}, leaves, {dout});
  all.insert(all.begin(), out.detach());
  return all;
}

class MediumAttention
    : public ::testing::TestWithParam<int> {  // threads: how many sums gradients of keys have
 protected:
  void SetUp() override {
    torch::manual_seed(1);
    at::set_num_threads(GetParam());
  }
  ~MediumAttention() override { at::set_num_threads(before_); }

 private:
  const int before_ = at::get_num_threads();
};

// Of bfloat16, so that factors lose nothing, but probabilities do.
TEST_P(MediumAttention, IsThePlainTwinAsFarAsItsBits) {
  for (const int64_t head_dim : {5, 6, 64, 80})
    for (const AttentionShape& shape :
         {AttentionShape{6, 2, head_dim, 0.125}, AttentionShape{3, 3, head_dim, 0.125, /*softcap=*/2},
          AttentionShape{2, 1, head_dim, 0.125, 0, /*window=*/9}}) {
      const auto drawn = [&](int64_t heads) { return rounded(at::randn({kRows, heads * head_dim})); };
      const std::vector<Tensor> qkv{drawn(shape.num_heads), drawn(shape.num_kv_heads),
                                    drawn(shape.num_kv_heads)};
      const Tensor dout = drawn(shape.num_heads);
      const auto expected = run(qkv, dout, shape, Backend::kReference, MatmulPrecision::kHighest),
                 got = run(qkv, dout, shape, Backend::kFused, MatmulPrecision::kMedium);
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_LE(distance(got[i], expected[i]), 5e-3) << "result " << i << ", head_dim " << head_dim;
      if (cpu::pairs::available() && head_dim % 2 == 0) {
        EXPECT_GT(distance(got[0], expected[0]), 1e-5);
      }
    }
}

// Keys that have a large number in common, as a model with biases has them: it changes no probability, but by what it is rounded. The
// gradient is that of the rounded numbers, whose probabilities sum to 1.
TEST_P(MediumAttention, GradientsAreThoseOfRoundedNumbers) {
  for (const int64_t head_dim : {5, 64}) {
    const AttentionShape shape{4, 2, head_dim, 0.125};
    const std::vector<Tensor> qkv{at::randn({kRows, 4 * head_dim}) + 3, at::randn({kRows, 2 * head_dim}) + 6,
                                  at::randn({kRows, 2 * head_dim})};
    const Tensor dout = rounded(at::randn({kRows, 4 * head_dim}));
    const auto expected = run({rounded(qkv[0]), rounded(qkv[1]), rounded(qkv[2])}, dout, shape,
                              Backend::kReference, MatmulPrecision::kHighest),
               got = run(qkv, dout, shape, Backend::kFused, MatmulPrecision::kMedium);
    for (size_t i = 1; i < got.size(); ++i)
      EXPECT_LE(distance(got[i], expected[i]), head_dim == 5 ? 1e-5 : 2e-2)
          << "gradient " << i << ", head_dim " << head_dim;
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, MediumAttention, ::testing::Values(1, 4));

}  // namespace
}  // namespace lora::ops
