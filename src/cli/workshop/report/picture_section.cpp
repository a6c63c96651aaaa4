#include "cli/workshop/report/picture_section.h"

#include <fmt/format.h>

#include "base/file.h"
#include "cli/runtime/report/html.h"
#include "data/image/png_text.h"
#include "retrieval/search/image_grid.h"

namespace edgeclip::report {

std::string picture_section(const std::filesystem::path& path) {
  const std::string bytes = read_file(path), title = png_text(bytes, "Title"),
                    description = png_text(bytes, "Description"), name = path.filename().string();
  const std::string caption = description.empty() ? name : description;
  // Only a grid's title is a query: other programs name their pictures too.
  if (title.empty() || png_text(bytes, "Software") != kGridSoftware)
    return html_section(title.empty() ? path.stem().string() : title, html_image(path, bytes, name, caption));
  return html_section(
      fmt::format("Search: “{}”", title),
      html_image(path, bytes, fmt::format("Pictures found for “{}”, best first", title), caption));
}

}  // namespace edgeclip::report
