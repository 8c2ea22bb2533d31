#include "data/checks/inconsistent_format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <unordered_map>

#include "data/answer_group.h"
#include "data/format_family.h"
#include "data/label_counts.h"
#include "data/negative_answer.h"
#include "data/plain_text.h"
#include "data/shape_norm.h"

namespace lora {
namespace {

using enum FormatKind;

constexpr size_t kLeastGroup = 10;          // answers, for a norm to be one
constexpr size_t kMostLabelSets = 100'000;  // of all system prompts and keys together
constexpr size_t kMostCandidates = 400;     // rows of a group that are read again
constexpr std::string_view kFix =
    "Write this answer as the others are, or give this kind of task a system prompt of its own.";

// One assistant turn. 40 bytes.
struct Answer {
  uint32_t row, line, column, message;
  uint32_t group, shape, opening, prefix, detail;
  FormatKind kind;
  bool later_turn;
  uint8_t parts;  // MarkdownPart of a text for people
};
static_assert(sizeof(Answer) <= 40);

class InconsistentFormat : public DataCheck {
 public:
  void see(const Row& row, Findings&) override {
    const auto& messages = row.conversation.messages;
    const uint32_t group = group_of(row);
    size_t turn = 0;
    std::string_view question;
    for (size_t m = 0; m < messages.size(); ++m) {
      if (messages[m].role == "user") question = messages[m].content;
      if (messages[m].role != "assistant") continue;
      const size_t this_turn = turn++;
      if (!messages[m].train || !messages[m].tool_calls.empty() || trimmed_text(messages[m].content).empty())
        continue;
      const FormatFamily family = format_family(messages[m].content);
      const std::string_view prefix = prefix_of(messages[m].content);
      const auto index = static_cast<uint32_t>(answers_.size());
      answers_.push_back({.row = static_cast<uint32_t>(row.index),
                          .line = static_cast<uint32_t>(row.line),
                          .column = static_cast<uint32_t>(row.column(m, 0)),
                          .message = static_cast<uint32_t>(m),
                          .group = group,
                          .shape = bucket_of(family.kind) == Bucket::kShort || family.kind == kNumber
                                       ? 0
                                       : shapes_.intern(family.shape),
                          .opening = opening_of(question),
                          .prefix = prefix.empty() ? 0 : hash32(prefix),
                          .detail = family.kind == kCode ? hash32(family.detail) : 0,
                          .kind = family.kind,
                          .later_turn = this_turn > 0,
                          .parts = bucket_of(family.kind) == Bucket::kProse
                                       ? markdown_parts(messages[m].content)
                                       : uint8_t{0}});
      count_labels(group, family, index);
    }
  }

  void finish(const Reread& reread, Findings& findings) override {
    shapes_.intern({});  // so that shape 0 exists
    std::unordered_map<uint32_t, size_t> sizes;
    for (const Answer& a : answers_) ++sizes[a.group];
    // Prompts of a few rows each (one that holds the document, say) are judged together. Later turns by themselves.
    std::map<std::pair<uint32_t, bool>, std::vector<uint32_t>> groups;
    for (uint32_t i = 0; i < answers_.size(); ++i) {
      const uint32_t group = sizes[answers_[i].group] >= kLeastGroup ? answers_[i].group : UINT32_MAX;
      groups[{group, answers_[i].later_turn}].push_back(i);
    }
    for (const auto& [key, members] : groups) judge_prompt(members, key.first == UINT32_MAX, reread);
    judge_labels(reread);
    for (auto& [index, said] : said_) {
      const Answer& a = answers_[index];
      findings.add("inconsistent-format", said.severity, a.line, a.column, std::move(said.words),
                   std::string(kFix));
    }
  }

 private:
  struct Said {
    std::string words;
    Severity severity = Severity::kWarning;
  };
  struct Context {
    std::span<const uint32_t> members;
    std::string_view to_what;  // "answers to this system prompt"
  };

  uint32_t group_of(const Row& row) {
    const std::string_view system = system_prompt(row.conversation);
    const uint64_t hash = system.empty() ? 0 : XXH3_64bits(system.data(), system.size());
    const auto [at, is_new] = groups_.try_emplace(hash, static_cast<uint32_t>(groups_.size()));
    if (hash == 0) no_prompt_ = at->second;
    return at->second;
  }

  void count_labels(uint32_t group, const FormatFamily& family, uint32_t index) {
    for (const AnswerField& field : family.shape.fields) {
      if (field.type != FieldType::kString || field.value.empty()) continue;
      const uint64_t key = (uint64_t{group} << 32) | shapes_.path_id(field.path);
      const auto at = labels_.find(key);
      if (at != labels_.end())
        at->second.add(field.value, index);
      else if (labels_.size() < kMostLabelSets)
        labels_[key].add(field.value, index);
    }
  }

  void say(uint32_t index, std::string words, Severity severity = Severity::kWarning) {
    const auto [at, is_new] = said_.try_emplace(index, Said{words, severity});
    if (!is_new && at->second.severity > severity) at->second = {std::move(words), severity};
  }

  void judge_prompt(std::span<const uint32_t> members, bool pooled, const Reread& reread) {
    if (members.size() < kLeastGroup) return;
    const bool none = !pooled && answers_[members[0]].group == no_prompt_;
    const std::string_view to_what = pooled ? "answers"
                                     : none ? "answers without a system prompt"
                                            : "answers to this system prompt";
    if (judge_group({members, to_what}, 0.85, reread)) return;
    std::map<uint32_t, std::vector<uint32_t>> by_opening;
    for (const uint32_t i : members) by_opening[answers_[i].opening].push_back(i);
    for (const auto& [opening, same] : by_opening)
      if (same.size() >= 12)
        judge_group({same, "answers to questions that begin like this one"}, 0.93, reread);
  }

  // False when no form has a share of `least` in the group: several tasks under one prompt.
  bool judge_group(const Context& group, double least, const Reread& reread) {
    const size_t n = group.members.size();
    std::array<std::vector<uint32_t>, kBuckets> buckets;
    for (const uint32_t i : group.members)
      buckets[static_cast<size_t>(bucket_of(answers_[i].kind))].push_back(i);
    const auto of = [&](Bucket b) -> std::vector<uint32_t>& { return buckets[static_cast<size_t>(b)]; };
    for (const Bucket b : {Bucket::kObject, Bucket::kArray, Bucket::kFence, Bucket::kXml, Bucket::kKeyLines})
      judge_shapes(group, of(b), reread);
    if (of(Bucket::kShort).size() > of(Bucket::kNumber).size()) {
      auto& numbers = of(Bucket::kNumber);
      of(Bucket::kShort).insert(of(Bucket::kShort).end(), numbers.begin(), numbers.end());
      numbers.clear();
    }
    const auto largest = std::max_element(buckets.begin(), buckets.end(),
                                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
    const auto main = static_cast<Bucket>(largest - buckets.begin());
    if (static_cast<double>(largest->size()) < least * static_cast<double>(n)) return false;
    if (main == Bucket::kProse) {
      judge_prose(group, *largest, reread);
      judge_parts(group, *largest, reread);
      judge_lone_label(group, *largest, of(Bucket::kShort), of(Bucket::kNumber), reread);
    }
    const bool labels = main == Bucket::kShort && is_label_group(*largest);
    for (size_t b = 0; b < buckets.size(); ++b) {
      const auto other = static_cast<Bucket>(b);
      if (other == main || other == Bucket::kNone || buckets[b].empty()) continue;
      if (buckets[b].size() > most_of(main, other, n, labels)) continue;
      judge_minority(group, *largest, buckets[b], main_name(main, *largest, labels), reread);
    }
    if (main == Bucket::kCode) judge_languages(group, *largest, reread);
    judge_prefixes(group, reread);
    return true;
  }

  // How many answers of one form among another may be slips; more than that, and they are a task of their own.
  static size_t most_of(Bucket main, Bucket other, size_t n, bool labels) {
    const auto share = [n](double s) {
      return std::max<size_t>(1, static_cast<size_t>(s * static_cast<double>(n)));
    };
    if (main == Bucket::kProse) {
      if (other == Bucket::kShort || other == Bucket::kNumber) return 0;
      if (other == Bucket::kCode || other == Bucket::kKeyLines) return n >= 40 ? share(0.015) : 0;
      return n >= 20 ? share(0.02) : 1;
    }
    if (main == Bucket::kShort && !labels && other == Bucket::kProse) return 0;
    if (main == Bucket::kCode || main == Bucket::kKeyLines) return share(0.025);
    return std::max<size_t>(1, std::min(n / 10, 3 + 3 * n / 100));
  }

  bool is_label_group(const std::vector<uint32_t>& answers) const {
    const auto at = labels_.find(uint64_t{answers_[answers[0]].group} << 32 | label_path_);
    return at != labels_.end() && at->second.is_closed();
  }

  std::string main_name(Bucket main, const std::vector<uint32_t>& answers, bool labels) const {
    switch (main) {
      case Bucket::kShort:
        return labels ? "one of a few labels" : "short texts";
      case Bucket::kNumber:
        return "numbers";
      case Bucket::kProse:
        return "prose";
      case Bucket::kCode:
        return "a code block";
      default:
        break;
    }
    std::vector<uint32_t> shapes;
    for (const uint32_t i : answers) shapes.push_back(answers_[i].shape);
    const std::string keys = ShapeNorm(shapes_, shapes).keys_in_words();
    return std::string(format_kind_name(answers_[answers[0]].kind)) + (keys.empty() ? "" : " with " + keys);
  }

  // The text, the question before it and the system prompt of an answer, read again.
  struct Seen {
    Conversation row;
    std::string answer, question, system;
  };
  Seen look(uint32_t index, const Reread& reread) const {
    const Answer& a = answers_[index];
    Seen seen{.row = reread(a.row), .answer = {}, .question = {}, .system = {}};
    for (size_t m = 0; m < seen.row.messages.size() && m <= a.message; ++m) {
      if (seen.row.messages[m].role == "system") seen.system = seen.row.messages[m].content;
      if (seen.row.messages[m].role == "user") seen.question = seen.row.messages[m].content;
      if (m == a.message) seen.answer = std::string(trimmed_text(seen.row.messages[m].content));
    }
    return seen;
  }

  // Whether the questions of the majority ask for this kind too, so that asking for it sets nobody apart.
  bool all_ask_for(FormatKind kind, const std::vector<uint32_t>& majority, const Reread& reread) const {
    size_t asked = 0, looked = 0;
    const size_t step = std::max<size_t>(1, majority.size() / 40);
    for (size_t i = 0; i < majority.size(); i += step, ++looked)
      asked += asks_for(folded_text(look(majority[i], reread).question), kind);
    return asked * 4 > looked;
  }

  void judge_minority(const Context& group, const std::vector<uint32_t>& majority,
                      const std::vector<uint32_t>& minority, const std::string& norm, const Reread& reread) {
    if (minority.size() > kMostCandidates) return;
    std::set<uint32_t> openings_of_majority;
    for (const uint32_t i : majority) openings_of_majority.insert(answers_[i].opening);
    std::map<uint32_t, size_t> openings;
    std::map<std::string, size_t> texts;
    std::vector<Seen> seen;
    for (const uint32_t i : minority) {
      ++openings[answers_[i].opening];
      seen.push_back(look(i, reread));
      ++texts[seen.back().answer];
    }
    for (size_t k = 0; k < minority.size(); ++k) {
      const Answer& a = answers_[minority[k]];
      const Seen& s = seen[k];
      // A task of its own: questions that begin like no other's.
      if (openings[a.opening] >= 2 && !openings_of_majority.contains(a.opening)) continue;
      // A fixed way to say no, or one that the system prompt sets.
      const std::vector<std::string> fallbacks = fallback_words(s.system);
      const bool says_no = is_negative_answer(s.answer, fallbacks);
      if (says_no && texts[s.answer] >= 2) continue;
      if (s.answer.size() <= 60 && s.answer.size() >= 2 && contains_word(s.system, s.answer)) continue;
      if (says_no && !fallbacks.empty() && std::ranges::any_of(fallbacks, [&](const std::string& f) {
            return folded_text(s.answer).find(f) != std::string::npos && s.answer.size() < 4 * f.size();
          }))
        continue;
      if (says_no && !is_machine_format(answers_[majority[0]].kind) && !is_machine_format(a.kind)) continue;
      if (asks_for(folded_text(s.question), a.kind) && !all_ask_for(a.kind, majority, reread)) continue;
      say(minority[k],
          fmt::format("{} of {} {} are {}; this one is {}", majority.size(), group.members.size(),
                      group.to_what, norm, format_family(s.answer).name()));
    }
  }

  // Structure of Markdown among plain prose, and the other way round.
  void judge_prose(const Context& group, const std::vector<uint32_t>& prose, const Reread& reread) {
    const size_t n = prose.size();
    if (n < 20) return;
    std::map<FormatKind, std::vector<uint32_t>> kinds;
    for (const uint32_t i : prose) kinds[is_plain(answers_[i].kind) ? kProse : answers_[i].kind].push_back(i);
    const auto main = std::max_element(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) {
      return a.second.size() < b.second.size();
    });
    const bool plain = main->first == kProse;
    // Refusals are prose everywhere.
    size_t judged = n;
    if (!plain && kinds.contains(kProse) && kinds[kProse].size() * 4 < n &&
        kinds[kProse].size() <= kMostCandidates) {
      auto& some = kinds[kProse];
      const size_t before = some.size();
      std::erase_if(some, [&](uint32_t i) {
        const Seen s = look(i, reread);
        return is_negative_answer(s.answer, fallback_words(s.system));
      });
      judged = n - (before - some.size());
    }
    if (main->second.size() * 100 < judged * (plain ? 97 : 95)) return;
    for (const auto& [kind, some] : kinds) {
      if (kind == main->first || (plain && kind == kTextWithCode)) continue;
      if (some.size() > std::max<size_t>(1, n / (plain ? 100 : 50))) continue;
      judge_minority({prose, group.to_what}, main->second, some,
                     plain ? "plain prose" : std::string(format_kind_name(main->first)), reread);
    }
  }

  // A part that nearly all answers have and a few lack (the heading, the list), or bold type in a few alone.
  void judge_parts(const Context& group, const std::vector<uint32_t>& prose, const Reread& reread) {
    constexpr std::array<std::string_view, kMarkdownParts> kWords{
        "a heading", "a bullet list", "a numbered list", "a table", "a code block", "bold type"};
    if (prose.size() < 40) return;
    for (size_t part = 0; part < kMarkdownParts; ++part) {
      std::vector<uint32_t> with, without;
      for (const uint32_t i : prose) (answers_[i].parts >> part & 1 ? with : without).push_back(i);
      if (!with.empty() && kWords[part] == "bold type" &&
          with.size() <= std::min(kMostCandidates, std::max<size_t>(2, prose.size() / 100))) {
        for (const uint32_t i : with) {
          const Seen s = look(i, reread);
          const std::string question = folded_text(s.question);
          if (question.find("**") == std::string::npos && !contains_word(question, "bold") &&
              !asks_for(question, kBullets))
            say(i, fmt::format("{} of {} {} have no bold type; this one does", without.size(), prose.size(),
                               group.to_what));
        }
      }
      if (without.empty() || without.size() > kMostCandidates || with.size() * 100 < prose.size() * 80)
        continue;
      std::erase_if(without, [&](uint32_t i) {
        const Seen s = look(i, reread);
        return is_negative_answer(s.answer, fallback_words(s.system));
      });
      const size_t n = with.size() + without.size();
      if (without.size() > std::max<size_t>(1, n * 3 / 100)) continue;
      for (const uint32_t i : without)
        say(i, fmt::format("{} of {} {} have {}; this one has none", with.size(), n, group.to_what,
                           kWords[part]));
    }
  }

  // A label or number alone where everybody else writes sentences.
  void judge_lone_label(const Context& group, const std::vector<uint32_t>& prose,
                        const std::vector<uint32_t>& labels, const std::vector<uint32_t>& numbers,
                        const Reread& reread) {
    const size_t n = group.members.size(), few = std::max<size_t>(2, n / 100);
    if (n < 60 || labels.size() + numbers.size() > std::min(kMostCandidates, 3 * few)) return;
    std::vector<uint32_t> odd = numbers;
    for (const uint32_t i : labels)
      if (answers_[i].kind == kShortText) odd.push_back(i);
    std::erase_if(odd, [&](uint32_t i) {
      const std::string answer = look(i, reread).answer;
      return answer.empty() || std::string_view(".!?)").find(answer.back()) != std::string_view::npos ||
             space_words(answer, 3).size() > 2;  // more may be an elliptic sentence
    });
    if (odd.size() <= few) judge_minority(group, prose, odd, "prose", reread);
  }

  // Keys and types among answers of one form.
  void judge_shapes(const Context& group, const std::vector<uint32_t>& answers, const Reread& reread) {
    if (answers.size() < kLeastGroup) return;
    std::vector<uint32_t> shapes;
    for (const uint32_t i : answers) shapes.push_back(answers_[i].shape);
    const auto clusters = cluster_by_keys(shapes_, shapes);
    for (size_t c = 0; c < clusters.size(); ++c) {
      const auto& cluster = clusters[c];
      if (cluster.size() < kLeastGroup) {
        // Few answers with keys of their own beside one schema that the rest keeps.
        if (c == 0 || clusters[0].size() * 100 < answers.size() * 93 ||
            cluster.size() > std::max<size_t>(1, answers.size() / 100))
          continue;
        if (std::ranges::any_of(cluster, [&](size_t i) { return shapes_.keys(shapes[i]).empty(); })) continue;
        judge_strange_keys(group, answers, clusters[0], cluster, shapes, reread);
        continue;
      }
      std::vector<uint32_t> of_cluster;
      for (const size_t i : cluster) of_cluster.push_back(shapes[i]);
      const ShapeNorm norm(shapes_, of_cluster);
      std::unordered_map<uint32_t, std::vector<ShapeNorm::Difference>> known;
      std::vector<std::pair<uint32_t, const std::vector<ShapeNorm::Difference>*>> odd;
      for (const size_t i : cluster) {
        const auto [at, is_new] = known.try_emplace(shapes[i]);
        if (is_new) at->second = norm.differences(shapes[i]);
        if (!at->second.empty()) odd.push_back({answers[i], &at->second});
      }
      if (odd.empty()) continue;
      const bool asked = keys_are_asked(answers, cluster, reread);
      const bool many = odd.size() > std::max<size_t>(3, cluster.size() * 6 / 100);
      for (const auto& [index, differences] : odd) {
        std::string words;
        const bool look_again = odd.size() <= kMostCandidates;
        const Seen s = look_again ? look(index, reread) : Seen{};
        for (const auto& d : *differences) {
          if (d.of_keys && asked) continue;
          if (!d.new_key.empty() && look_again &&
              contains_word(s.system + "\n" + s.question, last_key(d.new_key)) &&
              !contains_word(s.question, fmt::format("\"{}\"", last_key(d.new_key))))
            continue;
          words += (words.empty() ? "" : "; ") + d.words;
        }
        if (words.empty()) continue;
        say(index,
            fmt::format("{} {} are {} with {}; in this one: {}", cluster.size(), group.to_what,
                        format_kind_name(answers_[index].kind),
                        norm.keys_in_words().empty() ? "like keys" : norm.keys_in_words(), words),
            many ? Severity::kNote : Severity::kWarning);
      }
    }
  }

  static std::string last_key(const std::string& path) {
    return path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
  }

  void judge_strange_keys(const Context& group, const std::vector<uint32_t>& answers,
                          const std::vector<size_t>& main, const std::vector<size_t>& cluster,
                          const std::vector<uint32_t>& shapes, const Reread& reread) {
    std::vector<uint32_t> main_shapes;
    for (const size_t i : main) main_shapes.push_back(shapes[i]);
    const std::string keys = ShapeNorm(shapes_, main_shapes).keys_in_words();
    if (keys.empty()) return;
    for (const size_t i : cluster) {
      const Seen s = look(answers[i], reread);
      size_t named = 0;
      const auto own = shapes_.keys(shapes[i]);
      bool error = false;
      for (const uint32_t id : own) {
        named += contains_word(s.system + "\n" + s.question, shapes_.path(id));
        error = error || shapes_.path(id) == "error" || shapes_.path(id) == "refusal";
      }
      if (error || named == own.size()) continue;
      say(answers[i], fmt::format("{} of {} {} are {} with {}; this one is {}", main.size(), answers.size(),
                                  group.to_what, format_kind_name(answers_[answers[main[0]]].kind), keys,
                                  format_family(s.answer).name()));
    }
  }

  // Whether each question names the keys that it wants.
  bool keys_are_asked(const std::vector<uint32_t>& answers, const std::vector<size_t>& cluster,
                      const Reread& reread) const {
    size_t named = 0, looked = 0;
    const size_t step = std::max<size_t>(1, cluster.size() / 20);
    for (size_t i = 0; i < cluster.size(); i += step, ++looked) {
      const Seen s = look(answers[cluster[i]], reread);
      const auto keys = shapes_.keys(answers_[answers[cluster[i]]].shape);
      size_t found = 0;
      for (const uint32_t id : keys) found += contains_word(s.question, shapes_.path(id));
      named += keys.size() > 1 && found * 5 >= keys.size() * 4;
    }
    return named * 3 > looked;
  }

  // The language of a code fence.
  void judge_languages(const Context& group, const std::vector<uint32_t>& code, const Reread& reread) {
    std::map<uint32_t, std::vector<uint32_t>> by;
    for (const uint32_t i : code) by[answers_[i].detail].push_back(i);
    const auto main = std::max_element(
        by.begin(), by.end(), [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    if (main->second.size() * 100 < code.size() * 95 || code.size() < 20) return;
    const std::string norm = format_family(look(main->second[0], reread).answer).name();
    for (const auto& [language, some] : by)
      if (language != main->first && some.size() <= std::max<size_t>(1, code.size() / 100))
        judge_minority(group, main->second, some, norm, reread);
  }

  // Answers that all begin "Answer:", and one that does not.
  void judge_prefixes(const Context& group, const Reread& reread) {
    const size_t n = group.members.size();
    std::map<uint32_t, size_t> counts;
    for (const uint32_t i : group.members)
      if (!is_json_bucket(bucket_of(answers_[i].kind))) ++counts[answers_[i].prefix];
    const auto main = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (n < 20 || main == counts.end() || main->first == 0 || main->second * 100 < n * 95) return;
    std::string prefix;
    std::vector<uint32_t> odd;
    for (const uint32_t i : group.members) {
      if (answers_[i].prefix != main->first)
        odd.push_back(i);
      else if (prefix.empty())
        prefix = std::string(prefix_of(look(i, reread).answer));
    }
    if (odd.size() > std::max<size_t>(1, n / 40)) return;
    for (const uint32_t i : odd) {
      const Seen s = look(i, reread);
      if (is_negative_answer(s.answer, fallback_words(s.system))) continue;
      say(i, fmt::format("{} of {} {} begin with \"{}\"; this one does not", main->second, n, group.to_what,
                         prefix));
    }
  }

  void judge_labels(const Reread& reread) {
    for (const auto& [key, counts] : labels_) {
      if (!counts.is_closed()) continue;
      const std::string& path = shapes_.path(static_cast<uint32_t>(key));
      const auto& labels = counts.labels();
      const Seen first = look(labels[0].first_seen, reread);
      const auto in_prompt = [&](const std::string& label) { return contains_word(first.system, label); };
      const std::string where = path.empty() ? "" : fmt::format(" under the key \"{}\"", path);
      for (const auto& slip : counts.slips()) {
        const auto &rare = labels[slip.label], &meant = labels[slip.meant];
        if (in_prompt(rare.text) || (!path.empty() && (counts.labels().size() > 20 || copied(rare, reread))))
          continue;
        const std::string words = fmt::format(
            "the label \"{}\"{} occurs {}, \"{}\" {} times", rare.text, where,
            rare.count == 1 ? "once" : fmt::format("{} times", rare.count), meant.text, meant.count);
        say(rare.first_seen, words);
        if (rare.count == 2) say(rare.second_seen, words);
      }
      if (!path.empty()) continue;
      const auto named_alone = [&](const LabelCounts::Label& label) { return in_prompt(label.text); };
      for (const size_t i : counts.strangers(
               std::ranges::all_of(labels, [&](const auto& l) { return l.count <= 3 || named_alone(l); }))) {
        const auto& label = labels[i];
        // What the prompt or the question itself lists.
        const Seen s = look(label.first_seen, reread);
        const std::string prompt = s.system + "\n" + s.question;
        size_t named = 0;
        for (const auto& other : labels)
          named += other.count > 3 && contains_word(prompt, other.text) ? other.count : 0;
        const bool listed = named * 10 > counts.total() * 8;
        if (contains_word(prompt, label.text) || (is_negative_answer(label.text) && !listed)) continue;
        const std::string words = fmt::format(
            "the label \"{}\" occurs {}; the other {} answers use {} labels{}", label.text,
            label.count == 1 ? "once" : fmt::format("{} times", label.count), counts.total() - label.count,
            labels.size() - 1, listed ? ", and the instructions name those alone" : "");
        say(label.first_seen, words, listed ? Severity::kWarning : Severity::kNote);
        if (label.count == 2) say(label.second_seen, words, listed ? Severity::kWarning : Severity::kNote);
      }
    }
  }

  // Whether a value was copied out of the question: then its spelling is the question's.
  bool copied(const LabelCounts::Label& label, const Reread& reread) const {
    return look(label.first_seen, reread).question.find(label.text) != std::string::npos;
  }

  std::unordered_map<uint64_t, uint32_t> groups_;  // by hash of the system prompt
  uint32_t no_prompt_ = UINT32_MAX;
  std::vector<Answer> answers_;
  ShapeTable shapes_;
  uint32_t label_path_ = shapes_.path_id("");
  std::unordered_map<uint64_t, LabelCounts> labels_;  // by group and path
  std::map<uint32_t, Said> said_;                     // by answer
};

}  // namespace

std::unique_ptr<DataCheck> make_inconsistent_format_check() {
  return std::make_unique<InconsistentFormat>();
}

}  // namespace lora
