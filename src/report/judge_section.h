// What a judge model said about an evaluation, and whether it can be believed: judge.json of a run directory, read and
// drawn. Judging is judging/'s.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lora {

struct JudgedPairRecord {
  std::string a, b;
  size_t n = 0, wins = 0, losses = 0, ties = 0, disagreeing = 0, unreadable = 0;
  double p = 1;
  std::optional<double> win_rate = {}, low = {}, high = {};
};

struct JudgeRecord {
  std::string judge, mode, sentence;
  bool usable = false, decides = false;
  std::vector<std::string> reasons, warnings;
  std::vector<JudgedPairRecord> pairs;
  std::optional<double> position_consistency = {};
  size_t identical = 0, identical_ties = 0, gold = 0, gold_wins = 0;
};

// Nothing when there is no such file. Errors: kInput when it is broken.
std::optional<JudgeRecord> read_judge(const std::filesystem::path& path);

// `decided`: the evaluation's verdict is this judge's.
std::string judge_html(const JudgeRecord& judge, bool decided);

}  // namespace lora
