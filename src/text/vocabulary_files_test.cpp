// The files that vocabularies come in, small ones made by hand. Real ones: tests/parity/test_tokenizers.py.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/tokenizer.h"

namespace lora {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

const json kModel =
    json::parse(R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<unk>":3,"▁":4,"▁a":5,"<0x0A>":6,"</s>":7},
  "merges":["a b",["▁","a"]],"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true})");

Tokenizer from_json(const json& file) {
  return Tokenizer(vocabulary_from_tokenizer_json(file.dump(), "/nonexistent"));
}

// The refusal of a file whose `part` is `component`.
std::string refusal(const std::string& part, const json& component) {
  json file = {{"model", kModel}};
  file[part] = component;
  try {
    from_json(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TokenizerJson, ByteFallbackAndFusedUnknowns) {
  const Tokenizer tokenizer = from_json({{"model", kModel}});
  EXPECT_EQ(tokenizer.encode("ab\n", Special::kText), (Ids{2, 6}));
  EXPECT_EQ(tokenizer.encode("xyab", Special::kText), (Ids{3, 2}));
  json apart = kModel;
  apart["fuse_unk"] = false;
  EXPECT_EQ(from_json({{"model", apart}}).encode("xyab", Special::kText), (Ids{3, 3, 2}));
}

TEST(TokenizerJson, DecodersOfSentencePiece) {
  const json decoder =
      json::parse(R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
    {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})");
  const Tokenizer tokenizer = from_json({{"model", kModel}, {"decoder", decoder}});
  EXPECT_EQ(tokenizer.decode(Ids{5, 4, 1, 6}), "a b\n");
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.feed(5), "a");
  EXPECT_EQ(stream.feed(5), " a");
  EXPECT_EQ(stream.finish(), "");
}

TEST(TokenizerJson, OtherDecodersStreamToo) {
  const json decoder = json::parse(R"({"type":"WordPiece","prefix":"a","cleanup":false})");
  const Tokenizer tokenizer = from_json({{"model", kModel}, {"decoder", decoder}});
  EXPECT_EQ(tokenizer.decode(Ids{1, 2, 1}), "bb b");
  StreamDecoder stream(tokenizer);
  std::string text;
  for (const int32_t id : {1, 2, 1}) text += stream.feed(id);
  EXPECT_EQ(text + stream.finish(), "bb b");
}

TEST(TokenizerJson, TemplateGivesWhatGoesAroundPlainText) {
  const json processor =
      json::parse(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"</s>","type_id":0}},
    {"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"</s>":{"id":"</s>","ids":[7],"tokens":["</s>"]}}})");
  const Tokenizer tokenizer = from_json({{"model", kModel}, {"post_processor", processor}});
  EXPECT_EQ(tokenizer.encode_plain("ab", Special::kText), (Ids{7, 2}));
}

TEST(TokenizerJson, WhatIsUnknownIsNamed) {
  EXPECT_NE(refusal("normalizer", {{"type", "Nmt"}}).find("Nmt"), std::string::npos);
  EXPECT_NE(refusal("pre_tokenizer", {{"type", "UnicodeScripts"}}).find("UnicodeScripts"), std::string::npos);
  EXPECT_NE(refusal("decoder", {{"type", "CTC"}}).find("CTC"), std::string::npos);
  EXPECT_NE(refusal("post_processor", {{"type", "Mystery"}}).find("Mystery"), std::string::npos);
  EXPECT_NE(refusal("model", {{"type", "Mystery"}}).find("Mystery"), std::string::npos);
  json dropout = kModel;
  dropout["dropout"] = 0.1;
  EXPECT_NE(refusal("model", dropout).find("dropout"), std::string::npos);
}

TEST(TokenizerJson, ContradictionsAreRefused) {
  json model = kModel;
  model["merges"].push_back("a nowhere");
  EXPECT_NE(refusal("model", model), "");
  model = kModel;
  model["vocab"]["c"] = 0;
  EXPECT_NE(refusal("model", model), "");
  model["vocab"]["c"] = -1;
  EXPECT_NE(refusal("model", model), "");
  model["vocab"]["c"] = 1'000'000'000;
  EXPECT_NE(refusal("model", model), "");
  EXPECT_NE(refusal("added_tokens", {{{"id", 1}, {"content", "<x>"}}}), "");
  EXPECT_NE(refusal("added_tokens", {{{"id", 8}, {"content", std::string(5000, 'x')}}}), "");
  EXPECT_THROW(vocabulary_from_tokenizer_json("[]", "/nonexistent"), Error);
  EXPECT_THROW(vocabulary_from_tokenizer_json("{", "/nonexistent"), Error);
}

TEST(TokenizerJson, ReplacementsThatGrowWithoutBoundAreRefused) {
  json steps = json::array();
  for (int i = 0; i < 30; ++i)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaaaa"}});
  const Tokenizer tokenizer =
      from_json({{"model", kModel}, {"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}}});
  EXPECT_THROW(tokenizer.encode("a", Special::kText), Error);
}

// A SentencePiece model: unigram pieces with scores.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string bytes_field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string number_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}
std::string piece(const std::string& text, float score, uint64_t type) {
  std::string real(sizeof(score), '\0');
  std::memcpy(real.data(), &score, sizeof(score));
  return bytes_field(1, bytes_field(1, text) + varint(2 << 3 | 5) + real + number_field(3, type));
}
std::string model(uint64_t type) {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("▁", -1, 1) +
         piece("a", -2, 1) + piece("b", -2, 1) + piece("ab", -3, 1) + piece("▁ab", -9, 1) +
         bytes_field(2, number_field(3, type));
}

TEST(SentencePieceModel, BestScoresWin) {
  const Tokenizer tokenizer(vocabulary_from_sentencepiece(model(1), "/nonexistent"));
  EXPECT_EQ(tokenizer.encode("ab", Special::kText), (Ids{3, 6}));  // -1 - 3 over -9 and -1 - 2 - 2
  EXPECT_EQ(tokenizer.encode(" ab  b ", Special::kText), (Ids{3, 6, 3, 5}));
  EXPECT_EQ(tokenizer.encode("xyz", Special::kText), (Ids{3, 0}));
  EXPECT_EQ(tokenizer.decode(Ids{3, 6, 3, 5}), "ab b");
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.encode("<s>", Special::kParse), (Ids{1}));
  EXPECT_EQ(tokenizer.encode_plain("a", Special::kText), (Ids{1, 3, 4}));
}

TEST(SentencePieceModel, BpeMergesByScore) {
  const Tokenizer tokenizer(vocabulary_from_sentencepiece(model(2), "/nonexistent"));
  EXPECT_EQ(tokenizer.encode("ab", Special::kText), (Ids{7}));
}

TEST(SentencePieceModel, DamagedFilesAreRefused) {
  const std::string whole = model(1);
  for (const std::string& bad :
       {std::string(), whole.substr(0, whole.size() / 2), model(3), model(1) + "\x0F",
        std::string("\x0A\xFF\xFF\xFF\xFF\x7F"), bytes_field(1, bytes_field(1, "a")),
        whole + bytes_field(3, bytes_field(2, "\x04"))})
    EXPECT_THROW(vocabulary_from_sentencepiece(bad, "/nonexistent"), Error);
}

json tekken() {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto base64 = [&](std::string bytes) {
    std::string out;
    const size_t padding = (3 - bytes.size() % 3) % 3;
    bytes.append(padding, '\0');
    for (size_t i = 0; i < bytes.size(); i += 3) {
      const uint32_t bits = static_cast<uint8_t>(bytes[i]) << 16 | static_cast<uint8_t>(bytes[i + 1]) << 8 |
                            static_cast<uint8_t>(bytes[i + 2]);
      for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[bits >> shift & 63];
    }
    return out.substr(0, out.size() - padding) + std::string(padding, '=');
  };
  json file = {{"config",
                {{"pattern", R"(\p{L}+|.)"},
                 {"default_vocab_size", 261},
                 {"default_num_special_tokens", 3},
                 {"version", "v3"}}}};
  for (int rank = 0; rank < 258; ++rank)
    file["vocab"].push_back({{"rank", rank},
                             {"token_bytes", base64(rank < 256    ? std::string(1, static_cast<char>(rank))
                                                    : rank == 256 ? "bc"
                                                                  : "ab")}});
  return file;
}

TEST(Tekken, LowestRankMergesFirst) {
  const Tokenizer tokenizer(vocabulary_from_tekken(tekken().dump(), "tekken.json"));
  EXPECT_EQ(tokenizer.encode("abc", Special::kText), (Ids{3 + 'a', 3 + 256}));
  EXPECT_EQ(tokenizer.encode("ab\xFF", Special::kText), (Ids{3 + 257, 3 + 255}));
  EXPECT_EQ(tokenizer.encode("<s>", Special::kParse), (Ids{1}));
  EXPECT_EQ(tokenizer.decode(Ids{3 + 0xC3, 3 + 0xA9}), "é");
  EXPECT_EQ(tokenizer.encode_plain("a", Special::kText), (Ids{1, 3 + 'a'}));
}

TEST(Tekken, DamagedFilesAreRefused) {
  json file = tekken();
  file["config"]["default_vocab_size"] = 5000;
  EXPECT_THROW(vocabulary_from_tekken(file.dump(), "t"), Error);
  file = tekken();
  file["vocab"][3]["rank"] = 4;
  EXPECT_THROW(vocabulary_from_tekken(file.dump(), "t"), Error);
  file = tekken();
  file["vocab"][3]["token_bytes"] = "!";
  EXPECT_THROW(vocabulary_from_tekken(file.dump(), "t"), Error);
  file["vocab"][3]["token_bytes"] = "YWI=";  // the byte 3 is missing then
  EXPECT_THROW(vocabulary_from_tekken(file.dump(), "t"), Error);
  EXPECT_THROW(vocabulary_from_tekken("{}", "t"), Error);
}

TEST(Ranks, OnlyLlama3IsKnown) {
  EXPECT_THROW(vocabulary_from_tiktoken("IQ== 0\nIg== 1\n", "/nonexistent"), Error);
  EXPECT_THROW(vocabulary_from_tiktoken("IQ==\n", "/nonexistent"), Error);
  EXPECT_THROW(vocabulary_from_tiktoken("!! 0\n", "/nonexistent"), Error);
}

}  // namespace
}  // namespace lora
