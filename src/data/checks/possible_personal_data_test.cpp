#include "data/checks/possible_personal_data.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

TEST(PossiblePersonalData, KnowsKinds) {
  const std::pair<PersonalData, const char*> cases[] = {
      {PersonalData::kEmail, "Write to margit.halvorsen@posteo.no."},
      {PersonalData::kEmail, "(j_torres91@gmail.com)"},
      {PersonalData::kPhone, "Ring me on +44 20 7123 4987 tonight"},
      {PersonalData::kPhone, "call me at 415-867-2309"},
      {PersonalData::kPhone, "(212) 736-5000"},
      {PersonalData::kPhone, "Telefon 030 12 53 87 66"},
      {PersonalData::kPhone, "(0171 5530274)"},
      {PersonalData::kPhone, "06 42 18 77 03"},
      {PersonalData::kPhone, "212.736.5087"},
      {PersonalData::kIban, "Pay to DE89 3704 0044 0532 0130 00."},
      {PersonalData::kIban, "GB33BUKB20201555555555"},
      {PersonalData::kIban, "FR14 2004 1010 0505 0001 3M02 606"},
      {PersonalData::kCard, "My card is 4539 1488 0343 6467."},
      {PersonalData::kCard, "5425233430109903"},
      {PersonalData::kCard, "(5425233430109903)"},
      {PersonalData::kIdentityNumber, "SSN 536-22-8167"},
      {PersonalData::kIdentityNumber, "CPF 529.982.247-25"},
  };
  for (const auto& [kind, text] : cases) {
    const auto found = find_personal_data(text);
    ASSERT_TRUE(found) << text;
    EXPECT_EQ(found->kind, kind) << text;
  }
}

TEST(PossiblePersonalData, LeavesTheRestAlone) {
  for (const char* text : {
           "rosa@example.com",
           "ed@letters.example",
           "a@b.test",
           "support@tidewater.net",
           "your.name@gmail.com",
           "git@github.com:me/repo.git",
           "@mention me",
           "user@host",
           "a @ b",
           "call 415-555-0134",
           "(555) 123-4567",
           "order 123-456-7890",
           "DE89 3704 0044 0532 0130 01",
           "4539 1488 0343 6468",
           "4242 4242 4242 4242",
           "4111111111111111",
           "123-45-6789",
           "000-12-3456",
           "2024-10-12",
           "10.000,50",
           "192.168.10.24",
           "pi is 3.14159265358979",
           "ISBN 978-3-16-148410-0",
           "invoice 20240117-0045",
           "1234567890",
           "v1.2.3-4",
           "3704 rows and 0044 more",
           "postgres://admin:pw@db.tidewater.net",
           "12 34 56 78 90 11",
           "(1984) 2001",
           "+1 and +2",
           "(156.0.8078.79-1)",
           "0.171 5530274",
           "part 0017 5530274",
           "212.736.508",
           "01-02-2024 10:15",
           "1.212.736.5087",
       })
    EXPECT_FALSE(find_personal_data(text)) << text;
}

TEST(PossiblePersonalData, MadeUpDataIsANoteWhereItIsRare) {
  for (const char* text :
       {"rosa@example.com", "call 415-555-0134", "(555) 123-4567", "ring 555-0134", "4242 4242 4242 4242",
        "4111111111111111", "SSN 123-45-6789", "j.doe@company.com"}) {
    EXPECT_TRUE(find_personal_data(text, 0, Invented::kToo)) << text;
    std::vector<testing::Asked> rows(60, {"", "Nothing here.", "ok"});
    rows[7].question = text;
    const auto found = testing::said_of(make_possible_personal_data_check(), rows);
    ASSERT_EQ(found.size(), 1u) << text;
    EXPECT_EQ(found[0].severity, Severity::kNote);
    EXPECT_EQ(found[0].line, 8u);
    for (testing::Asked& row : rows) row.question = text;
    EXPECT_TRUE(testing::said_of(make_possible_personal_data_check(), rows).empty()) << text;
  }
  for (const char* text :
       {"support@tidewater.net", "your.name@gmail.com", "2024-10-12", "192.168.10.24", "10.000,50",
        "order 123-456-789", "git@github.com:me/repo.git", "4539 1488 0343 6468"})
    EXPECT_FALSE(find_personal_data(text, 0, Invented::kToo)) << text;
}

TEST(PossiblePersonalData, SaysItOnceWhereItIsTheSubject) {
  std::vector<testing::Asked> rows;
  for (int i = 0; i < 100; ++i)
    rows.push_back({"Extract.", "Mail p" + std::to_string(i) + "@posteo.no today.", "ok"});
  EXPECT_EQ(testing::said_of(make_possible_personal_data_check(), rows).size(), 1u);
  for (size_t i = 0; i < rows.size(); ++i)
    if (i % 10 != 0) rows[i].question = "Nothing here.";
  const auto some = testing::said_of(make_possible_personal_data_check(), rows);
  EXPECT_EQ(some.size(), 10u);
  EXPECT_EQ(testing::warned(some), std::vector<size_t>{1});
  for (size_t i = 0; i < rows.size(); ++i)
    if (i != 30) rows[i].question = "Nothing here.";
  const auto one = testing::said_of(make_possible_personal_data_check(), rows);
  ASSERT_EQ(testing::warned(one), std::vector<size_t>{31});
  EXPECT_EQ(one[0].message.find("p30@"), std::string::npos) << one[0].message;
}

}  // namespace
}  // namespace lora
