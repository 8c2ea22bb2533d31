#include "text/pre_tokenize.h"

namespace lora {
namespace {

// The parts of a piece, matched and not, in order.
struct Part {
  ByteRange range;
  bool matched;
};

std::vector<Part> parts_of(const Pattern& pattern, std::string_view text, bool invert) {
  std::vector<Part> parts;
  size_t done = 0;
  for (const ByteRange& match : pattern.find_all(text)) {
    if (match.begin > done) parts.push_back({{done, match.begin}, invert});
    parts.push_back({match, !invert});
    done = match.end;
  }
  if (done < text.size()) parts.push_back({{done, text.size()}, invert});
  return parts;
}

// Hugging Face's SplitDelimiterBehavior.
void split(const SplitPattern& step, std::string_view text, size_t offset, std::vector<ByteRange>& out) {
  const auto push = [&](ByteRange range) { out.push_back({range.begin + offset, range.end + offset}); };
  const std::vector<Part> parts = parts_of(step.pattern, text, step.invert);
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    switch (step.behavior) {
      case SplitBehavior::kIsolated:
        push(part.range);
        break;
      case SplitBehavior::kRemoved:
        if (!part.matched) push(part.range);
        break;
      case SplitBehavior::kContiguous:
        if (i > 0 && parts[i - 1].matched == part.matched) {
          out.back().end = part.range.end + offset;
        } else {
          push(part.range);
        }
        break;
      case SplitBehavior::kMergedWithPrevious:
        if (part.matched && i > 0 && !parts[i - 1].matched) {
          out.back().end = part.range.end + offset;
        } else {
          push(part.range);
        }
        break;
      case SplitBehavior::kMergedWithNext:
        if (!part.matched && i > 0 && parts[i - 1].matched) {
          out.back().end = part.range.end + offset;
        } else {
          push(part.range);
        }
        break;
    }
  }
}

// Inserts `prefix` before every piece that does not start with it, for which `wanted` holds.
template <typename Wanted>
void prefix_pieces(NormalizedText& text, std::vector<ByteRange>& pieces, std::string_view prefix,
                   Wanted wanted) {
  size_t shift = 0;
  for (ByteRange& piece : pieces) {
    piece = {piece.begin + shift, piece.end + shift};
    if (text.bytes().compare(piece.begin, prefix.size(), prefix) == 0 || !wanted(piece.begin)) continue;
    text.insert(piece.begin, prefix);
    piece.end += prefix.size();
    shift += prefix.size();
  }
}

void metaspace(const Metaspace& step, NormalizedText& text, std::vector<ByteRange>& pieces, bool first) {
  // The replacement is as long for every space: pieces are redrawn by counting.
  const std::string before = text.bytes();
  text.replace_all(" ", step.replacement);
  const size_t growth = step.replacement.size() - 1;
  size_t position = 0, shift = 0;
  const auto moved = [&](size_t to) {
    for (; position < to; ++position) shift += before[position] == ' ' ? growth : 0;
    return to + shift;
  };
  for (ByteRange& piece : pieces) {
    const size_t begin = moved(piece.begin);
    piece = {begin, moved(piece.end)};
  }
  if (step.prepend != PrependScheme::kNever)
    prefix_pieces(text, pieces, step.replacement, [&](size_t begin) {
      return step.prepend == PrependScheme::kAlways || (first && begin == 0);
    });
  if (!step.split) return;
  std::vector<ByteRange> words;
  for (const ByteRange& piece : pieces) {
    size_t start = piece.begin;
    while (start < piece.end) {
      size_t next = text.bytes().find(
          step.replacement,
          start + (text.bytes().compare(start, step.replacement.size(), step.replacement) == 0
                       ? step.replacement.size()
                       : 0));
      if (next == std::string::npos || next > piece.end) next = piece.end;
      words.push_back({start, next});
      start = next;
    }
  }
  pieces = std::move(words);
}

}  // namespace

std::vector<ByteRange> pre_tokenize(NormalizedText& text, const std::vector<PreTokenizer>& steps,
                                    bool first) {
  std::vector<ByteRange> pieces;
  if (!text.bytes().empty()) pieces.push_back({0, text.bytes().size()});
  for (const PreTokenizer& step : steps) {
    if (const auto* pattern = std::get_if<SplitPattern>(&step)) {
      std::vector<ByteRange> smaller;
      for (const ByteRange& piece : pieces)
        split(*pattern, std::string_view(text.bytes()).substr(piece.begin, piece.end - piece.begin),
              piece.begin, smaller);
      pieces = std::move(smaller);
    } else if (std::holds_alternative<PrefixSpace>(step)) {
      prefix_pieces(text, pieces, " ", [](size_t) { return true; });
    } else if (const auto* space = std::get_if<Metaspace>(&step)) {
      metaspace(*space, text, pieces, first);
    }
  }
  return pieces;
}

}  // namespace lora
