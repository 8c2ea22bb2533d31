#include "text/token_model.h"

#include "text/bpe.h"
#include "text/unigram.h"
#include "text/word_piece.h"

namespace lora {

bool is_in_model(const VocabularyData& data, size_t id) {
  if (id < data.outside_model.size() && data.outside_model[id]) return false;
  const TokenKind kind = data.kinds[id];
  if (kind == TokenKind::kByte) return !data.sentencepiece && !data.merges_by_score;
  return kind == TokenKind::kNormal || kind == TokenKind::kUserDefined;
}

std::optional<uint8_t> fallback_byte(const VocabularyData& data, size_t id) {
  if (!data.byte_fallback) return std::nullopt;
  if (data.kinds[id] == TokenKind::kByte) return parse_byte_token(data.tokens[id]);
  // Hugging Face asks for the name, whatever else the token is; the name has capital digits.
  if (data.sentencepiece || data.merges_by_score ||
      data.tokens[id].find_first_of("abcdef") != std::string::npos)
    return std::nullopt;
  return parse_byte_token(data.tokens[id]);
}

std::unique_ptr<TokenModel> make_token_model(const VocabularyData& data,
                                             const std::vector<std::string>& token_bytes) {
  switch (data.model) {
    case ModelKind::kUnigram:
      return std::make_unique<Unigram>(data, token_bytes);
    case ModelKind::kWordPiece:
    case ModelKind::kWordLevel:
      return std::make_unique<WordPiece>(data, token_bytes);
    case ModelKind::kBpe:
      break;
  }
  return std::make_unique<Bpe>(data, token_bytes);
}

}  // namespace lora
