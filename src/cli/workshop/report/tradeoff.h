#pragma once

#include <string>
#include <vector>

#include "cli/runtime/report/names.h"

namespace edgeclip::report {

/// What a better answer costs: mAP (text to image) of the evaluations against the milliseconds that their
/// encoder takes per image.  A series per dataset, a point per model.  Empty with fewer than two points.
std::string evaluation_charts(const std::vector<NamedReport>& evaluations);

/// The same for the plans that were benchmarked and evaluated too: against the median latency of a query, and
/// against the size of the model.  Empty if no plan was both.
std::string deployment_charts(const std::vector<NamedReport>& benches,
                              const std::vector<NamedReport>& evaluations);

/// Charts that a table asks for:
///   "charts": [{"label": COLUMN, "x": COLUMN, "y": [COLUMN, ...], "title": "...", "caption": "..."}]
/// rows: a cell per column.  Rows without a number at x or y are left out.  Throws InvalidInput (file,
/// chart).
std::string table_charts(const Json& charts, const std::vector<std::string>& columns,
                         const std::vector<std::vector<Json>>& rows, const std::string& where);

}  // namespace edgeclip::report
