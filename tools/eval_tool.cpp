// Checks and texts for tests/parity: a request a line on standard input, its result a line on standard output. JSON both.
// Not for users.
//   {"check": {"type": …}, "answer": …, "reference": …, "prompt": …} → {"passed": …, "score": …, "loose": …, "why": …}
//   {"overlap": [[answer, reference], …]} → {"rouge_l": […], "bleu": […], "chrf": […], "corpus_bleu": …, "corpus_chrf": …}
//   {"verdict": "ROWS.jsonl", "contestants": {"base": [answer, …], "tuned": […]}, "checks": [{"type": …}, …]} → summary.json
#include "data/chat_jsonl.h"
#include "eval/check_declaration.h"
#include "eval/loose_answers.h"
#include "eval/scoring.h"
#include "eval/summary.h"
#include "eval/text_overlap.h"
#include "json_lines.h"

namespace {

using nlohmann::json;

json check(const json& request) {
  lora::CheckTable table;
  table.values = request["check"];
  const lora::DeclaredChecks checks = lora::make_checks({table}, ".");
  const lora::Check& one = *checks.checks[0].check;
  const std::string answer = request["answer"], reference = request.value("reference", ""),
                    prompt = request.value("prompt", "");
  const lora::CheckInput input{answer, reference, prompt};
  const lora::CheckResult result = one.run_on(input);
  return {{"passed", result.passed},
          {"score", result.score},
          {"loose", lora::passes_loosely(one, input)},
          {"why", result.why}};
}

json overlap(const json& pairs) {
  json out{{"rouge_l", json::array()}, {"bleu", json::array()}, {"chrf", json::array()}};
  lora::BleuCounts bleu;
  lora::ChrfCounts chrf;
  for (const json& pair : pairs) {
    const std::string answer = pair[0], reference = pair[1];
    const lora::BleuCounts words = lora::bleu_counts(answer, reference);
    const lora::ChrfCounts characters = lora::chrf_counts(answer, reference);
    out["rouge_l"].push_back(lora::rouge_l(answer, reference));
    out["bleu"].push_back(lora::bleu(words, true));
    out["chrf"].push_back(lora::chrf(characters));
    bleu += words;
    chrf += characters;
  }
  out["corpus_bleu"] = lora::bleu(bleu, false);
  out["corpus_chrf"] = lora::chrf(chrf);
  return out;
}

// What `lora eval` says of answers that were recorded.
json verdict(const json& request) {
  const std::vector<lora::Conversation> rows = lora::read_chat_jsonl(request["verdict"].get<std::string>());
  std::vector<lora::CheckTable> tables;
  for (const json& one : request.value("checks", json::array())) tables.emplace_back().values = one;
  const lora::Metrics metrics = lora::choose_metrics(lora::make_checks(tables, "."), rows, {});
  const auto answers = request["contestants"].get<std::map<std::string, std::vector<std::string>>>();
  std::vector<lora::AnswersGiven> given;
  for (const auto& [name, texts] : answers)
    given.push_back({name, texts, std::vector<bool>(texts.size(), true)});
  return lora::summary_json(lora::score_answers(metrics, rows, given).evaluation);
}

}  // namespace

int main() {
  return lora::for_each_line([](const json& request) {
    if (request.contains("verdict")) return verdict(request);
    return request.contains("overlap") ? overlap(request["overlap"]) : check(request);
  });
}
