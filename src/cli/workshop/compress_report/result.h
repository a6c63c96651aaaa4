#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace edgeclip::compress_report {

/// What was found of a row.
struct RowReports {
  std::string name, network, precision;
  std::vector<Json> evaluated;  ///< evaluate, a report per seed
  std::vector<Json> benched;    ///< bench, a report per round
  Json verified, profiled;      ///< of the first seed
  std::int64_t onnx_bytes = 0;
  std::vector<Json> others{};   ///< reports of the commands that made it
};

/// {"name","network","precision","seeds","text_to_image":{"R@1":{"mean","std","values"},...},"image_to_text":{...},
///  "revisions","image_ms":{"1","4","8"},"text_ms":{...},"query_ms","peak_rss_mb","onnx_mb","plan_mb","macs","parameters",
///  "verify":{"passed","cosine"}}
/// revisions: of the programs that exported, built and measured it.  std: of a sample (n - 1), null for one seed.  Milliseconds are per image and per caption, medians over the rounds of medians;
/// query_ms is bench's whole query.  MB: 10^6 bytes, rss: MiB.  macs: image and one caption of mean length.
Json row_result(const RowReports& reports);

/// Plain text for people, a line per row.
std::string result_text(const std::vector<Json>& rows);

/// Sections of a page: retrieval, cost, plots with the front of those that nothing beats.
std::string result_page(const std::vector<Json>& rows, const std::string& about);

}  // namespace edgeclip::compress_report
