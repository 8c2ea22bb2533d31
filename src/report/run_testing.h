// A run directory for the tests of this room, with what is asked of it and nothing else. Not for programs.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "data/json_text.h"

namespace lora {

inline std::string json_quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// One line of answers.jsonl.
inline std::string answer_line(size_t id, std::string_view contestant, std::string_view answer,
                               std::string_view reference, bool right) {
  return fmt::format(
      R"({{"id":{},"line":{},"contestant":"{}","prompt_ids":[1,2,3],"answer":{},"reference":{},"stopped":true,)"
      R"("checks":{{"correct":{{"passed":{},"score":{}}}}}}})"
      "\n",
      id, id + 10, contestant, json_quoted(answer), json_quoted(reference), right, right ? 1 : 0);
}

class TestRun {
 public:
  TestRun() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) /
              fmt::format("run_{}_{}", test->test_suite_name(), test->name());
    std::filesystem::remove_all(folder_);
    write("run.json",
          R"({"format":1,"lora.cpp":"0.1.0","run_hash":"abc","threads":2,"config":{"model":"m.gguf",)"
          R"("train_data":"d.jsonl","r":16},"split":{"train":40,"valid":4,"test":3,"set_aside":0,"golden":0,)"
          R"("why":"because"},"notes":["a note"]})");
    write(
        "metrics.jsonl",
        R"({"step":1,"epoch":0.5,"loss":2.0,"eval_loss":1.5,"learning_rate":0.0001,"grad_norm":1.0,"examples":8,)"
        R"("tokens":100,"unique_tokens":90,"supervised_tokens":20,"seconds":1.5,"peak_memory_bytes":1048576})"
        "\n"
        R"({"step":2,"epoch":1,"loss":1.0,"eval_loss":null,"learning_rate":0.0002,"grad_norm":0.5,"examples":8,)"
        R"("tokens":100,"unique_tokens":90,"supervised_tokens":20,"seconds":3,"peak_memory_bytes":2097152})"
        "\n");
    write("finished.json",
          R"({"format":1,"steps":2,"best_step":1,"eval_loss_first":1.5,"eval_loss_best":1.5,)"
          R"("training_seconds":3.0,"warnings":[],"verdict":"won"})");
    write("eval/summary.json", summary("won"));
    for (const char* contestant : {"base", "tuned"})
      for (size_t i = 0; i < 3; ++i)
        add("eval/answers.jsonl",
            answer_line(i, contestant, contestant == std::string("tuned") ? "right words" : "wrong words",
                        "right words", contestant == std::string("tuned")));
    for (size_t i = 0; i < 3; ++i)
      add("split/test.jsonl",
          fmt::format(
              R"({{"messages":[{{"role":"user","content":"question {}"}},{{"role":"assistant","content":"right words"}}]}})"
              "\n",
              i));
  }
  ~TestRun() { std::filesystem::remove_all(folder_); }
  TestRun(const TestRun&) = delete;
  TestRun& operator=(const TestRun&) = delete;

  static std::string summary(std::string_view verdict) {
    return fmt::format(
        R"({{"format":1,"primary":"correct","verdict":"{}","contestants":{{)"
        R"("base":{{"correct":{{"value":0,"n":3,"low":0,"high":0.56}}}},"tuned":{{"correct":{{"value":1,"n":3,"low":0.44,"high":1}}}}}},)"
        R"("comparisons":[{{"a":"tuned","b":"base","metric":"correct","wins":3,"losses":0,"ties":0,"p":0.25,"smallest_detectable":null}}]}})",
        verdict);
  }

  void write(const std::string& name, std::string_view text) const { put(name, text, std::ios::trunc); }
  void add(const std::string& name, std::string_view text) const { put(name, text, std::ios::app); }
  void remove(const std::string& name) const { std::filesystem::remove_all(folder_ / name); }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  void put(const std::string& name, std::string_view text, std::ios::openmode mode) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream file(folder_ / name, std::ios::binary | mode);
    file << text;
  }

  std::filesystem::path folder_;
};

}  // namespace lora
