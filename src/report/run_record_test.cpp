#include "report/run_record.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "report/run_testing.h"

namespace lora {
namespace {

std::string error_of(const std::filesystem::path& folder) {
  try {
    read_run(folder);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(RunRecord, ReadsWhatIsThere) {
  const TestRun files;
  const RunRecord run = read_run(files.folder());
  EXPECT_EQ(run.run_hash, "abc");
  ASSERT_EQ(run.config.size(), 3u);
  EXPECT_EQ(run.config[0], (std::pair<std::string, std::string>("model", "m.gguf")))
      << "in the order of the file";
  EXPECT_EQ(run.config[2].second, "16");
  EXPECT_EQ(run.split->train, 40u);
  ASSERT_EQ(run.steps.size(), 2u);
  EXPECT_EQ(run.steps[0].eval_loss, 1.5);
  EXPECT_FALSE(run.steps[1].eval_loss);
  EXPECT_EQ(run.end->best_step, 1u);
  const EvaluationRecord& evaluation = *run.evaluation;
  EXPECT_EQ(evaluation.contestants, (std::vector<std::string>{"base", "tuned"}));
  ASSERT_EQ(evaluation.examples.size(), 3u);
  EXPECT_EQ(evaluation.examples[2].line, 12u);
  EXPECT_EQ(evaluation.examples[2].question[0].content, "question 2");
  EXPECT_TRUE(evaluation.examples[0].answers[1]->check("correct")->passed);
  EXPECT_EQ(evaluation.examples[0].answers[1]->prompt_tokens, 3u);
  const ComparisonRecord* pair = evaluation.comparison("tuned", "base", "correct");
  ASSERT_TRUE(pair);
  EXPECT_EQ(*pair->difference, 1);
  // Newcombe's interval from the counts, as it is not in the file: 3 wins of 3.
  EXPECT_GT(*pair->low, 0);
  EXPECT_NE(evaluation.sentence.find("3 wins, 0 losses"), std::string::npos);
}

TEST(RunRecord, ThePlanIsReadWithItsCategories) {
  const TestRun files;
  EXPECT_FALSE(read_run(files.folder()).plan);
  files.write("plan.json",
              R"({"format":1,"memory":{"program":100,"base":300,"cache":0,"total":400},)"
              R"("seconds":{"training":12.5,"asking":3},"tokens_per_second":80,"notes":["r: large"]})");
  const RunPlan plan = *read_run(files.folder()).plan;
  EXPECT_EQ(plan.seconds, 12.5);
  EXPECT_EQ(plan.tokens_per_second, 80);
  EXPECT_EQ(plan.peak_memory_bytes, 400);
  EXPECT_EQ(plan.memory, (std::vector<std::pair<std::string, double>>{{"base", 300}, {"program", 100}}));
  EXPECT_EQ(plan.notes, std::vector<std::string>{"r: large"});
  files.write("plan.json", R"({"format":1,"memory":{"program":"much"}})");
  EXPECT_NE(error_of(files.folder()).find("plan.json"), std::string::npos);
}

TEST(RunRecord, WhatIsAbsentIsNoError) {
  const TestRun files;
  for (const char* name : {"metrics.jsonl", "finished.json", "eval", "split"}) files.remove(name);
  const RunRecord run = read_run(files.folder());
  EXPECT_FALSE(run.end || run.evaluation || run.golden);
  EXPECT_TRUE(run.steps.empty());
}

TEST(RunRecord, ALossThatIsNoNumberStandsAsNull) {
  const TestRun files;
  files.add("metrics.jsonl", "{\"step\": 3, \"loss\": null, \"grad_norm\": null}\n");
  const RunRecord run = read_run(files.folder());
  ASSERT_EQ(run.steps.size(), 3u);
  EXPECT_TRUE(std::isnan(run.steps[2].loss));
}

TEST(RunRecord, AStepThatAKillCutShortIsPassedOver) {
  const TestRun files;
  files.add("metrics.jsonl", R"({"step": 3, "lo)");
  EXPECT_EQ(read_run(files.folder()).steps.size(), 2u);
  files.write("metrics.jsonl", R"({"step": 1, "loss": 2.0)");
  EXPECT_TRUE(read_run(files.folder()).steps.empty());
}

TEST(RunRecord, AFolderOfEvalHasItsFilesAtTheTop) {
  const TestRun files;
  for (const char* name : {"summary.json", "answers.jsonl"})
    std::filesystem::rename(files.folder() / "eval" / name, files.folder() / name);
  std::filesystem::rename(files.folder() / "split" / "test.jsonl", files.folder() / "questions.jsonl");
  files.remove("run.json");
  const RunRecord run = read_run(files.folder());
  ASSERT_TRUE(run.evaluation);
  EXPECT_EQ(run.evaluation->examples[1].question[0].content, "question 1");
}

TEST(RunRecord, BrokenFilesAreNamedWithTheirPlace) {
  const TestRun files;
  files.add("metrics.jsonl", "{\"step\": 3, \"loss\": }\n");
  EXPECT_NE(error_of(files.folder()).find("metrics.jsonl:3:21"), std::string::npos)
      << error_of(files.folder());
  files.write("metrics.jsonl", "{\"step\": 3, \"loss\": \"low\"}\n");
  EXPECT_NE(error_of(files.folder()).find("metrics.jsonl:1: loss"), std::string::npos);
  files.write("metrics.jsonl", "{\"step\": 3}\n");
  EXPECT_NE(error_of(files.folder()).find("no \"loss\""), std::string::npos);
  files.remove("metrics.jsonl");
  files.write("eval/summary.json", "[]");
  EXPECT_NE(error_of(files.folder()).find("summary.json"), std::string::npos);
  files.write("eval/summary.json", TestRun::summary("won"));
  files.add("eval/answers.jsonl", answer_line(0, "tuned", "x", "right words", true));
  EXPECT_NE(error_of(files.folder()).find("answers.jsonl:7"), std::string::npos) << "a second answer";
  files.write("eval/answers.jsonl", answer_line(0, "someone", "x", "y", true));
  EXPECT_NE(error_of(files.folder()).find("contestant of summary.json"), std::string::npos);
  EXPECT_NE(error_of(files.folder() / "none").find("no such folder"), std::string::npos);
  files.remove("run.json");
  EXPECT_NE(error_of(files.folder()).find("no run.json"), std::string::npos);
}

TEST(RunRecord, QuestionsThatDoNotFitAreLeftOut) {
  const TestRun files;
  files.write("split/test.jsonl",
              R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"other"}]})"
              "\n");
  const RunRecord run = read_run(files.folder());
  for (const AskedExample& example : run.evaluation->examples) EXPECT_TRUE(example.question.empty());
}

TEST(RunRecord, FieldsAreCountedWhereTheSummaryHasNone) {
  const TestRun files;
  files.write(
      "eval/answers.jsonl",
      R"({"id":0,"line":1,"contestant":"base","answer":"no JSON","reference":"{}","checks":{"correct":{"passed":false,"score":0,"why":"not JSON"}}})"
      "\n"
      R"({"id":0,"line":1,"contestant":"tuned","answer":"{}","reference":"{}","checks":{"correct":{"passed":false,"score":0.3,"fields":[)"
      R"({"name":"city","passed":true,"expected":"\"A\"","got":"\"A\""},{"name":"age","passed":false,"expected":"3","got":""},)"
      R"({"name":"more","passed":false,"expected":"","got":"1"}]}}})"
      "\n");
  const RunRecord run = read_run(files.folder());
  const auto& fields = run.evaluation->fields;
  const auto of = [&](const std::string& contestant, std::string_view name) {
    for (const FieldRecord& field : fields.at(contestant))
      if (field.name == name) return field;
    ADD_FAILURE() << name;
    return FieldRecord{};
  };
  EXPECT_EQ(of("tuned", "city").correct, 1u);
  EXPECT_EQ(of("tuned", "age").expected, 1u);
  EXPECT_EQ(of("tuned", "age").answered, 0u);
  EXPECT_EQ(of("tuned", "more").expected, 0u);
  EXPECT_EQ(of("base", "city").expected, 1u) << "an answer that is no JSON misses them";
  EXPECT_EQ(of("base", "city").correct, 0u);
}

}  // namespace
}  // namespace lora
