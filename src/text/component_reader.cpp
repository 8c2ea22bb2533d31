#include "text/component_reader.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/utf8.h"
#include "text/base64.h"
#include "text/charsmap.h"
#include "text/json_number.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;  // sequences within sequences
constexpr std::string_view kMetaspaceSign = "\u2581";

bool is_one_character(std::string_view text) {
  return !text.empty() && utf8_at(text, 0).valid && utf8_at(text, 0).length == text.size();
}

}  // namespace

void ComponentReader::refuse(const std::string& part, const std::string& found,
                             const std::string& expected) const {
  throw Error::input({.where = where_ + (part.empty() ? "" : ": " + part),
                      .found = found,
                      .expected = expected,
                      .fix = "This tokenizer is not supported yet; the file may also be damaged."});
}

void ComponentReader::unknown(const std::string& part, const json& component) const {
  refuse(part, "the component \"" + component.value("type", "?") + "\" is not supported");
}

void ComponentReader::too_deep(const std::string& part, int depth) const {
  if (depth > kMaxDepth)
    refuse(part, "sequences are nested more than " + std::to_string(kMaxDepth) + " deep");
}

void ComponentReader::note(const std::string& part, const json& component) {
  data_.pipeline += part + " " + component.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

void ComponentReader::normalizer(const json& component) {
  read_normalizer(component, 0);
}
void ComponentReader::pre_tokenizer(const json& component) {
  read_pre_tokenizer(component, 0);
  // Byte-level BPE works on bytes themselves where the alphabet is the last step; anything after it sees its letters.
  size_t maps = 0;
  for (const PreTokenizer& step : data_.pre_tokenizers) maps += std::holds_alternative<MapByteLevel>(step);
  for (const Normalizer& step : data_.normalizers) maps += std::holds_alternative<NormalizeByteLevel>(step);
  data_.byte_level = data_.model == ModelKind::kBpe && maps == 1 && !data_.pre_tokenizers.empty() &&
                     std::holds_alternative<MapByteLevel>(data_.pre_tokenizers.back()) &&
                     (has_every_byte() || (!data_.byte_fallback && !data_.unk_id)) &&
                     data_.continuing_subword_prefix.empty() && data_.end_of_word_suffix.empty();
  if (data_.byte_level) data_.pre_tokenizers.pop_back();
}
bool ComponentReader::has_every_byte() const {
  std::array<bool, 256> there{};
  for (const std::string& token : data_.tokens) {
    const auto bytes = token.size() <= 2 ? bytes_from_byte_level(token) : std::nullopt;
    if (bytes && bytes->size() == 1) there[static_cast<uint8_t>((*bytes)[0])] = true;
  }
  return std::find(there.begin(), there.end(), false) == there.end();
}
void ComponentReader::decoder(const json& component) {
  read_decoder(component, 0);
  choose_decoding();
}
void ComponentReader::post_processor(const json& component) {
  read_post_processor(component, 0);
}

void ComponentReader::read_normalizer(const json& component, int depth) {
  if (component.is_null()) return;
  too_deep("normalizer", depth);
  const std::string type = component.at("type");
  if (type == "Sequence") {
    for (const json& part : component.at("normalizers")) read_normalizer(part, depth + 1);
    return;
  }
  auto& steps = data_.normalizers;
  if (type == "NFC") {
    steps.emplace_back(NormalizeForm{NormalForm::kNfc});
  } else if (type == "NFD") {
    steps.emplace_back(NormalizeForm{NormalForm::kNfd});
  } else if (type == "NFKC") {
    steps.emplace_back(NormalizeForm{NormalForm::kNfkc});
  } else if (type == "NFKD") {
    steps.emplace_back(NormalizeForm{NormalForm::kNfkd});
  } else if (type == "Prepend") {
    steps.emplace_back(NormalizePrepend{component.at("prepend")});
  } else if (type == "Replace") {
    const json& pattern = component.at("pattern");
    if (pattern.contains("Regex")) {
      steps.emplace_back(
          NormalizeReplace{"", component.at("content"),
                           Pattern(pattern["Regex"].get<std::string>(), where_ + ": normalizer")});
    } else {
      const std::string from = pattern.at("String");
      if (from.empty()) refuse("normalizer", "\"Replace\" of an empty string");
      steps.emplace_back(NormalizeReplace{from, component.at("content")});
    }
  } else if (type == "Lowercase") {
    steps.emplace_back(NormalizeLowercase{});
  } else if (type == "Strip") {
    steps.emplace_back(
        NormalizeStrip{component.value("strip_left", true), component.value("strip_right", true)});
  } else if (type == "StripAccents") {
    steps.emplace_back(NormalizeStripAccents{});
  } else if (type == "BertNormalizer") {
    const bool lowercase = component.value("lowercase", true);
    const json accents = component.value("strip_accents", json());
    steps.emplace_back(NormalizeBert{component.value("clean_text", true),
                                     component.value("handle_chinese_chars", true),
                                     accents.is_boolean() ? accents.get<bool>() : lowercase, lowercase});
  } else if (type == "Precompiled") {
    const auto blob = decode_base64(component.at("precompiled_charsmap").get<std::string>());
    if (!blob) refuse("normalizer", "\"precompiled_charsmap\" is not base64");
    steps.emplace_back(NormalizeCharsmap{std::make_shared<const Charsmap>(*blob, where_)});
  } else if (type == "ByteLevel") {
    steps.emplace_back(NormalizeByteLevel{});
  } else {
    unknown("normalizer", component);
  }
  note("normalizer", component);
}

SplitBehavior ComponentReader::behavior(const json& component) const {
  const std::string name = component.value("behavior", "Isolated");
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  refuse("pre_tokenizer", "the split behaviour \"" + name + "\" is not supported");
}

PrependScheme ComponentReader::prepend_scheme(const json& component) const {
  if (!component.contains("prepend_scheme"))
    return component.value("add_prefix_space", true) ? PrependScheme::kAlways : PrependScheme::kNever;
  const std::string scheme = component["prepend_scheme"];
  if (scheme == "always") return PrependScheme::kAlways;
  if (scheme == "first") return PrependScheme::kFirst;
  if (scheme == "never") return PrependScheme::kNever;
  refuse("Metaspace", "the prepend scheme \"" + scheme + "\" is not supported");
}

std::string ComponentReader::replacement(const json& component) const {
  const std::string sign = component.value("replacement", std::string(kMetaspaceSign));
  if (!is_one_character(sign)) refuse("Metaspace", "the replacement \"" + sign + "\" is not one character");
  return sign;
}

void ComponentReader::read_pre_tokenizer(const json& component, int depth) {
  if (component.is_null()) return;
  too_deep("pre_tokenizer", depth);
  const std::string type = component.at("type");
  if (type == "Sequence") {
    for (const json& part : component.at("pretokenizers")) read_pre_tokenizer(part, depth + 1);
    return;
  }
  auto& steps = data_.pre_tokenizers;
  const auto split = [&](Pattern pattern, SplitBehavior behavior, bool invert = false) {
    steps.emplace_back(SplitPattern{std::move(pattern), behavior, invert});
  };
  const std::string place = where_ + ": pre_tokenizer";
  if (type == "ByteLevel") {
    if (component.value("add_prefix_space", true)) steps.emplace_back(PrefixSpace{});
    if (component.value("use_regex", true)) split(Pattern(kGpt2Pattern, place), SplitBehavior::kIsolated);
    steps.emplace_back(MapByteLevel{});
  } else if (type == "Digits") {
    steps.emplace_back(SplitClass{CharacterClass::kNumeric, component.value("individual_digits", false)
                                                                ? SplitBehavior::kIsolated
                                                                : SplitBehavior::kContiguous});
  } else if (type == "Punctuation") {
    steps.emplace_back(SplitClass{CharacterClass::kPunctuation, behavior(component)});
  } else if (type == "Split") {
    const json& pattern = component.at("pattern");
    const bool invert = component.value("invert", false);
    if (pattern.contains("Regex")) {
      split(Pattern(pattern["Regex"].get<std::string>(), place), behavior(component), invert);
    } else {
      split(Pattern::from_literal(pattern.at("String").get<std::string>(), place), behavior(component),
            invert);
    }
  } else if (type == "CharDelimiterSplit") {
    split(Pattern::from_literal(component.at("delimiter").get<std::string>(), place),
          SplitBehavior::kRemoved);
  } else if (type == "Whitespace") {
    steps.emplace_back(SplitWords{});
  } else if (type == "WhitespaceSplit") {
    steps.emplace_back(SplitClass{CharacterClass::kWhiteSpace, SplitBehavior::kRemoved});
  } else if (type == "BertPreTokenizer") {
    steps.emplace_back(SplitClass{CharacterClass::kWhiteSpace, SplitBehavior::kRemoved});
    steps.emplace_back(SplitClass{CharacterClass::kPunctuation, SplitBehavior::kIsolated});
  } else if (type == "Metaspace") {
    steps.emplace_back(
        Metaspace{replacement(component), prepend_scheme(component), component.value("split", true)});
  } else if (type == "FixedLength") {
    const int64_t length = whole_number(component, "length", 5, place);
    if (length < 1) refuse("pre_tokenizer", "the fixed length is " + std::to_string(length));
    steps.emplace_back(SplitLength{static_cast<size_t>(length)});
  } else {
    unknown("pre_tokenizer", component);
  }
  note("pre_tokenizer", component);
}

void ComponentReader::read_decoder(const json& component, int depth) {
  if (component.is_null()) return;
  too_deep("decoder", depth);
  const std::string type = component.at("type");
  auto& steps = data_.decoders;
  if (type == "Sequence") {
    for (const json& part : component.at("decoders")) read_decoder(part, depth + 1);
  } else if (type == "ByteLevel") {
    steps.emplace_back(DecodeByteLevel{});
  } else if (type == "Replace") {
    const json& pattern = component.at("pattern");
    if (pattern.contains("Regex")) {
      steps.emplace_back(DecodeReplace{"", component.at("content"),
                                       Pattern(pattern["Regex"].get<std::string>(), where_ + ": decoder")});
    } else {
      const std::string from = pattern.at("String");
      if (from.empty()) refuse("decoder", "\"Replace\" of an empty string");
      steps.emplace_back(DecodeReplace{from, component.at("content")});
    }
  } else if (type == "ByteFallback") {
    steps.emplace_back(DecodeByteFallback{});
  } else if (type == "Fuse") {
    steps.emplace_back(DecodeFuse{});
  } else if (type == "Strip") {
    const std::string content = component.value("content", " ");
    if (!is_one_character(content)) refuse("decoder", "\"Strip\" of something else than one character");
    const auto count = [&](const char* key) {
      return static_cast<size_t>(std::max(int64_t{0}, whole_number(component, key, 0, where_ + ": decoder")));
    };
    steps.emplace_back(DecodeStrip{content, count("start"), count("stop")});
  } else if (type == "Metaspace") {
    steps.emplace_back(
        DecodeMetaspace{replacement(component), prepend_scheme(component) != PrependScheme::kNever});
  } else if (type == "WordPiece") {
    steps.emplace_back(DecodeWordPiece{component.value("prefix", "##"), component.value("cleanup", true)});
  } else if (type == "BPEDecoder") {
    const std::string suffix = component.value("suffix", "</w>");
    if (suffix.empty()) refuse("decoder", "\"BPEDecoder\" with an empty suffix");
    steps.emplace_back(DecodeBpe{suffix});
  } else {
    unknown("decoder", component);
  }
}

// The usual chains have a form that streams; any other is run as it is.
void ComponentReader::choose_decoding() {
  const auto& steps = data_.decoders;
  data_.decoding = Decoding::kSteps;
  if (steps.size() == 1 && std::holds_alternative<DecodeByteLevel>(steps[0])) {
    data_.decoding = Decoding::kBytes;
    return;
  }
  if (steps.size() < 3 || steps.size() > 4) return;
  const auto* spaces = std::get_if<DecodeReplace>(&steps[0]);
  if (!spaces || spaces->pattern || spaces->from != kMetaspaceSign || spaces->to != " ") return;
  if (!std::holds_alternative<DecodeByteFallback>(steps[1]) || !std::holds_alternative<DecodeFuse>(steps[2]))
    return;
  if (steps.size() == 4) {
    const auto* strip = std::get_if<DecodeStrip>(&steps[3]);
    if (!strip || strip->content != " " || strip->start != 1 || strip->stop != 0) return;
    data_.strip_leading_space = true;
  }
  data_.decoding = Decoding::kRuns;
  data_.strict_byte_runs = true;
}

// What is put around plain text, as ids: those of "single" in a template.
void ComponentReader::read_post_processor(const json& component, int depth) {
  if (component.is_null()) return;
  too_deep("post_processor", depth);
  const std::string type = component.at("type");
  const auto id = [&](const json& number) {
    const int64_t value = whole_number(number, where_ + ": post_processor");
    if (value < 0 || static_cast<uint64_t>(value) >= data_.tokens.size())
      refuse("post_processor", "the id " + std::to_string(value) + " is outside the vocabulary");
    return static_cast<int32_t>(value);
  };
  if (type == "Sequence") {
    for (const json& part : component.at("processors")) read_post_processor(part, depth + 1);
  } else if (type == "TemplateProcessing") {
    std::vector<int32_t> before, after;
    int texts = 0;
    for (const json& part : component.at("single")) {
      if (part.contains("Sequence")) {
        ++texts;
        continue;
      }
      const std::string name = part.at("SpecialToken").at("id");
      for (const json& number : component.at("special_tokens").at(name).at("ids"))
        (texts > 0 ? after : before).push_back(id(number));
    }
    if (texts != 1) refuse("post_processor", "the template has the text " + std::to_string(texts) + " times");
    data_.prefix_ids.insert(data_.prefix_ids.begin(), before.begin(), before.end());
    data_.suffix_ids.insert(data_.suffix_ids.end(), after.begin(), after.end());
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    data_.prefix_ids.insert(data_.prefix_ids.begin(), id(component.at("cls").at(1)));
    data_.suffix_ids.push_back(id(component.at("sep").at(1)));
  } else if (type != "ByteLevel") {
    unknown("post_processor", component);
  }
}

}  // namespace lora
