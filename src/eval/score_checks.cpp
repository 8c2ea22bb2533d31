// Declared checks that give a score from 0 to 1: overlap with the reference, and the user's own command.
#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "data/json_reader.h"
#include "eval/check_types.h"
#include "eval/child_process.h"
#include "eval/text_overlap.h"

namespace lora {
namespace {

using nlohmann::json;
using std::filesystem::path;

// A score as it is, or pass and fail by a threshold where the declaration has `pass_at`.
class ScoreCheck : public Check {
 public:
  ScoreCheck(std::string name, std::optional<double> pass_at) : name_(std::move(name)), pass_at_(pass_at) {}
  std::string_view name() const override { return name_; }
  bool is_score() const override { return !pass_at_; }

 protected:
  CheckResult judged(double score) const {
    if (!pass_at_) return {.passed = score >= 1, .score = score};
    CheckResult result{.passed = score >= *pass_at_, .score = score};
    if (!result.passed) result.why = fmt::format("scores {:.3f}, below {:g}", score, *pass_at_);
    return result;
  }

 private:
  std::string name_;
  std::optional<double> pass_at_;
};

class OverlapCheck : public ScoreCheck {
 public:
  using Score = double (*)(std::string_view answer, std::string_view reference);
  OverlapCheck(std::string name, std::optional<double> pass_at, Score score)
      : ScoreCheck(std::move(name), pass_at), score_(score) {}
  CheckResult run(std::string_view answer, std::string_view reference) const override {
    return judged(score_(answer, reference));
  }

 private:
  Score score_;
};

// One line of JSON in, {"prompt": …, "answer": …, "reference": …}; one score out, a number or {"score": …}. Whatever goes
// wrong leaves the answer unscored, never passed.
class CommandCheck : public ScoreCheck {
 public:
  CommandCheck(std::optional<double> pass_at, std::vector<std::string> command, path folder,
               std::chrono::milliseconds limit)
      : ScoreCheck("metric_command", pass_at),
        command_(std::move(command)),
        folder_(std::move(folder)),
        limit_(limit) {}

  CheckResult run(std::string_view answer, std::string_view reference) const override {
    return run_on({answer, reference, {}});
  }
  CheckResult run_on(const CheckInput& input) const override {
    const nlohmann::ordered_json line{
        {"prompt", input.prompt}, {"answer", input.answer}, {"reference", input.reference}};
    const ChildResult child =
        run_child(command_, folder_,
                  line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n", limit_);
    const std::string failure = failure_of(child);
    if (!failure.empty()) return unscored(failure, child);
    const JsonText read = read_json(child.output, {.keep_places = false});
    if (!read.ok()) return unscored("wrote no JSON", child);
    const json score = read.value.is_object() ? read.value.value("score", json()) : read.value;
    if (!score.is_number() || !(score.get<double>() >= 0 && score.get<double>() <= 1))
      return unscored("wrote no score from 0 to 1", child);
    CheckResult result = judged(score.get<double>());
    if (read.value.is_object() && read.value.contains("why") && read.value["why"].is_string())
      result.why = read.value["why"].get<std::string>();
    return result;
  }

 private:
  std::string failure_of(const ChildResult& child) const {
    switch (child.end) {
      case ChildResult::End::kExited:
        return child.code == 0 ? "" : fmt::format("ended with exit code {}", child.code);
      case ChildResult::End::kSignalled:
        return fmt::format("was killed by signal {}", child.code);
      case ChildResult::End::kTimedOut:
        return fmt::format("took longer than {} s", static_cast<double>(limit_.count()) / 1000);
      case ChildResult::End::kTooMuchOutput:
        return "wrote more than 1 MiB";
      case ChildResult::End::kNotStarted:
        break;
    }
    return fmt::format("could not be started: {}", std::strerror(child.code));
  }

  CheckResult unscored(const std::string& failure, const ChildResult& child) const {
    CheckResult result = check_failed(fmt::format("the metric command {}", failure));
    const std::string words = repair_utf8(
        std::string_view(child.errors).substr(child.errors.size() > 400 ? child.errors.size() - 400 : 0));
    if (!words.empty()) result.why += ": " + std::string(trimmed(words));
    result.unscored = true;
    return result;
  }

  std::vector<std::string> command_;
  path folder_;
  std::chrono::milliseconds limit_;
};

std::optional<double> read_pass_at(DeclaredOptions& options) {
  const auto pass_at = options.number("pass_at");
  if (pass_at && !(*pass_at > 0 && *pass_at <= 1))
    options.refuse("pass_at", fmt::format("is {}", *pass_at), "above 0, at most 1");
  return pass_at;
}

CheckType overlap(const char* name, OverlapCheck::Score score) {
  return {name, [name, score](DeclaredOptions& options, const path&) {
            return std::make_unique<OverlapCheck>(name, read_pass_at(options), score);
          }};
}

std::unique_ptr<Check> make_command(DeclaredOptions& options, const path& folder) {
  const auto pass_at = read_pass_at(options);
  std::vector<std::string> command = options.texts("command");
  const double seconds = options.number("timeout").value_or(30);
  if (!(seconds > 0 && seconds <= 86400))
    options.refuse("timeout", fmt::format("is {}", seconds), "seconds, above 0, at most 86400");
  const path at = folder.empty() ? std::filesystem::current_path() : std::filesystem::absolute(folder);
  if (!is_program(command[0], at))
    options.refuse("command", fmt::format("names no program that can be run: {}", command[0]),
                   "[\"program\", \"argument\", …]; no shell reads it");
  return std::make_unique<CommandCheck>(pass_at, std::move(command), at,
                                        std::chrono::milliseconds(std::llround(seconds * 1000)));
}

}  // namespace

std::vector<CheckType> score_check_types() {
  return {
      overlap("rouge_l", rouge_l),
      overlap("bleu", [](std::string_view a, std::string_view r) { return bleu(bleu_counts(a, r), true); }),
      overlap("chrf", [](std::string_view a, std::string_view r) { return chrf(chrf_counts(a, r)); }),
      {"metric_command", make_command}};
}

}  // namespace lora
