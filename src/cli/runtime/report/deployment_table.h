#pragma once

#include <string>
#include <vector>

#include "cli/runtime/report/html.h"
#include "cli/runtime/report/names.h"

/// The table of `bench`: what a plan costs as deployed, a column for each, for people to read in a terminal, in Markdown and on a page.
namespace edgeclip::report {

/// A report of `bench` as one for each of its precisions (those of earlier versions, and of one plan, as themselves), each with the
/// keys of the whole that it lacks: what it was measured on.
std::vector<NamedReport> each_precision(const NamedReport& report);

/// Names that tell reports apart: of their plans' folders, else with the whole path.
std::vector<std::string> plan_names(const std::vector<NamedReport>& reports);

/// reports: of one plan each, named `names` in the table's head.  What none of them has is left out.  unknown: a cell of what a machine
/// does not tell.
Table deployment_table(const std::vector<NamedReport>& reports, const std::vector<std::string>& names, const std::string& unknown = "—");

/// What a query, its percentiles and the other measures are, in a few sentences.
std::string deployment_note();

/// Of a soak: what was asked, whether memory grew, queries failed or answers became slower.
Table soak_table(const Json& soak);

/// Columns of equal width, numbers to the right.
std::string text_table(const Table& table);
/// As GitHub writes tables.
std::string markdown_table(const Table& table);

/// Whole files of a report of `bench`, self-contained.
std::string deployment_markdown(const Json& report, const std::string& footer);
std::string deployment_page(const Json& report, const std::string& footer);

}  // namespace edgeclip::report
