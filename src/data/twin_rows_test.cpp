#include "data/twin_rows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "base/random.h"

namespace lora {
namespace {

Conversation row(const std::string& user, const std::string& answer, const std::string& system = "") {
  Conversation out;
  if (!system.empty()) out.messages.push_back({.role = "system", .content = system});
  out.messages.push_back({.role = "user", .content = user});
  out.messages.push_back({.role = "assistant", .content = answer});
  return out;
}

std::set<std::pair<size_t, size_t>> twins_of(const std::vector<Conversation>& rows, size_t border = 0) {
  TwinRows twins;
  for (const Conversation& r : rows) twins.add(r);
  std::set<std::pair<size_t, size_t>> pairs;
  for (const Twin& twin : twins.find([&](size_t i) { return rows[i]; }, border))
    pairs.emplace(twin.first, twin.second);
  return pairs;
}

template <size_t n>
const char* pick(Random& random, const std::array<const char*, n>& from) {
  return from[random.below(n)];
}

constexpr std::array kThings = {"calendar",   "inbox",       "map view",   "export page",
                                "editor",     "search bar",  "time sheet", "stock list",
                                "login page", "price table", "rota",       "photo wall"};
constexpr std::array kCities = {"Lisbon", "Oslo",   "Denver", "Nairobi", "Kyoto",
                                "Lima",   "Gdansk", "Perth",  "Leeds",   "Quito"};

// Tickets made from a few sentences with places to fill in; no two alike.
std::vector<Conversation> tickets(size_t n, uint64_t seed) {
  constexpr std::array kSentences = {
      "The {} crashes as soon as I press save", "Since the update the {} shows old numbers",
      "Nothing happens when I open the {}",     "The {} freezes on my tablet",
      "Could the {} get a dark theme",          "It would help if the {} could print labels"};
  constexpr std::array kNotes = {"", " Sent from the train.", " Third time I ask.", " No hurry.",
                                 " We are a team of five."};
  Random random(seed);
  std::vector<Conversation> rows;
  for (std::set<std::string> seen; rows.size() < n;) {
    const size_t sentence = random.below(kSentences.size());
    std::string text = kSentences[sentence];
    text.replace(text.find("{}"), 2, pick(random, kThings));
    text += pick(random, kNotes);
    text += std::string(" Regards from ") + pick(random, kCities) + ".";
    if (seen.insert(text).second)
      rows.push_back(row(text, sentence < 4 ? "bug" : "feature", "Label the ticket."));
  }
  return rows;
}

std::string sentence(Random& random, size_t words) {
  std::string text;
  for (size_t i = 0; i < words; ++i) {
    std::string word;
    for (uint64_t k = random.below(900); word.empty() || k > 0; k /= 30)
      word += "bdfgklmnprstvzaeiouqwxycjhBDFGKL"[k % 30];
    text += (i > 0 ? " " : "") + word + "ol";
  }
  return text;
}

// Rows that no template made.
std::vector<Conversation> free_rows(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<Conversation> rows;
  for (size_t i = 0; i < n; ++i)
    rows.push_back(row(sentence(random, 12 + random.below(20)), sentence(random, 15)));
  return rows;
}

TEST(TwinRows, TemplatesAreNoTwins) {
  EXPECT_EQ(twins_of(tickets(250, 1)), (std::set<std::pair<size_t, size_t>>{}));

  std::vector<Conversation> sums;
  for (int i = 2; i < 40; ++i)
    for (int k = 3; k < 9; ++k)
      sums.push_back(
          row("What is " + std::to_string(i) + " + " + std::to_string(k) + "?", std::to_string(i + k)));
  EXPECT_TRUE(twins_of(sums).empty());

  Random random(2);
  std::vector<Conversation> instructed;
  const std::string instruction =
      "You are given a review. Read it with care and decide whether the customer would buy "
      "again. Consider tone and facts. Answer yes, no or unclear. Here is the review: ";
  for (int i = 0; i < 300; ++i)
    instructed.push_back(row(instruction + sentence(random, 9), i % 3 == 0 ? "yes" : "no"));
  EXPECT_TRUE(twins_of(instructed).empty()) << "a long instruction that all rows share";

  std::vector<Conversation> facts;
  for (const char* city : kCities)
    for (const char* thing :
         {"mayor", "river", "airport", "oldest bridge", "favourite dish", "football club"})
      facts.push_back(row(std::string("What is the name of the ") + thing + " of " + city + "?",
                          std::string("It is the ") + thing + " named after " + city + "."));
  EXPECT_TRUE(twins_of(facts).empty());

  std::vector<Conversation> commands;
  for (const char* opening : {"set", "please set", "could you set", "I want"})
    for (const char* what : {"an alarm", "a timer", "a reminder"})
      for (const char* time :
           {"six", "half past seven", "noon", "ten past four", "midnight", "tomorrow morning"})
        commands.push_back(row(std::string(opening) + " " + what + " for " + time, what));
  EXPECT_TRUE(twins_of(commands).empty()) << "every way to ask is a sample of its own";
}

TEST(TwinRows, QuestionsAboutOneTextAreNoTwins) {
  Random random(5);
  std::vector<Conversation> rows;
  for (int i = 0; i < 40; ++i) {
    const std::string text = "Context: " + sentence(random, 60) + ". Question: ";
    for (const char* question : {"Who wrote it?", "When was it found?", "What does it cost?"})
      rows.push_back(row(text + question, sentence(random, 3)));
  }
  EXPECT_TRUE(twins_of(rows).empty());
}

TEST(TwinRows, EqualRefusalsAreNoTwins) {
  Random random(6);
  std::vector<Conversation> rows;
  for (int i = 0; i < 80; ++i)
    rows.push_back(row(sentence(random, 8),
                       "I am sorry, but I cannot help with that. Ask me about our products instead."));
  EXPECT_TRUE(twins_of(rows).empty());
}

using Change = std::string (*)(std::string);

TEST(TwinRows, ChangedCopiesAreTwinsAmongTemplates) {
  const std::map<const char*, Change> changes = {
      {"case",
       [](std::string s) {
         for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
         return s;
       }},
      {"punctuation", [](std::string s) { return s + " !!"; }},
      {"white space", [](std::string s) { return s.replace(s.find(' '), 1, "  \n"); }},
      {"courtesy", [](std::string s) { return "Please, " + s; }},
      {"typing error", [](std::string s) { return s.replace(s.find("Regards"), 7, "Ragerds"); }},
      {"another word", [](std::string s) { return s.replace(s.find("Regards"), 7, "Salutations"); }},
      {"a word more", [](std::string s) { return s.replace(s.find("Regards"), 7, "Many honest Regards"); }},
      {"a word less", [](std::string s) { return s.replace(s.find("from "), 5, ""); }},
  };
  for (const auto& [name, change] : changes) {
    std::vector<Conversation> rows = tickets(250, 4);
    rows.push_back(
        row(change(rows[30].messages[1].content), rows[30].messages[2].content, "Label the ticket."));
    // "Sent from the train" holds a "from" too; only row 30 matters.
    EXPECT_TRUE(twins_of(rows).contains({30, 250})) << name << ": " << rows[250].messages[1].content;
  }
}

// Tickets whose answers are their own.
std::vector<Conversation> answered_tickets() {
  std::vector<Conversation> rows = tickets(250, 4);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].messages[2].content =
        fmt::format("We have looked into this for you; its number is {}.", 7000 + i);
  return rows;
}

TEST(TwinRows, ChangedCopiesWithAnAnswerOfTheirOwnAreTwinsAmongTemplates) {
  const std::map<const char*, Change> changes = {
      {"a word twice", [](std::string s) { return s.replace(s.find("Regards"), 7, "Regards Regards"); }},
      {"a word left out", [](std::string s) { return s.replace(s.find("Regards "), 8, ""); }},
      {"another order",
       [](std::string s) {
         const size_t at = s.find("Regards");
         return s.substr(at) + " " + s.substr(0, at);
       }},
  };
  for (const auto& [name, change] : changes) {
    std::vector<Conversation> rows = answered_tickets();
    rows.push_back(
        row(change(rows[30].messages[1].content), rows[30].messages[2].content, "Label the ticket."));
    EXPECT_EQ(twins_of(rows), (std::set<std::pair<size_t, size_t>>{{30, 250}})) << name;
  }
  std::vector<Conversation> rows = answered_tickets();
  std::string question = rows[30].messages[1].content, answer = rows[30].messages[2].content;
  rows.push_back(row(question.replace(question.find("Regards"), 7, "Regrads"),
                     answer.replace(answer.find("looked"), 6, "loked"), "Label the ticket."));
  EXPECT_TRUE(twins_of(rows).contains({30, 250})) << "slips in both";
}

TEST(TwinRows, FillingsOfSeveralWordsAreSlots) {
  std::vector<Conversation> rows;
  for (const char* animal : {"mi perro", "mi gato", "un loro", "nuestra perra", "el conejo de mi hija"})
    for (const char* place :
         {"la terraza", "el comedor", "la piscina", "la cafetería", "el jardín", "la azotea"})
      rows.push_back(
          row(fmt::format("Buenas tardes. ¿Se admite {} en {}?", animal, place),
              fmt::format("Sí, siempre que {} tenga menos de diez kilos y avise al reservar.", animal)));
  EXPECT_TRUE(twins_of(rows).empty());
  rows.clear();
  for (const char* station : {"盛岡", "岡山", "京都", "高崎", "長野", "仙台"})
    for (const char* thing : {"黒い傘", "青い手袋", "老眼鏡", "定期券", "財布"})
      rows.push_back(row(fmt::format("{}駅で{}を拾った人の名前を教えてください。", station, thing),
                         "申し訳ありませんが、拾った方のお名前はお伝えできません。"));
  EXPECT_TRUE(twins_of(rows).empty()) << "ideographs that two names share";
}

TEST(TwinRows, SimilarRowsAreTwinsWhereNothingRecurs) {
  std::vector<Conversation> rows = free_rows(200, 1);
  const Conversation& original = rows[17];
  const std::string& question = original.messages[0].content;
  const std::string changed = "quite" + question.substr(question.find(' '));
  rows.push_back(row(changed, original.messages[1].content));
  rows.push_back(row(changed + " then", "something else altogether"));
  const auto twins = twins_of(rows);
  EXPECT_TRUE(twins.contains({17, 200}));
  EXPECT_TRUE(twins.contains({17, 201}));
  EXPECT_EQ(twins.size(), 3u);
}

TEST(TwinRows, NumbersTellQuestionsApart) {
  std::vector<Conversation> rows = free_rows(100, 3);
  rows.push_back(
      row("A train leaves the old station at noon and travels 60 km an hour, how far is it after 3 hours?",
          "180 km"));
  rows.push_back(
      row("A train leaves the old station at noon and travels 80 km an hour, how far is it after 2 hours?",
          "160 km"));
  EXPECT_TRUE(twins_of(rows).empty());
}

TEST(TwinRows, TheSameQuestionWithAnotherAnswerIsNoTwin) {
  std::vector<Conversation> rows = free_rows(50, 4);
  rows.push_back(row(rows[3].messages[0].content, "no"));
  EXPECT_TRUE(twins_of(rows).empty());
}

TEST(TwinRows, AmongManyAnswersToOneQuestionTheEqualOneIsLookedAt) {
  for (const size_t answers : {size_t{6}, size_t{30}}) {
    std::vector<Conversation> rows = free_rows(60, 10);
    Random random(11);
    const std::string question = sentence(random, 20);
    for (size_t i = 0; i < answers; ++i) rows.push_back(row(question, sentence(random, 15)));
    const std::string answer = rows.back().messages[1].content;
    rows.push_back(row(question + "!", answer));
    const size_t last = rows.size() - 1;
    EXPECT_TRUE(twins_of(rows).contains({last - 1, last})) << answers;
  }
}

TEST(TwinRows, AnotherSystemPromptIsAnotherTask) {
  std::vector<Conversation> rows = free_rows(50, 5);
  const std::string text = rows[0].messages[0].content;
  rows.push_back(row(text, "an order", "Extract the order."));
  rows.push_back(row(text, "a contact", "Extract the contact."));
  EXPECT_TRUE(twins_of(rows).empty());
}

TEST(TwinRows, PlainTextIsCompared) {
  std::vector<Conversation> rows;
  Random random(8);
  for (int i = 0; i < 50; ++i) rows.push_back({.messages = {}, .text = sentence(random, 30)});
  rows.push_back({.messages = {}, .text = rows[5].text + " indeed"});
  EXPECT_EQ(twins_of(rows), (std::set<std::pair<size_t, size_t>>{{5, 50}}));
}

TEST(TwinRows, BordersPartTwoFiles) {
  std::vector<Conversation> rows = free_rows(60, 9);
  rows.push_back(rows[2]);   // beyond the border, twin of one before it
  rows.push_back(rows[40]);  // beyond the border as its twin is
  EXPECT_EQ(twins_of(rows, 30), (std::set<std::pair<size_t, size_t>>{{2, 60}}));
  EXPECT_TRUE(twins_of({}).empty());
}

TEST(TwinRows, RecurrenceTellsTemplatesFromProse) {
  TwinRows made, written;
  for (const auto& r : tickets(250, 1)) made.add(r);
  for (const auto& r : free_rows(250, 1)) written.add(r);
  EXPECT_GT(made.recurrence(), 0.5);
  EXPECT_LT(written.recurrence(), 0.05);
}

}  // namespace
}  // namespace lora
