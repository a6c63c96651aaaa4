#pragma once

#include <string>
#include <vector>

#include "cli/runtime/report/names.h"

namespace edgeclip::report {

/// One table over all reports of `evaluate`: a row per report and direction, and chance; and accuracy against
/// time.
std::string evaluate_section(const std::vector<NamedReport>& reports);

/// One table over all reports of `bench`: a column per report; and for plans that were evaluated too,
/// accuracy against latency and size.
std::string bench_section(const std::vector<NamedReport>& reports,
                          const std::vector<NamedReport>& evaluations = {});

/// A report of `search`: a table of results per query.
std::string search_section(const NamedReport& report);

/// {"command": "table", "title", "columns": [...], "rows": [[...]], "note"} or {"title", "rows": [{column:
/// value}]} or a bare list of objects (a column per key, in order of first appearance); the first two may
/// have "charts" (tradeoff.h).  Throws InvalidInput (file, row).
std::string table_section(const NamedReport& report);

/// Any other command's report: its keys and values.
std::string other_section(const NamedReport& report);

/// Rows (dotted key, value) of a nested object.
std::vector<std::vector<std::string>> key_value_rows(const Json& json, const std::string& prefix = {});

}  // namespace edgeclip::report
