// What the tests of checks share: a declaration as text, judged at once. Test programs only.
#pragma once

#include <gtest/gtest.h>

#include <toml++/toml.h>
#include <string>

#include "base/error.h"
#include "eval/check_declaration.h"
#include "eval/loose_answers.h"

namespace lora::testing {

// The checks of `toml`, which holds [[check]] tables of "test.toml" in `folder`.
inline DeclaredChecks checks_from(const std::string& toml, const std::filesystem::path& folder = ".") {
  const toml::table table = toml::parse(toml);
  return checks_of_toml(*table.get("check"), folder / "test.toml");
}

// The result of the one check whose keys are `keys` (lines of TOML).
inline CheckResult judge(const std::string& keys, const std::string& answer,
                         const std::string& reference = "", const std::string& prompt = "") {
  return checks_from("[[check]]\n" + keys).checks.at(0).check->run_on({answer, reference, prompt});
}
inline bool passes(const std::string& keys, const std::string& answer, const std::string& reference = "") {
  return judge(keys, answer, reference).passed;
}
inline bool passes_loose(const std::string& keys, const std::string& answer) {
  return passes_loosely(*checks_from("[[check]]\n" + keys).checks.at(0).check, {answer, "", ""});
}

// The words of the error that a declaration ends in; "" when it is taken.
inline std::string error_of(const std::string& toml) {
  try {
    checks_from(toml);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
}

}  // namespace lora::testing
