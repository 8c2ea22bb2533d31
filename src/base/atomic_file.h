// Files that are whole or absent: written beside their place, flushed to disk, then renamed.
// A reader never sees half of one, and an interrupted writer leaves the old file as it was.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace lora {

enum class IfExists { kReplace, kRefuse };

// Writes `bytes` to `path` atomically and durably (fsync of file and folder).
// Errors: kInput when the file exists and `kRefuse` was asked, kMachine when the disk is full or not writable.
void write_file_atomic(const std::filesystem::path& path, std::string_view bytes, IfExists if_exists);

// Removes what write_file_atomic(path) left beside `path` in processes that were killed in it and are no more. What cannot be
// removed stays.
void remove_left_temporaries(const std::filesystem::path& path);

// Makes the folder `final_path` out of the files already written to `temporary_path`: flushes every file in it, then
// renames the folder. Errors: kMachine.
void publish_directory(const std::filesystem::path& temporary_path, const std::filesystem::path& final_path);

// A whole file as a string. Errors: kInput when it does not exist, kMachine when it cannot be read.
std::string read_file(const std::filesystem::path& path);

}  // namespace lora
