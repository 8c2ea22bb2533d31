// Hostile chat templates with a conversation, tools and options. The first bytes choose the conversation and the
// options, the rest is the template; a zero byte ends it, and what follows is an answer's text. Only lora::Error may
// come out; the marks must lie within the text, in order, and show the bytes of the message that they name.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"

namespace {

using namespace lora;

void check_marks(const MarkedText& marked, const std::vector<Message>& messages) {
  size_t end = 0;
  for (const MessageMark& mark : marked.marks) {
    if (mark.begin < end || mark.begin >= mark.end || mark.end > marked.text.size() ||
        mark.message >= messages.size())
      std::abort();
    end = mark.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const uint8_t choice = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t zero = rest.find('\0');
  const std::string_view source = rest.substr(0, zero);
  const std::string answer(zero == std::string_view::npos ? "c \u00e9 <think>x</think> {y}"
                                                          : rest.substr(zero + 1));

  std::vector<Message> messages = {{"system", "s"}, {"user", "a b"}, {"assistant", answer}};
  TemplateOptions options{.date = "2024-07-26"};
  if (choice & 1) messages.erase(messages.begin());
  if (choice & 2)
    messages.back().tool_calls = R"([{"function":{"name":"f","arguments":{"x":[1,2.5,null,"é"]}}}])";
  if (choice & 4)
    options.tools = R"([{"function":{"name":"f","parameters":{"type":"object","properties":{}}}}])";
  if (choice & 8) options.enable_thinking = choice & 16;
  try {
    const ChatTemplate chat_template = ChatTemplate::from_source(std::string(source), "<s>", "</s>");
    check_marks(chat_template.render_marked(messages, choice & 32, options), messages);
  } catch (const Error&) {
  }
  return 0;
}
