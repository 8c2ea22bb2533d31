// The types of checks that users may declare, and the making of one from its keys. docs/checks.md describes them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "eval/check_options.h"
#include "eval/checks.h"

namespace lora {

// How a type makes its check: reads its own keys of `options`. `folder`: what paths are relative to.
using CheckMaker =
    std::function<std::unique_ptr<Check>(DeclaredOptions&, const std::filesystem::path& folder)>;

struct CheckType {
  std::string name;
  CheckMaker make;
};

// Families of types, one a file.
std::vector<CheckType>
text_check_types();  // exact, normalized_exact, regex, contains, lacks, length, lines, …
std::vector<CheckType> json_check_types();    // json_valid, json_schema, json_fields
std::vector<CheckType> ifeval_check_types();  // the 25 kinds of IFEval, "keywords:existence" and so on
std::vector<CheckType> score_check_types();   // rouge_l, bleu, chrf, metric_command

// Errors: kInput at the place of `type`, with the nearest known one.
std::unique_ptr<Check> make_check_of_type(const std::string& type, DeclaredOptions& options,
                                          const std::filesystem::path& folder);
std::vector<std::string> check_type_names();

// Names of metrics that the program makes itself: no check may be called so.
bool is_reserved_metric(std::string_view name);

}  // namespace lora
