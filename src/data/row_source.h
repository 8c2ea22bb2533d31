// The rows of a file one by one, as pieces of text: a line each, or, where the file is a JSON array or holds objects
// that are spread over several lines, a value each. Knows brackets and strings, no more of JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/line_source.h"

namespace lora {

// `text` is valid until the next call. A value of several lines keeps its line breaks.
struct RowText {
  std::string_view text;
  size_t line = 0;      // of its first byte, from 1
  size_t column = 1;    // of its first character
  uint64_t offset = 0;  // of its first byte in the (unpacked) file
  size_t bytes = 0;     // more than text.size() when it is over the cap
  bool crlf = false;
};

class RowSource {
 public:
  enum class Layout {
    kLines,         // JSON Lines
    kReturnLines,   // the same with lines that end with CR alone, as on old Macintoshes
    kArray,         // [{…}, {…}], and whatever stands behind it
    kSpreadValues,  // {…} {…}, over several lines each
  };

  // Looks at the beginning of `source`, which must outlive the object, to learn the layout, and takes a byte order
  // mark off it.
  explicit RowSource(LineSource& source);

  Layout layout() const { return layout_; }
  bool is_lines() const { return layout_ == Layout::kLines || layout_ == Layout::kReturnLines; }
  bool has_byte_order_mark() const { return has_mark_; }
  // Where the array or the first value begins, or the first CR stands (kReturnLines).
  size_t first_line() const { return first_line_; }
  size_t first_column() const { return first_column_; }

  // The next row, of lines blank ones included; false at the end. Errors: as LineSource::next.
  bool next(RowText& row);
  // After the last row: the file ended inside the array or a value.
  bool unclosed() const { return unclosed_; }

 private:
  bool next_value(RowText& row);
  bool next_return_line(RowText& row);
  // Moves on over one byte, which must not be inside a value.
  void step(char c);

  LineSource& source_;
  Layout layout_ = Layout::kLines;
  bool has_mark_ = false, unclosed_ = false, ended_ = false;
  bool between_arrays_ = false;  // of kArray: the last one is closed
  size_t first_line_ = 1, first_column_ = 1;
  size_t line_ = 1, column_ = 1;  // of the next byte, when not in lines
  std::string value_;
};

}  // namespace lora
