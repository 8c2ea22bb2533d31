#include "eval/loose_answers.h"

#include <algorithm>

namespace lora {

std::vector<std::string> loose_answers(std::string_view answer) {
  const size_t first_end = answer.find('\n'), last_begin = answer.rfind('\n');
  const bool one_line = first_end == std::string_view::npos;
  const std::string_view no_first = one_line ? "" : answer.substr(first_end + 1);
  const std::string_view no_last = one_line ? "" : answer.substr(0, last_begin);
  const std::string_view inside =
      one_line || last_begin <= first_end ? "" : answer.substr(first_end + 1, last_begin - first_end - 1);
  std::vector<std::string> readings;
  for (const std::string_view kept : {answer, no_first, no_last, inside})
    readings.emplace_back(trimmed(kept));
  readings[0] = answer;
  for (size_t i = 0; i < 4; ++i) {
    std::string plain = readings[i];
    std::erase(plain, '*');
    readings.push_back(std::move(plain));
  }
  return readings;
}

bool passes_loosely(const Check& check, const CheckInput& input) {
  const std::vector<std::string> readings = loose_answers(input.answer);
  return std::any_of(readings.begin(), readings.end(), [&](const std::string& reading) {
    return !trimmed(reading).empty() && check.run_on({reading, input.reference, input.prompt}).passed;
  });
}

}  // namespace lora
