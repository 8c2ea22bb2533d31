// The option --profile FILE: a trace of where the time went, of a command that may take long or be stopped.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/profile.h"

namespace lora::cli {

class ProfileOption {
 public:
  void add_to(CLI::App& command);

  // Before anything is done: refuses a file that is there. Errors: kInput.
  void check() const;
  bool given() const { return !file_.empty(); }
  // Writes the trace of `command` ("lora train"), and says on standard error where it is and what it leaves out.
  // Errors: kInput when there is a file by now, kMachine.
  void write(const Profile& profile, const std::string& command) const;

  // work(), recorded under the name of `command` and written, also when it was interrupted; without --profile work() alone.
  template <class Work>
  auto record(const std::string& command, const Work& work) const {
    check();
    Profile profile;
    std::optional<Profile::Recording> recording;
    if (given()) recording.emplace(profile);
    try {
      auto result = [&] {
        const ProfileScope scope(command);
        return work();
      }();
      if (given()) write(profile, command);
      return result;
    } catch (const Error& error) {
      if (given() && error.kind() == ErrorKind::kInterrupted) write(profile, command);
      throw;
    }
  }

 private:
  std::string file_;
};

}  // namespace lora::cli
