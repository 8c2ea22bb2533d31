#include "train/adamw_8bit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace lora {
namespace {

// The middles of `count` equal parts of [0.1, 1].
std::vector<float> middles(int count) {
  const auto boundary = [&](int i) { return static_cast<float>(0.1 + 0.9 * i / count); };
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back((boundary(i) + boundary(i + 1)) / 2);
  return values;
}

// Index of the code's value nearest to x. Values ascend.
uint8_t nearest(const std::array<float, 256>& code, float x) {
  size_t low = 0;
  for (size_t width = 128; width > 0; width /= 2)
    if (code[low + width] <= x) low += width;
  if (low == 255) return 255;
  return static_cast<uint8_t>(x - code[low] > code[low + 1] - x ? low + 1 : low);
}

// Codes of a block of `n` numbers; the scale that was used.
float encode(const std::array<float, 256>& code, const float* numbers, int64_t n, uint8_t* codes) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(numbers[i]));
  const float inverse = largest > 0 ? 1 / largest : 0;
  for (int64_t i = 0; i < n; ++i) codes[i] = nearest(code, numbers[i] * inverse);
  return largest;
}

}  // namespace

// Seven decades, the smallest with 1 (signed) or 2 values between 0.1 and 1 of it, each next with twice as many; then
// 0 and 1.
std::array<float, 256> dynamic_code(bool is_signed) {
  std::vector<float> values;
  for (int i = 0; i < 7; ++i) {
    const double decade = std::pow(10.0, i - 6);
    for (const float middle : middles((is_signed ? 1 : 2) << i)) {
      values.push_back(static_cast<float>(decade * middle));
      if (is_signed) values.push_back(static_cast<float>(-decade * middle));
    }
  }
  values.push_back(0);
  values.push_back(1);
  std::ranges::sort(values);
  std::array<float, 256> code{};
  std::ranges::copy(values, code.begin());
  return code;
}

struct AdamW8bit::Coefficients {
  float scale, beta1, beta2, keep, rate, root2, epsilon;
};

AdamW8bit::AdamW8bit(at::Tensor parameters, AdamWOptions options, std::vector<ParameterRun> runs)
    : parameters_(std::move(parameters)),
      options_(options),
      runs_(std::move(runs)),
      code1_(dynamic_code(true)),
      code2_(dynamic_code(false)) {
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
  codes1_ = at::zeros({numbers}, at::kByte);
  codes2_ = at::zeros({numbers}, at::kByte);
  scales1_ = at::zeros({blocks}, at::kFloat);
  scales2_ = at::zeros({blocks}, at::kFloat);
  small1_ = at::zeros({small}, at::kFloat);
  small2_ = at::zeros({small}, at::kFloat);
}

template <bool kCoded>
void AdamW8bit::update(const ParameterRun& run, const Place& place, const float* gradients,
                       const Coefficients& c) {
  float* parameters = parameters_.data_ptr<float>() + run.begin;
  const int64_t blocks = (run.size + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, 64, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
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
          m[i] = code1_[codes1[i]] * scale1;
          v[i] = code2_[codes2[i]] * scale2;
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
  });
}

void AdamW8bit::step(const at::Tensor& gradients, double gradient_scale, double learning_rate) {
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  for (size_t i = 0; i < runs_.size(); ++i) {
    const double own_rate = learning_rate * runs_[i].learning_rate_ratio;
    const Coefficients c{
        static_cast<float>(gradient_scale),         static_cast<float>(options_.beta1),
        static_cast<float>(options_.beta2),         static_cast<float>(1 - own_rate * options_.weight_decay),
        static_cast<float>(own_rate / correction1), static_cast<float>(std::sqrt(correction2)),
        static_cast<float>(options_.epsilon)};
    const float* g = gradients.const_data_ptr<float>() + runs_[i].begin;
    if (places_[i].block >= 0)
      update<true>(runs_[i], places_[i], g, c);
    else
      update<false>(runs_[i], places_[i], g, c);
  }
}

std::vector<std::pair<std::string, at::Tensor>> AdamW8bit::state() const {
  return {{"first_moment_codes", codes1_},  {"first_moment_scales", scales1_},
          {"second_moment_codes", codes2_}, {"second_moment_scales", scales2_},
          {"small_first_moment", small1_},  {"small_second_moment", small2_}};
}

}  // namespace lora
