// Hostile text, chat templates and pre-tokenizer patterns. The first byte says which. Only lora::Error may come out;
// a tokenized text's tokens must spell it again, whatever its bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/pattern.h"
#include "text/tokenizer.h"

namespace {

using namespace lora;

// A token for every byte, a few merges, one control token; with Qwen 2's steps, which include NFC, when asked.
VocabularyData vocabulary() {
  VocabularyData data;
  data.source = "fuzz";
  for (uint32_t code = 0; code < 0x144; ++code) {
    std::string token;
    if (code < 0x80) {
      token = std::string(1, static_cast<char>(code));
    } else {
      token = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    }
    if (bytes_from_byte_level(token)) data.tokens.push_back(token);
  }
  for (const auto& [left, right] : {std::pair{"a", "b"}, {"ab", "ab"}, {"a", "a"}, {"aa", "a"}}) {
    data.merges.emplace_back(left, right);
    data.tokens.push_back(std::string(left) + right);
  }
  data.tokens.push_back("<|x|>");
  data.kinds.assign(data.tokens.size(), TokenKind::kNormal);
  data.kinds.back() = TokenKind::kControl;
  data.added.push_back(
      {.id = static_cast<int32_t>(data.tokens.size() - 1), .content = "<|x|>", .special = true});
  return data;
}

void round_trip(std::string_view text) {
  static const auto make = [](const char* name) {
    VocabularyData data = vocabulary();
    set_pre_tokenizer_by_name(data, name);
    return Tokenizer(std::move(data));
  };
  static const Tokenizer smollm = make("smollm"), llama = make("llama-bpe"), qwen = make("qwen2");
  for (const Tokenizer* tokenizer : {&smollm, &llama}) {
    const Encoding e = tokenizer->encode_with_offsets(text, Special::kParse);
    std::string back;
    uint32_t done = 0;
    for (size_t i = 0; i < e.ids.size(); ++i) {
      if (e.begin[i] != done || e.end[i] < done) std::abort();  // no byte twice, none left out
      done = e.end[i];
      back += tokenizer->token_bytes(e.ids[i]);
    }
    if (back != text || done != text.size()) std::abort();
    tokenizer->decode(e.ids);
  }
  for (const uint32_t end : qwen.encode_with_offsets(text, Special::kText).end)
    if (end > text.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] % 4 == 0) {
      round_trip(text);
    } else if (data[0] % 4 == 1) {
      const Pattern pattern(text.substr(0, text.size() / 2), "fuzz");
      size_t done = 0;
      for (const ByteRange& r : pattern.find_all(text)) {
        if (r.begin < done || r.end <= r.begin || r.end > text.size()) std::abort();
        done = r.end;
      }
    } else {
      const std::vector<Message> messages = {{"system", "s"}, {"user", "a b"}, {"assistant", "c"}};
      const ChatTemplate chat_template = ChatTemplate::from_source(std::string(text), "<s>", "</s>");
      const MarkedText marked = chat_template.render_marked(messages, data[0] & 4);
      for (const MessageMark& mark : marked.marks)
        if (mark.end > marked.text.size() || mark.begin >= mark.end) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
