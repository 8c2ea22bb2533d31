// The one exception of lora.cpp: it ends the job, and carries what a user needs to mend it.
// Not for control flow, and not for bugs: those are asserts, which no user input may reach.
#pragma once

#include <stdexcept>
#include <string>

namespace lora {

// What kind of ending this is; the program's exit code follows from it (docs/architecture.md, "Exit codes").
enum class ErrorKind {
  kInput,        // wrong use or bad input: exit 2
  kMachine,      // disk full, no memory, no permission: exit 3
  kInterrupted,  // Ctrl-C after a checkpoint was saved: exit 130
};

// The parts of an error. Any part may be empty; `what()` joins the others into one or two sentences.
struct ErrorParts {
  std::string where = {};  // "train.jsonl:12:40", "model.gguf: tensor blk.0.attn_q.weight", "--learning-rate"
  std::string found = {};  // what is there: "the array of messages is empty"
  std::string expected = {};  // what should be: "at least one message with role \"assistant\""
  std::string fix =
      {};  // how to mend it, an imperative sentence: "Add the answer that the model should give."
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, ErrorParts parts);

  // Bad input or wrong use (exit 2).
  static Error input(ErrorParts parts) { return Error(ErrorKind::kInput, std::move(parts)); }
  // The machine failed (exit 3). `machine_errno` appends strerror(errno) to `found`.
  static Error machine(ErrorParts parts) { return Error(ErrorKind::kMachine, std::move(parts)); }
  static Error machine_errno(ErrorParts parts, int error_number);

  ErrorKind kind() const { return kind_; }
  const ErrorParts& parts() const { return parts_; }

 private:
  ErrorKind kind_;
  ErrorParts parts_;
};

}  // namespace lora
