#include "cli/runtime/report/hit_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/runtime/report/html.h"
#include "data/image/codecs.h"
#include "data/image/image.h"
#include "data/image/resample.h"

namespace edgeclip::report {

namespace {

constexpr std::size_t kSmallBytes = 24 * 1024;  ///< a file of so many bytes is embedded as it is
constexpr int kHeight = 160;                    ///< pixels, as they are shown

/// "" if the file cannot be shown.
std::string thumbnail_uri(const std::string& path) {
  try {
    if (std::filesystem::file_size(path) <= kSmallBytes)
      if (const std::string uri = image_uri(read_file(path)); !uri.empty()) return uri;
    Image image = read_image(path, {/*upright=*/true});
    if (image.height > kHeight) {
      const int width = std::max(1, image.width * kHeight / image.height);
      image = resize_part(image, width, kHeight, 0, 0, width, kHeight, Filter::kBilinear);
    }
    return image_uri(encode_png(image));
  } catch (const InvalidInput&) {
    return {};
  } catch (const std::filesystem::filesystem_error&) {  // it is gone
    return {};
  }
}

}  // namespace

std::string hit_figure(const std::string& path, bool right, std::optional<double> score,
                       const std::string& label, int& missing) {
  const std::string uri = thumbnail_uri(path);
  missing += uri.empty() ? 1 : 0;
  const std::string picture = uri.empty()
                                  ? std::string("<div class=\"missing\">image missing</div>")
                                  : fmt::format("<img src=\"{}\" alt=\"{}\">", uri,
                                                escape_html(std::filesystem::path(path).filename().string()));
  const char* verdict = right ? "right" : "wrong";
  return fmt::format("<figure class=\"{}\">{}<figcaption>{} {} · {}</figcaption></figure>\n", verdict,
                     picture, right ? "✓" : "✗", label.empty() ? verdict : escape_html(label),
                     score ? fmt::format("{:.2f}", *score) : std::string("—"));
}

std::string missing_note(int missing) {
  if (missing == 0) return {};
  return fmt::format("<p class=\"note\">{} images cannot be read where they were at the evaluation.</p>\n",
                     missing);
}

}  // namespace edgeclip::report
