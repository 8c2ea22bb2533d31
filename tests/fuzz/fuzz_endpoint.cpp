// libFuzzer: whatever a server sends is an answer or an Error, and no text makes up a verdict that a last line does not give.
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "endpoint/completion.h"
#include "eval/judge/verdict_text.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const lora::ChatReply reply = lora::parse_completion(text, "fuzz");
    require(!reply.prompt_tokens || *reply.prompt_tokens >= 0);
    require(!reply.completion_tokens || *reply.completion_tokens >= 0);
  } catch (const lora::Error& error) {
    require(lora::is_valid_utf8(error.what()));
  }
  const std::string words = lora::error_in_words(text);
  require(words.find('\n') == std::string::npos && lora::is_valid_utf8(words));

  lora::find_verdict(text);
  const auto verdict = lora::find_verdict(text + "\nVerdict: 2");
  require(!verdict || *verdict == lora::JudgeChoice::kSecond);
  require(!lora::find_verdict(text + "\nVerdict: 1 or 2"));
  const std::vector<std::string> criteria{"truth", "style"};
  if (const auto scores = lora::find_scores(text, criteria))
    for (const int score : *scores) require(score >= 1 && score <= 5);
  if (const auto scores = lora::find_scores(text + "\ntruth: 3\nstyle: 2", criteria))
    require((*scores == std::vector<int>{3, 2}));
  return 0;
}
