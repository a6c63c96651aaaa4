#include "train/metrics_log.h"

#include <cerrno>
#include <sstream>

#include "base/atomic_output.h"
#include "base/file.h"
#include "base/io_error.h"

namespace edgeclip {

namespace {

/// Lines up to that step.  A last line cut short by a crash has no step that can be read, and goes.
std::string lines_until(const std::filesystem::path& path, std::int64_t step) {
  if (step < 0 || !std::filesystem::exists(path)) return {};
  std::istringstream lines(read_file(path));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) continue;
    if (json["step"].get<std::int64_t>() <= step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(std::filesystem::path path, std::int64_t keep_until) : path_(std::move(path)) {
  AtomicFile start(path_);
  start.write(lines_until(path_, keep_until));
  start.commit();
  file_.open(path_, std::ios::app);
  if (!file_) invalid_input("{}: cannot be written; choose another output path", path_.string());
}

void MetricsLog::write(const Json& line) {
  errno = 0;
  file_ << line.dump() << '\n' << std::flush;
  if (!file_) throw_io_error(path_, "cannot be written", errno, "go on with --resume");
}

}  // namespace edgeclip
