#include "cli/workshop/report/example_section.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "cli/runtime/report/html.h"
#include "cli/runtime/report/names.h"
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

std::string hit_figure(const Json& hit, int& missing) {
  const std::string path = text_at(hit, "path"), uri = thumbnail_uri(path);
  const bool right = value_at(hit, "right") == true;
  const Json score = value_at(hit, "score");
  missing += uri.empty() ? 1 : 0;
  const std::string picture = uri.empty()
                                  ? std::string("<div class=\"missing\">image missing</div>")
                                  : fmt::format("<img src=\"{}\" alt=\"{}\">", uri,
                                                escape_html(std::filesystem::path(path).filename().string()));
  return fmt::format("<figure class=\"{0}\">{1}<figcaption>{2} {0} · {3}</figcaption></figure>\n",
                     right ? "right" : "wrong", picture, right ? "✓" : "✗",
                     score.is_number() ? fmt::format("{:.2f}", score.get<double>()) : std::string("—"));
}

}  // namespace

std::string example_pictures(const Json& examples, const std::string& where) {
  if (!examples.is_array())
    invalid_input("{}: examples: expected a list, found {}", where, json_kind(examples));
  if (examples.empty()) return {};
  std::string html = "<h3>What is found for some captions</h3>\n";
  int missing = 0;
  for (const Json& example : examples) {
    const Json results = value_at(example, "results"), first = value_at(example, "first_right");
    if (!results.is_array()) invalid_input("{}: examples: a results list is missing", where);
    html += fmt::format(
        "<p class=\"query\">“{}” <span class=\"note\">person {}, {}</span></p>\n<div class=\"hits\">\n",
        escape_html(text_at(example, "caption")), escape_html(cell_text(value_at(example, "id"))),
        first.is_null() ? "no right image there" : escape_html("first right at rank " + cell_text(first)));
    for (const Json& hit : results) html += hit_figure(hit, missing);
    html += "</div>\n";
  }
  if (missing > 0)
    html += fmt::format("<p class=\"note\">{} images cannot be read where they were at the evaluation.</p>\n",
                        missing);
  return html +
         "<p class=\"note\">Captions are taken evenly from the split, not by how well they do; score: "
         "cosine.</p>\n";
}

}  // namespace edgeclip::report
