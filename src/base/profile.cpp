#include "base/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

namespace lora {
namespace {

constexpr size_t kAlwaysKept = 2;  // depths
constexpr int64_t kPhaseItself = -1;

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Profile::Name Profile::name_of(std::string_view text) {
  if (const auto known = numbers_.find(text); known != numbers_.end()) return known->second;
  const auto name = static_cast<Name>(names_.size());
  names_.emplace_back(text);
  numbers_.emplace(text, name);
  return name;
}

void Profile::begin(std::string_view name, Kind kind) {
  const Name number = name_of(name);
  open_.push_back({number, kind, now()});
}

void Profile::end() {
  const int64_t until = now();
  Frame frame = std::move(open_.back());
  open_.pop_back();
  const int64_t duration = until - frame.begin, own = duration - frame.inner;
  const auto add = [](Time& time, int64_t nanoseconds, int64_t count) {
    time.nanoseconds += nanoseconds;
    time.count += count;
  };
  if (frame.kind == Kind::kPart) {
    const auto phase =
        std::find_if(open_.rbegin(), open_.rend(), [](const Frame& f) { return f.kind == Kind::kPhase; });
    if (phase == open_.rend()) return;
    auto part = std::ranges::find(phase->parts, frame.name, [](const auto& named) { return named.first; });
    if (part == phase->parts.end()) part = phase->parts.insert(part, {frame.name, {}});
    add(part->second, own, 1);
    open_.back().inner += duration;
    return;
  }
  if (!open_.empty()) open_.back().inner += duration;
  add(totals_[{frame.name, kPhaseItself}], own, 1);
  for (const auto& [name, time] : frame.parts) add(totals_[{frame.name, name}], time.nanoseconds, time.count);
  if (events_.size() < most_events_ || open_.size() < kAlwaysKept)
    events_.push_back({frame.name, frame.begin, duration, std::move(frame.parts)});
  else
    ++left_out_;
}

std::vector<Profile::Total> Profile::totals() const {
  std::vector<Total> all;
  for (const auto& [key, time] : totals_)
    all.push_back({names_[key.first],
                   key.second == kPhaseItself ? std::string() : names_[static_cast<size_t>(key.second)],
                   static_cast<double>(time.nanoseconds) * 1e-9, time.count});
  return all;
}

std::string Profile::trace_json(std::string_view process) const {
  int64_t first = events_.empty() ? 0 : events_.front().begin;
  for (const Event& event : events_) first = std::min(first, event.begin);
  std::string json = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  const auto out = std::back_inserter(json);
  fmt::format_to(out, R"({{"ph":"M","pid":1,"tid":1,"name":"process_name","args":{{"name":"{}"}}}})",
                 process);
  // Whole nanoseconds, so that rounding never takes an event out of the one around it.
  const auto microseconds = [](int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); };
  for (const Event& event : events_) {
    fmt::format_to(out, ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"{}\",\"ts\":{},\"dur\":{}",
                   names_[event.name], microseconds(event.begin - first), microseconds(event.duration));
    const char* separator = ",\"args\":{";
    for (const auto& [name, time] : event.parts) {
      fmt::format_to(out, "{}\"{}\":{{\"ms\":{:.6f},\"count\":{}}}", separator, names_[name],
                     static_cast<double>(time.nanoseconds) * 1e-6, time.count);
      separator = ",";
    }
    json += event.parts.empty() ? "}" : "}}";
  }
  fmt::format_to(out, "\n],\"otherData\":{{\"events_left_out\":{}}}}}\n", left_out_);
  return json;
}

}  // namespace lora
