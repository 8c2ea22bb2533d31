#include "judging/recorded.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Line {
  size_t id = 0;
  std::string contestant, answer, reference;
};

Line read_line(const std::string& text, const std::string& where) {
  const auto refuse = [&](const std::string& found) {
    throw Error::input({.where = where,
                        .found = found,
                        .expected = "a line of answers.jsonl as `lora run` or `lora eval` writes it"});
  };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) refuse(json.is_discarded() ? "this is not JSON" : "this is no JSON object");
  for (const char* key : {"contestant", "answer", "reference"})
    if (!json.contains(key) || !json[key].is_string()) refuse(fmt::format("there is no string \"{}\"", key));
  if (!json.contains("id") || !json["id"].is_number_unsigned()) refuse("there is no whole number \"id\"");
  return {json["id"], json["contestant"], json["answer"], json["reference"]};
}

// A run, where the folder is that of its results.
fs::path run_of(const fs::path& folder) {
  const fs::path here = folder.has_filename() ? folder : folder.parent_path();
  if (here.filename() != "eval" || !fs::is_regular_file(here.parent_path() / "run.json")) return folder;
  return here.has_parent_path() ? here.parent_path() : fs::path(".");
}

}  // namespace

const std::vector<std::string>* RecordedAnswers::of(const std::string& contestant) const {
  for (const auto& [name, texts] : answers)
    if (name == contestant) return &texts;
  return nullptr;
}

RecordedAnswers read_recorded(const std::filesystem::path& file, const std::vector<Conversation>& rows,
                              const std::string& rows_name) {
  RecordedAnswers recorded;
  std::map<std::string, std::vector<bool>> given;
  for (const Conversation& row : rows) {
    if (row.messages.empty() || row.messages.back().role != "assistant")
      throw Error::input({.where = fmt::format("{}:{}", rows_name, row.line),
                          .found = "the row does not end in an answer",
                          .expected = "the rows that were asked"});
    recorded.questions.push_back(
        {{row.messages.begin(), row.messages.end() - 1}, row.messages.back().content});
  }
  const std::string text = read_file(file);
  size_t begin = 0;
  for (size_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string where = fmt::format("{}:{}", file.string(), number);
    const Line line = read_line(text.substr(begin, end - begin), where);
    begin = end + 1;
    if (line.id >= rows.size() || recorded.questions[line.id].reference != line.reference)
      throw Error::input({.where = where,
                          .found = fmt::format("the answer to question {} does not belong to the rows of {}",
                                               line.id, rows_name),
                          .fix = "Give the file of rows that were asked with --data."});
    if (!given.contains(line.contestant)) {
      recorded.answers.emplace_back(line.contestant, std::vector<std::string>(rows.size()));
      given[line.contestant].resize(rows.size());
    }
    auto& of = std::find_if(recorded.answers.begin(), recorded.answers.end(), [&](const auto& known) {
                 return known.first == line.contestant;
               })->second;
    if (given[line.contestant][line.id])
      throw Error::input(
          {.where = where,
           .found = fmt::format("{} answers question {} a second time", line.contestant, line.id)});
    of[line.id] = line.answer;
    given[line.contestant][line.id] = true;
  }
  for (const auto& [name, answered] : given)
    if (const auto missing = std::find(answered.begin(), answered.end(), false); missing != answered.end())
      throw Error::input({.where = file.string(),
                          .found = fmt::format("{} has no answer to question {}, though {} has {} rows", name,
                                               missing - answered.begin(), rows_name, rows.size()),
                          .fix = "Give the file of rows that were asked with --data."});
  return recorded;
}

ResultFolder find_results(const fs::path& given) {
  const fs::path folder = run_of(given);
  ResultFolder found;
  found.folder = folder;
  if (fs::is_regular_file(folder / "eval" / "answers.jsonl")) {
    found.results = folder / "eval";
    if (fs::is_regular_file(folder / "split" / "test.jsonl"))
      found.test_rows = folder / "split" / "test.jsonl";
  } else if (fs::is_regular_file(folder / "answers.jsonl")) {
    found.results = folder;
    if (fs::is_regular_file(folder / "questions.jsonl")) found.test_rows = folder / "questions.jsonl";
  } else {
    throw Error::input({.where = folder.string(),
                        .found = "there is no eval/answers.jsonl and no answers.jsonl",
                        .expected = "the folder of a finished `lora run` or `lora eval`"});
  }
  if (fs::is_regular_file(folder / "run.json")) {
    const Json run = Json::parse(read_file(folder / "run.json"), nullptr, false);
    if (run.is_object() && run.contains("config") && run["config"].is_object() &&
        run["config"].contains("model") && run["config"]["model"].is_string())
      found.base_model = run["config"]["model"];
  }
  return found;
}

void require_whole(const ResultFolder& found) {
  const auto refuse_after = [&](const std::string& command) {
    throw Error::input(
        {.where = found.folder.string(),
         .found = fmt::format("`{}` has not finished what lies in this folder", command),
         .fix = fmt::format(
             "Give the same `{}` command again first; its [judge] may be another, or left out.", command)});
  };
  if (fs::exists(found.results / kUnfinishedFile)) refuse_after("lora eval");
  if (fs::exists(found.folder / "run.json") && !fs::exists(found.folder / "finished.json"))
    refuse_after("lora run");
}

}  // namespace lora
