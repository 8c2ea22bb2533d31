// Judges for tests, made of a function.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "eval/judge/judge_model.h"

namespace lora {

class ScriptedJudge : public JudgeModel {
 public:
  using Script = std::function<JudgeAnswer(const JudgePrompt&)>;
  explicit ScriptedJudge(Script script, std::string id = "scripted")
      : script_(std::move(script)), id_(std::move(id)) {}
  std::string id() const override { return id_; }
  std::vector<JudgeAnswer> ask(const std::vector<JudgePrompt>& prompts) override {
    std::vector<JudgeAnswer> answers;
    for (const JudgePrompt& prompt : prompts) {
      asked.push_back(prompt);
      answers.push_back(script_(prompt));
    }
    return answers;
  }

  std::vector<JudgePrompt> asked;

 private:
  Script script_;
  std::string id_;
};

// What stands between the marks "[[NAME tag]]" and "[[end of NAME tag]]" of a prompt.
inline std::string part_of(const JudgePrompt& prompt, const std::string& name) {
  const std::string& text = prompt.messages.at(1).content;
  const size_t mark = text.find("[[" + name + " "), begin = text.find("]]\n", mark) + 3;
  if (mark == std::string::npos) return {};
  const std::string tag = text.substr(mark + name.size() + 3, begin - mark - name.size() - 6);
  return text.substr(begin, text.find("\n[[end of " + name + " " + tag + "]]") - begin);
}

// The examiner for whom the reference is right and all else is wrong.
inline JudgeAnswer honest(const JudgePrompt& prompt) {
  const std::string reference = part_of(prompt, "reference");
  const bool first = part_of(prompt, "answer 1") == reference,
             second = part_of(prompt, "answer 2") == reference;
  return {.text = first == second ? "Verdict: tie" : first ? "Verdict: 1" : "Verdict: 2"};
}

}  // namespace lora
