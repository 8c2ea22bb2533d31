// Hostile tokenizer files: tokenizer.json, tekken.json, SentencePiece's and tiktoken's tokenizer.model, a precompiled
// character map, and the text that such a tokenizer then gets. The first byte says which. Only lora::Error may come out,
// and what is encoded must decode.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/charsmap.h"
#include "text/tokenizer.h"

namespace {

using namespace lora;

constexpr std::string_view kTexts[] = {"", "a b  ab\n", "e\xCC\x81 \xEF\xAC\x83\xE2\x96\x81 <s>x</s> 12",
                                       "\xFF\xE2\x82 \xC0", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

void use(VocabularyData data) {
  const Tokenizer tokenizer(std::move(data));
  for (const std::string_view text : kTexts) {
    for (const Special special : {Special::kParse, Special::kText}) {
      const Encoding e = tokenizer.encode_with_offsets(text, special);
      for (size_t i = 0; i < e.ids.size(); ++i) {
        if (e.begin[i] > e.end[i] || e.end[i] > text.size()) std::abort();
        if (special == Special::kText && tokenizer.is_control(e.ids[i]) && e.ids[i] != tokenizer.unk_id())
          std::abort();
      }
      tokenizer.decode(e.ids);
      tokenizer.decode(e.ids, true);
      StreamDecoder stream(tokenizer, false);
      for (const int32_t id : e.ids) stream.feed(id);
      stream.finish();
    }
  }
  tokenizer.fingerprint();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 5) {
      case 0:
        use(vocabulary_from_tokenizer_json(bytes, "/nonexistent"));
        break;
      case 1:
        use(vocabulary_from_sentencepiece(bytes, "/nonexistent"));
        break;
      case 2:
        use(vocabulary_from_tekken(bytes, "tekken.json"));
        break;
      case 3:
        use(vocabulary_from_tiktoken(bytes, "/nonexistent"));
        break;
      case 4: {
        const Charsmap charsmap(bytes, "fuzz");
        for (const std::string_view text : kTexts)
          for (size_t i = 0; i < text.size(); ++i) {
            const auto match = charsmap.longest(text, i);
            if (match && (match->length == 0 || match->length > text.size() - i)) std::abort();
          }
        break;
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
