#include "data/row_reader.h"

#include <algorithm>
#include <array>

#include "data/json_reader.h"
#include "data/row_formats.h"

namespace lora {
namespace {

std::string_view code_of(JsonProblemKind kind) {
  switch (kind) {
    case JsonProblemKind::kDuplicateKey:
      return "duplicate-key";
    case JsonProblemKind::kInvalidUtf8:
      return "invalid-utf8";
    case JsonProblemKind::kByteOrderMark:
      return "byte-order-mark";
    default:
      return "invalid-json";
  }
}

}  // namespace

std::string_view format_name(RowFormat format) {
  constexpr std::array<std::string_view, kRowFormats> kNames{"chat", "ShareGPT", "Alpaca",
                                                             "prompt/completion", "plain text"};
  return kNames[static_cast<size_t>(format)];
}

std::string RowProblem::message() const {
  return expected.empty() ? found : found + " (expected " + expected + ")";
}

size_t RowPlaces::offset_of(std::string_view line, size_t message, size_t offset) const {
  if (message >= messages_.size()) return 0;
  const size_t first = messages_[message].first_piece;
  const size_t end = message + 1 < messages_.size() ? messages_[message + 1].first_piece : pieces_.size();
  if (first == end) return messages_[message].offset;
  size_t piece = first;
  while (piece + 1 < end && pieces_[piece + 1].from <= offset) ++piece;
  return offset_in_json_string(line, pieces_[piece].quote, offset - std::min(offset, pieces_[piece].from));
}

size_t column_of(std::string_view text, size_t offset) {
  size_t column = 1;
  for (char c : text.substr(0, std::min(offset, text.size())))
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++column;
  return column;
}

RowReader::RowReader(RowOptions options) : options_(std::move(options)) {}

void RowReader::read(std::string_view text, size_t line, ReadRow& row) {
  Conversation& conversation = row.conversation;
  conversation.text.clear();
  conversation.tools.clear();
  conversation.tags.clear();
  conversation.checks.clear();
  conversation.weight = 1;
  conversation.golden = false;
  conversation.line = line;
  row.format = RowFormat::kChat;
  row.readable = false;
  row.problems.clear();
  row.places.clear();
  if (!tape_.read(text)) {
    conversation.messages.clear();
    // Duplicate keys come behind what makes the text unreadable.
    JsonText exact = read_json(text, {.refuse_duplicate_keys = false, .keep_places = false});
    JsonProblem problem = exact.problem.value_or(
        JsonProblem{.found = "the JSON cannot be read", .expected = "a JSON object", .fix = ""});
    row.problems.push_back({.code = code_of(problem.kind),
                            .offset = problem.offset,
                            .found = std::move(problem.found),
                            .expected = std::move(problem.expected),
                            .fix = std::move(problem.fix)});
  } else if (tape_[0].type != JsonType::kObject) {
    conversation.messages.clear();
    constexpr std::array<std::string_view, 6> kTypes{"null",     "a boolean", "a number",
                                                     "a string", "an array",  "an object"};
    row.problems.push_back({.code = "not-an-object",
                            .offset = tape_[0].begin,
                            .found = "the row is " + std::string(kTypes[static_cast<size_t>(tape_[0].type)]),
                            .expected = std::string(kRowShape),
                            .fix = "Write one object on each line."});
  } else {
    RowBuilder(tape_, options_, row, role_at_, content_at_).build();
  }
  row.refused =
      std::any_of(row.problems.begin(), row.problems.end(), [](const auto& p) { return p.refused; });
  if (!row.readable) conversation.messages.clear();
}

}  // namespace lora
