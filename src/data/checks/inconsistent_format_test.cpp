#include "data/checks/inconsistent_format.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

using testing::Asked;
using Lines = std::vector<size_t>;

std::vector<Finding> said(const std::vector<Asked>& rows) {
  return testing::said_of(make_inconsistent_format_check(), rows);
}
Lines warned(const std::vector<Asked>& rows) {
  return testing::warned(said(rows));
}

std::string number(size_t i) {
  return std::to_string(i);
}

// Rows under one system prompt, made by number.
template <class Answer>
std::vector<Asked> rows_of(size_t n, const std::string& system, Answer&& answer) {
  std::vector<Asked> rows;
  for (size_t i = 0; i < n; ++i)
    rows.push_back({system,
                    (i % 3 == 0   ? "Please look at case "
                     : i % 3 == 1 ? "What of case "
                                  : "Case ") +
                        number(i * 7919 % 1000) + "?",
                    answer(i)});
  return rows;
}

std::vector<Asked> json_rows(size_t n = 60) {
  return rows_of(n, "Extract the facts as JSON.", [](size_t i) {
    return R"({"company": "Firm )" + number(i) + R"(", "city": )" + (i % 4 == 0 ? "null" : "\"Oslo\"") +
           R"(, "year": )" + number(1950 + i) + "}";
  });
}

TEST(InconsistentFormat, NamesTheOddOneAmongJson) {
  const std::pair<const char*, const char*> cases[] = {
      {"**Company:** Nova\n- sector: optics\n- city: Oslo", "this one is lines"},
      {"The company is Nova, and it sits in Oslo.", "this one is prose"},
      {R"({"company": "Nova", "year": 1990})", "lacks the key \"city\""},
      {R"({"name": "Nova", "city": "Oslo", "year": 1990})",
       "has the key \"name\" where the others have \"company\""},
      {R"({"company": "Nova", "city": "Oslo", "year": "1990"})", "\"year\" is a string in 1 of 60"},
      {R"({"company": "Nova", "city": "Oslo", "year": 1990, "mood": "good"})",
       "has the key \"mood\", which no other has"},
      {"```json\n{\"company\": \"Nova\", \"city\": \"Oslo\", \"year\": 1990}\n```", "JSON in a code fence"},
      {"Sure! Here is the JSON:\n{\"company\": \"Nova\", \"city\": \"Oslo\", \"year\": 1990}",
       "text around JSON"},
      {R"({"company": "Nova", "city": "Oslo", "year": 1990,})", "broken JSON"},
      {R"([{"company": "Nova", "city": "Oslo", "year": 1990}])", "a JSON list"},
      {R"({"label": "company", "score": 3})", "with the keys label, score"},
  };
  for (const auto& [answer, words] : cases) {
    std::vector<Asked> rows = json_rows();
    rows[41].answer = answer;
    const auto found = said(rows);
    ASSERT_EQ(testing::warned(found), Lines{42}) << answer;
    EXPECT_NE(found[0].message.find(words), std::string::npos) << found[0].message;
    EXPECT_EQ(found[0].column, testing::jsonl_of({rows[41]}).find("\"assistant\"") > 0 ? found[0].column : 0);
  }
}

TEST(InconsistentFormat, StandsAtTheAnswersFirstCharacter) {
  std::vector<Asked> rows = json_rows();
  rows[41].answer = "Nova of Oslo, I would say.";
  EXPECT_EQ(said(rows).at(0).column, testing::jsonl_of({rows[41]}).find("Nova") + 1);
}

TEST(InconsistentFormat, EighteenRowsAreEnough) {
  std::vector<Asked> rows = json_rows(18);
  rows[4].answer = "## Nova\n\n- Oslo\n- 1990";
  const auto found = said(rows);
  ASSERT_EQ(testing::warned(found), Lines{5});
  EXPECT_NE(found[0].message.find(
                "17 of 18 answers to this system prompt are JSON with the keys city, company, year"),
            std::string::npos)
      << found[0].message;
}

TEST(InconsistentFormat, NullsAndEmptyListsAreNoDifference) {
  auto rows = rows_of(80, "Find people.", [](size_t i) {
    return std::string(R"({"people": )") +
           (i % 9 == 0   ? "[]"
            : i % 7 == 0 ? "null"
                         : R"([{"name": "Rosa", "age": 3}])") +
           "}";
  });
  EXPECT_EQ(warned(rows), Lines{});
}

TEST(InconsistentFormat, LabelsThatAreMisspeltOrDressedUp) {
  const auto labels = [] {
    return rows_of(120, "Classify the ticket as billing, bug or praise.", [](size_t i) {
      return std::string(i % 5 == 0 ? "praise" : i % 2 == 0 ? "billing" : "bug");
    });
  };
  EXPECT_EQ(warned(labels()), Lines{});
  for (const char* odd : {"biling", "Bug.", "Billing", "complaint", "I would say that this is about billing.",
                          R"({"label": "bug"})"}) {
    auto rows = labels();
    rows[77].answer = odd;
    EXPECT_EQ(warned(rows), Lines{78}) << odd;
  }
  auto rows = labels();
  rows[77].system = rows[76].system;
  for (Asked& row : rows) row.system += " Say unclear when it is none of them.";
  rows[77].answer = "unclear";
  EXPECT_EQ(warned(rows), Lines{}) << "named by the system prompt";
}

TEST(InconsistentFormat, LabelsInsideJson) {
  auto rows = rows_of(120, "Rate it as JSON.", [](size_t i) {
    return std::string(R"({"mood": ")") + (i % 2 == 0 ? "positive" : "negative") + R"(", "score": )" +
           number(i) + "}";
  });
  rows[50].answer = R"({"mood": "postive", "score": 4})";
  const auto found = said(rows);
  ASSERT_EQ(testing::warned(found), Lines{51});
  EXPECT_NE(found[0].message.find("\"postive\" under the key \"mood\" occurs once, \"positive\""),
            std::string::npos)
      << found[0].message;
}

TEST(InconsistentFormat, KeyLinesXmlCodeAndNumbers) {
  auto lines = rows_of(60, "Three lines.", [](size_t i) {
    return "Summary: case " + number(i) + " is closed now\nSeverity: low\nAction: none at all";
  });
  lines[9].answer = "Summary: it is closed\nAction: none";
  EXPECT_EQ(warned(lines), Lines{10});
  auto xml = rows_of(60, "As XML.", [](size_t i) {
    return "<order><item>lamp</item><count>" + number(i) + "</count></order>";
  });
  xml[9].answer = "<order><item>lamp</item></order>";
  EXPECT_EQ(warned(xml), Lines{10});
  auto code =
      rows_of(60, "One query in a fence.", [](size_t i) { return "```sql\nSELECT " + number(i) + ";\n```"; });
  code[9].answer = "SELECT 9 FROM orders WHERE city = 'Oslo' AND total > 3;";
  EXPECT_EQ(warned(code), Lines{10});
  auto scores = rows_of(60, "Rate from 1 to 10.", [](size_t i) { return number(i % 10 + 1); });
  scores[9].answer = "seven";
  EXPECT_EQ(warned(scores), Lines{10});
}

std::string prose(size_t i) {
  static const char* kSentences[] = {"The committee met on Tuesday and agreed to wait.",
                                     "Rain is expected along the coast until late evening.",
                                     "Bees prefer blue flowers in the early morning.",
                                     "The old bridge stays closed throughout the summer."};
  return std::string(kSentences[i % 4]) + " " + kSentences[(i / 4) % 4] + " That was in " +
         std::to_string(1900 + i) + ".";
}

TEST(InconsistentFormat, JsonAndMarkdownAmongProse) {
  auto rows = rows_of(80, "Be kind.", prose);
  EXPECT_EQ(warned(rows), Lines{});
  rows[20].answer = R"({"reply": "We post a new one.", "status": "open"})";
  rows[60].answer = "## Answer\n\n- **Bus:** at nine\n- **Train:** at ten\n- **Car:** rent one";
  EXPECT_EQ(warned(rows), (Lines{21, 61}));
  rows[20].question = "Give me the reply as JSON.";
  rows[60].question = "List the ways to get there.";
  EXPECT_EQ(warned(rows), Lines{}) << "asked for";
}

TEST(InconsistentFormat, AMarkdownPartThatOneLacks) {
  const auto sheets = [] {
    return rows_of(100, "Describe it.", [](size_t i) {
      return i % 16 == 0 ? std::string("I cannot describe it without its size. Please send it.")
                         : "## Kettle\n\n" + prose(i) + "\n\n- **Material:** steel\n- **Size:** " + number(i);
    });
  };
  EXPECT_EQ(warned(sheets()), Lines{}) << "refusals are prose everywhere";
  for (const char* odd :
       {"Kettle\n\nIt is quiet.\n\n- **Material:** steel\n- **Size:** 4", "## Kettle\n\nIt is **quiet**.",
        "## Kettle\n\nQuiet.\n\n- Material: steel\n- Size: 4",
        "A kettle of steel that is quiet and light."}) {
    auto rows = sheets();
    rows[33].answer = odd;
    EXPECT_EQ(warned(rows), Lines{34}) << odd;
  }
}

TEST(InconsistentFormat, BoldTypeHtmlOrALabelAmongProse) {
  for (const char* odd : {"It is **quiet**, they say. Nobody knows.",
                          "<p>It is quiet.</p><p>Nobody knows.</p>", "RESERVED", "7"}) {
    auto rows = rows_of(100, "Be kind.", prose);
    rows[33].answer = odd;
    EXPECT_EQ(warned(rows), Lines{34}) << odd;
  }
  for (const char* fine : {"Yes.", "Return the first value", "Of course!"}) {
    auto rows = rows_of(100, "Be kind.", prose);
    rows[33].answer = fine;
    EXPECT_EQ(warned(rows), Lines{}) << fine;
  }
}

TEST(InconsistentFormat, TheTextOfALongQuestionAsksForNothing) {
  auto rows = rows_of(80, "Summarise.", prose);
  for (Asked& row : rows)
    row.question += "\n\n" + prose(1) + std::string(600, 'x') + " a list of plans in a table";
  rows[20].answer = "- one thing\n- another thing\n- and more";
  EXPECT_EQ(warned(rows), Lines{21});
}

TEST(InconsistentFormat, ChatOfManyFormsIsLeftAlone) {
  auto rows = rows_of(100, "You are a helpful assistant.", [](size_t i) {
    return i % 10 == 0   ? "- " + prose(i) + "\n- " + prose(i + 1)
           : i % 10 == 1 ? "1. " + prose(i) + "\n2. " + prose(i + 1)
           : i % 10 == 2 ? "Yes."
           : i % 10 == 3 ? "Like so:\n\n```py\nprint(1)\n```\n" + prose(i)
           : i % 10 == 4 ? prose(i) + "\n\n" + prose(i + 2)
                         : prose(i);
  });
  EXPECT_EQ(warned(rows), Lines{});
}

TEST(InconsistentFormat, MinorityTasksUnderOnePromptAreTasks) {
  std::vector<Asked> rows;
  for (size_t i = 0; i < 200; ++i) {
    if (i % 10 < 3)
      rows.push_back({"Help.", "Summarize this text: " + prose(i), prose(i + 3)});
    else if (i % 10 < 7)
      rows.push_back(
          {"Help.", "Extract name and year: " + prose(i), R"({"name": "Rosa", "year": )" + number(i) + "}"});
    else
      rows.push_back({"Help.", "Tell me about case " + number(i), prose(i + 1)});
  }
  EXPECT_EQ(warned(rows), Lines{});
  // Four rows of a task of their own in 200.
  auto chat = rows_of(200, "Help.", prose);
  for (const size_t i : {20, 60, 100, 140})
    chat[i] = {"Help.", "Extract the name from: " + prose(i), R"({"name": "Rosa"})"};
  EXPECT_EQ(warned(chat), Lines{});
  // Inside a task of a mixed set.
  rows[13].answer = "Rosa, of that year, as far as one can see.";
  ASSERT_EQ(rows[13].question.substr(0, 7), "Extract");
  EXPECT_EQ(warned(rows), Lines{14});
}

TEST(InconsistentFormat, SchemasThatQuestionsSetAreNoMinority) {
  std::vector<Asked> rows;
  const char* keys[] = {"title", "author", "price", "pages", "color", "weight"};
  for (size_t i = 0; i < 80; ++i) {
    const std::string a = keys[i % 6], b = keys[(i / 6 + i + 1) % 6];
    rows.push_back({"", "Give " + a + " and " + b + " as JSON for item " + number(i),
                    "{\"" + a + "\": 1, \"" + b + "\": 2}"});
  }
  EXPECT_EQ(warned(rows), Lines{});
}

TEST(InconsistentFormat, FixedWaysToSayNoAreNoMinority) {
  auto rows = json_rows();
  for (Asked& row : rows) row.system = "Extract the facts as JSON. If there are none, answer NOTHING.";
  rows[30].answer = "NOTHING";
  EXPECT_EQ(warned(rows), Lines{});
  auto fixed = json_rows();
  fixed[30].answer = fixed[50].answer = "The text does not mention a company.";
  EXPECT_EQ(warned(fixed), Lines{});
  fixed[50].answer = json_rows()[50].answer;
  EXPECT_EQ(warned(fixed), Lines{31}) << "a single one is a slip";
}

TEST(InconsistentFormat, OtherSystemPromptsAreOtherGroups) {
  auto rows = json_rows();
  for (const Asked& row : rows_of(60, "Be kind.", prose)) rows.push_back(row);
  EXPECT_EQ(warned(rows), Lines{});
}

TEST(InconsistentFormat, FewRowsHaveNoNorm) {
  auto rows = json_rows(6);
  rows[2].answer = "Nova of Oslo.";
  EXPECT_EQ(warned(rows), Lines{});
}

}  // namespace
}  // namespace lora
