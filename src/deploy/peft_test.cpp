// PEFT folders: what is written is read back, and whatever would compute something else is refused by name.
// That PEFT itself reads them is tested in tests/parity.
#include "deploy/peft.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "deploy/peft_targets.h"
#include "files/safetensors.h"
#include "model/testing.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class Peft : public ::testing::Test {
 protected:
  void SetUp() override { save_peft(folder_.path(), adapter_, &record_); }

  std::string error_of(const std::function<void()>& f) const {
    try {
      f();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "no error";
  }
  std::string load_error(const ModelConfig& model = testing::tiny_config()) const {
    return error_of([&] { load_peft(folder_.path(), model); });
  }
  // The same with a changed adapter_config.json.
  std::string config_error(const std::function<void(Json&)>& change) const {
    const fs::path file = folder_.path() / "adapter_config.json";
    const std::string whole = read_file(file);
    Json json = Json::parse(whole);
    change(json);
    write_file_atomic(file, json.dump(), IfExists::kReplace);
    const std::string error = load_error();
    write_file_atomic(file, whole, IfExists::kReplace);
    return error;
  }
  // The same with changed tensors.
  std::string tensors_error(const std::function<void(std::vector<TensorInfo>&)>& change) const {
    const fs::path file = folder_.path() / "adapter_model.safetensors";
    const std::string whole = read_file(file);
    {
      const SafetensorsFile open = SafetensorsFile::parse("x", std::as_bytes(std::span(whole)));
      std::vector<TensorInfo> tensors = open.tensors();
      change(tensors);
      write_safetensors(file, tensors);
    }
    const std::string error = load_error();
    write_file_atomic(file, whole, IfExists::kReplace);
    return error;
  }

  testing::TemporaryFolder folder_;
  Adapter adapter_ = testing::tiny_adapter(at::kFloat, 0.25);
  AdapterRecord record_{"models/base.gguf", "base-fingerprint", "text-fingerprint", {5, 6, 7}};
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Peft, RoundTrip) {
  const Adapter loaded = load_peft(folder_.path(), testing::tiny_config());
  EXPECT_EQ(loaded.config(), adapter_.config());
  EXPECT_TRUE(at::equal(loaded.parameters(), adapter_.parameters()));
  testing::TemporaryFolder again;
  save_peft(again.path(), loaded, &record_);
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "lora.json"})
    EXPECT_EQ(read_file(again.path() / name), read_file(folder_.path() / name)) << name;
}

TEST_F(Peft, SomeModulesAndRsloraRoundTrip) {
  AdapterConfig config;
  config.r = 2;
  config.lora_alpha = 1.5;
  config.use_rslora = true;
  config.target_modules = {"v_proj", "down_proj"};
  Adapter adapter = Adapter::create(testing::tiny_config(), config, 1);
  testing::randomize_B(adapter, 2);
  testing::TemporaryFolder folder;
  save_peft(folder.path(), adapter, nullptr);
  const Adapter loaded = load_peft(folder.path(), testing::tiny_config());
  EXPECT_EQ(loaded.config(), config);
  EXPECT_TRUE(at::equal(loaded.parameters(), adapter.parameters()));
  EXPECT_FALSE(fs::exists(folder.path() / "lora.json"));
  EXPECT_TRUE(read_record(folder.path()).base_fingerprint.empty());
}

TEST_F(Peft, NamesAndSettingsAreThoseOfPeft) {
  const Json json = Json::parse(read_file(folder_.path() / "adapter_config.json"));
  EXPECT_EQ(json["peft_type"], "LORA");
  EXPECT_EQ(json["task_type"], "CAUSAL_LM");
  EXPECT_EQ(json["lora_alpha"].dump(), "5");
  EXPECT_EQ(json["target_modules"].size(), 7u);
  const SafetensorsFile file = SafetensorsFile::open(folder_.path() / "adapter_model.safetensors");
  EXPECT_EQ(file.tensors().size(), 2u * 7 * 3);
  const TensorInfo* a = file.find("base_model.model.model.layers.2.self_attn.k_proj.lora_A.weight");
  const TensorInfo* b = file.find("base_model.model.model.layers.0.mlp.down_proj.lora_B.weight");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{3, 22}));
  EXPECT_EQ(b->shape, (std::vector<int64_t>{22, 3}));
}

TEST_F(Peft, AMissingTensorIsNamed) {
  const std::string error = tensors_error([](auto& tensors) {
    std::erase_if(tensors,
                  [](const TensorInfo& t) { return contains(t.name, "layers.1.mlp.up_proj.lora_B"); });
  });
  EXPECT_TRUE(contains(error, "layers.1.mlp.up_proj.lora_B.weight is missing")) << error;
}

TEST_F(Peft, ATensorTooManyIsNamed) {
  const std::string error = tensors_error([](auto& tensors) {
    TensorInfo more = tensors[0];
    more.name = "base_model.model.lm_head.lora_A.weight";
    tensors.push_back(more);
  });
  EXPECT_TRUE(contains(error, "lm_head.lora_A.weight has no place")) << error;
}

TEST_F(Peft, AnotherShapeIsNamedWithBoth) {
  const std::string error = tensors_error([](auto& tensors) {
    for (TensorInfo& t : tensors)
      if (contains(t.name, "layers.0.self_attn.q_proj.lora_A")) std::swap(t.shape[0], t.shape[1]);
  });
  EXPECT_TRUE(contains(error, "q_proj.lora_A.weight has the shape [22, 3]") && contains(error, "[3, 22]"))
      << error;
  ModelConfig deeper = testing::tiny_config();
  deeper.num_hidden_layers = 4;
  EXPECT_TRUE(contains(load_error(deeper), "layers.3.")) << load_error(deeper);
  ModelConfig shallower = testing::tiny_config();
  shallower.num_hidden_layers = 2;
  EXPECT_TRUE(contains(load_error(shallower), "layers.2.")) << load_error(shallower);
}

TEST_F(Peft, SettingsThatWouldChangeTheResultAreNamed) {
  const std::vector<std::pair<std::string, Json>> settings{{"use_dora", true},
                                                           {"bias", "all"},
                                                           {"modules_to_save", {"lm_head"}},
                                                           {"rank_pattern", {{"q_proj", 4}}},
                                                           {"alpha_pattern", {{"q_proj", 4}}},
                                                           {"fan_in_fan_out", true},
                                                           {"lora_bias", true},
                                                           {"trainable_token_indices", {1}},
                                                           {"target_parameters", {"experts"}},
                                                           {"layer_replication", {{0, 2}}},
                                                           {"init_lora_weights", "pissa"},
                                                           {"init_lora_weights", "pissa_niter_4"},
                                                           {"init_lora_weights", "loftq"},
                                                           {"init_lora_weights", "olora"}};
  for (const auto& [name, value] : settings) {
    const std::string error = config_error([&](Json& json) { json[name] = value; });
    EXPECT_TRUE(contains(error, "\"" + name + "\"")) << name << ": " << error;
  }
}

TEST_F(Peft, DefaultsWrittenOutAreAccepted) {
  const std::vector<std::pair<std::string, Json>> settings{{"use_dora", false},
                                                           {"bias", "none"},
                                                           {"modules_to_save", nullptr},
                                                           {"rank_pattern", Json::object()},
                                                           {"layers_to_transform", nullptr},
                                                           {"init_lora_weights", "gaussian"},
                                                           {"loftq_config", Json::object()},
                                                           {"use_rslora", false},
                                                           {"revision", nullptr},
                                                           {"target_modules", "all-linear"}};
  for (const auto& [name, value] : settings)
    EXPECT_EQ(config_error([&](Json& json) { json[name] = value; }), "no error") << name;
}

// As PEFT: a string is a regular expression for the whole path, a list holds endings of it.
TEST_F(Peft, TargetsAreThoseOfPeft) {
  const auto modules = [&](const Json& settings, int64_t layer) {
    const ModelConfig model = testing::tiny_config();
    AdapterConfig config = adapter_.config();
    config.target_modules = peft_targets(settings, model, "adapter_config.json");
    const Adapter adapter = Adapter::create(model, config, 0);
    std::string names;
    for (const Module m : model.modules)
      if (adapter.has(layer, m)) names += std::string(module_name(m)) + " ";
    return names;
  };
  const std::string all = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj ";
  EXPECT_EQ(modules({{"target_modules", "all-linear"}}, 1), all);
  EXPECT_EQ(modules({{"target_modules", {"v_proj", "self_attn.q_proj"}}}, 1), "q_proj v_proj ");
  EXPECT_EQ(modules({{"target_modules", R"(.*\.(q|k)_proj)"}}, 1), "q_proj k_proj ");
  EXPECT_EQ(modules({{"target_modules", R"(.*\.1\..*_proj)"}}, 1), all);
  EXPECT_EQ(modules({{"target_modules", R"(.*\.1\..*_proj)"}}, 0), "");
  EXPECT_EQ(modules({{"target_modules", {"model.layers.0.mlp.up_proj", "q_proj"}}}, 0), "q_proj up_proj ");
  EXPECT_EQ(modules({{"target_modules", {"model.layers.0.mlp.up_proj", "q_proj"}}}, 2), "q_proj ");
  EXPECT_EQ(modules({{"target_modules", {"gate_up_proj", "o_proj"}}}, 0), "o_proj ")
      << "another family's name beside";
  EXPECT_EQ(
      modules({{"target_modules", "all-linear"}, {"exclude_modules", {"mlp.up_proj", "q_proj", "lm_head"}}},
              0),
      "k_proj v_proj o_proj gate_proj down_proj ");
  EXPECT_EQ(modules({{"target_modules", "all-linear"}, {"exclude_modules", ".*mlp.*"}}, 0),
            "q_proj k_proj v_proj o_proj ");
  EXPECT_EQ(modules({{"target_modules", {"q_proj"}}, {"layers_to_transform", {0, 2}}}, 2), "q_proj ");
  EXPECT_EQ(modules({{"target_modules", {"q_proj"}}, {"layers_to_transform", {0, 2}}}, 1), "");
  EXPECT_EQ(
      modules({{"target_modules", {"q_proj"}}, {"layers_to_transform", 1}, {"layers_pattern", "layers"}}, 1),
      "q_proj ");

  for (const Json& bad :
       {Json{{"target_modules", {"q_proj"}}, {"layers_to_transform", {3}}},
        Json{{"target_modules", {"q_proj"}}, {"layers_to_transform", {-1}}},
        Json{{"target_modules", {"q_proj"}}, {"layers_to_transform", "all"}},
        Json{{"target_modules", {"q_proj"}}, {"layers_to_transform", 1}, {"layers_pattern", "h"}},
        Json{{"target_modules", {"q_proj"}}, {"exclude_modules", {"q_proj"}}},
        Json{{"target_modules", {"c_attn", "c_proj"}}}, Json{{"target_modules", "(q_proj"}},
        Json{{"target_modules", {1}}}, Json{{"target_modules", Json::array()}}, Json{}})
    EXPECT_NE(error_of([&] { modules(bad, 0); }), "no error") << bad;
}

TEST_F(Peft, LayersThatDifferAreWrittenSoThatPeftReadsThem) {
  const auto written = [](const std::vector<std::string>& targets) {
    AdapterConfig config;
    config.r = 2;
    config.target_modules = targets;
    Adapter adapter = Adapter::create(testing::tiny_config(), config, 1);
    testing::randomize_B(adapter, 2);
    testing::TemporaryFolder folder;
    save_peft(folder.path(), adapter, nullptr);
    const Adapter loaded = load_peft(folder.path(), testing::tiny_config());
    EXPECT_TRUE(at::equal(loaded.parameters(), adapter.parameters()));
    return Json::parse(read_file(folder.path() / "adapter_config.json"))["target_modules"];
  };
  EXPECT_EQ(written({".*\\.1\\.mlp\\.up_proj"}), Json(".*\\.1\\.mlp\\.up_proj"));
  EXPECT_EQ(written({".*\\.1\\.mlp\\.up_proj", "model.layers.0.self_attn.q_proj"}),
            Json({"model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"}));
  EXPECT_EQ(written({".*q_proj", "v_proj"}), Json({"q_proj", "v_proj"}));
}

TEST_F(Peft, WhatItWasTrainedOnAndWithIsKept) {
  EXPECT_FALSE(fs::exists(folder_.path() / "chat_template.jinja"));
  EXPECT_EQ(read_chat_template(folder_.path()), std::nullopt);
  EXPECT_EQ(read_record(folder_.path()).base_quantization, "");
  record_.base_quantization = "bitsandbytes nf4";
  record_.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}\n";
  save_peft(folder_.path(), adapter_, &record_);
  EXPECT_EQ(read_chat_template(folder_.path()), record_.chat_template);
  EXPECT_EQ(read_record(folder_.path()).chat_template, record_.chat_template);
  EXPECT_EQ(read_record(folder_.path()).base_quantization, "bitsandbytes nf4");
  write_file_atomic(folder_.path() / "chat_template.jinja", std::string((1 << 20) + 1, ' '),
                    IfExists::kReplace);
  EXPECT_TRUE(contains(error_of([&] { read_chat_template(folder_.path()); }), "chat_template.jinja"));
}

TEST_F(Peft, BrokenConfigurationsAreRefused) {
  EXPECT_TRUE(contains(config_error([](Json& json) { json["peft_type"] = "IA3"; }), "IA3"));
  EXPECT_TRUE(contains(config_error([](Json& json) { json.erase("peft_type"); }), "peft_type"));
  EXPECT_TRUE(contains(config_error([](Json& json) { json.erase("r"); }), "\"r\""));
  EXPECT_TRUE(contains(config_error([](Json& json) { json["r"] = "16"; }), "\"r\""));
  EXPECT_TRUE(contains(config_error([](Json& json) { json["r"] = 0; }), "r is 0"));
  EXPECT_TRUE(contains(config_error([](Json& json) { json["lora_alpha"] = -1; }), "lora_alpha"));
  EXPECT_TRUE(contains(config_error([](Json& json) { json["target_modules"] = {"c_attn"}; }), "c_attn"));
  EXPECT_TRUE(contains(config_error([](Json& json) { json.erase("target_modules"); }), "target_modules"));
  EXPECT_NE(config_error([](Json& json) { json = Json::array(); }), "no error");
  write_file_atomic(folder_.path() / "adapter_config.json", "{", IfExists::kReplace);
  EXPECT_TRUE(contains(load_error(), "adapter_config.json"));
}

TEST_F(Peft, AnAlteredOrMissingFileIsNamed) {
  const fs::path file = folder_.path() / "adapter_model.safetensors";
  const std::string whole = read_file(file);
  write_file_atomic(file, whole.substr(0, whole.size() - 1), IfExists::kReplace);
  EXPECT_TRUE(contains(load_error(), "adapter_model.safetensors"));
  fs::remove(file);
  EXPECT_TRUE(contains(load_error(), "adapter_model.safetensors"));
  EXPECT_TRUE(
      contains(error_of([&] { load_peft(folder_.path() / "nowhere", testing::tiny_config()); }), "nowhere"));
}

TEST_F(Peft, TheRecordTiesAnAdapterToItsBaseAndText) {
  const AdapterRecord read = read_record(folder_.path());
  EXPECT_EQ(read.base_path, record_.base_path);
  EXPECT_EQ(read.golden_ids, record_.golden_ids);
  const auto check = [&](const std::string& base, const std::string& text) {
    AdapterRecord now = record_;
    now.base_fingerprint = base;
    now.text_fingerprint = text;
    return error_of([&] { check_record(folder_.path(), now); });
  };
  EXPECT_EQ(check("base-fingerprint", "text-fingerprint"), "no error");
  EXPECT_TRUE(contains(check("other", "text-fingerprint"), "another base (models/base.gguf)"));
  EXPECT_TRUE(contains(check("base-fingerprint", "other"), "tokenizer or chat template"));
  AdapterRecord now = record_;
  now.golden_ids.push_back(1);
  EXPECT_TRUE(contains(error_of([&] { check_record(folder_.path(), now); }), "other tokens of the same"));
  now.template_options = R"({"date":"2020-01-01"})";
  EXPECT_EQ(error_of([&] { check_record(folder_.path(), now); }), "no error") << "told something else";
  fs::remove(folder_.path() / "lora.json");
  EXPECT_EQ(check("other", "other"), "no error") << "an adapter of PEFT's own";
  write_file_atomic(folder_.path() / "lora.json", "{}", IfExists::kReplace);
  EXPECT_TRUE(contains(check("other", "other"), "lora.json"));
}

}  // namespace
}  // namespace lora
