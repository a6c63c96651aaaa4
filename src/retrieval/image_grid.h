#pragma once

#include <string>
#include <vector>

#include "data/image/image.h"
#include "retrieval/search.h"

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

/// A picture of cells in reading order on a light background, the title wrapped above.  Drawn with OpenCV's
/// Hershey font: a character outside ASCII appears as '?'.
Image draw_grid(const std::string& title, const std::vector<GridCell>& cells,
                const GridOptions& options = {});

/// Cells of one query's hits: images read from the gallery's image_root (a missing one becomes an empty frame
/// with a warning).
std::vector<GridCell> grid_cells(const Gallery& gallery, const std::vector<SearchHit>& hits);

}  // namespace edgeclip
