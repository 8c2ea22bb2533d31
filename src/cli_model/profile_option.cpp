#include "cli_model/profile_option.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/atomic_file.h"

namespace lora::cli {

void ProfileOption::add_to(CLI::App& command) {
  command
      .add_option("--profile", file_,
                  "write where the time goes, as a trace for https://ui.perfetto.dev or chrome://tracing")
      ->type_name("FILE.json");
}

void ProfileOption::check() const {
  if (given() && std::filesystem::exists(file_))
    throw Error::input({.where = file_,
                        .found = "the file is there already",
                        .fix = "Choose another file for --profile; nothing is overwritten."});
}

void ProfileOption::write(const Profile& profile, const std::string& command) const {
  write_file_atomic(file_, profile.trace_json(command), IfExists::kRefuse);
  fmt::print(stderr, "profile: {}{}\n", file_,
             profile.left_out() == 0
                 ? ""
                 : fmt::format("; {} events of later steps are left out, their steps are there",
                               profile.left_out()));
}

}  // namespace lora::cli
