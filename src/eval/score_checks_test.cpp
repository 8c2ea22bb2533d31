// Scores and metric commands. The numbers of ROUGE-L, BLEU and chrF are held against rouge-score and sacrebleu in
// tests/parity/test_checks.py.
#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "eval/check_testing.h"
#include "eval/child_process.h"
#include "eval/text_overlap.h"

namespace lora {
namespace {

using testing::judge;

TEST(Overlap, IsOneForEqualAndZeroForForeignText) {
  const char* text = "The quick brown fox jumps over the lazy dog.";
  for (const char* type : {"rouge_l", "bleu", "chrf"}) {
    const std::string keys = std::string("type = '") + type + "'";
    EXPECT_NEAR(judge(keys, text, text).score, 1, 1e-12) << type;
    EXPECT_EQ(judge(keys, "12345", "zzz").score, 0) << type;
    for (const char* empty : {"", " ", "\n"}) {
      EXPECT_EQ(judge(keys, empty, text).score, 0) << type;
      EXPECT_EQ(judge(keys, text, empty).score, 0) << type;
      EXPECT_EQ(judge(keys, empty, empty).score, 0) << type;
    }
    const double half = judge(keys, "The quick brown fox sleeps.", text).score;
    EXPECT_GT(half, 0.2) << type;
    EXPECT_LT(half, 0.8) << type;
    EXPECT_NO_THROW(judge(keys, "\xFF\xC3" + std::string(20000, 'a'), text)) << type;
    EXPECT_TRUE(testing::checks_from("[[check]]\n" + keys).checks[0].check->is_score());
    EXPECT_FALSE(testing::checks_from("[[check]]\n" + keys + "\npass_at = 0.5").checks[0].check->is_score());
    EXPECT_TRUE(judge(keys + "\npass_at = 0.9", text, text).passed);
    EXPECT_FALSE(judge(keys + "\npass_at = 0.9", "The quick", text).passed);
  }
}

// A command that is a shell script, so that tests need no other program. The shell is the command here, not around it.
std::string script(const std::string& text, const std::string& more = "") {
  return "type = 'metric_command'\ncommand = ['sh', '-c', '''" + text + "''']\n" + more;
}

TEST(MetricCommand, GivesItsScore) {
  EXPECT_DOUBLE_EQ(judge(script("echo 0.25"), "a").score, 0.25);
  EXPECT_DOUBLE_EQ(judge(script("echo '{\"score\": 1}'"), "a").score, 1);
  EXPECT_TRUE(judge(script("echo 1"), "a").passed);
  const CheckResult told = judge(script("echo '{\"score\": 0.5, \"why\": \"half\"}'", "pass_at = 0.6"), "a");
  EXPECT_FALSE(told.passed);
  EXPECT_FALSE(told.unscored);
  EXPECT_EQ(told.why, "half");
  EXPECT_DOUBLE_EQ(
      judge(script("grep -q '\"prompt\":\"q\",\"answer\":\"x\\\\ny\",\"reference\":\"r\"' && echo 1"), "x\ny",
            "r", "q")
          .score,
      1)
      << "one line of JSON";
  EXPECT_DOUBLE_EQ(judge(script("[ $(wc -l) = 1 ] && echo 1"), "x\ny").score, 1);
  EXPECT_DOUBLE_EQ(judge(script("cat /dev/stdin >/dev/null; echo 1"), std::string(3000000, 'a')).score, 1);
  EXPECT_DOUBLE_EQ(judge(script("echo 0.5"), "\xFF\xC3").score, 0.5);
}

TEST(MetricCommand, NeverPassesByAccident) {
  const std::pair<const char*, const char*> cases[] = {
      {"echo 1; exit 3", "exit code 3"},
      {"echo 1; kill -9 $$", "signal 9"},
      {"true", "no JSON"},
      {"echo one", "no JSON"},
      {"echo 1 1", "no JSON"},
      {"echo NaN", "no JSON"},
      {"echo 1.5", "no score from 0 to 1"},
      {"echo -0.1", "no score from 0 to 1"},
      {"echo true", "no score from 0 to 1"},
      {"echo '\"1\"'", "no score from 0 to 1"},
      {"echo '{\"Score\": 1}'", "no score from 0 to 1"},
      {"echo '[1]'", "no score from 0 to 1"},
      {"echo oops >&2; exit 1", "oops"},
      {"yes 1", "more than 1 MiB"},
      {"echo 1; exec >&- 2>&-; sleep 60", "longer than"},
      {"echo 1; sleep 60", "longer than"},
      {"trap '' TERM INT HUP; while :; do :; done", "longer than"},
  };
  for (const auto& [text, why] : cases) {
    // Only those that would never end are waited for.
    const std::string limit = std::string(why) == "longer than" ? "timeout = 0.4" : "timeout = 60";
    const CheckResult result = judge(script(text, limit), "a");
    EXPECT_FALSE(result.passed) << text;
    EXPECT_EQ(result.score, 0) << text;
    EXPECT_TRUE(result.unscored) << text;
    EXPECT_NE(result.why.find(why), std::string::npos) << text << ": " << result.why;
    EXPECT_FALSE(judge(script(text, limit + "\npass_at = 0.5"), "a").passed) << text;
  }
  EXPECT_LT(judge(script("yes error >&2", "timeout = 0.3"), "a").why.size(), 1000u);
}

bool lives(pid_t pid) {
  for (int i = 0; i < 100; ++i) {  // a killed orphan is reaped by whoever is first in line; give it a moment
    if (kill(pid, 0) != 0) return false;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string id, name, state;
    if (!(stat >> id >> name >> state) || state == "Z") return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

TEST(MetricCommand, LeavesNothingRunning) {
  for (const char* end : {"sleep 60", "true"}) {
    const ChildResult result = run_child({"sh", "-c", std::string("sleep 60 & echo $!; ") + end}, "", "",
                                         std::chrono::milliseconds(1500));
    EXPECT_EQ(result.end,
              std::string(end) == "true" ? ChildResult::End::kExited : ChildResult::End::kTimedOut);
    EXPECT_FALSE(lives(std::stoi(result.output))) << end;
  }
}

TEST(MetricCommand, ADeclarationInTheCurrentFolderHasNoFolderInItsName) {
  CheckTable table;
  table.values = {{"type", "metric_command"}, {"command", {"sh", "-c", "echo 1"}}};
  EXPECT_TRUE(make_checks({table}, "").checks.at(0).check->run("a", "").passed);
}

TEST(MetricCommand, NoShellReadsItAndItRunsBesideItsDeclaration) {
  const ChildResult result =
      run_child({"echo", "$HOME; `id`", "*"}, "/", "", std::chrono::milliseconds(5000));
  EXPECT_EQ(result.output, "$HOME; `id` *\n");
  EXPECT_EQ(run_child({"pwd"}, "/usr", "", std::chrono::milliseconds(5000)).output, "/usr\n");
  EXPECT_EQ(run_child({"no-such-program-here"}, "", "", std::chrono::milliseconds(5000)).end,
            ChildResult::End::kNotStarted);
  EXPECT_TRUE(is_program("sh", "/"));
  EXPECT_TRUE(is_program("bin/sh", "/"));
  EXPECT_FALSE(is_program("no-such-program-here", "/"));
  EXPECT_FALSE(is_program("/etc", "/"));
  EXPECT_FALSE(is_program("", "/"));
}

}  // namespace
}  // namespace lora
