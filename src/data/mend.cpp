#include "data/mend.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "data/chat_jsonl.h"
#include "data/json_text.h"
#include "data/row_formats.h"
#include "data/row_repair.h"
#include "data/row_source.h"

namespace lora {
namespace {

// The stretch of two texts that differs, with a little around it, shortened in the middle.
std::pair<std::string, std::string> difference(std::string_view was, std::string_view now) {
  constexpr size_t kAround = 12, kMost = 72;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  size_t head = 0;
  while (head < was.size() && head < now.size() && was[head] == now[head]) ++head;
  size_t tail = 0;
  while (tail < was.size() - head && tail < now.size() - head &&
         was[was.size() - 1 - tail] == now[now.size() - 1 - tail])
    ++tail;
  head -= std::min(head, kAround);
  tail -= std::min(tail, kAround);
  const auto cut = [&](std::string_view text) {
    size_t begin = head, end = text.size() - tail;
    while (begin > 0 && begin < text.size() && continues(text[begin])) --begin;
    while (end < text.size() && continues(text[end])) ++end;
    std::string part(text.substr(begin, end - begin));
    if (part.size() > kMost) {
      size_t keep = kMost;
      while (keep > 0 && continues(part[keep])) --keep;
      part = part.substr(0, keep) + "…";
    }
    return (begin > 0 ? "…" : "") + part + (end < text.size() ? "…" : "");
  };
  return {cut(was), cut(now)};
}

class Mender {
 public:
  Mender(LineSource& source, const MendOptions& options, OutputFile& out)
      : source_(source), options_(options), out_(out), rows_(source), reader_(options.rows) {}

  MendReport run() {
    if (rows_.has_byte_order_mark())
      note({MendChange::Kind::kByteOrderMark, 1, "the byte order mark removed", "", ""});
    if (rows_.layout() != RowSource::Layout::kLines)
      note({MendChange::Kind::kLayout, rows_.first_line(),
            rows_.layout() == RowSource::Layout::kArray         ? "the JSON array written as lines"
            : rows_.layout() == RowSource::Layout::kReturnLines ? "LF in place of the CR at each line's end"
                                                                : "every row written on one line",
            "", ""});
    for (RowText text; rows_.next(text);) mend(text);
    return std::move(report_);
  }

 private:
  void note(MendChange change) {
    ++report_.changed;
    if (report_.changes.size() < MendReport::kMostChanges) report_.changes.push_back(std::move(change));
  }

  void write(std::string_view line, bool crlf) {
    out_.write(line);
    out_.write(crlf ? "\r\n" : "\n");
    ++report_.rows_written;
  }

  void mend(const RowText& text) {
    if (text.bytes > text.text.size()) {
      copy_long(text);
      return;
    }
    if (is_blank(text.text)) {
      note({MendChange::Kind::kBlankLine, text.line, "a blank line removed", "", ""});
      return;
    }
    std::string line(text.text);
    reader_.read(line, text.line, row_);
    if (!row_.readable && !mend_json(text, line)) return leave(text, line);
    mend_encoding(text, line);
    if (!rows_.is_lines()) line = compact_json(line);
    if (row_.readable && !row_.refused && is_copy()) {
      note({MendChange::Kind::kDuplicate, text.line, "a row that stands further up already removed", "", ""});
      return;
    }
    if (row_.refused) ++report_.rows_left;
    write(line, text.crlf);
  }

  // A row that stays as it is, on one line.
  void leave(const RowText& text, std::string line) {
    ++report_.rows_left;
    if (!rows_.is_lines()) {
      JsonTape tape;
      if (tape.read(line))
        line = compact_json(line);
      else
        std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    }
    write(line, text.crlf);
  }

  bool mend_json(const RowText& text, std::string& line) {
    std::optional<RowRepair> repair = repair_row(line, options_.rows);
    if (!repair) return false;
    auto [was, now] = difference(line, repair->text);
    note({MendChange::Kind::kJson, text.line, std::move(repair->what), std::move(was), std::move(now)});
    line = std::move(repair->text);
    reader_.read(line, text.line, row_);
    return true;
  }

  // Every string of the row whose encoding was mistaken once is written as it was meant.
  void mend_encoding(const RowText& text, std::string& line) {
    if (!options_.repair_text || !row_.readable || row_.refused || !tape_.read(line)) return;
    std::string mended;
    size_t copied = 0, strings = 0;
    for (const JsonNode& node : tape_.nodes()) {
      if (node.type != JsonType::kString) continue;
      const size_t i = static_cast<size_t>(&node - tape_.nodes().data());
      const std::optional<std::string> repaired = options_.repair_text(tape_.string(i));
      if (!repaired) continue;
      mended.append(line, copied, node.begin - copied);
      append_json_string(mended, *repaired);
      copied = node.end;
      ++strings;
    }
    if (strings == 0) return;
    mended.append(line, copied);
    ReadRow again;
    reader_.read(mended, text.line, again);
    if (!again.readable || again.refused) return;
    auto [was, now] = difference(line, mended);
    note({MendChange::Kind::kEncoding, text.line,
          strings == 1 ? "the encoding of a text repaired"
                       : fmt::format("the encoding of {} texts repaired", strings),
          std::move(was), std::move(now)});
    line = std::move(mended);
    std::swap(row_, again);
  }

  bool is_copy() {
    const std::string canonical = chat_jsonl_line(row_.conversation);
    const XXH128_hash_t hash = XXH3_128bits(canonical.data(), canonical.size());
    return !seen_.insert({hash.high64, hash.low64}).second;
  }

  void copy_long(const RowText& text) {
    constexpr size_t kPiece = size_t{1} << 20;
    ++report_.rows_left;
    std::string piece;
    for (size_t done = 0; done < text.bytes;) {
      piece.clear();
      const size_t n = source_.read_bytes(text.offset + done, std::min(kPiece, text.bytes - done), piece);
      if (n == 0) break;
      if (!rows_.is_lines())
        std::replace_if(piece.begin(), piece.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
      out_.write(piece);
      done += n;
    }
    write("", text.crlf);
  }

  struct HashOf {
    size_t operator()(const std::pair<uint64_t, uint64_t>& h) const { return h.first; }
  };

  LineSource& source_;
  const MendOptions& options_;
  OutputFile& out_;
  RowSource rows_;
  RowReader reader_;
  ReadRow row_;
  JsonTape tape_;
  std::unordered_set<std::pair<uint64_t, uint64_t>, HashOf> seen_;
  MendReport report_;
};

}  // namespace

MendReport mend_data(LineSource& source, const MendOptions& options, OutputFile& out) {
  return Mender(source, options, out).run();
}

std::string mend_in_words(const MendReport& report, std::string_view name, std::string_view out_name) {
  std::string words;
  for (const MendChange& change : report.changes) {
    words += fmt::format("{}:{}: {}\n", name, change.line, change.what);
    if (!change.was.empty()) words += fmt::format("  - {}\n  + {}\n", change.was, change.now);
  }
  if (report.changed > report.changes.size())
    words += fmt::format("… and {} more changes; compare the files to see them all\n",
                         report.changed - report.changes.size());
  words += fmt::format("{}: {} row{} written, {} change{}", out_name, report.rows_written,
                       report.rows_written == 1 ? "" : "s", report.changed, report.changed == 1 ? "" : "s");
  if (report.rows_left > 0)
    words += fmt::format("; {} row{} left as {} although something is wrong: no repair, or more than one",
                         report.rows_left, report.rows_left == 1 ? "" : "s",
                         report.rows_left == 1 ? "it was" : "they were");
  return words + "\n";
}

}  // namespace lora
