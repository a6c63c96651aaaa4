#pragma once

#include <string>
#include <vector>

#include "cli/workshop/report/run_data.h"

namespace edgeclip::report {

/// A run: curves of the losses, the rate, the gradient's norm and the validation's figures, how it went, what
/// was found for some captions, configuration and environment.
std::string run_section(const RunData& run);

/// Several runs side by side: each figure's curves in one chart, a table of results, the options and the
/// environment, where what differs comes first and is marked.  Empty for fewer than two.
std::string comparison_section(const std::vector<RunData>& runs);

}  // namespace edgeclip::report
