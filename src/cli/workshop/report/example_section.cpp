#include "cli/workshop/report/example_section.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/runtime/report/hit_figure.h"
#include "cli/runtime/report/html.h"
#include "cli/runtime/report/names.h"

namespace edgeclip::report {

namespace {

std::string hit_of(const Json& hit, int& missing) {
  const Json score = value_at(hit, "score");
  return hit_figure(text_at(hit, "path"), value_at(hit, "right") == true,
                    score.is_number() ? std::optional(score.get<double>()) : std::nullopt, "", missing);
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
    for (const Json& hit : results) html += hit_of(hit, missing);
    html += "</div>\n";
  }
  html += missing_note(missing);
  return html +
         "<p class=\"note\">Captions are taken evenly from the split, not by how well they do; score: "
         "cosine.</p>\n";
}

}  // namespace edgeclip::report
