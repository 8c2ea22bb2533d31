#include "run/local_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/hash.h"
#include "endpoint/answer_cache.h"
#include "generate/generator.h"
#include "run/session.h"
#include "text/text_session.h"

namespace lora {
namespace {

constexpr size_t kTogether = 8;  // prompts of judges are long, and all their keys are kept

class LocalJudge : public JudgeModel {
 public:
  LocalJudge(const JudgeSettings& settings, const std::filesystem::path& cache, std::function<bool()> stop,
             Progress& progress)
      : path_(settings.endpoint.model),
        max_tokens_(settings.endpoint.max_tokens > 0 ? settings.endpoint.max_tokens : kLocalJudgeTokens),
        cache_(cache),
        stop_(std::move(stop)),
        progress_(progress),
        text_(path_) {
    fingerprint_ = sha256_hex(text_.checkpoint().fingerprint() + text_.renderer().fingerprint());
  }

  std::string id() const override {
    const std::filesystem::path path(path_);
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  }

  nlohmann::ordered_json record() const override {
    return {{"model", path_},
            {"fingerprint", text_.checkpoint().fingerprint()},
            {"temperature", 0},
            {"max_tokens", max_tokens_},
            {"answers", answers_},
            {"failed", failed_},
            {"prompt_tokens", prompt_tokens_},
            {"completion_tokens", completion_tokens_}};
  }

  std::string use_in_words() const override {
    return fmt::format("{} answers of the judge, {} asked now{}; {} tokens in, {} out", answers_, asked_now_,
                       cache_.taken_in_words(answers_ - asked_now_), prompt_tokens_, completion_tokens_);
  }

  std::vector<JudgeAnswer> ask(const std::vector<JudgePrompt>& prompts) override {
    std::vector<Question> questions;  // equal prompts are one
    std::map<std::string, size_t> place;
    std::vector<size_t> question_of;  // each prompt
    for (size_t i = 0; i < prompts.size(); ++i) {
      AskedOf asked = asked_of(prompts[i]);
      const auto [at, is_new] = place.emplace(asked.hash(), questions.size());
      question_of.push_back(at->second);
      if (is_new) {
        Question& question = questions.emplace_back(Question{.asked = std::move(asked), .first = i});
        if (const auto cached = cache_.find(question.asked)) question.answer = answer_of(*cached);
      }
    }
    write_missing(prompts, questions);
    for (const Question& question : questions) {
      ++(question.answer->failure.empty() ? answers_ : failed_);
      prompt_tokens_ += question.answer->prompt_tokens.value_or(0);
      completion_tokens_ += question.answer->completion_tokens.value_or(0);
    }
    std::vector<JudgeAnswer> answers;
    for (const size_t question : question_of) answers.push_back(*questions[question].answer);
    return answers;
  }

 private:
  struct Question {
    AskedOf asked;
    size_t first;  // the first prompt that asks it
    std::optional<JudgeAnswer> answer = {};
    std::vector<int32_t> ids = {};
  };

  // Greedy: equal prompts have one answer, whatever their sample.
  AskedOf asked_of(const JudgePrompt& prompt) const {
    return {.url = "local:" + id(),
            .url_hash = fingerprint_,
            .request = request_text(
                id(), {.messages = prompt.messages, .temperature = 0, .max_tokens = max_tokens_}),
            .sample = 0};
  }

  static JudgeAnswer answer_of(const ChatReply& reply) {
    return {.text = reply.text,
            .whole = reply.is_whole(),
            .prompt_tokens = reply.prompt_tokens,
            .completion_tokens = reply.completion_tokens};
  }

  // Ids of a prompt, or why there are none.
  std::vector<int32_t> render(const Session& session, const JudgePrompt& prompt, std::string& failure) const {
    std::vector<int32_t> ids;
    try {
      ids = session.renderer().render_prompt(prompt.messages);
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty() && prompt.messages.size() > 1 && prompt.messages[0].role == "system") {
      std::vector<Message> merged(prompt.messages.begin() + 1, prompt.messages.end());
      merged[0].content = prompt.messages[0].content + "\n\n" + merged[0].content;
      try {
        ids = session.renderer().render_prompt(merged);
        failure.clear();
      } catch (const Error&) {
        return {};
      }
    }
    const int64_t context = session.decoder().config().max_position_embeddings;
    const auto length = static_cast<int64_t>(ids.size());
    if (failure.empty() && length + max_tokens_ > context)
      failure =
          fmt::format("the prompt has {} tokens, and with {} of an answer that is more than the judge's {}",
                      length, max_tokens_, context);
    return ids;
  }

  void write_missing(const std::vector<JudgePrompt>& prompts, std::vector<Question>& questions) {
    std::vector<Question*> open;
    for (Question& question : questions) {
      if (question.answer) continue;
      if (!session_) session_.emplace(path_, SessionOptions{});
      std::string failure;
      question.ids = render(*session_, prompts[question.first], failure);
      if (failure.empty())
        open.push_back(&question);
      else
        question.answer = JudgeAnswer{.failure = failure};
    }
    // In portions, so that what was answered is kept when it is stopped.
    for (size_t begin = 0; begin < open.size(); begin += kTogether) {
      const size_t end = std::min(open.size(), begin + kTogether);
      progress_.update(fmt::format("asking the judge {}: {} of {}", id(), begin, open.size()));
      std::vector<std::vector<int32_t>> portion;
      for (size_t i = begin; i < end; ++i) portion.push_back(open[i]->ids);
      const std::vector<Answer> written = write(portion);
      for (size_t i = begin; i < end; ++i) {
        const Answer& answer = written[i - begin];
        const ChatReply reply{.text = session_->tokenizer().decode(answer.ids),
                              .finish_reason = answer.stopped ? "stop" : "length",
                              .model = id(),
                              .prompt_tokens = static_cast<int64_t>(open[i]->ids.size()),
                              .completion_tokens = static_cast<int64_t>(answer.ids.size())};
        cache_.store(open[i]->asked, reply);
        ++asked_now_;
        open[i]->answer = answer_of(reply);
      }
    }
    progress_.clear();
  }

  std::vector<Answer> write(const std::vector<std::vector<int32_t>>& prompts) const {
    GenerateOptions options;
    options.max_new_tokens = max_tokens_;
    options.batch_size = static_cast<int64_t>(kTogether);
    options.stop_ids = session_->renderer().stop_ids();
    return generate(session_->decoder(), nullptr, prompts, options, [&](size_t, int32_t) {
      if (stop_())
        throw Error(ErrorKind::kInterrupted,
                    {.where = id(),
                     .found = "stopped while it judged",
                     .fix = "Give the same command again: what was answered is kept."});
    });
  }

  std::string path_;
  int64_t max_tokens_;
  AnswerCache cache_;
  std::function<bool()> stop_;
  Progress& progress_;
  TextSession text_;
  std::string fingerprint_;
  std::optional<Session> session_;
  int64_t answers_ = 0, asked_now_ = 0, failed_ = 0, prompt_tokens_ = 0, completion_tokens_ = 0;
};

}  // namespace

std::unique_ptr<JudgeModel> open_local_judge(const JudgeSettings& settings,
                                             const std::filesystem::path& cache, std::function<bool()> stop,
                                             Progress& progress) {
  return std::make_unique<LocalJudge>(settings, cache, std::move(stop), progress);
}

}  // namespace lora
