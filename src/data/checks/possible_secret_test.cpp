#include "data/checks/possible_secret.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

// Put together here, so that no scanner takes this file for a leak.
std::string joined(std::string_view a, std::string_view b) {
  return std::string(a) + std::string(b);
}

TEST(PossibleSecret, KnowsShapes) {
  for (const std::string& secret : {
           joined("AKIA", "Q7ZT4MWX2LPD9RKB"),
           joined("ghp_", "x8Kq2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3"),
           joined("glpat-", "x8Kq2LmZ0vTnB4yWcR7d"),
           joined("sk-", "proj-9fKQ2mXv7Lw0ZrTt4YbN8cJdHs6PgUa1"),
           joined("xoxb-", "482917365024-7736152849301-hQz8LmT4vXcR2kWn"),
           joined("AIza", "SyD4k9fQ2mXv7Lw0ZrTt4YbN8cJdHs6PgUa"),
           joined("sk_live_", "4eC39HqLyjWDarjtT1zdp7dc"),
           joined("hf_", "QzLmTvXcRkWnBdYsPfGuAeQiEoJhTr8k2x"),
           joined("eyJhbGciOiJIUzI1NiJ9.", "eyJ1c2VyIjoibWFyZ2l0In0.x8Kq2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3"),
           joined("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEpAIBAAKCAQEAx7v9"),
           joined("postgres://admin:", "hV7%kq2!pZ@db.tidewater.net:5432/prod"),
           joined("Authorization: Bearer ", "x8Kq2LmZ0vTnB4yWcR7dJh5sPfG1uA9e"),
           joined("hf_", "qKxLmZvTnByWcRdJhsPfGuAeQiExZkLmVt"),
           joined("-----BEGIN PGP ", "PRIVATE KEY BLOCK-----\n\nlQOYBGJ3"),
           joined("The password is: ", "Kx9!mQ27#vLz"),
           joined("DB_PASSWORD=", "Gh7kQz29xL"),
           joined("my password is ", "Sn0wfall#82"),
           joined("api_key: \"", "9f8b27c41d6e05a3b7c2d9e4f1a60835\""),
       }) {
    const std::string text = "Use " + secret + " for it.";
    const auto found = find_secret(text);
    EXPECT_TRUE(found) << secret;
  }
}

TEST(PossibleSecret, MadeUpOnesAreNotesWhereTheyAreRare) {
  for (const char* text :
       {"AKIAIOSFODNN7EXAMPLE", "sk-1234567890abcdef1234567890abcdef", "password=password123",
        "postgres://user:password@localhost/db", "my password is hunter2pass"}) {
    EXPECT_FALSE(find_secret(text)) << text;
    std::vector<testing::Asked> rows(60, {"", "Nothing here.", "ok"});
    rows[7].question = text;
    const auto found = testing::said_of(make_possible_secret_check(), rows);
    ASSERT_EQ(found.size(), 1u) << text;
    EXPECT_EQ(found[0].severity, Severity::kNote);
    EXPECT_EQ(found[0].line, 8u);
    for (testing::Asked& row : rows) row.question = text;
    EXPECT_TRUE(testing::said_of(make_possible_secret_check(), rows).empty()) << text;
  }
  for (const char* text :
       {"export OPENAI_API_KEY=YOUR_API_KEY_HERE", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "password: str",
        "token = get_token(user)", "Bearer ${TOKEN}", "the token economy of this town"})
    EXPECT_FALSE(find_secret(text, 0, Invented::kToo)) << text;
}

TEST(PossibleSecret, LeavesPlaceholdersAndCodeAlone) {
  for (const char* text : {
           "AKIAIOSFODNN7EXAMPLE",
           "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
           "sk-1234567890abcdef1234567890abcdef",
           "export OPENAI_API_KEY=YOUR_API_KEY_HERE",
           "ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
           "password = os.environ[\"DB_PASSWORD\"]",
           "password: str",
           "password=password123",
           "token = get_token(user)",
           "if password == confirm_password:",
           "postgres://user:password@localhost/db",
           "mysql://root:root@127.0.0.1/test",
           "https://example.com/@user:page",
           "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
           "Authorization: Bearer <token>",
           "Bearer ${TOKEN}",
           "the token economy of this town",
           "a password is a shared secret between two parties",
           "risk-free-and-long-hyphenated-words-everywhere",
           "sk-learn-pipeline-with-many-words-in-it",
           "The key to success is patience: 1234",
           "secret: the recipe of my grandmother",
           "passwords: 14, users: 200",
           "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0."
           "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
           "commit 9f8b27c41d6e05a3b7c2d9e4f1a60835aabbccdd",
           "uuid 123e4567-e89b-12d3-a456-426614174000",
       })
    EXPECT_FALSE(find_secret(text)) << text;
}

TEST(PossibleSecret, NeverPrintsTheWhole) {
  const std::string key = joined("ghp_", "x8Kq2LmZ0vTnB4yWcR7dJh5sPfG1uA9eQiE3"),
                    password = joined("Sn0wfall", "#82");
  const auto found =
      testing::said_of(make_possible_secret_check(),
                       {{"", "Use " + key, "Done."}, {"", "my password is " + password, "Noted."}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].message.find(key.substr(0, 12)), std::string::npos) << found[0].message;
  EXPECT_EQ(found[1].message.find("Sn0w"), std::string::npos) << found[1].message;
  EXPECT_EQ(found[0].column, testing::jsonl_of({{"", "Use " + key, "Done."}}).find("ghp_") + 1);
}

}  // namespace
}  // namespace lora
