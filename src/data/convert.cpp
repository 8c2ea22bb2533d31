#include "data/convert.h"

#include <fmt/format.h>

#include "data/chat_jsonl.h"
#include "data/row_formats.h"
#include "data/row_source.h"

namespace lora {

ConvertReport convert_data(LineSource& source, const RowOptions& options, OutputFile& out) {
  constexpr size_t kMostLines = 100;
  ConvertReport report;
  RowSource rows(source);
  RowReader reader(options);
  ReadRow row;
  for (RowText text; rows.next(text);) {
    const bool over_cap = text.bytes > text.text.size();
    if (!over_cap && is_blank(text.text)) continue;
    if (!over_cap) reader.read(text.text, text.line, row);
    if (over_cap || !row.readable) {
      ++report.rows_left_out;
      if (report.lines_left_out.size() < kMostLines) report.lines_left_out.push_back(text.line);
      continue;
    }
    out.write(chat_jsonl_line(row.conversation));
    out.write("\n");
    ++report.formats[static_cast<size_t>(row.format)];
    ++report.rows_written;
  }
  return report;
}

std::string convert_in_words(const ConvertReport& report, std::string_view out_name) {
  std::string words =
      fmt::format("{}: {} row{} written", out_name, report.rows_written, report.rows_written == 1 ? "" : "s");
  if (report.rows_written > 0) words += " (" + formats_in_words(report.formats) + ")";
  if (report.rows_left_out > 0) {
    words += fmt::format("; {} row{} left out, which cannot be read: line", report.rows_left_out,
                         report.rows_left_out == 1 ? "" : "s");
    for (size_t i = 0; i < report.lines_left_out.size(); ++i)
      words += fmt::format("{} {}", i ? "," : "", report.lines_left_out[i]);
    if (report.rows_left_out > report.lines_left_out.size()) words += ", …";
  }
  return words + "\n";
}

}  // namespace lora
