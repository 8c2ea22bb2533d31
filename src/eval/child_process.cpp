#include "eval/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"

namespace lora {
namespace {

using Clock = std::chrono::steady_clock;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File() { close(); }
  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

[[noreturn]] void machine_failed(const char* what) {
  throw Error::machine_errno({.where = "metric command", .found = what}, errno);
}

// A file in memory that holds `text`, read from its start: unlike a pipe it needs nobody to write while the child runs.
File in_memory(std::string_view text) {
  File file(memfd_create("input", MFD_CLOEXEC));
  if (!file.is_open()) machine_failed("memfd_create");
  while (!text.empty()) {
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written < 0) machine_failed("write");
    text.remove_prefix(static_cast<size_t>(written));
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

struct Pipe {
  File read_end{-1}, write_end{-1};
};
Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) machine_failed("pipe2");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {File(ends[0]), File(ends[1])};
}

// A started child; its group is killed and it is reaped at the latest when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) end();
  }
  bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
  }
  // Kills what is left of the group, then reaps: before that the group's number cannot be another's.
  int end() {
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

// Reads what is there. Closes the file at its end.
void read_some(File& file, std::string& out) {
  std::array<char, 4096> buffer{};
  while (file.is_open()) {
    const ssize_t count = read(file.get(), buffer.data(), buffer.size());
    if (count > 0) {
      out.append(buffer.data(), static_cast<size_t>(count));
      if (out.size() > kMostOutput + kErrorBytes) return;
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      file.close();
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

std::string resolved(const std::string& program, const std::filesystem::path& folder) {
  return program.find('/') == std::string::npos ? program
                                                : std::filesystem::absolute(folder / program).string();
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& command, const std::filesystem::path& folder,
                      std::string_view input, std::chrono::milliseconds limit) {
  ChildResult result;
  const File in = in_memory(input);
  Pipe out = make_pipe(), err = make_pipe();

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.write_end.get(), 2);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> words = command;
  words[0] = resolved(command[0], folder);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    result.code = failed;
    return result;
  }
  out.write_end.close();
  err.write_end.close();

  Child child(pid);
  const auto deadline = Clock::now() + limit;
  bool ended = false;
  while (!(ended = child.has_ended()) && Clock::now() < deadline && result.output.size() <= kMostOutput) {
    if (interrupt_requested())
      throw Error(ErrorKind::kInterrupted, {.where = "metric command",
                                            .found = "stopped while it scored",
                                            .fix = "Give the same command again to go on."});
    std::array<pollfd, 2> files{pollfd{out.read_end.get(), POLLIN, 0}, pollfd{err.read_end.get(), POLLIN, 0}};
    poll(files.data(), files.size(), 5);  // closed files are -1, which poll passes over
    read_some(out.read_end, result.output);
    read_some(err.read_end, result.errors);
    if (result.errors.size() > kErrorBytes) result.errors.erase(0, result.errors.size() - kErrorBytes);
    if (!out.read_end.is_open() && !err.read_end.is_open() && !child.has_ended()) usleep(1000);
  }
  const int status = child.end();
  read_some(out.read_end, result.output);
  read_some(err.read_end, result.errors);
  if (result.errors.size() > kErrorBytes) result.errors.erase(0, result.errors.size() - kErrorBytes);
  if (result.output.size() > kMostOutput) {
    result.end = ChildResult::End::kTooMuchOutput;
  } else if (!ended) {
    result.end = ChildResult::End::kTimedOut;
  } else if (WIFEXITED(status)) {
    result.end = ChildResult::End::kExited;
    result.code = WEXITSTATUS(status);
  } else {
    result.end = ChildResult::End::kSignalled;
    result.code = WTERMSIG(status);
  }
  return result;
}

bool is_program(const std::string& program, const std::filesystem::path& folder) {
  const auto executable = [](const std::filesystem::path& file) {
    std::error_code code;
    return std::filesystem::is_regular_file(file, code) && access(file.c_str(), X_OK) == 0;
  };
  if (program.empty()) return false;
  if (program.find('/') != std::string::npos) return executable(resolved(program, folder));
  const char* path = std::getenv("PATH");
  std::string_view folders = path ? path : "/usr/bin:/bin";
  while (true) {
    const size_t end = folders.find(':');
    if (executable(std::filesystem::path(folders.substr(0, end)) / program)) return true;
    if (end == std::string_view::npos) return false;
    folders.remove_prefix(end + 1);
  }
}

}  // namespace lora
