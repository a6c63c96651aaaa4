#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// Files that a command writes for people and scripts beside the artifacts: an older one of the same kind is
/// replaced without a question, anything else never is.
namespace edgeclip {

enum class ReportKind {
  kJson,  ///< what --json writes
  kCsv,   ///< search results
  kHtml,  ///< the report page
  kMarkdown,  ///< the table of bench
  kPng,   ///< a picture that edgeclip made (it says so in its Software text)
  kNpy,   ///< any NumPy array
  kGraph,   ///< a graph that --dump-graph wrote: DOT or JSON
  kQueries  ///< queries of an evaluation, CSV
};

/// Checks, before any work, that path can be written, and that what lies there may go: nothing, an empty
/// file, a device or pipe, or a report of this kind.  inputs: what is read, given or implied; path must be
/// none of them
/// ("" and missing files are passed over).  Throws InvalidInput otherwise.
void require_report_output(const std::filesystem::path& path, ReportKind kind,
                           const std::vector<std::string>& inputs = {});

/// The same for what a command replaces with --overwrite only: without it, a file that is there already (and
/// not empty) is refused too, naming the option.
void require_result_output(const std::filesystem::path& path, ReportKind kind,
                           const std::vector<std::string>& inputs, bool overwrite);

}  // namespace edgeclip
