// Near duplicates for tests/parity/test_near_duplicates.py: a text a line on standard input; on standard output a
// line "i j similarity" for each pair at or above the threshold, numbers from 0. Not for users.
// usage: near_tool THRESHOLD [MEMORY_BUDGET_BYTES]
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "data/near_duplicates.h"
#include "data/words.h"

int main(int argc, char** argv) {
  lora::NearOptions options;
  if (argc > 1) options.threshold = std::stod(argv[1]);
  if (argc > 2) options.memory_budget = std::stoul(argv[2]);
  lora::WordStore texts(options.memory_budget);
  std::vector<uint32_t> words;
  for (std::string line; std::getline(std::cin, line);) {
    words.clear();
    lora::append_word_hashes(line, words);
    texts.add(words);
  }
  for (const lora::NearPair& pair : lora::find_near_duplicates(texts, options))
    std::cout << fmt::format("{} {} {:.6f}\n", pair.first, pair.second, pair.similarity);
}
