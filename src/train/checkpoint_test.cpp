// A checkpoint is taken whole or not at all: torn, altered or foreign ones are passed over for an older one.
#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "model/testing.h"
#include "train/adamw.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public ::testing::Test {
 protected:
  static constexpr UnloggedSteps kUnlogged{.loss = 0.7,
                                           .weight = 1.5,
                                           .grad_norm = 0.2,
                                           .examples = 3,
                                           .tokens = 40,
                                           .unique_tokens = 30,
                                           .supervised_tokens = 20};

  // Step-`step` with contents of its own.
  TrainState save(int64_t step, int64_t best_step = 0) {
    fill_with_noise(adapter_.parameters(), step);
    fill_with_noise(optimizer_.first_moment(), step + 100);
    fill_with_noise(optimizer_.second_moment(), step + 200);
    optimizer_.set_steps(step - 1);
    const TrainState state{.batch = step + 1,
                           .step = step,
                           .bad_in_a_row = 1,
                           .seconds = 2.5 * static_cast<double>(step),
                           .first_eval_loss = 0.3,
                           .best_eval_loss = 0.1,
                           .best_step = best_step,
                           .warnings = {"step 2: left out"},
                           .unlogged = kUnlogged};
    checkpoints_.save(state, adapter_, optimizer_, {"base.gguf", "abc", "def", {1, 2}});
    return state;
  }

  static void fill_with_noise(at::Tensor t, int64_t seed) {
    Random random(static_cast<uint64_t>(seed), 5);
    float* data = t.data_ptr<float>();
    for (int64_t i = 0; i < t.numel(); ++i) data[i] = static_cast<float>(random.normal());
  }

  // The step that is restored, 0 when none; checks that it is that step's contents.
  int64_t restored() {
    Adapter adapter = testing::tiny_adapter(at::kFloat);
    AdamW optimizer(adapter.parameters(), {});
    const auto state = checkpoints_.restore_newest(adapter, optimizer);
    if (!state) return 0;
    EXPECT_EQ(state->batch, state->step + 1);
    EXPECT_EQ(state->bad_in_a_row, 1);
    EXPECT_EQ(state->seconds, 2.5 * static_cast<double>(state->step));
    EXPECT_EQ(state->first_eval_loss, 0.3);
    EXPECT_EQ(state->best_eval_loss, 0.1);
    EXPECT_EQ(state->warnings, std::vector<std::string>{"step 2: left out"});
    EXPECT_EQ(state->unlogged, kUnlogged);
    EXPECT_EQ(optimizer.steps(), state->step - 1);
    Adapter expected = testing::tiny_adapter(at::kFloat);
    fill_with_noise(expected.parameters(), state->step);
    const auto a = adapter.entries(), b = expected.entries();
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i].tensor, b[i].tensor)) << a[i].name;
    at::Tensor moment = at::empty_like(optimizer.first_moment());
    fill_with_noise(moment, state->step + 100);
    EXPECT_TRUE(at::equal(optimizer.first_moment(), moment));
    fill_with_noise(moment, state->step + 200);
    EXPECT_TRUE(at::equal(optimizer.second_moment(), moment));
    return state->step;
  }

  void alter(const fs::path& file, const std::function<void(std::string&)>& change) {
    std::string bytes = read_file(file);
    change(bytes);
    write_file_atomic(file, bytes, IfExists::kReplace);
  }

  testing::TemporaryFolder folder_;
  CheckpointFolder checkpoints_{folder_.path() / "checkpoints", "run-hash"};
  Adapter adapter_ = testing::tiny_adapter(at::kFloat);
  AdamW optimizer_{adapter_.parameters(), {}};
};

TEST_F(CheckpointTest, NoneInANewFolder) {
  EXPECT_EQ(restored(), 0);
}

TEST_F(CheckpointTest, TheNewestIsRestoredWhole) {
  save(2);
  save(10);
  save(9);
  EXPECT_EQ(restored(), 10) << "by number, not by name or time";
}

TEST_F(CheckpointTest, AnyTornOrAlteredFileMakesTheOlderOneTheNewest) {
  for (const char* name : {"adapter_model.safetensors", "optimizer.safetensors", "state.json"}) {
    save(1);
    save(2);
    ASSERT_EQ(restored(), 2);
    const fs::path file = checkpoints_.path_of(2) / name;
    const std::string whole = read_file(file);
    const std::vector<std::function<void(std::string&)>> damages{
        [](std::string& bytes) { bytes.resize(bytes.size() / 2); },
        [](std::string& bytes) { bytes.clear(); },
        [](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; },
        [](std::string& bytes) { bytes[bytes.size() - 5] ^= 1; },
        [](std::string& bytes) { bytes += std::string(16, 'x'); },
    };
    for (size_t i = 0; i < damages.size(); ++i) {
      alter(file, damages[i]);
      EXPECT_EQ(restored(), 1) << name << " damage " << i;
      write_file_atomic(file, whole, IfExists::kReplace);
    }
    fs::remove(file);
    EXPECT_EQ(restored(), 1) << name << " removed";
    fs::remove_all(checkpoints_.path_of(2));
  }
}

TEST_F(CheckpointTest, NoSingleChangedByteOfTheStateIsTrusted) {
  save(1);
  save(2);
  const fs::path file = checkpoints_.path_of(2) / "state.json";
  const std::string whole = read_file(file);
  for (size_t i = 0; i < whole.size(); ++i) {
    alter(file, [&](std::string& bytes) { bytes[i] ^= 1; });
    ASSERT_EQ(restored(), 1) << "byte " << i << " of " << read_file(file);
    write_file_atomic(file, whole, IfExists::kReplace);
  }
  EXPECT_EQ(restored(), 2);
}

TEST_F(CheckpointTest, ATornOneIsWrittenAgain) {
  save(1);
  save(2);
  alter(checkpoints_.path_of(2) / "optimizer.safetensors", [](std::string& bytes) { bytes[100] ^= 1; });
  save(2);
  EXPECT_EQ(restored(), 2);
}

TEST_F(CheckpointTest, AnUnfinishedFolderIsPassedOver) {
  save(1);
  save(2);
  const fs::path unfinished = folder_.path() / "checkpoints" / "incomplete-step-2";
  fs::rename(checkpoints_.path_of(2), unfinished);
  fs::remove(unfinished / "state.json");  // which is written last
  EXPECT_EQ(restored(), 1);
  EXPECT_FALSE(fs::exists(unfinished));
  fs::create_directories(folder_.path() / "checkpoints" / "step-77");
  fs::create_directories(folder_.path() / "checkpoints" / "step-abc");
  EXPECT_EQ(restored(), 1);
}

// Killed where the one that awaits its evaluation is gone and the one that has it is not named yet.
TEST_F(CheckpointTest, AWholeOneWithoutItsNameIsTaken) {
  save(1);
  save(2);
  const fs::path unnamed = folder_.path() / "checkpoints" / "incomplete-step-2";
  fs::rename(checkpoints_.path_of(2), unnamed);
  fs::create_directories(checkpoints_.path_of(2));  // half removed
  EXPECT_EQ(restored(), 2);
  EXPECT_FALSE(fs::exists(unnamed));
}

TEST_F(CheckpointTest, OneThatAwaitsItsEvaluationIsReplacedByTheOneThatHasIt) {
  const auto save_with = [&](double seconds, bool awaits) {
    checkpoints_.save({.batch = 2, .step = 1, .seconds = seconds, .awaits_evaluation = awaits}, adapter_,
                      optimizer_, {});
    const TrainState state = *checkpoints_.restore_newest(adapter_, optimizer_);
    return std::pair(state.seconds, state.awaits_evaluation);
  };
  EXPECT_EQ(save_with(1, true), std::pair(1.0, true));
  EXPECT_EQ(save_with(2, true), std::pair(1.0, true)) << "it is there already";
  EXPECT_EQ(save_with(3, false), std::pair(3.0, false));
  EXPECT_EQ(save_with(4, false), std::pair(3.0, false)) << "it is there already";
  EXPECT_EQ(save_with(5, true), std::pair(3.0, false)) << "what is known is kept";
}

TEST_F(CheckpointTest, NumbersThatAreNotFiniteAreNotSaved) {
  save(1);
  at::Tensor parameters = adapter_.parameters(), moment = optimizer_.second_moment();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()})
    for (const bool in_adapter : {true, false}) {
      float& number = (in_adapter ? parameters : moment).data_ptr<float>()[0];
      const float sound = std::exchange(number, bad);
      try {
        checkpoints_.save({.batch = 2, .step = 2}, adapter_, optimizer_, {});
        FAIL() << bad << " was saved";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kInput);
        const std::string text = error.what(),
                          place = in_adapter ? adapter_.entries()[0].name : "second_moment";
        for (const std::string& part :
             {std::string("step 2: numbers are not finite after this step (1, the first in "), place,
              checkpoints_.path_of(1).string() + " is the last sound", std::string("learning_rate"),
              std::string("max_grad_norm")})
          EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
      }
      number = sound;
    }
  for (const auto& entry : fs::directory_iterator(folder_.path() / "checkpoints"))
    EXPECT_EQ(entry.path().filename().string(), "step-1");
  EXPECT_EQ(restored(), 1);
}

TEST_F(CheckpointTest, AnotherRunsCheckpointIsNotTaken) {
  save(1);
  const CheckpointFolder other(folder_.path() / "checkpoints", "another-hash");
  Adapter adapter = testing::tiny_adapter(at::kFloat);
  AdamW optimizer(adapter.parameters(), {});
  EXPECT_FALSE(other.restore_newest(adapter, optimizer));
}

TEST_F(CheckpointTest, TheNewestTwoAndTheBestAreKept) {
  for (int64_t step = 1; step <= 6; ++step) save(step, step < 2 ? step : 2);
  for (int64_t step = 1; step <= 6; ++step)
    EXPECT_EQ(fs::exists(checkpoints_.path_of(step)), step == 2 || step >= 5) << step;
}

TEST_F(CheckpointTest, NamedOnesAreKeptToo) {
  const CheckpointFolder named(folder_.path() / "checkpoints", "run-hash",
                               [](int64_t step) { return step == 3; });
  for (int64_t step = 1; step <= 6; ++step)
    named.save({.batch = step, .step = step, .best_step = 2}, adapter_, optimizer_, {});
  for (int64_t step = 1; step <= 6; ++step)
    EXPECT_EQ(fs::exists(named.path_of(step)), step == 2 || step == 3 || step >= 5) << step;
}

TEST_F(CheckpointTest, AFolderThatCannotBeMadeIsTheMachinesFault) {
  write_file_atomic(folder_.path() / "file", "x", IfExists::kRefuse);
  try {
    CheckpointFolder(folder_.path() / "file" / "checkpoints", "h");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMachine);
  }
}

}  // namespace
}  // namespace lora
