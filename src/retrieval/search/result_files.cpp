#include "retrieval/search/result_files.h"

#include <string>

#include "base/atomic_output.h"
#include "base/csv.h"
#include "base/error.h"
#include "retrieval/gallery/time_text.h"

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
      file.write(csv_row({std::to_string(hit.rank), fmt::format("{:.6f}", hit.score), shown_path(hit.item),
                          hit.item.id < 0 ? "" : std::to_string(hit.item.id), hit.item.caption}));
    file.commit();
    written.push_back(name);
  }
  return written;
}

Json to_json(const std::vector<SearchHit>& hits) {
  Json list = Json::array();
  for (const SearchHit& hit : hits) {
    const GalleryItem& item = hit.item;
    list.push_back({{"rank", hit.rank},
                    {"score", hit.score},
                    {"path", shown_path(item)},
                    {"id", item.id < 0 ? Json(nullptr) : Json(item.id)},
                    {"caption", item.caption.empty() ? Json(nullptr) : Json(item.caption)},
                    {"item", hit.number}});
    Json& last = list.back();
    if (!item.camera.empty()) last["camera"] = item.camera;
    if (item.time != kUnknownTime) last["time"] = time_string(item.time);
    if (item.track >= 0) last["track"] = item.track;
    if (!hit.gallery.empty()) last["gallery"] = hit.gallery;
  }
  return list;
}

}  // namespace edgeclip
