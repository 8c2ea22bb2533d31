#include "report/review_votes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "report/record_json.h"
#include "report/review_plan.h"

namespace lora {
namespace {

enum Choice : size_t { kA, kB, kTie, kChoices };

struct Vote {
  Choice choice = kTie;
  std::string place;  // "votes.jsonl:4"
  bool contradicted = false;
};

using VotesOfOne = std::map<size_t, Vote>;  // by example id

class VoteReader {
 public:
  explicit VoteReader(const EvaluationRecord& evaluation) : evaluation_(evaluation) {}

  void read(const std::filesystem::path& file) {
    read_json_lines(file, file.string(), [&](const JsonView& json) { read_vote(json); });
  }

  bool any() const { return plan_.has_value(); }
  const ReviewPlan& plan() const { return *plan_; }
  const std::map<std::string, VotesOfOne>& votes() const { return votes_; }
  size_t duplicates() const { return duplicates_; }
  const std::vector<std::string>& contradictions() const { return contradictions_; }

 private:
  void read_vote(const JsonView& json) {
    const std::string key = json.at("review").text();
    if (!plan_) {
      const ReviewOptions options{json.at("a").text(), json.at("b").text(), json.at("seed").count()};
      for (const auto& [name, which] : {std::pair(options.a, "a"), std::pair(options.b, "b")})
        if (!evaluation_.contestant(name)) json.at(which).refuse("a contestant of this run");
      ReviewPlan plan = plan_review(evaluation_, options);
      if (plan.key != key) refuse_other(json);
      for (const ReviewItem& item : plan.items) left_[evaluation_.examples[item.example].id] = item.a_is_left;
      plan_ = std::move(plan);
    }
    if (key != plan_->key) refuse_other(json);
    const std::string reviewer = json.at("reviewer").text(), said = json.at("vote").text();
    if (reviewer.empty()) json.at("reviewer").refuse("a name");
    const size_t id = json.at("id").count();
    const auto left = left_.find(id);
    if (left == left_.end()) json.at("id").refuse("an example of the review");
    if (said != "left" && said != "right" && said != "tie")
      json.at("vote").refuse("\"left\", \"right\" or \"tie\"");
    const Vote vote{.choice = said == "tie"                      ? kTie
                              : (said == "left") == left->second ? kA
                                                                 : kB,
                    .place = json.where()};
    const auto [at, is_new] = votes_[reviewer].try_emplace(id, vote);
    if (is_new) return;
    if (at->second.choice == vote.choice) {
      ++duplicates_;
    } else if (!at->second.contradicted) {
      at->second.contradicted = true;
      contradictions_.push_back(
          fmt::format("{} on example {} ({} and {})", reviewer, id, at->second.place, vote.place));
    }
  }

  [[noreturn]] static void refuse_other(const JsonView& json) {
    throw Error::input(
        {.where = json.where(),
         .found = "the vote belongs to another review: other answers, contestants or another seed",
         .fix = "Give the run directory that the review page was made from."});
  }

  const EvaluationRecord& evaluation_;
  std::optional<ReviewPlan> plan_;
  std::map<size_t, bool> left_;  // whether a's answer stands left, by id
  std::map<std::string, VotesOfOne> votes_;
  size_t duplicates_ = 0;
  std::vector<std::string> contradictions_;
};

void count(VoteCount& votes, Choice choice) {
  ++(choice == kA ? votes.a : choice == kB ? votes.b : votes.ties);
}

Choice most(const VoteCount& votes) {
  return votes.a > votes.b ? kA : votes.b > votes.a ? kB : kTie;
}

// Of what both decided.
Agreement agreement_of(const std::map<size_t, Choice>& first, const std::map<size_t, Choice>& second) {
  std::vector<size_t> a, b;
  for (const auto& [id, choice] : first)
    if (const auto other = second.find(id); other != second.end())
      a.push_back(choice), b.push_back(other->second);
  return cohen_kappa(a, b, kChoices);
}

std::map<size_t, Choice> read_judge(const std::filesystem::path& file, const ReviewOptions& options) {
  std::map<size_t, Choice> choices;
  read_json_lines(file, file.string(), [&](const JsonView& json) {
    const std::string a = json.at("a").text(), b = json.at("b").text();
    const bool same = a == options.a && b == options.b, swapped = a == options.b && b == options.a;
    if (!same && !swapped) return;
    const std::string winner = json.at("winner").text();
    if (winner != "a" && winner != "b" && winner != "tie")
      json.at("winner").refuse("\"a\", \"b\" or \"tie\"");
    choices[json.at("id").count()] = winner == "tie" ? kTie : (winner == "a") == same ? kA : kB;
  });
  return choices;
}

std::string kappa_in_words(const Agreement& agreement) {
  std::string out =
      fmt::format("{} of {} alike ({:.0f} %)", agreement.equal, agreement.n, 100 * agreement.share);
  if (agreement.kappa)
    out += fmt::format(", kappa {:.2f} (95 %: {:.2f} to {:.2f})", *agreement.kappa, agreement.interval->low,
                       agreement.interval->high);
  return out;
}

nlohmann::ordered_json agreement_json(const Agreement& agreement) {
  nlohmann::ordered_json json{{"n", agreement.n}, {"equal", agreement.equal}};
  json["kappa"] =
      agreement.kappa ? nlohmann::ordered_json(*agreement.kappa) : nlohmann::ordered_json(nullptr);
  if (agreement.interval) {
    json["low"] = agreement.interval->low;
    json["high"] = agreement.interval->high;
  }
  return json;
}

nlohmann::ordered_json count_json(const VoteCount& votes) {
  return {{"a", votes.a}, {"b", votes.b}, {"ties", votes.ties}};
}

}  // namespace

ReviewResult read_votes(const EvaluationRecord& evaluation, const std::vector<std::filesystem::path>& files,
                        const std::filesystem::path& judge) {
  VoteReader reader(evaluation);
  for (const std::filesystem::path& file : files) reader.read(file);
  if (!reader.any())
    throw Error::input({.where = files.empty() ? "--votes" : files[0].string(),
                        .found = "there is no vote in it",
                        .fix = "Save the votes on the review page, and give that file."});
  ReviewResult result{.a = reader.plan().options.a,
                      .b = reader.plan().options.b,
                      .asked = reader.plan().items.size(),
                      .identical = reader.plan().identical};
  result.duplicates = reader.duplicates();
  result.contradictions = reader.contradictions();

  std::map<std::string, std::map<size_t, Choice>> by_reviewer;
  std::map<size_t, VoteCount> by_example;
  for (const auto& [name, votes] : reader.votes()) {
    VoteCount tally;
    for (const auto& [id, vote] : votes) {
      if (vote.contradicted) continue;
      count(tally, vote.choice);
      count(by_example[id], vote.choice);
      by_reviewer[name][id] = vote.choice;
    }
    result.reviewers.emplace_back(name, tally);
  }
  std::map<size_t, Choice> decided;
  for (const auto& [id, votes] : by_example) {
    decided[id] = most(votes);
    count(result.total, decided[id]);
  }
  result.preference = wilson_interval(result.total.b, result.total.a + result.total.b);
  result.p = mcnemar_exact_p(result.total.b, result.total.a);
  for (auto first = by_reviewer.begin(); first != by_reviewer.end(); ++first)
    for (auto second = std::next(first); second != by_reviewer.end(); ++second) {
      const Agreement agreement = agreement_of(first->second, second->second);
      if (agreement.n > 0) result.agreements.push_back({first->first, second->first, agreement});
    }
  if (std::filesystem::exists(judge)) {
    const Agreement agreement = agreement_of(decided, read_judge(judge, reader.plan().options));
    if (agreement.n > 0) result.with_judge = agreement;
  }
  return result;
}

nlohmann::ordered_json review_json(const ReviewResult& result) {
  nlohmann::ordered_json json{{"a", result.a},
                              {"b", result.b},
                              {"asked", result.asked},
                              {"identical", result.identical},
                              {"total", count_json(result.total)}};
  const size_t decided = result.total.a + result.total.b;
  json["preference_b"] = {
      {"value", decided == 0 ? nlohmann::ordered_json(nullptr)
                             : nlohmann::ordered_json(static_cast<double>(result.total.b) /
                                                      static_cast<double>(decided))},
      {"n", decided},
      {"low", result.preference.low},
      {"high", result.preference.high}};
  json["p"] = result.p;
  json["reviewers"] = nlohmann::ordered_json::object();
  for (const auto& [name, votes] : result.reviewers) json["reviewers"][name] = count_json(votes);
  json["agreements"] = nlohmann::ordered_json::array();
  for (const ReviewerAgreement& pair : result.agreements) {
    nlohmann::ordered_json entry = agreement_json(pair.agreement);
    entry["reviewers"] = {pair.first, pair.second};
    json["agreements"].push_back(std::move(entry));
  }
  json["with_judge"] =
      result.with_judge ? agreement_json(*result.with_judge) : nlohmann::ordered_json(nullptr);
  json["duplicates"] = result.duplicates;
  json["contradictions"] = result.contradictions;
  return json;
}

std::string review_in_words(const ReviewResult& result) {
  const VoteCount& total = result.total;
  const size_t decided = total.a + total.b;
  std::string out =
      fmt::format("{} of {} examples were judged: {} is preferred on {}, {} on {}, {} are ties\n",
                  total.all(), result.asked, result.b, total.b, result.a, total.a, total.ties);
  if (result.identical > 0)
    out += fmt::format("{} more were answered alike, so nobody was asked\n", result.identical);
  if (decided > 0)
    out += fmt::format(
        "of those that are no tie, {} has {:.0f} % (95 %: {:.0f} to {:.0f} %); sign test p = {:.2g}\n",
        result.b, 100.0 * static_cast<double>(total.b) / static_cast<double>(decided),
        100 * result.preference.low, 100 * result.preference.high, result.p);
  if (decided < fewest_one_sided_pairs())
    out += fmt::format("Not enough to tell: fewer than {} that are no tie can show no preference.\n",
                       fewest_one_sided_pairs());
  if (result.reviewers.size() > 1) {
    out += fmt::format("\n{:<20} {:>8} {:>8} {:>6}\n", "reviewer", result.b, result.a, "ties");
    for (const auto& [name, votes] : result.reviewers)
      out += fmt::format("{:<20} {:>8} {:>8} {:>6}\n", name, votes.b, votes.a, votes.ties);
  }
  for (const ReviewerAgreement& pair : result.agreements)
    out += fmt::format("{} and {}: {}\n", pair.first, pair.second, kappa_in_words(pair.agreement));
  if (result.with_judge) out += fmt::format("people and the judge: {}\n", kappa_in_words(*result.with_judge));
  if (result.duplicates > 0)
    out += fmt::format("{} votes were there twice and count once\n", result.duplicates);
  for (const std::string& contradiction : result.contradictions)
    out += fmt::format("left out, since it contradicts itself: {}\n", contradiction);
  return out;
}

}  // namespace lora
