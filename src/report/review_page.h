// The page on which people choose between two answers without knowing whose they are. Works offline and with the
// keyboard, goes on where it was left, and gives the votes as JSON Lines (review_votes.h). It holds no hint of which
// answer is whose.
#pragma once

#include <string>

#include "report/evaluation_record.h"
#include "report/review_plan.h"

namespace lora {

std::string review_page_html(const EvaluationRecord& evaluation, const ReviewPlan& plan);

}  // namespace lora
