// Whole runs of a tiny model: the record, exact resume, the best adapter, rows that break the arithmetic.
#include "train/trainer.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "model/testing.h"
#include "train/score.h"
#include "train/testing.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::ragged_examples;

TrainOptions options_of(int64_t max_steps) {
  TrainOptions o;
  o.per_device_train_batch_size = 2;
  o.gradient_accumulation_steps = 2;
  o.max_steps = max_steps;
  o.learning_rate = 2e-2;
  o.warmup_steps = 2;
  o.eval_steps = 2;
  return o;
}

std::vector<Json> metrics_of(const fs::path& folder) {
  std::ifstream in(folder / "metrics.jsonl");
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line);
    json.erase("seconds");  // these two differ from run to run
    json.erase("peak_memory_bytes");
    lines.push_back(json);
  }
  return lines;
}

class Trainer : public ::testing::Test {
 protected:
  // A tiny model gains nothing from threads, and loses much to waiting for them on a busy machine.
  Trainer() { at::set_num_threads(1); }
  Adapter fresh() const {
    AdapterConfig config;
    config.r = 3;
    config.lora_dropout = 0.1;
    return Adapter::create(testing::tiny_config(), config, 3);
  }
  TrainReport run(Adapter& adapter, const std::string& name, const TrainOptions& options) {
    Progress silent(Progress::Style::kSilent);
    const TrainingRun run{.output_dir = folder_.path() / name,
                          .run_hash = "run-hash",
                          .record = {"base", "b", "t", {}},
                          .stop = stop_};
    fs::create_directories(run.output_dir);
    return train(decoder_, adapter, rows_, valid_, options, run, silent);
  }
  TrainReport run(const std::string& name, const TrainOptions& options) {
    Adapter adapter = fresh();
    return run(adapter, name, options);
  }
  bool stopped(const std::string& name, const TrainOptions& options) {
    try {
      run(name, options);
      return false;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInterrupted) throw;
      return true;
    }
  }
  // Of 30 steps that learn four rows by heart: the best adapter is not the last.
  TrainOptions past_the_best() {
    rows_.resize(4);
    TrainOptions options = options_of(30);
    options.learning_rate = 1e-2;
    options.lr_scheduler_type = LrScheduler::kConstant;
    return options;
  }
  std::string bytes(const std::string& file) const { return read_file(folder_.path() / file); }

  testing::TemporaryFolder folder_;
  ModelWeights weights_ = random_weights(testing::tiny_config(), 1);
  Decoder decoder_{testing::tiny_config(), weights_};
  std::vector<Example> rows_ = ragged_examples(13, 1, 61);  // 4 steps an epoch, the last of one row
  std::vector<Example> valid_ = ragged_examples(5, 2, 61);
  std::function<bool()> stop_ = interrupt_requested;
};

TEST_F(Trainer, TwoRunsGiveTheSameBytesAndAnotherSeedOthers) {
  const TrainOptions options = options_of(9);
  run("a", options);
  run("b", options);
  EXPECT_EQ(bytes("a/adapter/adapter_model.safetensors"), bytes("b/adapter/adapter_model.safetensors"));
  EXPECT_EQ(metrics_of(folder_.path() / "a"), metrics_of(folder_.path() / "b"));
  TrainOptions other = options;
  other.seed = 1;
  run("c", other);
  EXPECT_NE(bytes("a/adapter/adapter_model.safetensors"), bytes("c/adapter/adapter_model.safetensors"));
}

// What a kill leaves behind: checkpoints up to some step, lines of later steps, half a line.
TEST_F(Trainer, ResumeAfterAKillGivesTheStraightRunsBytes) {
  valid_.clear();  // so that eval_steps says only where the checkpoints are
  run("straight", options_of(11));
  for (const int64_t every : {3, 4, 6, 7, 10}) {
    TrainOptions options = options_of(11);
    options.eval_steps = every;
    const std::string name = "every" + std::to_string(every);
    const fs::path folder = folder_.path() / name;
    run(name, options);
    const std::vector<Json> lines = metrics_of(folder);
    fs::remove_all(folder / "adapter");
    fs::remove_all(folder / "checkpoints/step-11");
    ASSERT_TRUE(fs::exists(folder / "checkpoints" / ("step-" + std::to_string(10 / every * every))));
    std::ofstream(folder / "metrics.jsonl", std::ios::app) << R"({"step":)";
    run(name, options);
    EXPECT_EQ(bytes("straight/adapter/adapter_model.safetensors"),
              bytes(name + "/adapter/adapter_model.safetensors"));
    EXPECT_EQ(metrics_of(folder), lines);
  }
}

// Ctrl-C after every single step. In a process of its own, since a noted interrupt stays noted.
TEST_F(Trainer, InterruptedAfterEveryStepGivesTheStraightRunsBytes) {
  valid_.clear();  // their loss would never be known to the end
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto all = [&] {
    const TrainOptions options = options_of(11);
    run("straight", options);
    catch_interrupts();
    std::raise(SIGINT);
    int sittings = 0;
    for (bool finished = false; !finished && sittings < 20; ++sittings) {
      try {
        run("interrupted", options);
        finished = true;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kInterrupted) std::exit(1);
      }
    }
    const bool same = bytes("straight/adapter/adapter_model.safetensors") ==
                          bytes("interrupted/adapter/adapter_model.safetensors") &&
                      metrics_of(folder_.path() / "straight") == metrics_of(folder_.path() / "interrupted");
    fs::remove_all(folder_.path());
    std::exit(!same ? 2 : sittings != 12 ? 3 : 0);
  };
  EXPECT_EXIT(all(), ::testing::ExitedWithCode(0), "");
}

// At each place where a run asks whether to stop: after its steps, and between the passes of its held-out losses. A line
// of the record is of several steps, which a stop must not part.
TEST_F(Trainer, StoppedAnywhereGivesTheStraightRunsBytes) {
  TrainOptions options = options_of(3);
  options.logging_steps = 3;
  options.micro_batch_tokens = 1;  // each held-out row is a pass
  int asked = 0, stops_at = -1;
  stop_ = [&] { return asked++ == stops_at; };
  const TrainReport straight = run("straight", options);
  const int places = asked;
  ASSERT_EQ(places, 3 * 4 + 3) << "after steps 0, 2 and 3, between five rows; and after each step";
  const auto expect_straight = [&](const std::string& name) {
    asked = 0;
    stops_at = -1;
    const TrainReport report = run(name, options);
    EXPECT_EQ(bytes(name + "/adapter/adapter_model.safetensors"),
              bytes("straight/adapter/adapter_model.safetensors"))
        << name;
    EXPECT_EQ(metrics_of(folder_.path() / name), metrics_of(folder_.path() / "straight")) << name;
    EXPECT_EQ(report.first_eval_loss, straight.first_eval_loss) << name;
    EXPECT_EQ(report.best_eval_loss, straight.best_eval_loss) << name;
    EXPECT_EQ(report.best_step, straight.best_step) << name;
  };
  for (int place = 0; place < places; ++place) {
    const std::string name = "stopped" + std::to_string(place);
    asked = 0;
    stops_at = place;
    EXPECT_TRUE(stopped(name, options)) << name;
    expect_straight(name);
  }

  // Again and again.
  int sittings = 0;
  do {
    asked = 0;
    stops_at = 5;
  } while (++sittings < 20 && stopped("often", options));
  EXPECT_GT(sittings, 2);
  EXPECT_LT(sittings, 20);
  EXPECT_EQ(bytes("often/adapter/adapter_model.safetensors"),
            bytes("straight/adapter/adapter_model.safetensors"));
  EXPECT_EQ(metrics_of(folder_.path() / "often"), metrics_of(folder_.path() / "straight"));

  // Killed when the held-out loss of step 2 was in the record, and its checkpoint was not there yet.
  asked = 0;
  stops_at = 4 + 2 + 1;
  ASSERT_TRUE(stopped("killed", options));
  const fs::path checkpoints = folder_.path() / "killed/checkpoints", kept = folder_.path() / "kept";
  fs::copy(checkpoints, kept, fs::copy_options::recursive);
  expect_straight("killed");
  fs::remove_all(checkpoints);
  fs::rename(kept, checkpoints);
  expect_straight("killed");
}

TEST_F(Trainer, TheRecordIsCompleteAndTheLearningRateFollowsTheSchedule) {
  TrainOptions options = options_of(11);
  options.lr_scheduler_type = LrScheduler::kConstantWithWarmup;
  const TrainReport report = run("a", options);
  const std::vector<Json> lines = metrics_of(folder_.path() / "a");
  ASSERT_EQ(lines.size(), 11u);
  int64_t examples = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["step"], i + 1);
    EXPECT_DOUBLE_EQ(lines[i]["epoch"], static_cast<double>(i + 1) / 4);
    EXPECT_DOUBLE_EQ(lines[i]["learning_rate"], i == 0 ? 0 : i == 1 ? 1e-2 : 2e-2);
    EXPECT_EQ(lines[i]["eval_loss"].is_null(), i % 2 == 0 && i != 10);
    EXPECT_LE(lines[i]["unique_tokens"], lines[i]["tokens"]);
    examples += lines[i]["examples"].get<int64_t>();
  }
  EXPECT_EQ(examples, 13 + 13 + 12);
  EXPECT_EQ(report.steps, 11);
  EXPECT_LT(lines.back()["loss"], lines.front()["loss"]);
}

TEST_F(Trainer, CountsAreOfTheLoggedWindow) {
  TrainOptions options = options_of(8);
  options.logging_steps = 4;
  options.eval_steps = 8;
  run("a", options);
  const std::vector<Json> lines = metrics_of(folder_.path() / "a");
  ASSERT_EQ(lines.size(), 2u);
  int64_t supervised = 0;
  for (const Example& e : rows_) supervised += e.num_supervised();
  for (const Json& line : lines) {
    EXPECT_EQ(line["examples"], 13);
    EXPECT_EQ(line["supervised_tokens"], supervised);
  }
}

// At learning rate 0 the loss of a batch tells which rows it holds.
TEST_F(Trainer, EveryEpochHasEachRowOnceInAnOrderOfItsOwn) {
  TrainOptions options = options_of(12);
  options.learning_rate = 0;
  run("a", options);
  const std::vector<Json> lines = metrics_of(folder_.path() / "a");
  std::vector<std::vector<double>> losses(3);
  std::vector<double> sums(3);
  for (size_t i = 0; i < 12; ++i) {
    const double sum = lines[i]["loss"].get<double>() * lines[i]["supervised_tokens"].get<double>();
    losses[i / 4].push_back(sum);
    sums[i / 4] += sum;
  }
  EXPECT_NEAR(sums[0], sums[1], 1e-4 * sums[0]);
  EXPECT_NEAR(sums[0], sums[2], 1e-4 * sums[0]);
  for (auto& epoch : losses) std::ranges::sort(epoch);
  EXPECT_GT(std::abs(losses[0][0] - losses[1][0]) + std::abs(losses[0][3] - losses[1][3]), 1e-3);
  EXPECT_GT(std::abs(losses[1][0] - losses[2][0]) + std::abs(losses[1][3] - losses[2][3]), 1e-3);
}

TEST_F(Trainer, BatchSizeTimesAccumulationIsOneThing) {
  TrainOptions options = options_of(6);
  std::vector<std::string> results;
  for (const auto& [batch, accumulation] : {std::pair{1, 8}, {2, 4}, {8, 1}}) {
    options.per_device_train_batch_size = batch;
    options.gradient_accumulation_steps = accumulation;
    const std::string name = "b" + std::to_string(batch);
    run(name, options);
    results.push_back(bytes(name + "/adapter/adapter_model.safetensors"));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

// Few rows, learned by heart: the held-out loss falls first and rises then.
TEST_F(Trainer, TheBestAdapterIsKeptNotTheLast) {
  const TrainOptions options = past_the_best();
  Adapter adapter = fresh();
  const TrainReport report = run(adapter, "a", options);
  double best = std::numeric_limits<double>::infinity();
  int64_t best_step = 0;
  for (const Json& line : metrics_of(folder_.path() / "a")) {
    if (line["eval_loss"].is_null() || line["eval_loss"].get<double>() >= best) continue;
    best = line["eval_loss"];
    best_step = line["step"];
  }
  ASSERT_LT(best_step, 28) << "the last is the best here: this proves nothing";
  EXPECT_EQ(report.best_step, best_step);
  EXPECT_DOUBLE_EQ(*report.best_eval_loss, best);
  EXPECT_EQ(bytes("a/adapter/adapter_model.safetensors"),
            bytes("a/checkpoints/step-" + std::to_string(best_step) + "/adapter_model.safetensors"));
  EXPECT_NE(bytes("a/adapter/adapter_model.safetensors"),
            bytes("a/checkpoints/step-30/adapter_model.safetensors"));
  const Score sum = total(score(decoder_, &adapter, valid_, {.max_tokens = options.micro_batch_tokens}));
  EXPECT_DOUBLE_EQ(sum.nll / static_cast<double>(sum.tokens), best)
      << "the adapter in memory is the kept one too";
}

TEST_F(Trainer, ABestCheckpointThatWasAlteredIsNotKeptSilently) {
  const TrainOptions options = past_the_best();
  const int64_t best_step = run("a", options).best_step;
  ASSERT_LT(best_step, 28);
  const fs::path file =
      folder_.path() / "a/checkpoints" / ("step-" + std::to_string(best_step)) / "adapter_model.safetensors";
  std::string altered = read_file(file);
  altered[altered.size() - 2] ^= 1;
  write_file_atomic(file, altered, IfExists::kReplace);
  try {
    run("a", options);  // resumes from the last step, and has only the best adapter to fetch
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("step-" + std::to_string(best_step)), std::string::npos)
        << error.what();
  }
}

// Someone made room on a disk: told, and what is still to come is compared among itself.
TEST_F(Trainer, WithoutItsBestCheckpointARunGoesOn) {
  const TrainOptions options = past_the_best();
  const int64_t best_step = run("a", options).best_step;
  ASSERT_LT(best_step, 28);
  const fs::path checkpoints = folder_.path() / "a/checkpoints";
  fs::remove_all(checkpoints / "step-30");
  fs::remove_all(checkpoints / ("step-" + std::to_string(best_step)));
  const TrainReport report = run("a", options);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find("step-" + std::to_string(best_step)), std::string::npos);
  EXPECT_GE(report.best_step, 28);
}

// The loss of the last step is all that is left to choose by.
TEST_F(Trainer, WithoutItsBestCheckpointTheLastIsKeptWhereItsLossIsAwaited) {
  TrainOptions options = past_the_best();
  options.micro_batch_tokens = 1;  // each held-out row is a pass
  int asked = 0, stops_at = -1;
  stop_ = [&] { return asked++ == stops_at; };
  const int64_t best_step = run("straight", options).best_step;
  ASSERT_LT(best_step, 28);
  stops_at = asked - 5;  // the last is after the step, the four before it are between five rows
  asked = 0;
  ASSERT_TRUE(stopped("a", options));
  const std::string best = "step-" + std::to_string(best_step);
  ASSERT_GT(fs::remove_all(folder_.path() / "a/checkpoints" / best), 0u);
  const TrainReport report = run("a", options);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].find(best), std::string::npos);
  EXPECT_EQ(report.best_step, 30);
  EXPECT_DOUBLE_EQ(*report.best_eval_loss,
                   metrics_of(folder_.path() / "a").back()["eval_loss"].get<double>());
  EXPECT_EQ(bytes("a/adapter/adapter_model.safetensors"),
            bytes("a/checkpoints/step-30/adapter_model.safetensors"));
}

TEST_F(Trainer, WithoutHeldOutRowsTheLastIsKept) {
  valid_.clear();
  const TrainReport report = run("a", options_of(7));
  EXPECT_EQ(report.best_step, 7);
  EXPECT_FALSE(report.best_eval_loss);
  EXPECT_EQ(bytes("a/adapter/adapter_model.safetensors"),
            bytes("a/checkpoints/step-7/adapter_model.safetensors"));
}

TEST_F(Trainer, NoRowsAreRefused) {
  rows_.clear();
  EXPECT_THROW(run("a", options_of(3)), Error);
}

// A step of infinite length, after sound ones. It is noticed when the adapter is to be saved, or before that by the loss
// of the next batch or of the held-out rows, which are not to blame.
TEST_F(Trainer, AnAdapterThatAStepBrokeIsNotSaved) {
  const std::vector<Example> held_out = std::exchange(valid_, {});
  TrainOptions options = options_of(4);
  run("a", options);
  const std::string before = bytes("a/adapter/adapter_model.safetensors");
  options.max_steps = 6;
  options.learning_rate = std::numeric_limits<double>::infinity();
  options.lr_scheduler_type = LrScheduler::kConstant;
  for (const auto& [every, has_held_out] : {std::pair{1, false}, {6, false}, {1, true}}) {
    options.eval_steps = every;
    valid_ = has_held_out ? held_out : std::vector<Example>();
    try {
      run("a", options);
      FAIL() << "it was saved";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      const std::string text = error.what();
      for (const char* part : {"step 5: ", "not finite", "lora_A", "checkpoints/step-4 is the last sound",
                               "learning_rate", "max_grad_norm"})
        EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
    }
    EXPECT_FALSE(fs::exists(folder_.path() / "a/checkpoints/step-5"));
    EXPECT_EQ(bytes("a/adapter/adapter_model.safetensors"), before);
  }
}

class BadRows : public Trainer {
 protected:
  void SetUp() override {
    at::Tensor embedding = weights_.embedding.dense().clone();
    embedding[60].fill_(std::numeric_limits<float>::quiet_NaN());
    weights_.embedding = embedding;
    decoder_ = Decoder(testing::tiny_config(), weights_);
    rows_ = ragged_examples(12, 1, 60);
    valid_ = ragged_examples(5, 2, 60);
  }
  void spoil(Example& e) { e.ids[0] = 60; }
};

TEST_F(BadRows, AreNamedAndTheirBatchIsNotAStep) {
  spoil(rows_[6]);
  Adapter adapter = fresh();
  const TrainReport report = run(adapter, "a", options_of(6));
  EXPECT_EQ(report.steps, 6);
  ASSERT_GE(report.warnings.size(), 1u);
  for (const std::string& warning : report.warnings)
    EXPECT_NE(warning.find("not in line 7;"), std::string::npos) << "line 7 and no other: " << warning;
  EXPECT_TRUE(adapter.parameters().isfinite().all().item<bool>());
  EXPECT_EQ(metrics_of(folder_.path() / "a").size(), 6u);

  // A sitting that goes on says what the one before it said.
  fs::remove_all(folder_.path() / "a/adapter");
  fs::remove_all(folder_.path() / "a/checkpoints/step-6");
  const TrainReport again = run("a", options_of(6));
  EXPECT_EQ(again.warnings, report.warnings);
  EXPECT_TRUE(again.first_eval_loss && again.first_eval_loss == report.first_eval_loss);
}

TEST_F(BadRows, ThreeBatchesInARowEndTheRun) {
  for (Example& e : rows_) spoil(e);
  Adapter adapter = fresh();
  const at::Tensor before = adapter.parameters().clone();
  try {
    run(adapter, "a", options_of(6));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    const std::string text = error.what();
    EXPECT_NE(text.find("3 batches in a row"), std::string::npos) << text;
    EXPECT_NE(text.find("line "), std::string::npos) << text;
    EXPECT_NE(text.find("changed nothing yet"), std::string::npos) << text;
  }
  EXPECT_TRUE(at::equal(adapter.parameters(), before));
  EXPECT_FALSE(fs::exists(folder_.path() / "a/adapter"));
}

TEST_F(BadRows, AmongTheHeldOutOnesAreNamedAtOnce) {
  spoil(valid_[3]);
  try {
    run("a", options_of(6));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 4"), std::string::npos) << error.what();
  }
}

TEST(RunLength, LastPartialBatchCountsAndMaxStepsOverrides) {
  TrainOptions o;
  o.per_device_train_batch_size = 2;
  o.gradient_accumulation_steps = 4;
  o.num_train_epochs = 3;
  EXPECT_EQ(run_length(o, 17).steps_per_epoch, 3);
  EXPECT_EQ(run_length(o, 17).total_steps, 9);
  EXPECT_EQ(run_length(o, 16).steps_per_epoch, 2);
  o.num_train_epochs = 0.5;
  EXPECT_EQ(run_length(o, 17).total_steps, 2);
  o.max_steps = 5;
  EXPECT_EQ(run_length(o, 17).total_steps, 5);
}

}  // namespace
}  // namespace lora
