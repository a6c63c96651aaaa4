#include "base/report_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/file.h"
#include "base/io_error.h"
#include "base/output_claim.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

std::string first_bytes(const fs::path& path) {
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) throw_io_error(path, "cannot be opened", errno, "choose another output path");
  std::string bytes(1 << 16, '\0');
  const ssize_t n = ::read(fd.get(), bytes.data(), bytes.size());
  if (n < 0) throw_io_error(path, "cannot be read", errno, "choose another output path");
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

bool is_of_kind(std::string_view bytes, ReportKind kind) {
  using namespace std::string_view_literals;
  const auto starts = [&](std::string_view text) { return bytes.substr(0, text.size()) == text; };
  const auto holds = [&](std::string_view text) { return bytes.find(text) != std::string_view::npos; };
  switch (kind) {
    case ReportKind::kJson:
      return starts("{\n  \"command\": \""sv) && holds("\"program\": \"edgeclip"sv);
    case ReportKind::kCsv:
      return starts("rank,score,path,id"sv);
    case ReportKind::kHtml:
      return holds("<meta name=\"generator\" content=\"edgeclip"sv);
    case ReportKind::kMarkdown:
      return starts("<!-- report of edgeclip -->"sv);
    case ReportKind::kPng:
      return starts("\x89PNG\r\n\x1A\n"sv) && holds("tEXtSoftware\0edgeclip"sv);
    case ReportKind::kNpy:
      return starts("\x93NUMPY"sv);
    case ReportKind::kGraph:
      return starts("// graph of edgeclip"sv) || starts("{\n  \"kind\": \"graph of edgeclip\""sv);
    case ReportKind::kQueries:
      return starts("direction,number,id,query,"sv);
  }
  return false;
}

const char* name_of(ReportKind kind) {
  switch (kind) {
    case ReportKind::kJson:
      return "a report of edgeclip";
    case ReportKind::kCsv:
      return "search results of edgeclip";
    case ReportKind::kHtml:
      return "a report page of edgeclip";
    case ReportKind::kMarkdown:
      return "a Markdown report of edgeclip";
    case ReportKind::kPng:
      return "a picture made by edgeclip";
    case ReportKind::kNpy:
      return "a .npy array";
    case ReportKind::kGraph:
      return "a graph written by edgeclip";
    case ReportKind::kQueries:
      return "a table of queries of edgeclip";
  }
  return "";
}

}  // namespace

void require_report_output(const fs::path& path, ReportKind kind, const std::vector<std::string>& inputs) {
  require_writable(path);
  const fs::file_type type = file_type_at(path);
  if (type == fs::file_type::directory) invalid_input("{}: is a folder; name a file to write", path.string());
  if (type != fs::file_type::regular) return;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (!input.empty() && fs::equivalent(path, input, error) && !error)
      invalid_input("{}: is also an input, which is never replaced; choose another output path",
                    path.string());
  }
  const std::string bytes = first_bytes(path);
  if (!bytes.empty() && !is_of_kind(bytes, kind))
    invalid_input("{}: is there already and is not {}, so it is not replaced; choose another output path",
                  path.string(), name_of(kind));
}

void require_result_output(const fs::path& path, ReportKind kind, const std::vector<std::string>& inputs,
                           bool overwrite) {
  require_report_output(path, kind, inputs);
  std::error_code error;
  if (!overwrite && file_type_at(path) == fs::file_type::regular && fs::file_size(path, error) > 0)
    invalid_input("{}: is there already; replace it with --overwrite, or choose another output path",
                  path.string());
}

}  // namespace edgeclip
