// Checks that a program can verify: an answer against its reference, pass or fail, with a reason.
// Strict on form: the answer is taken as it is, white space around it apart. A Markdown fence around JSON
// fails unless the check was made lenient.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

// One field of a JSON answer, or one part of another check.
struct FieldResult {
  std::string name;
  bool passed = false;
  std::string expected;  // compact JSON; empty: the reference has no such field
  std::string got;       // compact JSON; empty: the answer has no such field
};

struct CheckResult {
  bool passed = false;
  double score = 0;  // in [0, 1]; 1 exactly when passed
  std::vector<FieldResult> fields = {};
  std::string why = {};  // reason of a failure, for people
  // The scorer itself failed (a metric command that crashed or ran out of time): says nothing about the answer.
  bool unscored = false;
};

// Everything that a check may look at.
struct CheckInput {
  std::string_view answer;
  std::string_view reference;
  std::string_view prompt = {};  // the last user message
};

// One way of judging an answer. Declared ones (check_declaration.h) are made by check_types.h.
class Check {
 public:
  virtual ~Check() = default;
  virtual std::string_view name() const = 0;
  // Whether it judges form alone, without the reference.
  virtual bool is_format() const { return false; }
  // Whether its score is what counts (compared by bootstrap and permutation), not passed or failed.
  virtual bool is_score() const { return false; }
  virtual CheckResult run(std::string_view answer, std::string_view reference) const = 0;
  // The same with the prompt at hand. Only checks that read it differ.
  virtual CheckResult run_on(const CheckInput& input) const { return run(input.answer, input.reference); }
};

CheckResult check_passed();
CheckResult check_failed(std::string why, double score = 0);
// check_passed() where `holds`, else check_failed(why).
CheckResult check_that(bool holds, std::string why);

// Takes a fenced answer ("```json … ```") for its inside. Only where a check is lenient.
std::string_view strip_fence(std::string_view answer);

// The answer without white space around it.
std::string_view trimmed(std::string_view text);

// Whether a line is an item of a list: "- x", "* x", "+ x", "• x", "1. x", "1) x"; "3.5 litres" is none.
bool is_list_item(std::string_view line);

// Lower case (ASCII), runs of white space as one blank, without punctuation . , ; : ! ? " ' ` at either end.
std::string normalized(std::string_view text);

// json_valid        the answer is JSON (RFC 8259), whatever the reference is.
// json_fields       every field of the reference's object has the same value in the answer, and the answer
// has no
//                   other; numbers by value (5 = 5.0) to the last digit, anything else exactly; the order
//                   of keys does not count, a key given twice fails. References that are not objects are
//                   compared whole.
//                   score: share of right fields among all of both.
// exact             equal after trimming.
// normalized_exact  equal after normalized(); texts of punctuation only are compared exactly.
// Names are as in configs. Errors: kInput for an unknown name.
std::unique_ptr<Check> make_check(std::string_view name, bool lenient = false);

// The names that make_check takes.
std::vector<std::string> check_names();

}  // namespace lora
