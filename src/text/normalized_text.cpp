#include "text/normalized_text.h"

#include "base/error.h"

namespace lora {

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

void NormalizedText::Rewriter::check(size_t more) const {
  if (bytes_.size() + more <= text_.limit_) return;
  throw Error::input({.where = "the tokenizer's normalizer",
                      .found = "it makes the text more than " + std::to_string(kMaxGrowth) + " times longer",
                      .fix = "The tokenizer is damaged or malicious; use another copy of it."});
}

void NormalizedText::Rewriter::keep(size_t begin, size_t end) {
  if (begin >= end) return;
  check(end - begin);
  bytes_.append(text_.bytes_, begin, end - begin);
  if (text_.begin_.empty()) {
    for (size_t i = begin; i < end; ++i) {
      begin_.push_back(text_.begin_of(i));
      end_.push_back(text_.end_of(i));
    }
  } else {
    const auto from = static_cast<std::ptrdiff_t>(begin), to = static_cast<std::ptrdiff_t>(end);
    begin_.insert(begin_.end(), text_.begin_.begin() + from, text_.begin_.begin() + to);
    end_.insert(end_.end(), text_.end_.begin() + from, text_.end_.begin() + to);
  }
}

void NormalizedText::Rewriter::put(std::string_view text, size_t begin, size_t end) {
  check(text.size());
  const size_t size = text_.bytes_.size();
  const uint32_t first = begin < size ? text_.begin_of(begin)
                         : size > 0   ? text_.end_of(size - 1)
                                      : static_cast<uint32_t>(text_.offset_);
  const uint32_t last = end > begin ? text_.end_of(end - 1) : first;
  bytes_ += text;
  begin_.insert(begin_.end(), text.size(), first);
  end_.insert(end_.end(), text.size(), last);
}

void NormalizedText::Rewriter::cut(size_t size) {
  bytes_.resize(size);
  begin_.resize(size);
  end_.resize(size);
}

void NormalizedText::Rewriter::commit() {
  text_.bytes_ = std::move(bytes_);
  text_.begin_ = std::move(begin_);
  text_.end_ = std::move(end_);
}

void NormalizedText::insert(size_t position, std::string_view text) {
  Rewriter out(*this);
  out.keep(0, position);
  out.put(text, position, position);
  out.keep(position, bytes_.size());
  out.commit();
}

}  // namespace lora
