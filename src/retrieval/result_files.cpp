#include "retrieval/result_files.h"

#include <string>

#include "base/atomic_output.h"
#include "base/csv.h"
#include "base/error.h"

namespace edgeclip {

namespace fs = std::filesystem;

fs::path numbered_file(fs::path path, std::size_t query, std::size_t count) {
  if (count > 1) path.replace_extension(fmt::format(".{}{}", query + 1, path.extension().string()));
  return path;
}

std::vector<fs::path> write_results_csv(const fs::path& path,
                                        const std::vector<std::vector<SearchHit>>& results) {
  std::vector<fs::path> written;
  for (std::size_t q = 0; q < results.size(); ++q) {
    const fs::path name = numbered_file(path, q, results.size());
    AtomicFile file(name);
    file.write(csv_row({"rank", "score", "path", "id", "caption"}));
    for (const SearchHit& hit : results[q])
      file.write(csv_row({std::to_string(hit.rank), fmt::format("{:.6f}", hit.score), hit.path,
                          hit.id < 0 ? "" : std::to_string(hit.id), hit.caption}));
    file.commit();
    written.push_back(name);
  }
  return written;
}

Json to_json(const std::vector<SearchHit>& hits) {
  Json list = Json::array();
  for (const SearchHit& hit : hits)
    list.push_back({{"rank", hit.rank},
                    {"score", hit.score},
                    {"path", hit.path},
                    {"id", hit.id < 0 ? Json(nullptr) : Json(hit.id)},
                    {"caption", hit.caption.empty() ? Json(nullptr) : Json(hit.caption)}});
  return list;
}

}  // namespace edgeclip
