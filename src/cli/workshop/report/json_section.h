#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace edgeclip::report {

/// A JSON report with the file it came from.
using NamedReport = std::pair<std::filesystem::path, Json>;

/// One table over all reports of `evaluate`: a row per report and direction, and chance.
std::string evaluate_section(const std::vector<NamedReport>& reports);

/// One table over all reports of `bench`: a column per report.
std::string bench_section(const std::vector<NamedReport>& reports);

/// {"command": "table", "title", "columns": [...], "rows": [[...]], "note"} or {"title", "rows": [{column:
/// value}]} or a bare list of objects (a column per key, in order of first appearance).  Throws InvalidInput
/// (file, row).
std::string table_section(const NamedReport& report);

/// Any other command's report: its keys and values.
std::string other_section(const NamedReport& report);

/// Rows (dotted key, value) of a nested object.
std::vector<std::vector<std::string>> key_value_rows(const Json& json, const std::string& prefix = {});

/// A number as people read it (at most 4 significant decimals), "—" for null, text as it is.
std::string cell_text(const Json& value);

}  // namespace edgeclip::report
