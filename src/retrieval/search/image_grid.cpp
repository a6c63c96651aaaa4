#include "retrieval/search/image_grid.h"

#include <algorithm>
#include <numeric>
#include <opencv2/imgproc.hpp>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/log.h"
#include "data/image/codecs.h"
#include "data/image/png_text.h"
#include "retrieval/index/image_source.h"
#include "retrieval/search/text_layout.h"

namespace edgeclip {
namespace {

constexpr int kMargin = 16, kGap = 14;
constexpr double kTitle = 18, kLabel = 14, kCaption = 11;  // pixels per em
constexpr int kTitleLine = 26, kLabelLine = 22, kCaptionLine = 14;
constexpr std::size_t kTitleLines = 4, kCaptionLines = 5;  // at most
constexpr Ink kInk{38, 42, 48}, kFaint{95, 101, 109}, kFoundInk{20, 120, 62};
const cv::Scalar kBackground(250, 250, 248), kFrame(205, 208, 212), kFound(30, 150, 80);

void write_centred(Font& font, Image& picture, const std::u32string& text, double middle, double baseline,
                   double size, Ink ink) {
  font.draw(picture, text, middle - text_width(font, text, size) / 2, baseline, size, ink);
}

}  // namespace

Image draw_grid(const std::string& title, const std::vector<GridCell>& cells, const GridOptions& options) {
  EDGECLIP_CHECK(options.columns > 0 && options.cell_width > 0 && options.cell_height > 0);
  const std::unique_ptr<Font> font = find_font();
  const int columns = std::max(1, std::min<int>(options.columns, static_cast<int>(cells.size())));
  const int rows = (static_cast<int>(cells.size()) + columns - 1) / columns;
  const int width = std::max(2 * kMargin + columns * options.cell_width + (columns - 1) * kGap, 420);
  const auto title_lines = wrap_text(*font, drawable(title), kTitle, width - 2 * kMargin, kTitleLines);
  std::vector<std::vector<std::u32string>> captions;
  std::size_t caption_lines = 0;
  for (const GridCell& cell : cells) {
    captions.emplace_back();
    if (cell.caption.empty()) continue;
    captions.back() = wrap_text(*font, drawable(cell.caption), kCaption, options.cell_width, kCaptionLines);
    caption_lines = std::max(caption_lines, captions.back().size());
  }
  const int top = kMargin + static_cast<int>(title_lines.size()) * kTitleLine + 10;
  const int row_height = options.cell_height + kLabelLine +
                         (caption_lines > 0 ? static_cast<int>(caption_lines) * kCaptionLine + 4 : 0) + kGap;
  const int height = top + std::max(rows * row_height, cells.empty() ? 40 : 0) + kMargin / 2;

  Image picture(width, height);
  cv::Mat canvas(height, width, CV_8UC3, picture.rgb.data());  // RGB, drawn in place
  canvas.setTo(kBackground);
  for (std::size_t k = 0; k < title_lines.size(); ++k)
    font->draw(picture, title_lines[k], kMargin, kMargin + 18 + static_cast<int>(k) * kTitleLine, kTitle,
               kInk);
  if (cells.empty()) font->draw(picture, U"no results", kMargin, top + 20, kLabel, kFaint);

  for (std::size_t k = 0; k < cells.size(); ++k) {
    const GridCell& cell = cells[k];
    const int x = kMargin + static_cast<int>(k) % columns * (options.cell_width + kGap),
              y = top + static_cast<int>(k) / columns * row_height;
    cv::Rect box(x, y, options.cell_width, options.cell_height);
    if (cell.image.width > 0 && cell.image.height > 0) {
      const double scale = std::min(static_cast<double>(box.width) / cell.image.width,
                                    static_cast<double>(box.height) / cell.image.height);
      const cv::Size size(std::max(1, static_cast<int>(cell.image.width * scale)),
                          std::max(1, static_cast<int>(cell.image.height * scale)));
      box = cv::Rect(x + (box.width - size.width) / 2, y + (box.height - size.height) / 2, size.width,
                     size.height);
      const cv::Mat image(cell.image.height, cell.image.width, CV_8UC3,
                          const_cast<std::uint8_t*>(cell.image.rgb.data()));  // only read
      cv::Mat resized;
      cv::resize(image, resized, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
      resized.copyTo(canvas(box));
    }
    const int thick = cell.highlighted ? 3 : 1;
    cv::rectangle(canvas, {box.x - thick, box.y - thick, box.width + 2 * thick, box.height + 2 * thick},
                  cell.highlighted ? kFound : kFrame, thick);
    const double middle = x + options.cell_width / 2.0;
    if (cell.image.width == 0)
      write_centred(*font, picture, U"image missing", middle, y + box.height / 2, kCaption + 1, kFaint);
    const int below = y + options.cell_height + 17;
    write_centred(*font, picture, drawable(cell.label), middle, below, kLabel,
                  cell.highlighted ? kFoundInk : kInk);
    // A caption reads as a paragraph; one line, such as a file name, belongs under its picture.
    const auto& lines = captions[k];
    for (std::size_t line = 0; line < lines.size(); ++line) {
      const int baseline = below + kCaptionLine + 3 + static_cast<int>(line) * kCaptionLine;
      if (lines.size() == 1)
        write_centred(*font, picture, lines[0], middle, baseline, kCaption, kFaint);
      else
        font->draw(picture, lines[line], x, baseline, kCaption, kFaint);
    }
  }
  return picture;
}

std::vector<GridCell> grid_cells(const GallerySet& galleries, const std::vector<SearchHit>& hits) {
  std::vector<GridCell> cells(hits.size());
  std::vector<std::size_t> order(hits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Frames of a video are read in one pass: in gallery order.
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return hits[a].place < hits[b].place; });
  ItemReader reader;
  std::vector<std::string> missing;
  for (const std::size_t k : order) {
    const SearchHit& hit = hits[k];
    cells[k].label = fmt::format("{}   {:.3f}", hit.rank, hit.score);
    cells[k].caption = hit.item.caption.empty() ? item_name(hit.item) : hit.item.caption;
    try {
      cells[k].image = reader.read(galleries.file_of(hit.place), hit.item, galleries.source(hit.place));
    } catch (const InvalidInput& error) {
      missing.emplace_back(error.what());
    }
  }
  if (!missing.empty() && missing.size() == hits.size())
    invalid_input("none of the {} images of the grid can be read; the first: {}", hits.size(),
                  missing.front());
  if (!missing.empty())
    spdlog::warn("{} of {} images are not in the grid; the first: {}", missing.size(), hits.size(),
                 missing.front());
  return cells;
}

void write_grid(const std::filesystem::path& path, const std::string& query, const std::string& description,
                const std::vector<GridCell>& cells) {
  AtomicFile file(path);
  file.write(with_png_text(encode_png(draw_grid(query, cells)),
                           {{"Title", query}, {"Description", description}, {"Software", kGridSoftware}}));
  file.commit();
}

}  // namespace edgeclip
