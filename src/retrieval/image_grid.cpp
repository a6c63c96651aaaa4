#include "retrieval/image_grid.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <opencv2/imgproc.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "retrieval/image_source.h"

namespace edgeclip {
namespace {

constexpr int kMargin = 16, kGap = 14, kFont = cv::FONT_HERSHEY_SIMPLEX;
const cv::Scalar kBackground(250, 250, 248), kInk(38, 42, 48), kFaint(110, 116, 124), kFrame(205, 208, 212),
    kFound(30, 150, 80);

std::string ascii(const std::string& text) {
  std::string out;
  for (const char32_t c : utf8_to_utf32(text))
    out += c >= 32 && c < 127 ? static_cast<char>(c) : c == '\t' || c == '\n' ? ' ' : '?';
  return out;
}

int text_width(const std::string& text, double scale) {
  int baseline = 0;
  return cv::getTextSize(text, kFont, scale, 1, &baseline).width;
}

/// Lines no wider than `width`; a word that is too long is cut.  At most `most` lines, the last one then ends
/// in "...".
std::vector<std::string> wrap(const std::string& text, double scale, int width, std::size_t most) {
  std::vector<std::string> lines(1);
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    at = end + 1;
    while (word.size() > 1 && text_width(word, scale) > width) word.pop_back();
    const std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (text_width(longer, scale) <= width) {
      lines.back() = longer;
    } else if (lines.size() < most) {
      lines.push_back(word);
    } else {
      while (!lines.back().empty() && text_width(lines.back() + "...", scale) > width)
        lines.back().pop_back();
      lines.back() += "...";
      break;
    }
  }
  return lines;
}

void write(cv::Mat& canvas, const std::string& text, int x, int y, double scale, const cv::Scalar& ink) {
  cv::putText(canvas, text, {x, y}, kFont, scale, ink, 1, cv::LINE_AA);
}

}  // namespace

Image draw_grid(const std::string& title, const std::vector<GridCell>& cells, const GridOptions& options) {
  EDGECLIP_CHECK(options.columns > 0 && options.cell_width > 0 && options.cell_height > 0);
  constexpr double kTitle = 0.62, kLabel = 0.46, kCaption = 0.34;
  constexpr int kTitleLine = 26, kLabelLine = 22, kCaptionLine = 14, kCaptionLines = 5;
  const bool captions =
      std::any_of(cells.begin(), cells.end(), [](const GridCell& c) { return !c.caption.empty(); });
  const int columns = std::max(1, std::min<int>(options.columns, static_cast<int>(cells.size())));
  const int rows = (static_cast<int>(cells.size()) + columns - 1) / columns;
  const int width = std::max(2 * kMargin + columns * options.cell_width + (columns - 1) * kGap, 420);
  const auto title_lines = wrap(ascii(title), kTitle, width - 2 * kMargin, 4);
  const int top = kMargin + static_cast<int>(title_lines.size()) * kTitleLine + 10;
  const int row_height =
      options.cell_height + kLabelLine + (captions ? kCaptionLines * kCaptionLine + 4 : 0) + kGap;
  const int height = top + std::max(rows * row_height, cells.empty() ? 40 : 0) + kMargin / 2;

  Image picture(width, height);
  cv::Mat canvas(height, width, CV_8UC3, picture.rgb.data());  // RGB, drawn in place
  canvas.setTo(kBackground);
  for (std::size_t k = 0; k < title_lines.size(); ++k)
    write(canvas, title_lines[k], kMargin, kMargin + 18 + static_cast<int>(k) * kTitleLine, kTitle, kInk);
  if (cells.empty()) write(canvas, "no results", kMargin, top + 20, kLabel, kFaint);

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
    } else {
      write(canvas, "image missing", x + 20, y + box.height / 2, kCaption + 0.05, kFaint);
    }
    const int thick = cell.highlighted ? 3 : 1;
    cv::rectangle(canvas, {box.x - thick, box.y - thick, box.width + 2 * thick, box.height + 2 * thick},
                  cell.highlighted ? kFound : kFrame, thick);
    const int below = y + options.cell_height + 17;
    const std::string label = ascii(cell.label);
    write(canvas, label, x + (options.cell_width - text_width(label, kLabel)) / 2, below, kLabel,
          cell.highlighted ? kFound : kInk);
    if (cell.caption.empty()) continue;
    const auto lines = wrap(ascii(cell.caption), kCaption, options.cell_width, kCaptionLines);
    for (std::size_t line = 0; line < lines.size(); ++line)
      write(canvas, lines[line], x, below + kCaptionLine + 2 + static_cast<int>(line) * kCaptionLine,
            kCaption, kFaint);
  }
  return picture;
}

std::vector<GridCell> grid_cells(const Gallery& gallery, const std::vector<SearchHit>& hits) {
  std::vector<GridCell> cells(hits.size());
  std::vector<std::size_t> order(hits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Frames of a video are read in one pass: in gallery order.
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return hits[a].item < hits[b].item; });
  ItemReader reader;
  for (const std::size_t k : order) {
    const SearchHit& hit = hits[k];
    cells[k].label = fmt::format("{}   {:.3f}", hit.rank, hit.score);
    cells[k].caption = hit.caption;
    try {
      cells[k].image = reader.read(gallery.image_root, hit.path);
    } catch (const InvalidInput& error) {
      spdlog::warn("not in the grid: {}", error.what());
    }
  }
  return cells;
}

}  // namespace edgeclip
