#include "text/decoder.h"

#include "base/utf8.h"
#include "text/byte_level.h"

namespace lora {
namespace {

// BERT's clean-up of spaces before punctuation and contractions.
std::string cleaned(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

struct Run {
  std::vector<std::string>& tokens;

  void operator()(const DecodeByteLevel&) const {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_from_byte_level(token).value_or(token);
    tokens = {repair_utf8(bytes)};
  }

  void operator()(const DecodeReplace& step) const {
    for (std::string& token : tokens) {
      if (!step.pattern) {
        token = replace_all(token, step.from, step.to);
        continue;
      }
      std::string out;
      size_t done = 0;
      for (const ByteRange& match : step.pattern->find_all(token, EmptyMatches::kKept)) {
        out.append(token, done, match.begin - done);
        out += step.to;
        done = match.end;
      }
      token = out.append(token, done, std::string::npos);
    }
  }

  void operator()(const DecodeByteFallback&) const {
    std::vector<std::string> out;
    std::string run;
    const auto flush = [&] {
      if (is_valid_utf8(run)) {
        if (!run.empty()) out.push_back(run);
      } else {  // a token for each byte
        out.insert(out.end(), run.size(), std::string(kReplacementCharacter));
      }
      run.clear();
    };
    for (std::string& token : tokens) {
      if (const auto byte = parse_byte_token(token)) {
        run += static_cast<char>(*byte);
      } else {
        flush();
        out.push_back(std::move(token));
      }
    }
    flush();
    tokens = std::move(out);
  }

  void operator()(const DecodeFuse&) const {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens = {std::move(all)};
  }

  void operator()(const DecodeStrip& step) const {
    for (std::string& token : tokens) {
      std::string_view left = token;
      for (size_t i = 0; i < step.start && left.starts_with(step.content); ++i)
        left.remove_prefix(step.content.size());
      for (size_t i = 0; i < step.stop && left.ends_with(step.content); ++i)
        left.remove_suffix(step.content.size());
      token = std::string(left);
    }
  }

  void operator()(const DecodeMetaspace& step) const {
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], step.replacement, i == 0 && step.strips_first ? "" : " ");
  }

  void operator()(const DecodeWordPiece& step) const {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) token = token.starts_with(step.prefix) ? token.substr(step.prefix.size()) : " " + token;
      if (step.cleanup) token = cleaned(std::move(token));
    }
  }

  void operator()(const DecodeBpe& step) const {
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], step.suffix, i + 1 < tokens.size() ? " " : "");
  }
};

}  // namespace

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out += text.substr(done, at - done);
    out += to;
    done = at + from.size();
  }
  return out + std::string(text.substr(done));
}

std::string decode_byte_run(std::string_view bytes, bool strict) {
  const bool all_bad = strict && !is_valid_utf8(bytes);
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Char c = utf8_at(bytes, i);
    if (c.valid && !all_bad) {
      out += bytes.substr(i, c.length);
      i += c.length;
    } else {
      out += kReplacementCharacter;
      ++i;
    }
  }
  return out;
}

std::string decode_steps(std::vector<std::string> tokens, const std::vector<DecodeStep>& steps) {
  if (steps.empty()) {
    std::string out;
    for (size_t i = 0; i < tokens.size(); ++i) out += (i > 0 ? " " : "") + tokens[i];
    return out;
  }
  for (const DecodeStep& step : steps) std::visit(Run{tokens}, step);
  std::string out;
  for (const std::string& token : tokens) out += token;
  return out;
}

}  // namespace lora
