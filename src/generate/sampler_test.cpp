// The distributions by hand: which tokens can come, and how often.
#include "generate/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace lora {
namespace {

// Probabilities 0.05, 0.5, 0.15, 0.3.
const std::vector<float> kLogits{std::log(0.05f), std::log(0.5f), std::log(0.15f), std::log(0.3f)};

std::vector<double> shares(const SamplingOptions& options) {
  constexpr int kDraws = 40000;
  std::vector<double> share(kLogits.size());
  for (int i = 0; i < kDraws; ++i) {
    Random random(options.seed, static_cast<uint64_t>(i));
    share[static_cast<size_t>(sample(kLogits.data(), 4, options, random))] += 1.0 / kDraws;
  }
  return share;
}

// Five standard deviations of a share of 40,000 draws are 0.0125 at most; a token that may not come never comes.
void expect_shares(const SamplingOptions& options, const std::vector<double>& expected) {
  const std::vector<double> share = shares(options);
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == 0) {
      EXPECT_EQ(share[i], 0) << "token " << i;
    } else {
      EXPECT_NEAR(share[i], expected[i], 0.0125) << "token " << i;
    }
  }
}

TEST(Sampler, GreedyTakesTheLikeliestAndOfEqualsTheFirst) {
  Random random(1);
  const std::vector<float> logits{1, 3, 2, 3};
  EXPECT_EQ(sample(logits.data(), 4, {}, random), 1);
}

TEST(Sampler, TemperatureOneIsTheSoftmax) {
  expect_shares({.temperature = 1}, {0.05, 0.5, 0.15, 0.3});
}

// Probabilities to the power of 1 / temperature, made to sum to one.
TEST(Sampler, Temperature) {
  expect_shares({.temperature = 0.5}, {0.0025 / 0.365, 0.25 / 0.365, 0.0225 / 0.365, 0.09 / 0.365});
}

TEST(Sampler, TopK) {
  expect_shares({.temperature = 1, .top_k = 2}, {0, 0.625, 0, 0.375});
  expect_shares({.temperature = 1, .top_k = 1}, {0, 1, 0, 0});
  expect_shares({.temperature = 1, .top_k = 99}, {0.05, 0.5, 0.15, 0.3});
}

// The fewest tokens that reach p together.
TEST(Sampler, TopP) {
  expect_shares({.temperature = 1, .top_p = 0.7}, {0, 0.625, 0, 0.375});
  expect_shares({.temperature = 1, .top_p = 0.9}, {0, 0.5 / 0.95, 0.15 / 0.95, 0.3 / 0.95});
  expect_shares({.temperature = 1, .top_p = 0.01}, {0, 1, 0, 0});
}

// After top_k = 2 the likeliest has 0.625, which reaches 0.6 alone; before, 0.5 would not.
TEST(Sampler, TopKComesBeforeTopP) {
  expect_shares({.temperature = 1, .top_k = 2, .top_p = 0.6}, {0, 1, 0, 0});
}

// At temperature 2 the likeliest has sqrt(0.5) / 1.8654 = 0.379: it no longer reaches 0.4 alone.
TEST(Sampler, TemperatureComesBeforeTopP) {
  const double a = std::sqrt(0.5), b = std::sqrt(0.3);
  expect_shares({.temperature = 2, .top_p = 0.4}, {0, a / (a + b), 0, b / (a + b)});
}

TEST(Sampler, TheSameStreamGivesTheSameToken) {
  for (uint64_t key = 0; key < 50; ++key) {
    Random a(3, key), b(3, key);
    EXPECT_EQ(sample(kLogits.data(), 4, {.temperature = 1}, a),
              sample(kLogits.data(), 4, {.temperature = 1}, b));
  }
}

TEST(Sampler, LargeLogitsDoNotOverflow) {
  Random random(1);
  const std::vector<float> logits{-3e38f, 3e38f, 1};
  EXPECT_EQ(sample(logits.data(), 3, {.temperature = 0.01}, random), 1);
}

TEST(Sampler, OptionsOutOfRangeAreNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::map<std::string, std::vector<SamplingOptions>> bad{
      {"temperature", {{.temperature = -0.1}, {.temperature = nan}, {.temperature = 101}}},
      {"top_p", {{.top_p = 0}, {.top_p = 1.5}, {.top_p = nan}}},
      {"top_k", {{.top_k = -1}}},
  };
  for (const auto& [name, cases] : bad) {
    for (const SamplingOptions& options : cases) {
      try {
        validate(options);
        ADD_FAILURE() << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.parts().where, name);
      }
    }
  }
  EXPECT_NO_THROW(validate({.temperature = 0.7, .top_k = 40, .top_p = 0.9}));
}

}  // namespace
}  // namespace lora
