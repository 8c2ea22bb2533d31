#include "endpoint/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "endpoint/post.h"
#include "hub/retry.h"

namespace lora {
namespace {

constexpr double kFirstWait = 0.5, kLongestWait = 60, kLongestAskedWait = 300;
constexpr auto kLookEvery = std::chrono::milliseconds(50);

std::string read_key(const std::string& variable, const std::string& where) {
  if (variable.empty()) return {};
  const char* value = std::getenv(variable.c_str());
  std::string key = value ? value : "";
  while (!key.empty() && std::isspace(static_cast<unsigned char>(key.back()))) key.pop_back();
  if (key.empty())
    throw Error::input({.where = where,
                        .found = fmt::format("the environment variable {} is not set", variable),
                        .fix = fmt::format("Put the key there: export {}=…", variable)});
  for (const char c : key)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      throw Error::input({.where = fmt::format("environment variable {}", variable),
                          .found = "its value holds a space or a control character",
                          .fix = "Copy the key again."});
  return key;
}

void check_ranges(const EndpointConfig& config, const std::string& where) {
  const auto require = [&](bool holds, const char* key, const std::string& found, const char* expected) {
    if (!holds)
      throw Error::input(
          {.where = where, .found = fmt::format("{} is {}", key, found), .expected = expected});
  };
  require(!config.model.empty(), "model", "not given", "the name of a model that the endpoint has");
  require(config.concurrency >= 1 && config.concurrency <= 64, "concurrency",
          fmt::format("{}", config.concurrency), "a number from 1 to 64");
  require(config.timeout_s >= 0.1 && config.timeout_s <= 3600, "timeout_s",
          fmt::format("{}", config.timeout_s), "seconds from 0.1 to 3600");
  require(config.max_retries >= 0 && config.max_retries <= 20, "max_retries",
          fmt::format("{}", config.max_retries), "a number from 0 to 20");
  require(config.max_tokens >= 0 && config.max_tokens <= 1 << 24, "max_tokens",
          fmt::format("{}", config.max_tokens), "a number from 0 to 16777216");
  require(!config.temperature || (*config.temperature >= 0 && *config.temperature <= 2), "temperature",
          fmt::format("{}", config.temperature.value_or(0)), "a number from 0 to 2");
  require(config.max_tokens_field == "max_tokens" || config.max_tokens_field == "max_completion_tokens",
          "max_tokens_field", "\"" + config.max_tokens_field + "\"", "max_tokens or max_completion_tokens");
  for (const auto& price : {config.price_per_million_input, config.price_per_million_output})
    require(!price || (*price >= 0 && *price <= 1e9), "a price per million tokens",
            fmt::format("{}", price.value_or(0)), "a number from 0 up");
  require(config.ca_file.empty() || std::filesystem::is_regular_file(config.ca_file), "ca_file",
          "not a file: " + config.ca_file, "certificates in PEM format");
}

// In its thread, a connection that the other side closed is an error of write() and not the end of the program.
class BrokenPipeBlocked {
 public:
  BrokenPipeBlocked() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }
};

// Whether every further request will fare the same.
bool refuses_all(int status) {
  return status == 401 || status == 402 || status == 403 || status == 404 || status == 405 ||
         (status >= 300 && status < 400);
}

}  // namespace

double backoff_seconds(int attempt, uint64_t seed, double retry_after) {
  const double whole = std::min(kFirstWait * std::pow(2.0, std::min(attempt, 30)), kLongestWait);
  const double jittered = whole * (0.5 + 0.5 * Random(seed, static_cast<uint64_t>(attempt)).uniform());
  return std::max(jittered, retry_after);
}

std::optional<double> EndpointUse::cost(const EndpointConfig& config) const {
  if (!config.price_per_million_input || !config.price_per_million_output) return std::nullopt;
  return (static_cast<double>(prompt_tokens) * *config.price_per_million_input +
          static_cast<double>(completion_tokens) * *config.price_per_million_output) /
         1e6;
}

Endpoint::Endpoint(EndpointConfig config, std::filesystem::path cache_folder, const std::string& where,
                   std::function<bool()> stop)
    : config_(std::move(config)), cache_(std::move(cache_folder)), stop_(std::move(stop)) {
  address_ = chat_address(config_.base_url, where + " base_url");
  check_ranges(config_, where);
  key_ = read_key(config_.api_key_env, where);
}

std::string Endpoint::warning() const {
  if (address_.https || key_.empty() || address_.is_loopback()) return {};
  return fmt::format("{}: the key in {} goes there unencrypted, for anyone on the way to read; use https",
                     address_.shown(), config_.api_key_env);
}

// The requests of one ask() that the cache does not answer, dealt to threads.
class Endpoint::Round {
 public:
  Round(Endpoint& endpoint, const std::vector<AskedOf>& asked, std::vector<size_t> open,
        std::vector<EndpointAnswer>& answers)
      : endpoint_(endpoint), asked_(asked), open_(std::move(open)), answers_(answers) {}

  void run(const std::function<void(size_t)>& on_done) {
    const EndpointConfig& config = endpoint_.config_;
    const size_t count = std::min(open_.size(), static_cast<size_t>(config.concurrency));
    std::vector<std::unique_ptr<Post>> posts;
    for (size_t i = 0; i < count; ++i)
      posts.push_back(std::make_unique<Post>(endpoint_.address_,
                                             PostOptions{endpoint_.key_, config.ca_file, config.timeout_s}));
    std::vector<std::thread> threads;
    running_ = count;
    for (const auto& post : posts)
      threads.emplace_back([this, &post] {
        const BrokenPipeBlocked blocked;
        work(*post);
        const std::lock_guard lock(mutex_);
        --running_;
        changed_.notify_all();
      });
    watch(posts, on_done);
    for (std::thread& thread : threads) thread.join();
    on_done(done_);
    if (fault_) std::rethrow_exception(fault_);
    if (interrupted_)
      throw Error(ErrorKind::kInterrupted,
                  {.where = endpoint_.address_.shown(),
                   .found = "stopped while it was asked",
                   .fix = "Give the same command again: what was answered is kept."});
  }
  int64_t attempts() const { return attempts_; }

 private:
  // In the calling thread: asks whether to stop, until all threads have ended.
  void watch(const std::vector<std::unique_ptr<Post>>& posts, const std::function<void(size_t)>& on_done) {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      changed_.wait_for(lock, kLookEvery);
      const size_t done = done_;
      lock.unlock();
      on_done(done);
      if (endpoint_.stop_() && !ending_) interrupted_ = ending_ = true;
      if (ending_)
        for (const auto& post : posts) post->cancel();
      lock.lock();
    }
  }

  void work(Post& post) {
    try {
      while (!ending_) {
        const size_t next = next_++;
        if (next >= open_.size()) return;
        const size_t index = open_[next];
        EndpointAnswer answer = one(post, asked_[index]);
        if (ending_ && !answer.reply) return;
        if (answer.reply) {
          endpoint_.cache_.store(asked_[index], *answer.reply);
          failed_in_row_ = 0;
        } else if (++failed_in_row_ > endpoint_.config_.concurrency + 3) {
          throw Error::machine({.where = endpoint_.address_.shown(),
                                .found = fmt::format("{} requests in a row failed; the last one: {}",
                                                     failed_in_row_.load(), answer.failure),
                                .fix = "Run the same command again later: what was answered is kept."});
        }
        const std::lock_guard lock(mutex_);
        answers_[index] = std::move(answer);
        ++done_;
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!fault_) fault_ = std::current_exception();
      ending_ = true;
    }
  }

  // One request with all its attempts.
  EndpointAnswer one(Post& post, const AskedOf& asked) {
    const uint64_t seed = std::hash<std::string>()(asked.request);
    for (int attempt = 0;; ++attempt) {
      ++attempts_;
      PostReply reply = post.send(asked.request);
      if (reply.end == PostReply::End::kStopped) return {};
      std::string problem;
      double retry_after = -1;
      bool again = true;
      if (reply.end == PostReply::End::kTooLarge) {
        problem = fmt::format("the answer has more than {} bytes", PostOptions{}.most_bytes);
        again = false;
      } else if (reply.end == PostReply::End::kNetwork) {
        problem = reply.problem;
      } else if (reply.status == 200) {
        try {
          ChatReply read = parse_completion(reply.body, endpoint_.address_.shown(), endpoint_.key_);
          if (repeats_secret(read, endpoint_.key_))
            return {std::nullopt, "the server repeats the key in its answer, which is not kept"};
          read.seconds = reply.seconds;
          return {std::move(read), {}};
        } catch (const Error& error) {
          problem = error.parts().found;
        }
      } else {
        const std::string words = error_in_words(reply.body, endpoint_.key_);
        problem = fmt::format("status {}{}{}", reply.status, words.empty() ? "" : ": ", words);
        if (refuses_all(reply.status))
          throw Error::input({.where = endpoint_.address_.shown(),
                              .found = "the server refuses: " + problem,
                              .fix = "Check base_url, model, and the key in api_key_env."});
        again = is_temporary_status(reply.status);
        retry_after = retry_after_seconds(reply.retry_after, static_cast<double>(std::time(nullptr)));
      }
      if (retry_after > kLongestAskedWait)
        return {std::nullopt, fmt::format("{}; the server asks to wait {:.0f} s", problem, retry_after)};
      if (!again) return {std::nullopt, problem};
      if (attempt >= endpoint_.config_.max_retries)
        return {std::nullopt,
                attempt == 0 ? problem : fmt::format("{} (tried {} times)", problem, attempt + 1)};
      wait(backoff_seconds(attempt, seed, retry_after));
      if (ending_) return {};
    }
  }

  void wait(double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end && !ending_)
      std::this_thread::sleep_for(
          std::min<std::chrono::duration<double>>(kLookEvery, end - std::chrono::steady_clock::now()));
  }

  Endpoint& endpoint_;
  const std::vector<AskedOf>& asked_;
  const std::vector<size_t> open_;
  std::vector<EndpointAnswer>& answers_;

  std::atomic<size_t> next_ = 0;
  std::atomic<int64_t> attempts_ = 0, failed_in_row_ = 0;
  std::atomic<bool> ending_ = false;
  bool interrupted_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t running_ = 0, done_ = 0;
  std::exception_ptr fault_;
};

std::vector<EndpointAnswer> Endpoint::ask(const std::vector<ChatRequest>& requests,
                                          const std::function<void(size_t, size_t)>& on_progress) {
  std::vector<AskedOf> asked;
  std::vector<EndpointAnswer> answers(requests.size());
  std::map<std::string, size_t> first;  // hash of a request -> where it stands first
  std::vector<size_t> same_as(requests.size()), open;
  const std::string url_hash = sha256_hex((address_.https ? "https:" : "http:") + address_.url.text());
  for (size_t i = 0; i < requests.size(); ++i) {
    asked.push_back(
        {address_.shown(), url_hash, request_text(config_.model, requests[i]), requests[i].sample});
    same_as[i] = first.emplace(asked[i].hash(), i).first->second;
    if (same_as[i] != i) continue;
    if (auto cached = cache_.find(asked[i]))
      answers[i].reply = std::move(cached);
    else
      open.push_back(i);
  }
  if (!open.empty()) {
    const size_t at_hand = requests.size() - open.size();
    Round round(*this, asked, open, answers);
    try {
      round.run([&](size_t done) {
        if (on_progress) on_progress(at_hand + done, requests.size());
      });
    } catch (...) {
      use_.attempts += round.attempts();
      throw;
    }
    use_.attempts += round.attempts();
  }
  for (const size_t i : open) use_.asked_now += answers[i].reply.has_value();
  for (size_t i = 0; i < requests.size(); ++i) {
    if (same_as[i] != i) {
      answers[i] = answers[same_as[i]];
      continue;
    }
    if (!answers[i].reply) {
      ++use_.failed;
      continue;
    }
    const ChatReply& reply = *answers[i].reply;
    ++use_.answers;
    use_.uncounted += !reply.prompt_tokens || !reply.completion_tokens;
    use_.prompt_tokens += reply.prompt_tokens.value_or(0);
    use_.completion_tokens += reply.completion_tokens.value_or(0);
  }
  return answers;
}

}  // namespace lora
