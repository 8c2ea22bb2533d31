#include "eval/judge/rounds.h"

#include <numeric>

#include "eval/checks.h"

namespace lora {
namespace {

// One thing to ask: an order of a pair, or one answer of it by criteria.
struct Asked {
  size_t pair = 0;
  int round = 0;
  std::string side = {};
  JudgePrompt prompt = {};
  JudgeAnswer answer = {};
  bool again = false;
};

std::vector<Asked> what_to_ask(const JudgeRubric& rubric, const std::vector<JudgeQuestion>& questions,
                               const std::vector<JudgePair>& pairs, const std::vector<JudgedPair>& judged) {
  std::vector<Asked> asked;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (judged[i].equal_answers) continue;
    const JudgePair& pair = pairs[i];
    const JudgeQuestion& question = questions.at(pair.id);
    for (int round = 0; round < 2; ++round) {
      if (rubric.mode == JudgeMode::kPairwise) {
        const bool a_first = round == 0;
        // With equal answers both orders are the same text; they must still be two answers.
        const int sample = pair.a_text == pair.b_text ? round : 0;
        asked.push_back({i,
                         round,
                         "",
                         {pairwise_prompt(rubric, question, a_first ? pair.a_text : pair.b_text,
                                          a_first ? pair.b_text : pair.a_text),
                          sample}});
      } else {
        // Equal answers are graded as two answers would be.
        const int apart = pair.a_text == pair.b_text ? 2 : 0;
        asked.push_back({i, round, "a", {rubric_prompt(rubric, question, pair.a_text, round == 1), round}});
        asked.push_back(
            {i, round, "b", {rubric_prompt(rubric, question, pair.b_text, round == 1), round + apart}});
      }
    }
  }
  return asked;
}

bool holds_verdict(const JudgeRubric& rubric, const JudgeAnswer& answer) {
  if (!answer.whole) return false;
  return rubric.mode == JudgeMode::kPairwise ? find_verdict(answer.text).has_value()
                                             : find_scores(answer.text, rubric.criteria).has_value();
}

void ask(JudgeModel& model, std::vector<Asked*> asked,
         const std::function<void(const JudgeExchange&)>& on_exchange) {
  std::vector<JudgePrompt> prompts;
  for (const Asked* one : asked) prompts.push_back(one->prompt);
  std::vector<JudgeAnswer> answers = model.ask(prompts);
  for (size_t i = 0; i < asked.size(); ++i) {
    Asked& one = *asked[i];
    one.answer = std::move(answers.at(i));
    if (on_exchange) on_exchange({one.pair, one.round, one.side, one.again, &one.prompt, &one.answer});
  }
}

void note(const JudgeRubric& rubric, const Asked& asked, JudgeRound& round) {
  round.asked_again |= asked.again;
  if (!asked.answer.failure.empty()) {
    round.failed = true;
    return;
  }
  if (!asked.answer.whole) return;
  if (rubric.mode == JudgeMode::kPairwise) {
    round.a_first = asked.round == 0;
    const auto choice = find_verdict(asked.answer.text);
    if (!choice) return;
    if (*choice == JudgeChoice::kTie)
      round.winner = Winner::kTie;
    else
      round.winner = (*choice == JudgeChoice::kFirst) == round.a_first ? Winner::kA : Winner::kB;
    return;
  }
  if (auto scores = find_scores(asked.answer.text, rubric.criteria))
    (asked.side == "a" ? round.a_scores : round.b_scores) = std::move(*scores);
  if (round.a_scores.empty() || round.b_scores.empty()) return;
  const auto sum = [](const std::vector<int>& scores) {
    return std::accumulate(scores.begin(), scores.end(), 0);
  };
  const int a = sum(round.a_scores), b = sum(round.b_scores);
  round.winner = a > b ? Winner::kA : b > a ? Winner::kB : Winner::kTie;
}

void settle(JudgedPair& judged, const JudgeRubric& rubric) {
  const bool orders = rubric.mode == JudgeMode::kPairwise;
  if (judged.equal_answers) {
    judged.why = "equal answers";
  } else if (judged.rounds[0].failed || judged.rounds[1].failed) {
    judged.why = "no answer";
  } else if (!judged.is_readable()) {
    judged.why = "no verdict that can be read";
  } else if (judged.is_consistent()) {
    judged.winner = *judged.rounds[0].winner;
    judged.why = orders ? "both orders" : "both gradings";
  } else {
    judged.why = orders ? "the orders disagree" : "the gradings disagree";
  }
}

}  // namespace

std::string purpose_name(JudgePair::Purpose purpose) {
  switch (purpose) {
    case JudgePair::Purpose::kIdentical:
      return "identical";
    case JudgePair::Purpose::kGold:
      return "gold";
    case JudgePair::Purpose::kAnswers:
      break;
  }
  return "answers";
}

std::string winner_name(Winner winner) {
  return winner == Winner::kA ? "a" : winner == Winner::kB ? "b" : "tie";
}

std::vector<JudgedPair> judge_pairs(JudgeModel& model, const JudgeRubric& rubric,
                                    const std::vector<JudgeQuestion>& questions,
                                    const std::vector<JudgePair>& pairs,
                                    const std::function<void(const JudgeExchange&)>& on_exchange) {
  std::vector<JudgedPair> judged(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i)
    judged[i].equal_answers = pairs[i].purpose == JudgePair::Purpose::kAnswers &&
                              trimmed(pairs[i].a_text) == trimmed(pairs[i].b_text);
  std::vector<Asked> asked = what_to_ask(rubric, questions, pairs, judged);
  std::vector<Asked*> all, again;
  for (Asked& one : asked) all.push_back(&one);
  ask(model, all, on_exchange);
  for (Asked& one : asked) {
    if (!one.answer.failure.empty() || holds_verdict(rubric, one.answer)) continue;
    one.prompt.messages = ask_again(std::move(one.prompt.messages), rubric, one.answer.text);
    one.again = true;
    again.push_back(&one);
  }
  if (!again.empty()) ask(model, again, on_exchange);
  for (const Asked& one : asked) note(rubric, one, judged[one.pair].rounds[static_cast<size_t>(one.round)]);
  for (JudgedPair& pair : judged) settle(pair, rubric);
  return judged;
}

}  // namespace lora
