// The folder of a run: what names the run, whether a folder may become its own, and what it holds of configuration and data
// before anything is trained. What a training adds is the trainer's (train/checkpoint.h), what answers add eval/'s.
#pragma once

#include <string>

#include "base/folder_lock.h"
#include "data/split.h"
#include "run/config.h"
#include "run/pipeline.h"
#include "run/session.h"

namespace lora {

// Names everything that the result depends on: version, configuration, thread count, base, template, data. SHA-256, hex.
// Errors: a file of rows that cannot be read.
std::string make_run_hash(const RunConfig& config, Scope scope, const Session& session);

// Takes config.output_dir: makes it with run.json, split/ and token_view.json, or goes on in one that holds an unfinished
// run of the same hash, whose rows are written again, as a kill may have come before they were whole. Errors: kInput when
// it holds anything else, a finished run among them, or while another process works in it: nothing is overwritten.
[[nodiscard]] FolderLock open_run_folder(const RunConfig& config, Scope scope, const std::string& run_hash,
                                         const Split& split, const Session& session);

}  // namespace lora
