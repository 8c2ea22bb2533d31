// The parts of a run's page, one function each (run_page.h puts them together). Each draws what the records say and
// gives "" where they say nothing.
#pragma once

#include <string>
#include <string_view>

#include "report/run_record.h"

namespace lora {

// On top: what was shown, in words and with the numbers that it rests on.
std::string run_verdict_html(const RunRecord& run);
// Loss on training and held-out rows, learning rate, norm of the gradient, by step.
std::string training_curves_html(const RunRecord& run);
// Bars with intervals, a card for each metric; and costs_html().
std::string rates_html(const EvaluationRecord& evaluation);
// What an answer of each contestant costs: tokens, time, money.
std::string costs_html(const EvaluationRecord& evaluation);
// Wins, losses and ties of each pair.
std::string comparisons_html(const EvaluationRecord& evaluation);
// Fields of JSON answers: how often each is right.
std::string fields_html(const EvaluationRecord& evaluation);
// Examples on which tuned and base part, `most` of each kind, with the differences marked.
std::string wins_and_losses_html(const EvaluationRecord& evaluation, size_t most);
// Every example of an evaluation one after the other, `most` at most.
std::string example_list_html(const EvaluationRecord& evaluation, size_t most);
// Plan against actual, the split, the settings, notes.
std::string run_settings_html(const RunRecord& run);

// "p = 0.031", "p = 4.8e-07".
std::string p_in_words(double p);
// A share that passes as "41 %", a mean of scores as "0.412".
std::string share_or_score(double value, bool is_score);
// "tuned", "base", "base with examples": what a contestant is called on the page.
std::string contestant_label(std::string_view name);
size_t contestant_color(std::string_view name, size_t place);  // 1 to 8

}  // namespace lora
