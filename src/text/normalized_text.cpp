#include "text/normalized_text.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace lora {
namespace {

const icu::Normalizer2& nfc() {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* instance = icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status))
    throw Error::machine({.where = "ICU", .found = "NFC data is missing", .fix = "Reinstall ICU."});
  return *instance;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

}  // namespace

NormalizedText NormalizedText::slice(ByteRange range) const {
  NormalizedText part(std::string_view(bytes_).substr(range.begin, range.end - range.begin),
                      offset_ + range.begin);
  if (!begin_.empty()) {
    const auto from = static_cast<std::ptrdiff_t>(range.begin), to = static_cast<std::ptrdiff_t>(range.end);
    part.begin_.assign(begin_.begin() + from, begin_.begin() + to);
    part.end_.assign(end_.begin() + from, end_.begin() + to);
  }
  return part;
}

void NormalizedText::materialize() {
  if (!begin_.empty() || bytes_.empty()) return;
  begin_.resize(bytes_.size());
  end_.resize(bytes_.size());
  for (size_t i = 0; i < bytes_.size(); ++i) {
    begin_[i] = static_cast<uint32_t>(offset_ + i);
    end_[i] = begin_[i] + 1;
  }
}

void NormalizedText::insert(size_t position, std::string_view text) {
  const bool was_empty = bytes_.empty();
  materialize();
  const uint32_t origin = was_empty                  ? static_cast<uint32_t>(offset_)
                          : position < begin_.size() ? begin_[position]
                                                     : end_.back();
  bytes_.insert(position, text);
  begin_.insert(begin_.begin() + static_cast<std::ptrdiff_t>(position), text.size(), origin);
  end_.insert(end_.begin() + static_cast<std::ptrdiff_t>(position), text.size(), origin);
}

void NormalizedText::replace_all(std::string_view from, std::string_view to) {
  if (from.empty() || bytes_.find(from) == std::string::npos) return;
  materialize();
  std::string bytes;
  std::vector<uint32_t> begin, end;
  for (size_t i = 0; i < bytes_.size();) {
    if (bytes_.compare(i, from.size(), from) == 0) {
      bytes += to;
      begin.insert(begin.end(), to.size(), begin_[i]);
      end.insert(end.end(), to.size(), end_[i + from.size() - 1]);
      i += from.size();
    } else {
      bytes += bytes_[i];
      begin.push_back(begin_[i]);
      end.push_back(end_[i]);
      ++i;
    }
  }
  bytes_ = std::move(bytes);
  begin_ = std::move(begin);
  end_ = std::move(end);
}

void NormalizedText::to_nfc() {
  if (is_ascii(bytes_)) return;
  const icu::Normalizer2& normalizer = nfc();
  UErrorCode status = U_ZERO_ERROR;
  const bool valid = is_valid_utf8(bytes_);
  if (valid && normalizer.isNormalizedUTF8(bytes_, status) && U_SUCCESS(status)) return;
  materialize();
  std::string bytes;
  std::vector<uint32_t> begin, end;
  // Runs between normalization boundaries change independently of each other; bytes that are not UTF-8 stay.
  for (size_t i = 0; i < bytes_.size();) {
    Utf8Char c = utf8_at(bytes_, i);
    size_t stop = i + c.length;
    bool well_formed = c.valid;
    while (well_formed && stop < bytes_.size()) {
      c = utf8_at(bytes_, stop);
      if (!c.valid || normalizer.hasBoundaryBefore(static_cast<UChar32>(c.code_point))) break;
      stop += c.length;
    }
    std::string run = bytes_.substr(i, stop - i), composed = run;
    if (well_formed) {
      composed.clear();
      icu::StringByteSink<std::string> sink(&composed);
      status = U_ZERO_ERROR;
      normalizer.normalizeUTF8(0, run, sink, nullptr, status);
      if (U_FAILURE(status)) throw Error::machine({.where = "ICU", .found = "NFC failed"});
    }
    if (composed == run) {
      begin.insert(begin.end(), begin_.begin() + static_cast<std::ptrdiff_t>(i),
                   begin_.begin() + static_cast<std::ptrdiff_t>(stop));
      end.insert(end.end(), end_.begin() + static_cast<std::ptrdiff_t>(i),
                 end_.begin() + static_cast<std::ptrdiff_t>(stop));
    } else {
      begin.insert(begin.end(), composed.size(), begin_[i]);
      end.insert(end.end(), composed.size(), end_[stop - 1]);
    }
    bytes += composed;
    i = stop;
  }
  bytes_ = std::move(bytes);
  begin_ = std::move(begin);
  end_ = std::move(end);
}

void NormalizedText::apply(const Normalizer& step) {
  if (std::holds_alternative<NormalizeNfc>(step)) {
    to_nfc();
  } else if (const auto* prepend = std::get_if<NormalizePrepend>(&step)) {
    if (!bytes_.empty()) insert(0, prepend->text);
  } else if (const auto* replace = std::get_if<NormalizeReplace>(&step)) {
    replace_all(replace->from, replace->to);
  }
}

std::string normalize(std::string_view text, const std::vector<Normalizer>& steps) {
  NormalizedText normalized(text, 0);
  for (const Normalizer& step : steps) normalized.apply(step);
  return normalized.bytes();
}

}  // namespace lora
