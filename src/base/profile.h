// Where the time of a thread goes: nested phases with a beginning and an end ("step", "forward", "attention"), and parts
// of a phase that come too often for an event each ("gemm", "unpack"), of which the phase keeps the sum. Shown as a Chrome
// trace (Perfetto, chrome://tracing) and as totals.
//
// Code that is measured says `const ProfileScope scope("attention");` and knows of no profile: it finds the one that its
// thread is being recorded in, if any, so nothing is passed through the layers between. A thread is recorded while a
// Profile::Recording lives; without one a scope is one load and one branch. With one it reads the clock twice and notes it, some 300 ns.
// Other threads are not recorded: what a parallel loop does is the time of the scope around it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lora {

class Profile {
 public:
  enum class Kind { kPhase, kPart };

  // Of more than `most_events`, only those at depth 0 and 1 are kept as events (left_out() counts the others); totals
  // are of all.
  explicit Profile(size_t most_events = 500'000) : most_events_(most_events) {}

  // The calling thread is recorded in `profile`, which must outlive it. Inside of another recording: in place of it.
  class Recording {
   public:
    explicit Recording(Profile& profile) : before_(std::exchange(current(), &profile)) {}
    ~Recording() { current() = before_; }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    Profile* before_;
  };

  // Seconds under one name, those of inner phases and parts left out, so that all totals together are the recorded time.
  struct Total {
    std::string phase;
    std::string part;  // empty: the phase itself
    double seconds = 0;
    int64_t count = 0;
  };
  std::vector<Total> totals() const;  // ended phases; by phase and part
  size_t left_out() const { return left_out_; }

  // Trace Event Format, complete events ("X") with microseconds; parts are in "args": {"gemm": {"ms": 1.5, "count": 7}}.
  // `process` names the row of the picture.
  std::string trace_json(std::string_view process) const;

 private:
  friend class ProfileSpan;
  using Name = uint32_t;  // index into names_
  struct Time {
    int64_t nanoseconds = 0, count = 0;
  };
  struct Frame {
    Name name;
    Kind kind;
    int64_t begin, inner = 0;  // inner: duration of what it held
    std::vector<std::pair<Name, Time>> parts{};
  };
  struct Event {
    Name name;
    int64_t begin, duration;
    std::vector<std::pair<Name, Time>> parts;
  };

  // The profile that the calling thread is recorded in, or null.
  static Profile*& current() {
    static thread_local Profile* profile = nullptr;
    return profile;
  }

  void begin(std::string_view name, Kind kind);
  void end();
  Name name_of(std::string_view text);

  size_t most_events_, left_out_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, Name, std::less<>> numbers_;
  std::vector<Frame> open_;
  std::vector<Event> events_;                        // in the order in which they ended
  std::map<std::pair<Name, int64_t>, Time> totals_;  // (phase, part or -1)
};

// From its construction to its destruction, on one thread, last begun first ended.
class ProfileSpan {
 public:
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 protected:
  ProfileSpan(std::string_view name, Profile::Kind kind) : profile_(Profile::current()) {
    if (profile_) profile_->begin(name, kind);
  }
  ~ProfileSpan() {
    if (profile_) profile_->end();
  }

 private:
  Profile* profile_;
};

// A phase: an event of its own. Names are plain words.
class ProfileScope : ProfileSpan {
 public:
  explicit ProfileScope(std::string_view name) : ProfileSpan(name, Profile::Kind::kPhase) {}
};

// A part of the phase that is open, added to the others of its name in it. Without an open phase it is not recorded.
class ProfilePart : ProfileSpan {
 public:
  explicit ProfilePart(std::string_view name) : ProfileSpan(name, Profile::Kind::kPart) {}
};

}  // namespace lora
