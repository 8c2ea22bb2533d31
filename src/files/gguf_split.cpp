// GGUF files that llama.cpp's gguf-split cut into parts: PREFIX-00001-of-0000N.gguf and its siblings, in one folder. The
// first holds all metadata; each says by `split.no` and `split.count` which it is. Opening one opens all.
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "files/byte_reader.h"
#include "files/gguf.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostParts = 99999;  // the names have five digits

std::string suffix_of(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

uint64_t part_count(const GgufFile& file) {
  return file.optional_uint("split.count").value_or(1);
}

}  // namespace

GgufFile GgufFile::open(const fs::path& path) {
  GgufFile file = open_part(path);
  const uint64_t count = part_count(file);
  if (count <= 1) return file;
  const uint64_t number = file.optional_uint("split.no").value_or(0);
  if (count > kMostParts || number >= count)
    throw Error::input(
        {.where = path.string(),
         .found = "it says that it is part " + std::to_string(number) + " of " + std::to_string(count),
         .expected = "a number below the count, at most 99999",
         .fix = "The file is damaged or malicious; download it again."});
  const std::string name = path.filename().string(), suffix = suffix_of(number + 1, count);
  if (!name.ends_with(suffix))
    throw Error::input({.where = path.string(),
                        .found = "this is part " + std::to_string(number + 1) + " of " +
                                 std::to_string(count) + " of a split GGUF file, under another name",
                        .expected = "a name that ends in " + suffix,
                        .fix = "Give the parts their names back, so that the others can be found."});
  const std::string prefix = name.substr(0, name.size() - suffix.size());
  std::vector<GgufFile> parts;
  for (uint64_t i = 0; i < count; ++i) {
    const fs::path sibling = path.parent_path() / (prefix + suffix_of(i + 1, count));
    std::error_code error;
    if (i != number && !fs::exists(sibling, error))
      throw Error::input({.where = path.string(),
                          .found = "the part " + sibling.filename().string() + " is missing beside it",
                          .fix = "Download all " + std::to_string(count) + " parts into one folder."});
    parts.push_back(i == number ? std::move(file) : open_part(sibling));
    if (part_count(parts.back()) != count || parts.back().optional_uint("split.no").value_or(0) != i)
      throw Error::input({.where = sibling.string(),
                          .found = "it does not say that it is part " + std::to_string(i + 1) + " of " +
                                   std::to_string(count),
                          .fix = "The parts do not belong together; download them again."});
  }
  GgufFile whole = std::move(parts.front());
  parts.erase(parts.begin());
  whole.join(std::move(parts));
  return whole;
}

void GgufFile::join(std::vector<GgufFile> others) {
  parts_ = std::move(others);
  for (const GgufFile& part : parts_)
    tensors_.insert(tensors_.end(), part.tensors_.begin(), part.tensors_.end());
  index_.clear();
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (!index_.emplace(tensors_[i].name, i).second)
      throw Error::input(
          {.where = name_,
           .found = "the tensor " + in_quotes(tensors_[i].name) + " is in two parts of the file",
           .fix = "The parts do not belong together; download them again."});
  if (const auto total = optional_uint("split.tensors.count"); total && *total != tensors_.size())
    throw Error::input({.where = name_,
                        .found = "its parts hold " + std::to_string(tensors_.size()) + " tensors",
                        .expected = std::to_string(*total),
                        .fix = "The parts do not belong together; download them again."});
}

std::vector<fs::path> GgufFile::paths() const {
  std::vector<fs::path> all;
  if (file_) all.push_back(file_->path());
  for (const GgufFile& part : parts_) all.push_back(part.file_->path());
  return all;
}

std::vector<std::shared_ptr<const MappedFile>> GgufFile::mappings() const {
  std::vector<std::shared_ptr<const MappedFile>> all;
  if (file_) all.push_back(file_);
  for (const GgufFile& part : parts_) all.push_back(part.file_);
  return all;
}

}  // namespace lora
