#include "train/plan_notes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "model/testing.h"

namespace lora {
namespace {

struct Configured {
  AdapterConfig adapter{.r = 16, .lora_alpha = 32, .lora_dropout = 0.05};
  TrainOptions options;
  TrainingData data{600, 30000};
};

std::vector<std::string> notes_of(const Configured& setup) {
  ModelConfig model = testing::tiny_config();
  model.hidden_size = 576;
  model.intermediate_size = 1536;
  model.head_dim = 64;
  return plan_notes(model, setup.adapter, setup.options, setup.data);
}

TEST(PlanNotes, AnOrdinaryConfigurationHasNone) {
  EXPECT_EQ(notes_of({}), std::vector<std::string>{});
}

TEST(PlanNotes, EachDepartureIsNotedOnceWithItsKey) {
  const std::vector<std::pair<std::string, std::function<void(Configured&)>>> cases{
      {"learning_rate: 1e-05 is below", [](Configured& s) { s.options.learning_rate = 1e-5; }},
      {"learning_rate: 0.001 is above", [](Configured& s) { s.options.learning_rate = 1e-3; }},
      {"loraplus_lr_ratio: 64", [](Configured& s) { s.options.loraplus_lr_ratio = 64; }},
      {"num_train_epochs: each of the 600 rows is seen 8 times",
       [](Configured& s) { s.options.num_train_epochs = 8; }},
      {"num_train_epochs: each of the 5000 rows is seen 4 times",
       [](Configured& s) {
         s.options.num_train_epochs = 4;
         s.data.rows = 5000;
       }},
      {"max_steps: the run has 20 optimizer steps",
       [](Configured& s) {
         s.options.max_steps = 20;
         s.options.warmup_steps = 2;
       }},
      {"per_device_train_batch_size × gradient_accumulation_steps: a step takes 1000",
       [](Configured& s) {
         s.options.per_device_train_batch_size = 1000;
         s.options.gradient_accumulation_steps = 1;
         s.options.max_steps = 40;
         s.options.warmup_steps = 1;
         s.options.num_train_epochs = 40;
         s.data.rows = 999;
       }},
      {"warmup_steps: 225 of 225", [](Configured& s) { s.options.warmup_steps = 225; }},
      {"warmup_steps: 100 of 225", [](Configured& s) { s.options.warmup_steps = 100; }},
      {"lora_alpha: lora_alpha / r is 0.5", [](Configured& s) { s.adapter.lora_alpha = 8; }},
      {"lora_alpha: lora_alpha / r is 4", [](Configured& s) { s.adapter.lora_alpha = 64; }},
      {"r: 128 is not below 128",
       [](Configured& s) {
         s.adapter.r = 128;
         s.adapter.lora_alpha = 128;
       }},
      {"r: 2 holds little",
       [](Configured& s) {
         s.adapter.r = 2;
         s.adapter.lora_alpha = 4;
       }},
      {"r: 100 gives",
       [](Configured& s) {
         s.adapter.r = 100;
         s.adapter.lora_alpha = 100;
       }},
      {"lora_dropout: 0 with 600 rows", [](Configured& s) { s.adapter.lora_dropout = 0; }},
      {"lora_dropout: 0.5 hides", [](Configured& s) { s.adapter.lora_dropout = 0.5; }},
  };
  for (const auto& [beginning, change] : cases) {
    Configured setup;
    change(setup);
    const std::vector<std::string> notes = notes_of(setup);
    EXPECT_EQ(std::ranges::count_if(notes, [&](const std::string& n) { return n.starts_with(beginning); }), 1)
        << beginning << (notes.empty() ? "" : ": " + notes[0]);
  }
}

TEST(PlanNotes, RsLoraScalesByTheRootOfR) {
  Configured setup;
  setup.adapter.use_rslora = true;
  setup.adapter.lora_alpha = 16;  // 4 = sqrt(16): what rsLoRA is for
  EXPECT_EQ(notes_of(setup), std::vector<std::string>{});
  setup.adapter.lora_alpha = 64;
  EXPECT_EQ(notes_of(setup).size(), 1u);
}

}  // namespace
}  // namespace lora
