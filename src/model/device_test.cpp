// The decoder on a device that is not the CPU: every tensor lies where it must, what comes out lies on the CPU, and the numbers
// are the plain operations' there. On a GPU, where there is one, the same with its own arithmetic.
#include "ops/device.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/decoder.h"
#include "model/make_believe_device.h"
#include "model/testing.h"

namespace lora {
namespace {

// Two examples with a shared beginning: a tree of three runs.
Forest tree() {
  Forest forest;
  Random random(3, 1);
  const auto run = [&](int64_t length, int64_t first) {
    for (int64_t i = 0; i < length; ++i) {
      forest.ids.push_back(static_cast<int64_t>(random.below(61)));
      forest.positions.push_back(first + i);
      forest.path_keys.push_back(
          next_path_key(static_cast<uint64_t>(forest.path_keys.size()), forest.ids.back()));
    }
  };
  run(5, 0);
  run(7, 5);
  run(6, 5);
  forest.layout = {{{0, 5, 0, {}}, {5, 12, 5, {{0, 5}}}, {12, 18, 12, {{0, 5}}}}, {0}};
  for (const int64_t row : {6, 7, 8, 11, 13, 17}) {
    forest.rows.push_back(row);
    forest.targets.push_back(static_cast<int64_t>(random.below(61)));
    forest.row_examples.push_back(row < 12 ? 0 : 1);
    forest.row_weights.push_back(row < 12 ? 1 : 0.5);
  }
  forest.num_examples = 2;
  return forest;
}

struct Outcome {
  at::Tensor loss, nll, gradients, logits, next;
};

// The logits of the token after three cached ones, beside the training pass of `tree`.
Outcome outcome(const Decoder& decoder, Adapter& adapter, Recompute recompute) {
  const Forest forest = tree();
  adapter.zero_gradients();
  const ops::HeadLoss loss = decoder.loss(forest, &adapter, 7, recompute);
  loss.loss.backward();
  Outcome result{
      loss.loss.detach(), loss.nll, adapter.gradients().clone(), decoder.logits(forest, &adapter), {}};
  KvCache cache(decoder.config(), 2, decoder.options());
  cache.reserve(4);
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 3}, {3, 4}}) {
    CachedTokens tokens;
    for (int64_t i = begin; i < end; ++i) {
      tokens.ids.push_back(i + 1);
      tokens.positions.push_back(i);
      tokens.cache_rows.push_back(i);
    }
    tokens.layout = {{{0, end - begin, begin, {{0, begin}}}}, {0}};
    tokens.rows = {end - begin - 1};
    tokens.adapters = {{0, end - begin, &adapter}};
    result.next = decoder.forward_cached(tokens, cache);
  }
  return result;
}

void expect_equal(const ModelConfig& config, const c10::Device& device, double most) {
  Adapter adapter = testing::tiny_adapter(at::kDouble, 0.1, config);
  const ModelWeights weights = random_weights(config, 1, at::kDouble);
  const Decoder here(config, weights, ops::Backend::kReference), there(config, weights.on(device));
  EXPECT_EQ(there.options().device(), device);
  for (const Recompute recompute : {Recompute::kNone, Recompute::kBlock}) {
    const Outcome expected = outcome(here, adapter, recompute), found = outcome(there, adapter, recompute);
    for (const auto part :
         {&Outcome::loss, &Outcome::nll, &Outcome::gradients, &Outcome::logits, &Outcome::next}) {
      EXPECT_TRUE((found.*part).is_cpu());
      EXPECT_LE((found.*part - expected.*part).abs().max().item<double>(), most) << config.family;
    }
    EXPECT_GT(expected.gradients.abs().max().item<double>(), 1e-3);
  }
}

TEST(Device, ElsewhereIsAsOnTheCpu) {
  for (const ModelConfig& config : testing::tiny_family_configs())
    expect_equal(config, testing::make_believe_device(), 1e-12);
}

// Plain operations know no other precision than that of their type, whatever the weights say.
TEST(Device, PlainOperationsRoundNothing) {
  const ModelConfig config = testing::tiny_config();
  ModelWeights weights = random_weights(config, 1, at::kFloat);
  Adapter adapter = testing::tiny_adapter(at::kFloat, 0, config);
  const Outcome expected =
      outcome(Decoder(config, weights, ops::Backend::kReference), adapter, Recompute::kBlock);
  weights.set_precision(MatmulPrecision::kMedium);
  for (const Decoder& decoder : {Decoder(config, weights, ops::Backend::kReference),
                                 Decoder(config, weights.on(testing::make_believe_device()))}) {
    const Outcome found = outcome(decoder, adapter, Recompute::kBlock);
    EXPECT_LE((found.gradients - expected.gradients).abs().max().item<double>(), 1e-5);
  }
}

TEST(Device, MixedTensorsAreRefusedByTheMakeBelieveDevice) {
  const at::Tensor here = at::ones({2}), there = here.to(testing::make_believe_device());
  EXPECT_ANY_THROW(at::add(here, there));
  EXPECT_EQ((there + there).cpu().sum().item<double>(), 4);
}

TEST(Device, CudaIsAsTheCpu) {
  if (!at::hasCUDA() || at::getNumGPUs() == 0) GTEST_SKIP() << "no GPU here";
  for (const ModelConfig& config : testing::tiny_family_configs())
    expect_equal(config, ops::open_device("cuda"), 1e-9);
}

std::string refusal(const std::string& name) {
  try {
    ops::open_device(name);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Device, IsNamedOrRefused) {
  EXPECT_EQ(ops::open_device("cpu"), c10::Device(c10::kCPU));
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1 ", "cuda1", "cuda:99999999999"})
    EXPECT_NE(refusal(name).find("cpu, cuda, or cuda:N"), std::string::npos) << name;
  if (!at::hasCUDA()) {
    EXPECT_NE(refusal("cuda").find("./setup --cuda"), std::string::npos);
  }
  EXPECT_NE(refusal("cuda:99"), "");
}

}  // namespace
}  // namespace lora
