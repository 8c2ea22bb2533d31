// Products with packed matrices against ATen's with the same numbers laid out whole: one row of x and many, matrices of
// several tiles, in float64 and float32; and the operations that are built on them, gradients included.
#include "ops/frozen_linear.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <torch/torch.h>

#include <vector>

#include "ops/gated_mlp.h"
#include "ops/head_loss.h"
#include "ops/lora_linear.h"
#include "ops/weight_panels.h"
#include "weights/bnb_4bit.h"

namespace lora::ops {
namespace {

using at::Tensor;

FrozenMatrix packed(int64_t out, int64_t in) {
  return FrozenMatrix::of_four_bit(
      quantize_4bit(at::randn({out, in}), FourBitType::kNf4, /*double_quant=*/true));
}

double distance(const Tensor& a, const Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

class FrozenLinear : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { torch::manual_seed(1); }
  Tensor randn(at::IntArrayRef shape) const { return at::randn(shape, dtype_); }
  const at::ScalarType dtype_ = GetParam();
  const double tolerance_ = dtype_ == at::kDouble ? 1e-12 : 1e-5;
};

TEST_P(FrozenLinear, ProductsEqualThoseOfTheDenseMatrix) {
  // The second has three tiles, the last of them short.
  for (const auto& [out, in] : {std::pair<int64_t, int64_t>{45, 37}, {33000, 33}, {1, 64}}) {
    const FrozenMatrix W = packed(out, in);
    const Tensor dense = W.to_dense(dtype_);
    for (const int64_t rows : out > 1000 ? std::vector<int64_t>{2, 40, 70}
                                         : std::vector<int64_t>{1, 3, 7, 14, 16, 17, 31, 48, 64, 65}) {
      const Tensor x = randn({rows, in}), add = randn({rows, out}), bias = randn({out}),
                   dy = randn({rows, out});
      EXPECT_LE(distance(frozen_linear(x, W, {}), at::mm(x, dense.t())), tolerance_);
      const Tensor columns = randn({in, rows}).t();  // not contiguous
      EXPECT_LE(distance(frozen_linear(columns, W, {}), at::mm(columns, dense.t())), tolerance_);
      EXPECT_LE(distance(frozen_linear(x, W, add), at::addmm(add, x, dense.t())), tolerance_);
      EXPECT_LE(distance(frozen_linear(x, W, bias), at::addmm(bias, x, dense.t())), tolerance_);
      // Into the middle of a wider matrix, whose other columns stay.
      const Tensor wide = at::full({rows, out + 5}, 3, x.options());
      frozen_linear_out(x, W, {}, wide.slice(1, 2, 2 + out));
      EXPECT_LE(distance(wide.slice(1, 2, 2 + out), at::mm(x, dense.t())), tolerance_);
      EXPECT_TRUE((wide.slice(1, 0, 2) == 3).all().item<bool>() &&
                  (wide.slice(1, 2 + out) == 3).all().item<bool>());

      const Tensor dx = randn({rows, in}), before = dx.clone();
      frozen_linear_transposed_out(dy, W, /*accumulate=*/true, dx);
      EXPECT_LE(distance(dx, before + at::mm(dy, dense)), tolerance_);
      frozen_linear_transposed_out(dy, W, /*accumulate=*/false, dx);
      EXPECT_LE(distance(dx, at::mm(dy, dense)), tolerance_);
    }
  }
}

// More threads than rows of their own: they share rows and divide columns.
TEST_P(FrozenLinear, ManyThreadsDivideColumns) {
  const int before = at::get_num_threads();
  for (const int threads : {1, 3, 16}) {
    at::set_num_threads(threads);
    for (const int64_t rows : {70, 300})
      for (const int64_t out : {33, 5000}) {
        const FrozenMatrix W = packed(out, 48);
        const Tensor dense = W.to_dense(dtype_), x = randn({rows, 48}), dy = randn({rows, out}),
                     dx = randn({rows, 48});
        EXPECT_LE(distance(frozen_linear(x, W, {}), at::mm(x, dense.t())), tolerance_) << threads;
        frozen_linear_transposed_out(dy, W, /*accumulate=*/false, dx);
        EXPECT_LE(distance(dx, at::mm(dy, dense)), tolerance_) << threads;
      }
  }
  at::set_num_threads(before);
}

// Which rows are multiplied along and which across depends on the width of vectors.
TEST_P(FrozenLinear, FewRowsOnEveryInstructionSet) {
  for (const auto& [out, in] : {std::pair<int64_t, int64_t>{21, 64}, {12, 45}}) {
    const FrozenMatrix W = packed(out, in);
    const Tensor x = randn({64, in}), add = randn({64, out}),
                 expected = at::addmm(add.to(at::kDouble), x.to(at::kDouble), W.to_dense(at::kDouble).t());
    const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
    EXPECT_GE(targets.size(), 2u);
    for (const int64_t target : targets) {
      hwy::SetSupportedTargetsForTest(target);
      for (int64_t rows = 1; rows <= 64; ++rows)
        EXPECT_LE(distance(frozen_linear(x.slice(0, 0, rows), W, add.slice(0, 0, rows)).to(at::kDouble),
                           expected.slice(0, 0, rows)),
                  tolerance_)
            << rows << " rows, " << hwy::TargetName(target);
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST_P(FrozenLinear, OperationsGiveTheGradientsOfTheDenseMatrix) {
  const double tolerance = dtype_ == at::kDouble ? 1e-9 : 1e-5;
  const Tensor x = randn({19, 66}).requires_grad_(true), norm = randn({66}), residual = randn({19, 40}),
               A = randn({3, 66}).requires_grad_(true), B = randn({40, 3}).requires_grad_(true),
               targets = at::randint(50, {19}, at::kLong), row_weights = at::rand({19}, dtype_),
               mix = randn({19, 40});
  const FrozenMatrix W = packed(40, 66), head = packed(50, 40);
  const FrozenMatrix down_packed = packed(40, 40);
  const auto run = [&](const FrozenMatrix& weight, const FrozenMatrix& head_weight, Backend backend) {
    const FrozenMatrix down = weight.is_packed() ? down_packed : FrozenMatrix(down_packed.to_dense(dtype_));
    const Projection p{weight, {}, LoraTerm{A, B, 0.7}};
    const Tensor a = norm_linear(x, norm, 1e-5, {p}, {}, backend)[0];
    const Tensor b = linear_residual(x, residual, p, {}, backend);
    const GatedMlp mlp{norm, 1e-5, {p, {weight, {}, {}}}, {down, {}, {}}, Activation::kSilu, false};
    const Tensor c = gated_mlp(x, mlp, {}, backend);
    const HeadLoss loss = head_loss(a + c, head_weight, {}, targets, row_weights, backend);
    std::vector<Tensor> all = torch::autograd::grad({loss.loss + ((b + c) * mix).sum()}, {x, A, B});
    all.push_back(loss.nll);
    all.push_back(head_logits(a.detach(), head_weight, {0.5, 2}));
    return all;
  };
  const FrozenMatrix dense = W.to_dense(dtype_), dense_head = head.to_dense(dtype_);
  const std::vector<Tensor> expected = run(dense, dense_head, Backend::kReference);
  for (const Backend backend : {Backend::kFused, Backend::kReference}) {
    const std::vector<Tensor> got = run(W, head, backend);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_LE(distance(got[i], expected[i]), tolerance) << "result " << i;
  }
}

// Matrices that are unpacked in several chunks, and in one chunk with another.
TEST_P(FrozenLinear, GroupsLargerThanAChunkGiveTheGradientsOfDenseMatrices) {
  const int64_t in = 1024, rows = 130, wide = kPanelNumbers / in + 70;
  const std::vector<FrozenMatrix> packed_group{packed(33, in), packed(wide, in), packed(20, in)};
  const Tensor x = randn({rows, in}).requires_grad_(true), norm = randn({in});
  std::vector<Projection> group[2];
  std::vector<Tensor> leaves{x}, mix;
  for (const FrozenMatrix& W : packed_group) {
    const LoraTerm term{randn({2, in}).requires_grad_(true), randn({W.rows(), 2}).requires_grad_(true), 0.7};
    leaves.insert(leaves.end(), {term.A, term.B});
    group[0].push_back({W, randn({W.rows()}), term});
    group[1].push_back({W.to_dense(dtype_), group[0].back().bias, term});
    mix.push_back(randn({rows, W.rows()}));
  }
  std::vector<Tensor> results[2];
  for (const int i : {0, 1}) {
    results[i] = norm_linear(x, norm, 1e-5, group[i], {}, i == 0 ? Backend::kFused : Backend::kReference);
    for (const Tensor& g : torch::autograd::grad(results[i], leaves, mix)) results[i].push_back(g);
  }
  for (size_t i = 0; i < results[0].size(); ++i)
    EXPECT_LE(distance(results[0][i], results[1][i]), dtype_ == at::kDouble ? 1e-11 : 1e-5) << "result " << i;
}

Tensor as_bfloat16(at::IntArrayRef shape) {
  return at::randn(shape).to(at::kBFloat16).to(at::kFloat);
}

// Numbers that are bfloat16 lose nothing with kMedium: so products are those of floats, however they are cut.
TEST(MediumPrecision, ProductsOfBfloat16AreExact) {
  torch::manual_seed(1);
  const int before = at::get_num_threads();
  for (const int threads : {1, 3, 16}) {
    at::set_num_threads(threads);
    for (const int64_t rows : {70, 300})
      for (const auto& [out, in] : {std::pair<int64_t, int64_t>{33, 37}, {5000, 48}, {130, 2350}}) {
        const Tensor dense = as_bfloat16({out, in}), x = as_bfloat16({rows, in}),
                     dy = as_bfloat16({rows, out}), dx = at::randn({rows, in}), sum = dx + at::mm(dy, dense);
        FrozenMatrix W = dense;
        W.set_precision(MatmulPrecision::kMedium);
        EXPECT_LE(distance(frozen_linear(x, W, {}), at::mm(x, dense.t())), 1e-6) << threads;
        frozen_linear_transposed_out(dy, W, /*accumulate=*/true, dx);
        EXPECT_LE(distance(dx, sum), 1e-6) << threads;
      }
  }
  at::set_num_threads(before);
}

// Groups, the MLP and the head, of several parts, as far as 8 bits of a number go.
TEST(MediumPrecision, OperationsGiveTheirGradients) {
  torch::manual_seed(1);
  for (const double dropout : {0.0, 0.3}) {
    const int64_t rows = 130, d = 66, ff = 150, vocab = 1100;
    const Tensor x = at::randn({rows, d}).requires_grad_(true), residual = at::randn({rows, d}),
                 norm = at::randn({d}), targets = at::randint(vocab, {rows}, at::kLong),
                 row_weights = at::rand({rows}), W = at::randn({ff, d}) / 8, V = at::randn({d, ff}) / 12,
                 head = at::randn({vocab, d}) / 8, keys = at::randint(1L << 40, {rows}, at::kLong);
    const LoraTerm term{at::randn({3, d}).div_(8).requires_grad_(true),
                        at::randn({ff, 3}).requires_grad_(true), 0.7, dropout, 1},
        back{at::randn({3, ff}).div_(12).requires_grad_(true), at::randn({d, 3}).requires_grad_(true), 0.7,
             dropout, 2};
    const auto run = [&](MatmulPrecision precision, Backend backend) {
      const auto of = [&](const Tensor& numbers) {
        FrozenMatrix matrix = numbers;
        matrix.set_precision(precision);
        return matrix;
      };
      const Projection up{of(W), {}, term}, down{of(V), {}, back};
      const Tensor a = norm_linear(x, norm, 1e-5, {up, {of(W), {}, {}}}, keys, backend)[0];
      const Tensor b = linear_residual(a, residual, down, keys, backend);
      const GatedMlp mlp{norm, 1e-5, {up, {of(W), {}, {}}}, down, Activation::kSilu, true};
      const Tensor c = gated_mlp(b, mlp, keys, backend);
      const HeadLoss loss = head_loss(c, of(head), {}, targets, row_weights, backend);
      std::vector<Tensor> all = torch::autograd::grad({loss.loss}, {x, term.A, term.B, back.A, back.B});
      all.insert(all.end(), {a.detach(), c.detach(), loss.nll});
      return all;
    };
    const std::vector<Tensor> expected = run(MatmulPrecision::kHighest, Backend::kReference),
                              got = run(MatmulPrecision::kMedium, Backend::kFused);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_LE(distance(got[i], expected[i]), 2e-2) << "result " << i << ", dropout " << dropout;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, FrozenLinear, ::testing::Values(at::kDouble, at::kFloat));

}  // namespace
}  // namespace lora::ops
