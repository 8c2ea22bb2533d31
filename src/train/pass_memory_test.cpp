// What pass_memory.h counts, beside what the tensors of real passes take: an allocator that counts stands in for
// LibTorch's own.
#include "train/pass_memory.h"

#include <ATen/Parallel.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "model/testing.h"
#include "ops/attention.h"
#include "ops/cpu/panels.h"
#include "ops/row_blocks.h"
#include "train/forest_builder.h"
#include "train/pass_choice.h"
#include "train/score.h"
#include "train/step.h"
#include "train/testing.h"

namespace lora {
namespace {

std::atomic<int64_t> g_live, g_peak;

void give_back(void* memory) {
  auto* block = static_cast<char*>(memory) - 64;
  g_live -= *reinterpret_cast<int64_t*>(block);
  ::operator delete(block, std::align_val_t(64));
}

// Every block is preceded by 64 bytes that hold its size.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    auto* block = static_cast<char*>(::operator new(bytes + 64, std::align_val_t(64)));
    *reinterpret_cast<int64_t*>(block) = static_cast<int64_t>(bytes);
    const int64_t live = g_live += static_cast<int64_t>(bytes);
    for (int64_t seen = g_peak; live > seen && !g_peak.compare_exchange_weak(seen, live);) {
    }
    return {block + 64, block + 64, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

// The most that is live at once while `work` runs, beyond what is live before it.
template <class Work>
int64_t peak_of(const Work& work) {
  const int64_t before = g_live;
  g_peak = before;
  work();
  return g_peak - before;
}

class PassMemory : public ::testing::Test {
 protected:
  PassMemory() { at::set_num_threads(1); }  // as pass_model is told

  static void SetUpTestSuite() {
    static CountingAllocator allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
  }

  // Wide enough that the few numbers that are not counted do not weigh.
  static ModelConfig wide(ModelConfig c) {
    c.vocab_size = 4000;
    c.hidden_size = 96;
    c.intermediate_size = 256;
    c.num_hidden_layers = 5;
    if (!c.layers.empty()) c.layers.resize(5, c.layers.back());
    c.num_attention_heads = 6;
    c.num_key_value_heads = 2;
    c.head_dim = 16;
    c.rope.factors.clear();
    c.rope.long_factors.clear();
    c.rope.original_max_position_embeddings = 0;
    c.rope.rotary_dim = 0;
    c.local_rope.factors.clear();
    return c;
  }

  static std::vector<ModelConfig> models() {
    std::vector<ModelConfig> all{wide(testing::tiny_config())};
    for (const ModelConfig& c : testing::tiny_family_configs()) all.push_back(wide(c));
    return all;
  }
};

Forest forest_of(int64_t examples, int32_t vocab, int64_t length, int64_t supervised) {
  Random random(3, 4);
  std::vector<Example> rows;
  for (int64_t e = 0; e < examples; ++e) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < length; ++i)
      ids.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
    rows.push_back(testing::example(ids, static_cast<size_t>(length - supervised)));
  }
  return build_forest(testing::pointers(rows), true);
}

struct Held {
  int64_t counted, measured;
  int64_t too_much = 0;  // that may be counted
};

void expect_near(const Held& held, double tolerance, const std::string& what) {
  const auto measured = static_cast<double>(held.measured);
  const std::string sizes =
      what + ": counted " + std::to_string(held.counted) + ", measured " + std::to_string(held.measured);
  EXPECT_GE(static_cast<double>(held.counted), (1 - tolerance) * measured) << sizes;
  EXPECT_LE(static_cast<double>(held.counted - held.too_much), (1 + tolerance) * measured) << sizes;
}

Decoder decoder_of(const ModelConfig& model, MatmulPrecision precision) {
  ModelWeights weights = random_weights(model, 1);
  weights.set_precision(precision);
  return Decoder(model, std::move(weights));
}

TEST_F(PassMemory, TrainingTakesWhatIsCounted) {
  const Forest forest = forest_of(6, 4000, 60, 30);
  for (const ModelConfig& model : models()) {
    for (const auto& [dropout, precision] : {std::pair{0.0, MatmulPrecision::kHighest},
                                             {0.1, MatmulPrecision::kHighest},
                                             {0.1, MatmulPrecision::kMedium}}) {
      const Decoder decoder = decoder_of(model, precision);
      // The room of a product is counted at every moment, though the worst may have none.
      const int64_t room = precision == MatmulPrecision::kMedium
                               ? 4 * ops::cpu::product_room<float>(ops::kBlockRows, precision)
                               : 0;
      for (const std::vector<std::string>& targets :
           std::vector<std::vector<std::string>>{{"all-linear"}, {"q_proj", "v_proj"}, {"down_proj"}}) {
        AdapterConfig config;
        config.r = 8;
        config.lora_dropout = dropout;
        config.target_modules = targets;
        if (!model.has(Module::kQ) && targets[0] == "q_proj") continue;
        Adapter adapter = Adapter::create(model, config, 1);
        for (const Recompute recompute :
             {Recompute::kNone, Recompute::kCheap, Recompute::kBlock, Recompute{RecomputeLevel::kCheap, 2},
              Recompute{RecomputeLevel::kBlock, 3}}) {
          const int64_t measured =
              peak_of([&] { decoder.loss(forest, &adapter, /*mask_seed=*/1, recompute).loss.backward(); });
          const PassBytes counted =
              training_pass(pass_model(model, config, 1, precision), pass_size(forest), recompute);
          expect_near({counted.total(), measured, room}, 0.05,
                      model.family + ", " + targets[0] + ", dropout " + std::to_string(dropout) + ", " +
                          std::string(precision_name(precision)) + ", " + recompute_name(recompute));
        }
      }
    }
  }
}

// Of keys that several threads gather gradients of, in a sum each.
TEST_F(PassMemory, ThreadsTakeWhatIsCounted) {
  at::set_num_threads(4);
  ModelConfig model = models().front();
  model.num_attention_heads = model.num_key_value_heads = 3;
  model.head_dim = 128;
  const Forest forest = forest_of(6, 4000, 60, 30);
  AdapterConfig config;
  config.r = 8;
  Adapter adapter = Adapter::create(model, config, 1);
  for (const MatmulPrecision precision : {MatmulPrecision::kHighest, MatmulPrecision::kMedium}) {
    const Decoder decoder = decoder_of(model, precision);
    const int64_t measured = peak_of([&] { decoder.loss(forest, &adapter, 1).loss.backward(); });
    const PassBytes counted = training_pass(pass_model(model, config, 4, precision), pass_size(forest), {});
    // Threads' rooms are counted at every moment, in the layers and at the head, though the worst may have none; attention's are not
    // LibTorch's. Here they are as large as all else.
    const ops::AttentionShape shape{3, 3, 128, 1};
    const int64_t rooms = 2 * 4 * sizeof(float) *
                          (ops::cpu::product_room<float>(ops::kBlockRows, precision) +
                           ops::attention_room(shape, 360, 60, precision));
    expect_near({counted.total(), measured, rooms}, 0.05, std::string(precision_name(precision)));
  }
}

TEST_F(PassMemory, APassComputesAsLittleAgainAsFits) {
  const ModelConfig model = models().front();
  AdapterConfig config;
  config.r = 8;
  const PassModel passes = pass_model(model, config, 1, MatmulPrecision::kHighest);
  const PassSize size = pass_size(forest_of(6, 4000, 60, 30));
  const auto bytes = [&](const Recompute& recompute) {
    return training_pass(passes, size, recompute).total();
  };
  for (const Recompute& level : recompute_levels(model.num_hidden_layers)) {
    const Recompute chosen = least_recompute(passes, size, bytes(level), Recompute::kBlock);
    EXPECT_LE(bytes(chosen), bytes(level));
    EXPECT_LE(relative_work(chosen, model.num_hidden_layers), relative_work(level, model.num_hidden_layers));
  }
  EXPECT_EQ(least_recompute(passes, size, bytes(Recompute::kNone), Recompute::kBlock), Recompute::kNone);
  EXPECT_EQ(least_recompute(passes, size, bytes(Recompute::kNone) - 1, Recompute::kBlock),
            (Recompute{RecomputeLevel::kCheap, 1}));
  EXPECT_EQ(least_recompute(passes, size, 1, Recompute::kCheap), Recompute::kCheap)
      << "no more than was asked";
}

TEST_F(PassMemory, ReadingTakesWhatIsCounted) {
  for (const ModelConfig& model : models()) {
    AdapterConfig config;
    config.r = 8;
    const Adapter adapter = Adapter::create(model, config, 1);
    for (const auto& [supervised, precision] : {std::pair{5, MatmulPrecision::kHighest},
                                                {55, MatmulPrecision::kHighest},
                                                {55, MatmulPrecision::kMedium}}) {
      const Decoder decoder = decoder_of(model, precision);
      const Forest forest = forest_of(6, 4000, 60, supervised);
      const c10::NoGradGuard no_grad;
      const int64_t measured = peak_of([&] { decoder.loss(forest, &adapter, std::nullopt); });
      const PassBytes counted = reading_pass(pass_model(model, config, 1, precision), pass_size(forest));
      expect_near({counted.total(), measured}, 0.1,
                  model.family + ", supervised " + std::to_string(supervised) + ", " +
                      std::string(precision_name(precision)));
    }
  }
}

}  // namespace
}  // namespace lora
