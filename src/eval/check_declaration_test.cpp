// Declarations: what is taken, and the one sentence with its place for what is not.
#include "eval/check_declaration.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "eval/check_testing.h"
#include "eval/check_types.h"

namespace lora {
namespace {

using testing::checks_from;
using testing::error_of;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(CheckDeclaration, TakesNamesScopesAndThePrimary) {
  const DeclaredChecks declared = checks_from(
      "[[check]]\ntype = \"json_valid\"\n\n"
      "[[check]]\ntype = \"contains\"\ntext = \"yes\"\nname = \"says yes\"\nprimary = true\n"
      "system_contains = \"Answer yes\"\ntag = \"easy\"\n");
  ASSERT_EQ(declared.checks.size(), 2u);
  EXPECT_EQ(declared.checks[0].name, "json_valid");
  EXPECT_FALSE(declared.checks[0].primary);
  EXPECT_EQ(declared.checks[1].name, "says yes");
  EXPECT_TRUE(declared.checks[1].primary);
  EXPECT_TRUE(contains(declared.checks[1].place, "test.toml:4:1")) << declared.checks[1].place;
  EXPECT_EQ(declared.tables[1]["text"], "yes");

  Conversation row;
  EXPECT_TRUE(declared.checks[0].applies_to(row));
  EXPECT_FALSE(declared.checks[1].applies_to(row));
  row.messages = {{"system", "Be kind. Answer yes or no."}, {"user", "q"}, {"assistant", "a"}};
  EXPECT_FALSE(declared.checks[1].applies_to(row)) << "the tag is missing";
  row.tags = {"hard", "easy"};
  EXPECT_TRUE(declared.checks[1].applies_to(row));
}

TEST(CheckDeclaration, ASystemPromptIsMatchedWhole) {
  const DeclaredChecks declared = checks_from("[[check]]\ntype = \"json_valid\"\nsystem = \"Be kind.\"\n");
  Conversation row{.messages = {{"system", "Be kind."}, {"user", "q"}, {"assistant", "a"}}};
  EXPECT_TRUE(declared.checks[0].applies_to(row));
  row.messages[0].content = "Be kind. Be brief.";
  EXPECT_FALSE(declared.checks[0].applies_to(row));
  row.messages.erase(row.messages.begin());
  EXPECT_FALSE(declared.checks[0].applies_to(row)) << "it has none";
}

TEST(CheckDeclaration, ErrorsNameThePlaceAndTheNearestWord) {
  struct Case {
    const char *toml, *place, *part;
  };
  for (const Case& c : {
           Case{"type = \"jsonvalid\"", ":2:8", "json_valid"},
           {"name = \"x\"", ":1:1", "the key type is missing"},
           {"type = 3", ":2:8", "a string"},
           {"type = \"json_valid\"\nfenc = true", ":3:8", "fence"},
           {"type = \"json_valid\"\nfence = \"yes\"", ":3:9", "true or false"},
           {"type = \"contains\"", ":1:1", "text"},
           {"type = \"contains\"\ntext = []", ":3:8", "an array of strings"},
           {"type = \"contains\"\ntext = [\"a\", 3]", ":3:8", "an array of strings"},
           {"type = \"contains\"\ntext = \"\"", ":3:8", "empty"},
           {"type = \"regex\"\npattern = \"(\"", ":3:11", "parenthesis"},
           {"type = \"length\"", ":2:8", "min, max or exactly"},
           {"type = \"length\"\nmin = 3\nmax = 2", ":3:7", "above max"},
           {"type = \"length\"\nmin = -1", ":3:7", "a whole number"},
           {"type = \"length\"\nmin = 1.5", ":3:7", "a whole number"},
           {"type = \"length\"\nexactly = 1\nmin = 1", ":3:11", "beside min or max"},
           {"type = \"length\"\nmin = 1\nunit = \"lines\"", ":4:8", "words, characters"},
           {"type = \"language\"\nlanguage = \"Klingon\"", ":3:12", "German"},
           {"type = \"json_schema\"", ":2:8", "schema or schema_file"},
           {"type = \"json_schema\"\nschema = { type = \"thing\" }", ":3:10", "schema"},
           {"type = \"json_schema\"\nschema = { minContains = 2 }", ":3:10", "/minContains is not supported"},
           {"type = \"json_schema\"\nschema = { unevaluatedProperties = false }", ":3:10", "not supported"},
           {"type = \"json_schema\"\nschema = { pattern = \"[\" }", ":3:10", "/pattern"},
           {"type = \"json_schema\"\nschema = { \"$ref\" = \"http://x/y\" }", ":3:10", "$defs"},
           {"type = \"json_schema\"\nschema = { \"$ref\" = \"#\" }", ":3:10", "refers to itself"},
           {"type = \"json_schema\"\nschema = { multipleOf = 0 }", ":3:10", "above 0"},
           {"type = \"json_schema\"\nschema_file = \"none.json\"", "none.json", "none.json"},
           {"type = \"json_fields\"\nfield = { a = 3 }", ":3:15", "a table such as"},
           {"type = \"json_fields\"\nfield = { a = { compare = \"nearly\" } }", ":3:27", "casefold"},
           {"type = \"json_fields\"\nfield = { a = { tolerance = 1.0 } }", ":3:29", "not known"},
           {"type = \"json_fields\"\nfield = { a = { compare = \"number\", tolerance = -1.0 } }", ":3:49",
            "0 or more"},
           {"type = \"json_fields\"\nfield = { \"a..b\" = {} }", ":3:", "empty part"},
           {"type = \"json_fields\"\nonly = true", ":3:8", "no field"},
           {"type = \"rouge_l\"\npass_at = 1.5", ":3:11", "at most 1"},
           {"type = \"metric_command\"\ncommand = \"no-such-program-here\"", ":3:11", "no-such-program-here"},
           {"type = \"metric_command\"\ncommand = \"true\"\ntimeout = 0", ":4:11", "seconds"},
           {"type = \"keywords:frequency\"\nkeyword = \"a\"\nfrequency = 1\nrelation = \"about\"", ":5:12",
            "at least"},
           {"type = \"keywords:letter_frequency\"\nletter = \"ab\"\nlet_frequency = 1", ":3:10",
            "one letter"},
           {"type = \"language:response_language\"\nlanguage = \"xx\"", ":3:12", "de"},
           {"type = \"length_constraints:nth_paragraph_first_word\"\nnum_paragraphs = 1\nnth_paragraph = 2\n"
            "first_word = \"a\"",
            ":4:17", "num_paragraphs"},
           {"type = \"exact\"\nname = \"stopped\"", ":3:8", "another name"},
           {"type = \"exact\"\nname = \"\"", ":3:8", "another name"},
           {"type = \"exact\"\nprimary = 1", ":3:11", "true or false"},
           {"type = \"regex\"\npattern = 1979-05-27", ":3:11", "a date"},
       }) {
    const std::string error = error_of(std::string("[[check]]\n") + c.toml + "\n");
    EXPECT_TRUE(contains(error, c.place)) << c.toml << "\n" << error;
    EXPECT_TRUE(contains(error, c.part)) << c.toml << "\n" << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  EXPECT_TRUE(
      contains(error_of("[[check]]\ntype = \"exact\"\n[[check]]\ntype = \"exact\"\n"), "given twice"));
  EXPECT_TRUE(contains(error_of("[[check]]\ntype = \"exact\"\nprimary = true\n"
                                "[[check]]\ntype = \"bleu\"\nprimary = true\n"),
                       "test.toml:6:11"));
  EXPECT_TRUE(contains(error_of("check = 3\n"), "[[check]]"));
}

TEST(CheckDeclaration, EveryTypeIsKnownByItsName) {
  const std::vector<std::string> names = check_type_names();
  for (const char* name : {"exact", "normalized_exact", "regex", "contains", "lacks", "json_valid",
                           "json_schema", "json_fields", "length", "lines", "bullets", "starts_with",
                           "ends_with", "language", "rouge_l", "bleu", "chrf", "metric_command"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  EXPECT_EQ(std::count_if(names.begin(), names.end(), [](const std::string& n) { return contains(n, ":"); }),
            25);
}

class ChecksFile : public ::testing::Test {
 protected:
  ChecksFile() { std::filesystem::create_directories(folder_); }
  ~ChecksFile() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  std::string error_of_file(const std::string& name, const std::string& text) const {
    try {
      read_checks_file(write(name, text));
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() /
      ("lora-checks-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "-" +
       std::to_string(reinterpret_cast<uintptr_t>(this)));
};

TEST_F(ChecksFile, TomlAndJsonSayTheSame) {
  write("schema.json", "{\"required\": [\"a\"]}");
  const auto toml = read_checks_file(
      write("c.toml", "[[check]]\ntype = \"json_schema\"\nschema_file = \"schema.json\"\nfence = true\n"));
  for (const char* text :
       {R"([{"type": "json_schema", "schema_file": "schema.json", "fence": true}])",
        R"({"check": [{"type": "json_schema", "schema_file": "schema.json", "fence": true}]})"}) {
    const auto json = read_checks_file(write("c.json", text));
    EXPECT_EQ(json.tables, toml.tables);
    EXPECT_TRUE(json.checks.at(0).check->run("```json\n{\"a\":1}\n```", "").passed);
    EXPECT_FALSE(json.checks.at(0).check->run("{}", "").passed);
  }
  EXPECT_TRUE(toml.tables[0].contains("schema_sha256"));
}

TEST_F(ChecksFile, TheExampleIsTaken) {
  const DeclaredChecks example =
      read_checks_file(std::filesystem::path(LORA_SOURCE_DIR) / "examples/checks.toml");
  EXPECT_EQ(example.checks.size(), 5u);
  EXPECT_TRUE(example.checks[0].primary);
}

TEST_F(ChecksFile, ErrorsNameTheirPlace) {
  EXPECT_TRUE(contains(error_of_file("c.toml", "[[check]]\ntype = \n"), "c.toml:2:"));
  EXPECT_TRUE(contains(error_of_file("c.toml", "r = 16\n"), "c.toml:1:1"));
  EXPECT_TRUE(contains(error_of_file("c.toml", ""), "no checks"));
  EXPECT_TRUE(contains(error_of_file("c.json", "[{\"type\": \"exact\",\n  \"nam\": 1}]"), "c.json:2:10"));
  EXPECT_TRUE(contains(error_of_file("c.json", "[{\"type\": 'exact'}]"), "c.json:1:11"));
  EXPECT_TRUE(contains(error_of_file("c.json", "{\"checks\": []}"), "c.json:1:"));
  EXPECT_TRUE(contains(error_of_file("c.json", "{\"check\": [], \"x\": 1}"), "c.json:1:15"));
  EXPECT_TRUE(contains(error_of_file("c.json", "[3]"), "c.json:1:2"));
  EXPECT_TRUE(contains(error_of_file("c.json", "[]"), "no checks"));
  write("schema.json", "{\"type\": }");
  EXPECT_TRUE(
      contains(error_of_file("c.toml", "[[check]]\ntype = \"json_schema\"\nschema_file = \"schema.json\"\n"),
               "schema.json:1:10"));
  EXPECT_THROW(read_checks_file(folder_ / "none.toml"), Error);
}

}  // namespace
}  // namespace lora
