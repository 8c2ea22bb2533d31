#include "data/checks/content_checks.h"

#include "data/checks/inconsistent_format.h"
#include "data/checks/language_mix.h"
#include "data/checks/low_diversity.h"
#include "data/checks/mojibake.h"
#include "data/checks/no_negative_examples.h"
#include "data/checks/possible_personal_data.h"
#include "data/checks/possible_secret.h"

namespace lora {

std::vector<std::unique_ptr<DataCheck>> make_content_checks() {
  std::vector<std::unique_ptr<DataCheck>> checks;
  checks.push_back(make_mojibake_check());
  checks.push_back(make_possible_secret_check());
  checks.push_back(make_possible_personal_data_check());
  checks.push_back(make_inconsistent_format_check());
  checks.push_back(make_no_negative_examples_check());
  checks.push_back(make_low_diversity_check());
  checks.push_back(make_language_mix_check());
  return checks;
}

}  // namespace lora
