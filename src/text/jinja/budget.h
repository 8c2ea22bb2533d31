// What one render may use up. A template comes from a downloaded file and is hostile until shown otherwise, so every
// node executed, every byte copied or compared, and every value made is counted here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace lora::jinja {

struct Limits {
  size_t source_bytes = 1 << 20;
  size_t nesting = 100;  // of brackets, blocks and operators in the source; of values in one another
  uint64_t steps = 500'000;
  uint64_t work_bytes = uint64_t{2} << 30;  // copied, compared or searched: a second or two
  std::chrono::seconds time{10};
  size_t stack_bytes = 1 << 20;
  int64_t range_items = 100'000;   // as Transformers' sandbox
  size_t value_bytes = 16 << 20;   // of one text or list, and of the output
  int64_t live_bytes = 256 << 20;  // of all values together
};

class Budget {
 public:
  explicit Budget(const Limits& limits);
  const Limits& limits() const { return limits_; }

  // Each throws Failure when the budget is used up.
  void step();                // one node, or one turn of a loop
  void work(uint64_t bytes);  // bytes that are about to be moved or looked at
  // A search, which on repetitive text is slower the longer the text sought.
  void search(size_t text, size_t sought) { work(8 * static_cast<uint64_t>(text) + sought * (text / 64)); }
  void check_size(size_t bytes) const;  // of one value
  [[noreturn]] static void exceeded(const std::string& what);

  // What the values that are alive take. Shared with them, as they may outlive the budget.
  using Account = std::shared_ptr<int64_t>;
  const Account& account() const { return account_; }
  void check_live() const;

 private:
  Limits limits_;
  uint64_t steps_ = 0, work_ = 0;
  std::chrono::steady_clock::time_point deadline_;
  uintptr_t stack_base_;
  Account account_ = std::make_shared<int64_t>(0);
};

// Bytes on an account, given back when the owner goes.
class Charge {
 public:
  Charge() = default;
  Charge(const Budget::Account& account, size_t bytes)
      : account_(account), bytes_(static_cast<int64_t>(bytes)) {
    if (account_) *account_ += bytes_;
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge() {
    if (account_) *account_ -= bytes_;
  }

 private:
  Budget::Account account_;
  int64_t bytes_ = 0;
};

}  // namespace lora::jinja
