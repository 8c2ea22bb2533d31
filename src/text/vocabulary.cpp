#include "text/vocabulary.h"

#include <array>

#include "base/error.h"
#include "base/utf8.h"

namespace lora {
namespace {

// Code point -> byte of GPT-2's alphabet; -1 where there is none. All lie below 0x144.
std::array<int16_t, 0x144> make_byte_alphabet() {
  std::array<int16_t, 0x144> byte_of;
  byte_of.fill(-1);
  int16_t moved = 0x100;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    byte_of[static_cast<size_t>(printable ? byte : moved++)] = byte;
  }
  return byte_of;
}

void add_split(VocabularyData& data, std::string_view expression) {
  data.pre_tokenizers.emplace_back(
      SplitPattern{Pattern(expression, data.source + ": pre-tokenizer"), SplitBehavior::kIsolated, false});
  data.pipeline += "split " + std::string(expression) + "\n";
}

}  // namespace

std::optional<std::string> bytes_from_byte_level(const std::string& token) {
  static const std::array<int16_t, 0x144> byte_of = make_byte_alphabet();
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const Utf8Char c = utf8_at(token, i);
    if (!c.valid || c.code_point >= byte_of.size() || byte_of[c.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte_of[c.code_point]));
    i += c.length;
  }
  return bytes;
}

std::optional<uint8_t> parse_byte_token(const std::string& token) {
  if (token.size() != 6 || token.compare(0, 3, "<0x") != 0 || token[5] != '>') return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  const int high = digit(token[3]), low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

void set_pre_tokenizer_by_name(VocabularyData& data, const std::string& name) {
  // The contractions of Llama 3 and Qwen 2 in any case; letters may take one leading character along.
  const std::string words = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  const std::string rest = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (name == "gpt-2" || name == "mpt" || name == "olmo" || name == "phi-2" || name == "jais") {
    add_split(data, kGpt2Pattern);
  } else if (name == "smollm" || name == "starcoder" || name == "refact" || name == "command-r") {
    add_split(data, R"(\p{N})");
    add_split(data, kGpt2Pattern);
  } else if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") {
    add_split(data, words + R"(\p{N}{1,3})" + rest);
    data.ignore_merges = true;
    data.pipeline += "ignore_merges\n";
  } else if (name == "qwen2" || name == "deepseek-r1-qwen") {
    // llama.cpp leaves NFC out; the model's own tokenizer has it.
    data.normalizers.emplace_back(NormalizeNfc{});
    data.pipeline += "nfc\n";
    add_split(data, words + R"(\p{N})" + rest);
  } else {
    throw Error::input(
        {.where = data.source + ": tokenizer.ggml.pre",
         .found = name.empty() ? "there is no pre-tokenizer name"
                               : "the pre-tokenizer \"" + name + "\" is not known",
         .expected = "smollm, gpt-2, mpt, olmo, starcoder, refact, command-r, llama-bpe or qwen2",
         .fix = "Use the model's Hugging Face folder, or a GGUF file made by a recent converter."});
  }
}

}  // namespace lora
