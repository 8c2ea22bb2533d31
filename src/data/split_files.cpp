#include "data/split_files.h"

#include <array>
#include <memory>
#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"
#include "data/line_source.h"
#include "data/output_file.h"

namespace lora {
namespace {

struct Named {
  const char* name;
  const std::vector<Conversation>* rows;
};

}  // namespace

SplitRecord write_split(const std::filesystem::path& data, const Split& split,
                        const std::filesystem::path& folder) {
  const std::array<Named, 5> all{{{"train", &split.train},
                                  {"valid", &split.valid},
                                  {"test", &split.test},
                                  {"golden", &split.golden},
                                  {"set_aside", &split.set_aside}}};
  SplitRecord record;
  std::vector<std::unique_ptr<OutputFile>> files;
  std::unordered_map<size_t, uint32_t> parts_of_line;  // a bit for each part
  for (const Named& named : all) {
    if (named.rows->empty()) continue;
    const size_t part = record.parts.size();
    record.parts.push_back(
        {.name = named.name, .file = std::string(named.name) + ".jsonl", .lines = {}, .sha256 = {}});
    files.push_back(std::make_unique<OutputFile>(folder / record.parts[part].file));
    for (const Conversation& row : *named.rows) parts_of_line[row.line] |= 1u << part;
  }

  LineSource source(data.string());
  size_t found = 0;
  for (Line line; source.next(line);) {
    const auto parts = parts_of_line.find(line.number);
    if (parts == parts_of_line.end()) continue;
    ++found;
    for (size_t part = 0; part < files.size(); ++part) {
      if ((parts->second >> part & 1) == 0) continue;
      files[part]->write(line.text);
      files[part]->write(line.crlf ? "\r\n" : "\n");
      record.parts[part].lines.push_back(line.number);
    }
  }
  if (found != parts_of_line.size())
    throw Error::input({.where = data.string(),
                        .found = "the file has changed since it was read",
                        .fix = "Run the command again when nothing else writes to it."});
  for (size_t part = 0; part < files.size(); ++part) {
    files[part]->commit();
    record.parts[part].sha256 = sha256_file(folder / record.parts[part].file);
  }
  return record;
}

}  // namespace lora
