#include "judging/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/nearest_word.h"
#include "judging/config_toml.h"

namespace lora {
namespace {

std::string place(const std::string& file, const toml::node& node) {
  return fmt::format("{}:{}:{}", file, node.source().begin.line, node.source().begin.column);
}

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected) {
  throw Error::input({.where = where, .found = found, .expected = expected});
}

// A table whose keys are read one by one, each into its member.
class Reader {
 public:
  Reader(std::string file, std::string table) : file_(std::move(file)), table_(std::move(table)) {}

  void text(const std::string& key, std::string& member) {
    readers_[key] = [this, key, &member](const toml::node& node) {
      const auto* value = node.as_string();
      if (!value) refuse(place(file_, node), key + " is no string", "a string");
      member = value->get();
    };
  }
  void flag(const std::string& key, bool& member) {
    readers_[key] = [this, key, &member](const toml::node& node) {
      const auto* value = node.as_boolean();
      if (!value) refuse(place(file_, node), key + " is neither true nor false", "true or false");
      member = value->get();
    };
  }
  template <class Member>  // double, or an optional one
  void number(const std::string& key, Member& member) {
    readers_[key] = [this, key, &member](const toml::node& node) { member = number_of(key, node); };
  }
  template <class Member>
  void integer(const std::string& key, Member& member) {
    readers_[key] = [this, key, &member](const toml::node& node) {
      const auto* value = node.as_integer();
      if (!value || value->get() < 0)
        refuse(place(file_, node), key + " is no whole number from 0 up", "a whole number");
      member = static_cast<Member>(value->get());
    };
  }
  void texts(const std::string& key, std::vector<std::string>& member) {
    readers_[key] = [this, key, &member](const toml::node& node) {
      const auto* array = node.as_array();
      if (!array) refuse(place(file_, node), key + " is no array", "an array of strings");
      member.clear();
      for (const auto& item : *array) {
        const auto* value = item.as_string();
        if (!value || value->get().empty())
          refuse(place(file_, item), key + " holds something else than words", "an array of strings");
        member.push_back(value->get());
      }
    };
  }
  void other(const std::string& key, std::function<void(const toml::node&)> read) {
    readers_[key] = std::move(read);
  }

  double number_of(const std::string& key, const toml::node& node) const {
    if (const auto* value = node.as_floating_point()) return value->get();
    if (const auto* value = node.as_integer()) return static_cast<double>(value->get());
    refuse(place(file_, node), key + " is no number", "a number");
  }

  void read(const toml::node& node) const {
    const auto* table = node.as_table();
    if (!table) refuse(place(file_, node), table_ + " is no table", fmt::format("a table, {}", table_));
    for (const auto& [name, value] : *table) {
      const auto reader = readers_.find(std::string(name.str()));
      if (reader == readers_.end()) refuse_key(std::string(name.str()), value);
      reader->second(value);
    }
  }

 private:
  [[noreturn]] void refuse_key(const std::string& name, const toml::node& node) const {
    std::vector<std::string_view> known;
    for (const auto& [key, reader] : readers_) known.push_back(key);
    const std::string_view nearest = nearest_word(name, known);
    const bool is_key = name.find("key") != std::string::npos && name != "api_key_env";
    std::string fix = fmt::format("Known keys: {}.", fmt::join(known, ", "));
    if (is_key)
      fix =
          "A key never stands in a file: put it in an environment variable and give its name as api_key_env.";
    else if (!nearest.empty())
      fix = fmt::format("The nearest known key is \"{}\".", nearest);
    throw Error::input({.where = place(file_, node),
                        .found = fmt::format("{} has no key \"{}\"", table_, name),
                        .fix = std::move(fix)});
  }

  std::string file_, table_;
  std::map<std::string, std::function<void(const toml::node&)>> readers_;
};

void add_endpoint_keys(Reader& reader, EndpointConfig& endpoint) {
  reader.text("base_url", endpoint.base_url);
  reader.text("model", endpoint.model);
  reader.text("api_key_env", endpoint.api_key_env);
  reader.integer("concurrency", endpoint.concurrency);
  reader.number("timeout_s", endpoint.timeout_s);
  reader.integer("max_retries", endpoint.max_retries);
  reader.number("price_per_million_input", endpoint.price_per_million_input);
  reader.number("price_per_million_output", endpoint.price_per_million_output);
  reader.text("max_tokens_field", endpoint.max_tokens_field);
  reader.text("ca_file", endpoint.ca_file);
  // Some models take no temperature: "default" leaves it to them.
  reader.other("temperature", [&reader, &endpoint](const toml::node& node) {
    const auto* word = node.as_string();
    if (word && word->get() == "default")
      endpoint.temperature.reset();
    else
      endpoint.temperature = reader.number_of("temperature", node);
  });
}

void require_address(const EndpointConfig& endpoint, const std::string& where, const std::string& table) {
  if (endpoint.base_url.empty() || endpoint.model.empty())
    throw Error::input(
        {.where = where,
         .found = fmt::format("{} has no {}", table, endpoint.base_url.empty() ? "base_url" : "model"),
         .expected = "base_url = \"https://…/v1\" and model = \"…\""});
}

// A model on this machine judges greedily.
void check_local_judge(const JudgeSettings& judge, const std::string& where) {
  if (!std::filesystem::exists(judge.endpoint.model))
    throw Error::input(
        {.where = where,
         .found = fmt::format("[judge] has no base_url, and there is no file or folder \"{}\"",
                              judge.endpoint.model),
         .expected = "base_url = \"https://…/v1\" for an endpoint, or the path of a model on this machine"});
  if (judge.rubric.mode == JudgeMode::kRubric && judge.rubric.criteria.size() == 1)
    throw Error::input(
        {.where = where,
         .found =
             "mode is \"rubric\" with one criterion; a local judge, which grades each answer twice, would "
             "only repeat itself",
         .fix =
             "Name two criteria or more, whose two orders are two questions, or take mode = \"pairwise\"."});
}

JudgeSettings read_judge(const toml::node& node, const std::string& file) {
  JudgeSettings judge;
  const auto* table = node.as_table();
  const bool local = table && table->contains("model") && !table->contains("base_url");
  Reader reader(file, local ? "[judge] without base_url" : "[judge]");
  if (local)
    reader.text("model", judge.endpoint.model);
  else
    add_endpoint_keys(reader, judge.endpoint);
  reader.integer("max_tokens", judge.endpoint.max_tokens);
  reader.text("rubric", judge.rubric.text);
  reader.texts("criteria", judge.rubric.criteria);
  reader.flag("show_reference", judge.rubric.show_reference);
  reader.flag("decides", judge.decides);
  reader.texts("against", judge.against);
  reader.integer("controls", judge.controls);
  reader.other("mode", [&](const toml::node& value) {
    const auto* word = value.as_string();
    if (!word || (word->get() != "pairwise" && word->get() != "rubric"))
      refuse(place(file, value), "mode is not known", "\"pairwise\" or \"rubric\"");
    judge.rubric.mode = word->get() == "rubric" ? JudgeMode::kRubric : JudgeMode::kPairwise;
  });
  reader.read(node);
  if (local) {
    check_local_judge(judge, place(file, node));
  } else {
    require_address(judge.endpoint, place(file, node), "[judge]");
  }
  if (judge.rubric.criteria.empty()) refuse(place(file, node), "criteria is empty", "at least one criterion");
  for (const std::string& criterion : judge.rubric.criteria)
    if (criterion.find_first_of("\n:=") != std::string::npos)
      refuse(place(file, node),
             fmt::format("the criterion \"{}\" holds a colon, = or a line break", criterion), "a few words");
  if (judge.controls < kFewestGoldPairs || judge.controls > 1000)
    refuse(place(file, node), fmt::format("controls is {}", judge.controls),
           fmt::format("a number from {} to 1000", kFewestGoldPairs));
  return judge;
}

// "outputs/first/adapter" is called "first", any other folder by its own name.
std::string name_of_folder(const std::string& folder) {
  std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename() == "adapter" && path.has_parent_path()) path = path.parent_path();
  return path.filename().string();
}

ContestantSettings read_local_contestant(const toml::node& node, const std::string& file) {
  ContestantSettings contestant;
  Reader reader(file, "[[contestant]] with an adapter or a checkpoint");
  reader.text("name", contestant.name);
  reader.text("adapter", contestant.adapter);
  reader.text("checkpoint", contestant.checkpoint);
  reader.read(node);
  if (contestant.adapter.empty() == contestant.checkpoint.empty())
    refuse(place(file, node),
           contestant.adapter.empty() ? "adapter and checkpoint are empty"
                                      : "adapter and checkpoint are both given",
           "one of the two");
  if (!contestant.adapter.empty()) {
    if (contestant.name.empty()) contestant.name = name_of_folder(contestant.adapter);
    return contestant;
  }
  const std::string& which = contestant.checkpoint;
  if (which != "all" && which != "last" && !checkpoint_step(which))
    refuse(place(file, node), fmt::format("checkpoint is \"{}\"", which), "\"step-30\", \"last\" or \"all\"");
  if (!contestant.name.empty())
    refuse(place(file, node), "a checkpoint is given a name", "no name: it is called by its step");
  if (which != "all") contestant.name = which;
  return contestant;
}

ContestantSettings read_contestant(const toml::node& node, const std::string& file) {
  const auto* table = node.as_table();
  if (table && (table->contains("adapter") || table->contains("checkpoint")))
    return read_local_contestant(node, file);
  ContestantSettings contestant;
  Reader reader(file, "[[contestant]]");
  add_endpoint_keys(reader, contestant.endpoint);
  reader.text("name", contestant.name);
  reader.other("max_tokens", [&](const toml::node& value) {
    const auto* number = value.as_integer();
    if (!number || number->get() < 0)
      refuse(place(file, value), "max_tokens is no whole number from 0 up",
             "a whole number; 0: no limit is sent");
    contestant.endpoint.max_tokens = number->get();
    contestant.limits_tokens = true;
  });
  reader.read(node);
  require_address(contestant.endpoint, place(file, node), "[[contestant]]");
  if (contestant.name.empty()) contestant.name = contestant.endpoint.model;
  return contestant;
}

void add_contestant(JudgingConfig& config, ContestantSettings added, const std::string& where) {
  for (const std::string_view taken : {"base", "few_shot", "tuned"})
    if (added.name == taken)
      refuse(where, fmt::format("a contestant is named \"{}\", as one of lora's own", added.name),
             "another name");
  if (added.checkpoint.empty() && (checkpoint_step(added.name) || added.name == "last"))
    refuse(where, fmt::format("a contestant is named \"{}\", as checkpoints of the run are", added.name),
           "another name");
  const auto checkpoints = [](const ContestantSettings& c) { return !c.checkpoint.empty(); };
  if (checkpoints(added) && added.checkpoint != "all" &&
      std::any_of(config.contestants.begin(), config.contestants.end(),
                  [](const auto& known) { return known.checkpoint == "all"; }))
    refuse(where, fmt::format("the checkpoint \"{}\" is among all, which are named before", added.checkpoint),
           "\"all\" alone");
  if (added.checkpoint == "all" &&
      std::any_of(config.contestants.begin(), config.contestants.end(), checkpoints))
    refuse(where, "all checkpoints are named, and one of them before", "\"all\" alone");
  for (const ContestantSettings& known : config.contestants)
    if (known.name == added.name)
      refuse(where, fmt::format("two contestants are named \"{}\"", added.name), "a name for each");
  added.place = where;
  config.contestants.push_back(std::move(added));
}

}  // namespace

std::optional<int64_t> checkpoint_step(std::string_view name) {
  constexpr std::string_view kBegin = "step-";
  if (!name.starts_with(kBegin)) return std::nullopt;
  name.remove_prefix(kBegin.size());
  int64_t step = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), step);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size() || step < 1 || name[0] == '0')
    return std::nullopt;
  return step;
}

bool read_judging_key(JudgingConfig& config, std::string_view key, const toml::node& node,
                      const std::string& file) {
  if (key == "judge") {
    config.judge = read_judge(node, file);
    return true;
  }
  if (key == "endpoint_cache_dir") {
    const auto* value = node.as_string();
    if (!value) refuse(place(file, node), "endpoint_cache_dir is no string", "a folder");
    config.cache_dir = value->get();
    return true;
  }
  if (key != "contestant") return false;
  const auto* array = node.as_array();
  if (!array) refuse(place(file, node), "contestant is no array of tables", "[[contestant]]");
  for (const auto& item : *array) add_contestant(config, read_contestant(item, file), place(file, item));
  return true;
}

void check_endpoints(const JudgingConfig& config) {
  const auto nobody = [] { return false; };
  if (config.judge && !config.judge->is_local()) Endpoint(config.judge->endpoint, {}, "[judge]", nobody);
  for (const ContestantSettings& contestant : config.contestants)
    if (contestant.is_endpoint())
      Endpoint(contestant.endpoint, {}, fmt::format("[[contestant]] {}", contestant.name), nobody);
}

JudgingConfig read_judging_toml(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error::input({.where = fmt::format("{}:{}:{}", file.string(), error.source().begin.line,
                                             error.source().begin.column),
                        .found = fmt::format("this is not TOML: {}", error.what())});
  }
  JudgingConfig config;
  for (const auto& [name, node] : table) read_judging_key(config, name.str(), node, file.string());
  return config;
}

}  // namespace lora
