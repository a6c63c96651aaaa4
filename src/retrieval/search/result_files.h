#pragma once

#include <filesystem>
#include <vector>

#include "base/json.h"
#include "retrieval/search/search.h"

namespace edgeclip {

/// The file of one of several queries: out.csv -> out.2.csv for the second; out.csv itself if there is but
/// one.
std::filesystem::path numbered_file(std::filesystem::path path, std::size_t query, std::size_t count);

/// Writes results as CSV with the header rank,score,path,id,caption (id and caption empty where unknown;
/// scores with six decimals).  One query: `path` itself; several: one file each, the query's number (from 1)
/// before the extension: out.csv -> out.1.csv, out.2.csv. Returns the files written.
std::vector<std::filesystem::path> write_results_csv(const std::filesystem::path& path,
                                                     const std::vector<std::vector<SearchHit>>& results);

/// [{"rank","score","path","id","caption","item"}]; id and caption null where unknown; "camera", "time", "track" where known, "gallery" where
/// several were searched.
Json to_json(const std::vector<SearchHit>& hits);

}  // namespace edgeclip
