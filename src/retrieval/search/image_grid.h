#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "retrieval/search/search.h"

namespace edgeclip {

struct GridCell {
  Image image;               ///< width 0: drawn as an empty frame that says "image missing"
  std::string label;         ///< "1   0.843"
  std::string caption;       ///< what is known of the item; may be empty
  bool highlighted = false;  ///< a green frame: the person that was looked for
};

struct GridOptions {
  int columns = 5;
  int cell_width = 150, cell_height = 240;  ///< room for an image; it keeps its proportions
};

/// A picture of cells in reading order on a light background, the title wrapped above, text in the font of
/// find_font(); the longest captions end in an ellipsis.
Image draw_grid(const std::string& title, const std::vector<GridCell>& cells,
                const GridOptions& options = {});

/// Cells of one query's hits: images read where the gallery finds them, captioned by the item's name where
/// the gallery has no caption.  Those that cannot be read become empty frames, and one warning counts them;
/// InvalidInput if that is all of them.
std::vector<GridCell> grid_cells(const GallerySet& galleries, const std::vector<SearchHit>& hits);

/// Writes the grid of a query as a PNG that says what it is: "Title" the query, "Description", "Software"
/// kGridSoftware (data/image/png_text.h).
void write_grid(const std::filesystem::path& path, const std::string& query, const std::string& description,
                const std::vector<GridCell>& cells);

inline constexpr const char* kGridSoftware = "edgeclip search";

}  // namespace edgeclip
