#include "model/adapter.h"

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "model/testing.h"

namespace lora {
namespace {

ModelConfig wide_config() {
  ModelConfig c = testing::tiny_config();
  c.hidden_size = 400;
  return c;
}

// Kaiming with a = sqrt(5) is uniform in ±1/sqrt(in): mean 0, deviation 1/sqrt(3 in).
TEST(AdapterInit, AIsUniformWithinOneOverRootIn) {
  AdapterConfig config;
  config.r = 32;
  const Adapter adapter = Adapter::create(wide_config(), config, 1);
  for (const Adapter::Entry& entry : adapter.entries()) {
    if (!entry.is_A || entry.tensor.size(1) != 400) continue;
    const double bound = 1 / std::sqrt(400.0), n = static_cast<double>(entry.tensor.numel());
    const double largest = entry.tensor.abs().max().item<double>();
    EXPECT_LE(largest, bound * (1 + 1e-6));
    EXPECT_GT(largest, bound * 0.995);
    const double deviation = bound / std::sqrt(3.0);
    EXPECT_NEAR(entry.tensor.mean().item<double>(), 0, 5 * deviation / std::sqrt(n)) << entry.name;
    EXPECT_NEAR(entry.tensor.std().item<double>(), deviation, 0.03 * deviation) << entry.name;
  }
}

TEST(AdapterInit, BIsZeroAndTheAdapterDoesNothingYet) {
  const Adapter adapter = Adapter::create(testing::tiny_config(), {}, 1);
  for (const Adapter::Entry& entry : adapter.entries()) {
    if (!entry.is_A) {
      EXPECT_EQ(entry.tensor.abs().max().item<double>(), 0);
    }
  }
  Forest forest;
  forest.ids = {3, 9, 27};
  forest.positions = {0, 1, 2};
  forest.layout = {{{0, 3, 0, {}}}, {0}};
  const Decoder decoder = testing::tiny_decoder(at::kFloat);
  {
    const c10::NoGradGuard by_the_same_kernels;
    EXPECT_TRUE(at::equal(decoder.logits(forest, &adapter), decoder.logits(forest, nullptr)));
  }
  Adapter trained = Adapter::create(testing::tiny_config(), {}, 1);
  testing::randomize_B(trained, 1);
  EXPECT_GT((decoder.logits(forest, &trained) - decoder.logits(forest, nullptr)).abs().max().item<double>(),
            1e-3);
}

TEST(AdapterInit, SeedsAndMatricesDiffer) {
  const Adapter a = Adapter::create(testing::tiny_config(), {}, 1),
                b = Adapter::create(testing::tiny_config(), {}, 1);
  const Adapter c = Adapter::create(testing::tiny_config(), {}, 2);
  EXPECT_TRUE(at::equal(a.parameters(), b.parameters()));
  EXPECT_FALSE(at::equal(a.parameters(), c.parameters()));
  std::set<float> firsts;
  for (const Adapter::Entry& entry : a.entries())
    if (entry.is_A) firsts.insert(entry.tensor[0][0].item<float>());
  EXPECT_EQ(firsts.size(), 3u * 7) << "every A is drawn anew";
}

TEST(Adapter, MatricesAreAlignedViewsOfTheFlatVector) {
  Adapter adapter = testing::tiny_adapter(at::kFloat);
  int64_t numbers = 0;
  for (const Adapter::Entry& entry : adapter.entries()) {
    const auto from = reinterpret_cast<const char*>(adapter.parameters().data_ptr<float>());
    EXPECT_EQ((reinterpret_cast<const char*>(entry.tensor.data_ptr<float>()) - from) % 64, 0) << entry.name;
    numbers += entry.tensor.numel();
  }
  EXPECT_EQ(adapter.num_parameters(), numbers);
  adapter.parameters().fill_(2);
  adapter.gradients().fill_(3);
  for (const Adapter::Entry& entry : adapter.entries()) {
    EXPECT_TRUE((entry.tensor == 2).all().item<bool>());
    EXPECT_TRUE((entry.gradient == 3).all().item<bool>());
  }
  adapter.zero_gradients();
  EXPECT_EQ(adapter.A(0, Module::kQ).grad().abs().max().item<float>(), 0);
}

TEST(Adapter, ShapesAndScaling) {
  const Adapter adapter = testing::tiny_adapter(at::kFloat);
  EXPECT_EQ(adapter.A(1, Module::kDown).sizes(), (at::IntArrayRef{3, 37}));
  EXPECT_EQ(adapter.B(1, Module::kDown).sizes(), (at::IntArrayRef{22, 3}));
  EXPECT_EQ(adapter.B(2, Module::kK).sizes(), (at::IntArrayRef{12, 3}));
  AdapterConfig config;
  config.r = 16;
  config.lora_alpha = 32;
  EXPECT_EQ(config.scaling(), 2);
  config.use_rslora = true;
  EXPECT_EQ(config.scaling(), 8);
}

TEST(Adapter, DropoutOnlyWithAMaskSeedAndAKeyForEachModule) {
  const Adapter adapter = testing::tiny_adapter(at::kFloat, 0.1);
  EXPECT_EQ(adapter.term(0, Module::kQ, std::nullopt)->dropout, 0);
  EXPECT_EQ(adapter.term(0, Module::kQ, 5)->dropout, 0.1);
  std::set<uint64_t> keys;
  for (int64_t layer = 0; layer < 3; ++layer)
    for (const Module m : kPlainModules)
      for (const uint64_t step : {1, 2}) keys.insert(adapter.term(layer, m, step)->dropout_key);
  EXPECT_EQ(keys.size(), 3u * 7 * 2);
}

TEST(Adapter, ModulesThatAreNotTargetedHaveNoTerm) {
  AdapterConfig config;
  config.target_modules = {"v_proj"};
  const Adapter adapter = Adapter::create(testing::tiny_config(), config, 1);
  EXPECT_TRUE(adapter.has(0, Module::kV));
  EXPECT_FALSE(adapter.has(0, Module::kQ));
  EXPECT_FALSE(adapter.term(0, Module::kQ, 1));
  EXPECT_EQ(adapter.entries().size(), 6u);
}

std::string error_of(const AdapterConfig& config) {
  try {
    Adapter::create(testing::tiny_config(), config, 1);
    return "no error";
  } catch (const Error& error) {
    return error.parts().where;
  }
}

TEST(AdapterConfig, ValuesOutOfRangeAreNamed) {
  const double nan = std::nan("");
  for (const int64_t r : {int64_t{0}, int64_t{-1}, int64_t{5000}}) EXPECT_EQ(error_of({.r = r}), "r");
  for (const double alpha : {0.0, -1.0, nan, HUGE_VAL})
    EXPECT_EQ(error_of({.lora_alpha = alpha}), "lora_alpha");
  for (const double p : {-0.1, 1.0, nan}) EXPECT_EQ(error_of({.lora_dropout = p}), "lora_dropout");
  EXPECT_EQ(error_of({.target_modules = {}}), "target_modules");
}

}  // namespace
}  // namespace lora
