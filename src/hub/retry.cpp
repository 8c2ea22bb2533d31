#include "hub/retry.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>

#include "base/error.h"
#include "base/progress.h"

namespace lora {

bool is_temporary_status(int status) {
  return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

double retry_after_seconds(const std::string& value, double now) {
  if (value.empty()) return -1;
  if (value.find_first_not_of("0123456789") == std::string::npos)
    return value.size() > 9 ? 1e9 : std::stod(value);
  std::tm date{};
  const char* end = ::strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (!end || *end != '\0') return -1;
  return std::max(0.0, static_cast<double>(::timegm(&date)) - now);
}

void Retry::failed(const std::string& where, const std::string& problem, double retry_after) {
  const auto give_up = [&](const std::string& found) {
    throw Error::machine({.where = where,
                          .found = found,
                          .fix = "Run the same command again later: it goes on where it stopped."});
  };
  if (attempts_ >= options_.retries)
    give_up(problem +
            (attempts_ == 0 ? "" : ", also when tried " + std::to_string(attempts_) + " more times"));
  double wait = options_.first_wait * std::pow(2.0, attempts_);
  if (retry_after >= 0) wait = std::max(wait, retry_after);
  if (retry_after > options_.longest_wait)
    give_up(problem + ", and the server asks to wait " + duration_text(retry_after));
  wait = std::min(wait, options_.longest_wait);
  ++attempts_;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(wait);
  while (std::chrono::steady_clock::now() < end && !stop_())
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

HttpReply get_text(Http& http, const Url& url, size_t largest, const RetryOptions& options,
                   const std::function<bool()>& stop, std::string& body) {
  Retry retry(options, stop);
  for (;;) {
    body.clear();
    bool too_large = false;
    HttpReply reply = http.get(
        url, {}, [](const HttpReply&) { return true; },
        [&](std::string_view bytes) {
          too_large = body.size() + bytes.size() > largest;
          if (!too_large) body += bytes;
          return !too_large && !stop();
        });
    if (too_large)
      throw Error::input({.where = url.shown(),
                          .found = "the answer has more than " + std::to_string(largest) + " bytes",
                          .fix = "Check the URL: this is not what such an address answers."});
    if (stop() || reply.end == HttpReply::End::kStopped)
      throw Error(ErrorKind::kInterrupted, {.found = "interrupted"});
    if (reply.end == HttpReply::End::kNetwork) {
      retry.failed(url.shown(), reply.problem);
      continue;
    }
    if (!is_temporary_status(reply.status)) {
      const std::string encoding = reply.header("Content-Encoding");
      if (!encoding.empty() && encoding != "identity")
        throw Error::input(
            {.where = url.shown(),
             .found = "the answer is compressed (" + encoding + "), though plain bytes were asked for",
             .fix = "A proxy on the way may do this; use another way to the server."});
      return reply;
    }
    retry.failed(url.shown(), "the server answers with status " + std::to_string(reply.status),
                 retry_after_seconds(reply.header("Retry-After"), static_cast<double>(std::time(nullptr))));
  }
}

}  // namespace lora
