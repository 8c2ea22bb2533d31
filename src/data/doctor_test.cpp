#include "data/doctor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "data/chat_jsonl.h"
#include "data/finding_text.h"
#include "data/testing.h"

namespace lora {
namespace {

std::string row(const std::string& question, const std::string& answer = "a") {
  return R"({"messages": [{"role": "user", "content": ")" + question +
         R"("}, {"role": "assistant", "content": ")" + answer + "\"}]}";
}
std::string rows(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += row("question " + std::to_string(i)) + "\n";
  return text;
}

CheckReport check(std::string_view text, const CheckOptions& options = {},
                  std::span<const std::unique_ptr<DataCheck>> checks = {}) {
  LineSource source(text, "d.jsonl", {.max_line_bytes = kMaxLineBytes, .keep_for_rereading = true});
  return check_data(source, options, checks);
}

// "code line:column", one after the other.
std::string said(const CheckReport& report) {
  std::string out;
  for (const Finding& f : report.findings)
    out += f.code + " " + std::to_string(f.line) + ":" + std::to_string(f.column) + "; ";
  return out;
}

TEST(Doctor, CleanRowsAreLeftAlone) {
  const CheckReport report = check(rows(120));
  EXPECT_EQ(said(report), "");
  EXPECT_EQ(report.summary.rows, 120u);
  EXPECT_EQ(report.summary.readable, 120u);
  EXPECT_EQ(report.summary.answers, 120u);
  EXPECT_EQ(report.summary.formats[0], 120u);
}

TEST(Doctor, SaysWhatIsTrueOfTheFile) {
  EXPECT_EQ(said(check("\xEF\xBB\xBF" + rows(120))), "byte-order-mark 1:1; ");
  EXPECT_EQ(said(check("\xEF\xBB\xBF"
                       "{]\n" +
                       rows(120))),
            "byte-order-mark 1:1; invalid-json 1:2; ");
  EXPECT_EQ(said(check(rows(60) + "\n \t\r\n" + rows(60) + "\n\n")), "blank-line 61:1; blank-line 62:1; ");
  const CheckReport blank = check(rows(60) + std::string(30'000, '\n') + rows(60));
  EXPECT_EQ(blank.findings.size(), 100u);
  EXPECT_NE(blank.findings.back().message.find("29900 more"), std::string::npos)
      << blank.findings.back().message;
  EXPECT_EQ(said(check(rows(50))), "few-examples 1:1; ");
  EXPECT_EQ(check(rows(50)).findings[0].severity, Severity::kNote);
  EXPECT_EQ(check(rows(49)).findings[0].severity, Severity::kWarning);
  for (const char* nothing : {"", "\n", " \r\n\n"}) {
    const CheckReport empty = check(nothing);
    ASSERT_EQ(empty.findings.size(), 1u);
    EXPECT_EQ(empty.findings[0].code, "few-examples");
    EXPECT_EQ(empty.findings[0].severity, Severity::kError);
    EXPECT_NE(empty.findings[0].message.find("empty"), std::string::npos);
  }
  EXPECT_EQ(said(check(rows(100) + "{\"messages\": \"" + std::string(kMaxLineBytes, 'x') + "\"}\n{}\n")),
            "line-too-long 101:1; missing-messages 102:1; ");
}

TEST(Doctor, LinesThatEndWithCarriageReturnsAreOneFindingAndTheirRowsAreChecked) {
  std::string text;
  for (int i = 0; i < 120; ++i) text += row("é " + std::to_string(i), i == 60 ? "" : "a") + "\r";
  const CheckReport report = check(text);
  EXPECT_EQ(said(report), "invalid-json 1:90; empty-content 61:85; ");
  EXPECT_NE(report.findings[0].message.find("CR alone"), std::string::npos);
  EXPECT_EQ(report.summary.rows, 120u);
  text.insert(text.size() / 2, "\r \r{\"a\": \r");
  EXPECT_EQ(check(text).summary.rows, 122u) << "a blank line, a broken one, and one in halves";
  EXPECT_EQ(said(check(rows(60) + row("one\\r two") + "\r\n" + rows(60))), "") << "CR LF is no such thing";
  EXPECT_NE(said(check("{\"a\": \r 1}")), "invalid-json 1:7; ") << "inside a row it is a blank";
}

TEST(Doctor, AnArrayOrSpreadRowsAreOneFindingAndTheirRowsAreChecked) {
  std::string array = "\n [";
  for (int i = 0; i < 120; ++i) {
    if (i > 0) array += ",\n  ";
    array += row(std::to_string(i), i == 60 ? "" : "a");
  }
  const CheckReport report = check(array + "]\n");
  EXPECT_EQ(said(report), "invalid-json 2:2; empty-content 62:85; ");
  EXPECT_NE(report.findings[0].message.find("JSON array"), std::string::npos);
  EXPECT_EQ(report.summary.rows, 120u);
  EXPECT_EQ(said(check(array)), "invalid-json 2:2; empty-content 62:85; invalid-json 121:1; ")
      << "never closed";

  std::string spread;
  for (int i = 0; i < 120; ++i)
    spread += "{\n  \"messages\": [\n    {\"role\": \"user\", \"content\": \"é " + std::to_string(i) +
              "\"},\n    {\"role\": \"asistant\", \"content\": \"a\"}\n  ]\n}\n";
  const CheckReport pretty = check(spread);
  EXPECT_EQ(said(pretty).substr(0, 58), "invalid-json 1:1; unknown-role 4:14; unknown-role 10:14; u");
  EXPECT_EQ(pretty.findings.size(), 121u);
  EXPECT_EQ(said(check("{\n\"a\": 1}\n,]}, 7 x")).substr(0, 17), "invalid-json 1:1;") << "and an end";
  EXPECT_EQ(said(check("[\"user\", \"assistant\"]\n" + rows(120))), "not-an-object 1:1; ");
}

TEST(Doctor, NothingBehindAnArrayIsDropped) {
  std::string array;
  for (int i = 0; i < 60; ++i) array += (i == 0 ? "[" : ",\n") + row(std::to_string(i));
  array += "]\n";
  const CheckReport report = check(array + array + row("one more") + "\nrest ]\n");
  EXPECT_EQ(said(report), "invalid-json 1:1; invalid-json 122:1; invalid-json 122:6; ");
  EXPECT_EQ(report.summary.rows, 123u);
  EXPECT_EQ(report.summary.readable, 121u);
}

TEST(Doctor, LinesThatAreBareListsOfMessagesAreReadOneByOne) {
  std::string text;
  for (int i = 0; i < 120; ++i)
    text += R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])"
            "\n";
  const CheckReport report = check(text);
  EXPECT_EQ(report.summary.rows, 120u);
  ASSERT_EQ(report.findings.size(), 120u);
  EXPECT_EQ(report.findings.back().code, "not-an-object");
  EXPECT_EQ(report.findings.back().line, 120u);
}

TEST(Doctor, TooLongSaysHowManyAnswersAreLost) {
  std::string text = rows(120) + row(std::string(9000, 'x')) + "\n";
  text +=
      R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": ")" +
      std::string(9000, 'x') +
      R"("}, {"role": "assistant", "content": "b"}]})"
      "\n";
  const CheckReport estimated = check(text);
  EXPECT_EQ(said(estimated), "too-long 121:1; too-long 122:1; ");
  EXPECT_NE(estimated.findings[0].message.find("estimated"), std::string::npos);
  EXPECT_NE(estimated.findings[0].message.find("its answer"), std::string::npos);
  EXPECT_NE(estimated.findings[1].message.find("1 of its 2 answers"), std::string::npos);
  EXPECT_EQ(estimated.summary.answers_cut, 2u);
  CheckOptions exact;
  exact.max_seq_length = 100;
  exact.count_tokens = [](const Conversation& c, size_t) {
    return TokenCount{c.messages[0].content.size() > 1000 ? size_t{101} : size_t{100}, 1};
  };
  const CheckReport counted = check(text, exact);
  EXPECT_EQ(said(counted), "too-long 121:1; ");
  EXPECT_EQ(counted.findings[0].message.find("estimated"), std::string::npos);
  EXPECT_NE(counted.findings[0].message.find("101 tokens"), std::string::npos);
  EXPECT_NE(counted.findings[0].message.find("its answer would not fit"), std::string::npos);
}

TEST(Doctor, EstimatesTokensWithinAFifthOfEnglish) {
  // 47 tokens in the vocabularies of Llama 3 and Qwen 2.
  const Conversation row{
      .messages = {
          {"user",
           "The quick brown fox jumps over the lazy dog near the river bank, while two old men sit on a "
           "wooden bench and talk about the weather, the price of bread and the state of the roads in "
           "winter."}}};
  EXPECT_NEAR(static_cast<double>(estimate_tokens(row, 2048).tokens), 45, 9);
}

TEST(Doctor, GoldenRowsMustBeFlawless) {
  const std::string golden =
      R"({"golden": true, "messages": [{"role": "user", "content": "<|eot_id|>"}, {"role": "assistant", "content": "a"}]})";
  EXPECT_EQ(said(check(rows(120) + golden + "\n")), "golden-problem 121:1; control-token-in-text 121:60; ");
  const std::string good =
      R"({"golden": true, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})";
  const CheckReport report = check(rows(120) + good + "\n");
  EXPECT_EQ(said(report), "");
  EXPECT_EQ(report.summary.golden, 1u);
  CheckOptions silent;
  silent.ignored = {"golden-problem"};
  EXPECT_EQ(said(check(rows(120) + golden + "\n", silent)), "control-token-in-text 121:60; ");
}

TEST(Doctor, CodesCanBeSilenced) {
  CheckOptions options;
  options.ignored = {"few-examples"};
  EXPECT_EQ(said(check(rows(3), options)), "");
  options.ignored = {"few-exmples"};
  try {
    check(rows(3), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("few-examples"), std::string::npos);
  }
}

// Notes what it sees; at the end it asks for every row again.
class Witness : public DataCheck {
 public:
  explicit Witness(std::vector<Conversation>& again) : again_(again) {}
  void see(const Row& row, Findings& findings) override {
    EXPECT_EQ(row.index, seen_++);
    if (const size_t at = row.conversation.messages[0].content.find("needle"); at != std::string::npos)
      findings.add("possible-secret", row.line, row.column(0, at), "needle", "");
  }
  void finish(const Reread& reread, Findings&) override {
    for (size_t i = seen_; i-- > 0;) again_.push_back(reread(i));
  }

 private:
  std::vector<Conversation>& again_;
  size_t seen_ = 0;
};

TEST(Doctor, ShowsReadableRowsToChecksAndReadsThemAgain) {
  for (const bool array : {false, true}) {
    std::string text = rows(5000) + "{\"broken\n" + row("a\\n\\u00e9 needle") + "\n";
    if (array) {
      text = "[";
      for (int i = 0; i < 5000; ++i) text += row("question " + std::to_string(i)) + ",\n";
      text += "{\"a\": 1},\n" + row("a\\n\\u00e9 needle") + "]";
    }
    std::string first;
    for (const size_t threads : {1u, 2u, 3u}) {
      std::vector<Conversation> again;
      std::vector<std::unique_ptr<DataCheck>> checks;
      checks.push_back(std::make_unique<Witness>(again));
      CheckOptions options;
      options.threads = threads;
      const CheckReport report = check(text, options, checks);
      ASSERT_EQ(again.size(), 5001u);
      EXPECT_EQ(again[0].messages[0].content, "a\né needle");
      EXPECT_EQ(again[0].line, 5002u);
      EXPECT_EQ(again.back().messages[0].content, "question 0");
      EXPECT_EQ(report.findings.back().line, 5002u);
      EXPECT_EQ(report.findings.back().column, 54u);
      if (threads == 1) first = findings_json(report.findings);
      EXPECT_EQ(findings_json(report.findings), first) << "threads change nothing";
    }
  }
}

TEST(Doctor, ItsTestHelpersAgree) {
  std::vector<Conversation> again;
  const auto findings =
      testing::findings_of(std::make_unique<Witness>(again), rows(3) + "\n{}\n" + row("x needle"));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 6u);
  EXPECT_EQ(again.size(), 4u);
}

TEST(FindingText, JsonHasExactlyTheKeysInOrder) {
  EXPECT_EQ(findings_json({}), "[]");
  const std::vector<Finding> findings{{"invalid-json", Severity::kError, 3, 14, "a \"b\" é", "do"}};
  EXPECT_EQ(findings_json(findings),
            "[\n  {\n    \"code\": \"invalid-json\",\n    \"severity\": \"error\",\n    \"line\": 3,\n    "
            "\"column\": 14,\n"
            "    \"message\": \"a \\\"b\\\" é\",\n    \"fix\": \"do\"\n  }\n]");
}

TEST(FindingText, NeverCutsSilently) {
  std::string text = rows(120);
  for (int i = 0; i < 60; ++i) text += "{}\n";
  const CheckReport report = check(text);
  const std::string shown = report_text(report, {});
  EXPECT_NE(shown.find("d.jsonl:121:1: error: a row without"), std::string::npos) << shown;
  EXPECT_NE(shown.find("55 more of [missing-messages]; --all"), std::string::npos) << shown;
  EXPECT_NE(shown.find("180 rows"), std::string::npos);
  EXPECT_NE(shown.find("60 errors"), std::string::npos);
  EXPECT_EQ(shown.find('\033'), std::string::npos);
  const std::string all = report_text(report, {.colour = true, .all = true});
  EXPECT_NE(all.find("d.jsonl:180:1"), std::string::npos);
  EXPECT_NE(all.find("\033[1;31merror"), std::string::npos);
}

TEST(FindingText, ManyFindingsOfOneCodeAreCounted) {
  std::string text;
  for (size_t i = 0; i < Findings::kMostPerCode + 7; ++i) text += "{}\n";
  const CheckReport report = check(text);
  EXPECT_EQ(report.findings.size(), Findings::kMostPerCode + 1);
  EXPECT_EQ(report.summary.errors, Findings::kMostPerCode + 7);
  EXPECT_NE(report.findings.back().message.find("7 more"), std::string::npos);
}

TEST(Findings, TheDocumentedCodesAreTheProgramsCodes) {
  std::ifstream file(std::filesystem::path(LORA_SOURCE_DIR) / "docs" / "check.md");
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  for (const FindingCode& row : finding_codes()) {
    const std::string line =
        "| `" + std::string(row.code) + "` | " + std::string(severity_name(row.severity)) + " | ";
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
}

TEST(ReadRows, ReadsEveryFormatStrictlyAndSaysWhich) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("lora_read_rows." + std::to_string(::getpid()) + ".jsonl");
  std::ofstream(path) << "{\"instruction\": \"Q\", \"output\": \"A\"}\n{\"text\": \"plain\"}\n";
  const RowsRead read = read_rows(path);
  EXPECT_EQ(read.rows.size(), 2u);
  EXPECT_EQ(read.said,
            "1 row in Alpaca format, 1 row in plain text format (every token is learned from, no chat "
            "template is applied)");
  std::ofstream(path) << "{\"instruction\": \"Q\"}\n";
  EXPECT_THROW(read_rows(path), Error);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace lora
