// The folder of `lora eval`: whether an evaluation may have it, and whether what lies there is whole. As long as it is not, the
// same command goes on in it, and finds what endpoints and judges answered; a whole evaluation is never overwritten.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/folder_lock.h"
#include "data/conversation.h"
#include "run/session.h"

namespace lora {

// What the local answers of an evaluation rest on. Endpoints and judges are not in it: each of their answers is kept with all
// that was asked of whom.
struct EvaluationIdentity {
  std::string base, adapter, rows;  // fingerprint, and two SHA-256
  int64_t max_new_tokens = 0;       // as it was given
  std::string text = {};            // fingerprint of tokenizer and template
  std::string base_quantization = {}, float32_matmul_precision = {};
};

// Errors: kInput when a row is not UTF-8, or a file of the adapter cannot be read.
EvaluationIdentity evaluation_identity(const Session& session, const std::filesystem::path& adapter,
                                       const std::vector<Conversation>& rows, int64_t max_new_tokens);

// Before the model is read: refuses a folder that holds anything but what an evaluation that is not whole leaves.
// Errors: kInput.
void require_evaluation_folder(const std::filesystem::path& folder);

// Makes the folder, or takes one that an evaluation of the same identity left unfinished: what lies there stays until it is written
// again. unfinished.json says whose the folder is. Errors: kInput as above, when unfinished results in it are of another identity,
// and while another process works in it; kMachine.
[[nodiscard]] FolderLock open_evaluation_folder(const std::filesystem::path& folder,
                                                const EvaluationIdentity& identity);

// Once the local answers are there again: removes what was made of the old ones and of what endpoints and judges said, which not every
// evaluation writes; with a configuration that was changed since, it would stay. Their cache stays.
void clear_old_results(const std::filesystem::path& folder);

// The evaluation is whole: unfinished.json goes, and the folder is taken by no further one.
void finish_evaluation_folder(const std::filesystem::path& folder);

}  // namespace lora
