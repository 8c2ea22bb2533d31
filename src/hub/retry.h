// When to try a request again, and how long to wait before.
#pragma once

#include <functional>
#include <string>

#include "hub/http.h"

namespace lora {

struct RetryOptions {
  int retries = 5;            // after the first attempt, without progress between
  double first_wait = 0.5;    // seconds; doubled each time
  double longest_wait = 300;  // a server that asks for more is given up
};

// 408, 429 and 5xx but 501 and 505: a later attempt may succeed.
bool is_temporary_status(int status);

// Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number, or a date of which the rest from `now`, Unix
// seconds, is taken); negative when there is none, or none that can be read.
double retry_after_seconds(const std::string& value, double now);

// Counts attempts and waits. One for each file or page.
class Retry {
 public:
  // `stop` is asked while waiting; a wait ends early when it says so.
  Retry(const RetryOptions& options, std::function<bool()> stop)
      : options_(options), stop_(std::move(stop)) {}

  // After a failed attempt: waits, and returns, when there is another to make; else throws kMachine: `where`, what went
  // wrong, and how often it was tried. `retry_after`: as retry_after_seconds().
  void failed(const std::string& where, const std::string& problem, double retry_after = -1);
  // Bytes arrived: the count begins anew.
  void progressed() { attempts_ = 0; }

 private:
  RetryOptions options_;
  std::function<bool()> stop_;
  int attempts_ = 0;
};

// A whole body of at most `largest` bytes, with retries. Statuses other than 200 are returned, not thrown; temporary
// ones after the retries are used up. Errors: kMachine, and Http::get's; kInput when the body is larger.
HttpReply get_text(Http& http, const Url& url, size_t largest, const RetryOptions& options,
                   const std::function<bool()>& stop, std::string& body);

}  // namespace lora
