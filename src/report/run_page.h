// The page of a run: verdict, curves, rates, and every example that can be searched. One HTML file (html.h), the same
// bytes for the same run directory. Draws what is recorded and judges nothing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "report/run_record.h"

namespace lora {

struct RunPageOptions {
  size_t most_examples = 5000;  // in the page; it says how many more are in answers.jsonl
  size_t most_wins = 8;         // shown at length, and as many losses
};

std::string run_page_html(const RunRecord& run, const RunPageOptions& options = {});

// Reads the run and writes folder/report.html, over an older one. Gives the path. Errors as read_run(), kMachine.
std::filesystem::path write_run_page(const std::filesystem::path& folder);

}  // namespace lora
