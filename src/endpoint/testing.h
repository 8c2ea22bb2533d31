// A server on this machine for tests: answers POSTs by a function.
#pragma once

#include <fmt/format.h>

#include <httplib.h>
#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace lora {

class TestServer {
 public:
  explicit TestServer(std::function<void(const httplib::Request&, httplib::Response&)> answer) {
    server_.Post(".*", [this, answer = std::move(answer)](const httplib::Request& request,
                                                          httplib::Response& response) {
      ++requests;
      answer(request, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }
  ~TestServer() {
    server_.stop();
    thread_.join();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}/v1", port_); }

  std::atomic<int> requests = 0;

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

inline void complete(httplib::Response& response, const std::string& text_json) {
  response.set_content(R"({"choices":[{"finish_reason":"stop","message":{"content":)" + text_json +
                           R"(}}],"usage":{"prompt_tokens":10,"completion_tokens":2}})",
                       "application/json");
}

}  // namespace lora
