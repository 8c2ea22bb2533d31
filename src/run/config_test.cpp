// The configuration as files, flags and --set give it, and the notes and errors that come of it.
#include "run/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "model/testing.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class Config : public ::testing::Test {
 protected:
  RunConfig read(const std::string& toml) const {
    write_file_atomic(file_, toml, IfExists::kReplace);
    RunConfig config;
    read_toml(config, file_);
    return config;
  }
  std::string error_of(const std::string& toml) const {
    try {
      RunConfig config = read(toml);
      config.model = std::string("model.gguf");
      finish(config);
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
  }
  testing::TemporaryFolder folder_;
  const fs::path file_ = folder_.path() / "my.toml";
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Config, AnUnknownKeyIsRefusedWithPlaceAndTheNearest) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"learing_rate", "learning_rate"}, {"lr_scheduler", "lr_scheduler_type"},
      {"max_seq_len", "max_seq_length"}, {"num_epochs", "num_train_epochs"},
      {"output_folder", "output_dir"},   {"gradient_acumulation_steps", "gradient_accumulation_steps"}};
  for (const auto& [wrong, near] : cases) {
    const std::string error = error_of("r = 8\n\n  " + wrong + " = 1\n");
    EXPECT_TRUE(contains(error, "my.toml:3:3")) << error;
    EXPECT_TRUE(contains(error, "\"" + wrong + "\"")) << error;
    EXPECT_TRUE(contains(error, "\"" + near + "\"")) << error;
  }
}

TEST_F(Config, TomlErrorsAndWrongTypesNameLineAndColumn) {
  EXPECT_TRUE(contains(error_of("r = 16\nlora_alpha = \n"), "my.toml:2:"));
  EXPECT_TRUE(contains(error_of("model = models/x.gguf\n"), "my.toml:1:"));
  EXPECT_TRUE(contains(error_of("r = 1\nr = 2\n"), "my.toml:2:"));
  EXPECT_TRUE(contains(error_of("seed = 1\nr = \"16\"\n"), "my.toml:2:5"));
  EXPECT_TRUE(contains(error_of("r = 16.0\n"), "a whole number"));
  EXPECT_TRUE(contains(error_of("learning_rate = \"2e-4\"\n"), "a number"));
  EXPECT_TRUE(contains(error_of("fp16 = 1\n"), "true or false"));
  EXPECT_TRUE(contains(error_of("target_modules = [\"q_proj\", 3]\n"), "my.toml:1:18"));
  EXPECT_TRUE(contains(error_of("model = 2024-01-01\n"), "a date or time"));
  EXPECT_TRUE(contains(error_of("[train]\nr = 3\n"), "\"train\""));
  EXPECT_TRUE(contains(error_of("target_modules = [\"qproj\"]\n"), "q_proj"));
}

TEST_F(Config, ValuesOutOfRangeAreNamed) {
  for (const char* line : {"r = 0",
                           "r = 100000",
                           "lora_alpha = -1",
                           "lora_alpha = nan",
                           "lora_dropout = 1.0",
                           "lora_dropout = nan",
                           "learning_rate = -1e-4",
                           "learning_rate = inf",
                           "learning_rate = nan",
                           "max_seq_length = 0",
                           "per_device_train_batch_size = 0",
                           "gradient_accumulation_steps = -3",
                           "num_train_epochs = 0",
                           "max_steps = -1",
                           "warmup_steps = -1",
                           "weight_decay = 2",
                           "adam_beta1 = 1.0",
                           "adam_beta2 = -0.1",
                           "adam_epsilon = 0",
                           "max_grad_norm = -1",
                           "logging_steps = 0",
                           "eval_steps = -1",
                           "test_size = -1",
                           "valid_size = -1",
                           "max_new_tokens = -1",
                           "eval_batch_size = 0",
                           "micro_batch_tokens = -1",
                           "threads = -1",
                           "optim = \"sgd\"",
                           "eval_strategy = \"sometimes\"",
                           "lr_scheduler_type = \"polynomial\"",
                           "seed = -1",
                           "dataset_text_field = \"\""}) {
    const std::string text = line, key = text.substr(0, text.find(' '));
    EXPECT_TRUE(contains(error_of(text), key)) << text << ": " << error_of(text);
  }
  RunConfig config;
  EXPECT_THROW(finish(config), Error) << "a model must be given";
}

// A value for each key, other than its default.
std::string other_value(const ConfigKey& key) {
  if (key.name == "optim") return "adamw_8bit";
  if (key.name == "lr_scheduler_type") return "cosine";
  if (key.name == "target_modules") return "q_proj,v_proj";
  const RunConfig defaults;
  switch (key.type) {
    case ConfigKey::Type::kBool:
      return key.get(defaults) == true ? "false" : "true";
    case ConfigKey::Type::kInteger:
      return "7";
    case ConfigKey::Type::kNumber:
      return "0.375";
    case ConfigKey::Type::kString:
    case ConfigKey::Type::kStrings:
      return "some text";
  }
  return "";
}

TEST_F(Config, EveryKeyCanBeSetFromTextAndFromAFileAndChangesOnlyItself) {
  std::set<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_FALSE(key.help.empty()) << key.name;
    EXPECT_TRUE(names.insert(key.name).second) << key.name << " stands twice";
    RunConfig config;
    set_from_text(config, key.name, other_value(key), "--" + key.name);
    const RunConfig defaults;
    const auto before = config_json(defaults), after = config_json(config);
    for (const auto& [name, value] : before.items())
      EXPECT_EQ(value == after[name], name != key.name) << key.name << " " << name;
    const std::string toml = key.name + " = " + after[key.name].dump() + "\n";
    EXPECT_EQ(config_json(read(toml)), after) << toml;
    for (const std::string& alias : key.aliases) EXPECT_EQ(find_key(alias, "x").name, key.name);
  }
}

TEST_F(Config, TextThatIsNotOfTheTypeIsRefused) {
  RunConfig config;
  for (const auto& [key, text] :
       std::vector<std::pair<std::string, std::string>>{{"r", "16.5"},
                                                        {"r", ""},
                                                        {"r", "16x"},
                                                        {"learning_rate", "fast"},
                                                        {"learning_rate", "2e-4 "},
                                                        {"fp16", "yes"},
                                                        {"fp16", "1"},
                                                        {"r", "99999999999999999999"}}) {
    try {
      set_from_text(config, key, text, "--set");
      ADD_FAILURE() << key << "=" << text;
    } catch (const Error& error) {
      EXPECT_TRUE(contains(error.what(), "--set") && contains(error.what(), key)) << error.what();
    }
  }
}

TEST_F(Config, WholeNumbersAreNumbersAndAStringIsOneModule) {
  const RunConfig config = read("lora_alpha = 16\ntarget_modules = \"all-linear\"\nmax_length = 99\n");
  EXPECT_EQ(config.adapter.lora_alpha, 16);
  EXPECT_EQ(config.max_seq_length, 99);
  EXPECT_EQ(config.target_modules, (std::vector<std::string>{"all-linear"}));
}

TEST_F(Config, TheGuidesKeysAreUnderstoodAndWhatIsDoneInsteadIsSaid) {
  RunConfig config;
  read_toml(config, fs::path(LORA_SOURCE_DIR) / "examples/guide.toml");
  finish(config);
  EXPECT_EQ(config.adapter.r, 16);
  EXPECT_EQ(config.adapter.lora_alpha, 16);
  EXPECT_EQ(config.adapter.target_modules.size(), 7u);
  EXPECT_EQ(config.train.learning_rate, 2e-4);
  EXPECT_EQ(config.train.warmup_steps, 5);
  EXPECT_EQ(config.train.batch_size(), 8);
  EXPECT_EQ(config.train.weight_decay, 0.01);
  EXPECT_EQ(config.train.seed, 3407u);
  ASSERT_EQ(config.notes.size(), 1u);
  EXPECT_TRUE(contains(config.notes[0], "fp16")) << config.notes[0];
  EXPECT_TRUE(config.load_in_4bit);
}

TEST_F(Config, TheJsonExampleIsReadWithoutANote) {
  RunConfig config;
  read_toml(config, fs::path(LORA_SOURCE_DIR) / "examples/json-extraction/config.toml");
  finish(config);
  EXPECT_TRUE(config.notes.empty());
  EXPECT_EQ(config.adapter.lora_alpha, 32);
  EXPECT_EQ(config.adapter.lora_dropout, 0.05);
  EXPECT_EQ(config.max_seq_length, 512);
  EXPECT_EQ(config.train.batch_size(), 8);
}

TEST_F(Config, WhatRunJsonRecordsReadsBackAsTheSame) {
  RunConfig config;
  read_toml(config, fs::path(LORA_SOURCE_DIR) / "examples/guide.toml");
  const auto json = config_json(config);
  std::string toml;
  for (const auto& [name, value] : json.items()) toml += name + " = " + value.dump() + "\n";
  EXPECT_EQ(config_json(read(toml)), config_json(config));
}

TEST_F(Config, ChecksStandInTheFileOrInOneOfTheirOwn) {
  const std::string check = "[[check]]\ntype = \"length\"\nmax = 5\n";
  RunConfig inside = read("model = \"m.gguf\"\n" + check);
  finish(inside);
  ASSERT_EQ(inside.checks.checks.size(), 1u);
  EXPECT_EQ(config_json(inside)["check"][0]["max"], 5);

  const fs::path own = folder_.path() / "checks.toml";
  write_file_atomic(own, check, IfExists::kReplace);
  RunConfig beside = read("model = \"m.gguf\"\n");
  EXPECT_FALSE(config_json(beside).contains("check"));
  set_from_text(beside, "checks", own.string(), "--checks");
  finish(beside);
  EXPECT_EQ(config_json(beside)["check"], config_json(inside)["check"]);

  RunConfig both = read("model = \"m.gguf\"\n" + check);
  both.checks_file = own.string();
  EXPECT_THROW(finish(both), Error);
  EXPECT_TRUE(contains(error_of("r = 8\n[[check]]\ntype = \"lenght\"\n"), "my.toml:3:8"));
  EXPECT_TRUE(contains(error_of("check = 3\n"), "my.toml:1:"));
}

TEST_F(Config, MemoryLimitAndRecomputeAreRead) {
  RunConfig config = read("model = \"m.gguf\"\nmemory_limit = \"1.5GB\"\nrecompute = \"cheap\"\n");
  finish(config);
  EXPECT_EQ(config.memory_limit_bytes, 1'500'000'000);
  EXPECT_EQ(config.train.recompute, Recompute::kCheap);
  config.recompute = "auto";
  config.memory_limit = "";
  finish(config);
  EXPECT_EQ(config.memory_limit_bytes, 0);
  EXPECT_EQ(config.train.recompute, Recompute::kNone);
  for (const auto& [key, value, part] : std::vector<std::array<std::string, 3>>{
           {"memory_limit", "3 apples", "3 apples"},
           {"recompute", "all", "auto, none, cheap or block"},
           {"float32_matmul_precision", "low", "auto, highest, high or medium"}}) {
    RunConfig bad = read("model = \"m.gguf\"\n");
    set_from_text(bad, key, value, "--" + key);
    try {
      finish(bad);
      ADD_FAILURE() << key;
    } catch (const Error& error) {
      EXPECT_TRUE(contains(error.what(), part)) << error.what();
      EXPECT_TRUE(contains(error.what(), key)) << error.what();
    }
  }
}

TEST_F(Config, Bfloat16IsAPrecisionOfProductsUnlessAnotherIsAskedFor) {
  RunConfig config = read("model = \"m.gguf\"\nbf16 = true\n");
  finish(config);
  EXPECT_EQ(config.float32_matmul_precision, "medium");
  ASSERT_EQ(config.notes.size(), 1u);
  EXPECT_TRUE(contains(config.notes[0], "medium")) << config.notes[0];
  config = read("model = \"m.gguf\"\nbf16 = true\nfloat32_matmul_precision = \"highest\"\n");
  finish(config);
  EXPECT_EQ(config.float32_matmul_precision, "highest");
  EXPECT_TRUE(contains(config.notes.at(0), "highest")) << config.notes[0];
}

TEST_F(Config, WhatHasNoEffectIsSaid) {
  const auto noted = [&](const std::string& keys, const std::string& part) {
    RunConfig config = read("model = \"m.gguf\"\n" + keys);
    finish(config);
    EXPECT_EQ(config.notes.size(), part.empty() ? 0u : 1u) << keys;
    for (const std::string& note : config.notes) EXPECT_TRUE(contains(note, part)) << note;
    return config;
  };
  for (const std::string where : {"reference = true\n", "device = \"cuda\"\n"}) {
    EXPECT_EQ(noted(where, "").float32_matmul_precision, "highest");
    EXPECT_EQ(noted(where + "bf16 = true\n", "bf16: plain").float32_matmul_precision, "highest");
    EXPECT_EQ(noted(where + "float32_matmul_precision = \"high\"\n", "float32_matmul_precision: plain")
                  .float32_matmul_precision,
              "highest");
    noted(where + "float32_matmul_precision = \"highest\"\n", "");
  }
  noted("num_decay_steps = 5\n", "linear has no such steps");
  noted("num_decay_steps = 5\nlr_scheduler_type = \"warmup_stable_decay\"\n", "");
  noted("eval_strategy = \"no\"\nvalid_size = 5\n", "valid_size");
  noted("eval_data = \"e.jsonl\"\ntest_size = 5\n", "test_size");
}

TEST_F(Config, AMissingFileIsNamed) {
  RunConfig config;
  try {
    read_toml(config, folder_.path() / "none.toml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "none.toml"));
  }
}

}  // namespace
}  // namespace lora
