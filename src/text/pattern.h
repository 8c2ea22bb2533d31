// A pre-tokenizer's regular expression, as Hugging Face `tokenizers` understands it (Oniguruma, Unicode 16), on PCRE2.
// \s and \S mean White_Space; \p{…}, \d and \w mean the categories of Unicode 16, whatever PCRE2 was built with.
// A match ends in bounded time: PCRE2's match limit turns a runaway pattern into an Error.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct ByteRange {
  size_t begin, end;
  bool operator==(const ByteRange&) const = default;
};

enum class EmptyMatches { kDropped, kKept };

class Pattern {
 public:
  // `where` names the pattern in errors. Errors: kInput when it does not compile, or uses a construct whose meaning
  // differs between the two engines (\b, POSIX classes, \S inside brackets, scripts, {n,m}+, options other than i).
  Pattern(std::string_view expression, std::string where);
  // Matches `literal` itself.
  static Pattern from_literal(std::string_view literal, std::string where);

  // All matches that do not overlap, from the left; an empty one at the end of the match before it does not count.
  // Bytes that are not UTF-8 never match. Errors: kInput when the match limit is passed.
  std::vector<ByteRange> find_all(std::string_view text, EmptyMatches empty = EmptyMatches::kDropped) const;

  const std::string& expression() const { return expression_; }

 private:
  struct Code;  // PCRE2's compiled pattern
  std::string expression_;
  std::string where_;
  std::shared_ptr<const Code> code_;
};

}  // namespace lora
