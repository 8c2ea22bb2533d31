#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/testing.h"

namespace lora {
namespace {

using testing::byte_vocabulary;
using Ids = std::vector<int32_t>;

TEST(Bpe, LowestRankFirstThenLeftmost) {
  const Tokenizer tokenizer(byte_vocabulary({"b c", "a b", "a bc"}));
  EXPECT_EQ(tokenizer.encode("abc", Special::kText), (Ids{258}));  // bc first, then a + bc
  EXPECT_EQ(tokenizer.encode("abab", Special::kText), (Ids{257, 257}));
  EXPECT_EQ(tokenizer.encode("bcbc", Special::kText), (Ids{256, 256}));
}

TEST(Bpe, LongPiecesMergeLikeShortOnes) {
  const Tokenizer tokenizer(byte_vocabulary({"a a", "aa aa", "aa a"}));
  // Known by hand: 2k + 1 letters pair up from the left, pairs into fours, what is left over last.
  EXPECT_EQ(tokenizer.encode(std::string(7, 'a'), Special::kText), (Ids{257, 258}));
  Ids expected(25, 257);
  expected.push_back(258);
  EXPECT_EQ(tokenizer.encode(std::string(103, 'a'), Special::kText), expected);
}

TEST(Tokenizer, OffsetsAreBytesOfTheInput) {
  const Tokenizer tokenizer(byte_vocabulary({"a b"}));
  const Encoding e = tokenizer.encode_with_offsets("ab<|im_end|>\xC3\xA9", Special::kParse);
  EXPECT_EQ(e.ids, (Ids{256, 260, 0xC3, 0xA9}));
  EXPECT_EQ(e.begin, (std::vector<uint32_t>{0, 2, 12, 13}));
  EXPECT_EQ(e.end, (std::vector<uint32_t>{2, 12, 13, 14}));
}

TEST(Tokenizer, SpecialsAreParsedOnlyWhenAsked) {
  const Tokenizer tokenizer(byte_vocabulary());
  EXPECT_EQ(tokenizer.encode("<s>", Special::kParse), (Ids{256}));
  EXPECT_EQ(tokenizer.encode("<s>", Special::kText), (Ids{'<', 's', '>'}));
  EXPECT_EQ(tokenizer.encode("<think>", Special::kText), (Ids{260}));  // user-defined, not a control token
  EXPECT_TRUE(tokenizer.is_control(256));
  EXPECT_FALSE(tokenizer.is_control(260));
  EXPECT_FALSE(tokenizer.is_control(-1));
  const auto found = tokenizer.find_control_text("say <|im_end|>");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->position, 4u);
  EXPECT_EQ(found->token, "<|im_end|>");
  EXPECT_FALSE(tokenizer.find_control_text("<think> <|im_"));
}

TEST(Tokenizer, AddedTokenFlags) {
  VocabularyData data = byte_vocabulary();
  data.added[4].lstrip = data.added[4].rstrip = true;
  EXPECT_EQ(Tokenizer(std::move(data)).encode("a <think> \nb", Special::kParse), (Ids{'a', 260, 'b'}));
  data = byte_vocabulary();
  data.added[4].single_word = true;
  const Tokenizer word(std::move(data));
  EXPECT_EQ(word.encode("a<think>", Special::kParse).size(), 8u);
  EXPECT_EQ(word.encode(" <think>!", Special::kParse), (Ids{' ', 260, '!'}));
}

TEST(Tokenizer, AnyBytesSurviveTheRoundTrip) {
  const Tokenizer tokenizer(byte_vocabulary({"a b", "ab c"}));
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (uint64_t n = random.below(60); n > 0; --n) text += static_cast<char>(random.below(256));
    std::string back;
    for (const int32_t id : tokenizer.encode(text, Special::kParse)) back += tokenizer.token_bytes(id);
    EXPECT_EQ(back, text);
  }
}

TEST(Tokenizer, DecodeGivesValidUtf8) {
  const Tokenizer tokenizer(byte_vocabulary());
  EXPECT_EQ(tokenizer.decode(Ids{'a', 0xE2, 0x82, 'b'}),
            "a\uFFFD"
            "b");
  EXPECT_EQ(tokenizer.decode(Ids{256, 'a', 257}), "<s>a</s>");
  EXPECT_EQ(tokenizer.decode(Ids{256, 'a', 257}, true), "a");
  EXPECT_THROW(tokenizer.decode(Ids{99999}), Error);
  EXPECT_THROW(tokenizer.decode(Ids{-1}), Error);
}

TEST(StreamDecoder, NeverGivesAPartOfACharacter) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.feed(0xF0), "");
  EXPECT_EQ(decoder.feed(0x9F), "");
  EXPECT_EQ(decoder.feed(0x91), "");
  EXPECT_EQ(decoder.feed(0x8D), "\U0001F44D");
  EXPECT_EQ(decoder.feed(0xC3), "");
  EXPECT_EQ(decoder.feed('x'), "\uFFFDx");
  EXPECT_EQ(decoder.feed(0xC3), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
}

TEST(Tokenizer, MergesOutsideTheVocabularyAreRefused) {
  VocabularyData data = byte_vocabulary();
  data.merges.emplace_back("a", "nowhere");
  EXPECT_THROW(Tokenizer{std::move(data)}, Error);
}

TEST(Tokenizer, FingerprintKnowsTheSteps) {
  VocabularyData other = byte_vocabulary();
  set_pre_tokenizer_by_name(other, "smollm");
  EXPECT_EQ(Tokenizer(byte_vocabulary()).fingerprint(), Tokenizer(byte_vocabulary()).fingerprint());
  EXPECT_NE(Tokenizer(byte_vocabulary()).fingerprint(), Tokenizer(std::move(other)).fingerprint());
}

TEST(Vocabulary, ByteTokens) {
  EXPECT_EQ(parse_byte_token("<0x0A>"), 10);
  EXPECT_EQ(parse_byte_token("<0xff>"), 255);
  for (const char* bad : {"<0x-1>", "<0x1>", "<0xGG>", "0x0A", "<0x0A", "<0x0AA>"})
    EXPECT_FALSE(parse_byte_token(bad)) << bad;
}

TEST(Vocabulary, UnknownPreTokenizerIsRefusedByName) {
  VocabularyData data;
  try {
    set_pre_tokenizer_by_name(data, "mystery");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("mystery"), std::string::npos);
  }
}

TEST(Tokenizer, PlainTextGetsWhatTheFamilyPutsAround) {
  VocabularyData data = byte_vocabulary();
  data.prefix_ids = {256};
  data.suffix_ids = {257, 257};
  const Tokenizer tokenizer(std::move(data));
  EXPECT_EQ(tokenizer.encode("a", Special::kText), (Ids{'a'}));
  EXPECT_EQ(tokenizer.encode_plain("a", Special::kText), (Ids{256, 'a', 257, 257}));
  EXPECT_TRUE(tokenizer.add_bos());
  EXPECT_FALSE(Tokenizer(byte_vocabulary()).add_bos());
}

TEST(Tokenizer, AddedTokensThatNormalizingHidesAreRefused) {
  VocabularyData data = byte_vocabulary();
  data.normalizers.emplace_back(NormalizeReplace{"think", "x"});
  data.added[4].normalized = true;
  EXPECT_EQ(Tokenizer(data).encode("a<think>", Special::kText), (Ids{'a', 260}));
  data.added[3].normalized = true;
  data.added[3].content = "<x>";
  EXPECT_THROW(Tokenizer{data}, Error);  // "<think>" becomes the same
  data.added[3].content = "<|im_end|>";
  data.normalizers.emplace_back(NormalizeReplace{"<x>", ""});
  EXPECT_THROW(Tokenizer{std::move(data)}, Error);
}

TEST(SmolLm2, IdsOfTheRealVocabulary) {
  if (!std::filesystem::exists(testing::smollm_gguf()))
    GTEST_SKIP() << testing::smollm_gguf() << " is not set up";
  const Tokenizer tokenizer(vocabulary_from_gguf(GgufFile::open(testing::smollm_gguf())));
  EXPECT_EQ(tokenizer.vocab_size(), 49152u);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_FALSE(tokenizer.add_bos());
  EXPECT_EQ(tokenizer.find_token("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer.encode("<|im_start|>", Special::kParse), (Ids{1}));
  const std::string text = "Straße  12 naïve 👍🏽\r\n\tdon't";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, Special::kText)), text);
}

// llama.cpp's own cases for each vocabulary it knows: texts in .inp, ids in .out.
class LlamaCppCases : public ::testing::TestWithParam<const char*> {};

TEST_P(LlamaCppCases, SameIds) {
  const std::string base =
      std::string(LORA_DEPS_DIR) + "/llama.cpp/models/ggml-vocab-" + GetParam() + ".gguf";
  if (!std::filesystem::exists(base)) GTEST_SKIP() << base << " is not set up";
  const Tokenizer tokenizer(vocabulary_from_gguf(GgufFile::open(base)));
  std::stringstream inputs;
  inputs << std::ifstream(base + ".inp").rdbuf();
  std::ifstream outputs(base + ".out");
  const std::string separator = "\n__ggml_vocab_test__\n", all = inputs.str();
  size_t begin = 0, cases = 0;
  for (std::string line; std::getline(outputs, line); ++cases) {
    ASSERT_LE(begin, all.size());
    const size_t end = std::min(all.find(separator, begin), all.size());  // the last one may lack it
    const std::string text = all.substr(begin, end - begin);
    begin = end + separator.size();
    std::stringstream numbers(line);
    Ids expected;
    for (int32_t id; numbers >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer.encode(text, Special::kParse), expected) << ::testing::PrintToString(text);
  }
  EXPECT_GT(cases, 30u);
}

INSTANTIATE_TEST_SUITE_P(Families, LlamaCppCases,
                         ::testing::Values("gpt-2", "mpt", "llama-bpe", "llama-spm", "phi-3", "qwen2",
                                           "qwen35", "starcoder", "refact", "command-r", "gemma-4"));

}  // namespace
}  // namespace lora
