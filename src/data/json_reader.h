// A strict JSON reader (RFC 8259) that knows where everything stands and says what exactly is wrong.
// Stricter than the grammar where the RFC warns of unpredictable behaviour: lone surrogates, numbers beyond
// double and (by default) duplicate keys are refused. Linear time, bounded recursion, never reads outside the
// text. Not a streaming parser, and it knows nothing about files: callers add the file name.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/text_position.h"

namespace lora {

// What is wrong with a text. A finding code or an automatic mend can hang on each.
enum class JsonProblemKind {
  kUnescapedQuote,     // "content": "{"a": 1}"; offset: the inner quote that ends the string too early
  kTrailingComma,      // [1,]; offset: the comma
  kMissingComma,       // {"a":1 "b":2}; offset: where the comma should stand
  kSingleQuotes,       // {'a': 1}
  kTypographicQuotes,  // {“a”: 1}
  kUnquotedKey,        // {a: 1}
  kComment,            // // or /* or #
  kTruncated,          // the text ends inside a value; offset: the end
  kDuplicateKey,       // offset: the second occurrence
  kInvalidEscape,      // \x, \u12; offset: the backslash
  kLoneSurrogate,      // \ud800 without its partner; offset: the backslash
  kControlCharacter,   // a raw character below U+0020 in a string
  kNotANumber,         // NaN, Infinity, -Infinity
  kWrongLiteral,       // True, None, TRUE, undefined
  kBadNumber,          // 01, +1, .5, 1., 1e
  kNumberTooLarge,     // 1e999
  kTooDeep,            // nested deeper than max_depth
  kInvalidUtf8,
  kByteOrderMark,
  kExtraText,   // a second value after the first
  kEmpty,       // nothing but white space
  kUnexpected,  // anything else
};

struct JsonProblem {
  JsonProblemKind kind = JsonProblemKind::kUnexpected;
  size_t offset = 0;  // in bytes from the start of the text, at most its size
  std::string found, expected, fix;
};

// Where a value stands: bytes [begin, end) of the text. Children in the order of the text.
struct JsonPlace {
  size_t begin = 0;
  size_t end = 0;
  std::string key = {};  // of a member of an object
  size_t key_begin = 0;  // the key's opening quote
  std::vector<JsonPlace> children = {};

  // The member called `name` or the i-th item. Precondition: it exists in the value that was read.
  const JsonPlace& at(std::string_view name) const;
  const JsonPlace& at(size_t i) const { return children.at(i); }
};

struct JsonOptions {
  size_t max_depth = 64;              // arrays and objects inside one another
  bool refuse_duplicate_keys = true;  // false: the last one counts, as in Python and JavaScript
  bool keep_places = true;            // false: `place` stays empty (faster)
};

// Either `problem` is set, or `value` (and `place`) hold what was read.
// Integers that fit 64 bits stay integers; others become the nearest double.
struct JsonText {
  nlohmann::json value = {};
  JsonPlace place = {};
  std::optional<JsonProblem> problem = {};

  bool ok() const { return !problem.has_value(); }
};

// Whether a JSON number that does not fit a double is too large for it (else it rounds to zero).
bool is_number_too_large(std::string_view number);

// Reads one JSON value; white space may stand around it. Never throws for bad text: look at `problem`.
JsonText read_json(std::string_view text, const JsonOptions& options = {});

}  // namespace lora
