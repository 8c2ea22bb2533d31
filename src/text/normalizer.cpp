#include "text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/byte_trie.h"
#include "text/characters.h"
#include "text/charsmap.h"

namespace lora {
namespace {

constexpr std::string_view kMetaspace = "\u2581";

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

const icu::Normalizer2& icu_form(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* instance = form == NormalForm::kNfc    ? icu::Normalizer2::getNFCInstance(status)
                                     : form == NormalForm::kNfd  ? icu::Normalizer2::getNFDInstance(status)
                                     : form == NormalForm::kNfkc ? icu::Normalizer2::getNFKCInstance(status)
                                                                 : icu::Normalizer2::getNFKDInstance(status);
  if (U_FAILURE(status))
    throw Error::machine({.where = "ICU", .found = "normalization data is missing", .fix = "Reinstall ICU."});
  return *instance;
}

// The tables of `tokenizers` are those of Unicode 9: later characters pass through, and nothing moves across them.
bool is_known(uint32_t c) {
  if (c < 0x180) return true;
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && age[0] <= 9;
}

void to_form(NormalizedText& text, NormalForm form) {
  const std::string& bytes = text.bytes();
  if (is_ascii(bytes)) return;
  const icu::Normalizer2& normalizer = icu_form(form);
  NormalizedText::Rewriter out(text);
  bool changed = false;
  // Runs between normalization boundaries change independently of each other.
  for (size_t i = 0; i < bytes.size();) {
    Utf8Char c = utf8_at(bytes, i);
    size_t stop = i + c.length;
    const bool known = c.valid && is_known(c.code_point);
    const bool ascii = c.valid && c.code_point < 0x80;
    while (known && stop < bytes.size()) {
      c = utf8_at(bytes, stop);
      if (!c.valid || !is_known(c.code_point) ||
          normalizer.hasBoundaryBefore(static_cast<UChar32>(c.code_point)))
        break;
      stop += c.length;
    }
    if (!known || (ascii && stop == i + 1)) {
      out.keep(i, stop);
      i = stop;
      continue;
    }
    const std::string_view run = std::string_view(bytes).substr(i, stop - i);
    std::string normal;
    icu::StringByteSink<std::string> sink(&normal);
    UErrorCode status = U_ZERO_ERROR;
    normalizer.normalizeUTF8(0, icu::StringPiece(run.data(), static_cast<int32_t>(run.size())), sink, nullptr,
                             status);
    if (U_FAILURE(status)) throw Error::machine({.where = "ICU", .found = "normalization failed"});
    size_t same = 0;  // whole characters at the start that stay
    while (same < run.size() && same < normal.size()) {
      const size_t length = utf8_at(run, same).length;
      if (normal.compare(same, length, run, same, length) != 0) break;
      same += length;
    }
    out.keep(i, i + same);
    if (same < run.size() || same < normal.size()) {
      out.put(std::string_view(normal).substr(same), std::min(i + same, stop), stop);
      changed = true;
    }
    i = stop;
  }
  if (changed) out.commit();
}

// Rewrites character by character: `each(out, c, begin, end)`; ill-formed bytes stay.
template <typename Each>
void map_characters(NormalizedText& text, Each each) {
  const std::string& bytes = text.bytes();
  NormalizedText::Rewriter out(text);
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Char c = utf8_at(bytes, i);
    if (c.valid) {
      each(out, c.code_point, i, i + c.length);
    } else {
      out.keep(i, i + c.length);
    }
    i += c.length;
  }
  out.commit();
}

void lowercase(NormalizedText& text) {
  map_characters(text, [](auto& out, uint32_t c, size_t begin, size_t end) {
    std::string lower;
    append_lowercase(lower, c);
    out.put(lower, begin, end);
  });
}

void remove_if(NormalizedText& text, bool (*wanted)(uint32_t)) {
  map_characters(text, [&](auto& out, uint32_t c, size_t begin, size_t end) {
    if (!wanted(c)) out.keep(begin, end);
  });
}

void strip(NormalizedText& text, const NormalizeStrip& step) {
  const std::string& bytes = text.bytes();
  size_t begin = 0, end = bytes.size();
  while (step.left && begin < end) {
    const Utf8Char c = utf8_at(bytes, begin);
    if (!c.valid || !is_white_space(c.code_point)) break;
    begin += c.length;
  }
  while (step.right && end > begin) {
    const size_t before = previous_character(bytes, end);
    const Utf8Char c = utf8_at(bytes, before);
    if (!c.valid || !is_white_space(c.code_point)) break;
    end = before;
  }
  if (begin > 0 || end < bytes.size()) text = text.slice({begin, end});
}

void bert(NormalizedText& text, const NormalizeBert& step) {
  if (step.clean_text)
    map_characters(text, [](auto& out, uint32_t c, size_t begin, size_t end) {
      if (c == 0 || c == 0xFFFD || is_control_or_other(c)) return;
      if (is_white_space(c)) return out.put(" ", begin, end);
      out.keep(begin, end);
    });
  if (step.handle_chinese_chars)
    map_characters(text, [](auto& out, uint32_t c, size_t begin, size_t end) {
      if (!is_cjk_ideograph(c)) return out.keep(begin, end);
      out.put(" ", begin, begin);
      out.keep(begin, end);
      out.put(" ", end, end);
    });
  if (step.strip_accents) {
    to_form(text, NormalForm::kNfd);
    remove_if(text, is_nonspacing_mark);
  }
  if (step.lowercase) lowercase(text);
}

// A replacement comes from the last character that it replaces, as in Hugging Face.
void put_replacement(NormalizedText::Rewriter& out, std::string_view bytes, std::string_view to,
                     ByteRange match) {
  const size_t last = match.end > match.begin ? previous_character(bytes, match.end) : match.begin;
  out.put(to, std::max(last, match.begin), match.end);
}

void replace_all(NormalizedText& text, std::string_view from, std::string_view to) {
  const std::string& bytes = text.bytes();
  size_t next = from.empty() ? std::string::npos : bytes.find(from);
  if (next == std::string::npos) return;
  NormalizedText::Rewriter out(text);
  size_t done = 0;
  for (; next != std::string::npos; next = bytes.find(from, done)) {
    out.keep(done, next);
    put_replacement(out, bytes, to, {next, next + from.size()});
    done = next + from.size();
  }
  out.keep(done, bytes.size());
  out.commit();
}

void apply_pattern(NormalizedText& text, const Pattern& pattern, std::string_view to) {
  const std::vector<ByteRange> matches = pattern.find_all(text.bytes(), EmptyMatches::kKept);
  if (matches.empty()) return;
  if (matches.front().end == 0)  // Hugging Face inserts twice here
    throw Error::input({.where = "the tokenizer's normalizer: Replace",
                        .found = "its pattern \"" + pattern.expression() + "\" matches nothing at the start",
                        .fix = "This tokenizer is not supported."});
  NormalizedText::Rewriter out(text);
  size_t done = 0;
  for (const ByteRange& match : matches) {
    out.keep(done, match.begin);
    put_replacement(out, text.bytes(), to, match);
    done = match.end;
  }
  out.keep(done, text.bytes().size());
  out.commit();
}

// By grapheme cluster, and by its characters where the cluster is long or unknown (tokenizers' precompiled.rs).
void apply_charsmap(NormalizedText& text, const Charsmap& charsmap) {
  constexpr size_t kLongCluster = 6;  // bytes
  const std::string& bytes = text.bytes();
  NormalizedText::Rewriter out(text);
  // What is dropped at the start counts to the first character that stays, so the text still starts at its start.
  const auto put = [&](std::string_view part, size_t begin, size_t end) {
    out.put(part, out.size() == 0 ? 0 : begin, end);
  };
  for (size_t i = 0; i < bytes.size();) {
    const size_t end = grapheme_end(bytes, i);
    const std::string_view cluster = std::string_view(bytes).substr(i, end - i);
    if (cluster.size() < kLongCluster) {
      if (const auto match = charsmap.shortest(cluster, 0)) {
        put(match->replacement, i, end);
        i = end;
        continue;
      }
    }
    while (i < end) {
      const size_t stop = i + utf8_at(bytes, i).length;
      const std::string_view character = std::string_view(bytes).substr(i, stop - i);
      const auto match = charsmap.shortest(character, 0);
      put(match ? match->replacement : character, i, stop);
      i = stop;
    }
  }
  out.commit();
}

// SentencePiece's Normalizer::Normalize (normalizer.cc).
void sentencepiece(NormalizedText& text, const NormalizeSentencePiece& step) {
  const std::string& bytes = text.bytes();
  const std::string_view space = step.escape_whitespaces ? kMetaspace : std::string_view(" ");
  struct Piece {
    size_t length;
    std::string_view text;
  };
  const auto next = [&](size_t i) -> Piece {
    if (step.user_defined) {
      if (const size_t length = step.user_defined->longest(bytes, i).first; length > 0)
        return {length, std::string_view(bytes).substr(i, length)};
    }
    if (step.charsmap) {
      if (const auto match = step.charsmap->longest(bytes, i)) return {match->length, match->replacement};
    }
    const Utf8Char c = utf8_at(bytes, i);
    if (!c.valid) return {1, kReplacementCharacter};
    return {c.length, std::string_view(bytes).substr(i, c.length)};
  };
  NormalizedText::Rewriter out(text);
  size_t i = 0;
  if (step.remove_extra_whitespaces) {
    for (; i < bytes.size();) {
      const Piece piece = next(i);
      if (piece.text != " ") break;
      i += piece.length;
    }
  }
  if (i < bytes.size()) {
    if (step.add_dummy_prefix && !step.whitespace_as_suffix) out.put(space, i, i);
    bool after_space = step.remove_extra_whitespaces;
    while (i < bytes.size()) {
      Piece piece = next(i);
      while (after_space && piece.text.starts_with(' ')) piece.text.remove_prefix(1);
      const bool same = piece.text == std::string_view(bytes).substr(i, piece.length);
      if (same && piece.text.find(' ') == std::string_view::npos) {
        out.keep(i, i + piece.length);
      } else {
        for (const char c : piece.text) {
          if (c == ' ') {
            out.put(space, i, i + piece.length);
          } else {
            out.put(std::string_view(&c, 1), i, i + piece.length);
          }
        }
      }
      if (!piece.text.empty()) after_space = step.remove_extra_whitespaces && piece.text.ends_with(' ');
      i += piece.length;
    }
    if (step.remove_extra_whitespaces)
      while (out.written().ends_with(space)) out.cut(out.size() - space.size());
    if (step.add_dummy_prefix && step.whitespace_as_suffix) out.put(space, bytes.size(), bytes.size());
  }
  out.commit();
}

struct Apply {
  NormalizedText& text;

  void operator()(const NormalizeForm& step) const { to_form(text, step.form); }
  void operator()(const NormalizePrepend& step) const {
    if (!text.bytes().empty()) text.insert(0, step.text);
  }
  void operator()(const NormalizeReplace& step) const {
    if (step.pattern) {
      apply_pattern(text, *step.pattern, step.to);
    } else {
      replace_all(text, step.from, step.to);
    }
  }
  void operator()(const NormalizeLowercase&) const { lowercase(text); }
  void operator()(const NormalizeStrip& step) const { strip(text, step); }
  void operator()(const NormalizeStripAccents&) const { remove_if(text, is_mark); }
  void operator()(const NormalizeBert& step) const { bert(text, step); }
  void operator()(const NormalizeCharsmap& step) const { apply_charsmap(text, *step.charsmap); }
  void operator()(const NormalizeByteLevel&) const {
    NormalizedText::Rewriter out(text);
    put_byte_level(out, text.bytes(), {0, text.bytes().size()});
    out.commit();
  }
  void operator()(const NormalizeSentencePiece& step) const { sentencepiece(text, step); }
};

}  // namespace

void put_byte_level(NormalizedText::Rewriter& out, std::string_view bytes, ByteRange range) {
  for (size_t i = range.begin; i < range.end;) {
    const size_t end = std::min(i + utf8_at(bytes, i).length, range.end);
    for (size_t k = i; k < end; ++k) out.put(byte_level_character(bytes[k]), i, end);
    i = end;
  }
}

void normalize(NormalizedText& text, const Normalizer& step) {
  std::visit(Apply{text}, step);
}

std::string normalize(std::string_view text, const std::vector<Normalizer>& steps) {
  NormalizedText normalized(text, 0);
  for (const Normalizer& step : steps) normalize(normalized, step);
  return normalized.bytes();
}

}  // namespace lora
