#include "train/adamw_8bit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace lora {
namespace {

// Blocks that a thread takes at a time.
constexpr int64_t kMostBlocks = 64;

// Codes of a block of `n` numbers; the scale that was used.
float encode(const DynamicCode& code, const float* numbers, int64_t n, uint8_t* codes) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(numbers[i]));
  const float inverse = largest > 0 ? 1 / largest : 0;
  for (int64_t i = 0; i < n; ++i) codes[i] = code.nearest(numbers[i] * inverse);
  return largest;
}

}  // namespace

struct AdamW8bit::Coefficients {
  float scale, beta1, beta2, keep, rate, root2, epsilon;
};

AdamW8bit::AdamW8bit(at::Tensor parameters, AdamWOptions options, std::vector<ParameterRun> runs)
    : parameters_(std::move(parameters)),
      options_(options),
      runs_(std::move(runs)),
      code1_(/*is_signed=*/true),
      code2_(/*is_signed=*/false) {
  if (runs_.empty()) runs_.push_back({0, parameters_.numel(), 1});
  int64_t numbers = 0, blocks = 0, small = 0;
  for (const ParameterRun& run : runs_) {
    if (run.size < kSmallest) {
      places_.push_back({small, -1});
      small += run.size;
    } else {
      places_.push_back({numbers, blocks});
      numbers += run.size;
      blocks += (run.size + kBlock - 1) / kBlock;
    }
  }
  for (size_t i = 0; i < runs_.size(); ++i)
    for (int64_t begin = 0, all = (runs_[i].size + kBlock - 1) / kBlock; begin < all; begin += kMostBlocks)
      pieces_.push_back({i, begin, std::min(begin + kMostBlocks, all)});
  codes1_ = at::zeros({numbers}, at::kByte);
  codes2_ = at::zeros({numbers}, at::kByte);
  scales1_ = at::zeros({blocks}, at::kFloat);
  scales2_ = at::zeros({blocks}, at::kFloat);
  small1_ = at::zeros({small}, at::kFloat);
  small2_ = at::zeros({small}, at::kFloat);
}

template <bool kCoded>
void AdamW8bit::update(const Piece& piece, const float* gradients, const Coefficients& c) {
  const ParameterRun& run = runs_[piece.run];
  const Place& place = places_[piece.run];
  float* parameters = parameters_.data_ptr<float>() + run.begin;
  for (int64_t block = piece.begin; block < piece.end; ++block) {
    const int64_t begin = block * kBlock, n = std::min(kBlock, run.size - begin);
    float m_block[kBlock], v_block[kBlock];
    float *m = m_block, *v = v_block;
    uint8_t *codes1 = nullptr, *codes2 = nullptr;
    if constexpr (kCoded) {
      codes1 = codes1_.data_ptr<uint8_t>() + place.numbers + begin;
      codes2 = codes2_.data_ptr<uint8_t>() + place.numbers + begin;
      const float scale1 = scales1_.const_data_ptr<float>()[place.block + block];
      const float scale2 = scales2_.const_data_ptr<float>()[place.block + block];
      for (int64_t i = 0; i < n; ++i) {
        m[i] = code1_.value(codes1[i]) * scale1;
        v[i] = code2_.value(codes2[i]) * scale2;
      }
    } else {
      m = small1_.data_ptr<float>() + place.numbers + begin;
      v = small2_.data_ptr<float>() + place.numbers + begin;
    }
    float* p = parameters + begin;
    const float* g = gradients + begin;
    for (int64_t i = 0; i < n; ++i) {
      const float gi = g[i] * c.scale;
      m[i] = c.beta1 * m[i] + (1 - c.beta1) * gi;
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * gi * gi;
      p[i] = c.keep * p[i] - c.rate * m[i] / (std::sqrt(v[i]) / c.root2 + c.epsilon);
    }
    if constexpr (kCoded) {
      scales1_.data_ptr<float>()[place.block + block] = encode(code1_, m, n, codes1);
      scales2_.data_ptr<float>()[place.block + block] = encode(code2_, v, n, codes2);
    }
  }
}

void AdamW8bit::step(const at::Tensor& gradients, double gradient_scale, double learning_rate) {
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  const auto coefficients = [&](const ParameterRun& run) {
    const double own_rate = learning_rate * run.learning_rate_ratio;
    return Coefficients{
        static_cast<float>(gradient_scale),         static_cast<float>(options_.beta1),
        static_cast<float>(options_.beta2),         static_cast<float>(1 - own_rate * options_.weight_decay),
        static_cast<float>(own_rate / correction1), static_cast<float>(std::sqrt(correction2)),
        static_cast<float>(options_.epsilon)};
  };
  // The matrices of an adapter are small: threads take several, not parts of each.
  at::parallel_for(0, static_cast<int64_t>(pieces_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces_[static_cast<size_t>(i)];
      const ParameterRun& run = runs_[piece.run];
      const float* g = gradients.const_data_ptr<float>() + run.begin;
      places_[piece.run].block >= 0 ? update<true>(piece, g, coefficients(run))
                                    : update<false>(piece, g, coefficients(run));
    }
  });
}

std::vector<std::pair<std::string, at::Tensor>> AdamW8bit::state() const {
  return {{"first_moment_codes", codes1_},  {"first_moment_scales", scales1_},
          {"second_moment_codes", codes2_}, {"second_moment_scales", scales2_},
          {"small_first_moment", small1_},  {"small_second_moment", small2_}};
}

}  // namespace lora
