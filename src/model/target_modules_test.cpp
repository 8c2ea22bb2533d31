#include "model/target_modules.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/testing.h"

namespace lora {
namespace {

using Layers = std::vector<std::vector<Module>>;

Layers resolve(const std::vector<std::string>& targets, const ModelConfig& model = testing::tiny_config()) {
  return resolve_target_modules(targets, model);
}

ModelConfig fused_config() {
  ModelConfig c = testing::tiny_config();
  c.modules = {Module::kQkv, Module::kO, Module::kGateUp, Module::kDown};
  return c;
}

TEST(TargetModules, NamesAndEndingsOfPaths) {
  EXPECT_EQ(resolve({"v_proj", "q_proj", "v_proj"}), Layers(3, {Module::kQ, Module::kV}));
  EXPECT_EQ(resolve({"self_attn.o_proj", "layers.1.mlp.up_proj"}),
            (Layers{{Module::kO}, {Module::kO, Module::kUp}, {Module::kO}}));
  EXPECT_EQ(resolve({"model.layers.2.mlp.down_proj"}), (Layers{{}, {}, {Module::kDown}}));
}

TEST(TargetModules, AllLinearIsWhatTheModelHas) {
  EXPECT_EQ(resolve({"all-linear"}), Layers(3, {kPlainModules.begin(), kPlainModules.end()}));
  EXPECT_EQ(resolve({"all-linear"}, fused_config()),
            Layers(3, {Module::kQkv, Module::kO, Module::kGateUp, Module::kDown}));
  EXPECT_EQ(resolve({"qkv_proj"}, fused_config()), Layers(3, {Module::kQkv}));
}

// What re.fullmatch says of each path.
TEST(TargetModules, RegularExpressionsMatchWholePaths) {
  EXPECT_EQ(resolve({R"(.*\.(q|v)_proj)"}), Layers(3, {Module::kQ, Module::kV}));
  EXPECT_EQ(resolve({R"(model\.layers\.(0|2)\.mlp\.(?!gate)\w+)"}),
            (Layers{{Module::kUp, Module::kDown}, {}, {Module::kUp, Module::kDown}}));
  EXPECT_EQ(resolve({R"((?P<any>.*)_proj)"}), Layers(3, {kPlainModules.begin(), kPlainModules.end()}));
  EXPECT_THROW(resolve({R"((q|v)_proj)"}), Error) << "a part of the path is not the path";
  EXPECT_THROW(resolve({R"(.*\.q_pro.?.?.?x)"}), Error);
}

std::string error_of(const std::vector<std::string>& targets, const ModelConfig& model) {
  try {
    resolve(targets, model);
    return "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.parts().where, "target_modules");
    return error.what();
  }
}

TEST(TargetModules, WhatMatchesNothingIsNamed) {
  for (const std::vector<std::string>& targets : {std::vector<std::string>{"q_proj", "c_attn"},
                                                  {"c_attn"},
                                                  {},
                                                  {""},
                                                  {"all-linear", "q_proj"},
                                                  {"Q_PROJ"},
                                                  {"q_proj "},
                                                  {"proj"},
                                                  {"layers.7.self_attn.q_proj"},
                                                  {"(q_proj"},
                                                  {"((((.*)*)*)*)*x"},
                                                  {".*experts.*"}})
    EXPECT_NE(error_of(targets, testing::tiny_config()), "no error");
  const std::string error = error_of({"q_proj"}, fused_config());
  EXPECT_NE(error.find("\"q_proj\""), std::string::npos) << error;
  EXPECT_NE(error.find("qkv_proj"), std::string::npos) << "the modules that there are: " << error;
}

TEST(TargetModules, BeforeTheModelIsKnownOnlyWhatNoModelHasIsRefused) {
  EXPECT_EQ(parse_target_modules({"qkv_proj", "q_proj"}).size(), 2u);
  EXPECT_EQ(parse_target_modules({"all-linear"}).size(), 1u);
  EXPECT_THROW(parse_target_modules({"qproj"}), Error);
  EXPECT_THROW(parse_target_modules({"[a-"}), Error);
}

}  // namespace
}  // namespace lora
