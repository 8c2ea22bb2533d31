#include "data/line_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/error.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

struct Seen {
  std::string text;
  size_t number;
  uint64_t offset;
  bool crlf, ended;
  size_t bytes;
};
std::vector<Seen> lines_of(LineSource& source) {
  std::vector<Seen> lines;
  for (Line line; source.next(line);)
    lines.push_back({std::string(line.text), line.number, line.offset, line.crlf, line.ended, line.bytes});
  return lines;
}

std::string gzip(const std::string& text) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

class LineSourceFile : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_line_source_test." + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string write(const std::string& name, const std::string& bytes) {
    std::ofstream(dir_ / name, std::ios::binary) << bytes;
    return (dir_ / name).string();
  }
  std::string error_of(const std::string& path) {
    try {
      LineSource source(path);
      lines_of(source);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  fs::path dir_;
};

TEST(LineSource, CountsLinesAndKeepsTheirEnds) {
  LineSource source("a\nbb\r\n\r\n\nlast", "t");
  const auto lines = lines_of(source);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0].text, "a");
  EXPECT_EQ(lines[1].text, "bb");
  EXPECT_TRUE(lines[1].crlf);
  EXPECT_EQ(lines[2].text, "");
  EXPECT_TRUE(lines[2].crlf);
  EXPECT_FALSE(lines[3].crlf);
  EXPECT_EQ(lines[4].text, "last");
  EXPECT_FALSE(lines[4].ended);
  EXPECT_EQ(lines[4].number, 5u);
  EXPECT_EQ(lines[4].offset, 9u);
  EXPECT_EQ(source.bytes_read(), 13u);
  LineSource empty("", "t"), newline("\n", "t");
  EXPECT_TRUE(lines_of(empty).empty());
  EXPECT_EQ(lines_of(newline).size(), 1u);
}

TEST(LineSource, CutsLinesOverTheCap) {
  const std::string text = "short\n" + std::string(5'000'000, 'x') + "\n1234567\n12345678\r\n123456789\n" +
                           std::string(3'000'000, 'y');
  LineSource source(text, "t", {.max_line_bytes = 8});
  const auto lines = lines_of(source);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[1].text, "xxxxxxxx");
  EXPECT_EQ(lines[1].bytes, 5'000'000u);
  EXPECT_EQ(lines[2].text, "1234567");
  EXPECT_EQ(lines[2].offset, 5'000'007u);
  EXPECT_EQ(lines[3].text, "12345678");
  EXPECT_EQ(lines[3].bytes, 8u) << "at the cap";
  EXPECT_EQ(lines[4].bytes, 9u) << "over it";
  EXPECT_EQ(lines[5].bytes, 3'000'000u);
  EXPECT_EQ(lines[5].number, 6u);
}

TEST_F(LineSourceFile, PlainAndGzipGiveTheSameLinesAndCanBeReadAgain) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "row " + std::to_string(i) + (i % 7 ? "\n" : "\r\n");
  const std::string half = text.substr(0, text.size() / 2), rest = text.substr(text.size() / 2);
  const LineOptions keep{.max_line_bytes = kMaxLineBytes, .keep_for_rereading = true};
  for (const std::string& path : {write("plain.jsonl", text), write("packed.jsonl", gzip(text)),
                                  write("members.gz", gzip(half) + gzip(rest) + std::string(512, '\0'))}) {
    LineSource source(path, keep);
    const auto lines = lines_of(source);
    ASSERT_EQ(lines.size(), 200'000u) << path;
    for (const size_t i : {0u, 7u, 123'456u, 199'999u}) {
      EXPECT_EQ(lines[i].text, "row " + std::to_string(i));
      std::string again;
      ASSERT_TRUE(source.read_again(lines[i].offset, again));
      EXPECT_EQ(again, lines[i].text);
    }
    source.rewind();
    EXPECT_EQ(lines_of(source).size(), 200'000u);
  }
}

TEST_F(LineSourceFile, SaysWhatIsWrongWithGzip) {
  std::string lines(100'000, 'a');
  lines += '\n';
  lines.append(100'000, 'b');
  const std::string packed = gzip(lines);
  EXPECT_NE(error_of(write("cut.gz", packed.substr(0, packed.size() / 2))).find("too early"),
            std::string::npos);
  EXPECT_NE(error_of(write("tail.gz", packed.substr(0, packed.size() - 4))).find("too early"),
            std::string::npos);
  std::string spoiled = packed;
  spoiled[packed.size() - 6] = static_cast<char>(spoiled[packed.size() - 6] ^ 0x55);  // the checksum
  EXPECT_NE(error_of(write("spoiled.gz", spoiled)).find("damaged"), std::string::npos);
  EXPECT_NE(error_of(write("more.gz", packed + "garbage")).find("damaged"), std::string::npos);
  EXPECT_NE(error_of(write("twice.gz", gzip(packed))).find("gzip inside gzip"), std::string::npos);
  EXPECT_EQ(error_of(write("empty.gz", gzip(""))), "");
}

TEST_F(LineSourceFile, RefusesOtherFilesByName) {
  using namespace std::string_literals;
  const std::pair<std::string, const char*> cases[] = {
      {"\xFF\xFEx\0"s, "UTF-16"},   {"{\0\"\0"s, "little endian"}, {"\x28\xB5\x2F\xFDxxxx"s, "zstd"},
      {"PK\x03\x04xxxx"s, "zip"},   {"BZh91AY"s, "bzip2"},         {"\xFD\x37zXZ\0x"s, "xz"},
      {"PAR1xxxx"s, "Parquet"},     {"ARROW1xx"s, "Arrow"},        {"SQLite format 3"s, "SQLite"},
      {gzip("PAR1xxxx"), "Parquet"}};
  for (const auto& [bytes, name] : cases)
    EXPECT_NE(error_of(write("f", bytes)).find(name), std::string::npos) << name;
  EXPECT_NE(error_of((dir_ / "none").string()).find("does not exist"), std::string::npos);
  EXPECT_NE(error_of(dir_.string()).find("folder"), std::string::npos);
}

TEST_F(LineSourceFile, LeavesNoTemporaryFileBehind) {
  const fs::path temporary = dir_ / "tmp";
  fs::create_directories(temporary);
  ::setenv("TMPDIR", temporary.c_str(), 1);
  {
    LineSource source(write("a.gz", gzip("a\nb\n")),
                      {.max_line_bytes = kMaxLineBytes, .keep_for_rereading = true});
    EXPECT_EQ(lines_of(source).size(), 2u);
    EXPECT_TRUE(fs::is_empty(temporary));
  }
  ::unsetenv("TMPDIR");
}

TEST_F(LineSourceFile, PeeksWithoutTaking) {
  LineSource source(write("p", "  \n\n{\"a\": 1}\n"));
  EXPECT_TRUE(source.peek(4).starts_with("  \n\n"));
  source.take(4);
  Line line;
  ASSERT_TRUE(source.next(line));
  EXPECT_EQ(line.text, "{\"a\": 1}");
  EXPECT_EQ(line.number, 3u);
  EXPECT_EQ(line.offset, 4u);
}

}  // namespace
}  // namespace lora
