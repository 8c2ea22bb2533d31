#include "report/run_page.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "report/example_browser.h"
#include "report/run_testing.h"

namespace lora {
namespace {

size_t count(std::string_view text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

nlohmann::json data_of(std::string_view page) {
  const std::string_view open = "id=\"example-data\">";
  const size_t begin = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

constexpr std::string_view kHostile =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)> <!-- &amp; \" ' \xE2\x80\xA8 "
    "\xE2\x80\xAE שלום";

TEST(RunPage, DataNeverBecomesMarkup) {
  const TestRun files;
  files.write("eval/answers.jsonl",
              answer_line(0, "base", kHostile, kHostile, true) +
                  answer_line(0, "tuned", std::string(kHostile) + " and more", kHostile, false));
  files.write("split/test.jsonl", R"({"messages":[{"role":"system","content":)" + json_quoted(kHostile) +
                                      R"(},{"role":"user","content":)" + json_quoted(kHostile) +
                                      R"(},{"role":"assistant","content":)" + json_quoted(kHostile) +
                                      "}]}\n");
  files.write("run.json", R"({"config":{"model":)" + json_quoted(kHostile) + R"(},"notes":[)" +
                              json_quoted(kHostile) + "]}");
  const std::string page = run_page_html(read_run(files.folder()));
  EXPECT_EQ(count(page, "<script"), 2u) << "the data and the program";
  EXPECT_EQ(count(page, "</script"), 2u);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find("<!--"), std::string::npos);
  EXPECT_EQ(page.find("\xE2\x80\xA8"), std::string::npos);
  EXPECT_EQ(page.find("\xE2\x80\xAE"), std::string::npos);
  const nlohmann::json data = data_of(page);
  EXPECT_NE(data["examples"][0]["r"].get<std::string>().find("</script><script>alert(1)"), std::string::npos)
      << "it is there, as text";
  for (const char* loading : {"http:", "https:", "@import", "url("})
    EXPECT_EQ(page.find(loading), std::string::npos) << loading;
}

TEST(RunPage, ThePlanStandsBesideWhatWas) {
  const TestRun files;
  EXPECT_EQ(count(run_page_html(read_run(files.folder())), "Plan and actual"), 0u);
  files.write("plan.json", R"({"memory":{"program":1048576,"base":2097152,"total":3145728},"why":)" +
                               json_quoted(kHostile) +
                               R"(,"seconds":{"training":61},"notes":["r: <large>"]})");
  const std::string page = run_page_html(read_run(files.folder()));
  EXPECT_EQ(count(page, "Plan and actual"), 1u);
  EXPECT_NE(page.find("1 min 01 s"), std::string::npos);
  EXPECT_NE(page.find("<td class=\"number\">3 MiB</td><td class=\"number\">2 MiB</td>"), std::string::npos)
      << "planned and actual peak";
  EXPECT_NE(page.find("180 (10 % fewer)"), std::string::npos) << "what sharing saved";
  EXPECT_NE(page.find("<tr><td>base</td><td class=\"number\">2 MiB</td></tr>"), std::string::npos);
  EXPECT_NE(page.find("r: &lt;large&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
}

TEST(RunPage, WhatFourBitsCostIsShown) {
  const TestRun files;
  EXPECT_EQ(run_page_html(read_run(files.folder())).find("in 4 bits"), std::string::npos);
  files.write("finished.json",
              R"({"steps":2,"load_in_4bit":{"examples":8,"loss_full_precision":2.31,"loss_4bit":2.3815}})");
  const std::string page = run_page_html(read_run(files.folder()));
  EXPECT_NE(page.find("2.3100"), std::string::npos);
  EXPECT_NE(page.find("2.3815 (+0.0715)"), std::string::npos);
}

TEST(RunPage, TheVerdictGoesByTheRecord) {
  const TestRun files;
  const auto page_for = [&](const std::string& verdict) {
    files.write("eval/summary.json", TestRun::summary(verdict));
    return run_page_html(read_run(files.folder()));
  };
  EXPECT_NE(page_for("won").find("verdict ok\"><strong>The tuned model won"), std::string::npos);
  EXPECT_NE(page_for("worse").find("verdict error"), std::string::npos);
  EXPECT_NE(page_for("prompting_suffices").find("Prompting would have done"), std::string::npos);
  EXPECT_NE(page_for("no_difference_shown").find("No difference was shown"), std::string::npos);
  const std::string won = page_for("won");
  for (const char* part : {"3 / 0 / 0", "p = 0.25", "44 % to 100 %", ">none<", "held-out examples"})
    EXPECT_NE(won.find(part), std::string::npos) << part;
}

TEST(RunPage, ScoresAreNoPercentagesAndTheTestIsNamed) {
  const TestRun files;
  files.write(
      "eval/summary.json",
      R"({"format":1,"primary":"rouge_l","verdict":"won","metrics":[{"name":"rouge_l","type":"rouge_l","kind":"score"}],)"
      R"("contestants":{"base":{"rouge_l":{"value":0.4123,"n":3,"low":0.2,"high":0.6,"kind":"score"}},)"
      R"("tuned":{"rouge_l":{"value":0.75,"n":3,"low":0.5,"high":0.9,"kind":"score"}}},)"
      R"("comparisons":[{"a":"tuned","b":"base","metric":"rouge_l","wins":3,"losses":0,"ties":0,"p":0.25,)"
      R"("smallest_detectable":0.212,"kind":"score","test":"permutation_exact","p_adjusted":0.25,)"
      R"("difference":0.3377,"low":0.1,"high":0.55}]})");
  const std::string page = run_page_html(read_run(files.folder()));
  for (const char* part : {"<dd>0.412</dd>", "0.200 to 0.600", ">+0.338<", "+0.100 to +0.550", ">0.212<",
                           "p = 0.25, exact permutation test"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  for (const char* part : {"41 %", "20 % to 60 %", "+34 %", "21 %", "exact test"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST(RunPage, WhereAJudgeDecidedTheChecksDoNot) {
  const TestRun files;
  std::string summary = TestRun::summary("no_difference_shown");
  summary.insert(1, R"("decided_by":"judge","enough_examples":true,"why_primary":"correct decides.",)");
  files.write("eval/summary.json", summary);
  const std::string page = run_page_html(read_run(files.folder()));
  for (const char* part : {"No difference was shown", "Decided by the judge; beside it <code>correct</code>",
                           "The judge decides; the others describe."})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  for (const char* part : {"Decided by <code>", "(decides)", "correct decides.", "too few examples"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST(RunPage, ARunThatIsNotFinishedHasAPage) {
  const TestRun files;
  for (const char* name : {"metrics.jsonl", "finished.json", "eval", "split"}) files.remove(name);
  EXPECT_NE(run_page_html(read_run(files.folder())).find("Not finished"), std::string::npos);
}

TEST(RunPage, SameDirectorySameBytes) {
  const TestRun files;
  const std::string first = read_file(write_run_page(files.folder()));
  EXPECT_EQ(first, read_file(write_run_page(files.folder())));
  EXPECT_NE(first.find("question 1"), std::string::npos);
}

TEST(RunPage, ExamplesBeyondTheMostAreCounted) {
  const TestRun files;
  const RunRecord run = read_run(files.folder());
  const std::string page = run_page_html(run, {.most_examples = 2, .most_wins = 1});
  EXPECT_NE(page.find("first 2 of 3 examples; the other 1 are in <code>eval/answers.jsonl</code>"),
            std::string::npos);
  EXPECT_EQ(data_of(page)["examples"].size(), 2u);
  EXPECT_EQ(count(page, "<article"), 1u) << "one win at length";
  EXPECT_NE(page.find("The first 1 are shown"), std::string::npos);
}

TEST(RunPage, DifferencesAreMarkedInTheData) {
  const TestRun files;
  const nlohmann::json data = data_of(run_page_html(read_run(files.folder())));
  const nlohmann::json& answers = data["examples"][0]["a"];
  EXPECT_EQ(answers[0]["m"], (nlohmann::json{0, 5})) << "\"wrong\" in place of \"right\"";
  EXPECT_FALSE(answers[1].contains("m")) << "as the reference";
  EXPECT_EQ(answers[1]["b"], (nlohmann::json{0, 5})) << "unlike the base";
  EXPECT_EQ(answers[0]["v"], nlohmann::json{0});
  EXPECT_EQ(answers[1]["v"], nlohmann::json{1});
}

TEST(RunPage, AJudgeIsShownWithWhetherItIsBelieved) {
  const TestRun files;
  files.write("eval/judge.json",
              R"({"format":1,"judge":"some<model>","usable":false,"reasons":["it prefers the first"]})");
  const std::string page = run_page_html(read_run(files.folder()));
  for (const char* part : {"some&lt;model&gt;", "not believed", "it prefers the first"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("It only describes."), std::string::npos) << "it was not heard";
  files.write(
      "eval/judge.json",
      R"({"format":1,"judge":"m","mode":"pairwise","usable":true,"reasons":[],"warnings":["one family"],"decides":true,)"
      R"("sentence":"Tuned is preferred.","comparisons":[{"a":"tuned","b":"base","n":40,"wins":20,"losses":5,"ties":15,)"
      R"("disagreeing":7,"unreadable":1,"p":0.004,"win_rate":0.8,"low":0.61,"high":0.91}],)"
      R"("position":{"pairs":40,"consistency":0.825},"controls":{"identical":{"n":8,"ties":8},"gold":{"n":8,"wins":7}}})");
  const std::string believed = run_page_html(read_run(files.folder()));
  for (const char* part : {"Tuned is preferred.", "80 % (61 % to 91 %)", "both orders in 82 %", "one family",
                           "calls 8 a tie", "in 7 of 8"})
    EXPECT_NE(believed.find(part), std::string::npos) << part;
}

// A later `lora judge` may say something else.
TEST(RunPage, AJudgeDecidesOnlyWhereTheVerdictIsItsOwn) {
  const TestRun files;
  const std::string by_judge =
      R"("decided_by":"judge","sentence":"Tuned is preferred. By the checks alone: …",)";
  const auto judge = [](bool usable, bool decides, const char* sentence) {
    return fmt::format(R"({{"format":1,"judge":"m","usable":{},"decides":{},"sentence":"{}"}})", usable,
                       decides, sentence);
  };
  const struct {
    std::string summary, judge, says;
  } cases[] = {
      {by_judge, judge(true, true, "Tuned is preferred."), "It decides."},
      {by_judge, judge(true, true, "The base is preferred."), "It was to decide; the verdict"},
      {"", judge(true, true, "Tuned is preferred."), "It was to decide; the verdict"},
      {"", judge(false, true, ""), "It was to decide; the verdict"},
      {"", judge(true, false, "Tuned is preferred."), "It only describes."},
  };
  for (const auto& [more, told, says] : cases) {
    std::string summary = TestRun::summary("won");
    files.write("eval/summary.json", summary.insert(1, more));
    files.write("eval/judge.json", told);
    const std::string page = run_page_html(read_run(files.folder()));
    for (const char* all : {"It decides.", "It was to decide; the verdict", "It only describes."})
      EXPECT_EQ(page.find(all) != std::string::npos, all == says) << all << " of " << told;
  }
}

TEST(RunPage, WhatAnAnswerCostsIsToldWithWhatWasMeasured) {
  const TestRun files;
  std::string summary = TestRun::summary("won");
  summary.insert(
      1,
      R"("asked":[{"name":"base","kind":"base","answers":3,"cut_off":1,"prompt_tokens_mean":12.4,)"
      R"("answer_tokens_mean":7},{"name":"tuned","kind":"tuned","num_fewshot":0,"answers":3,"cut_off":0}],)");
  files.write("eval/summary.json", summary);
  files.write(
      "eval/timing.json",
      R"({"format":1,"contestants":[{"name":"base","questions":3,"latency_median_s":0.5,"latency_p95_s":1.25,)"
      R"("first_token_median_s":0.11,"cost_per_1000_answers":0.0421}]})");
  files.write("eval/endpoints.json",
              R"({"format":1,"contestants":[{"name":"large<1>","left_out":"status 401 <b>"}]})");
  const std::string page = run_page_html(read_run(files.folder()));
  for (const char* part : {">12<", ">0.500 s<", ">1.25 s<", ">0.110 s<", ">0.0421<",
                           "of 3 questions asked once more, each alone",
                           "large&lt;1&gt;</bdi> was left out: <bdi>status 401 &lt;b&gt;"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("Times of endpoints"), std::string::npos) << "none was asked";
}

TEST(RunPage, AVeryLongAnswerIsCutAndSaysSo) {
  const TestRun files;
  std::string line;
  for (size_t i = 0; i < 30000; ++i) line += "ä";
  files.write("eval/answers.jsonl",
              answer_line(0, "base", line, "r", false) + answer_line(0, "tuned", "r", "r", true));
  const nlohmann::json data = data_of(run_page_html(read_run(files.folder())));
  EXPECT_EQ(data["examples"][0]["a"][0]["t"][1], 10000);
}

TEST(TokenViews, SaysWhatTheLossIsOnAndReadsBack) {
  const TestRun files;
  const std::vector<TokenView> views = {
      {.line = 7, .tokens = {{"<|im_start|>", false}, {"Hi\n", true}, {"\xC3", true}, {"x", false}}}};
  files.write("token_view.json", token_views_json(views));
  const std::vector<TokenView> read = read_token_views(files.folder() / "token_view.json");
  ASSERT_EQ(read.size(), 1u);
  ASSERT_EQ(read[0].tokens.size(), 4u);
  EXPECT_TRUE(read[0].tokens[1].supervised && read[0].tokens[2].supervised);
  EXPECT_FALSE(read[0].tokens[0].supervised || read[0].tokens[3].supervised);
  const std::string html = token_view_html(read);
  EXPECT_NE(html.find("<span>&lt;|im_start|&gt;</span><mark>Hi↵</mark><br>"), std::string::npos) << html;
  EXPECT_NE(html.find("4 tokens, 2 in the loss"), std::string::npos);
  EXPECT_TRUE(token_view_html({}).empty());
}

TEST(ExampleBrowser, WithoutExamplesThereIsNone) {
  EXPECT_TRUE(example_browser_html({}, 10, "answers.jsonl").empty());
}

}  // namespace
}  // namespace lora
