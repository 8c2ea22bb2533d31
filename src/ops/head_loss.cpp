#include "ops/head_loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "base/profile.h"
#include "ops/cpu/score_kernels.h"
#include "ops/differentiable.h"
#include "ops/frozen_linear.h"
#include "ops/row_blocks.h"
#include "ops/rows.h"
#include "ops/weight_panels.h"

namespace lora::ops {
namespace {

using at::Tensor;

// Words of the vocabulary in a part: its logits of a block of rows stay in a thread's cache until they are multiplied again.
constexpr int64_t kPartWords = 512;

// How a head of `vocab` words is cut: into parts, of which so many as take kPanelNumbers are laid out at a time, both ways, for
// h W^T and for the gradient times W. Where threads share rows, each has a part of every chunk.
template <class T>
struct HeadCut {
  int64_t words;         // of a part, the last may have fewer
  int64_t part_numbers;  // numbers that a whole part takes
  int64_t parts;         // of a chunk

  HeadCut(int64_t vocab, int64_t hidden, bool differentiate, MatmulPrecision precision, int64_t shares) {
    const int64_t step = std::lcm(cpu::panel_columns<T>(precision), cpu::panel_step<T>(precision));
    const auto numbers = [&](int64_t n) {
      return cpu::panel_numbers<T>(hidden, n, precision) +
             (differentiate ? cpu::panel_numbers<T>(n, hidden, precision) : 0);
    };
    const int64_t steps = std::max<int64_t>(1, kPanelNumbers / numbers(step)),
                  all = (vocab + step - 1) / step;
    words =
        step * std::clamp<int64_t>(std::min(steps, all) / shares, 1, std::max<int64_t>(1, kPartWords / step));
    part_numbers = numbers(words);
    parts = std::clamp<int64_t>(kPanelNumbers / part_numbers, 1, (vocab + words - 1) / words);
    if (parts > shares) parts -= parts % shares;  // as many for each
  }
  int64_t chunk_words() const { return words * parts; }
  int64_t chunk_numbers() const { return part_numbers * parts; }
};

// What is known of a row's logits so far. The target's are apart, so that nothing cancels where the model is sure of it.
template <class T>
struct SoFar {
  T top = -std::numeric_limits<T>::infinity();  // the largest, the target's too
  T others = 0;                                 // sum of exp(logit - top) of all but the target
};

// Loss and gradient of rows of `hidden` in one pass over the vocabulary: as attention goes over keys without keeping scores
// (arXiv 2205.14135), with the head's rows as keys and values. Of the logits there are never more than a part's.
template <class T>
class HeadPass {
 public:
  HeadPass(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape, const int64_t* targets,
           bool differentiate)
      : hidden_(hidden),
        weight_(weight),
        shape_(shape),
        targets_(targets),
        differentiate_(differentiate),
        rows_(hidden.size(0)),
        shares_(row_shares(rows_)),
        cut_(weight.rows(), weight.cols(), differentiate, weight.precision(), shares_),
        rooms_(product_rooms<T>(hidden, weight.precision(), shares_)),
        panels_(at::empty({cut_.chunk_numbers()}, hidden.options())),
        logits_(at::empty({row_workers(rows_) * shares_, std::min(kBlockRows, rows_) * cut_.words},
                          hidden.options())),
        sums_(at::zeros({shares_, differentiate ? rows_ : 0, weight.cols()}, hidden.options())),
        so_far_(static_cast<size_t>(shares_ * rows_)),
        target_(static_cast<size_t>(rows_)),
        slope_(static_cast<size_t>(rows_), static_cast<T>(shape.softcap > 0 ? 1 : shape.scale)) {}

  // nll: (S), written. The gradient of row_weights . nll by `hidden`, (S, d); undefined when it is not wanted.
  Tensor run(const T* row_weights, T* nll) {
    for (int64_t begin = 0; rows_ > 0 && begin < weight_.rows(); begin += cut_.chunk_words()) {
      const int64_t end = std::min(begin + cut_.chunk_words(), weight_.rows());
      lay_out(begin, end);
      for_row_blocks(
          rows_,
          [&](const RowBlock& block) {
            for (int64_t part = block.share; begin + part * cut_.words < end; part += shares_)
              take(block, part, begin + part * cut_.words, std::min(begin + (part + 1) * cut_.words, end));
          },
          shares_);
    }
    for_rows(rows_, weight_.cols(), [&](int64_t first, int64_t last) {
      std::vector<T> room;
      for (int64_t row = first; row < last; ++row) nll[row] = finish(row, row_weights[row], room);
    });
    return differentiate_ ? sums_[0] : Tensor();
  }

 private:
  T* panels_of(int64_t part, PanelsOf columns) const {
    T* begin = panels_.data_ptr<T>() + part * cut_.part_numbers;
    return columns == PanelsOf::kRows
               ? begin
               : begin + cpu::panel_numbers<T>(weight_.cols(), cut_.words, weight_.precision());
  }

  // Words begin … end - 1, each unpacked once.
  void lay_out(int64_t begin, int64_t end) {
    const ProfilePart profile("unpack");
    const int64_t step = cpu::panel_step<T>(weight_.precision()), d = weight_.cols();
    for_rows((end - begin + step - 1) / step, step * d, [&](int64_t first, int64_t last) {
      std::vector<T> room;
      for (; first < last; ++first) {
        const int64_t word = begin + first * step, words = std::min(step, end - word),
                      part = first * step / cut_.words, at = first * step % cut_.words,
                      of_part = std::min(cut_.words, end - begin - part * cut_.words);
        const PlainRows<T> rows = plain_rows(weight_, word, word + words, room);
        cpu::pack_turned(rows.data, rows.stride, words, d, T{1}, at, weight_.precision(),
                         panels_of(part, PanelsOf::kRows));
        if (differentiate_)
          cpu::pack_rows(rows.data, rows.stride, words, d, at, of_part, weight_.precision(),
                         panels_of(part, PanelsOf::kColumns));
      }
    });
  }

  // Words begin … end - 1, a part, for some rows.
  void take(const RowBlock& block, int64_t part, int64_t begin, int64_t end) {
    const int64_t d = weight_.cols(), words = end - begin;
    T *logits = logits_.data_ptr<T>() + block.thread * logits_.size(1), *room = room_of<T>(rooms_, block),
      *sums = differentiate_ ? sums_.data_ptr<T>() + (block.share * rows_ + block.begin) * d : nullptr;
    // (rows, n) = or += a (rows, k) times panels
    const auto multiply = [&](const T* a, int64_t k, PanelsOf columns, int64_t n, bool accumulate, T* c) {
      const ProfilePart profile("gemm");
      const cpu::PanelFactor<T> factor{a, k, k, panels_of(part, columns)};
      cpu::panel_product(std::span<const cpu::PanelFactor<T>>(&factor, 1), block.rows(), n, accumulate, c, n,
                         weight_.precision(), room);
    };
    multiply(hidden_.const_data_ptr<T>() + block.begin * d, d, PanelsOf::kRows, words, false, logits);
    std::vector<T> slope(static_cast<size_t>(shape_.softcap > 0 ? words : 0));
    for (int64_t i = 0; i < block.rows(); ++i)
      softmax(logits + i * words, block.begin + i, block.share, begin, words, slope,
              differentiate_ ? sums + i * d : nullptr);
    if (differentiate_) multiply(logits, words, PanelsOf::kColumns, d, true, sums);
  }

  // A row's logits in place: what its sum of the head's rows gains, relative to the largest so far; `sums` is brought up to that.
  void softmax(T* logits, int64_t row, int64_t share, int64_t begin, int64_t words, std::vector<T>& slope,
               T* sums) {
    const cpu::ScoreKernels<T>& kernels = cpu::score_kernels<T>();
    const bool capped = shape_.softcap > 0;
    const T scale = static_cast<T>(capped ? 1 : shape_.scale);
    if (capped)
      kernels.softcap(logits, words, static_cast<T>(shape_.scale), static_cast<T>(shape_.softcap),
                      slope.data());
    SoFar<T>& so_far = so_far_[static_cast<size_t>(share * rows_ + row)];
    const T top = std::max(so_far.top, kernels.max_row(logits, words) * scale);
    if (top > so_far.top) {
      const T factor = std::exp(so_far.top - top);
      so_far.others *= factor;
      if (differentiate_)
        for (int64_t j = 0; j < weight_.cols(); ++j) sums[j] *= factor;
      so_far.top = top;
    }
    const int64_t target = targets_[row] - begin;
    if (target >= 0 && target < words) {
      target_[static_cast<size_t>(row)] = logits[target] * scale;
      if (capped) slope_[static_cast<size_t>(row)] = slope[static_cast<size_t>(target)];
      logits[target] = (top - T{1e4}) / scale;  // whose exponential is 0
    }
    so_far.others += kernels.exp_row(logits, words, scale, top);
    if (capped && differentiate_) kernels.multiply(slope.data(), words, logits);
  }

  // A row after all words: brings the shares together. Its nll; its gradient stays in the first share.
  T finish(int64_t row, T row_weight, std::vector<T>& room) {
    const auto at_row = static_cast<size_t>(row);
    const int64_t d = weight_.cols();
    SoFar<T> all;
    for (int64_t share = 0; share < shares_; ++share)
      all.top = std::max(all.top, so_far_[static_cast<size_t>(share * rows_ + row)].top);
    for (int64_t share = 0; share < shares_; ++share) {
      const SoFar<T>& part = so_far_[static_cast<size_t>(share * rows_ + row)];
      const T factor = std::exp(part.top - all.top);
      all.others += part.others * factor;
      if (!differentiate_ || shares_ == 1) continue;
      T *first = sums_.data_ptr<T>() + row * d, *own = first + share * rows_ * d;
      for (int64_t j = 0; j < d; ++j) first[j] = (share == 0 ? T{0} : first[j]) + factor * own[j];
    }
    const T target = target_[at_row], total = all.others + std::exp(target - all.top);
    if (differentiate_) {
      const T uncapped = static_cast<T>(shape_.softcap > 0 ? 1 : shape_.scale);
      const T of_sum = row_weight * uncapped / total,
              of_target = row_weight * slope_[at_row] * all.others / total;
      const T* word = plain_rows(weight_, targets_[row], targets_[row] + 1, room).data;
      T* sum = sums_.data_ptr<T>() + row * d;
      for (int64_t j = 0; j < d; ++j) sum[j] = of_sum * sum[j] - of_target * word[j];
    }
    return target == all.top ? std::log1p(all.others) : all.top - target + std::log(total);
  }

  const Tensor hidden_;  // (S, d)
  const FrozenMatrix& weight_;
  const HeadShape shape_;
  const int64_t* targets_;
  const bool differentiate_;
  const int64_t rows_, shares_;
  const HeadCut<T> cut_;
  const Tensor rooms_, panels_;
  const Tensor logits_;           // of each thread: a block's rows of a part
  const Tensor sums_;             // (shares, S, d): of exp(logit - top) times the head's rows
  std::vector<SoFar<T>> so_far_;  // (shares, S)
  std::vector<T> target_;         // (S): the target's logit
  std::vector<T> slope_;          // (S): its derivative by hidden . W_target
};

HeadLoss fused(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape,
               const Tensor& targets, const Tensor& row_weights) {
  const bool differentiate = any_requires_grad({hidden});  // never without gradients, below
  const Tensor h = hidden.detach().contiguous();
  const Tensor nll = at::empty({h.size(0)}, h.options());
  Tensor dh;
  {
    const c10::NoGradGuard no_grad;
    const Tensor weights = row_weights.contiguous(), words = targets.contiguous();
    AT_DISPATCH_FLOATING_TYPES(h.scalar_type(), "head_loss", [&] {
      dh = HeadPass<scalar_t>(h, weight, shape, words.const_data_ptr<int64_t>(), differentiate)
               .run(weights.const_data_ptr<scalar_t>(), nll.data_ptr<scalar_t>());
    });
  }
  std::vector<Tensor> outputs{at::dot(nll, row_weights)};
  attach_backward("head_loss", {hidden}, outputs, [dh](const auto& gradients, const auto&) {
    return std::vector<Tensor>{dh * gradients[0]};
  });
  return {outputs[0], nll};
}

}  // namespace

HeadNumbers head_numbers(int64_t rows, int64_t hidden, int64_t vocab, bool differentiate, int64_t threads,
                         MatmulPrecision precision) {
  const int64_t workers = row_workers(rows, threads), shares = threads / workers;
  const HeadCut<float> cut(vocab, hidden, differentiate, precision, shares);
  const int64_t room = std::max<int64_t>(1, cpu::product_room<float>(kBlockRows, precision));
  return {workers * shares * std::min(kBlockRows, rows) * cut.words +
              rows * ((differentiate ? shares * hidden : 0) + 1),
          cut.chunk_numbers() + workers * shares * room};
}

HeadLoss head_loss(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape,
                   const Tensor& targets, const Tensor& row_weights, Backend backend) {
  const ProfileScope scope("head_loss");
  if (backend == Backend::kFused) return fused(hidden, weight, shape, targets, row_weights);
  const Tensor log_p = at::log_softmax(head_logits(hidden, weight, shape), -1);
  const Tensor nll = -log_p.gather(1, targets.unsqueeze(1)).squeeze(1);
  return {at::dot(nll, row_weights), nll.detach()};
}

Tensor head_logits(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape) {
  Tensor logits = weight.is_packed() && hidden.is_cpu() && !any_requires_grad({hidden})
                      ? frozen_linear(hidden.contiguous(), weight, {})
                      : at::linear(hidden, dense_for(hidden, weight));
  if (shape.scale != 1) logits = logits * shape.scale;
  if (shape.softcap > 0) logits = at::tanh(logits / shape.softcap) * shape.softcap;
  return logits;
}

}  // namespace lora::ops
