#include "data/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <future>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "data/row_formats.h"
#include "data/row_source.h"
#include "data/text_position.h"

namespace lora {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;  // text and rows of a block stay in a core's cache
constexpr size_t kBlockRows = 4096;
constexpr size_t kMostBlankLines = 100;  // findings of one run of blank lines

// One row of a block: its text, and what the reader made of it.
struct Item {
  size_t begin = 0;  // of the text in Block::bytes
  RowText text = {};
  size_t shown = 0;  // bytes of the text in the block
  bool blank = false;
  ReadRow row = {};
  TokenCount tokens = {};
};

// Rows that are read together by one thread. Used again and again, for its buffers.
struct Block {
  std::string bytes;
  std::vector<Item> items;
  size_t used = 0;  // items

  std::string_view text(const Item& item) const {
    return std::string_view(bytes).substr(item.begin, item.shown);
  }
};

// Takes the next rows off the source; false when there are none.
bool fill(Block& block, RowSource& source) {
  block.bytes.clear();
  block.used = 0;
  RowText text;
  while (block.bytes.size() < kBlockBytes && block.used < kBlockRows && source.next(text)) {
    if (block.used == block.items.size()) block.items.emplace_back();
    Item& item = block.items[block.used++];
    item.begin = block.bytes.size();
    item.text = text;
    const bool over_cap = text.bytes > text.text.size();
    item.shown = over_cap ? 0 : text.text.size();
    item.blank = !over_cap && is_blank(text.text);
    item.text.text = {};
    if (!over_cap) block.bytes += text.text;
    item.text.bytes = text.bytes;
  }
  return block.used > 0;
}

void read_rows_of(Block& block, RowReader& reader, const CheckOptions& options) {
  for (size_t i = 0; i < block.used; ++i) {
    Item& item = block.items[i];
    if (item.blank || item.text.bytes > item.shown) continue;
    reader.read(block.text(item), item.text.line, item.row);
    if (item.row.readable && !options.count_tokens)
      item.tokens = estimate_tokens(item.row.conversation, options.max_seq_length);
  }
}

// Where a row can be found again.
struct RowPlace {
  uint64_t offset;
  uint32_t bytes, line;
};

class Doctor {
 public:
  Doctor(LineSource& source, const CheckOptions& options, std::span<const std::unique_ptr<DataCheck>> checks)
      : source_(source), options_(options), checks_(checks), rows_(source), findings_(options.ignored) {}

  CheckReport run() {
    summary_.name = source_.name();
    summary_.tokens_estimated = !options_.count_tokens;
    say_layout();
    read_all();
    if (rows_.unclosed())
      findings_.add("invalid-json", last_line_, 1, "the file ends inside the array or a value",
                    "Complete it: a part is missing.");
    finish_checks();
    say_few_rows();
    return report();
  }

 private:
  void say_layout() {
    if (rows_.has_byte_order_mark())
      findings_.add("byte-order-mark", 1, 1,
                    "the file begins with a byte order mark (expected UTF-8 without it)",
                    "Save it as UTF-8 without BOM; --fix does it.");
    if (rows_.layout() == RowSource::Layout::kLines) return;
    if (rows_.layout() == RowSource::Layout::kReturnLines) {
      findings_.add(
          "invalid-json", rows_.first_line(), rows_.first_column(),
          "the lines end with CR alone, as on old Macintoshes (expected LF, or CR LF): to other programs the "
          "file is one line",
          "Save it with LF line ends; --fix or --convert does it.");
      return;
    }
    const bool array = rows_.layout() == RowSource::Layout::kArray;
    findings_.add(
        "invalid-json", rows_.first_line(), rows_.first_column(),
        array ? "the file is a JSON array (expected JSON Lines: one object per line, without brackets "
                "and commas around them)"
              : "the rows are spread over several lines each (expected JSON Lines: one object per line)",
        "Write it as lines: --fix or --convert does it.");
  }

  // Blocks are read by other threads and judged here, in the order of the file.
  void read_all() {
    struct Running {
      std::unique_ptr<Block> block;
      std::unique_ptr<RowReader> reader;
      std::future<void> done;  // last: it waits for the thread before the others go
    };
    const size_t cores = std::max(1u, std::thread::hardware_concurrency());
    const size_t threads = options_.threads ? options_.threads : std::min<size_t>(cores, 4);
    std::deque<Running> running;
    std::vector<Running> idle;
    bool more = true;
    while (more || !running.empty()) {
      while (more && running.size() < threads) {
        Running next;
        if (idle.empty()) {
          next.block = std::make_unique<Block>();
          next.reader = std::make_unique<RowReader>(options_.rows);
        } else {
          next = std::move(idle.back());
          idle.pop_back();
        }
        more = fill(*next.block, rows_);
        if (!more) break;
        const auto work = [block = next.block.get(), reader = next.reader.get(), this] {
          read_rows_of(*block, *reader, options_);
        };
        next.done = std::async(threads > 1 ? std::launch::async : std::launch::deferred, work);
        running.push_back(std::move(next));
      }
      if (running.empty()) break;
      Running first = std::move(running.front());
      running.pop_front();
      first.done.get();
      for (size_t i = 0; i < first.block->used; ++i) judge(*first.block, first.block->items[i]);
      idle.push_back(std::move(first));
    }
  }

  void judge(const Block& block, Item& item) {
    ++summary_.lines;
    last_line_ = item.text.line;
    if (item.blank) {
      if (blank_lines_++ == 0) first_blank_line_ = item.text.line;
      return;
    }
    say_blank_lines();
    ++summary_.rows;
    if (item.text.bytes > item.shown) {
      findings_.add(
          "line-too-long", item.text.line, item.text.column,
          fmt::format("the line has {} bytes (expected at most {})", item.text.bytes, kMaxLineBytes),
          "Put each example on a line of its own, or shorten it.");
      return;
    }
    const std::string_view text = block.text(item);
    for (const RowProblem& problem : item.row.problems) say(item, text, problem);
    if (item.row.conversation.golden) {
      ++summary_.golden;
      golden_lines_.push_back(item.text.line);
    }
    if (item.row.readable) see(item, text);
  }

  // Those before a row: blank lines at the end of the file are no fault.
  void say_blank_lines() {
    for (size_t i = 0; i < std::min(blank_lines_, kMostBlankLines); ++i)
      findings_.add("blank-line", first_blank_line_ + i, 1,
                    i + 1 == kMostBlankLines && blank_lines_ > kMostBlankLines
                        ? fmt::format("a blank line between rows, and {} more behind it",
                                      blank_lines_ - kMostBlankLines)
                        : "a blank line between rows (expected one row on each line)",
                    "Remove it, and look whether a row was lost here; --fix removes it.");
    blank_lines_ = 0;
  }

  struct Place {
    size_t line, column;
  };
  static Place place_of(const Item& item, std::string_view text, size_t offset) {
    const TextPosition at = position_of(text, offset);
    return {item.text.line + at.line - 1, at.line == 1 ? item.text.column + at.column - 1 : at.column};
  }

  void say(const Item& item, std::string_view text, const RowProblem& problem) {
    const Place place = place_of(item, text, problem.offset);
    if (problem.severity)
      findings_.add(problem.code, *problem.severity, place.line, place.column, problem.message(),
                    problem.fix);
    else
      findings_.add(problem.code, place.line, place.column, problem.message(), problem.fix);
  }

  void see(Item& item, std::string_view text) {
    const Conversation& conversation = item.row.conversation;
    ++summary_.formats[static_cast<size_t>(item.row.format)];
    summary_.messages += conversation.messages.size();
    for (const Message& message : conversation.messages) summary_.answers += message.role == "assistant";
    count_tokens(item);
    if (checks_.empty()) {
      ++summary_.readable;
      return;
    }
    places_.push_back(
        {item.text.offset, static_cast<uint32_t>(item.shown), static_cast<uint32_t>(item.text.line)});
    const Row row{.index = summary_.readable++,
                  .line = item.text.line,
                  .conversation = conversation,
                  .column =
                      [&](size_t message, size_t offset) {
                        return place_of(item, text, item.row.places.offset_of(text, message, offset)).column;
                      },
                  .tokens = item.tokens.tokens};
    for (const auto& check : checks_) check->see(row, findings_);
  }

  void count_tokens(Item& item) {
    const bool exact = static_cast<bool>(options_.count_tokens);
    if (exact) {
      item.tokens = {};
      const auto unrenderable = [](const RowProblem& problem) {
        return problem.refused || problem.code == "control-token-in-text";
      };
      if (std::any_of(item.row.problems.begin(), item.row.problems.end(), unrenderable)) return;
      try {
        item.tokens = options_.count_tokens(item.row.conversation, options_.max_seq_length);
      } catch (const Error& error) {
        findings_.add(
            "invalid-value", item.text.line, 1,
            fmt::format("the model's chat template does not take this row: {}", error.parts().found),
            error.parts().fix);
        return;
      }
    }
    summary_.tokens += item.tokens.tokens;
    if (item.tokens.tokens <= options_.max_seq_length) return;
    ++summary_.too_long;
    summary_.answers_cut += item.tokens.answers_cut;
    const size_t answers = static_cast<size_t>(
        std::count_if(item.row.conversation.messages.begin(), item.row.conversation.messages.end(),
                      [](const Message& message) { return message.role == "assistant"; }));
    std::string cut = "text at its end would not fit";
    if (answers == 1)
      cut = item.tokens.answers_cut == 1 ? "its answer would not fit" : "its answer just fits";
    if (answers > 1)
      cut = fmt::format("{} of its {} answers would not fit", item.tokens.answers_cut, answers);
    findings_.add(
        "too-long", item.text.line, item.text.column,
        fmt::format("the row has {}{} tokens{}, more than max_seq_length {}: {}", exact ? "" : "about ",
                    item.tokens.tokens, exact ? "" : " (estimated; exact with --model)",
                    options_.max_seq_length, cut),
        "Shorten or split the row, or raise max_seq_length; training refuses it, since nothing is cut.");
  }

  void finish_checks() {
    RowReader reader(options_.rows);
    std::string text;
    const Reread reread = [&](size_t index) {
      const RowPlace& place = places_.at(index);
      text.clear();
      ReadRow row;
      source_.read_bytes(place.offset, place.bytes, text);
      reader.read(text, place.line, row);
      if (!row.readable)
        throw Error::machine({.where = fmt::format("{}:{}", source_.name(), place.line),
                              .found = "the row has changed while the file was checked",
                              .fix = "Check the file again when nothing writes to it."});
      return std::move(row.conversation);
    };
    for (const auto& check : checks_) check->finish(reread, findings_);
  }

  void say_few_rows() {
    constexpr size_t kFew = 50, kVeryFew = 10, kAdvised = 100;
    const size_t n = summary_.rows;
    const std::string_view fix = "Write more: about 100 careful examples are a good beginning.";
    if (n == 0)
      findings_.add("few-examples", Severity::kError, 1, 1, "the file is empty: it holds no row",
                    "Write one example on each line.");
    else if (n < kVeryFew)
      findings_.add("few-examples", 1, 1,
                    fmt::format("{} row{}: too few for a fine-tune to learn more than these very rows", n,
                                n == 1 ? "" : "s"),
                    std::string(fix));
    else if (n < kFew)
      findings_.add("few-examples", 1, 1, fmt::format("only {} rows", n), std::string(fix));
    else if (n < kAdvised)
      findings_.add("few-examples", Severity::kNote, 1, 1, fmt::format("{} rows: fewer than 100", n),
                    std::string(fix));
  }

  // A golden example must be beyond doubt: whatever else was said of its row is said of it too.
  void judge_golden(std::vector<Finding>& all) {
    struct Row {
      std::string codes;
      Severity worst = Severity::kNote;
    };
    std::unordered_map<size_t, Row> rows;  // by line
    for (const size_t line : golden_lines_) rows[line];
    // About the file, or said of golden rows elsewhere: the check of near-duplicates knows which of two rows is golden.
    constexpr std::array<std::string_view, 7> kNotOfTheRow{
        "few-examples",         "duplicate",     "near-duplicate", "golden-problem",
        "no-negative-examples", "low-diversity", "coverage-gap"};
    for (const Finding& finding : all) {
      if (finding.severity == Severity::kNote) continue;
      if (std::find(kNotOfTheRow.begin(), kNotOfTheRow.end(), finding.code) != kNotOfTheRow.end()) continue;
      const auto at = rows.find(finding.line);
      if (at == rows.end() || at->second.codes.find(finding.code) != std::string::npos) continue;
      if (!at->second.codes.empty()) at->second.codes += ", ";
      at->second.codes += finding.code;
      at->second.worst = std::min(at->second.worst, finding.severity);
    }
    Findings golden(options_.ignored);
    for (const size_t line : golden_lines_)
      if (const Row& row = rows[line]; !row.codes.empty())
        golden.add("golden-problem", row.worst, line, 1,
                   fmt::format("a golden example with findings of its own: {}", row.codes),
                   "Mend the row, or do not mark it as golden.");
    for (size_t i = 0; i < 3; ++i) golden_severities_[i] = golden.count(static_cast<Severity>(i));
    for (Finding& finding : golden.take()) all.push_back(std::move(finding));
    std::stable_sort(all.begin(), all.end(), [](const Finding& a, const Finding& b) {
      return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
  }

  CheckReport report() {
    CheckReport report;
    summary_.bytes = source_.bytes_read();
    summary_.errors = findings_.count(Severity::kError);
    summary_.warnings = findings_.count(Severity::kWarning);
    summary_.notes = findings_.count(Severity::kNote);
    report.findings = findings_.take();
    if (!golden_lines_.empty()) {
      judge_golden(report.findings);
      summary_.errors += golden_severities_[0];
      summary_.warnings += golden_severities_[1];
    }
    report.summary = std::move(summary_);
    return report;
  }

  LineSource& source_;
  const CheckOptions& options_;
  std::span<const std::unique_ptr<DataCheck>> checks_;
  RowSource rows_;
  Findings findings_;
  CheckSummary summary_;
  std::vector<RowPlace> places_;
  size_t blank_lines_ = 0, first_blank_line_ = 0;  // a run of them that no row has followed yet
  std::vector<size_t> golden_lines_;
  size_t golden_severities_[3] = {0, 0, 0};
  size_t last_line_ = 1;
};

// A text's tokens, about: four bytes of ASCII, or one and a half characters of other scripts, to a token.
size_t text_tokens(std::string_view text) {
  size_t high = 0;
  for (const char c : text) high += static_cast<unsigned char>(c) >= 0x80;
  // Beyond ASCII a character takes two or three bytes: a token has about 2.5 of them.
  return (text.size() - high + 3) / 4 + high * 2 / 5;
}

}  // namespace

TokenCount estimate_tokens(const Conversation& conversation, size_t max_seq_length) {
  constexpr size_t kPerMessage = 5;  // what a template writes around it
  TokenCount count;
  if (conversation.is_plain_text()) {
    count.tokens = text_tokens(conversation.text) + 1;
    return count;
  }
  count.tokens = text_tokens(conversation.tools);
  for (const Message& message : conversation.messages) {
    count.tokens += text_tokens(message.content) + text_tokens(message.tool_calls) + kPerMessage;
    if (message.role == "assistant" && count.tokens > max_seq_length) ++count.answers_cut;
  }
  return count;
}

CheckReport check_data(LineSource& source, const CheckOptions& options,
                       std::span<const std::unique_ptr<DataCheck>> checks) {
  return Doctor(source, options, checks).run();
}

}  // namespace lora
