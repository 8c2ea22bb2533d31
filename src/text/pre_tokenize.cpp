#include "text/pre_tokenize.h"

#include "base/utf8.h"
#include "text/characters.h"
#include "text/normalizer.h"

namespace lora {
namespace {

using Pieces = std::vector<ByteRange>;

// The parts of a piece, matched and not, in order.
struct Part {
  ByteRange range;
  bool matched;
};

std::vector<Part> parts_of(const std::vector<ByteRange>& matches, size_t size, bool invert) {
  std::vector<Part> parts;
  size_t done = 0;
  for (const ByteRange& match : matches) {
    if (match.begin > done) parts.push_back({{done, match.begin}, invert});
    parts.push_back({match, !invert});
    done = match.end;
  }
  if (done < size) parts.push_back({{done, size}, invert});
  return parts;
}

// Hugging Face's SplitDelimiterBehavior. Empty parts come to nothing, but count as matches.
void put_together(const std::vector<Part>& parts, SplitBehavior behavior, size_t offset, Pieces& out) {
  Pieces pieces;
  const auto push = [&](ByteRange range) { pieces.push_back(range); };
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    switch (behavior) {
      case SplitBehavior::kIsolated:
        push(part.range);
        break;
      case SplitBehavior::kRemoved:
        if (!part.matched) push(part.range);
        break;
      case SplitBehavior::kContiguous:
        if (i > 0 && parts[i - 1].matched == part.matched) {
          pieces.back().end = part.range.end;
        } else {
          push(part.range);
        }
        break;
      case SplitBehavior::kMergedWithPrevious:
        if (part.matched && i > 0 && !parts[i - 1].matched) {
          pieces.back().end = part.range.end;
        } else {
          push(part.range);
        }
        break;
      case SplitBehavior::kMergedWithNext:
        if (!part.matched && i > 0 && parts[i - 1].matched) {
          pieces.back().end = part.range.end;
        } else {
          push(part.range);
        }
        break;
    }
  }
  for (const ByteRange& piece : pieces)
    if (piece.end > piece.begin) out.push_back({piece.begin + offset, piece.end + offset});
}

bool is_of_class(uint32_t c, CharacterClass characters) {
  switch (characters) {
    case CharacterClass::kWhiteSpace:
      return is_white_space(c);
    case CharacterClass::kPunctuation:
      return is_punctuation(c);
    case CharacterClass::kNumeric:
      return is_numeric(c);
  }
  return false;
}

// Pieces of a text while its bytes are written anew: each piece is moved to where its bytes went.
template <typename Write>
void rewrite_pieces(NormalizedText& text, Pieces& pieces, Write write) {
  NormalizedText::Rewriter out(text);
  size_t done = 0;
  for (ByteRange& piece : pieces) {
    out.keep(done, piece.begin);
    const size_t begin = out.size();
    write(out, piece);
    done = piece.end;
    piece = {begin, out.size()};
  }
  out.keep(done, text.bytes().size());
  out.commit();
}

struct Cut {
  NormalizedText& text;
  Pieces& pieces;

  std::string_view bytes_of(ByteRange piece) const {
    return std::string_view(text.bytes()).substr(piece.begin, piece.end - piece.begin);
  }

  // Cuts each piece at the matches that find(bytes) gives.
  template <typename Find>
  void split(SplitBehavior behavior, bool invert, Find find) const {
    Pieces smaller;
    for (const ByteRange& piece : pieces) {
      const std::string_view bytes = bytes_of(piece);
      put_together(parts_of(find(bytes), bytes.size(), invert), behavior, piece.begin, smaller);
    }
    pieces = std::move(smaller);
  }

  void operator()(const SplitPattern& step) const {
    split(step.behavior, step.invert,
          [&](std::string_view bytes) { return step.pattern.find_all(bytes, EmptyMatches::kKept); });
  }

  void operator()(const SplitClass& step) const {
    split(step.behavior, false, [&](std::string_view bytes) {
      std::vector<ByteRange> matches;
      for (size_t i = 0; i < bytes.size();) {
        const Utf8Char c = utf8_at(bytes, i);
        if (c.valid && is_of_class(c.code_point, step.characters)) matches.push_back({i, i + c.length});
        i += c.length;
      }
      return matches;
    });
  }

  void operator()(const SplitWords&) const {
    split(SplitBehavior::kRemoved, true, [](std::string_view bytes) {
      enum class Kind { kNone, kSpace, kWord, kOther };
      std::vector<ByteRange> matches;
      Kind before = Kind::kNone;
      for (size_t i = 0; i < bytes.size();) {
        const Utf8Char c = utf8_at(bytes, i);
        const Kind kind = !c.valid                       ? Kind::kOther
                          : is_word(c.code_point)        ? Kind::kWord
                          : is_white_space(c.code_point) ? Kind::kSpace
                                                         : Kind::kOther;
        if (kind == before && kind != Kind::kSpace) {
          matches.back().end = i + c.length;
        } else if (kind != Kind::kSpace) {
          matches.push_back({i, i + c.length});
        }
        before = kind;
        i += c.length;
      }
      return matches;
    });
  }

  void operator()(const SplitLength& step) const {
    split(SplitBehavior::kIsolated, false, [&](std::string_view bytes) {
      std::vector<ByteRange> matches;
      for (size_t i = 0; i < bytes.size();) {
        const size_t begin = i;
        for (size_t n = 0; n < step.length && i < bytes.size(); ++n) i += utf8_at(bytes, i).length;
        matches.push_back({begin, i});
      }
      return matches;
    });
  }

  void operator()(const PrefixSpace&) const {
    rewrite_pieces(text, pieces, [&](auto& out, ByteRange piece) {
      if (!bytes_of(piece).starts_with(' ')) out.put(" ", piece.begin, piece.begin);
      out.keep(piece.begin, piece.end);
    });
  }

  void operator()(const MapByteLevel&) const {
    rewrite_pieces(text, pieces,
                   [&](auto& out, ByteRange piece) { put_byte_level(out, text.bytes(), piece); });
  }

  void operator()(const Metaspace& step) const {
    rewrite_pieces(text, pieces, [&](auto& out, ByteRange piece) {
      const std::string_view bytes = bytes_of(piece);
      const bool wanted = step.prepend == PrependScheme::kAlways ||
                          (step.prepend == PrependScheme::kFirst && text.begin_of(piece.begin) == 0);
      if (wanted && !bytes.starts_with(' ') && !bytes.starts_with(step.replacement))
        out.put(step.replacement, piece.begin, piece.begin);
      size_t done = piece.begin;
      for (size_t i = piece.begin; i < piece.end; ++i) {
        if (text.bytes()[i] != ' ') continue;
        out.keep(done, i);
        out.put(step.replacement, i, i + 1);
        done = i + 1;
      }
      out.keep(done, piece.end);
    });
    if (!step.split) return;
    split(SplitBehavior::kMergedWithNext, false, [&](std::string_view bytes) {
      std::vector<ByteRange> matches;
      for (size_t at = bytes.find(step.replacement); at != std::string_view::npos;
           at = bytes.find(step.replacement, at + step.replacement.size()))
        matches.push_back({at, at + step.replacement.size()});
      return matches;
    });
  }
};

}  // namespace

std::vector<ByteRange> pre_tokenize(NormalizedText& text, const std::vector<PreTokenizer>& steps) {
  Pieces pieces;
  if (!text.bytes().empty()) pieces.push_back({0, text.bytes().size()});
  for (const PreTokenizer& step : steps) std::visit(Cut{text, pieces}, step);
  return pieces;
}

}  // namespace lora
