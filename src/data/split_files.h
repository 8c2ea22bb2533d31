// A split as files: each part's rows as they stand in the data file, byte for byte. Decides nothing; split.h does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/split.h"

namespace lora {

struct SplitPart {
  std::string name;           // "train", "valid", "test", "golden", "set_aside"
  std::string file;           // name + ".jsonl"
  std::vector<size_t> lines;  // of the data file, in order
  std::string sha256;         // of the part's file
};

struct SplitRecord {
  std::vector<SplitPart> parts;  // train, valid and those that hold rows
};

// Writes DIR/train.jsonl and so on. `split` was made of the rows of `data`, whose lines they carry. A row that spans
// lines, or is an element of a JSON array, is written on one line. Memory: the lines' numbers. Errors: kInput when a
// file exists, or `data` is no longer what was read; kMachine.
SplitRecord write_split(const std::filesystem::path& data, const Split& split,
                        const std::filesystem::path& folder);

}  // namespace lora
