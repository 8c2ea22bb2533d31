// libFuzzer: the data doctor on any bytes. It never crashes or hangs; the fast JSON reader agrees with the exact one;
// findings stand inside the file; every row that --fix wrote and counts as repaired reads as valid, and repairing again
// changes nothing; what --convert wrote reads back as the same conversation.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/chat_jsonl.h"
#include "data/convert.h"
#include "data/doctor.h"
#include "data/json_reader.h"
#include "data/json_tape.h"
#include "data/mend.h"
#include "data/row_repair.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_tape(std::string_view text) {
  lora::JsonTape tape;
  const bool fast = tape.read(text);
  const lora::JsonText exact = lora::read_json(text, {.refuse_duplicate_keys = false});
  require(fast == exact.ok());
  if (!fast) return;
  require(nlohmann::json::parse(lora::compact_json(tape.raw(0))) == exact.value);
  require(tape.duplicate_keys().empty() == lora::read_json(text).ok());
}

void check_repair(std::string_view line) {
  const auto repair = lora::repair_row(line, {});
  if (!repair) return;
  lora::RowReader reader;
  lora::ReadRow row;
  reader.read(repair->text, 1, row);
  require(row.readable && !row.refused);
  require(!lora::repair_row(repair->text, {}));
}

void check_rows(std::string_view text) {
  lora::LineSource source(text, "fuzz");
  lora::RowReader reader;
  lora::ReadRow row, again;
  for (lora::Line line; source.next(line);) {
    if (line.text.find_first_not_of(" \t\r\n") == std::string_view::npos) continue;
    check_tape(line.text);
    check_repair(line.text);
    reader.read(line.text, line.number, row);
    for (const lora::RowProblem& problem : row.problems) require(problem.offset <= line.text.size());
    if (!row.readable) {
      require(row.refused);
      continue;
    }
    for (size_t i = 0; i < row.conversation.messages.size(); ++i)
      for (size_t offset : {size_t{0}, row.conversation.messages[i].content.size()})
        require(row.places.offset_of(line.text, i, offset) < line.text.size());
    reader.read(lora::chat_jsonl_line(row.conversation), line.number, again);
    require(again.readable && again.conversation == row.conversation);
  }
}

// In a file that is made anew each time: what is under test writes files.
template <typename Write>
std::string written(const Write& write) {
  static const std::filesystem::path kPath =
      std::filesystem::temp_directory_path() / ("fuzz_check." + std::to_string(::getpid()));
  std::filesystem::remove(kPath);
  lora::OutputFile out(kPath);
  write(out);
  out.commit();
  const std::string text = lora::read_file(kPath);
  std::filesystem::remove(kPath);
  return text;
}

lora::CheckReport checked(std::string_view text) {
  lora::CheckOptions options;
  options.threads = 1;
  lora::LineSource source(text, "fuzz");
  return lora::check_data(source, options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    check_rows(text);
    const lora::CheckReport report = checked(text);
    for (const lora::Finding& finding : report.findings)
      require(finding.line >= 1 && finding.column >= 1 && !finding.message.empty());
    if (size % 4 != 0) return 0;  // files cost more than all the rest
    lora::MendReport first, second;
    const std::string mended = written([&](lora::OutputFile& out) {
      lora::LineSource source(text, "fuzz");
      first = lora::mend_data(source, {}, out);
    });
    const std::string twice = written([&](lora::OutputFile& out) {
      lora::LineSource source(mended, "fuzz");
      second = lora::mend_data(source, {}, out);
    });
    // Rows that were left may hold anything, also what looks like another layout once it stands alone.
    if (first.rows_left == 0) {
      require(twice == mended && second.changed == 0);
      for (const lora::Finding& finding : checked(mended).findings)
        require(finding.code != "invalid-json" && finding.code != "blank-line" &&
                finding.code != "byte-order-mark");
    }
    written([&](lora::OutputFile& out) {
      lora::LineSource source(text, "fuzz");
      lora::convert_data(source, {}, out);
    });
  } catch (const lora::Error& error) {
    require(error.parts().where.starts_with("fuzz"));
  }
  return 0;
}
